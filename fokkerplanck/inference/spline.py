"""Drift and diffusion without a family: penalised cubic splines, with the smoothness chosen by the data (1D).

    mu(x) = sum_k a_k B_k(u),    ln D(x) = sum_k b_k B_k(u),    u = asinh((x - median) / (IQR / 1.35))

with changes of the slopes d mu / dx and d ln D / du penalised, ln L - (l_a |P a|^2 + l_b |D2 b|^2) / 2: a linear drift and
constant noise cost nothing, so that the most common truths are not bent (with changes of d mu / du the intervals of a linear
drift under noise that grows with the place cover .77 instead of .90).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

from ..model.equation import FokkerPlanck
from .paths import Transitions
from .smoothing import Penalty
from .spline_axis import Axis

FUNCTIONS = 12  # of each of the two splines
FEWEST = 50  # transitions


@dataclass(frozen=True)
class SplineFamily:
    """From coefficients (2 m,) to an equation: those of mu in units of `speed`, then those of ln(D / `strength`)."""

    axis: Axis
    speed: float
    strength: float

    @classmethod
    def of(cls, data: Transitions) -> SplineFamily:
        """Knots over the range of the data, uniform in u; scales from the steps."""
        axis = Axis.of(np.concatenate([data.starts[:, 0], data.ends[:, 0]]), FUNCTIONS)
        variance = float((data.ends[:, 0] - data.starts[:, 0]).var())
        return cls(axis, float(np.sqrt(variance)) / data.tau, variance / (2.0 * data.tau))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the coefficients."""
        return tuple(f"{what}[{k}]" for what in ("drift", "ln diffusion") for k in range(FUNCTIONS))

    @property
    def penalties(self) -> list[Penalty]:
        """Of the drift and of ln D."""
        parts = (slice(0, FUNCTIONS), slice(FUNCTIONS, 2 * FUNCTIONS))
        return [Penalty(part, self.axis.slope_penalty(bool(k)), FUNCTIONS - 2) for k, part in enumerate(parts)]

    def __call__(self, theta: np.ndarray) -> FokkerPlanck:
        """The equation; beyond the data mu goes on as a straight line in x and D stays."""
        axis, knots = self.axis, self.axis.knots
        mu = BSpline(knots, self.speed * theta[:FUNCTIONS], 3)
        log_d, slope = BSpline(knots, theta[FUNCTIONS:], 3), mu.derivative()

        def drift(x: np.ndarray) -> np.ndarray:
            inside = np.clip(x, *axis.ends)
            u = axis.u(inside)
            return mu(u) + (x - inside) * slope(u) / (axis.width * np.cosh(u))

        def diffusion(x: np.ndarray) -> np.ndarray:
            return self.strength * np.exp(np.clip(log_d(axis.u(x)), -300.0, 300.0))

        return FokkerPlanck(drift=drift, diffusion=diffusion)

    def start(self, data: Transitions) -> np.ndarray:
        """A straight line for the drift, regressed on the place, and constant noise."""
        x, step = data.starts[:, 0], data.ends[:, 0] - data.starts[:, 0]
        line = np.polynomial.polynomial.Polynomial.fit(x, step / data.tau, 1)
        places = self.axis.spread(4 * FUNCTIONS)
        drift = np.linalg.lstsq(self.axis.values(places), line(places) / self.speed, rcond=None)[0]
        return np.concatenate([drift, np.zeros(FUNCTIONS)])
