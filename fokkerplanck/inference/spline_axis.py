"""Cubic splines along one axis, with knots as dense as the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline

from .smoothing import slope_changes


@dataclass(frozen=True)
class Axis:
    """The functions along one axis: knots over the data, uniform in u = asinh((x - middle) / width)."""

    middle: float
    width: float
    knots: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, count: int) -> Axis:
        """`count` functions for data x (n,)."""
        low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
        width = max(float(high - low) / 1.35, 1e-12 * float(np.ptp(x)))
        u = np.arcsinh((x - middle) / width)
        inner = np.linspace(u.min(), u.max(), count - 2)
        gap = inner[1] - inner[0]
        knots = np.concatenate([inner[0] + gap * np.arange(-3, 0), inner, inner[-1] + gap * np.arange(1, 4)])
        return cls(float(middle), width, knots)

    @property
    def count(self) -> int:
        """Number of functions."""
        return self.knots.size - 4

    @property
    def ends(self) -> tuple[float, float]:
        """The range of the data."""
        low, high = (self.middle + self.width * np.sinh(u) for u in (self.knots[3], self.knots[-4]))
        return float(low), float(high)

    @property
    def centers(self) -> np.ndarray:
        """Greville's abscissae in u, (count,)."""
        return np.array([self.knots[k + 1 : k + 4].mean() for k in range(self.count)])

    def slope_penalty(self, along_u: bool) -> np.ndarray:
        """(count, count): squares of the changes of slope d / du, or d / dx, of which a straight line has none."""
        change = slope_changes(self.centers if along_u else np.sinh(self.centers))
        return change.T @ change

    @cached_property
    def functions(self) -> tuple[BSpline, BSpline]:
        """All functions of u at once, and their derivatives."""
        basis = BSpline(self.knots, np.eye(self.count), 3)
        return basis, basis.derivative()

    def values(self, x: np.ndarray) -> np.ndarray:
        """(n, count) at x (n,), which beyond the data is their end."""
        return self.functions[0](self.u(x))

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Their derivatives with respect to x."""
        u = self.u(x)
        return self.functions[1](u) / (self.width * np.cosh(u))[:, None]

    def spread(self, count: int) -> np.ndarray:
        """Places over the range of the data, even in u, (count,)."""
        return self.middle + self.width * np.sinh(np.linspace(self.knots[3], self.knots[-4], count))

    def u(self, x: np.ndarray) -> np.ndarray:
        """asinh((x - middle) / width), within the data."""
        return np.clip(np.arcsinh((x - self.middle) / self.width), self.knots[3], self.knots[-4])
