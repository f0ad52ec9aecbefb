"""One function a question: solve, stationary, spectrum; passages are asked for in `passages`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, overload

import numpy as np

from .arguments import flag, instance, number, whole
from .errors import ConvergenceError, bad_value
from .model.box import Box, free_of_cells
from .model.coefficients import Points
from .model.equation import FokkerPlanck
from .model.grid import Grid
from .model.initial_density import initial_masses
from .renewal import with_resets
from .results.measured import (
    measured,
    solution_errors,
    spectrum_errors,
    stationary_errors,
    warn_of_density,
    warn_of_rates,
    warn_of_rest,
)
from .results.processes import InTime
from .results.requests import (
    check_memory,
    check_request,
    check_rtol,
    check_systems,
    on_grid,
    output_times,
    progress_reporter,
)
from .results.reset import StationaryReset
from .results.resolution import mass_error, smallest_density, without_negative, worst_resolution
from .results.solution import Solution
from .results.spectrum import Spectrum, spectrum_of
from .results.stationary import Stationary
from .results.stats import SolutionStats, StationaryStats
from .results.tolerance import checked_tolerance, to_tolerance
from .results.unbounded import box_of_density
from .sgd import SGD
from .solvers.accuracy.coarsening import start_on_coarser
from .solvers.discretization.generator import Generator
from .solvers.discretization.resolution import resolution
from .solvers.discretization.scharfetter_gummel import generator
from .solvers.evolution.evolve import evolve, generators_of
from .solvers.evolution.periodic import check_period, periodic_state
from .solvers.evolution.time_scan import named_features, timetable
from .solvers.linear.atoms import at_atoms, atoms_over_time, final_atoms
from .solvers.linear.closed_classes import ending_classes
from .solvers.linear.irreversibility import net_flow_share
from .solvers.linear.rates import Rates
from .solvers.linear.spectrum import check_resolved, generator_modes
from .solvers.linear.stationary import class_masses
from .wall_and_grid_warnings import (
    box_error,
    warn_of_resolution,
    warn_of_slow_convergence,
    warn_of_tail,
    warn_of_untreated,
    warn_of_walls,
)

ROUNDING = 1e-11  # of the mass, by thousands of products
PERIODIC, PHASES = 1e-7, 33  # the rtol of a periodic state, and the times of a period at which it is given
REST = 0.9  # of a tolerance, for the grid, where the box is found: twice what that cuts off is a tenth
IN_TIME = 0.1  # of a tolerance, by the propagation in time
MORE = 2  # modes found on coarser grids, where their order may differ
BALANCED = 1e-9  # net flow through the links, of the traffic both ways: below, a density is as exact as without any


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
    error : bool
        Whether to measure the error, by the same question on cells twice and four times as wide (`solution.error`); a warning
        says where it is large.
    tol : number, optional
        Error allowed in the 1-norm of the density at each time after 0. The cells are then chosen: `grid` is an `fp.Box`, or
        a Grid to start from, and `solution.grid` is the one that was found.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError, TypeError
        On bad input, before any work.
    ConvergenceError
        If the error estimate exceeds rtol, or `tol` is out of reach; the partial solution is attached.
    """
    if tol is not None:
        free_of_cells("p0", p0)
        check_rtol(rtol)
        exact = max(min(rtol, IN_TIME * checked_tolerance(tol)), ROUNDING)
        again = partial(solve, eq, p0=p0, method=method, rtol=exact, breaks=breaks, max_step=max_step)
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
    flag("error", error)
    known, longest = named_features(eq, breaks, max_step)
    check_memory(eq, grid, moments.size)
    given, initial_mass = initial_masses(p0, grid)
    how = partial(_density, times=moments, method=method, rtol=rtol, observe=observe, known=known, longest=longest)
    result = how(eq, grid, lambda g: given if g is grid else initial_masses(p0, g)[0], progress_reporter(progress))
    start = given if result.grid is grid else initial_masses(p0, result.grid)[0]  # faces lie on zeros of D
    stats = SolutionStats.of(result.stats, worst_resolution(result, eq, start), initial_mass=initial_mass)
    result = replace(result, stats=stats)
    _refuse(eq, result)
    if error:
        again = partial(how, start_on=partial(start_on_coarser, p0, grid), report=lambda share: None)
        result = measured(result, again, eq, solution_errors, float(moments[-1]))
    _judge(eq, result, start)
    return result


