"""Derivatives by the adjoint: the Ornstein-Uhlenbeck process, drifted Brownian motion, and slopes between two answers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx
from scipy.stats import norm

import fokkerplanck as fp

LINE = fp.Grid((-5, 5), 200)
BOX = fp.Grid((0, 1), 200, "absorbing")


def relaxing(a):
    return fp.FokkerPlanck(drift=lambda x: -a[0] * x, diffusion=a[1])


def drifting(a):
    return fp.FokkerPlanck(drift=a[0], diffusion=a[1])


def mean_time(mu, d, x):
    return (np.expm1(-mu * x / d) / np.expm1(-mu / d) - x) / mu


def upper_end_first(mu, d, x):
    return np.expm1(-mu * x / d) / np.expm1(-mu / d)


def slopes(f, mu, d, x, h=1e-5):
    return np.array([f(mu + h, d, x) - f(mu - h, d, x), f(mu, d + h, x) - f(mu, d - h, x)]) / (2 * h)


def holds(found, value, slope):
    for name, exact in (("value", value), ("derivative", slope)):
        off = np.abs(getattr(found, name) - np.asarray(exact))
        assert (off <= 2 * found.error[name] + 1e-7 * np.abs(exact)).all()


def test_stationary_variance():
    found = fp.derivative(relaxing, [2.0, 0.5], LINE, observe=lambda x: x**2)
    np.testing.assert_allclose(found.derivative, [-0.125, 0.5], rtol=1e-7)  # D / k
    assert found.value == pytest.approx(0.25, rel=1e-7)
    one = fp.response(lambda k: relaxing([k, 0.5]), 2.0, LINE, lambda x: x**2, error=False)
    assert found.derivative[0] == pytest.approx(one.derivative, rel=1e-9)


def test_relaxation_rate():
    found = fp.derivative(relaxing, [2.0, 0.5], LINE, mode=1)
    holds(found, -2.0, [-1.0, 0.0])


def test_escape_rate_of_a_box():
    found = fp.derivative(drifting, [0.7, 0.4], BOX, mode=0)
    holds(found, -0.4 * np.pi**2 - 0.7**2 / 1.6, [-0.7 / 0.8, -(np.pi**2) + 0.7**2 / (4 * 0.4**2)])


def test_mean_exit_time():
    found = fp.derivative(drifting, [0.7, 0.4], BOX, start=fp.point(0.3))
    holds(found, mean_time(0.7, 0.4, 0.3), slopes(mean_time, 0.7, 0.4, 0.3))


def test_probability_of_one_end_first():
    grid = fp.Grid((-1, 2), 300)
    regions = {"source": lambda x: x < 0, "target": lambda x: x > 1}
    found = fp.derivative(drifting, [0.7, 0.4], grid, start=fp.point(0.3), **regions)
    holds(found, upper_end_first(0.7, 0.4, 0.3), slopes(upper_end_first, 0.7, 0.4, 0.3))
    there = fp.derivative(drifting, [0.7, 0.4], grid, start=fp.point(1.5), error=False, **regions)
    assert there.value == pytest.approx(1.0)
    np.testing.assert_allclose(there.derivative, 0.0, atol=1e-12)


def test_escape_over_a_barrier_is_the_slope_between_two_answers():
    """A time of 13 000 relaxations, and the small eigenvalue that belongs to it."""
    grid = fp.Grid((-2.2, 2.2), 200)

    def well(d):
        return fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=d)

    asked = {"start": fp.point(-1.0), "target": lambda x: x > 0, "error": False}
    found = fp.derivative(well, 0.1, grid, **asked)
    up, down = (fp.derivative(well, 0.1 + e, grid, **asked).value for e in (1e-5, -1e-5))
    assert found.derivative == pytest.approx((up - down) / 2e-5, rel=1e-5)
    rate = fp.derivative(well, 0.1, grid, mode=1, error=False)
    up, down = (fp.spectrum(well(0.1 + e), grid, 2, error=False).eigenvalues[1] for e in (1e-5, -1e-5))
    assert rate.derivative == pytest.approx((up - down) / 2e-5, rel=1e-5)


@pytest.mark.parametrize(
    "question",
    [
        {"observe": lambda x, y: x * y},
        {"start": fp.gaussian([0.0, 0.0], 0.2), "target": lambda x, y: x > 1.0},
        {"start": fp.gaussian([0.0, 0.0], 0.2), "source": lambda x, y: x < -1, "target": lambda x, y: x + y > 1},
        {"mode": 2},
    ],
)
def test_two_dimensions_without_detailed_balance(question):
    """Spirals: eigenvalues are complex, -1 +- i w."""

    def spiral(w):
        return fp.FokkerPlanck(drift=lambda x, y: [-x + w * y, -w * x - y + 0.3 * x], diffusion=[0.4, 0.3])

    grid = fp.Grid([(-3, 3), (-3, 3)], [18, 18])
    found = fp.derivative(spiral, 0.8, grid, error=False, **question)
    up, down = (fp.derivative(spiral, 0.8 + e, grid, error=False, **question).value for e in (1e-4, -1e-4))
    assert found.derivative == pytest.approx((up - down) / 2e-4, rel=1e-4)
    assert abs(found.derivative) > 1e-3


def test_jumps():
    """Mean of an Ornstein-Uhlenbeck process with jumps: lambda m / k."""

    def jumping(rate):
        jumps = fp.PoissonJumps(rate, ([0.3, 0.5], [0.5, 0.5]))
        return fp.FokkerPlanck(drift=lambda x: -2 * x, diffusion=0.2, jumps=jumps)

    found = fp.derivative(jumping, 1.5, fp.Grid((-3, 4), 140), observe=lambda x: x)
    holds(found, 1.5 * 0.4 / 2.0, 0.2)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({}, "`observe` must be given, or `quantile`, `start`, `mode` or `reset`"),
        ({"mode": 1, "observe": lambda x: x}, "`observe` must be one of several answers, got `observe` and `mode`"),
        ({"mode": 1, "target": lambda x: x > 0}, "`target` must be left out without `start`"),
        ({"start": fp.point(0.0), "source": lambda x: x > 1}, "`target` must be given together with `source`"),
        ({"start": fp.point(0.0)}, "`target` must be given, as no wall absorbs"),
        ({"mode": 250}, "`mode` must be below"),
    ],
)
def test_refusals(question, sentence):
    with pytest.raises(ValueError, match=sentence):
        fp.derivative(relaxing, [2.0, 0.5], LINE, **question)


def test_a_double_eigenvalue_is_refused():
    def flat(d):
        return fp.FokkerPlanck(diffusion=d)

    with pytest.raises(ValueError, match="`mode` must be a single eigenvalue"):
        fp.derivative(flat, 0.3, fp.Grid((0, 1), 40, "periodic"), mode=1)


def test_what_the_box_cuts_off_is_noted_and_rounding_is_not_an_error():
    """Var x is 1 / (2 k): on (-4, 4) its slope is off by 4e-6 for the tails, where the grid is off by 2e-8."""
    spring = lambda k: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=0.5)  # noqa: E731
    found = fp.derivative(spring, 1.0, fp.Grid((-4, 4), 200), observe=lambda x: x * x)
    assert "the box is not in it" in found.error.note
    wide = fp.derivative(spring, 1.0, fp.Grid((-7, 7), 350), observe=lambda x: x * x)
    assert wide.derivative == pytest.approx(-0.5, abs=1e-7)
    assert "box" not in wide.error.note
    exact = fp.derivative(
        lambda d: fp.FokkerPlanck(diffusion=d), 1.0, fp.Grid((0, 1), 200, "absorbing"), start=fp.point(0.5)
    )
    assert exact.error.converging  # 1 / (8 D), but for the rounding of differences
    assert abs(exact.derivative + 0.125) < exact.error["derivative"] < 1e-7


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e4])
def test_a_parameter_of_any_size(unit):
    """A diffusion that is small beside 1, so that a step of 1e-4 is refused or far from linear, and one that is large."""

    def passage(unit):
        def family(D):
            return fp.FokkerPlanck(drift=lambda x: 0.4 * unit * (x - x**3), diffusion=D)

        grid = fp.Grid((-2, 2), 60)
        return fp.derivative(family, 0.1 * unit, grid, start=fp.point(-1.0), target=lambda x: x > 0.5)

    plain, scaled = passage(1.0), passage(unit)
    assert scaled.derivative * unit**2 == pytest.approx(plain.derivative, rel=1e-6)
    assert scaled.difference_error <= 1e-6 * abs(scaled.derivative)


@pytest.mark.parametrize(("steepness", "at"), [(1.0, 1e-17), (1.0, 0.0), (1e7, 0.0), (1e-7, 1e6)])
def test_a_parameter_of_another_scale_than_its_value(steepness, at):
    def family(a):
        return fp.FokkerPlanck(drift=lambda x: x - x**3 + np.tanh(steepness * a), diffusion=0.2)

    def force(f):
        return fp.FokkerPlanck(drift=lambda x: x - x**3 + f, diffusion=0.2)

    grid, question = fp.Grid((-2, 2), 60), {"start": fp.point(-1.0), "target": lambda x: x > 0.5}
    f = np.tanh(steepness * at)
    right = fp.derivative(force, f, grid, **question, error=False).derivative * steepness * (1.0 - f * f)
    found = fp.derivative(family, at, grid, **question, error=False)
    assert found.derivative == pytest.approx(right, rel=1e-6)
    assert abs(found.derivative - right) <= 10.0 * found.difference_error + 1e-8 * abs(right)


def test_a_family_that_refuses_every_neighbour_says_so():
    def only(a):
        return fp.FokkerPlanck(diffusion=1.0 if a == 0.5 else -1.0)

    with pytest.raises(ValueError, match="`diffusion` must be at least 0"):
        fp.derivative(only, 0.5, fp.Grid((-1, 1), 20), start=fp.point(0.0), target=lambda x: x > 0.5)


def test_what_does_not_depend_on_a_parameter():
    """By symmetry, and because the parameter does not enter: no step may be chosen for its luck with rounding."""

    def family(a):
        return fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=a[0])

    found = fp.derivative(family, [0.3, 1.0], fp.Grid((-2, 2), 80), observe=lambda x: x)
    assert (np.abs(found.derivative) <= np.maximum(found.error["derivative"], 1e-12)).all()
    assert (found.error["derivative"] < 1e-9).all()


def test_slopes_that_differ_on_either_side_are_an_error():
    """The symmetric difference of |a| at 0 is 0: that was called the derivative, without an error."""

    def pushed(a):
        return fp.FokkerPlanck(drift=lambda x: abs(a) - x, diffusion=0.5)

    grid = fp.Grid((-6, 6), 120)
    found = fp.derivative(pushed, 0.0, grid, observe=lambda x: x)
    assert abs(found.derivative) < 1e-6
    assert found.difference_error == pytest.approx(1.0, rel=1e-3)
    assert found.error["derivative"] >= 1.0
    smooth = fp.derivative(pushed, 0.3, grid, observe=lambda x: x)
    assert smooth.derivative == pytest.approx(1.0, rel=1e-6)
    assert smooth.difference_error < 1e-6


def test_a_parameter_at_the_end_of_its_range_is_refused():
    """A diffusion of 0 was divided by."""
    grid = fp.Grid((-6, 6), 120)
    with pytest.raises(ValueError, match=r"`at` must be inside the range .*says there: `diffusion` must be at least 0"):
        fp.derivative(lambda d: fp.FokkerPlanck(drift=lambda x: -x, diffusion=d), 0.0, grid, observe=lambda x: x**2)


def by_differences(answer, point, step=1e-5):
    """Derivatives (m,) of a closed form by each of its parameters."""
    ups, downs = (np.array(point) + sign * step * np.eye(len(point)) for sign in (1.0, -1.0))
    return np.array([(answer(*up) - answer(*down)) / (2 * step) for up, down in zip(ups, downs, strict=True)])


def spread(k, d, width, t):
    return width**2 * np.exp(-2 * k * t) + d / k * (1 - np.exp(-2 * k * t))


def test_second_moment_and_share_at_a_time():
    start, t = fp.gaussian(1.0, 0.3), 0.7

    def square(k, d):
        return spread(k, d, 0.3, t) + np.exp(-2 * k * t)

    def share(k, d):
        return norm.sf((0.5 - np.exp(-k * t)) / np.sqrt(spread(k, d, 0.3, t)))

    for observe, exact in ((lambda x: x**2, square), (lambda x: x > 0.5, share)):
        found = fp.derivative(relaxing, [2.0, 0.5], LINE, start=start, time=t, observe=observe)
        assert found.what == "mean at time 0.7"
        slope = by_differences(exact, (2.0, 0.5))
        holds(found, exact(2.0, 0.5), slope)
        np.testing.assert_allclose(found.derivative, slope, rtol=5e-3)


def test_quantiles_at_rest_and_at_a_time():
    t, z = 0.7, norm.ppf(0.8)
    found = fp.derivative(relaxing, [2.0, 0.5], LINE, quantile=0.8)
    holds(found, z / 2, np.array([-0.125, 0.5]) * z)  # sqrt(D / k)
    np.testing.assert_allclose(found.derivative, np.array([-0.125, 0.5]) * z, rtol=1e-3)
    later = fp.derivative(relaxing, [2.0, 0.5], LINE, start=fp.gaussian(1.0, 0.2), time=t, quantile=0.8)

    def exact(k, d):
        return np.exp(-k * t) + z * np.sqrt(spread(k, d, 0.2, t))

    holds(later, exact(2.0, 0.5), by_differences(exact, (2.0, 0.5)))
    np.testing.assert_allclose(later.derivative, by_differences(exact, (2.0, 0.5)), rtol=2e-3)


def survival(mu, d, x=0.3, t=0.4):
    """Of Brownian motion with drift between walls at 0 and 1, by its modes."""
    n, c = np.arange(1, 100), mu / (2 * d)
    ends = np.exp(-c * x) * n * np.pi * (1 - (-1.0) ** n * np.exp(c)) / (c**2 + (n * np.pi) ** 2)
    return (2 * ends * np.sin(n * np.pi * x) * np.exp(-(d * (n * np.pi) ** 2 + mu**2 / (4 * d)) * t)).sum()


@pytest.mark.parametrize("walls", [True, False])
def test_survival_between_walls_and_outside_a_target(walls):
    grid = BOX if walls else fp.Grid((-1, 2), 300)
    target = {} if walls else {"target": lambda x: (x < 0) | (x > 1)}
    asked = {"start": fp.point(0.3), "time": 0.4, "observe": lambda x: 1.0}
    found = fp.derivative(drifting, [0.7, 0.4], grid, **asked, **target)
    holds(found, survival(0.7, 0.4), by_differences(survival, (0.7, 0.4)))
    np.testing.assert_allclose(found.derivative, by_differences(survival, (0.7, 0.4)), rtol=1e-3)


def leaky(a):
    return fp.FokkerPlanck(drift=lambda v: a[0] - v, diffusion=a[1])


NEURON = fp.Grid((-2, 1), 300, ("reflecting", "absorbing"))


def test_firing_rate():
    """Siegert's integral, with a refractory time."""

    def rate(mean, d):
        low, high = -mean / np.sqrt(2 * d), (1 - mean) / np.sqrt(2 * d)
        return 1 / (0.1 + np.sqrt(np.pi) * quad(lambda u: erfcx(-u), low, high, epsabs=1e-13)[0])

    found = fp.derivative(leaky, [0.8, 0.1], NEURON, reset=fp.point(0.0), delay=0.1)
    assert found.what == "resets per time"
    holds(found, rate(0.8, 0.1), by_differences(rate, (0.8, 0.1)))
    np.testing.assert_allclose(found.derivative, by_differences(rate, (0.8, 0.1)), rtol=1e-3)


