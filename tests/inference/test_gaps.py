"""Fits to rows with gaps between them."""

import numpy as np
import pytest

import fokkerplanck as fp


def linear(k, D):
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)


def sparse_rows(rng, rate, n=400, runs=3):
    """Of an Ornstein-Uhlenbeck process of variance .5, at steps that are 1 to 6 apart."""
    found = []
    for _ in range(runs):
        times = np.cumsum(rng.integers(1, 7, n))
        x = np.empty(n)
        x[0] = np.sqrt(0.5) * rng.normal()
        for i, gap in enumerate(np.diff(times)):
            kept = np.exp(-rate * gap)
            x[i + 1] = kept * x[i] + np.sqrt(0.5 * (1 - kept**2)) * rng.normal()
        found.append((times, x))
    return found


def table(found):
    return {
        "run": np.concatenate([np.full(len(t), k) for k, (t, _) in enumerate(found)]),
        "step": np.concatenate([t for t, _ in found]),
        "x": np.concatenate([x for _, x in found]),
    }


def exact_error(found, rate):
    """Standard error of the rate of known variance: I = sum (d ln p / dk)^2 over Gaussian transitions, both parameters free."""
    total = np.zeros((2, 2))
    for times, x in found:
        for gap, start in zip(np.diff(times), x, strict=False):

            def moments(k, d, gap=gap, start=start):
                kept = np.exp(-k * gap)
                return kept * start, d / k * (1 - kept**2)

            step = 1e-6
            (m1, v1), (m0, v0) = moments(rate + step, 0.5 * rate), moments(rate - step, 0.5 * rate)
            (m3, v3), (m2, v2) = moments(rate, 0.5 * rate + step), moments(rate, 0.5 * rate - step)
            v = moments(rate, 0.5 * rate)[1]
            dm = np.array([m1 - m0, m3 - m2]) / (2 * step)
            dv = np.array([v1 - v0, v3 - v2]) / (2 * step)
            total += np.outer(dm, dm) / v + np.outer(dv, dv) / (2 * v * v)
    return np.sqrt(np.diagonal(np.linalg.inv(total)))


@pytest.mark.parametrize("rate", [0.3, 0.02])
def test_every_pair_of_rows_counts_over_its_own_time(rate):
    """Five in six were left out in silence: only rows that are one step apart made transitions. The error is that of all."""
    found = sparse_rows(np.random.default_rng(3), rate)
    fit = fp.fit(table(found), linear, start=[rate, 0.5 * rate])
    assert fit.likelihood.data.size == 3 * 399
    error = exact_error(found, rate)
    np.testing.assert_allclose(list(fit.standard_errors.values()), error, rtol=0.15)
    assert np.abs(fit.theta - [rate, 0.5 * rate]).max() < 4 * error.max()
    assert "6 lags from 1 to 6, since rows are missing" in fit.report()
    assert fit.plot() is not None


def test_a_value_that_is_missing_leaves_a_pair_around_it():
    x = np.cumsum(np.random.default_rng(0).normal(size=60))
    fit = fp.fit(fp.Paths([np.where(np.arange(60) % 10 == 5, np.nan, x)]), linear, start=[1.0, 1.0], method="gaussian")
    taus = [part.data.tau for part in fit.likelihood.parts]
    assert (taus, [part.data.size for part in fit.likelihood.parts]) == ([1.0, 2.0], [47, 6])


def test_splines_take_gaps_too():
    found = sparse_rows(np.random.default_rng(5), 0.3, n=600)
    fit = fp.fit(table(found))
    low, high = fit.interval(np.array([-0.5, 0.0, 0.5]), level=0.99)["diffusion"]
    assert fit.likelihood.data.size == 3 * 599
    assert (low < 0.15).all()
    assert (high > 0.15).all()


def test_splines_of_times_that_hardly_recur():
    """Twelve different times between rows, none with the 50 pairs that splines ask for."""
    rng = np.random.default_rng(7)
    times = np.cumsum(rng.integers(1, 13, 360))
    x = np.empty(360)
    x[0] = 0.0
    for i, gap in enumerate(np.diff(times)):
        kept = np.exp(-0.1 * gap)
        x[i + 1] = kept * x[i] + np.sqrt(0.5 * (1 - kept**2)) * rng.normal()
    fit = fp.fit(fp.Paths({"t": times, "x": x}))
    low, high = fit.interval(np.array([0.0]), level=0.99)["diffusion"]
    assert low[0] < 0.05 < high[0]
    assert high[0] < 0.1
