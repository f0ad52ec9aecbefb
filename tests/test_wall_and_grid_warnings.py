"""Resolution and truncation diagnostics: each warning is provoked, and stays away where all is well."""

from __future__ import annotations

import linecache
import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd import SGD, SampleLoss
from fokkerplanck.solvers.discretization.resolution import Resolution
from fokkerplanck.solvers.linear.occupation_times import time_spent
from fokkerplanck.solvers.linear.rates import Rates
from fokkerplanck.wall_and_grid_warnings import _force, warn_of_resolution

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


def silent(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


@pytest.mark.parametrize("name", ["drift", "diffusion", "potential"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_coefficients_that_are_not_finite_are_refused(name, wrong):
    def field(x):
        return np.where(x > 0.5, wrong, 1.0)

    coefficients = {"diffusion": 0.5} | {name: field}
    with pytest.raises(ValueError, match=f"`{name}` must be finite everywhere on the grid, got (nan|inf) at"):
        fp.solve(fp.FokkerPlanck(**coefficients), fp.Grid((-1, 1), 20), fp.point(0.0), 1.0)


@pytest.mark.parametrize("coefficients", [{"drift": 1e230, "diffusion": 1.0}, {"diffusion": 1e230}])
@pytest.mark.parametrize("ask", [lambda eq, g: fp.solve(eq, g, fp.point(0.0), 1.0), fp.stationary, fp.spectrum])
def test_rates_that_overflow_are_refused(coefficients, ask):
    with pytest.raises(
        ValueError, match=r"`eq` must be such that rates between cells stay below 1e\+200, got more at \("
    ):
        ask(fp.FokkerPlanck(**coefficients), fp.Grid((-1, 1), 20))


def test_a_grid_too_coarse_for_the_noise_warns():
    with pytest.warns(fp.ResolutionWarning, match="adds a numerical diffusion of .* to a diffusion of 0.001"):
        fp.solve(*COARSE, fp.gaussian(1, 0.2), 0.5, error=False)
    with pytest.warns(
        fp.ResolutionWarning,
        match="the error of the density is about .* too coarse to tell how many cells give 0.01: take 160 cells",
    ):
        fp.solve(*COARSE, fp.gaussian(1, 0.2), 0.5)
    silent(lambda: fp.solve(OU, fp.Grid((-6, 6), 200), fp.gaussian(1, 0.3), 0.5))


def test_a_drift_without_noise_warns():
    """Upwinding widens a density of deviation 0.2, moved by 1, to sqrt(0.2^2 + h) at least, as D = |v| h / 2."""
    h = 0.05
    eq = fp.FokkerPlanck(drift=1.0, diffusion=0.0)
    with pytest.warns(fp.ResolutionWarning, match=r"adds a numerical diffusion of 0.025 where the equation has none"):
        sol = fp.solve(eq, fp.Grid((-2, 3), round(5 / h)), fp.gaussian(0, 0.2), 1.0, error=False)
    with pytest.warns(fp.ResolutionWarning, match="the grid does not resolve the density: halving the cells still"):
        fp.solve(eq, fp.Grid((-2, 3), round(5 / h)), fp.gaussian(0, 0.2), 1.0)
    assert sol.covariance()[0, 0, 0] == pytest.approx(0.04 + h, rel=0.01)
    silent(lambda: fp.solve(fp.FokkerPlanck(diffusion=0.0), fp.Grid((-2, 3), 50), fp.gaussian(0, 0.2), 1.0))


def test_a_box_that_cuts_the_density_warns():
    """The stationary density of OU at 2.4 of its deviations is 0.056 of its largest value."""
    with pytest.warns(
        fp.ResolutionWarning, match=r"wall x = 1.7 has grown to 0.05\d of its largest value: the box cuts"
    ):
        fp.solve(OU, fp.Grid((-4, 1.7), 300), fp.gaussian(-1, 0.2), 5.0)
    silent(lambda: fp.solve(OU, fp.Grid((-4, 4), 300), fp.gaussian(-1, 0.2), 5.0))


def test_a_density_that_runs_away_warns():
    eq = fp.FokkerPlanck(potential=lambda x: -(x**4), diffusion=0.5)
    with pytest.warns(
        fp.ResolutionWarning, match=r"wall x = -?2 has grown to (0\.\d+|1) of .* the force presses it against"
    ):
        fp.solve(eq, fp.Grid((-2, 2), 400), fp.gaussian(0.1, 0.2), 2.0)


def test_a_box_in_the_plane_warns():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5)
    with pytest.warns(fp.ResolutionWarning, match=r"wall y = -1.7 has grown"):
        fp.solve(eq, fp.Grid([(-4, 4), (-1.7, 4)], [40, 60]), fp.gaussian([0, 2], 0.2), 5.0)


@pytest.mark.parametrize(
    ("eq", "grid", "start"),
    [
        (fp.FokkerPlanck(diffusion=0.5), fp.Grid((-1, 1), 100), fp.gaussian(0, 0.05)),  # diffusion in a box
        (OU, fp.Grid((-1.7, 1.7), 100), fp.uniform(-1.7, 1.7)),  # starts at the walls
        (OU, fp.Grid((-1.7, 1.7), 100, "absorbing"), fp.gaussian(0, 0.1)),
        (
            fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, reactivity={"x high": 2.0}),
            fp.Grid((-4, 1), 100),
            fp.gaussian(-1, 0.1),
        ),
        (fp.FokkerPlanck(drift=1.0, diffusion=0.5), fp.Grid((-1, 1), 60, "periodic"), fp.gaussian(0, 0.1)),
    ],
)
def test_walls_that_are_meant_keep_silent(eq, grid, start):
    silent(lambda: fp.solve(eq, grid, start, 3.0))


@pytest.mark.parametrize("bounds", [(0, 4), (-1, 4)])
def test_noise_that_grows_towards_a_wall_warns_without_force(bounds):
    """dX = sqrt(2 D) dW keeps its mean, 1, with D = X^2/2 (natural at 0) or X^2/2 + .02; the wall at 4 takes a tenth."""
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.5 * x**2 + 0.02 * (bounds[0] < 0))
    with pytest.warns(fp.ResolutionWarning, match=r"reflecting wall x = 4, where D is \d+ times that at the start"):
        off = fp.solve(eq, fp.Grid(bounds, 200), fp.gaussian(1, 0.1), 0.9)
    assert off.mean()[0, 0] < 0.95
    silent(lambda: fp.solve(eq, fp.Grid(bounds, 200), fp.gaussian(1, 0.1), 0.05))


