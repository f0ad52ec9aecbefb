"""The Hessian of any loss and the noise of its gradient at a point: extreme eigenvalues, index, spectrum, alignment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, whole
from ..deep_linear import Eigenpairs, GradientNoise
from ..errors import ConvergenceError, bad_value
from ..randomness import private_generator

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

DENSE = 300  # parameters up to which all eigenvalues are computed
FLOOR = 1e-3  # of the largest magnitude: eigenvalues between -floor and floor count as zero
PROBES = 50  # random vectors for the Frobenius norm of a large Hessian
ROWS = 2000  # samples that enter the noise spectrum


@dataclass(frozen=True)
class SaddleIndex:
    """Negative curvature at a point.

    Attributes
    ----------
    negative : int
        Eigenvalues below -floor; where not `complete`, there are more.
    floor : float
    complete : bool
    gradient_norm : float
        |g|: at a critical point zero, and the index of any other point is only that of its Hessian.
    """

    negative: int
    floor: float
    complete: bool
    gradient_norm: float

    def __repr__(self) -> str:
        least = "" if self.complete else "at least "
        return f"index {least}{self.negative} (eigenvalues below -{self.floor:.3g}); |g| = {self.gradient_norm:.3g}"


def extreme_eigenpairs(net: LossFunctions, theta: Any, k: int = 6, ends: str = "both") -> Eigenpairs:
    """The k lowest and k highest eigenvalues of the Hessian by Lanczos (all, up to 300 parameters), ascending.

    Parameters
    ----------
    net : Network
    theta : array (d,)
    k : int
    ends : {"both", "lowest", "highest"}

    Raises
    ------
    ConvergenceError
        Where Lanczos meets its cap of iterations, as it may in flat spectra; `partial` has those found.
    """
    theta, k = net.flat(theta), whole("k", k, 1)
    if ends not in ("both", "lowest", "highest"):
        raise bad_value("ends", '"both", "lowest" or "highest"', ends)
    if net.n_parameters <= max(DENSE, 2 * k + 1):
        return Eigenpairs(*np.linalg.eigh(net.hessian(theta)))
    sides = {"both": (-1, 1), "lowest": (-1,), "highest": (1,)}[ends]
    found = [_lanczos(net, theta, k, side) for side in sides]
    return Eigenpairs(*(np.concatenate(part, axis=-1) for part in zip(*found, strict=True)))


def top_hessian(net: LossFunctions, theta: Any) -> float:
    """Largest eigenvalue of the Hessian; as an observable of training it records the sharpness."""
    return float(extreme_eigenpairs(net, theta, 1, "highest").values[-1])


def saddle_index(net: LossFunctions, theta: Any, floor: float | None = None, at_most: int = 64) -> SaddleIndex:
    """Number of negative eigenvalues of the Hessian, with the floor and |g| without which it says nothing.

    Parameters
    ----------
    net : Network
    theta : array (d,)
    floor : float, optional
        Default 1e-3 of the largest magnitude of an eigenvalue.
    at_most : int
        Counting stops here for more than 300 parameters.
    """
    theta, at_most = net.flat(theta), whole("at_most", at_most, 1)
    size = float(np.linalg.norm(net.gradient(theta)))
    if floor is None:
        floor = FLOOR * float(np.abs(extreme_eigenpairs(net, theta, 1).values).max())
    floor = number("floor", floor, "not below 0", lambda v: 0.0 <= v < math.inf)
    k = 1
    while True:
        values = extreme_eigenpairs(net, theta, min(k, at_most), "lowest").values
        negative = int((values < -floor).sum())
        if negative < values.size or values.size == net.n_parameters:
            return SaddleIndex(negative, floor, True, size)
        if k >= at_most:
            return SaddleIndex(negative, floor, False, size)
        k *= 4


def gradient_noise(
    net: LossFunctions, theta: Any, batch_size: int = 1, k: int = 10, rows: int = ROWS, probes: int = PROBES
) -> GradientNoise:
    """Spectrum of the covariance Sigma / B of the batch gradient and its alignment with the Hessian.

    Parameters
    ----------
    net : Network
    theta : array (d,)
    batch_size : int
    k : int
        Lowest and highest Hessian directions whose share of the noise is reported.
    rows : int
        Of more samples, so many are drawn: the trace is then unbiased, the spectrum that of so many samples.
    probes : int
        Random vectors for |H| (Frobenius) above 300 parameters: `cosine` is then good to about 1 / sqrt(probes).
    """
    theta, rows = net.flat(theta), whole("rows", rows, 2)
    batch = whole("batch_size", batch_size, 1)
    n = min(rows, net.n_samples)
    rng = private_generator("samples of the gradient noise")
    chosen = np.arange(n) if n == net.n_samples else np.sort(rng.choice(net.n_samples, n, replace=False))
    gradients = net.sample_gradients(theta, chosen)
    divisor = n if n == net.n_samples else n - 1
    centred = (gradients - gradients.mean(axis=0)) / math.sqrt(divisor * batch)
    _, singular, rows_of_v = np.linalg.svd(centred, full_matrices=False)
    kept = singular**2 > 1e-12 * max(singular[0] ** 2, 1e-300)
    spectrum, directions = singular[kept] ** 2, rows_of_v[kept].T
    curvature = (directions.T * net.hessian_products(theta, directions.T)).sum(axis=1)
    eigen = extreme_eigenpairs(net, theta, k)
    share = spectrum @ (directions.T @ eigen.vectors) ** 2 / max(spectrum.sum(), 1e-300)
    size = _frobenius_norm(net, theta, whole("probes", probes, 1)) * float(np.sqrt((spectrum**2).sum()))
    cosine = float(spectrum @ curvature) / size if size else 0.0
    return GradientNoise(spectrum, directions, curvature, eigen.values, share, cosine)


def _frobenius_norm(net: LossFunctions, theta: np.ndarray, probes: int) -> float:
    """sqrt(tr H^2): exactly for few parameters, else from E |H v|^2 over random signs v."""
    if net.n_parameters <= DENSE:
        return float(np.linalg.norm(net.hessian(theta)))
    signs = private_generator("probes of the Hessian").choice([-1.0, 1.0], (probes, net.n_parameters))
    return math.sqrt((net.hessian_products(theta, signs) ** 2).sum(axis=1).mean())


def _lanczos(net: LossFunctions, theta: np.ndarray, k: int, which: int, tol: float = 1e-4) -> Eigenpairs:
    """The k lowest (which = -1) or highest (+1) eigenvalues, to residuals of tol times the largest magnitude."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    n = net.n_parameters

    def product(v: np.ndarray) -> np.ndarray:
        return net.hessian_product(theta, np.ravel(v))

    start = private_generator("start of the Lanczos iteration").standard_normal(n)
    if not product(start).any():
        return Eigenpairs(np.zeros(k), np.eye(n, k))
    operator = LinearOperator((n, n), matvec=product, dtype=float)
    size = abs(float(eigsh(operator, k=1, v0=start, tol=1e-3, return_eigenvectors=False)[0]))
    # residuals are measured against each eigenvalue; most are near zero, so shift them all to one side of it
    shifted = LinearOperator((n, n), matvec=lambda v: product(v) + which * size * np.ravel(v), dtype=float)
    try:
        values, vectors = eigsh(
            shifted, k, which="LM", v0=start, tol=0.5 * tol, ncv=min(n, max(4 * k, 48)), maxiter=200
        )
    except ArpackNoConvergence as error:
        partial = Eigenpairs(error.eigenvalues - which * size, error.eigenvectors)
        raise ConvergenceError(f"Lanczos found {len(error.eigenvalues)} of {k} eigenvalues", partial) from error
    order = np.argsort(values)
    return Eigenpairs(values[order] - which * size, vectors[:, order])
