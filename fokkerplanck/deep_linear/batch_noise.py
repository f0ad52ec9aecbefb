"""The law of the batch moment M = mean of (f(x) - y) x^T, in closed form: with Delta = W - W*, C its covariance for one sample.

Gaussian and Student inputs of unit covariance: E x x^T (x) x x^T has the kurtosis factor kappa = (nu - 2)/(nu - 4), 1 for
Gaussian inputs, so that x x^T - 1 has the covariance kappa (d_ik d_jl + d_il d_jk) + (kappa - 1) d_ij d_kl, and

    M - E M  ~  Delta [sqrt(kappa) Z + sqrt(kappa - 1) g] + sigma H,     Z = (G + G^T)/sqrt(2), G and H iid normal, g normal

has the covariance of one sample. For given data the covariance is that of the samples, plus sigma^2 1 (x) E x x^T.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import bad_value
from .network import DeepLinear, Weights


def kurtosis(net: DeepLinear) -> float:
    """kappa of the inputs; raises for Student inputs without fourth moments."""
    if not net.freedom > 4.0:
        then = 'The covariance of their gradient is infinite; only generator="sgd" and "flow" can be trained.'
        raise bad_value("inputs", "with fourth moments, nu > 4", net.inputs, then)
    return 1.0 if math.isinf(net.freedom) else (net.freedom - 2.0) / (net.freedom - 4.0)


def moment_covariance(net: DeepLinear, end_to_end: np.ndarray) -> np.ndarray:
    """Covariance of (f(x) - y) x^T for one sample, shape (n_L n_0, n_L n_0), rows of M one after another."""
    delta = end_to_end - net.target
    n_out, n_in = delta.shape
    label = net.label_noise**2 * np.kron(np.eye(n_out), net.second_moment)
    if net.data is not None:
        products = np.einsum("ni,nj->nij", net.data @ delta.T, net.data).reshape(len(net.data), -1)
        products -= products.mean(axis=0)
        return products.T @ products / len(products) + label
    kappa = kurtosis(net)
    crossed = np.einsum("il,kj->ijkl", delta, delta).reshape(label.shape)
    flat = delta.ravel()
    return kappa * (np.kron(delta @ delta.T, np.eye(n_in)) + crossed) + (kappa - 1.0) * np.outer(flat, flat) + label


def layer_metric(net: DeepLinear, weights: Weights) -> np.ndarray:
    """K = sum_l A_l A_l^T (x) F_(l-1)^T F_(l-1): |gradient|^2 = M . K M for any moment M, shape (n_L n_0, n_L n_0)."""
    forward, backward = net.partial_products(weights)
    pairs = zip(backward[1:], forward[:-1], strict=True)
    return np.sum([np.kron(a @ a.T, f.T @ f) for a, f in pairs], axis=0)


def noise_trace(net: DeepLinear, weights: Weights) -> float:
    """Trace of the covariance of one sample's gradient; that of a batch gradient is `batch_size` times smaller."""
    return float(np.sum(layer_metric(net, weights) * moment_covariance(net, net.end_to_end(weights))))


def sample_moments(net: DeepLinear, end_to_end: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """M of n independent batches, shape (n, n_L, n_0)."""
    batch, n_in = net.batch_size, net.widths[0]
    if net.data is not None:
        x = net.data[rng.integers(0, len(net.data), (n, batch))]
    else:
        x = rng.standard_normal((n, batch, n_in))
        if math.isfinite(net.freedom):
            x *= np.sqrt((net.freedom - 2.0) / rng.chisquare(net.freedom, (n, batch, 1)))
    residual = x @ (end_to_end - net.target).T
    if net.label_noise:
        residual -= net.label_noise * rng.standard_normal(residual.shape)
    return np.swapaxes(residual, 1, 2) @ x / batch
