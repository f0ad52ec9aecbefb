"""Stationary states of equations that read their own density: p = the stationary density of Q[p].

There may be several. The flow dp/dt = Q[p] p is followed from a start with frozen generators (a midpoint rule), by steps that
grow as the density comes to rest, until the state that it leads to is near; from there the fixed point is found by Anderson's
acceleration (1965; Walker and Ni 2011). One that is unstable is left again along the flow, unless the flow itself ends there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..linear.closed_classes import ending_classes
from ..linear.rates import Rates
from ..linear.stationary import class_masses
from .exponential import propagate
from .linear_stability import Stability, linear_stability

logger = logging.getLogger(__name__)

GeneratorOf = Callable[[np.ndarray], Generator]  # for the density with given masses (n,)

NEAR = (
    0.1,
    1e-3,
    1e-5,
    1e-7,
)  # distance to the stationary density of Q[p], 1-norm, from which the fixed point is tried
CHANGE = (
    0.03,
    0.1,
)  # of the masses, 1-norm, by which a frozen generator may be off after a step, and of the distance to rest
SHORT, GROWTH = (
    0.02,
    4.0,
)  # change of the masses in the first step, and by how much a step may be longer than the one before
MOST_STEPS, MOST_ITERATIONS = 400, 100
CREEPING, PATIENCE = 1e-4, 40  # distance to rest that has to do if it does not halve in so many steps
DEPTH = 8  # iterations that Anderson's acceleration looks back
FIXED, GOOD = 1e-12, 1e-8  # 1-norm: what is asked of a fixed point, and what will do where rounding allows no more
EXACT = 1e-7  # of the propagation with a frozen generator


class SelfConsistent(NamedTuple):
    """Masses (n,) that are stationary for their own generator, 1-norm of what is left, and how perturbations grow."""

    masses: np.ndarray
    generator: Generator
    residual: float
    iterations: int
    stability: Stability


class Fixed(NamedTuple):
    """Masses (n,), how far they are from those that their generator leaves alone, and after how many iterations."""

    masses: np.ndarray
    residual: float
    iterations: int


def self_consistent(
    of: GeneratorOf, start: np.ndarray, stay: bool = False, observed: np.ndarray | None = None
) -> SelfConsistent:
    """The stationary state that the flow leads to from initial masses (n,); to `stay`, the nearest one, stable or not.

    observed : (k, n), if the generator reads no more of the masses than the averages over them.

    Raises
    ------
    ConvergenceError
        If the flow does not come to rest; with the last masses.
    """
    p, flow, ended = start / start.sum(), _Flow(of), False
    for near in NEAR:
        p = flow.until(p, near)
        gap, steps, ended = flow.gaps[-1], len(flow.gaps), flow.ended
        logger.debug("self-consistent: %d steps in time, distance %.1e", steps, gap)
        found = _fixed_point(of, p)
        if found is not None:
            stability = linear_stability(of, found.masses, observed)
            if stay or stability.growth <= stability.rounding or near == NEAR[-1] or ended or gap <= GOOD:
                iterations = steps + found.iterations
                return SelfConsistent(found.masses, of(found.masses), found.residual, iterations, stability)
        if ended:
            break
    if gap <= CREEPING:
        return SelfConsistent(p, of(p), gap, steps, linear_stability(of, p, observed))
    text = (
        f"no stationary state was reached: after {steps} steps in time the density is {gap:.1e} (1-norm) away from what its "
        "own coefficients leave alone. It may oscillate, fall in upon itself, or creep along where the equation conserves "
        "what the grid does not. Follow it with fp.solve, or start elsewhere by p0."
    )
    raise ConvergenceError(text, p)


def _at_rest(of: GeneratorOf, p: np.ndarray) -> np.ndarray:
    """What the generator of p leaves alone, from p where several classes of cells are closed."""
    q = of(p)
    classes, weights = ending_classes(Rates.of_generator(q), q.grid, "eq", p)
    return np.asarray(
        sum((w * class_masses(q, cells) for w, cells in zip(weights, classes, strict=True)), np.zeros(p.size))
    )


def _gap(of: GeneratorOf, p: np.ndarray) -> float:
    return float(np.abs(_at_rest(of, p) - p).sum())


class _Flow:
    """dp/dt = Q[p] p by exponentials of frozen generators; `gaps` are the distances to rest so far."""

    def __init__(self, of: GeneratorOf):
        self.of, self.length = of, 0.0
        self.gaps: list[float] = []
        self.pace = Pace(__name__, "stationary state with an interaction")

    def until(self, p: np.ndarray, near: float) -> np.ndarray:
        """The masses from which the distance to rest is at most `near`, or where the flow has ended."""
        while True:
            self.gaps.append(gap := _gap(self.of, p))
            if gap <= near or self.ended:
                return p
            self.pace(len(self.gaps) / MOST_STEPS, f"at most, {gap:.1e} away from rest")
            p = self.step(p, min(CHANGE[0], CHANGE[1] * gap))

    @property
    def ended(self) -> bool:
        """Whether it has taken all its steps, or creeps: where any shift of a state would be one too, but for the cells."""
        gaps = self.gaps
        creeps = len(gaps) > PATIENCE and gaps[-1] <= CREEPING and gaps[-1] > 0.5 * gaps[-PATIENCE]
        return creeps or len(gaps) > MOST_STEPS

    def step(self, p: np.ndarray, allowed: float) -> np.ndarray:
        """The masses after a step that misses them by what is allowed: exp(h Q[(p + p1) / 2]) p, with p1 = exp(h Q[p]) p."""
        q = self.of(p)
        h = self.length or SHORT / max(float(np.abs(q.apply(p)).sum()), 1e-300)
        while True:
            first = _frozen(q, p, h)
            second = _frozen(self.of(0.5 * (p + first)), p, h)
            off = float(np.abs(second - first).sum())
            if off <= allowed:
                break
            h *= max(0.2, 0.8 * allowed / off)
        self.length = h * min(GROWTH, 0.8 * allowed / max(off, 1e-300))
        return second


def _frozen(q: Generator, p: np.ndarray, h: float) -> np.ndarray:
    """exp(h Q) p, (n,)."""
    masses, _, _ = next(propagate(q, p, np.array([h]), "auto", EXACT))
    return _shares(masses)


def _shares(masses: np.ndarray) -> np.ndarray:
    positive = np.maximum(masses, 0.0)
    return positive / positive.sum()


def _fixed_point(of: GeneratorOf, p: np.ndarray) -> Fixed | None:
    """The fixed point near p by Anderson's acceleration; None where it is not found."""
    points: list[np.ndarray] = []
    gaps: list[np.ndarray] = []
    best = Fixed(p, np.inf, 0)
    for k in range(MOST_ITERATIONS):
        gap = _at_rest(of, p) - p
        size = float(np.abs(gap).sum())
        if size < best.residual:
            best = Fixed(p, size, k + 1)
        if size <= FIXED or (best.residual <= GOOD and k >= best.iterations + DEPTH):
            break
        points, gaps = [*points[-DEPTH:], p], [*gaps[-DEPTH:], gap]
        p = _shares(_mixed(np.array(points), np.array(gaps)))
    return best if best.residual <= GOOD else None


def _mixed(points: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Where the gaps (m, n) at points (m, n), taken as linear, are smallest, and a step on by what is left."""
    moved, changed = np.diff(points, axis=0), np.diff(gaps, axis=0)
    weights = np.linalg.lstsq(changed.T, gaps[-1], rcond=1e-10)[0] if len(points) > 1 else np.zeros(0)
    return np.asarray(points[-1] + gaps[-1] - weights @ (moved + changed))
