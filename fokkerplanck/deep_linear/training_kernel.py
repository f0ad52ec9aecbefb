"""One run of training, compiled: three products of matrices a step, everything else is small."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FLOW, SGD, LANGEVIN, REFINED = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def _layers(theta, widths):
    """Views of the weights in the flat vector."""
    weights = []
    start = 0
    for k in range(widths.size - 1):
        size = widths[k + 1] * widths[k]
        weights.append(theta[start : start + size].reshape(widths[k + 1], widths[k]))
        start += size
    return weights


@njit(cache=True, nogil=True)
def _products(weights, forward, backward):
    """forward[l] = W_l ... W_1, backward[l] = W_L ... W_(l+1)."""
    depth = len(weights)
    for k in range(depth):
        np.dot(weights[k], forward[k], forward[k + 1])
    for k in range(depth - 1, 0, -1):
        np.dot(backward[k + 1], weights[k], backward[k])


@njit(cache=True, nogil=True)
def _batch_moment(rng, delta, data, freedom, sigma, batch):
    """Mean over a fresh batch of (delta x - sigma xi) x^T."""
    n_out, n_in = delta.shape
    x = np.empty((batch, n_in))
    for b in range(batch):
        if data.shape[0]:
            x[b] = data[rng.integers(0, data.shape[0])]
            continue
        for j in range(n_in):
            x[b, j] = rng.standard_normal()
        if freedom < np.inf:
            x[b] *= math.sqrt((freedom - 2.0) / rng.chisquare(freedom))
    residual = np.dot(x, delta.T)
    if sigma > 0.0:
        for b in range(batch):
            for i in range(n_out):
                residual[b, i] -= sigma * rng.standard_normal()
    return np.dot(residual.T, x) / batch


@njit(cache=True, nogil=True)
def _normals(rng, n, m):
    out = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            out[i, j] = rng.standard_normal()
    return out


@njit(cache=True, nogil=True)
def _gaussian_moment(rng, delta, data, root, kappa, sigma):
    """A Gaussian matrix with the covariance of (delta x - sigma xi) x^T; root is that of E x x^T."""
    n_out, n_in = delta.shape
    if data.shape[0]:
        residual = np.dot(data, delta.T)
        mean = np.dot(residual.T, data) / data.shape[0]
        total = 0.0
        for i in range(data.shape[0]):
            g = rng.standard_normal()
            residual[i] *= g
            total += g
        noise = (np.dot(residual.T, data) - total * mean) / math.sqrt(data.shape[0])
    else:
        g = _normals(rng, n_in, n_in)
        z = (g + g.T) * math.sqrt(0.5 * kappa)
        if kappa > 1.0:
            common = math.sqrt(kappa - 1.0) * rng.standard_normal()
            for i in range(n_in):
                z[i, i] += common
        noise = np.dot(delta, z)
    if sigma > 0.0:
        noise += sigma * np.dot(_normals(rng, n_out, n_in), root)
    return noise


@njit(cache=True, nogil=True)
def _noise_trace(delta, forward, backward, data, second, kappa, sigma):
    """sum over layers of E |A_l^T (m - E m) F_(l-1)^T|^2 for the moment m of one sample."""
    total = 0.0
    depth = len(forward) - 1
    n_in = second.shape[0]
    for k in range(depth):
        p = np.dot(backward[k + 1], backward[k + 1].T)
        q = np.dot(forward[k].T, forward[k])
        total += sigma * sigma * np.trace(p) * np.sum(q * second)
        if data.shape[0]:
            residual = np.dot(data, delta.T)
            left = np.dot(residual, p)
            right = np.dot(data, q)
            for i in range(data.shape[0]):
                total += np.dot(left[i], residual[i]) * np.dot(right[i], data[i]) / data.shape[0]
            mean = np.dot(delta, second)
            total -= np.sum(np.dot(p, mean) * np.dot(mean, q))
        else:
            spread = (2.0 * kappa - 1.0) * q + kappa * np.trace(q) * np.eye(n_in)
            total += np.sum(np.dot(p, delta) * np.dot(delta, spread))
    return total


@njit(cache=True, nogil=True)
def _push(moment, weights, forward, backward, eta, buffers):
    """W_l <- W_l - eta A_l^T M F_(l-1)^T."""
    for k in range(len(weights)):
        np.dot(backward[k + 1].T, np.dot(moment, forward[k].T), buffers[k])
        w, g = weights[k], buffers[k]
        for i in range(w.shape[0]):
            for j in range(w.shape[1]):
                w[i, j] -= eta * g[i, j]


@njit(cache=True, nogil=True)
def _gradient_norm(moment, forward, backward):
    total = 0.0
    for k in range(len(forward) - 1):
        p = np.dot(backward[k + 1], backward[k + 1].T)
        q = np.dot(forward[k].T, forward[k])
        total += np.sum(np.dot(p, moment) * np.dot(moment, q))
    return math.sqrt(max(total, 0.0))


@njit(cache=True, nogil=True)
def train_run(
    theta, widths, steps, rng, mode, target, second, root, data, freedom, kappa, sigma, batch, eta, mixing,
    end_to_end, gradient_norm, kept,
):  # fmt: skip
    """Train the flat weights theta (n_parameters,) in place; record at `steps`.

    mixing (n_steps or 1,): factor of the refined noise in each step, or in all. end_to_end (n_times, n_out, n_in) and
    gradient_norm (n_times,) come filled with nan and stay so from where a run diverges. kept (n_times or 0, n_parameters).
    """
    weights = _layers(theta, widths)
    depth = len(weights)
    forward = [np.empty((widths[k], widths[0])) for k in range(depth + 1)]
    backward = [np.empty((widths[depth], widths[k])) for k in range(depth + 1)]
    buffers = [np.empty((widths[k + 1], widths[k])) for k in range(depth)]
    forward[0][:] = np.eye(widths[0])
    backward[depth][:] = np.eye(widths[depth])
    row = 0
    for step in range(steps[-1] + 1):
        _products(weights, forward, backward)
        delta = forward[depth] - target
        if not np.isfinite(np.sum(delta)):
            theta[:] = np.nan
            return
        if step == steps[row]:
            end_to_end[row] = forward[depth]
            gradient_norm[row] = _gradient_norm(np.dot(delta, second), forward, backward)
            if kept.shape[0]:
                kept[row] = theta
            row += 1
            if row == steps.size:
                return
        jolt = 0.0
        if mode == SGD:
            moment = _batch_moment(rng, delta, data, freedom, sigma, batch)
        else:
            moment = np.dot(delta, second)
            if mode == REFINED:
                factor = mixing[step % mixing.size] / math.sqrt(batch)
                moment += factor * _gaussian_moment(rng, delta, data, root, kappa, sigma)
            elif mode == LANGEVIN:
                trace = _noise_trace(delta, forward, backward, data, second, kappa, sigma)
                jolt = eta * math.sqrt(max(trace, 0.0) / (batch * theta.size))
        _push(moment, weights, forward, backward, eta, buffers)
        if jolt > 0.0:
            for i in range(theta.size):
                theta[i] += jolt * rng.standard_normal()
