"""First passage: times until a target is reached, and which of two is reached first.

The backward equations of a generator that is killed on a target, see `absorption`, are solved on the cells outside.
"""

from __future__ import annotations

import logging

import numpy as np
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ..discretization.generator import Generator
from ..kernels.tridiagonal import solve_chain
from .dense import FEW
from .gmres import solve_jumps
from .memory import factors_fit
from .multigrid import Multigrid, many
from .rates import Rates, never_leaving

logger = logging.getLogger(__name__)

WAY = "passage from %d cells by %s"
TOO_MUCH = 1e-2  # of the time, by rounding


def solve_backward(q: Generator, outside: np.ndarray, source: np.ndarray, *, lasting: bool = False) -> np.ndarray:
    """u of a single `BackwardEquation`."""
    return BackwardEquation(q, outside).solve(source, lasting=lasting)


class BackwardEquation:
    """Q^T u = -source on the cells `outside` (n, bool) of a killed generator, u = 0 elsewhere, for several sources >= 0."""

    def __init__(self, q: Generator, outside: np.ndarray):
        self.q, self.outside = q, outside
        self.inverse: _Factors | _Cycles | None = None
        self.ends: dict[bool, tuple[np.ndarray, np.ndarray]] = {}  # whether what is kept counts -> `never_leaving`

    def solve(self, source: np.ndarray, *, lasting: bool = False) -> np.ndarray:
        """u (n,), infinite where a source is met forever, because nothing is reached from there.

        lasting: whether the source is met at the points too that keep what arrives.
        """
        q, result = self.q, np.zeros(self.outside.size)
        finite, endless = self._reachability(source, lasting)
        result[endless] = np.inf
        cells = np.flatnonzero(finite)
        if cells.size == 0:
            return result
        strides = {link.stride for link in q.links}
        if q.jumps is not None and cells.size > FEW:
            logger.debug(WAY, cells.size, "GMRES")
            result[cells] = solve_jumps(q, 0.0, np.where(finite, source, 0.0), adjoint=True)[cells]
        elif q.jumps is not None:
            logger.debug(WAY, cells.size, "a dense matrix")
            result[cells] = np.linalg.solve(q.matrix[cells][:, cells].toarray().T, -source[cells])
        elif q.grid.dim == 1 and strides <= {1} and not endless.any():
            logger.debug(WAY, cells.size, "elimination along the line")
            result[cells] = chain_rates(q, self.outside, source)[cells]
        else:
            result[cells] = self._inverse(cells).solve(source[cells])
        return result

    def _reachability(self, source: np.ndarray, lasting: bool) -> tuple[np.ndarray, np.ndarray]:
        """(cells from which an exit is certain to be reached, cells from which it may never be and a source is met)."""
        q, outside = self.q, self.outside
        if q.jumps is not None and q.jumps.start_from(outside):
            return (outside, ~outside & False) if q.exits else (outside & False, outside)
        counts = lasting and bool(q.atoms)
        if counts not in self.ends:
            kept = sum(q.atoms.values(), np.zeros(outside.size)) if counts else None
            self.ends[counts] = never_leaving(Rates.of_generator(q), outside, kept)
        reach, endless = self.ends[counts]
        if not (source[endless] > 0.0).any():
            return reach, endless & False
        return outside & ~endless, endless

    def _inverse(self, cells: np.ndarray) -> _Factors | _Cycles:
        """That of the matrix on some cells; the last one is kept."""
        if self.inverse is None or not np.array_equal(self.inverse.cells, cells):
            self.inverse = _Cycles(self.q, cells) if many(self.q.grid, cells.size) else _Factors(self.q, cells)
        return self.inverse


class _Factors:
    """-Q^T on some cells, factored."""

    def __init__(self, q: Generator, cells: np.ndarray):
        self.q, self.cells = q, cells
        logger.debug(WAY, cells.size, "a sparse factorisation")
        inner = -q.matrix[cells][:, cells].T.tocsc()
        self.factor = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        self.times = self.factor.solve(np.ones(cells.size))

    def solve(self, source: np.ndarray) -> np.ndarray:
        """u (cells.size,)."""
        values = self.factor.solve(source)
        # the rounding of the diagonal acts like an escape rate of 1e-16 of the largest
        lost = 1e-15 * float(self.times.max(initial=0.0)) * float(self.q.outflow.max(initial=0.0))
        if not lost <= TOO_MUCH or not np.isfinite(values).all() or values.min(initial=0.0) < 0.0:
            raise _too_stiff(self.q, float(np.abs(self.times).max()), values)
        return values


class _Cycles:
    """-Q^T on some of many cells, by multigrid; by factors where that does not get there, and they fit into memory."""

    def __init__(self, q: Generator, cells: np.ndarray):
        self.q, self.cells = q, cells
        logger.debug(WAY, cells.size, "multigrid")
        self.multigrid = Multigrid(-q.matrix[cells][:, cells])
        self.factors: _Factors | None = None

    def solve(self, source: np.ndarray) -> np.ndarray:
        """u (cells.size,)."""
        if self.factors is None:
            try:
                values, bound = self.multigrid.certified(source, "T")
            except ConvergenceError:
                if not factors_fit(self.q.grid, "passage"):
                    raise
                self.factors = _Factors(self.q, self.cells)
            else:
                if not bound <= TOO_MUCH:
                    raise _too_stiff(self.q, float((self.multigrid.jumps / self.multigrid.diagonal).max()), values)
                return values
        return self.factors.solve(source)


def _too_stiff(q: Generator, longest: float, values: np.ndarray) -> ConvergenceError:
    return ConvergenceError(
        f"passage takes some {longest:.0e} while the fastest rate is {q.outflow.max():.1e}: beyond double precision. "
        "Lower the barrier, coarsen the grid, or use the spectrum of a smaller box.",
        values,
    )


def chain_rates(q: Generator, outside: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The same in 1D by elimination without subtraction, exact to round-off behind any barrier."""
    n = q.grid.size
    up, down = np.zeros(n), np.zeros(n)
    for link in q.links:
        up[link.lower] = link.forward
        down[link.upper] = link.backward
    result = np.empty(n)
    solve_chain(up, down, q.escape, np.where(outside, source, 0.0), outside, result)
    return result
