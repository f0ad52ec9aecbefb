"""Full tensors in two dimensions beside a wall where D across it vanishes, as the variance of Heston's model at v = 0.

The cells beside the wall jump along its normal v with the rates of a one-dimensional process, which knows the boundary. Each
jump by dv carries a shift of the other coordinate x by (D_xv / D_vv) dv, split between the two nodes around it so that its mean
is exact. What these shifts give to the drift and to the diffusion of x is taken off its own jumps. So every cell has the mean
and the variance of x and the mean of v that the equation has at its node, in the Ito convention, and their covariance. Where
the shifts would spread x more than D_xx does, they are shortened: the covariance is too small there, the variance is kept. In
the rows next to the wall the drift of x that is left may have to go upwind, which adds half a cell of x times it to D_xx.

Further away from the wall cells keep the links of the tensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...model.grid import Grid
from .axis_links import AxisLinks
from .generator import Exit, Generator, Links

DEPTH = 8  # rows beside the wall, or twice the longest link across rows
SHORTENINGS = 10  # bisections of their length


class Shifts(NamedTuple):
    """Where shifted jumps arrive: cells along x below and above (-1: out of the box), the share above, both displacements."""

    low: np.ndarray
    high: np.ndarray
    share: np.ndarray
    down: np.ndarray
    up: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean displacement."""
        return (1.0 - self.share) * self.down + self.share * self.up

    @property
    def square(self) -> np.ndarray:
        """Mean square of the displacement."""
        return (1.0 - self.share) * self.down**2 + self.share * self.up**2

    @classmethod
    def of(cls, grid: Grid, axis: int, index: np.ndarray, shift: np.ndarray) -> Shifts:
        """Shifts of the cells number `index` along an axis."""
        centers, edges = grid.centers[axis], grid.edges[axis]
        walls, numbers = grid.boundary[axis], np.arange(centers.size)
        nodes = centers
        period = edges[-1] - edges[0]
        if walls[0] == "periodic":
            nodes = np.concatenate([centers[-1:] - period, centers, centers[:1] + period])
            numbers = np.concatenate([numbers[-1:], numbers, numbers[:1]])
        if walls[0] == "absorbing":
            nodes, numbers = np.append(edges[0], nodes), np.append(-1, numbers)
        if walls[1] == "absorbing":
            nodes, numbers = np.append(nodes, edges[-1]), np.append(numbers, -1)
        goal = centers[index] + shift
        round_ = np.floor((goal - edges[0]) / period) * period if walls[0] == "periodic" else np.zeros_like(goal)
        goal = np.clip(goal - round_, nodes[0], nodes[-1])
        low = np.clip(np.searchsorted(nodes, goal, side="right") - 1, 0, nodes.size - 2)
        share = (goal - nodes[low]) / (nodes[low + 1] - nodes[low])
        ends = (nodes[low] + round_ - centers[index], nodes[low + 1] + round_ - centers[index])
        return cls(numbers[low], numbers[low + 1], share, *ends)


def with_oblique_jumps(
    base: Generator,
    chain: tuple[AxisLinks, np.ndarray, np.ndarray],
    drift: np.ndarray,
    tensor: np.ndarray,
    walls: tuple[int, ...],
) -> Generator:
    """The generator `base` of a tensor with the cells beside walls across an axis replaced.

    Parameters
    ----------
    base : Generator
    chain : AxisLinks and velocities (*links) both ways along the axis across the walls
    drift : ndarray (2, *shape)
    tensor : ndarray (2, 2, *shape)
    walls : sides, 0 low and 1 high
    """
    grid, span = base.grid, chain[0]
    near = _near(base, span.axis, walls)
    jumps, exits, used, held = _oblique(grid, chain, tensor, near)
    links = [
        link._replace(
            forward=np.where(near[link.lower], 0.0, link.forward),
            backward=np.where(near[link.upper], 0.0, link.backward),
            integrated=near[link.lower] | near[link.upper],
        )
        for link in base.links
    ]
    leaving = [wall._replace(rates=np.where(near[wall.cells], 0.0, wall.rates)) for wall in base.exits]
    along, out = _rest(grid, 1 - span.axis, drift, tensor, used, near)
    return replace(
        base,
        links=(*links, *jumps, *along),
        exits=(*leaving, *exits, *out),
        force_on_links=False,
        untreated=_shortened(grid, 1 - span.axis, held[near]),
    )


