"""The size of heavy-tailed batch noise: by quartiles, as it need not have a variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import bad_value
from ..randomness import private_generator
from ..statistics.stable_law import NORMAL_QUARTILES, stable_quartiles
from .global_minimum import smallest_loss

if TYPE_CHECKING:
    from .algorithm import SGD

BATCHES = 4000


def quartile_share(sgd: SGD, box: Any = None) -> tuple[float, tuple[float, ...]]:
    """The interquartile range of the batch gradient over that of a normal law of its covariance, and where it was read.

    1 for normal noise, less for heavy tails. Along the axes, each weighted by its deviation, over 4000 batches at the point of
    smallest loss.
    """
    point = smallest_loss(sgd.loss, box, "scale")[0]
    gradients = sgd.loss.sample_gradients(np.arange(sgd.loss.n_samples), point[:, None])[:, :, 0]
    deviations = np.sqrt(sgd.noise_factor) * gradients.std(axis=0)
    rng, n = private_generator("batches of the quartile share"), sgd.samples_a_step
    if sgd.replacement:
        means = np.stack([gradients[rng.integers(0, len(gradients), n)].mean(axis=0) for _ in range(BATCHES)])
    else:
        drawn = (rng.choice(len(gradients), n, replace=False) for _ in range(BATCHES))
        means = np.stack([gradients[index].mean(axis=0) for index in drawn])
    low, high = np.quantile(means, [0.25, 0.75], axis=0)
    spread = float((high - low).sum())
    if not spread > 0.0:
        then = "More than half of the batches are alike there: give `scale`, such as 1.0."
        raise bad_value("scale", "given where the batch noise has no interquartile range", None, then)
    return spread / (NORMAL_QUARTILES * float(deviations.sum())), tuple(point.tolist())


def covariance_factor(share: float, stability: float) -> float:
    """q with C = q Sigma_batch: exp(-(k . C k)^(a/2)) then has `share` times the quartiles of the normal law of Sigma_batch."""
    return (share * NORMAL_QUARTILES / stable_quartiles(stability)) ** 2
