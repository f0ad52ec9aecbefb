"""The links between neighbouring cells along one axis of a grid: where they lie, and what their rates add to the generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...model.coefficients import Points
from ...model.grid import Grid
from .generator import Exit, Links


@dataclass(frozen=True)
class AxisLinks:
    """All links along one axis, in order: a half link to an absorbing low wall, the inner ones, the last (wrap or wall).

    start and length are positions along the axis, (m,); lower and upper are cell indices along the axis, -1 or n outside.
    """

    grid: Grid
    axis: int
    start: np.ndarray
    length: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(cls, grid: Grid, axis: int) -> AxisLinks:
        """The links of a grid along an axis."""
        centers, n = grid.centers[axis], grid.shape[axis]
        walls = grid.boundary[axis]
        start, length = [centers[:-1]], [np.diff(centers)]
        first, last = 0, n - 1
        if walls[0] == "absorbing":
            start.insert(0, grid.edges[axis][:1])
            length.insert(0, centers[:1] - grid.edges[axis][:1])
            first = -1
        if walls[1] == "absorbing":
            start.append(centers[-1:])
            length.append(grid.edges[axis][-1:] - centers[-1:])
            last = n
        if walls[1] == "periodic":
            start.append(centers[-1:])
            length.append(grid.edges[axis][-1:] - centers[-1:] + centers[:1] - grid.edges[axis][:1])
            last = n
        lower = np.arange(first, last)
        upper = lower + 1
        if walls[1] == "periodic":
            upper[-1] = 0
        return cls(grid, axis, np.concatenate(start), np.concatenate(length), lower, upper)

    def along(self, values: np.ndarray) -> np.ndarray:
        """A 1D array along the axis, shaped to broadcast against the links."""
        return values.reshape([-1 if a == self.axis else 1 for a in range(self.grid.dim)])

    def points(self, nodes: np.ndarray) -> Points:
        """Places at the fractions `nodes` (q,) of each link: fields have the shape (q, *links)."""
        grid, axis = self.grid, self.axis
        edges = grid.edges[axis]
        x = self.start + nodes[:, None] * self.length
        if grid.periodic(axis):
            x = np.where(x > edges[-1], x - (edges[-1] - edges[0]), x)
        weight = nodes.reshape(-1, *[1] * grid.dim)

        def from_cells(values: np.ndarray) -> np.ndarray:
            if values.shape != grid.shape:
                raise ValueError
            low, high = (np.take(values, cells, axis=axis, mode="clip") for cells in (self.lower, self.upper))
            return (1.0 - weight) * low + weight * high

        if grid.dim == 1:
            return Points((x,), from_cells)
        shape = (nodes.size, *[x.shape[1] if a == axis else grid.shape[a] for a in range(grid.dim)])
        lines = [self.along(grid.centers[a]) if a == axis else grid.coordinates()[a] for a in range(grid.dim)]
        lines[axis] = x.reshape(nodes.size, *[-1 if a == axis else 1 for a in range(grid.dim)])
        return Points(tuple(np.broadcast_to(line, shape) for line in lines), from_cells)

    def place(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number along the axis, and of the line of cells across it, of links in the order of their raveled velocities."""
        n = self.grid.shape
        index = list(
            np.unravel_index(chosen, [self.start.size if a == self.axis else n[a] for a in range(self.grid.dim)])
        )
        link = index.pop(self.axis)
        across = [n[a] for a in range(self.grid.dim) if a != self.axis]
        return link, np.ravel_multi_index(index, across) if across else np.zeros_like(link)

    def across(self, values: np.ndarray, lines: np.ndarray) -> np.ndarray:
        """A field on the cells or links of some lines, (n or links, lines)."""
        rows = np.moveaxis(values, self.axis, 0)
        return rows.reshape(len(rows), -1)[:, lines]

    def put_across(self, values: np.ndarray, lines: np.ndarray, new: np.ndarray) -> None:
        """Put the values of some lines into a field, in place."""
        rows = np.moveaxis(values, self.axis, 0)
        flat = rows.reshape(len(rows), -1)
        flat[:, lines] = new
        rows[...] = flat.reshape(rows.shape)

    def raveled(self, cells: np.ndarray) -> np.ndarray:
        """Raveled numbers of the cells with the given indices along the axis, in the order of the links."""
        numbers = np.arange(self.grid.size).reshape(self.grid.shape)
        return np.take(numbers, cells, axis=self.axis).ravel()

    @property
    def stride(self) -> int:
        """Step in raveled cells from one cell to the next along the axis."""
        return math.prod(self.grid.shape[self.axis + 1 :])

    @cached_property
    def _families(self) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Of the inner links, and of those through a periodic wall: stride, which, lower cells, widths at both ends."""
        width, n = self.grid.widths[self.axis], self.grid.shape[self.axis]
        families = []
        for inner, stride in (
            (self.upper == self.lower + 1, self.stride),
            (self.upper < self.lower, -(n - 1) * self.stride),
        ):
            chosen = np.flatnonzero(inner & (self.lower >= 0) & (self.upper < n))
            if chosen.size:
                low, high = self.lower[chosen], self.upper[chosen]
                ends = self.along(width[low]), self.along(width[high])
                families.append((stride, chosen, self.raveled(low), *ends))
        return families

    def links(self, forward: np.ndarray, backward: np.ndarray, integrated: np.ndarray | None = None) -> list[Links]:
        """The inner links, and those through a periodic wall, from velocities (*links) and a mask (*links), see `Links`."""
        offset = tuple(int(a == self.axis) for a in range(self.grid.dim))
        families = []
        for stride, chosen, lower, low, high in self._families:
            out = np.take(forward, chosen, axis=self.axis) / low
            back = np.take(backward, chosen, axis=self.axis) / high
            mask = None if integrated is None else np.take(integrated, chosen, axis=self.axis).ravel()
            families.append(Links(offset, stride, lower, out.ravel(), back.ravel(), mask))
        return families

    def exits(self, forward: np.ndarray, backward: np.ndarray) -> list[Exit]:
        """The outflow through absorbing walls, from velocities (*links)."""
        grid, axis, n = self.grid, self.axis, self.grid.shape[self.axis]
        walls = []
        if self.lower[0] < 0:
            rates = np.take(backward, 0, axis=axis) / grid.widths[axis][0]
            walls.append(Exit(axis, 0, self.raveled(np.array([0])), rates.ravel()))
        if self.upper[-1] == n:
            rates = np.take(forward, -1, axis=axis) / grid.widths[axis][-1]
            walls.append(Exit(axis, 1, self.raveled(np.array([n - 1])), rates.ravel()))
        return walls
