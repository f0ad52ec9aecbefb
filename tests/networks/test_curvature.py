"""Curvature and noise of any loss: closed forms of a line and of a deep linear network."""

import numpy as np
import pytest
from least_squares import Line

import fokkerplanck.networks as fn
from fokkerplanck import deep_linear as dl


def quadratic(eigenvalues, noise=1.0, n=40):
    """l_i = sum_k h_k w_k^2 / 2 + b_i . w: Hessian diag(h), noise the covariance of b."""
    h = np.asarray(eigenvalues, dtype=float)
    b = noise * np.random.default_rng(0).standard_normal((n, h.size))
    b -= b.mean(axis=0)
    net = fn.Network.from_functions(
        lambda w, p: p.sum() * h * w + p @ b,
        lambda w: 0.5 * h @ w**2 + b @ w,
        lambda w, v: h * v,
        params=np.zeros(h.size),
    )
    return net, b.T @ b / n


def test_index_counts_and_says_floor_and_gradient():
    net, _ = quadratic([-2.0, -1.0, -1e-4, 0.0, 3.0])
    index = fn.saddle_index(net, np.array([0.0, 0.0, 0.0, 0.0, 0.5]))
    assert (index.negative, index.complete) == (2, True)
    assert index.floor == pytest.approx(3e-3)
    assert index.gradient_norm == pytest.approx(1.5)
    assert "|g| = 1.5" in repr(index)
    assert fn.saddle_index(net, np.zeros(5), floor=1e-5).negative == 3


def test_index_and_top_of_many_parameters_by_lanczos():
    values = np.concatenate([[-3.0, -2.0, -1.0], np.linspace(0.0, 1.0, 396), [7.0]])
    net, _ = quadratic(values)
    index = fn.saddle_index(net, np.zeros(400))
    assert (index.negative, index.complete) == (3, True)
    assert fn.top_hessian(net, np.zeros(400)) == pytest.approx(7.0, rel=1e-6)
    capped = fn.saddle_index(net, np.zeros(400), at_most=2)
    assert (capped.negative, capped.complete) == (2, False)
    assert "at least 2" in repr(capped)


def test_noise_of_a_line():
    line, w = Line(), np.array([0.4, -1.0, 0.2])
    noise = fn.gradient_noise(line.network(), w, batch_size=4, k=2)
    exact = line.noise(w) / 4
    np.testing.assert_allclose(noise.spectrum, np.linalg.eigvalsh(exact)[::-1], rtol=1e-6)
    assert noise.trace == pytest.approx(np.trace(exact), rel=1e-6)
    cosine = np.sum(line.hessian * exact) / np.linalg.norm(line.hessian) / np.linalg.norm(exact)
    assert noise.cosine == pytest.approx(cosine, rel=1e-5)
    assert f"cosine with the Hessian {cosine:.3f}" in repr(noise)  # and not all directions
    v = np.linalg.eigh(line.hessian).eigenvectors
    np.testing.assert_allclose(noise.hessian_share, np.diagonal(v.T @ exact @ v) / np.trace(exact), rtol=1e-5)


def test_without_noise_there_is_no_spectrum():
    net, _ = quadratic([1.0, 2.0], noise=0.0)
    noise = fn.gradient_noise(net, np.ones(2))
    assert (noise.spectrum.size, noise.trace, noise.cosine, noise.effective_dimension) == (0, 0.0, 0.0, 0.0)


def test_rows_are_drawn_from_many_samples():
    net, covariance = quadratic(np.ones(3), n=400)
    noise = fn.gradient_noise(net, np.zeros(3), rows=200)
    assert noise.trace == pytest.approx(np.trace(covariance), rel=0.2)
    assert noise.trace != pytest.approx(np.trace(covariance), rel=1e-6)


def test_saddle_of_a_deep_linear_network():
    pytest.importorskip("jax")
    x = np.random.default_rng(0).standard_normal((60, 4))
    deep = dl.DeepLinear((4, 5, 3), [2.0, 1.0], 0.02, 5, inputs=x)
    weights = dl.small_start(1.5).draw(deep, np.random.default_rng(1))
    net, theta = fn.linear(deep), deep.flatten(weights)
    assert fn.saddle_index(net, theta).negative == dl.saddle_index(deep, weights).negative
    ours, theirs = fn.gradient_noise(net, theta, 5), dl.gradient_noise(deep, weights)
    assert ours.trace == pytest.approx(theirs.trace, rel=1e-6)
    assert ours.effective_dimension == pytest.approx(theirs.effective_dimension, rel=1e-6)
    assert ours.cosine == pytest.approx(theirs.cosine, rel=1e-6)


@pytest.mark.parametrize("held", [1, 2000, 10**9])
def test_products_at_once_are_those_one_by_one(held, monkeypatch):
    """Of two (at 2000), of one and of all vectors at once: five of them fill no even number of groups."""
    from fokkerplanck.networks import network, toys

    net = toys.classifier(np.random.default_rng(1).normal(size=(20, 3)), np.arange(20) % 3, 4, precision="float64")
    theta = net.start(0, 0)
    vectors = np.random.default_rng(2).normal(size=(5, net.n_parameters))
    monkeypatch.setattr(network, "MOST_AT_ONCE", held)
    calls = []
    monkeypatch.setattr(
        net, "_call", lambda name, *a, _call=net._call, **k: calls.append(a[1].shape[0]) or _call(name, *a, **k)
    )
    found = net.hessian_products(theta, vectors)
    assert sum(calls) >= 5
    assert max(calls) == {1: 1, 2000: 2000 // (20 * net.n_parameters), 10**9: 5}[held]
    calls.clear()
    np.testing.assert_allclose(found, [net.hessian_product(theta, v) for v in vectors], rtol=1e-12, atol=1e-15)
    assert net.hessian_products(theta, vectors[:0]).shape == (0, net.n_parameters)
