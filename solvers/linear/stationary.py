"""Null vectors of the generator: where the density ends up, and whether that is one place."""

from __future__ import annotations

import logging

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra, reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ..discretization.generator import Generator
from ..kernels import gth_elimination as reduction
from .censoring import censored_null_vector
from .closed_classes import TOO_MUCH, weights_lost
from .dense import FEW, dense_null_vector
from .detailed_balance import log_masses
from .gmres import null_vector
from .markov_chain import REDUCTION, bands
from .memory import factors_fit
from .multigrid import many
from .multigrid import null_vector as null_vector_of_many
from .ring import ring_masses

logger = logging.getLogger(__name__)

QUICK = 2e7  # multiplications up to which state reduction comes first: it is right whatever the barriers
ROUNDING = float(np.finfo(float).eps)
# share of the probability that rounding may take or add before a cell at the bottom is reached, above which the weights
# are computed without rounding (beyond TOO_MUCH they are refused); they are off by a hundredth of it
LOST = 1e-5
WAY = "stationary density on %d cells by %s"
DEEPEST = 600.0  # barrier, as a logarithm, up to which products of rates are numbers


def class_masses(q: Generator, cells: np.ndarray) -> np.ndarray:
    """The stationary masses (n,) of one closed class, summing to one."""
    masses = np.zeros(q.grid.size)
    if cells.size == 1:
        masses[cells] = 1.0
        return masses
    if q.jumps is not None:
        whole = cells.size == q.grid.size and cells.size > FEW
        logger.debug(WAY, cells.size, "GMRES" if whole else "a dense matrix")
        masses[cells] = null_vector(q) if whole else dense_null_vector(q.matrix[cells][:, cells].toarray())
        return masses / masses.sum()
    potential = log_masses(q, cells)
    if potential is not None and potential.exact:
        logger.debug(WAY, cells.size, "detailed balance")
        masses[cells] = potential.masses
        return masses / masses.sum()
    try:
        masses[cells] = _null_vector(q, cells)
    except ConvergenceError:
        if potential is None:
            raise
        logger.debug(WAY, cells.size, "detailed balance, which a weak current breaks")
        masses[cells] = potential.masses  # what drives a current is too weak to move a weight by more than 1e-9
    return masses / masses.sum()


def _null_vector(q: Generator, cells: np.ndarray) -> np.ndarray:
    """The positive null vector of a closed class.

    On a ring by its formula; by state reduction where that is quick; by multigrid on many cells of a 3D grid; else by one
    factorisation. Where rounding would decide
    between wells, by the chain that is watched in their bottoms, or with too many of these by state reduction.
    """
    large = many(q.grid, cells.size)
    masses, way = ring_masses(q), "the formula for a ring"
    if masses is None and not (large and float(np.prod(sorted(q.grid.shape)[:2])) ** 2 * cells.size > QUICK):
        masses, way = _reduced(q, cells, QUICK), "state reduction"
    if masses is None and large:
        masses, way = _by_multigrid(q, cells), "multigrid"
    if masses is not None:
        logger.debug(WAY, cells.size, way)
        return masses
    leads = _leads(q, cells)
    masses, lost = _factored(q, cells, int(np.bincount(leads).argmax()))
    if lost <= LOST:
        logger.debug(WAY, cells.size, "a sparse factorisation")
        return masses
    inner = q.matrix if cells.size == q.grid.size else q.matrix[cells][:, cells]
    by_wells = censored_null_vector(inner, leads)
    if by_wells is not None and by_wells[1] <= LOST:
        logger.debug(WAY, cells.size, "the chain watched in the bottoms of its wells")
        return by_wells[0]
    exact = _reduced(q, cells, REDUCTION)
    if exact is not None:
        logger.debug(WAY, cells.size, "state reduction, as rounding would decide between wells")
        return exact
    if not lost <= TOO_MUCH:
        raise weights_lost(lost / ROUNDING, masses)
    return masses


def _by_multigrid(q: Generator, cells: np.ndarray) -> np.ndarray | None:
    """The null vector by multigrid; None where another way may be surer, and fits into memory."""
    surer = factors_fit(q.grid, "stationary")
    try:
        masses, bound = null_vector_of_many(q, cells)
    except ConvergenceError:
        if surer:
            return None
        raise
    if bound > LOST and surer:
        return None
    if not bound <= TOO_MUCH:
        raise weights_lost(bound / ROUNDING, masses)
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


def _factored(q: Generator, cells: np.ndarray, fixed: int) -> tuple[np.ndarray, float]:
    """The null vector by one sparse factorisation, and the share of the probability that rounding may have moved.

    The cell at the place `fixed` in `cells` is held at mass 1 and the others follow from an M-matrix. At the bottom of a slope
    of log-rate ratios it keeps the others from overflow. The rounding of the diagonal takes or adds up to 1e-16 of the
    probability in each jump, so that the expected number of jumps until that cell is reached says what is lost.
    """
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


def _leads(q: Generator, cells: np.ndarray) -> np.ndarray:
    """The place in `cells` to which each of them leads when each passes on to the neighbour that most outweighs it."""
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
    return np.searchsorted(cells, following[cells])
