"""Long-range rates of Levy noise, as one fast convolution on the cells, and how they join a generator.

From cell j to cell i goes s_j^a K(i - j), with the lattice rule K of `lattice.py`. Walls: a jump across an absorbing wall is
lost, a reflecting wall folds its end point back, a periodic axis wraps it; both sum over all images. Steps to the next
cell along an axis, the only ones that diffusion and drift make too, are kept with the links.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.special import zeta

from ..equation import FokkerPlanck, Points
from ..errors import bad_value
from ..grid import Grid
from .generator import Exit, Generator, Links
from .kernels.selling import decompose
from .lattice import jump_constant, lattice_total, matched_diffusion, matched_tensor

IMAGES = 8  # boxes on each side whose images are summed one by one in two dimensions; beyond, they are spread evenly
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

    def arrivals(self, sources: np.ndarray) -> np.ndarray:
        """Sum over j of K(i - j) sources_j with the walls, (*grid.shape)."""
        sizes = [ring.size for ring in self.rings]
        result = irfftn(rfftn(sources, s=sizes, axes=self.axes) * self._spectrum, s=sizes, axes=self.axes)
        for axis, ring in zip(self.axes, self.rings, strict=True):
            kept = np.take(result, np.arange(ring.n), axis=axis)
            result = kept if ring.fold is None else kept + np.take(result, ring.fold, axis=axis)
        return result

    @cached_property
    def inside(self) -> np.ndarray:
        """Share of the unit rate that ends inside the box, (*grid.shape); K is even and folding symmetric."""
        if all(ring.period for ring in self.rings):
            return np.full(self.grid.shape, self.total)
        return np.clip(self.arrivals(np.ones(self.grid.shape)), 0.0, self.total)

    def returns(self) -> np.ndarray:
        """K of jumps that end in the cell where they started, by reflection or by going round, (*grid.shape)."""
        diagonals = [[np.diagonal(block) for block in self._blocks(axis)] for axis in range(self.grid.dim)]
        total = np.zeros(self.grid.shape)
        for choice in product(*diagonals):
            index = self._flat([d.reshape([-1 if a == axis else 1 for a in range(len(choice))]) for axis, d in enumerate(choice)])
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
    parts: tuple[Convolution, ...]
    stability: float
    target: np.ndarray | None = None  # (n,) of bool: cells that take part no more

    def without(self, target: np.ndarray) -> Jumps:
        """The jumps between the other cells; those into the target are left to its exits."""
        parts = tuple(replace(part, strength=np.where(target.reshape(self.grid.shape), 0.0, part.strength)) for part in self.parts)
        return replace(self, parts=parts, target=target if self.target is None else target | self.target)

    def into(self, target: np.ndarray) -> np.ndarray:
        """Rate of jumps from each cell into the target, (n,)."""
        goal = target.reshape(self.grid.shape).astype(float)
        return np.maximum(self._sum(part.strength * part.arrivals(goal) for part in self.parts), 0.0)

    def scaled(self, factor: float) -> Jumps:
        """All rates times a factor."""
        return replace(self, parts=tuple(replace(part, strength=factor * part.strength) for part in self.parts))

    @cached_property
    def leaving(self) -> np.ndarray:
        """Rate at which jumps start in each cell, (n,), those included that end in the same cell."""
        return self._sum(part.total * part.strength for part in self.parts)

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
    def uniform(self) -> bool:
        """Whether jumps have the same scale everywhere, so that their rates are symmetric."""
        return all(float(np.ptp(part.strength)) == 0.0 for part in self.parts)

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """Gain less loss of each cell, (n,), for raveled masses."""
        p = masses.reshape(self.grid.shape)
        gain = self._sum(part.arrivals(part.strength * p) for part in self.parts)
        if self.target is not None:
            gain[self.target] = 0.0
        return gain - self.leaving * masses.ravel()

    def apply_adjoint(self, values: np.ndarray) -> np.ndarray:
        """The transposed product: K is even and folding symmetric, so that only the strength changes sides."""
        u = values.reshape(self.grid.shape)
        if self.target is not None:
            u = np.where(self.target.reshape(u.shape), 0.0, u)
        return self._sum(part.strength * part.arrivals(u) for part in self.parts) - self.leaving * values.ravel()

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

    def _sum(self, fields: Iterator[np.ndarray]) -> np.ndarray:
        total = np.zeros(self.grid.size)
        for field in fields:
            total += field.ravel()
        return total


def with_jumps(eq: FokkerPlanck, base: Generator) -> Generator:
    """The generator of drift and diffusion with the equation's jumps added."""
    grid, jumps = base.grid, eq.jumps
    assert jumps is not None
    _check_grid(grid, jumps)
    near: list[tuple[int, float, float, np.ndarray]] = []
    parts: list[Convolution] = []
    for axis_near, part in _convolutions(jumps, grid):
        near += axis_near
        parts.append(part)
    links, exits = list(base.links), list(base.exits)
    for axis, rate, wall_rate, strength in near:
        links = [_joined(link, rate * strength.ravel(), axis) for link in _ensured(links, grid, axis)]
        exits += _wall_exits(grid, axis, wall_rate * strength.ravel())
    return replace(base, links=tuple(links), exits=tuple(exits), jumps=Jumps(grid, tuple(parts), jumps.stability))


