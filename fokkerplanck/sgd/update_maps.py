"""Where steps of SGD take points of the space of its weights: batch by batch, on the mean, and with what noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .minibatches import Batches

if TYPE_CHECKING:
    from .algorithm import SGD


def _step(sgd: SGD, state: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """One step for states (d, n), or (2 d, n) with velocities."""
    if not sgd.momentum:
        return state - sgd.learning_rate * gradient
    d = sgd.loss.dim
    velocity = sgd.momentum * state[d:] - sgd.learning_rate * gradient
    return np.concatenate([state[:d] + velocity, velocity])


def batch_maps(sgd: SGD, batches: Batches, first: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """Points (d, n) to their images (K, d, n) under each batch, or sequence of batches of an epoch, after `first` steps."""
    d = sgd.loss.dim

    def maps(points: np.ndarray) -> np.ndarray:
        images = np.empty((len(batches.draws), *points.shape))
        for k, epoch in enumerate(batches.draws):
            state = points
            for step, (rows, times) in enumerate(epoch, first):
                state = _step(sgd.at(step), state, sgd.loss.rows_gradient(rows, times, state[:d]))
            images[k] = state
        return images

    return maps


def mean_map(sgd: SGD) -> Callable[[np.ndarray], np.ndarray]:
    """Points (d, n) to their images (1, d, n) under a step by the full gradient."""
    d = sgd.loss.dim
    return lambda points: _step(sgd, points, sgd.loss.gradient(*points[:d]))[None]


def step_noise(sgd: SGD, batches: bool = True) -> Callable[[np.ndarray], np.ndarray]:
    """Covariance of a step at points (d, n), (d, d, n): eta^2 f Sigma / B where normal noise stands for the batches, and
    2 eta T (1 - m) of SGLD; the same for positions and velocities.
    """
    d = sgd.loss.dim

    def covariance(points: np.ndarray) -> np.ndarray:
        one = np.tile(sgd.injected_variance * np.eye(d)[..., None], points.shape[1])
        if batches:
            one = one + 2.0 * sgd.batch_diffusion(*points[:d])
        return np.tile(one, (2, 2, 1)) if sgd.momentum else one

    return covariance
