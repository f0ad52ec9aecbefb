"""Figures show what they should: lines, maps, labels and scales are read back from the figure objects."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import fokkerplanck as fp
from fokkerplanck.results import figures as plotting
from fokkerplanck.results.loading import load
from fokkerplanck.simulation import Ensemble


@pytest.fixture(scope="module")
def line():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.1 + 0.05 * x**2, names=["w"])
    grid = fp.Grid((-4, 4), 200)
    return eq, fp.solve(eq, grid, fp.gaussian(1, 0.3), [0.1, 1.0, 10.0])


@pytest.fixture(scope="module")
def plane():
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x - y, x - y), diffusion=[0.4, 0.3], names=["a", "b"])
    grid = fp.Grid([(-3, 3), (-3, 3)], 40)
    return eq, fp.solve(eq, grid, fp.gaussian([1, 0], 0.4), [0.2, 1.0])


def cloud(sol, n=4000):
    """Paths drawn from Gaussians with the moments of a solution."""
    rng = np.random.default_rng(0)
    laws = zip(sol.mean(), sol.covariance(), strict=True)
    return Ensemble(sol.times, np.array([rng.multivariate_normal(m, c, size=n) for m, c in laws]))


def valley(x, y):
    return x**2 + y**2


def pixels(fig, tmp_path):
    plotting.save_figure(fig, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        return np.asarray(image.convert("L"))


def quivers(ax):
    return [c for c in ax.collections if type(c).__name__ == "Quiver"]


def test_solution_in_one_dimension_has_a_line_a_time(line):
    fig = line[1].plot()
    (ax,) = fig.axes
    assert [drawn.get_label() for drawn in ax.lines] == ["t = 0.1", "t = 1", "t = 10"]
    assert len({drawn.get_linestyle() for drawn in ax.lines}) == 3
    assert ax.get_xlabel() == "w"
    np.testing.assert_allclose(ax.lines[1].get_ydata(), line[1].density[1])


def test_solution_in_two_dimensions_has_maps_and_arrows(plane, tmp_path):
    fig = plane[1].plot()
    assert len(fig.axes) == 2
    assert all(len(quivers(ax)) == 1 for ax in fig.axes)
    assert pixels(fig, tmp_path).std() > 10


def test_arrows_point_along_the_current(plane):
    fig = plane[1].plot(times=[0.2])
    (quiver,) = quivers(fig.axes[0])
    assert quiver.U.mean() < 0 < quiver.V.mean()  # from (1, 0) along (-x - y, x - y)


def test_a_loaded_solution_without_current_is_drawn_without_arrows(plane, tmp_path):
    plane[1].save(tmp_path / "s.nc", current=False)
    assert not quivers(load(tmp_path / "s.nc").plot().axes[0])


def test_solution_in_three_dimensions_shows_marginals():
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (-x, -y, -z), diffusion=0.9)
    sol = fp.solve(eq, fp.Grid([(-3, 3)] * 3, 12), fp.gaussian([0, 0, 0], 0.6), [0.1, 0.5])
    assert [ax.get_xlabel() for ax in sol.plot().axes] == ["x", "y", "z"]
    assert len(plotting.plot_evolution(sol, cloud(sol)).axes) == 6


def test_stationary_density_shows_equilibrium_without_arrows():
    grid = fp.Grid([(-2, 2), (-2, 2)], 30)
    still = fp.stationary(fp.FokkerPlanck(potential=lambda x, y: x**2 + y**2, diffusion=0.2), grid)
    assert not quivers(still.plot().axes[0])
    assert "no current" in still.plot().axes[0].get_title()


def test_stationary_density_shows_a_current_that_turns_counterclockwise(plane):
    fig = fp.stationary(plane[0], plane[1].grid).plot(landscape=valley, ensemble=cloud(plane[1]))
    (quiver,) = quivers(fig.axes[0])
    assert (quiver.X * quiver.V - quiver.Y * quiver.U).mean() > 0
    assert len(fig.axes) == 3, "two maps and the colour bar of both"
    assert fig.get_supxlabel() == "shade: density; contours: landscape; arrows: current"


def test_stationary_density_in_one_dimension(line):
    fig = fp.stationary(line[0], line[1].grid).plot(ensemble=cloud(line[1]), title="learning rate 0.1")
    assert fig.get_suptitle() == "learning rate 0.1"
    assert fig.legends, "the legend is beside the curves"
    assert fig.axes[0].get_legend() is None, "and not on them"
    assert fig.axes[0].lines[0].get_label() == "stationary density"
    assert fig.axes[0].patches, "the histogram is missing"


def test_landscape_in_one_dimension_shows_loss_and_noise(line):
    eq, sol = line
    fig = plotting.plot_landscape(lambda x: x**2, {"slow": eq, "fast": eq}, sol.grid, unit="step")
    top, bottom = fig.axes
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("loss", "noise D per step")
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), 0.1 + 0.05 * sol.grid.centers[0] ** 2)
    assert len({drawn.get_linestyle() for drawn in bottom.lines}) == 2


def test_landscape_without_potential_shows_the_drift(line, plane):
    fig = plotting.plot_landscape(None, {"": line[0]}, line[1].grid)
    np.testing.assert_allclose(fig.axes[0].lines[0].get_ydata(), -line[1].grid.centers[0])
    fig = plotting.plot_landscape(None, {"": plane[0]}, plane[1].grid)
    assert len(quivers(fig.axes[0])) == 1


def test_landscape_in_two_dimensions_has_contours_and_noise(tmp_path):
    grid = fp.Grid([(-2, 2), (-2, 2)], 30)
    eq = fp.FokkerPlanck(diffusion=[[lambda x, y: 0.1 + x**2, 0.05], [0.05, 0.1]])
    fig = plotting.plot_landscape(valley, {"eta": eq}, grid)
    mesh = fig.axes[0].collections[0]
    x = grid.centers[0]
    np.testing.assert_allclose(mesh.get_array()[0], np.sqrt(0.2 + x**2))
    assert pixels(fig, tmp_path).std() > 10


def test_evolution_shows_paths_and_density_on_the_same_bins(line):
    fig = plotting.plot_evolution(line[1], cloud(line[1]), title="hello")
    panels = [ax for ax in fig.axes if ax.get_visible()]
    assert [ax.get_title() for ax in panels] == ["t = 0.1", "t = 1", "t = 10"]
    for ax in panels:
        heights, edges, _ = ax.patches[0].get_data()
        drawn = ax.lines[0]
        np.testing.assert_array_equal(np.unique(drawn.get_xdata()), edges)
        density = np.asarray(drawn.get_ydata())[::2]
        assert np.sum(np.abs(density - heights) * np.diff(edges)) < 0.15  # sampling of 4000 paths in some 100 bins


def test_evolution_is_logarithmic_where_a_peak_hides_the_rest():
    grid = fp.Grid((-1, 1), 2000)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1e-7)
    with pytest.warns(fp.ResolutionWarning):
        sol = fp.solve(eq, grid, fp.gaussian(0.3, 0.1), [0.1, 8.0], error=False)
    assert plotting.plot_evolution(sol).axes[0].get_yscale() == "log"


def test_evolution_in_two_dimensions_has_a_row_for_density_and_one_for_paths(plane, tmp_path):
    fig = plotting.plot_evolution(plane[1], cloud(plane[1]), landscape=valley)
    assert len(fig.axes) == 4
    assert fig.axes[0].get_ylabel() == "solution\nb"
    assert fig.axes[2].get_ylabel() == "SGD\nb"
    assert pixels(fig, tmp_path).std() > 10


def test_moments_show_error_bars_and_distance(line):
    _, sol = line
    paths = cloud(sol)
    fig = plotting.plot_moments({"first-order": sol}, paths, ["w"])
    mean, deviation, distance = fig.axes
    np.testing.assert_allclose(mean.lines[0].get_ydata(), sol.mean()[:, 0])
    np.testing.assert_allclose(deviation.lines[0].get_ydata(), np.sqrt(sol.covariance()[:, 0, 0]))
    z = (sol.mean() - paths.mean()) / paths.standard_error()
    np.testing.assert_allclose(distance.lines[0].get_ydata(), z[:, 0])
    assert mean.get_xscale() == "log"
    assert distance.get_xlabel() == "time (steps)"
    assert mean.containers, "error bars are missing"


@pytest.mark.parametrize(
    ("largest", "ticks"), [(5, None), (80, [3, 10, 30, 100, 300]), (5e4, [10, 100, 1e3, 1e4, 1e5])]
)
def test_standard_errors_have_ticks_between_ten_and_a_hundred(largest, ticks):
    from fokkerplanck.results.figure_style import standard_error_scale

    ax = Figure().subplots()
    ax.plot([0, 1], [0, largest])
    standard_error_scale(ax)
    assert ax.get_yscale() == ("linear" if ticks is None else "symlog")
    if ticks is not None:
        positive = [t for t in ax.yaxis.get_majorticklocs() if t > 0]
        assert sorted(positive) == ticks
        assert ax.yaxis.get_major_formatter()(30.0) == "30"


def test_moments_without_paths(line):
    fig = plotting.plot_moments({"one": line[1], "two": line[1]})
    assert len(fig.axes) == 2
    assert len({drawn.get_linestyle() for drawn in fig.axes[0].lines}) == 2


def test_deviation_error_of_a_gaussian():
    from fokkerplanck.results.figure_style import deviation_error

    rng = np.random.default_rng(1)
    paths = Ensemble(np.array([1.0]), 3.0 * rng.standard_normal((1, 200_000, 1)))
    assert deviation_error(paths)[0, 0] == pytest.approx(3.0 / np.sqrt(2 * 200_000), rel=0.02)


def test_window_holds_nearly_all_probability(line):
    _, sol = line
    ((low, high),) = plotting.window(sol.grid, sol.masses)
    x = sol.grid.centers[0]
    assert sol.masses[:, (x > low) & (x < high)].sum(axis=1).min() > 0.9997
    assert -4 <= low < high < 3


def test_nothing_global_is_touched(line):
    import matplotlib as mpl

    def open_figures():
        return sys.modules["matplotlib.pyplot"].get_fignums() if "matplotlib.pyplot" in sys.modules else []

    before = dict(mpl.rcParams), open_figures()  # other tests may have some open
    line[1].plot()
    assert (dict(mpl.rcParams), open_figures()) == before


def test_paths_of_an_equation_are_not_called_sgd():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    solution = fp.solve(eq, fp.Grid((-4, 4), 60), fp.gaussian(0.5, 0.4), [0.2, 0.5])
    paths = fp.simulate(eq, fp.gaussian(0.5, 0.4), [0.2, 0.5], dt=0.05, n_paths=500, seed=2)
    (legend,) = solution.plot(paths).legends
    assert {text.get_text() for text in legend.get_texts()} == {"solution", "simulation"}
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2", ["w"], {"x": [0, 1]}), 0.05)
    assert sgd.simulate(0.2, [1], n_paths=100).label == "SGD"