def _density(
    eq: FokkerPlanck,
    grid: Grid,
    start_on: Callable[[Grid], np.ndarray],
    report: Callable[[float], None],
    *,
    times: np.ndarray,
    method: str,
    rtol: float,
    observe: Mapping[str, Callable[..., np.ndarray]] | None,
    known: np.ndarray,
    longest: float | None,
) -> Solution:
    """The density on one grid, from the initial masses (*grid.shape) there, or on one with faces on zeros of D."""
    at, grid = generators_of(eq, grid, float(times[-1]))
    start = start_on(grid)
    watched = {name: on_grid(f, grid, f"observe[{name!r}]") for name, f in (observe or {}).items()}
    table = timetable(eq, grid, float(times[-1]), rtol, known, longest)
    run = evolve(eq, grid, at, start.ravel(), times, method, rtol, table)
    masses = np.empty((times.size, *grid.shape))
    for i, (p, error, chosen) in enumerate(run):  # noqa: B007 - the last ones stay
        masses[i] = p.reshape(grid.shape)
        report((i + 1) / times.size)
    q, least = at(float(times[-1]), masses[-1]), smallest_density(masses, grid)
    masses, negative = without_negative(masses)
    driven = eq.time_dependent or eq.interaction is not None
    atoms = atoms_over_time(q, start, times, masses, at if driven else None)
    off = mass_error(q, masses, atoms)
    error = max(error + 2.0 * negative, off)  # no estimate of an error in the 1-norm is below the part that is seen
    stats = SolutionStats.of(chosen.work, error_estimate=error, mass_error=off, min_density=least)
    return Solution(
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
    )


def _refuse(eq: FokkerPlanck, result: Solution) -> None:
    """Refuse a solution whose error in time is beyond what was asked for."""
    error, rtol = result.stats.error_estimate, result.settings["rtol"]
    if error > max(rtol, ROUNDING):
        other = "uniformization" if eq.time_order == 1.0 else "stepping"
        then = "raise rtol" if result.generator_at is not None else f"try method={other!r}"
        raise ConvergenceError(f"the error {error:.1e} exceeds rtol = {rtol:g}; {then}", result)


def _judge(eq: FokkerPlanck, result: Solution, start: np.ndarray) -> None:
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


@overload
def stationary(
    eq: FokkerPlanck, grid: Grid | Box, p0: Any = None, *, error: bool = True, tol: float | None = None
) -> Stationary: ...
@overload
def stationary(
    eq: FokkerPlanck, grid: Grid | Box, p0: Any = None, *, period: float, error: bool = True, tol: float | None = None
) -> Solution: ...
@overload
def stationary(
    eq: FokkerPlanck, grid: Grid | Box, *, reset: Any, delay: float = 0.0, error: bool = True, tol: float | None = None
) -> StationaryReset: ...


