"""Figures fit: their labels and legends do not run into each other, at any scale and with any names."""

import itertools
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

import fokkerplanck as fp
from fokkerplanck.figure_layout import fitted, line_style, new_figure, wrapped
from fokkerplanck.results import figures

LONG = ["concentration of the second messenger [mol/l]", "temperature of the outer heat bath $T_2 + 1$ [K]"]
TURN = fp.FokkerPlanck(drift=lambda x, y: (-x + y, -y - x), diffusion=0.2, names=LONG)
RATES = (0.1, 0.5)
PLANE = fp.Grid([(-2, 2)] * 2, 24)
LINE = fp.Grid((-2.2, 2.2), 64)
WELLS = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.3, names=LONG[:1])


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        yield


def texts_of(fig):
    """Boxes of the labels and titles of all panels, in dots."""
    fig.draw_without_rendering()
    found = []
    for ax in fig.axes:
        found += [
            t for t in (ax.xaxis.label, ax.yaxis.label, ax.title) if t.get_text() and t.get_visible() and ax.axison
        ]
    return [t.get_window_extent() for t in found]


def check_fits(fig):
    boxes = texts_of(fig)
    for box in boxes:
        assert box.x0 >= -1, "a label begins outside the figure"
        assert box.y0 >= -1
        assert box.x1 <= fig.bbox.width + 1
        assert box.y1 <= fig.bbox.height + 1
    for k, one in enumerate(boxes):
        for other in boxes[:k]:
            assert not one.overlaps(other), "two labels lie on each other"


def check_ticks(fig):
    fig.draw_without_rendering()
    low, high = fig.axes[0].bbox.x0, fig.axes[0].bbox.x1
    boxes = [t.get_window_extent() for t in fig.axes[0].get_xticklabels() if t.get_text()]
    shown = sorted((b for b in boxes if low - 1 <= 0.5 * (b.x0 + b.x1) <= high + 1), key=lambda b: b.x0)
    assert len(shown) >= 2
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(shown))


def test_long_names_fit():
    solution = fp.solve(TURN, PLANE, fp.gaussian([1, 0], 0.3), [0.2, 1.0, 5.0], error=False)
    rest = fp.stationary(TURN, PLANE, error=False)
    line = fp.solve(WELLS, LINE, fp.gaussian(-1, 0.2), [0.2, 1.0], error=False)
    for fig in (
        solution.plot(title="a title that goes on and on " * 6), solution.distribution().plot(), rest.plot(),
        fp.spectrum(TURN, PLANE, 3, error=False).plot(), line.plot(),
        fp.stationary(WELLS, LINE, error=False).plot(), figures.plot_evolution(line), figures.plot_moments({"one": line}),
    ):  # fmt: skip
        check_fits(fig)
    assert "\n" in solution.plot().axes[0].get_xlabel()


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_ticks_do_not_run_together(unit):
    eq = fp.FokkerPlanck(drift=lambda x: -(x - 1000 * unit), diffusion=0.3 * unit**2)
    grid = fp.Grid((997 * unit, 1003 * unit), 100)
    check_ticks(fp.solve(eq, grid, fp.gaussian(1000 * unit, 0.3 * unit), [0.5], error=False).plot())


@pytest.mark.parametrize("width", [2.0, 3.6])
def test_long_numbers_do_not_run_together(width):
    """matplotlib takes labels for three letters wide: these lay on each other by 9 and 18 dots."""
    fig, panels = new_figure(width, 2.0, 1, 1)
    panels[0][0].set_xlim(-12345, -11000)
    fitted(fig)
    check_ticks(fig)


def test_formulas_stay_whole():
    assert wrapped("a rate $k_1 + k_2$", 8) == "a rate\n$k_1 + k_2$"
    assert wrapped("one\ntwo", 20) == "one\ntwo"


def test_legends_are_below_the_curves():
    fig = fp.solve(WELLS, LINE, fp.gaussian(-1, 0.2), [0.1, 0.5, 1.0, 5.0, 20.0], error=False).plot(log=True)
    fig.draw_without_rendering()
    (legend,) = fig.legends
    assert legend.get_window_extent().y1 <= fig.axes[0].bbox.y0
    assert legend.get_window_extent().x1 <= fig.bbox.width


