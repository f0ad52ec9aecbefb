"""The page with sliders on the front page of the site, written when the site is built."""

import importlib.util
from types import SimpleNamespace

import pytest
from paths import ROOT

DOCS = ROOT / "docs"
MOST = 300_000  # bytes that the front page may load for it


def extension():
    spec = importlib.util.spec_from_file_location("explorer_of_the_site", DOCS / "_ext" / "explorer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_written_beside_the_site_and_is_light(tmp_path):
    explorer = extension()
    hooks = {}
    explorer.setup(SimpleNamespace(connect=lambda name, hook: hooks.update({name: hook})))
    app = SimpleNamespace(srcdir=DOCS, outdir=tmp_path, builder=SimpleNamespace(format="html"))
    hooks["build-finished"](app, None)
    (written,) = tmp_path.iterdir()
    assert f'<iframe class="explorer" src="{written.name}"' in (DOCS / "index.md").read_text(encoding="utf-8")
    assert 50_000 < written.stat().st_size < MOST
    text = written.read_text(encoding="utf-8")
    assert '<output id="rate-value"' in text
    assert "SGD" in text


def test_a_build_that_failed_or_is_no_site_leaves_none(tmp_path):
    explorer = extension()
    for kind, failed in (("latex", None), ("html", ValueError("no"))):
        app = SimpleNamespace(srcdir=DOCS, outdir=tmp_path, builder=SimpleNamespace(format=kind))
        explorer.write_page(app, failed)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_what_is_said_beside_it_holds():
    """Escape from the left well: at 0.2 by the diffusion in half the steps of SGD, at 0.6 by SGD in half of those."""
    import fokkerplanck as fp

    loss = fp.SampleLoss("(w**2 - 1)**2 / 4 + x*w", parameters=["w"], data={"x": [-0.9, 0.1, 1.0]})
    grid = fp.Grid((-2.5, 2.5), 800)
    ratio = {}
    for rate in (0.2, 0.6):
        sgd = fp.SGD(loss, learning_rate=rate, batch_size=1)
        exact = sgd.transfer_operator(grid).first_passage(lambda w: w > 0, error=False).at(-1.0)
        ratio[rate] = fp.first_passage(sgd.equation(), grid, lambda w: w > 0, error=False).at(-1.0) / exact
    assert 0.4 < ratio[0.2] < 0.6
    assert 1.7 < ratio[0.6] < 2.3
