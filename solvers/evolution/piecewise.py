"""Coefficients that change in time, piece by piece: one exponential where they rest, adaptive steps where they move.

Noise that is switched on, a learning rate that falls in steps, a square wave: between its jumps such a generator is constant,
and exp(Q t) is known for any t at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..discretization.generator import Generator
from ..discretization.rates_in_time import RatesInTime
from .exponential import propagate
from .fed_generator import Fed
from .radau import Radau
from .time_dependent import Driven, GeneratorAt
from .time_scan import Timetable

LOOKS = (0.0, 0.3127, 0.8411, 1.0)  # of a piece: where its generator is compared with itself
SAME = 1e-12  # relative change of a rate up to which a generator counts as constant
LEAST_ERROR = 1e-13  # asked of an exponential


class Stretch(NamedTuple):
    """Part of a run, with the constant generator there or None."""

    start: float
    end: float
    generator: Generator | None


class Piecewise:
    """Propagation through pieces of both kinds.

    Parameters
    ----------
    eq, grid
    generator_at : callable
        (t, masses) -> Generator of the equation.
    rtol : float
        Error allowed in the 1-norm over the whole run.
    table : Timetable
        Of the run, see `time_scan.timetable`.
    masses : ndarray (n,)
        At the start.
    """

    def __init__(
        self, eq: FokkerPlanck, grid: Grid, generator_at: GeneratorAt, rtol: float, table: Timetable, masses: np.ndarray
    ):
        self.eq, self.grid, self.generator_at = eq, grid, generator_at
        self.rtol, self.table, self.start = rtol, table, masses
        self.horizon = float(table.ends[-1])
        self.exponentials: dict[str, Counter[str]] = {}  # work by the name of the method

    @cached_property
    def moving(self) -> Driven | Radau:
        """The method for stretches in which coefficients move."""
        eq, grid = self.eq, self.grid
        if joins_neighbours(eq, grid, self.generator_at, self.table, self.start):
            rates = RatesInTime(eq, grid, self.horizon)
            return Radau(rates, grid.periodic(0), self.rtol, self.horizon, self.table)
        return Driven(self.generator_at, self.rtol, self.horizon, eq.interaction is not None, self.table)

    @property
    def name(self) -> str:
        """The methods that were used."""
        return " + ".join(name for name, _ in self._used) or self.moving.name

    @property
    def work(self) -> dict[str, int]:
        """What they cost together."""
        total: Counter[str] = Counter()
        for _, work in self._used:
            total.update(work)
        return dict(total) | {"pieces": self.table.first.size}

    @property
    def _used(self) -> list[tuple[str, Mapping[str, int]]]:
        """Names and work of the methods that were used: the one for what moves is made where it is first needed."""
        moved = [(self.moving.name, self.moving.work)] if "moving" in self.__dict__ else []
        return [*moved, *self.exponentials.items()]

    def stretches(self, masses: np.ndarray) -> Iterator[Stretch]:
        """The run in parts: each rest by itself, pieces that move together."""
        start = 0.0
        for first, after in self.table.rests() if self.eq.interaction is None else ():
            begin, end = self.table.ends[[first, after]].tolist()
            q = self._constant(begin, end, float(self.table.first[first]), float(self.table.last[after - 1]), masses)
            if q is None:
                continue
            if begin > start:
                yield Stretch(start, begin, None)
            yield Stretch(begin, end, q)
            start = end
        if start < self.horizon:
            yield Stretch(start, self.horizon, None)

    def _constant(self, begin: float, end: float, low: float, high: float, masses: np.ndarray) -> Generator | None:
        """The generator of a rest, read between the times low and high, or None where it does change."""
        looks = np.clip(begin + (end - begin) * np.array(LOOKS), low, high)
        q = self.generator_at(float(looks[0]), masses)
        same = all(unchanged(q, self.generator_at(float(t), masses)) for t in looks[1:])
        return q if same else None

    def advance(self, masses: np.ndarray, stretch: Stretch, marks: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """Masses at each of the increasing marks in a stretch, from those at its start, and the error since then."""
        if stretch.generator is not None:
            allowed = max(0.5 * self.rtol * (stretch.end - stretch.start) / self.horizon, LEAST_ERROR)
            for after, error, chosen in propagate(  # noqa: B007 - the last one stays
                stretch.generator, masses, marks - stretch.start, "auto", allowed
            ):
                yield after, error
            done = self.exponentials.setdefault(chosen.name, Counter())
            done.update(chosen.work)
            return
        t, error = stretch.start, 0.0
        for mark in marks.tolist():
            masses, share = self.moving.advance(masses, t, mark)
            t, error = mark, error + share
            yield masses, error


def joins_neighbours(
    eq: FokkerPlanck, grid: Grid, generator_at: GeneratorAt, table: Timetable, masses: np.ndarray
) -> bool:
    """Whether Q is linear and has three diagonals at all times: on a line, without jumps, resets and a source."""
    if grid.dim > 1 or eq.interaction is not None:
        return False
    return not generator_at(float(table.first[0]), masses).reaches_far


def unchanged(a: Generator, b: Generator) -> bool:
    """Whether two generators have the same rates, but for rounding."""
    if isinstance(a, Fed) and isinstance(b, Fed) and not _same(a.source, b.source):
        return False
    if len(a.links) != len(b.links) or len(a.exits) != len(b.exits):
        return False
    links, exits = list(zip(a.links, b.links, strict=True)), list(zip(a.exits, b.exits, strict=True))
    cells = [pair for x, y in links for pair in ((x.lower, y.lower), (x.upper, y.upper))]
    rates = [pair for x, y in links for pair in ((x.forward, y.forward), (x.backward, y.backward))]
    cells += [(x.cells, y.cells) for x, y in exits]
    rates += [(x.rates, y.rates) for x, y in exits]
    if not all(np.array_equal(x, y) for x, y in cells):
        return False
    return all(_same(x, y) for x, y in rates)


def _same(x: np.ndarray, y: np.ndarray) -> bool:
    return bool((np.abs(x - y) <= SAME * np.maximum(np.abs(x), np.abs(y))).all())


def propagate_driven(
    eq: FokkerPlanck,
    grid: Grid,
    generator_at: GeneratorAt,
    masses: np.ndarray,
    times: np.ndarray,
    rtol: float,
    table: Timetable,
) -> Iterator[tuple[np.ndarray, float, Piecewise]]:
    """As `exponential.propagate`, where coefficients depend on time or on the masses.

    Parameters
    ----------
    eq, grid
    generator_at : callable
        (t, masses) -> Generator of the equation.
    masses, times, rtol
        As for `exponential.propagate`.
    table : Timetable
        Of the run up to the last time, see `time_scan.timetable`.
    """
    method, error = Piecewise(eq, grid, generator_at, rtol, table, masses), 0.0
    if times[0] == 0.0:
        yield masses, 0.0, method
    for stretch in method.stretches(masses):
        asked = times[(times > stretch.start) & (times <= stretch.end)]
        marks = np.union1d(asked, stretch.end)
        for mark, (after, share) in zip(marks, method.advance(masses, stretch, marks), strict=True):
            if mark in asked:
                yield after, error + share, method
        masses, error = after, error + share
