"""The coefficients of an equation at any places along an axis of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .quadrature import derivative, gauss

Pull = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class AxisReader:
    """Drift and diffusion along an axis, on any of the lines of cells that run along it.

    Parameters
    ----------
    eq, grid, axis, t
        What is read, and when.
    pull : callable, optional
        A drift besides, from coordinates along the axis.
    """

    eq: FokkerPlanck
    grid: Grid
    axis: int
    t: float
    pull: Pull | None = None

    def diffusion(self, line: np.ndarray, x: np.ndarray) -> np.ndarray:
        """D along the axis on the lines (k,) at the places x (q, k)."""
        return self.eq.diffusion_at(self._points(line, x), self.t)[self.axis]

    def read(self, line: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drift and D (q, k) at the Gauss nodes of pieces from `start` to `end`, on the lines; (k,) each.

        A potential counts by the derivative of the polynomial through its values at the nodes and at both ends.
        """
        eq, nodes = self.eq, gauss()[0]
        x = start + nodes[:, None] * (end - start)
        points = self._points(line, x)
        drift = eq.drift_at(points, self.t)[self.axis]
        if self.pull is not None:
            drift = drift + self.pull(x)
        if eq.potential is not None:
            v = eq.potential_at(self._points(line, np.concatenate([start[None], x, end[None]])), self.t)
            drift = drift - derivative() @ (v - v[:1]) / (end - start)
        return drift, eq.diffusion_at(points, self.t)[self.axis]

    def _points(self, line: np.ndarray, x: np.ndarray) -> Points:
        """Places x (q, k) on the lines (k,), numbered as the cells across the axis in C order."""
        grid, axis = self.grid, self.axis
        edges = grid.edges[axis]
        if grid.periodic(axis):
            x = edges[0] + np.mod(x - edges[0], edges[-1] - edges[0])
        across = [n for a, n in enumerate(grid.shape) if a != axis]
        places = list(np.unravel_index(line, across)) if across else []
        coords = [grid.centers[a][i] for a, i in zip((a for a in range(grid.dim) if a != axis), places, strict=True)]
        coords.insert(axis, x)

        def from_cells(values: np.ndarray) -> np.ndarray:
            if values.shape != grid.shape:
                raise ValueError
            low, share = self._between(x)
            rows = np.moveaxis(values, axis, 0).reshape(grid.shape[axis], -1)
            high = (low + 1) % len(rows)
            return (1.0 - share) * rows[low, line] + share * rows[high, line]

        return Points(tuple(np.broadcast_to(c, x.shape) for c in coords), from_cells)

    def _between(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cell whose center lies below each x along the axis, and how far x is on the way to the next one."""
        centers, edges, n = self.grid.centers[self.axis], self.grid.edges[self.axis], self.grid.shape[self.axis]
        if self.grid.periodic(self.axis):
            period = edges[-1] - edges[0]
            low = np.searchsorted(centers, x, side="right") - 1
            start = np.where(low < 0, centers[-1] - period, centers[low])
            end = np.where(low == n - 1, centers[0] + period, centers[(low + 1) % n])
            return low % n, (x - start) / (end - start)
        if n == 1:
            return np.zeros(x.shape, dtype=int), np.zeros(x.shape)
        low = np.clip(np.searchsorted(centers, x, side="right") - 1, 0, n - 2)
        return low, np.clip((x - centers[low]) / (centers[low + 1] - centers[low]), 0.0, 1.0)
