"""Quartiles of normal and symmetric stable laws, which exist where deviations do not."""

from __future__ import annotations

import math

import numpy as np

NORMAL_QUARTILES = 1.3489795003921634  # interquartile range of the standard normal law


def stable_quartiles(stability: float) -> float:
    """Interquartile range of the law with E exp(ikX) = exp(-|k|^stability): F(x) = 1/2 + (1/pi) int sin(kx) e^(-k^a) / k dk."""
    from scipy.integrate import quad
    from scipy.optimize import brentq

    end = 40.0 ** (1.0 / stability)

    def excess(x: float) -> float:
        return (
            quad(lambda k: x * np.sinc(k * x / math.pi) * math.exp(-(k**stability)), 0.0, end, limit=200)[0] / math.pi
        )

    return 2.0 * float(brentq(lambda x: excess(x) - 0.25, 0.5, 2.0))
