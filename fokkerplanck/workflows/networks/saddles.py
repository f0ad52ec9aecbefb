"""Where the runs of every dynamics wait: loss, Hessian, gradient noise and its tails, and whether tails go with short stays.

The first runs of each dynamics are trained once more, up to the recorded step of each stay at which the gradient is smallest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...deep_linear import GradientNoise
from ...networks import extreme_eigenpairs, gradient_noise, saddle_index
from ...networks.loss_functions import LossFunctions
from ...randomness import private_generator
from ...statistics.tail_test import tail_test
from .analysis import Events
from .blocks import Block, Trained
from .spec import NetworkStudy

BATCHES = 4000  # whose noise is tested for tails
DIRECTIONS = 8  # of the most noise
DIGITS = 4  # of an index: what is the same everywhere must not be ranked by its rounding
NO_TAILS = (math.nan, "")


class Saddle(NamedTuple):
    """The parameters of one run where they wait.

    Attributes
    ----------
    rate, event, name, run, step
    stay : float
        Length of the stay; inf where the run does not leave.
    loss, gradient_norm : float
    negative, complete
        Eigenvalues of the Hessian below -1e-3 of the largest, and whether these are all.
    lowest, highest : float
        Eigenvalue.
    trace, dimension, cosine, curvature, in_lowest, in_highest : float
        Of the covariance C of the batch gradient; see `GradientNoise`.
    tail : float
        Smallest stability index of the noise of single batches over the directions of most noise: 2 for Gaussian noise.
    tails : str
        Verdict of the tail test; empty where the noise takes too few values for one.
    """

    rate: float
    event: str
    name: str
    run: int
    step: int
    stay: float
    loss: float
    gradient_norm: float
    negative: int
    complete: bool
    lowest: float
    highest: float
    trace: float
    dimension: float
    cosine: float
    curvature: float
    in_lowest: float
    in_highest: float
    tail: float
    tails: str


def inspect_saddles(study: NetworkStudy, found: Events, trained: Mapping[str, Trained]) -> list[Saddle]:
    """The stays of the first runs of every dynamics at one learning rate."""
    saddles: list[Saddle] = []
    count = min(study.spec.study.inspect, study.spec.study.runs)
    for one in study.spec.study.dynamics if count else ():
        recorded = trained[one.name].runs
        nearest = {
            event: nearest_steps(recorded.steps, recorded.gradient_norm[:, :count], by_name[one.name][:count])
            for event, by_name in found.visits.items()
        }
        steps = np.unique([step for each in nearest.values() for step in each if step >= 0])
        if not steps.size:
            continue
        again = Block(one, found.rate, 0, count).runs(study, steps)
        for event, each in nearest.items():
            for k in np.flatnonzero(each >= 0).tolist():
                n = int(np.searchsorted(steps, each[k]))
                stay = float(found.times[event][one.name][k])
                measures = (float(again.loss[n, k]), float(again.gradient_norm[n, k]))
                place = (found.rate, event, one.name, k, int(each[k]), stay, *measures)
                saddles.append(_saddle(study, again.kept[n, k].astype(float), place))
    return saddles


def nearest_steps(steps: np.ndarray, gradient_norm: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """The recorded step (n_runs,) within each visit (n_runs, 2) at which the gradient is smallest; -1 where there is none."""
    at = steps[:, None]
    there = (visits[:, 0] <= at) & (at <= visits[:, 1]) & np.isfinite(gradient_norm)
    lowest = np.argmin(np.where(there, gradient_norm, np.inf), axis=0)
    return np.where(there.any(axis=0), steps[lowest], -1)


def _saddle(
    study: NetworkStudy, theta: np.ndarray, place: tuple[float, str, str, int, int, float, float, float]
) -> Saddle:
    net, batch = study.net, study.spec.study.batch_size
    index, eigen = saddle_index(net, theta), extreme_eigenpairs(net, theta, 1).values
    noise = gradient_noise(net, theta, batch)
    half = noise.hessian_share.size // 2
    ten = min(10, half)
    shares = float(noise.hessian_share[:ten].sum()), float(noise.hessian_share[-ten:].sum())
    measures = (noise.trace, noise.effective_dimension, noise.cosine, noise.mean_curvature, *shares)
    ends = index.negative, index.complete, float(eigen[0]), float(eigen[-1])
    return Saddle(*place, *ends, *measures, *tail_of_noise(net, theta, noise, batch))


def tail_of_noise(net: LossFunctions, theta: np.ndarray, noise: GradientNoise, batch: int) -> tuple[float, str]:
    """Smallest index of single batches over the directions of most noise, and the verdict of the tail test on these."""
    directions = noise.directions[:, :DIRECTIONS]
    if not directions.size:
        return NO_TAILS
    slopes = net.slopes(theta, directions)
    rows = private_generator("batches of the noise").integers(0, len(slopes), (BATCHES, batch))
    drawn = slopes[rows].mean(axis=1)
    try:
        test = tail_test(drawn)
    except ValueError:  # few samples have any gradient here: the noise has too few values for an index
        return NO_TAILS
    smallest = float(np.nanmin(test.by_axis[0])) if test.sums[0] == 1 else math.nan
    return round(smallest, DIGITS), test.verdict
