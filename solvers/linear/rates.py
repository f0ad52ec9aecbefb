"""What a rate matrix Q and a transfer operator T have in common, so that each question is answered once.

In continuous time dP/dt = Q P, in steps P' = T P, that is P' - P = (T - 1) P: T - 1 stands for Q. Both are rates between
different cells, and rates out of the box for good; the diagonal follows from these, and is summed from them, never read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.linalg import splu

from ..discretization.generator import Generator
from ..discretization.levy_jumps import MAX_DENSE
from .dense import FEW
from .gmres import solve_jumps
from .multigrid import FEWEST, GOAL, Multigrid, many

ROUNDING = 1e-13  # what a column of T may lack of 1 without a wall having taken it


class Inverse(Protocol):
    """Solves with a matrix, or for "T" with its transpose."""

    def solve(self, right: np.ndarray, trans: str = "N", /) -> np.ndarray:
        """x for a right-hand side (n,)."""


@dataclass(frozen=True, eq=False)
class Rates:
    """The rates of a Markov process on n cells.

    source : sparse (n, n), Generator or None
        What `matrix` is or has. None where jumps lead from everywhere to everywhere on too many cells for a matrix.
    leak : ndarray (n,)
        Rate out of each cell through absorbing walls.
    outflow : ndarray (n,)
        Total rate out of each cell.
    connected : bool
        Whether every cell is known to lead to every other.
    resolvent : callable or None
        (shift, right) -> (shift - Q)^-1 right, where products by FFT serve better than the matrix.
    large : bool
        Whether systems are solved by multigrid, where factors would fill up.
    """

    source: sp.sparray | Generator | None
    leak: np.ndarray
    outflow: np.ndarray
    connected: bool = False
    resolvent: Callable[[float, np.ndarray], np.ndarray] | None = None
    large: bool = False

    @classmethod
    def of_generator(cls, q: Generator) -> Rates:
        """Those of a rate matrix."""
        if q.jumps is None:
            return cls(q, q.escape, q.outflow, _steps_lead_everywhere(q), large=many(q.grid, q.grid.size))
        everywhere = q.jumps.everywhere or (q.jumps.target is None and _steps_lead_everywhere(q))
        apart = q.grid.size > MAX_DENSE and (everywhere or q.jumps.target is not None)
        resolvent = partial(solve_jumps, q) if q.grid.size > FEW else None
        return cls(None if apart else q.matrix, q.escape, q.outflow, everywhere, resolvent)

    @classmethod
    def of_steps(cls, t: sp.csc_array) -> Rates:
        """Those of T - 1."""
        lost = np.maximum(1.0 - np.asarray(t.sum(axis=0)).ravel(), 0.0)
        lost[lost < ROUNDING] = 0.0
        entries = t.tocoo()
        off = entries.row != entries.col
        return cls(t, lost, np.bincount(entries.col[off], entries.data[off], lost.size) + lost)

    @cached_property
    def matrix(self) -> sp.sparray | None:
        """From column to row, per time or per step, (n, n); the diagonal is not read."""
        return self.source.matrix if isinstance(self.source, Generator) else self.source

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.leak.size

    def links(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(to, of, rate) of the positive rates between different cells; some pairs of cells may have several."""
        if isinstance(self.source, Generator):
            pairs = [
                pair for link in self.source.links for pair in ((link.upper, link.lower), (link.lower, link.upper))
            ]
            rates = [rate for link in self.source.links for rate in (link.forward, link.backward)]
            to, of = (np.concatenate([pair[k] for pair in pairs] or [np.zeros(0, int)]) for k in (0, 1))
            rate = np.concatenate(rates or [np.zeros(0)])
        else:
            assert self.matrix is not None
            entries = self.matrix.tocoo()
            to, of, rate = entries.row, entries.col, entries.data
        off = (to != of) & (rate > 0.0)
        return to[off], of[off], rate[off]

    def factor(self, cells: np.ndarray, shift: float = 0.0, goal: float = GOAL) -> Inverse:
        """(shift - Q)^-1 on some cells: an M-matrix, factored without pivoting, or by multigrid to an error of `goal`."""
        to, of, rate = self.links()
        place = np.full(self.size, -1)
        place[cells] = np.arange(cells.size)
        inside = (place[to] >= 0) & (place[of] >= 0)
        entries = (-rate[inside], (place[to[inside]], place[of[inside]]))
        matrix = sp.coo_array(entries, shape=(cells.size, cells.size)) + sp.diags_array(self.outflow[cells] + shift)
        if self.large and cells.size > FEWEST:
            return Multigrid(matrix.tocsr(), goal)
        return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _steps_lead_everywhere(q: Generator) -> bool:
    """Whether all steps to the next cell along each axis, and back, have positive rates."""
    for axis, n in enumerate(q.grid.shape):
        step = tuple(int(a == axis) for a in range(q.grid.dim))
        needed = q.grid.size // n * (n - 1)
        families = (link for link in q.links if link.offset == step and link.lower.size >= needed)
        if n > 1 and not any((link.forward > 0.0).all() and (link.backward > 0.0).all() for link in families):
            return False
    return True


def ancestors(n: int, of: np.ndarray, to: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The cells (n, bool) with a path along the links of -> to into the cells `goal`, these included."""
    found = np.zeros(n + 1, dtype=bool)
    if goal.size:
        ends = (np.concatenate([to, np.full(goal.size, n)]), np.concatenate([of, goal]))
        graph = sp.coo_array((np.ones(ends[0].size), ends), shape=(n + 1, n + 1)).tocsr()
        found[breadth_first_order(graph, n, directed=True, return_predecessors=False)] = True
    return found[:n]


def never_leaving(rates: Rates, outside: np.ndarray, kept: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Of a set of cells (n, bool): those from which it may be left, and those from which paths may stay in it for ever.

    kept: the part of the leak, (n,), that leads to a point from which nothing returns, and so stays for ever.
    """
    n = outside.size
    to, of, _ = rates.links()
    leak = rates.leak if kept is None else np.where(kept < rates.leak, rates.leak, 0.0)
    reach = ancestors(n, of, to, np.flatnonzero(~outside | (leak > 0.0))) & outside
    stuck = np.flatnonzero(outside & (~reach if kept is None else ~reach | (kept > 0.0)))
    inside = outside[of] & outside[to]
    endless = ancestors(n, of[inside], to[inside], stuck) & outside if stuck.size else np.zeros(n, dtype=bool)
    return reach, endless
