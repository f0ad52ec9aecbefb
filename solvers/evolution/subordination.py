"""E_beta(Q t^beta) P as a mean over inner times: p(t) is the average of exp(Q s) p0 over the inverse stable law of s.

    p(t) = integral of M_beta(s / t^beta) / t^beta exp(Q s) p0 ds,      M_beta(x) = sum_n (-x)^n / (n! Gamma(1 - beta - beta n))

(Meerschaert and Scheffler 2004; M_beta is Wright's function, see Mainardi, Mura and Pagnini 2010). All weights are positive, so
that sign and mass are those of the ordinary process. Gauss nodes on panels of s serve all output times at once, and the nodes
of a panel share one Chebyshev series. Panels are as long as the Legendre coefficients of what is integrated allow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import gammaln

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.rate_structure import chain_rates, product_seconds
from .chebyshev import Chebyshev

NODES = 12  # of a panel
SAFETY = 0.8
LONGEST_GROWTH, SHORTEST = 3.0, 0.2  # from one panel to the next
PART = 0.005  # of rtol: what the quadrature of one panel may be off by
MOST_PANELS = 5000
ANGLES, FLAT = 600, 0.2  # of Kanter's integral from this beta on; below, more as it falls
MOST_TERMS = 20_000
TYPICAL_PANELS, TYPICAL_SOLVES = 20.0, 150.0  # of an ordinary problem, and of a window of contours at beta = .8
SOLVES_GROW = 1.4  # as beta comes to 1: 33 solves at .5, 190 at .8, 500 to 1200 at .95 were counted
PRODUCTS_A_SOLVE = 55.0  # of the iteration with jumps, of complex numbers: 20 to 55 were counted
KEPT = 4e-9  # seconds a cell, to add a product to the sums of all times


class Subordination:
    """Masses at many times from one ordinary propagation."""

    name = "subordination"

    def __init__(self, q: Generator, beta: float, rtol: float, scales: np.ndarray):
        self.q, self.beta, self.rtol, self.scales = q, beta, rtol, scales
        self.end = float(scales[-1]) * _beyond(beta, 0.01 * rtol)
        self.chebyshev = Chebyshev(q, rtol, self.end)
        self.work = self.chebyshev.work
        self.work["panels"] = 0
        nodes, self.weights = np.polynomial.legendre.leggauss(NODES)
        self.places = 0.5 * (1.0 + nodes)
        degrees = np.arange(NODES)
        self.analysis = (0.5 + degrees)[:, None] * np.polynomial.legendre.legvander(nodes, NODES - 1).T * self.weights

    def run(self, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses (n_times, n) at the times whose inner scales t^beta were given, and their errors (n_times,)."""
        total, error = np.zeros((self.scales.size, masses.size)), np.zeros(self.scales.size)
        weight = np.zeros(self.scales.size)
        done, spent, outflow = 0.0, 0.0, float(self.q.outflow.max(initial=0.0))
        length = self.end if outflow == 0.0 else min(self.end, 1.0 / outflow)
        pace = Pace(__name__, "density in time")
        while done < self.end and self.work["panels"] < MOST_PANELS:
            pace(done / self.end)
            self.work["panels"] += 1
            length = min(length, self.end - done)
            states, off = self.chebyshev.through(masses, np.append(length * self.places, length))
            inside = done + length * self.places
            density = inverse_stable_density(self.beta, inside / self.scales[:, None]) / self.scales[:, None]
            missed = self._missed(density, states[:-1]) * length
            excess = float(missed.max()) / (PART * self.rtol)
            factor = SAFETY * max(excess, 1e-30) ** (-0.5 / NODES)
            if excess > 1.0:
                length *= min(max(factor, SHORTEST), SAFETY)
                continue
            shares = 0.5 * length * density * self.weights
            total += shares @ states[:-1]
            weight += shares.sum(axis=1)
            error += missed
            spent += off
            done, masses = (self.end if self.end - done <= length else done + length), states[-1]
            length *= min(max(factor, SHORTEST), LONGEST_GROWTH)
            rest = inverse_stable_tail(self.beta, done / self.scales)
            # exp(Qs) contracts in the 1-norm, and the mean of s is scale / Gamma(1 + beta)
            change = float(np.abs(self.q.apply(masses)).sum()) * self.scales / math.gamma(1.0 + self.beta)
            if (np.minimum(rest, change) <= 0.1 * self.rtol).all():
                total += rest[:, None] * masses
                error += np.minimum(change, 2.0 * rest)
                break
        else:
            if done < self.end:
                raise ConvergenceError(
                    f"the density changes too fast for a mean over {MOST_PANELS} inner times; use method='contour'"
                )
            rest = inverse_stable_tail(self.beta, done / self.scales)
            total += rest[:, None] * masses
            error += 2.0 * rest
        size = float(np.abs(masses).sum())
        return total, error + spent + np.abs(weight + rest - 1.0) * max(size, 1e-300)

    def _missed(self, density: np.ndarray, states: np.ndarray) -> np.ndarray:
        """An estimate of what a panel of unit length is off by, (n_times,).

        Where Legendre coefficients fall like r^l, those of degree 2 n make the error: about the square of the last over the
        first.
        """
        last, first = (
            np.stack([np.abs((density * self.analysis[row]) @ states).sum(axis=1) for row in rows]).max(axis=0)
            for rows in ((NODES - 2, NODES - 1), (0, 1))
        )
        return last * np.minimum(last / np.maximum(first, 1e-300), 1.0)


