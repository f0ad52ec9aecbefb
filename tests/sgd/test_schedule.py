"""Schedules of the learning rate and the noise of SGLD: equation, operator and simulation alike."""

import pickle

import numpy as np
import pytest

import fokkerplanck as fp

DATA = {"x": [-0.9, 0.1, 1.1]}
SCHEDULES = {
    "smooth": "1 / (1 + t/20)",
    "steps": lambda t: 0.5 ** (t // 15),
    "warm-up": lambda t: min(1.0, t / 20),
}
CASES = [(None, 0.05), ("smooth", 0.0), ("smooth", 0.05), ("steps", 0.0), ("warm-up", 0.05)]


def quadratic(python=False):
    if python:
        return fp.SampleLoss.from_gradient(
            lambda theta, s: theta[0] - s["x"], DATA, ["w"], hessian=lambda theta, s: 1.0 + 0 * theta[0]
        )
    return fp.SampleLoss("(w - x)**2 / 2", ["w"], DATA)


def by_hand(sgd, mean, variance, steps):
    """Mean and variance after so many steps of theta' = (1 - eta) theta + eta x_B + noise."""
    x, rate, heat = np.array(DATA["x"]), sgd.learning_rate, sgd.langevin_temperature
    for k in range(steps):
        eta = rate * (1.0 if sgd.schedule is None else float(sgd.schedule(k)))
        mean = mean - eta * (mean - x.mean())
        variance = (1 - eta) ** 2 * variance + eta**2 * sgd.noise_factor * x.var() + 2 * eta * heat
    return mean, variance


@pytest.mark.filterwarnings("ignore:the grid adds")  # where the rate has become small
@pytest.mark.parametrize(("schedule", "heat"), CASES)
@pytest.mark.parametrize("batch", [1, None])
def test_operators(schedule, heat, batch):
    sgd = fp.SGD(quadratic(), 0.2, batch, schedule=SCHEDULES.get(schedule), langevin_temperature=heat)
    found = sgd.transfer_operator(fp.Grid((-2.5, 2.5), 240)).evolve(fp.gaussian(0.8, 0.1), [0, 4, 9])
    for k, steps in enumerate(found.times.astype(int)):
        mean, variance = by_hand(sgd, 0.8, 0.01, steps)
        assert found.mean()[k, 0] == pytest.approx(mean, abs=1e-6)
        assert abs(found.covariance()[k, 0, 0] - variance) < max(3 * found.error["covariance"][k, 0, 0], 1e-4)


def test_the_chain_with_normal_noise_too():
    sgd = fp.SGD(quadratic(), 0.2, schedule=SCHEDULES["smooth"], langevin_temperature=0.05)
    found = sgd.transfer_operator(fp.Grid((-2.5, 2.5), 500), "gaussian-chain").evolve(fp.gaussian(0.8, 0.1), 12)
    found_moments = [found.mean().item(), found.covariance().item()]
    np.testing.assert_allclose(found_moments, by_hand(sgd, 0.8, 0.01, 12), rtol=2e-3)


@pytest.mark.parametrize(("schedule", "heat"), CASES)
@pytest.mark.parametrize("python", [False, True])
def test_paths(schedule, heat, python):
    """False alarms: 4.5 standard errors, 60 numbers, one in 2500."""
    sgd = fp.SGD(quadratic(python), 0.2, 2, schedule=SCHEDULES.get(schedule), langevin_temperature=heat)
    n = 20_000
    found = sgd.simulate([0.8], [1, 7, 40], n, seed=3)
    for k, steps in enumerate([1, 7, 40]):
        mean, variance = by_hand(sgd, 0.8, 0.0, steps)
        assert abs(found.mean()[k, 0] - mean) < 4.5 * np.sqrt(variance / n) + 1e-12
        assert found.covariance()[k, 0, 0] == pytest.approx(variance, rel=4.5 * np.sqrt(2 / n))


def test_paths_do_not_depend_on_what_is_recorded_or_on_threads():
    sgd = fp.SGD(quadratic(), 0.2, schedule=SCHEDULES["smooth"], langevin_temperature=0.05)
    one = sgd.simulate([0.8], [0, 3, 9], 2000, seed=1, threads=1).positions[-1]
    np.testing.assert_array_equal(one, sgd.simulate([0.8], [9], 2000, seed=1, threads=2).positions[-1])


@pytest.mark.parametrize("target", ["w > 0.6", lambda w: w > 0.6])
def test_noise_comes_before_the_target_is_asked(target):
    sgd = fp.SGD(quadratic(), 0.1, None, langevin_temperature=0.5)
    found = sgd.simulate([0.0], [1], 4000, seed=1, target=target)
    arrived = np.isfinite(found.exit_times)
    np.testing.assert_array_equal(arrived, found.positions[-1, :, 0] > 0.6)
    assert 0 < arrived.sum() < 4000


@pytest.mark.filterwarnings("ignore:the grid adds")
def test_momentum_and_its_noise():
    """Full batch on w^2/2: the stationary covariance of a linear map, by iteration."""
    eta, m, heat = 0.1, 0.8, 0.3
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [0.0]}), eta, None, momentum=m, langevin_temperature=heat)
    a, covariance = np.array([[1 - eta, m], [-eta, m]]), np.zeros((2, 2))
    for _ in range(1000):
        covariance = a @ covariance @ a.T + 2 * eta * heat * (1 - m) * np.ones((2, 2))
    assert covariance[0, 0] == pytest.approx(heat, rel=0.1)  # the temperature, at small eta
    n = 40_000
    found = sgd.simulate([0.0, 0.0], [300], n, seed=2).covariance()[0]
    np.testing.assert_allclose(found, covariance, atol=4.5 * np.sqrt(2 / n) * covariance.max())
    x, v = np.zeros(2), np.ones(2)
    np.testing.assert_allclose(sgd.equation("momentum").diffusion(x, v)[1], eta * heat * (1 - m))
    grid = fp.Grid([(-3, 3), (-1.2, 1.2)], [60, 60])
    chain = sgd.transfer_operator(grid).stationary(error=False).covariance()
    np.testing.assert_allclose(chain, covariance, rtol=0.1, atol=0.01)


