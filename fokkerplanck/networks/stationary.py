"""SGD near a point as a linear recursion: stationary covariance, and mean and covariance in time.

theta' = theta - eta (g(theta) + noise), noise of covariance Sigma / B. With the Hessian H and Sigma constant,
C' = (1 - eta H) C (1 - eta H) + eta^2 Sigma / B; it has a stationary C where 0 < eta lambda < 2 for all eigenvalues of H. (The
diffusion limit H C + C H = eta Sigma / B leaves the term eta H C H out, which matters from eta lambda = 0.1 on.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import fits_memory, number, reals, whole
from ..errors import ModelWarning, bad_value, warn
from ..progress import Pace

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

SHOWN = 5  # deviations in a text
EDGE = 2.0  # of learning rate times curvature: above it a step goes further than it came


@dataclass(frozen=True, repr=False)
class StationaryCovariance:
    """Stationary covariance of SGD at a minimum, in the stiffest directions.

    Attributes
    ----------
    covariance : ndarray (k, k)
        In the basis of `directions`.
    directions : ndarray (d, k)
        Unit eigenvectors of the Hessian, the largest eigenvalue first.
    curvatures : ndarray (k,)
    gradient_norm : float
        At the point: the answer is about a minimum.
    """

    covariance: np.ndarray
    directions: np.ndarray
    curvatures: np.ndarray
    gradient_norm: float

    @property
    def variances(self) -> np.ndarray:
        """Along each direction (k,)."""
        return np.diagonal(self.covariance)

    def __repr__(self) -> str:
        shown = [f"{v:.4g}" for v in np.sqrt(self.variances[:SHOWN])] + ["..."] * (self.curvatures.size > SHOWN)
        return (
            f"StationaryCovariance in {self.curvatures.size} of {len(self.directions)} directions\n"
            f"  curvatures {self.curvatures[0]:.4g} to {self.curvatures[-1]:.4g}\n  deviations {', '.join(shown)}\n"
            f"  gradient   {self.gradient_norm:.2g} at the point"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Closure:
    """Mean and covariance of SGD in time, closed at second order.

    Attributes
    ----------
    steps : ndarray of int (n_times,)
    mean : ndarray (n_times, d)
    trace : ndarray (n_times,)
        Of the covariance.
    covariance : ndarray (d, d)
        At the last step.
    loss : ndarray (n_times,)
        Expected loss to second order, L(mean) + tr(H C) / 2.
    """

    steps: np.ndarray
    mean: np.ndarray
    trace: np.ndarray
    covariance: np.ndarray
    loss: np.ndarray

    def __repr__(self) -> str:
        ends = [f"{v[0]:.6g} to {v[-1]:.6g}" for v in (self.loss, np.sqrt(self.trace))]
        return (
            f"Closure of {self.mean.shape[1]} parameters at {self.steps.size} steps from {self.steps[0]} to {self.steps[-1]}\n"
            f"  loss       {ends[0]}\n  spread     {ends[1]}, root of the trace of the covariance"
        )


def discrete_lyapunov(hessian: Any, noise: Any, learning_rate: float, batch_size: int = 1) -> np.ndarray:
    """Stationary C of C = (1 - eta H) C (1 - eta H) + eta^2 Sigma / B.

    In the eigenbasis of H: C_ij = eta^2 Sigma_ij / (B (1 - (1 - eta h_i)(1 - eta h_j))).

    Parameters
    ----------
    hessian, noise : array (d, d)
        Symmetric H, and the covariance Sigma of the per-sample gradients.
    learning_rate : float
    batch_size : int

    Raises
    ------
    ValueError
        Where an eigenvalue of eta H lies outside (0, 2): there is no stationary covariance.
    """
    h = _symmetric("hessian", hessian)
    sigma = _symmetric("noise", noise)
    if sigma.shape != h.shape:
        raise bad_value("noise", f"of shape {h.shape}", f"shape {sigma.shape}")
    rate = number("learning_rate", learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
    values, vectors = np.linalg.eigh(h)
    _refuse_beyond_edge(rate, float(values[-1]))
    if values[0] <= 1e-12 * max(values[-1], 0.0):
        then = "Along flat or falling directions the variance grows for ever: project them away."
        raise bad_value("hessian", "positive definite", f"a smallest eigenvalue of {values[0]:.3g}", then)
    kept = 1.0 - rate * values
    inner = rate**2 * (vectors.T @ sigma @ vectors) / whole("batch_size", batch_size, 1)
    return vectors @ (inner / (1.0 - np.outer(kept, kept))) @ vectors.T


def stationary_covariance(
    net: LossFunctions, theta: Any, learning_rate: float, batch_size: int, k: int = 40
) -> StationaryCovariance:
    """Stationary covariance of SGD at a minimum in the k stiffest directions, by `discrete_lyapunov`.

    Only directions with a positive eigenvalue above 1e-6 of the largest are kept. The noise is that at theta.

    Raises
    ------
    ValueError
        Where learning_rate times the largest eigenvalue exceeds 2.

    Warns
    -----
    ModelWarning
        Where theta is more than a stationary deviation from the minimum, along one of the directions.
    """
    from .curvature import extreme_eigenpairs

    theta = net.flat(theta)
    learning_rate = number("learning_rate", learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
    pairs = extreme_eigenpairs(net, theta, whole("k", k, 1), ends="highest")
    _refuse_beyond_edge(learning_rate, float(pairs.values.max()))
    kept = np.flatnonzero(pairs.values > 1e-6 * np.abs(pairs.values).max())[::-1][:k]
    if kept.size == 0:
        raise bad_value("theta", "a minimum, with directions of positive curvature", "none")
    curvatures, directions = pairs.values[kept], pairs.vectors[:, kept]
    slopes = net.slopes(theta, directions)
    noise = np.atleast_2d(np.cov(slopes, rowvar=False, bias=True))
    covariance = discrete_lyapunov(np.diag(curvatures), noise, learning_rate, batch_size)
    _tell_far_from_rest(slopes.mean(axis=0) / curvatures, np.diagonal(covariance))
    return StationaryCovariance(covariance, directions, curvatures, float(np.linalg.norm(net.gradient(theta))))


def _tell_far_from_rest(moves: np.ndarray, variances: np.ndarray) -> None:
    """A warning where Newton's step to the minimum, (k,), is longer than the deviation there: another covariance holds then."""
    far = np.abs(moves) / np.sqrt(np.maximum(variances, 1e-300))
    if (variances > 0.0).any() and far.max() > 1.0:
        text = (
            f"theta is no minimum: along a stiff direction that lies {far.max():.2g} stationary deviations away. Noise and "
            'Hessian are those of theta; go to the minimum first, by net.train(..., noise="flow").'
        )
        warn(text, ModelWarning)