def test_noise_that_grows_warns_in_the_plane_of_the_wall_it_meets():
    eq = fp.FokkerPlanck(diffusion=[lambda x, y: 0.1 + 0 * x, lambda x, y: 0.1 + y**2])
    late = fp.gaussian([0, 0], [0.5, 0.2]), 1.0
    with pytest.warns(fp.ResolutionWarning, match=r"wall y = 2, where D is") as said:
        fp.solve(eq, fp.Grid([(-6, 6), (-2, 2)], 60, ["reflecting", ("absorbing", "reflecting")]), *late, error=False)
    assert not any("wall x" in str(w.message) for w in said)


@pytest.mark.parametrize("force", ["inward", "outward"])
def test_a_wall_that_may_belong_to_the_problem_is_left_to_the_user(force):
    """Sedimentation falls on a floor that is there; the words must let it be."""
    if force == "inward":
        ask = (OU, fp.Grid((-4, 1.7), 300), fp.gaussian(-1, 0.2), 5.0)
    else:
        ask = (fp.FokkerPlanck(drift=-1.0, diffusion=0.5), fp.Grid((0, 8), 200), fp.gaussian(5, 0.3), 10.0)
    with pytest.warns(fp.ResolutionWarning, match="only the end of the box and none of the problem, enlarge the box"):
        fp.solve(*ask)


COARSE = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.001), fp.Grid((-2, 2), 40)
TURNING = fp.FokkerPlanck(drift=lambda x, y: [-x + y, -x - y], diffusion=0.001), fp.Grid([(-2, 2)] * 2, [20, 20])
LEVY = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.2, 0.5))
SHARP = SGD(SampleLoss("(w - x)**2", ["w"], {"x": [-1, 1]}), 0.6)


def half(x):
    return np.full_like(x, 0.25)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: fp.solve(*COARSE, fp.gaussian(1, 0.2), 0.5),
        lambda: fp.stationary(*TURNING),
        lambda: fp.solve(OU, fp.Grid((-4, 1.7), 300), fp.gaussian(-1, 0.2), 5.0),  # a wall
        lambda: fp.stationary(LEVY, fp.Grid((-6, 6), 600)),  # a tail
        lambda: fp.solve(OU, fp.Grid((-1, 1), 40), half, 0.1),  # a start of mass 1/2
        lambda: SHARP.check((np.ones(9) / 9, fp.Grid((-1, 1), 9))),
    ],
    ids=["solve", "stationary", "wall", "tail", "start", "check"],
)
def test_warnings_point_at_the_line_of_the_user(ask):
    with pytest.warns(UserWarning, match="density|mass|probability") as caught:
        ask()
    assert {w.filename for w in caught} == {__file__}
    assert all("fp." in line or "SHARP" in line for line in (linecache.getline(w.filename, w.lineno) for w in caught))


