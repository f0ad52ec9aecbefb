"""Drift and diffusion of SGD over two steps, which hold at and above the edge of stability.

With F = theta - eta g, J = 1 - eta H, C = eta^2 f Sigma / B the covariance of a step's noise, and a second step read at F,

    Z  = J(F) J(theta) - 1
    V  = F(F(theta)) - theta - (eta/2) grad tr(C(theta) H(F)),  the mean of two steps: noise bends the second, C held fixed
    mu = (1/2) (1 + 2 Z/3)^-1 (1 + Z/6) V
    D  = (1/4) R (J(F) C(theta) J(F)^T + C(F)) R^T,    R = (1 + 7 Z/12)^-1 (1 + Z/12)

per step; the density is that of even steps. (1 + 2 Z/3)^-1 (1 + Z/6) is the Pade approximant of ln(1 + Z)/Z, with which a
linear flow over two steps is what two steps are, and R that of the root of 2 ln(1 + Z) / (Z (2 + Z)), with which its
stationary variance is that of SGD, C / (1 - J^2). Descent that oscillates by a factor near -1 a step moves little in two,
so that mu varies slowly where -eta g does not: the oscillation is part of the density, and its pull on the sharpness
(Cohen, Damian, Talwalkar, Kolter and Lee 2025) comes of itself. Where two steps turn a direction over, Z < -1.2, no flow
does so: mu is V / 2, and R is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import bad_value
from .refined_model import STEP

if TYPE_CHECKING:
    from .algorithm import SGD

TURNS = -1.2  # of the symmetric part of Z: 1 + 2 Z/3 is then invertible, its inverse at most 5


@dataclass(frozen=True, eq=False)
class TwoStepModel:
    """Drift and diffusion over two steps of an SGD: functions of the parameters, d arrays of one shape."""

    sgd: SGD

    def drift(self, *theta: np.ndarray) -> np.ndarray:
        """mu, (d, *shape); in 1D the shape of the array."""
        at = np.stack([np.asarray(x, dtype=float) for x in theta])
        first = self._step(at)
        mean = self._step(first) - at - 0.5 * self.sgd.learning_rate * self._bend(at, first)
        v = np.moveaxis(mean, 0, -1)[..., None]
        mu = np.moveaxis(0.5 * _pade(self._change(at, first), 2.0 / 3.0, 1.0 / 6.0, v)[..., 0], -1, 0)
        return mu[0] if len(at) == 1 else mu

    def diffusion(self, *theta: np.ndarray) -> np.ndarray:
        """D, (d, d, *shape); in 1D the shape of the array."""
        at = np.stack([np.asarray(x, dtype=float) for x in theta])
        first = self._step(at)
        jacobian, z = self._jacobian(first), self._change(at, first)
        carried = np.einsum("ij...,jk...,lk...->il...", jacobian, self._covariance(at), jacobian)
        two = np.moveaxis(0.25 * (carried + self._covariance(first)), (0, 1), (-2, -1))
        half = _pade(z, 7.0 / 12.0, 1.0 / 12.0, two)
        spread = np.moveaxis(_pade(z, 7.0 / 12.0, 1.0 / 12.0, np.swapaxes(half, -1, -2)), (-2, -1), (0, 1))
        return spread[0, 0] if len(at) == 1 else 0.5 * (spread + np.swapaxes(spread, 0, 1))

    def _step(self, at: np.ndarray) -> np.ndarray:
        """F."""
        return at - self.sgd.learning_rate * self.sgd.loss.gradient(*at)

    def _change(self, at: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Z, (*shape, d, d); 0 where two steps turn a direction over, or where it is not finite."""
        z = np.einsum("ij...,jk...->...ik", self._jacobian(first), self._jacobian(at)) - np.eye(len(at))
        finite = np.isfinite(z).all(axis=(-2, -1))[..., None, None]
        z = np.where(finite, z, 0.0)
        turned = np.linalg.eigvalsh(0.5 * (z + np.swapaxes(z, -1, -2)))[..., :1, None] < TURNS
        return np.where(turned, 0.0, z)

    def _jacobian(self, at: np.ndarray) -> np.ndarray:
        """J, (d, d, *shape)."""
        unit = np.eye(len(at)).reshape(len(at), len(at), *[1] * (at.ndim - 1))
        return unit - self.sgd.learning_rate * self.sgd.loss.hessian(*at)

    def _covariance(self, at: np.ndarray) -> np.ndarray:
        """C, with the noise that SGD adds itself, (d, d, *shape)."""
        each = range(len(at))
        c = 2.0 * self.sgd.batch_diffusion(*at)
        c[each, each] += self.sgd.injected_variance
        return c

    def _bend(self, at: np.ndarray, first: np.ndarray) -> np.ndarray:
        """grad tr(C(at) H(first)), (d, *shape), by central differences of the Hessian."""
        c, bends = self._covariance(at), []
        for axis, x in enumerate(first):
            h = np.zeros_like(first)
            h[axis] = STEP * np.maximum(1.0, np.abs(x))
            change = self.sgd.loss.hessian(*(first + h)) - self.sgd.loss.hessian(*(first - h))
            bends.append(np.einsum("ij...,ij...->...", c, change) / (2.0 * h[axis]))
        return np.stack(bends)


def _pade(z: np.ndarray, below: float, above: float, v: np.ndarray) -> np.ndarray:
    """(1 + below Z)^-1 (1 + above Z) V."""
    return np.linalg.solve(np.eye(z.shape[-1]) + below * z, v + above * z @ v)


def check_two_step(sgd: SGD, central_flow: bool, stability: float | None) -> None:
    """Refuse what the drift over two steps does not go with."""
    then = {
        "central_flow": "Its density holds the oscillation already, whose drift central_flow would add again.",
        "stability": "How jumps add up over two steps is not known.",
        "a schedule": "It is that of two steps of one learning rate.",
    }
    given = {"central_flow": central_flow, "stability": stability is not None, "a schedule": sgd.schedule is not None}
    for name, there in given.items():
        if there:
            raise bad_value("drift", f"another than 'two-step' with {name}", "two-step", then[name])
