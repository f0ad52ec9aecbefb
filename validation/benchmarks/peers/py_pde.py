"""py-pde: the equation as an expression, its explicit Runge-Kutta solver with numba.

`call="stepper"` keeps the compiled stepper; `call="solve"` is the documented `eq.solve`, which compiles anew each time.
The density vanishes at the walls: with zero derivative there, central differences of the drift create mass.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..cases import Case

LABEL, PACKAGE = "py-pde", "pde"
EXPRESSIONS = {
    "ou": "0.5 * laplace(p) + d_dx(x * p)",
    "double_well": "0.25 * laplace(p) + d_dx((4*x*(x**2 - 1) + 0.5*y) * p) + d_dy((4*y - 0.5*x) * p)",
}


def prepare(case: Case, n: int, call: str = "stepper", bc: str = "value") -> Callable[[], np.ndarray]:
    """The compiled stepper, with the longest fixed steps that are stable."""
    import pde

    equation = pde.PDE({"p": EXPRESSIONS[case.name]}, bc={bc: 0})
    grid = pde.CartesianGrid([list(case.box)] * case.dim, n)
    start = pde.ScalarField(grid, case.start(*np.moveaxis(grid.cell_coords, -1, 0)))
    h = case.spacing(n)
    speed = np.abs(case.drift(*case.centers(n))).sum(axis=0).max()
    dt = min(0.6 / case.dim * h**2 / case.diffusion, 2.0 * h / speed)  # 0.69 and 2.8 are the limits of Runge-Kutta 4
    if call == "solve":
        return lambda: equation.solve(start, t_range=1.0, dt=dt, solver="runge-kutta", tracker=None).data
    stepper = pde.RungeKuttaSolver(equation).make_stepper(start, dt=dt)

    def run() -> np.ndarray:
        state = start.copy()
        stepper(state, 0.0, 1.0)
        return state.data

    return run
