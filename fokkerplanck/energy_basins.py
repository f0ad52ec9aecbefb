"""Basins of attraction."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import call, fields, instance
from .errors import bad_value
from .model.coefficients import Points
from .model.grid import Grid


def basins(landscape: Any, grid: Grid) -> np.ndarray:
    """The basin of each cell: which minimum steepest descent from cell to cell ends in.

    Parameters
    ----------
    landscape : callable or array (*grid.shape)
        A potential or loss, or `Stationary.energy()`. Infinite values belong to the basin of their lowest neighbour.
    grid : Grid

    Returns
    -------
    ndarray of int (*grid.shape)
        0 for the basin of the lowest minimum, 1 for the next, and so on. `basins(...) == 0` serves as a target.
    """
    instance("grid", grid, Grid, "a Grid")
    values = call("landscape", landscape, Points.centers(grid).coords) if callable(landscape) else landscape
    values = fields("landscape", values, f"a field of the grid's shape {grid.shape}").astype(float)
    if values.shape != grid.shape or np.isnan(values).any():
        raise bad_value("landscape", f"a field of the grid's shape {grid.shape} without nan", f"shape {values.shape}")
    cell = _lowest_neighbour(values, grid)
    while True:
        further = cell[cell]
        if (further == cell).all():
            break
        cell = further
    minima = np.unique(cell)
    rank = np.empty(grid.size, dtype=int)
    rank[minima[np.argsort(values.ravel()[minima], kind="stable")]] = np.arange(minima.size)
    return rank[cell].reshape(grid.shape)


def _lowest_neighbour(values: np.ndarray, grid: Grid) -> np.ndarray:
    """For each raveled cell the lowest of itself and its neighbours along the axes."""
    numbers = np.arange(grid.size).reshape(grid.shape)
    best, lowest = numbers.copy(), values.copy()
    for axis in range(grid.dim):
        for shift in (1, -1):
            neighbour, there = np.roll(numbers, shift, axis), np.roll(values, shift, axis)
            better = there < lowest
            if not grid.periodic(axis):
                edge = [slice(None)] * grid.dim
                edge[axis] = slice(0, 1) if shift == 1 else slice(-1, None)
                better[tuple(edge)] = False
            best, lowest = np.where(better, neighbour, best), np.where(better, there, lowest)
    return best.ravel()
