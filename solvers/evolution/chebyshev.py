"""exp(Q t) P as a Chebyshev series: products with Q only, about sqrt(rate * t) of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.rate_structure import advection_rate
from ..kernels.matvec import Operator, bessel_weights, chebyshev_sum
from .chebyshev_jumps import chebyshev_rows, chebyshev_sum_of, far_product, near_product

SHORT = 1e-8  # expected jumps of a cell below which two terms of exp hold all digits


class Chebyshev:
    """Chebyshev series of exp on an ellipse around the spectrum (Tal-Ezer and Kosloff 1984).

    With a the largest outflow, the spectrum lies within a of -a; how far it matters off the real axis depends on the
    drift, and where the drift contracts, norms grow as if it reached beyond zero. exp(z t) = e^(-m t) sum_k c_k I_k(c t)
    T_k((z + m) / c) converges for any center -m and half distance c of the foci, but if the ellipse leaves out too much,
    the terms first grow and then cancel. That growth is watched: where it would cost more digits than the tolerance allows, the
    ellipse is made larger, and if that is not enough the step is cut in half. What turns at a frequency y comes in after about
    y * step terms; the series does not end before the fastest that the density holds, and a step in which that would leave
    a gap after the slow terms is cut, too.
    """

    name = "chebyshev"
    # height of the ellipse in units of the advection rate, and how far it reaches beyond zero in units of 1 / step
    ladder = ((0.05, 0.0), (0.15, 2.0), (0.5, 5.0), (1.0, 6.0))

    def __init__(self, q: Generator, rtol: float, horizon: float):
        self.q, self.operator = q, q.near_operator
        self.rtol, self.horizon = rtol, horizon
        self.outflow = float(q.outflow.max(initial=0.0))
        self.advection = advection_rate(q)
        self.work = {"products": 0}
        self.rung = 0
        self.step = math.inf
        self._scaled: tuple[tuple[float, float], Operator] | None = None

    def products(self, time: float) -> float:
        """Roughly how many products a horizon takes."""
        if self.outflow == 0.0:
            return 0.0
        step = min(time, self._longest())
        _, focal, spread = self._ellipse(step)
        return spread * time + time / step * math.sqrt(60.0 * focal * step) + 20.0

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """See `Method`."""
        if self.outflow == 0.0:
            return masses.copy(), 0.0
        if self.outflow * time < SHORT:  # |e^(Qt) - 1 - Qt| <= |Qt|^2 / 2, and |Q| is twice the outflow
            self.work["products"] += 1
            return masses + time * self.q.apply(masses), 2.0 * (self.outflow * time) ** 2 + 1e-16
        error, done, pace = 0.0, 0.0, Pace(__name__, "density at the next time")
        while done < time:
            pace(done / time)
            frequency = self._frequency(masses, min(time - done, self.step))
            longest = min(
                self.step,
                self._longest(),
                100.0 * (self.outflow / frequency) / frequency if frequency > 0.0 else math.inf,
            )
            count = max(1, math.ceil((time - done) / longest * (1.0 - 1e-12)))
            step = (time - done) / count
            result, share = self._series(masses, step, frequency)
            if share == math.inf:
                self._retreat(step, masses)
                continue
            masses, error = result, error + share
            done = time if count == 1 else done + step
        return masses, error

    def through(self, masses: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, float]:
        """exp(Q s) masses for increasing s, (n_offsets, n), and the largest error: by one series where a step allows."""
        step = float(offsets[-1])
        while self.outflow * step >= SHORT and step <= min(self.step, self._longest()):
            frequency = self._frequency(masses, step)
            if frequency > 0.0 and step > 100.0 * (self.outflow / frequency) / frequency:
                break
            states, error = self._rows(masses, offsets, frequency)
            if error < math.inf:
                return states, error
            self._retreat(step, masses)
        states, error, done = np.empty((offsets.size, masses.size)), 0.0, 0.0
        for row, offset in zip(states, offsets, strict=True):
            masses, share = self.advance(masses, float(offset - done))
            row[:], error, done = masses, error + share, float(offset)
        return states, error

    def _rows(self, masses: np.ndarray, offsets: np.ndarray, frequency: float) -> tuple[np.ndarray, float]:
        """As `_series` for the last offset, with the states at the earlier ones from the same products."""
        step = float(offsets[-1])
        center, focal, spread = self._ellipse(step)
        z, peak = focal * step, max(spread, frequency) * step
        tolerance, length = self._length(z, peak, step)
        weights = np.stack(
            [2.0 * math.exp((focal - center) * s) * bessel_weights(focal * s, length) for s in offsets.tolist()]
        )
        weights[:, 0] *= 0.5
        limit = max(1e15 * tolerance / math.sqrt(length), 1e3)
        product = self._product(center, focal)
        states, count, remainder, largest = chebyshev_rows(product, weights, masses, z, tolerance, int(peak), limit)
        self.work["products"] += count
        return states, self._error(count, remainder, largest, tolerance)

    def _frequency(self, masses: np.ndarray, step: float) -> float:
        """A bound on how fast anything in the density turns: from its eighth time derivative, and from the drift.

        A smooth density holds little beyond four times the eighth root of |Q^8 P| / |P|.
        """
        if self.advection * (self.advection / self.outflow) * step <= 100.0:
            return self.advection
        image, norm, total = masses, float(np.abs(masses).sum()), 0.0
        for _ in range(8):
            result = self.q.apply(image)
            size = float(np.abs(result).sum())
            if size == 0.0 or norm == 0.0:
                return 0.0
            total += math.log(size / norm)
            image, norm = result / size, 1.0
        self.work["products"] += 8
        return min(self.advection, 4.0 * math.exp(total / 8.0))

    def _retreat(self, step: float, masses: np.ndarray) -> None:
        """A larger ellipse, or half the step."""
        if self.rung + 1 < len(self.ladder):
            self.rung += 1
            return
        self.step = 0.5 * step
        if self.step * self.outflow < 1e-3:
            raise ConvergenceError("the Chebyshev series does not converge; use method='uniformization'", masses)

    def _ellipse(self, step: float) -> tuple[float, float, float]:
        """(m, c, rate at which the terms of the series peak) for a step.

        c_k I_k(c t) e^(k eta), with eta of the ellipse, is largest at k = t c sinh(eta) = t height.
        """
        height, beyond = self.ladder[self.rung]
        reach = min(beyond / step, 0.1 * self.outflow)
        half = self.outflow + 0.5 * reach
        flatness = min(height * self.advection, 0.95 * self.outflow) / half
        focal = half * math.sqrt(1.0 - flatness**2)
        # c_k T_k is largest at k = step * height on the rim of the ellipse
        return self.outflow - 0.5 * reach, focal, flatness * half

    def _longest(self) -> float:
        """The longest step for which neither e^(-m t) nor the growth of T_k leaves the range of double precision."""
        flatness = min(self.ladder[self.rung][0] * self.advection / self.outflow, 0.95)
        gap = self.outflow * (1.0 - math.sqrt(1.0 - flatness**2))
        return 200.0 / gap if gap > 0.0 else math.inf

    def _series(self, masses: np.ndarray, step: float, frequency: float) -> tuple[np.ndarray, float]:
        """One step and its error: truncation plus the digits lost to cancellation."""
        center, focal, spread = self._ellipse(step)
        z, peak = focal * step, max(spread, frequency) * step
        tolerance, length = self._length(z, peak, step)
        weights = 2.0 * math.exp((focal - center) * step) * bessel_weights(z, length)
        weights[0] *= 0.5
        result = np.empty_like(masses)
        limit = max(1e15 * tolerance / math.sqrt(length), 1e3)
        scaled = self._operator(center, focal)
        if not self.q.reaches_far:
            total = chebyshev_sum(scaled, weights, masses, z, tolerance, int(peak), limit, result)
        else:
            full = self._product(center, focal)
            total = chebyshev_sum_of(full, weights, masses, z, tolerance, int(peak), limit, result)
        count, remainder, largest = total
        self.work["products"] += count
        error = self._error(count, remainder, largest, tolerance)
        if error < math.inf:
            result /= at_zero(weights[: count + 1], center / focal)
        return result, error

    def _length(self, z: float, peak: float, step: float) -> tuple[float, int]:
        """The tolerance of a step, and a number of terms that suffices."""
        tolerance = max(0.01 * self.rtol * min(step / self.horizon, 1.0), 1e-13)
        digits = -math.log(tolerance) + 10.0
        return tolerance, int(1.3 * peak + 1.5 * math.sqrt(2.0 * z * digits) + 2.0 * digits + 16)

    def _error(self, count: int, remainder: float, largest: float, tolerance: float) -> float:
        """Truncation plus the digits lost to cancellation; infinite where these are too many."""
        if largest == math.inf or remainder > 2.0 * tolerance:
            return math.inf
        return 50.0 * remainder + 2e-16 * math.sqrt(count) * max(largest, 1.0)

    def _product(self, center: float, focal: float) -> Callable[[np.ndarray], np.ndarray]:
        """The product with (Q + center) / focal."""
        scaled = self._operator(center, focal)
        return far_product(scaled, self.q.far, focal) if self.q.reaches_far else near_product(scaled)

    def _operator(self, center: float, focal: float) -> Operator:
        """(Q + center) / focal."""
        if self._scaled is None or self._scaled[0] != (center, focal):
            self._scaled = (center, focal), shifted(self.operator, center, 1.0 / focal)
        return self._scaled[1]


def at_zero(weights: np.ndarray, place: float) -> float:
    """sum_k weights_k T_k(place): what the series is for exp(0) = 1, at the place where Q is 0.

    Divided by it the polynomial is 1 there, and keeps the mass wherever the columns of Q sum to 0: to rounding, not as far as
    the series converges.
    """
    k = np.arange(weights.size)
    values = np.cos(k * math.acos(place)) if place <= 1.0 else np.cosh(k * math.acosh(place))
    return float(weights @ values)


def shifted(operator: Operator, center: float, scale: float) -> Operator:
    """(A + center) * scale for an operator A."""
    if operator.strides.size:
        bands = operator.bands * scale
        bands[0] += center * scale
        return operator._replace(bands=bands)
    values = operator.values * scale
    rows = np.repeat(np.arange(operator.indptr.size - 1), np.diff(operator.indptr))
    values[operator.indices == rows] += center * scale
    return operator._replace(values=values)
