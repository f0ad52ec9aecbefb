"""Levy noise in the plane whose covariance C changes from place to place: sums of convolutions, one for each direction.

A jump from x is C(x)^(1/2) times an isotropic one. In polar coordinates its density is c g(phi; C) / r^(2 + a), where the law g
of directions alone depends on x: with z = C^(1/2) v(psi), v a unit vector, g dphi = |z|^a dpsi, smooth even for rank one. On M
hats of the angle, equal to 1 at one of M directions and linear to 0 at the next,

    g = sum_j w_j(x) hat_j(phi),      w_j >= 0,      gain = sum_j K_j * (w_j p),      K_j = c hat_j(phi) / r^(2 + a) per cell:

M forward transforms and one inverse a product. The size of C is exact, as w goes like its power a/2; what the hats add to the
width of the law of directions is taken off w as far as it stays nonnegative. Steps to the eight cells around leave the
convolutions; a diffusion tensor D(x) = sum_j w_j D_j makes up for them and for the difference between sums and integrals. It
joins the tensor scheme. For nearly rank one D is all but singular, and the scheme is of first order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from ...model.grid import Grid
from .fractional_laplacian import START, STOP, cutoff, falling, jump_constant
from .generator import Generator, Links
from .levy_jumps import Convolution, Jumps, Ring

DIRECTIONS = 40  # M
NODES = 480  # of the angle psi
REACH = 64.0  # cells over which sums are smoothly cut off
AVERAGED = DIRECTIONS // 3  # offsets up to which a hat is averaged over the cell,
INSIDE = 8  # at so many points along each axis
IMAGES = 4  # boxes on each side whose images are summed one by one; beyond, they are spread evenly
SAME = 1e-12  # relative: laws of directions that differ by less are one


@dataclass(frozen=True, eq=False)
class EllipticJumps:
    """The jumps of a covariance field on a grid, and the diffusion tensor (d, d, *grid.shape) for the short ones.

    said: what the rates do not do as they should, in a sentence each.
    """

    jumps: Jumps
    tensor: np.ndarray
    said: tuple[str, ...] = ()

    @classmethod
    def of(cls, grid: Grid, covariance: np.ndarray, stability: float) -> EllipticJumps:
        """From C at the cell centers, (2, 2, *grid.shape), symmetric and positive semidefinite."""
        if stability == 2.0:
            return cls(Jumps(grid, (), stability), covariance.astype(float))
        weights = direction_weights(covariance, stability)
        widths = (float(grid.widths[0].mean()), float(grid.widths[1].mean()))
        rule = _Directions(stability, widths)
        tensor = np.einsum("jab,j...->ab...", rule.tensors, weights)
        rings = tuple(Ring.of(n, walls) for n, walls in zip(grid.shape, grid.boundary, strict=True))
        kernels, totals = rule.kernels(rings)
        used = [j for j in range(DIRECTIONS) if weights[j].any()]
        first = weights.reshape(DIRECTIONS, -1)[:, int(weights.sum(axis=0).argmax())]
        size = weights.sum(axis=0) / max(float(first.sum()), 1e-300)
        if np.abs(weights - first[:, None, None] * size).max() <= SAME * max(float(first.max()), 1e-300):
            law = first / max(float(first.mean()), 1e-300)
            strength = size * float(first.mean())
            parts = [Convolution(grid, (0, 1), rings, np.tensordot(law, kernels, 1), float(law @ totals), strength)]
        else:
            parts = [Convolution(grid, (0, 1), rings, kernels[j], float(totals[j]), weights[j]) for j in used]
        return cls(Jumps(grid, tuple(parts), stability), tensor)


def direction_weights(covariance: np.ndarray, stability: float) -> np.ndarray:
    """w (M, *shape) of C (2, 2, *shape): its mean over the M directions is that of |C^(1/2) v|^a over all v."""
    shape = covariance.shape[2:]
    (xx, xy), (_, yy) = covariance.reshape(2, 2, -1)
    det = np.sqrt(np.maximum(xx * yy - xy * xy, 0.0))
    norm = np.sqrt(np.maximum(xx + yy + 2.0 * det, 1e-300))
    root = np.stack([(xx + det) / norm, xy / norm, (yy + det) / norm])
    total, cells = np.zeros(DIRECTIONS * xx.size), DIRECTIONS * np.arange(xx.size)
    for psi in (np.arange(NODES) + 0.5) * math.pi / NODES:
        x, y = root[0] * math.cos(psi) + root[1] * math.sin(psi), root[1] * math.cos(psi) + root[2] * math.sin(psi)
        size = np.hypot(x, y) ** stability * (DIRECTIONS / NODES)
        for direction, share in _on_hats(x, y):
            total[cells + direction] += share * size  # one entry a cell
    return _sharpened(np.ascontiguousarray(total.reshape(-1, DIRECTIONS).T)).reshape(DIRECTIONS, *shape)


def _sharpened(weights: np.ndarray) -> np.ndarray:
    """Weights (M, n) from which the second difference is taken that two hats add to a law, as far as all stay nonnegative.

    To share a law out between hats and to draw it with hats widens it by the variance step^2 / 6 each.
    """
    above = np.roll(weights, -1, axis=0)
    up = np.clip((above - weights) / 6.0, -0.5 * above, 0.5 * weights)
    return weights - up + np.roll(up, 1, axis=0)


def _on_hats(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two hats that vectors of the half plane meet, with their values there."""
    place = np.mod(np.arctan2(y, x), math.pi) * (DIRECTIONS / math.pi)
    low = np.minimum(place.astype(int), DIRECTIONS)
    share = place - low
    return [(low % DIRECTIONS, 1.0 - share), ((low + 1) % DIRECTIONS, share)]


