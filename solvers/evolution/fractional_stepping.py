"""The fractional equation by steps, for forces that follow physical time or depend on the density.

    dp/dt = L(t) g,   g = D_t^(1 - beta) p,   that is   p = I^(1 - beta) g

With G_k the integral of g over step k, the second relation becomes p_n = sum_k a_nk G_k (the L1 formula: g constant in
a step) and the first p_n - p_(n-1) = L(middle) G_n, so that each step solves (a_nn - L) G_n = p_(n-1) - (history):
an M-matrix and, as a_nk falls with n, a nonnegative right side. Densities stay nonnegative and mass is exact.
The kernel t^-beta is a sum of exponentials, so that the memory kept is O(log n) vectors (Jiang et al. 2017); steps grow
from the start as (k / n)^r, since p behaves as t^beta there (Stynes, O'Riordan and Gracia 2017: order 2 - beta).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.rate_structure import chain_rates
from ..kernels.fractional_history import advance_history, solve_tridiagonal
from ..linear.gmres import solve_jumps
from .time_scan import Timetable

GeneratorAt = Callable[[float, np.ndarray], Generator]
SUM_TOLERANCE = 1e-11  # relative, of the sum of exponentials
FIRST_LEVEL = 32  # steps of the coarsest mesh
STEPS = 2_000_000  # in one run, over all levels


def exponential_sum(beta: float, shortest: float, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Rates s and weights w >= 0 with t^-beta / Gamma(1 - beta) = sum_j w_j e^(-s_j t) for shortest <= t <= longest.

    The trapezoidal rule for sin(pi beta) / pi times the integral of e^(beta x - e^x t) over x, whose error falls as
    e^(-pi^2 / spacing); all rates too slow to be seen within `longest` are lumped into one of the same first moment.
    """
    digits = -math.log(SUM_TOLERANCE)
    spacing = math.pi**2 / (digits + 2.0)
    low = -math.log(longest) - (digits + 3.0) / beta
    high = math.log(digits + 3.0 * math.log(digits)) - math.log(shortest)
    x = np.arange(low, high + spacing, spacing)
    rates, weights = np.exp(x), math.sin(math.pi * beta) / math.pi * spacing * np.exp(beta * x)
    slow = rates * longest < SUM_TOLERANCE ** (1.0 / (2.0 + beta))
    if slow.sum() < 2:
        return rates, weights
    lumped = float(weights[slow].sum())
    mean = float(weights[slow] @ rates[slow]) / lumped
    return np.append(mean, rates[~slow]), np.append(lumped, weights[~slow])


def graded_mesh(times: np.ndarray, beta: float, level: int, table: Timetable | None = None) -> np.ndarray:
    """A mesh from 0 that holds all positive `times`; equal steps in (t / T)^(1 / r), each cut in 2^level by a level.

    It also holds the ends of all pieces of a timetable, and is graded anew from each jump of the coefficients, after which the
    density is as rough as it is at the start.
    """
    if table is None:
        return _graded(times, FIRST_LEVEL, beta, level)
    horizon = float(times[-1])
    starts = np.append(0.0, table.ends[1:-1][table.first[1:] > table.last[:-1]])
    starts = starts[starts < horizon]
    points = np.unique(np.concatenate([times, table.ends[(table.ends > 0.0) & (table.ends < horizon)]]))
    mesh = [np.zeros(1)]
    for start, stop in zip(starts, np.append(starts[1:], horizon), strict=True):
        inside = points[(points > start) & (points <= stop)]
        count = FIRST_LEVEL * ((stop - start) / horizon) ** (1.0 / grading(beta))
        part = start + _graded(inside - start, max(count, 4.0), beta, level)[1:]
        part[np.searchsorted(part, inside - 1e-13 * horizon)] = inside
        mesh.append(part)
    return np.concatenate(mesh)


def grading(beta: float) -> float:
    """The power r of a mesh (k / n)^r on which t^beta is followed at the order of the steps."""
    return min((2.0 - beta) / beta, 8.0)


def _graded(times: np.ndarray, first_level: float, beta: float, level: int) -> np.ndarray:
    ends = (times / times[-1]) ** (1.0 / grading(beta))
    stages = np.diff(ends, prepend=0.0)
    counts = np.maximum(np.ceil(first_level * stages), 1).astype(int) * 2**level
    starts = ends - stages
    pieces = [a + s * np.arange(1, n + 1) / n for a, s, n in zip(starts, stages, counts, strict=True)]
    mesh = times[-1] * np.concatenate([[0.0], *pieces]) ** grading(beta)
    mesh[np.cumsum(counts)] = times
    return mesh