@pytest.mark.parametrize("model", ["first-order", "second-order", "langevin", "swarm", "refined"])
def test_equations_follow_the_schedule(model):
    """On a quadratic the mean decays by the integral of the rate; at second order by its sum to the next order."""
    more = {"langevin": {"temperature": 0.05}, "swarm": {"strength": 0.1}, "refined": {"drift": "second-order"}}
    sgd = fp.SGD(quadratic(), 0.2, schedule=SCHEDULES["smooth"])
    eq = sgd.equation(model, **more.get(model, {}))
    found = fp.solve(eq, fp.Grid((-2.5, 2.5), 400), fp.gaussian(0.8, 0.1), 12.0, error=False).mean().item()
    exact = by_hand(sgd, 0.8, 0.01, 12)[0]
    first = 0.1 + 0.7 * np.exp(-0.2 * 20 * np.log(1 + 12 / 20))
    if model in ("second-order", "refined"):
        assert abs(found - exact) < 0.2 * abs(first - exact)
    else:
        assert found == pytest.approx(first, abs=3e-4)


def test_the_noise_of_equations_follows_the_schedule():
    sgd = fp.SGD(quadratic(), 0.2, schedule=SCHEDULES["smooth"], langevin_temperature=0.3)
    x = np.array([0.4])
    for name, factors in (("first-order", (1.0, 0.5)), ("second-order", (1.0, 20 / 39.5)), ("langevin", (1.0, 0.5))):
        eq = sgd.equation(name, **({"temperature": 0.3} if name == "langevin" else {}))
        drift = eq.drift if eq.drift is not None else eq.potential
        assert (drift(x, t=20.0) / drift(x, t=0.0)).item() == pytest.approx(factors[1] / factors[0], rel=0.06)
        batch = 0.0 if name == "langevin" else 0.5 * 0.1**2 * np.var(DATA["x"])
        assert eq.diffusion(x, t=20.0).item() == pytest.approx(batch + 0.1 * 0.3)


