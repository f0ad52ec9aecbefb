"""The Hessian of the expected loss: extreme eigenvalues by Lanczos on products with vectors, and the index of a saddle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import ConvergenceError
from ..randomness import private_generator
from .network import DeepLinear, Weights

DENSE = 300  # parameters up to which all eigenvalues are computed
COUNTED = 4000  # ... to count the negative ones: some ten seconds, less than Lanczos takes for a hundred of them


class Eigenpairs(NamedTuple):
    """Eigenvalues in ascending order (m,), and their vectors over the flat weights (n_parameters, m)."""

    values: np.ndarray
    vectors: np.ndarray


class Index(NamedTuple):
    """Number of eigenvalues below -floor; where not `complete`, there are more than that."""

    negative: int
    floor: float
    complete: bool


def hessian_operator(net: DeepLinear, weights: Weights) -> Any:
    """The Hessian as a scipy LinearOperator on flat weights, for any method that needs products only."""
    from scipy.sparse.linalg import LinearOperator

    def product(vector: np.ndarray) -> np.ndarray:
        return net.flatten(net.hessian_product(weights, net.unflatten(np.ravel(vector))))

    return LinearOperator((net.n_parameters, net.n_parameters), matvec=product, dtype=float)


def dense_hessian(net: DeepLinear, weights: Weights) -> np.ndarray:
    """The whole Hessian, shape (n_parameters, n_parameters): for small networks."""
    return net.flatten(net.hessian_product(weights, net.unflatten(np.eye(net.n_parameters))))


def extreme_eigenpairs(net: DeepLinear, weights: Weights, k: int = 6) -> Eigenpairs:
    """The k smallest and the k largest eigenvalues of the Hessian and their vectors (all, where the network is small).

    Residuals are below 1e-4 of the largest magnitude, so that eigenvalues apart from others are good to 1e-8 of it. Raises
    ConvergenceError with those found.
    """
    lowest, highest = _lanczos(net, weights, k, -1), _lanczos(net, weights, k, 1)
    if lowest.values.size + highest.values.size > net.n_parameters or net.n_parameters <= DENSE:
        return lowest
    joined = [np.concatenate(pair, axis=-1) for pair in zip(lowest, highest, strict=True)]
    return Eigenpairs(*joined)


def saddle_index(net: DeepLinear, weights: Weights, floor: float | None = None, at_most: int | None = None) -> Index:
    """Number of negative eigenvalues of the Hessian.

    Parameters
    ----------
    net : DeepLinear
    weights : list of arrays
    floor : float, optional
        Eigenvalues above -floor count as zero; default 1e-3 of the largest magnitude. It matters: saddles of networks of
        depth 3 and more have no negative curvature at all where all other modes vanish exactly (Kawaguchi 2016), and
        near them it is as small as the weights that do not carry a learned mode.
    at_most : int, optional
        Counting stops here. Default: 64 for more than 4000 weights; for fewer nowhere, from all eigenvalues.
    """
    if floor is None:
        floor = 1e-3 * float(np.abs(extreme_eigenpairs(net, weights, 1).values).max())
    if at_most is None and net.n_parameters <= COUNTED:
        return Index(int((np.linalg.eigvalsh(dense_hessian(net, weights)) < -floor).sum()), floor, True)
    at_most = 64 if at_most is None else at_most
    k = 1  # at a minimum all the rest is a cluster at zero, which Lanczos resolves slowly
    while True:
        values = _lanczos(net, weights, min(k, at_most), -1).values
        negative = int((values < -floor).sum())
        if negative < values.size or values.size == net.n_parameters:
            return Index(negative, floor, True)
        if k >= at_most:
            return Index(negative, floor, False)
        k *= 4


def frobenius_norm(net: DeepLinear, weights: Weights, block: int = 256) -> float:
    """sqrt(tr H^2), from the products with all unit vectors."""
    total = 0.0
    for first in range(0, net.n_parameters, block):
        units = np.eye(min(block, net.n_parameters - first), net.n_parameters, first)
        total += sum(float(np.sum(h * h)) for h in net.hessian_product(weights, net.unflatten(units)))
    return float(np.sqrt(total))


def _lanczos(net: DeepLinear, weights: Weights, k: int, which: int, tol: float = 1e-4) -> Eigenpairs:
    """The k smallest (which = -1) or largest (+1) eigenvalues, to residuals of tol times the largest magnitude."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    n = net.n_parameters
    if n <= max(DENSE, k + 1):
        return Eigenpairs(*np.linalg.eigh(dense_hessian(net, weights)))
    operator = hessian_operator(net, weights)
    start = private_generator("start of the Lanczos iteration").standard_normal(n)
    if not operator.matvec(start).any():  # the origin of a network of depth 3 and more
        return Eigenpairs(np.zeros(k), np.eye(n, k))
    # ARPACK measures residuals against each eigenvalue; most are zero here, so shift them all to one side of zero
    size = abs(float(eigsh(operator, k=1, v0=start, tol=1e-3, return_eigenvectors=False)[0]))
    shifted = LinearOperator((n, n), matvec=lambda v: operator.matvec(v) + which * size * np.ravel(v), dtype=float)
    try:
        values, vectors = eigsh(
            shifted, k=k, which="LM", v0=start, tol=0.5 * tol, ncv=min(n, max(4 * k, 48)), maxiter=200
        )
    except ArpackNoConvergence as error:
        partial = Eigenpairs(error.eigenvalues - which * size, error.eigenvectors)
        raise ConvergenceError(f"Lanczos found {len(error.eigenvalues)} of {k} eigenvalues", partial) from error
    order = np.argsort(values)
    return Eigenpairs(values[order] - which * size, vectors[:, order])
