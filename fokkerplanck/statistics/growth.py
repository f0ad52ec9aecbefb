"""The order of subdiffusion from how the mean square grows, for free and for confined spreading."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import reals
from ..errors import ModelWarning, bad_value, warn

BENT = 4.0  # standard errors of the curvature of ln <x^2> against ln t
LEAST_BEND = 0.02  # by which ln <x^2> leaves its straight line
FASTER = 1.15  # an order that no shape of confinement makes of ordinary noise
POOR = 0.1  # residual of ln <x^2> that no fit should leave


def time_order_from_growth(times: Any, mean_square: Any, standard_error: Any = None) -> tuple[float, float]:
    """The time order b, and its standard error, from the growth of the mean square.

        free      <x^2> = 2 D t^b / Gamma(1 + b)
        confined  <x^2> = A (1 - E_b(-(t / T)^b))

    A straight line in ln t where the growth is straight; else the confined law of a linear force, whose growth slows down with
    b = 1, too: a line through it would give .495 for an ordinary Ornstein-Uhlenbeck process.

    Parameters
    ----------
    times : array (n,), positive
        At least four: fewer cannot tell confinement from waiting.
    mean_square : array (n,)
        Mean square displacement from the start; for a confined process from its middle.
    standard_error : array (n,), optional
        Of the mean squares; weights the fit to ln <x^2> against ln t.

    Warns
    -----
    ModelWarning
        For fewer than four times; and where neither law describes the growth, as with a drift or several wells. See `stays`,
        which asks the paths themselves.

    Notes
    -----
    Mean squares of one ensemble at several times share their paths, so that the error is too small by up to a factor of
    the order of sqrt(n); repeat with independent ensembles where it matters.
    """
    t, y, sigma = _checked(times, mean_square, standard_error)
    slope, error, residual = _polynomial(t, y, sigma, 1)
    if t.size < 4:
        text = f"Growth over {t.size} times cannot tell waiting from confinement; give at least four, or see fp.stays."
        warn(text, ModelWarning)
        return slope, error
    if not _bent(t, y, sigma):
        return _judged(slope, error, residual)
    return _judged(*_confined(t, y, sigma))


def _judged(order: float, error: float, residual: float) -> tuple[float, float]:
    """The order and its error, with a word where they mean nothing."""
    then = "the order means nothing. See fp.stays, which looks at the paths."
    if residual > POOR:
        warn(
            f"Neither free nor confined spreading describes this growth, with {residual:.0%} left: {then}", ModelWarning
        )
    elif order > max(1.0 + 4.0 * error, FASTER):
        warn(
            f"The mean square grows faster than that of noise, as t^{order:.3g}: it drifts, and {then}",
            ModelWarning,
        )
    return order, error


def _checked(times: Any, mean_square: Any, standard_error: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Times, mean squares, and relative errors."""
    t, y = reals("times", times), reals("mean_square", mean_square)
    if t.ndim != 1 or t.size < 2 or not np.isfinite(t).all() or not (np.diff(t) > 0).all() or t[0] <= 0.0:
        raise bad_value("times", "positive and increasing, at least two", times)
    sigma = np.ones(t.size) if standard_error is None else reals("standard_error", standard_error)
    for name, values in (("mean_square", y), ("standard_error", sigma)):
        if values.shape != t.shape or not np.isfinite(values).all() or not (values > 0).all():
            raise bad_value(name, "positive, one a time", values)
    return t, y, None if standard_error is None else sigma / y


def _polynomial(t: np.ndarray, y: np.ndarray, sigma: np.ndarray | None, degree: int) -> tuple[float, float, float]:
    """Leading coefficient of ln y in ln t (centred), its error, and the largest residual."""
    weight = np.ones(t.size) if sigma is None else 1.0 / sigma
    u = np.log(t) - np.log(t).mean()
    design = np.vander(u, degree + 1)
    solution, *_ = np.linalg.lstsq(design * weight[:, None], np.log(y) * weight, rcond=None)
    residual = np.log(y) - design @ solution
    variance = np.linalg.inv((design * weight[:, None] ** 2).T @ design)[0, 0]
    if sigma is None:
        variance *= float(residual @ residual) / max(t.size - degree - 1, 1)
    return float(solution[0]), float(math.sqrt(variance)), float(np.abs(residual).max())


def _bent(t: np.ndarray, y: np.ndarray, sigma: np.ndarray | None) -> bool:
    """Whether ln y bends down in ln t, by more than its error and by more than a trifle."""
    bend, error, _ = _polynomial(t, y, sigma, 2)
    return bend < -BENT * error and -bend * math.log(t[-1] / t[0]) ** 2 / 8.0 > LEAST_BEND


def _confined(t: np.ndarray, y: np.ndarray, sigma: np.ndarray | None) -> tuple[float, float, float]:
    """The order of the confined law, its error, and the largest residual of ln y."""
    from pymittagleffler import mittag_leffler
    from scipy.optimize import least_squares

    weight = np.ones(t.size) if sigma is None else 1.0 / sigma

    def residual(p: np.ndarray) -> np.ndarray:
        order, log_time, log_end = p
        fall = np.real(mittag_leffler(-((t / math.exp(log_time)) ** order), order, 1.0))
        return (log_end + np.log(np.maximum(1.0 - fall, 1e-300)) - np.log(y)) * weight

    low, high = math.log(t[0]) - 5.0, math.log(t[-1]) + 8.0
    starts = [(b, s, math.log(y[-1])) for b in (0.6, 0.95) for s in np.log(t[[t.size // 4, -1]])]
    bounds = ([0.02, low, -np.inf], [1.5, high, np.inf])
    best = min((least_squares(residual, start, bounds=bounds) for start in starts), key=lambda found: found.cost)
    variance = float(np.linalg.pinv(best.jac.T @ best.jac)[0, 0])
    if sigma is None:
        variance *= 2.0 * float(best.cost) / max(t.size - 3, 1)
    return float(best.x[0]), math.sqrt(variance), float(np.abs(best.fun / weight).max())
