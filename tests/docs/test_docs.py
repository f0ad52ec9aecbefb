"""What the README and the docs show runs as it stands."""

import re

import matplotlib as mpl
import pytest
from paths import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_readme_scripts_run(tmp_path, monkeypatch, capsys):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) == 3
    names = {}
    for block in BLOCKS:
        exec(block, names)  # our own text
    assert (tmp_path / "density.png").stat().st_size > 10_000
    assert "first-order" in capsys.readouterr().out
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10


def test_tutorial_runs(tmp_path, monkeypatch, capsys):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    exec((ROOT / "docs" / "tutorial.py").read_text(encoding="utf-8"), {})  # our own text, with its own check at the end
    assert len(list(tmp_path.glob("tutorial_*.png"))) == 3
    assert "SGD stays  4.379e+04 steps, the diffusion  1.256e+04" in capsys.readouterr().out


def test_readme_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(targets) >= 5
    for target in targets:
        assert (ROOT / target).exists(), target


def test_gallery_shows_every_example():
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    examples = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".toml")]
    assert len(examples) > 10
    assert [name for name in examples if f"`{name}`" not in text] == []
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert [name for name in pictures if not (ROOT / "docs" / name).exists()] == []
