"""The integral over time of what has not arrived: the mean time of arrival.

Each panel of time is measured by Lobatto's rule of five places and by Simpson's on three of them; where these differ, as where
a target covers much at one moment, it is cut into parts and the paths are followed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

NODES = np.array([0.0, 0.5 - np.sqrt(3.0 / 28.0), 0.5, 0.5 + np.sqrt(3.0 / 28.0)])  # and 1, the first of the next panel
LOBATTO, SIMPSON = np.array([9.0, 49.0, 64.0, 49.0, 9.0]) / 180.0, np.array([1.0, 0.0, 4.0, 0.0, 1.0]) / 6.0
PANELS, PARTS, PASSES = 32, 8, 20  # of a stretch at first, of a panel that is cut, and how often that is done


class Followed(Protocol):
    """Paths that are followed in time."""

    def copy(self) -> Followed:
        """The same, to be followed on their own."""

    def totals(self, times: np.ndarray, rtol: float) -> Iterator[tuple[float, float]]:
        """What has not arrived at increasing times, and how much arrives per time."""


class Spent(NamedTuple):
    """The integral of what is left over a stretch of time, what both rules differ by, what is left, and the paths then."""

    time: float
    off: float
    left: float
    paths: Followed


def time_spent_until(stop: float, paths: Followed, start: float, rtol: float, before: float = 0.0) -> Spent:
    """The integral from `start` to `stop`, to rtol of itself and of that `before`; what is left has errors of rtol itself."""
    edges = np.linspace(start, stop, PANELS + 1)
    for _ in range(PASSES):
        run, lengths = paths.copy(), np.diff(edges)
        times = np.append((edges[:-1, None] + NODES * lengths[:, None]).ravel(), stop)
        left = np.array([share for share, _ in run.totals(times, rtol)])
        in_panels = np.stack([left[k : k + 4 * lengths.size : 4] for k in range(5)], axis=1)
        spent, off = lengths * (in_panels @ LOBATTO), np.abs(lengths * (in_panels @ (LOBATTO - SIMPSON)))
        poor = off > rtol * np.maximum((before + float(spent.sum())) / off.size, spent)
        if not poor.any():
            break
        edges = np.concatenate([*(_cut(edges, k, poor[k]) for k in range(poor.size)), [stop]])
    return Spent(float(spent.sum()), float(off.sum()), float(left[-1]), run)


def _cut(edges: np.ndarray, k: int, poor: bool) -> np.ndarray:
    """Where the parts of panel k begin."""
    return np.linspace(edges[k], edges[k + 1], PARTS, endpoint=False) if poor else edges[k : k + 1]
