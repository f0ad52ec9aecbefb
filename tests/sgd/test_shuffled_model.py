"""The model of shuffled SGD, against epochs whose maps are known: quadratic samples are linear maps."""

import itertools
import warnings

import numpy as np
import pytest

import fokkerplanck as fp

CURVATURES, CENTERS = np.array([0.4, 1.0, 2.2, 0.8]), np.array([-1.0, 0.5, 1.2, -0.3])


def quadratics(curvatures=CURVATURES):
    return fp.SampleLoss("a*(w - x)**2 / 2", ["w"], {"a": curvatures, "x": CENTERS})


def epochs(eta, batch, curvatures=CURVATURES):
    """Slope and offset of theta' = slope theta + offset for each order of the samples, (2, 24)."""
    maps = []
    for order in itertools.permutations(range(4)):
        slope, offset = 1.0, 0.0
        for rows in np.reshape(order, (-1, batch)):
            a, b = curvatures[rows].mean(), (curvatures[rows] * CENTERS[rows]).mean()
            slope, offset = (1 - eta * a) * slope, (1 - eta * a) * offset + eta * b
        maps.append((slope, offset))
    return np.array(maps).T


@pytest.mark.parametrize("batch", [1, 2])
def test_the_mean_rests_where_the_modified_loss_is_smallest(batch):
    """To second order in eta, while the minimum of the loss itself is off by the first order."""
    errors, plain = [], []
    for eta in (0.04, 0.02, 0.01):
        slope, offset = epochs(eta, batch).mean(axis=1)
        low, high = fp.SGD(quadratics(), eta, batch, shuffle=True).equation("shuffled").drift(np.array([-2.0, 2.0]))
        zero = -2.0 - low * 4.0 / (high - low)  # the drift is linear
        errors.append(abs(offset / (1 - slope) - zero))
        plain.append(abs(offset / (1 - slope) - CURVATURES @ CENTERS / CURVATURES.sum()))
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2.0, atol=0.15)
    np.testing.assert_allclose(np.log2(plain[0] / plain[2]) / 2, 1.0, atol=0.15)
    assert errors[-1] < 0.1 * plain[-1]


@pytest.mark.parametrize("batch", [1, 2])
def test_what_noise_is_left_at_the_ends_of_epochs(batch):
    """One curvature for all: the variance at rest is that of the offsets, over 1 - slope^2."""
    h, x = np.ones(4), np.array([0.0, 0.5])
    for eta, within in ((0.02, 0.08), (0.01, 0.04)):
        slope, offset = epochs(eta, batch, h)
        eq = fp.SGD(quadratics(h), eta, batch, shuffle=True).equation("shuffled")
        model = eq.diffusion(x)[0] * 0.5 / -np.diff(eq.drift(x))[0]  # D over the slope of the drift
        assert model == pytest.approx(offset.var() / (1 - slope[0] ** 2), rel=within)
        assert fp.SGD(quadratics(h), eta, batch).equation().diffusion(x)[0] > 100 * eq.diffusion(x)[0]


def test_density_against_the_operator():
    sgd = fp.SGD(quadratics(np.ones(4)), 0.1, 1, shuffle=True)
    grid = fp.Grid((-0.6, 0.9), 1500)
    exact = sgd.transfer_operator(grid).evolve(fp.gaussian(0.5, 0.05), [40], error=False)
    model = fp.solve(sgd.equation("shuffled"), grid, fp.gaussian(0.5, 0.05), 40.0, error=False)
    np.testing.assert_allclose(model.mean(), exact.mean(), atol=1e-3)
    np.testing.assert_allclose(model.covariance(), exact.covariance(), rtol=0.3)
    with pytest.warns(fp.ModelWarning, match="every sample once"):
        plain = sgd.equation()
    first = fp.solve(plain, grid, fp.gaussian(0.5, 0.05), 40.0, error=False)
    assert first.covariance().item() > 10 * exact.covariance().item()


def test_two_parameters():
    """Sigma of (u v - x)^2 / 2 is var(x) (v, u) (v, u)^T, so that grad tr Sigma = 2 var(x) (u, v)."""
    x, eta = np.array([0.0, 1.0, 3.0]), 0.1
    sgd = fp.SGD(fp.SampleLoss("(u*v - x)**2 / 2", ["u", "v"], {"x": x}), eta, 1, shuffle=True)
    u, v = np.array([0.7]), np.array([1.9])
    r = u * v - x.mean()
    g, hessian = np.array([r * v, r * u]), np.array([[v * v, u * v + r], [u * v + r, u * u]])
    curved = 0.5 * eta * np.einsum("ijn,jn->in", hessian, g)
    by_hand = -eta * (g + curved + 0.25 * eta * 2 * x.var() * np.array([u, v]))
    np.testing.assert_allclose(sgd.equation("shuffled").drift(u, v), by_hand, rtol=1e-8)


def test_what_is_refused():
    loss = quadratics()
    with pytest.raises(ValueError, match="shuffle=True"):
        fp.SGD(loss, 0.1).equation("shuffled")
    with pytest.raises(ValueError, match="a divisor of the 4 samples"):
        fp.SGD(loss, 0.1, 3, shuffle=True).equation("shuffled")
    with pytest.raises(ValueError, match="`schedule` must be None with model 'shuffled'"):
        fp.SGD(loss, 0.1, 2, shuffle=True, schedule="1/(1+t)").equation("shuffled")


def test_models_of_independent_batches_say_that_shuffling_cancels_their_noise():
    """Four samples, one at a time, at a rate of 0.2: the variance at the ends of epochs is a twelfth of the first-order one."""
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, -0.2, 0.3, 0.9]}), 0.2, 1, shuffle=True)
    grid = fp.Grid((-1.5, 1.5), 600)
    with pytest.warns(
        fp.ModelWarning, match=r"every sample once.*'first-order' has the noise.*equation\('shuffled'\), sgd.tr"
    ):
        plain = fp.stationary(sgd.equation(), grid, error=False).covariance()[0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shuffled = fp.stationary(sgd.equation("shuffled"), grid, error=False).covariance()[0, 0]
        sgd.equation("langevin", temperature=0.01)
        fp.SGD(sgd.loss, 0.2, 1).equation()
    exact = sgd.simulate(0.0, [40, 80, 120], n_paths=20_000, seed=1).covariance()[-1, 0, 0]
    assert plain > 10 * exact
    assert shuffled == pytest.approx(exact, rel=0.5)


@pytest.mark.parametrize("model", ["second-order", "langevin", "refined", "levy", "subdiffusive"])
def test_each_of_these_models_says_it(model):
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, -0.2, 0.3, 0.9]}), 0.2, 1, shuffle=True)
    more = {"levy": {"stability": 1.7}, "subdiffusive": {"time_order": 0.8}}.get(model, {})
    with pytest.warns(fp.ModelWarning, match="every sample once in an epoch"):
        sgd.equation(model, **more)


def test_with_momentum_the_shuffled_equation_is_not_offered():
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]}), 0.1, 1, shuffle=True, momentum=0.5)
    with pytest.warns(fp.ModelWarning, match=r"Use sgd.transfer_operator\(grid\)"):
        sgd.equation("momentum")
