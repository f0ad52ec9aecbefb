"""Splitting images of cells between target cells: the columns of a transfer matrix.

The image of a cell is a cloud of points: a mean, and for each principal axis a vector whose length is the standard
deviation along it. A cloud is filled evenly (the image of a stretched cell) or by a normal law. Each point is shared
linearly between the nearest cell centers, which keeps its mean and adds the least variance that nonnegative weights on
the grid allow, s (h - s) <= h^2/4 at the distance s from a center.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LOSE, CLAMP, WRAP = 0, 1, 2  # walls: a point outside is lost, put on the wall, or carried around
A_CELL, A_CELL_ACROSS = 4.236068, 1.618034  # points of a normal law in a cell, in one dimension and in more
TAIL = 8.0  # deviations up to which it reaches: beyond lies 1e-15 of it


@njit(cache=True, nogil=True)
def _nodes(cells: float, normal: bool, a_cell: float, offset: np.ndarray, weight: np.ndarray) -> int:
    """Points along one axis, in standard deviations; `cells` is the deviation in cell widths. Unit variance.

    a_cell : points of a normal law in a cell; no multiple of it near a whole number, so that their shares average out.
    """
    if cells < 1e-9:
        offset[0], weight[0] = 0.0, 1.0
        return 1
    limit = offset.size
    if normal:
        spacing = max(min(0.381966, 1.0 / (a_cell * cells)), 2.0 * TAIL / (limit - 2))
        half = int(TAIL / spacing)
        total = 0.0
        for i in range(2 * half + 1):
            offset[i] = (i - half) * spacing
            weight[i] = np.exp(-0.5 * offset[i] ** 2)
            total += weight[i]
        weight[: 2 * half + 1] /= total
        return 2 * half + 1
    n = min(max(int(2.0 * 12.0**0.5 * cells) + 1, 2), limit)
    spacing = np.sqrt(12.0 / (n * n - 1.0))
    for i in range(n):
        offset[i] = (i - 0.5 * (n - 1)) * spacing
        weight[i] = 1.0 / n
    return n


@njit(cache=True, nogil=True)
def _share(centers: np.ndarray, low: float, high: float, below: int, above: int, x: float, out: np.ndarray) -> float:
    """Neighbours of x and the share of the upper one: out[0:2] their numbers. -1 if x is lost, 2 + share if clamped."""
    n = centers.size
    clamped = 0.0
    if x < low:
        if below == LOSE:
            return -1.0
        if below == WRAP:
            x = low + (x - low) % (high - low)
        else:
            x, clamped = low, 2.0
    elif x > high:
        if above == LOSE:
            return -1.0
        if above == WRAP:
            x = low + (x - low) % (high - low)
        else:
            x, clamped = high, 2.0
    if n == 1 or ((x <= centers[0] or x >= centers[n - 1]) and below != WRAP):
        out[0] = out[1] = 0 if x <= centers[0] else n - 1
        return clamped
    if x < centers[0] or x >= centers[n - 1]:
        out[0], out[1] = n - 1, 0
        gap = centers[0] - centers[n - 1] + (high - low)
        distance = x - centers[n - 1] if x >= centers[n - 1] else x - centers[n - 1] + (high - low)
        return distance / gap
    k = min(int(np.searchsorted(centers, x, side="right")), n - 1) - 1
    out[0], out[1] = k, k + 1
    return (x - centers[k]) / (centers[k + 1] - centers[k]) + clamped


@njit(cache=True, nogil=True)
def _locate(
    mean: np.ndarray,
    shift: np.ndarray,
    centers: np.ndarray,
    sizes: np.ndarray,
    bounds: np.ndarray,
    walls: np.ndarray,
    near: np.ndarray,
    upper: np.ndarray,
) -> int:
    """Neighbours of the point mean + shift along each axis and their shares; -1 if lost, 1 if it met a wall, else 0."""
    state = 0
    for a in range(sizes.size):
        s = _share(
            centers[a, : sizes[a]], bounds[a, 0], bounds[a, 1], walls[a, 0], walls[a, 1], mean[a] + shift[a], near[a]
        )
        if s < 0.0:
            return -1
        if s >= 2.0:
            state = 1
            s -= 2.0
        upper[a] = s
    return state


@njit(cache=True, nogil=True, inline="always")
def _point(
    m: int, number: np.ndarray, offset: np.ndarray, share: np.ndarray, axes: np.ndarray, shift: np.ndarray
) -> float:
    """Where point m of a cloud lies from its mean, written to `shift`; returns its share of the cloud."""
    dim = axes.shape[0]
    weight = 1.0
    shift[:dim] = 0.0
    for a in range(dim):
        j = m % number[a]
        m //= number[a]
        weight *= share[a, j]
        for b in range(dim):
            shift[b] += axes[b, a] * offset[a, j]
    return weight


@njit(cache=True, nogil=True, inline="always")
def _corner(corner: int, sizes: np.ndarray, near: np.ndarray, upper: np.ndarray, out: np.ndarray) -> float:
    """Flat number of one of the 2^d centers around a point, written to `out`; returns the point's share there."""
    cell, part = 0, 1.0
    for a in range(sizes.size):
        up = (corner >> a) & 1
        part *= upper[a] if up else 1.0 - upper[a]
        cell = cell * sizes[a] + near[a, up]
    out[0] = cell
    return part


