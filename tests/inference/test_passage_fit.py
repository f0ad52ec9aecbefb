"""Fits to response times and choices, with bounds that stay and bounds that move."""

import numpy as np
import pytest

import fokkerplanck as fp


def series(t, v, a, z, terms=200):
    """Density of arriving at a before -a for dX = v dt + dW from z (Feller 1968 XIV.6), by images of the walls."""
    k = np.arange(-terms, terms + 1)[:, None]
    d = a - z + 4 * a * k
    images = (d * np.exp(-(d**2) / (2 * t))).sum(axis=0) / np.sqrt(2 * np.pi * t**3)
    return np.exp(v * (a - z) - v * v * t / 2) * images


def trials(v, a, n, collapse=0.0, delay=0.2, dt=2e-3, seed=0, until=5.0):
    """Response times and choices of dX = v dt + dW between -+a exp(-collapse t), crossings by the law of the bridge."""
    rng, x, t = np.random.default_rng(seed), np.zeros(n), 0.0
    times, choices, alive = np.full(n, np.inf), np.zeros(n), np.arange(n)
    while t < until - delay and alive.size:
        old = x[alive]
        new = old + v * dt + np.sqrt(dt) * rng.normal(size=alive.size)
        t += dt
        b = a * np.exp(-collapse * t)
        up, down = (np.exp(-2 * np.maximum(b - s * old, 0) * np.maximum(b - s * new, 0) / dt) for s in (1, -1))
        hit = rng.random(alive.size) < np.where(new >= b, 1.0, up)
        low = ~hit & (rng.random(alive.size) < np.where(new <= -b, 1.0, down))
        times[alive[hit | low]], choices[alive[hit]] = t - dt / 2 + delay, 1.0
        x[alive], alive = new, alive[~(hit | low)]
    return fp.PassageTimes(times, choices, until=until)


def fixed(v, a, t0):
    return fp.PassageModel(fp.FokkerPlanck(drift=v, diffusion=0.5), (-a, a), delay=t0)


@pytest.mark.parametrize("way", ["powers", "in time"])
def test_densities_equal_the_series(way):
    drift = 0.8 if way == "powers" else (lambda x, t: 0.8 + 0 * x)
    model = fp.PassageModel(fp.FokkerPlanck(drift=drift, diffusion=0.5), (-1, 1), start=0.3, delay=0.1)
    t = np.linspace(0.05, 3.0, 119)
    rates, left = model.densities(t)
    later = t > 0.1
    up, down = series(t[later] - 0.1, 0.8, 1.0, 0.3), series(t[later] - 0.1, -0.8, 1.0, -0.3)
    assert np.abs(rates[later, 1] - up).max() < 2e-3 * up.max()
    assert np.abs(rates[later, 0] - down).max() < 2e-3 * up.max()
    assert (rates[~later] == 0.0).all()
    assert left[0] == 1.0
    assert 1 - left[-1] == pytest.approx(np.trapezoid((up + down), t[later]), abs=5e-3)


def test_drift_bound_and_delay_are_found():
    data = trials(1.0, 1.0, 2000)
    found = fp.fit(data, fixed)
    for name, right in (("v", 1.0), ("a", 1.0), ("t0", 0.2)):
        assert abs(found.parameters[name] - right) < 3.5 * found.standard_errors[name]
    assert found.standard_errors["v"] < 0.06
    assert found.standard_errors["t0"] < 0.02
    assert "times of arrival" in found.report()
    accuracy = found.propagate(lambda m: 1 / (1 + np.exp(-2 * float(m.equation.drift) * m.bounds[1])))
    assert accuracy.low < data.upper.mean() < accuracy.high or abs(accuracy.value - data.upper.mean()) < 0.02
    low, high = found.profile("v")
    assert low < found.parameters["v"] < high


def test_the_likelihood_is_that_of_the_series():
    data = trials(0.7, 1.0, 500, seed=3)
    data = fp.PassageTimes(data.times[data.arrived], data.upper[data.arrived], until=5.0)
    found = fp.fit(data, fixed, start={"v": 0.7, "a": 1.0, "t0": 0.2})
    v, a, t0 = found.theta
    t = data.times - t0
    density = np.where(data.upper, series(t, v, a, 0.0), series(t, -v, a, 0.0))
    assert found.log_likelihood == pytest.approx(np.log(density).sum(), abs=0.3)


