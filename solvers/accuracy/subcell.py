"""What is smaller than a cell: no grid sees it, so that no comparison of grids does.

Between the centers of neighbouring cells the potential Phi = -integral of mu / D, in kT, is sampled and compared with its
chord; and D with its values at both ends.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...errors import NotFiniteError
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .coarsening import coarsened_equation

POINTS = {1: 8, 2: 4, 3: 4}  # on a link, by dimension
MOST = 10_000  # points looked at along an axis: beyond, lines of cells are left out evenly
# Factor between D at the ends of a link, from which the potential there and beside it is not looked at: where the noise
# vanishes, the density has no scale that cells could resolve
UNEVEN = 2.0
# kT along a link from which paths are carried by the drift, and no shape of Phi matters: all one way; and into a well, where
# there is no noise to speak of and the density is drawn to a point
CARRIED, NOISELESS = 30.0, 1e4
DOUBLINGS, MOST_CELLS = 12, 2e6  # of the cells, tried and advised
BUMP, RATIO = 1.0, 2.0  # kT, and the factor by which D may leave the range between the ends


class Hidden(NamedTuple):
    """The strongest feature inside a link: its place, how much Phi strays from its chord (kT), by what factor D does."""

    place: tuple[float, ...]
    bump: float
    ratio: float

    @property
    def matters(self) -> bool:
        """Whether answers on such cells are not to be believed."""
        return self.bump > BUMP or self.ratio > RATIO


def hidden_feature(eq: FokkerPlanck, grid: Grid, relevant: np.ndarray, t: float = 0.0) -> Hidden | None:
    """The strongest feature inside the links of a grid at whose ends a cell is `relevant` (bool, *grid.shape).

    None where nothing could be looked at: fields given on the cells have no inside, and where D vanishes there is no potential.
    """
    found = [_along(eq, grid, axis, relevant, t) for axis in range(grid.dim) if grid.shape[axis] > 1]
    features = [feature for feature in found if feature is not None]
    return max(features, key=lambda f: max(f.bump / BUMP, f.ratio / RATIO), default=None)


def cells_that_see(eq: FokkerPlanck, grid: Grid, relevant: np.ndarray, t: float = 0.0) -> tuple[int, ...] | None:
    """The cells along each axis in which nothing hides any more, by doubling them; None beyond what can be advised.

    Fields given on the cells know nothing of finer ones.
    """
    for doublings in range(1, DOUBLINGS + 1):
        times = 2**doublings
        edges = [
            np.interp(np.arange(times * n + 1) / times, np.arange(n + 1), e)
            for n, e in zip(grid.shape, grid.edges, strict=True)
        ]
        if np.prod([e.size - 1.0 for e in edges]) > MOST_CELLS:
            return None
        fine = Grid.from_edges(edges, grid.boundary)
        if coarsened_equation(eq, grid, fine) is not eq:
            return None
        inside = relevant
        for axis in range(grid.dim):
            inside = np.repeat(inside, times, axis=axis)
        try:
            found = hidden_feature(eq, fine, inside, t)
        except NotFiniteError:  # closer to a pole, no number of cells is enough
            return None
        if found is None or not found.matters:
            return fine.shape
    return None


def _along(eq: FokkerPlanck, grid: Grid, axis: int, relevant: np.ndarray, t: float) -> Hidden | None:
    """The strongest feature inside the links along one axis."""
    count = POINTS[grid.dim]
    lines = _Lines(grid, axis, count, relevant)
    near = lines.low(relevant) | lines.high(relevant)
    middle, between = (np.arange(count) + 0.5) / count, np.arange(count + 1) / count
    points = lines.points(middle)
    drift, diffusion = eq.drift_at(points, t), eq.diffusion_at(points, t)
    if diffusion.ndim == grid.dim + 3:  # a full tensor: the force along the axis is that of D^-1 mu
        return None
    noisy = (diffusion[axis] > 0.0).all(axis=0) & near
    if not noisy.any():
        return None
    length = lines.lengths
    steps = -drift[axis] * length / count
    if eq.potential is not None:
        steps = steps + np.diff(eq.potential_at(lines.points(between), t), axis=0)
    ends = eq.diffusion_at(lines.points(np.array([0.0, 1.0])), t)[axis]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        even = _with_neighbours(ends.max(axis=0) < UNEVEN * ends.min(axis=0), axis)
        rises = steps / diffusion[axis]
        phi = np.cumsum(rises, axis=0)
        chord = phi[-1:] * between[1:].reshape(-1, *[1] * grid.dim)
        one_way = (rises >= 0.0).all(axis=0) | (rises <= 0.0).all(axis=0)
        no_barrier = phi.max(axis=0) <= np.maximum(phi[-1], 0.0) + BUMP
        carried = (one_way & (np.abs(phi[-1]) > CARRIED)) | (no_barrier & (np.abs(phi).max(axis=0) > NOISELESS))
        bump = np.where(noisy & even & ~carried, np.abs(phi - chord).max(axis=0), 0.0)
        beyond = np.sort(np.maximum(diffusion[axis] / ends.max(axis=0), ends.min(axis=0) / diffusion[axis]), axis=0)
        seen = beyond[-min(3, count)] > RATIO  # by the quadrature of the links too, which follows it
        ratio = np.where(noisy & even & ~seen & (ends > 0.0).all(axis=0), beyond[-1], 1.0)
    worst = np.unravel_index(int(np.argmax(np.maximum(bump / BUMP, ratio / RATIO))), bump.shape)
    place = tuple(float(x[0][worst]) for x in lines.points(np.array([0.5])).coords)
    return Hidden(place, float(bump[worst]), float(ratio[worst]))


def _with_neighbours(even: np.ndarray, axis: int) -> np.ndarray:
    """Whether links and both of their neighbours along the axis are even."""
    even = np.moveaxis(even, axis, 0)
    result = even.copy()
    result[1:] &= even[:-1]
    result[:-1] &= even[1:]
    return np.moveaxis(result, 0, axis)


def _extent(relevant: np.ndarray) -> slice:
    """From the first to the last of the true cells (n,), with the two beyond on either side, whose links are looked at."""
    there = np.flatnonzero(relevant)
    if not there.size:
        return slice(0, relevant.size)
    return slice(max(int(there[0]) - 2, 0), min(int(there[-1]) + 3, relevant.size))


class _Lines:
    """The links between neighbouring centers along an axis, in the block of cells around the relevant ones.

    Of too many lines of cells only some, evenly.
    """

    def __init__(self, grid: Grid, axis: int, count: int, relevant: np.ndarray):
        self.grid, self.axis = grid, axis
        block = [_extent(np.any(relevant, axis=tuple(b for b in range(grid.dim) if b != a))) for a in range(grid.dim)]
        size = float(np.prod([s.stop - s.start for s in block]))
        others = max(grid.dim - 1, 1)
        step = 1 if grid.dim == 1 else max(1, int(np.ceil((count * size / MOST) ** (1.0 / others))))
        middle = [s.start + min(step // 2, (s.stop - s.start) // 2) for s in block]
        self.chosen = tuple(s if a == axis else slice(middle[a], s.stop, step) for a, s in enumerate(block))

    def low(self, values: np.ndarray) -> np.ndarray:
        """A field on the cells at the lower ends of the links."""
        return self._end(values, slice(self._block.start, self._block.stop - 1))

    def high(self, values: np.ndarray) -> np.ndarray:
        """A field on the cells at the upper ends of the links."""
        return self._end(values, slice(self._block.start + 1, self._block.stop))

    @property
    def _block(self) -> slice:
        return self.chosen[self.axis]

    def _end(self, values: np.ndarray, part: slice) -> np.ndarray:
        return values[tuple(part if a == self.axis else s for a, s in enumerate(self.chosen))]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Lengths of the links, to broadcast against them."""
        shape = [-1 if a == self.axis else 1 for a in range(self.grid.dim)]
        return np.diff(self.grid.centers[self.axis][self._block]).reshape(shape)

    def points(self, nodes: np.ndarray) -> Points:
        """Places at the fractions `nodes` (q,) of each link: fields have the shape (q, *links)."""
        centers, part = self.grid.centers[self.axis][self._block], nodes.reshape(-1, *[1] * self.grid.dim)
        coords = []
        for a, x in enumerate(self.grid.coordinates()):
            if a == self.axis:
                start = centers[:-1].reshape(self.lengths.shape)
                coords.append(start + self.lengths * part)
            else:
                coords.append(x[tuple(s if b == a else slice(None) for b, s in enumerate(self.chosen))][None])
        shape = np.broadcast_shapes(*(c.shape for c in coords))

        def from_cells(values: np.ndarray) -> np.ndarray:
            if values.shape != self.grid.shape:
                raise ValueError
            return (1.0 - part) * self.low(values) + part * self.high(values)

        return Points(tuple(np.array(np.broadcast_to(c, shape)) for c in coords), from_cells)
