"""What recording does to data: angles modulo a period, rounding, and columns that do not move."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.inference.paths import Paths
from fokkerplanck.inference.recording import (
    _spacing,
    check_moving,
    check_wrapped,
    tell_forgotten,
    tell_rounded,
)


def ornstein_uhlenbeck(n: int, m: int, dt: float, seed: int = 11) -> np.ndarray:
    """Paths (n, m) with rate 1 and D = 0.5."""
    rng = np.random.default_rng(seed)
    x, rows = rng.normal(0.0, np.sqrt(0.5), n), []
    for _ in range(m):
        rows.append(x)
        x = np.exp(-dt) * x + np.sqrt(0.5 * -np.expm1(-2.0 * dt)) * rng.normal(size=n)
    return np.array(rows).T


X = ornstein_uhlenbeck(30, 300, 0.2)
ou = lambda k=1.0, D=0.5: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)  # noqa: E731


@pytest.mark.parametrize("turn", [2.0 * np.pi, 360.0])
@pytest.mark.parametrize("low", [0.0, -0.5])
@pytest.mark.parametrize("dt", [0.02, 0.2])
def test_wrapped_angles_are_refused(turn, low, dt):
    angle = ornstein_uhlenbeck(30, 300, dt) * 3.0 * turn / (2.0 * np.pi)
    wrapped = np.mod(angle - low * turn, turn) + low * turn
    with pytest.raises(ValueError, match=r"np\.unwrap"):
        fp.fit(Paths(wrapped, dt=dt))
    with pytest.raises(ValueError, match="cosine and sine"):
        fp.fit(Paths(wrapped, dt=dt), ou)
    check_wrapped(Paths(angle, dt=dt), (False,))
    check_wrapped(Paths(wrapped, dt=dt), (True,))


@pytest.mark.parametrize("deviation", [0.26, 0.3])
def test_steps_of_more_than_a_quarter_period_are_still_those_on_a_circle(deviation):
    """Of 20 sets of angles all are refused, and of as many from a box with reflecting walls none, of any length of step."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        walk = np.cumsum(rng.normal(0.0, deviation, (4, 500)), axis=1)
        with pytest.raises(ValueError, match=r"np\.unwrap"):
            check_wrapped(Paths(np.mod(walk, 1.0)), (False,))
        for longer in (1.0, 1.3, 1.6):
            check_wrapped(Paths(np.abs(np.mod(longer * walk, 2.0) - 1.0)), (False,))


def test_the_wrapped_coordinate_is_named():
    both = np.stack([X, np.mod(3.0 * X[:, ::-1], 2.0 * np.pi)], axis=2)
    with pytest.raises(ValueError, match="coordinate 1"):
        fp.fit(Paths(both, dt=0.2))


def test_a_grid_that_is_closed_takes_angles():
    wrapped = Paths(np.mod(3.0 * X[:10, :40], 2.0 * np.pi), dt=0.2)
    around = lambda D=4.0: fp.FokkerPlanck(drift=lambda x: 0.0 * x, diffusion=D)  # noqa: E731
    found = fp.fit(wrapped, around, cells=fp.Grid((0.0, 2.0 * np.pi), 40, boundary="periodic"))
    assert found.parameters["D"] == pytest.approx(4.5, rel=0.2)


def _wells(rng, shape, hop):
    side = 2 * (np.cumsum(rng.random(shape) < hop, axis=1) % 2) - 1
    return 3.0 * side + rng.normal(size=shape)