def cheaper(q: Generator, times: np.ndarray, beta: float, rtol: float) -> bool:
    """Whether a mean over inner times should take less time than contours."""
    if chain_rates(q) is not None:
        return False
    n, end = q.grid.size, float(times[-1]) ** beta * _beyond(beta, 0.01 * rtol)
    pieces = TYPICAL_PANELS * max(1.0, 0.2 / (1.0 - beta))
    products = pieces * Chebyshev(q, rtol, end).products(end / pieces)
    first = times[times > 0.0]
    windows = max(1.0, math.log10(float(times[-1]) / float(first[0]))) if first.size else 1.0
    # seconds, as measured on one core; only the ratio matters
    one = product_seconds(q)
    seconds = products * (one + KEPT * n)
    factors, solves = 0.3 * (n / 65536.0) ** 1.3, TYPICAL_SOLVES
    if q.jumps is not None:
        factors += PRODUCTS_A_SOLVE * one
        solves *= ((1.0 - beta) / 0.2) ** -SOLVES_GROW  # spectra of jumps that differ from place to place are not real
    return seconds < windows * solves * factors


def propagate_subordinated(
    q: Generator, masses: np.ndarray, times: np.ndarray, beta: float, rtol: float
) -> Iterator[tuple[np.ndarray, float, Subordination]]:
    """As `fractional_contour.propagate_memory`: masses at each of the increasing `times`, the error so far and the method."""
    later = times[times > 0.0]
    method = Subordination(q, beta, rtol, later**beta if later.size else np.ones(1))
    if times[0] == 0.0:
        yield masses, 0.0, method
    if not later.size:
        return
    results, errors = method.run(masses)
    for p, error in zip(results, np.maximum.accumulate(errors), strict=True):
        yield p, float(error), method


def inverse_stable_density(beta: float, x: np.ndarray) -> np.ndarray:
    """M_beta(x), the density of the inner time at physical time 1, for x >= 0: its series up to 1, Kanter's integral beyond."""
    return _by_size(x, lambda near: _series(beta, near)[0], lambda far: _kanter(beta, far)[0])


def inverse_stable_tail(beta: float, x: np.ndarray) -> np.ndarray:
    """The probability that the inner time at physical time 1 is longer than x."""
    return _by_size(x, lambda near: 1.0 - _series(beta, near)[1], lambda far: _kanter(beta, far)[1])


def _by_size(x: np.ndarray, near: Callable, far: Callable) -> np.ndarray:
    """One function up to 1, another beyond."""
    x = np.asarray(x, dtype=float)
    result, small = np.empty(x.shape), x <= 1.0
    result[small], result[~small] = near(x[small]), far(x[~small])
    return result


def _series(beta: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M_beta = sum_n (-x)^(n-1) Gamma(beta n) sin(pi beta n) / (pi (n-1)!) and its integral from 0, for x <= 1.

    No term exceeds the sum by more than a few digits.
    """
    n = np.arange(1.0, _terms(beta) + 1.0)
    sizes = np.exp(gammaln(beta * n) - gammaln(n)) * np.sin(math.pi * np.mod(beta * n, 2.0)) / math.pi
    terms = sizes * (-1.0) ** (n - 1.0)
    return np.polynomial.polynomial.polyval(x, terms), x * np.polynomial.polynomial.polyval(x, terms / n)


def _terms(beta: float) -> int:
    """How many terms of the series matter at x = 1."""
    n = np.unique(np.geomspace(10, MOST_TERMS, 200).astype(int))
    small = gammaln(beta * n) - gammaln(n) < -39.0
    return int(n[np.argmax(small)]) if small.any() else MOST_TERMS


def _kanter(beta: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M_beta and its tail by Kanter's mean over an angle f: the tail is that of exp(-a(f) x^(1 / (1 - beta))).

    The integrand is even at 0 and flat at pi, so that the midpoint rule converges faster than any power.
    """
    count = math.ceil(ANGLES * max(1.0, FLAT / beta))
    f = (np.arange(count) + 0.5) * math.pi / count
    log_a = (
        beta / (1.0 - beta) * (np.log(np.sin(beta * f)) - np.log(np.sin(f)))
        + np.log(np.sin((1.0 - beta) * f))
        - np.log(np.sin(f))
    )
    flat = x.ravel()
    density, tail = np.empty(flat.size), np.empty(flat.size)
    rows = max(1, 2_000_000 // count)
    for start in range(0, flat.size, rows):
        part = slice(start, start + rows)
        log_x = np.log(flat[part])[:, None]
        log_rate = np.minimum(log_a + log_x / (1.0 - beta), 700.0)
        kept = np.exp(-np.exp(log_rate))
        tail[part] = kept.mean(axis=1)
        density[part] = (kept * np.exp(log_rate - log_x)).mean(axis=1) / (1.0 - beta)
    return density.reshape(x.shape), tail.reshape(x.shape)


def _beyond(beta: float, share: float) -> float:
    """An x that the inner time at physical time 1 exceeds with a probability below `share`."""
    least = math.exp(beta / (1.0 - beta) * math.log(beta) + math.log1p(-beta))  # a at f = 0, its minimum
    return float((-math.log(share) / least) ** (1.0 - beta))
