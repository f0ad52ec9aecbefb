"""Penalised fits whose smoothness the data choose, for splines in one and two coordinates.

    ln L(theta) - sum_k l_k theta^T S_k theta / 2

The factors follow Fellner and Schall (Wood and Fasiolo 2017), the fixed point of the marginal likelihood:

    l_k <- [rank S_k - l_k tr(V S_k)] / (theta^T S_k theta),      V = (I + sum_k l_k S_k)^-1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .optimize import Ascent, ascend, inverse

ROUNDS = 30
INNER = 100  # rounds of the factors for one information
ROUGHLY = 0.02  # of ln L: how near its maximum a fit is while the penalties still move
NEARLY = 1e-3  # of ln L, a twentieth of a standard error: in the last fit
STILL = 0.05  # change of the effective degrees of freedom at which the penalties stay
SETTLED = 1e-2  # relative change of a factor
SPAN = (1e-6, 1e10)  # of the factors
SPENT = 0.02  # degrees of freedom that a penalty leaves, from which on it need not grow


@dataclass(frozen=True)
class Penalty:
    """S_k: the part of the coefficients that it concerns, its matrix there, and its rank."""

    part: slice
    matrix: np.ndarray
    rank: int


@dataclass(frozen=True)
class Smoothed:
    """A penalised fit: where the ascent ended, its penalty (m, m), and the effective degrees of freedom of each part."""

    ascent: Ascent
    penalty: np.ndarray
    freedom: tuple[float, ...]


def slope_changes(places: np.ndarray) -> np.ndarray:
    """From values at increasing places (m,) to the changes of slope at the inner ones, (m - 2, m), times the distance there."""
    gaps = np.diff(places)
    slopes = np.diff(np.eye(places.size), axis=0) / gaps[:, None]
    return np.sqrt(gaps[1:] * gaps[:-1])[:, None] * np.diff(slopes, axis=0)


def smooth(likelihood: Any, penalties: list[Penalty], theta: np.ndarray) -> Smoothed:
    """The maximum of the penalised likelihood, with the factors of the penalties that are most likely."""
    factors, freedom = np.ones(len(penalties)), np.full(len(penalties), np.inf)
    for _ in range(ROUNDS):
        penalty = _weighted(factors, penalties, theta.size)
        ascent = ascend(likelihood, theta, penalty, tolerance=ROUGHLY)
        theta = ascent.theta
        information = ascent.information - penalty
        pull = information @ theta + ascent.gradient + penalty @ theta
        factors = _most_likely_factors(factors, penalties, information, pull)
        before, freedom = freedom, _freedom(factors, penalties, information)
        if np.abs(freedom - before).max() < STILL:
            break
    penalty = _weighted(factors, penalties, theta.size)
    ascent = ascend(likelihood, theta, penalty, tolerance=NEARLY)
    freedom = _freedom(factors, penalties, ascent.information - penalty)
    return Smoothed(ascent, penalty, tuple(freedom.tolist()))


def _most_likely_factors(
    factors: np.ndarray, penalties: list[Penalty], information: np.ndarray, pull: np.ndarray
) -> np.ndarray:
    """The fixed point of the factors where ln L is the parabola of this information, theta = V pull."""
    factors = factors.copy()
    for _ in range(INNER):
        variance = inverse(information + _weighted(factors, penalties, pull.size))
        theta, before = variance @ pull, factors.copy()
        for k, (part, matrix, rank) in enumerate((p.part, p.matrix, p.rank) for p in penalties):
            own = theta[part]
            left = rank - factors[k] * float(np.sum(variance[part, part] * matrix))
            if left > SPENT:
                factors[k] = np.clip(left / max(float(own @ matrix @ own), 1e-300), *SPAN)
        if np.abs(np.log(factors / before)).max() < SETTLED:
            break
    return factors


def _weighted(factors: np.ndarray, penalties: list[Penalty], size: int) -> np.ndarray:
    total = np.zeros((size, size))
    for factor, penalty in zip(factors, penalties, strict=True):
        total[penalty.part, penalty.part] += factor * penalty.matrix
    return total


def _freedom(factors: np.ndarray, penalties: list[Penalty], information: np.ndarray) -> np.ndarray:
    """Effective degrees of freedom: the traces of V I over the coefficients of each part."""
    variance = inverse(information + _weighted(factors, penalties, len(information)))
    diagonal = np.einsum("ij,ji->i", variance, information)
    return np.array([diagonal[penalty.part].sum() for penalty in penalties])
