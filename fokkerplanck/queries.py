"""One function a question: solve, stationary, first_passage, committor, spectrum."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, overload

import numpy as np

from .arguments import call, callable_with, fields, fits_memory, flag, instance, number, takes_time, whole
from .diagnostics import passage_resolution, warn_of_resolution, warn_of_tail, warn_of_walls
from .errors import ConvergenceError, bad_type, bad_value
from .model.coefficients import Points
from .model.equation import FokkerPlanck
from .model.grid import Grid
from .model.initial_density import initial_masses
from .model.region import read_region
from .results.first_passage import FirstPassage
from .results.first_passage_in_time import FirstPassageInTime, committor_from_time_zero, passage_in_time
from .results.processes import InTime
from .results.requests import check_rtol, output_times
from .results.solution import Solution
from .results.spectrum import Spectrum, spectrum_of
from .results.stationary import Stationary
from .sgd import SGD
from .solvers.discretization.generator import Generator, resolution
from .solvers.discretization.scharfetter_gummel import generator
from .solvers.evolution.evolve import evolve, generators_of
from .solvers.evolution.exponential import METHODS
from .solvers.evolution.periodic import check_period, periodic_state
from .solvers.evolution.time_dependent import GeneratorAt
from .solvers.evolution.time_scan import named_features, timetable
from .solvers.linear.closed_classes import ending_classes
from .solvers.linear.first_passage import absorb, solve_backward
from .solvers.linear.irreversibility import net_flow_share
from .solvers.linear.occupation_times import time_spent
from .solvers.linear.rates import Rates
from .solvers.linear.spectrum import check_resolved, generator_modes
from .solvers.linear.stationary import class_masses

ROUNDING = 1e-11  # of the mass, by thousands of products
PERIODIC, PHASES = 1e-7, 33  # the rtol of a periodic state, and the times of a period at which it is given
MEMORY_METHODS = ("contour", "stepping")
BALANCED = (
    1e-9  # net flow through the links, of the traffic both ways, below which a density is as exact as without any
)


def solve(
    eq: FokkerPlanck,
    grid: Grid,
    p0: Any,
    times: Any,
    *,
    method: str = "auto",
    rtol: float = 1e-6,
    progress: bool | Callable[[float], None] = False,
    observe: Mapping[str, Callable[..., np.ndarray]] | None = None,
    breaks: Any = None,
    max_step: float | None = None,
) -> Solution:
    """The density at the given times.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    p0 : initial density at time 0
        `fp.gaussian`, `fp.uniform`, `fp.point`, `fp.from_samples`, a function of the coordinates, or an array on the grid.
    times : number or increasing sequence, not below 0
    method : {"auto", "chebyshev", "rational", "uniformization"}
        "auto" chooses by cost. "chebyshev": products with the generator, for short and middle horizons. "rational": complex
        solves, seven for a whole interval where the spectrum is real and else steps of order 15, for long horizons in 1D
        and 2D. "uniformization": strictly nonnegative, for any horizon
        that a few million products reach. With time_order below 1: "contour" (shifted solves that serve a decade of times
        each) or "stepping" (for coefficients that depend on time or on the density).
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

    Returns
    -------
    Solution

    Raises
    ------
    ValueError, TypeError
        On bad input, before any work.
    ConvergenceError
        If the error estimate exceeds rtol; the partial solution is attached.
    """
    moments = output_times(times)
    _check(eq, grid)
    _check_request(eq, method, rtol, progress, observe)
    known, longest = named_features(eq, breaks, max_step)
    _check_memory(grid, moments.size)
    start, initial_mass = initial_masses(p0, grid)
    watched = {name: _on_grid(f, grid, f"observe[{name!r}]") for name, f in (observe or {}).items()}
    at = generators_of(eq, grid)
    table = timetable(eq, grid, float(moments[-1]), rtol, known, longest)
    run = evolve(eq, grid, at, start.ravel(), moments, method, rtol, table)

    masses = np.empty((moments.size, *grid.shape))
    report = _progress(progress)
    for i, (p, error, chosen) in enumerate(run):  # noqa: B007 - the last ones stay
        masses[i] = p.reshape(grid.shape)
        report((i + 1) / moments.size)
    q = at(float(moments[-1]), masses[-1])
    driven = eq.time_dependent or eq.interaction is not None
    mass_error = _mass_error(q, masses)
    error = max(error, mass_error)  # no estimate of an error in the 1-norm is below the part of it that is seen
    stats = {
        "error_estimate": error,
        "mass_error": mass_error,
        "min_density": float((masses / grid.volumes).min() / max((masses / grid.volumes).max(), 1e-300)),
        "initial_mass": initial_mass,
        **chosen.work,
        **_worst_resolution(at, driven, start, moments, masses),
    }
    result = Solution(
        grid=grid,
        times=moments,
        density=masses / grid.volumes,
        method=chosen.name,
        stats=stats,
        message=f"error in time at most {error:.1e}",
        observed={name: (masses * values).reshape(moments.size, -1).sum(axis=1) for name, values in watched.items()},
        generator=q,
        generator_at=at if driven else None,
        settings={**eq.settings, "convention": eq.convention, "method": method, "rtol": rtol},
    )
    _judge(eq, q, result, start)
    return result


def _judge(eq: FokkerPlanck, q: Generator, result: Solution, start: np.ndarray) -> None:
    """Refuse a solution whose error is beyond what was asked for, and warn of what its grid and its box do to it."""
    stats, rtol, masses = result.stats, result.settings["rtol"], result.masses[-1]
    error = stats["error_estimate"]
    if error > max(rtol, ROUNDING):
        other = "uniformization" if eq.time_order == 1.0 else "stepping"
        then = "raise rtol" if result.generator_at is not None else f"try method={other!r}"
        raise ConvergenceError(f"the error {error:.1e} exceeds rtol = {rtol:g}; {then}", result)
    warn_of_resolution(stats)
    warn_of_walls(q, start, masses)
    if eq.assumption is not None:
        eq.assumption(masses, q.grid)
    if eq.jumps is not None:
        warn_of_tail(q, masses, eq.jumps.stability)


@overload
def stationary(eq: FokkerPlanck, grid: Grid, p0: Any = None, *, period: None = None) -> Stationary: ...
@overload
def stationary(eq: FokkerPlanck, grid: Grid, p0: Any = None, *, period: float) -> Solution: ...


def stationary(eq: FokkerPlanck, grid: Grid, p0: Any = None, *, period: float | None = None) -> Stationary | Solution:
    """The stationary density, or with coefficients that repeat the density that repeats with them.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    p0 : initial density, optional
        Where several parts of the box are closed, each has a stationary density of its own; p0 then says how much
        probability ends up in each.
    period : number, optional
        Of coefficients with a parameter `t`.

    Returns
    -------
    Stationary; with `period` a Solution, whose times are the phases of one period

    Raises
    ------
    ValueError
        If the stationary density is not unique (without p0), or does not exist as absorbing walls take everything.
    ConvergenceError
        If leaving a well takes so many jumps between cells that rounding would decide the weights of the wells, a current
        flows, and the grid is too large for an elimination without subtraction (some 400^2 cells).
    """
    if period is not None:
        return _periodic(eq, grid, p0, period)
    _autonomous(eq, grid)
    start = None if p0 is None else initial_masses(p0, grid)[0]
    q = generator(eq, grid)
    classes, weights = ending_classes(Rates.of_generator(q), grid, "eq", None if start is None else start.ravel())
    masses = sum(w * class_masses(q, cells) for w, cells in zip(weights, classes, strict=True))
    masses = np.asarray(masses).reshape(grid.shape)
    stats = {
        "parts": len(classes),
        "residual": float(np.abs(q.apply(masses)).max() / max(q.outflow.max(initial=0.0), 1e-300)),
        **resolution(q, (masses,)),
    }
    if eq.jumps is not None:
        stats["tail_mass"] = warn_of_tail(q, masses, eq.jumps.stability)
    d = eq.diffusion_at(Points.centers(grid))
    result = Stationary(grid, masses / grid.volumes, InTime(q), stats, d, message=f"{len(classes)} closed class(es)")
    if eq.assumption is not None:
        eq.assumption(masses, grid)
    if stats["order"] == 1 and net_flow_share(q, masses) > BALANCED:
        warn_of_resolution(stats)  # without a current the density is exact whatever the Peclet number
    warn_of_walls(q, None, masses)
    return result


def _periodic(eq: FokkerPlanck, grid: Grid, p0: Any, period: float) -> Solution:
    """The density that repeats with the coefficients, at the phases of a period."""
    _check(eq, grid)
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
    state = periodic_state(eq, grid, generators_of(eq, grid), period, PERIODIC)
    density = state.masses.reshape(grid.shape) / grid.volumes
    result = solve(eq, grid, density, np.linspace(0.0, period, PHASES), rtol=PERIODIC)
    error = state.error + result.stats["error_estimate"]
    stats = {**result.stats, "error_estimate": error, "memory": state.memory}
    return replace(
        result, method="periodic", stats=stats, message=f"repeats after {period:g}, error at most {error:.1e}"
    )


def first_passage(eq: FokkerPlanck, grid: Grid, target: Any = None) -> FirstPassage | FirstPassageInTime:
    """Times at which a target is first reached.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    target : boolean array on the grid, callable or None
        f(x, y) -> mask, vectorised: its edge is found between the cell centers. An array: its edge is at the cell faces.
        None: the absorbing walls. Absorbing walls end a passage in any case. In 1D f(x, t) -> mask is a target that moves, such
        as a wall at b(t): `lambda x, t: x > b(t)`.

    Returns
    -------
    FirstPassage, or FirstPassageInTime where a coefficient or the target depends on time
    """
    _check(eq, grid)
    if eq.time_dependent or (callable(target) and takes_time(target)):
        return passage_in_time(eq, grid, target)
    _autonomous(eq, grid)
    if eq.time_order < 1.0:
        then = "Waiting makes it infinite: ask fp.solve for the survival, its `mass` with absorbing walls."
        raise bad_value("time_order", "1 for a mean passage time", eq.time_order, then)
    mask, inside = read_region("target", target, grid, optional=grid.absorbs)
    q = absorb(generator(eq, grid), mask, inside)
    outside = ~mask.ravel()
    mean = solve_backward(q, outside, np.ones(grid.size))
    finite = np.where(np.isfinite(mean), mean, 0.0)
    second = solve_backward(q, outside, 2.0 * finite)
    second[np.isinf(mean)] = np.inf
    stats = passage_resolution(
        q, time_spent(Rates.of_generator(q), outside & np.isfinite(mean), grid.volumes.ravel()), mean
    )
    return FirstPassage(grid, mean.reshape(grid.shape), second.reshape(grid.shape), mask, InTime(q), stats)


def committor(eq: FokkerPlanck, grid: Grid, source: Any, target: Any) -> np.ndarray:
    """Probability of reaching the target before the source, from each cell.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    source, target : boolean array on the grid or callable
        Disjoint regions, as for `first_passage`.

    Returns
    -------
    ndarray (*grid.shape)
        Zero on the source, one on the target. `grid.interpolate(q, x)` reads it anywhere. In 1D coefficients, source and target
        may depend on time, f(x, t) -> mask; the paths then start at time 0.
    """
    _check(eq, grid)
    if eq.time_dependent or any(callable(region) and takes_time(region) for region in (source, target)):
        return committor_from_time_zero(eq, grid, source, target)
    _autonomous(eq, grid)
    goal, in_goal = read_region("target", target, grid)
    start, in_start = read_region("source", source, grid)
    if (goal & start).any():
        raise bad_value("source", "disjoint from `target`", f"{int((goal & start).sum())} cells in both")
    q = absorb(generator(eq, grid), start, in_start)
    both = absorb(q, goal, in_goal)
    into_goal = np.zeros(grid.size)
    for wall in both.exits[len(q.exits) :]:
        np.add.at(into_goal, wall.cells, wall.rates)
    outside = ~(goal | start).ravel()
    spent = time_spent(Rates.of_generator(both), outside, grid.volumes.ravel())
    warn_of_resolution(resolution(both, (spent,)), "where paths spend their time", "the committor is first order")
    return solve_backward(both, outside, into_goal).reshape(grid.shape) + goal


def spectrum(eq: FokkerPlanck, grid: Grid, k: int = 6) -> Spectrum:
    """The k slowest modes of the equation.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    k : int

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
    _autonomous(eq, grid)
    k = whole("k", k, 1, grid.size - 1)
    q = generator(eq, grid)
    modes = generator_modes(q, k)
    slowest = np.abs(modes.right[:, 0])
    warn_of_resolution(resolution(q, (slowest / slowest.sum(),)), "the slowest mode", "modes and rates are first order")
    result = spectrum_of(grid, modes, bool(q.exits))
    check_resolved(q, modes, result)
    return result


