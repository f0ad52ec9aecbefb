"""The density that repeats with periodic coefficients."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..arguments import number
from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..results.measured import (
    measured,
    solution_errors,
    warn_of_density,
)
from ..results.solution import Solution
from ..solvers.evolution.evolve import generators_of
from ..solvers.evolution.periodic import check_period, periodic_state
from ..solvers.evolution.time_scan import named_features, timetable
from .checks import check_question
from .density_in_time import solve

PERIODIC, PHASES = 1e-7, 33  # the rtol of a periodic state, and the times of a period at which it is given


def periodic(
    eq: FokkerPlanck, grid: Any, p0: Any, period: float, breaks: Any, max_step: float | None, measure: bool
) -> Solution:
    """The density that repeats with the coefficients, at the phases of a period."""
    grid = check_question(eq, grid)
    period = number("period", period, "a positive number", lambda v: 0.0 < v < np.inf)
    if not eq.time_dependent or eq.interaction is not None or eq.time_order < 1.0:
        then = "Leave `period` out, or follow the density with fp.solve."
        rule = "with a coefficient that depends on `t`, without interaction and memory, for a periodic state"
        raise bad_value("eq", rule, eq, then)
    if p0 is not None:
        raise bad_value(
            "p0", "None for a periodic state", p0, "It is found only where it does not depend on the start."
        )
    if grid.absorbs:
        then = "Make the walls reflecting; with absorbing walls ask for the survival by fp.solve."
        raise bad_value("grid", "closed for a periodic state", "absorbing walls", then)
    check_period(eq, grid, period)
    known, longest = named_features(eq, breaks, max_step)
    ask = partial(_repeating, period=period, breaks=np.mod(known, period), max_step=longest)
    result = ask(eq, grid)
    if measure:
        result = measured(result, ask, eq, solution_errors, period)
    if result.error:
        warn_of_density(result, eq, period)
    return result


def _repeating(eq: FokkerPlanck, grid: Grid, period: float, breaks: np.ndarray, max_step: float | None) -> Solution:
    """The periodic state on one grid."""
    at, grid = generators_of(eq, grid, period)
    table = timetable(eq, grid, period, PERIODIC, breaks, max_step)
    state = periodic_state(eq, grid, at, period, PERIODIC, table)
    density = state.masses.reshape(grid.shape) / grid.volumes
    phases = np.linspace(0.0, period, PHASES)
    result = solve(eq, grid, density, phases, rtol=PERIODIC, breaks=breaks, max_step=max_step, error=False)
    error = state.error + result.stats.error_estimate
    stats = replace(result.stats, error_estimate=error, memory=state.memory)
    text = f"repeats after {period:g}, error at most {error:.1e}"
    return replace(result, method="periodic", stats=stats, message=text)
