"""Linear systems on the cells of large 3D grids by algebraic multigrid, each answer with a proven bound on its error.

A = -Q on some cells is an M-matrix, singular or nearly so: the rows of A^T sum to the rates at which cells are left for good.
Smoothed aggregation (Vanek, Mandel and Brezina 1996) of A^T carries constants through all levels exactly; BiCGSTAB (van der
Vorst 1992) goes around one V-cycle of it, and for A around the transposed cycle. Memory and time grow like the cells, where
factors grow like n^(4/3) and n^2.

The bound: A^-1 is nonnegative, so that |x - A^-1 b| <= A^-1 |r|, r = b - A x. With w > 0 such that A^T w >= d, d the diagonal,

    |error|_1 <= w . |r|    for A x = b,        |error_i| <= max(|r| / d) w_i    for A^T x = b,

and where b > 0, |error_i| <= max(|r| / b) (A^-T b)_i. w is the number of jumps before the cells are left, solved for loosely.
The rounding of the diagonal and of the residual is counted in r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ...model.grid import Grid
from ...progress import Pace
from ..discretization.generator import Generator

FEWEST = 10_000  # cells of a 3D grid above which this beats factors: measured, 21^3 take the same time
WEAK = 0.02  # of the geometric mean of two diagonals: links below, as across flat cells, join no aggregates
COARSEST = 500  # cells that are factored
GOAL, ROUGH = 1e-10, 1e-4  # errors aimed at, relative: of answers, and of weights for averages
SKETCH = 1e-2  # residual where only the place of a maximum is asked for
LONG = 1e10  # times the shortest time scale; more would be lost in the rounding of the diagonal
CERTAIN = 1e-6  # above it, and above what rounding does anyway, an answer counts as not found
LOOSE = 0.2  # of the equation for w
MOST = 400  # iterations
RESTARTS = 8  # from the true residual
SWEEPS = 12  # of smoothing at the end, that give cells far from all others their small values
ROUNDING = 16.0 * float(np.finfo(float).eps)  # of the terms of a residual
THEN = f"Lower the barriers, or take fewer cells: up to {FEWEST} are solved by factors."

Product = Callable[[np.ndarray], np.ndarray]


def many(grid: Grid, cells: int) -> bool:
    """Whether so many cells of a grid are solved for by multigrid rather than by factors."""
    return grid.dim == 3 and cells > FEWEST


@dataclass
class _Level:
    """A matrix with the way up to it from the next coarser level, and down."""

    matrix: sp.csr_matrix
    up: sp.csr_matrix | None = None
    down: sp.csr_matrix | None = None


class Multigrid:
    """The M-matrix A = -Q on some cells, columns summing to what leaves them; solves with A and with A^T.

    Parameters
    ----------
    matrix : sparse (n, n)
        A: positive diagonal, no positive entry beside it, no negative sum of a column.
    goal : float
        Error aimed at, relative.
    """

    def __init__(self, matrix: sp.sparray, goal: float = GOAL):
        self.goal = goal
        self.levels, self.transposed = _aggregated(_rows(matrix.T)), True
        self.coarsest = splu(self.levels[-1].matrix.tocsc())
        self.diagonal = self.levels[0].matrix.diagonal()
        self.iterations = 0

    def solve(self, right: np.ndarray, trans: str = "N") -> np.ndarray:
        """x >= 0 with A x = right >= 0, or with A^T for "T"."""
        return self.certified(right, trans)[0]

    def certified(self, right: np.ndarray, trans: str = "N") -> tuple[np.ndarray, float]:
        """x >= 0 with A x = right >= 0, or with A^T for "T", and a bound on its error.

        The error is relative: to the sum of x in the 1-norm for A; for A^T to each value where right > 0, else to the largest.

        Raises
        ------
        ConvergenceError
            If the iteration does not get there.
        """
        assert self.jumps.size == right.size  # found before the cycle is turned
        self._turn(trans == "T")
        matrix, certificate = self.levels[0].matrix, self._values if trans == "T" else self._sums
        rounding = ROUNDING * self.diagonal

        def good(residual: np.ndarray, x: np.ndarray) -> bool:
            own = certificate(residual, right, x)
            return own <= self.goal or own <= certificate(rounding * x, right, x)

        x = np.maximum(self._iterate(right, good), 0.0)
        _relax(matrix, x, right, SWEEPS)
        own, by_rounding = (certificate(r, right, x) for r in (right - matrix @ x, rounding * x))
        if not own <= max(CERTAIN, 10.0 * self.goal, by_rounding):
            raise ConvergenceError(
                f"multigrid stopped after {self.iterations} iterations at an error of up to {own:.1e} of the answer. {THEN}",
                x,
            )
        return x, own + by_rounding

    def sketch(self, right: np.ndarray) -> np.ndarray:
        """x with A x = right, but for a residual of a hundredth in the 1-norm."""
        self._turn(False)
        allowed = SKETCH * float(np.abs(right).sum())
        return self._iterate(right, lambda r, x: float(np.abs(r).sum()) <= allowed)

    @cached_property
    def jumps(self) -> np.ndarray:
        """w with A^T w >= d, (n,): no less than the mean number of jumps before the cells are left."""
        self._turn(True)
        d = self.diagonal
        w = self._iterate(d, lambda r, x: bool(np.abs(r / d).max() <= LOOSE))
        share = float((self.levels[0].matrix @ w / d).min())
        if not share > 0.0:
            raise ConvergenceError("multigrid finds no bound on the number of jumps until all is left. " + THEN, w)
        return w / share

    def _sums(self, residual: np.ndarray, right: np.ndarray, x: np.ndarray) -> float:
        return float(_dot(self.jumps, np.abs(residual))) / max(float(np.abs(x).sum()), 1e-300)

    def _values(self, residual: np.ndarray, right: np.ndarray, x: np.ndarray) -> float:
        r = np.abs(residual)
        by_jumps = float((r / self.diagonal).max()) * float(self.jumps.max()) / max(float(np.abs(x).max()), 1e-300)
        return min(by_jumps, float((r / right).max())) if (right > 0.0).all() else by_jumps

    def _turn(self, transposed: bool) -> None:
        """Make the cycle that of A, or of A^T; only one of them is held."""
        if transposed == self.transposed:
            return
        for level in self.levels:
            level.matrix = _rows(level.matrix.T)
            if level.up is not None and level.down is not None:
                level.up, level.down = _rows(level.down.T), _rows(level.up.T)
        self.transposed = transposed

    def _iterate(self, right: np.ndarray, good: Callable[[np.ndarray, np.ndarray], bool]) -> np.ndarray:
        """x with a residual that is good, or the best there is; started anew where the true residual is not as updated."""
        matrix, x = self.levels[0].matrix, np.zeros(right.size)
        for _ in range(RESTARTS):
            residual = right - matrix @ x
            if good(residual, x):
                break
            better, used = _bicgstab(lambda v: matrix @ v, self._cycle, residual, x, good)
            self.iterations += used
            if not np.isfinite(better).all() or used == 0:
                break
            x = better
        return x

    def _cycle(self, right: np.ndarray, depth: int = 0) -> np.ndarray:
        """One V-cycle from zero: Gauss-Seidel forwards going down, backwards going up."""
        level = self.levels[depth]
        if level.up is None or level.down is None:
            return self.coarsest.solve(right, "N" if self.transposed else "T")
        x = np.zeros(right.size)
        _relax(level.matrix, x, right, 1, "forward")
        x += level.up @ self._cycle(level.down @ (right - level.matrix @ x), depth + 1)
        _relax(level.matrix, x, right, 1, "backward")
        return x


def null_vector(q: Generator, cells: np.ndarray) -> tuple[np.ndarray, float]:
    """The positive null vector (cells.size,) of a closed class, and a bound on its error in the 1-norm, relative to its sum.

    The cell in which most is after a long time is held at mass 1, and the others follow.

    Raises
    ------
    ConvergenceError
        If the iteration does not get there.
    """
    inner = q.matrix if cells.size == q.grid.size else q.matrix[cells][:, cells]
    fixed = _mode(inner)
    others = np.delete(np.arange(cells.size), fixed)
    source = inner[:, [fixed]].toarray().ravel()[others]
    found, bound = Multigrid(-inner[others][:, others]).certified(source)
    return np.insert(found, fixed, 1.0), bound


def _mode(rates: sp.csr_array) -> int:
    """The cell that holds most at a random time, on average `LONG` of the shortest ones, after a start anywhere."""
    n = rates.shape[0]
    shift = float(-rates.diagonal().min()) / LONG
    return int(np.argmax(Multigrid(shift * sp.eye_array(n) - rates).sketch(np.ones(n))))


def _aggregated(matrix: sp.csr_matrix) -> list[_Level]:
    """The levels of smoothed aggregation: R A P, where P and R carry constants up and sums down.

    Both come from aggregates T of strongly linked cells, smoothed by one step of Jacobi with A and with A^T, each row
    weighted by the sum of its sizes (Gershgorin), so that no spectral radius is needed.
    """
    from pyamg.aggregation.aggregate import standard_aggregation
    from pyamg.strength import symmetric_strength_of_connection

    levels = [_Level(matrix)]
    while matrix.shape[0] > COARSEST:
        strong = symmetric_strength_of_connection(matrix, WEAK)
        aggregates = _rows(standard_aggregation(strong)[0].astype(float))
        if aggregates.shape[1] in (0, matrix.shape[0]):
            break
        levels[-1].up = _smoothed(matrix, aggregates)
        levels[-1].down = _rows(_smoothed(_rows(matrix.T), aggregates).T)
        matrix = _rows(levels[-1].down @ (matrix @ levels[-1].up))
        levels.append(_Level(matrix))
    return levels


def _smoothed(matrix: sp.csr_matrix, aggregates: sp.csr_matrix) -> sp.csr_matrix:
    """T - (4/3) A T, the rows of A divided by the sums of their sizes."""
    weight = (4.0 / 3.0) / np.maximum(np.asarray(abs(matrix).sum(axis=1)).ravel(), 1e-300)
    return _rows(aggregates - sp.diags_array(weight) @ (matrix @ aggregates))


def _rows(matrix: sp.sparray) -> sp.csr_matrix:
    """A matrix as compressed rows, without blocks, with the short indices that pyamg's loops take."""
    rows = sp.csr_matrix(matrix)
    if rows.nnz < np.iinfo(np.int32).max:
        rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    return rows


