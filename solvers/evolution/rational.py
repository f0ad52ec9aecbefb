"""exp(Q t) P as a partial fraction: complex solves, seven for an interval or steps of order 15."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import SuperLU, splu

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.rate_structure import chain_rates
from ..kernels.tridiagonal import solve_shifted
from ..linear.detailed_balance import has_detailed_balance

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
        self.chain = chain_rates(q)
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
        pace = Pace(__name__, "density at the next time")
        while done < parts:
            pace(done / parts)
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
