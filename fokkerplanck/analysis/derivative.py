"""How an answer changes with the parameters of its equation, by one adjoint solve for all of them.

Each answer is a mean over a law (`laws`, `law_at_a_time`), s = sum p0 u with a backward solution u, or an eigenvalue. With the
masses m of the adjoint problem its slope is a product with the derivative of the rates alone, which is a central difference
(`slope`):

    passage, probability  Q^T u = -b              Q m = -p0               ds = u . dQ m + m . db
    eigenvalue            Q v = z v, Q^T w = z w                          dz = w . dQ v / w . v
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse.linalg import splu

from ..arguments import callable_with, flag, instance, number, reals
from ..errors import ConvergenceError, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import initial_masses, masses_outside
from ..results.measured import measured_by
from ..results.requests import on_grid
from ..solvers.accuracy.coarsening import as_function
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import ROUNDING, Offer, coarser_grids, compared, note, scheme_order, worst
from ..solvers.discretization.generator import Generator
from ..solvers.evolution.slow_modes import slow_modes
from ..solvers.linear.absorption import Absorber
from ..solvers.linear.first_passage import BackwardEquation
from .derivative_question import Question, checked_question, coarsened, fitting_grid, on_cells
from .law_at_a_time import law_at
from .laws import Law, Pushed, Renewal, held, law_at_rest, quantile_of
from .parameter_slope import Slope, slope
from .self_consistent_law import self_consistent_law
from .stationary_state import State, leave_out_tails, nearest_state, state_of

AGREE = 1e-6  # relative: the answer by the backward and by the forward problem
APART = 1e-6  # relative to its size: an eigenvalue from the others


@dataclass(frozen=True, eq=False, repr=False)
class Derivative:
    """An answer and its derivatives by the parameters of the equation.

    Attributes
    ----------
    grid : Grid
    what : str
        Which answer: "stationary mean", "mean at time 2", "stationary quantile", "mean first passage time", "probability",
        "resets per time", "eigenvalue", ...
    value : float or complex
        The answer itself, in its own units.
    derivative : float or complex, or ndarray (m,)
        By the parameter; by each of m parameters where `at` is a sequence.
    difference_error : float, or ndarray (m,)
        What differences between rates at nearby parameters leave of the derivative's error.
    error : Errors
        "value" and "derivative", of their moduli.
    """

    grid: Grid
    what: str
    value: float | complex
    derivative: Any
    difference_error: Any = 0.0
    error: Errors = field(default_factory=Errors.unknown)

    def __repr__(self) -> str:
        lines = f"  {self.what}  {self.value:.6g}\n  derivative  {np.array2string(np.asarray(self.derivative), precision=6)}"
        return f"Derivative on {self.grid!r}\n{lines}\n  grid        {self.error.note}"


def derivative(
    family: Callable[[Any], FokkerPlanck],
    at: Any,
    grid: Grid,
    *,
    observe: Callable[..., np.ndarray] | None = None,
    quantile: float | None = None,
    start: Any = None,
    time: float | None = None,
    target: Any = None,
    source: Any = None,
    mode: int | None = None,
    reset: Any = None,
    delay: float = 0.0,
    error: bool = True,
) -> Derivative:
    """Derivative of an answer by the parameters of its equation, by the adjoint.

    Parameters
    ----------
    family : callable
        a -> FokkerPlanck: the equation for a value of the parameter, or for an array (m,) of parameters.
    at : number or sequence (m,)
        Where it is taken.
    grid : Grid
    observe : callable, optional
        f(x, y): the answer is the stationary mean of f, as with `lambda x: x > 0` the share of a region; with `start` and
        `time` the sum of f over what is in the box at that time, as with `lambda x: 1` the survival.
    quantile : number between 0 and 1, optional
        In 1D: the answer is this quantile of the same law, scaled to one.
    start : density, optional
        As p0 of `fp.solve`: the answer is the mean time to reach `target` from there; with `source` the probability of reaching
        `target` first; with `time` see `observe`. With `observe` or `quantile` alone, of an equation with an interaction: the
        density that leads to the stationary state, as p0 of `fp.stationary`.
    time : number, optional
        When what began as `start` is looked at; coefficients may then depend on time, and `target`, where it is given, keeps
        what it meets.
    target, source : boolean array on the grid, callable or None
        As for `fp.first_passage` and `fp.committor`; target None: the absorbing walls.
    mode : int, optional
        The answer is this eigenvalue of `fp.spectrum`, minus a rate: 0 that of escape from a box with absorbing walls, 1 the
        slowest relaxation of a closed one. It must be a single one.
    reset : density, optional
        Where what leaves the box starts anew, as in `fp.stationary`: the answer is the number of resets per time, a firing
        rate; with `observe` or `quantile` that of what is in the box.
    delay : number
        Time spent outside at each reset.
    error : bool
        Whether to measure the error on two coarser grids.

    Returns
    -------
    Derivative

    Notes
    -----
    One adjoint solve serves all parameters; rates are differentiated by central differences over steps of 1e-4 of a parameter,
    or others where their error is less. Grid, start and regions do not depend on the parameters.
    """
    callable_with("family", family, 1, "number or array, the parameters")
    point = reals("at", at, "a number or a sequence of numbers")
    if point.ndim > 1 or not point.size:
        raise bad_value("at", "a number or a sequence (m,)", at)
    for entry in np.atleast_1d(point):
        number("at", float(entry))
    flag("error", error)
    question = checked_question(observe, quantile, start, time, source, target, mode, reset, delay)
    eq = _member(family, point)
    grid = fitting_grid(eq, grid, question)
    if question.observe is not None:
        on_grid(question.observe, grid, "observe")
    state = state_of(eq, grid, start=question.start) if question.at_rest else None
    result = _answered(family, point, grid, on_cells(question, grid, eq), state)
    if not error:
        return result

    def again() -> list[Derivative]:
        coarser = coarser_grids(grid)
        states = [None if state is None else nearest_state(eq, c, state) for c in coarser]
        return [
            _answered(family, point, c, on_cells(coarsened(question, grid, c), c, eq), s)
            for c, s in zip(coarser, states, strict=True)
        ]

    result = measured_by(result, again, _errors, lambda: scheme_order(eq, grid))
    if state is not None:
        leave_out_tails(result, "derivative", eq, state)
    return result


def _member(family: Callable, point: np.ndarray) -> FokkerPlanck:
    eq = family(float(point) if point.ndim == 0 else point)
    instance("family", eq, FokkerPlanck, "a function that returns a FokkerPlanck equation")
    return eq


def _errors(results: Any, order: float) -> Errors:
    grids = [r.grid for r in results]
    found = {}
    for name in ("derivative", "value"):
        values = [np.asarray(getattr(r, name)) for r in results]
        floors = [_floor(r) if name == "derivative" else None for r in results]
        found[name] = [
            compared([Offer(part(v), floor) for v, floor in zip(values, floors, strict=True)], grids, order)
            for part in (np.real, np.imag)
        ]
    sizes = {name: np.hypot(parts[0].error, parts[1].error) for name, parts in found.items()}
    first = found["derivative"][0]
    _, seen, converging = worst(first)
    return Errors(sizes, seen, converging, note(first), {name: parts[0] for name, parts in found.items()})


def _floor(result: Derivative) -> np.ndarray:
    return np.maximum(result.difference_error, ROUNDING * np.abs(result.derivative).max())


def _answered(family: Callable, point: np.ndarray, grid: Grid, question: Question, state: State | None) -> Derivative:
    """The answer on one grid; `state` is the stationary one there, where a mean over it is asked for."""
    value, pushed = _value(_member(family, point), grid, question, state)

    def along(k: int) -> Slope:
        def moved(entry: float) -> Any:
            other = np.array(point, dtype=float)
            other.reshape(-1)[k] = entry
            return pushed(_member(family, other))

        return slope(moved, float(point.reshape(-1)[k]))

    slopes = [along(k) for k in range(point.size)]
    found, off = np.array([s.value for s in slopes]), np.abs([s.error for s in slopes])
    if point.ndim == 0:
        return Derivative(grid, question.what, value, found[0].item(), off[0].item())
    return Derivative(grid, question.what, value, found, off)


def _value(eq: FokkerPlanck, grid: Grid, question: Question, state: State | None) -> tuple[float | complex, Pushed]:
    """The answer on one grid, and its change with the rates."""
    if question.of_law:
        law = _law(eq, grid, question, state)
        if question.quantile is not None:
            return quantile_of(law, grid, question.quantile)
        f = on_grid(question.observe, grid, "observe").ravel()
        return float(f @ law.masses), law.pushed(f)
    if question.reset is not None:
        return _renewal(eq, grid, question).rate(question.delay)
    if question.mode is not None:
        return _eigenvalue(held(eq, grid), question.mode)
    return _passage(eq, grid, question)


def _law(eq: FokkerPlanck, grid: Grid, question: Question, state: State | None) -> Law:
    if state is not None:
        return law_at_rest(state, grid) if eq.interaction is None else self_consistent_law(eq, state, grid)
    if question.reset is not None:
        return _renewal(eq, grid, question).law()
    start = initial_masses(question.start, grid, "start")[0]
    regions = [] if question.target is None else [question.target]
    for mask, inside in regions:
        start = masses_outside(start, question.start, grid, inside or as_function(mask, grid))
    assert question.time is not None
    return law_at(eq, grid, start.ravel(), regions, question.time)


def _renewal(eq: FokkerPlanck, grid: Grid, question: Question) -> Renewal:
    return Renewal.of(eq, grid, initial_masses(question.reset, grid, "reset")[0].ravel())


def _eigenvalue(q: Generator, mode: int) -> tuple[float | complex, Pushed]:
    if mode > q.grid.size - 3:
        raise bad_value("mode", f"below the {q.grid.size} cells less two", mode)
    modes = slow_modes(q, mode + 2)
    z = modes.values[mode]
    others = np.delete(modes.values, mode)
    if others.size and np.abs(others - z).min() <= APART * float(np.abs(modes.values).max()):
        raise bad_value(
            "mode", "a single eigenvalue", f"{z:.6g} twice", "Several modes of one rate have no derivative each."
        )
    v, w = modes.right[:, mode], modes.left[:, mode]
    scale = w @ v

    def pushed(eq: FokkerPlanck) -> Any:
        other = held(eq, q.grid)
        moved = other.apply(v.real) + (1j * other.apply(v.imag) if np.iscomplexobj(v) else 0.0)
        return (w @ moved / scale).item()

    return z.item() if np.iscomplexobj(modes.values) and z.imag else float(z.real), pushed


def _passage(eq: FokkerPlanck, grid: Grid, question: Question) -> tuple[float, Pushed]:
    """A mean time or probability: the killed generators of other parameters share the regions, not the cuts."""
    regions = [region for region in (question.source, question.target) if region is not None]
    masks = [mask for mask, _ in regions]
    outside = ~np.any(masks, axis=0).ravel()
    splitting = question.source is not None

    def killed(q: Generator) -> tuple[Generator, np.ndarray]:
        q, into = Absorber(grid, regions).killed(q)
        return q, into[1] if splitting else np.ones(grid.size)

    start = initial_masses(question.start, grid, "start")[0]
    arrived = []
    for mask, inside in regions:
        left = masses_outside(start, question.start, grid, inside or as_function(mask, grid))
        arrived.append(float(start.sum() - left.sum()))
        start = left
    start = np.where(outside, start.ravel(), 0.0)
    q, right = killed(held(eq, grid))
    u = BackwardEquation(q, outside).solve(right, lasting=not splitting)
    if not np.isfinite(u[start > 0.0]).all():
        raise bad_value("start", "one from which the target is certain to be reached", "an infinite mean time")
    u = np.where(np.isfinite(u), u, 0.0)
    cells = np.flatnonzero(outside & (u > 0.0))
    m = np.zeros(grid.size)
    inner = -q.matrix[cells][:, cells].tocsc()
    m[cells] = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0).solve(start[cells])
    value = float(start @ u)
    if not abs(float(m @ right) - value) <= AGREE * abs(value):
        text = f"forward and backward problem differ: {float(m @ right):.6g} and {value:.6g}; the passage is too rare"
        raise ConvergenceError(text, value)

    def pushed(other: FokkerPlanck) -> float:
        q, right = killed(held(other, grid))
        return float(u @ q.apply(m)) + (float(m @ right) if splitting else 0.0)

    return value + (arrived[1] if splitting else 0.0), pushed
