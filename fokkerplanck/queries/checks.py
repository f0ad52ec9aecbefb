"""What can be asked of an equation on a grid; and its generator."""

from __future__ import annotations

from typing import Any

from ..arguments import instance, number
from ..errors import bad_value
from ..model.box import Box
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..results.requests import (
    check_systems,
)
from ..sgd import SGD
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.scharfetter_gummel import generator


def autonomous(eq: Any, grid: Any, question: str | None) -> Grid:
    """As `check_question`; nothing changes with time or with the density, and the question, if given, fits into memory."""
    grid = check_question(eq, grid)
    if eq.time_dependent or eq.interaction is not None:
        got = "an interaction" if eq.interaction is not None else "a coefficient with a parameter `t`"
        raise bad_value("eq", "independent of time and of the density here", got, "Follow it in time with fp.solve.")
    if question is not None:
        check_systems(eq, grid, question)
    return grid


def public_generator(eq: FokkerPlanck, grid: Grid, t: float = 0.0) -> Generator:
    """The generator of an equation on a grid at time t: the rate matrix Q on cell masses, dP/dt = Q P.

    Parameters
    ----------
    eq : FokkerPlanck
        Without memory and without interaction, whose evolution no single matrix describes.
    grid : Grid
    t : float
        Time at which time-dependent coefficients are read.

    Returns
    -------
    Generator
        `matrix` (scipy sparse, on raveled cell masses), `apply(P)`, `flux(P)`, `current(P)`, `adjoint`.
    """
    check_question(eq, grid)
    if eq.time_order < 1.0:
        then = "With memory the density obeys no rate matrix: use fp.solve."
        raise bad_value("time_order", "1 for a generator", eq.time_order, then)
    return generator(eq, grid, number("t", t))


def check_question(eq: Any, grid: Any) -> Grid:
    """The grid, its axes called as the coordinates of the equation; what is no equation, or no grid, is refused."""
    then = "Use sgd.equation(), or sgd.transfer_operator(grid)." if isinstance(eq, SGD) else ""
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation", then)
    then = "Give tol=1e-3 with a Box." if isinstance(grid, Box) else "Make one with fp.Grid((low, high), cells)."
    instance("grid", grid, Grid, "a Grid", then)
    return grid if eq.names is None else grid.named(eq.names)
