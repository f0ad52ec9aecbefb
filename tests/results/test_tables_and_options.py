"""Results as tables, pictures in notebooks, and the options of figures: the same on every result that has a density."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import fokkerplanck as fp

EQ = fp.FokkerPlanck(drift=lambda h: h - h**3, diffusion=0.2, names=["h"])
GRID = fp.Grid((-2.5, 2.5), 60)
TIMES = fp.first_passage(EQ, GRID, lambda h: h > 1, error=False)


@pytest.fixture(scope="module")
def solution():
    return fp.solve(EQ, GRID, fp.gaussian(-1, 0.2), [0.5, 2.0])


@pytest.fixture(scope="module")
def rest():
    return fp.stationary(EQ, GRID)


@pytest.fixture(scope="module")
def paths():
    return fp.simulate(EQ, fp.gaussian(-1, 0.2), [0.5, 2.0], 0.05, n_paths=30, seed=1)


def test_survival_is_what_is_beyond(solution, rest):
    for result in (solution, rest):
        assert result.survival(0.3) == pytest.approx(1.0 - result.cdf(0.3), abs=1e-12)
        assert result.survival(0.3) == pytest.approx(result.probability(lambda h: h > 0.3), abs=1e-9)
    assert solution.survival(-0.5, t=0.5) < solution.survival(-0.5)


def test_stationary_results_are_tables(rest, tmp_path):
    frame = rest.to_dataframe()
    assert list(frame.columns) == ["h", "density"]
    np.testing.assert_array_equal(frame["density"], rest.density)
    assert rest.to_xarray()["density"].dims == ("h",)
    rest.to_csv(tmp_path / "rest.csv")
    lines = (tmp_path / "rest.csv").read_text().splitlines()
    assert lines[0] == "h,density"
    assert [float(line.split(",")[1]) for line in lines[1:]] == rest.density.tolist()
    plane = fp.stationary(fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5), fp.Grid([(-3, 3)] * 2, 12))
    assert plane.to_dataframe().shape == (144, 3)
    back = fp.stationary(EQ, fp.Grid((-1.5, 1.5), 60, "absorbing"), reset=fp.point(0.0), error=False)
    assert back.to_dataframe().shape == (60, 2)


def test_paths_are_tables(paths, tmp_path):
    frame = paths.to_dataframe()
    assert list(frame.columns) == ["time", "run", "h"]
    assert frame.query("time == 2.0 and run == 7")["h"].item() == paths.at(2.0)[7, 0]
    paths.to_csv(tmp_path / "paths.csv")
    text = (tmp_path / "paths.csv").read_text().splitlines()
    assert text[0] == "time,run,h"
    assert text[1].split(",") == ["0.5", "0", repr(float(paths.positions[0, 0, 0]))]
    odd = fp.Ensemble(paths.times, np.repeat(paths.positions, 2, axis=2), names=("time", "run"))
    assert list(odd.to_dataframe().columns) == ["time", "run", "time (coordinate)", "run (coordinate)"]
    many = fp.Ensemble(paths.times, np.repeat(paths.positions, 4, axis=2))
    assert list(many.to_dataframe().columns)[2:] == ["x0", "x1", "x2", "x3"]


def test_tables_of_paths_are_read_as_data(paths, tmp_path):
    paths.to_csv(tmp_path / "paths.csv")
    for table in (str(tmp_path / "paths.csv"), paths.to_dataframe()):
        found = fp.Paths(table)
        assert found.names == ("h",)
        assert found.dt == 1.5
        np.testing.assert_array_equal(np.stack(found.runs), fp.Paths(paths).runs)


def test_paths_have_a_picture_in_notebooks(paths):
    shown = paths._repr_html_()
    assert shown.count("<svg") == 1
    assert "Ensemble: 30 paths" in shown
    lost = fp.Ensemble(paths.times, np.full_like(paths.positions, np.nan))
    assert "<svg" not in lost._repr_html_()


def test_densities_are_drawn_on_given_axes_and_on_a_logarithmic_scale(solution, rest):
    for result in (solution, rest):
        ax = Figure().subplots()
        assert result.plot(ax=ax, log=True) is ax.figure
        assert ax.get_yscale() == "log"
        low, high = ax.get_ylim()
        top = max(float(line.get_ydata().max()) for line in ax.lines)
        assert 1e-9 * top < low < top < high
        assert ax.get_xlabel() == "h"
        assert result.plot().axes[0].get_ylim()[0] == 0.0
    assert solution.plot(title="wells")._suptitle.get_text() == "wells"


def test_options_that_do_nothing_are_refused(solution, paths):
    plane = fp.solve(fp.FokkerPlanck(diffusion=[0.1, 0.1]), fp.Grid([(-1, 1)] * 2, 12), fp.gaussian([0, 0], 0.3), 0.1)
    with pytest.raises(ValueError, match="`log` must be False for a map"):
        plane.plot(log=True)
    with pytest.raises(TypeError, match="`ax` must be matplotlib Axes or None"):
        plane.plot(ax=list(Figure().subplots(1, 2)))
    with pytest.raises(TypeError, match="`ax` must be 2 matplotlib Axes, one a panel, or None"):
        TIMES.plot_survival([1.0], fp.gaussian(0, 0.2), ax=Figure().subplots())
    for name, value in {"times": [0.5], "error": True, "log": True, "ax": Figure().subplots()}.items():
        with pytest.raises(ValueError, match=f"`{name}` must be .* beside an ensemble"):
            solution.plot(paths, **{name: value})
    with pytest.raises(TypeError, match="unexpected keyword"):
        solution.plot(logarithmic=True)


def test_a_way_out_is_drawn_where_it_leads_from(solution):
    ways = fp.first_passage(EQ, fp.Grid((-2.5, 2.5), 60, "absorbing"), error=False).ways_out
    ax = ways["h high"].plot(log=True).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("h", "probability of h high")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), ways["h high"].probability)


def test_a_peclet_number_beyond_double_precision_is_not_called_missing_noise():
    """exp(-Pe) underflows from Pe = 745 on, though D is nowhere zero."""
    eq = fp.FokkerPlanck(drift=lambda x: -50 * x, diffusion=0.01)
    with pytest.warns(fp.ResolutionWarning, match="largest cell Peclet number above 700"):
        fp.solve(eq, fp.Grid((-1, 1), 10), fp.gaussian(0.5, 0.1), [1.0])


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_an_infinite_entropy_production_is_said_in_words():
    eq = fp.FokkerPlanck(drift=lambda x, v: [v, -x - v], diffusion=[0.0, 0.5])
    shown = repr(fp.stationary(eq, fp.Grid([(-4, 4)] * 2, 20), error=False))
    assert "current flows, entropy production infinite: there are ways that lead in one direction only" in shown


def test_moments_round_a_circle_say_where_it_was_cut():
    eq = fp.FokkerPlanck(diffusion=0.1, names=["angle"])
    for result in (fp.solve(eq, fp.Grid((0, 1), 30, "periodic"), fp.uniform(0, 1), 0.1),
                   fp.stationary(eq, fp.Grid((0, 1), 30, "periodic"))):  # fmt: skip
        assert "(angle as on a line, cut where the periodic axis begins)" in repr(result)
    assert "periodic axis" not in repr(fp.stationary(EQ, GRID, error=False))
