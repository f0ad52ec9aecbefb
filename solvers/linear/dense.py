"""What a full rate matrix allows: generators with jumps, a few thousand cells."""

from __future__ import annotations

import numpy as np

from ..discretization.generator import Generator
from ..discretization.levy_jumps import MAX_DENSE

FEW = 1000  # cells up to which a full matrix is quicker than products


def dense_null_vector(q: np.ndarray) -> np.ndarray:
    """The positive null vector of an irreducible generator (n, n), by one factorisation.

    The last of the equations, which follows from the others, is replaced by one that fixes the sum.
    """
    n = len(q)
    matrix = q.copy()
    matrix[-1] = 1.0 / n * np.abs(np.diagonal(q)).max()
    right = np.zeros(n)
    right[-1] = matrix[-1, 0]
    result = np.linalg.solve(matrix, right)
    # one step of refinement with the equation that was left out
    result -= np.linalg.solve(matrix, np.append((q @ result)[:-1], 0.0))
    return np.maximum(result, 0.0, where=result > -1e-14 * np.abs(result).max(), out=result)


def _flows(q: Generator, masses: np.ndarray) -> np.ndarray:
    flows = q.matrix.toarray() * masses.ravel()
    np.fill_diagonal(flows, 0.0)
    return flows


def dense_entropy_production(q: Generator, masses: np.ndarray) -> float:
    """Sum over pairs of (r_ij P_i - r_ji P_j) ln(r_ij P_i / r_ji P_j), per time; infinite where a pair is one-way.

    Not a number on more cells than a full matrix is formed for.
    """
    if q.grid.size > MAX_DENSE:
        return float("nan")
    flows = np.triu(_flows(q, masses), 1)
    back = np.triu(_flows(q, masses).T, 1)
    if ((flows > 1e-290) & (back == 0.0)).any() or ((back > 1e-290) & (flows == 0.0)).any():
        return float("inf")
    both = (flows > 0.0) & (back > 0.0)
    return float(((flows[both] - back[both]) * np.log(flows[both] / back[both])).sum())
