"""Full diffusion tensors: links in lattice directions chosen so that every rate is nonnegative.

In units of the cells, Selling's reduction gives D = sum_k rho_k e_k e_k^T with rho_k >= 0 in each cell. Each term is a
link i -> i + e_k with the same exponential fit as along an axis. In the Ito convention rho is read where the step starts, so
that the backward operator is D : grad grad to second order, however rho_k changes from cell to cell.

The drift goes along the same links, m_k = rho_k e_k . F with the force F = D^-1 mu, which keeps detailed balance; where the
noise is so nearly degenerate that this costs more numerical diffusion, relative to D, than upwinding along the axes would,
or where the drift leaves the range of D, it goes along the axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ...model.grid import Grid
from ...model.ito_correction import check_tensor_convention
from ..kernels.bernoulli import exponential_fit_all, logarithmic_means
from ..kernels.selling import decompose
from .generator import Exit, Generator, Links
from .tensor_walls import along_wall, missing_diffusion

MAX_OFFSET = 8


class Lattice(NamedTuple):
    """A tensor in each of the n raveled cells as a sum of rho e e^T over k lattice directions, in units of the cells.

    offsets (n, k, dim), weights rho (n, k), added (n,): what a nearly degenerate tensor was widened by.
    """

    offsets: np.ndarray
    weights: np.ndarray
    added: np.ndarray

    @classmethod
    def of(cls, grid: Grid, diffusion: np.ndarray, most: int = MAX_OFFSET) -> Lattice:
        """From D at the cell centers, (dim, dim, *grid.shape), or (dim, *grid.shape) where diagonal; offsets up to `most`."""
        dim, n = grid.dim, grid.size
        if diffusion.ndim == dim + 1:
            diffusion = np.einsum("i...,ij->ij...", diffusion, np.eye(dim))
        widths = _widths(grid)
        tensors = np.moveaxis(diffusion.reshape(dim, dim, n) / widths / widths[:, None], -1, 0)
        tensors = np.ascontiguousarray(0.5 * (tensors + np.swapaxes(tensors, 1, 2)))
        terms = 3 if dim == 2 else 6
        offsets, weights, added = np.zeros((n, terms, dim), np.int64), np.zeros((n, terms)), np.zeros(n)
        decompose(tensors, np.full(n, min(most, max(1, min(grid.shape) - 1))), offsets, weights, added)
        return cls(offsets, weights, added)


def tensor_generator(grid: Grid, drift: np.ndarray, lattice: Lattice, alpha: float) -> Generator:
    """The generator of an equation with a full tensor, from its coefficients at the cell centers.

    Parameters
    ----------
    grid : Grid
    drift : ndarray (dim, *grid.shape)
    lattice : Lattice
        The tensor, see `Lattice.of`.
    alpha : {0.0, 1.0}
        Convention: Ito or Klimontovich.
    """
    check_tensor_convention(alpha)
    if _is_even(grid, lattice):
        alpha = 1.0  # the same equation, of second order beside reflecting walls on cells of any widths
    cells = _Cells.of(grid, drift, lattice, alpha)
    links: list[Links] = []
    exits: list[Exit] = []
    for offset in cells.directions():
        for family in _families(cells, offset, alpha):
            if isinstance(family, Links):
                links.append(family)
            else:
                exits.append(family)
    links += _wall_links(cells, alpha)
    links += _reconnect(cells, links)
    two_way = all((link.forward > 0.0).all() and (link.backward > 0.0).all() for link in links)
    return Generator(grid, tuple(links), tuple(exits), cells.added, two_way and bool((cells.shared == 1.0).all()))


def _is_even(grid: Grid, lattice: Lattice) -> bool:
    """Whether the tensor is the same in all cells, which may be of any widths."""
    tensor = _tensor(_widths(grid), lattice.offsets, lattice.weights)
    return bool((np.ptp(tensor, axis=2) <= 1e-12 * np.abs(tensor).max()).all())


def _tensor(widths: np.ndarray, offsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """D of each cell, (dim, dim, n)."""
    return np.asarray(np.einsum("nk,nki,nkj->ijn", weights, offsets, offsets) * widths * widths[:, None])


@dataclass(frozen=True)
class _Cells:
    """Decomposed coefficients of the raveled cells, in units of the cell widths.

    widths (dim, n), drift (dim, n) per cell width with what `_bending` takes off, force (dim, n) times cell width, with it and
    without (pull), offsets (n, k, dim), weights (n, k), shared (n,): the share of the drift that goes along the tensor's links,
    the rest along the axes.
    """

    grid: Grid
    widths: np.ndarray
    drift: np.ndarray
    force: np.ndarray
    pull: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray
    added: np.ndarray
    shared: np.ndarray

    @classmethod
    def of(cls, grid: Grid, drift: np.ndarray, lattice: Lattice, alpha: float) -> _Cells:
        widths, (offsets, weights, added) = _widths(grid), lattice
        plain = drift.reshape(widths.shape) / widths
        velocity = plain - _bending(grid, widths, lattice) if alpha == 0.0 else plain
        inverse = _inverse(np.einsum("nk,nki,nkj->nij", weights, offsets, offsets))
        force, pull = (np.einsum("nij,jn->in", inverse, v) for v in (velocity, plain))
        shared = _share(offsets, weights, inverse, force, velocity)
        return cls(grid, widths, velocity, force, pull, offsets, weights, added, shared)

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


def _widths(grid: Grid) -> np.ndarray:
    """Cell widths along each axis, (dim, n); equal where they differ by the rounding of the edges alone."""
    lines = []
    for edges, widths in zip(grid.edges, grid.widths, strict=True):
        alike = np.ptp(widths) <= 8.0 * np.finfo(float).eps * np.abs(edges).max()
        lines.append(np.full_like(widths, widths.mean()) if alike else widths)
    return np.stack([np.broadcast_to(w, grid.shape).ravel() for w in np.meshgrid(*lines, indexing="ij", sparse=True)])


def _bending(grid: Grid, widths: np.ndarray, lattice: Lattice) -> np.ndarray:
    """The drift, in cells per time, that noise along oblique links has where cells widen along an axis (Ito), (dim, n).

    With D_ij = sum_e rho e_i e_j h_i h_j, (div D)_i / h_i = sum_e [e_i (e . grad)(rho v) / v + rho e_i^2 d ln h_i], derivatives
    by the number of the cell and v the volume: the first term goes along the link, this is the second.
    """
    steps = np.abs(lattice.offsets)
    oblique = np.where(steps.sum(axis=2) > steps.max(axis=2), lattice.weights, 0.0)
    widening = np.zeros(widths.shape)
    for axis, n in enumerate(grid.shape):
        line = np.log(np.moveaxis(widths[axis].reshape(grid.shape), axis, -1)[(0,) * (grid.dim - 1)])
        if n > 1 and np.ptp(line) > 0.0:
            round_seam = np.concatenate([line[-1:], line, line[:1]])
            slope = np.gradient(round_seam)[1:-1] if grid.periodic(axis) else np.gradient(line)
            across = [n if a == axis else 1 for a in range(grid.dim)]
            widening[axis] = np.broadcast_to(slope.reshape(across), grid.shape).ravel()
    return np.asarray(np.einsum("nk,nki,in->in", oblique, lattice.offsets**2, widening))


def _inverse(tensors: np.ndarray) -> np.ndarray:
    """Inverses (n, d, d) of positive semidefinite tensors, a degenerate one taken as very slightly less so."""
    d = tensors.shape[-1]
    mean = np.trace(tensors, axis1=1, axis2=2) / d
    lowest = np.linalg.eigvalsh(tensors)[:, 0]
    floor = np.where(mean > 0.0, np.where(lowest > 1e-9 * mean, 0.0, 1e-12 * mean), 1.0)
    return np.linalg.inv(tensors + floor[:, None, None] * np.eye(d))


def _share(
    offsets: np.ndarray, weights: np.ndarray, inverse: np.ndarray, force: np.ndarray, drift: np.ndarray
) -> np.ndarray:
    """The share of the drift that goes along the tensor's links, the rest along the axes, (n,).

    All of it along the links where that adds less numerical diffusion, measured by D; but not where it would add more than half
    of the tensor's own trace and more than the axes do, as happens with a drift across noise of rank one; and never where the
    links cannot carry it, as no force drives a drift across the range of D. Between, the share falls smoothly to none where
    that is twice as much, so that rates have no jumps in time where a drift changes.
    """
    carried = np.einsum("nk,nki,nkj,jn->in", weights, offsets, offsets, force)
    whole = np.abs(carried - drift).sum(axis=0) <= 1e-6 * np.abs(drift).sum(axis=0)
    by_d = np.einsum("nki,nij,nkj->nk", offsets, inverse, offsets)
    by_length = (offsets**2).sum(axis=2)
    on_links = weights * _excess(np.abs(np.einsum("nki,in->nk", offsets, force)))
    on_axes = np.stack([_axis_excess(offsets, weights, drift, axis) for axis in range(len(drift))], axis=1)
    by_axes = 2.0 * np.einsum("ni,nii->n", on_axes, inverse)
    allowed = _larger(0.5 * (weights * by_length).sum(axis=1), on_axes.sum(axis=1))
    less = _up_to_twice((on_links * by_d).sum(axis=1), by_axes) * _up_to_twice(
        (on_links * by_length).sum(axis=1), allowed
    )
    return np.where(whole, less, 0.0)


def _larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger of two sizes, or up to a fifth more where they are alike: (a^4 + b^4)^(1/4) turns smoothly."""
    most = np.maximum(a, b)
    share = np.divide(np.minimum(a, b), most, out=np.zeros_like(most), where=most > 0.0)
    return np.asarray(most * (1.0 + share**4) ** 0.25)


