"""Interacting workers: many copies of SGD, each pulled towards the mean of its swarm."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import whole
from ..errors import bad_value
from .ensemble import Ensemble
from .sgd_paths import _schedule, _starts


def simulate_swarm(
    sgd: Any, p0: Any, steps: Any, strength: float, n_workers: int = 1000, n_swarms: int = 10, seed: int = 0
) -> Ensemble:
    """theta' = theta - eta g_B(theta) - strength (theta - mean of the swarm), worker by worker.

    Parameters
    ----------
    sgd : SGD
        With replacement, or batches of one; without momentum.
    p0 : density, point or array, as for `SGD.simulate`
    steps : increasing whole numbers from 0 on
    strength : float
        From 0 to 1, per step.
    n_workers, n_swarms : int
        Workers in a swarm, and independent swarms; the equation with `fp.Swarm` is the limit of many workers.
    seed : int

    Returns
    -------
    Ensemble
        Of n_swarms * n_workers paths, swarm by swarm. Workers of one swarm are not independent: take error bars over
        swarms.
    """
    if not 0.0 <= strength <= 1.0:
        raise bad_value("strength", "from 0 to 1, per step", strength)
    if sgd.momentum or sgd.shuffle or sgd.batch_size is None or not (sgd.replacement or sgd.batch_size == 1):
        raise bad_value("sgd", "with batches drawn with replacement and without momentum", sgd)
    n_workers, n_swarms = whole("n_workers", n_workers, 2), whole("n_swarms", n_swarms, 1)
    times, horizon = _schedule(steps, None, None)
    rng = np.random.default_rng(whole("seed", seed, 0))
    theta = np.ascontiguousarray(_starts(p0, n_workers * n_swarms, sgd.loss.dim, rng).T)
    positions = np.empty((len(times), *theta.T.shape))
    for step in range(horizon + 1):
        if step in times:
            positions[times.index(step)] = theta.T
        swarms = theta.reshape(len(theta), n_swarms, n_workers)
        pull = (swarms - swarms.mean(axis=2, keepdims=True)).reshape(theta.shape)
        theta = theta - sgd.learning_rate * _gradient(sgd, theta, rng) - strength * pull
    settings = {"process": repr(sgd), "strength": strength, "swarms": n_swarms, "workers": n_workers}
    return Ensemble(np.array(times), positions, None, seed, settings)


def _gradient(sgd: Any, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean gradient of a batch drawn for each column of theta, sample by sample."""
    total = np.zeros_like(theta)
    for _ in range(sgd.batch_size):
        drawn = rng.integers(0, sgd.loss.n_samples, theta.shape[1])
        for i in np.unique(drawn):
            chosen = drawn == i
            total[:, chosen] += sgd.loss.rows_gradient(np.array([i]), np.ascontiguousarray(theta[:, chosen]))
    return total / sgd.batch_size
