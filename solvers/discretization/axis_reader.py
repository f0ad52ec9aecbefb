"""The coefficients of an equation at any places along an axis of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .quadrature import derivative, gauss

Pull = Callable[[Points], np.ndarray]


def along_axis(diffusion: np.ndarray, axis: int, points: Points) -> np.ndarray:
    """D along an axis, (*points.shape), of a tensor or its diagonal."""
    return diffusion[axis, axis] if diffusion.ndim == len(points.shape) + 2 else diffusion[axis]


@dataclass(frozen=True, eq=False)
class AxisReader:
    """Drift and diffusion along an axis, on any of the lines of cells that run along it.

    Parameters
    ----------
    eq, grid, axis, t
        What is read, and when.
    pull : callable, optional
        A drift besides along the axis, from points.
    """

    eq: FokkerPlanck
    grid: Grid
    axis: int
    t: float
    pull: Pull | None = None

    def diffusion(self, line: np.ndarray, x: np.ndarray) -> np.ndarray:
        """D along the axis on the lines (k,) at the places x (q, k)."""
        return self._diffusion(self._points(line, x))

    def _diffusion(self, points: Points) -> np.ndarray:
        """D along the axis. Beside a zero of D rounding may take it below: that is zero."""
        return np.maximum(along_axis(self.eq.diffusion_at(points, self.t, check=False), self.axis, points), 0.0)

    def read(self, line: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drift and D (q, k) at the Gauss nodes of pieces from `start` to `end`, on the lines; (k,) each.

        A potential counts by the derivative of the polynomial through its values at the nodes and at both ends.
        """
        eq, nodes = self.eq, gauss()[0]
        x = start + nodes[:, None] * (end - start)
        points = self._points(line, x)
        drift = eq.drift_at(points, self.t)[self.axis]
        if self.pull is not None:
            drift = drift + self.pull(points)
        if eq.potential is not None:
            places = self._points(line, np.concatenate([start[None], x, end[None]]), beyond=True)
            v = eq.potential_at(places, self.t)
            drift = drift - derivative() @ (v - v[:1]) / (end - start)
        return drift, self._diffusion(points)

    def _points(self, line: np.ndarray, x: np.ndarray, beyond: bool = False) -> Points:
        """Places x (q, k) on the lines (k,), numbered as the cells across the axis in C order.

        beyond: whether arrays go on between a wall and the cell center beside it by the parabola through the three cells there,
        else they are constant.
        """
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
            inner = np.clip(share, 0.0, 1.0)
            result = (1.0 - inner) * rows[low, line] + inner * rows[high, line]
            return _continued(grid.centers[axis], rows, line, x, result) if beyond and len(rows) > 2 else result

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
        return low, (x - centers[low]) / (centers[low + 1] - centers[low])


def _continued(
    centers: np.ndarray, rows: np.ndarray, line: np.ndarray, x: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """Values at places x (q, k) on lines (k,), outside the first and the last center by a parabola, (q, k)."""
    result = inside
    for end, beyond in ((slice(0, 3), x < centers[0]), (slice(-3, None), x > centers[-1])):
        if beyond.any():
            a, b, c = centers[end]
            u, v, w = (row[line] for row in rows[end])
            parabola = u * (x - b) * (x - c) / ((a - b) * (a - c)) + v * (x - a) * (x - c) / ((b - a) * (b - c))
            result = np.where(beyond, parabola + w * (x - a) * (x - b) / ((c - a) * (c - b)), result)
    return result
