"""Detailed balance: whether ratios of rates are differences of a potential, so that no current flows in the stationary state.

Kolmogorov: a Markov process is in equilibrium if and only if, around every cycle, the logarithms of forward over backward
rates sum to zero. These sums, the cycle affinities, are known without the density; they are zero or not relative to the
rounding of their terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components

from ...model.grid import Grid
from ..discretization.generator import Generator

NEARLY = 1e-9  # affinity of a cycle below which weights by the potential are good enough where nothing else works
ROUNDING = 64.0 * float(
    np.finfo(float).eps
)  # of the largest potential difference and of 1: what an affinity may be off


class Steps(NamedTuple):
    """Links (m,) between cells numbered from 0, with ln(forward / backward)."""

    low: np.ndarray
    high: np.ndarray
    ratio: np.ndarray


@dataclass(frozen=True, eq=False)
class Potential:
    """Logarithms of masses (n,) from ratios of rates along a tree, and the largest affinity of the cycles that links close.

    rounding : below which an affinity cannot be told from zero.
    """

    logs: np.ndarray
    affinity: float
    rounding: float

    @property
    def exact(self) -> bool:
        """Whether all cycles are balanced as far as rounding can tell."""
        return self.affinity <= self.rounding

    @cached_property
    def masses(self) -> np.ndarray:
        """Masses, the largest 1."""
        return np.exp(self.logs - self.logs.max())


def has_detailed_balance(q: Generator) -> bool:
    """Whether a density exists in which no link carries a current, but for affinities below 1e-9; the spectrum is real."""
    return log_masses(q, np.arange(q.grid.size)) is not None


def log_masses(q: Generator, cells: np.ndarray) -> Potential | None:
    """The potential of some connected cells; None where a link goes one way, or affinities are not below 1e-9.

    No matrix is solved, so that wells behind barriers of any height get their weights to round-off.
    """
    inside = np.zeros(q.grid.size, dtype=bool)
    inside[cells] = True
    families = []
    for link in q.links:
        chosen = inside[link.lower] & inside[link.upper] & ((link.forward > 0.0) | (link.backward > 0.0))
        forward, backward = link.forward[chosen], link.backward[chosen]
        if ((forward == 0.0) | (backward == 0.0)).any():
            return None
        families.append(Steps(link.lower[chosen], link.upper[chosen], np.log(forward) - np.log(backward)))
    if not families or sum(f.low.size for f in families) == 0 or _circulates(q, cells, families):
        return None
    number = np.cumsum(inside) - 1
    low, high, ratio = (np.concatenate(parts) for parts in zip(*families, strict=True))
    result = potential_of(Steps(number[low], number[high], ratio), q.grid, cells.size)
    return result if result.affinity <= NEARLY else None


def potential_of(steps: Steps, grid: Grid, n: int) -> Potential:
    """The function on n cells of a grid, along a spanning forest of links, whose differences high - low are the ratios.

    Rounding of the potential itself counts, and that of links' lengths as differences of edges.
    """
    logs = _forest_sums(steps, n)
    off = np.abs(logs[steps.high] - logs[steps.low] - steps.ratio).max(initial=0.0)
    edges = max(float(np.abs(e).max() / w.min()) for e, w in zip(grid.edges, grid.widths, strict=True))
    scale = 1.0 + float(np.ptp(logs)) + (1.0 + 0.25 * edges) * float(np.abs(steps.ratio).max(initial=0.0))
    return Potential(logs, float(off), ROUNDING * scale)


def _circulates(q: Generator, cells: np.ndarray, families: list[Steps]) -> bool:
    """Whether ratios around some square of cells clearly fail to cancel: a quick refusal on a whole plane."""
    if q.grid.dim != 2 or cells.size != q.grid.size or len(families) != 2:
        return False
    n, m = q.grid.shape
    if [link.offset for link in q.links] != [(1, 0), (0, 1)] or [f.low.size for f in families] != [
        (n - 1) * m,
        n * (m - 1),
    ]:
        return False
    x, y = families[0].ratio.reshape(n - 1, m), families[1].ratio.reshape(n, m - 1)
    return bool(np.abs(x[:, :-1] + y[1:] - x[:, 1:] - y[:-1]).max(initial=0.0) > 4.0 * NEARLY)


def _forest_sums(steps: Steps, n: int) -> np.ndarray:
    """Sums of the ratios along a forest that spans the links, from one cell of each tree where the sum is 0."""
    low, high, ratio = steps
    if n == low.size + 1 and (low == np.arange(n - 1)).all() and (high == low + 1).all():  # a chain
        return np.append(0.0, np.cumsum(ratio, dtype=np.longdouble)).astype(float)
    links = np.arange(1.0, low.size + 1)
    graph = sp.coo_array((links, (low, high)), shape=(n + 1, n + 1)).tocsr()
    if graph.nnz < low.size:  # several links join the same cells; one of them is enough for a tree
        first = np.unique(low.astype(np.int64) * n + high, return_index=True)[1]
        low, high, ratio = low[first], high[first], ratio[first]
        graph = sp.coo_array((links[: low.size], (low, high)), shape=(n + 1, n + 1)).tocsr()
    _, label = connected_components(graph[:n, :n], directed=False)
    roots = np.unique(label, return_index=True)[1]
    rooted = sp.coo_array((np.full(roots.size, low.size + 1.0), (np.full(roots.size, n), roots)), shape=(n + 1, n + 1))
    graph = (graph + rooted).tocsr()
    order, before = breadth_first_order(graph, n, directed=False)
    child = order[1:]
    parent = before[child]
    edge = np.asarray(graph[parent, child] + graph[child, parent]).ravel().astype(int) - 1
    inner = edge < low.size
    edge = np.where(inner, edge, 0)
    sign = np.where(low[edge] == parent, 1.0, -1.0) if low.size else np.zeros(child.size)
    values, above = np.zeros(n + 1), np.full(n + 1, n, dtype=np.int64)
    values[child] = np.where(inner, sign * ratio[edge], 0.0) if low.size else 0.0
    above[child] = parent
    while (above != n).any():  # each round doubles how far up the tree a cell has looked
        values += values[above]
        above = above[above]
    return values[:n]
