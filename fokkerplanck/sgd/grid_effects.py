"""What a grid does to a step of SGD: how far its columns spread, and what passes its walls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from ..model.grid import Grid

FARTHER = np.array([2.0, 4.0, 8.0])  # distances from the middle of the box, in units of its half width


def growth_beyond(grid: Grid, clamped: np.ndarray, maps: Callable, weights: np.ndarray) -> float:
    """See `TransferOperator.growth`: from points two, four and eight times as far out as the reflecting walls."""
    if not clamped.any():
        return -np.inf
    middle = np.array([0.5 * (e[0] + e[-1]) for e in grid.edges])
    half = np.array([0.5 * (e[-1] - e[0]) for e in grid.edges])
    growths = [-np.inf]
    for axis in range(grid.dim):
        for side, wall in zip((-1.0, 1.0), grid.boundary[axis], strict=True):
            if wall != "reflecting":
                continue
            points = middle[:, None] + side * np.eye(grid.dim)[:, [axis]] * half[axis] * FARTHER
            with np.errstate(all="ignore"):
                moved = np.abs(np.asarray(maps(points))[:, axis] - middle[axis]) / np.abs(points[axis] - middle[axis])
                near, _, far = weights @ np.log(np.maximum(np.nan_to_num(moved, nan=np.inf), 1e-300))
            growths.append(
                float(far) if far > 0.5 * near else min(float(far), 0.0)
            )  # a mere drift: falls as 1 / distance
    return max(growths)


def spread_of_columns(matrix: sp.csc_array, x: np.ndarray) -> np.ndarray:
    """Variance of x over each column, in two passes, of what remains in the box."""
    weights = np.asarray(matrix.sum(axis=0)).ravel()
    mean = np.divide(matrix.T @ x, weights, out=np.zeros_like(weights), where=weights > 0.0)
    columns = np.repeat(np.arange(weights.size), np.diff(matrix.indptr))
    square = matrix.data * (x[matrix.indices] - mean[columns]) ** 2
    total = np.bincount(columns, weights=square, minlength=weights.size)
    return np.divide(total, weights, out=np.zeros_like(weights), where=weights > 0.0)
