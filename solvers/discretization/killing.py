"""A killing rate as a way out of every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .generator import Exit, Generator

WITHIN = {1: 16, 2: 4, 3: 2}  # places along each axis of a cell, over which a function is averaged


def with_killing(eq: FokkerPlanck, base: Generator) -> Generator:
    """The generator with an exit from each cell at the mean killing rate in it."""
    rates = _means(eq, base.grid).ravel()
    cells = np.flatnonzero(rates > 0.0)
    return replace(base, exits=(*base.exits, Exit(-1, 0, cells, rates[cells], name="killing")))


def _means(eq: FokkerPlanck, grid: Grid) -> np.ndarray:
    """Mean rate in each cell, (*grid.shape)."""
    if not callable(eq.killing):
        return eq.killing_at(Points.centers(grid))
    count = WITHIN[grid.dim]
    total = np.zeros(grid.shape)
    for coords in grid.places(count):
        total += eq.killing_at(Points(coords, lambda values: values))
    return total / count**grid.dim
