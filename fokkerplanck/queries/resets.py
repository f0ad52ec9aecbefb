"""Stationary densities of what starts anew whenever it has left the box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..errors import bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import initial_masses
from ..results.measured import measured, reset_errors, warn_of_density
from ..results.processes import InTime
from ..results.reset import StationaryReset
from ..results.stats import StationaryStats
from ..solvers.accuracy.coarsening import start_on_coarser
from ..solvers.discretization.resolution import resolution
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.linear.resets import time_until_exit
from ..wall_and_grid_warnings import warn_of_resolution, warn_of_walls


def with_resets(eq: FokkerPlanck, grid: Grid, reset: Any, delay: float, measure: bool) -> StationaryReset:
    """The stationary density of what starts anew whenever it leaves."""
    if eq.time_order < 1.0:
        raise bad_value("eq", "without memory for resets", eq, "Waiting makes the time between them infinite.")
    initial_masses(reset, grid, "reset")
    result = _renewed(eq, grid, lambda there: initial_masses(reset, there, "reset")[0], delay)
    if measure:

        def ask(other: FokkerPlanck, coarse: Grid) -> StationaryReset:
            return _renewed(other, coarse, partial(start_on_coarser, reset, grid), delay)

        result = measured(result, ask, eq, reset_errors)
    result = replace(result, stats=StationaryStats.of(result.stats, resolution(result.generator, (result.masses,))))
    if result.error:
        warn_of_density(result, eq)
    else:
        warn_of_resolution(result.stats)
    warn_of_walls(eq, result.generator, None, result.masses)
    return result


def _renewed(eq: FokkerPlanck, grid: Grid, start_on: Callable[[Grid], np.ndarray], delay: float) -> StationaryReset:
    """The density with resets on one grid, from the masses (*grid.shape) of a reset there."""
    q = generator(eq, grid)
    grid = q.grid
    spent = time_until_exit(q, start_on(grid).ravel())
    total = float(spent.sum())
    if not np.isfinite(total):
        then = "Make a wall absorbing, or give the equation a killing rate."
        raise bad_value(
            "reset", "a density from which the box is left for certain", "one from which it may not be", then
        )
    rate = 1.0 / (total + delay)
    masses = (rate * spent).reshape(grid.shape)
    rates = {name: float(into @ masses.ravel()) for name, into in q.ways_out.items()}
    lost = abs(sum(rates.values()) - rate) / rate
    d = eq.diffusion_at(Points.centers(grid))
    stats = StationaryStats(parts=1, residual=lost)
    density = masses / grid.volumes
    message = f"{rate:.6g} resets per time"
    return StationaryReset(grid, density, InTime(q), stats, d, message=message, rate=rate, rates=rates, delay=delay)
