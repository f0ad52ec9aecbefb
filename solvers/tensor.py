"""Full diffusion tensors: links in lattice directions chosen so that every rate is nonnegative.

In units of the cells, Selling's reduction gives D = sum_k rho_k e_k e_k^T with rho_k >= 0 in each cell. Each term is a
link i -> i + e_k with the same exponential fit as along an axis. In the Ito convention rho is read where the step starts, so
that the backward operator is D : grad grad to second order, however rho_k changes from cell to cell.

The drift goes along the same links, m_k = rho_k e_k . F with the force F = D^-1 mu, which keeps detailed balance; where the
noise is so nearly degenerate that this costs more numerical diffusion, relative to D, than upwinding along the axes would,
it goes along the axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import bad_value
from ..grid import Grid
from .generator import Exit, Generator, Links
from .kernels.links import exponential_fit_all, logarithmic_means
from .kernels.selling import decompose

MAX_OFFSET = 8


def tensor_generator(grid: Grid, drift: np.ndarray, diffusion: np.ndarray, alpha: float) -> Generator:
    """The generator of an equation with a full tensor, from its coefficients at the cell centers.

    Parameters
    ----------
    grid : Grid
    drift : ndarray (dim, *grid.shape)
    diffusion : ndarray (dim, dim, *grid.shape), or (dim, *grid.shape) where diagonal
    alpha : {0.0, 1.0}
        Convention: Ito or Klimontovich.
    """
    if alpha not in (0.0, 1.0):
        then = "A Stratonovich tensor needs the noise matrix: pass `noise` instead of `diffusion`."
        raise bad_value("convention", "'ito' or 'klimontovich' for a full diffusion tensor", alpha, then)
    if diffusion.ndim == grid.dim + 1:
        diffusion = np.einsum("i...,ij->ij...", diffusion, np.eye(grid.dim))
    cells = _Cells.of(grid, drift, diffusion)
    links: list[Links] = []
    exits: list[Exit] = []
    for offset in cells.directions():
        for family in _families(cells, offset, alpha):
            if isinstance(family, Links):
                links.append(family)
            else:
                exits.append(family)
    two_way = all((link.forward > 0.0).all() and (link.backward > 0.0).all() for link in links)
    return Generator(grid, tuple(links), tuple(exits), cells.added, two_way and bool(cells.shared.all()))


@dataclass(frozen=True)
class _Cells:
    """Decomposed coefficients of the raveled cells, in units of the cell widths.

    widths (dim, n), drift (dim, n) per cell width, force (dim, n) times cell width, offsets (n, k, dim), weights (n, k),
    shared (n,): 1 where the drift goes along the tensor's links, 0 where along the axes.
    """

    grid: Grid
    widths: np.ndarray
    drift: np.ndarray
    force: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray
    added: np.ndarray
    shared: np.ndarray

    @classmethod
    def of(cls, grid: Grid, drift: np.ndarray, diffusion: np.ndarray) -> _Cells:
        dim, n = grid.dim, grid.size
        lines = [w.reshape([-1 if a == axis else 1 for a in range(dim)]) for axis, w in enumerate(grid.widths)]
        widths = np.stack([np.broadcast_to(line, grid.shape).ravel() for line in lines])
        tensors = np.moveaxis(diffusion.reshape(dim, dim, n) / widths / widths[:, None], -1, 0)
        tensors = np.ascontiguousarray(0.5 * (tensors + np.swapaxes(tensors, 1, 2)))
        terms = 3 if dim == 2 else 6
        offsets, weights, added = np.zeros((n, terms, dim), np.int64), np.zeros((n, terms)), np.zeros(n)
        decompose(tensors, _caps(grid), offsets, weights, added)
        velocity = drift.reshape(dim, n) / widths
        inverse = _inverse(np.einsum("nk,nki,nkj->nij", weights, offsets, offsets))
        force = np.einsum("nij,jn->in", inverse, velocity)
        shared = _share(offsets, weights, inverse, force, velocity)
        return cls(grid, widths, velocity, force, offsets, weights, added, shared)

    def directions(self) -> list[tuple[int, ...]]:
        """All offsets in use, the axes among them."""
        axes = np.eye(self.grid.dim, dtype=np.int64)
        used = np.concatenate([self.offsets[self.weights > 0.0], axes])
        return [tuple(e) for e in np.unique(used, axis=0).tolist() if any(e)]

    def along(self, offset: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """(rho, m): diffusion and drift of each cell along a lattice direction, (n,) each."""
        e = np.array(offset)
        weight = np.where((self.offsets == e).all(axis=2), self.weights, 0.0).sum(axis=1)
        drift = self.shared * weight * (e @ self.force)
        if np.abs(e).sum() == 1:
            drift = drift + (1.0 - self.shared) * (e @ self.drift)
        return weight, drift


def _caps(grid: Grid) -> np.ndarray:
    """Longest offset of each cell (n,): its distance to the nearest wall in cells, but at least 1, so that none is cut off."""
    distance = np.full(grid.shape, MAX_OFFSET)
    for axis, n in enumerate(grid.shape):
        steps = np.minimum(np.arange(n), np.arange(n)[::-1])
        if grid.periodic(axis):
            steps = np.full(n, max(1, (n - 1) // 2))
        distance = np.minimum(distance, steps.reshape([-1 if a == axis else 1 for a in range(grid.dim)]))
    return np.maximum(distance, 1).ravel()


def _inverse(tensors: np.ndarray) -> np.ndarray:
    """Inverses (n, d, d) of positive semidefinite tensors, a degenerate one taken as very slightly less so."""
    d = tensors.shape[-1]
    mean = np.trace(tensors, axis1=1, axis2=2) / d
    floor = np.where(mean > 0.0, 1e-12 * mean, 1.0)
    return np.linalg.inv(tensors + floor[:, None, None] * np.eye(d))


def _share(
    offsets: np.ndarray, weights: np.ndarray, inverse: np.ndarray, force: np.ndarray, drift: np.ndarray
) -> np.ndarray:
    """1.0 where the drift along the tensor's links adds less numerical diffusion, relative to D, than along the axes."""
    lengths = np.einsum("nki,nij,nkj->nk", offsets, inverse, offsets)
    peclet = np.abs(np.einsum("nki,in->nk", offsets, force))
    on_links = (weights * _excess(peclet) * lengths).sum(axis=1)
    on_axes = np.zeros(len(weights))
    for axis in range(drift.shape[0]):
        unit = (np.abs(offsets).sum(axis=2) == 1) & (offsets[:, :, axis] != 0)
        rho = np.where(unit, weights, 0.0).sum(axis=1)
        speed = np.abs(drift[axis])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            w = np.where(rho > 0.0, speed / rho, np.inf)
            added = np.where(w < 1e8, rho * _excess(np.minimum(w, 1e8)), 0.5 * speed)
        on_axes += added * inverse[:, axis, axis]
    return np.where(on_links <= 2.0 * on_axes, 1.0, 0.0)


