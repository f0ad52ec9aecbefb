"""Fits of families, against closed forms and against the processes that made the data."""

import time

import numpy as np
import pytest
from processes import euler, most_likely_ou, ornstein_uhlenbeck, rotating_pair
from scipy import stats

import fokkerplanck as fp
from fokkerplanck.inference.cells import choose_grid


def ou(k, D):
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)


def double_well(a, b, D):
    return fp.FokkerPlanck(drift=lambda x: a * x - b * x**3, diffusion=D)


@pytest.mark.parametrize("dt", [0.1, 0.5, 2.0])
def test_ornstein_uhlenbeck_equals_its_closed_form(dt):
    x = ornstein_uhlenbeck(50, 401, dt, seed=3)
    found = fp.fit(fp.Paths(x, dt=dt), ou)
    k, d = most_likely_ou(x, dt)
    errors = found.standard_errors
    assert found.converged
    assert found.decrement < 1e-6
    assert abs(found.parameters["k"] - k) < 0.05 * errors["k"]
    assert abs(found.parameters["D"] - d) < 0.05 * errors["D"]
    m = np.exp(-k * dt)
    variance = d / k * (1 - m * m)
    rest = x[:, 1:] - m * x[:, :-1]
    right = float(-0.5 * (np.log(2 * np.pi * variance) + rest**2 / variance).sum())
    assert found.log_likelihood == pytest.approx(right, abs=0.3)


def test_information_is_that_of_the_gaussian_transition():
    """Of (k, D) for an OU process at lag dt, from the derivatives of mean and variance of its transition."""
    dt, n = 0.5, 50 * 400
    found = fp.fit(fp.Paths(ornstein_uhlenbeck(50, 401, dt, seed=3), dt=dt), ou)
    k, d = found.theta
    m = np.exp(-k * dt)
    v = d / k * (1 - m * m)
    dv = np.array([-v / k + 2 * dt * d / k * m * m, v / d])
    x2 = np.mean(found.data.transitions().starts ** 2)
    information = n * (np.outer([-dt * m, 0], [-dt * m, 0]) * x2 / v + 0.5 * np.outer(dv, dv) / v**2)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information), rtol=0.02)


@pytest.mark.parametrize(("dt", "substeps"), [(0.1, 50), (0.5, 250)])
def test_double_well(dt, substeps):
    """Right at lags at which Euler's likelihood is off by 20 and by 60 %."""
    x = euler(lambda x: x - x**3, lambda x: 0.25, 200, 101, dt, substeps, seed=1, start=np.repeat([-1.0, 1.0], 100))
    found = fp.fit(fp.Paths(x, dt=dt), double_well)
    for name, right in (("a", 1.0), ("b", 1.0), ("D", 0.25)):
        assert abs(found.parameters[name] - right) < 3.5 * found.standard_errors[name]
        assert found.standard_errors[name] < 0.07 * right
    assert isinstance(found.equation, fp.FokkerPlanck)
    np.testing.assert_allclose(found.drift(np.array([0.5])), found.equation.drift(0.5))


def test_a_start_is_found_far_from_one():
    x = 100.0 * ornstein_uhlenbeck(20, 301, 0.5, k=0.02, D=3e-3, seed=2)
    found = fp.fit(fp.Paths(x, dt=0.5), lambda k, D: ou(k, D))
    assert abs(found.parameters["k"] - 0.02) < 4 * found.standard_errors["k"]
    assert found.parameters["D"] == pytest.approx(30.0, rel=0.05)


