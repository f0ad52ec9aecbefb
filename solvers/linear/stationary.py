"""Null vectors of the generator: where the density ends up, and whether that is one place."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, dijkstra, reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from ..discretization.generator import Generator
from ..kernels import gth_elimination as reduction
from .closed_classes import TOO_MUCH, weights_lost
from .dense import FEW, dense_entropy_production, dense_null_vector
from .gmres import is_symmetric, null_vector
from .markov_chain import REDUCTION, bands

# Below this net flow, relative to the traffic in both directions, a link counts as balanced
BALANCED = 1e-9
QUICK = 2e7  # multiplications up to which state reduction comes first: it is right whatever the barriers
ROUNDING = float(np.finfo(float).eps)
# share of the probability that rounding may take or add before a cell at the bottom is reached, above which the weights
# are computed without rounding (beyond TOO_MUCH they are refused); they are off by a hundredth of it
LOST = 1e-5
DEEPEST = 600.0  # barrier, as a logarithm, up to which products of rates are numbers


def class_masses(q: Generator, cells: np.ndarray) -> np.ndarray:
    """The stationary masses (n,) of one closed class, summing to one."""
    masses = np.zeros(q.grid.size)
    if cells.size == 1:
        masses[cells] = 1.0
        return masses
    if q.jumps is not None:
        whole = cells.size == q.grid.size and cells.size > FEW
        masses[cells] = null_vector(q) if whole else dense_null_vector(q.matrix[cells][:, cells].toarray())
        return masses / masses.sum()
    balanced = _detailed_balance(q, cells)
    masses[cells] = balanced if balanced is not None else _null_vector(q, cells)
    return masses / masses.sum()


def has_detailed_balance(q: Generator) -> bool:
    """Whether a density exists that no link carries a current in; the spectrum is then real."""
    return _detailed_balance(q, np.arange(q.grid.size)) is not None


def _detailed_balance(q: Generator, cells: np.ndarray) -> np.ndarray | None:
    """Masses of a part that carries no current, from ratios of rates along a tree; None where a link disagrees.

    No matrix is solved, so that wells behind barriers of any height get their weights to round-off.
    """
    inside = np.zeros(q.grid.size, dtype=bool)
    inside[cells] = True
    ends: list[np.ndarray] = []
    for link in q.links:
        chosen = inside[link.lower] & inside[link.upper] & ((link.forward > 0.0) | (link.backward > 0.0))
        if ((link.forward[chosen] == 0.0) | (link.backward[chosen] == 0.0)).any():
            return None
        ratio = np.log(link.forward[chosen]) - np.log(link.backward[chosen])
        ends.append(np.stack([link.lower[chosen], link.upper[chosen], ratio]))
    if not ends or sum(part.shape[1] for part in ends) == 0:
        return None
    if _circulates(q, cells, ends):
        return None
    lower, upper, ratio = np.concatenate(ends, axis=1)
    number = np.cumsum(inside) - 1
    low, high = number[lower.astype(int)], number[upper.astype(int)]
    potential = _tree_sums(low, high, ratio, cells.size)
    if np.abs(potential[high] - potential[low] - ratio).max() > BALANCED:
        return None
    return np.exp(potential - potential.max())


def _circulates(q: Generator, cells: np.ndarray, ends: list[np.ndarray]) -> bool:
    """Whether the log-ratios fail to cancel around an elementary square of a whole 2D grid: a cheap first look."""
    if q.grid.dim != 2 or cells.size != q.grid.size or len(ends) != 2:
        return False
    n, m = q.grid.shape
    if ends[0].shape[1] != (n - 1) * m or ends[1].shape[1] != n * (m - 1):
        return False
    x, y = ends[0][2].reshape(n - 1, m), ends[1][2].reshape(n, m - 1)
    return bool(np.abs(x[:, :-1] + y[1:] - x[:, 1:] - y[:-1]).max(initial=0.0) > 4.0 * BALANCED)


def _tree_sums(low: np.ndarray, high: np.ndarray, step: np.ndarray, n: int) -> np.ndarray:
    """A function on n nodes whose difference high - low along a spanning tree of the edges is `step`."""
    links = np.arange(1.0, low.size + 1)
    graph = sp.coo_array((links, (low, high)), shape=(n, n)).tocsr()
    order, before = breadth_first_order(graph, 0, directed=False)
    parent = before[order[1:]]
    child = order[1:]
    edge = np.asarray(graph[parent, child] + graph[child, parent]).ravel().astype(int) - 1
    sign = np.where(low[edge] == parent, 1.0, -1.0)
    values, above = np.zeros(n), np.zeros(n, dtype=np.int64)
    values[child], above[child] = sign * step[edge], parent
    while above.any():  # each round doubles how far up the tree a node has looked
        values += values[above]
        above = above[above]
    return values


def _null_vector(q: Generator, cells: np.ndarray) -> np.ndarray:
    """The positive null vector of a closed class.

    On a ring by its formula; by state reduction where that is quick, or where rounding would decide between wells; else
    by one factorisation.
    """
    masses = _ring(q)
    if masses is None:
        masses = _reduced(q, cells, QUICK)
    if masses is not None:
        return masses
    masses, lost = _factored(q, cells)
    if lost <= LOST:
        return masses
    exact = _reduced(q, cells, REDUCTION)
    if exact is not None:
        return exact
    if not lost <= TOO_MUCH:
        raise weights_lost(lost / ROUNDING, masses)
    return masses


def _reduced(q: Generator, cells: np.ndarray, most: float) -> np.ndarray | None:
    """The null vector without any subtraction, to round-off behind barriers; None beyond `most` multiplications."""
    inner = q.matrix if cells.size == q.grid.size else q.matrix[cells][:, cells]
    order = reverse_cuthill_mckee(sp.csr_matrix(inner))
    band = bands(q.matrix, cells[order], most)
    if band is None:
        return None
    values, masses = np.empty(cells.size), np.empty(cells.size)
    reduction.reduce(*band, np.zeros(cells.size), values)
    reduction.stationary(*band, values)
    masses[order] = values
    finite = bool(np.isfinite(masses).all())
    if not finite or _deepest(inner, int(np.argmax(masses))) > DEEPEST:
        raise weights_lost(np.inf, masses if finite else None)
    return masses


def _deepest(rates: sp.csr_array, goal: int) -> float:
    """The largest barrier that a cell has before the goal: sum of ln(fastest rate out of a cell / rate taken) on a path."""
    entries = rates.tocoo()
    off = (entries.row != entries.col) & (entries.data > 0.0)
    to, of, rate = entries.row[off], entries.col[off], entries.data[off]
    fastest = np.zeros(rates.shape[0])
    np.maximum.at(fastest, of, rate)
    uphill = np.log(fastest[of]) - np.log(rate) + 1e-12  # zeros would be no links
    return float(dijkstra(sp.csr_matrix((uphill, (to, of)), shape=rates.shape), indices=goal).max())


def _ring(q: Generator) -> np.ndarray | None:
    """The null vector on a periodic axis with links both ways, behind barriers of any height; None elsewhere.

    p_i = J / f_i + (b_i / f_i) p_(i+1), carried once around, is a sum of positive terms (Derrida 1983), here of logarithms.
    """
    n = q.grid.size
    if q.grid.dim != 1 or sum(link.lower.size for link in q.links) != n or any(link.offset != (1,) for link in q.links):
        return None
    forward, backward = np.zeros((2, n))
    for link in q.links:
        forward[link.lower], backward[link.lower] = link.forward, link.backward
    if not (np.minimum(forward, backward) > 0.0).all():
        return None
    slope = np.cumsum(np.log(backward) - np.log(forward))
    before = np.concatenate([[0.0], slope[:-1]])
    terms = before - np.log(forward)
    ahead = np.logaddexp.accumulate(terms[::-1])[::-1]
    behind = np.concatenate([[-np.inf], np.logaddexp.accumulate(terms)[:-1]]) + slope[-1]
    logs = np.logaddexp(ahead, behind) - before
    return np.exp(logs - logs.max())


def _factored(q: Generator, cells: np.ndarray) -> tuple[np.ndarray, float]:
    """The null vector by one sparse factorisation, and the share of the probability that rounding may have moved.

    One cell is held at mass 1 and the others follow from an M-matrix. It is taken at the bottom of a slope of
    log-rate ratios, so that the others do not overflow. The rounding of the diagonal takes or adds up to 1e-16 of the
    probability in each jump, so that the expected number of jumps until that cell is reached says what is lost.
    """
    fixed = _downhill(q, cells)
    columns = (q.matrix if cells.size == q.grid.size else q.matrix[cells][:, cells]).tocsc()
    source = -columns[:, [fixed]].toarray().ravel()
    # the fixed cell becomes an equation of its own, x = 1, apart from the others
    columns.data[columns.indices == fixed] = 0.0
    columns.data[columns.indptr[fixed] : columns.indptr[fixed + 1]] = 0.0
    columns[fixed, fixed] = -1.0
    source[fixed] = -1.0
    try:
        factor = splu(columns, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:  # exactly singular: all is lost
        return np.full(cells.size, np.nan), np.inf
    result = factor.solve(source)
    jumps = np.abs(factor.solve(-q.outflow[cells], "T")).max()
    lowest, largest = float(result.min()), float(np.abs(result).max())
    bad = not np.isfinite([jumps, lowest, largest]).all() or lowest < -1e-14 * largest
    return np.maximum(result, 0.0), np.inf if bad else float(jumps) * ROUNDING


def _downhill(q: Generator, cells: np.ndarray) -> int:
    """The place in `cells` to which most of them lead when each passes on to the neighbour that it most outweighs."""
    inside = np.zeros(q.grid.size, dtype=bool)
    inside[cells] = True
    following, steepest = np.arange(q.grid.size), np.zeros(q.grid.size)
    for link in q.links:
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.log(link.forward) - np.log(link.backward)
        both = inside[link.lower] & inside[link.upper]
        for source, target, slope in ((link.lower, link.upper, gain), (link.upper, link.lower, -gain)):
            better = np.flatnonzero(both & (slope > steepest[source]))
            steepest[source[better]] = slope[better]
            following[source[better]] = target[better]
    for _ in range(int(np.ceil(np.log2(q.grid.size + 1)))):
        following = following[following]
    goal = int(np.bincount(following[cells]).argmax())
    return int(np.searchsorted(cells, goal))


def is_balanced(q: Generator, masses: np.ndarray) -> bool:
    """Whether no link carries a net flow beyond round-off."""
    if q.jumps is not None:
        return is_symmetric(q, masses, BALANCED)
    net = sum(float(np.abs(flux).sum()) for flux in q.flux(masses))
    return net <= BALANCED * _traffic(q, masses)


def _traffic(q: Generator, masses: np.ndarray) -> float:
    p = masses.ravel()
    return sum(float((link.forward * p[link.lower]).sum() + (link.backward * p[link.upper]).sum()) for link in q.links)


def entropy_production(q: Generator, masses: np.ndarray) -> float:
    """sum over links of (r_ij P_i - r_ji P_j) ln(r_ij P_i / r_ji P_j), per time; infinite where a link is one-way."""
    if q.jumps is not None:
        return dense_entropy_production(q, masses)
    p = masses.ravel()
    total = 0.0
    for link in q.links:
        out, back = link.forward * p[link.lower], link.backward * p[link.upper]
        busy = (out > 0.0) | (back > 0.0)
        if ((out[busy] == 0.0) | (back[busy] == 0.0)).any():
            negligible = 1e-290  # products of tiny masses underflow on one side first
            if (np.maximum(out, back)[busy & ((out == 0.0) | (back == 0.0))] > negligible).any():
                return float("inf")
            busy &= (out > 0.0) & (back > 0.0)
        out, back = out[busy], back[busy]
        total += float(((out - back) * (np.log(out) - np.log(back))).sum())
    return total


def dissipation(current: np.ndarray, velocity: np.ndarray, diffusion: np.ndarray, volumes: np.ndarray) -> float:
    """The integral of J . D^-1 J / p; infinite where a current of any weight leaves the range of D.

    current and velocity = J / p have the shape (dim, *grid.shape), diffusion (dim, *grid.shape) or (dim, dim, *grid.shape).
    """
    dim = len(current)
    if diffusion.ndim == dim + 1:
        diffusion = np.einsum("i...,ij->ij...", diffusion, np.eye(dim))
    eigenvalues, axes = np.linalg.eigh(np.moveaxis(diffusion, (0, 1), (-2, -1)))
    along = [np.einsum("...ik,i...->k...", axes, field) for field in (current, velocity)]
    power = along[0] * along[1] * volumes
    values = np.moveaxis(eigenvalues, -1, 0)
    silent = values <= 1e-12 * np.abs(values).max(axis=0, keepdims=True)
    if power[silent].sum() > 1e-6 * power.sum():
        return float("inf")
    return float((power[~silent] / values[~silent]).sum())