def _excess(w: np.ndarray) -> np.ndarray:
    """(w/2) coth(w/2) - 1: the numerical diffusion of a link over its D at Peclet number w >= 0."""
    half = 0.5 * np.maximum(w, 1e-3)
    return np.where(w < 1e-2, w * w / 12.0, half / np.tanh(half) - 1.0)


def _families(cells: _Cells, offset: tuple[int, ...], alpha: float) -> list[Links | Exit]:
    """The links i -> i + offset, and what leaves through absorbing walls in both directions."""
    grid = cells.grid
    rho, drift = cells.along(offset)
    active = (rho > 0.0) | (drift != 0.0)
    index = np.stack(np.unravel_index(np.arange(grid.size), grid.shape))
    start = np.arange(grid.size)
    end, crossed = _target(grid, index, offset)
    chosen = (crossed < 0) & (active | _reached(active, end, crossed))
    result: list[Links | Exit] = []
    low, high = start[chosen], end[chosen]
    forward, backward = _rates(cells, offset, low, high, rho, drift, alpha)
    for stride in np.unique(high - low).tolist():
        family = high - low == stride
        result.append(Links(offset, int(stride), low[family], forward[family], backward[family]))
    for sign in (1, -1):
        _, crossed = _target(grid, index, tuple(sign * o for o in offset))
        for axis in range(grid.dim):
            leaving = (crossed == axis) & (rho > 0.0) | (crossed == axis) & (sign * drift > 0.0)
            side = int(sign * offset[axis] > 0)
            if leaving.any() and grid.boundary[axis][side] == "absorbing":
                out, _ = exponential_fit_all(sign * drift[leaving], 2.0 * rho[leaving])
                result.append(Exit(axis, side, start[leaving], out))
    return result


def _reached(active: np.ndarray, end: np.ndarray, crossed: np.ndarray) -> np.ndarray:
    """Whether the cell at the other end is active."""
    return np.where(crossed < 0, active[np.where(crossed < 0, end, 0)], False)


def _target(grid: Grid, index: np.ndarray, offset: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Raveled cells at the other end, and the first axis whose wall is in the way (-1: none), (n,) each."""
    moved: list[np.ndarray] = []
    crossed = np.full(index.shape[1], -1)
    for axis in reversed(range(grid.dim)):
        n = grid.shape[axis]
        place = index[axis] + offset[axis]
        if grid.periodic(axis):
            place = place % n
        outside = (place < 0) | (place >= n)
        crossed[outside] = axis
        moved.insert(0, np.clip(place, 0, n - 1))
    return np.asarray(np.ravel_multi_index(moved, grid.shape)), crossed


def _rates(
    cells: _Cells,
    offset: tuple[int, ...],
    low: np.ndarray,
    high: np.ndarray,
    rho: np.ndarray,
    drift: np.ndarray,
    alpha: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Rates both ways of the links low -> high."""
    e = np.abs(np.array(offset))[:, None]
    w_low, w_high = cells.widths[:, low], cells.widths[:, high]
    # on graded cells a link is not as long as its ends' cells say: diffusion goes with the square of the length, drift with it
    length = np.sqrt(((0.5 * (w_low + w_high) * e) ** 2).sum(axis=0))
    stretch_low, stretch_high = (np.sqrt(((w * e) ** 2).sum(axis=0)) / length for w in (w_low, w_high))
    d_low, d_high = rho[low] * stretch_low**2, rho[high] * stretch_high**2
    mean_drift = 0.5 * (drift[low] * stretch_low + drift[high] * stretch_high)
    if alpha == 0.0:
        conductance = logarithmic_means(d_low, d_high)
        velocity = mean_drift - (d_high - d_low)
    else:
        conductance = 0.5 * (d_low + d_high)
        velocity = mean_drift
    forward, backward = exponential_fit_all(velocity, conductance)
    v_low, v_high = cells.widths[:, low].prod(axis=0), cells.widths[:, high].prod(axis=0)
    area = 0.5 * (v_low + v_high)
    return forward * area / v_low, backward * area / v_high