@pytest.mark.parametrize(("length", "unit_of_time"), [(1e-9, 1.0), (1e9, 1.0), (1.0, 1e6), (1e-6, 1e-9)])
def test_units_change_nothing(length, unit_of_time):
    """D = length^2 / time, a rate 1 / time, and a place in lengths, without a start."""
    x = ornstein_uhlenbeck(10, 101, 0.5, seed=2) + 1.0

    def shifted(k, m, D):
        return fp.FokkerPlanck(drift=lambda x: -k * (x - m), diffusion=D)

    plain = fp.fit(fp.Paths(x, dt=0.5), shifted)
    found = fp.fit(fp.Paths(length * x, dt=0.5 * unit_of_time), shifted)
    sizes = np.array([1 / unit_of_time, length, length**2 / unit_of_time])
    np.testing.assert_allclose(found.theta / sizes, plain.theta, rtol=1e-3)
    np.testing.assert_allclose(
        list(found.standard_errors.values()) / sizes, list(plain.standard_errors.values()), rtol=1e-3
    )


def test_potential_convention_and_walls():
    """Klimontovich diffusion in a box, D = s (1 + x): reflecting walls at 0 and 1."""

    def family(s, f):
        return fp.FokkerPlanck(potential=lambda x: f * x, diffusion=lambda x: s * (1 + x), convention="klimontovich")

    grid = fp.Grid((0, 1), 1)
    runs = fp.simulate(
        family(0.1, 0.3), fp.uniform(0, 1), np.arange(0, 10.1, 0.5), 0.005, n_paths=200, seed=4, grid=grid
    )
    found = fp.fit(runs, family, walls=(0, 1))
    for name, right in (("s", 0.1), ("f", 0.3)):
        assert abs(found.parameters[name] - right) < 3.5 * found.standard_errors[name]
    assert found.likelihood.grid.edges[0][0] == 0.0
    assert found.likelihood.grid.edges[0][-1] == 1.0


def test_a_ring_is_fitted_round_its_seam():
    def family(v, D):
        return fp.FokkerPlanck(drift=v, diffusion=D)

    rng = np.random.default_rng(5)
    steps = 0.4 * 0.5 + np.sqrt(2 * 0.3 * 0.5) * rng.normal(size=(20, 400))
    x = np.mod(np.cumsum(steps, axis=1), 2 * np.pi)
    found = fp.fit(fp.Paths(x, dt=0.5), family, cells=fp.Grid((0, 2 * np.pi), 90, boundary="periodic"))
    assert found.parameters["v"] == pytest.approx(steps.mean() / 0.5, abs=0.1 * found.standard_errors["v"])
    assert found.parameters["D"] == pytest.approx(steps.var() / 1.0, abs=0.2 * found.standard_errors["D"])


def absorbed_diffusion(n_runs, n_steps, dt, D, substeps=40, seed=6):
    """Runs of free diffusion from 0.5 that end on 0 or 1; crossings within a substep by the law of the bridge."""
    rng, h = np.random.default_rng(seed), dt / substeps
    x, alive, rows = np.full(n_runs, 0.5), np.ones(n_runs, dtype=bool), [np.full(n_runs, 0.5)]
    for _ in range(n_steps):
        for _ in range(substeps):
            new = np.where(alive, x + np.sqrt(2 * D * h) * rng.normal(size=n_runs), x)
            for wall in (0.0, 1.0):
                a, b = np.abs(x - wall), (new - wall) * (1 if wall == 0.0 else -1)
                hit = alive & ((b <= 0) | (rng.random(n_runs) < np.exp(-a * np.maximum(b, 0) / (D * h))))
                new, alive = np.where(hit, wall, new), alive & ~hit
            x = new
        rows.append(x)
    runs = np.array(rows).T
    return [run[: np.argmax((run == 0) | (run == 1)) + 1] if ((run == 0) | (run == 1)).any() else run for run in runs]


def test_absorbed_rows_count():
    """Free diffusion from 0.5, absorbed at 0 and 1: absorptions tell D as steps inside do."""
    data = fp.Paths(absorbed_diffusion(400, 12, 0.4, 0.1), dt=0.4)
    grid = fp.Grid((0, 1), 100, boundary="absorbing")
    found = fp.fit(data, lambda D: fp.FokkerPlanck(diffusion=D), cells=grid)
    assert abs(found.parameters["D"] - 0.1) < 3.5 * found.standard_errors["D"]
    assert found.standard_errors["D"] < 0.005


