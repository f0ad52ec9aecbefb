"""How the means over a self-consistent stationary law change: the averages that the coefficients read change with them.

With Q(m) P = 0 and m = O P, a change of the rates alone changes <f> by g . dQ P, where Q^T g = <f> - f. The averages then move
by dm, and each by c_k = g . (dQ / dm_k) P more:

    d<f> = g . dQ P + c . dm,       dm = b + K dm,       b_j = g_j . dQ P,   K_jk = g_j . (dQ / dm_k) P

with the g_j of the averages; so d<f> = (g + sum_j w_j g_j) . dQ P with (1 - K^T) w = c.
"""

from __future__ import annotations

import numpy as np

from ..errors import ConvergenceError, bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck, Swarm
from ..model.grid import Grid
from ..model.mean_field import MeanField
from ..model.pair_force import PairForce
from ..solvers.discretization.generator import Generator
from ..solvers.evolution.evolve import generators_of
from .laws import Law, Pushed, cells_stay
from .parameter_slope import slope
from .stationary_state import State

SINGULAR = 1e-6  # of the largest singular value of 1 - K: below it a state is one of a family


def self_consistent_law(eq: FokkerPlanck, state: State, grid: Grid) -> Law:
    """The law of a stationary state of an equation with an interaction that reads averages."""
    if isinstance(eq.interaction, PairForce):
        then = "fp.MeanField takes forces that are sums of products."
        raise bad_value("interaction", "fp.Swarm or fp.MeanField for a derivative", "fp.PairForce", then)
    cells_stay(state.q, grid)
    p, averages = state.masses, _averages(eq, grid)
    seen = np.stack([state.adjoint(float(f @ p) - f) for f in averages])
    changes = _changes(averages)

    def per_average(g: np.ndarray) -> np.ndarray:
        """g . (dQ / dm_k) P for each row of g and each average, (len(g), k)."""

        def along(change: np.ndarray) -> np.ndarray:
            return np.asarray(slope(lambda h: g @ _rates(eq, grid, p + h * change).apply(p), 0.0).value)

        return np.stack([along(change) for change in changes], axis=1)

    own = np.eye(len(averages)) - per_average(seen)
    sizes = np.linalg.svd(own, compute_uv=False)
    if not sizes[-1] > SINGULAR * max(sizes[0], 1.0):
        raise ConvergenceError(
            "the state is one of a family, such as its own shifts, or at a transition: it has no derivative", sizes[-1]
        )

    def pushed(f: np.ndarray) -> Pushed:
        g = state.adjoint(float(f @ p) - f)
        g = g + np.linalg.solve(own.T, per_average(g[None])[0]) @ seen
        return lambda other: float(g @ _rates(other, grid, p).apply(p))

    return Law(p, pushed)


def _rates(eq: FokkerPlanck, grid: Grid, masses: np.ndarray) -> Generator:
    """The generator for the averages over some masses (n,)."""
    q = generators_of(eq, grid)[0](0.0, masses.reshape(grid.shape))
    cells_stay(q, grid)
    return q


def _averages(eq: FokkerPlanck, grid: Grid) -> np.ndarray:
    """What is averaged, (k, n), in units of its largest value in the box; but for what is the same everywhere."""
    assert isinstance(eq.interaction, (Swarm, MeanField))
    found = eq.interaction.observed(Points.centers(grid).flat)
    changing = found[np.ptp(found, axis=1) > 0.0]
    return changing / np.abs(changing).max(axis=1, keepdims=True, initial=1e-300)


def _changes(averages: np.ndarray) -> np.ndarray:
    """Changes of the masses (k, n), without a change of their sum, that change one average each, by 1."""
    kept = np.vstack([averages, np.ones((1, averages.shape[1]))])
    return np.linalg.pinv(kept).T[: len(averages)]
