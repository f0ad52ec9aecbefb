"""As many cells as a tolerance asks for, found by measuring the error on one grid after another."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...errors import ConvergenceError
from ...model.box import Box
from ...model.grid import Grid
from .estimates import UNASKED
from .measure import FAILURES

logger = logging.getLogger(__name__)

SAFETY, LEAST, MOST = 1.1, 1.2, 4.0  # by how much the cells of an axis grow: more than needed, and the bounds
FAR, NEAR = {1: 16.0, 2: 4.0, 3: 4.0}, 0.25  # the most, by dimension, where the order is that near to one of
ORDERS = (2.0, 4.0)  # the scheme and its extrapolation
UNSEEN = 2.0  # the same, where the answer does not converge yet
STRAYING = 2.0  # by which an error may be larger than its estimate, where the answer does not converge
MULTIPLE = 4  # so that pairs of pairs are whole cells
FIRST = {1: 256, 2: 48, 3: 16}  # cells along each axis to begin with; on a line fewer cost no less
LARGEST = {1: 200_000, 2: 1_000_000, 3: 1_000_000}  # cells in all
STARTS = 5  # grids that are tried before a first answer, and before a first error
SEEN = 0.9  # order from which the cells that are needed can be told; below, the cells are hoped to be too wide for it
HOPELESS = 4.0  # times the cells along an axis that there may be: if more are needed, they are not tried


class Attempt(NamedTuple):
    """An answer on a grid; its error in the terms of the tolerance, the order of it, and whether it is to be relied on.

    An error that was not measured is nan. `hidden`: a feature of the coefficients is inside a cell.
    """

    result: Any
    error: float
    order: float
    converging: bool
    hidden: bool = False

    @property
    def bound(self) -> float:
        """What the error is at most."""
        return self.error * (1.0 if self.converging else STRAYING)

    def meets(self, tol: float) -> bool:
        """Whether the answer is as good as that; not where it is not known."""
        return not self.hidden and self.bound <= tol

    def described(self, grid: Grid) -> str:
        """The error on a grid, in words."""
        where = f"on {shape_of(grid)} cells"
        if math.isnan(self.error):
            return f"no error measured {where}"
        state = f"order {self.order:.2g}" if self.converging else "not converging"
        inside = ", a feature of the coefficients is inside a cell" if self.hidden else ""
        return f"error {self.error:.1e} {where}, {state}{inside}"


def refined(attempt: Callable[[Grid], Attempt], start: Grid | Box, tol: float) -> Attempt:
    """The first answer whose measured error is at most `tol`.

    Parameters
    ----------
    attempt : callable
        The question on a grid. Where it fails on the first grids, as where a region holds no cell center, finer ones are
        tried, and then the failure is passed on.
    start : the first grid; of a box, 256 cells, 48 or 16 along each axis in one, two or three dimensions.
    tol : float

    Raises
    ------
    ConvergenceError
        Where that would take too many cells; `partial` is the best answer there was.
    """
    grid = start.divided(FIRST[start.dim]) if isinstance(start, Box) else start
    best: Attempt | None = None
    tried = 0
    while True:
        tried += 1
        try:
            found = attempt(grid)
        except FAILURES as problem:
            logger.info("tol = %g: no answer on %s cells (%s)", tol, shape_of(grid), problem)
            if best is not None:
                raise _unreachable(tol, best, str(problem)) from problem
            if tried == STARTS or isinstance(start, Grid):
                raise
            grid = with_cells(grid, UNSEEN)
            continue
        logger.info("tol = %g: %s", tol, found.described(grid))
        if found.meets(tol):
            return found
        if best is None or math.isnan(best.error) or found.bound < best.bound:
            best = found
        if math.isnan(best.error) and (tried >= STARTS or found.result.error.note == UNASKED):
            raise _unreachable(tol, best, best.result.error.note)
        grid = _next_grid(grid, found, tol, best)


def _next_grid(grid: Grid, found: Attempt, tol: float, best: Attempt) -> Grid:
    """More cells, by the error and its order."""
    moving = sum(n > 1 for n in grid.shape)
    room = (LARGEST[grid.dim] / grid.size) ** (1.0 / max(moving, 1))
    wished = least = UNSEEN
    if found.converging and not found.hidden:
        wished = SAFETY * (found.error / tol) ** (1.0 / max(found.order, 0.5))
        least = wished if found.order > SEEN else (found.error / tol) ** 0.5
    near = any(abs(found.order - order) < NEAR for order in ORDERS)
    most = FAR[grid.dim] if found.converging and near else MOST
    factor = min(float(np.clip(wished, LEAST, most)), room)
    if factor < LEAST or least > HOPELESS * room:
        shape = " x ".join(str(math.ceil(n * least) if n > 1 else 1) for n in grid.shape)
        raise _unreachable(tol, best, f"it would take some {shape} cells")
    return with_cells(grid, factor)


def _unreachable(tol: float, best: Attempt, why: str) -> ConvergenceError:
    seen = f"an error of {best.error:.1e}" if not math.isnan(best.error) else "an error that could not be measured"
    state = "" if best.converging or math.isnan(best.error) else ", not converging"
    return ConvergenceError(
        f"tol = {tol:g} is out of reach: the best answer has {seen}{state} on {best.result.grid!r} ({why}). Ask for a larger "
        "tol or a smaller box, or give a graded grid to start from; the best answer is in the error's `partial`.",
        best.result,
    )


def shape_of(grid: Grid) -> str:
    """The cells along each axis, such as "64 x 32"."""
    return " x ".join(map(str, grid.shape))


def with_cells(grid: Grid, factor: float) -> Grid:
    """A grid of `factor` times as many cells along each axis, rounded up to pairs of pairs, graded like the given one."""
    return grid.with_edges([_divided(e, factor) for e in grid.edges])


def _divided(edges: np.ndarray, factor: float) -> np.ndarray:
    n = edges.size - 1
    if n == 1:
        return edges
    cells = MULTIPLE * math.ceil(n * factor / MULTIPLE)
    if np.ptp(np.diff(edges)) <= 1e-9 * (edges[-1] - edges[0]) / n:
        return np.linspace(edges[0], edges[-1], cells + 1)
    result = PchipInterpolator(np.arange(n + 1), edges)(np.linspace(0.0, n, cells + 1))
    result[[0, -1]] = edges[[0, -1]]
    return np.asarray(result)
