"""Shuffled SGD seen at the ends of its epochs: every sample once, so that the noise of an epoch nearly cancels.

With H the Hessian, Sigma the covariance of the per-sample gradients, N samples in m = N/B batches and f = (N - B)/(N - 1),

    mu = -eta grad(L + (eta/4) (|grad L|^2 + (f/B) tr Sigma)),      D = eta^4 m (m + 1) / 24 H (f Sigma / B) H      per step.

An epoch with batch losses L_k leads from theta to theta - m eta g + eta^2 sum_{j<k} H_k g_j, to second order. Averaged over the
orders this is the flow on the modified loss L + (eta/4) (1/m) sum_k |grad L_k|^2; averaged over the ways to deal samples to
batches, the flow of mu (Smith, Dherin, Barrett and De 2021, on implicit regularisation). The first noise that does not cancel
is in the same sum: with xi_k = g_k - g it is (eta^2/2) sum_k (m + 1 - 2k) H xi_k if the Hessian is the same for all samples, of
variance eta^4 m^2 (m + 1) / 12 H (f Sigma / B) H in an epoch. Where Hessians of samples differ, this holds where g vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelWarning, bad_value, warn

if TYPE_CHECKING:
    from .algorithm import SGD

STEP = 1e-5  # of the differences of tr Sigma, relative to the coordinate


@dataclass(frozen=True, eq=False)
class ShuffledModel:
    """mu and D as functions of the parameters."""

    sgd: SGD

    def __post_init__(self) -> None:
        sgd = self.sgd
        if not sgd.shuffle or sgd.batch_size is None:
            then = "Make it SGD(loss, ..., batch_size=1, shuffle=True)."
            raise bad_value("model", "for SGD with shuffle=True and batches, if it is 'shuffled'", repr(sgd), then)
        if sgd.loss.n_samples % sgd.batch_size:
            rule = f"a divisor of the {sgd.loss.n_samples} samples for model 'shuffled'"
            raise bad_value("batch_size", rule, sgd.batch_size, "A smaller last batch counts more than its samples.")
        if not sgd.loss.knows_curvature:
            raise bad_value("hessian", "given with the gradient for model 'shuffled'", None)

    @property
    def batches(self) -> int:
        """m, the steps of an epoch."""
        return self.sgd.loss.n_samples // self.sgd.samples_a_step

    def drift(self, *theta: np.ndarray) -> np.ndarray:
        """mu at points given by d arrays of one shape, (d, *shape); in 1D the shape of the array."""
        sgd, eta = self.sgd, self.sgd.learning_rate
        g, hessian = sgd.loss.gradient(*theta), sgd.loss.hessian(*theta)
        slope = g + 0.5 * eta * np.einsum("ij...,j...->i...", hessian, g)
        slope = slope + 0.25 * eta * sgd.noise_factor * self._slope_of_trace(theta)
        return -eta * slope[0] if sgd.loss.dim == 1 else -eta * slope

    def diffusion(self, *theta: np.ndarray) -> np.ndarray:
        """D, (d, d, *shape); in 1D the shape of the array."""
        sgd, m = self.sgd, self.batches
        hessian = sgd.loss.hessian(*theta)
        within = np.einsum("ij...,jk...,kl...->il...", hessian, sgd.batch_diffusion(*theta), hessian)
        noise = sgd.learning_rate**2 * m * (m + 1) / 12.0 * within
        each = range(sgd.loss.dim)
        noise[each, each] += 0.5 * sgd.injected_variance
        return noise[0, 0] if sgd.loss.dim == 1 else noise

    def _slope_of_trace(self, theta: tuple[np.ndarray, ...]) -> np.ndarray:
        """grad tr Sigma by central differences, (d, *shape)."""
        slope = []
        for axis, x in enumerate(theta):
            h = STEP * np.maximum(1.0, np.abs(x))
            ends = [(*theta[:axis], x + sign * h, *theta[axis + 1 :]) for sign in (1.0, -1.0)]
            high, low = (np.einsum("ii...->...", self.sgd.loss.covariance(*end)) for end in ends)
            slope.append((high - low) / (2.0 * h))
        return np.stack(slope)


def tell_of_shuffling(sgd: SGD, model: str) -> None:
    """A warning where SGD shuffles: the noise of `model` is that of independent batches."""
    if not sgd.shuffle:
        return
    known = "" if sgd.momentum else "sgd.equation('shuffled'), "
    text = (
        f"SGD with shuffle=True sees every sample once in an epoch, so that its noise nearly cancels there; {model!r} has the "
        f"noise of independent batches, and its density is wider at the ends of epochs. Use {known}"
        "sgd.transfer_operator(grid), of which one application is an epoch, or sgd.simulate."
    )
    warn(text, ModelWarning)
