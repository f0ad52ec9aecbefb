"""What SGD says about its models: Gaussian noise of changing covariance is not heavy, heavy tails are, the edge is seen."""

import numpy as np
import pytest

import fokkerplanck as fp


def mean_of(samples, batch=1, rate=0.05):
    """A quadratic of curvature 1 about the samples."""
    return fp.SGD(fp.SampleLoss("(w-z)**2/2", ["w"], {"z": samples}), rate, batch_size=batch)


def regression(freedom, n, batch=4):
    """Linear regression in two parameters whose labels carry normal or Student noise."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, 2)) * np.sqrt([2.0, 0.5])
    noise = rng.standard_normal(n) if np.isinf(freedom) else rng.standard_t(freedom, n)
    data = {"a": x[:, 0], "b": x[:, 1], "y": x @ [0.3, -0.2] + 1.5 * noise}
    return fp.SGD(fp.SampleLoss("(a*u + b*v - y)**2 / 2", ["u", "v"], data), 0.1, batch_size=batch)


def test_gaussian_noise_of_changing_covariance_is_not_heavy():
    """Noise of deviation |w + 3 w^2|/2, from 2 at the start to 0 at the minimum: heavy if thrown together."""
    z = np.random.default_rng(1).standard_normal(20_000)
    sgd = fp.SGD(fp.SampleLoss("w**2/2 + z*(w + 3*w**2)/2", ["w"], {"z": z - z.mean()}), 0.1, batch_size=1)
    runs = sgd.simulate([1.0], list(range(101)), 200, seed=1).positions[:, :, 0]
    assert fp.tail_test(np.diff(runs, axis=0).T.ravel()).verdict != "gaussian"
    found = fp.measure(sgd, [1.0], seed=1)
    assert found.settings == {}
    assert found.stability.interval[0] > 1.98
    assert found.scale.interval[0] < 1.0 < found.scale.interval[1] + 0.01
    assert found.edge.value == pytest.approx(0.95, abs=1e-3)
    assert found.time_order is None
    assert "no path stays" in repr(found)


@pytest.mark.parametrize("batch", [4, 30])
def test_products_of_normal_variables_are_not_heavy(batch):
    """Gradients (a u - y) a have a kurtosis of 9, which sums lose."""
    found = fp.measure(regression(np.inf, 400, batch), [0.3, -0.2], seed=1)
    assert found.tails.verdict == "mixed"
    assert found.settings == {}


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("freedom", [1.2, 1.5])
def test_heavy_tails_are_heavy(freedom, batch):
    """Student samples: their sums go to a stable law of index `freedom`, slowly, and finite data not all the way."""
    z = np.random.default_rng(1).standard_t(freedom, 20_000)
    found = fp.measure(mean_of(z, batch), [0.0], seed=1)
    assert found.settings["anisotropic"] is True
    assert found.settings["stability"] == pytest.approx(freedom, abs=0.25)
    low, high = found.stability.interval
    assert low <= found.stability.value <= high < 1.8
    assert found.scale.value < 0.5


def test_heavy_tails_in_two_dimensions_make_an_equation():
    sgd = regression(1.5, 4000)
    found = fp.measure(sgd, [0.3, -0.2], seed=1)
    eq = sgd.equation("refined", **found.settings)
    assert eq.jumps.stability == found.settings["stability"]
    assert 1.2 < eq.jumps.stability < 1.6


def test_the_edge_is_seen():
    loss = fp.SampleLoss("y*x**2/2 + 0.025*(y-21)**2 - 0.3*z*x", ["x", "y"], {"z": [-1.0, 1.0]})
    found = fp.measure(fp.SGD(loss, 0.1), [0.01, 19.5], seed=1)
    assert found.settings == {"drift": "two-step"}
    assert 0.0 < found.edge.value < 0.05


def test_stays_are_seen_and_a_full_batch_has_no_noise():
    """A gradient that is 0 for most samples: paths stay, for geometric times, which are those of time order 1."""
    z = np.zeros(40)
    z[:4] = 1.0
    sgd = fp.SGD(fp.SampleLoss("z*(w-1)**2/2", ["w"], {"z": z}), 0.01)
    found = fp.measure(sgd, [0.0], seed=1)
    assert found.time_order.value == pytest.approx(1.0, abs=0.05)
    assert "time_order" not in found.settings
    full = fp.measure(fp.SGD(mean_of(np.arange(3.0)).loss, 0.1, batch_size=None), [0.5])
    assert (full.stability, full.scale, full.settings) == (None, None, {})


def test_what_has_no_independent_steps_is_refused():
    loss = mean_of(np.arange(5.0)).loss
    for name, value in (("momentum", 0.5), ("schedule", "1/(1+t)"), ("shuffle", True)):
        with pytest.raises(ValueError, match=f"`{name}` must be .* for a measurement"):
            fp.measure(fp.SGD(loss, 0.1, **{name: value}), [0.0])
    with pytest.raises(ValueError, match="`steps` must be such that 2 paths make 200 steps"):
        fp.measure(fp.SGD(loss, 0.1), [0.0], 5, 2)
