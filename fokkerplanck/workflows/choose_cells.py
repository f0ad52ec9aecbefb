"""The grid of a run file that asks for a tolerance instead of cells."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..errors import ConvergenceError, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..queries import solve
from ..results.solution import Solution
from ..results.tolerance import to_tolerance
from .outcome import Problem, plain_model


def grid_within(problem: Problem, tol: float) -> Grid:
    """The grid on which the densities of all equations of a run are within `tol` in the 1-norm, at all output times.

    Transfer operators are asked on it too. Their own error is the numerical diffusion of the projection, which they tell: a
    density of SGD with few batches may be too rough for any cells to come near in the 1-norm.

    Raises
    ------
    ValueError
        Where `tol` is out of reach.
    """
    grid = problem.grid
    for case in problem.cases:
        equations = [eq for eq in case.models.values() if eq is not None]
        if not equations and case.sgd is not None:
            equations = [plain_model(case.sgd)]
        for eq in equations:
            try:
                grid = finer_grid(problem, eq, grid, tol)
            except ConvergenceError as error:
                raise bad_value("grid.tol", "within reach", tol, f"{error}") from None
    return grid


def finer_grid(problem: Problem, eq: FokkerPlanck, grid: Grid, tol: float) -> Grid:
    """From a grid on, the first on which the density of an equation is within `tol` at all output times."""
    return to_tolerance(partial(_density, problem, eq), grid, tol, extrapolate=False).grid


def _density(problem: Problem, eq: FokkerPlanck, grid: Grid) -> Solution:
    return solve(
        eq, grid, problem.p0, np.array(problem.spec.output.times, dtype=float), **problem.how, **problem.entering
    )
