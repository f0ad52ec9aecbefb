"""Linear systems with jumps: products by FFT, and a sparse preconditioner.

Q = M + G, where M holds the links and all losses, and G the gains of the jumps. M is a sparse M-matrix and its inverse
times Q is one plus a compact part, so that GMRES takes a few tens of products, growing slowly with the grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, gmres, splu

from ...errors import ConvergenceError
from ...randomness import private_generator
from ..discretization.generator import Generator

RTOL = 1e-11


def solve_jumps(q: Generator, shift: complex, right: np.ndarray, adjoint: bool = False) -> np.ndarray:
    """x with (shift - Q) x = right, or with Q^T for Q where `adjoint`; cells of a target give 0 where `right` does."""
    jumps = q.jumps
    assert jumps is not None
    n = q.grid.size
    loss = jumps.leaving + shift
    if jumps.target is not None:
        loss = loss + jumps.target * max(float(q.outflow.max()), 1.0)  # they keep no rates of their own
    near = q.near_matrix.T if adjoint else q.near_matrix
    factor = splu((sp.diags_array(loss) - near).tocsc(), permc_spec="MMD_AT_PLUS_A")
    gain = jumps.apply_adjoint if adjoint else jumps.apply

    def product(x: np.ndarray) -> np.ndarray:
        x = x.ravel()
        parts = [gain(part) + jumps.leaving * part for part in ((x.real, x.imag) if np.iscomplexobj(x) else (x,))]
        return loss * x - near @ x - (parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1])

    return _gmres(product, factor.solve, right.astype(loss.dtype), n)


def null_vector(q: Generator) -> np.ndarray:
    """The stationary masses (n,), summing to one, of an irreducible generator with jumps.

    (Q - c e w) p = -c e with e uniform and w the sum has the null vector of unit sum as its solution.
    """
    assert q.jumps is not None
    n = q.grid.size
    even = np.full(n, 1.0 / n)
    weight = 0.01 * float(q.outflow.mean())
    factor = splu((q.near_matrix - sp.diags_array(q.jumps.leaving)).tocsc(), permc_spec="MMD_AT_PLUS_A")
    result = _gmres(lambda p: q.apply(p.ravel()) - weight * even * p.sum(), factor.solve, -weight * even, n)
    return np.maximum(result, 0.0, where=result > -1e-12 * np.abs(result).max(), out=result)


def is_symmetric(q: Generator, masses: np.ndarray, tolerance: float) -> bool:
    """Whether Q diag(masses) is symmetric, that is detailed balance, by random vectors."""
    rng = private_generator("probes of GMRES")
    p = masses.ravel()
    for _ in range(3):
        u, v = rng.standard_normal((2, p.size))
        there, back = v * q.apply(p * u), u * q.apply(p * v)
        if abs(float(there.sum() - back.sum())) > tolerance * float(np.abs(there).sum() + np.abs(back).sum()):
            return False
    return True


Product = Callable[[np.ndarray], np.ndarray]


def _gmres(product: Product, precondition: Product, right: np.ndarray, n: int) -> np.ndarray:
    system = LinearOperator((n, n), matvec=product, dtype=right.dtype)
    inverse = LinearOperator((n, n), matvec=precondition, dtype=right.dtype)
    result, info = gmres(system, right, M=inverse, rtol=RTOL, atol=0.0, restart=100, maxiter=2)
    residual = float(np.abs(product(result) - right).sum()) / max(float(np.abs(right).sum()), 1e-300)
    if info != 0 and residual > 1e-8:
        raise ConvergenceError(f"the iteration for the jumps stopped at a residual of {residual:.1e}", result)
    return result