def test_sgld_is_as_wide_as_the_posterior_at_small_rates():
    """Twelve observations of a normal law: variance T = 1/12 of the posterior, and what the batches add."""
    x = np.random.default_rng(0).normal(size=12)
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": x}), 0.02, 4, langevin_temperature=1 / 12)
    chain = sgd.transfer_operator(fp.Grid((-2, 2), 800), kind="kernel").stationary(error=False).covariance().item()
    assert chain == pytest.approx((0.02**2 * sgd.noise_factor * x.var() + 2 * 0.02 / 12) / (1 - 0.98**2), rel=2e-3)
    for model in ("first-order", "langevin"):
        found = fp.stationary(sgd.equation(model), fp.Grid((-2, 2), 400)).covariance().item()
        assert found == pytest.approx(1 / 12 + 0.01 * sgd.noise_factor * x.var(), rel=1e-3)


@pytest.mark.filterwarnings("ignore:the grid adds")
def test_an_epoch_with_a_rate_of_its_own():
    sgd = fp.SGD(quadratic(), 0.2, shuffle=True, schedule=lambda t: 0.5 ** (t // 3))
    found = sgd.transfer_operator(fp.Grid((-2.5, 2.5), 800)).evolve(fp.gaussian(0.8, 0.1), [9], error=False)
    paths = sgd.simulate(fp.gaussian(0.8, 0.1), [9], 20_000, seed=4)
    assert found.mean().item() == pytest.approx(paths.mean().item(), abs=4.5 * 0.1 / np.sqrt(20_000))
    for k, rate in ((0, 0.2), (2, 0.2), (3, 0.1), (6, 0.05)):
        assert sgd.at(k).learning_rate == sgd.rate_at(k) == pytest.approx(rate)


def test_what_is_refused():
    sgd = fp.SGD(quadratic(), 0.2, schedule="exp(-t/10)")
    operator = sgd.transfer_operator(fp.Grid((-2, 2), 50))
    for ask in (operator.stationary, operator.first_passage, operator.spectrum):
        with pytest.raises(ValueError, match="`schedule` must be None for this question"):
            ask()
    with pytest.raises(ValueError, match="`schedule` must be None with jumps"):
        sgd.equation("levy", stability=1.5)
    with pytest.raises(ValueError, match="`schedule` must be None with steps that wait"):
        sgd.equation("subdiffusive", time_order=0.8)
    with pytest.raises(ValueError, match="`schedule` must be left out for a quasipotential"):
        sgd.quasipotential(0.0, 1.0)
    with pytest.raises(ValueError, match="`schedule` must be None for a central flow"):
        sgd.central_flow([0.5], [0, 1])
    with pytest.raises(ValueError, match="`tol` must be None for SGD with a schedule"):
        sgd.transfer_operator(fp.Box((-2, 2)), tol=0.1)
    with pytest.raises(ValueError, match="0 for operators with shuffling"):
        fp.SGD(quadratic(), shuffle=True, langevin_temperature=0.1).transfer_operator(fp.Grid((-2, 2), 50))


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"schedule": lambda t: -1.0}, ValueError, "`schedule` must be finite and not below 0"),
        ({"schedule": 3.0}, TypeError, "`schedule` must be a formula in t, or a function"),
        ({"schedule": lambda t: "small"}, TypeError, "returns a number"),
        ({"schedule": "1/(1+s)"}, ValueError, "`schedule`"),
        ({"langevin_temperature": -1.0}, ValueError, "`langevin_temperature` must be at least 0"),
    ],
)
def test_bad_settings(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        fp.SGD(quadratic(), **settings)


def test_it_is_seen_and_travels():
    sgd = fp.SGD(quadratic(), 0.2, schedule="exp(-t/10)", langevin_temperature=0.1)
    assert repr(sgd).endswith("schedule='exp(-t/10)', langevin_temperature=0.1)")
    again = pickle.loads(pickle.dumps(sgd))
    assert again.rate_at(10) == sgd.rate_at(10) == pytest.approx(0.2 * np.exp(-1))
    one, other = (s.simulate([0.5], [5], 50).positions for s in (sgd, again))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(
        one, fp.SGD(quadratic(), 0.2, langevin_temperature=0.1).simulate([0.5], [5], 50).positions
    )


@pytest.mark.parametrize("rate", [lambda t: 0.1 / (1 + t), [0.1, 0.05], "0.1 / (1 + t)"])
def test_a_learning_rate_that_changes_is_answered_with_what_takes_it(rate):
    loss = fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]})
    with pytest.raises(TypeError, match=r"`learning_rate` must be a number positive and finite.*goes by schedule="):
        fp.SGD(loss, rate)
