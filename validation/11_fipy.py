"""FiPy, an independent second solver, gives the same densities in two dimensions.

The L1 difference between `fp.solve` and FiPy 4 (Guyer, Wheeler and Warren 2009) falls with order 2 in the cell size, for a
double well with rotation, V = (x^2-1)^2 + 2 y^2 and 0.5 (-y, x), and for a rotating drift with diagonal, position-dependent D
read at the start of a step (Ito), both to t = 0.5.

FiPy's `DiffusionTerm(D)` alone is div(D grad p), the Klimontovich convention; the Ito flux mu p - d_i(D_i p) needs the
velocity mu_i - d_i D_i. Leaving that out is the control. FiPy discretises drift by central differences
(order 2 in space, no exponential fit, so that little is shared with ours) and time by implicit Euler steps (order 1),
extrapolated from n and 2n steps to order 2; solver tolerance 1e-12, since the default of 1e-5 skips steps that change the
density little.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (32, 64, 128)  # cells an axis
QUICK = (32, 64)


@dataclass(frozen=True)
class Case:
    """A drift, a diagonal D with d_i D_i, a square box, and N(mean, 0.3^2) at time 0."""

    name: str
    half: float
    time: float
    mean: tuple[float, float]
    drift: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    diffusion: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    slope: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    allowed: float  # the difference to FiPy times cells^2

    def start(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The initial density."""
        return np.exp(-((x - self.mean[0]) ** 2 + (y - self.mean[1]) ** 2) / 0.18) / (0.18 * np.pi)


DOUBLE_WELL = Case(
    "double well with rotation",
    2.5,
    0.5,
    (-1.0, 0.0),
    drift=lambda x, y: [-4 * x * (x * x - 1) - 0.5 * y, -4 * y + 0.5 * x],
    diffusion=lambda x, y: [0.25 + 0 * x, 0.25 + 0 * x],
    slope=lambda x, y: [0 * x, 0 * y],
    allowed=120.0,
)
VARIABLE = Case(
    "variable D, Ito",
    3.0,
    0.5,
    (0.5, 0.3),
    drift=lambda x, y: [-x - y, x - y],
    diffusion=lambda x, y: [0.2 + 0.15 * x**2, 0.15 + 0.1 * np.sin(y) ** 2],
    slope=lambda x, y: [0.3 * x, 0.2 * np.sin(y) * np.cos(y)],
    allowed=40.0,
)
CASES = (DOUBLE_WELL, VARIABLE)


def ours(case: Case, n: int) -> np.ndarray:
    """The density on n x n cells by `fp.solve`."""
    eq = fp.FokkerPlanck(drift=case.drift, diffusion=case.diffusion)
    grid = fp.Grid([(-case.half, case.half)] * 2, [n, n])
    return fp.solve(eq, grid, case.start, case.time).density[-1]


def fipy_steps(case: Case, n: int, steps: int, ito: bool = True) -> np.ndarray:
    """The density by implicit steps of FiPy; `ito=False` leaves out the noise-induced drift."""
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    import fipy

    h = 2 * case.half / n
    corner = ((-case.half,), (-case.half,))
    mesh = fipy.Grid2D(nx=n, ny=n, dx=h, dy=h) + corner
    x, y = mesh.faceCenters.value
    velocity = np.array(case.drift(x, y)) - (np.array(case.slope(x, y)) if ito else 0.0)
    velocity = fipy.FaceVariable(mesh=mesh, rank=1, value=velocity)
    velocity.setValue(0.0, where=mesh.exteriorFaces)  # reflecting walls
    # every face sees the component of D across it
    across = np.where(np.abs(mesh.faceNormals[0]) > 0.5, *case.diffusion(x, y))
    diffusion = fipy.FaceVariable(mesh=mesh, value=across)
    equation = fipy.TransientTerm() == fipy.DiffusionTerm(diffusion) - fipy.CentralDifferenceConvectionTerm(velocity)
    p = fipy.CellVariable(mesh=mesh, value=case.start(*mesh.cellCenters.value))
    solver = fipy.LinearLUSolver(tolerance=1e-12)
    for _ in range(steps):
        equation.solve(var=p, dt=case.time / steps, solver=solver)
    return p.value.reshape(n, n).T  # the first axis varies fastest


def fipy_density(case: Case, n: int, ito: bool = True) -> np.ndarray:
    """Two runs, extrapolated to order 2 in time."""
    steps = n // 2
    return 2 * fipy_steps(case, n, 2 * steps, ito) - fipy_steps(case, n, steps, ito)


def difference(case: Case, n: int, ito: bool = True) -> float:
    """L1 difference between the two programs."""
    area = (2 * case.half / n) ** 2
    return float(np.abs(ours(case, n) - fipy_density(case, n, ito)).sum() * area)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """Differences and their order; the control at every level, so that one sees that it does not fall."""
    if importlib.util.find_spec("fipy") is None:
        raise claim.Skipped("FiPy is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FiPy's own
        rows = [
            Row(f"{case.name}: L1 difference", difference(case, n), 0.0, case.allowed / n**2, "absolute", level=n)
            for case in CASES
            for n in levels
        ]
        rows = claim.with_order(rows, 2.0, 0.3)
        name = f"{VARIABLE.name}, noise-induced drift left out: L1 difference"
        for n in levels:
            found = difference(VARIABLE, n, ito=False)
            rows.append(Row(name, found, 0.0, VARIABLE.allowed / n**2, "absolute", level=n, control=True))
    return rows


def figure(rows: Sequence[Row]) -> Figure:
    """Differences against the number of cells, with a line of order 2."""
    picture = claim.canvas(6.4, 4.4)
    axes = picture.add_subplot()
    styles = iter(("ko-", "ks--", "kx:"))
    for name in dict.fromkeys(row.case for row in rows if row.level):
        chosen = [row for row in rows if row.case == name]
        level = np.array([row.level for row in chosen])
        control = "control: " * chosen[0].control
        label = control + name.removesuffix(": L1 difference")
        axes.loglog(level, [row.measured for row in chosen], next(styles), mfc="0.7", label=label)
    axes.loglog(level, 0.6 * rows[0].measured * (level[0] / level) ** 2, color="0.6", lw=1, label="order 2")
    axes.set_xticks(level, [str(n) for n in level])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="cells an axis", ylabel="L1 difference to FiPy")
    axes.legend(frameon=False, fontsize=8)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
