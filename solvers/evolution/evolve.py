"""The density in time, by whatever kind of evolution an equation has."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import ConvergenceError, bad_value
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..discretization.generator import Generator
from ..discretization.interactions import reader
from ..discretization.scharfetter_gummel import Sampled, generator
from .exponential import propagate
from .fractional_contour import propagate_memory
from .fractional_stepping import propagate_stepping
from .open_system import NOTHING, Entering, evolve_open
from .piecewise import propagate_driven
from .subordination import cheaper, propagate_subordinated
from .time_dependent import GeneratorAt
from .time_scan import Timetable

logger = logging.getLogger(__name__)

JUST_AFTER = 1e-9  # of the whole time: where coefficients are first read, as they may be singular at its start


def evolve(
    eq: FokkerPlanck,
    grid: Grid,
    at: GeneratorAt,
    start: np.ndarray,
    times: np.ndarray,
    method: str,
    rtol: float,
    table: Timetable,
    entering: Entering = NOTHING,
) -> Iterator[tuple[np.ndarray, float, Any]]:
    """Masses at each time with the error so far and the method, by whatever kind of evolution the equation has."""
    if entering.open:
        return _logged(grid, evolve_open(eq, grid, at, start, times, method, rtol, table, entering))
    nonlinear = eq.interaction is not None
    driven = eq.time_dependent or nonlinear
    if eq.time_order < 1.0:
        if driven and method in ("contour", "subordination"):
            then = "method='stepping' follows them."
            raise bad_value("method", "'stepping' where coefficients depend on time or on the density", method, then)
        if driven or method == "stepping":
            return _logged(grid, propagate_stepping(at, start, times, eq.time_order, rtol, table, nonlinear))
        q = at(0.0, start)
        mean = method == "subordination" or (method == "auto" and cheaper(q, times, eq.time_order, rtol))
        run = propagate_subordinated if mean else propagate_memory
        return _logged(grid, run(q, start, times, eq.time_order, rtol))
    if not driven:
        return _logged(grid, propagate(at(0.0, start), start, times, method, rtol))
    if method != "auto":
        then = "These use adaptive steps of their own."
        raise bad_value("method", "'auto' where coefficients depend on time or on the density", method, then)
    return _logged(grid, propagate_driven(eq, grid, at, start, times, rtol, table))


def _logged(grid: Grid, run: Iterator[tuple[np.ndarray, float, Any]]) -> Iterator[tuple[np.ndarray, float, Any]]:
    """A run that says at its end how it went."""
    for masses, error, chosen in run:
        yield masses, error, chosen
    shape = " x ".join(map(str, grid.shape))
    logger.debug("density on %s cells by %s, error in time %.1e", shape, chosen.name, error)


def generators_of(eq: FokkerPlanck, grid: Grid, end: float = 0.0) -> tuple[GeneratorAt, Grid]:
    """The generator at a time, for the density with given masses; what does not change is read once.

    With it the grid that has its faces on the zeros of D just after time 0, on the scale of `end`, see `Sampled`: at time 0
    itself coefficients may be singular.
    """
    if eq.interaction is None and not eq.time_dependent:
        q = generator(eq, grid)
        return (lambda t, masses: q), q.grid
    fixed = Sampled(eq, grid, JUST_AFTER * end if eq.time_dependent else 0.0)
    grid = fixed.grid
    read_by = reader(eq, grid)

    def mean(masses: np.ndarray) -> Any:
        if eq.interaction is None:  # nothing is read, also of an empty box
            return read_by(masses.ravel())
        with np.errstate(over="ignore", invalid="ignore"):
            total = masses.sum()
        if not 0.0 < abs(total) < np.inf:
            why = "the interaction outruns every step, or the walls took all; take a weaker one, or end earlier"
            raise ConvergenceError(f"no mass is left to take the mean of: {why}", masses)
        return read_by(masses.ravel() / total)

    if eq.diffusion_reads_density:

        def anew(t: float, masses: np.ndarray) -> Generator:
            averages = mean(masses)
            return Sampled(eq.with_diffusion_of(averages), grid, t, fixed=True).generator(averages)

        return anew, grid
    if not eq.time_dependent:
        return (lambda t, masses: fixed.generator(mean(masses))), grid
    read = [fixed]

    def at(t: float, masses: np.ndarray) -> Generator:
        read[:] = [read[0].at(t)]
        return read[0].generator(mean(masses))

    return at, grid
