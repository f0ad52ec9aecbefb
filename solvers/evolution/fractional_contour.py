"""E_beta(Q t^beta) P: the density of a process that waits, without stepping through its history.

    p(t) = (1 / 2 pi i) Int e^(zt) z^(beta - 1) (z^beta - Q)^-1 p0 dz

on a hyperbola around the singularities of the integrand (Weideman and Trefethen 2007; Lopez-Fernandez and Palencia
2004). One set of shifted solves serves all output times of a window. Q is a generator, or T - 1 with T the matrix of a
Markov chain whose steps are separated by Mittag-Leffler waiting times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.rate_structure import advection_rate, chain_rates
from ..kernels.tridiagonal import solve_shifted
from ..linear.detailed_balance import has_detailed_balance
from ..linear.gmres import solve_jumps

WINDOW = 10.0  # ratio of the last to the first output time that one contour serves
MAX_NODES = 3000
MOST_DIGITS = 28.0  # natural logarithm of the best accuracy asked of a contour
ROUND_OFF = 37.0  # natural logarithm of 1e16
STEP_INSTEAD = "use method='stepping'"

Solve = Callable[[np.ndarray, np.ndarray], Iterator[np.ndarray]]  # (shifts, masses) -> blocks of (shift - Q)^-1 masses


@dataclass(frozen=True)
class Hyperbola:
    """z(u) = (scale / t) (1 + sin(iu - angle)) at the nodes u = (k + 1/2) step, k < count, for times up to t.

    `opening` is the angle by which the contour may be tilted beyond the vertical before it meets a singularity: pi/2
    where these lie on the negative real axis.
    """

    angle: float
    step: float
    scale: float
    count: int
    opening: float

    @classmethod
    def design(cls, digits: float, window: float, opening: float) -> Hyperbola | None:
        """The hyperbola with the fewest nodes for an error e^-digits over a window up to t; None where round-off forbids.

        Tilting the contour to both sides, up to `opening` and back to the vertical, bounds the error of the midpoint
        rule by e^(s (angle - opening) + m (1 - sin opening)) and e^(m - s angle), s = 2 pi / step, m = scale; its last
        node leaves e^(m (1 - sin(angle) cosh(step count)) / window). Equating all three with e^-digits leaves
        the angle free; opening = pi/2 is Weideman and Trefethen's case.
        """
        sine = math.sin(opening)
        angle = np.linspace(opening / 2.0, opening / (2.0 - sine), 202)[1:-1]
        rate = digits * sine / (opening - angle * (2.0 - sine))
        scale = rate * angle - digits
        reach = np.arccosh((1.0 + digits * window / scale) / np.sin(angle))
        count = np.where(
            scale * (1.0 - np.sin(angle)) > ROUND_OFF - digits, np.inf, np.ceil(reach * rate / (2.0 * math.pi))
        )
        best = int(np.argmin(count))
        if not np.isfinite(count[best]):
            return None
        return cls(float(angle[best]), float(2.0 * math.pi / rate[best]), float(scale[best]), int(count[best]), opening)

    def nodes(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes z_k and weights (step / pi) z'_k, each (count,); f(t) = Im sum_k w_k e^(z_k t) F(z_k) for real f."""
        u = 1j * self.step * (np.arange(self.count) + 0.5) - self.angle
        return self.scale / t * (1.0 + np.sin(u)), self.step / math.pi * self.scale / t * 1j * np.cos(u)

    def tilted(self, t: float, u: np.ndarray) -> np.ndarray:
        """The contour tilted as far as `opening`, at the parameters u."""
        return self.scale / t * (1.0 + np.sin(1j * u - self.opening))


