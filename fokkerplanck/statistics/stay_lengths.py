"""Time order from the lengths of stays: how long paths stay where they are, in rows of a record."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .waiting_law import most_likely

LEAST = 3  # rows from which on a stay counts
FEWEST = 10  # stays that tell anything
CHANGED = 3.5  # standard errors


class StayOrder(NamedTuple):
    """The most likely time order, its standard error (nan: too few stays), T in rows, and the stays that it is from."""

    time_order: float
    error: float
    scale: float
    n_stays: int
    shortest: int


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
        return StayOrder(1.0, math.nan, math.nan, n, LEAST)
    fits: list[tuple[int, float, float, float]] = []
    shortest = LEAST
    while (ended & (lengths >= shortest)).sum() >= (FEWEST if not fits else 3 * FEWEST):
        fits.append((shortest, *most_likely(lengths, ended, shortest)))
        shortest *= 2
    at = 0
    while at < len(fits) - 1 and any(_differ(fits[at], other) for other in fits[at + 1 :]):
        at += 1
    shortest, order, error, scale = fits[at]
    return StayOrder(order, error, scale, int((lengths >= shortest).sum()), shortest)


def _differ(one: tuple[int, float, float, float], other: tuple[int, float, float, float]) -> bool:
    """Whether a fit to longer stays, which are among those of the first, has another order."""
    spread = math.sqrt(max(other[2] ** 2 - one[2] ** 2, 1e-4))
    return abs(other[1] - one[1]) > CHANGED * spread
