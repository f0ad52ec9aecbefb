"""The quasipotential of an equation of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, overload

import numpy as np

from ..arguments import LARGEST, instance, reals, whole
from ..errors import ResolutionWarning, bad_type, bad_value, warn
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import AXES, Grid
from .action import STENCIL, DiffusionHamiltonian, Hamiltonian, units_of_noise
from .field import action_from_cycle, quasipotential_field
from .limit_cycle import LimitCycle, comes_to, limit_cycle
from .minimum_action_path import least_action
from .one_dimension import line_action
from .result import LeastAction, PathCost, Quasipotential

MOST_POINTS = 5000
STEP = 5e-5  # of the distance in units of the noise, for the slope of a potential


@overload
def quasipotential(eq: FokkerPlanck, a: Any, b: Grid, *, points: int = 200) -> Quasipotential: ...
@overload
def quasipotential(eq: FokkerPlanck, a: Any, b: Any, *, points: int = 200) -> LeastAction: ...


def quasipotential(eq: FokkerPlanck, a: Any, b: Any, *, points: int = 200) -> LeastAction | Quasipotential:
    """The least action from `a` to `b`, by which rare passages are exponentially slow, and the path that takes it.

        V(a, b) = min over paths and times of int (x' - mu)^T D^-1 (x' - mu) / 4 dt

    (Freidlin and Wentzell). For small noise the mean time from an attractor `a` to a point `b` on the edge of its basin grows
    like exp(V): V is the exponent, the factor before the exponential is not part of it. With D = T times the unit matrix
    and mu = -grad U it is (U(b) - U(a)) / T.

    Parameters
    ----------
    eq : FokkerPlanck
        Without jumps, memory and interaction, constant in time. Coefficients are numbers and functions.
    a : number or d numbers
        In two dimensions also a point from which the drift leads to a stable limit cycle: V is then measured from the cycle.
    b : number or d numbers, or a Grid of one or two axes
    points : int
        Sides of the polygon, in two and more dimensions.

    Returns
    -------
    LeastAction
        With `.exponent`, `.path`, `.cost` along it, `.error`, `.cycle` if a leads to one, and `.plot()`.
    Quasipotential
        For a Grid, of even cells in two dimensions, and an attractor `a`: `.values` in the cells, `.at(b)`, `.error`,
        `.to(b)`, which is a LeastAction, and `.plot(to=[b])`.

    Notes
    -----
    In one dimension an integral, max(0, -mu/D) from a to b. Else the least of what a straight and some bent starts lead to
    (see `fokkerplanck.rare_events.minimum_action_path`): a minimum, but another may be lower. D must then be positive
    definite. The convention does not enter: it changes the drift by as much as the noise is small.

    Examples
    --------
    >>> double_well = FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.1)
    >>> print(quasipotential(double_well, -1, 0))
    LeastAction from -1 to 0: mean time like exp(10)
    """
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck", "For SGD use sgd.quasipotential(a, b).")
    start = point("a", a)
    end = corner(b, start) if isinstance(b, Grid) else point("b", b, len(start))
    check_ends(start, end)
    whole("points", points, 8, MOST_POINTS)
    _check_equation(eq)
    field = _Fields(eq, start, end)
    hamiltonian = DiffusionHamiltonian(field.drift, field.diffusion)
    cycle = None
    if len(start) > 1 and eq.drift is not None:  # down a potential alone nothing turns
        line = np.array([e[[0, -1]] for e in b.edges]).T if isinstance(b, Grid) else np.stack([start, end])
        units = units_of_noise(field.diffusion, line)
        cycle = limit_cycle(hamiltonian, start, units, float(np.linalg.norm((line[1] - line[0]) / units)))
    answer = partial(found, start, cycle=cycle)
    if isinstance(b, Grid):
        grid = b if eq.names is None else b.named(eq.names)
        return quasipotential_field(hamiltonian, start, grid, partial(answer, names=grid.names), cycle=cycle)
    if cycle is None:
        return answer(end, path_cost(hamiltonian, start, end, points), names=eq.names)
    cost = action_from_cycle(hamiltonian, cycle, end, points)
    _warn_of_other_cycles(hamiltonian, cycle, end)
    return answer(end, cost, names=eq.names)


def _warn_of_other_cycles(hamiltonian: Hamiltonian, cycle: LimitCycle, b: np.ndarray) -> None:
    """Halving a polygon keeps its turns: what more of them would save between two cycles is not in its error."""
    if comes_to(hamiltonian, b, cycle):
        return
    units = np.ptp(cycle.points, axis=0)
    try:
        other = limit_cycle(hamiltonian, b, units, float(np.linalg.norm((b - cycle.points[0]) / units)))
    except ValueError:  # it turns about a center or on an unstable cycle: to no other attractor
        return
    if other is not None:
        place = ", ".join(f"{c:.4g}" for c in other.points[0])
        warn(
            f"the drift leads from `b` to another limit cycle, through ({place}): paths to it wind without end, a polygon "
            "makes few of these turns, and the exponent may be some per cent too large, more than its error says. Where "
            "paths come to that cycle exponents add: ask for that from `a` to a point from which the drift leads to it, "
            "and for that from such a point to `b`.",
            ResolutionWarning,
        )


def corner(grid: Grid, a: np.ndarray) -> np.ndarray:
    """The upper corner of a grid that holds a (d,)."""
    if grid.dim != len(a):
        raise bad_value("b", f"a point or a Grid of {len(a)} axes, as `a` has", grid)
    grid.locate(a.tolist(), "a")
    return np.array([e[-1] for e in grid.edges])


def path_cost(hamiltonian: Hamiltonian, a: np.ndarray, b: np.ndarray, points: int) -> PathCost:
    """The least action of a Hamiltonian: an integral on a line, a minimum over paths elsewhere."""
    if len(a) == 1:
        return line_action(hamiltonian, float(a[0]), float(b[0]))
    return least_action(hamiltonian, a, b, points)


def found(
    a: np.ndarray,
    b: np.ndarray,
    cost: PathCost,
    *,
    factor: float = 1.0,
    noise: str = "",
    unit: str = "time",
    why: str = "",
    names: Sequence[str] | None = None,
    cycle: LimitCycle | None = None,
) -> LeastAction:
    """The answer as a result, its action times a factor."""
    exponent = np.inf if cost.stuck is not None else factor * float(cost.cost[-1])
    if not why:
        why = (
            "D vanishes where the drift stands against the way"
            if len(a) == 1
            else "D has no inverse on any path that was tried, on the best"
        )
    return LeastAction(
        tuple(a.tolist()),
        tuple(b.tolist()),
        exponent,
        cost.path,
        factor * cost.cost,
        factor * cost.error,
        noise,
        unit,
        cost.stuck,
        why if np.isinf(exponent) else "",
        tuple(names or (AXES if len(a) <= len(AXES) else map(str, range(len(a))))),
        cycle,
    )


def point(name: str, value: Any, dim: int | None = None) -> np.ndarray:
    """A point (d,) of finite numbers."""
    rule = "a point, finite numbers" if dim is None else f"a point, {dim} finite number(s)"
    array = np.atleast_1d(reals(name, value, rule))
    fits = array.ndim == 1 and array.size > 0 and bool((np.abs(array) <= LARGEST).all())
    if not fits or (dim is not None and array.size != dim):
        raise bad_value(name, rule, value)
    return array.astype(float)


def check_ends(a: np.ndarray, b: np.ndarray) -> None:
    """Refuse a way of no length."""
    if (np.abs(b - a) <= 1e-12 * np.abs(a)).all():
        raise bad_value("b", "another point than `a`", b.tolist(), "The way from a point to itself costs nothing.")


def _check_equation(eq: FokkerPlanck) -> None:
    then = "Rare passages are exponentially slow for small diffusion alone."
    for name, plain in (("jumps", None), ("interaction", None), ("time_order", 1.0)):
        if getattr(eq, name) != plain:
            raise bad_value("eq", f"without {name} for a quasipotential", eq, then)
    if eq.time_dependent:
        raise bad_value("eq", "constant in time for a quasipotential", eq, "Freeze its coefficients at a time.")


class _Fields:
    """Drift and diffusion of an equation at points (d, n), for paths between two points (d,)."""

    def __init__(self, eq: FokkerPlanck, a: np.ndarray, b: np.ndarray):
        self.eq = eq
        units = units_of_noise(self.diffusion, np.linspace(a, b, 9))
        self.steps = STEP * np.linalg.norm((b - a) / units) * units

    def drift(self, x: np.ndarray) -> np.ndarray:
        """mu - grad V, the gradient by differences of order 4."""
        drift = self.eq.drift_at(_places(x))
        if self.eq.potential is None:
            return drift
        drift = drift.copy()
        for axis in range(len(x)):
            offset = np.zeros((len(x), 1))
            offset[axis] = self.steps[axis]
            for k, weight in STENCIL:
                up, down = (self.eq.potential_at(_places(x + sign * k * offset)) for sign in (1.0, -1.0))
                drift[axis] -= weight * (up - down) / self.steps[axis]
        return drift

    def diffusion(self, x: np.ndarray) -> np.ndarray:
        """D, (d, d, n)."""
        d = self.eq.diffusion_at(_places(x))
        return d if d.ndim == 3 else np.einsum("ij,jn->ijn", np.eye(len(x)), d)


def _places(x: np.ndarray) -> Points:
    def refuse(values: np.ndarray) -> np.ndarray:
        shape = np.shape(values)
        raise bad_type("eq", "given by numbers and functions", f"an array of shape {shape}", "Interpolate it.")

    return Points(tuple(np.array(c) for c in x), refuse)