def _autonomous(eq: Any, grid: Any) -> None:
    """As `_check`, and nothing in the equation changes with time or with the density."""
    _check(eq, grid)
    _check_factors(grid)
    if eq.time_dependent or eq.interaction is not None:
        got = "an interaction" if eq.interaction is not None else "a coefficient with a parameter `t`"
        raise bad_value("eq", "independent of time and of the density here", got, "Follow it in time with fp.solve.")


def _check_request(eq: FokkerPlanck, method: Any, rtol: Any, progress: Any, observe: Any) -> None:
    """The arguments of `solve` that say how, and what to record."""
    check_rtol(rtol)
    known = tuple(METHODS) if eq.time_order == 1.0 else MEMORY_METHODS
    if not isinstance(method, str) or method not in ("auto", *known):
        close = difflib.get_close_matches(str(method), known, n=1)
        then = f"Did you mean {close[0]!r}?" if close else ""
        where = "" if eq.time_order == 1.0 else " with time_order below 1"
        raise bad_value("method", "'auto', " + ", ".join(map(repr, known)) + where, method, then)
    if callable(progress):
        callable_with("progress", progress, 1)
    else:
        flag("progress", progress)
    if observe is not None and not isinstance(observe, Mapping):
        raise bad_type("observe", "a dictionary of functions", observe, 'Such as {"energy": lambda x: x**2}.')


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
    _check(eq, grid)
    if eq.time_order < 1.0:
        then = "With memory the density obeys no rate matrix: use fp.solve."
        raise bad_value("time_order", "1 for a generator", eq.time_order, then)
    return generator(eq, grid, number("t", t))


