"""Pictures of two dimensions."""

import base64
import io
import math
import re
import tomllib

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from run_files import turning, two_datapoints
from typer.testing import CliRunner

from fokkerplanck import cli
from fokkerplanck.workflows.explorer.answers import answer
from fokkerplanck.workflows.explorer.drawing import figure
from fokkerplanck.workflows.explorer.maps import in_bins
from fokkerplanck.workflows.explorer.state import State

MOVING = (
    two_datapoints(rate="learning_rate = 0.05\nmomentum = 0.5", bounds="[[-1, 2], [-1, 1]]", cells="[24, 24]")
    .replace("mean = 0.2\ndeviation = 0.1", "mean = [0.2, 0.0]\ndeviation = 0.2")
    .replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["momentum", "exact"]')
)


@pytest.fixture(scope="module")
def answers():
    return answer(State.of(tomllib.loads(turning())))


def shades(href):
    """Shares of the darkest shade, read back from a picture; indexed [x, y] as densities are."""
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(href))).convert("RGB"), dtype=int)
    table = (255 * mpl.colormaps["Blues"](np.arange(256))[:, :3]).round().astype(int)
    apart = np.abs(picture[:, :, None, :] - table).sum(axis=3)
    assert apart.min(axis=2).max() <= 3
    return apart.argmin(axis=2)[::-1].T / 255


@pytest.mark.parametrize("k", [0, 4, -1])
def test_a_map_is_the_density(answers, k):
    frame = answers.frames[k]
    svg = figure(answers, frame, answers.window())
    bins, density = in_bins(answers.grid, frame.densities["density"], answers.window(), 96)
    assert bins[0].size > 10
    (href,) = re.findall(r'data-model="density"[^>]*href="data:image/png;base64,([^"]*)"', svg)
    # 256 shades, of which the palest cannot be told apart to better than three
    assert np.abs(shades(href) - density / frame.densities["density"].max()).max() < 4 / 255


def test_bins_keep_the_mass(answers):
    density = answers.frames[-1].densities["density"]
    box = [(-3.0, 3.0), (-3.0, 3.0)]
    for most in (96, 40, 16, 5):
        bins, mean = in_bins(answers.grid, density, box, most)
        a, b = ((c > e[0]) & (c < e[-1]) for c, e in zip(answers.grid.coordinates(), bins, strict=True))
        mass = (mean * np.diff(bins[0])[:, None] * np.diff(bins[1])).sum()
        assert mass == pytest.approx((density * answers.grid.volumes)[a & b].sum(), rel=1e-12)


def test_the_turning_mean_is_exact(answers):
    """dX = (-2a - b, -2b + a) dt + noise: the mean turns by t and shrinks by exp(-2t)."""
    for frame in answers.frames:
        shrunk = math.exp(-2.0 * frame.time)
        expected = [shrunk * math.cos(frame.time), shrunk * math.sin(frame.time)]
        assert [row["mean"] for row in frame.moments] == pytest.approx(expected, abs=5e-3)


def test_a_logarithmic_map_shows_what_is_faint(answers):
    frame, window = answers.frames[0], answers.window()
    found = []
    for log in (False, True):
        svg = figure(answers, frame, window, log)
        (href,) = re.findall(r'data-model="density"[^>]*href="data:image/png;base64,([^"]*)"', svg)
        found.append((shades(href) > 0.05).mean())
    assert found[1] > 1.5 * found[0]


def test_a_preview_leaves_transfer_operators_out():
    state = State.of(tomllib.loads(MOVING))
    assert state.preview.models == ("momentum",)
    assert state.changed(output__models=["exact"]).preview.models == ("momentum",)
    svg = figure(found := answer(state.preview), found.frames[-1], found.window())
    assert {"momentum", "SGD"} <= set(re.findall(r'data-model="([^"]*)"', svg))


def test_a_page_with_maps_asks_no_network(tmp_path):
    (tmp_path / "run.toml").write_text(turning(16), encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["explore", str(tmp_path / "run.toml"), "--export", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert set(re.findall(r'href=\\?"([a-z/]*[:;])', page)) == {"data:"}
    assert "img-src data:" in page
    assert "<td>b</td>" in page.replace("\\u003c", "<")
