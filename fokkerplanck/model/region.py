"""Regions of the box that a question is about: targets and sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from ..arguments import call, callable_with, takes_time
from ..arguments import mask as region_mask
from ..errors import bad_type, bad_value
from .coefficients import Points
from .grid import AXES, Grid

MOST_PLACES, MOST_IN_CELL = 2e6, 1024
PLACES_AT_ONCE = 16_384
FIRST_IN_CELL = 32
CORNERS = (1e-9, 1.0 - 1e-9)  # of a cell, just inside
STEPS = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)  # powers of a root of x^4 = x + 1


def read_region(name: str, region: Any, grid: Grid, optional: bool = False) -> tuple[np.ndarray, Callable | None]:
    """A region as a mask of cells (*grid.shape), with its function where it was given by one.

    region : boolean array on the grid, function f(x, y) -> mask, or, where `optional`, None for no cell.
    """
    if region is None:
        if not optional:
            raise bad_value(name, "given, as no wall absorbs", None, "Pass f(x) -> mask, or make a wall absorbing.")
        return np.zeros(grid.shape, dtype=bool), None
    if isinstance(region, str):
        coordinates = [n if n.isidentifier() else a for n, a in zip(grid.names, AXES, strict=False)]
        then = f"Such as {name}=lambda {', '.join(coordinates)}: {coordinates[0]} > 0."
        raise bad_type(name, "a function or a boolean array", region, then)
    function = region if callable(region) else None
    found = region if function is None else call(name, function, Points.centers(grid).coords)
    inside = region_mask(name, found, grid.shape)
    if inside.all():
        raise bad_value(name, "a region that leaves out some cell centers", "all cells", "Enlarge or move the grid.")
    if function is None and not inside.any():
        raise bad_value(name, "a region with some cells in it", "none")
    if function is not None and not inside.any() and not holds_a_place(function, grid):
        sizes = " x ".join(f"{float(w.min()):.2g}" for w in grid.widths)
        then = "Refine or move the grid, or enlarge the region."
        raise bad_value(name, "a region that holds a place of some cell", f"none in cells of {sizes}", then)
    return inside, function


def holds_a_place(function: Callable, grid: Grid) -> bool:
    """Whether some of many places in the cells lie in a region."""
    return any(bool(seen.any()) for seen, _ in places_in(function, grid, MOST_IN_CELL))


def places_in(function: Callable, grid: Grid, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Whether places (dim, k, *grid.shape) lie in a region, (k, *grid.shape), and the places: `count` in each cell altogether.

    They are those of a Kronecker sequence that goes on from cell to cell, so that what is thin is met in some of the cells; of
    many cells there are fewer places.
    """
    for places in places_of(grid, count):
        yield np.broadcast_to(np.asarray(function(*places), dtype=bool), places.shape[1:]), places


