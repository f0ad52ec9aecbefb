"""Laws whose means change with the rates: at rest, with resets, and at a time.

With the masses P of a law, d(f . P) is a product of dQ with P and with a solution g of the backward equation for f, so that
one solution serves all parameters.

    at rest          Q P = 0                      Q^T g = <f> - f                 d<f> = g . dQ P
    with resets      Q M = -s, P = M / T          Q^T g = <f> - f                 d<f> = g . dQ M / T,   T = sum M
    at a time t      P' = Q P                     -u' = Q^T u, u(t) = f           d<f> = integral of u . dQ P
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.interpolate import BarycentricInterpolator

from ..errors import ConvergenceError, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..results.distribution import Distribution
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.linear.first_passage import BackwardEquation
from ..solvers.linear.occupation_until_exit import time_until_exit
from .stationary_state import State

FACES = 6  # around a quantile, through which the distribution function is interpolated

Pushed = Callable[[FokkerPlanck], Any]  # what an answer changes by, linear in the rates of another equation


class Law(NamedTuple):
    """Masses (n,), and what the sum of f (n,) over them changes by for the rates of another equation."""

    masses: np.ndarray
    pushed: Callable[[np.ndarray], Pushed]


def held(eq: FokkerPlanck, grid: Grid) -> Generator:
    """The generator on the cells of the grid as they are."""
    return generator(eq, grid, fixed=True)


def law_at_rest(state: State, grid: Grid) -> Law:
    """The stationary one."""
    cells_stay(state.q, grid)
    p = state.masses

    def pushed(f: np.ndarray) -> Pushed:
        g = state.adjoint(float(f @ p) - f)
        return lambda eq: float(g @ held(eq, grid).apply(p))

    return Law(p, pushed)


def cells_stay(q: Generator, grid: Grid) -> None:
    """Refuse a grid whose cells move onto zeros of D, which are elsewhere for other parameters."""
    if q.grid is not grid:
        then = "Take an equation whose noise does not vanish inside the box."
        raise bad_value("grid", "one whose cells stay", "faces that move onto zeros of D", then)


class Renewal(NamedTuple):
    """What starts anew with masses `start` (n,) whenever it has left: the mean times that it then spends in each cell, (n,)."""

    grid: Grid
    q: Generator
    spent: np.ndarray

    @classmethod
    def of(cls, eq: FokkerPlanck, grid: Grid, start: np.ndarray) -> Renewal:
        """The process that starts anew with these masses, (n,), or what is wrong with it."""
        q = held(eq, grid)
        spent = time_until_exit(q, start, "reset")
        return cls(grid, q, spent)

    @property
    def time(self) -> float:
        """Mean time from a reset until the box is left."""
        return float(self.spent.sum())

    def time_pushed(self, f: np.ndarray) -> Pushed:
        """The change of the sum of f over the times."""
        backward = BackwardEquation(self.q, np.ones(self.grid.size, dtype=bool))
        g = backward.solve(np.maximum(f, 0.0)) - backward.solve(np.maximum(-f, 0.0))
        return lambda eq: float(g @ held(eq, self.grid).apply(self.spent))

    def law(self) -> Law:
        """Of what is in the box."""
        p = self.spent / self.time

        def pushed(f: np.ndarray) -> Pushed:
            change = self.time_pushed(f - float(f @ p))
            return lambda eq: change(eq) / self.time

        return Law(p, pushed)

    def rate(self, delay: float) -> tuple[float, Pushed]:
        """Of resets, with a time that is spent outside at each."""
        rate = 1.0 / (self.time + delay)
        change = self.time_pushed(np.ones(self.grid.size))
        return rate, lambda eq: -change(eq) * rate**2


def quantile_of(law: Law, grid: Grid, q: float) -> tuple[float, Pushed]:
    """Where the distribution function, scaled to one, reaches q: dx = -d(F(x) - q) / p(x)."""
    x = float(Distribution.of(grid, law.masses.reshape(grid.shape) / grid.volumes).quantile(q))
    below, at = _distribution_function(x, grid)
    height = float(at @ law.masses)
    if not height > 0.0:
        raise ConvergenceError(f"the density is 0 at the quantile {x:g}, which has no derivative there", x)
    change = law.pushed(below - q)
    return x, lambda eq: -change(eq) / height


def _distribution_function(x: float, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n,) of the masses in F(x) and in the density there: a polynomial of F through the faces around x."""
    edges = grid.edges[0]
    first = int(np.clip(np.searchsorted(edges, x, side="right") - FACES // 2, 0, max(edges.size - FACES, 0)))
    near = edges[first : first + FACES]
    lagrange = BarycentricInterpolator((near - near[0]) / (near[-1] - near[0]), np.eye(near.size))
    place = (x - near[0]) / (near[-1] - near[0])
    below, at = np.zeros((2, grid.size))
    below[:first] = 1.0
    for weights, share in ((below, lagrange(place)), (at, lagrange.derivative(place) / (near[-1] - near[0]))):
        # F at a face is the sum of the masses below: a mass enters at all faces after it
        weights[first : first + near.size - 1] = np.cumsum(share[:0:-1])[::-1]
    return below, at
