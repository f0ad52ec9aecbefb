"""Levenberg-Marquardt ascent of a likelihood, with the expected information as its Newton matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import warn
from ..progress import Pace

TOLERANCE = 1e-6  # of ln L: half the last Newton decrement
MOST_STEPS = 200
MOST_DAMPING = 1e12


@dataclass
class Ascent:
    """Where an ascent ended: parameters, ln L (less the penalty), its gradient and information, and how near the top.

    decrement: half of g^T I^-1 g, the ln L that a Newton step would still gain.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    information: np.ndarray
    decrement: float
    steps: int
    message: str
    tolerance: float = TOLERANCE

    @property
    def converged(self) -> bool:
        """Whether the decrement is within the tolerance."""
        return self.decrement <= self.tolerance

    def for_fit(self) -> dict[str, Any]:
        """What a `Fit` says of its ascent; a warning where it did not arrive."""
        if not self.converged:
            then = "Pass another `start`, or fewer parameters."
            if "refusal" in self.message:
                then = "At the edge of what the equation allows, fix that parameter; else pass another `start`."
            text = f"the fit has not converged: {self.message}. {then}"
            warn(text, RuntimeWarning)
        return {
            "covariance": inverse(self.information),
            "converged": self.converged,
            "decrement": self.decrement,
            "message": self.message,
            "steps": self.steps,
        }


def ascend(
    likelihood: Any,
    theta: np.ndarray,
    penalty: np.ndarray | None = None,
    free: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
) -> Ascent:
    """The maximum of ln L(theta) - theta^T penalty theta / 2 over the free parameters.

    Parameters
    ----------
    likelihood : object with `value(theta)` and `evaluate(theta)`
    theta : ndarray (m,)
        Where to start.
    penalty : ndarray (m, m), optional
    free : ndarray of bool (m,), optional
        The others stay.
    tolerance : float
        Decrement at which the ascent ends.

    Notes
    -----
    A trial outside the equation's domain (a negative diffusion, a coefficient that is not finite) raises ValueError and
    counts as a step downhill; at the start it is raised.
    """
    free = np.ones(theta.size, dtype=bool) if free is None else free
    penalty = np.zeros((theta.size, theta.size)) if penalty is None else penalty
    refused = ""
    damping, theta = 1e-3, theta.astype(float).copy()
    state = _evaluate(likelihood, theta, penalty)
    pace = Pace(__name__, "fit")
    for step in range(MOST_STEPS):
        value, gradient, information = state
        pace(step / MOST_STEPS, f"at most, ln L = {value:.8g}")
        decrement = _decrement(gradient[free], information[np.ix_(free, free)])
        if decrement <= tolerance:
            return Ascent(theta, *state, decrement, step, "converged", tolerance)
        better = None
        while better is None and damping < MOST_DAMPING:
            trial = theta.copy()
            trial[free] += _damped_step(gradient[free], information[np.ix_(free, free)], damping)
            reached, refused = _try(lambda at: _penalised_value(likelihood, at, penalty), trial, refused)
            if reached is not None and reached > value:
                better = trial
                damping = max(damping / 10.0, 1e-9)
            else:
                damping *= 4.0
        if better is None:
            break
        theta, state = better, _evaluate(likelihood, better, penalty)
    why = f"; the last refusal: {refused}" if refused else ""
    message = f"stopped {decrement:.2g} of ln L below a maximum{why}"
    last = _decrement(state[1][free], state[2][np.ix_(free, free)])
    return Ascent(theta, *state, last, step, message, tolerance)


def _try(f: Callable[[np.ndarray], float], trial: np.ndarray, refused: str) -> tuple[float | None, str]:
    """The value at a trial point, or None and the reason where the equation refuses the parameters."""
    try:
        value = f(trial)
    except ValueError as error:
        return None, str(error)
    return (value, refused) if np.isfinite(value) else (None, "ln L is not finite")


def _penalised_value(likelihood: Any, theta: np.ndarray, penalty: np.ndarray) -> float:
    return likelihood.value(theta) - 0.5 * float(theta @ penalty @ theta)


def _evaluate(likelihood: Any, theta: np.ndarray, penalty: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    found = likelihood.evaluate(theta)
    pull = penalty @ theta
    return found.value - 0.5 * float(theta @ pull), found.gradient - pull, found.information + penalty


def _damped_step(gradient: np.ndarray, information: np.ndarray, damping: float) -> np.ndarray:
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(information), 1e-300))
    scaled = information * scale * scale[:, None]
    return scale * np.linalg.lstsq(scaled + damping * np.eye(scale.size), scale * gradient, rcond=1e-14)[0]


def _decrement(gradient: np.ndarray, information: np.ndarray) -> float:
    return 0.5 * float(gradient @ _damped_step(gradient, information, 1e-12))


def inverse(information: np.ndarray) -> np.ndarray:
    """The inverse of a symmetric matrix, by its eigenvalues in units of its diagonal; directions without information have
    infinite variance.
    """
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(information), 1e-300))
    values, vectors = np.linalg.eigh(information * scale * scale[:, None])
    known = values > 1e-12
    result = (vectors[:, known] / values[known]) @ vectors[:, known].T
    if not known.all():
        blind = (vectors[:, ~known] ** 2).sum(axis=1) > 1e-6
        result[blind] = result[:, blind] = 0.0
        result[blind, blind] = np.inf
    return result * scale * scale[:, None]
