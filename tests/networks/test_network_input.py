"""What newcomers hand to a network: parameters as trees, samples with holes, losses that meet a batch."""

import numpy as np
import pytest

import fokkerplanck as fp
import fokkerplanck.networks as fn

jnp = pytest.importorskip("jax.numpy")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=40)


def affine(p, s):
    return 0.5 * (p["w"] @ s[0] + p["b"] - s[1]) ** 2


def line(w, s):
    return 0.5 * (w @ s[0] - s[1]) ** 2


def least_squares():
    design = np.c_[np.ones(40), X]
    return design, np.linalg.lstsq(design, Y, rcond=None)[0]


def test_trees_and_lists_keep_double_precision():
    """They went through single precision: the gradient at the minimum was 5e-8 for 2e-14."""
    net = fn.Network(affine, {"w": np.zeros(3), "b": 0.0}, (X, Y), precision="float64")
    _, best = least_squares()
    for theta in ({"b": best[0], "w": best[1:]}, best.tolist(), best):
        np.testing.assert_array_equal(net.flat(theta), best)
        assert np.linalg.norm(net.gradient(theta)) < 1e-13


def test_curvature_and_noise_of_a_regression_are_those_of_its_design():
    net = fn.Network(affine, {"w": np.zeros(3), "b": 0.0}, (X, Y), precision="float64")
    design, best = least_squares()
    np.testing.assert_allclose(net.hessian(best), design.T @ design / 40, atol=1e-14)
    noise = np.cov(((design @ best - Y)[:, None] * design).T, bias=True) / 4
    found = fn.gradient_noise(net, best, batch_size=4)
    np.testing.assert_allclose(found.spectrum, np.linalg.eigvalsh(noise)[::-1], rtol=1e-10)


def test_runs_start_from_a_tree():
    net = fn.Network(affine, {"w": np.zeros(3), "b": 0.0}, (X, Y))
    _, best = least_squares()
    tree = {"w": best[1:], "b": best[0]}
    runs = net.train([0, 5], 3, starts=tree, keep=3)
    np.testing.assert_allclose(runs.kept[0], np.tile(best, (3, 1)), rtol=1e-6)
    with pytest.raises(ValueError, match=r"`starts` must be .* of shapes \[\(\), \(3,\)\]"):
        net.train(5, 3, starts={"w": best[1:], "c": best[0]})
    pair = fn.Network(lambda p, s: 0.5 * ((p[0] * p[1]) @ s[0] - s[1]) ** 2, (np.ones(3), np.ones(3)), (X, Y))
    assert pair.train([0, 1], 2, starts=(np.ones(3), np.zeros(3)), keep=1).kept[0, 0, 3:].max() == 0.0
    square = fn.Network(lambda w, s: ((w @ s[0]) ** 2).sum(), np.ones((2, 3)), (X, Y))
    assert square.flat(np.arange(6.0).reshape(2, 3))[4] == 4.0


def test_samples_with_holes_are_refused_by_their_number():
    """All runs "diverged"."""
    holes = np.where(np.arange(40) == 3, np.nan, Y)
    with pytest.raises(ValueError, match=r"1 of 40 samples, first for sample 3 .*leave such samples out"):
        fn.Network(line, np.zeros(3), (X, holes))
    with pytest.raises(ValueError, match="`params` must be finite"):
        fn.Network(line, np.array([0.0, np.nan, 1.0]), (X, Y))
    masked = fn.Network(lambda w, s: jnp.where(jnp.isnan(s[1]), 0.0, line(w, s)), np.zeros(3), (X, holes))
    with pytest.warns(fp.ModelWarning, match=r"gradient is not finite at the start of 2 of 2 runs.*where"):
        runs = masked.train(5, 2)
    assert "diverged: 100% of the runs" in repr(runs)


@pytest.mark.parametrize(
    "loss",
    [
        lambda w, s: 0.5 * float(np.dot(w, s[0]) - s[1]) ** 2,  # numpy
        lambda w, s: jnp.mean((s[0] @ w[:2] - s[1]) ** 2),  # other shapes
        lambda w, s: jnp.mean((s[0][:, None] * w)[5, 7, 9]),  # a batch
    ],
)
def test_errors_in_a_loss_say_what_it_was_called_with(loss):
    """They were those of JAX alone, such as that "dot_general requires contracting dimensions"."""
    with pytest.raises(
        ValueError, match=r"one sample, here arrays of the shapes \[\(3,\), \(\)\].*without the axis of a batch"
    ):
        fn.Network(loss, np.zeros(3), (X, Y))


def test_samples_of_other_kinds_are_explained():
    with pytest.raises(ValueError, match="Of a list of samples stack each part"):
        fn.Network(line, np.zeros(3), list(zip(X, Y, strict=True)))
    with pytest.raises(TypeError, match=r"`data` must be arrays of numbers.*return_inverse"):
        fn.Network(line, np.zeros(3), (X, np.array(["a", "b"] * 20)))


def test_a_covariance_that_is_asked_for_far_from_the_minimum_is_told():
    net = fn.Network(line, np.zeros(3), (X, Y))
    with pytest.warns(fp.ModelWarning, match="stationary deviations away"):
        net.stationary_covariance(9.0 * np.ones(3), 0.1, 4)
    best = np.linalg.lstsq(X, Y, rcond=None)[0]
    net.stationary_covariance(best, 0.1, 4)
    net.stationary_covariance(best + 0.1 * np.sqrt(net.stationary_covariance(best, 0.1, 4).variances.min()), 0.1, 4)