def _check_grid(grid: Grid, jumps: Any) -> None:
    if grid.dim > 2:
        raise bad_value("grid", "of one or two axes together with jumps", f"{grid.dim} axes")
    if grid.dim == 1 and not (isinstance(jumps.kind, str) and jumps.kind == "isotropic"):
        raise bad_value("kind", "left alone in one dimension", jumps.kind)
    for axis, widths in enumerate(grid.widths):
        if np.ptp(widths) > 1e-9 * widths.mean():
            raise bad_value("grid", f"of equal cells along axis {axis} together with jumps", "graded cells", "Use fp.Grid.")
        if grid.shape[axis] < 3:
            raise bad_value("cells", "at least 3 along each axis together with jumps", grid.shape[axis])


def _convolutions(jumps: Any, grid: Grid) -> Iterator[tuple[list[tuple[int, float, float, np.ndarray]], Convolution]]:
    """Pairs of next-cell rates (axis, rate, rate through an absorbing wall, strength) and the convolution for the rest."""
    coords = Points.centers(grid).coords
    widths = tuple(float(w.mean()) for w in grid.widths)
    rings = tuple(Ring.of(n, walls) for n, walls in zip(grid.shape, grid.boundary, strict=True))
    a = jumps.stability
    if grid.dim == 1 or (isinstance(jumps.kind, str) and jumps.kind == "axes"):
        for axis in range(grid.dim):
            strength = jumps.scale_at(coords, axis) ** a
            kernel, total = _line_kernel(a, widths[axis], rings[axis])
            diffusive = matched_diffusion(a, widths[axis]) / widths[axis] ** 2
            single = jump_constant(a, 1) * widths[axis] ** -a
            rates = [(axis, single + diffusive, single + 2.0 * diffusive, strength)]
            yield rates, Convolution(grid, (axis,), (rings[axis],), kernel, total, strength)
        return
    shape = np.eye(2) if isinstance(jumps.kind, str) else jumps.kind
    strength = jumps.scale_at(coords) ** a
    kernel, total, next_rates = _plane_kernel(a, widths, shape, rings)
    rates = [(axis, rate, wall, strength) for axis, (rate, wall) in enumerate(next_rates)]
    yield rates, Convolution(grid, (0, 1), rings, kernel, total, strength)