def _shortened(grid: Grid, axis: int, held: np.ndarray) -> tuple[str, ...]:
    """A sentence where shifts were shortened by more than a step of the bisection, from the share (k,) of each that is kept."""
    least = float(held.min(initial=1.0))
    if least > 1.0 - 2.0 ** (2 - SHORTENINGS):
        return ()
    cells, name = math.ceil(grid.shape[axis] / least), grid.names[axis]
    return (
        f"beside the wall without noise cells along {name} are too wide for the correlation, of which {least:.2g} is kept in "
        f"some: first order there, second with {cells} cells along {name}",
    )


def _near(base: Generator, axis: int, walls: tuple[int, ...]) -> np.ndarray:
    """Cells in the rows beside the walls, (n,)."""
    longest = max((abs(link.offset[axis]) for link in base.links), default=1)
    depth, n = max(DEPTH, 2 * longest), base.grid.shape[axis]
    row = np.zeros(n, dtype=bool)
    if 0 in walls:
        row[:depth] = True
    if 1 in walls:
        row[-depth:] = True
    shape = [-1 if a == axis else 1 for a in range(2)]
    return np.broadcast_to(row.reshape(shape), base.grid.shape).ravel().copy()


def _oblique(
    grid: Grid,
    chain: tuple[AxisLinks, np.ndarray, np.ndarray],
    tensor: np.ndarray,
    near: np.ndarray,
) -> tuple[list[Links], list[Exit], tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Jumps across the rows with their shifts, the drift and the diffusion (n,) that these give to the other axis.

    Last the share (n,) of their lengths that shifts keep.
    """
    span, forward, backward = chain
    axis, other = span.axis, 1 - span.axis
    index = np.stack(np.unravel_index(np.arange(grid.size), grid.shape))
    d_vv, d_xv, d_xx = (tensor[i, j].ravel() for i, j in ((axis, axis), (axis, other), (other, other)))
    slope = np.divide(d_xv, d_vv, out=np.zeros(grid.size), where=d_vv > 0.0)
    steps = [_chain_steps(grid, span, forward, backward, sign) for sign in (1, -1)]
    short, long = (
        np.zeros(grid.size),
        np.full(grid.size, 2.0),
    )  # longest factor that fits so far, shortest that does not
    for _ in range(SHORTENINGS):
        factor = 0.5 * (short + long)
        ways = [Shifts.of(grid, other, index[other], factor * slope * length) for _, _, length in steps]
        fits = ~near | (_moments(steps, ways)[1] <= d_xx)
        short, long = np.where(fits, factor, short), np.where(fits, np.where(factor == 1.0, 1.0, long), factor)
    ways = [Shifts.of(grid, other, index[other], short * slope * length) for _, _, length in steps]
    mean, spread = _moments(steps, ways)
    links: list[Links] = []
    exits: list[Exit] = []
    for (to, rate, _), way in zip(steps, ways, strict=True):
        for cell, share in ((way.low, 1.0 - way.share), (way.high, way.share)):
            chosen = np.flatnonzero(near & (rate * share > 0.0) & (to >= 0))
            gone = chosen[cell[chosen] < 0]
            side = (way.up[gone] > 0.0).astype(int)
            exits += [
                Exit(other, s, gone[side == s], (rate * share)[gone[side == s]]) for s in (0, 1) if (side == s).any()
            ]
            chosen = chosen[cell[chosen] >= 0]
            place = index[:, chosen].copy()
            place[axis], place[other] = to[chosen], cell[chosen]
            links += _one_way(grid, chosen, place, (rate * share)[chosen])
    exits += [
        wall._replace(rates=np.where(near[wall.cells], wall.rates, 0.0)) for wall in span.exits(forward, backward)
    ]
    return links, exits, (mean, spread), np.where((slope == 0.0) | (d_xx <= 0.0), 1.0, short)


def _moments(steps: Sequence[tuple[np.ndarray, ...]], ways: list[Shifts]) -> tuple[np.ndarray, np.ndarray]:
    """The drift and the diffusion (n,) that shifted jumps give to the other axis."""
    mean = sum(rate * way.mean for (_, rate, _), way in zip(steps, ways, strict=True))
    square = sum(rate * way.square for (_, rate, _), way in zip(steps, ways, strict=True))
    return np.asarray(mean), 0.5 * np.asarray(square)


def _chain_steps(
    grid: Grid, span: AxisLinks, forward: np.ndarray, backward: np.ndarray, sign: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each cell the next one along the axis (-1: none), the rate to it and the step, (n,) each."""
    axis, n = span.axis, grid.shape[span.axis]
    rate, to, length = np.zeros(grid.shape), np.full(grid.shape, -1), np.zeros(grid.shape)
    velocity, start, end = (forward, span.lower, span.upper) if sign == 1 else (backward, span.upper, span.lower)
    inner = np.flatnonzero((start >= 0) & (start < n) & (end >= 0) & (end < n))
    rows = np.moveaxis(rate, axis, 0), np.moveaxis(to, axis, 0), np.moveaxis(length, axis, 0)
    width = grid.widths[axis][start[inner]][:, None]
    rows[0][start[inner]] = np.moveaxis(velocity, axis, 0)[inner] / width
    rows[1][start[inner]] = end[inner][:, None]
    rows[2][start[inner]] = (sign * span.length[inner])[:, None]
    return to.ravel(), rate.ravel(), length.ravel()


def _one_way(grid: Grid, cells: np.ndarray, place: np.ndarray, rates: np.ndarray) -> list[Links]:
    """Jumps from cells (k,) to places (2, k), as links whose ways back are others."""
    offset = place - np.stack(np.unravel_index(cells, grid.shape))
    families = []
    for step in np.unique(offset, axis=1).T.tolist():
        mine = (offset == np.array(step)[:, None]).all(axis=0)
        start, out = cells[mine], rates[mine]
        stride = int(np.ravel_multi_index(place[:, mine], grid.shape)[0] - start[0])
        none, all_ = np.zeros(out.size), np.ones(out.size, dtype=bool)
        families.append(Links(tuple(step), stride, start, out, none, all_))
    return families


def _rest(
    grid: Grid,
    axis: int,
    drift: np.ndarray,
    tensor: np.ndarray,
    used: tuple[np.ndarray, np.ndarray],
    near: np.ndarray,
) -> tuple[list[Links], list[Exit]]:
    """Links along the rows with the drift and the diffusion that the jumps across them have left."""
    span = AxisLinks.of(grid, axis)
    if not span.length.size:
        return [], []
    velocity = np.moveaxis(drift[axis] - used[0].reshape(grid.shape), axis, 0)
    spread = np.moveaxis(tensor[axis, axis] - used[1].reshape(grid.shape), axis, 0)
    n = grid.shape[axis]
    below, above = _steps(grid, span, axis)
    spread = np.maximum(spread, 0.5 * np.maximum(velocity * above, -velocity * below))  # upwind where it must be
    up = (2.0 * spread + velocity * below) / (above * (above + below))
    down = (2.0 * spread - velocity * above) / (below * (above + below))
    width = grid.widths[axis][:, None]
    low, high = np.clip(span.lower, 0, None), np.clip(span.upper, None, n - 1)
    rates = (up * width)[low], (down * width)[high]
    out, back = (np.ascontiguousarray(np.moveaxis(np.maximum(rate, 0.0), 0, axis)) for rate in rates)
    links = [
        link._replace(
            forward=np.where(near[link.lower], link.forward, 0.0),
            backward=np.where(near[link.upper], link.backward, 0.0),
            integrated=near[link.lower] | near[link.upper],
        )
        for link in span.links(out, back)
    ]
    exits = [wall._replace(rates=np.where(near[wall.cells], wall.rates, 0.0)) for wall in span.exits(out, back)]
    return links, exits


def _steps(grid: Grid, span: AxisLinks, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances from each cell to the next nodes below and above along an axis, (n, 1); beside a closed wall both alike."""
    n = grid.shape[axis]
    below, above = np.full(n, np.nan), np.full(n, np.nan)
    inner = span.upper < n
    below[span.upper[inner]] = span.length[inner]
    inner = span.lower >= 0
    above[span.lower[inner]] = span.length[inner]
    below, above = np.where(np.isnan(below), above, below), np.where(np.isnan(above), below, above)
    return below[:, None], above[:, None]