@njit(cache=True, nogil=True)
def push(
    mean: np.ndarray,
    axes: np.ndarray,
    weight: np.ndarray,
    normal: bool,
    centers: np.ndarray,
    sizes: np.ndarray,
    bounds: np.ndarray,
    walls: np.ndarray,
    step: np.ndarray,
    starts: np.ndarray,
    rows: np.ndarray,
    data: np.ndarray,
    clamped: np.ndarray,
) -> None:
    """Columns of the transfer matrix for a chunk of source cells, in compressed form.

    Parameters
    ----------
    mean : (n, K, d) centers of the clouds; axes : (n, K, d, d), axes[..., :, k] the k-th deviation vector
    weight : (K,) probability of each map
    centers : (d, n_max) cell centers, padded; sizes : (d,) their numbers; bounds : (d, 2); walls : (d, 2)
    step : (n, d) cell widths near the source
    starts : (n + 1,) where each column begins; filled if `rows` is empty (a counting pass), else read
    rows, data : filled
    clamped : (n,) probability that met a wall that reflects, filled
    """
    n, n_maps, dim = mean.shape
    total = 1
    for a in range(dim):
        total *= sizes[a]
    counting = rows.size == 0
    stamp = np.full(total, -1, dtype=np.int64)
    slot = np.zeros(total if not counting else 1, dtype=np.int64)
    offset, share = np.empty((3, 8192)), np.empty((3, 8192))
    number = np.ones(3, dtype=np.int64)
    near = np.empty((3, 2), dtype=np.int64)
    upper, shift, target = np.zeros(3), np.zeros(3), np.empty(1, dtype=np.int64)
    if counting:
        starts[0] = 0
    for i in range(n):
        free = np.int64(0) if counting else starts[i]
        clamped[i] = 0.0
        for k in range(n_maps):
            for a in range(dim):
                cells = 0.0
                for b in range(dim):
                    cells = max(cells, abs(axes[i, k, b, a]) / step[i, b])
                number[a] = _nodes(cells, normal, A_CELL if dim == 1 else A_CELL_ACROSS, offset[a], share[a])
            for m in range(number[0] * number[1] * number[2]):
                w = weight[k] * _point(m, number, offset, share, axes[i, k], shift)
                state = _locate(mean[i, k], shift, centers, sizes, bounds, walls, near, upper)
                if state < 0:
                    continue
                clamped[i] += w * state
                for corner in range(1 << dim):
                    part = w * _corner(corner, sizes, near, upper, target)
                    cell = target[0]
                    if part <= 0.0:
                        continue
                    if stamp[cell] != i:
                        stamp[cell] = i
                        if not counting:
                            slot[cell] = free
                            rows[free] = cell
                            data[free] = 0.0
                        free += 1
                    if not counting:
                        data[slot[cell]] += part
        if counting:
            starts[i + 1] = starts[i] + free
