"""Coefficients that repeat: the density that repeats with them.

With U the propagator over one period, the periodic state at phase 0 is the null vector of U - 1. In one dimension U is
computed as a whole, by following the densities from all cells together, and its null vector by elimination without
subtraction; otherwise the leading eigenvectors of U are found from products. With a source a period is affine,
P -> U P + b, and its fixed point is that of (1 - U) P = b, from products by GMRES; it is there as far as U loses mass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, gmres

from ...errors import ConvergenceError, bad_value
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...progress import Pace
from ..discretization.rates_in_time import RatesInTime
from ..kernels import gth_elimination
from .piecewise import joins_neighbours
from .radau import Radau
from .time_dependent import Driven, Factor, GeneratorAt
from .time_scan import Probe, Timetable

WHOLE = 1200  # cells up to which U is computed as a whole
DOUBLINGS = 40  # of the number of periods in which the densities from all cells become one
FEW_PERIODS = 14  # that are followed at most, before eigenvectors are asked for
MOST_KEPT = 4_000_000  # cells of all exponentials of a period that are kept, some 250 bytes each
FED, FED_AGAIN = 60, 10  # products until a search for a state with a source starts anew, and how often it does
SAME = 1e-7  # of a coefficient's size, by which it may miss itself a period later


class PeriodicState(NamedTuple):
    """Masses (n,) at phase 0, a bound on their error in the 1-norm, and the periods after which the start is forgotten."""

    masses: np.ndarray
    error: float
    memory: float


def check_period(eq: FokkerPlanck, grid: Grid, period: float, source: Callable[..., Any] | None = None) -> None:
    """Refuse a time after which the coefficients, or the mass per time of a source that changes, do not repeat."""
    probe = Probe(eq, grid, period, source)
    times = period * ((np.arange(200) * 0.6180339887498949) % 1.0)
    values, later = probe.sample(times), probe.sample(times + period)
    size = np.abs(values).max(axis=0, initial=0.0)
    off = np.abs(later - values) > SAME * np.maximum(size, 1e-300)
    # beside a jump rounding may decide; that does not happen at many times
    if (off.sum(axis=0) > 2).any():
        t = float(times[int(np.argmax(off.any(axis=1)))])
        raise bad_value("period", "a time after which all coefficients repeat", period, f"They differ at t = {t:.4g}.")


def periodic_state(
    eq: FokkerPlanck,
    grid: Grid,
    generator_at: GeneratorAt,
    period: float,
    rtol: float,
    table: Timetable,
) -> PeriodicState:
    """The periodic state at phase 0, by steps that keep to a table; what leaves the box has to enter again.

    Raises
    ------
    ConvergenceError
        If the start is remembered for so many periods that the error would exceed 1000 rtol, or forever.
    """
    method: Radau | Driven
    if joins_neighbours(eq, grid, generator_at, table, grid.volumes.ravel()):
        method = Radau(RatesInTime(eq, grid, period), grid.periodic(0), rtol, period, table)
    else:
        method = Driven(generator_at, rtol, period, False, table)
    if isinstance(method, Radau) and grid.size <= WHOLE:
        state = _from_all_cells(method, grid.size, period)
    else:
        state = _from_products(method, grid, period, rtol)
    if not state.error <= 1e3 * rtol:
        raise ConvergenceError(
            f"the start is remembered for some {state.memory:.1e} periods, so that the error may be {state.error:.1e}: there "
            "may be several periodic states; follow one with fp.solve",
            state.masses,
        )
    return state


def fed_periodic_state(fed_at: GeneratorAt, n: int, period: float, rtol: float, table: Timetable) -> PeriodicState:
    """The periodic state with a source at phase 0, of any mass: P = U P + b, U over a period, b what the source gives in it.

    The norm of 1 / (1 - U), by which errors grow, is taken from the mass that is left of an even density, period by period.

    Raises
    ------
    ConvergenceError
        If what is put in leaves so slowly that the error would exceed 1000 rtol.
    """
    method = Driven(fed_at, rtol, period, False, table)
    given = np.append(np.zeros(n), 1.0)
    follow = _factors(method, given, period)
    pace, done, errors = Pace(__name__, "periodic state"), 0, [0.0]

    def once(v: np.ndarray) -> np.ndarray:
        if follow is not None:
            return follow(v)
        after, error = method.advance(v, 0.0, period)
        errors.append(error)
        return after

    def through(v: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 1
        pace(0.0, f"{done} periods followed")
        size = float(np.abs(v).sum())
        return v[:n] if size == 0.0 else size * once(v / size)[:n]

    b = through(given)
    rest = LinearOperator((n, n), matvec=lambda v: v.ravel() - through(np.append(v.ravel(), 0.0)), dtype=float)
    even = np.full(n, 1.0 / n)
    stays, _ = gmres(rest, even, rtol=0.01, restart=FED, maxiter=1)
    masses, failed = gmres(rest, b, rtol=0.1 * rtol, atol=0.0, restart=FED, maxiter=FED_AGAIN)
    memory = max(float(stays.sum()), float(masses.sum()) / float(b.sum()))
    after, own = method.advance(np.append(masses, 1.0), 0.0, period)
    error = memory * (max(*errors, own) + float(np.abs(after[:n] - masses).sum()) + rtol)
    if failed or not error <= 1e3 * rtol * max(1.0, float(masses.sum())):
        raise ConvergenceError(
            f"what is put in stays for some {memory:.1e} periods, so that the error may be {error:.1e}; use fp.solve",
            masses,
        )
    return PeriodicState(np.maximum(masses, 0.0), error, memory)


def _from_all_cells(method: Radau, n: int, period: float) -> PeriodicState:
    """From the densities after a period, one row a start."""
    rows, error = method.advance(np.eye(n), 0.0, period)
    rows = np.maximum(rows, 0.0)
    rows /= rows.sum(axis=1)[:, None]
    power, periods = rows, 1.0
    for _ in range(DOUBLINGS):
        if np.abs(power - power.mean(axis=0)).sum(axis=1).max() < 0.5:
            break
        power, periods = power @ power, 2.0 * periods
        power /= power.sum(axis=1)[:, None]
    else:
        return PeriodicState(power[0], np.inf, periods)
    bands = np.zeros((n, 2 * n - 1))
    for i in range(n):
        bands[i, n - 1 - i : 2 * n - 1 - i] = rows[i]
    masses = np.empty(n)
    gth_elimination.reduce(bands, n - 1, np.zeros(n), np.empty(n))
    gth_elimination.stationary(bands, n - 1, masses)
    # a change E of U moves the null vector by at most E times the periods in which differences die out
    return PeriodicState(masses / masses.sum(), 4.0 * periods * error, periods)


def _from_products(method: Radau | Driven, grid: Grid, period: float, rtol: float) -> PeriodicState:
    """From products with U: a uniform density is followed through periods, or U has its two leading eigenvectors found.

    What is found is followed in steps of its own, and its change in a period counts as an error.
    """
    uniform = grid.volumes.ravel() / grid.volumes.sum()
    follow = _factors(method, uniform, period) if isinstance(method, Driven) else None
    pace, done, errors = Pace(__name__, "periodic state"), 0, [0.0]

    def product(v: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 1
        pace(0.0, f"{done} periods followed")
        size = float(np.abs(v).sum())
        if size == 0.0:
            return v.ravel()
        if follow is not None:
            return size * follow(v.ravel() / size)
        after, error = method.advance(v.ravel() / size, 0.0, period)
        errors.append(error)
        return size * after

    masses, memory = _by_following(product, uniform, 0.1 * rtol) or _by_eigenvectors(product, uniform, 0.1 * rtol)
    negative = float(-np.minimum(masses, 0.0).sum())
    masses = np.maximum(masses, 0.0)
    masses /= masses.sum()
    after, own = method.advance(masses, 0.0, period)
    error = max(*errors, own + float(np.abs(after - masses).sum()))
    return PeriodicState(masses, memory * (error + rtol) + 2.0 * negative, memory)


def _by_following(
    product: Callable[[np.ndarray], np.ndarray], start: np.ndarray, rtol: float
) -> tuple[np.ndarray, float] | None:
    """The state to which a few periods lead, and how many are remembered; None where that would take many."""
    masses, changes = start, [np.inf, np.inf]
    for left in range(FEW_PERIODS)[::-1]:
        before, masses = masses, product(masses)
        changes.append(float(np.abs(masses - before).sum()))
        if np.isfinite(changes[-3]):
            kept = max(changes[-1] / changes[-2], changes[-2] / changes[-3])
            if kept < 1.0 and changes[-1] * kept / (1.0 - kept) <= rtol:
                return masses / masses.sum(), 1.0 / (1.0 - kept)
            if left < FEW_PERIODS // 2 and changes[-1] * kept**left > rtol:  # not to be reached
                break
    return None


def _by_eigenvectors(
    product: Callable[[np.ndarray], np.ndarray], start: np.ndarray, rtol: float
) -> tuple[np.ndarray, float]:
    """The state that a period leaves as it is, and how many are remembered, by the two leading eigenvectors."""
    operator = LinearOperator((start.size, start.size), matvec=product, dtype=float)
    try:
        values, vectors = eigs(operator, k=2, v0=start, tol=rtol)
    except ArpackNoConvergence as failure:
        raise ConvergenceError("the periodic state does not converge; follow it with fp.solve", None) from failure
    first = int(np.argmin(np.abs(values - 1.0)))
    gap = 1.0 - float(np.abs(values[1 - first]))
    return np.real(vectors[:, first] / vectors[:, first].sum()), 1.0 / gap if gap > 0.0 else np.inf


def _factors(method: Driven, masses: np.ndarray, period: float) -> Callable[[np.ndarray], np.ndarray] | None:
    """A period by the exponentials of the steps that some masses take, or None if they are too many to keep."""
    factors: list[Factor] = []
    method.kept = factors
    method.advance(masses, 0.0, period)
    method.kept = None
    if len(factors) * masses.size > MOST_KEPT:
        return None

    def follow(start: np.ndarray) -> np.ndarray:
        for factor in factors:
            start = factor.apply(start)
        return start

    return follow
