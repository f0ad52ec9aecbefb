"""The slowest modes of the generator: relaxation rates, escape rates, and where a surviving path is found."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eig, eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator, eigs, splu

from ...errors import ConvergenceError
from ..discretization.generator import Generator
from .stationary import closed_parts

DENSE = 400  # cells up to which all eigenpairs are found at once
UNRESOLVED = 16.0 * float(np.finfo(float).eps)  # of the fastest rate: eigenvalues below are rounding, but on a chain


def slowest_modes(q: Generator, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k eigenvalues of largest real part, with right (n, k) and left (n, k) eigenvectors, left^T right = 1.

    Right vectors are masses: those of eigenvalue zero sum to one. Left vectors are functions of the starting cell.
    """
    if _is_chain(q):
        values, right, left = _chain_modes(q, k)
    elif q.grid.size <= max(DENSE, k + 2):
        values, left, right = eig(q.matrix.toarray(), left=True, right=True)
        left = left.conj()
    else:
        values, right, left = _sparse_modes(q, k)
    order = np.lexsort((values.imag, -values.real))[:k]
    values, right, left = values[order], right[:, order], left[:, order]
    values[: len(closed_parts(q))] = 0.0
    right, left = _normalised(right, left)
    if np.abs(values.imag).max(initial=0.0) <= 1e-12 * np.abs(values).max(initial=1e-300):
        values, right, left = values.real, right.real, left.real
    return values, right, left


def check_resolved(q: Generator, values: np.ndarray, result: object) -> None:
    """Raise ConvergenceError with the result where eigenvalues (k,) other than those of closed parts are rounding alone."""
    floor = 0.0 if _is_chain(q) else UNRESOLVED * float(q.outflow.max(initial=0.0))
    lost = int((np.abs(values[len(closed_parts(q)) :]) < floor).sum())
    if lost:
        raise ConvergenceError(
            f"{lost} of the eigenvalues lie below {floor:.1e}, the rounding of the fastest rate {q.outflow.max():.1e}. "
            "Take a larger diffusion or a coarser grid; the others are in the error's `partial`.",
            result,
        )


def _is_chain(q: Generator) -> bool:
    """Neighbour links in 1D, all of them two-way: similar to a symmetric tridiagonal matrix."""
    rates = [link.forward for link in q.links] + [link.backward for link in q.links]
    chain = q.jumps is None and q.grid.dim == 1
    return chain and [link.stride for link in q.links] == [1] and all((r > 0.0).all() for r in rates)


def _chain_modes(q: Generator, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Modes of a chain, right to a relative 1e-15 however slow.

    Made symmetric, -Q = B^T B, where B has a row (sqrt(forward), -sqrt(backward)) for each link and one for each
    absorbing wall. Its singular values are the eigenvalues of [[0, B^T], [B, 0]], which in the order cell, link, cell ...
    is tridiagonal with a diagonal of zeros: bisection then finds each to its own last digits (Demmel and Kahan 1990).
    """
    (link,) = q.links
    n = q.grid.size
    walls = q.escape[[0, -1]] > 0.0
    between = np.stack([np.sqrt(link.forward), -np.sqrt(link.backward)], axis=1).ravel()
    entries = np.concatenate([np.sqrt(q.escape[:1][walls[:1]]), between, np.sqrt(q.escape[-1:][walls[1:]])])
    first = n - 1 + int(walls.sum())  # below are the negative pairs and, with two walls, a zero of the links alone
    chosen = (first, first + min(k, n) - 1)
    roots, vectors = eigh_tridiagonal(
        np.zeros(entries.size + 1), entries, select="i", select_range=chosen, lapack_driver="stebz", tol=1e-300
    )
    vectors = vectors[int(walls[0]) :: 2][:n]
    log_scale = 0.5 * np.concatenate([[0.0], np.cumsum(np.log(link.forward) - np.log(link.backward))])
    scale = np.exp(np.clip(log_scale - log_scale.max(), -300.0, 0.0))[:, None]
    return -(roots**2).astype(complex), vectors * scale, vectors / scale


def _sparse_modes(q: Generator, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arnoldi on the inverse, shifted a little to the right of the spectrum so that it exists."""
    n = q.grid.size
    shift = 1e-9 * float(q.outflow.max())
    factor = splu((q.matrix - shift * sp.eye_array(n)).tocsc(), permc_spec="MMD_AT_PLUS_A")
    start = np.random.default_rng(0).standard_normal(n)
    pairs = []
    for mode in ("N", "T"):

        def solve(x: np.ndarray, mode: str = mode) -> np.ndarray:
            return factor.solve(np.ascontiguousarray(x.ravel()), mode)

        inverse = LinearOperator((n, n), matvec=solve, dtype=float)
        values, vectors = eigs(inverse, k=min(k, n - 2), v0=start, tol=1e-12)
        values = shift + 1.0 / values
        order = np.lexsort((values.imag, -values.real))
        pairs.append((values[order], vectors[:, order]))
    (values, right), (_, left) = pairs
    return values, right, left


def _normalised(right: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right vectors of unit 1-norm, their sum not negative; left vectors with left_i . right_i = 1."""
    right = right / np.abs(right).sum(axis=0)
    sums = right.sum(axis=0)
    phase = np.where(np.abs(sums) > 1e-9, sums / np.maximum(np.abs(sums), 1e-300), 1.0)
    right = right / phase
    return right, left / np.einsum("ni,ni->i", left, right)