def test_curves_that_a_peak_hides_are_spoken_of():
    peaked = fp.solve(
        fp.FokkerPlanck(diffusion=0.5), fp.Grid((-3, 3), 400), fp.gaussian(0, 0.02), [0.0, 1.0], error=False
    )
    about = [peaked.plot(log=log).legends[0].get_title().get_text() for log in (False, True)]
    assert about == ["low curves are seen with log=True", ""]


def test_the_only_time_is_dark():
    fig = fp.solve(WELLS, LINE, fp.gaussian(-1, 0.2), 1.0, error=False).plot()
    assert np.mean(fig.axes[0].lines[0].get_color()[:3]) < 0.25
    early = fp.solve(WELLS, LINE, fp.gaussian(-1, 0.2), [0.1, 1.0], error=False).plot().axes[0].lines[0]
    assert np.dot(early.get_color()[:3], [0.299, 0.587, 0.114]) < 0.7, "too light for grey print"


def test_a_stationary_density_is_shown_within_its_box():
    grid = fp.Grid((-2, 2), 16)
    low, high = fp.stationary(WELLS, grid, error=False).plot().axes[0].get_xlim()
    assert (low, high) == (-2.0, 2.0)


def test_panels_of_ones_own():
    """One rule: one Axes, or a sequence of so many as there are panels."""
    solution = fp.solve(TURN, PLANE, fp.gaussian([1, 0], 0.3), [0.2, 1.0], error=False)
    passage = fp.first_passage(WELLS, LINE, lambda x: x > 1, error=False)
    fig = Figure()
    panels = fig.subplots(2, 3).ravel()
    assert solution.plot(ax=panels[:2], title="mine") is fig
    assert panels[0].get_title() == "t = 0.2\n|J| up to " + f"{np.hypot(*solution.current(0)).max():.2g}"
    passage.plot_survival([0.5, 1.0], fp.gaussian(-1, 0.1), ax=panels[2:4], title="arrivals")
    assert panels[2].get_title() == "arrivals"
    fp.spectrum(WELLS, LINE, 3, error=False).plot(ax=panels[4])
    fp.committor(WELLS, LINE, lambda x: x < -1, lambda x: x > 1, error=False).plot(ax=panels[5], log=True)
    assert panels[5].get_yscale() == "log"
    assert not fig.legends
    assert fig._suptitle is None
    assert [len(panel.lines) for panel in panels[2:]] == [1, 1, 3, 1]
    with pytest.raises(TypeError, match="`ax` must be 2 matplotlib Axes"):
        solution.plot(ax=panels[:3])


def test_errors_around_correlations_and_power():
    found = fp.correlation(WELLS, LINE, lambda x: x, np.linspace(0, 5, 6))
    (shade,) = found.plot(error=True).axes[0].collections
    corners = shade.get_paths()[0].vertices
    heights = [0.5 * np.ptp(corners[corners[:, 0] == x, 1]) for x in found.lags]
    np.testing.assert_allclose(heights, found.error["values"], atol=1e-12)
    assert fp.power_spectrum(WELLS, LINE, lambda x: x, [0.1, 1.0]).plot(error=True).legends
    with pytest.raises(ValueError, match="`error` must be False for a result without a measured error"):
        fp.correlation(WELLS, LINE, lambda x: x, [1.0], error=False).plot(error=True)


def test_a_response_shows_its_modulus_and_phase():
    """Of an Ornstein-Uhlenbeck process to a constant force: 1 / (1 + i w)."""
    family = lambda a: fp.FokkerPlanck(drift=lambda x: a - x, diffusion=0.5)  # noqa: E731
    fig = fp.response(family, 0.0, fp.Grid((-5, 5), 100), lambda x: x, [0.1, 1.0]).plot(error=True)
    left, right = fig.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), 1 / np.abs(1 + 1j * np.array([0.1, 1.0])), rtol=2e-3)
    np.testing.assert_allclose(right.lines[0].get_ydata(), -np.arctan([0.1, 1.0]) / np.pi, rtol=5e-3)
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["measured error"]


def test_many_curves_differ_in_colour_or_dashes():
    """The sixth of a study of networks was drawn as the first."""
    assert len({str(line_style(k)) for k in range(25)}) == 25


