"""exp(Q t) P: three methods with an error estimate each, and the choice between them by cost.

chebyshev        products with Q only, about sqrt(rate * t) of them: short and middle horizons, any dimension
rational         a partial fraction of exp with seven complex solves a step: long horizons
uniformization   products with a nonnegative matrix, about rate * t of them: strictly nonnegative, whatever Q is
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import SuperLU, splu
from scipy.special import gammaln

from ..errors import ConvergenceError
from .generator import Generator
from .kernels.products import bessel_weights, chebyshev_sum, poisson_sum
from .kernels.tridiagonal import solve_shifted


# Partial fractions on common poles (the conjugates are not listed): sum of 2 Re r_k / (z - POLES[k]) is exp(z) for FULL
# to 4e-14 and exp(z / 2) for HALF to 4e-8, for all real z <= 0.
POLES = np.array(
    [
        5.6231715347574198e+00 + 1.1940664287021552e+00j,
        5.0893745648750537e+00 + 3.5888160956028452e+00j,
        3.9934004296506349e+00 + 6.0048180601390158e+00j,
        2.2698165258521406e+00 + 8.4617178068772034e+00j,
        -2.0872377764902525e-01 + 1.0991232026333313e+01j,
        -3.7032391601766772e+00 + 1.3656333463712498e+01j,
        -8.8977354131802979e+00 + 1.6630935208424461e+01j,
    ]
)
FULL = np.array(
    [
        -2.7876162302540841e+01 - 1.0215000629317480e+02j,
        4.6934904583983737e+01 + 4.5644543861290835e+01j,
        -2.3498979396429913e+01 - 5.8082192094488470e+00j,
        4.8072333049002323e+00 - 1.3211122172051111e+00j,
        -3.7636337271764214e-01 + 3.3520468607423248e-01j,
        9.4387215286800795e-03 - 1.7185735118161568e-02j,
        -7.1538650674944594e-05 + 1.4361890341776573e-04j,
    ]
)
HALF = np.array(
    [
        -4.9700910470064281e+00 - 4.0422269503861843e+00j,
        2.7301317893619732e+00 - 4.2382244380500618e+00j,
        3.1828240380585870e+00 + 1.1972483326030017e+00j,
        -3.5295746651388576e-01 + 1.4757912018825214e+00j,
        -6.0364873073640002e-01 - 2.6461544365116375e-02j,
        -2.9503711948879203e-03 - 1.0951810781306320e-01j,
        1.6679209747559560e-02 - 1.1710922791968011e-04j,
    ]
)


class Method(Protocol):
    """What a propagation method offers: a step, and counts of what it cost."""

    name: str
    work: dict[str, int]

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """exp(Q time) masses, and an estimate of its error in the 1-norm."""


class Chebyshev:
    """Chebyshev series of exp on a flat ellipse around the spectrum (Tal-Ezer and Kosloff 1984).

    With a the largest outflow, the spectrum lies within a of -a; how far it matters off the real axis depends on the
    drift. exp(z t) = e^(-a t) sum_k c_k I_k(c t) T_k((z + a) / c) converges for any c, but if the ellipse with foci
    -a +- c leaves out too much, the terms first grow and then cancel. That growth is watched: where it would cost more
    digits than the tolerance allows, the ellipse is made higher, and if that is not enough the step is cut in half.
    """

    name = "chebyshev"
    heights = (0.05, 0.15, 0.5, 1.0)  # of the ellipse, in units of the advection rate

    def __init__(self, q: Generator, rtol: float, horizon: float):
        self.operator = q.operator
        self.rtol, self.horizon = rtol, horizon
        self.center = float(q.outflow.max(initial=0.0))
        self.advection = advection_rate(q)
        self.work = {"products": 0}
        self._rung = -1
        self._raise()

    def _raise(self) -> bool:
        """Take the next higher ellipse; False where there is none."""
        if self._rung + 1 == len(self.heights):
            return False
        self._rung += 1
        height = min(self.heights[self._rung] * self.advection, 0.95 * self.center)
        self.focal = math.sqrt(self.center**2 - height**2)
        self.spread = math.atanh(height / self.center) * self.focal if self.center else 0.0
        self.step = math.inf if self.center == self.focal else 200.0 / (self.center - self.focal)
        shifted = self.operator.bands.copy(), self.operator.values
        if self.center and self.operator.strides.size:
            shifted[0][0] += self.center
            shifted[0][...] /= self.focal
        self.scaled = self.operator._replace(bands=shifted[0])
        return True

    def products(self, time: float) -> float:
        """Roughly how many products a horizon takes."""
        steps = max(1.0, time / self.step)
        return self.spread * time + steps * math.sqrt(60.0 * self.focal * time / steps) + 20.0

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """See `Method`."""
        if self.center == 0.0:
            return masses.copy(), 0.0
        error, done = 0.0, 0.0
        while done < time:
            count = math.ceil((time - done) / self.step * (1.0 - 1e-12)) if self.step < math.inf else 1
            step = (time - done) / count
            result, share = self._series(masses, step)
            if share == math.inf:
                if not self._raise():
                    self.step = step / 2.0
                if self.step * self.center < 1e-3:
                    raise ConvergenceError("the Chebyshev series does not converge; use method='uniformization'", masses)
                continue
            masses, error = result, error + share
            done = time if count == 1 else done + step
        return masses, error

    def _series(self, masses: np.ndarray, step: float) -> tuple[np.ndarray, float]:
        """One step and its error: truncation plus the digits lost to cancellation."""
        z, peak = self.focal * step, self.spread * step
        tolerance = max(0.01 * self.rtol * min(step / self.horizon, 1.0), 1e-13)
        digits = -math.log(tolerance) + 10.0
        length = int(1.3 * peak + 1.5 * math.sqrt(2.0 * z * digits) + 2.0 * digits + 16)
        weights = 2.0 * math.exp((self.focal - self.center) * step) * bessel_weights(z, length)
        weights[0] *= 0.5
        result = np.empty_like(masses)
        limit = tolerance / 1e-14
        count, remainder, largest = chebyshev_sum(self.scaled, weights, masses, z, tolerance, int(peak), limit, result)
        self.work["products"] += count
        if largest == math.inf or remainder > 10.0 * tolerance:
            return result, math.inf
        return result, 4.0 * remainder + 1e-16 * count * largest


class Uniformization:
    """Poisson sum of powers of 1 + Q / rate: no subtraction anywhere, hence nonnegative (Jensen 1953)."""

    name = "uniformization"
    window = 4000.0  # expected jumps in one sum

    def __init__(self, q: Generator, rtol: float, horizon: float):
        self.operator = q.operator
        self.rate = float(q.outflow.max(initial=0.0))
        self.work = {"products": 0}

    def products(self, time: float) -> float:
        """Roughly how many products a horizon takes."""
        jumps = self.rate * time
        return jumps + max(1.0, jumps / self.window) * (8.0 * math.sqrt(min(jumps, self.window)) + 20.0)

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """See `Method`."""
        if self.rate == 0.0:
            return masses.copy(), 0.0
        steps = max(1, math.ceil(self.rate * time / self.window))
        jumps = self.rate * time / steps
        k = np.arange(int(jumps + 8.0 * math.sqrt(jumps) + 20.0))
        weights = np.exp(k * math.log(jumps) - jumps - gammaln(k + 1.0)) if jumps > 0.0 else (k == 0).astype(float)
        # the logarithms cost some digits; what is known exactly is the sum, one less a tail of 1e-15
        weights /= weights.sum()
        result = np.empty_like(masses)
        for _ in range(steps):
            poisson_sum(self.operator, self.rate, weights, masses, result)
            masses, result = result, np.empty_like(masses)
            self.work["products"] += k.size
        return masses, 1e-15 * steps * math.sqrt(k.size)


class Rational:
    """exp(z) as a partial fraction with seven conjugate pairs of poles, good to 1e-13 on the negative real axis.

    Poles of the near-best approximation of type (13, 14) by the Caratheodory-Fejer method (Trefethen, Weideman and
    Schmelzer 2006). A second set of residues on the same poles gives exp(z / 2) to 4e-8. Strong advection moves what
    matters off the real axis, where both lose accuracy: a step is trusted as far as its two halves agree with it, and
    cut where they do not.
    """

    name = "rational"
    floor = 5e-8  # what the halves differ by at best

    def __init__(self, q: Generator, rtol: float, horizon: float, budget: float = math.inf):
        self.q = q
        self.rtol, self.horizon = rtol, horizon
        self.budget = budget  # solves
        self.rate = float(q.outflow.max(initial=0.0))
        self.work = {"solves": 0, "factorizations": 0}
        self.bands = _tridiagonal(q)
        self.step = math.inf
        self._factors: dict[float, list[SuperLU]] = {}

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """See `Method`."""
        error, parts, done = 0.0, 1, 0
        while done < parts:
            while time / parts > self.step:
                parts, done = 2 * parts, 2 * done
            step = time / parts
            solves = self.work["solves"] + 2 * POLES.size * (parts - done)
            if solves > self.budget or solves * self.floor > 2 * POLES.size * self.rtol:
                raise ConvergenceError("the rational method needs too many steps; use method='chebyshev'", masses)
            solutions = self._solve(step, masses)
            whole = 2.0 * (FULL @ solutions).real
            half = 2.0 * (HALF @ solutions).real
            twice = 2.0 * (HALF @ self._solve(step, half)).real
            share = float(np.abs(whole - twice).sum()) + 1e-15 * step * self.rate
            if share > max(0.5 * self.rtol * step / self.horizon, self.floor):
                self.step = step / 2.0
                continue
            masses, error, done = whole, error + share, done + 1
            if parts > 1 and done % 2 == 0 and share < 0.01 * self.rtol * step / self.horizon:
                self.step, parts, done = 2.0 * step, parts // 2, done // 2
        self.step *= 2.0
        return masses, error

    def _solve(self, step: float, masses: np.ndarray) -> np.ndarray:
        solutions = np.empty((POLES.size, masses.size), dtype=complex)
        self.work["solves"] += POLES.size
        if self.bands is not None:
            solve_shifted(*self.bands, step, POLES, masses, solutions)
            return solutions
        for k, factor in enumerate(self._factorize(step)):
            solutions[k] = factor.solve(masses.astype(complex))
        return solutions

    def _factorize(self, step: float) -> list[SuperLU]:
        if step not in self._factors:
            self._factors.clear()
            unit = sp.eye_array(self.q.grid.size, format="csc")
            matrix = (step * self.q.matrix).tocsc()
            self._factors[step] = [splu(matrix - pole * unit, permc_spec="MMD_AT_PLUS_A") for pole in POLES]
            self.work["factorizations"] += POLES.size
        return self._factors[step]


def _tridiagonal(q: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(lower, diagonal, upper) of a generator with neighbour links only in 1D, else None."""
    operator = q.operator
    if q.grid.dim > 1 or sorted(operator.strides) != [-1, 0, 1]:
        return None
    rows = {int(s): band for s, band in zip(operator.strides, operator.bands, strict=True)}
    return rows[-1], rows[0], rows[1]


