"""Long-range rates of Levy noise, as fast convolutions on the cells.

From cell j to cell i goes s_j^a K(i - j), with the lattice rule K of `lattice.py`. Walls: a jump across an absorbing wall
is lost, a reflecting wall folds its end point back, a periodic axis wraps it; both sum over all images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.special import zeta

from ...errors import bad_value
from ...model.grid import Grid
from .fractional_laplacian import jump_constant

ROUNDING = 1e-13  # of all rates of a convolution: less is an error of its transforms, and leads nowhere
MAX_DENSE = 6000  # cells up to which a generator with jumps is formed as a matrix


@dataclass(frozen=True)
class Ring:
    """One axis laid on a ring, so that a circular convolution gives the jumps within the box, images included.

    size cells, of which the box is the first n; fold: (n,) ring cell whose content belongs to each cell as well, or None.
    period: the ring cells after which the pattern of images repeats, or 0 where there are finitely many.
    """

    n: int
    size: int
    period: int
    fold: np.ndarray | None

    @classmethod
    def of(cls, n: int, walls: tuple[str, str]) -> Ring:
        """The ring of an axis of n cells between two walls."""
        cells = np.arange(n)
        if walls[0] == "periodic":
            return cls(n, n, n, None)
        if walls == ("reflecting", "reflecting"):
            return cls(n, 2 * n, 2 * n, 2 * n - 1 - cells)
        if walls == ("absorbing", "absorbing"):
            return cls(n, next_fast_len(2 * n, real=True), 0, None)
        size = next_fast_len(4 * n, real=True)
        return cls(n, size, 0, size - 1 - cells if walls[0] == "reflecting" else 2 * n - 1 - cells)

    @property
    def offsets(self) -> np.ndarray:
        """Signed offsets of the ring's cells from cell 0."""
        cells = np.arange(self.size)
        return np.where(cells > self.size // 2, cells - self.size, cells)


@dataclass(frozen=True, eq=False)
class Convolution:
    """Jumps along some axes: rates strength_j K(i - j) with their walls.

    Attributes
    ----------
    grid : Grid
    axes : tuple of int
        The axes along which the jumps go.
    kernel : ndarray over the rings
        K summed over the images of periodic patterns; 0 for offsets that the links hold.
    total : float
        Sum of K over all offsets but those of the links: the rate at which a jump of unit strength starts.
    strength : ndarray (*grid.shape)
        s^a at the sources.
    """

    grid: Grid
    axes: tuple[int, ...]
    rings: tuple[Ring, ...]
    kernel: np.ndarray
    total: float
    strength: np.ndarray

    @cached_property
    def _spectrum(self) -> np.ndarray:
        shape = [1] * self.grid.dim
        for axis, ring in zip(self.axes, self.rings, strict=True):
            shape[axis] = ring.size
        return rfftn(self.kernel.reshape(shape), axes=self.axes)

    @property
    def operations(self) -> float:
        """Of one transform on the rings: points times the logarithm of those of a ring, to base 2."""
        on_rings = math.prod(ring.size for ring in self.rings)
        lines = math.prod(n for axis, n in enumerate(self.grid.shape) if axis not in self.axes)
        return lines * on_rings * math.log2(on_rings)

    def arrivals(self, sources: np.ndarray) -> np.ndarray:
        """Sum over j of K(i - j) sources_j with the walls, (*grid.shape)."""
        return self.folded(self.transform(sources))

    def transform(self, sources: np.ndarray) -> np.ndarray:
        """The transform of the circular convolution."""
        return rfftn(sources, s=[ring.size for ring in self.rings], axes=self.axes) * self._spectrum

    def folded(self, transform: np.ndarray) -> np.ndarray:
        """What arrives, from its transform on the rings."""
        result = irfftn(transform, s=[ring.size for ring in self.rings], axes=self.axes)
        for axis, ring in zip(self.axes, self.rings, strict=True):
            kept = np.take(result, np.arange(ring.n), axis=axis)
            result = kept if ring.fold is None else kept + np.take(result, ring.fold, axis=axis)
        return result

    def seen(self, values: np.ndarray) -> np.ndarray:
        """Sum over i of K(i - j) values_i with the walls, the transposed sum, (*grid.shape)."""
        return self.taken(self.laid_transform(values))

    def laid_transform(self, values: np.ndarray) -> np.ndarray:
        """The transform of values laid on the rings."""
        for axis, ring in zip(self.axes, self.rings, strict=True):
            laid = np.zeros([ring.size if a == axis else n for a, n in enumerate(values.shape)])
            place: list[slice | np.ndarray] = [slice(None)] * values.ndim
            for cells in (np.arange(ring.n), ring.fold):
                if cells is not None:
                    place[axis] = cells
                    laid[tuple(place)] += values
            values = laid
        return rfftn(values, axes=self.axes)

    def taken(self, transform: np.ndarray) -> np.ndarray:
        """The transposed convolution, in the box, of values with this transform on the rings."""
        sizes = [ring.size for ring in self.rings]
        result = irfftn(transform * self._spectrum.conj(), s=sizes, axes=self.axes)
        for axis, ring in zip(self.axes, self.rings, strict=True):
            result = np.take(result, np.arange(ring.n), axis=axis)
        return result

    @cached_property
    def inside(self) -> np.ndarray:
        """Unit rate that ends inside the box, (*grid.shape)."""
        if all(ring.period for ring in self.rings):
            return np.full(self.grid.shape, self.total)
        return np.clip(self.seen(np.ones(self.grid.shape)), 0.0, self.total)

    def returns(self) -> np.ndarray:
        """K of jumps that end in the cell where they started, by reflection or by going round, (*grid.shape)."""
        diagonals = [[np.diagonal(block) for block in self._blocks(axis)] for axis in range(self.grid.dim)]
        total = np.zeros(self.grid.shape)
        for choice in product(*diagonals):
            index = self._flat(
                [d.reshape([-1 if a == axis else 1 for a in range(len(choice))]) for axis, d in enumerate(choice)]
            )
            total += self.kernel.ravel()[index]
        return total

    def matrix(self) -> np.ndarray:
        """Gains (n, n), entry by entry from the kernel."""
        total = np.zeros((self.grid.size, self.grid.size))
        for choice in product(*(self._blocks(axis) for axis in range(self.grid.dim))):
            dim = len(choice)
            spread = []
            for axis, block in enumerate(choice):
                shape = [1] * (2 * dim)
                shape[axis], shape[dim + axis] = block.shape
                spread.append(block.reshape(shape))
            values = self.kernel.ravel()[self._flat(spread)]
            for axis, block in enumerate(spread):
                if axis not in self.axes:
                    values = np.where(block == 0, values, 0.0)
            total += np.broadcast_to(values, self.grid.shape * 2).reshape(total.shape)
        return total * self.strength.ravel()

    def _blocks(self, axis: int) -> list[np.ndarray]:
        """Ring offsets (n, n) from source to target along an axis: direct, and folded; not 0 off the diagonal elsewhere."""
        cells = np.arange(self.grid.shape[axis])
        if axis not in self.axes:
            return [(cells[:, None] != cells).astype(int)]
        ring = self.rings[self.axes.index(axis)]
        targets = [cells] if ring.fold is None else [cells, ring.fold]
        return [(target[:, None] - cells) % ring.size for target in targets]

    def _flat(self, offsets: list[np.ndarray]) -> np.ndarray:
        """Raveled places in the kernel of broadcastable offsets along each axis."""
        index: np.ndarray = np.zeros([1] * offsets[0].ndim, dtype=np.int64)
        for axis, ring in zip(self.axes, self.rings, strict=True):
            index = index * ring.size + offsets[axis]
        return index


@dataclass(frozen=True, eq=False)
class Jumps:
    """The long-range part of a generator: a sum of convolutions for jumps of one stability."""

    grid: Grid
    parts: tuple[Any, ...]  # `Convolution`, or what has its attributes and methods
    stability: float
    target: np.ndarray | None = None  # (n,) of bool: cells that take part no more
    carried: np.ndarray | float = 0.0  # (n,): rates into the target, which its exits carry

    def without(self, target: np.ndarray) -> Jumps:
        """The jumps between the other cells; those into the target are left to its exits."""
        parts = tuple(
            replace(part, strength=np.where(target.reshape(self.grid.shape), 0.0, part.strength)) for part in self.parts
        )
        carried = np.where(target, 0.0, self.carried + self.into(target))
        whole = target if self.target is None else target | self.target
        return replace(self, parts=parts, target=whole, carried=carried)

    def into(self, target: np.ndarray) -> np.ndarray:
        """Rate of jumps from each cell into the target, (n,)."""
        goal = target.reshape(self.grid.shape).astype(float)
        seen = [(part, part.seen(goal)) for part in self.parts]
        return self._sum(part.strength * np.where(rates > ROUNDING * part.total, rates, 0.0) for part, rates in seen)

    def scaled(self, factor: float) -> Jumps:
        """All rates times a factor."""
        parts = tuple(replace(part, strength=factor * part.strength) for part in self.parts)
        return replace(self, parts=parts, carried=factor * self.carried)

    @cached_property
    def leaving(self) -> np.ndarray:
        """Rate at which jumps start in each cell, (n,), those included that end in the same cell."""
        return self._sum(part.total * part.strength for part in self.parts) - self.carried

    @cached_property
    def outflow(self) -> np.ndarray:
        """Rate of jumps out of each cell, (n,)."""
        return self.leaving - self._sum(part.returns() * part.strength for part in self.parts)

    @cached_property
    def escape(self) -> np.ndarray:
        """Rate of jumps across absorbing walls, (n,)."""
        return self._sum((part.total - part.inside) * part.strength for part in self.parts)

    @cached_property
    def skew(self) -> float:
        """A bound of the skew part of the rates: 0 where the scale is the same everywhere."""
        if self.uniform:
            return 0.0
        back = self._sum(part.arrivals(part.strength) for part in self.parts)
        return 0.5 * float((self.leaving + back).max())

    @property
    def everywhere(self) -> bool:
        """Whether jumps of every kind start in every cell, so that all cells reach each other."""
        return self.target is None and self.stability < 2.0 and self.start_from(np.ones(self.grid.size, dtype=bool))

    def start_from(self, cells: np.ndarray) -> bool:
        """Whether jumps of every kind start in all these cells, (n,) of bool, and go along every axis."""
        axes = {axis for part in self.parts for axis in part.axes}
        return len(axes) == self.grid.dim and all((part.strength.ravel()[cells] > 0.0).all() for part in self.parts)

    @property
    def uniform(self) -> bool:
        """Whether jumps have the same scale everywhere, so that their rates are symmetric."""
        return all(float(np.ptp(part.strength)) == 0.0 for part in self.parts)

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """Gain less loss of each cell, (n,), for raveled masses."""
        p = masses.reshape(self.grid.shape)
        gain = self._gain(p)
        if self.target is not None:
            gain[self.target] = 0.0
        return gain - self.leaving * masses.ravel()

    def apply_adjoint(self, values: np.ndarray) -> np.ndarray:
        """The transposed product."""
        u = values.reshape(self.grid.shape)
        if self.target is not None:
            u = np.where(self.target.reshape(u.shape), 0.0, u)
        return self._seen(u) - self.leaving * values.ravel()

    @property
    def _same_axes(self) -> bool:
        """Whether there are many convolutions over all axes, which can share their transforms."""
        return len(self.parts) > 2 and all(len(part.axes) == self.grid.dim for part in self.parts)

    @cached_property
    def operations(self) -> float:
        """Of the transforms in a product: n log2(n) for each line of n that is transformed, there or back."""
        if self._same_axes:
            return sum(part.operations for part in self.parts) + self.parts[0].operations
        return 2.0 * sum(part.operations for part in self.parts)

    def _gain(self, p: np.ndarray) -> np.ndarray:
        if not self._same_axes:
            return self._sum(part.arrivals(part.strength * p) for part in self.parts)
        total = sum(part.transform(part.strength * p) for part in self.parts)
        return self.parts[0].folded(np.asarray(total)).ravel()

    def _seen(self, u: np.ndarray) -> np.ndarray:
        if not self._same_axes:
            return self._sum(part.strength * part.seen(u) for part in self.parts)
        laid = self.parts[0].laid_transform(u)
        return self._sum(part.strength * part.taken(laid) for part in self.parts)

    @cached_property
    def dense(self) -> np.ndarray:
        """The rates as a matrix (n, n) whose columns sum to minus the escape; refused where that is too large."""
        n = self.grid.size
        if n > MAX_DENSE:
            then = "Ask for what needs products only (fp.solve), or take fewer cells."
            raise bad_value("grid", f"of at most {MAX_DENSE} cells for a matrix with jumps", n, then)
        rates = np.zeros((n, n))
        for part in self.parts:
            rates += part.matrix()
        np.fill_diagonal(rates, 0.0)
        if self.target is not None:
            rates[self.target] = 0.0
        np.fill_diagonal(rates, -self.outflow)
        return rates

    def crossing(self, masses: np.ndarray) -> np.ndarray:
        """Net probability per time that jumps carry up across each face of a 1D grid, walls included, (n + 1,)."""
        start = float(self._up_through_first_face @ masses.ravel())
        return start - np.concatenate([[0.0], np.cumsum(self.apply(masses))])

    @cached_property
    def _up_through_first_face(self) -> np.ndarray:
        """In 1D, the net rate at which jumps from each cell cross the low wall upwards, (n,); `zeta` sums the tails."""
        low, high = self.grid.boundary[0]
        n, a = self.grid.size, 1.0 + self.stability
        cells = np.arange(n)
        (part,) = self.parts
        tail = jump_constant(self.stability, 1) * float(self.grid.widths[0][0]) ** -self.stability * part.strength
        if low == "periodic":
            turns = np.arange(200)[:, None] * n
            # a jump of one cell belongs to the links
            up = zeta(a, turns + n - cells) - (turns + n - cells == 1)
            down = zeta(a, turns + cells + 1) - (turns + cells + 1 == 1)
            rest = -(n - 2 * cells - 1) * float(n) ** -a * zeta(a, 200.5 + 0.5 / n)
            return tail * ((up - down).sum(axis=0) + rest)
        if low != "absorbing":
            return np.zeros(n)
        if high == "absorbing":
            return -tail * (zeta(a, 1.0 + cells) - (cells == 0))
        return -self.escape

    def _sum(self, fields: Iterable[np.ndarray]) -> np.ndarray:
        total = np.zeros(self.grid.size)
        for field in fields:
            total += field.ravel()
        return total

    def equivalent_diffusion(self, masses: np.ndarray) -> np.ndarray:
        """The diffusion (dim,) that would spread the density as fast over its own width: <s^a> width^(2 - a)."""
        p = masses.reshape(self.grid.shape)
        total = max(float(p.sum()), 1e-300)
        rates, counts = np.zeros(self.grid.dim), np.zeros(self.grid.dim)
        for part in self.parts:
            rates[list(part.axes)] += float((part.strength * p).sum()) / total
            counts[list(part.axes)] += 1.0
        width = min(_spread(p, self.grid, axis) for axis in range(self.grid.dim))
        return rates / np.maximum(counts, 1.0) * width ** (2.0 - self.stability)


def _spread(p: np.ndarray, grid: Grid, axis: int) -> float:
    """Half the distance between the quartiles along an axis, at least a cell."""
    line = np.cumsum(p.sum(axis=tuple(a for a in range(grid.dim) if a != axis)))
    low, high = np.interp([0.25 * line[-1], 0.75 * line[-1]], line, grid.centers[axis])
    return max(0.5 * float(high - low), float(grid.widths[axis].max()))


def tail_mass(grid: Grid, masses: np.ndarray, stability: float) -> float:
    """An estimate of the probability that lies beyond the box, had it no walls, summed over the axes.

    Far out, in a trap with a linear force, the density falls as C / x^(1 + a) and the tail beyond L is C / (a L^a). A
    reflecting wall at L sends jumps beyond 2 L - x back below x, which leaves C (x^-a - (2 L - x)^-a) / x. C is read from
    that between 0.4 and 0.8 of the way from the median to each wall. Stronger confinement leaves less.
    """
    total = 0.0
    for axis in range(grid.dim):
        line = masses.sum(axis=tuple(a for a in range(grid.dim) if a != axis))
        below = np.cumsum(line) / line.sum()
        median = float(np.interp(0.5, below, grid.edges[axis][1:]))
        distance = grid.centers[axis] - median
        for side, wall in ((-1, grid.edges[axis][0]), (1, grid.edges[axis][-1])):
            far = abs(wall - median)
            chosen = (side * distance > 0.4 * far) & (side * distance < 0.8 * far)
            if grid.boundary[axis][max(side, 0)] != "reflecting" or not chosen.any():
                continue
            x = np.abs(distance[chosen])
            density = line[chosen] / grid.widths[axis][chosen]
            factor = float(np.median(density * x / (x**-stability - (2.0 * far - x) ** -stability)))
            total += factor / (stability * far**stability)
    return total
