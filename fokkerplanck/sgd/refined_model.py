"""One model with all refinements of SGD, each of which may be left out. With b = time_order, a = stability:

    dp/dt = D_t^(1-b) [ -div(mu p) + noise p ]

    mu    = -eta (g + (eta/2) H g + (v/2) grad S) - strength (theta - <theta>)
    noise = div div D p, D = eta^2 f Sigma / (2 B); with stability a below 2 jumps in its place: exp(-t (k . C k)^(a/2)),
            C = s^2 1 as in "levy", or anisotropic, C = q eta^2 f Sigma / B

(eta/2) H g belongs to drift="second-order", (v/2) grad S to central_flow: S is the largest eigenvalue of the Hessian and v what
the variance of the discrete oscillation along its eigenvector u exceeds that of the diffusion by,

    v = eta^2 f u.Sigma u / (2 B (2 - eta S)),

the difference of eta^2 Sigma_u / (1 - (1 - eta S)^2) and eta Sigma_u / (2 S), which the density holds itself. It grows as S
comes to 2 / eta. From there on v is at least the variance that holds S (Cohen, Damian, Talwalkar, Kolter and Lee 2025), and
brings it back at the rate at which the oscillation grows, ln(eta S - 1) a step:

    v = 2 (max(<-g, grad S>, 0) + (S - 2/eta) ln(eta S - 1) / eta) / |grad S|^2        where S > 2 / eta,

a sliding mode, S <= 2 / eta, reached from both sides. Descent from well above the edge overshoots, far below it, before it
comes back: that, v does not know. drift="two-step" (`fokkerplanck.sgd.two_step_model`) follows it, without v: the
oscillation is in its density.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .algorithm import SGD
    from .loss import SampleLoss

NEAREST = 1e-3  # 2 - eta S from which on v grows no more
STEP = 1e-5  # of the differences of the Hessian, relative to the coordinate


@dataclass(frozen=True, eq=False)
class RefinedDrift:
    """mu without the interaction: a function of the parameters."""

    sgd: SGD
    second_order: bool
    central_flow: bool

    def __call__(self, *theta: np.ndarray) -> np.ndarray:
        """mu at points given by d arrays of one shape, (d, *shape); in 1D the shape of the array."""
        sgd, eta = self.sgd, self.sgd.learning_rate
        g = sgd.loss.gradient(*theta)
        force = g
        if self.second_order:
            force = g + 0.5 * eta * np.einsum("ij...,j...->i...", sgd.loss.hessian(*theta), g)
        if self.central_flow:
            force = force + self._oscillation(g, theta)
        return -eta * force[0] if sgd.loss.dim == 1 else -eta * force

    def _oscillation(self, g: np.ndarray, theta: tuple[np.ndarray, ...]) -> np.ndarray:
        """(v/2) grad S."""
        sgd, eta = self.sgd, self.sgd.learning_rate
        sharpness, u, slope = top_eigenvalue(sgd.loss, theta)
        gap = 2.0 - eta * sharpness
        along = 2.0 * np.einsum("i...,ij...,j...->...", u, sgd.batch_diffusion(*theta), u) + sgd.injected_variance
        v = 0.5 * along / np.maximum(gap, NEAREST)
        above = gap <= 0.0
        push = np.maximum(-(g * slope).sum(axis=0), 0.0) - gap * np.log1p(np.maximum(-gap, 0.0)) / eta**2
        square = np.maximum((slope**2).sum(axis=0), 1e-300)
        v = np.where(above, np.maximum(v, 2.0 * push / square), v)
        return 0.5 * v * slope


def top_eigenvalue(loss: SampleLoss, theta: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S, its eigenvector u (d, *shape) and its gradient u . (dH) u (d, *shape), by central differences of the Hessian."""
    values, vectors = np.linalg.eigh(np.moveaxis(loss.hessian(*theta), (0, 1), (-2, -1)))
    u = np.moveaxis(vectors[..., -1], -1, 0)
    slope = []
    for axis, x in enumerate(theta):
        h = STEP * np.maximum(1.0, np.abs(x))
        ends = [loss.hessian(*(y + sign * h if k == axis else y for k, y in enumerate(theta))) for sign in (1.0, -1.0)]
        slope.append(np.einsum("i...,ij...,j...->...", u, ends[0] - ends[1], u) / (2.0 * h))
    return values[..., -1], u, np.stack(slope)