def advection_rate(q: Generator) -> float:
    """The largest sum over a cell's links of |f - b| / 2: how far the spectrum can leave the real axis."""
    total = np.zeros(q.grid.size)
    for link in q.links:
        excess = 0.5 * np.abs(link.forward - link.backward)
        total += np.bincount(link.lower, weights=excess, minlength=total.size)
        total += np.bincount(link.upper, weights=excess, minlength=total.size)
    return float(total.max(initial=0.0))


METHODS: dict[str, Callable[[Generator, float, float], Method]] = {
    "chebyshev": Chebyshev,
    "rational": Rational,
    "uniformization": Uniformization,
}


def choose(q: Generator, intervals: np.ndarray, rtol: float) -> Method:
    """The method that should be cheapest for these intervals between output times."""
    horizon = float(intervals.sum())
    positive = [float(dt) for dt in intervals if dt > 0.0]
    best = _cheapest_products(q, positive, rtol, horizon)
    if not positive or rtol < 2.0 * Rational.floor * len(positive) or q.grid.dim > 2:
        return best
    products = sum(best.products(dt) for dt in positive)
    # seconds, for cells and operations as measured on one core; only the ratio matters
    seconds = products * q.grid.size * 1e-9
    solve = (3e-8 if _tridiagonal(q) is not None else 5e-7) * q.grid.size
    factorization = 0.0 if _tridiagonal(q) is not None else 0.4 * (q.grid.size / 65536.0) ** 1.3
    distinct = np.unique(np.round(np.log(positive), 9)).size
    if 14.0 * solve * len(positive) + 7.0 * factorization * distinct < seconds:
        return Rational(q, rtol, horizon, budget=seconds / solve)
    return best


def _cheapest_products(q: Generator, intervals: list[float], rtol: float, horizon: float) -> Chebyshev | Uniformization:
    candidates = (Chebyshev(q, rtol, horizon), Uniformization(q, rtol, horizon))
    return min(candidates, key=lambda m: sum(m.products(dt) for dt in intervals))


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
    intervals = np.diff(times, prepend=0.0)
    horizon = float(times[-1])
    chosen = choose(q, intervals, rtol) if method == "auto" else METHODS[method](q, rtol, horizon)
    error = 0.0
    for interval in intervals:
        if interval > 0.0:
            try:
                masses, share = chosen.advance(masses, float(interval))
            except ConvergenceError:
                if method != "auto" or not isinstance(chosen, Rational):
                    raise
                chosen = _cheapest_products(q, [float(interval)], rtol, horizon)
                masses, share = chosen.advance(masses, float(interval))
            error += share
        yield masses, error, chosen
