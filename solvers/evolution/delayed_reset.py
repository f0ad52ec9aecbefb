"""Resets after a delay d: dP/dt = Q P + r u(t - d) + s, with u = k . P the rate of leaving; nobody waits at the start.

What enters in a step of at most d is known from before. u is kept as a polynomial of degree 8 on each step, through its
values at Chebyshev nodes; where the last coefficients say that this is not good enough, the step is shortened. With
y_j = s^j / j! of the share s of the step that has passed, and sum b_j y_j what enters, the equation is linear again,

    d/dt (P, y) = [[Q, r b^T + s e_0^T], [0, N / h]] (P, y),      N y_j = y_(j-1),

and is solved by a Chebyshev series, whose states at the nodes give u there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.polynomial import chebyshev
from numpy.polynomial.polynomial import Polynomial

from ...errors import ConvergenceError, bad_value
from ...progress import Pace
from ..discretization.generator import Generator, padded
from .chebyshev import Chebyshev

DEGREE = 8
NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)  # shares of a step
COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(2.0 * NODES - 1.0, DEGREE))  # of Chebyshev polynomials, from values
EVEN = np.arange(0, DEGREE + 1, 2)
MEAN = np.bincount(EVEN, 1.0 / (1.0 - EVEN**2.0), DEGREE + 1)  # of each polynomial over the step
FACTORIALS = np.array([math.factorial(j) for j in range(DEGREE + 1)], dtype=float)
POWERS = np.zeros((DEGREE + 1, DEGREE + 1))  # b_j, from coefficients of Chebyshev polynomials
for _k in range(DEGREE + 1):
    POWERS[: _k + 1, _k] = chebyshev.Chebyshev.basis(_k, domain=(0.0, 1.0)).convert(kind=Polynomial).coef
POWERS *= FACTORIALS[:, None]
MAX_STEPS = 200_000
SERIES = 0.05  # of the error allowed in a step, by its Chebyshev series


class Waiting:
    """The rate of leaving in the last delay, as polynomials on steps, from which what enters now is read."""

    def __init__(self, delay: float):
        self.delay = delay
        self.ends = [0.0]
        self.pieces: list[np.ndarray] = []
        self.left = [0.0]  # by the end of each step

    def add(self, end: float, coefficients: np.ndarray) -> None:
        """Keep a step."""
        self.left.append(self.left[-1] + (end - self.ends[-1]) * float((MEAN * coefficients).sum()))
        self.ends.append(end)
        self.pieces.append(coefficients)
        while self.ends[1] < end - self.delay:  # what entered again is forgotten
            del self.ends[0], self.left[0], self.pieces[0]

    def entering(self, start: float, h: float) -> np.ndarray:
        """Coefficients (9,) of what enters in a step, the rate of leaving one delay before; until then nothing enters."""
        if start < self.delay * (1.0 - 1e-12):
            return np.zeros(DEGREE + 1)
        ends = np.asarray(self.ends)
        moments = np.clip(start + h * NODES - self.delay, 0.0, ends[-1])
        # the last node belongs to the step that ends there, all others to those that begin there
        place = np.append(np.searchsorted(ends, moments[:-1], side="right"), np.searchsorted(ends, moments[-1])) - 1
        place = np.clip(place, 0, len(self.pieces) - 1)
        share = (moments - ends[place]) / (ends[place + 1] - ends[place])
        rows = np.stack([self.pieces[p] for p in place])
        values = (rows * chebyshev.chebvander(2.0 * share - 1.0, DEGREE)).sum(axis=1)
        return np.asarray(COEFFICIENTS @ values)

    def outside(self) -> float:
        """The mass that has left in the last delay, and waits."""
        since = self.ends[-1] - self.delay
        if since <= 0.0:
            return self.left[-1]
        k = min(int(np.searchsorted(self.ends, since, side="right")) - 1, len(self.pieces) - 1)
        width = self.ends[k + 1] - self.ends[k]
        piece = chebyshev.Chebyshev(self.pieces[k], domain=(self.ends[k], self.ends[k + 1])).integ(lbnd=since)
        return self.left[-1] - self.left[k + 1] + float(piece(self.ends[k] + width))


class _Entered:
    """The generator with what enters in a step, for vectors (P, y): what a Chebyshev series asks of it."""

    jumps = None
    reaches_far = True

    def __init__(self, q: Generator, reset: np.ndarray, source: np.ndarray | None):
        self.q, self.reset = q, reset
        self.source = np.zeros(q.grid.size) if source is None else source
        self.outflow = q.outflow
        self.weights, self.h = np.zeros(DEGREE + 1), 1.0
        self.near_operator = padded(q.near_operator, DEGREE + 1)

    def far(self, x: np.ndarray) -> np.ndarray:
        """The part that links and exits do not make."""
        n = self.q.grid.size
        p, y = x[:n], x[n:]
        entering = self.reset * float((self.weights * y).sum()) + y[0] * self.source
        near = self.q.far(p) if self.q.reaches_far else 0.0
        return np.concatenate([near + entering, [0.0], y[:-1] / self.h])

    def apply(self, x: np.ndarray) -> np.ndarray:
        """All of it."""
        n = self.q.grid.size
        links = self.q.apply(x[:n]) - (self.q.far(x[:n]) if self.q.reaches_far else 0.0)
        return np.concatenate([links, np.zeros(DEGREE + 1)]) + self.far(x)


class DelayedReset:
    """Adaptive steps of at most the delay.

    Parameters
    ----------
    q : Generator
    reset, source : ndarray (n,)
        Shares of what enters again, and masses that enter per time, or None.
    delay : float
    rtol : float
        Error allowed in the 1-norm over the whole run.
    horizon : float
    """

    name = "delayed chebyshev"

    def __init__(
        self, q: Generator, reset: np.ndarray, source: np.ndarray | None, delay: float, rtol: float, horizon: float
    ):
        self.q, self.delay, self.rtol, self.horizon = q, delay, rtol, horizon
        self.entered = _Entered(q, reset, source)
        self.series = Chebyshev(q, SERIES * rtol, horizon)
        self.series.q, self.series.operator = self.entered, self.entered.near_operator  # type: ignore[assignment]
        self.past = Waiting(delay)
        self.reserve = 0.5 * rtol
        self.step = min(delay, horizon / 16.0)
        self.steps = {"steps": 0, "rejected": 0}
        self.pace = Pace(__name__, "density in time")

    @property
    def work(self) -> dict[str, int]:
        """What it cost."""
        return self.series.work | self.steps

    def advance(self, masses: np.ndarray, start: float, end: float) -> tuple[np.ndarray, float]:
        """Masses at `end` from those at `start`, and the error estimate."""
        t, error = start, 0.0
        while t < end:
            self.pace(t / self.horizon, f"t = {t:g} after {self.steps['steps']} steps")
            if sum(self.steps.values()) > MAX_STEPS:
                raise ConvergenceError(f"more than {MAX_STEPS} steps by t = {t:g}; raise rtol", masses)
            # nothing enters before the delay is over, when it suddenly does
            stop = self.delay if t < self.delay < end else end
            h = min(self.step, stop - t)
            last = h >= (stop - t) * (1.0 - 1e-12)
            after, rates, own = self._try(masses, t, h)
            share = h * sum(float(np.abs(c[-2:]).sum()) for c in (rates, self.entering))
            allowed = 0.5 * self.rtol * h / self.horizon
            if share > allowed + 0.1 * self.reserve and h > 1e-14 * self.horizon:
                self.steps["rejected"] += 1
                self.step = h * max(0.1, 0.7 * ((allowed + 0.1 * self.reserve) / share) ** (1.0 / DEGREE))
                continue
            self.reserve -= min(max(share - allowed, 0.0), 0.1 * self.reserve)
            t = stop if last else t + h
            self.past.add(t, rates)
            masses, error = after, error + share + own
            self.steps["steps"] += 1
            growth = 0.8 * (allowed / max(share, 1e-300)) ** (1.0 / DEGREE)
            if growth > 1.0 or not last:
                self.step = min(max(self.step, h) * min(max(growth, 0.5), 3.0), self.delay)
        return masses, error

    def _try(self, masses: np.ndarray, t: float, h: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Masses after a step, the coefficients of the rate of leaving within it, and the error of the series."""
        self.entering = self.past.entering(t, h)
        self.entered.weights, self.entered.h = POWERS @ self.entering, h
        start = np.concatenate([masses, [1.0], np.zeros(DEGREE)])
        states, error = self.series.through(start, h * NODES[1:])
        states = states[:, : masses.size]
        leaving = np.concatenate([[(self.q.escape * masses).sum()], (states * self.q.escape).sum(axis=1)])
        return states[-1], COEFFICIENTS @ leaving, error


def propagate_delayed(
    q: Generator,
    masses: np.ndarray,
    times: np.ndarray,
    rtol: float,
    reset: np.ndarray,
    source: np.ndarray | None,
    delay: float,
) -> Iterator[tuple[np.ndarray, float, DelayedReset]]:
    """As `exponential.propagate`, where what leaves enters again after a delay.

    Parameters
    ----------
    q, masses, times, rtol
        As for `exponential.propagate`.
    reset, source, delay
        As for `DelayedReset`.
    """
    if times[-1] > MAX_STEPS * delay:
        then = "No step is longer than the delay: take 0, earlier times, or fp.stationary."
        raise bad_value("delay", f"0, or at least the last of `times` over {MAX_STEPS}", delay, then)
    method = DelayedReset(q, reset, source, delay, rtol, float(times[-1]))
    t, error, total = 0.0, 0.0, float(masses.sum())
    given = 0.0 if source is None else float(source.sum())
    for mark in times.tolist():
        masses, share = method.advance(masses, t, mark)
        t, error = mark, error + share
        lost = abs(float(masses.sum()) + method.past.outside() - total - given * mark)
        yield masses, max(error, lost), method
