"""The likelihood of stays under Mittag-Leffler waiting times, P(longer than w) = E_b(-(w/T)^b)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

ORDERS = np.round(np.arange(0.05, 1.0001, 0.05), 3)  # tried first; then finer about the best of them
SCALES = np.log(np.geomspace(1e-3, 1e4, 25))  # ln T tried, in rows
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)


def most_likely(lengths: np.ndarray, ended: np.ndarray, shortest: int) -> tuple[float, float, float]:
    """(order, its standard error, scale in rows) from stays of `shortest` rows or more; those not ended are censored."""
    kept = lengths >= shortest
    counts = [np.unique(lengths[kept & which], return_counts=True) for which in (ended, ~ended)]

    def profile(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [_best_scale(float(b), counts, shortest) for b in orders]
        return np.array([f[0] for f in found]), np.array([f[1] for f in found])

    wide, _ = profile(ORDERS)
    coarse = ORDERS[int(np.argmax(wide))]
    fine = np.round(np.arange(max(coarse - 0.1, 0.02), min(coarse + 0.1, 1.0) + 1e-9, 0.005), 3)
    value, scales = profile(fine)
    at = int(np.argmax(value))
    order = float(fine[at])
    if 0 < at < fine.size - 1:  # the vertex of a parabola
        low, middle, high = value[at - 1 : at + 2]
        order += 0.005 * 0.5 * (low - high) / min(low - 2.0 * middle + high, -1e-12)
    tried, first = np.unique(np.concatenate([ORDERS, fine]), return_index=True)
    return order, _half_width(tried, np.concatenate([wide, value])[first], order), math.exp(scales[at])


def _half_width(orders: np.ndarray, value: np.ndarray, best: float) -> float:
    """How far from the best order the logarithm of the likelihood is 1/2 less, on the side where it is further."""
    near = np.interp(np.linspace(0.02, 1.0, 4001), orders, value)
    inside = np.flatnonzero(near > value.max() - 0.5)
    low, high = 0.02 + 0.98 * inside[[0, -1]] / 4000.0
    return float(max(best - low, high - best, 1e-4))


def _best_scale(order: float, counts: Any, shortest: int) -> tuple[float, float]:
    """The largest logarithm of the likelihood over the scales, and ln T there."""
    from scipy.optimize import minimize_scalar

    at = int(np.argmax([_log_likelihood(order, s, counts, shortest) for s in SCALES]))
    around = (SCALES[max(at - 1, 0)], SCALES[min(at + 1, SCALES.size - 1)])
    options = {"xatol": 2e-3}
    found = minimize_scalar(
        lambda s: -_log_likelihood(order, s, counts, shortest), bounds=around, method="bounded", options=options
    )
    return -float(found.fun), float(found.x)


def _log_likelihood(order: float, log_scale: float, counts: Any, shortest: int) -> float:
    (rows, n), (cut, n_cut) = counts
    now, later = (_log_survival(order, log_scale, rows + k) for k in (0, 1))
    seen = n @ (now + np.log(np.maximum(-np.expm1(later - now), 1e-300)))
    start = _log_survival(order, log_scale, np.array([shortest]))[0]
    return float(seen + n_cut @ _log_survival(order, log_scale, cut) - start * (n.sum() + n_cut.sum()))


def _log_survival(order: float, log_scale: float, rows: np.ndarray) -> np.ndarray:
    """ln int_0^1 E_b(-((m - 1 + u) / T)^b) du for m of 2 or more."""
    logs = _log_mittag_leffler(order)(np.log(rows[:, None] - 0.5 + 0.5 * NODES) - log_scale)
    top = logs.max(axis=1, initial=-np.inf)
    return top + np.log(np.exp(logs - top[:, None]) @ (0.5 * WEIGHTS))


@functools.lru_cache(maxsize=512)
def _log_mittag_leffler(order: float) -> Any:
    """ln E_b(-z^b) as a function of ln z."""
    if order == 1.0:
        return lambda log_z: -np.exp(np.minimum(log_z, 650.0))
    from pymittagleffler import mittag_leffler
    from scipy.interpolate import CubicSpline

    log_z = np.linspace(-12.0, 25.0, 149)
    values = np.real(mittag_leffler(-np.exp(order * log_z), order, 1.0))
    return CubicSpline(log_z, np.log(np.maximum(values, 1e-300)))
