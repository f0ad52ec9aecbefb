"""Coefficients that change with time on a chain or a ring of cells: Radau IIA of order five, solved exactly.

The equation is linear, so that the three stages of a step are one block tridiagonal system (`kernels.block_thomas`) and
nothing is iterated. A step is compared with two half steps, which are kept: their difference bounds what they err by, whether
the order is five or, where something was not smooth, one. Exact propagation never widens a difference in the 1-norm, hence
the sum over the steps bounds the error of the run.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.rates_in_time import ChainRates
from ..kernels.block_thomas import INVERSE, NODES, START, step_and_halves
from .time_scan import Timetable

# where a step and its two halves read the rates, and the start, which none of them reads
READS = np.concatenate([NODES, 0.5 * NODES, 0.5 + 0.5 * NODES, [0.0]])
MAX_STEPS = 1_000_000
AHEAD = 3  # steps, while their length is settled, for which rates are read at once
ROUNDING = 1e-14  # of a step: no difference is asked to be smaller
NEGATIVE = 1e-3  # of the error allowed in a step: how far below zero a mass may lie


def _extrapolation(chosen: np.ndarray) -> np.ndarray:
    """Weights (10,) of the rates read in a step: what the polynomial through the chosen ones misses at the start."""
    weights = np.zeros(READS.size)
    for k in chosen:
        others = READS[chosen[chosen != k]]
        weights[k] = np.prod(-others / (READS[k] - others))
    weights[-1] = -1.0
    return weights


AT_START = _extrapolation(np.array([3, 0, 4, 5, 6]))
FIRST = float(
    READS[READS > 0.0].min()
)  # share of a step before which nothing is read: a jump there would move h FIRST Q p


class Radau:
    """Adaptive steps for masses whose rates are known at any time.

    Parameters
    ----------
    rates : callable
        Times (n_times,) -> ChainRates.
    ring : bool
        Whether the last cell leads to the first.
    rtol : float
        Error allowed in the 1-norm over the whole run.
    horizon : float
    table : Timetable
        Pieces of the run that no step leaves.
    """

    name = "radau"

    def __init__(
        self,
        rates: Callable[[np.ndarray], ChainRates],
        ring: bool,
        rtol: float,
        horizon: float,
        table: Timetable,
    ):
        self.rates, self.ring, self.table = rates, ring, table
        self.rtol, self.horizon = rtol, horizon
        self.reserve = 0.5 * rtol  # for steps that are short as something fast is settling
        self.step = horizon / 16.0
        self.work = {"steps": 0, "rejected": 0, "pieces": table.first.size}
        self.pace = Pace(__name__, "density in time")

    def advance(self, masses: np.ndarray, start: float, end: float) -> tuple[np.ndarray, float]:
        """Masses (n,), or (m, n) of m starts at once, at `end` from those at `start`, and the error estimate of the worst."""
        p, error, t, ahead = np.atleast_2d(masses), 0.0, start, 1
        while t < end:
            if self.work["steps"] + self.work["rejected"] > MAX_STEPS:
                raise ConvergenceError(f"more than {MAX_STEPS} steps by t = {t:g}; raise rtol", masses)
            self.pace(t / self.horizon, f"t = {t:g} after {self.work['steps']} steps")
            plan = self.table.plan(t, end, self.step, ahead)
            reads = [self.table.read(step.piece, step.start + step.length * READS) for step in plan]
            rates = self.rates(np.concatenate(reads))
            for k, step in enumerate(plan):
                parts = ChainRates(*(part[READS.size * k : READS.size * (k + 1)] for part in rates))
                after, share = self._attempt(p, parts, step.length, step.start)
                if share < np.inf:
                    p, error, t = after, error + share, step.end
                if share == np.inf or self.step > 1.5 * step.wanted:  # the rest of the plan is void
                    ahead = 1
                    break
            else:
                ahead = min(2 * ahead, AHEAD)
        return p.reshape(masses.shape), error

    def _attempt(self, p: np.ndarray, rates: ChainRates, h: float, t: float) -> tuple[np.ndarray, float]:
        """The masses after a step and its error; or, where that is too large, those before it and infinity."""
        whole, half, twice = np.empty_like(p), np.empty_like(p), np.empty_like(p)
        apart, moving = step_and_halves(*rates, self.ring, h, INVERSE, START, AT_START, p, whole, half, twice)
        share = apart + FIRST * h * moving
        even = 0.5 * self.rtol * h / self.horizon
        allowed = max(even + 0.1 * self.reserve, ROUNDING)
        low = max(min(float(p.min()), 0.0) - float(twice.min()), 0.0)
        ratio = max(share / allowed, (low / max(NEGATIVE * allowed, 1e-15)) ** 2)
        if not ratio <= 1.0:  # so that nan is rejected
            if h < 1e-13 * self.horizon:
                then = "name the time of a jump in breaks=, or raise rtol"
                raise ConvergenceError(f"steps as short as {h:.1e} do not converge at t = {t:g}; {then}", p)
            self.work["rejected"] += 1
            self.step = h * max(0.05, 0.9 * ratio ** (-1.0 / 6.0)) if ratio < np.inf else 0.05 * h
            return p, np.inf
        self.work["steps"] += 1
        self.reserve -= min(max(share - even, 0.0), 0.1 * self.reserve)
        growth = min(4.0, 0.9 * max(share / allowed, 1e-12) ** (-1.0 / 6.0))
        self.step = max(self.step, h * growth) if growth > 1.0 else h * max(growth, 0.3)
        return twice, share
