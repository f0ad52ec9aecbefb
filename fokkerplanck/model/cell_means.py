"""Means of a function over cells, from even places in each and from many more where it jumps or is steep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from .grid import Grid
from .region import CORNERS, places_of_cells

WITHIN = {1: 16, 2: 4, 3: 2}  # places along each axis of every cell
CLOSER, MOST = 1024, 300_000  # places in each of the cells in which it varies most, and in all of these
VARIES = 1e-3  # of its largest size: a cell in which it varies less is not looked at closer
JUMP = 0.25  # of its range over the box: what varies as much within a cell is not resolved

Read = Callable[[Sequence[np.ndarray]], np.ndarray]  # values at coordinates of one shape


def cell_means(read: Read, grid: Grid) -> np.ndarray:
    """Means over the cells, (*grid.shape)."""
    return _closer(read, grid, *_looked_at(read, grid))


def means_of_jumps(read: Read, grid: Grid) -> np.ndarray | None:
    """Means over the cells where the function jumps inside some of them, else None."""
    means, least, most = _looked_at(read, grid)
    return _closer(read, grid, means, least, most) if _jumps(least, most) else None


def jumps_in_cells(read: Read, grid: Grid) -> bool:
    """Whether the function varies within some cell by much of all that it varies by."""
    return _jumps(*_looked_at(read, grid)[1:])


def _jumps(least: np.ndarray, most: np.ndarray) -> bool:
    return bool((most - least).max() > JUMP * (most.max() - least.min()))


def _closer(read: Read, grid: Grid, means: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The means, from many places in the cells in which the function varies most."""
    spread = (most - least).ravel()
    cells = np.argsort(-spread, kind="stable")[: MOST // CLOSER]
    cells = np.sort(cells[spread[cells] > VARIES * np.abs([least, most]).max()])
    if cells.size:
        places = places_of_cells(grid, cells, CLOSER).reshape(grid.dim, -1)
        means.reshape(-1)[cells] = read(tuple(places)).reshape(CLOSER, -1).mean(axis=0)
    return means


def _looked_at(read: Read, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over even places in each cell, smallest and largest value there and in its corners, (*grid.shape)."""
    count = WITHIN[grid.dim]
    total, least, most = np.zeros(grid.shape), np.full(grid.shape, np.inf), np.full(grid.shape, -np.inf)
    for coords in grid.places(count):
        values = read(coords)
        total, least, most = total + values, np.minimum(least, values), np.maximum(most, values)
    for corner in product(CORNERS, repeat=grid.dim):
        parts = [e[:-1] + w * share for e, w, share in zip(grid.edges, grid.widths, corner, strict=True)]
        values = read(np.meshgrid(*parts, indexing="ij"))
        least, most = np.fmin(least, values), np.fmax(most, values)
    return total / count**grid.dim, least, most
