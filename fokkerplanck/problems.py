"""The front door: one function a question."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .density import initial_masses
from .equation import FokkerPlanck, Points
from .errors import ConvergenceError, ResolutionWarning, bad_type, bad_value
from .grid import Grid
from .results import Solution, Stationary
from .solvers.finite_volume import generator
from .solvers.generator import Generator, resolution
from .solvers.propagate import METHODS, propagate
from .solvers.stationary import closed_parts, part_masses, part_weights


def solve(
    eq: FokkerPlanck,
    grid: Grid,
    p0: Any,
    times: Any,
    method: str = "auto",
    rtol: float = 1e-6,
    progress: bool | Callable[[float], None] = False,
    observe: Mapping[str, Callable[..., np.ndarray]] | None = None,
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
        "auto" chooses by cost. "chebyshev": products with the generator, for short and middle horizons. "rational": seven
        complex solves a step, for long horizons in 1D and 2D. "uniformization": strictly nonnegative, for any horizon
        that a few million products reach.
    rtol : float
        Error allowed in the 1-norm for the propagation in time, over the whole run. The error of the grid comes on top.
    progress : bool or callable
        True shows a progress bar; a callable receives the share of output times done.
    observe : dict of callables, optional
        Expectations to record: {"name": f(x, y)} fills `solution.observed["name"]`.

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
    moments = _times(times)
    _check(eq, grid)
    if not 1e-12 <= rtol < 1.0:
        raise bad_value("rtol", "between 1e-12 and 1", rtol)
    if method not in ("auto", *METHODS):
        close = difflib.get_close_matches(str(method), METHODS, n=1)
        then = f"Did you mean {close[0]!r}?" if close else ""
        raise bad_value("method", "'auto', " + ", ".join(map(repr, METHODS)), method, then)
    _check_memory(grid, moments.size)
    start, initial_mass = initial_masses(p0, grid)
    watched = {name: _on_grid(f, grid, f"observe[{name!r}]") for name, f in (observe or {}).items()}
    q = generator(eq, grid)

    masses = np.empty((moments.size, *grid.shape))
    error, chosen = 0.0, None
    report = _progress(progress)
    for i, (p, error, chosen) in enumerate(propagate(q, start.ravel(), moments, method, rtol)):
        masses[i] = p.reshape(grid.shape)
        report((i + 1) / moments.size)
    assert chosen is not None
    stats = {
        "error_estimate": error,
        "mass_error": _mass_error(q, masses),
        "min_density": float((masses / grid.volumes).min() / max((masses / grid.volumes).max(), 1e-300)),
        "initial_mass": initial_mass,
        **chosen.work,
        **resolution(q, (start, masses[-1])),
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
    )
    if error > max(rtol, 1e-12):
        raise ConvergenceError(f"the error estimate {error:.1e} exceeds rtol = {rtol:g}; try method='uniformization'", result)
    _warn_resolution(stats)
    return result


def stationary(eq: FokkerPlanck, grid: Grid, p0: Any = None) -> Stationary:
    """The stationary density.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    p0 : initial density, optional
        Where several parts of the box are closed, each has a stationary density of its own; p0 then says how much
        probability ends up in each.

    Returns
    -------
    Stationary

    Raises
    ------
    ValueError
        If the stationary density is not unique (without p0), or does not exist as absorbing walls take everything.
    """
    _check(eq, grid)
    start = None if p0 is None else initial_masses(p0, grid)[0]
    q = generator(eq, grid)
    parts = closed_parts(q)
    if not parts:
        then = "Make a wall reflecting; with absorbing walls ask for the survival by fp.solve."
        raise bad_value("grid", "closed somewhere for a stationary density", "absorbing walls that take everything", then)
    if len(parts) > 1 and start is None:
        shown = "; ".join(_extent(grid, part) for part in parts[:4]) + ("; ..." if len(parts) > 4 else "")
        then = "Pass p0 to say where the probability starts."
        raise bad_value("eq", "such that its stationary density is unique", f"{len(parts)} closed parts: {shown}", then)
    weights = np.ones(1) if start is None else part_weights(q, parts, start.ravel())
    masses = sum(w * part_masses(q, part) for w, part in zip(weights, parts, strict=True))
    masses = np.asarray(masses).reshape(grid.shape)
    stats = {
        "parts": len(parts),
        "residual": float(np.abs(q.apply(masses)).max() / max(q.outflow.max(initial=0.0), 1e-300)),
        **resolution(q, (masses,)),
    }
    return Stationary(grid, masses / grid.volumes, q, stats, message=f"{len(parts)} closed part(s)")


def _times(times: Any) -> np.ndarray:
    try:
        array = np.atleast_1d(np.asarray(times, dtype=float))
    except (TypeError, ValueError):
        raise bad_type("times", "a number or a sequence of numbers", times) from None
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise bad_value("times", "finite numbers, at least one", times)
    if array[0] < 0.0 or (np.diff(array) <= 0.0).any():
        raise bad_value("times", "increasing and not below 0", times, "Sort them and drop repeats.")
    return array


def _check(eq: Any, grid: Any) -> None:
    if not isinstance(eq, FokkerPlanck):
        raise bad_type("eq", "a FokkerPlanck equation", eq)
    if not isinstance(grid, Grid):
        raise bad_type("grid", "a Grid", grid, "Make one with fp.Grid((low, high), cells).")


def _on_grid(function: Any, grid: Grid, name: str) -> np.ndarray:
    if not callable(function):
        raise bad_type(name, "a function of the coordinates", function)
    return np.broadcast_to(np.asarray(function(*Points.centers(grid).coords), dtype=float), grid.shape)


def _check_memory(grid: Grid, n_times: int) -> None:
    """Refuse a run that would not fit: masses and densities of every output time, and some 60 numbers a cell beside."""
    need = 8.0 * grid.size * (2.0 * n_times + 60.0)
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") if hasattr(os, "sysconf") else np.inf
    if need > have:
        then = "Take fewer cells or fewer output times."
        raise bad_value("grid", f"small enough for the {have / 1e9:.1f} GB of free memory", f"about {need / 1e9:.1f} GB needed", then)


def _mass_error(q: Generator, masses: np.ndarray) -> float:
    """How far the mass is from 1, where no wall absorbs."""
    return 0.0 if q.exits else float(np.abs(masses.reshape(len(masses), -1).sum(axis=1) - 1.0).max())


def _warn_resolution(stats: dict[str, Any]) -> None:
    if stats["order"] == 1 and stats["diffusion"] > 0.0:
        warnings.warn(
            f"the grid adds a numerical diffusion of {stats['numerical_diffusion']:.2g} to a diffusion of "
            f"{stats['diffusion']:.2g} (averages over the density; largest cell Peclet number {stats['peclet']:.2g}): "
            "the density is positive and conservative, but first order in the cell size. Take more cells.",
            ResolutionWarning,
            stacklevel=3,
        )


def _extent(grid: Grid, cells: np.ndarray) -> str:
    index = np.unravel_index(cells, grid.shape)
    sides = [f"[{e[i.min()]:.4g}, {e[i.max() + 1]:.4g}]" for e, i in zip(grid.edges, index, strict=True)]
    return " x ".join(sides)


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