def _relax(matrix: sp.csr_matrix, x: np.ndarray, right: np.ndarray, sweeps: int, order: str = "symmetric") -> None:
    """Gauss-Seidel sweeps; on an M-matrix they keep a nonnegative x nonnegative."""
    from pyamg.relaxation.relaxation import gauss_seidel

    gauss_seidel(matrix, x, right, sweeps, order)


def _bicgstab(
    product: Product,
    precondition: Product,
    residual: np.ndarray,
    x: np.ndarray,
    good: Callable[[np.ndarray, np.ndarray], bool],
) -> tuple[np.ndarray, int]:
    """BiCGSTAB, right-preconditioned, from x with its residual, until the residual is good: (x, iterations).

    Inner products are summed without BLAS, whose threads cost more than they give on vectors and on a busy machine.
    """
    x, r = x.copy(), residual.copy()
    shadow, p, v = r.copy(), np.zeros(r.size), np.zeros(r.size)
    rho = alpha = omega = 1.0
    pace = Pace(__name__, "multigrid")
    for k in range(1, MOST + 1):
        pace((k - 1) / MOST, f"iteration {k} of at most {MOST}")
        last, rho = rho, _dot(shadow, r)
        if rho == 0.0 or omega == 0.0 or not np.isfinite(rho):
            return x, k - 1
        p = r + (rho / last) * (alpha / omega) * (p - omega * v)
        toward = precondition(p)
        v = product(toward)
        alpha = rho / _dot(shadow, v)
        r = r - alpha * v
        x += alpha * toward
        if good(r, x):
            return x, k
        toward = precondition(r)
        t = product(toward)
        square = _dot(t, t)
        omega = _dot(t, r) / square if square > 0.0 else 0.0
        x += omega * toward
        r = r - omega * t
        if good(r, x):
            return x, k
    return x, MOST


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.einsum("i,i->", a, b))