@dataclass(frozen=True, eq=False)
class _Directions:
    """The M jump densities hat_j(phi) c / r^(2 + a) on the lattice."""

    a: float
    widths: tuple[float, float]

    def rates(self, dx: np.ndarray, dy: np.ndarray, weight: np.ndarray | float = 1.0) -> np.ndarray:
        """Sums of the rates at offsets of one shape along the first axis or more, (M, n) with n their last axis."""
        dx, dy = np.broadcast_arrays(dx, dy)
        x, y = dx * self.widths[0], dy * self.widths[1]
        far = np.maximum(np.abs(dx), np.abs(dy)) > 1
        r = np.hypot(np.where(far, x, 1.0), np.where(far, y, 0.0))
        size = np.where(far, jump_constant(self.a, 2) * self.widths[0] * self.widths[1] * r ** (-2.0 - self.a), 0.0)
        return self._spread(x, y, size * weight, np.maximum(np.abs(dx), np.abs(dy)) <= AVERAGED)

    def _spread(self, x: np.ndarray, y: np.ndarray, size: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Sizes at places shared out between the hats, with the hats averaged over the cell where `near`."""
        columns = np.broadcast_to(np.arange(x.shape[-1]), x.shape)
        total = np.zeros(DIRECTIONS * x.shape[-1])

        def add(chosen: np.ndarray, shift: tuple[float, float], part: float) -> None:
            for direction, share in _on_hats(x[chosen] + shift[0], y[chosen] + shift[1]):
                place, values = direction * x.shape[-1] + columns[chosen], part * share * size[chosen]
                if x.ndim == 1:  # one entry a column
                    total[place] += values
                else:
                    total[:] += np.bincount(place, values, total.size)

        add(~near, (0.0, 0.0), 1.0)
        inside = (np.arange(INSIDE) + 0.5) / INSIDE - 0.5
        if near.any():
            for u, v in product(inside * self.widths[0], inside * self.widths[1]):
                add(near, (u, v), INSIDE**-2.0)
        return total.reshape(DIRECTIONS, -1)

    def kernels(self, rings: tuple[Ring, ...]) -> tuple[np.ndarray, np.ndarray]:
        """K_j on two rings, images summed, (M, *rings), and its sum over the plane, (M,)."""
        sizes = [ring.size for ring in rings]
        reach = [IMAGES if ring.period else 0 for ring in rings]
        kernels = np.zeros((DIRECTIONS, sizes[0] * sizes[1]))
        for shifts in product(*(range(-m, m + 1) for m in reach)):
            x, y = (ring.offsets + k * ring.period for ring, k in zip(rings, shifts, strict=True))
            kernels += self.rates(*(v.ravel() for v in np.meshgrid(x, y, indexing="ij")))
        kernels, totals = kernels.reshape(DIRECTIONS, *sizes), self.totals
        if all(reach):
            kernels += (np.maximum(totals - kernels.sum(axis=(1, 2)), 0.0) / (sizes[0] * sizes[1]))[:, None, None]
            return kernels, kernels.sum(axis=(1, 2))
        if any(reach):
            axis = 0 if reach[0] else 1
            far = np.arange(IMAGES + 1, 400) * rings[axis].period
            ends = np.concatenate([far, -far])[:, None], rings[1 - axis].offsets[None, :]
            lines = self.rates(*(ends if axis == 0 else ends[::-1]))
            kernels += np.expand_dims(lines, axis + 1)
        return kernels, totals

    @cached_property
    def _around(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Offsets within the cutoff and its value there, (n,) each."""
        radius = REACH * max(self.widths)
        reach = [math.ceil(STOP * radius / w) for w in self.widths]
        dx, dy = (v.ravel() for v in np.meshgrid(*(np.arange(-m, m + 1) for m in reach), indexing="ij"))
        return dx, dy, cutoff(np.hypot(dx * self.widths[0], dy * self.widths[1]) / radius)

    @cached_property
    def totals(self) -> np.ndarray:
        """Sum of each K_j: directly up to a smooth cutoff, and the integral beyond."""
        dx, dy, kept = self._around
        beyond = STOP**-self.a / self.a + falling(lambda rho: rho ** (-1.0 - self.a) * (1.0 - cutoff(rho)))
        beyond *= (REACH * max(self.widths)) ** -self.a * 2.0 * math.pi / DIRECTIONS
        return self.rates(dx[:, None], dy[:, None], kept[:, None])[:, 0] + jump_constant(self.a, 2) * beyond

    @cached_property
    def tensors(self) -> np.ndarray:
        """D_j (M, 2, 2): half of the second moment of the density less that of the lattice rule."""
        dx, dy, kept = self._around
        x, y = dx * self.widths[0], dy * self.widths[1]
        moments = np.stack(
            [self.rates(dx[:, None], dy[:, None], (kept * v)[:, None])[:, 0] for v in (x * x, x * y, y * y)]
        )
        radial = START ** (2.0 - self.a) / (2.0 - self.a) + falling(lambda rho: rho ** (1.0 - self.a) * cutoff(rho))
        radial *= jump_constant(self.a, 2) * (REACH * max(self.widths)) ** (2.0 - self.a)
        step = math.pi / DIRECTIONS
        angle = step * np.arange(DIRECTIONS)
        # the mean of cos 2 phi over a hat is that at its middle times (sin step / step)^2
        bent = (math.sin(step) / step) ** 2
        exact = (
            radial
            * step
            * np.stack([1.0 + bent * np.cos(2.0 * angle), bent * np.sin(2.0 * angle), 1.0 - bent * np.cos(2.0 * angle)])
        )
        xx, xy, yy = 0.5 * (exact - moments)
        return np.moveaxis(np.array([[xx, xy], [xy, yy]]), -1, 0)


def centered(base: Generator) -> Generator:
    """The generator with what exponential fitting adds to the diffusion of a link taken off both of its rates, down to 0."""
    return replace(base, links=tuple(_centered(link) for link in base.links))


def _centered(link: Links) -> Links:
    f, b = link.forward, link.backward
    both = (f > 0.0) & (b > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.log(f) - np.log(b)
        meant = np.where(np.abs(w) > 1e-6, (f - b) / w, 0.5 * (f + b))
    taken = np.where(both, np.clip(0.5 * (f + b) - meant, 0.0, np.minimum(f, b)), 0.0)
    return link._replace(forward=f - taken, backward=b - taken)