@pytest.mark.parametrize("asked", [{"observe": lambda v: v**2}, {"quantile": 0.3}])
def test_means_and_quantiles_with_resets(asked):
    found = fp.derivative(leaky, [0.8, 0.1], NEURON, reset=fp.point(0.0), error=False, **asked)

    def answer(mean, d):
        st = fp.stationary(leaky([mean, d]), NEURON, reset=fp.point(0.0), error=False)
        return st.moment(2)[0] if "observe" in asked else st.quantile(0.3)

    assert found.value == pytest.approx(answer(0.8, 0.1), rel=1e-9)
    np.testing.assert_allclose(found.derivative, by_differences(answer, (0.8, 0.1)), rtol=1e-4)


def test_coefficients_that_change_in_time():
    """A driven mean, by amplitude and frequency."""

    def driven(a):
        return fp.FokkerPlanck(drift=lambda x, t: -x + a[0] * np.cos(a[1] * t), diffusion=0.5)

    def mean(size, w, t=1.5):
        return size * (np.cos(w * t) + w * np.sin(w * t) - np.exp(-t)) / (1 + w * w)

    asked = {"start": fp.gaussian(0, 0.5), "time": 1.5, "observe": lambda x: x}
    found = fp.derivative(driven, [0.5, 2.0], fp.Grid((-4, 4), 80), **asked)
    holds(found, mean(0.5, 2.0), by_differences(mean, (0.5, 2.0)))
    np.testing.assert_allclose(found.derivative, by_differences(mean, (0.5, 2.0)), rtol=5e-3)