@dataclass(frozen=True)
class Region:
    """Where the eigenvalues of Q may be: Re <= 0, |Im| <= height, |z + rate| <= rate; real where `real`.

    The disc is Gershgorin's with the largest outflow; the height bounds the skew part of a generator, hence its numerical
    range. Where advection dominates, resolvents are huge far from the eigenvalues though these be real; `wide` then
    keeps a contour out of the whole range.
    """

    real: bool
    rate: float
    height: float

    @classmethod
    def of(cls, q: Generator) -> Region:
        """The region of a generator: real for nonperiodic neighbour links in 1D and for detailed balance."""
        rate = float(q.outflow.max(initial=0.0))
        real = chain_rates(q) is not None or has_detailed_balance(q)
        return cls(real, rate, min(advection_rate(q), rate))

    def wide(self) -> Region:
        """The same without use of the eigenvalues being real."""
        return replace(self, real=False)

    def opening(self, beta: float, digits: float, window: float, t: float) -> float:
        """The widest opening of a hyperbola whose tilted contour passes to the right of all poles z^beta = eigenvalue.

        The sector |arg z| < pi / (2 beta) is always free of poles, as no eigenvalue has a positive real part.
        """
        free = min(math.pi / (2.0 * beta), math.pi) - math.pi / 2.0
        if self.real or free == math.pi / 2.0:
            return math.pi / 2.0
        for opening in (1.5, 1.35, 1.2, 1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03):
            if opening <= free:
                break
            hyperbola = Hyperbola.design(digits, window, opening)
            if hyperbola is not None and self._clear(hyperbola, beta, t):
                return opening
        return free

    def _clear(self, hyperbola: Hyperbola, beta: float, t: float) -> bool:
        far = (2.0 * self.rate) ** (1.0 / beta) * t / hyperbola.scale + 1.0
        u = np.linspace(0.0, math.acosh(2.0 * far / max(math.cos(hyperbola.opening), 0.05)) + 1.0, 2000)
        w = hyperbola.tilted(t, u) ** beta
        inside = (w.real <= 0.0) & (np.abs(w.imag) <= 1.05 * self.height) & (np.abs(w + self.rate) <= 1.05 * self.rate)
        return not inside.any()


