"""The grid: cells of a box in one, two or three dimensions, and what its walls do to probability."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arguments import call, did_you_mean, different_words, fields, own, reals, sized, whole
from ..errors import bad_type, bad_value

MAX_CELLS = 10**8  # along an axis
WALLS = ("reflecting", "absorbing", "periodic")
AXES = ("x", "y", "z")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Grid:
    """A box divided into rectangular cells.

    Parameters
    ----------
    bounds : (low, high) or list of such pairs, one an axis
    cells : int or list of int, one an axis
        Number of equal cells along each axis.
    boundary : str, or list with one entry an axis
        What the walls do: "reflecting" (no probability passes), "absorbing" (it leaves for good) or "periodic".
        One word for all walls, or a list with one entry an axis, each a word or a (low, high) pair;
        in 1D a bare pair means (low, high).

    Attributes
    ----------
    edges : tuple of ndarray
        Cell edges along each axis, shape (n + 1,).
    boundary : tuple of (low, high)
        The walls of each axis.
    names : tuple of str
        What the axes are called in figures, tables and files: x, y, z, or what an equation or a loss calls its coordinates.

    Examples
    --------
    >>> grid = Grid([(-2.5, 2.5), (-2, 2)], [256, 128], boundary=["reflecting", ("absorbing", "reflecting")])
    >>> grid.shape
    (256, 128)
    >>> Grid((-6, 6), 400).dim
    1
    """

    edges: tuple[np.ndarray, ...]
    boundary: tuple[tuple[str, str], ...]
    names: tuple[str, ...]

    def __init__(self, bounds: Any, cells: Any, boundary: Any = "reflecting"):
        pairs = _bounds(bounds)
        counts = _cells(cells, len(pairs))
        edges = [np.linspace(low, high, n + 1) for (low, high), n in zip(pairs, counts, strict=True)]
        self._set(edges, boundary)

    @classmethod
    def from_edges(cls, edges: Any, boundary: Any = "reflecting") -> Grid:
        """A grid with cells of any width.

        Parameters
        ----------
        edges : array (n + 1,) or list of such, one an axis
            Increasing cell edges. Neighbouring widths should differ by some per cent only: the scheme is second
            order on smoothly graded grids.
        boundary : see `Grid`
        """
        rule = "an array of cell edges, or a list with one such array an axis"
        if not isinstance(edges, (list, tuple, np.ndarray)) or len(edges) == 0:
            raise bad_type("edges", rule, edges)
        nested = isinstance(edges[0], (list, tuple, np.ndarray))
        arrays = [reals("edges", e, rule).copy() for e in (edges if nested else [edges])]
        for e in arrays:
            if e.ndim != 1 or e.size < 2 or not np.isfinite(e).all() or not (np.diff(e) > 0).all():
                raise bad_value(
                    "edges", "finite and increasing, at least two an axis", e, "Sort them and drop repeats."
                )
            sized("edges", e)
        grid = cls.__new__(cls)
        grid._set(arrays, boundary)
        return grid

    @classmethod
    def graded(cls, bounds: Any, width: Callable[[np.ndarray], Any], boundary: Any = "reflecting") -> Grid:
        """A 1D grid whose cells follow a wished width.

        Parameters
        ----------
        bounds : (low, high)
        width : callable
            The cell width wanted at x, positive and smooth. Fine where the noise is weak or the density narrow,
            coarse elsewhere.
        boundary : see `Grid`

        Examples
        --------
        >>> Grid.graded((-1, 4), lambda x: 1e-3 + 0.01 * (x - 1) ** 2).size
        911
        """
        pairs = _bounds(bounds)
        if len(pairs) != 1:
            raise bad_value("bounds", "one pair (low, high) for a graded grid", bounds)
        ((low, high),) = pairs
        fine = np.linspace(low, high, 100_001)
        if not callable(width):
            raise bad_type("width", "a function of the coordinate", width, "Equal cells: fp.Grid((low, high), cells).")
        wished = fields("width", call("width", width, (fine,)), "a function that returns the width at each place")
        if wished.shape not in ((), fine.shape):
            raise bad_value("width", f"one number, or an array of shape {fine.shape} here", f"shape {wished.shape}")
        wished = np.broadcast_to(wished, fine.shape).astype(float)
        if not np.isfinite(wished).all() or not (wished > 0).all():
            raise bad_value(
                "width", "positive and finite between the bounds", wished[~((wished > 0) & np.isfinite(wished))][0]
            )
        density = 1.0 / wished
        cells = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(fine))])
        n = max(int(np.ceil(cells[-1])), 1)
        if n > 10_000_000:
            raise bad_value("width", "large enough for at most ten million cells", f"{n} cells")
        edges = np.interp(np.linspace(0.0, cells[-1], n + 1), cells, fine)
        return cls.from_edges(edges, boundary)

    def _set(self, edges: list[np.ndarray], boundary: Any) -> None:
        if not 1 <= len(edges) <= 3:
            raise bad_value("bounds", "given for one, two or three axes", f"{len(edges)} axes")
        for e in edges:
            e.flags.writeable = False
        object.__setattr__(self, "edges", tuple(edges))
        object.__setattr__(self, "boundary", _walls(boundary, len(edges)))
        object.__setattr__(self, "names", AXES[: len(edges)])

    def named(self, names: Sequence[str]) -> Grid:
        """The same cells, the axes called by these different names: those of the coordinates, one an axis."""
        grid = copy.copy(self)
        object.__setattr__(grid, "names", different_words("names", names, self.dim))
        return grid

    def with_edges(self, edges: Sequence[np.ndarray]) -> Grid:
        """Other cells, (n + 1,) along each axis, between the same walls; the axes are called as before."""
        return Grid.from_edges(edges, self.walls).named(self.names)

    def replaced(self, axis: int, edges: np.ndarray, nodes: np.ndarray) -> Grid:
        """The same cells with faces moved along an axis, (n + 1,), and their values read at `nodes` (n,), one in each cell.

        The nodes then are the grid's `centers`: solvers take the centroid of the density where it goes by a power.
        """
        grid = Grid.__new__(Grid)
        grid._set([edges if a == axis else e.copy() for a, e in enumerate(self.edges)], self.walls)
        nodes.flags.writeable = False
        object.__setattr__(grid, "names", self.names)
        grid.__dict__["centers"] = tuple(nodes if a == axis else c for a, c in enumerate(self.centers))
        return grid

    @property
    def walls(self) -> list[str | tuple[str, str]]:
        """The boundary, axis by axis, as `Grid` takes it."""
        return as_given(self.boundary)

    @cached_property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.edges)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(e.size - 1 for e in self.edges)

    @cached_property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    @cached_property
    def widths(self) -> tuple[np.ndarray, ...]:
        """Cell widths along each axis, shape (n,)."""
        return tuple(own(np.diff(e)) for e in self.edges)

    @cached_property
    def centers(self) -> tuple[np.ndarray, ...]:
        """Cell centers along each axis, shape (n,)."""
        return tuple(own(0.5 * (e[1:] + e[:-1])) for e in self.edges)

    @cached_property
    def volumes(self) -> np.ndarray:
        """Length, area or volume of each cell, shape `shape`."""
        volume = self.widths[0]
        for width in self.widths[1:]:
            volume = volume[..., None] * width
        return own(volume)

    def coordinates(self) -> tuple[np.ndarray, ...]:
        """The cell centers as arrays that broadcast against each other to `shape`."""
        places = enumerate(self.centers)
        return tuple(c.reshape([-1 if a == b else 1 for b in range(self.dim)]).copy() for a, c in places)

    def periodic(self, axis: int) -> bool:
        """Whether the two ends of an axis are joined."""
        whole("axis", axis, 0, self.dim - 1)
        return self.boundary[axis][0] == "periodic"

    @property
    def absorbs(self) -> bool:
        """Whether any wall absorbs."""
        return any("absorbing" in walls for walls in self.boundary)

    def in_first_turn(self, x: np.ndarray, axis: int) -> np.ndarray:
        """Coordinates along an axis without whole turns where it is periodic; infinite ones are left alone."""
        first, last = self.edges[axis][[0, -1]]
        beyond = np.isfinite(x) & ((x < first) | (x > last))
        if not self.periodic(axis) or not beyond.any():
            return x
        return np.where(beyond, first + np.mod(np.where(beyond, x, first) - first, last - first), x)

    def wrapped(self, positions: np.ndarray) -> np.ndarray:
        """Positions (n, dim) without whole turns round periodic axes."""
        return np.stack([self.in_first_turn(x, axis) for axis, x in enumerate(positions.T)], axis=1)

    def place(self, point: Any, name: str = "point") -> np.ndarray:
        """The coordinates (dim,) of a point of the box, without whole turns round periodic axes."""
        values = np.atleast_1d(reals(name, point, f"a point with {self.dim} coordinate(s)"))
        if values.shape != (self.dim,):
            raise bad_value(name, f"a point with {self.dim} coordinate(s)", point)
        values = self.wrapped(values[None])[0]
        for value, edge in zip(values, self.edges, strict=True):
            if not edge[0] <= value <= edge[-1]:
                raise bad_value(name, f"inside the box [{edge[0]:g}, {edge[-1]:g}]", float(value), "Enlarge the grid.")
        return values

    def locate(self, point: Any, name: str = "point") -> tuple[int, ...]:
        """Index of the cell that holds a point."""
        return tuple(
            min(int(np.searchsorted(edge, value, side="right")) - 1, edge.size - 2)
            for value, edge in zip(self.place(point, name), self.edges, strict=True)
        )

    def places(self, count: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Coordinates (*shape) of `count` even places along each axis of every cell, one place in each cell at a time."""
        for place in np.ndindex(*[count] * self.dim):
            parts = zip(self.edges, self.widths, place, strict=True)
            yield tuple(np.meshgrid(*(e[:-1] + w * (i + 0.5) / count for e, w, i in parts), indexing="ij"))

    def interpolate(self, values: np.ndarray, point: Sequence[float], name: str = "point") -> float:
        """A field on the cells (shape `shape`), linearly between centers, round periodic axes too, at a point of the box."""
        place = self.place(point, name)
        field = reals("values", values, f"a field of the grid's shape {self.shape}")
        if field.shape != self.shape:
            raise bad_value("values", f"a field of the grid's shape {self.shape}", f"shape {field.shape}")
        for axis, x in enumerate(place):
            centers = self.centers[axis]
            if centers.size == 1:
                field = field[0]
                continue
            if self.periodic(axis):  # from the last cell to the first
                turn = self.edges[axis][-1] - self.edges[axis][0]
                centers = np.concatenate([centers[-1:] - turn, centers, centers[:1] + turn])
                field = np.concatenate([field[-1:], field, field[:1]])
            low = int(np.clip(np.searchsorted(centers, x) - 1, 0, centers.size - 2))
            share = float(np.clip((x - centers[low]) / (centers[low + 1] - centers[low]), 0.0, 1.0))
            field = field[low] if share == 0.0 else (1.0 - share) * field[low] + share * field[low + 1]
        return float(field)

    def __repr__(self) -> str:
        axes = []
        for edge, walls in zip(self.edges, self.boundary, strict=True):
            wall = walls[0] if walls[0] == walls[1] else f"{walls[0]}|{walls[1]}"
            axes.append(f"[{edge[0]:g}, {edge[-1]:g}] in {edge.size - 1} cells, {wall}")
        return f"Grid({' x '.join(axes)})"