def test_force_at_a_wall_by_hand():
    """-x / D from 3.2 to 4, outward at both ends: -(4^2 - 3.2^2) / 2 / 0.5 = -5.76, to a cell."""
    q = fp.generator(OU, fp.Grid((-4, 4), 400))
    assert _force(q, 0, 0) == pytest.approx(-5.76, rel=0.02)
    assert _force(q, 0, 1) == pytest.approx(-5.76, rel=0.02)


def test_a_tail_cut_by_the_box_warns():
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.2, 0.5))
    with pytest.warns(fp.ResolutionWarning, match="would lie beyond the reflecting walls, where the box cuts the tail"):
        st = fp.stationary(eq, fp.Grid((-6, 6), 600))
    assert st.stats["tail_mass"] > 0.01
    silent(lambda: fp.stationary(eq, fp.Grid((-60, 60), 3000)))


def test_a_stationary_state_that_is_not_unique_is_refused():
    eq = fp.FokkerPlanck(
        drift=lambda x: np.sign(x) * (2 - np.abs(x)), diffusion=lambda x: np.where(np.abs(x) < 0.3, 0.0, 0.1)
    )
    with pytest.raises(ValueError, match="`eq` must be such that its stationary density is unique, got 2 closed parts"):
        fp.stationary(eq, fp.Grid((-4, 4), 200))


def test_an_error_above_the_tolerance_comes_with_the_solution():
    with pytest.raises(fp.ConvergenceError, match="exceeds rtol = 1e-12") as caught:
        fp.solve(OU, fp.Grid((-6, 6), 400), fp.gaussian(0, 1), 6000.0, method="chebyshev", rtol=1e-12)
    assert isinstance(caught.value.partial, fp.Solution)


def test_a_passage_past_a_barrier_warns_where_the_grid_shifts_its_exponent():
    """Radially exact, as the rotation does nothing: 18.999 from the center; 13.43 on 48 cells an axis."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x - 5 * y, 5 * x - y), diffusion=0.1)
    grid, out = fp.Grid([(-1.5, 1.5)] * 2, 48), lambda x, y: x * x + y * y > 1
    with pytest.warns(fp.ResolutionWarning, match="averages over where paths spend their time.*passage times"):
        passage = fp.first_passage(eq, grid, out, error=False)
    with pytest.warns(fp.ResolutionWarning, match="the mean passage times"):
        measured = fp.first_passage(eq, grid, out)
    assert measured.error_at((0.0, 0.0)) > 0.7 * (18.999 - measured.at((0.0, 0.0)))
    assert passage.at((0.0, 0.0)) < 0.8 * 18.999
    assert passage.stats["order"] == 1
    assert 0.05 < passage.stats["numerical_diffusion"] / passage.stats["diffusion"] < 0.1
    still = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.1)
    assert silent(lambda: fp.first_passage(still, grid, out, error=False)).stats["order"] == 2
    assert silent(lambda: fp.first_passage(still, grid, out)).error.converging


def test_committor_and_spectrum_warn_of_a_coarse_grid():
    eq, coarse, fine = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.01), fp.Grid((-1, 1), 20), fp.Grid((-1, 1), 200)
    left, right = (lambda x: x < -0.8), (lambda x: x > 0.8)
    rotating = fp.FokkerPlanck(drift=lambda x, y: (-x - 9 * y, 9 * x - y), diffusion=0.1)
    with pytest.warns(fp.ResolutionWarning, match="the slowest mode.*modes and rates are first order"):
        fp.spectrum(rotating, fp.Grid([(-1.5, 1.5)] * 2, 16), 2, error=False)
    with pytest.warns(fp.ResolutionWarning, match="the committor is first order"):
        fp.committor(fp.FokkerPlanck(drift=1.0, diffusion=0.01), coarse, left, right, error=False)
    silent(lambda: fp.spectrum(eq, fine, 2))
    silent(lambda: fp.committor(eq, fine, left, right))


def test_time_spent_is_that_of_free_diffusion():
    """Evenly started between absorbing walls at 0 and 1: 6 x (1 - x), a case solved by hand."""
    grid = fp.Grid((0, 1), 200, boundary="absorbing")
    q = fp.generator(fp.FokkerPlanck(diffusion=0.3), grid)
    x = grid.centers[0]
    np.testing.assert_allclose(
        time_spent(Rates.of_generator(q), np.ones(200, dtype=bool)) * 200, 6 * x * (1 - x), atol=1e-3
    )


def test_drift_that_dies_down_is_judged_while_it_lives():
    def drift(x, t):
        return -50.0 * x * np.exp(-t)

    ask = fp.FokkerPlanck(drift=drift, diffusion=0.01), fp.Grid((-4, 4), 100), fp.gaussian(1.0, 0.5), [0.1, 20.0]
    with pytest.warns(fp.ResolutionWarning, match="adds a numerical diffusion"):
        fp.solve(*ask, error=False)
    with pytest.warns(fp.ResolutionWarning, match="the density"):
        fp.solve(*ask)


def test_a_tail_of_jumps_that_the_box_cuts_off_warns_in_time_too():
    """<cos x> = exp(-1) at rest; 0.52 in a box of 4."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.0, 1.0))
    with pytest.warns(fp.ResolutionWarning, match="0.23 of the probability would lie beyond the reflecting walls"):
        fp.solve(eq, fp.Grid((-4, 4), 400), fp.point(0.0), 10.0)
    free = fp.FokkerPlanck(jumps=fp.LevyJumps(1.0, 1.0))
    silent(lambda: fp.solve(free, fp.Grid((-4, 4), 400), fp.point(0.0), 10.0))


