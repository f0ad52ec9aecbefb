"""The density at given times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..arguments import flag, instance
from ..errors import ConvergenceError
from ..model.box import Box, free_of_cells
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.source import changes
from ..results.measured import (
    measured,
    solution_errors,
    warn_of_density,
)
from ..results.open_solution import OpenSolution
from ..results.requests import (
    check_memory,
    check_request,
    check_rtol,
    on_grid,
    output_times,
    progress_bar,
)
from ..results.resolution import mass_error, smallest_density, without_negative, worst_resolution
from ..results.solution import Solution
from ..results.stats import SolutionStats
from ..results.tolerance import checked_tolerance, to_tolerance
from ..results.unbounded import box_of_density
from ..solvers.evolution.evolve import evolve, generators_of
from ..solvers.evolution.open_system import with_reset
from ..solvers.evolution.time_dependent import GeneratorAt
from ..solvers.evolution.time_scan import named_features, timetable
from ..solvers.linear.atoms import at_atoms, atoms_over_time
from ..wall_and_grid_warnings import (
    box_error,
    warn_of_resolution,
    warn_of_slow_convergence,
    warn_of_tail,
    warn_of_untreated,
    warn_of_walls,
)
from .checks import check_question
from .entering import Asked, Put, Supply

ROUNDING = 1e-11  # of the mass, by thousands of products
REST = 0.9  # of a tolerance, for the grid, where the box is found: twice what that cuts off is a tenth
IN_TIME = 0.1  # of a tolerance, by the propagation in time


def solve(
    eq: FokkerPlanck,
    grid: Grid | Box | None,
    p0: Any,
    times: Any,
    *,
    method: str = "auto",
    rtol: float = 1e-6,
    progress: bool | Callable[[float], None] = False,
    observe: Mapping[str, Callable[..., np.ndarray]] | None = None,
    breaks: Any = None,
    max_step: float | None = None,
    reset: Any = None,
    delay: float = 0.0,
    source: Any = None,
    error: bool = True,
    tol: float | None = None,
) -> Solution:
    """The density at the given times.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid, or with `tol` a Box, or None for a box that is found
    p0 : initial density at time 0
        `fp.gaussian`, `fp.uniform`, `fp.point`, `fp.from_samples`, a function of the coordinates, or an array on the grid.
        With a source also None, for a box that is empty at first.
    times : number or increasing sequence, not below 0
    method : {"auto", "chebyshev", "rational", "uniformization"}
        "auto" chooses by cost. "chebyshev": products with the generator, for short and middle horizons. "rational": complex
        solves, seven for a whole interval where the spectrum is real and else steps of order 15, for long horizons in 1D
        and 2D. "uniformization": strictly nonnegative, for any horizon
        that a few million products reach. With time_order below 1: "contour" (shifted solves that serve a decade of times
        each), "subordination" (a mean over the inner times of one ordinary propagation, which serves all times, for 2D, 3D and
        jumps) or "stepping" (for coefficients that depend on time or on the density).
    rtol : float
        Error allowed in the 1-norm for the propagation in time, over the whole run. The error of the grid comes on top.
    progress : bool or callable
        True shows a progress bar; a callable receives the share of output times done.
    observe : dict of callables, optional
        Expectations to record: {"name": f(x, y)} fills `solution.observed["name"]`.
    breaks : sequence of numbers, optional
        Times at which coefficients jump. Coefficients with a parameter `t` are sampled before the first step, and jumps and
        pulses are found by themselves if they last at least 1/4000 of the run (1/2000 where a function does not take an array
        for t) and are seen over a tenth of the box, or 1/100 of the run where they are seen over 1/250 of it only.
    max_step : number, optional
        The longest step in time, for coefficients with features that are shorter still.
    reset : initial density, optional
        Where what leaves the box, through walls or by killing, enters again, such as `fp.point(0.0)`.
    delay : float
        Time that passes outside at each reset, such as a refractory time; nobody is outside at first. With coefficients that
        depend neither on time nor on the density.
    source : number, function of the coordinates, array on the grid or (rate, density), optional
        s >= 0 in dp/dt = L p + s: mass per volume and time, where the start has mass 1; or a total mass per time with the
        density that it is spread like, such as `(2.0, fp.point(0.5))`. A function may have a parameter `t`, and the rate be a
        function of the time. The mass may then grow beyond 1.
    error : bool
        Whether to measure the error, by the same question on cells twice and four times as wide (`solution.error`); a warning
        says where it is large.
    tol : number, optional
        Error allowed in the 1-norm of the density at each time after 0, with a source beside what was put in by the end. The
        cells are then chosen: `grid` is an `fp.Box`, or a Grid to start from, and `solution.grid` is the one that was found.

    Returns
    -------
    Solution; with `reset` or `source` an OpenSolution, with the `rate` at which mass leaves

    Raises
    ------
    ValueError, TypeError
        On bad input, before any work.
    ConvergenceError
        If the error estimate exceeds rtol, or `tol` is out of reach; the partial solution is attached.
    """
    asked = Asked(reset, source, delay)
    if tol is not None:
        free_of_cells("p0", p0)
        asked.check_free_of_cells()
        check_rtol(rtol)
        exact = max(min(rtol, IN_TIME * checked_tolerance(tol)), ROUNDING)
        again = partial(
            solve,
            eq,
            p0=p0,
            method=method,
            rtol=exact,
            breaks=breaks,
            max_step=max_step,
            reset=reset,
            delay=delay,
            source=source,
        )
        if grid is None:
            instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation")
            t = float(output_times(times)[-1])
            grid = box_of_density(eq, p0, t, tol, lambda there, at: again(grid=there, times=at, error=False))
            tol = REST * tol
        full = partial(again, times=times, progress=progress, observe=observe)
        return to_tolerance(lambda there: full(grid=there), grid, tol, error)
    moments = output_times(times)
    grid = check_question(eq, grid)
    check_request(eq, method, rtol, progress, observe)
    asked.check(eq)
    flag("error", error)
    known, longest = named_features(eq, breaks, max_step, changes(asked.source))
    check_memory(eq, grid, moments.size)
    supply = Supply.of(p0, grid, asked, moments)
    how = partial(followed, times=moments, method=method, rtol=rtol, observe=observe, known=known, longest=longest)
    with progress_bar(progress) as report:
        result = how(eq, grid, supply.on, report)
    entered = supply.on(result.grid).where(float(moments[-1]))
    result = with_resolution(result, eq, entered, supply.found)
    refuse(eq, result)
    if error:
        again = partial(how, supply_on=supply.on_coarser, report=lambda share: None)
        result = measured(result, again, eq, solution_errors, float(moments[-1]))
    judge(eq, result, entered)
    return result.in_units(supply.unit) if isinstance(result, OpenSolution) else result


def followed(
    eq: FokkerPlanck,
    grid: Grid,
    supply_on: Callable[[Grid], Put],
    report: Callable[[float], None],
    *,
    times: np.ndarray,
    method: str,
    rtol: float,
    observe: Mapping[str, Callable[..., np.ndarray]] | None,
    known: np.ndarray,
    longest: float | None,
) -> Solution:
    """The density on one grid, from what is put in there, or on one with faces on zeros of D."""
    at, grid = generators_of(eq, grid, float(times[-1]))
    start, entering = supply_on(grid)
    at = with_reset(at, entering)
    watched = {name: on_grid(f, grid, f"observe[{name!r}]") for name, f in (observe or {}).items()}
    table = timetable(eq, grid, float(times[-1]), rtol, known, longest, entering.size)
    run = evolve(eq, grid, at, start.ravel(), times, method, rtol, table, entering)
    masses = np.empty((times.size, *grid.shape))
    for i, (p, error, chosen) in enumerate(run):  # noqa: B007 - the last ones stay
        masses[i] = p.reshape(grid.shape)
        report((i + 1) / times.size)
    q, least = at(float(times[-1]), masses[-1]), smallest_density(masses, grid)
    masses, negative = without_negative(masses)
    driven = eq.time_dependent or eq.interaction is not None
    atoms = {}
    if entering.reset is None:  # what is reset stays nowhere
        given = entering.given(times) if entering.fed and q.atoms else None
        atoms = atoms_over_time(q, start, times, masses, at if driven else None, given)
    supplied = entering.supplied(start, times)
    off = mass_error(q, masses, atoms, supplied)
    error = max(error + 2.0 * negative, off)  # no estimate of an error in the 1-norm is below the part that is seen
    stats = SolutionStats.of(chosen.work, error_estimate=error, mass_error=off, min_density=least)
    kind, more = Solution, {}
    if entering.open:
        kind, more = OpenSolution, {**_leaving(at, times, masses), "supplied": supplied}
    return kind(
        grid=grid,
        times=times,
        density=masses / grid.volumes,
        method=chosen.name,
        stats=stats,
        message="; ".join([f"error in time at most {error:.1e}", *q.found]),
        observed={
            name: (masses * values).reshape(times.size, -1).sum(axis=1) + at_atoms(observe, name, atoms)
            for name, values in watched.items()
        },
        generator=q,
        generator_at=at if driven else None,
        settings={**eq.settings, "convention": eq.convention, "method": method, "rtol": rtol},
        atoms=atoms,
        **more,
    )


def _leaving(at: GeneratorAt, times: np.ndarray, masses: np.ndarray) -> dict[str, Any]:
    """The mass per time (n_times,) that leaves, and what leaves by each way out."""
    rates: dict[str, np.ndarray] = {}
    for i, (t, p) in enumerate(zip(times.tolist(), masses, strict=True)):
        for name, into in at(t, p).ways_out.items():
            rates.setdefault(name, np.zeros(times.size))[i] = float((into * p.ravel()).sum())
    return {"rate": np.sum(list(rates.values()), axis=0) if rates else np.zeros(times.size), "rates": rates}


def with_resolution(result: Solution, eq: FokkerPlanck, entered: np.ndarray, initial_mass: float) -> Solution:
    """A solution whose stats say how well its grid holds it, from where mass was put in (*grid.shape)."""
    stats = SolutionStats.of(result.stats, worst_resolution(result, eq, entered), initial_mass=initial_mass)
    return replace(result, stats=stats)


def refuse(eq: FokkerPlanck, result: Solution) -> None:
    """Refuse a solution whose error in time is beyond what was asked for."""
    error, rtol = result.stats.error_estimate, result.settings["rtol"]
    if error > max(rtol, ROUNDING):
        other = "uniformization" if eq.time_order == 1.0 else "stepping"
        then = "raise rtol" if result.generator_at is not None else f"try method={other!r}"
        raise ConvergenceError(f"the error {error:.1e} exceeds rtol = {rtol:g}; {then}", result)


def judge(eq: FokkerPlanck, result: Solution, start: np.ndarray) -> None:
    """Warn of what its grid and its box do to a solution."""
    q, masses = result.generator, result.masses[-1]
    assert q is not None
    if result.error:
        beyond = box_error(q, result.masses[result.times > 0.0])
        result.error.leave_out_box(beyond, [float(np.ptp(e)) for e in q.grid.edges])
        warn_of_density(result, eq, float(result.times[-1]))
    elif not q.untreated:
        warn_of_resolution(result.stats)
    warn_of_slow_convergence(q, masses, result.atoms)
    warn_of_untreated(q)
    warn_of_walls(eq, q, start, masses)
    if eq.assumption is not None:
        eq.assumption(Points.centers(q.grid).flat, masses.ravel())
    warn_of_tail(q, masses)
