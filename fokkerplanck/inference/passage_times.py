"""Times of arrival at two bounds: response times and choices, and the model that makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import call, fields, instance, number, reals
from ..errors import bad_type, bad_value, warn
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import initial_masses, point
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.evolution.passage_in_time import Passage
from .coefficients import diffusion
from .reading import table_in
from .transition_matrix import fourth_order, transition_matrix

CELLS = 120  # between the bounds
RTOL = 1e-6
FAR = 5.0  # standard deviations of free diffusion to the end of the box where there is no bound

TIMES = ("time", "times", "rt", "t")  # columns of a table
CHOICES = ("choice", "choices", "bound", "response", "correct", "accuracy")
COMPARE = "Compare them with the one that is the upper: choices == VALUE."
SIDES = {"upper": 1.0, "lower": 0.0}


@dataclass(frozen=True, init=False, eq=False, repr=False)
class PassageTimes:
    """Observed times of arrival, and at which bound.

    Parameters
    ----------
    times : array (n,), DataFrame, dict of columns or name of a .csv file
        Positive; infinite for those that had not arrived by `until`. Of a table the column `time`, `times`, `rt` or `t`, and as
        `choices` the column `choice`, `choices`, `bound`, `response`, `correct` or `accuracy`, if there is one.
    choices : array (n,), optional
        At which bound: True, 1 or "upper" for the upper, False, 0, -1 or "lower" for the lower. Default: all at the upper.
    until : float, optional
        When observation ended. Default: the largest finite time.
    """

    times: np.ndarray
    upper: np.ndarray
    until: float

    def __init__(self, times: Any, choices: Any = None, until: float | None = None):
        columns = table_in(times, "times")
        if columns is not None:
            times = _column(columns, TIMES)
            if times is None:
                raise bad_value("times", f"a table with a column {' or '.join(TIMES)}", list(columns))
            choices = _column(columns, CHOICES) if choices is None else choices
            _tell_unread(columns, choices)
        choices = _sides(choices)
        t = np.atleast_1d(reals("times", times, "positive times"))
        if t.ndim != 1 or not (t > 0.0).all() or not np.isfinite(t).any():
            raise bad_value("times", "positive, one a trial, some of them finite", *_what_times(t))
        rule = f"{t.size} entries, 1 for the upper bound and 0 or -1 for the lower"
        side = np.ones(t.size) if choices is None else np.atleast_1d(_as_sides(choices, rule))
        if side.shape != t.shape or not np.isin(side[np.isfinite(t)], (-1.0, 0.0, 1.0)).all():
            raise bad_value("choices", rule, choices, COMPARE)
        latest = float(t[np.isfinite(t)].max())
        end = (
            latest
            if until is None
            else number("until", until, "not before the last arrival", lambda v: latest <= v < np.inf)
        )
        object.__setattr__(self, "times", t)
        object.__setattr__(self, "upper", side > 0.0)
        object.__setattr__(self, "until", end)

    @property
    def arrived(self) -> np.ndarray:
        """Which trials ended at a bound, (n,)."""
        return np.isfinite(self.times)

    @property
    def size(self) -> int:
        """Number of trials."""
        return self.times.size

    def __repr__(self) -> str:
        done = self.arrived
        share = f"{float(self.upper[done].mean()):.3g} of these at the upper bound"
        return f"PassageTimes: {self.size} trials, {done.sum()} arrived by {self.until:g}, {share}"


@dataclass(frozen=True, eq=False)
class PassageModel:
    """An equation between two bounds, from a start; with a delay before it begins, and lapses.

    Parameters
    ----------
    equation : FokkerPlanck
        One-dimensional; its coefficients may depend on time.
    bounds : (low, high)
        Each a number, a function b(t) of the time since the start (vectorised), or None for no bound.
    start : float
    delay : float
        Added to every passage time: the time that is no part of the decision.
    lapse : float in [0, 1)
        Share of trials that end at a random bound at a random time.
    """

    equation: FokkerPlanck
    bounds: tuple[Any, Any]
    start: float = 0.0
    delay: float = 0.0
    lapse: float = 0.0

    def __post_init__(self) -> None:
        instance("equation", self.equation, FokkerPlanck, "a FokkerPlanck equation")
        if not isinstance(self.bounds, (tuple, list)) or len(self.bounds) != 2 or all(b is None for b in self.bounds):
            raise bad_type("bounds", "a pair (low, high), at most one of them None", self.bounds)
        number("start", self.start)
        number("delay", self.delay, "not below 0", lambda v: 0.0 <= v < np.inf)
        number("lapse", self.lapse, "in [0, 1)", lambda v: 0.0 <= v < 1.0)
        low, high = (_first(bound) for bound in self.bounds)
        if (low is not None and low >= self.start) or (high is not None and high <= self.start):
            raise bad_value("start", f"between the bounds ({low}, {high})", self.start)

    def densities(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probability per time (n, 2) of arriving below and above at increasing times (n,) since the stimulus, and what
        has not arrived (n,); with delay, without lapses.
        """
        since = times - self.delay
        rates, left = np.zeros((times.size, 2)), np.ones(times.size)
        later = since > 0.0
        if later.any():
            grid, inside = self._box(float(since[-1]))
            if not self.equation.time_dependent and not any(callable(b) for b in self.bounds):
                rates[later], left[later] = self._by_powers(grid, since[later])
                return np.maximum(rates, 0.0), left
            passage = Passage(self.equation, grid, inside, initial_masses(point(self.start), grid)[0].reshape(1, -1))
            for i, (parts, _) in zip(np.flatnonzero(later), passage.run(since[later], RTOL), strict=True):
                left[i] = sum(float(part.masses[0].sum()) for part in parts)
                rates[i] = sum((part.rates[0] for part in parts), np.zeros(2))
        return np.maximum(rates, 0.0), left

    def _by_powers(self, grid: Grid, since: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same where nothing changes in time, by powers of the transition matrix over the distance of the times."""
        q = fourth_order(generator(self.equation, grid))
        masses = initial_masses(point(self.start), grid)[0].ravel()
        masses = transition_matrix(q, [], float(since[0]))[0] @ masses
        kill = np.zeros((2, grid.size))
        for wall in q.exits:
            kill[wall.side, wall.cells] = wall.rates
        steps = np.diff(since)
        equal = steps.size > 0 and np.allclose(steps, steps[0], rtol=1e-9, atol=0.0)
        forward = transition_matrix(q, [], float(steps[0]))[0] if equal else None
        rows = [masses]
        for step in steps:
            p = transition_matrix(q, [], float(step))[0] if forward is None else forward
            rows.append(p @ rows[-1])
        return np.array(rows) @ kill.T, np.array(rows).sum(axis=1)

    def _box(self, horizon: float) -> tuple[Grid, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
        """A grid over all that the bounds sweep, and the target beyond them."""
        t = np.linspace(0.0, horizon, 257)
        spread = FAR * float(np.sqrt(2.0 * diffusion(self.equation, np.array([[self.start]])).max() * horizon))
        low, high = self.bounds
        bottom = self.start - spread if low is None else float(np.min(low(t) if callable(low) else low))
        top = self.start + spread if high is None else float(np.max(high(t) if callable(high) else high))
        walls = tuple("reflecting" if b is None else "absorbing" for b in self.bounds)
        grid = Grid((bottom, top), CELLS, walls[0] if walls[0] == walls[1] else walls)

        def inside(x: np.ndarray, now: np.ndarray) -> np.ndarray:
            found = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(now)), dtype=bool)
            if callable(low):
                found |= x <= low(now)
            if callable(high):
                found |= x >= high(now)
            return found

        return grid, inside


def _first(bound: Any) -> float | None:
    """A bound at time 0."""
    if bound is None or not callable(bound):
        return None if bound is None else number("bounds", bound)
    rule = "a function of an array of times"
    values = reals("bounds", call("bounds", bound, (np.zeros(1),)), rule)
    if values.shape not in ((), (1,)) or not np.isfinite(values).all():
        raise bad_value("bounds", f"{rule} that returns one finite number a time", values)
    return float(values.reshape(-1)[0])


def _column(columns: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    """The first column that has one of these names, in any case."""
    return next((column for name in names for given, column in columns.items() if given.lower() == name), None)


def _sides(choices: Any) -> Any:
    """Choices as numbers where they are the words "upper" and "lower"."""
    entries = choices.tolist() if hasattr(choices, "tolist") else choices
    if not isinstance(entries, list) or not all(isinstance(entry, str) and entry in SIDES for entry in entries):
        return choices
    return np.array([SIDES[entry] for entry in entries])


def _as_sides(choices: Any, rule: str) -> np.ndarray:
    """Choices as numbers; words are refused."""
    entries = choices.tolist() if hasattr(choices, "tolist") else choices
    if isinstance(entries, (list, tuple)) and any(isinstance(entry, str) for entry in entries):
        raise bad_type("choices", rule, choices, COMPARE)
    return fields("choices", choices, rule)


def _what_times(t: np.ndarray) -> tuple[str, str]:
    """What is wrong with times, and what to do."""
    missing, negative = int(np.isnan(t).sum()), int((t <= 0.0).sum())
    if missing:
        return f"{missing} that are NaN", "Leave these trials out; times of those that had not arrived are infinite."
    if negative:
        return (
            f"{negative} of {t.size} not above 0",
            "Where the sign says the bound, pass abs(times) and choices=times > 0.",
        )
    return "none that is finite" if t.ndim == 1 else f"shape {t.shape}", ""


def _tell_unread(columns: dict[str, np.ndarray], choices: Any) -> None:
    """A warning of a column of two values beside times without choices: it may say the bound."""
    if choices is not None:
        return
    two = [key for key, column in columns.items() if key.lower() not in TIMES and np.unique(column).size == 2]
    if two:
        then = f"If the column {two[0]!r} says the bound, pass choices=table[{two[0]!r}] == VALUE of the upper one."
        warn(f"All times were taken for arrivals at the upper bound. {then}")