@pytest.mark.parametrize("half", [0.2, 0.5, 1.0])
def test_a_box_narrower_than_the_stationary_density_warns(half):
    """Ornstein-Uhlenbeck of deviation 1 between walls at +-1/2: deviation .28, nearly that of a uniform density."""
    eq, grid = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0), fp.Grid((-half, half), 100)
    with pytest.warns(fp.ResolutionWarning, match=r"at the reflecting wall x = .* of its largest value: the box cuts"):
        fp.stationary(eq, grid)
    with pytest.warns(fp.ResolutionWarning, match=r"has grown to .* of its largest value: the box cuts"):
        fp.solve(eq, grid, fp.gaussian(0, half / 4), [3.0])


@pytest.mark.parametrize(
    ("drift", "bounds"),
    [
        (lambda x: -x, (-5, 5)),  # the walls are far away
        (lambda x: 0.0 * x, (-1, 1)),  # no force: the walls are the problem
        (lambda x: 0.0 * x - 2.0, (0, 1)),  # a floor and a ceiling
        (
            lambda x: -4 * np.sin(np.pi * (x + 0.06)),
            (-1, 1),
        ),  # a period of a wave, cut at its top: it rises to one wall
    ],
)
def test_boxes_that_belong_to_the_problem_are_silent(drift, bounds):
    """A rise towards a wall, or noise alone that varies, is no sign of a density that is cut off."""
    fp.stationary(fp.FokkerPlanck(drift=drift, diffusion=1.0), fp.Grid(bounds, 100))  # warnings are errors here
    fp.stationary(fp.FokkerPlanck(diffusion=lambda x: 0.1 + 0.4 * x**2), fp.Grid((-2, 2), 100))  # Ito: p ~ 1 / D


def test_noise_that_is_rounding_is_none():
    """Ratios of 1e298 frighten nobody any more."""
    stats = Resolution(order=1, diffusion=1e-301, numerical_diffusion=2e-3, peclet=np.inf)
    with pytest.warns(fp.ResolutionWarning, match=r"a numerical diffusion of 0\.002 where the equation has none"):
        warn_of_resolution(stats)


def test_a_probability_beyond_the_walls_is_at_most_one(monkeypatch):
    monkeypatch.setattr("fokkerplanck.wall_and_grid_warnings.tail_mass", lambda *_: 1.03)
    monkeypatch.setattr("fokkerplanck.wall_and_grid_warnings._force", lambda *_: -9.0)
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.5, 0.3))
    grid = fp.Grid((-3, 3), 40)
    with pytest.warns(fp.ResolutionWarning, match="about 1 of the probability would lie beyond"):
        assert fp.stationary(eq, grid).stats["tail_mass"] == 1.0