def wall_name(axis: str, side: int) -> str:
    """What a wall is called: "x low", "x high" for the sides 0 and 1 of an axis x."""
    return f"{axis} {'high' if side else 'low'}"


def _bounds(bounds: Any) -> list[tuple[float, float]]:
    array = reals("bounds", bounds, "a pair (low, high) or a list of such pairs")
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != 2:
        raise bad_value("bounds", "a pair (low, high) or a list of such pairs", bounds)
    if not np.isfinite(array).all() or not (array[:, 0] < array[:, 1]).all():
        raise bad_value("bounds", "finite with low < high on each axis", bounds)
    sized("bounds", array)
    return [(low, high) for low, high in array.tolist()]


def _cells(cells: Any, dim: int) -> list[int]:
    counts = list(cells) if isinstance(cells, (list, tuple, np.ndarray)) else [cells] * dim
    if len(counts) != dim:
        raise bad_value("cells", f"one number or {dim} numbers, as there are {dim} axes", cells)
    for n in counts:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise bad_value("cells", "whole numbers of at least 1", cells)
        if n > MAX_CELLS:
            raise bad_value("cells", f"at most {MAX_CELLS} along an axis", cells)
    return [int(n) for n in counts]


def _walls(boundary: Any, dim: int) -> tuple[tuple[str, str], ...]:
    if isinstance(boundary, str):
        entries: list[Any] = [boundary] * dim
    elif isinstance(boundary, (list, tuple)):
        entries = list(boundary)
        if dim == 1 and len(entries) == 2:
            entries = [tuple(entries)]
    else:
        raise bad_type("boundary", "a word, or a list with one entry an axis", boundary)
    if len(entries) != dim:
        raise bad_value("boundary", f"one word, or a list of {dim} entries (one an axis)", boundary)
    return tuple(_wall_pair(entry) for entry in entries)


def as_given(boundary: Sequence[tuple[str, str]]) -> list[str | tuple[str, str]]:
    """Pairs (low, high) as `Grid` takes them: a periodic axis is one word."""
    return [low if low == "periodic" else (low, high) for low, high in boundary]


def _wall_pair(entry: Any) -> tuple[str, str]:
    pair = (entry, entry) if isinstance(entry, str) else tuple(entry) if isinstance(entry, (list, tuple)) else ()
    if len(pair) != 2:
        raise bad_value("boundary", "a word or a pair (low, high) for each axis", entry)
    for word in pair:
        if not isinstance(word, str) or word not in WALLS:
            then = did_you_mean(str(word), WALLS, cutoff=0.3)
            raise bad_value("boundary", "one of 'reflecting', 'absorbing', 'periodic'", word, then)
    if not isinstance(entry, str) and "periodic" in pair:
        raise bad_value("boundary", "'periodic' for a whole axis, not inside a pair", entry, "Write 'periodic' alone.")
    return pair[0], pair[1]