def _check(eq: Any, grid: Any) -> None:
    then = "Use sgd.equation(), or sgd.transfer_operator(grid)." if isinstance(eq, SGD) else ""
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation", then)
    instance("grid", grid, Grid, "a Grid", "Make one with fp.Grid((low, high), cells).")


def _on_grid(function: Any, grid: Grid, name: str) -> np.ndarray:
    if not callable(function):
        raise bad_type(name, "a function of the coordinates", function)
    rule = f"a field of the grid's shape {grid.shape}"
    values = fields(name, call(name, function, Points.centers(grid).coords), rule).astype(float)
    if values.shape not in ((), grid.shape):
        raise bad_value(name, rule, f"shape {values.shape}")
    values = np.broadcast_to(values, grid.shape)
    if not np.isfinite(values).all():
        raise bad_value(name, "finite on the grid", values[~np.isfinite(values)][0])
    return values


def _check_memory(grid: Grid, n_times: int) -> None:
    """Refuse a run that would not fit: masses and densities of every output time, and some 60 numbers a cell beside."""
    fits_memory("grid", 8.0 * grid.size * (2.0 * n_times + 60.0), "Take fewer cells or fewer output times.")


def _check_factors(grid: Grid) -> None:
    """Refuse what factorises a matrix too large for memory.

    Nested dissection fills about 31 n log2(n) numbers in 2D and 20 n^(4/3) in 3D (George 1973); 12 bytes each.
    """
    n = float(grid.size)
    filled = {1: 60.0 * n, 2: 31.0 * n * np.log2(n + 1.0) / 4.0, 3: 20.0 * n ** (4.0 / 3.0)}[grid.dim]
    fits_memory(
        "grid", 8.0 * 60.0 * n + 12.0 * filled, "Take fewer cells, or follow the density in time with fp.solve."
    )


