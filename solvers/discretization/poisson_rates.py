"""Finite-rate jumps as rates between cells: lambda_j K(i - j) as convolutions, or lambda_j K(i, j) as a matrix.

Walls as those of Levy noise: images of the box are folded, wrapped or lost. What a law between two offsets has too much of
variance is taken off the diffusion of the links, as far as that goes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...model.coefficients import Points
from ...model.grid import Grid
from ...model.jump_laws import Kernel, normalized
from ...model.poisson import PoissonJumps
from .generator import Generator, Links
from .jump_lattice import JumpLattice, jump_lattice
from .levy_jumps import MAX_DENSE, Convolution, Jumps, Ring
from .levy_rates import check_equal_cells

IMAGES = 8  # boxes on each side whose images are summed one by one; beyond, they are spread evenly
NARROW = 0.05  # of a law's mean square: the variance it may have too much
ENOUGH = 1e-10  # of a kernel, which may lie beyond the boxes that are looked at
NODES, SHARES = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True, eq=False)
class KernelPart:
    """Jumps of a 1D grid whose law depends on where they start: to cell i from j goes the share rates[i, j].

    The attributes and methods are those of `Convolution`.
    """

    grid: Grid
    rates: np.ndarray
    strength: np.ndarray
    total: float = 1.0
    axes: tuple[int, ...] = (0,)

    @property
    def operations(self) -> float:
        """Half of those of a product."""
        return 0.5 * self.rates.size

    def arrivals(self, sources: np.ndarray) -> np.ndarray:
        """Sum over j of K(i, j) sources_j."""
        return self.rates @ sources

    def seen(self, values: np.ndarray) -> np.ndarray:
        """Sum over i of K(i, j) values_i."""
        return self.rates.T @ values

    @cached_property
    def inside(self) -> np.ndarray:
        """The share of jumps that end inside the box, (n,): all where no wall absorbs."""
        if not self.grid.absorbs:
            return np.ones(self.grid.size)
        return np.minimum(self.rates.sum(axis=0), 1.0)

    def returns(self) -> np.ndarray:
        """The share of jumps that end in the cell where they started, (n,)."""
        return np.diagonal(self.rates)

    def matrix(self) -> np.ndarray:
        """Gains (n, n)."""
        return self.rates * self.strength


@dataclass(frozen=True, eq=False)
class PoissonPart(Jumps):
    """The long-range part of a generator with finite-rate jumps; up: see `_up_through_first_face`, for jumps of rate one."""

    up: np.ndarray | None = None
    folded: np.ndarray | float = 0.0  # (n,): the share of jumps whose end a reflecting wall folds back

    @property
    def turned(self) -> np.ndarray:
        """Rate of jumps from each cell whose end a reflecting wall folds back, (n,)."""
        return self.folded * self.parts[0].strength.ravel()

    @property
    def everywhere(self) -> bool:
        """Whether jumps alone lead from everywhere to everywhere: that is left to the links."""
        return False

    def start_from(self, cells: np.ndarray) -> bool:
        """As for Levy jumps where there is no matrix; else its links tell, as jumps of one sign do not lead back."""
        return self.grid.size > MAX_DENSE and super().start_from(cells)

    @cached_property
    def skew(self) -> float:
        """A bound of the skew part of the rates."""
        back = self._sum(part.arrivals(part.strength) for part in self.parts)
        return 0.5 * float((self.leaving + back).max())

    @cached_property
    def _up_through_first_face(self) -> np.ndarray:
        (part,) = self.parts
        assert self.up is not None
        return self.up * part.strength


def with_poisson_jumps(jumps: PoissonJumps, base: Generator) -> Generator:
    """The generator of drift and diffusion with finite-rate jumps added."""
    grid = base.grid
    check_equal_cells(grid)
    jumps.check_dimension(grid.dim)
    rate = jumps.rate_at(Points.centers(grid).coords)
    if isinstance(jumps.law_read, Kernel):
        by_kernel, up, out = _kernel_part(jumps.law_read, grid, rate)
        return replace(base, jumps=PoissonPart(grid, (by_kernel,), np.nan, up=up, folded=out))
    rings, lattice = _rings(grid), jumps_on_lattice(jumps, grid)
    kernel = _on_rings(lattice, rings)
    part = Convolution(grid, tuple(range(grid.dim)), rings, kernel, 1.0, rate)
    crossings = _upwards(lattice, grid) if grid.dim == 1 else None
    whole = PoissonPart(grid, (part,), np.nan, up=crossings, folded=_beyond_reflecting(lattice, grid))
    base, left = _less_diffusion(base, lattice, rate.ravel())
    return replace(base, jumps=whole, untreated=(*base.untreated, *_narrow(lattice, left, grid)))


def _rings(grid: Grid) -> tuple[Ring, ...]:
    return tuple(Ring.of(n, walls) for n, walls in zip(grid.shape, grid.boundary, strict=True))


def jumps_on_lattice(jumps: PoissonJumps, grid: Grid) -> JumpLattice:
    """The law of sizes on the offsets between equal cells of a grid, as far as `IMAGES` boxes reach."""
    reach = tuple(IMAGES * (ring.period or ring.size) for ring in _rings(grid))
    return jump_lattice(jumps.law_read, tuple(float(w.mean()) for w in grid.widths), reach)


def _on_rings(lattice: JumpLattice, rings: tuple[Ring, ...]) -> np.ndarray:
    """K on the rings: images added up, and what lies beyond all of them spread evenly where nothing is lost."""
    weights, places = lattice.weights, []
    for axis, ring in enumerate(rings):
        offsets = lattice.offsets(axis)
        kept = np.ones(offsets.size, dtype=bool) if ring.period else np.abs(offsets) <= (ring.size - 1) // 2
        weights = np.compress(kept, weights, axis=axis)
        places.append(offsets[kept] % ring.size)
    kernel = np.zeros([ring.size for ring in rings])
    np.add.at(kernel, np.ix_(*places), weights)
    if all(ring.period for ring in rings):
        kernel += max(1.0 - float(kernel.sum()), 0.0) / kernel.size
        kernel /= kernel.sum()
    return kernel


def _upwards(lattice: JumpLattice, grid: Grid) -> np.ndarray:
    """Net crossings of the low wall upwards in a jump from each cell, (n,): a jump over a periodic wall may go round often."""
    low, high = grid.boundary[0]
    n, offsets = grid.size, lattice.offsets(0)
    if low == "reflecting":
        return np.zeros(n)
    ends = np.arange(n)[:, None] + offsets
    if low == "periodic":
        return (lattice.weights * np.floor(ends / n)).sum(axis=1)
    crosses = ends < 0 if high == "absorbing" else (ends < 0) | (ends >= 2 * n)
    beyond = lattice.below if high == "absorbing" else lattice.below + lattice.above
    return -np.minimum((lattice.weights * crosses).sum(axis=1) + beyond, 1.0)


def _beyond_reflecting(lattice: JumpLattice, grid: Grid) -> np.ndarray:
    """The share of jumps from each cell whose end a reflecting wall folds back, (n,)."""
    stays: np.ndarray = lattice.weights
    for axis, (low, high) in enumerate(grid.boundary):
        ends = np.arange(grid.shape[axis])[:, None] + lattice.offsets(axis)
        back = (ends < 0) & (low == "reflecting") | (ends >= grid.shape[axis]) & (high == "reflecting")
        stays = np.moveaxis(np.tensordot((~back).astype(float), np.moveaxis(stays, axis, 0), 1), 0, axis)
    total = float(lattice.weights.sum())
    reflects = all(wall == "reflecting" for walls in grid.boundary for wall in walls)
    return np.maximum((1.0 if reflects else total) - stays, 0.0).ravel()


def _less_diffusion(base: Generator, lattice: JumpLattice, rate: np.ndarray) -> tuple[Generator, np.ndarray]:
    """The generator with the excess variance of jumps taken off its links, and the shares of it left, (dim,)."""
    links, left = [], np.array(lattice.excess)
    for axis, excess in enumerate(lattice.excess):
        if excess * float(rate.max(initial=0.0)) == 0.0:
            left[axis] = 0.0
            continue
        unit = tuple(int(a == axis) for a in range(base.grid.dim))
        own = [_less(link, 0.5 * excess * rate) for link in base.links if link.offset == unit]
        links += [link for link, _ in own]
        left[axis] *= max((share for _, share in own), default=1.0)
    changed = {link.offset for link in links}
    return replace(base, links=(*links, *(link for link in base.links if link.offset not in changed))), left


def _less(link: Links, diffusion: np.ndarray) -> tuple[Links, float]:
    """A link with a diffusion (n,), in squared cells per time, taken off both ways, and the largest share of it left."""
    up, down = diffusion[link.lower], diffusion[link.upper]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.fmin(
            1.0, np.fmin(np.where(up > 0, link.forward / up, 1.0), np.where(down > 0, link.backward / down, 1.0))
        )
    less = link._replace(forward=link.forward - share * up, backward=link.backward - share * down)
    return less, float((1.0 - share).max(initial=0.0))


def _narrow(lattice: JumpLattice, left: np.ndarray, grid: Grid) -> list[str]:
    """A sentence for each axis along which the cells spread jumps by more than belongs to them."""
    found = []
    for name, excess, square, widths in zip(grid.names, left, lattice.square, grid.widths, strict=True):
        if excess > NARROW * square and square > 0.0:
            needed = float(widths[0]) * NARROW * square / excess
            found.append(
                f"the law of jumps is narrower than the cells along {name}, which give it {excess / square:.2g} of its "
                f"mean square too much; take cells of about {needed:.2g}, or put such small jumps into drift and diffusion"
            )
    return found


def _kernel_part(kernel: Kernel, grid: Grid, rate: np.ndarray) -> tuple[KernelPart, np.ndarray, np.ndarray]:
    """Integrals of a kernel over the cells of the box and of its images, with crossings of the low wall and what is folded."""
    n, (low, high) = grid.size, grid.boundary[0]
    length = float(grid.edges[0][-1] - grid.edges[0][0])
    centers = grid.centers[0]
    half = 0.5 * length / n
    ends = (centers[:, None] + half * NODES)[:, :, None]
    rates, up, out, total = np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n)
    for image in sorted(range(-IMAGES, IMAGES + 1), key=abs):
        values = kernel.density(centers[None, None, :], ends + image * length)
        share = half * np.einsum("ikj,k->ij", values, SHARES)
        into, folds, lost_low = _image(image, low, high)
        if into:
            rates += share if into > 0 else share[::-1]
        up += share.sum(axis=0) * (image if low == "periodic" else -float(lost_low))
        out += share.sum(axis=0) * folds
        total += share.sum(axis=0)
        if image > 0 and float((1.0 - total).max()) < ENOUGH:
            break
    normalized(total, centers)
    rates, up = rates / (total if grid.absorbs else rates.sum(axis=0)), up / total
    return KernelPart(grid, rates, rate), up, out / total


def _image(image: int, low: str, high: str) -> tuple[int, bool, bool]:
    """How a jump into an image of the box ends: 1 in the box, -1 in it mirrored, 0 lost; whether it is folded; lost below."""
    if low == "periodic" or image == 0:
        return 1, False, False
    here = image
    while here != 0:
        wall = high if here > 0 else low
        if wall == "absorbing":
            return 0, here != image, here < 0
        here = 1 - here if here > 0 else -1 - here
    return (1 if image % 2 == 0 else -1), True, False
