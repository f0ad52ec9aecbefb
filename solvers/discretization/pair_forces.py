"""The force between pairs on a line of cells: its average over a link and a cell, times what is in the cell.

With F = W' and W = V', the mean of F(x - y) over a link from a to b and a cell from c to d is
(V(b - c) - V(a - c) - V(b - d) + V(a - d)) / ((b - a)(d - c)): exact for a density that is constant in each cell, however
narrow F is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import matmul_toeplitz

from ...arguments import fits_memory
from ...errors import bad_value
from ...model.coefficients import Points
from ...model.grid import Grid
from ...model.pair_force import PairForce
from .axis_links import AxisLinks
from .pair_forces_2d import felt_on_plane
from .repeated_integrals import RepeatedIntegrals

PIECES, SCALES = 256, 40  # first looks at a kernel: equal pieces, never wider than half a cell, and halvings towards 0
DIRECT = 256  # cells up to which a product with a full matrix is as fast
ROUND = 1e-9  # relative
NEGLIGIBLE = 1e-8  # what may be missing of an integral beside a singular point

Felt = Callable[[Points, int], np.ndarray]


def felt_on(pair: PairForce, grid: Grid) -> Callable[[np.ndarray], Felt]:
    """From the shares of the cells (n,) to the force along an axis at points, constant on each link."""
    if grid.dim == 2:
        return felt_on_plane(pair, grid)
    if grid.dim > 2:
        raise bad_value("interaction", "a Swarm or a MeanField in three dimensions", "a PairForce")
    span = AxisLinks.of(grid, 0)
    if not span.length.size:  # one cell
        return lambda shares: lambda points, axis: np.zeros(points.shape)
    times = _means(pair, grid, span)
    return lambda shares: partial(_on_links, span, times(shares))


def _on_links(span: AxisLinks, values: np.ndarray, points: Points, axis: int) -> np.ndarray:
    """The value of the link on which each point lies; before the first one that of the last where it comes round a ring."""
    link = np.searchsorted(span.start, points.coords[axis], side="right") - 1
    return values[link if span.grid.periodic(0) else np.maximum(link, 0)]


def _means(pair: PairForce, grid: Grid, span: AxisLinks) -> Callable[[np.ndarray], np.ndarray]:
    """From shares (n,) to the mean force on each link, by the fast Fourier transform where links and cells are equal."""
    integrals, edges = integrals_of(pair, grid), grid.edges[0]
    mean = _Means(pair, integrals)
    a, b, c, d = span.start, span.start + span.length, edges[:-1], edges[1:]
    width, n = grid.widths[0], c.size
    inner = np.flatnonzero(np.abs(span.length - width[0]) <= ROUND * width[0])
    if n <= DIRECT or np.ptp(width) > ROUND * width[0] or not inner.size:
        fits_memory("cells", 4 * 8.0 * a.size * n, "Cells of equal width take less for an interaction.")
        matrix = mean.of(a[:, None], b[:, None], c, d)
        return lambda shares: matrix @ shares
    first, last = inner[[0, -1]]
    column, row = mean.of(a[inner], b[inner], c[0], d[0]), mean.of(a[first], b[first], c, d)
    walls = [i for i in (0, a.size - 1) if not first <= i <= last]
    beside = mean.of(a[walls][:, None], b[walls][:, None], c, d)

    def times(shares: np.ndarray) -> np.ndarray:
        result = np.empty(a.size)
        result[first : last + 1] = matmul_toeplitz((column, row), shares)
        result[walls] = beside @ shares
        return result

    return times


@dataclass(frozen=True, eq=False)
class _Means:
    """Means of the force over links and cells."""

    pair: PairForce
    integrals: RepeatedIntegrals

    def of(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Between links from a to b and cells from c to d."""
        if self.pair.potential is None:
            factor, v = self.pair.strength, self.integrals.twice_at
        else:
            factor, v = -self.pair.strength, self.integrals.at
        return factor * (v(b - c) - v(a - c) - v(b - d) + v(a - d)) / ((b - a) * (d - c))


def _on_line(pair: PairForce, z: np.ndarray) -> np.ndarray:
    """The force or the potential at displacements (n,)."""
    values = pair.at(z[None])
    return values if pair.potential is not None else values[0]


def integrals_of(pair: PairForce, grid: Grid) -> RepeatedIntegrals:
    """Those of the force or the potential over all displacements within a box, or round it."""
    box = float(np.ptp(grid.edges[0]))
    ring = grid.periodic(0)
    reach = 0.5 * box if ring else box
    count = max(PIECES, int(np.ceil(2.0 * reach / float(grid.widths[0].min()))))
    side = np.union1d(np.linspace(0.0, reach, count + 1), reach * 0.5 ** np.arange(SCALES))
    edges = np.concatenate([-side[:0:-1], side])
    level = 0.0 if pair.potential is None else float(np.median(_on_line(pair, edges[edges != 0.0])))

    def f(z: np.ndarray) -> np.ndarray:
        return _on_line(pair, z.ravel()).reshape(z.shape) - level

    name, _ = pair.given
    integrals = RepeatedIntegrals.of(f, edges)
    if integrals is None:
        raise bad_value(name, "smooth but for single jumps and kinks", "one that is rough or oscillates everywhere")
    rule, then = "such that its mean over a cell is finite", "Soften it, such as z / (z**2 + 0.01**2)."
    if max(integrals.left_out) > NEGLIGIBLE:
        raise bad_value(name, rule, "one that grows too fast beside a point", then)
    if not ring:
        return integrals
    if pair.potential is not None:
        near = reach * (1.0 - 1e-12)
        ends = _on_line(pair, np.array([-near, near]))
        if abs(ends[1] - ends[0]) > ROUND * max(
            1e-300, float(np.abs(_on_line(pair, edges[edges != 0.0]) - level).max())
        ):
            then = f"The displacements {-reach:g} and {reach:g} are one. Give the force instead."
            raise bad_value("potential", "periodic where the walls are", f"{ends[0]:g} and {ends[1]:g}", then)
    return integrals.repeated(box)