def places_of(grid: Grid, count: int) -> Iterator[np.ndarray]:
    """Places (dim, k, *grid.shape), k in each cell, `count` altogether, see `places_in`."""
    count = max(1, min(count, int(MOST_PLACES / grid.size)))
    low = np.stack(np.meshgrid(*(e[:-1] for e in grid.edges), indexing="ij"))[:, None]
    width = np.stack(np.meshgrid(*grid.widths, indexing="ij"))[:, None]
    first = count * np.arange(1.0, grid.size + 1).reshape(grid.shape)
    steps = np.reshape(STEPS[: grid.dim], (-1, 1, *[1] * grid.dim))
    for numbers in np.array_split(np.arange(count), -(-count * grid.size // PLACES_AT_ONCE)):
        yield low + width * np.mod((first + numbers.reshape(-1, *[1] * grid.dim)) * steps, 1.0)


def places_of_cells(grid: Grid, cells: np.ndarray, count: int) -> np.ndarray:
    """Places (dim, count, n) in some cells (n,) by their numbers: even ones on a line, else a sequence that fills each cell."""
    index = np.unravel_index(cells, grid.shape)
    low = np.stack([e[:-1][i] for e, i in zip(grid.edges, index, strict=True)])
    width = np.stack([w[i] for w, i in zip(grid.widths, index, strict=True)])
    numbers = np.arange(1.0, count + 1)[:, None]
    if grid.dim == 1:
        within = np.broadcast_to((numbers - 0.5) / count, (1, count, cells.size))
    else:
        within = np.mod((count * cells + numbers) * np.reshape(STEPS[: grid.dim], (-1, 1, 1)), 1.0)
    return low[:, None] + width[:, None] * within


def share_inside(function: Callable, grid: Grid) -> np.ndarray:
    """The share of each cell (*grid.shape) that lies in a region, from places spread evenly in it.

    A few in all cells, of a sequence that goes on from cell to cell, and many in those that hold places of both kinds, or
    corners.
    """
    low = np.stack([x.ravel() for x in np.meshgrid(*(e[:-1] for e in grid.edges), indexing="ij")])
    width = np.stack([w.ravel() for w in np.meshgrid(*grid.widths, indexing="ij")])
    steps = np.reshape(STEPS[: grid.dim], (-1, 1))

    def hits(cells: np.ndarray, place: np.ndarray) -> np.ndarray:
        """At places (dim, k, n) within the cells, as shares of their widths: how many are inside, (n,)."""
        x = low[:, None, cells] + width[:, None, cells] * place
        flat = x.reshape(len(x), x[0].size)
        found = np.broadcast_to(np.asarray(function(*flat), dtype=bool), flat.shape[1:])
        return found.reshape(x.shape[1:]).sum(axis=0)

    def counted(cells: np.ndarray, count: int) -> np.ndarray:
        rounds = max(1, min(count, PLACES_AT_ONCE // max(cells.size, 1)))
        parts = (np.arange(first, min(first + rounds, count + 1)) for first in range(1, count + 1, rounds))
        places = (np.mod((count * cells + k[:, None]) * steps[..., None], 1.0) for k in parts)
        return np.sum([hits(cells, place) for place in places], axis=0, dtype=float)

    every = np.arange(grid.size)
    corners = [hits(every, np.reshape(corner, (-1, 1, 1))) for corner in product(CORNERS, repeat=grid.dim)]
    found = counted(every, FIRST_IN_CELL)
    share, seen = found / FIRST_IN_CELL, found + sum(corners)
    mixed = np.flatnonzero((seen > 0) & (seen < FIRST_IN_CELL + len(corners)))
    share[mixed] = counted(mixed, MOST_IN_CELL) / MOST_IN_CELL
    return share.reshape(grid.shape)


def region_in_time(
    name: str, region: Any, grid: Grid, optional: bool = False
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A region of a 1D grid that may change with time, as a function (x, t) -> mask of arrays that broadcast.

    region : as for `read_region`, or f(x, t) -> mask.
    """
    if not (callable(region) and takes_time(region)):
        mask, function = read_region(name, region, grid, optional)
        edges, last = grid.edges[0][1:-1], grid.size - 1

        def still(x: np.ndarray, t: np.ndarray) -> np.ndarray:
            found = mask[np.minimum(np.searchsorted(edges, x, side="right"), last)] if function is None else function(x)
            return np.broadcast_to(found, np.broadcast_shapes(np.shape(x), np.shape(t)))

        return still
    callable_with(name, region, 1, "coordinate(s)", t=0.0)
    x, times = grid.centers[0], np.array([[0.0], [0.731]])
    slow = np.stack([region_mask(name, region(x, t=float(t)), x.shape) for t in times[:, 0]])
    try:
        at_once = bool((np.broadcast_to(region(np.broadcast_to(x, slow.shape), t=times), slow.shape) == slow).all())
    except Exception:
        at_once = False

    def moving(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        shape = np.broadcast_shapes(np.shape(x), np.shape(t))
        x = np.broadcast_to(x, shape)
        if at_once:
            return np.broadcast_to(np.asarray(region(x, t=t), dtype=bool), shape)
        rows = zip(x, np.broadcast_to(t, shape).reshape(shape[0], -1)[:, 0], strict=True)
        return np.stack(
            [np.asarray(region(np.atleast_1d(row), t=float(now)), dtype=bool) for row, now in rows]
        ).reshape(shape)

    return moving


@dataclass(frozen=True)
class RegionInTime:
    """A region of a grid that may change with time.

    mask (*grid.shape) are its cells where it stays, and function what it was given by, f(x, y) or, where mask is None,
    f(x, y, t).
    """

    grid: Grid
    mask: np.ndarray | None
    function: Callable[..., np.ndarray] | None

    @property
    def moves(self) -> bool:
        """Whether it changes with time."""
        return self.mask is None

    def at(self, t: float) -> tuple[np.ndarray, Callable[..., np.ndarray] | None]:
        """As `read_region` gives it, at a time."""
        if self.mask is not None:
            return self.mask, self.function
        inside = partial(self.holds, t)
        return inside(*Points.centers(self.grid).coords), inside

    def on(self, grid: Grid) -> RegionInTime:
        """The same on other cells; one that was given by cells is the set of places in these."""
        if self.moves:
            return RegionInTime(grid, None, self.function)
        function = self.function or partial(self.holds, 0.0)
        return RegionInTime(grid, *read_region("target", function, grid, optional=not np.any(self.mask)))

    def holds(self, t: float, *coords: np.ndarray) -> np.ndarray:
        """Whether places lie in it at a time."""
        shape = np.broadcast_shapes(*(np.shape(x) for x in coords))
        if self.function is None:
            assert self.mask is not None
            index = [
                np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
                for x, edges in zip(coords, self.grid.edges, strict=True)
            ]
            return np.broadcast_to(self.mask[tuple(index)], shape)
        found = self.function(*coords, t=t) if self.mask is None else self.function(*coords)
        return np.broadcast_to(np.asarray(found, dtype=bool), shape)


def any_region_in_time(name: str, region: Any, grid: Grid, optional: bool = False) -> RegionInTime:
    """A region that may change with time, on any grid; as for `read_region`, or f(x, y, t) -> mask."""
    if not (callable(region) and takes_time(region)):
        return RegionInTime(grid, *read_region(name, region, grid, optional))
    region_mask(name, call(name, region, Points.centers(grid).coords, t=0.0), grid.shape)
    return RegionInTime(grid, None, region)
