"""Where the runs of every dynamics wait: loss, Hessian, gradient noise and its tails, and whether tails go with short stays.

The first runs of each dynamics are trained once more, up to the recorded step of each stay at which the gradient is smallest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...deep_linear import GradientNoise
from ...networks import extreme_eigenpairs, gradient_noise, saddle_index
from ...networks.loss_functions import LossFunctions
from ...randomness import private_generator
from ...statistics.tail_test import tail_test
from ..saddles import Saddle, kept, measures
from .analysis import Events
from .blocks import Block, Trained
from .spec import NetworkStudy

BATCHES = 4000  # whose noise is tested for tails
DIRECTIONS = 8  # of the most noise
DIGITS = 4  # of an index: what is the same everywhere must not be ranked by its rounding
NO_TAILS = (math.nan, "")


def inspect_saddles(study: NetworkStudy, found: Events, trained: Mapping[str, Trained], folder: Path) -> list[Saddle]:
    """The stays of the first runs of every dynamics at one learning rate; what lies in the folder is not looked at again."""
    count = min(study.spec.study.inspect, study.spec.study.runs)
    blocks = [Block(one, found.rate, 0, count) for one in study.spec.study.dynamics if count]
    return [s for block in blocks for s in _saddles_of(study, block, found, trained[block.dynamics.name], folder)]


def _saddles_of(study: NetworkStudy, block: Block, found: Events, trained: Trained, folder: Path) -> list[Saddle]:
    """Of one dynamics: its first runs are trained once more, up to where each is nearest."""
    name, count = block.dynamics.name, block.n_runs
    recorded = trained.runs
    nearest = {
        event: nearest_steps(recorded.steps, recorded.gradient_norm[:, :count], by_name[name][:count])
        for event, by_name in found.visits.items()
    }
    stays = {event: found.times[event][name][:count] for event in nearest}

    def look() -> list[Saddle]:
        steps = np.unique([step for each in nearest.values() for step in each if step >= 0])
        again = block.runs(study, steps) if steps.size else None
        saddles = []
        for event, each in nearest.items():
            for k in np.flatnonzero(each >= 0).tolist():
                assert again is not None
                n = int(np.searchsorted(steps, each[k]))
                measured = float(again.loss[n, k]), float(again.gradient_norm[n, k])
                where = (found.rate, event, name), k, int(each[k]), float(stays[event][k]), *measured
                saddles.append(Saddle(*where, *_place(study, again.kept[n, k].astype(float))))
        return saddles

    path = folder / f"saddles_{name.replace(' ', '-')}_{found.rate!r}.npz"
    return kept(path, look, *block.depends_on(study), nearest, stays)


def nearest_steps(steps: np.ndarray, gradient_norm: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """The recorded step (n_runs,) within each visit (n_runs, 2) at which the gradient is smallest; -1 where there is none."""
    at = steps[:, None]
    there = (visits[:, 0] <= at) & (at <= visits[:, 1]) & np.isfinite(gradient_norm)
    lowest = np.argmin(np.where(there, gradient_norm, np.inf), axis=0)
    return np.where(there.any(axis=0), steps[lowest], -1)


def _place(study: NetworkStudy, theta: np.ndarray) -> tuple[Any, ...]:
    """The entries of a Saddle from `negative` on."""
    net, batch = study.net, study.spec.study.batch_size
    noise = gradient_noise(net, theta, batch)
    seen = measures(saddle_index(net, theta), extreme_eigenpairs(net, theta, 1).values, noise)
    tail, verdict = tail_of_noise(net, theta, noise, batch)
    return (*seen, tail, math.nan, math.nan, verdict)


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
