"""exp(Q t) P by uniformization: about rate * t products with a nonnegative matrix, strictly nonnegative."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from scipy.special import gammaln

from ...progress import Pace
from ..kernels.matvec import Operator, poisson_sum


class Jumping(Protocol):
    """A matrix whose entries beside the diagonal are not negative, and the largest of which on it `outflow` bounds."""

    @property
    def operator(self) -> Operator:
        """For the kernels."""

    @property
    def outflow(self) -> np.ndarray:
        """Minus the diagonal, (n,)."""


class Uniformization:
    """Poisson sum of powers of 1 + Q / rate: no subtraction anywhere, hence nonnegative (Jensen 1953)."""

    name = "uniformization"
    window = 4000.0  # expected jumps in one sum

    def __init__(self, q: Jumping, rtol: float, horizon: float):
        self.operator = q.operator
        self.rate = float(q.outflow.max(initial=0.0))
        self.work = {"products": 0}

    def products(self, time: float) -> float:
        """Roughly how many products a horizon takes."""
        jumps = self.rate * time
        return jumps + max(1.0, jumps / self.window) * (8.0 * math.sqrt(min(jumps, self.window)) + 20.0)

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """See `Method`."""
        if self.rate == 0.0:
            return masses.copy(), 0.0
        steps = max(1, math.ceil(self.rate * time / self.window))
        jumps = self.rate * time / steps
        k = np.arange(int(jumps + 8.0 * math.sqrt(jumps) + 20.0))
        weights = np.exp(k * math.log(jumps) - jumps - gammaln(k + 1.0)) if jumps > 0.0 else (k == 0).astype(float)
        # the logarithms cost some digits; what is known exactly is the sum, one less a tail of 1e-15
        weights /= weights.sum()
        result = np.empty_like(masses)
        pace = Pace(__name__, "density at the next time")
        for n in range(steps):
            pace(n / steps)
            poisson_sum(self.operator, self.rate, weights, masses, result)
            masses, result = result, np.empty_like(masses)
            self.work["products"] += k.size
        return masses, 1e-15 * steps * math.sqrt(k.size)
