"""Where the drift leads from a point: to rest, away, or round a limit cycle.

A path is followed step by step. Where it comes back through a line across it (a section), its return map P says which: in the
plane the first fixed point of P in the direction in which turns move is the cycle, and P' = exp(int div mu dt) < 1 its
contraction over one turn. Next to the cycle, at the distance n along its normal,

    V = n^2 / (2 s),     s' = 2 (N.J N) s + 2 N.D N,     s of the period of the cycle,

with N the normal, J the derivative of mu and D the diffusion, all at the point of the cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.integrate import LSODA, solve_ivp
from scipy.optimize import brentq

from ..errors import NotFiniteError, bad_value
from .action import STENCIL, Hamiltonian, InUnits

Drift = Callable[[np.ndarray], np.ndarray]  # (d,) -> (d,)
RTOL, ATOL = 1e-10, 1e-12  # of paths; ATOL in lengths of the question
DIVERGENCE_ATOL = 1e-9  # of int div mu dt, by differences: finer than their rounding, steps would become tiny
FAR = 1e6  # lengths of the question: a path so far away has left
STEPS, LOOK = 20_000, 8  # of the solver in all, and between two looks for a point of rest
NEAR_REST = 1e-3  # of the length: where a stable point is so near, the path ends there
NEAR_START, CLOSED = (
    0.25,
    1e-6,
)  # of how far a turn leads: what comes back so near to its start has made a turn; has closed
SHRUNK = 0.5  # of the first turn: a path whose turns become smaller may come to rest
TURNS, TURN_STEPS = 60, 8  # over which a cycle is looked for; a turn takes at most so many times the steps of the first
RETURNED, NEUTRAL = 1e-8, 1e-6  # of how far a turn leads: P is at rest; of P' about 1: neither stable nor unstable
ON_IT = 0.01  # of its size: what is nearer to a cycle has come to it; its points are less than that apart
LARGEST_STEP, SURE = 0.25, 1e-3  # of how far a turn leads: of Newton steps; those that are not looked at on their way
BETWEEN = 4  # places on the way of a Newton step, at which turns are looked at
VANISHED = 1e-3  # of how far the first turn leads: smaller turns about a point that repels nothing end there
POINTS, FINER = (
    1000,
    20,
)  # of a cycle, at equal lengths; places within a step of the solver by which lengths are measured
DIFFERENCE = 1e-4  # of the length, for derivatives of the drift
ELSEWHERE = (
    "Quasipotentials are measured from points of rest and, in two dimensions, from stable limit cycles; not from cycles in "
    "more dimensions, tori or chaos."
)


@dataclass(frozen=True, eq=False, repr=False)
class LimitCycle:
    """A stable limit cycle of the drift in two dimensions.

    Attributes
    ----------
    points : ndarray (n, 2)
        In the order in which the drift leads round, at equal lengths in units of the noise.
    period : float
    contraction : float
        By which distances from the cycle shrink in one turn (its Floquet multiplier), between 0 and 1.
    variance : ndarray (n,)
        s at the points: next to the cycle V = n^2 / (2 s), with n the distance along the normal.
    """

    points: np.ndarray
    period: float
    contraction: float
    variance: np.ndarray

    def in_units(self, units: np.ndarray) -> LimitCycle:
        """In coordinates x / units, units (2,)."""
        normal = normals(self.points)
        share = np.linalg.norm(normal * units, axis=1)  # n / share is the distance in these units
        return LimitCycle(self.points / units, self.period, self.contraction, self.variance / share**2)

    def __repr__(self) -> str:
        point = ", ".join(f"{c:.4g}" for c in self.points[0])
        return f"LimitCycle through ({point}): period {self.period:.5g}, contraction {self.contraction:.3g} in a turn"


def normals(points: np.ndarray) -> np.ndarray:
    """Unit normals of a closed curve (n, 2), by differences of order 4."""
    tangent = sum(w * (np.roll(points, -int(k), axis=0) - np.roll(points, int(k), axis=0)) for k, w in STENCIL)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def comes_to(hamiltonian: Hamiltonian, x: np.ndarray, cycle: LimitCycle) -> bool:
    """Whether the drift leads from x (2,) to a cycle within some of its turns; not, if it rests, leaves or turns elsewhere."""
    units = np.ptp(cycle.points, axis=0)
    points, length = cycle.points / units, float(np.linalg.norm((x - cycle.points[0]) / units)) + 1.0
    field = _Field(InUnits(hamiltonian, units[:, None]), length, 2)
    solver = field.solver(field.drift, x / units)
    try:
        for _ in range(STEPS):
            if np.linalg.norm(points - solver.y, axis=1).min() < ON_IT:
                return True
            if solver.t > TURNS * cycle.period or solver.step() is not None or not np.isfinite(solver.y).all():
                return False
    except NotFiniteError:
        return False
    return False


class _Turn(NamedTuple):
    """The end of a turn (d,), how far it led from its start, the time, the steps, and int div mu dt."""

    end: np.ndarray
    reach: float
    time: float
    steps: int
    divergence: float


def limit_cycle(hamiltonian: Hamiltonian, a: np.ndarray, units: np.ndarray, length: float) -> LimitCycle | None:
    """The limit cycle that the drift leads to from a (d,); None where it comes to rest or leaves.

    Parameters
    ----------
    hamiltonian : Hamiltonian
    a : ndarray (d,)
    units : ndarray (d,)
        Of the axes.
    length : float
        Of the question, in these units: of the way that is asked for, or of the grid.

    Raises
    ------
    ValueError
        Where the path keeps turning otherwise: about a center, on an unstable cycle, or in three and more dimensions.
    """
    field = _Field(InUnits(hamiltonian, units[:, None]), length, len(a))
    try:
        place = _first_return(field, a / units)
        if place is None:
            return None
        field = replace(field, length=place[1])
        found = _stable_cycle(field, place[0], place[2])
        if found is not None:
            _check_start(field, a / units, TURN_STEPS * place[2])
    except NotFiniteError:  # the path has left where the drift is defined
        return None
    except _Turning as error:
        rule = "a point from which the drift comes to rest or, in two dimensions, to a stable limit cycle"
        raise bad_value("a", rule, _shown(a), str(error)) from None
    return None if found is None else _measured(field, *found).in_units(1.0 / units)


UNSTABLE = "on an unstable limit cycle"


class _Turning(Exception):
    """A path that turns without an end and comes to no stable cycle of the plane."""


@dataclass(frozen=True)
class _Field:
    """The drift at single points, with its derivatives."""

    hamiltonian: Hamiltonian
    length: float
    dim: int

    def drift(self, x: np.ndarray) -> np.ndarray:
        """mu (d,) at x (d,)."""
        return self.hamiltonian.moments(x[:, None])[0][:, 0]

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """d mu_i / d x_j (d, d), by differences of order 4."""
        step = DIFFERENCE * self.length
        offsets = np.concatenate([sign * k * step * np.eye(len(x)) for k, _ in STENCIL for sign in (1.0, -1.0)])
        mu = self.hamiltonian.moments((x + offsets).T)[0].reshape(len(x), 2 * len(STENCIL), len(x))
        return sum(w * (mu[:, 2 * j] - mu[:, 2 * j + 1]) for j, (_, w) in enumerate(STENCIL)) / step

    def solver(self, right: Drift, y: np.ndarray) -> LSODA:
        """A path of y' = right(y), step by step; after the coordinates y may hold int div mu dt."""
        atol = np.full(len(y), ATOL * self.length)
        atol[self.dim :] = DIVERGENCE_ATOL
        return LSODA(lambda t, y: right(y), 0.0, y, np.inf, rtol=RTOL, atol=atol)

    def rest(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """How far the next Newton step to a zero of the drift leads, and the rate of growth there; nan if there is none."""
        slope = self.jacobian(x)
        if np.linalg.matrix_rank(slope) < len(x):
            return np.full(len(x), np.nan), np.nan
        step = -np.linalg.solve(slope, self.drift(x))
        return step, float(np.linalg.eigvals(slope).real.max())


def _first_return(field: _Field, a: np.ndarray) -> tuple[np.ndarray, float, int] | None:
    """Where a path comes back near to itself, how far that turn leads, and its steps; None where it does not.

    The point that it has to come back to is renewed after 1, 2, 4, ... steps, so that no guess of its period is needed. In
    more than two dimensions only a turn that closes counts as one; a path that still turns in the end is refused.
    """
    if _at_rest(field, a) or not field.drift(a).any():
        return None
    solver, plane = field.solver(field.drift, a), len(a) == 2
    start, normal, reach, side, begun = a, _unit(field.drift(a)), 0.0, 0.0, 0
    reaches = []
    for n in range(1, STEPS):
        if solver.step() is not None or not np.isfinite(solver.y).all():
            return None
        if np.linalg.norm(solver.y - a) > FAR * field.length or (n % LOOK == 0 and _at_rest(field, solver.y)):
            return None
        before, side = side, float(normal @ (solver.y - start))
        reach = max(reach, float(np.linalg.norm(solver.y - start)))
        if before < 0.0 <= side:
            end = _crossing(solver, start, normal)[1]
            off = float(np.linalg.norm(end - start))
            if plane and off < NEAR_START * reach:
                return end, reach, n - begun
            if off < CLOSED * reach:
                raise _Turning(f"It leads to a periodic orbit in {len(a)} dimensions. {ELSEWHERE}")
            if off < NEAR_START * reach:
                reaches.append(reach)
        if n & (n - 1) == 0:
            if not field.drift(solver.y).any():
                return None
            start, normal, reach, side, begun = solver.y, _unit(field.drift(solver.y)), 0.0, 0.0, n
    if reaches and reaches[-1] > SHRUNK * reaches[0]:
        raise _Turning(f"It keeps turning. {ELSEWHERE}")
    return None


def _at_rest(field: _Field, x: np.ndarray) -> bool:
    """Whether the drift vanishes at a stable point near by."""
    step, growth = field.rest(x)
    return growth < 0.0 and float(np.linalg.norm(step)) < NEAR_REST * field.length


def _unit(v: np.ndarray) -> np.ndarray:
    return np.asarray(v / np.linalg.norm(v))


def _crossing(solver: LSODA, start: np.ndarray, normal: np.ndarray) -> tuple[float, np.ndarray]:
    """When and at what values (k,) the last step of a path crosses the line through start (d,), d <= k."""
    path, d = solver.dense_output(), len(start)

    def side(t: float) -> float:
        return float(normal @ (path(t)[:d] - start))

    low, high = solver.t_old, solver.t
    if side(low) >= 0.0 or side(high) <= 0.0:  # an end of the step, to rounding
        return high, np.array(solver.y)
    time = float(brentq(side, low, high, xtol=1e-15 * high))
    return time, np.asarray(path(time))


def _turn(field: _Field, x: np.ndarray, steps: int) -> _Turn | None:
    """One turn from x (2,) to the line across the drift at x; None where the path leaves or comes to rest."""

    def right(y: np.ndarray) -> np.ndarray:
        return np.append(field.drift(y[:2]), np.trace(field.jacobian(y[:2])))

    solver, normal = field.solver(right, np.append(x, 0.0)), _unit(field.drift(x))
    reach = side = 0.0
    for n in range(1, steps):
        if solver.step() is not None or not np.isfinite(solver.y).all():
            return None
        off = solver.y[:2] - x
        before, side = side, float(normal @ off)
        reach = max(reach, float(np.linalg.norm(off)))
        if before < 0.0 <= side:
            time, end = _crossing(solver, x, normal)
            if np.linalg.norm(end[:2] - x) < NEAR_START * reach:
                return _Turn(end[:2], reach, time, n, float(end[2]))
    if np.linalg.norm(solver.y[:2] - x) > FAR * field.length or _at_rest(field, solver.y[:2]):
        return None
    raise _Turning(f"It keeps turning, so slowly at times that a turn is not followed to its end. {ELSEWHERE}")


def _stable_cycle(field: _Field, x: np.ndarray, steps: int) -> tuple[np.ndarray, _Turn] | None:
    """A point of the cycle that a turning path comes to, and the turn there; None where the turns shrink to a point.

    Newton's method for P on the line across the drift, one line a step. A step stops before a place where P leads back, as it
    does beyond a fixed point: paths in the plane do not cross, so that this one comes to the nearest.
    """
    most, first, side = TURN_STEPS * steps, 0.0, 1.0
    for _ in range(TURNS):
        turn = _turn(field, x, most)
        if turn is None:
            return None
        first = max(first, turn.reach)
        if turn.reach < VANISHED * first and not field.rest(x)[1] * turn.time > NEUTRAL:
            return None
        across = _across(field, x)
        gain, slope = float(across @ (turn.end - x)), _slope(field, x, turn)
        if abs(gain) <= RETURNED * turn.reach:
            if slope < 1.0 - NEUTRAL:
                _check_beyond(field, x, turn, across * side, most)
                return x, turn
            raise _endless("around a center" if slope <= 1.0 + NEUTRAL else UNSTABLE, turn)
        side, most_far = np.sign(gain), LARGEST_STEP * turn.reach
        far = min(abs(gain) / (1.0 - slope), most_far) if slope < 1.0 else most_far
        x = _further(field, x, turn, across * side, far, most)
    raise _Turning(f"It keeps turning, and over {TURNS} turns comes to no cycle.")


def _across(field: _Field, x: np.ndarray) -> np.ndarray:
    drift = field.drift(x)
    return np.asarray(np.array([-drift[1], drift[0]]) / np.linalg.norm(drift))


def _slope(field: _Field, x: np.ndarray, turn: _Turn) -> float:
    """P' at x (2,)."""
    drift = field.drift(x)
    return float(np.exp(turn.divergence) * (drift @ drift) / (field.drift(turn.end) @ drift))


def _endless(kind: str, turn: _Turn) -> _Turning:
    return _Turning(f"It turns {kind} of period {turn.time:.4g} there. Give a point that the drift leads away from.")


def _check_start(field: _Field, a: np.ndarray, most: int) -> None:
    """Refuse a start (2,) on an unstable cycle: the rounding of a path chooses the side on which it leaves."""
    try:
        turn = _turn(field, a, most)
    except _Turning:
        return
    if turn is not None:
        slope = _slope(field, a, turn)
        if slope > 1.0 and np.linalg.norm(turn.end - a) <= RETURNED * turn.reach * (slope - 1.0):  # Newton's step
            raise _endless(UNSTABLE, turn)


def _check_beyond(field: _Field, x: np.ndarray, turn: _Turn, way: np.ndarray, most: int) -> None:
    """Refuse a cycle through x (2,) that is left on either side, along the way (2,) on which it was come to or against it."""
    for sign in (1.0, -1.0):
        place = x + sign * SURE * turn.reach * way
        other = _turn(field, place, most)
        if other is None or sign * float(way @ (other.end - place)) > 0.0:
            raise _Turning(
                f"It leads to a limit cycle of period {turn.time:.4g} that holds on one side only (semi-stable, or next to an "
                "unstable one): the least noise leads on. Give a point beyond it."
            )


def _further(field: _Field, x: np.ndarray, turn: _Turn, way: np.ndarray, far: float, most: int) -> np.ndarray:
    """The furthest of some places up to `far` along a way (2,) before which all turns lead that way; at least a turn's end."""
    if far < SURE * turn.reach:
        return x + far * way
    best = turn.end
    for share in np.arange(1, BETWEEN + 1) / BETWEEN:
        place = x + share * far * way
        try:
            other = _turn(field, place, most)
        except _Turning:
            break
        if other is None or way @ (other.end - place) <= 0.0:
            break
        best = place
    return best


def _measured(field: _Field, x: np.ndarray, turn: _Turn) -> LimitCycle:
    """The cycle through x (2,): its points, and s along it from one turn of the logarithm m of a displacement and of s."""

    def right(t: float, y: np.ndarray) -> np.ndarray:
        mu = field.drift(y[:2])
        normal = np.array([mu[1], -mu[0]]) / np.linalg.norm(mu)
        rate = normal @ field.jacobian(y[:2]) @ normal
        noise = normal @ field.hamiltonian.moments(y[:2, None])[1][..., 0] @ normal
        return np.array([*mu, rate, 2.0 * rate * y[3] + 2.0 * noise])

    found = solve_ivp(
        right, (0.0, turn.time), [*x, 0.0, 0.0], "LSODA", rtol=RTOL, atol=ATOL * field.length, dense_output=True
    )
    times = np.interp(np.arange(FINER * (found.t.size - 1) + 1) / FINER, np.arange(found.t.size), found.t)
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(found.sol(times)[:2], axis=1), axis=0)))
    at = np.interp(length[-1] * np.arange(POINTS) / POINTS, length, times)
    y = found.sol(at)
    shrunk = float(np.exp(found.y[2, -1]))
    first = found.y[3, -1] / (1.0 - shrunk**2)
    return LimitCycle(y[:2].T.copy(), turn.time, shrunk, y[3] + first * np.exp(2.0 * y[2]))


def _shown(point: np.ndarray) -> str:
    return f"({', '.join(f'{c:.6g}' for c in point)})"