def test_profile_and_correlation():
    found = fp.fit(fp.Paths(ornstein_uhlenbeck(10, 201, 0.5, seed=8), dt=0.5), ou)
    low, high = found.profile("k", 0.9)
    assert low < found.parameters["k"] < high
    error = found.standard_errors["k"]
    assert high - low == pytest.approx(2 * 1.645 * error, rel=0.1)
    assert found.correlation[0, 1] == pytest.approx(0.6, abs=0.25)
    with pytest.raises(ValueError, match="`name` must be one of k, D"):
        found.profile("j")


def test_a_parameter_without_information_is_said():
    family = lambda k, D, nothing: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)  # noqa: E731
    found = fp.fit(fp.Paths(ornstein_uhlenbeck(10, 101, 0.5, seed=8), dt=0.5), family)
    assert found.standard_errors["nothing"] == np.inf
    assert found.standard_errors["k"] < 0.2
    with pytest.raises(ValueError, match="nothing on nothing"):
        found.interval(0.0)


def test_answers_carry_the_uncertainty_of_the_fit():
    found = fp.fit(fp.Paths(ornstein_uhlenbeck(40, 201, 0.5, seed=9), dt=0.5), ou)
    grid = fp.Grid((-6, 6), 300)
    answer = found.propagate(lambda eq: fp.stationary(eq, grid).covariance().item())
    k, d = found.theta
    gradient = np.array([-d / k**2, 1 / k])
    assert answer.value == pytest.approx(d / k, rel=2e-3)
    assert answer.standard_error == pytest.approx(np.sqrt(gradient @ found.covariance @ gradient), rel=1e-2)
    assert answer.low < answer.value < answer.high
    band = found.interval(np.array([0.0, 1.0]))
    assert band["drift"][1][1] - band["drift"][0][1] == pytest.approx(2 * 1.645 * found.standard_errors["k"], rel=1e-3)


def test_runs_that_differ_and_rates_that_drift_are_seen():
    alike = fp.fit(fp.Paths(ornstein_uhlenbeck(20, 301, 0.5, seed=10), dt=0.5), ou)
    assert alike.runs_differ.p_value > 0.01
    assert alike.drift_in_time.p_value > 0.01
    mixed = np.concatenate([ornstein_uhlenbeck(10, 301, 0.5, k, seed=11) for k in (1.0, 1.6)])
    found = fp.fit(fp.Paths(mixed, dt=0.5), ou).runs_differ
    assert found.p_value < 1e-4
    rng = np.random.default_rng(12)
    x = np.zeros((20, 401))
    for i in range(400):
        d = 1.0 - 0.5 * i / 400
        x[:, i + 1] = np.exp(-0.5) * x[:, i] + np.sqrt(d * (1 - np.exp(-1.0))) * rng.normal(size=20)
    slow = fp.fit(fp.Paths(x, dt=0.5), ou).drift_in_time
    assert slow.p_value < 1e-6
    assert slow.parameter == "D"


def test_other_tails_than_those_of_the_model_are_no_difference_between_runs():
    """Steps of an AR(1) process with Student noise of 5 degrees: a kurtosis of 9, which a Gaussian model does not know."""
    rng, x = np.random.default_rng(3), np.zeros((40, 401))
    for i in range(400):
        x[:, i + 1] = 0.9 * x[:, i] + 0.1 * rng.standard_t(5, size=40)
    found = fp.fit(x, ou, method="gaussian")
    assert found.runs_differ.p_value > 0.01
    ratio = np.sqrt(np.diagonal(found.covariance_over_runs) / np.diagonal(found.covariance))
    assert ratio[1] == pytest.approx(2.0, abs=0.5)  # sqrt((9 - 1) / 2) for a variance
    assert ratio[0] == pytest.approx(1.0, abs=0.3)
    assert "OVER RUNS D VARIES" in found.report()


