"""Drift and diffusion in the long run along periodic axes: a tilted washboard, a ratchet, a molecular motor."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..arguments import flag
from ..errors import bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.jump_laws import Kernel
from ..model.levy import LevyJumps
from ..model.poisson import PoissonJumps
from ..queries import autonomous
from ..solvers.accuracy.estimates import Errors
from ..solvers.discretization.poisson_rates import jumps_on_lattice
from .stationary_state import State, state_of, with_errors

BEYOND = 1e-9  # of the jumps, whose distances are not known


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
        Without time dependence, interaction and memory; in 1D with `PoissonJumps` whose sizes do not depend on the place.
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
    limit of fine cells is the formula of Reimann et al. (2001). Jumps that go round several times count each turn.
    """
    flag("error", error)
    grid = autonomous(eq, grid, "stationary")
    if not any(grid.periodic(axis) for axis in range(grid.dim)):
        raise bad_value("grid", "periodic along an axis", grid, "Between walls nothing moves on in the long run.")
    if eq.time_order < 1.0:
        raise bad_value("eq", "without memory here", eq, "Its displacements grow more slowly than time.")
    jumps = None if eq.jumps is None else _of_given_sizes(eq.jumps, grid)
    state, ask = state_of(eq, grid), partial(_transport, jumps=jumps)
    result = ask(state)
    return with_errors(result, state, ask, eq, ("diffusion", "velocity")) if error else result


def _of_given_sizes(jumps: LevyJumps | PoissonJumps, grid: Grid) -> PoissonJumps:
    """The jumps, whose distances have to be known and to have a finite variance."""
    if isinstance(jumps, LevyJumps):
        raise bad_value("eq", "without Levy jumps here", jumps, "Their displacements have no finite variance.")
    if grid.dim > 1 or isinstance(jumps.law_read, Kernel):
        then = "From a kernel on a circle one cannot tell how often a jump goes round. Simulate: fp.simulate without a grid."
        raise bad_value("eq", "with jumps of given sizes on a line, if it has any", jumps, then)
    return jumps


def _transport(state: State, jumps: PoissonJumps | None = None) -> Transport:
    grid, masses = state.grid, state.masses
    if jumps is not None:
        return _with_jumps(state, jumps)
    along = [_distances(state, axis) for axis in range(grid.dim)]
    arriving = [_arriving(state, d, masses) for d in along]
    velocity = np.array([one.sum() for one in arriving])
    beside = [state.solve(v * masses - one) for v, one in zip(velocity, arriving, strict=True)]
    cross = np.array([[_arriving(state, d, x).sum() for x in beside] for d in along])
    return Transport(grid, velocity, 0.5 * _spread(state, along) + 0.5 * (cross + cross.T))


def _with_jumps(state: State, jumps: PoissonJumps) -> Transport:
    """On a circle, with jumps over the offsets of their lattice."""
    grid, h = state.grid, float(state.grid.widths[0][0])
    lattice = jumps_on_lattice(jumps, grid)
    if 1.0 - float(lattice.weights.sum()) > BEYOND:
        rule = "with jumps that end within some periods, all but 1e-9 of them"
        raise bad_value(
            "eq", rule, f"{1.0 - float(lattice.weights.sum()):.2g} beyond", "Simulate: fp.simulate without a grid."
        )
    offsets, rate, along = lattice.offsets(0), jumps.rate_at(Points.centers(grid).coords).ravel(), _distances(state, 0)

    def arriving(p: np.ndarray) -> np.ndarray:
        """As `_arriving`, for links and jumps together."""
        ends = (np.arange(p.size)[:, None] + offsets) % p.size
        carried = (rate * p)[:, None] * (h * offsets * lattice.weights)
        return _arriving(state, along, p) + np.bincount(ends.ravel(), carried.ravel(), p.size)

    first = arriving(state.masses)
    velocity = float(first.sum())
    cross = float(arriving(state.solve(velocity * state.masses - first)).sum())
    square = h**2 * float(lattice.weights @ offsets**2) * float(rate @ state.masses)
    diffusion = 0.5 * (_spread(state, [along]) + square) + cross
    return Transport(grid, np.array([velocity]), diffusion)


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
