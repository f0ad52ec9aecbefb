"""The generator: the rate matrix Q of a Markov jump process on the cells, dP/dt = Q P.

Its links carry two rates each. They build the matrix, the fluxes, the current and the outflow at the walls, so that no
two of these can disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from ...arguments import reals
from ...errors import bad_value
from ...model.grid import Grid, wall_name
from ..kernels.matvec import Operator, apply

if TYPE_CHECKING:
    from .levy_jumps import Jumps

MOST_RATE = 1e200  # per time; products of rates still are numbers
MAX_BANDS = 15  # more distinct strides than this, and compressed rows are faster than bands


class Links(NamedTuple):
    """Links between the cells `lower` and `lower + stride` (raveled), one lattice offset for all.

    forward and backward are rates per time, (n_links,): lower -> upper and upper -> lower. `integrated`, (n_links,) or None,
    is true where they are integrals over what the coefficients do between the cells, beside a jump or a zero of D: their
    ratio then says nothing of how well the grid resolves the noise.
    """

    offset: tuple[int, ...]
    stride: int
    lower: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    integrated: np.ndarray | None = None

    @property
    def upper(self) -> np.ndarray:
        """The cells at the other ends."""
        return self.lower + self.stride


class Exit(NamedTuple):
    """Outflow of cells at an absorbing wall: axis (-1: killed inside), side (0 low, 1 high), raveled cells and rates.

    atom: where it stays, at a point along the axis that takes up what arrives; None where it is gone.
    name: of what is no wall, such as a target.
    """

    axis: int
    side: int
    cells: np.ndarray
    rates: np.ndarray
    atom: float | None = None
    name: str = ""

    def way(self, axes: Sequence[str]) -> str:
        """What the way out is called: "x low" for the lower wall of an axis x, by the names of the axes."""
        return self.name or wall_name(axes[self.axis], self.side)


@dataclass(frozen=True, eq=False)
class Generator:
    """The rate matrix on cell masses (probability per cell, raveled in C order).

    Attributes
    ----------
    grid : Grid
    links : tuple of Links
    exits : tuple of Exit
    added_diffusion : ndarray (n,) or None
        What had to be added to a nearly degenerate tensor in each cell, in units of its trace over the dimension.
    force_on_links : bool
        Whether each link goes both ways and its drift is its share of the force D^-1 mu, so that entropy production is a
        sum over links. Not so where a tensor's lattice directions change from cell to cell.
    jumps : Jumps or None
        Rates to cells further away, see `jumps.py`.
    found : tuple of str
        Walls and interior points where D vanishes or the drift diverges, each in a line: how they were classified.
    singular : tuple of float
        Where they are, in 1D.
    logarithmic : tuple of float
        Natural boundaries to which the cells do not shrink.
    untreated : tuple of str
        Where D vanishes and the scheme does not do what it should, in a sentence each.
    reset : ndarray (n,) or None
        Shares of the cells in what enters again whenever something leaves: Q + reset escape^T.
    """

    grid: Grid
    links: tuple[Links, ...]
    exits: tuple[Exit, ...]
    added_diffusion: np.ndarray | None = None
    force_on_links: bool = True
    jumps: Jumps | None = None
    found: tuple[str, ...] = ()
    singular: tuple[float, ...] = ()
    logarithmic: tuple[float, ...] = ()
    untreated: tuple[str, ...] = ()
    reset: np.ndarray | None = None

    @cached_property
    def outflow(self) -> np.ndarray:
        """Total rate out of each cell, (n,)."""
        return self._near_outflow if self.jumps is None else self._near_outflow + self.jumps.outflow

    @cached_property
    def _near_outflow(self) -> np.ndarray:
        total = np.zeros(self.grid.size)
        for wall in self.exits:
            np.add.at(total, wall.cells, wall.rates)
        for link in self.links:
            total += np.bincount(link.lower, link.forward, total.size)
            total += np.bincount(link.upper, link.backward, total.size)
        if not (total < MOST_RATE).all():
            place = np.unravel_index(int(np.argmax(~(total < MOST_RATE))), self.grid.shape)
            where = tuple(float(f"{c[i]:.6g}") for c, i in zip(self.grid.centers, place, strict=True))
            rule = f"such that rates between cells stay below {MOST_RATE:g}"
            raise bad_value("eq", rule, f"more at {where}", "Look for an overflow in drift or diffusion.")
        return total

    @cached_property
    def escape(self) -> np.ndarray:
        """Rate at which each cell loses probability through absorbing walls, (n,)."""
        total = np.zeros(self.grid.size)
        for wall in self.exits:
            np.add.at(total, wall.cells, wall.rates)
        return total if self.jumps is None else total + self.jumps.escape

    @cached_property
    def atoms(self) -> dict[float, np.ndarray]:
        """Points that keep what arrives: position -> rate into it from each cell, (n,)."""
        into: dict[float, np.ndarray] = {}
        for wall in self.exits:
            if wall.atom is not None:
                np.add.at(into.setdefault(wall.atom, np.zeros(self.grid.size)), wall.cells, wall.rates)
        return dict(sorted(into.items()))

    @cached_property
    def ways_out(self) -> dict[str, np.ndarray]:
        """Each way out of the box by name, with the rate into it from each cell, (n,); "jumps" are those over walls."""
        into: dict[str, np.ndarray] = {}
        for wall in self.exits:
            np.add.at(into.setdefault(wall.way(self.grid.names), np.zeros(self.grid.size)), wall.cells, wall.rates)
        if self.jumps is not None and (self.jumps.escape > 0.0).any():
            into["jumps"] = self.jumps.escape
        return {name: rates for name, rates in into.items() if (rates > 0.0).any()}

    @property
    def loses(self) -> bool:
        """Whether anything leaves the box for good."""
        return self.reset is None and any(wall.atom is None for wall in self.exits)

    @property
    def reaches_far(self) -> bool:
        """Whether rates lead further than links do: jumps, or resets."""
        return self.jumps is not None or self.reset is not None

    @cached_property
    def matrix(self) -> sp.csr_array:
        """Q as a sparse matrix (with jumps a full one): columns sum to zero, or to minus the escape rate."""
        total = self.near_matrix if self.jumps is None else sp.csr_array(self.near_matrix + self.jumps.dense)
        if self.reset is None:
            return total
        return sp.csr_array(total + sp.csr_array(self.reset[:, None]) @ sp.csr_array(self.escape[None]))

    @cached_property
    def near_matrix(self) -> sp.csr_array:
        """The part of `matrix` that links and exits make."""
        n = self.grid.size
        everywhere = np.arange(n)
        rows = [everywhere, *(part for link in self.links for part in (link.upper, link.lower))]
        columns = [everywhere, *(part for link in self.links for part in (link.lower, link.upper))]
        rates = [-self._near_outflow, *(part for link in self.links for part in (link.forward, link.backward))]
        entries = (np.concatenate(rates), (np.concatenate(rows), np.concatenate(columns)))
        return sp.coo_array(entries, shape=(n, n)).tocsr()

    @cached_property
    def operator(self) -> Operator:
        """Q in the form that the compiled kernels take: bands where the strides are few, else compressed rows."""
        return compressed_rows(self.matrix) if self.reaches_far else self.near_operator

    @cached_property
    def near_operator(self) -> Operator:
        """The part of Q that links and exits make, without jumps and resets."""
        strides = {link.stride for link in self.links}
        strides |= {-s for s in strides}
        if len(strides) >= MAX_BANDS:
            return compressed_rows(self.near_matrix)
        order = np.array([0, *sorted(strides, key=abs)], dtype=np.int64)
        row = {int(s): k for k, s in enumerate(order)}
        bands = np.zeros((order.size, self.grid.size))
        bands[0] = -self._near_outflow
        for link in self.links:
            bands[row[-link.stride], link.upper] += link.forward
            bands[row[link.stride], link.lower] += link.backward
        # rates that no run lives to see; kept, they would breed subnormal numbers, twenty times slower than others
        bands[np.abs(bands) < 1e-100 * np.abs(bands[0]).max()] = 0.0
        return Operator(order, bands, np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))

    @property
    def adjoint(self) -> sp.csr_array:
        """Q^T: the backward operator, acting on functions of the starting cell."""
        return self.matrix.T.tocsr()

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """Q P, for P of shape grid.shape or raveled."""
        p = self._raveled(masses)
        result = np.empty(p.size)
        apply(self.near_operator, np.ascontiguousarray(p), result)
        if self.reaches_far:
            result += self.far(p)
        return result.reshape(np.shape(masses))

    def far(self, p: np.ndarray) -> np.ndarray:
        """The part of Q P that jumps and resets make, (n,), for masses p (n,)."""
        result = np.zeros(p.size) if self.jumps is None else self.jumps.apply(p)
        return result if self.reset is None else result + self.reset * float((self.escape * p).sum())

    def reweighted(self, links: tuple[Links, ...], exits: tuple[Exit, ...], weight: float) -> Generator:
        """The generator with these links and exits, and with its jumps times a weight."""
        return replace(self, links=links, exits=exits, jumps=None if self.jumps is None else self.jumps.scaled(weight))

    def flux(self, masses: np.ndarray) -> list[np.ndarray]:
        """Net probability per time through the links of each family, from lower to upper, in the order of `links`."""
        p = self._raveled(masses)
        return [link.forward * p[link.lower] - link.backward * p[link.upper] for link in self.links]

    def current(self, masses: np.ndarray) -> np.ndarray:
        """The probability current J at the cell centers, (dim, *grid.shape).

        Each link's flux counts half in the two cells that it joins, times its extent; the flux through a wall likewise.
        Jumps count in 1D, by what they carry across each face; in 2D the current is that of the links alone.
        """
        grid = self.grid
        p = self._raveled(masses)
        half = [np.broadcast_to(w, grid.shape).ravel() for w in half_widths(grid)]
        total = np.zeros((grid.dim, grid.size))
        for link, flux in zip(self.links, self.flux(p), strict=True):
            for axis in np.flatnonzero(link.offset):
                arm = half[axis] * link.offset[axis]
                for cells in (link.lower, link.upper):
                    total[axis] += np.bincount(cells, weights=arm[cells] * flux, minlength=grid.size)
        for wall in self.exits:
            if wall.axis < 0:
                continue
            sign = 1.0 if wall.side else -1.0
            total[wall.axis, wall.cells] += sign * half[wall.axis][wall.cells] * wall.rates * p[wall.cells]
        current = total.reshape(grid.dim, *grid.shape) / grid.volumes
        if self.jumps is not None and grid.dim == 1:
            through = self.jumps.crossing(p)
            current += 0.5 * (through[1:] + through[:-1])
        return current

    def outflux(self, masses: np.ndarray) -> float:
        """Probability per time that leaves through the absorbing walls."""
        return float((self.escape * self._raveled(masses)).sum())

    def _raveled(self, masses: np.ndarray) -> np.ndarray:
        """Masses in the order of the cells; the compiled loops would read past the end of an array too short."""
        rule = f"cell masses of the grid's shape {self.grid.shape}, or raveled"
        p = reals("masses", masses, rule)
        if p.shape not in (self.grid.shape, (self.grid.size,)):
            raise bad_value("masses", rule, f"shape {p.shape}")
        return p.ravel()

    def __repr__(self) -> str:
        families = len({link.offset for link in self.links})
        return (
            f"Generator({self.grid!r}, {families} link direction(s), largest rate {self.outflow.max(initial=0.0):.4g})"
        )


def compressed_rows(matrix: sp.csr_array) -> Operator:
    """A matrix as compressed rows for the kernels."""
    return Operator(np.empty(0, np.int64), np.empty((0, 0)), matrix.indptr, matrix.indices, matrix.data)


def padded(operator: Operator, count: int) -> Operator:
    """A matrix for vectors with `count` more entries, of which it makes nothing."""
    if operator.strides.size:
        return operator._replace(bands=np.pad(operator.bands, ((0, 0), (0, count))))
    n, more = operator.indptr.size - 1, np.arange(count)  # zeros on the diagonal, for the kernels to shift
    return operator._replace(
        indptr=np.concatenate([operator.indptr, operator.indptr[-1] + 1 + more]).astype(operator.indptr.dtype),
        indices=np.concatenate([operator.indices, n + more]).astype(operator.indices.dtype),
        values=np.concatenate([operator.values, np.zeros(count)]),
    )


def half_widths(grid: Grid) -> list[np.ndarray]:
    """Half the widths of the cells along each axis, of shapes that spread over the grid."""
    return [0.5 * w.reshape([-1 if a == axis else 1 for a in range(grid.dim)]) for axis, w in enumerate(grid.widths)]