def _line_kernel(a: float, h: float, ring: Ring) -> tuple[np.ndarray, float]:
    """K on a ring for jumps of two cells and more, and its sum."""
    scale = jump_constant(a, 1) * h**-a
    offsets = np.abs(ring.offsets).astype(float)
    if ring.period:
        x = offsets / ring.period
        offsets[0] = 1.0
        kernel = np.where(x > 0.0, zeta(1.0 + a, np.where(x > 0, x, 1.0)) + zeta(1.0 + a, 1.0 - np.where(x > 0, x, 0.5)), 0.0)
        kernel[0] = 2.0 * zeta(1.0 + a)
        kernel *= ring.period ** (-1.0 - a)
        for step in (1, -1):
            kernel[step] -= 1.0
    else:
        kernel = np.where(offsets >= 2.0, np.maximum(offsets, 1.0) ** (-1.0 - a), 0.0)
    return scale * np.maximum(kernel, 0.0), float(scale * 2.0 * (zeta(1.0 + a) - 1.0))


def _plane_kernel(
    a: float, widths: tuple[float, ...], shape: np.ndarray, rings: tuple[Ring, ...]
) -> tuple[np.ndarray, float, list[tuple[float, float]]]:
    """K on two rings, its sum, and (rate, rate through an absorbing wall) of steps to the next cell along each axis."""
    rule = _PlaneRule.of(a, widths, shape)
    kernel = np.zeros([ring.size for ring in rings])
    reach = [IMAGES if ring.period else 0 for ring in rings]
    for shifts in product(*(range(-m, m + 1) for m in reach)):
        x, y = (ring.offsets + k * ring.period for ring, k in zip(rings, shifts, strict=True))
        kernel += rule(x[:, None], y[None, :])
    total = rule.total()
    if all(reach):
        kernel += max(total - float(kernel.sum()), 0.0) / kernel.size
        total = float(kernel.sum())
    elif any(reach):
        axis = 0 if reach[0] else 1
        far = np.arange(IMAGES + 1, 400) * rings[axis].period
        other = rings[1 - axis].offsets
        ends = [far[:, None], other[None, :]] if axis == 0 else [other[None, :], far[:, None]]
        lines = rule(*ends).sum(axis=0) + rule(*[-e if k == axis else e for k, e in enumerate(ends)]).sum(axis=0)
        kernel += lines[None, :] if axis == 0 else lines[:, None]
    return kernel, total, [(rule.single[i] + rule.diffusive[i], rule.single[i] + 2.0 * rule.diffusive[i]) for i in (0, 1)]


