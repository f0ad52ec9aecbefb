"""The law at a time and how its means change with the rates, also where coefficients change with time.

With P' = Q P from the start and -u' = Q^T u back from u(T) = f, d(f . P(T)) is the integral of u . dQ P over the run: by
Gauss's rule in panels that double away from the ends of the run and from jumps in time, beside which P or u may change as fast
as a cell empties. For other parameters a jump may be at another time, so the time is read as the place between two jumps:
dP/ds = L Q(t(s)) P with L the length of that stretch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import fits_memory
from ..errors import ConvergenceError, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..progress import Pace
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.rate_structure import product_seconds
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.evolution.backward import BackwardChebyshev, BackwardDriven
from ..solvers.evolution.exponential import propagate
from ..solvers.evolution.time_dependent import Driven
from ..solvers.evolution.time_scan import Timetable, timetable
from ..solvers.linear.absorption import Absorber, Region
from .laws import Law, Pushed

RTOL, RTOL_DRIVEN = 1e-10, 1e-7  # of both evolutions, in time
AGREE = 1e-5  # relative: the answer by the forward and by the backward evolution
SHORTEST = 1e-6  # of a stretch between jumps: the first panel beside them
MOST_MINUTES = 10.0  # of one evolution
X, W = np.polynomial.legendre.leggauss(6)


class _Nodes(NamedTuple):
    """Times (k,) in a run with their weights and the stretch between jumps in which each lies."""

    times: np.ndarray
    weights: np.ndarray
    stretch: np.ndarray
    jumps: np.ndarray  # (m + 1,) the ends of the stretches

    def moved(self, jumps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same places between jumps at other times, and how much longer the stretches are."""
        low, length = self.jumps[self.stretch], np.diff(self.jumps)[self.stretch]
        longer = np.diff(jumps)[self.stretch] / length
        return jumps[self.stretch] + (self.times - low) * longer, longer


class _Run(NamedTuple):
    """An equation on a grid with the regions that kill, over a time."""

    eq: FokkerPlanck
    grid: Grid
    regions: list[Region]
    horizon: float

    def table(self) -> Timetable:
        """Pieces of the run."""
        return timetable(self.eq, self.grid, self.horizon, RTOL_DRIVEN, np.empty(0), None)

    def at(self, t: float) -> Generator:
        """The generator at a time, on the cells as they are, killed on the regions."""
        q = generator(self.eq, self.grid, t, fixed=True)
        return Absorber(self.grid, self.regions).killed(q)[0] if self.regions else q


def law_at(eq: FokkerPlanck, grid: Grid, start: np.ndarray, regions: list[Region], horizon: float) -> Law:
    """The law at the time `horizon` of what started with masses `start` (n,) and has met no region."""
    run = _Run(eq, grid, regions, horizon)
    table = run.table()
    q = run.at(0.5 * (table.first[0] + table.last[0]))
    if q.atoms:
        then = "Ask for a passage, or put a wall before the point."
        raise bad_value("grid", "without points that keep what arrives, for a derivative at a time", q.found, then)
    _check_horizon(q, horizon)
    nodes = _nodes(table, 1.0 / max(float(q.outflow.max(initial=0.0)), 1e-300))
    fits_memory("grid", 40.0 * nodes.times.size * grid.size, "Take fewer cells or a shorter time.")
    states = _forward(run, table, start, nodes.times)
    masses, states = states[-1], states[:-1]

    def pushed(f: np.ndarray) -> Pushed:
        at_first, duals = _backward(run, table, f, nodes.times)
        value, again, size = (float(a @ b) for a, b in ((f, masses), (at_first, start), (np.abs(f), masses)))
        if not abs(value - again) <= AGREE * max(size, 1e-300):
            text = (
                f"forward and backward evolution differ: {value:.6g} and {again:.6g}; take a shorter time or more cells"
            )
            raise ConvergenceError(text, value)
        return lambda other: _pushed(run._replace(eq=other), nodes, states, duals)

    return Law(masses, pushed)