def test_names_of_events_do_not_lie_on_each_other():
    from fokkerplanck.storage.tables import Comparison
    from fokkerplanck.workflows.networks.figures import contrast_figure

    events = ["half of the drop", "nine tenths", *(f"stay at loss {loss}" for loss in (0.261, 0.184, 0.143))]
    columns = ["learning rate", "event", "dynamics", "against", "difference", "from", "to"]
    contrasts = Comparison(columns, [[r, event, "refined", "sgd", 1.0, -1.0, 3.0] for r in RATES for event in events])
    escapes = Comparison(
        ["learning rate", "event", "dynamics", "median"], [[r, event, "sgd", 10.0] for r in RATES for event in events]
    )
    fig = contrast_figure(contrasts, escapes)
    fig.draw_without_rendering()
    assert fig.axes[0].get_xlabel() == ""
    boxes = [t.get_window_extent() for t in fig.axes[0].get_xticklabels()]
    assert len(boxes) == 5
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
    contrasts.rows[0][4] = None  # what has no median is left out, and the panel says so
    fig = contrast_figure(contrasts, escapes)
    assert [bool(axes.get_xlabel()) for axes in fig.axes] == [True] + [False] * (len(fig.axes) - 1)


def test_regions_are_named_and_infinite_places_hatched():
    eq = fp.FokkerPlanck(
        drift=lambda x, y: (np.where(x < 0, -1.0, -x), -y), diffusion=[lambda x, y: np.where(x < 0, 0.0, 0.2), 0.2]
    )
    passage = fp.first_passage(eq, PLANE, lambda x, y: x > 1, error=False)
    fig = passage.plot()
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["target", "infinite"]
    assert fig.axes[0].patch.get_hatch() == "//"
    assert len(fig.axes) == 1, "a scale of nothing"
    committor = fp.committor(TURN, PLANE, lambda x, y: x < -1, lambda x, y: x > 1, error=False)
    assert [t.get_text() for t in committor.plot().legends[0].get_texts()] == ["source and target"]


def test_the_map_of_a_distribution_has_a_scale():
    law = fp.stationary(TURN, PLANE, error=False).distribution()
    for log in (False, True):
        fig = law.plot(log=log)
        main = next(ax for ax in fig.axes if ax.collections and ax.get_ylabel())
        assert main.collections[0].norm.vmax == law.density.max()
        assert any(ax.get_xlabel() == "density" for corner in fig.axes for ax in corner.child_axes)


def test_a_conjugate_pair_is_drawn_once():
    spectrum = fp.spectrum(TURN, PLANE, 3, error=False)
    assert spectrum.eigenvalues[1].imag != 0.0
    titles = [ax.get_title().replace("\n", " ") for ax in spectrum.plot().axes[:-1]]
    assert titles == ["stationary", f"time scale {spectrum.time_scales[1]:.4g}, a conjugate pair"]


def test_landscapes_have_the_words_and_names_of_the_equation():
    fig = figures.plot_landscape(
        lambda x: x**2, {"": fp.FokkerPlanck(drift=lambda u: -u, diffusion=0.1, names=["u"])}, LINE
    )
    assert [fig.axes[0].get_ylabel(), fig.axes[1].get_xlabel()] == ["potential", "u"]


def test_distances_to_paths_name_what_they_are():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    solution = fp.solve(eq, fp.Grid((-4, 4), 60), fp.gaussian(0.5, 0.4), [0.2, 0.5], error=False)
    paths = fp.simulate(eq, fp.gaussian(0.5, 0.4), [0.2, 0.5], dt=0.05, n_paths=100, seed=2)
    assert "minus simulation" in figures.plot_moments({"one": solution}, paths).axes[2].get_ylabel().replace("\n", " ")


def test_pictures_in_notebooks():
    for result in (
        fp.first_passage(WELLS, LINE, lambda x: x > 1, error=False), fp.spectrum(WELLS, LINE, 2, error=False),
        fp.correlation(WELLS, LINE, lambda x: x, [0.0, 1.0], error=False),
        fp.power_spectrum(WELLS, LINE, lambda x: x, [0.1, 1.0], error=False),
        fp.committor(WELLS, LINE, lambda x: x < -1, lambda x: x > 1, error=False),
        fp.transition_paths(WELLS, LINE, lambda x: x < -1, lambda x: x > 1, error=False),
    ):  # fmt: skip
        assert "<polyline" in result._repr_html_()
    assert "<image" in fp.first_passage(TURN, PLANE, lambda x, y: x > 1, error=False)._repr_html_()
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.5 * x**2)
    gaps = fp.first_passage(eq, fp.Grid((-2, 2), 80), lambda x: x > 1, error=False)._repr_html_()
    assert "nan" not in gaps
    assert "inf" not in gaps.split("</pre>")[1]
