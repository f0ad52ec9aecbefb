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

Jumps of stability a and scale s0(theta) a step, in one parameter whose gradient is linear, J the same everywhere: with
1 + Z = J^2 and P(Z) = (1 + 2 Z/3)^-1 (1 + Z/6), that of mu = Z P(Z) (theta - minimum) / 2,

    s^a = (1/2) (|J|^a s0(theta)^a + s0(F)^a) a Z P(Z) / ((1 + Z)^a - 1).

For s0 the same everywhere, theta -> J theta + s0 xi has the stationary law of scale^a = s0^a / (1 - |J|^a), and the flow of
rate r = -Z P(Z) / 2 that of s^a / (a r): they are the same. Elsewhere a jump lands where the next step is another than where
it began, and what two steps add is no multiple of it: that is refused. With several parameters jumps of covariance C become
the sum of some of C and some of J C J, which is no elliptic law.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import bad_value
from ..model.levy import LevyJumps
from .refined_model import STEP

if TYPE_CHECKING:
    from .algorithm import SGD

TURNS = -1.2  # of the symmetric part of Z: 1 + 2 Z/3 is then invertible, its inverse at most 5
BENT = 1e-6  # of the gradient, relative: by what it may differ from a linear one, which is more than rounding
SLOW = 1e-9  # of Z, below which its factor of the jumps is 1
LOOKED_AT = np.linspace(-1.0, 1.0, 9)  # where a gradient is looked at before a density asks for it


@dataclass(frozen=True, eq=False)
class TwoStepModel:
    """Drift and diffusion over two steps of an SGD: functions of the parameters, d arrays of one shape.

    jumps: those of one step, in place of the noise of the batches.
    """

    sgd: SGD
    jumps: LevyJumps | None = None

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

    def jump_scale(self, theta: np.ndarray) -> np.ndarray:
        """s of the jumps of one parameter, in the shape of the array."""
        assert self.jumps is not None
        at = np.asarray(theta, dtype=float)[None]
        first = self._step(at)
        refuse_bent(self.sgd, np.concatenate([at.ravel(), first.ravel()]))
        a, jacobian, z = self.jumps.stability, self._jacobian(first)[0, 0], self._change(at, first)[..., 0, 0]
        before, after = (self.jumps.scale_at((x[0],)) ** a for x in (at, first))
        with np.errstate(divide="ignore"):
            grown = np.expm1(a * np.log1p(z))  # (1 + Z)^a - 1
        slow = np.abs(z) < SLOW
        rate = a * z * _pade(z[..., None, None], 2.0 / 3.0, 1.0 / 6.0, np.ones((*z.shape, 1, 1)))[..., 0, 0]
        factor = np.where(slow, 1.0, rate / np.where(slow, 1.0, grown))
        return (0.5 * (np.abs(jacobian) ** a * before + after) * factor) ** (1.0 / a)

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
        """C, with the noise that SGD adds itself and without what is jumps, (d, d, *shape)."""
        each = range(len(at))
        c = 2.0 * self.sgd.batch_diffusion(*at) if self.jumps is None else np.zeros((len(at), *at.shape))
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


def refuse_bent(sgd: SGD, theta: np.ndarray) -> None:
    """Refuse jumps where the gradient of one parameter is not linear in it, at points (n,)."""
    g, h = sgd.loss.gradient(theta)[0], sgd.loss.hessian(theta)[0, 0]
    finite = np.flatnonzero(np.isfinite(g) & np.isfinite(h))
    if not finite.size:
        return
    place = finite[0]
    off = np.abs(g - g[place] - h[place] * (theta - theta[place]))[finite]
    size = np.abs(g[finite]).max() + np.abs(h[place] * (theta[finite] - theta[place])).max()
    if not off.max() <= BENT * size:
        rule = "another than 'two-step' with stability where the gradient is not linear"
        then = (
            "A jump lands where the second step is another than where it began, so that two steps do not add a multiple of it. "
            "Take drift='first-order', or run sgd.simulate."
        )
        where = f"one that is off a line by {off.max():.3g} at {theta[finite][off.argmax()]:.4g}"
        raise bad_value("drift", rule, where, then)


def check_two_step(sgd: SGD, central_flow: bool, stability: float | None) -> None:
    """Refuse what the drift over two steps does not go with."""
    then = {
        "central_flow": "Its density holds the oscillation already, whose drift central_flow would add again.",
        "a schedule": "It is that of two steps of one learning rate.",
        "stability and several parameters": "Jumps of two steps have no one covariance there: take drift='first-order'.",
    }
    given = {
        "central_flow": central_flow,
        "a schedule": sgd.schedule is not None,
        "stability and several parameters": stability is not None and sgd.loss.dim > 1,
    }
    for name, there in given.items():
        if there:
            raise bad_value("drift", f"another than 'two-step' with {name}", "two-step", then[name])
    if stability is not None:
        low, high = sgd.loss.box[0] if sgd.loss.box else (-1.0, 1.0)
        refuse_bent(sgd, 0.5 * (low + high) + 0.5 * (high - low) * LOOKED_AT)
