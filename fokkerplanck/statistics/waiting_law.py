"""The likelihood of stays under Mittag-Leffler waiting times, P(longer than w) = E_b(-(w/T)^b)."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

ORDERS = np.round(np.arange(0.05, 1.0001, 0.05), 3)  # tried first; then finer about the best of them
SCALES = np.log(np.geomspace(1e-3, 1e4, 25))  # ln T tried, in rows
JOINT = (
    3.0  # of the logarithm of the likelihood: 95 % for order and scale together, since the scale may not be told at all
)
NO_SCALE = 2.0  # of it: where a scale gains less, 95 % for one number more, the power law is taken alone
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)


class Fit(NamedTuple):
    """The order, its scale in rows, and the largest logarithm of the likelihood over scales at orders tried (n,).

    The order is the most likely one, or that of the power law alone where the data do not tell a scale: a lower order with a
    scale of a few rows falls as fast at first, so that the likelihood has a ridge, on whose far end alone the maximum may be.
    """

    order: float
    scale: float
    orders: np.ndarray
    likelihood: np.ndarray

    def interval(self, drop: float = JOINT) -> tuple[float, float]:
        """Orders at which the logarithm of the likelihood is at most so much below the largest."""
        places = np.linspace(self.orders[0], self.orders[-1], 4001)
        near = np.interp(places, self.orders, self.likelihood)
        inside = places[near > self.likelihood.max() - drop]
        return float(min(inside[0], self.order)), float(max(inside[-1], self.order))

    def excludes(self, order: float, errors: float) -> bool:
        """Whether an order lies outside `interval`."""
        low, high = self.interval(0.5 * errors**2)
        return not low <= order <= high

    @property
    def error(self) -> float:
        """The distance to the further end of the interval, halved: of 95 % of normal errors."""
        low, high = self.interval()
        return max(0.5 * (self.order - low), 0.5 * (high - self.order), 1e-4)


def most_likely(lengths: np.ndarray, ended: np.ndarray, shortest: int) -> Fit:
    """The fit to stays of `shortest` rows or more; those not ended are censored."""
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
    likelihood, scale = np.concatenate([wide, value])[first], math.exp(scales[at])
    power, bare = _power_law(counts, shortest)
    if bare > likelihood.max() - NO_SCALE:
        order, scale = power, math.exp(SCALES[0])
    return Fit(order, scale, tried, likelihood)


def _power_law(counts: Any, shortest: int) -> tuple[float, float]:
    """The most likely order of P(longer than w) = w^-b, b up to 1, and the logarithm of its likelihood."""
    from scipy.optimize import minimize_scalar

    (rows, n), (cut, n_cut) = counts

    def log_survival(b: float, m: np.ndarray) -> np.ndarray:  # ln int_0^1 (m - 1 + u)^-b du, m = 2, 3, ...
        left = -np.expm1((1.0 - b) * np.log1p(-1.0 / m))
        return np.asarray((1.0 - b) * np.log(m) + np.log(left / (1.0 - b)))

    def log_likelihood(b: float) -> float:
        now, later = log_survival(b, rows), log_survival(b, rows + 1.0)
        seen = n @ (now + np.log(np.maximum(-np.expm1(later - now), 1e-300)))
        start = log_survival(b, np.array([float(shortest)]))[0]
        return float(seen + n_cut @ log_survival(b, cut) - start * (n.sum() + n_cut.sum()))

    found = minimize_scalar(lambda b: -log_likelihood(b), bounds=(ORDERS[0], 1.0 - 1e-6), method="bounded")
    return float(found.x), -float(found.fun)


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
