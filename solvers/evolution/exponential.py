"""exp(Q t) P: three methods with an error estimate each, and the choice between them by cost.

chebyshev        products with Q only, about sqrt(rate * t) of them: short and middle horizons, any dimension
rational         a partial fraction of exp by complex solves, seven for an interval or steps of order 15: long horizons
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

from ...errors import ConvergenceError, bad_value
from ..discretization.generator import Generator
from ..kernels.matvec import Operator, bessel_weights, chebyshev_sum, poisson_sum
from ..kernels.tridiagonal import solve_shifted
from ..linear.stationary import has_detailed_balance
from .chebyshev_jumps import chebyshev_sum_of, jumping_product

MOST_PRODUCTS = 1e7  # of uniformization where it is asked for

# Partial fractions on common poles (the conjugates are not listed): sum of 2 Re r_k / (z - POLES[k]) is exp(z) for FULL
# to 4e-14 and exp(z / 2) for HALF to 4e-8, for all real z <= 0.
POLES = np.array(
    [
        5.6231715347574198e00 + 1.1940664287021552e00j,
        5.0893745648750537e00 + 3.5888160956028452e00j,
        3.9934004296506349e00 + 6.0048180601390158e00j,
        2.2698165258521406e00 + 8.4617178068772034e00j,
        -2.0872377764902525e-01 + 1.0991232026333313e01j,
        -3.7032391601766772e00 + 1.3656333463712498e01j,
        -8.8977354131802979e00 + 1.6630935208424461e01j,
    ]
)
FULL = np.array(
    [
        -2.7876162302540841e01 - 1.0215000629317480e02j,
        4.6934904583983737e01 + 4.5644543861290835e01j,
        -2.3498979396429913e01 - 5.8082192094488470e00j,
        4.8072333049002323e00 - 1.3211122172051111e00j,
        -3.7636337271764214e-01 + 3.3520468607423248e-01j,
        9.4387215286800795e-03 - 1.7185735118161568e-02j,
        -7.1538650674944594e-05 + 1.4361890341776573e-04j,
    ]
)
HALF = np.array(
    [
        -4.9700910470064281e00 - 4.0422269503861843e00j,
        2.7301317893619732e00 - 4.2382244380500618e00j,
        3.1828240380585870e00 + 1.1972483326030017e00j,
        -3.5295746651388576e-01 + 1.4757912018825214e00j,
        -6.0364873073640002e-01 - 2.6461544365116375e-02j,
        -2.9503711948879203e-03 - 1.0951810781306320e-01j,
        1.6679209747559560e-02 - 1.1710922791968011e-04j,
    ]
)


# The same for the Pade approximant (7, 8) of exp: all poles to the right of zero, |R| <= 1 on the left half plane.
PADE_POLES = np.array(
    [
        1.0169446006657514e01 + 1.6492017968222277e00j,
        9.4063712136907398e00 + 4.9692172876232936e00j,
        7.7386881468305484e00 + 8.3708793062379829e00j,
        4.6854946328211966e00 + 1.2010578599813790e01j,
    ]
)
PADE = np.array(
    [
        2.6126208468682107e03 - 1.3549060147438920e04j,
        -3.8485444154374368e03 + 5.6903154338043132e03j,
        1.3348647374600173e03 - 7.0243101049801373e02j,
        -9.4941168890791303e01 - 2.5476662481767772e01j,
    ]
)


class Method(Protocol):
    """What a propagation method offers: a step, and counts of what it cost."""

    name: str
    work: dict[str, int]

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """exp(Q time) masses, and an estimate of its error in the 1-norm."""


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
        error, done = 0.0, 0.0
        while done < time:
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
        tolerance = max(0.01 * self.rtol * min(step / self.horizon, 1.0), 1e-13)
        digits = -math.log(tolerance) + 10.0
        length = int(1.3 * peak + 1.5 * math.sqrt(2.0 * z * digits) + 2.0 * digits + 16)
        weights = 2.0 * math.exp((focal - center) * step) * bessel_weights(z, length)
        weights[0] *= 0.5
        result = np.empty_like(masses)
        limit = max(1e15 * tolerance / math.sqrt(length), 1e3)
        scaled = self._operator(center, focal)
        if self.q.jumps is None:
            total = chebyshev_sum(scaled, weights, masses, z, tolerance, int(peak), limit, result)
        else:
            full = jumping_product(scaled, self.q.jumps, focal)
            total = chebyshev_sum_of(full, weights, masses, z, tolerance, int(peak), limit, result)
        count, remainder, largest = total
        self.work["products"] += count
        if largest == math.inf or remainder > 2.0 * tolerance:
            return result, math.inf
        return result, 50.0 * remainder + 2e-16 * math.sqrt(count) * max(largest, 1.0)

    def _operator(self, center: float, focal: float) -> Operator:
        """(Q + center) / focal."""
        if self._scaled is None or self._scaled[0] != (center, focal):
            self._scaled = (center, focal), shifted(self.operator, center, 1.0 / focal)
        return self._scaled[1]


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
    """exp(z) as a partial fraction: complex tridiagonal or sparse solves instead of products.

    Where the spectrum is real, a whole interval is first tried with the seven poles of the near-best approximation on the
    negative real axis (type (13, 14) by the Caratheodory-Fejer method; Trefethen, Weideman and Schmelzer 2006): good to
    1e-13 however long the interval, if only decay matters. A second set of residues on the same poles gives exp(z / 2)
    to 4e-8; the result is trusted as far as two such halves agree with it. Transport moves what matters off the real axis;
    the interval is then cut into steps of the Pade approximant (7, 8), L-stable and of order 15, each compared with two
    half steps.
    """

    name = "rational"

    def __init__(self, q: Generator, rtol: float, horizon: float, budget: float = math.inf):
        self.q = q
        self.rtol, self.horizon = rtol, horizon
        self.budget = budget  # solves
        self.rate = float(q.outflow.max(initial=0.0))
        self.work = {"solves": 0, "factorizations": 0}
        self.chain = _chain(q)
        # a real spectrum: what turns is lost without a trace over a long interval
        self.real = self.chain is not None or has_detailed_balance(q)
        self.spent = 0.0  # error of whole intervals so far
        self.step = math.inf
        self._factors: dict[tuple[float, int], list[SuperLU]] = {}

    def advance(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """See `Method`."""
        if not self.real:
            return self._steps(masses, time)
        result, error = self._whole(masses, time)
        if error <= 0.5 * self.rtol * time / self.horizon or self.spent + error <= 0.5 * self.rtol:
            self.spent += error
            return result, error
        return self._steps(masses, time)

    def _whole(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        solutions = self._solve(POLES, time, masses)
        whole, half = (2.0 * (residues @ solutions).real for residues in (FULL, HALF))
        twice = 2.0 * (HALF @ self._solve(POLES, time, half)).real
        return whole, float(np.abs(whole - twice).sum()) + self._rounding(time)

    def _steps(self, masses: np.ndarray, time: float) -> tuple[np.ndarray, float]:
        """Steps of time / 2^k, halved where the error asks for it and doubled where it seems to allow it."""
        error, done, parts, patience = 0.0, 0, 8, 0
        while time / parts > self.step:
            parts *= 2
        while done < parts:
            step = time / parts
            if self.work["solves"] + 3.0 * PADE_POLES.size * (parts - done) > self.budget:
                raise ConvergenceError("the rational method needs too many steps; use method='chebyshev'", masses)
            whole = self._pade(step, masses)
            halves = self._pade(0.5 * step, self._pade(0.5 * step, masses))
            difference = float(np.abs(whole - halves).sum())
            allowed = 0.5 * self.rtol * step / self.horizon
            if not difference <= allowed:  # so that nan is rejected
                parts, done, patience = 2 * parts, 2 * done, 16
                if step * self.rate < 1e-3:
                    raise ConvergenceError(
                        f"rounding keeps it from rtol = {self.rtol:g}; use method='uniformization'", masses
                    )
                continue
            masses, error, done = halves, error + difference + self._rounding(step), done + 1
            patience -= 1
            if done % 2 == 0 and patience < 0 and difference < allowed / 100.0:
                parts, done = parts // 2, done // 2
        self.step = 2.0 * time / parts
        return masses, error

    def _pade(self, step: float, masses: np.ndarray) -> np.ndarray:
        return 2.0 * (PADE @ self._solve(PADE_POLES, step, masses)).real

    def _rounding(self, step: float) -> float:
        """What rounding does to the solution of a stiff system; nothing in a chain, which is solved without subtraction."""
        return 1e-15 * (step * self.rate if self.chain is None else 1.0)

    def _solve(self, poles: np.ndarray, step: float, masses: np.ndarray) -> np.ndarray:
        """(step * Q - pole)^-1 masses for each pole, (poles, n)."""
        self.work["solves"] += poles.size
        solutions = np.empty((poles.size, masses.size), dtype=complex)
        if self.chain is not None:
            solve_shifted(*self.chain, step, poles, masses, solutions)
            return solutions
        for k, factor in enumerate(self._factorize(poles, step)):
            solutions[k] = factor.solve(masses.astype(complex))
        return solutions

    def _factorize(self, poles: np.ndarray, step: float) -> list[SuperLU]:
        key = (step, poles.size)
        if key not in self._factors:
            while len(self._factors) > 1:  # a step and its half
                del self._factors[next(iter(self._factors))]
            unit = sp.eye_array(self.q.grid.size, format="csc")
            matrix = (step * self.q.matrix).tocsc()
            self._factors[key] = [splu(matrix - pole * unit, permc_spec="MMD_AT_PLUS_A") for pole in poles]
            self.work["factorizations"] += poles.size
        return self._factors[key]


def _chain(q: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Rates (up, down, kill) of a generator with neighbour links only in 1D, else None."""
    if q.jumps is not None or q.grid.dim > 1 or [link.stride for link in q.links] not in ([1], []):
        return None
    up, down = np.zeros(q.grid.size), np.zeros(q.grid.size)
    for link in q.links:
        up[link.lower] = link.forward
        down[link.upper] = link.backward
    negligible = 1e-100 * q.outflow.max(initial=0.0)  # they would breed subnormal numbers
    return np.where(up < negligible, 0.0, up), np.where(down < negligible, 0.0, down), q.escape


