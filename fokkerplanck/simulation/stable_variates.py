"""Stable and Mittag-Leffler random numbers, compiled.

Symmetric: Chambers, Mallows and Stuck (1976). Positive: Kanter (1975). Mittag-Leffler waiting times: Kozubowski (2001),
in the form of Fulger, Scalas and Germano (2008).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..errors import bad_value

TINY = 1e-300  # small indices give numbers beyond double precision: infinite ones, instead of a division by zero


@njit(cache=True, nogil=True)
def fill_symmetric(generator, a, out):
    """out[i] with E exp(ikX) = exp(-|k|^a), a in (0, 2]; Gaussian of variance 2 at a = 2."""
    for i in range(out.size):
        u = math.pi * (generator.random() - 0.5)
        w = generator.standard_exponential()
        if a == 1.0:
            out[i] = math.tan(u)
        else:
            out[i] = math.sin(a * u) / max(math.cos(u) ** (1.0 / a), TINY)
            out[i] *= (math.cos((1.0 - a) * u) / max(w, TINY)) ** ((1.0 - a) / a)


@njit(cache=True, nogil=True)
def fill_positive(generator, a, out):
    """out[i] > 0 with E exp(-z X) = exp(-z^a), a in (0, 1]."""
    for i in range(out.size):
        if a == 1.0:
            out[i] = 1.0
            continue
        u = math.pi * (1.0 - generator.random())
        w = generator.standard_exponential()
        out[i] = math.sin(a * u) / max(math.sin(u) ** (1.0 / a), TINY)
        out[i] *= (math.sin((1.0 - a) * u) / max(w, TINY)) ** ((1.0 - a) / a)


@njit(cache=True, nogil=True)
def fill_waiting(generator, b, out):
    """out[i] > 0 with E exp(-z X) = 1 / (1 + z^b), b in (0, 1]: exponential at b = 1, of infinite mean below."""
    for i in range(out.size):
        w = generator.standard_exponential()
        if b == 1.0:
            out[i] = w
        else:
            v = 1.0 - generator.random()
            turn = math.sin(b * math.pi) / math.tan(b * math.pi * v) - math.cos(b * math.pi)
            out[i] = w * max(turn, 0.0) ** (1.0 / b)


def symmetric_stable(rng: np.random.Generator, stability: float, size: int) -> np.ndarray:
    """Independent numbers X with E exp(ikX) = exp(-|k|^stability), shape (size,)."""
    if not 0.0 < stability <= 2.0:
        raise bad_value("stability", "in (0, 2]", stability)
    out = np.empty(size)
    fill_symmetric(rng, float(stability), out)
    return out


def positive_stable(rng: np.random.Generator, stability: float, size: int) -> np.ndarray:
    """Independent numbers X > 0 with E exp(-zX) = exp(-z^stability), shape (size,)."""
    if not 0.0 < stability <= 1.0:
        raise bad_value("stability", "in (0, 1] for positive numbers", stability)
    out = np.empty(size)
    fill_positive(rng, float(stability), out)
    return out


def waiting_times(rng: np.random.Generator, time_order: float, size: int) -> np.ndarray:
    """Independent Mittag-Leffler waiting times of unit scale: P(T > t) = E_b(-t^b), shape (size,)."""
    if not 0.0 < time_order <= 1.0:
        raise bad_value("time_order", "in (0, 1]", time_order)
    out = np.empty(size)
    fill_waiting(rng, float(time_order), out)
    return out
