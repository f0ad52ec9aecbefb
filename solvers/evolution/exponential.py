"""exp(Q t) P: three methods with an error estimate each, and the choice between them by cost.

chebyshev        products with Q only, about sqrt(rate * t) of them: short and middle horizons, any dimension
rational         a partial fraction of exp by complex solves, seven for an interval or steps of order 15: long horizons
uniformization   products with a nonnegative matrix, about rate * t of them: strictly nonnegative, whatever Q is
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from ...errors import ConvergenceError, bad_value, warn
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.rate_structure import chain_rates, product_seconds
from .chebyshev import Chebyshev
from .rational import Rational
from .uniformization import Uniformization

MOST_HOURS, WORTH_A_WORD = 2.0, 0.05  # of one run, for which it is refused and announced
LONG = 1e4  # products in the first piece of an interval
ROUNDING = 1e-16
AT_REST = 0.5  # of rtol: what may still change where a run ends early
MOST_PRODUCTS = 1e7  # of uniformization where it is asked for


class Method(Protocol):
    """What a propagation method offers: a step, and counts of what it cost."""

    name: str
    work: dict[str, int]

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """exp(Q time) masses, and an estimate of its error in the 1-norm."""


METHODS: dict[str, Callable[[Generator, float, float], Method]] = {
    "chebyshev": Chebyshev,
    "rational": Rational,
    "uniformization": Uniformization,
}


def choose(q: Generator, intervals: np.ndarray, rtol: float, rational: bool = True) -> Method:
    """The method that should be cheapest for these intervals between output times."""
    horizon = float(intervals.sum())
    positive = [float(dt) for dt in intervals if dt > 0.0]
    if q.reaches_far:
        return Chebyshev(q, rtol, horizon)
    best = _cheapest_products(q, positive, rtol, horizon)
    if not rational or not positive or q.grid.dim > 2:
        return best
    products = sum(best.products(dt) for dt in positive)
    # seconds, for cells and operations as measured on one core; only the ratio matters
    seconds = products * q.grid.size * 1e-9
    chain = chain_rates(q) is not None
    solve = (3e-8 if chain else 5e-7) * q.grid.size
    factorizations = 0.0
    if not chain:
        factorizations = 7.0 * np.unique(np.round(np.log(positive), 9)).size * 0.4 * (q.grid.size / 65536.0) ** 1.3
    solves = 14.0 * solve * len(positive)
    if solves + factorizations >= seconds:
        return best
    candidate = Rational(q, rtol, horizon, budget=5.0 * seconds / solve)
    # a spectrum that is not real takes steps of many lengths instead of whole intervals
    return candidate if candidate.real or solves + 10.0 * factorizations < seconds else best


def _cheapest_products(q: Generator, intervals: list[float], rtol: float, horizon: float) -> Chebyshev | Uniformization:
    chebyshev, uniformization = Chebyshev(q, rtol, horizon), Uniformization(q, rtol, horizon)
    fewer = sum(chebyshev.products(dt) for dt in intervals) <= sum(uniformization.products(dt) for dt in intervals)
    return chebyshev if fewer else uniformization


def _hours(products: float, q: Generator) -> float:
    """Roughly what so many products take."""
    return products * product_seconds(q) / 3600.0


def _may_rest(products: float, rtol: float) -> bool:
    """Whether rounding leaves it to be seen that a density is at rest over so many products, see `_advance`."""
    return 2.0 * ROUNDING * products <= AT_REST * rtol


def _check_affordable(products: float, q: Generator, masses: np.ndarray, rtol: float) -> None:
    """Refuse short steps that would take hours in place of long ones, unless rest may end them early."""
    hours = _hours(products, q)
    if hours > 1.0 and not _may_rest(products, rtol):
        raise ConvergenceError(
            f"rtol is out of reach of long steps over this horizon, and short ones would take some {hours:.0f} hours; "
            "raise rtol, or ask for fp.stationary or fp.spectrum.",
            masses,
        )


def _check_horizon(chosen: Chebyshev | Uniformization, q: Generator, intervals: np.ndarray, rtol: float) -> None:
    """Refuse a horizon of hours before the start, unless rest may end it early, see `_advance`; warn of one of minutes."""
    products = sum(chosen.products(float(dt)) for dt in intervals if dt > 0.0)
    hours, horizon = _hours(products, q), float(intervals.sum())
    if hours > MOST_HOURS and not _may_rest(products, rtol):
        rule = f"reached within {MOST_HOURS:g} hours"
        then = "Take earlier times or fewer cells; for what comes last ask fp.stationary, or fp.spectrum for rates."
        raise bad_value("times", rule, f"{horizon:.4g}, that is {hours:.1g} hours of {chosen.name}", then)
    if hours > WORTH_A_WORD:
        warn(f"times up to {horizon:.4g} take up to {hours:.1g} hours, fewer where the density comes to rest before.")


def _advance(
    chosen: Method, q: Generator, masses: np.ndarray, interval: float, rtol: float
) -> tuple[np.ndarray, float]:
    """exp(Q interval) masses and its error; a long interval in pieces that double, up to where the density is at rest.

    exp(Qt) only contracts in the 1-norm, hence |exp(Qt) P - P| <= t |Q P|, and n times as long a time changes P at most by n
    times what it changes by in one: of the two the second knows less of the rounding of Q P.
    """
    if not isinstance(chosen, (Chebyshev, Uniformization)) or (products := chosen.products(interval)) < LONG:
        return chosen.advance(masses, interval)
    error, left, piece = 0.0, interval, interval * LONG / products
    while left > 0.0:
        change = left * float(np.abs(q.apply(masses)).sum())
        if change <= AT_REST * rtol:
            return masses, error + change
        step = min(piece, left)
        if (hours := _hours(chosen.products(step), q)) > MOST_HOURS:
            text = f"the density is still moving, and to go on takes some {hours:.1g} hours; take earlier times"
            raise ConvergenceError(text, masses)
        before = masses
        masses, share = chosen.advance(masses, step)
        error, left, piece = error + share, left - step, 2.0 * piece
        change = float(np.abs(masses - before).sum()) * left / step
        if change <= AT_REST * rtol:
            return masses, error + change
    return masses, error


def propagate(
    q: Generator, masses: np.ndarray, times: np.ndarray, method: str, rtol: float
) -> Iterator[tuple[np.ndarray, float, Method]]:
    """Masses at each of the increasing `times`, with the accumulated error estimate and the method in use.

    Parameters
    ----------
    q : Generator
    masses : ndarray (n,)
        At time zero.
    times : ndarray
        Increasing, not below zero.
    method : {"auto", "chebyshev", "rational", "uniformization"}
    rtol : float
        Error allowed in the 1-norm, relative to the mass, over the whole run.
    """
    intervals = times.copy()
    intervals[1:] -= times[:-1]
    horizon = float(times[-1])
    chosen = choose(q, intervals, rtol) if method == "auto" else METHODS[method](q, rtol, horizon)
    if (
        method != "auto"
        and isinstance(chosen, Uniformization)
        and (products := chosen.products(horizon)) > MOST_PRODUCTS
    ):
        got, then = f"'uniformization', which takes {products:.1e} of them", "Use method='auto'."
        raise bad_value("method", "one that needs a few million products at most", got, then)
    if isinstance(chosen, (Chebyshev, Uniformization)):
        _check_horizon(chosen, q, intervals, rtol)
    error, pace = 0.0, Pace(__name__, "density in time")
    for n, interval in enumerate(intervals):
        pace(n / intervals.size)
        if interval > 0.0:
            try:
                masses, share = _advance(chosen, q, masses, float(interval), rtol)
            except ConvergenceError:
                if method != "auto" or not isinstance(chosen, Rational):
                    raise
                chosen = _cheapest_products(q, [float(interval)], rtol, horizon)
                _check_affordable(chosen.products(float(interval)), q, masses, rtol)
                _check_horizon(chosen, q, np.array([interval]), rtol)
                masses, share = _advance(chosen, q, masses, float(interval), rtol)
            error += share
        yield masses, error, chosen
