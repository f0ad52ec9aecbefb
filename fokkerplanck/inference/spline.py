"""Drift and diffusion without a family: penalised cubic splines, with the smoothness chosen by the data (1D).

    mu(x) = sum_k a_k B_k(u),    ln D(x) = sum_k b_k B_k(u),    u = asinh((x - median) / (IQR / 1.35))

with second differences of a and b penalised, ln L - (l_a |D2 a|^2 + l_b |D2 b|^2) / 2. The factors follow Fellner and
Schall (Wood and Fasiolo 2017), the fixed point of the marginal likelihood:

    l <- [rank - l tr(V S)] / (c^T S c),      V = (I + l_a S_a + l_b S_b)^-1,      S = D2^T D2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from ..model.equation import FokkerPlanck
from .optimize import Ascent, ascend, inverse
from .paths import Transitions

FUNCTIONS = 12  # of each of the two splines
FEWEST = 50  # transitions
ROUNDS = 30
ROUGHLY = 0.02  # of ln L: how near its maximum a fit is while the penalties still move
NEARLY = 1e-3  # of ln L, a twentieth of a standard error: in the last fit
STILL = 0.05  # relative change of the effective degrees of freedom at which the penalties stay
UNDER = 0.1  # of the penalty in the last fit, whose intervals then cover
SPAN = (1e-6, 1e10)  # of the penalties


@dataclass(frozen=True)
class SplineFamily:
    """From coefficients (2 m,) to an equation: those of mu in units of `speed`, then those of ln(D / `strength`)."""

    middle: float
    width: float
    knots: np.ndarray
    speed: float
    strength: float

    @classmethod
    def of(cls, data: Transitions) -> SplineFamily:
        """Knots over the range of the data, uniform in u; scales from the steps."""
        x = np.concatenate([data.starts[:, 0], data.ends[:, 0]])
        low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
        width = max(float(high - low) / 1.35, 1e-12 * float(np.ptp(x)))
        u = np.arcsinh((x - middle) / width)
        inner = np.linspace(u.min(), u.max(), FUNCTIONS - 2)
        gap = inner[1] - inner[0]
        knots = np.concatenate([inner[0] + gap * np.arange(-3, 0), inner, inner[-1] + gap * np.arange(1, 4)])
        step = data.ends[:, 0] - data.starts[:, 0]
        variance = float(step.var())
        return cls(float(middle), width, knots, float(np.sqrt(variance)) / data.tau, variance / (2.0 * data.tau))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the coefficients."""
        return tuple(f"{what}[{k}]" for what in ("drift", "ln diffusion") for k in range(FUNCTIONS))

    @property
    def penalties(self) -> list[np.ndarray]:
        """S_a and S_b, (2 m, 2 m) each."""
        second = np.diff(np.eye(FUNCTIONS), 2, axis=0)
        square = second.T @ second
        result = []
        for part in range(2):
            matrix = np.zeros((2 * FUNCTIONS, 2 * FUNCTIONS))
            rows = slice(part * FUNCTIONS, (part + 1) * FUNCTIONS)
            matrix[rows, rows] = square
            result.append(matrix)
        return result

    def __call__(self, theta: np.ndarray) -> FokkerPlanck:
        """The equation; beyond the data mu goes on as a straight line in x and D stays."""
        mu = BSpline(self.knots, self.speed * theta[:FUNCTIONS], 3)
        log_d = BSpline(self.knots, theta[FUNCTIONS:], 3)
        slope = mu.derivative()
        ends = self.knots[3], self.knots[-4]
        places = self.middle + self.width * np.sinh(ends)

        def drift(x: np.ndarray) -> np.ndarray:
            inside = np.clip(x, places[0], places[1])
            u = np.clip(np.arcsinh((inside - self.middle) / self.width), ends[0], ends[1])
            return mu(u) + (x - inside) * slope(u) / (self.width * np.cosh(u))

        def diffusion(x: np.ndarray) -> np.ndarray:
            u = np.clip(np.arcsinh((x - self.middle) / self.width), ends[0], ends[1])
            return self.strength * np.exp(np.clip(log_d(u), -300.0, 300.0))

        return FokkerPlanck(drift=drift, diffusion=diffusion)

    def start(self, data: Transitions) -> np.ndarray:
        """A straight line for the drift, regressed on the place, and constant noise."""
        x, step = data.starts[:, 0], data.ends[:, 0] - data.starts[:, 0]
        line = np.polynomial.polynomial.Polynomial.fit(x, step / data.tau, 1)
        u = np.linspace(self.knots[3], self.knots[-4], 4 * FUNCTIONS)
        basis = BSpline.design_matrix(u, self.knots, 3).toarray()
        wished = line(self.middle + self.width * np.sinh(u)) / self.speed
        drift = np.linalg.lstsq(basis, wished, rcond=None)[0]
        return np.concatenate([drift, np.zeros(FUNCTIONS)])


@dataclass(frozen=True)
class Smoothed:
    """A penalised fit: where the ascent ended, its penalty (m, m), and the effective degrees of freedom."""

    ascent: Ascent
    penalty: np.ndarray
    freedom: tuple[float, float]


def smooth(likelihood: Any, family: SplineFamily, theta: np.ndarray) -> Smoothed:
    """The penalised fit with penalties by Fellner and Schall, then once more with a tenth of them."""
    parts, factors = family.penalties, np.array([1.0, 1.0])
    freedom = np.full(2, np.inf)
    for _ in range(ROUNDS):
        ascent = ascend(likelihood, theta, _weighted(factors, parts), tolerance=ROUGHLY)
        theta = ascent.theta
        variance = inverse(ascent.information)
        plain = ascent.information - _weighted(factors, parts)
        before, freedom = freedom, _freedom(variance, plain)
        rank = FUNCTIONS - 2
        for k, part in enumerate(parts):
            size = float(theta @ part @ theta)
            left = rank - factors[k] * float(np.sum(variance * part))
            factors[k] = np.clip(max(left, 1e-6) / max(size, 1e-300), *SPAN)
        if np.abs(freedom - before).max() < STILL:
            break
    penalty = UNDER * _weighted(factors, parts)
    ascent = ascend(likelihood, theta, penalty, tolerance=NEARLY)
    freedom = _freedom(inverse(ascent.information), ascent.information - penalty)
    return Smoothed(ascent, penalty, (float(freedom[0]), float(freedom[1])))


def _weighted(factors: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    return np.tensordot(factors, np.array(parts), axes=1)


def _freedom(variance: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Effective degrees of freedom of both splines: the traces of V I over their coefficients."""
    diagonal = np.einsum("ij,ji->i", variance, information)
    return np.array([diagonal[:FUNCTIONS].sum(), diagonal[FUNCTIONS:].sum()])
