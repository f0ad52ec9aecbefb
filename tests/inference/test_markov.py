"""The Markov test: at its level on Markov processes, with power against memory of several kinds."""

import numpy as np
import pytest
from processes import euler, ornstein_uhlenbeck, rotating_pair

import fokkerplanck as fp


def shuffled_sgd(n_runs=50, epochs=13, seed=3):
    """Descent on the mean of (w - x)^2 / 2 with 16 batches of 4 an epoch, drawn without replacement."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=64), np.zeros(n_runs)
    rows = [w]
    for _ in range(epochs):
        order = np.stack([rng.permutation(64) for _ in range(n_runs)])
        for batch in range(16):
            w = w - 0.05 * (w - x[order[:, 4 * batch : 4 * batch + 4]].mean(axis=1))
            rows.append(w)
    return np.array(rows).T


def momentum_sgd(momentum, n_runs=50, seed=1):
    rng = np.random.default_rng(seed)
    w, v, rows = np.zeros(n_runs), np.zeros(n_runs), []
    for _ in range(200):
        v = momentum * v - 0.05 * (w + 0.5 * rng.normal(size=n_runs))
        w = w + v
        rows.append(w)
    return np.array(rows).T


def waiting(order):
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=order)
    return fp.simulate(eq, fp.gaussian(0, 1), np.arange(0, 50, 0.5), 0.01, n_paths=50, seed=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: ornstein_uhlenbeck(40, 100, 0.1, seed=seed),
        lambda seed: euler(lambda x: -x, lambda x: 0.3 * (1 + x * x), 40, 100, 0.1, 3, seed=seed),
    ],
    ids=["OU", "multiplicative"],
)
def test_level(make):
    """60 sets at 5 %: between 0 and 8 rejections with probability 0.99."""
    p = np.array([fp.markov_test(make(seed), lags=(1, 3), seed=seed).p_values for seed in range(60)])
    assert (p < 0.05).sum(axis=0).max() <= 8
    assert p.mean() == pytest.approx(0.5, abs=0.12)


def test_level_of_few_rows_in_the_plane():
    """800 rows and up to 36 products of features: means of p over 150 sets deviate by 0.024 from what they are."""
    p = [fp.markov_test(rotating_pair(20, 40, 0.2, seed=seed), lags=1, seed=seed).p_values[0] for seed in range(150)]
    assert np.mean(p) == pytest.approx(0.5, abs=0.09)
    assert np.mean(np.array(p) < 0.05) <= 0.1


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: waiting(0.7), "stays"),
        (lambda: waiting(0.9), "stays"),
        (lambda: ornstein_uhlenbeck(50, 200, 0.1) + 0.3 * np.random.default_rng(7).normal(size=(50, 200)), "noise"),
        (lambda: momentum_sgd(0.5), "momentum"),
        (lambda: momentum_sgd(0.9), "momentum"),
        (shuffled_sgd, "hidden"),
        (lambda: ornstein_uhlenbeck(100, 200, 0.2) + ornstein_uhlenbeck(100, 200, 0.2, 0.1, 0.1, seed=9), "hidden"),
        (lambda: rotating_pair(50, 200, 0.1)[..., 0], "hidden"),
    ],
    ids=["order 0.7", "order 0.9", "measured", "momentum 0.5", "momentum 0.9", "shuffled", "two OU", "rotation"],
)
def test_power(make, kind):
    found = fp.markov_test(make())
    assert found.p_values.min() < 0.01
    assert kind in found.memory


def test_what_is_seen_whole_is_markov():
    """Both coordinates of a rotating pair, of which one alone is not; and plain descent, of which momentum is not."""
    assert fp.markov_test(rotating_pair(50, 200, 0.1)).p_values.min() > 0.01
    found = fp.markov_test(momentum_sgd(0.0))
    assert found.p_values.min() > 0.01
    assert found.shortest_lag == 1
    assert found.memory == "none seen"


def test_measurement_noise_passes_at_a_longer_lag():
    noisy = ornstein_uhlenbeck(50, 300, 0.1, seed=4) + 0.1 * np.random.default_rng(7).normal(size=(50, 300))
    found = fp.markov_test(noisy, lags=(1, 20))
    assert found.p_values[0] < 0.01
    assert found.shortest_lag == 20
    assert "the next step and the last step" in found.features[0]
    assert found.correlations[0] < 0.0


def test_one_long_run_is_cut_into_pieces():
    assert fp.markov_test(ornstein_uhlenbeck(1, 6000, 0.1, seed=2)).p_values.min() > 0.01
    smooth = np.convolve(np.random.default_rng(0).normal(size=6000), np.ones(5))
    assert fp.markov_test(smooth, lags=1).p_values[0] < 0.01


def test_bad_lags_are_refused():
    data = ornstein_uhlenbeck(5, 100, 0.1)
    for bad in ((3, 1), (1, 1), ()):
        with pytest.raises(ValueError, match="`lags` must be increasing"):
            fp.markov_test(data, lags=bad)
    with pytest.raises(ValueError, match="`lags` must be short enough"):
        fp.markov_test(data, lags=40)
    with pytest.raises(TypeError, match="`lags` must be"):
        fp.markov_test(data, lags=0.5)


def test_homogeneity_at_its_level():
    found = [fp.homogeneity_test(fp.Paths(ornstein_uhlenbeck(40, 80, 0.5, seed=s))) for s in range(60)]
    for name in ("runs_differ", "drift_in_time"):
        assert sum(getattr(test, name) < 0.05 for test in found) <= 8


def test_runs_that_differ_are_told():
    pulls = np.concatenate([ornstein_uhlenbeck(10, 300, 0.5, k, seed=11) for k in (1.0, 1.6)])
    found = fp.homogeneity_test(pulls)
    assert found.runs_differ < 0.01
    assert found.drift_in_time > 0.01
    noises = np.concatenate([ornstein_uhlenbeck(10, 300, 0.5, 1.0, d, seed=12) for d in (1.0, 1.5)])
    assert fp.homogeneity_test(noises).runs_differ < 0.01


def test_noise_that_falls_in_time_is_told():
    rng, x = np.random.default_rng(12), np.zeros((20, 401))
    for i in range(400):
        x[:, i + 1] = 0.6 * x[:, i] + (1.0 - 0.5 * i / 400) * rng.normal(size=20)
    found = fp.homogeneity_test(x)
    assert found.drift_in_time < 1e-6
    assert "length" in found.drifting
    assert found.trend < 0.0
