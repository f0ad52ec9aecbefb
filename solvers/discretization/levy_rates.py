"""From an equation's Levy noise to rates: the lattice rule along lines and in the plane, joined to drift and diffusion.

Steps to the next cell along an axis, the only ones that diffusion and drift make too, go to the links; all others are
convolutions. At an absorbing wall the matched diffusion sits on a link of half the length, as ordinary diffusion does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from scipy.special import zeta

from ...errors import bad_value
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.levy import LevyJumps
from ..kernels.selling import decompose
from .fractional_laplacian import jump_constant, lattice_total, matched_diffusion, matched_tensor
from .generator import Exit, Generator, Links
from .levy_jumps import Convolution, Jumps, Ring

CORNER = 12  # power of a sum of two sizes in place of the smaller: by 6 % less where they are equal, by 2e-5 at half
IMAGES = 8  # boxes on each side whose images are summed one by one in two dimensions; beyond, they are spread evenly


def with_jumps(eq: FokkerPlanck, base: Generator) -> Generator:
    """The generator of drift and diffusion with the equation's jumps added."""
    grid, jumps = base.grid, eq.jumps
    assert isinstance(jumps, LevyJumps)
    check_grid(grid, jumps)
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


def check_grid(grid: Grid, jumps: Any) -> None:
    """Refuse grids on which jumps have no rates."""
    check_equal_cells(grid, 3)
    by_axis = isinstance(jumps.scale, (list, tuple)) or not isinstance(jumps.kind, str)
    if grid.dim == 3 and by_axis:
        raise bad_value(
            "kind", "left alone in three dimensions", jumps.kind, "Give `scale` as a function that returns C."
        )
    if grid.dim == 1 and not (isinstance(jumps.kind, str) and jumps.kind == "isotropic"):
        raise bad_value("kind", "left alone in one dimension", jumps.kind)


def covariance_of(jumps: LevyJumps, grid: Grid) -> np.ndarray | None:
    """C (d, d, *grid.shape) where the scale is a matrix, or jumps in three dimensions go all ways; else None."""
    coords = Points.centers(grid).coords
    covariance = jumps.matrix_at(coords)
    if covariance is not None or grid.dim < 3 or not isinstance(jumps.kind, str) or jumps.kind != "isotropic":
        return covariance
    return np.eye(3)[:, :, None, None, None] * np.broadcast_to(jumps.scale_at(coords) ** 2, grid.shape)


def check_equal_cells(grid: Grid, most: int = 2) -> None:
    """Refuse grids on which a jump is no shift of cells, or of more than so many axes."""
    if grid.dim > most:
        raise bad_value("grid", "of one or two axes together with jumps", f"{grid.dim} axes")
    for axis, widths in enumerate(grid.widths):
        if np.ptp(widths) > 1e-9 * widths.mean():
            raise bad_value(
                "grid", f"of equal cells along {grid.names[axis]} together with jumps", "graded cells", "Use fp.Grid."
            )
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
            if not strength.any():
                continue  # as along the parameter of SGD with momentum
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
        kernel = np.where(
            x > 0.0, zeta(1.0 + a, np.where(x > 0, x, 1.0)) + zeta(1.0 + a, 1.0 - np.where(x > 0, x, 0.5)), 0.0
        )
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
    return (
        kernel,
        total,
        [(rule.single[i] + rule.diffusive[i], rule.single[i] + 2.0 * rule.diffusive[i]) for i in (0, 1)],
    )


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
            raise bad_value(
                "grid", "such that all jump rates are nonnegative", f"cells of {widths[0]:g} x {widths[1]:g}", then
            )
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
        return (
            2.0 * sum(self.extra.values())
            + lattice_total(self.a, self.widths, np.linalg.inv(self.inverse))
            - 2.0 * sum(self.single)
        )


def _decomposed(tensor: np.ndarray) -> dict[tuple[int, int], float]:
    """Nonnegative rates along lattice offsets with sum of rate e e^T equal to the tensor (in units of the cells)."""
    if abs(tensor[0, 1]) < 1e-9 * np.trace(tensor):
        return {(1, 0): float(tensor[0, 0]), (0, 1): float(tensor[1, 1])}
    if np.linalg.eigvalsh(tensor)[0] < 0.0:
        raise bad_value(
            "grid",
            "such that all jump rates are nonnegative",
            "too elongated cells for these jumps",
            "Use squarer cells.",
        )
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
    return (
        links
        if sum(link.lower.size for link in links if link.offset == unit) == whole
        else links + _axis_links(grid, axis)
    )


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
    taken = _up_to(np.minimum(up, down), np.maximum(excess, 0.0))
    return link._replace(forward=f + up - taken, backward=b + down - taken)


def _up_to(most: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The smaller of two sizes unless they are about the same, and smooth in both: a kink makes steps in time short."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(size, most) / np.maximum(size, most)
    return np.where(most > 0.0, np.minimum(size, most) * (1.0 + np.nan_to_num(share) ** CORNER) ** (-1.0 / CORNER), 0.0)


def _wall_exits(grid: Grid, axis: int, rate: np.ndarray) -> list[Exit]:
    """Steps through the absorbing walls of an axis, from rates (n,)."""
    numbers = np.arange(grid.size).reshape(grid.shape)
    sides = [side for side in (0, 1) if grid.boundary[axis][side] == "absorbing"]
    cells = [np.take(numbers, 0 if side == 0 else -1, axis=axis).ravel() for side in sides]
    return [Exit(axis, side, here, rate[here]) for side, here in zip(sides, cells, strict=True)]
