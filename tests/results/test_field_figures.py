"""Figures of passages, committors and modes: what they show, and where."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

import fokkerplanck as fp
from fokkerplanck.results import figures

LINE = fp.Grid((-2, 2), 80)
PLANE = fp.Grid([(-2, 2), (-1.5, 1.5)], [40, 30])
WELLS = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.3, names=["membrane voltage"])
PLAIN = fp.FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 + y**2, diffusion=0.3)


@pytest.fixture(autouse=True)
def _quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        yield


def test_mean_times_on_a_line():
    f = fp.first_passage(WELLS, LINE, lambda x: x > 1)
    fig = f.plot()
    (ax,) = fig.axes
    assert ax.get_xlabel() == "membrane voltage"
    assert ax.get_ylabel() == "mean time"
    assert np.array_equal(ax.lines[0].get_ydata(), f.mean)
    assert len(ax.patches) == 1  # the target
    assert f.plot(ax=ax, log=True) is fig
    assert ax.get_yscale() == "log"


def test_committor_and_mean_times_as_maps():
    u = fp.committor(PLAIN, PLANE, lambda x, y: x < -1, lambda x, y: x > 1)
    fig = u.plot()
    assert [a.get_ylabel() for a in fig.axes] == ["y", "probability of the target first"]
    assert len(fp.first_passage(PLAIN, PLANE, lambda x, y: x > 1).plot(log=True).axes) == 2


def test_modes_say_their_time_scales():
    sp = fp.spectrum(WELLS, LINE, 3)
    texts = [t.get_text() for t in sp.plot().legends[0].get_texts()]
    assert texts == ["stationary", *(f"time scale {t:.4g}" for t in sp.time_scales[1:])]
    assert len(fp.spectrum(PLAIN, PLANE, 2).plot().axes) == 3


def test_survival_beside_its_density():
    f = fp.first_passage(WELLS, LINE, lambda x: x > 1)
    t = np.linspace(0.1, 30, 50)
    left, right = f.plot_survival(t, fp.gaussian(-1, 0.1)).axes
    y = left.lines[0].get_ydata()
    assert (np.diff(y) < 0).all()
    assert -np.gradient(y, t)[5:-5] == pytest.approx(right.lines[0].get_ydata()[5:-5], rel=0.02)


def test_what_is_no_axes_is_refused():
    with pytest.raises(TypeError, match="`ax` must be"):
        fp.first_passage(WELLS, LINE, lambda x: x > 1).plot(ax=3)


def heights(figure, panel=0):
    """Half the heights of a band, along it."""
    (shade,) = (c for c in figure.axes[panel].collections if isinstance(c, PolyCollection))
    corners = shade.get_paths()[0].vertices
    return {float(x): 0.5 * np.ptp(corners[corners[:, 0] == x, 1]) for x in np.unique(corners[:, 0])}


def test_bands_are_as_high_as_the_measured_errors():
    eq, grid = WELLS, fp.Grid((-2.2, 2.2), 64)
    passage = fp.first_passage(eq, grid, lambda x: x > 1)
    times, start = np.linspace(0.5, 10, 12), fp.gaussian(-1, 0.2)
    q = fp.committor(eq, grid, lambda x: x < -1, lambda x: x > 1)
    for drawn, error in ((passage.plot(error=True), passage.error["mean"]), (q.plot(error=True), q.error["committor"])):
        assert [*heights(drawn).values()] == pytest.approx(error.tolist(), abs=1e-9)
    both = passage.plot_survival(times, start, error=True)
    assert [*heights(both, 0).values()] == pytest.approx(passage.survival_error(times, start).tolist(), abs=1e-9)
    assert [*heights(both, 1).values()] == pytest.approx(passage.density_error(times, start).tolist(), abs=1e-9)
    solution = fp.solve(eq, grid, start, [0.1, 1.0])
    seen = heights(solution.plot(times=[1.0], error=True))
    around = solution.error.in_cells("density", 1)
    assert [*seen.values()] == pytest.approx(around.tolist(), abs=1e-9)
    finer = fp.solve(eq, fp.Grid((-2.2, 2.2), 512), start, [0.1, 1.0])
    off = np.abs(np.interp(grid.centers[0], finer.grid.centers[0], finer.density[1]) - solution.density[1])
    assert (around >= 0.5 * off).mean() > 0.9, "an error in each cell, not only of the whole"
    assert 0.5 < (around * grid.volumes).sum() / solution.error["density"][1] < 3.0


def test_bands_that_cannot_be_drawn_are_refused(tmp_path):
    eq, grid = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.3), fp.Grid((-3, 3), 64)
    plain = fp.first_passage(eq, grid, lambda x: x > 1, error=False)
    for draw in (plain.plot, lambda error: plain.plot_survival([1.0], fp.gaussian(0, 0.3), error=error)):
        with pytest.raises(ValueError, match=r"^`error` must be False for a (passage|result) without a measured error"):
            draw(error=True)
    with pytest.raises(TypeError, match=r"^`error` must be"):
        plain.plot(error="yes")
    flat = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.3)
    with pytest.raises(ValueError, match=r"^`error` must be False in more than one dimension"):
        fp.stationary(flat, fp.Grid([(-2, 2)] * 2, 20)).plot(error=True)
    fp.solve(eq, grid, fp.gaussian(0, 0.3), 1.0).save(tmp_path / "a.nc")
    with pytest.raises(KeyError, match="not kept in files"):
        fp.load(tmp_path / "a.nc").error.in_cells("density")


def test_captions_of_maps_lie_within_the_figure():
    eq = fp.FokkerPlanck(drift=lambda x, y: [y - x, -x - y], diffusion=0.2)
    sol = fp.solve(eq, fp.Grid([(-2, 2), (-2, 2)], [16, 16]), fp.gaussian([1, 0], 0.4), [1.0, 2.0], error=False)
    fig = figures.plot_evolution({"a": sol, "b": sol}, None, landscape=lambda x, y: x**2 + y**2)
    fig.draw_without_rendering()
    box = fig._supxlabel.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= fig.bbox.width


def test_figures_say_what_atoms_hold():
    """A density whose probability has gone to an exit was drawn as a line at 0, and two atoms as one point mass elsewhere."""
    eq = fp.FokkerPlanck(diffusion=lambda x: x * (1 - x) / 2)
    late = fp.solve(eq, fp.Grid((0, 1), 64), fp.gaussian(0.3, 0.05), [0.5, 8.0])
    texts = [t.get_text() for t in late.plot().legends[0].get_texts()]
    assert texts[1].startswith("t = 8 (0.7")
    assert " at 0, 0.3" in texts[1]
    st = fp.stationary(eq, fp.Grid((0, 1), 64), fp.gaussian(0.3, 0.05))
    fig = st.plot()
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["stationary density (0.7 at 0, 0.3 at 1)"]
    low, high = fig.axes[0].get_xlim()
    assert low < 0.0
    assert high > 1.0
    plain = fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-4, 4), 64))
    assert [t.get_text() for t in plain.plot().legends[0].get_texts()] == ["stationary density"]


@pytest.mark.parametrize("log", [False, True])
def test_infinite_times_are_shown_as_such(log):
    """Only the target was drawn, and with a logarithmic axis nothing could be."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.5 * x**2)
    passage = fp.first_passage(eq, fp.Grid((-2, 2), 80), lambda x: x > 1)
    fig = passage.plot(log=log)
    fig.canvas.draw()
    assert fig.axes[0].get_xlim() == (-2.0, 2.0)
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["target", "infinite"]


def test_a_correlation_at_one_lag_is_a_point():
    ou = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    fig = fp.correlation(ou, fp.Grid((-4, 4), 64), lambda x: x, [0.0]).plot()
    assert fig.axes[0].get_lines()[0].get_marker() == "o"
