"""Walls that take part of what touches them, J = kappa p, against closed forms; killing and such walls in simulations."""

import numpy as np
import pytest
from scipy.optimize import brentq

import fokkerplanck as fp

D, KAPPA = 0.7, 1.3
WALL = {"x high": KAPPA}


def equation(**more):
    return fp.FokkerPlanck(**{"diffusion": D, "reactivity": WALL, **more})


def survival_of_interval(t, x0):
    """Reflecting at 0, D p' = -kappa p at 1: modes cos(q x) with q tan q = kappa / D (Carslaw and Jaeger 1959)."""
    result = np.zeros(np.shape(t))
    for n in range(200):
        q = brentq(lambda q: q * np.sin(q) - KAPPA / D * np.cos(q), n * np.pi, n * np.pi + np.pi / 2)
        norm = 0.5 + np.sin(2 * q) / (4 * q)
        result += np.cos(q * x0) * np.sin(q) / (q * norm) * np.exp(-D * q**2 * np.asarray(t))
    return result


def test_survival_on_an_interval():
    times = [0.05, 0.3, 1.0, 3.0]
    sol = fp.solve(equation(), fp.Grid((0, 1), 200), fp.point(0.3), times)
    right = survival_of_interval(times, 0.3)
    np.testing.assert_allclose(sol.mass, right, atol=2e-5)
    assert (np.abs(sol.mass - right) <= 3 * sol.error["mass"]).all()
    assert sol.density.min() >= 0.0


def test_second_order():
    right = survival_of_interval(1.0, 0.3)
    off = [
        abs(fp.solve(equation(), fp.Grid((0, 1), n), fp.point(0.3), 1.0, error=False, rtol=1e-10).mass[0] - right)
        for n in (20, 40, 80)
    ]
    np.testing.assert_allclose(np.log2(np.array(off[:-1]) / off[1:]), 2.0, atol=0.1)


def test_what_is_lost_has_left_through_the_wall():
    """The flux balance: d mass / dt = -kappa p(wall) = -J there."""
    n = 800
    sol = fp.solve(
        equation(drift=0.8), fp.Grid((0, 1), n), fp.gaussian(0.5, 0.1), [0.299, 0.3, 0.301], rtol=1e-10, error=False
    )
    rate = -(sol.mass[2] - sol.mass[0]) / 0.002
    p, h = sol.density[1], 1 / n
    at_wall = 1.5 * p[-1] - 0.5 * p[-2]
    assert rate == pytest.approx(KAPPA * at_wall, rel=2e-3)
    slope = (p[-1] - p[-2]) / h
    assert 0.8 * at_wall - D * slope == pytest.approx(KAPPA * at_wall, rel=1e-2)


def test_mean_time_to_react():
    """D u'' + c u' = -1, u'(0) = 0 and D u' = -kappa u at 1; with c = 0, u = (1 - x^2) / (2 D) + 1 / kappa."""
    passage = fp.first_passage(equation(), fp.Grid((0, 1), 100))
    x = passage.grid.centers[0]
    np.testing.assert_allclose(passage.mean, (1 - x**2) / (2 * D) + 1 / KAPPA, rtol=1e-4)
    assert passage.at(1.0) == pytest.approx(1 / KAPPA, rel=1e-4)  # not 0, as at an absorbing wall
    assert list(passage.ways_out) == ["x high"]


@pytest.mark.parametrize("how", ["drift", "potential"])
def test_mean_time_against_a_force(how):
    force = {"drift": {"drift": -2.0}, "potential": {"potential": lambda x: 2.0 * x}}[how]
    c, wall = -2.0, KAPPA
    passage = fp.first_passage(equation(**force), fp.Grid((0, 1), 100))
    x = passage.grid.centers[0]
    # u' = (exp(-c x / D) - 1) / c; u(1) from the flux of the backward equation, D u' = -kappa u
    slope = (np.exp(-c / D) - 1) / c
    end = -D * slope / wall
    right = end + (D / c**2) * (np.exp(-c / D) - np.exp(-c * x / D)) * 1.0 + (1 - x) / c
    np.testing.assert_allclose(passage.mean, right, rtol=2e-3)


def test_limits():
    grid, start = fp.Grid((0, 1), 100), fp.point(0.3)
    none = fp.solve(equation(reactivity={"x high": 0.0}), grid, start, 1.0, error=False)
    assert none.mass[0] == pytest.approx(1.0, abs=1e-9)
    all_of_it = fp.solve(equation(reactivity={"x high": 1e9}), grid, start, 1.0, error=False).mass[0]
    absorbing = fp.solve(
        fp.FokkerPlanck(diffusion=D), fp.Grid((0, 1), 100, ("reflecting", "absorbing")), start, 1.0, error=False
    )
    assert all_of_it == pytest.approx(absorbing.mass[0], rel=1e-6)


def test_noise_that_grows_towards_the_wall():
    """D = 1 + x (Ito), no drift: D u'' = -1, u'(0) = 0: u' = -ln(1 + x), and D u' = -kappa u at the wall."""
    eq = fp.FokkerPlanck(diffusion=lambda x: 1 + x, reactivity=WALL)
    found = fp.first_passage(eq, fp.Grid((0, 1), 100)).at(1.0)
    assert found == pytest.approx(2 * np.log(2) / KAPPA, rel=1e-3)