@dataclass(frozen=True, eq=False)
class _PlaneRule:
    """K(dx, dy) of a plane without walls, steps to the next cell along an axis left out."""

    a: float
    widths: tuple[float, ...]
    inverse: np.ndarray
    factor: float
    extra: dict[tuple[int, int], float]
    single: tuple[float, float]
    diffusive: tuple[float, float]

    @classmethod
    def of(cls, a: float, widths: tuple[float, ...], shape: np.ndarray) -> _PlaneRule:
        factor = jump_constant(a, 2) * widths[0] * widths[1] / np.sqrt(np.linalg.det(shape))
        inverse = np.linalg.inv(shape)
        scaled = matched_tensor(a, (widths[0], widths[1]), shape) / np.outer(widths, widths)
        extra = _decomposed(scaled)
        single = tuple(factor * (w * w * inverse[i, i]) ** (-1.0 - a / 2.0) for i, w in enumerate(widths))
        diffusive = (extra.pop((1, 0), 0.0), extra.pop((0, 1), 0.0))
        if min(single[0] + diffusive[0], single[1] + diffusive[1]) < 0.0:
            then = "Take cells of more nearly equal widths."
            raise bad_value("grid", "such that all jump rates are nonnegative", f"cells of {widths[0]:g} x {widths[1]:g}", then)
        return cls(a, widths, inverse, factor, extra, (single[0], single[1]), diffusive)

    def __call__(self, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        x, y = dx * self.widths[0], dy * self.widths[1]
        square = self.inverse[0, 0] * x**2 + 2.0 * self.inverse[0, 1] * x * y + self.inverse[1, 1] * y**2
        near = np.abs(dx) + np.abs(dy) <= 1
        rates = self.factor * np.where(near, 1.0, square) ** (-1.0 - self.a / 2.0)
        rates = np.where(near, 0.0, rates)
        for (i, j), rate in self.extra.items():
            rates = rates + rate * (((dx == i) & (dy == j)) | ((dx == -i) & (dy == -j)))
        return rates

    def total(self) -> float:
        """The sum over the plane: directly up to a smooth cutoff, and the integral beyond."""
        if self.factor == 0.0:
            return 2.0 * sum(self.extra.values())
        return 2.0 * sum(self.extra.values()) + lattice_total(self.a, self.widths, np.linalg.inv(self.inverse)) - 2.0 * sum(self.single)


def _decomposed(tensor: np.ndarray) -> dict[tuple[int, int], float]:
    """Nonnegative rates along lattice offsets with sum of rate e e^T equal to the tensor (in units of the cells)."""
    if abs(tensor[0, 1]) < 1e-9 * np.trace(tensor):
        return {(1, 0): float(tensor[0, 0]), (0, 1): float(tensor[1, 1])}
    if np.linalg.eigvalsh(tensor)[0] < 0.0:
        raise bad_value("grid", "such that all jump rates are nonnegative", "too elongated cells for these jumps", "Use squarer cells.")
    offsets, weights, added = np.zeros((1, 3, 2), dtype=np.int64), np.zeros((1, 3)), np.zeros(1)
    decompose(tensor[None], np.array([8]), offsets, weights, added)
    return {(int(e[0]), int(e[1])): float(w) for e, w in zip(offsets[0], weights[0], strict=True) if w > 0.0}


def _axis_links(grid: Grid, axis: int) -> list[Links]:
    """Links without rates between neighbours along an axis."""
    numbers = np.arange(grid.size).reshape(grid.shape)
    n = grid.shape[axis]
    stride = int(np.prod(grid.shape[axis + 1 :], dtype=int))
    offset = tuple(int(a == axis) for a in range(grid.dim))
    ends = [(np.arange(n - 1), stride)] + ([(np.array([n - 1]), -(n - 1) * stride)] if grid.periodic(axis) else [])
    families = []
    for lower, step in ends:
        cells = np.take(numbers, lower, axis=axis).ravel()
        families.append(Links(offset, step, cells, np.zeros(cells.size), np.zeros(cells.size)))
    return families


def _ensured(links: list[Links], grid: Grid, axis: int) -> list[Links]:
    """The links, with those along the axis added where a tensor's generator has none."""
    unit = tuple(int(a == axis) for a in range(grid.dim))
    whole = sum(link.lower.size for link in _axis_links(grid, axis))
    return links if sum(link.lower.size for link in links if link.offset == unit) == whole else links + _axis_links(grid, axis)


def _joined(link: Links, rate: np.ndarray, axis: int) -> Links:
    """A link along the axis with the jumps' rates (n,) added, less what upwinding the drift already diffuses.

    A link with rates f, b diffuses (f + b) / 2 where (f - b) / ln(f / b) is meant. Taking the difference out of both
    directions, as far as the jumps reach, turns upwind differences into central ones.
    """
    if link.offset != tuple(int(a == axis) for a in range(len(link.offset))):
        return link
    f, b = link.forward, link.backward
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.log(f) - np.log(b)
        meant = np.where(np.abs(w) > 1e-6, (f - b) / w, 0.5 * (f + b))
    excess = np.where((f > 0.0) & (b > 0.0), 0.5 * (f + b) - meant, 0.5 * (f + b))
    up, down = rate[link.lower], rate[link.upper]
    taken = np.clip(excess, 0.0, np.minimum(up, down))
    return link._replace(forward=f + up - taken, backward=b + down - taken)


def _wall_exits(grid: Grid, axis: int, rate: np.ndarray) -> list[Exit]:
    """Steps through the absorbing walls of an axis, from rates (n,)."""
    numbers = np.arange(grid.size).reshape(grid.shape)
    sides = [side for side in (0, 1) if grid.boundary[axis][side] == "absorbing"]
    cells = [np.take(numbers, 0 if side == 0 else -1, axis=axis).ravel() for side in sides]
    return [Exit(axis, side, here, rate[here]) for side, here in zip(sides, cells, strict=True)]
