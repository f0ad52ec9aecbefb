"""Basins of attraction."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from .arguments import call, fields, instance
from .errors import ResolutionWarning, bad_value, warn
from .model.coefficients import Points
from .model.grid import Grid


def basins(landscape: Any, grid: Grid) -> np.ndarray:
    """The basin of each cell: which minimum steepest descent from cell to cell, along axes and diagonals, ends in.

    Parameters
    ----------
    landscape : callable or array (*grid.shape)
        A potential or loss, or `Stationary.energy()`. Infinite values belong to the basin of their lowest neighbour.
    grid : Grid

    Returns
    -------
    ndarray of int (*grid.shape)
        0 for the basin of the lowest minimum, 1 for the next, and so on. `basins(...) == 0` serves as a target.

    Warns
    -----
    ResolutionWarning
        Where a minimum among the cells is none of the parabola through its neighbours.
    """
    instance("grid", grid, Grid, "a Grid")
    values = call("landscape", landscape, Points.centers(grid).coords) if callable(landscape) else landscape
    values = fields("landscape", values, f"a field of the grid's shape {grid.shape}").astype(float)
    if values.shape != grid.shape or np.isnan(values).any():
        raise bad_value("landscape", f"a field of the grid's shape {grid.shape} without nan", f"shape {values.shape}")
    cell = _downhill(values, grid)
    while True:
        further = cell[cell]
        if (further == cell).all():
            break
        cell = further
    minima = np.unique(cell)
    doubtful = _doubtful(values, minima, grid)
    if doubtful:
        warn(
            f"{doubtful} of {minima.size} minima are not resolved: a flat floor, or an oblique valley narrower than the cells, "
            "falls apart into basins that are none. Take more cells, or join them.",
            ResolutionWarning,
        )
    rank = np.empty(grid.size, dtype=int)
    rank[minima[np.argsort(values.ravel()[minima], kind="stable")]] = np.arange(minima.size)
    return rank[cell].reshape(grid.shape)


def _downhill(values: np.ndarray, grid: Grid) -> np.ndarray:
    """For each raveled cell the neighbour, along axes and diagonals, it falls to most steeply, or itself."""
    numbers = np.arange(grid.size).reshape(grid.shape)
    best, steepest = numbers.copy(), np.where(np.isinf(values), -np.inf, 0.0)
    for offset in product((-1, 0, 1), repeat=grid.dim):
        if not any(offset):
            continue
        there, exists = _moved(values, offset, grid)
        with np.errstate(invalid="ignore"):
            slope = np.where(np.isinf(values), -there, (values - there) / _distance(offset, grid))
        better = exists & (there < values) & (slope > steepest)
        best = np.where(better, _moved(numbers, offset, grid)[0], best)
        steepest = np.where(better, slope, steepest)
    return best.ravel()


def _moved(values: np.ndarray, offset: tuple[int, ...], grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """What stands at a neighbour of each cell, and whether there is such a cell."""
    exists = np.ones(grid.shape, dtype=bool)
    for axis, step in enumerate(offset):
        if step and not grid.periodic(axis):
            edge = [slice(None)] * grid.dim
            edge[axis] = slice(-1, None) if step == 1 else slice(0, 1)
            exists[tuple(edge)] = False
    return np.roll(values, tuple(-step for step in offset), tuple(range(grid.dim))), exists


def _distance(offset: tuple[int, ...], grid: Grid) -> np.ndarray:
    """From the center of each cell to that of a neighbour."""
    square = np.zeros(grid.shape)
    for axis, step in enumerate(offset):
        between = 0.5 * step * (grid.widths[axis] + np.roll(grid.widths[axis], -step))
        square += (between**2).reshape([-1 if a == axis else 1 for a in range(grid.dim)])
    return np.sqrt(square)


def _doubtful(values: np.ndarray, minima: np.ndarray, grid: Grid) -> int:
    """How many minima (raveled) are none of the parabola through their neighbours, but more than a cell from its own."""
    cells, axes = np.stack(np.unravel_index(minima, grid.shape), axis=-1), np.eye(grid.dim, dtype=int)
    ends = np.array([not grid.periodic(axis) for axis in range(grid.dim)])

    def at(offset: np.ndarray) -> np.ndarray:
        place = cells + offset
        outside = (ends & ((place < 0) | (place >= grid.shape))).any(axis=1)
        return np.where(outside, np.inf, values[tuple((place % grid.shape).T)])

    with np.errstate(invalid="ignore"):
        slope = np.stack([at(a) - at(-a) for a in axes], axis=-1) / 2.0
        bend = np.stack([np.stack([_bend(at, a, b) for b in axes], axis=-1) for a in axes], axis=-1)
    known = np.isfinite(slope).all(axis=1) & np.isfinite(bend).all(axis=(1, 2))
    slope, bend = slope[known], bend[known]
    curved = np.linalg.eigvalsh(bend)[:, 0] > 0.0
    away = np.linalg.solve(bend[curved], slope[curved][..., None])
    return int((~curved).sum() + (np.abs(away).max(axis=(1, 2)) > 1.0).sum())


def _bend(at: Callable[[np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if (a == b).all():
        return at(a) - 2.0 * at(0 * a) + at(-a)
    return (at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / 4.0