INNOCENT = {
    "wells, rare hops": lambda rng, shape: _wells(rng, shape, 0.02),
    "wells, long lag": lambda rng, shape: _wells(rng, shape, 0.5),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "random walk with Cauchy steps": lambda rng, shape: np.cumsum(rng.standard_cauchy(shape), axis=1),
    "normal": lambda rng, shape: rng.normal(size=shape),
    "arcsine": lambda rng, shape: rng.beta(0.5, 0.5, shape),
    "Jacobi, near its ends": lambda rng, shape: rng.beta(0.1, 0.1, shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "reflected": lambda rng, shape: np.abs(np.mod(np.cumsum(rng.normal(0.0, 0.3, shape), axis=1), 2.0) - 1.0),
    "saturated": lambda rng, shape: np.clip(5.0 * _wells(rng, shape, 0.1), -3.0, 3.0),
    "two states": lambda rng, shape: (rng.random(shape) < 0.3).astype(float),
    "reset": lambda rng, shape: np.mod(np.cumsum(rng.normal(0.3, 0.05, shape), axis=1), 1.0),
}


@pytest.mark.parametrize("name", list(INNOCENT))
def test_no_other_data_are_taken_for_angles(name):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for shape in ((10, 60), (30, 300)):
            check_wrapped(Paths(INNOCENT[name](rng, shape)), (False,))


@pytest.mark.filterwarnings("ignore:The data are not Markov")  # rounding is noise of each row
@pytest.mark.parametrize("spacing", [1.0, 0.5, 0.1])
def test_rounded_values_are_told_in_the_fit(spacing):
    rounded = Paths(np.round(X / spacing) * spacing, dt=0.2)
    with pytest.warns(UserWarning, match=rf"multiples of {spacing:g}, .* D comes out too large"):
        fp.fit(rounded, ou, method="gaussian")


def test_what_rounding_adds_to_the_diffusion():
    """The number that the warning gives, h^2 / (12 tau), is the excess of D where a step is longer than h."""
    h, tau = 0.3, 0.2
    with pytest.warns(UserWarning, match=rf"= {h * h / (12.0 * tau):.2g}, and rates"):
        tell_rounded(Paths(np.round(X / h) * h, dt=tau).transitions())
    step, blurred = np.diff(X, axis=1), np.diff(np.round(X / h) * h, axis=1)
    assert (blurred.var() - step.var()) / (2.0 * tau) == pytest.approx(h * h / (12.0 * tau), rel=0.1)


def test_digits_that_suffice_and_waiting_are_not_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in (
            X,
            X.astype(np.float32),
            (X + 100.0).astype(np.float32),
            np.round(X, 3),
            np.repeat(X, 3, axis=1),
        ):
            tell_rounded(Paths(values, dt=0.2).transitions())


def test_the_spacing_is_that_of_the_values():
    assert _spacing(np.round(X.ravel(), 1) + 0.03) == pytest.approx(0.1)
    assert _spacing(np.round(X.ravel(), 1).astype(np.float32).astype(float)) == pytest.approx(0.1, rel=1e-5)
    assert _spacing(X.ravel()) is None
    assert _spacing(np.full(100, 2.0)) is None


@pytest.mark.parametrize("model", ["spline", lambda D=1.0: fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=D)])
def test_a_column_that_never_moves_is_named(model):
    still = np.stack([X, np.full_like(X, 7.0)], axis=2)
    with pytest.raises(ValueError, match=r"coordinate 1 .* is 7 in every row"):
        fp.fit(Paths(still, dt=0.2), model)
    with pytest.raises(ValueError, match="coordinate 1"):
        fp.markov_test(Paths(still, dt=0.2))
    time = np.stack([np.broadcast_to(np.arange(300.0), X.shape), X], axis=2)
    with pytest.raises(ValueError, match="coordinate 0"):
        check_moving(Paths(time, dt=0.2).transitions())


WALKS = np.mod(np.cumsum(np.random.default_rng(5).normal(0.0, 0.1, (8, 400)), axis=1), 1.0)
FREE = fp.FokkerPlanck(diffusion=0.005)


def test_rankings_refuse_wrapped_angles_too():
    for cells in (None, fp.Grid((0, 1), 40)):
        with pytest.raises(ValueError, match=r"np\.unwrap.*periodic boundary as `cells`"):
            fp.rank({"free": FREE}, WALKS, cells=cells)


def test_tests_of_memory_say_which_angle_they_test():
    """The wrapped walk is Markov; the wrapped angle of a pendulum that counts its turns is not, though the angle itself is."""
    with pytest.warns(UserWarning, match=r"Are these angles modulo 0\.99.*on its circle, which is Markov only if"):
        assert fp.markov_test(WALKS, lags=1).p_values[0] > 1e-3
    turning = ornstein_uhlenbeck(60, 800, 0.2, seed=2) * 3.0
    with pytest.warns(UserWarning, match=r"np\.unwrap"):
        assert fp.markov_test(np.mod(turning, 2.0 * np.pi), lags=1).p_values[0] < 0.05
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fp.markov_test(turning, lags=1).p_values[0] > 1e-3


