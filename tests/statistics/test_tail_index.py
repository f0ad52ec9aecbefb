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


def test_what_is_not_stable_is_refused():
    """Gaussian numbers with unequal deviations, thrown together, would fit .667 [.649, .687], and Hill read 3.7 from them."""
    rng = np.random.default_rng(5)
    data = (rng.normal(size=(500, 48)) * np.exp(2 * rng.normal(size=48))).ravel()
    with pytest.raises(
        ValueError, match=r"stable law, got sums of n of them with the index 0\.\d+ \(n = 1\).*fp\.tail_test"
    ):
        fp.stable_fit(data)
    with pytest.raises(ValueError, match=r"tail is a power.*fp\.tail_test"):
        fp.hill(data)
    with pytest.raises(ValueError, match="of a stable law"):
        fp.stable_fit(rng.standard_t(3, size=20_000))


def test_a_flat_stretch_of_unequal_variances_is_no_tail():
    """A deviation for each sample: Hill reads 1.9 with a flat plateau, while sums of 100 are nearly Gaussian."""
    rng = np.random.default_rng(3)
    data = rng.normal(size=20_000) * np.exp(2.0 * rng.normal(size=20_000))
    with pytest.raises(ValueError, match=r"whose sums have the index of its tail.*fp\.tail_test"):
        fp.hill(data)


def test_power_laws_and_stable_laws_pass_without_a_word():
    """40 sets each; warnings are errors here. The trend of a power law is within 4 standard errors but for 6e-5."""
    rng = np.random.default_rng(6)
    for _ in range(40):
        fp.hill(rng.random(2000) ** (-1 / 1.5))
        fp.stable_fit(symmetric_stable(rng, 1.5, 2000), resamples=2)
        fp.stable_fit(rng.normal(size=2000), resamples=2)


def test_coordinates_of_an_ensemble_count_alike():
    """Student t with 3 degrees, in one coordinate a thousand times larger."""
    points = np.random.default_rng(7).standard_t(3, size=(1, 20_000, 2))
    one, two = (fp.Ensemble(np.array([1.0]), points * np.array([1.0, f])).hill() for f in (1.0, 1000.0))
    assert two.value == pytest.approx(one.value, rel=0.03)


def test_bad_input():
    with pytest.raises(ValueError, match="`samples` must be at least 500 finite values that are not zero, got 3"):
        fp.hill([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="`samples` must be with distinct largest values"):
        fp.hill(np.ones(1000))
    with pytest.raises(ValueError, match="`samples` must be at least 200 finite values"):
        fp.stable_fit(np.ones(10))
    with pytest.raises(ValueError, match="`samples` must be with distinct quartiles"):
        fp.stable_fit(np.ones(1000))
