"""How an answer changes with the parameters of its equation, by one adjoint solve for all of them.

Each answer is s = sum p0 u with a backward solution u, or an eigenvalue. With the masses m of the adjoint problem its slope
is a product with the derivative of the rates alone, which is a central difference (`slope`):

    stationary <f>        Q P = 0                 Q^T g = <f> - f         ds = g . dQ P
    passage, probability  Q^T u = -b              Q m = -p0               ds = u . dQ m + m . db
    eigenvalue            Q v = z v, Q^T w = z w                          dz = w . dQ v / w . v
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import splu

from ..arguments import callable_with, flag, instance, number, reals, whole
from ..errors import ConvergenceError, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import initial_masses, masses_outside
from ..model.region import read_region
from ..queries import autonomous
from ..results.measured import measured_by
from ..results.requests import on_grid
from ..solvers.accuracy.coarsening import as_function
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import ROUNDING, Offer, coarser_grids, compared, note, scheme_order, worst
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.evolution.slow_modes import slow_modes
from ..solvers.linear.absorption import Absorber
from ..solvers.linear.first_passage import BackwardEquation
from .parameter_slope import Slope, slope
from .stationary_state import State, leave_out_tails, state_of

AGREE = 1e-6  # relative: the answer by the backward and by the forward problem
APART = 1e-6  # relative to its size: an eigenvalue from the others


@dataclass(frozen=True, eq=False, repr=False)
class Derivative:
    """An answer and its derivatives by the parameters of the equation.

    Attributes
    ----------
    grid : Grid
    what : str
        Which answer: "stationary mean", "mean first passage time", "probability" or "eigenvalue".
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


class _Question(NamedTuple):
    observe: Any
    start: Any
    source: Any
    target: Any
    mode: int | None

    @property
    def what(self) -> str:
        if self.observe is not None:
            return "stationary mean"
        if self.mode is not None:
            return "eigenvalue"
        return "mean first passage time" if self.source is None else "probability"


def derivative(
    family: Callable[[Any], FokkerPlanck],
    at: Any,
    grid: Grid,
    *,
    observe: Callable[..., np.ndarray] | None = None,
    start: Any = None,
    target: Any = None,
    source: Any = None,
    mode: int | None = None,
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
        f(x, y): the answer is the stationary mean of f.
    start : density, optional
        As p0 of `fp.solve`: the answer is the mean time to reach `target` from there; with `source` the probability of reaching
        `target` first.
    target, source : boolean array on the grid, callable or None
        As for `fp.first_passage` and `fp.committor`; target None: the absorbing walls.
    mode : int, optional
        The answer is this eigenvalue of `fp.spectrum`, minus a rate: 0 that of escape from a box with absorbing walls, 1 the
        slowest relaxation of a closed one. It must be a single one.
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
    question = _checked(observe, start, target, source, mode)
    eq = _member(family, point)
    grid = autonomous(eq, grid, "stationary" if observe is not None else "modes" if mode is not None else "passage")
    if eq.time_order < 1.0:
        raise bad_value("time_order", "1 for a derivative", eq.time_order)
    if observe is not None:
        on_grid(observe, grid, "observe")
    state = None if observe is None else state_of(eq, grid)
    result = _answered(family, point, grid, _on(question, grid, eq), state)
    if not error:
        return result

    def again() -> list[Derivative]:
        by_place = [
            r if r is None or callable(r) else as_function(np.asarray(r, dtype=bool), grid) for r in (source, target)
        ]
        asked = question._replace(source=by_place[0], target=by_place[1])
        coarser = coarser_grids(grid)
        states = [None if observe is None else state_of(eq, c, quiet=True) for c in coarser]
        return [_answered(family, point, c, _on(asked, c, eq), s) for c, s in zip(coarser, states, strict=True)]

    result = measured_by(result, again, _errors, lambda: scheme_order(eq, grid))
    if state is not None:
        leave_out_tails(result, "derivative", eq, state)
    return result


def _checked(observe: Any, start: Any, target: Any, source: Any, mode: Any) -> _Question:
    given = [value is not None for value in (observe, start, mode)]
    if sum(given) != 1:
        raise bad_value("observe", "given, or `start` or `mode` in its place", "several" if any(given) else "none")
    if start is None and (target is not None or source is not None):
        raise bad_value("target" if target is not None else "source", "left out without `start`", "one")
    if source is not None and target is None:
        raise bad_value("target", "given together with `source`", None)
    return _Question(observe, start, source, target, None if mode is None else whole("mode", mode, 0))


def _member(family: Callable, point: np.ndarray) -> FokkerPlanck:
    eq = family(float(point) if point.ndim == 0 else point)
    instance("family", eq, FokkerPlanck, "a function that returns a FokkerPlanck equation")
    return eq


def _on(question: _Question, grid: Grid, eq: FokkerPlanck) -> _Question:
    """The question with its regions as masks with functions on a grid."""
    if question.start is None:
        return question
    goal = read_region("target", question.target, grid, optional=grid.absorbs or eq.ends_paths)
    if question.source is None:
        return question._replace(target=goal)
    return question._replace(target=goal, source=read_region("source", question.source, grid))


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


def _answered(family: Callable, point: np.ndarray, grid: Grid, question: _Question, state: State | None) -> Derivative:
    """The answer on one grid; `state` is the stationary one there, where a mean over it is asked for."""
    eq = _member(family, point)
    value: float | complex
    if state is not None:
        value, pushed = _stationary(state, grid, question.observe)
    elif question.mode is not None:
        value, pushed = _eigenvalue(_held(eq, grid), question.mode)
    else:
        value, pushed = _passage(eq, grid, question)

    def along(k: int) -> Slope:
        def moved(entry: float) -> Any:
            other = np.array(point, dtype=float)
            other.reshape(-1)[k] = entry
            return pushed(_held(_member(family, other), grid))

        return slope(moved, float(point.reshape(-1)[k]))

    slopes = [along(k) for k in range(point.size)]
    found, off = np.array([s.value for s in slopes]), np.abs([s.error for s in slopes])
    if point.ndim == 0:
        return Derivative(grid, question.what, value, found[0].item(), off[0].item())
    return Derivative(grid, question.what, value, found, off)


def _held(eq: FokkerPlanck, grid: Grid) -> Generator:
    """The generator on the cells of the grid as they are."""
    return generator(eq, grid, fixed=True)


Pushed = Callable[[Generator], Any]  # the answer's linear change with the rates


def _stationary(state: State, grid: Grid, observe: Callable) -> tuple[float, Pushed]:
    if state.grid is not grid:
        then = "Take an equation whose noise does not vanish inside the box."
        raise bad_value("grid", "one whose cells stay", "faces that move onto zeros of D", then)
    f = on_grid(observe, grid, "observe").ravel()
    mean = float(f @ state.masses)
    g = state.adjoint(mean - f)
    return mean, lambda q: float(g @ q.apply(state.masses))


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

    def pushed(other: Generator) -> Any:
        moved = other.apply(v.real) + (1j * other.apply(v.imag) if np.iscomplexobj(v) else 0.0)
        return (w @ moved / scale).item()

    return z.item() if np.iscomplexobj(modes.values) and z.imag else float(z.real), pushed


def _passage(eq: FokkerPlanck, grid: Grid, question: _Question) -> tuple[float, Pushed]:
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
    q, right = killed(_held(eq, grid))
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

    def pushed(other: Generator) -> float:
        q, right = killed(other)
        return float(u @ q.apply(m)) + (float(m @ right) if splitting else 0.0)

    return value + (arrived[1] if splitting else 0.0), pushed
