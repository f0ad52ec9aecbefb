"""The density that repeats with periodic coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..arguments import number
from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.source import changes
from ..results.measured import measured, solution_errors
from ..results.open_solution import OpenSolution
from ..results.solution import Solution
from ..solvers.evolution.evolve import generators_of
from ..solvers.evolution.open_system import Entering, fed_generator, with_reset
from ..solvers.evolution.periodic import check_period, fed_periodic_state, periodic_state
from ..solvers.evolution.time_scan import named_features, timetable
from .checks import check_question
from .density_in_time import followed, judge, refuse, with_resolution
from .entering import Asked, Put

PERIODIC, PHASES = 1e-7, 33  # the rtol of a periodic state, and the times of a period at which it is given


def periodic(
    eq: FokkerPlanck,
    grid: Any,
    p0: Any,
    period: float,
    breaks: Any,
    max_step: float | None,
    measure: bool,
    asked: Asked,
) -> Solution:
    """The density that repeats with the coefficients, at the phases of a period; what leaves may be reset at once."""
    grid = check_question(eq, grid)
    period = number("period", period, "a positive number", lambda v: 0.0 < v < np.inf)
    if not (eq.time_dependent or changes(asked.source)) or eq.interaction is not None or eq.time_order < 1.0:
        then = "Leave `period` out, or follow the density with fp.solve."
        rule = (
            "with a coefficient or a source that depends on `t`, without interaction and memory, for a periodic state"
        )
        raise bad_value("eq", rule, eq, then)
    if p0 is not None:
        raise bad_value(
            "p0", "None for a periodic state", p0, "It is found only where it does not depend on the start."
        )
    if asked.delay > 0.0:
        raise bad_value("delay", "left out for a periodic state", asked.delay, "Follow it in time with fp.solve.")
    leaves = grid.absorbs or eq.ends_paths
    if asked.source is not None and not leaves:
        then = "Make a wall absorbing or give a killing rate, or follow the mass, which grows without end, by fp.solve."
        raise bad_value("source", "left out where nothing leaves the box", asked.source, then)
    if leaves and not asked:
        then = "Make the walls reflecting, or let what leaves enter again by `reset`; of the survival ask fp.solve."
        raise bad_value("grid", "closed for a periodic state", "absorbing walls, or killing", then)
    asked.check(eq)
    check_period(eq, grid, period, asked.on(grid).size)
    known, longest = named_features(eq, breaks, max_step, changes(asked.source))
    ask = partial(_repeating, period=period, breaks=np.mod(known, period), max_step=longest)
    result = ask(eq, grid, asked.on)
    unit = float(np.max(result.mass)) if asked.source is not None else 1.0  # judged as a probability
    result = _in_units(result, 1.0 / unit)
    result = with_resolution(result, eq, result.masses[0], 1.0)
    if measure:

        def again(other: FokkerPlanck, coarse: Grid) -> Solution:
            return _in_units(ask(other, coarse, partial(asked.on_coarser, grid)), 1.0 / unit)

        result = measured(result, again, eq, solution_errors, period)
    judge(eq, result, result.masses[0])
    return _in_units(result, unit)


def _in_units(result: Solution, unit: float) -> Solution:
    """The same for `unit` times as much of everything that is put in."""
    return result.in_units(unit) if isinstance(result, OpenSolution) else result


def _repeating(
    eq: FokkerPlanck,
    grid: Grid,
    entering_on: Callable[[Grid], Entering],
    period: float,
    breaks: np.ndarray,
    max_step: float | None,
) -> Solution:
    """The periodic state on one grid."""
    at, grid = generators_of(eq, grid, period)
    entering = entering_on(grid)
    table = timetable(eq, grid, period, PERIODIC, breaks, max_step, entering.size)
    unit = 1.0
    if entering.fed:  # in units of what is put in in a period, and then of what is there
        unit = float(entering.given(np.array([period])).sum())
        if unit == 0.0:
            raise bad_value("source", "positive somewhere at some time", "zero")
        entering = entering.in_units(unit)
        state = fed_periodic_state(fed_generator(at, entering), grid.size, period, PERIODIC, table)
        mass = float(state.masses.sum())
        state = state._replace(masses=state.masses / mass, error=state.error / mass)
        unit, entering = unit * mass, entering.in_units(mass)
    else:
        state = periodic_state(eq, grid, with_reset(at, entering), period, PERIODIC, table)
    put = Put(state.masses.reshape(grid.shape), entering)
    result = followed(
        eq,
        grid,
        lambda there: put,
        lambda share: None,
        times=np.linspace(0.0, period, PHASES),
        method="auto",
        rtol=PERIODIC,
        observe=None,
        known=breaks,
        longest=max_step,
    )
    refuse(eq, result)
    error = state.error + result.stats.error_estimate
    stats = replace(result.stats, error_estimate=error, memory=state.memory)
    text = f"repeats after {period:g}, error at most {error:.1e}"
    return _in_units(replace(result, method="periodic", stats=stats, message=text), unit)