def closure(net: LossFunctions, theta: Any, steps: int, learning_rate: float, batch_size: int) -> Closure:
    """Mean and covariance of SGD from a point on, closed at second order.

    C' = (1 - eta H) C (1 - eta H) + eta^2 Sigma / B with H and Sigma at the mean m, and m moves by -eta times the expected
    gradient to second order, g(m) + sum_j (g(m + s_j) + g(m - s_j) - 2 g(m)) / 2 with s_j the standard deviations along the 20
    largest principal axes of C. A d x d covariance is held and d Hessian products are made a step: for d up to some
    hundred. Its worth is the absence of sampling error; `net.train` is cheaper where that does not matter.

    Raises
    ------
    ValueError
        Where learning_rate times the largest curvature on the way exceeds 2.
    """
    mean, steps = np.array(net.flat(theta), dtype=float), whole("steps", steps, 1)
    rate = number("learning_rate", learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
    batch = whole("batch_size", batch_size, 1)
    fits_memory("theta", 8.0 * 5 * mean.size**2, "The closure holds d x d matrices; train runs instead.")
    covariance = np.zeros((mean.size, mean.size))
    means, traces, losses = [mean], [0.0], [net.loss(mean)]
    pace = Pace(__name__, "closure")
    for step in range(steps):
        pace(step / steps)
        hessian = net.hessian(mean)
        top = float(np.linalg.eigvalsh(hessian)[-1])
        _refuse_beyond_edge(rate, top)
        noise = net.sample_gradients(mean, np.arange(net.n_samples))
        noise = noise - noise.mean(axis=0)
        carry = np.eye(mean.size) - rate * hessian
        mean = mean - rate * _mean_gradient(net, mean, covariance)
        covariance = carry @ covariance @ carry.T + rate**2 / (batch * net.n_samples) * (noise.T @ noise)
        means.append(mean)
        traces.append(float(np.trace(covariance)))
        losses.append(net.loss(mean) + 0.5 * float(np.sum(net.hessian(mean) * covariance)))
    return Closure(np.arange(steps + 1), np.array(means), np.array(traces), covariance, np.array(losses))


def _mean_gradient(net: LossFunctions, mean: np.ndarray, covariance: np.ndarray, pairs: int = 20) -> np.ndarray:
    """E g(theta) to second order: g(m) + sum_j (g(m + s_j) + g(m - s_j) - 2 g(m)) / 2 with s_j = sqrt(C_j) v_j."""
    here = net.gradient(mean)
    values, vectors = np.linalg.eigh(covariance)
    shift = np.zeros_like(here)
    for value, vector in list(zip(values, vectors.T, strict=True))[: -pairs - 1 : -1]:
        if value > 1e-12 * max(values[-1], 1e-300):
            move = math.sqrt(value) * vector
            shift += 0.5 * (net.gradient(mean + move) + net.gradient(mean - move)) - here
    return here + shift


def _refuse_beyond_edge(learning_rate: float, curvature: float) -> None:
    if learning_rate * curvature >= EDGE:
        rule = f"below 2 / (largest curvature) = {EDGE / curvature:.4g}"
        raise bad_value(
            "learning_rate", rule, learning_rate, "Beyond it steps grow and no linear law holds: train runs."
        )


def _symmetric(name: str, value: Any) -> np.ndarray:
    matrix = reals(name, value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise bad_value(name, "a finite square matrix", f"an array of shape {matrix.shape}")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-8 * float(np.abs(matrix).max(initial=0.0))):
        raise bad_value(name, "symmetric", "a matrix that is not", "Pass (A + A.T) / 2 if that is meant.")
    return matrix
