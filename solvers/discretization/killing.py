"""A killing rate as a way out of every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.region import places_of_cells
from .generator import Exit, Generator

WITHIN = {1: 16, 2: 4, 3: 2}  # places along each axis of a cell, over which a function is averaged
CLOSER, MOST = 1024, 300_000  # places in each of the cells in which it varies most, and in all of these
VARIES = 1e-3  # of its largest rate: a cell in which it varies less is not looked at closer
JUMP = 0.25  # of its range over the box: what varies as much within a cell is not resolved


def with_killing(eq: FokkerPlanck, base: Generator) -> Generator:
    """The generator with an exit from each cell at the mean killing rate in it."""
    rates = _means(eq, base.grid).ravel()
    cells = np.flatnonzero(rates > 0.0)
    return replace(base, exits=(*base.exits, Exit(-1, 0, cells, rates[cells], name="killing")))


def _means(eq: FokkerPlanck, grid: Grid) -> np.ndarray:
    """Mean rate in each cell, (*grid.shape): from even places, and from many more where it jumps or is steep."""
    if not callable(eq.killing):
        return eq.killing_at(Points.centers(grid))
    means, least, most = _looked_at(eq, grid)
    spread = (most - least).ravel()
    cells = np.argsort(-spread, kind="stable")[: MOST // CLOSER]
    cells = np.sort(cells[spread[cells] > VARIES * most.max()])
    means.reshape(-1)[cells] = _rates(eq, tuple(places_of_cells(grid, cells, CLOSER))).mean(axis=0)
    return means


def killing_jumps(eq: FokkerPlanck, grid: Grid) -> bool:
    """Whether the rate varies within some cell by much of all that it varies by."""
    if not callable(eq.killing):
        return False
    _, least, most = _looked_at(eq, grid)
    return bool((most - least).max() > JUMP * (most.max() - least.min()))


def _looked_at(eq: FokkerPlanck, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, smallest and largest rate over even places in each cell, (*grid.shape)."""
    count = WITHIN[grid.dim]
    total, least, most = np.zeros(grid.shape), np.full(grid.shape, np.inf), np.zeros(grid.shape)
    for coords in grid.places(count):
        rates = _rates(eq, coords)
        total, least, most = total + rates, np.minimum(least, rates), np.maximum(most, rates)
    return total / count**grid.dim, least, most


def _rates(eq: FokkerPlanck, coords: tuple[np.ndarray, ...]) -> np.ndarray:
    return eq.killing_at(Points(coords, lambda values: values))
