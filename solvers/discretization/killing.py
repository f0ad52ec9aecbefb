"""A killing rate as a way out of every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...model.cell_means import Read, cell_means, jumps_in_cells
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .generator import Exit, Generator


def with_killing(eq: FokkerPlanck, base: Generator) -> Generator:
    """The generator with an exit from each cell at the mean killing rate in it."""
    constant = not callable(eq.killing)
    rates = eq.killing_at(Points.centers(base.grid)) if constant else cell_means(_rates(eq), base.grid)
    rates = rates.ravel()
    cells = np.flatnonzero(rates > 0.0)
    return replace(base, exits=(*base.exits, Exit(-1, 0, cells, rates[cells], name="killing")))


def killing_jumps(eq: FokkerPlanck, grid: Grid) -> bool:
    """Whether the rate varies within some cell by much of all that it varies by."""
    return callable(eq.killing) and jumps_in_cells(_rates(eq), grid)


def _rates(eq: FokkerPlanck) -> Read:
    return lambda coords: eq.killing_at(Points(tuple(coords), lambda values: values))