@dataclass
class Stepping:
    """Marches through meshes of doubling fineness until two extrapolated results agree."""

    beta: float
    rtol: float
    table: Timetable | None = None
    name: str = "stepping"
    work: dict[str, int] = field(default_factory=lambda: {"steps": 0, "levels": 0, "solves": 0})

    def run(self, generator_at: GeneratorAt, masses: np.ndarray, times: np.ndarray, nonlinear: bool) -> Any:
        """Masses (n_times, n) at positive times, and their errors in the 1-norm (n_times,)."""
        order = 2.0 - self.beta
        previous = best = None
        error = np.full(times.size, np.inf)
        for level in range(20):
            mesh = graded_mesh(times, self.beta, level, self.table)
            if self.work["steps"] + mesh.size > STEPS:
                break
            self.work["levels"] += 1
            current = self.march(generator_at, masses, mesh, times, nonlinear)
            if previous is not None:
                extrapolated = current + (current - previous) / (2.0**order - 1.0)
                if best is not None:
                    error = np.abs(extrapolated - best).sum(axis=1)
                best = extrapolated
                if error.max() < 0.5 * self.rtol:
                    return best, error
            previous = current
        raise ConvergenceError(
            f"the steps did not converge to {self.rtol:g}; the last change was {error.max():.1e}", best
        )

    def march(
        self, generator_at: GeneratorAt, masses: np.ndarray, mesh: np.ndarray, times: np.ndarray, nonlinear: bool
    ) -> np.ndarray:
        """Masses (n_times, n) at those mesh points that are output times."""
        steps = np.diff(mesh)
        rates, weights = exponential_sum(self.beta, steps.min(), mesh[-1])
        modes, alive = np.zeros((rates.size, masses.size)), np.zeros(rates.size, dtype=bool)
        fresh, last, history = np.zeros(rates.size), np.zeros(masses.size), np.zeros(masses.size)
        output = dict(zip(np.searchsorted(mesh, times * (1.0 - 1e-12)).tolist(), range(times.size), strict=True))
        result = np.empty((times.size, masses.size))
        p, before = masses, masses
        local = steps**-self.beta / math.gamma(2.0 - self.beta)
        pace = Pace(__name__, "density in time")
        for n, step in enumerate(steps):
            pace(n / steps.size)
            advance_history(modes, alive, np.exp(-rates * step), fresh, weights, last, history)
            start = np.maximum(p - history, 0.0) if n else p  # nonnegative but for the sum's 1e-11
            middle = mesh[n] + 0.5 * step
            guess = np.maximum(p + 0.5 * step / steps[n - 1] * (p - before), 0.0) if n else p
            for _ in range(2 if nonlinear else 1):
                last = self._solve(generator_at(middle, guess), float(local[n]), start)
                new = local[n] * last + history
                guess = 0.5 * (p + new)
            before, p = p, new
            fresh = -np.expm1(-rates * step) / (rates * step)
            if n + 1 in output:
                result[output[n + 1]] = p
        self.work["steps"] += steps.size
        return result

    def _solve(self, q: Generator, shift: float, x: np.ndarray) -> np.ndarray:
        self.work["solves"] += 1
        chain = chain_rates(q)
        if chain is not None:
            up, down, kill = chain
            y = np.empty(x.size)
            solve_tridiagonal(shift + up + down + kill, up, down, x, y)
            return y
        if q.jumps is not None:
            return solve_jumps(q, shift, x)
        matrix = (shift * sp.eye_array(x.size, format="csc") - q.matrix.tocsc()).tocsc()
        return splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(x)


def propagate_stepping(
    generator_at: GeneratorAt,
    masses: np.ndarray,
    times: np.ndarray,
    beta: float,
    rtol: float,
    table: Timetable | None = None,
    nonlinear: bool = False,
) -> Iterator[tuple[np.ndarray, float, Stepping]]:
    """Masses at each of the increasing `times`, with the error estimate and the method.

    Parameters
    ----------
    generator_at : callable
        (t, masses) to the Generator; the masses matter where `nonlinear`.
    masses : ndarray (n,)
        At time zero.
    times : ndarray
        Increasing, not below zero.
    beta : float
        The order of the time derivative, in (0, 1).
    rtol : float
        Error allowed in the 1-norm.
    table : Timetable, optional
        Pieces of the run between which coefficients may jump.
    """
    method = Stepping(beta, rtol, table)
    if times[0] == 0.0:
        yield masses, 0.0, method
        times = times[1:]
    if times.size:
        results, errors = method.run(generator_at, masses, times, nonlinear)
        for p, error in zip(results, np.maximum.accumulate(errors), strict=True):
            yield p, float(error), method
