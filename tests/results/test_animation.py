"""Animations: a frame an output time, frames between them that lead to the next, films where ffmpeg is installed."""

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from PIL import Image

import fokkerplanck as fp
from fokkerplanck.results.animation import _inner

WELL = fp.FokkerPlanck(potential=lambda w: (w**2 - 1) ** 2, diffusion=0.2)
MOVED = fp.FokkerPlanck(drift=lambda x, y, t: [-(x - np.cos(t)), -(y - np.sin(t))], diffusion=0.5)


@pytest.fixture(scope="module")
def line():
    return fp.solve(WELL, fp.Grid((-2.2, 2.2), 100), fp.gaussian(-1, 0.1), [0.0, 0.5, 3.0], error=False)


@pytest.fixture(scope="module")
def plane():
    grid = fp.Grid([(-3.5, 3.5), (-3.5, 3.5)], 36)
    return fp.solve(MOVED, grid, fp.gaussian([0, 0], 0.4), [0.0, 0.5, 1.0], error=False)


@pytest.mark.parametrize("name", ["line", "plane"])
def test_gif_has_a_frame_a_time_and_those_between(name, request, tmp_path):
    sol, seen = request.getfixturevalue(name), []
    for between, count in ((0, 3), (2, 7)):
        sol.animate(tmp_path / "a.gif", fps=4, between=between, progress=seen.append)
        assert len(seen) == count
        assert seen[-1] == 1.0
        seen.clear()
        with Image.open(tmp_path / "a.gif") as movie:
            assert movie.n_frames == count
            assert movie.size == (500, 360)
            assert np.asarray(movie.convert("L")).std() > 10


def test_frames_between_lead_to_the_next(line, plane):
    """Exactly where coefficients rest; where they move to second order in the time between frames."""
    times = np.linspace(0.5, 3.0, 8)[1:]
    *_, last = _inner(line, 1, times)
    assert np.abs(last - line.density[2]).sum() * 0.044 < 1e-4
    off = []
    for count in (2, 4):
        *_, last = _inner(plane, 1, np.linspace(0.5, 1.0, count + 1)[1:])
        off.append((np.abs(last - plane.density[2]) * plane.grid.volumes).sum())
    assert off[0] / off[1] == pytest.approx(4.0, rel=0.15)
    assert off[1] < 2e-3


def test_frames_of_resets_lead_to_the_next():
    killed, grid, start = fp.FokkerPlanck(diffusion=0.5, killing=1.0), fp.Grid((-4, 4), 60), fp.gaussian(1, 0.5)
    sol = fp.solve(killed, grid, start, [0.0, 0.5], reset=start, error=False)
    *_, last = _inner(sol, 0, np.array([0.25, 0.5]))
    assert np.abs(last - sol.density[1]).max() < 1e-4


def test_what_has_no_generator_is_interpolated(line, tmp_path):
    line.save(str(tmp_path / "line.nc"))
    waits = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, time_order=0.8)
    slow = fp.solve(waits, fp.Grid((-4, 4), 60), fp.gaussian(1, 0.5), [0.0, 0.5, 1.0], error=False)
    killed, grid, start = fp.FokkerPlanck(diffusion=0.5, killing=1.0), fp.Grid((-4, 4), 60), fp.gaussian(1, 0.5)
    fed = fp.solve(killed, grid, start, [0.0, 0.5, 1.0], source=1.0, error=False)
    late = fp.solve(killed, grid, start, [0.0, 0.5, 1.0], reset=start, delay=0.2, error=False)
    for sol in (fp.load(str(tmp_path / "line.nc")), slow, fed, late):
        (middle,) = _inner(sol, 1, np.array([0.5 * (sol.times[1] + sol.times[2])]))
        np.testing.assert_allclose(middle, 0.5 * (sol.density[1] + sol.density[2]))


@pytest.mark.skipif(not FFMpegWriter.isAvailable(), reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", ["line", "plane"])
def test_mp4(name, request, tmp_path):
    request.getfixturevalue(name).animate(tmp_path / "a.mp4", fps=12.5, between=2)
    content = (tmp_path / "a.mp4").read_bytes()
    assert content[4:8] == b"ftyp"
    assert len(content) > 5000


def test_without_ffmpeg_the_other_format_is_named(line, tmp_path, monkeypatch):
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(ValueError, match=r"`path` must be the name of a \.gif file where ffmpeg is not installed, got"):
        line.animate(str(tmp_path / "a.mp4"))
    with pytest.raises(ValueError, match=r"`path` must be the name of a \.gif or \.mp4 file, got '.*a\.avi'\."):
        line.animate(str(tmp_path / "a.avi"))
    assert not list(tmp_path.iterdir())
