"""What a drift reads of the density: averages, or the force of all pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.pair_force import PairForce
from .pair_forces import felt_on


def reader(eq: FokkerPlanck, grid: Grid) -> Callable[[np.ndarray], Any]:
    """From the shares of the cells (grid.size,), which sum to one, to what the interaction reads."""
    if eq.interaction is None:
        return lambda shares: np.zeros(0)
    if isinstance(eq.interaction, PairForce):
        return felt_on(eq.interaction, grid)
    values = eq.interaction.observed(Points.centers(grid).flat)
    return lambda shares: values @ shares
