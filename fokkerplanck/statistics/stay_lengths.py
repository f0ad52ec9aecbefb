"""Time order from the lengths of stays: how long paths stay where they are, in rows of a record."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .waiting_law import Fit, most_likely

LEAST = 3  # rows from which on a stay counts
FEWEST = 10  # stays that tell anything
CHANGED = 3.5  # standard errors of the longer stays by which they may differ from all


class StayOrder(NamedTuple):
    """The time order, its standard error (nan: too few stays), T in rows, the stays that it is from, and its interval of 95 %.

    The interval need not be even: where short stays are missing, T may be anything below a row, or a larger T and a lower
    order take its place.
    """

    time_order: float
    error: float
    scale: float
    n_stays: int
    shortest: int
    low: float
    high: float


def stay_lengths(runs: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each stay of runs (n_steps, dim), and whether its end was seen; the first of each run is left out."""
    lengths, ended = [np.empty(0, dtype=int)], [np.empty(0, dtype=bool)]
    for run in runs:
        known = np.isfinite(run).all(axis=1)
        gaps = np.flatnonzero(~known)
        for part in np.split(run, gaps):
            part = part[np.isfinite(part).all(axis=1)]
            starts = np.flatnonzero((np.diff(part, axis=0) != 0.0).any(axis=1)) + 1
            if starts.size:
                rows = np.diff(np.append(starts, len(part)))
                long = rows >= LEAST
                seen = np.arange(rows.size) < rows.size - 1
                lengths.append(rows[long])
                ended.append(seen[long])
    return np.concatenate(lengths), np.concatenate(ended)


def order_of_stays(lengths: np.ndarray, ended: np.ndarray) -> StayOrder:
    """The time order of stays of three rows or more; of longer ones where the shorter do not follow their law."""
    n = int(ended.sum())
    if n < FEWEST:
        return StayOrder(1.0, math.nan, math.nan, n, LEAST, 0.0, 1.0)
    fits: list[tuple[int, Fit]] = []
    shortest = LEAST
    while (ended & (lengths >= shortest)).sum() >= (FEWEST if not fits else 3 * FEWEST):
        fits.append((shortest, most_likely(lengths, ended, shortest)))
        shortest *= 2
    at = 0
    while at < len(fits) - 1 and any(other.excludes(fits[at][1].order, CHANGED) for _, other in fits[at + 1 :]):
        at += 1
    shortest, fit = fits[at]
    low, high = fit.interval()
    return StayOrder(fit.order, fit.error, fit.scale, int((lengths >= shortest).sum()), shortest, low, high)
