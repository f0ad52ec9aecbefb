"""Elliptic stable noise: the refined Gaussian noise of a step times s sqrt(R), one positive (a/2)-stable R a step.

E exp(-zR) = exp(-z^(a/2)), so that sqrt(2 R) times a standard normal number is symmetric stable, E exp(ikX) = exp(-|k|^a). It
has no covariance; s gives it the interquartile range of the batch noise instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import bad_value
from ..randomness import private_generator
from ..statistics.stable_law import NORMAL_QUARTILES, stable_quartiles

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

BATCHES = 4000
DIRECTIONS = 16
LEAST = 2.0**-24  # of the uniform and exponential numbers, whose zeros single precision meets


def quartile_scale(net: LossFunctions, batch_size: int, stability: float) -> float:
    """s, measured once a network: at its first start, over 4000 batches along 16 random directions.

    Ratio of the interquartile range of the batch gradient to that of a Gaussian of its variance, both summed over the
    directions, times that of a normal to that of a stable law. The start is that of run 0 of the seed 0, whatever is trained.
    """
    rng = private_generator("batches of the quartile scale")
    directions = rng.standard_normal((net.n_parameters, DIRECTIONS)) / math.sqrt(net.n_parameters)
    slopes = net.slopes(net.start(0, 0), directions)
    batches = np.zeros((BATCHES, DIRECTIONS))
    for _ in range(batch_size):
        batches += slopes[rng.integers(0, len(slopes), BATCHES)] / batch_size
    low, high = np.quantile(batches, [0.25, 0.75], axis=0)
    spread = float(slopes.std(axis=0).sum()) / math.sqrt(batch_size)
    share = float((high - low).sum()) / (NORMAL_QUARTILES * spread) if spread > 0.0 else 1.0
    if not share > 0.0:
        then = "More than half of the batches have one and the same gradient, and no stable law does."
        raise bad_value("batch_size", "large enough for its noise to have distinct quartiles", batch_size, then)
    return share * NORMAL_QUARTILES * math.sqrt(2.0) / stable_quartiles(stability)


def jax_positive_stable(key: Any, stability: float, precision: str) -> Any:
    """One number R > 0 with E exp(-zR) = exp(-z^stability), 0 < stability < 1 (Kanter 1975), by jax.random."""
    import jax

    jnp, a = jax.numpy, stability
    angle, height = jax.random.split(key)
    u = math.pi * jax.random.uniform(angle, dtype=precision, minval=LEAST, maxval=1.0 - LEAST)
    w = jnp.maximum(jax.random.exponential(height, dtype=precision), LEAST)
    return jnp.sin(a * u) / jnp.sin(u) ** (1.0 / a) * (jnp.sin((1.0 - a) * u) / w) ** ((1.0 - a) / a)