def test_two_walls_and_what_re_enters():
    eq = equation(reactivity={"x low": 0.4, "x high": KAPPA})
    passage = fp.first_passage(eq, fp.Grid((0, 1), 100))
    ways = passage.ways_out
    np.testing.assert_allclose(ways["x low"].probability + ways["x high"].probability, 1.0, rtol=1e-9)
    # q linear with D q' = k0 q at 0 ... of reaching the high wall: q = a + b x, D b = 0.4 a, D b = KAPPA (1 - a - b)
    a = KAPPA / (0.4 + KAPPA + 0.4 * KAPPA / D)
    assert ways["x high"].probability_at(0.5) == pytest.approx(a * (1 + 0.2 / D), rel=1e-4)
    st = fp.stationary(eq, fp.Grid((0, 1), 100), reset=fp.point(0.3))
    assert 1 / st.rate == pytest.approx(passage.at(0.3), rel=1e-3)


def test_in_two_dimensions_each_wall_has_its_own():
    eq = fp.FokkerPlanck(diffusion=[0.4, D], reactivity={"y high": KAPPA})
    passage = fp.first_passage(eq, fp.Grid([(0, 2), (0, 1)], [12, 40]))
    y = passage.grid.centers[1]
    np.testing.assert_allclose(passage.mean, np.tile((1 - y**2) / (2 * D) + 1 / KAPPA, (12, 1)), rtol=1e-3)


def test_forces_that_change_in_time():
    """A force without effect on the survival: all of it uniform in time but written as a function of t."""
    grid = fp.Grid((0, 1), 100)
    still = fp.solve(equation(drift=0.5), grid, fp.point(0.3), [0.5, 1.0], error=False)
    moving = fp.solve(equation(drift=lambda x, t: 0.5 + 0 * x), grid, fp.point(0.3), [0.5, 1.0], error=False)
    np.testing.assert_allclose(moving.mass, still.mass, atol=1e-5)


def test_simulated_walls():
    """The step explains 0.004; false alarms by chance 1e-4. Without the next order the survival is off by 0.016."""
    n = 40_000
    grid = fp.Grid((0, 1), 10)
    mc = fp.simulate(equation(), fp.point(0.3), [1.0], 4e-3, n_paths=n, grid=grid, seed=1)
    for t in (0.5, 1.0):
        left = (mc.exit_times > t).mean()
        right = survival_of_interval(t, 0.3)
        assert left == pytest.approx(right, abs=0.004 + 4 * np.sqrt(right * (1 - right) / n))
    inside = mc.positions[np.isfinite(mc.positions)]
    assert inside.min() >= 0.0
    assert inside.max() <= 1.0


def test_simulated_killing():
    """dx = -x dt + noise killed at a x^2, from the density that stays the same: its mass falls exponentially."""
    a, d = 0.7, 0.5
    s = np.sqrt(1 + 4 * a * d)
    rate, n = 0.5 * (s - 1), 40_000
    start = fp.gaussian(0.0, np.sqrt(d / (0.5 * (1 + s))))
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=d, killing=lambda x: a * x**2)
    mc = fp.simulate(eq, start, [1.0, 2.0], 0.01, n_paths=n, seed=1)
    for k, t in enumerate((1.0, 2.0)):
        left = mc.exit_times > t
        right = np.exp(-rate * t)
        assert left.mean() == pytest.approx(right, abs=0.003 + 4 * np.sqrt(right * (1 - right) / n))
        assert mc.positions[k, left].var() == pytest.approx(
            start.std[0] ** 2 if hasattr(start, "std") else d / (0.5 * (1 + s)), rel=0.05
        )


def test_a_step_that_is_too_long_is_said():
    with pytest.warns(fp.errors.ResolutionWarning, match="a wall takes .* of the paths that touch it"):
        fp.simulate(equation(), fp.point(0.9), [0.5], 0.1, n_paths=500, grid=fp.Grid((0, 1), 10), seed=1)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: equation(reactivity={"top": 1.0}), "`reactivity` must be for walls named 'x low'"),
        (lambda: equation(reactivity={"x high": -1.0}), "`reactivity` must be of finite numbers not below 0"),
        (lambda: equation(jumps=fp.LevyJumps(1.5)), "`reactivity` must be None together with jumps"),
        (
            lambda: fp.solve(equation(), fp.Grid((0, 1), 20, "absorbing"), fp.point(0.5), 1.0),
            "`boundary` must be 'reflecting' at 'x high'",
        ),
        (lambda: fp.solve(equation(reactivity={"y low": 1.0}), fp.Grid((0, 1), 20), fp.point(0.5), 1.0), "of 1 axes"),
        (
            lambda: fp.solve(equation(diffusion=lambda x: 1 - x), fp.Grid((0, 1), 20), fp.point(0.5), 1.0),
            "`diffusion` must be above 0 at a wall",
        ),
        (
            lambda: fp.simulate(equation(), fp.point(0.5), [1.0], 0.1),
            "`grid` must be given for an equation with reactive",
        ),
    ],
)
def test_refusals(ask, sentence):
    with pytest.raises(ValueError, match=sentence):
        ask()