def _check_horizon(q: Generator, horizon: float) -> None:
    """Refuse a time over which the backward evolution takes too long."""
    minutes = BackwardChebyshev(q, RTOL, horizon).products(horizon) * product_seconds(q) / 60.0
    if minutes > MOST_MINUTES:
        got, rule = f"{horizon:.4g}, that is {minutes:.1g} minutes", f"reached within {MOST_MINUTES:g} minutes"
        raise bad_value("time", rule, got, "Take an earlier time or fewer cells, or ask for the stationary law.")


def _pushed(run: _Run, nodes: _Nodes, states: np.ndarray, duals: np.ndarray) -> float:
    """The integral of u . Q P for the rates of another equation."""
    if not run.eq.time_dependent:
        return float(nodes.weights @ np.einsum("ij,ij->i", duals, (run.at(0.0).matrix @ states.T).T))
    table = run.table()
    jumps = _jumps(table)
    if jumps.size != nodes.jumps.size:
        counts = f"{jumps.size - 2} and {nodes.jumps.size - 2}"
        raise bad_value("family", "one of equations with as many jumps in time for all parameters", counts)
    times, longer = nodes.moved(jumps)
    pace, total = Pace(__name__, "derivative"), 0.0
    for i, t in enumerate(times.tolist()):
        pace(i / times.size)
        total += nodes.weights[i] * longer[i] * float(duals[i] @ run.at(t).apply(states[i]))
    return total


def _jumps(table: Timetable) -> np.ndarray:
    """0, the times at which coefficients jump, and the end of the run."""
    jump = table.first[1:] > table.last[:-1]
    return np.concatenate([table.ends[:1], table.ends[1:-1][jump], table.ends[-1:]])


def _nodes(table: Timetable, fastest: float) -> _Nodes:
    """Gauss's points in panels that double away from both ends of each stretch, and end where a piece of the run does."""
    jumps = _jumps(table)
    cuts = [table.ends]
    for low, high in itertools.pairwise(jumps.tolist()):
        length = high - low
        first = max(fastest, SHORTEST * length)
        count = max(0, int(np.ceil(np.log2(0.5 * length / first)))) if first < 0.5 * length else 0
        away = 0.5 * length * 0.5 ** np.arange(count + 1)
        cuts += [low + away, high - away]
    edges = np.unique(np.concatenate(cuts))
    edges = edges[np.append(True, np.diff(edges) > 1e-13 * jumps[-1])]
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    times = (middle[:, None] + half[:, None] * X).ravel()
    stretch = np.clip(np.searchsorted(jumps, times, side="right") - 1, 0, jumps.size - 2)
    return _Nodes(times, (half[:, None] * W).ravel(), stretch, jumps)


def _forward(run: _Run, table: Timetable, start: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Masses at the times and at the end of the run, (k + 1, n)."""
    marks = np.append(times, run.horizon)
    if not run.eq.time_dependent:
        return np.array([p for p, _, _ in propagate(run.at(0.0), start, marks, "auto", RTOL)])
    method = Driven(lambda t, _: run.at(t), RTOL_DRIVEN, run.horizon, False, table)
    return _through(marks, start, 0.0, lambda p, t, mark: method.advance(p, t, mark)[0])


def _backward(run: _Run, table: Timetable, f: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u (n,) at time 0, and at the times, (k, n)."""
    marks = np.append(times[::-1], 0.0)
    step: Callable[[np.ndarray, float, float], np.ndarray]
    if run.eq.time_dependent:
        step = BackwardDriven(lambda t, _: run.at(t), RTOL_DRIVEN, run.horizon, table).back
    else:
        step = BackwardChebyshev(run.at(0.0), RTOL, run.horizon).back
    duals = _through(marks, f, run.horizon, step)
    return duals[-1], duals[-2::-1]


def _through(marks: np.ndarray, values: np.ndarray, t: float, step: Callable[[Any, float, float], Any]) -> np.ndarray:
    """Values at each of the marks, (k, n), from those at time t."""
    pace, rows = Pace(__name__, "derivative"), []
    for i, mark in enumerate(marks.tolist()):
        pace(i / marks.size)
        values, t = step(values, t, mark), mark
        rows.append(values)
    return np.array(rows)