def test_two_dimensions():
    """A rotating pair: linear, so that Gaussian steps are exact at any lag; closed form by complex regression."""
    x = rotating_pair(30, 101, 0.3, seed=1)

    def family(k, w, D):
        return fp.FokkerPlanck(drift=lambda x, y: (-k * x - w * y, w * x - k * y), diffusion=D)

    found = fp.fit(fp.Paths(x, dt=0.3), family, method="gaussian")
    z = x[..., 0] + 1j * x[..., 1]
    a, b = z[:, :-1].ravel(), z[:, 1:].ravel()
    c = (a.conj() @ b) / (a.conj() @ a).real
    k, w = -np.log(abs(c)) / 0.3, np.angle(c) / 0.3
    d = np.mean(abs(b - c * a) ** 2) / 2 * k / (1 - abs(c) ** 2)
    np.testing.assert_allclose(found.theta, [k, w, d], rtol=1e-4)


def test_gaussian_steps_and_the_grid_agree_on_short_steps():
    x = euler(lambda x: x - x**3, lambda x: 0.2 * (1 + 0.5 * x * x), 20, 401, 0.02, 10, seed=2)
    family = lambda a, D, c: fp.FokkerPlanck(  # noqa: E731
        drift=lambda x: a * x - x**3, diffusion=lambda x: D * (1 + c * x * x)
    )
    by = {way: fp.fit(fp.Paths(x, dt=0.02), family, method=way) for way in ("grid", "gaussian")}
    shift = (by["grid"].theta - by["gaussian"].theta) / list(by["grid"].standard_errors.values())
    assert np.abs(shift).max() < 0.25


def test_what_is_not_a_markov_family_is_refused():
    x = fp.Paths(ornstein_uhlenbeck(3, 50, 0.5))
    with pytest.raises(ValueError, match="without memory"):
        fp.fit(x, lambda D: fp.FokkerPlanck(diffusion=D, time_order=0.7), start={"D": 1.0})
    with pytest.raises(ValueError, match="independent of time"):
        fp.fit(x, lambda D: fp.FokkerPlanck(drift=lambda x, t: -x, diffusion=D), start={"D": 1.0})
    with pytest.raises(TypeError, match="`model` must be"):
        fp.fit(x, 3)
    with pytest.raises(ValueError, match="`start` must be"):
        fp.fit(x, ou, start={"q": 1.0})
    with pytest.raises(ValueError, match="`method` must be"):
        fp.fit(x, ou, method="euler")
    with pytest.raises(ValueError, match="`walls` must be around all the data"):
        fp.fit(x, ou, walls=(0, 1))
    with pytest.raises(ValueError, match="moving at random"):
        fp.fit([[1.0, 1.0, 1.0, 1.0]], ou)


def test_a_failed_ascent_is_said():
    """A family in which ln L rises without end."""
    x = fp.Paths(np.array([[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]]))
    with pytest.warns(Warning, match="not converged|error of the grid"):
        fp.fit(x, lambda a, D: fp.FokkerPlanck(drift=lambda x: -(a**2) * (x - 0.5), diffusion=D), start=[1.0, 1.0])


@pytest.mark.slow
def test_coverage_of_ninety_percent_intervals():
    hits = []
    for seed in range(60):
        found = fp.fit(fp.Paths(ornstein_uhlenbeck(10, 101, 0.5, seed=100 + seed), dt=0.5), ou)
        z = np.abs(found.theta - 1.0) / list(found.standard_errors.values())
        hits.append(z < 1.645)
    assert 0.82 < np.mean(hits) < 0.97


@pytest.mark.slow
def test_a_hundred_thousand_transitions_take_a_second():
    x = euler(lambda x: x - x**3, lambda x: 0.25, 1000, 101, 0.1, 10, seed=1)
    data = fp.Paths(x, dt=0.1)
    fp.fit(data, double_well)
    durations = []
    for _ in range(3):
        begin = time.perf_counter()
        fp.fit(data, double_well, start=[0.5, 0.5, 0.5])
        durations.append(time.perf_counter() - begin)
    assert min(durations) < 3.0  # 1 s on a machine of its own