def test_the_time_of_a_jump_is_a_parameter():
    """Noise that is switched on: differences of rates at fixed times do not see the switch move."""

    def switched(a):
        return fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x, t: 0.1 + a[0] * (t > a[1]) + 0 * x)

    def variance(more, at, t=2.0):
        return 0.25 * np.exp(-2 * t) + 0.1 * (1 - np.exp(-2 * t)) + more * (1 - np.exp(-2 * (t - at)))

    asked = {"start": fp.gaussian(0, 0.5), "time": 2.0, "observe": lambda x: x**2}
    found = fp.derivative(switched, [0.4, 1.0], fp.Grid((-4, 4), 80), **asked)
    holds(found, variance(0.4, 1.0), by_differences(variance, (0.4, 1.0)))
    np.testing.assert_allclose(found.derivative, by_differences(variance, (0.4, 1.0)), rtol=5e-3)


def test_jumps_at_a_time():
    def jumping(rate):
        return fp.FokkerPlanck(
            drift=lambda x: -2 * x, diffusion=0.2, jumps=fp.PoissonJumps(rate, ([0.4, -0.1], [0.5, 0.5]))
        )

    found = fp.derivative(jumping, 1.5, fp.Grid((-3, 3), 120), start=fp.point(0.0), time=0.6, observe=lambda x: x)
    holds(found, 1.5 * 0.15 / 2 * (1 - np.exp(-1.2)), 0.15 / 2 * (1 - np.exp(-1.2)))


