"""What the README and the docs show runs as it stands."""

import importlib
import re
from functools import reduce

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
    assert "SGD stays  4.398e+04 steps, the diffusion  1.256e+04" in capsys.readouterr().out


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


MADE = {"_build", "_gallery", "auto_examples", "reference"}  # of docs/, when the site is built
WRITTEN = {"ablation.md", "table.md", "study.md"}  # by commands, in the folder of their results


def texts():
    """Sources and pages of the checkout."""
    folders = ("docs", "examples", "fokkerplanck", "solvers", "tests", "validation")
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in sorted((ROOT / folder).rglob("*")))]
    return [p for p in found if p.suffix in (".py", ".md", ".toml") and not MADE & set(p.relative_to(ROOT).parts)]


def test_pages_that_are_named_are_there():
    pages = {path.name for path in texts() if path.suffix == ".md"} | WRITTEN
    assert len(pages) > 15
    for path in texts():
        named = set(re.findall(r"\b\w+\.md\b", path.read_text(encoding="utf-8")))
        assert named <= pages, (path, named - pages)


def test_pages_link_to_files_that_are_there():
    for page in texts():
        if page.suffix == ".md" and page.parent.is_relative_to(ROOT / "docs"):
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
                made = "reference/" in target or "auto_examples/" in target  # from docstrings and scripts
                assert made or (page.parent / target).exists(), (page.name, target)


def test_names_of_the_package_in_texts_exist():
    named = {}
    for path in texts():
        if not path.is_relative_to(ROOT / "tests") and path.name != "CHANGELOG.md":
            found = re.findall(r"`(?:fokkerplanck|fp)((?:\.[A-Za-z_]\w*)+)", path.read_text(encoding="utf-8"))
            named |= dict.fromkeys(found, path)
    assert len(named) > 30

    def inside(item, name):
        return getattr(item, name) if hasattr(item, name) else importlib.import_module(f"{item.__name__}.{name}")

    for name, path in named.items():
        try:
            reduce(inside, name.split(".")[1:], importlib.import_module("fokkerplanck"))
        except (AttributeError, ImportError):
            pytest.fail(f"{path} names fokkerplanck{name}, which is not there")
