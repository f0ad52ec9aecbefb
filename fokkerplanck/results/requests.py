"""What a question may ask: output times, tolerances, what fits into memory, and how progress is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arguments import (
    LARGEST,
    LEAST_INDEX,
    call,
    callable_with,
    did_you_mean,
    fields,
    fits_memory,
    flag,
    increasing,
    number,
)
from ..errors import bad_type, bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..solvers.evolution.exponential import METHODS
from ..solvers.linear.memory import bytes_of

NO_VARIANCE = 1e-28  # of the largest square of an observable: a variance of this size is rounding
MEMORY_METHODS = ("contour", "subordination", "stepping")
# places along each axis in a cell, in 1D, 2D and 3D, at which functions are looked at: in all cells, and where they are rough
IN_CELL, CLOSELY = (32, 8, 3), (1024, 32, 10)
ROUGH, ROUNDING = 0.02, 1e-9  # of what a function changes by in a cell, and of its size: what a parabola may miss
FEW_BYTES = 3e7  # for which no closer estimate is made


def output_times(times: Any) -> np.ndarray:
    """Output times as an array (n_times,), or the sentence that says what is wrong with them."""
    return increasing("times", times)


def check_waiting(times: np.ndarray, time_order: Any, scale: Any, rtol: Any) -> None:
    """The arguments of an evolution with waiting times."""
    number("time_order", time_order, f"a number from {LEAST_INDEX:g} to 1", lambda v: LEAST_INDEX <= v <= 1.0)
    number("scale", scale, "a positive number", lambda v: 0.0 < v < np.inf)
    check_rtol(rtol)
    if times[-1] / scale > LARGEST:
        raise bad_value("times", f"at most {LARGEST:g} in units of `scale`", times)


def check_rtol(rtol: Any) -> None:
    """Refuse a tolerance that no propagation can hold."""
    number("rtol", rtol, "between 1e-12 and 1", lambda v: 1e-12 <= v < 1.0)


def check_memory(eq: FokkerPlanck, grid: Grid, n_times: int) -> None:
    """Refuse a run that would not fit: 28 bytes a cell and output time, and what the generator takes, as measured."""
    own = 720.0 if grid.dim == 1 else 380.0
    if own * grid.size > FEW_BYTES and has_tensor(eq, grid):
        own += {1: 0.0, 2: 160.0, 3: 600.0}[grid.dim]
    fits_memory("grid", grid.size * (28.0 * n_times + own), "Take fewer cells or fewer output times.")


def check_systems(eq: FokkerPlanck, grid: Grid, question: str, cells: int | None = None, regions: int = 1) -> None:
    """Refuse what solves systems too large for memory, by the question: "balanced", "stationary", "passage" or "modes".

    cells: how many lie outside the `regions` that end a passage, all if None.
    """
    tensor = bytes_of(grid, question, cells) > FEW_BYTES and has_tensor(eq, grid)
    need = bytes_of(grid, question, cells, tensor, regions)
    fits_memory("grid", need, "Take fewer cells, or follow the density in time with fp.solve.")


def has_tensor(eq: FokkerPlanck, grid: Grid) -> bool:
    """Whether D is a full matrix, as seen in the first cell."""
    if grid.dim == 1:
        return False
    first = (slice(0, 1),) * grid.dim
    lines = np.meshgrid(*(c[:1] for c in grid.centers), indexing="ij")
    return eq.diffusion_at(Points(tuple(lines), lambda values: values[first])).ndim == grid.dim + 2


@contextmanager
def progress_bar(progress: bool | Callable[[float], None], what: str = "density") -> Iterator[Callable[[float], None]]:
    """A function of the share of the work that is done: the caller's own, a bar on a terminal or in a notebook, or none.

    The bar is on stderr, and gone at the end, also of work that fails.
    """
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield lambda share: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def on_grid(function: Any, grid: Grid, name: str) -> np.ndarray:
    """Values of a function of the coordinates at the cell centers, (*grid.shape), finite.

    Where the function is not smooth inside a cell, as at the edges of a region, its mean over many places in the cell. What is
    narrower than 1/32 of a cell (1/8 in 2D) may go unseen.
    """
    if not callable(function):
        raise bad_type(name, "a function of the coordinates", function)
    rule = f"a field of the grid's shape {grid.shape}"
    values = fields(name, call(name, function, Points.centers(grid).coords), rule).astype(float)
    if values.shape not in ((), grid.shape):
        raise bad_value(name, rule, f"shape {values.shape}")
    values = np.broadcast_to(values, grid.shape)
    if not np.isfinite(values).all():
        raise bad_value(name, "finite on the grid", values[~np.isfinite(values)][0])
    rough = _rough_cells(function, grid)
    if rough.size:
        values = values.ravel().copy()
        found = _at_places(function, grid, rough, CLOSELY[grid.dim - 1]).mean(axis=0)
        values[rough] = np.where(np.isfinite(found), found, values[rough])
    return values.reshape(grid.shape)


def _rough_cells(function: Callable[..., Any], grid: Grid) -> np.ndarray:
    """Numbers of the cells inside which no polynomial of degree two follows a function."""
    count = IN_CELL[grid.dim - 1]
    places = _places(count, grid.dim)
    found = _at_places(function, grid, np.arange(grid.size), count)
    powers = [np.ones(len(places)), *places.T]
    powers += [places[:, i] * places[:, j] for i in range(grid.dim) for j in range(i, grid.dim)]
    basis = np.linalg.qr(np.stack(powers, axis=1))[0]
    with np.errstate(all="ignore"):
        missed = np.abs(found - basis @ (basis.T @ found)).max(axis=0)
        return np.flatnonzero(
            (missed > ROUGH * np.ptp(found, axis=0)) & (missed > ROUNDING * np.abs(found).max(axis=0))
        )


def _places(count: int, dim: int) -> np.ndarray:
    """Places spread over a cell around its center, in widths, (count^dim, dim)."""
    along = [(np.arange(count) + 0.5) / count - 0.5] * dim
    return np.stack([u.ravel() for u in np.meshgrid(*along, indexing="ij")], axis=1)


def _at_places(function: Callable[..., Any], grid: Grid, cells: np.ndarray, count: int) -> np.ndarray:
    """A function at places in some cells, (count^dim, n_cells)."""
    centers, widths = (
        [x.ravel()[cells] for x in np.meshgrid(*lines, indexing="ij")] for lines in (grid.centers, grid.widths)
    )
    with np.errstate(all="ignore"):
        return np.stack([
            np.broadcast_to(
                np.asarray(function(*(c + u * w for c, u, w in zip(centers, place, widths, strict=True))), dtype=float),
                cells.shape,
            )
            for place in _places(count, grid.dim)
        ])  # fmt: skip


def check_request(eq: FokkerPlanck, method: Any, rtol: Any, progress: Any, observe: Any) -> None:
    """The arguments of `solve` that say how, and what to record."""
    check_rtol(rtol)
    known = tuple(METHODS) if eq.time_order == 1.0 else MEMORY_METHODS
    if not isinstance(method, str) or method not in ("auto", *known):
        then = did_you_mean(str(method), known, cutoff=0.6)
        where = "" if eq.time_order == 1.0 else " with time_order below 1"
        raise bad_value("method", "'auto', " + ", ".join(map(repr, known)) + where, method, then)
    if callable(progress):
        callable_with("progress", progress, 1)
    else:
        flag("progress", progress)
    if observe is not None and not isinstance(observe, Mapping):
        raise bad_type("observe", "a dictionary of functions", observe, 'Such as {"energy": lambda x: x**2}.')
