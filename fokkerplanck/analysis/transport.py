"""Drift and diffusion in the long run along periodic axes: a tilted washboard, a ratchet, a molecular motor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arguments import flag
from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..queries import autonomous
from ..solvers.accuracy.estimates import Errors
from .stationary_state import State, state_of, with_errors


@dataclass(frozen=True, eq=False, repr=False)
class Transport:
    """How the position, counted on over the periods, moves in the long run.

    Attributes
    ----------
    grid : Grid
    velocity : ndarray (dim,)
        d<x>/dt.
    diffusion : ndarray (dim, dim)
        Half of d cov(x)/dt; zero along axes between walls.
    error : Errors
        "velocity" and "diffusion", from two coarser grids.
    """

    grid: Grid
    velocity: np.ndarray
    diffusion: np.ndarray
    error: Errors = field(default_factory=Errors.unknown)

    def __repr__(self) -> str:
        rows = "; ".join(", ".join(f"{v:.6g}" for v in row) for row in self.diffusion)
        speed = ", ".join(f"{v:.6g}" for v in self.velocity)
        return f"Transport on {self.grid!r}\n  velocity   {speed}\n  diffusion  {rows}\n  grid       {self.error.note}"


def effective_transport(eq: FokkerPlanck, grid: Grid, *, error: bool = True) -> Transport:
    """Mean velocity and effective diffusion along periodic axes.

    Parameters
    ----------
    eq : FokkerPlanck
        Without time dependence, interaction, memory and jumps.
    grid : Grid
        With at least one periodic axis.
    error : bool
        Whether to measure the error on two coarser grids.

    Returns
    -------
    Transport

    Notes
    -----
    With the rates r of jumps over distances d, and stationary masses P, v = sum d r P, D = sum d d r P / 2 + sum d r x, where
    Q x = v P - (sum d r P into each cell): the second derivative of the cumulant generating function (Derrida 1983). In 1D the
    limit of fine cells is the formula of Reimann et al. (2001).
    """
    flag("error", error)
    grid = autonomous(eq, grid, "stationary")
    if not any(grid.periodic(axis) for axis in range(grid.dim)):
        raise bad_value("grid", "periodic along an axis", grid, "Between walls nothing moves on in the long run.")
    if eq.jumps is not None or eq.time_order < 1.0:
        raise bad_value("eq", "without jumps and memory here", eq, "Their displacements have no finite variance.")
    state = state_of(eq, grid)
    result = _transport(state)
    return with_errors(result, state, _transport, eq, ("diffusion", "velocity")) if error else result


def _transport(state: State) -> Transport:
    grid, masses = state.grid, state.masses
    along = [_distances(state, axis) for axis in range(grid.dim)]
    arriving = [_arriving(state, d, masses) for d in along]
    velocity = np.array([one.sum() for one in arriving])
    beside = [state.solve(v * masses - one) for v, one in zip(velocity, arriving, strict=True)]
    cross = np.array([[_arriving(state, d, x).sum() for x in beside] for d in along])
    return Transport(grid, velocity, 0.5 * _spread(state, along) + 0.5 * (cross + cross.T))


def _distances(state: State, axis: int) -> list[np.ndarray]:
    """Distance along an axis from the lower to the upper end of each link, the short way round."""
    grid = state.grid
    x = np.broadcast_to(grid.coordinates()[axis], grid.shape).ravel()
    length = float(np.ptp(grid.edges[axis]))
    result = []
    for link in state.q.links:
        step = x[link.upper] - x[link.lower]
        result.append(step - length * np.round(step / length) if grid.periodic(axis) else step)
    return result


def _arriving(state: State, distances: list[np.ndarray], p: np.ndarray) -> np.ndarray:
    """Displacement per time of those who arrive in each cell, (n,), for masses p (n,)."""
    total = np.zeros(p.size)
    for link, d in zip(state.q.links, distances, strict=True):
        total += np.bincount(link.upper, d * link.forward * p[link.lower], p.size)
        total -= np.bincount(link.lower, d * link.backward * p[link.upper], p.size)
    return total


def _spread(state: State, along: list[list[np.ndarray]]) -> np.ndarray:
    """sum d d r P over all jumps, (dim, dim), from the distances along each axis."""
    p, dim = state.masses, state.grid.dim
    result = np.zeros((dim, dim))
    for k, link in enumerate(state.q.links):
        traffic = link.forward * p[link.lower] + link.backward * p[link.upper]
        d = np.stack([one[k] for one in along])
        result += np.einsum("an,bn,n->ab", d, d, traffic)
    return result