def _worst_resolution(
    at: GeneratorAt, driven: bool, start: np.ndarray, times: np.ndarray, masses: np.ndarray
) -> dict[str, float | int]:
    """`resolution` at the start and the end; where the generator changes, the worst of up to eight output times.

    Each density is judged by the generator of its own time; the start by that half way to the first output time, as
    coefficients may be singular at 0.
    """
    if not driven:
        return resolution(at(float(times[-1]), masses[-1]), (start, masses[-1]))
    later = np.flatnonzero(times > 0.0)
    if later.size == 0:
        return resolution(at(0.0, start), (start,))
    chosen = np.unique(later[np.linspace(0, later.size - 1, 8).astype(int)])
    pairs = [(0.5 * float(times[chosen[0]]), start), *((float(times[i]), masses[i]) for i in chosen)]
    found = [resolution(at(t, p), (p,)) for t, p in pairs]
    worst = max(found, key=lambda stats: stats["numerical_diffusion"] / max(stats["diffusion"], 1e-300))
    return {**worst, **{name: max(stats[name] for stats in found) for name in ("peclet", "added_diffusion")}}


def _mass_error(q: Generator, masses: np.ndarray) -> float:
    """How far the mass is from 1, where no wall absorbs."""
    return 0.0 if q.exits else float(np.abs(masses.reshape(len(masses), -1).sum(axis=1) - 1.0).max())


def _progress(progress: bool | Callable[[float], None]) -> Callable[[float], None]:
    if callable(progress):
        return progress
    if not progress:
        return lambda share: None
    from rich.progress import Progress

    bar = Progress(transient=True)
    task = bar.add_task("density", total=1.0)
    bar.start()

    def report(share: float) -> None:
        bar.update(task, completed=share)
        if share >= 1.0:
            bar.stop()

    return report
