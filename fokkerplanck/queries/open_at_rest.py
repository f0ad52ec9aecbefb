"""Stationary densities of open systems: what has left starts anew, or more is put in from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..errors import bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.source import changes
from ..results.measured import measured, open_errors, warn_of_density
from ..results.open_stationary import OpenStationary, StationaryReset
from ..results.processes import OneWay
from ..results.stats import StationaryStats
from ..solvers.discretization.resolution import resolution
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.evolution.open_system import Entering
from ..solvers.linear.occupation_until_exit import time_until_exit
from ..wall_and_grid_warnings import warn_of_resolution, warn_of_walls
from .entering import Asked


def open_at_rest(eq: FokkerPlanck, grid: Grid, asked: Asked, measure: bool) -> OpenStationary:
    """The stationary density where what leaves starts anew, or where a source puts in as much as leaves."""
    asked.check(eq)
    if changes(asked.source):
        then = "Give the `period` after which it repeats, or follow it with fp.solve."
        raise bad_value("source", "independent of time without `period`", asked.source, then)
    asked.on(grid)  # what it refuses comes first
    result = _balanced(eq, grid, asked.on)
    unit = 1.0 if asked.source is None else result.mass  # in which it is measured and judged as a probability
    result = result.in_units(1.0 / unit)
    if measure:

        def ask(other: FokkerPlanck, coarse: Grid) -> OpenStationary:
            return _balanced(other, coarse, partial(asked.on_coarser, grid)).in_units(1.0 / unit)

        result = measured(result, ask, eq, open_errors)
    result = replace(result, stats=StationaryStats.of(result.stats, resolution(result.generator, (result.masses,))))
    if result.error:
        warn_of_density(result, eq)
    else:
        warn_of_resolution(result.stats)
    warn_of_walls(eq, result.generator, None, result.masses)
    return result.in_units(unit)


def _balanced(eq: FokkerPlanck, grid: Grid, entering_on: Callable[[Grid], Entering]) -> OpenStationary:
    """The density on one grid, from what enters there."""
    q = generator(eq, grid)
    grid = q.grid
    reset, source, delay, *_ = entering_on(grid)
    entering = reset if source is None else source
    assert entering is not None
    spent = time_until_exit(q, entering, "reset" if source is None else "source")
    total = float(spent.sum())
    scale = 1.0 / (total + delay) if source is None else 1.0  # resets per time, as one takes total + delay
    rate = scale if source is None else float(source.sum())
    masses = (scale * spent).reshape(grid.shape)
    rates = {name: float((into * masses.ravel()).sum()) for name, into in q.ways_out.items()}
    lost = abs(sum(rates.values()) - rate) / rate
    d = eq.diffusion_at(Points.centers(grid))
    stats = StationaryStats(parts=1, residual=lost)
    kind = OpenStationary if source is not None else partial(StationaryReset, delay=delay)
    return kind(grid, masses / grid.volumes, OneWay(q), stats, d, rate=rate, rates=rates)
