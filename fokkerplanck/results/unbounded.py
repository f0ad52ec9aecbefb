"""The part of space in which a density stays, where nobody has said it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ConvergenceError, bad_value
from ..model.box import Box
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import InitialDensity, law_of_result
from ..randomness import private_generator
from .solution import Solution

logger = logging.getLogger(__name__)

CUT = 0.05  # of a tolerance: the probability that may leave the box; held back, it changes the density by twice as much
CELLS = {1: 256, 2: 64, 3: 24}  # along each axis of the boxes that are tried
WIDER = 0.5  # of the box, by which it grows at a side where probability leaves
EMPTY, MARGIN = 0.5, 0.25  # share of an axis that is occupied, below which it is cut; and what is left beside, of that
ROUNDS = 60
DRAWN = 1000  # points of the start, whose range is where the search begins


def box_of_density(eq: FokkerPlanck, p0: Any, t: float, tol: float, ask: Callable[[Grid, np.ndarray], Solution]) -> Box:
    """A box that a density leaves with a probability of at most tol / 20 until the time t.

    The box is tried with absorbing walls, so that this is the probability of ever having been outside; it grows at the sides
    where too much leaves, and is cut to where the density is.

    Parameters
    ----------
    eq : FokkerPlanck
    p0 : initial density that can be sampled
    t, tol : float
    ask : callable
        The density on a grid at times (n,).

    Raises
    ------
    ConvergenceError
        If the box has grown to many times the start without holding the density; `partial` is the last density.
    """
    law = law_of_result(p0)
    if isinstance(law, type) or not isinstance(law, InitialDensity):
        then = "Only a start that can be sampled, such as fp.gaussian(mean, std), tells where to look for one."
        raise bad_value("grid", "a Box or a Grid for this `p0`", None, then)
    if getattr(eq, "jumps", None) is not None:
        raise bad_value("grid", "a Box or a Grid for an equation with jumps", None, "They reach any wall at once.")
    low, high = _range_of_start(eq, law, t)
    times = np.union1d(np.linspace(0.0, t, 9), t * 0.5 ** np.arange(12))
    may_cut, was_cut = True, False
    for _ in range(ROUNDS):
        grid = Box(np.stack([low, high], axis=1), "absorbing").divided(CELLS[low.size])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of coarse cells and cut starts: they are what is looked at
            solution = ask(grid, times)
        through, width = _left(solution), high - low
        logger.info("box from %s to %s: %.1e of the probability leaves until t = %g", low, high, through.sum(), t)
        if through.sum() > CUT * tol:
            grows = through > 0.25 * CUT * tol / low.size
            low, high = low - WIDER * width * grows[:, 0], high + WIDER * width * grows[:, 1]
            may_cut = not was_cut
            continue
        first, last = _occupied(solution, 0.01 * CUT * tol)
        narrow = (last - first < EMPTY * width) & may_cut
        if not narrow.any():
            return Box(np.stack([low, high], axis=1))
        margin, was_cut = MARGIN * (last - first), True
        low, high = np.where(narrow, first - margin, low), np.where(narrow, last + margin, high)
    raise ConvergenceError(
        f"no box was found in which the density stays until t = {t:g}: {through.sum():.2g} of the probability leaves "
        f"{grid!r}. Give `grid` as an fp.Box with the walls that the problem has.",
        solution,
    )


def _range_of_start(eq: FokkerPlanck, law: InitialDensity, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners (dim,) around the start; of a point, as far as it diffuses, or else drifts."""
    points = law.sample(private_generator("range of a start"), DRAWN)
    low, high = points.min(axis=0), points.max(axis=0)
    there = Points(tuple(points[:1].T), lambda values: values)
    d, drift = eq.diffusion_at(there), eq.drift_at(there)
    along = np.einsum("iin->in", d)[:, 0] if d.ndim == 3 else d[:, 0]
    reach = np.sqrt(2.0 * along * t)
    reach = np.where(reach > 0.0, reach, np.abs(drift[:, 0]) * t)
    reach = np.where(reach > 0.0, reach, 1.0)
    margin = np.where(high > low, WIDER * (high - low), reach)
    return low - margin, high + margin


def _left(solution: Solution) -> np.ndarray:
    """Probability that has left through each side of each axis, (dim, 2): the loss, shared like the flows that are seen."""
    q, masses = solution.generator, solution.masses.reshape(solution.times.size, -1)
    assert q is not None
    flows = np.zeros((solution.grid.dim, 2))
    steps = np.diff(solution.times, prepend=0.0)
    for wall in q.exits:
        if wall.atom is None and wall.axis >= 0:
            flows[wall.axis, wall.side] += steps @ (masses[:, wall.cells] @ wall.rates)
    lost = max(1.0 - float(solution.mass[-1]), 0.0) + max(1.0 - solution.stats.initial_mass, 0.0)
    total = flows.sum()
    return lost * (flows / total if total > 0.0 else np.full(flows.shape, 1.0 / flows.size))


def _occupied(solution: Solution, little: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners (dim,) of the box outside which there is little probability along each axis at all output times."""
    grid, corners = solution.grid, []
    for axis, edges in enumerate(grid.edges):
        others = tuple(a + 1 for a in range(grid.dim) if a != axis)
        below = solution.masses.sum(axis=others).cumsum(axis=1)
        first = int((below > little).argmax(axis=1).min())
        last = int((below < below[:, -1:] - little).sum(axis=1).max())
        corners.append((edges[first], edges[min(last, edges.size - 2) + 1]))
    low, high = np.array(corners).T
    return low, high