def stationary(
    eq: FokkerPlanck,
    grid: Grid | Box,
    p0: Any = None,
    *,
    period: float | None = None,
    reset: Any = None,
    delay: float = 0.0,
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
        probability ends up in each.
    period : number, optional
        Of coefficients with a parameter `t`.
    reset : initial density, optional
        Where what leaves the box enters again, such as `fp.point(0.0)`; the `rate` of the result is that of the resets.
    delay : float
        Time that passes outside at each reset, such as a refractory time.
    error : bool
        Whether to measure the error on two coarser grids, see `solve`.
    tol : number, optional
        Error allowed in the 1-norm of the density. The cells are then chosen, see `solve`.

    Returns
    -------
    Stationary; with `period` a Solution, whose times are the phases of one period; with `reset` a StationaryReset

    Raises
    ------
    ValueError
        If the stationary density is not unique (without p0), or does not exist as absorbing walls take everything.
    ConvergenceError
        If leaving a well takes so many jumps between cells that rounding would decide the weights of the wells, a current
        flows, there are more than 32 wells, and the grid is too large for an elimination without subtraction (some 400^2
        cells); or if what passes between wells is below the smallest number.
    """
    flag("error", error)
    number("delay", delay, "0, or with `reset` more", lambda v: 0.0 <= v < np.inf and (reset is not None or v == 0.0))
    if reset is not None and (period is not None or p0 is not None):
        raise bad_value(
            "reset", "alone, without `p0` and `period`", "more", "With resets it does not matter where it starts."
        )
    if tol is not None:
        free_of_cells("p0", p0)
        free_of_cells("reset", reset)
        more = {"period": period} if reset is None else {"reset": reset, "delay": delay}
        return to_tolerance(lambda there: stationary(eq, there, p0, **more), grid, tol, error)
    if reset is not None:
        return with_resets(eq, autonomous(eq, grid, "passage"), reset, float(delay), error)
    if period is not None:
        return _periodic(eq, grid, p0, period, error)
    balanced = isinstance(eq, FokkerPlanck) and eq.drift is None and eq.jumps is None
    grid = autonomous(eq, grid, "balanced" if balanced else "stationary")
    if p0 is not None:
        initial_masses(p0, grid)
    result = _at_rest(eq, grid, None if p0 is None else lambda there: initial_masses(p0, there)[0])
    q, masses = result.generator, result.masses
    beyond = warn_of_tail(q, masses)
    stats = StationaryStats.of(result.stats, resolution(q, (masses,)), tail_mass=beyond)
    result = replace(result, stats=stats)
    if error:

        def ask(other: FokkerPlanck, coarse: Grid) -> Stationary:
            return _at_rest(other, coarse, None if p0 is None else partial(start_on_coarser, p0, grid))

        result = measured(result, ask, eq, stationary_errors)
    flows = net_flow_share(q, masses) > BALANCED
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


def _periodic(eq: FokkerPlanck, grid: Any, p0: Any, period: float, measure: bool) -> Solution:
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
    result = _repeating(eq, grid, period)
    if measure:
        result = measured(result, partial(_repeating, period=period), eq, solution_errors, period)
    if result.error:
        warn_of_density(result, eq, period)
    return result


def _repeating(eq: FokkerPlanck, grid: Grid, period: float) -> Solution:
    """The periodic state on one grid."""
    at, grid = generators_of(eq, grid, period)
    state = periodic_state(eq, grid, at, period, PERIODIC)
    density = state.masses.reshape(grid.shape) / grid.volumes
    result = solve(eq, grid, density, np.linspace(0.0, period, PHASES), rtol=PERIODIC, error=False)
    error = state.error + result.stats.error_estimate
    stats = replace(result.stats, error_estimate=error, memory=state.memory)
    text = f"repeats after {period:g}, error at most {error:.1e}"
    return replace(result, method="periodic", stats=stats, message=text)


def _at_rest(eq: FokkerPlanck, grid: Grid, start_on: Callable[[Grid], np.ndarray] | None) -> Stationary:
    """The stationary density on one grid, from initial masses there where several classes are closed."""
    q = generator(eq, grid)
    grid = q.grid
    start = None if start_on is None else start_on(grid).ravel()
    classes, weights = ending_classes(Rates.of_generator(q), grid, "eq", start, tuple(q.atoms))
    masses = sum((w * class_masses(q, cells) for w, cells in zip(weights, classes, strict=True)), np.zeros(grid.size))
    masses = np.asarray(masses).reshape(grid.shape)
    residual = float(np.abs(q.apply(masses)).max() / max(q.outflow.max(initial=0.0), 1e-300))
    stats = StationaryStats(parts=len(classes), residual=residual)
    atoms = final_atoms(q, start)
    parts = f"{len(classes)} closed class(es)"
    if not classes:
        parts = "no stationary density: all ends in " + ", ".join(f"x = {x:.6g}" for x in atoms)
    message = "; ".join([parts, *q.found])
    d = eq.diffusion_at(Points.centers(grid))
    return Stationary(grid, masses / grid.volumes, InTime(q), stats, d, message=message, atoms=atoms)


def spectrum(
    eq: FokkerPlanck, grid: Grid | Box, k: int = 6, *, error: bool = True, tol: float | None = None
) -> Spectrum:
    """The k slowest modes of the equation.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid, or with `tol` a Box
    k : int
    error : bool
        Whether to measure the error on two coarser grids, see `solve`.
    tol : number, optional
        Error allowed in each eigenvalue, relative to it. The cells are then chosen, see `solve`.

    Returns
    -------
    Spectrum
        Eigenvalues by falling real part; the first is 0 unless walls absorb. A conjugate pair is not cut apart: there may
        be one mode more than asked for. A ResolutionWarning, and `missed`, say where it is not certain that no slower mode
        was missed.

    Raises
    ------
    ConvergenceError
        If a mode is so slow that its eigenvalue is the rounding of the fastest rate (some 4e-15 of it). Not in 1D
        without jumps or periodic walls, where each eigenvalue is right to its own digits.
    """
    flag("error", error)
    if tol is not None:
        return to_tolerance(lambda there: spectrum(eq, there, k), grid, tol, error)
    grid = autonomous(eq, grid, "modes")
    k = whole("k", k, 1, grid.size - 1)
    q = generator(eq, grid)
    warn_of_untreated(q)
    grid = q.grid
    modes = generator_modes(q, k)
    result = spectrum_of(grid, modes, bool(q.exits))
    check_resolved(q, modes, result)
    if error:

        def ask(other: FokkerPlanck, coarse: Grid) -> Spectrum:
            there = generator(other, coarse)
            return spectrum_of(there.grid, generator_modes(there, min(k + MORE, coarse.size - 1)), bool(q.exits), False)

        result = measured(result, ask, eq, spectrum_errors)
    if result.error:
        warn_of_rates(result, eq)
    elif not q.untreated:
        slowest = np.abs(modes.right[:, 0])
        stats = resolution(q, (slowest / slowest.sum(),))
        warn_of_resolution(stats, "the slowest mode", "modes and rates are first order")
    return result


def autonomous(eq: Any, grid: Any, question: str | None) -> Grid:
    """As `check_question`; nothing changes with time or with the density, and the question, if given, fits into memory."""
    grid = check_question(eq, grid)
    if eq.time_dependent or eq.interaction is not None:
        got = "an interaction" if eq.interaction is not None else "a coefficient with a parameter `t`"
        raise bad_value("eq", "independent of time and of the density here", got, "Follow it in time with fp.solve.")
    if question is not None:
        check_systems(eq, grid, question)
    return grid


def public_generator(eq: FokkerPlanck, grid: Grid, t: float = 0.0) -> Generator:
    """The generator of an equation on a grid at time t: the rate matrix Q on cell masses, dP/dt = Q P.

    Parameters
    ----------
    eq : FokkerPlanck
        Without memory and without interaction, whose evolution no single matrix describes.
    grid : Grid
    t : float
        Time at which time-dependent coefficients are read.

    Returns
    -------
    Generator
        `matrix` (scipy sparse, on raveled cell masses), `apply(P)`, `flux(P)`, `current(P)`, `adjoint`.
    """
    check_question(eq, grid)
    if eq.time_order < 1.0:
        then = "With memory the density obeys no rate matrix: use fp.solve."
        raise bad_value("time_order", "1 for a generator", eq.time_order, then)
    return generator(eq, grid, number("t", t))


def check_question(eq: Any, grid: Any) -> Grid:
    """Refuse what is no equation, or no grid."""
    then = "Use sgd.equation(), or sgd.transfer_operator(grid)." if isinstance(eq, SGD) else ""
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation", then)
    then = "Give tol=1e-3 with a Box." if isinstance(grid, Box) else "Make one with fp.Grid((low, high), cells)."
    instance("grid", grid, Grid, "a Grid", then)
    return grid
