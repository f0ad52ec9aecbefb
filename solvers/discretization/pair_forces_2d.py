"""The force between pairs on a plane of equal cells: its averages over tiles of displacements, and a convolution.

The displacements of two points in two cells are those of the cells' centers and of points in a tile as large as a cell. A
potential is averaged over the tile about each displacement of centers; the drift on a link is the difference of its two
potentials over the length. The mean of a force over a link and a cell weighs its displacements along the axis by a hat over
two tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.fft import irfftn, next_fast_len, rfftn

from ...arguments import fits_memory
from ...errors import bad_value
from ...model.coefficients import Points
from ...model.grid import Grid
from ...model.pair_force import PairForce
from .quadrature import gauss

NODES = 4  # of Gauss along each side of a part: even in number, so that none is at 0
FITS = 1e-9  # of the integral of all tiles: what a part of a tile may miss
HALVINGS = 12  # of the sides of a tile
SCALES = 30  # halvings of the tile about 0, whatever is seen there
MOST_PARTS = 40_000  # that are halved at a time: those that miss most
TOGETHER = 100_000  # tiles
MISSED = 1e-3  # of the integral: what all may miss
ROUND = 1e-9  # relative

Felt = Callable[[Points, int], np.ndarray]


def felt_on_plane(pair: PairForce, grid: Grid) -> Callable[[np.ndarray], Felt]:
    """From the shares of the cells (n,) to the force along an axis at points, constant on each link."""
    for axis, widths in enumerate(grid.widths):
        if np.ptp(widths) > ROUND * widths[0]:
            then = "On a line they may be unequal."
            raise bad_value(
                "grid", "of equal cells for a PairForce in a plane", f"unequal ones along {grid.names[axis]}", then
            )
    fits_memory("cells", 200 * 8.0 * grid.size, "Take fewer cells.")
    means = _Tiles.of(pair, grid).means()
    if pair.potential is not None:
        potential, h = _convolution(means[0], grid.shape), _cell(grid)

        def by_potential(shares: np.ndarray) -> Felt:
            u = -pair.strength * potential(shares)
            links = np.diff(u, axis=0)[:, 1:-1] / h[0], np.diff(u, axis=1)[1:-1] / h[1]
            return partial(_on_links, grid, links)

        return by_potential
    along_x, along_y = (_convolution(_hat(means[2 * axis], means[2 * axis + 1], axis), grid.shape) for axis in range(2))

    def by_force(shares: np.ndarray) -> Felt:
        links = pair.strength * along_x(shares)[:-1, 1:-1], pair.strength * along_y(shares)[1:-1, :-1]
        return partial(_on_links, grid, links)

    return by_force


def _cell(grid: Grid) -> np.ndarray:
    """Lengths of the sides of a cell (2,)."""
    return np.array([widths[0] for widths in grid.widths])


def _hat(mean: np.ndarray, moment: np.ndarray, axis: int) -> np.ndarray:
    """The mean weighed by 1/2 + u on each tile and by 1/2 - u on the next one along the axis; 0 after the last."""
    result = 0.5 * mean + moment
    falling = 0.5 * mean - moment
    low, high = [slice(None)] * 2, [slice(None)] * 2
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    result[tuple(low)] += falling[tuple(high)]
    return result


def _convolution(kernel: np.ndarray, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """From shares (n,) to the sum of kernel[i - k] times shares[k], for i from -1 to n on each axis.

    kernel: for displacements from -n to n cells on each axis.
    """
    size = [next_fast_len(2 * n + 1, real=True) for n in shape]
    transformed = rfftn(kernel, size)

    def times(shares: np.ndarray) -> np.ndarray:
        whole = irfftn(rfftn(shares.reshape(shape), size) * transformed, size)
        return whole[tuple(slice(n - 1, 2 * n + 1) for n in shape)]

    return times


def _on_links(grid: Grid, links: tuple[np.ndarray, np.ndarray], points: Points, axis: int) -> np.ndarray:
    """The value at points of the link along the axis on which each lies; at a center the mean of both that meet there.

    links: along x (n_x + 1, n_y), from the one before the first center to the one after the last; along y (n_x, n_y + 1).
    """
    centers = grid.centers[axis]
    after = np.searchsorted(centers, points.coords[axis], side="right")
    before = np.searchsorted(centers, points.coords[axis], side="left")
    edges = grid.edges[1 - axis]
    across = np.clip(np.searchsorted(edges, points.coords[1 - axis], side="right") - 1, 0, edges.size - 2)
    values = links[axis] if axis == 0 else links[axis].T
    return 0.5 * (values[before, across] + values[after, across])


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Tiles of displacements from -n to n cells on each axis.

    cell: lengths of the sides (2,); centers (2, tiles); level: of the potential, taken off.
    """

    pair: PairForce
    grid: Grid
    cell: np.ndarray
    centers: np.ndarray
    level: float

    @classmethod
    def of(cls, pair: PairForce, grid: Grid) -> _Tiles:
        """Those of a grid of equal cells."""
        cell = _cell(grid)
        lines = [np.arange(-n, n + 1) * h for n, h in zip(grid.shape, cell, strict=True)]
        centers = np.stack([x.ravel() for x in np.meshgrid(*lines, indexing="ij")])
        level = 0.0
        if pair.potential is not None:
            level = float(
                np.median(
                    pair.at(_wrapped(centers[:, :: max(1, centers.shape[1] // 1000)] + 0.3 * cell[:, None], grid))
                )
            )
            _check_seams(pair, grid, level)
        return cls(pair, grid, cell, centers, level)

    def means(self) -> np.ndarray:
        """Of a potential its means (1, *displacements); of a force along each axis its means and those times u, (4, ...)."""
        count = self.centers.shape[1]
        parts = [np.arange(first, min(first + TOGETHER, count)) for first in range(0, count, TOGETHER)]
        corner = -0.5 * self.cell[:, None]
        rough = [self.estimate(tiles, self.centers[:, tiles] + corner, 1.0) for tiles in parts]
        total = max(sum(float(np.abs(part[::2]).sum()) for part in rough), 1e-300)
        result, missed = np.zeros((len(rough[0]), count)), 0.0
        middle = count // 2 // TOGETHER  # first the tile about 0: what is narrow there is no part of the rough integral
        for i in sorted(range(len(parts)), key=lambda i: abs(i - middle)):
            more, total = self._refine(result, parts[i], rough[i], total)
            missed += more
        if missed > MISSED * total:
            name, _ = self.pair.given
            rule = "smooth but on single lines, with a finite mean over a cell"
            raise bad_value(name, rule, "one that is rough or grows too fast beside a point", "Soften it.")
        return result.reshape(-1, *(2 * n + 1 for n in self.grid.shape))

    def _refine(self, result: np.ndarray, tiles: np.ndarray, coarse: np.ndarray, total: float) -> tuple[float, float]:
        """Add the means of tiles (m,), whose parts are quartered where that changes much.

        What they may still miss, and the largest integral of all that was seen.
        """
        low, side, missed = self.centers[:, tiles] - 0.5 * self.cell[:, None], 1.0, 0.0
        for level in range(SCALES):
            side *= 0.5
            step = side * self.cell
            children = np.stack(
                [low + (step * corner)[:, None] for corner in ((0, 0), (0, 1), (1, 0), (1, 1))], axis=-1
            )
            owner = np.repeat(tiles, 4)
            fine = self.estimate(owner, children.reshape(2, -1), side).reshape(len(coarse), -1, 4)
            total = max(total, float(np.abs(fine[::2]).sum()))
            miss = np.abs(coarse - fine.sum(axis=-1)).max(axis=0)
            at_zero = ((low <= 0.0) & (low + 2.0 * step[:, None] >= 0.0)).all(axis=0)
            again = at_zero | (miss > FITS * total) & (level < HALVINGS)
            if np.count_nonzero(again) > MOST_PARTS:
                again &= miss >= np.partition(miss, -MOST_PARTS)[-MOST_PARTS]
            again &= level < SCALES - 1
            np.add.at(result.T, tiles[~again], fine.sum(axis=-1)[:, ~again].T)
            missed += float(miss[~again & (miss > FITS * total)].sum())
            tiles = np.repeat(tiles[again], 4)
            low, coarse = children[:, again].reshape(2, -1), fine[:, again].reshape(len(coarse), -1)
            if not tiles.size:
                break
        return missed, total

    def estimate(self, tiles: np.ndarray, low: np.ndarray, side: float) -> np.ndarray:
        """Integrals over parts of tiles (q, m) by Gauss's rule, over a tile's area; side: of the part, in tiles."""
        nodes, weights = gauss(NODES)
        u = np.stack([x.ravel() for x in np.meshgrid(nodes, nodes, indexing="ij")])
        weight = np.outer(weights, weights).ravel() * side**2
        z = low[:, None] + side * self.cell[:, None, None] * u[..., None]  # (2, nodes, m)
        values = self.pair.at(_wrapped(z.reshape(2, -1), self.grid))
        if self.pair.potential is not None:
            return np.asarray((weight @ (values.reshape(weight.size, -1) - self.level))[None])
        place = (z - self.centers[:, None, tiles]) / self.cell[:, None, None]
        force = values.reshape(2, weight.size, -1)
        return np.stack([weight @ part for f, v in zip(force, place, strict=True) for part in (f, f * v)])


def _wrapped(z: np.ndarray, grid: Grid) -> np.ndarray:
    """Displacements (2, n), through periodic walls the shorter ones."""
    z = z.copy()
    for axis in range(2):
        if grid.periodic(axis):
            period = float(np.ptp(grid.edges[axis]))
            z[axis] -= period * np.round(z[axis] / period)
    return z


def _check_seams(pair: PairForce, grid: Grid, level: float) -> None:
    """Halfway round a periodic axis a potential is the same from both sides."""
    for axis in range(2):
        if not grid.periodic(axis):
            continue
        half = 0.5 * float(np.ptp(grid.edges[axis])) * (1.0 - 1e-12)
        other = grid.edges[1 - axis]
        z = np.empty((2, 101))
        z[1 - axis] = np.linspace(-0.4937, 0.4937, 101) * float(np.ptp(other))
        ends = []
        for sign in (1.0, -1.0):
            z[axis] = sign * half
            ends.append(pair.at(z))
        if np.abs(ends[0] - ends[1]).max() > ROUND * max(float(np.abs(ends[0] - level).max()), 1e-300):
            then = "The displacements on both sides are one. Give the force instead."
            raise bad_value("potential", f"periodic along {grid.names[axis]}", "a jump there", then)