def test_a_ranking_on_a_periodic_grid_knows_the_walk_from_a_wider_one():
    wider = fp.FokkerPlanck(diffusion=0.01)
    found = fp.rank({"wider": wider, "free": FREE}, WALKS, cells=fp.Grid((0, 1), 40, "periodic"))
    assert found.best == ("free",)
    assert found.scores["free"] - found.scores["wider"] > 0.05


@pytest.mark.parametrize("deviation", [0.1, 0.6])
def test_paths_that_a_periodic_grid_folded_are_known_whatever_their_steps(deviation):
    eq = fp.FokkerPlanck(diffusion=0.5 * deviation**2, names=["angle"])
    grid = fp.Grid((0, 1), 40, "periodic")
    paths = fp.Paths(fp.simulate(eq, 0.5, np.arange(60.0), 0.5, n_paths=6, seed=1, grid=grid, step_error=False))
    assert paths.periods == paths.thin(2).periods == (1.0,)
    for ask in (fp.fit, lambda data: fp.rank({"free": eq}, data)):
        with pytest.raises(ValueError, match=r"got paths folded into a period of 1\. Unwrap each run"):
            ask(paths)
    with pytest.warns(UserWarning, match="The data hold paths folded into a period of 1"):
        fp.markov_test(paths, lags=1)
    assert fp.rank({"free": eq}, paths, cells=grid).best == ("free",)


def told(x, lag=1, turn=np.inf):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tell_forgotten(Paths(x).transitions(lag), (turn,))
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("deviation", [0.35, 0.4, 0.5])
def test_steps_of_a_third_of_a_period_leave_no_dynamics_to_be_seen(deviation):
    """On a circle exp(-2 pi^2 s^2) of the place is left, .09, .04 and .007, on the line .6 of that: the fit was silent."""
    walk = np.mod(np.cumsum(np.random.default_rng(3).normal(0.0, deviation, (4, 2000)), axis=1), 1.0)
    (text,) = told(walk)
    assert text.startswith("Rows tell next to nothing of those a lag later: their correlation is 0.0")
    assert ("On a circle of period " in text) == (deviation == 0.35)  # the others are lost in chance, .03
    (text,) = told(walk, turn=1.0)
    assert "On a circle" not in text


def test_an_angle_in_a_force_whose_line_forgets():
    """A third of a turn a step, most of the time away from the seam: .02 is left on the line and .1 on the circle."""
    rng, x, rows = np.random.default_rng(5), np.zeros(40), []
    for step in range(20 * 60):
        x = x + (0.5 + np.sin(x)) * 0.1 + np.sqrt(0.2) * rng.normal(size=40)
        if step % 20 == 0:
            rows.append(np.mod(x, 2 * np.pi))
    assert told(np.array(rows).T)


def test_independent_rows_are_told_and_slow_ones_are_not():
    rng = np.random.default_rng(1)
    assert len(told(rng.normal(size=(4, 500)))) == 1
    assert not told(X)
    assert not told(X, lag=9)  # exp(-1.8) is .17
    assert len(told(X, lag=20)) == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fp.fit(Paths(ornstein_uhlenbeck(10, 60, 3.0)), ou)
    assert sum("hardly any drift or diffusion" in str(w.message) for w in caught) == 1
    turning = np.stack([np.cos(np.pi / 2 * np.arange(400)), np.sin(np.pi / 2 * np.arange(400))], axis=1)[None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # each coordinate is told by the other one
        tell_forgotten(Paths(turning + 0.1 * rng.normal(size=turning.shape)).transitions(1), (np.inf, np.inf))


def test_few_rows_are_not_said_to_hold_no_dynamics():
    """Sixty pairs of correlation .3 were said to "tell next to nothing" of those that follow; they are too few to tell."""
    rng = np.random.default_rng(2)
    kept, x = 0.35, [np.array([0.0, 0.0, 0.0])]
    for _ in range(20):
        x.append(kept * x[-1] + np.sqrt(1 - kept**2) * rng.normal(size=3))
    with pytest.warns(UserWarning, match=r"may be chance: 60 pairs are too few"):
        fp.fit(np.stack(x, axis=1), ou, start=[1.0, 1.0])