def test_a_sign_that_says_nothing_is_positive():
    """D = s^2 x^2 / 2 is the same for s and -s; with these data s came out as -0.2."""
    rng = np.random.default_rng(0)
    logs = np.cumsum(0.06 / 252 + 0.2 / np.sqrt(252) * rng.normal(size=(8, 500)), axis=1)
    prices = fp.Paths(list(100 * np.exp(logs)), dt=1 / 252)
    found = fp.fit(prices, lambda mu, s: fp.FokkerPlanck(drift=lambda x: mu * x, diffusion=lambda x: s**2 * x**2 / 2))
    assert found.parameters["s"] == pytest.approx(0.2, abs=0.01)


def test_jumps_whose_steps_depend_on_the_place():
    """Cells followed the steps, and jumps ask for equal ones: three of four such fits were refused, and such rankings."""
    rng = np.random.default_rng(1)
    x = np.zeros(10)
    rows = [x]
    for _ in range(100):
        for _ in range(10):
            jumps = rng.poisson(0.0125, 10)
            x = (
                x * np.exp(-0.025)
                + np.sqrt(0.1 * (1 - np.exp(-0.05))) * rng.normal(size=10)
                + jumps * rng.normal(size=10)
            )
        rows.append(x)
    data = fp.Paths(list(np.stack(rows, axis=1)), dt=0.25)
    assert choose_grid(data.transitions()).widths[0].std() > 0.0  # graded, where nobody asks for equal cells

    def jumping(k, D, rate):
        law = fp.PoissonJumps(rate=rate, law=stats.norm(0, 1.0))
        return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D, jumps=law)

    found = fp.fit(data, jumping, start=[0.7, 0.2, 0.3])
    errors = np.array(list(found.standard_errors.values()))
    assert np.abs((found.theta - [1.0, 0.1, 0.5]) / errors).max() < 3.5
    smooth = fp.fit(data, ou, start=[1.0, 0.3])
    assert fp.rank({"jumps": found, "smooth": smooth}, data).best == ("jumps",)


def test_measurement_noise_is_told_by_the_fit_itself():
    """k came out as 2.98 +- .2 and D as 1.79 +- .07, for 1.3 and .7, without a word. Of data without noise nothing is said."""
    x = ornstein_uhlenbeck(20, 201, 0.1, seed=5)
    seen = x + 0.4 * np.random.default_rng(5).normal(size=x.shape)
    with pytest.warns(UserWarning, match=r"not Markov at lag 1 .*measurement noise"):
        fp.fit(fp.Paths(seen, dt=0.1), ou)
    with pytest.warns(UserWarning, match=r"not Markov at lag 2"):
        fp.fit(fp.Paths(seen, dt=0.1), lag=2)
    fp.fit(fp.Paths(x, dt=0.1), ou)


@pytest.mark.filterwarnings("ignore:the fit has not converged")
def test_a_maximum_at_the_edge_of_what_the_equation_allows():
    """With D0 + D2 x^2 and D2 = 0 the derivatives went beyond the edge: a fifth of such fits were refused. 20 sets."""

    def family(k, D0, D2):
        return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=lambda x: D0 + D2 * x**2)

    z = []
    for seed in range(20):
        fit = fp.fit(
            fp.Paths(ornstein_uhlenbeck(10, 101, 0.3, seed=1000 + seed), dt=0.3), family, start=[0.8, 0.9, 0.1]
        )
        z.append((fit.theta - [1.0, 1.0, 0.0]) / list(fit.standard_errors.values()))
        low, high = fit.interval(np.array([0.0]))["diffusion"]
        assert 0.0 < low[0] < high[0]
    assert np.mean(np.abs(z) < 1.96) > 0.85