def _up_to_twice(size: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """1 for sizes up to what is allowed, 0 from twice as much, and a smooth step between them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.where(size > allowed, np.clip(size / allowed - 1.0, 0.0, 1.0), 0.0)
    return 1.0 - beyond**3 * (10.0 - 15.0 * beyond + 6.0 * beyond**2)


def _axis_excess(offsets: np.ndarray, weights: np.ndarray, drift: np.ndarray, axis: int) -> np.ndarray:
    """Numerical diffusion of carrying the drift along an axis, on top of whatever noise has a link there."""
    unit = (np.abs(offsets).sum(axis=2) == 1) & (offsets[:, :, axis] != 0)
    rho = np.where(unit, weights, 0.0).sum(axis=1)
    speed = np.abs(drift[axis])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        w = np.where(rho > 0.0, speed / rho, np.inf)
    return np.where(w < 1e8, rho * _excess(np.minimum(w, 1e8)), 0.5 * speed)


def _excess(w: np.ndarray) -> np.ndarray:
    """(w/2) coth(w/2) - 1: the numerical diffusion of a link over its D at Peclet number w >= 0."""
    half = 0.5 * np.maximum(w, 1e-3)
    return np.where(w < 1e-2, w * w / 12.0, half / np.tanh(half) - 1.0)


def _families(cells: _Cells, offset: tuple[int, ...], alpha: float) -> list[Links | Exit]:
    """The links i -> i + offset, and what leaves through absorbing walls in both directions."""
    grid = cells.grid
    rho, drift = cells.along(offset)
    active = (rho > 0.0) | (drift != 0.0)
    ahead = _follow(grid, offset)
    inside = ahead.wall < 0
    chosen = np.flatnonzero(inside & (active | active[np.where(inside, ahead.cell, 0)]))
    low, high = chosen, ahead.cell[chosen]
    rates = _rates(cells, offset, low, high, rho, drift, alpha)
    result: list[Links | Exit] = [*_by_stride(offset, low, high, *rates)]
    for sign in (1, -1):
        way = _follow(grid, tuple(sign * o for o in offset))
        for axis in range(grid.dim):
            side = int(sign * offset[axis] > 0)
            leaving = np.flatnonzero((way.wall == axis) & active)
            if leaving.size and grid.boundary[axis][side] == "absorbing":
                cut = rho[leaving] / way.share[leaving]
                result.append(Exit(axis, side, leaving, exponential_fit_all(sign * drift[leaving], cut)[0]))
    return result


class _Way(NamedTuple):
    """Where an offset leads from each raveled cell: the cell there, the axis of the first wall in the way (-1: none),
    and the share of the way to that wall; (n,) each."""

    cell: np.ndarray
    wall: np.ndarray
    share: np.ndarray


def _follow(grid: Grid, offset: tuple[int, ...]) -> _Way:
    index = np.unravel_index(np.arange(grid.size), grid.shape)
    moved: list[np.ndarray] = []
    wall, share = np.full(grid.size, -1), np.ones(grid.size)
    for axis, n in enumerate(grid.shape):
        place = index[axis] + offset[axis]
        if grid.periodic(axis):
            place = place % n
        elif offset[axis]:
            to_wall = (index[axis] if offset[axis] < 0 else n - 1 - index[axis]) + 0.5
            fraction = to_wall / abs(offset[axis])
            first = fraction < share
            wall, share = np.where(first, axis, wall), np.where(first, fraction, share)
        moved.append(np.clip(place, 0, n - 1))
    return _Way(np.asarray(np.ravel_multi_index(moved, grid.shape)), wall, share)


def _wall_links(cells: _Cells, alpha: float) -> list[Links]:
    """Links along reflecting walls that make up for those through them, see `tensor_walls`."""
    grid, links = cells.grid, []
    force = cells.shared * _current_force(cells, alpha)
    numbers = np.arange(grid.size).reshape(grid.shape)
    for axis in range(grid.dim):
        for side in (0, 1):
            if grid.boundary[axis][side] != "reflecting" or grid.shape[axis] < 2:
                continue
            row = np.take(numbers, -side, axis=axis).ravel()
            missing = missing_diffusion(cells.offsets[row], cells.weights[row], axis)
            if not missing.any():
                continue
            directions, weights = along_wall(missing, MAX_OFFSET)
            directions = np.insert(directions, axis, 0, axis=2)
            for offset in np.unique(directions[weights > 0.0], axis=0).tolist():
                rho = np.zeros(grid.size)
                rho[row] = np.where((directions == offset).all(axis=2), weights, 0.0).sum(axis=1)
                ahead = _follow(grid, tuple(offset))
                low = row[ahead.wall[row] < 0]
                rates = _rates(cells, tuple(offset), low, ahead.cell[low], rho, rho * (offset @ force), 1.0)
                links += _by_stride(tuple(offset), low, ahead.cell[low], *rates)
    return links


def _by_stride(
    offset: tuple[int, ...], low: np.ndarray, high: np.ndarray, forward: np.ndarray, backward: np.ndarray
) -> list[Links]:
    """Links low -> high, one family for each step in raveled cells."""
    families = []
    for stride in np.unique(high - low).tolist():
        family = high - low == stride
        families.append(Links(offset, int(stride), low[family], forward[family], backward[family]))
    return families


def _current_force(cells: _Cells, alpha: float) -> np.ndarray:
    """The force F with J = D (F p - grad p), times cell width, (dim, n): D^-1 mu, less D^-1 div D in the Ito convention."""
    grid, dim = cells.grid, cells.grid.dim
    in_cells = np.einsum("nk,nki,nkj->ijn", cells.weights, cells.offsets, cells.offsets)
    tensor = _tensor(cells.widths, cells.offsets, cells.weights).reshape(dim, dim, *grid.shape)
    if alpha == 1.0 or np.ptp(tensor.reshape(dim * dim, -1), axis=1).max() == 0.0:
        return cells.pull
    slope = np.zeros((dim, *grid.shape))
    for axis in range(dim):
        if grid.shape[axis] > 1:
            slope += np.gradient(tensor[:, axis], grid.centers[axis], axis=axis + 1)
    inverse = _inverse(np.moveaxis(in_cells, -1, 0))
    return cells.pull - np.einsum("nij,jn->in", inverse, slope.reshape(dim, -1) / cells.widths)


def _reconnect(cells: _Cells, links: list[Links]) -> list[Links]:
    """Weak links along the axes for cells in corners that all long links leave through a reflecting wall.

    They carry the share of the mean diffusion that the longest offsets resolve, the same both ways. Cells that noise of
    lower rank leaves apart stay so.
    """
    grid = cells.grid
    if not links:
        return []
    ends = np.concatenate([np.stack([link.lower, link.upper]) for link in links], axis=1)
    graph = sp.coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(grid.size, grid.size))
    count, label = connected_components(graph, directed=False)
    if count == 1:
        return []
    tensors = np.einsum("nk,nki,nkj->nij", cells.weights, cells.offsets, cells.offsets)
    full_rank = np.linalg.eigvalsh(tensors)[:, 0] > 1e-9 * np.trace(tensors, axis1=1, axis2=2)
    lost = (label != np.bincount(label).argmax()) & full_rank
    if not lost.any():
        return []
    rate = np.einsum("nk,nki->n", cells.weights, cells.offsets**2) / grid.dim / MAX_OFFSET**2
    extra = []
    for axis in range(grid.dim):
        offset = tuple(int(a == axis) for a in range(grid.dim))
        ahead = _follow(grid, offset)
        near = (ahead.wall < 0) & (lost | lost[ahead.cell])
        for stride in np.unique((ahead.cell - np.arange(grid.size))[near]).tolist():
            low = np.flatnonzero(near & (ahead.cell - np.arange(grid.size) == stride))
            mean = 0.5 * (rate[low] + rate[low + stride])
            extra.append(Links(offset, int(stride), low, mean, mean))
    return extra


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
    v_low, v_high = cells.widths[:, low].prod(axis=0), cells.widths[:, high].prod(axis=0)
    area = 0.5 * (v_low + v_high)
    if alpha == 0.0 and np.count_nonzero(e) > 1:  # the change of rho v, see `_bending`
        d_low, d_high = rho[low] * v_low / area, rho[high] * v_high / area
    else:
        d_low, d_high = rho[low] * stretch_low**2, rho[high] * stretch_high**2
    mean_drift = 0.5 * (drift[low] * stretch_low + drift[high] * stretch_high)
    if alpha == 0.0:
        conductance = logarithmic_means(d_low, d_high)
        velocity = mean_drift - (d_high - d_low)
    else:
        conductance = 0.5 * (d_low + d_high)
        velocity = mean_drift
    forward, backward = exponential_fit_all(velocity, conductance)
    return forward * area / v_low, backward * area / v_high
