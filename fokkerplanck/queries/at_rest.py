"""The stationary density on one grid, of an equation that does not read it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..results.processes import InTime
from ..results.stationary import Stationary
from ..results.stats import StationaryStats
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.linear.atoms import final_atoms
from ..solvers.linear.closed_classes import ending_classes
from ..solvers.linear.rates import Rates
from ..solvers.linear.stationary import class_masses


def at_rest(eq: FokkerPlanck, grid: Grid, start_on: Callable[[Grid], np.ndarray] | None) -> Stationary:
    """The stationary density on one grid, from initial masses there where several classes are closed."""
    q = generator(eq, grid)
    grid = q.grid
    start = None if start_on is None else start_on(grid).ravel()
    classes, weights = ending_classes(Rates.of_generator(q), grid, "eq", start, tuple(q.atoms))
    masses = sum((w * class_masses(q, cells) for w, cells in zip(weights, classes, strict=True)), np.zeros(grid.size))
    masses = np.asarray(masses).reshape(grid.shape)
    residual = float(np.abs(q.apply(masses)).max() / max(q.outflow.max(initial=0.0), 1e-300))
    stats = StationaryStats(parts=len(classes), residual=residual)
    atoms = final_atoms(q, start)
    parts = f"{len(classes)} closed class(es)"
    if not classes:
        parts = "no stationary density: all ends in " + ", ".join(f"{grid.names[0]} = {x:.6g}" for x in atoms)
    message = "; ".join([parts, *q.found])
    d = eq.diffusion_at(Points.centers(grid))
    return Stationary(grid, masses / grid.volumes, InTime(q), stats, d, message=message, atoms=atoms)
