"""Tail index, stable fit and subdiffusive growth, on samples of known laws. Fixed seeds; limits of 4 standard errors."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.simulation.stable_variates import symmetric_stable


@pytest.mark.parametrize("index", [0.8, 1.7, 3.0])
def test_hill_of_a_power_law(index):
    samples = np.random.default_rng(0).random(20_000) ** (-1 / index)
    estimate = fp.hill(samples)
    assert abs(estimate.value - index) < 4 * estimate.error
    assert estimate.error < 0.1 * index


@pytest.mark.parametrize("a", [1.0, 1.5])
def test_hill_of_a_stable_law(a):
    """The tail sets in late as a grows: 1.65 for 1.5 here, which is why the fit exists."""
    estimate = fp.hill(symmetric_stable(np.random.default_rng(1), a, 50_000))
    assert estimate.value == pytest.approx(a, rel=0.12)
    assert "plateau" in repr(estimate)
    axes = estimate.plot().axes[0]
    assert axes.get_ylabel() == "tail index"


@pytest.mark.parametrize("a", [0.7, 1.0, 1.5, 1.9])
def test_stable_fit(a):
    fit = fp.stable_fit(3 * symmetric_stable(np.random.default_rng(2), a, 20_000) + 2)
    assert abs(fit.stability - a) < 4 * fit.stability_error
    assert abs(fit.scale - 3) < 4 * fit.scale_error
    assert fit.location == pytest.approx(2, abs=0.15)
    assert fit.stability_error < 0.03


def test_interval_covers():
    """95 % intervals: of 60, at least 50 hold the truth (fails by chance in 0.1 % if the coverage is 95 %)."""
    hits = 0
    for seed in range(60):
        low, high = fp.stable_fit(symmetric_stable(np.random.default_rng(seed), 1.5, 300), 60, seed).interval
        hits += low < 1.5 < high
    assert hits >= 50
    assert hits < 60 or high - low < 0.8


def test_gaussian_noise_is_found_to_be_gaussian():
    fit = fp.stable_fit(np.random.default_rng(3).normal(size=20_000))
    assert fit.stability > 1.97
    assert fit.scale == pytest.approx(np.sqrt(0.5), rel=0.03)


def test_time_order_from_paths():
    eq = fp.FokkerPlanck(diffusion=1.0, time_order=0.6)
    times = np.geomspace(0.3, 30, 6)
    ensemble = fp.simulate(eq, 0.0, times, dt=0.05, n_paths=4000, seed=4)
    square = (ensemble.positions[:, :, 0] ** 2).mean(axis=1)
    error = (ensemble.positions[:, :, 0] ** 2).std(axis=1) / np.sqrt(4000)
    order, uncertainty = fp.time_order_from_growth(times, square, error)
    assert abs(order - 0.6) < 4 * np.sqrt(6) * uncertainty
    assert uncertainty < 0.01
    exact, rest = fp.time_order_from_growth(times, 2 * times**0.6)
    assert exact == pytest.approx(0.6)
    assert rest < 1e-6


def test_bad_input():
    with pytest.raises(ValueError, match="`samples` must be at least 500 finite values that are not zero, got 3"):
        fp.hill([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="`samples` must be with distinct largest values"):
        fp.hill(np.ones(1000))
    with pytest.raises(ValueError, match="`samples` must be at least 200 finite values"):
        fp.stable_fit(np.ones(10))
    with pytest.raises(ValueError, match="`samples` must be with distinct quartiles"):
        fp.stable_fit(np.ones(1000))
    with pytest.raises(ValueError, match="`mean_square` must be positive, one a time"):
        fp.time_order_from_growth([1.0, 2.0], [1.0])
