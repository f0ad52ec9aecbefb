"""The slowest modes of the generator: relaxation rates, escape rates, and where a surviving path is found."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eig, eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator, eigs, splu

from .generator import Generator

DENSE = 400  # cells up to which all eigenpairs are found at once


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
    right, left = _normalised(right, left)
    if np.abs(values.imag).max(initial=0.0) <= 1e-12 * np.abs(values).max(initial=1e-300):
        values, right, left = values.real, right.real, left.real
    return values, right, left


def _is_chain(q: Generator) -> bool:
    """Neighbour links in 1D, all of them two-way: similar to a symmetric tridiagonal matrix."""
    rates = [link.forward for link in q.links] + [link.backward for link in q.links]
    chain = q.jumps is None and q.grid.dim == 1
    return chain and [link.stride for link in q.links] == [1] and all((r > 0.0).all() for r in rates)


def _chain_modes(q: Generator, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (link,) = q.links
    off = np.sqrt(link.forward) * np.sqrt(link.backward)
    n = q.grid.size
    values, vectors = eigh_tridiagonal(-q.outflow, off, select="i", select_range=(max(n - k, 0), n - 1))
    log_scale = 0.5 * np.concatenate([[0.0], np.cumsum(np.log(link.forward) - np.log(link.backward))])
    scale = np.exp(np.clip(log_scale - log_scale.max(), -300.0, 0.0))[:, None]
    return values.astype(complex), vectors * scale, vectors / scale


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