def advection_rate(q: Generator) -> float:
    """The largest sum over a cell's links of |f - b| / 2: how far the spectrum can leave the real axis."""
    total = np.zeros(q.grid.size)
    for link in q.links:
        excess = 0.5 * np.abs(link.forward - link.backward)
        total += np.bincount(link.lower, weights=excess, minlength=total.size)
        total += np.bincount(link.upper, weights=excess, minlength=total.size)
    return float(total.max(initial=0.0)) + (0.0 if q.jumps is None else q.jumps.skew)


METHODS: dict[str, Callable[[Generator, float, float], Method]] = {
    "chebyshev": Chebyshev,
    "rational": Rational,
    "uniformization": Uniformization,
}


def choose(q: Generator, intervals: np.ndarray, rtol: float, rational: bool = True) -> Method:
    """The method that should be cheapest for these intervals between output times."""
    horizon = float(intervals.sum())
    positive = [float(dt) for dt in intervals if dt > 0.0]
    if q.jumps is not None:
        return Chebyshev(q, rtol, horizon)
    best = _cheapest_products(q, positive, rtol, horizon)
    if not rational or not positive or q.grid.dim > 2:
        return best
    products = sum(best.products(dt) for dt in positive)
    # seconds, for cells and operations as measured on one core; only the ratio matters
    seconds = products * q.grid.size * 1e-9
    chain = _chain(q) is not None
    solve = (3e-8 if chain else 5e-7) * q.grid.size
    distinct = np.unique(np.round(np.log(positive), 9)).size
    factorizations = 0.0 if chain else 7.0 * distinct * 0.4 * (q.grid.size / 65536.0) ** 1.3
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


def _check_affordable(products: float, q: Generator, masses: np.ndarray) -> None:
    """Refuse what would take hours."""
    hours = products * q.grid.size * 1e-9 / 3600.0
    if hours > 1.0:
        raise ConvergenceError(
            f"rtol is out of reach of long steps over this horizon, and short ones would take some {hours:.0f} hours; "
            "raise rtol, or ask for fp.stationary or fp.spectrum.",
            masses,
        )


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
    if (
        method != "auto"
        and isinstance(chosen, Uniformization)
        and (products := chosen.products(horizon)) > MOST_PRODUCTS
    ):
        got, then = f"'uniformization', which takes {products:.1e} of them", "Use method='auto'."
        raise bad_value("method", "one that needs a few million products at most", got, then)
    error = 0.0
    for interval in intervals:
        if interval > 0.0:
            try:
                masses, share = chosen.advance(masses, float(interval))
            except ConvergenceError:
                if method != "auto" or not isinstance(chosen, Rational):
                    raise
                chosen = _cheapest_products(q, [float(interval)], rtol, horizon)
                _check_affordable(chosen.products(float(interval)), q, masses)
                masses, share = chosen.advance(masses, float(interval))
            error += share
        yield masses, error, chosen