@pytest.mark.slow
def test_a_bound_that_collapses():
    def collapsing(v, a, c):
        return fp.PassageModel(
            fp.FokkerPlanck(drift=v, diffusion=0.5),
            (lambda t: -a * np.exp(-c * t), lambda t: a * np.exp(-c * t)),
            delay=0.2,
        )

    found = fp.fit(trials(1.0, 1.2, 2000, collapse=0.5), collapsing, start={"v": 0.7, "a": 1.0, "c": 0.3})
    for name, right in (("v", 1.0), ("a", 1.2), ("c", 0.5)):
        assert abs(found.parameters[name] - right) < 3.5 * found.standard_errors[name]


def test_trials_that_did_not_arrive_count():
    """Without drift P(no arrival by 1) at bounds -+1 is the series sum of 4/pi (-1)^k/(2k+1) exp(-(2k+1)^2 pi^2/8)."""
    times = np.concatenate([trials(0.0, 1.0, 4000, delay=0.0, seed=5, until=1.0).times])
    assert np.isinf(times).mean() == pytest.approx(0.3708, abs=0.025)
    data = fp.PassageTimes(times, np.ones(times.size), until=1.0)
    one = fp.fit(data, lambda a: fp.PassageModel(fp.FokkerPlanck(diffusion=0.5), (-a, a)), start=[0.8])
    assert one.parameters["a"] == pytest.approx(1.0, abs=4 * one.standard_errors["a"])


def test_figures_and_refusals(tmp_path):
    data = trials(1.0, 1.0, 300)
    found = fp.fit(data, fixed, start=[1.0, 1.0, 0.15])
    found.plot().savefig(tmp_path / "times.png")
    assert len(found.plot().axes) == 2
    with pytest.raises(TypeError, match="`data` must be paths"):
        _ = found.runs_differ
    with pytest.raises(ValueError, match="`times` must be positive"):
        fp.PassageTimes([-1.0, 2.0])
    with pytest.raises(ValueError, match="`choices` must be"):
        fp.PassageTimes([1.0, 2.0], [1, 5])
    with pytest.raises(ValueError, match="`start` must be between the bounds"):
        fp.PassageModel(fp.FokkerPlanck(diffusion=1.0), (-1, 1), start=2.0)
    with pytest.raises(TypeError, match="`bounds` must be"):
        fp.PassageModel(fp.FokkerPlanck(diffusion=1.0), (None, None))
    with pytest.raises(TypeError, match="`model` must be"):
        fp.fit(data, lambda v: fp.FokkerPlanck(drift=v, diffusion=1.0), start=[1.0])


def test_times_in_milliseconds_need_no_start():
    """Guesses were between .05 and 3 in every unit, and no fit arrived. Inverse Gaussian times: v = .03, a = 30, D = 1/2."""
    rng = np.random.default_rng(4)
    times = 200.0 + rng.wald(30.0 / 0.03, 30.0**2, 400)
    fit = fp.fit(
        fp.PassageTimes(times),
        lambda v, a, t0: fp.PassageModel(fp.FokkerPlanck(drift=v, diffusion=0.5), bounds=(None, a), delay=t0),
    )
    errors = np.array(list(fit.standard_errors.values()))
    assert fit.converged
    assert np.abs((fit.theta - [0.03, 30.0, 200.0]) / errors).max() < 3.0


def test_trials_as_they_are_recorded_are_taken_or_explained():
    times = np.array([0.5, 0.7, 0.9])
    with pytest.raises(ValueError, match=r"1 that are NaN\. Leave these trials out"):
        fp.PassageTimes([0.5, np.nan, 0.9])
    with pytest.raises(ValueError, match=r"1 of 3 not above 0.*pass abs\(times\)"):
        fp.PassageTimes(times * [1, -1, 1])
    with pytest.raises(TypeError, match="choices == VALUE"):
        fp.PassageTimes(times, ["left", "right", "left"])
    with pytest.raises(ValueError, match="choices == VALUE"):
        fp.PassageTimes(times, [1, 2, 1])
    correct = fp.PassageTimes({"rt": times, "correct": np.array([True, False, True])})
    np.testing.assert_array_equal(correct.upper, [True, False, True])
    with pytest.warns(UserWarning, match="If the column 'side' says the bound"):
        fp.PassageTimes({"rt": times, "side": np.array(["l", "r", "l"])})
    with pytest.raises(TypeError, match="`model` must be a function that returns a PassageModel"):
        fp.fit(correct, lambda v: fp.FokkerPlanck(drift=v, diffusion=0.5))