class Contour:
    """Masses at many times from two contours; the second is finer by e^2, and their difference estimates the error.

    `solve` gives (shift - Q)^-1 masses for many shifts, `region` holds the eigenvalues of Q; `otherwise` says what to do
    where no contour serves.
    """

    name = "contour"

    def __init__(self, region: Region, solve: Solve, beta: float, rtol: float, otherwise: str = STEP_INSTEAD):
        self.region, self.solve, self.beta = region, solve, beta
        self.rtol, self.otherwise = rtol, otherwise
        self.digits = min(-math.log(rtol) + 1.5, MOST_DIGITS)
        self.work = {"solves": 0, "windows": 0}
        self.pace = Pace(__name__, "density by contours")

    def window(self, masses: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses (n_times, n) at positive times within a decade, and their errors in the 1-norm (n_times,)."""
        self.work["windows"] += 1
        digits = self.digits
        coarse = self._at(digits, masses, times)
        while True:
            fine = self._at(digits + 2.0, masses, times)
            error = np.abs(fine - coarse).sum(axis=1) + 1e-15 * np.abs(masses).sum()
            excess = float(error.max()) / self.rtol
            if excess < 0.5 or (digits >= MOST_DIGITS and not (self.region.real and excess > 1.0)):
                return fine, error
            if digits >= MOST_DIGITS:
                self.region = self.region.wide()
                return self.window(masses, times)
            digits, coarse = min(digits + max(math.log(excess) + 1.0, 2.0), MOST_DIGITS), fine

    def _at(self, digits: float, masses: np.ndarray, times: np.ndarray) -> np.ndarray:
        opening = self.region.opening(self.beta, digits, WINDOW, float(times[-1]))
        hyperbola = Hyperbola.design(digits, WINDOW, opening) if opening > 1e-3 else None
        if hyperbola is None or hyperbola.count > MAX_NODES:
            text = f"the eigenvalues may lie too close to the imaginary axis for a contour; {self.otherwise}"
            raise ConvergenceError(text)
        return self._sum(hyperbola, masses, times)

    def _sum(self, hyperbola: Hyperbola, masses: np.ndarray, times: np.ndarray) -> np.ndarray:
        z, weights = hyperbola.nodes(float(times[-1]))
        shifts = z**self.beta
        factors = np.exp(np.outer(times, z)) * (weights * shifts / z)
        self.work["solves"] += z.size
        total = np.zeros((times.size, masses.size))
        start = 0
        for block in self.solve(shifts, masses):
            part = factors[:, start : start + len(block)]
            total += part.real @ block.imag + part.imag @ block.real
            start += len(block)
            self.pace(start / z.size, f"window {self.work['windows']}")
        return total


def shifted_solutions(q: Generator, shifts: np.ndarray, masses: np.ndarray) -> Iterator[np.ndarray]:
    """(shift - Q)^-1 masses for each shift, in blocks (k, n)."""
    chain = chain_rates(q)
    if chain is not None:
        solutions = np.empty((shifts.size, masses.size), dtype=complex)
        solve_shifted(*chain, 1.0, shifts, masses, solutions)
        yield -solutions
        return
    if q.jumps is not None:
        for shift in shifts:
            yield solve_jumps(q, shift, masses)[None]
        return
    matrix = q.matrix.tocsc()
    unit = sp.eye_array(q.grid.size, format="csc")
    for shift in shifts:
        factor = splu((shift * unit - matrix).tocsc(), permc_spec="MMD_AT_PLUS_A")
        yield factor.solve(masses.astype(complex))[None]


def propagate_memory(
    q: Generator, masses: np.ndarray, times: np.ndarray, beta: float, rtol: float
) -> Iterator[tuple[np.ndarray, float, Contour]]:
    """Masses at each of the increasing `times`, with the largest error estimate so far and the method.

    Parameters
    ----------
    q : Generator
    masses : ndarray (n,)
        At time zero.
    times : ndarray
        Increasing, not below zero.
    beta : float
        The order of the time derivative, in (0, 1]. At 1 this is exp(Q t).
    rtol : float
        Error allowed in the 1-norm.
    """
    return _windows(Contour(Region.of(q), partial(shifted_solutions, q), beta, rtol), masses, times)


def propagate_waiting(
    t: sp.csc_array, masses: np.ndarray, times: np.ndarray, beta: float, rtol: float, otherwise: str
) -> Iterator[tuple[np.ndarray, float, Contour]]:
    """E_beta((T - 1) t^beta) masses at each of the increasing `times`, as `propagate_memory` gives it.

    `t` (n, n) is nonnegative with columns that sum to at most one, but for rows that only count (their entry on the
    diagonal is one). Hence the eigenvalues of T - 1 lie in the disc |z + 1| <= 1.
    """
    region = Region(real=False, rate=1.0, height=1.0)
    return _windows(Contour(region, partial(_chain_solutions, t), beta, rtol, otherwise), masses, times)


def _chain_solutions(t: sp.csc_array, shifts: np.ndarray, masses: np.ndarray) -> Iterator[np.ndarray]:
    """(shift + 1 - T)^-1 masses for each shift, in blocks (1, n)."""
    unit = sp.eye_array(masses.size, format="csc")
    for shift in shifts:
        yield splu(((shift + 1.0) * unit - t).tocsc()).solve(masses.astype(complex))[None]


def _windows(contour: Contour, masses: np.ndarray, times: np.ndarray) -> Iterator[tuple[np.ndarray, float, Contour]]:
    worst = 0.0
    start = 0
    if times[0] == 0.0:
        yield masses, 0.0, contour
        start = 1
    while start < times.size:
        stop = int(np.searchsorted(times, times[start] * WINDOW * (1.0 + 1e-12), side="right"))
        results, errors = contour.window(masses, times[start:stop])
        for p, error in zip(results, errors, strict=True):
            worst = max(worst, float(error))
            yield p, worst, contour
        start = stop
