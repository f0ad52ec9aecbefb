"""Whether a stationary state of an equation with an interaction is stable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Stability:
    """How small perturbations of a stationary state grow, by the equation linearised there; their mass is zero.

    Attributes
    ----------
    growth : float
        The largest growth rate found, per time: negative where all perturbations decay; nan where it was not computed.
    rates : ndarray (k,) complex
        The eigenvalues found, by falling real part: some of those nearest to the bound on growth and to zero, and, where the
        interaction reads averages (`MeanField`, `Swarm`), of those that turn at any frequency. With other forces (`PairForce`)
        a pair that grows slowly and turns much faster may be missed.
    error : float
        Of `growth`: of rounding, and of the grid where that was measured.
    """

    growth: float
    rates: np.ndarray
    error: float

    @property
    def stable(self) -> bool | None:
        """True or False, or None where the growth is zero within its error, or unknown."""
        return None if not abs(self.growth) > self.error else self.growth < 0.0

    def __repr__(self) -> str:
        return f"Stability: {self}"

    def __str__(self) -> str:
        if math.isnan(self.growth):
            return "stability unknown"
        if self.stable is None:
            return f"neutral within {self.error:.1e}: one of a family (of shifts), at a transition, or behind barriers"
        if self.stable:
            return f"stable, perturbations decay at rate {-self.growth:.4g}"
        turning = abs(self.rates[0].imag)
        how = f", turning at {turning:.4g}" if turning > self.error else ""
        return f"UNSTABLE, perturbations grow at rate {self.growth:.4g}{how}"
