"""The stationary density; with periodic coefficients, resets and interactions by files of their own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, overload

import numpy as np

from ..arguments import flag
from ..errors import bad_value
from ..model.box import Box, free_of_cells
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import initial_masses
from ..results.measured import (
    measured,
    stationary_errors,
    warn_of_rest,
)
from ..results.open_stationary import OpenStationary, StationaryReset
from ..results.solution import Solution
from ..results.stationary import Stationary
from ..results.stats import StationaryStats
from ..results.tolerance import to_tolerance
from ..solvers.accuracy.coarsening import start_on_coarser
from ..solvers.discretization.resolution import resolution
from ..solvers.linear.irreversibility import net_flow_share
from ..wall_and_grid_warnings import (
    box_error,
    warn_of_resolution,
    warn_of_slow_convergence,
    warn_of_tail,
    warn_of_untreated,
    warn_of_walls,
)
from .at_rest import at_rest
from .checks import autonomous
from .entering import Asked
from .open_at_rest import open_at_rest
from .periodic_state import periodic
from .self_consistent import interacting

BALANCED = 1e-9  # net flow through the links, of the traffic both ways: below, a density is as exact as without any


@overload
def stationary(
    eq: FokkerPlanck, grid: Grid | Box, p0: Any = None, *, error: bool = True, tol: float | None = None
) -> Stationary: ...
@overload
def stationary(
    eq: FokkerPlanck,
    grid: Grid | Box,
    p0: Any = None,
    *,
    period: float,
    breaks: Any = None,
    max_step: float | None = None,
    reset: Any = None,
    source: Any = None,
    error: bool = True,
    tol: float | None = None,
) -> Solution: ...
@overload
def stationary(
    eq: FokkerPlanck, grid: Grid | Box, *, reset: Any, delay: float = 0.0, error: bool = True, tol: float | None = None
) -> StationaryReset: ...


@overload
def stationary(
    eq: FokkerPlanck, grid: Grid | Box, *, source: Any, error: bool = True, tol: float | None = None
) -> OpenStationary: ...


def stationary(
    eq: FokkerPlanck,
    grid: Grid | Box,
    p0: Any = None,
    *,
    period: float | None = None,
    breaks: Any = None,
    max_step: float | None = None,
    reset: Any = None,
    delay: float = 0.0,
    source: Any = None,
    error: bool = True,
    tol: float | None = None,
) -> Stationary | Solution:
    """The stationary density, or with coefficients that repeat the density that repeats with them.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid, or with `tol` a Box
    p0 : initial density, optional
        Where several parts of the box are closed, each has a stationary density of its own; p0 then says how much
        probability ends up in each. With an interaction there may be several stationary states: the one is found that p0
        leads to, by default from the stationary density without interaction.
    period : number, optional
        Of coefficients, or a source, with a parameter `t`.
    breaks, max_step : optional
        With `period`: times at which coefficients jump, in whatever period, and the longest step in time, as in `solve`. Pulses
        that last less than 1/4000 of the period are seen only where they are named.
    reset : initial density, optional
        Where what leaves the box enters again, such as `fp.point(0.0)`; the `rate` of the result is that of the resets, with
        `period` at each phase.
    delay : float
        Time that passes outside at each reset, such as a refractory time.
    source : number, function of the coordinates, array on the grid or (rate, density), optional
        s >= 0 in L p + s = 0, see `solve`: the density where as much leaves as is put in; its mass is that, times the mean time
        from entering until leaving. With `period` it, or a coefficient, changes, and so does the mass; the result is an
        OpenSolution.
    error : bool
        Whether to measure the error on two coarser grids, see `solve`.
    tol : number, optional
        Error allowed in the 1-norm of the density. The cells are then chosen, see `solve`.

    Returns
    -------
    Stationary; with `period` a Solution, whose times are the phases of one period; with `reset` a StationaryReset, with
    `source` an OpenStationary
        With an interaction `stability` says whether small perturbations of the state decay, and a warning says if they grow.

    Raises
    ------
    ValueError
        If the stationary density is not unique (without p0), or does not exist as absorbing walls take everything.
    ConvergenceError
        If leaving a well takes so many jumps between cells that rounding would decide the weights of the wells, a current
        flows, there are more than 32 wells, and the grid is too large for an elimination without subtraction (some 400^2
        cells); or if what passes between wells is below the smallest number. With an interaction, if the density does not come
        to rest, as where it oscillates.
    """
    flag("error", error)
    asked = Asked(reset, source, delay)
    asked.check_delay()
    if asked and (p0 is not None or (reset is not None and source is not None)):
        name = "source" if reset is None else "reset"
        then = "Where it starts does not matter, as what is there at first leaves."
        raise bad_value(name, "alone, without `p0` and the other", "more", then)
    for name, value in (("breaks", breaks), ("max_step", max_step)):
        if value is not None and period is None:
            raise bad_value(name, "None without `period`", value)
    if tol is not None:
        free_of_cells("p0", p0)
        asked.check_free_of_cells()
        repeating = {"period": period, "breaks": breaks, "max_step": max_step}
        more = repeating | {"reset": reset, "delay": delay, "source": source}
        return to_tolerance(lambda there: stationary(eq, there, p0, **more), grid, tol, error)
    if period is not None:
        return periodic(eq, grid, p0, period, breaks, max_step, error, asked)
    if asked:
        return open_at_rest(eq, autonomous(eq, grid, "passage"), asked, error)
    if isinstance(eq, FokkerPlanck) and eq.interaction is not None:
        return _judged(eq, interacting(eq, grid, p0, error))
    return _judged(eq, _linear(eq, grid, p0, error))


def _linear(eq: FokkerPlanck, grid: Any, p0: Any, error: bool) -> Stationary:
    """The stationary density of an equation that does not read it."""
    balanced = isinstance(eq, FokkerPlanck) and eq.drift is None and eq.jumps is None
    grid = autonomous(eq, grid, "balanced" if balanced else "stationary")
    if p0 is not None:
        initial_masses(p0, grid)
    result = at_rest(eq, grid, None if p0 is None else lambda there: initial_masses(p0, there)[0])
    if not error:
        return result

    def ask(other: FokkerPlanck, coarse: Grid) -> Stationary:
        return at_rest(other, coarse, None if p0 is None else partial(start_on_coarser, p0, grid))

    return measured(result, ask, eq, stationary_errors)


def _judged(eq: FokkerPlanck, result: Stationary) -> Stationary:
    """A stationary density with what its grid and its box do to it, and the warnings of that."""
    q, masses, grid = result.generator, result.masses, result.grid
    beyond = warn_of_tail(q, masses)
    stats = StationaryStats.of(result.stats, resolution(q, (masses,)), tail_mass=beyond)
    result = replace(result, stats=stats)
    flows = eq.interaction is not None or net_flow_share(q, masses) > BALANCED
    if result.error:
        result.error.leave_out_box(box_error(q, masses), [float(np.ptp(e)) for e in grid.edges])
        warn_of_rest(result, eq, flows)
    elif flows and result.stats.order == 1 and not q.untreated:
        warn_of_resolution(result.stats)  # without a current the density is exact whatever the Peclet number
    if eq.assumption is not None:
        eq.assumption(Points.centers(grid).flat, masses.ravel())
    warn_of_slow_convergence(q, masses, result.atoms)
    warn_of_untreated(q)
    warn_of_walls(eq, q, None, masses)
    return result