def test_a_start_given_by_cells_has_errors_too():
    centers = LINE.centers[0]
    by_cells = np.exp(-0.5 * (centers / 0.4) ** 2) / (0.4 * np.sqrt(2 * np.pi))
    asked = {"target": lambda x: x > 1.0}
    found = fp.derivative(relaxing, [2.0, 0.5], LINE, start=by_cells, **asked)
    other = fp.derivative(relaxing, [2.0, 0.5], LINE, start=fp.gaussian(0.0, 0.4), **asked)
    np.testing.assert_allclose(found.derivative, other.derivative, rtol=1e-3)
    assert (found.error["derivative"] < 0.01 * np.abs(found.derivative)).all()


def test_zeros_of_the_noise_inside_the_box_are_refused_for_every_answer():
    def branching(a):
        return fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: a * x**2)

    for asked in ({"start": fp.point(1.0), "target": lambda x: x < -1}, {"mode": 1}, {"observe": lambda x: x}):
        with pytest.raises(ValueError, match="`grid` must be one whose cells stay"):
            fp.derivative(branching, 0.8, fp.Grid((-4, 4), 401), **asked)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"observe": lambda x: x, "quantile": 0.5}, "got `observe` and `quantile`"),
        ({"observe": lambda x: x, "start": fp.point(0.0)}, "`time` must be given with `start` and `observe`"),
        ({"start": fp.point(0.0), "time": 1.0}, "`time` must be given together with `start` and `observe`"),
        ({"observe": lambda x: x, "time": 1.0}, "`time` must be given together with `start` and `observe`"),
        ({"quantile": 50}, "`quantile` must be between 0 and 1"),
        ({"observe": lambda x: x, "delay": 0.1}, "`delay` must be 0 without `reset`"),
        ({"reset": fp.point(0.0)}, "`reset` must be a density from which the box is left for certain"),
        ({"start": fp.point(0.0), "mode": 1}, "got `start` and `mode`"),
    ],
)
def test_refusals_of_mixed_questions(question, sentence):
    with pytest.raises(ValueError, match=sentence):
        fp.derivative(relaxing, [2.0, 0.5], LINE, **question)
