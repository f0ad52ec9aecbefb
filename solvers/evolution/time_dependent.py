"""Coefficients that change with time or with the density: adaptive steps of exponentials, hence positive and conservative.

A step of length h multiplies two exponentials of the generator read at the Gauss times t + (1/2 -+ sqrt(3)/6) h, each with
a mixture of the two rates (the commutator-free Magnus method of order four, Blanes and Moan 2006). One weight of the mixture
is slightly negative; where that would turn a rate negative, as where a drift without noise changes its sign, the mean of the
two rates serves. The error of a step is its difference from two half steps, and the half steps are kept.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Exit, Generator, Links
from .exponential import choose
from .fed_generator import Fed
from .time_scan import Timetable

GAUSS = 0.5 - math.sqrt(3.0) / 6.0
MINOR, MAJOR = 0.25 - math.sqrt(3.0) / 6.0, 0.25 + math.sqrt(3.0) / 6.0
HALVES, EXPONENTIALS = (
    ((MAJOR, MINOR), (MINOR, MAJOR)),
    2,
)  # weights of the rates in each exponential of a step; half steps
MAX_STEPS = 100_000
EXPONENTIAL = 2e-3  # of the error allowed in a step, what each of its exponentials may have

# The generator at a time, for a density with the given cell masses
GeneratorAt = Callable[[float, np.ndarray], Generator]


class Factor(NamedTuple):
    """An exponential exp(Q h) of a step, to within an error in the 1-norm."""

    q: Generator
    h: float
    error: float

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """exp(Q h) masses."""
        return choose(self.q, np.array([self.h]), self.error, rational=False).advance(masses, self.h)[0]


class Driven:
    """Adaptive propagation with a generator that depends on time, on the density, or on both.

    Parameters
    ----------
    generator_at : callable
        (t, masses) -> Generator.
    rtol : float
        Error allowed in the 1-norm over the whole run.
    horizon : float
    nonlinear : bool
        Whether the generator reads the masses, and of these the mean only. It is then predicted at the Gauss times.
    table : Timetable
        Pieces of the run that no step leaves.

    Attributes
    ----------
    kept : list of Factor, or None
        Where it is a list, the exponentials of all steps that were taken are added to it, in their order.
    """

    name = "magnus"

    def __init__(self, generator_at: GeneratorAt, rtol: float, horizon: float, nonlinear: bool, table: Timetable):
        self.generator_at, self.table = generator_at, table
        self.rtol, self.horizon = rtol, horizon
        self.nonlinear = nonlinear
        self.step, self.piece = horizon / 16.0, 0
        self.work = {"steps": 0, "rejected": 0, "generators": 0}
        self.kept: list[Factor] | None = None
        self._latest: deque[Factor] = deque(maxlen=len(HALVES) * EXPONENTIALS)
        self.pace = Pace(__name__, "density in time")

    def advance(self, masses: np.ndarray, start: float, end: float) -> tuple[np.ndarray, float]:
        """Masses at `end` from those at `start`, and the error estimate."""
        t, error = start, 0.0
        while t < end:
            if self.work["steps"] > MAX_STEPS:
                raise ConvergenceError(
                    f"more than {MAX_STEPS} steps by t = {t:g}; raise rtol or smooth the coefficients", masses
                )
            self.pace(t / self.horizon, f"t = {t:g} after {self.work['steps']} steps")
            self.piece = self.table.piece(t)
            stop = min(float(self.table.ends[self.piece + 1]), end)
            h = min(self.step, stop - t)
            rate = change(self._generator(t, masses), masses) if self.nonlinear else None
            whole = self._magnus(masses, rate, t, h)
            half = self._magnus(masses, rate, t, 0.5 * h)
            if self.nonlinear:
                rate = change(self._generator(t + 0.5 * h, half), half)
            twice = self._magnus(half, rate, t + 0.5 * h, 0.5 * h)
            share = float(np.abs(whole - twice).sum())
            allowed = 0.5 * self.rtol * h / self.horizon
            if share > allowed and share > 1e-13:
                self.work["rejected"] += 1
                self.step = h * max(0.2, 0.9 * (allowed / share) ** 0.25)
                continue
            masses, error = twice, error + share + 4.0 * EXPONENTIAL * allowed
            if self.kept is not None:
                self.kept += self._latest
            t = stop if h == stop - t or stop - t - h < 1e-14 * self.horizon else t + h
            self.work["steps"] += 1
            if h == self.step:
                self.step = h * min(3.0, 0.9 * (allowed / max(share, 1e-300)) ** 0.25)
        return masses, error

    def _magnus(self, masses: np.ndarray, rate: np.ndarray | None, t: float, h: float) -> np.ndarray:
        """One step from masses that change at a rate."""
        early, late = GAUSS * h, (1.0 - GAUSS) * h
        first = self._generator(t + early, self._predicted(masses, rate, t, early))
        second = self._generator(t + late, self._predicted(masses, rate, t, late))
        first, second = aligned(first, second)
        for weights in HALVES:
            masses = self._exponential(mixture(first, second, *weights), masses, h)
        return masses

    def _predicted(self, masses: np.ndarray, rate: np.ndarray | None, t: float, h: float) -> np.ndarray:
        """Masses of the right mean at t + h to third order, where the generator depends on it (Heun's formula).

        Cell by cell an explicit step is worth nothing where h exceeds the time between two jumps; but their mean, which
        sees the generator through the smooth function x, knows nothing of the cells.
        """
        if rate is None:
            return masses
        slope = rate
        # masses beyond all numbers have no mean, and are then refused in words
        with np.errstate(over="ignore", invalid="ignore"):
            for share in (h / 3.0, 2.0 * h / 3.0):
                ahead = masses + share * slope
                slope = change(self._generator(t + share, ahead), ahead)
            return np.asarray(masses + 0.25 * h * (rate + 3.0 * slope))

    def _exponential(self, q: Generator, masses: np.ndarray, h: float) -> np.ndarray:
        factor = Factor(q, h, self._allowed(h))
        self._latest.append(factor)
        return factor.apply(masses)

    def _allowed(self, h: float) -> float:
        """Error allowed in an exponential of a step of length h."""
        return max(EXPONENTIAL * 0.5 * self.rtol * h / self.horizon, 1e-13)

    def _generator(self, t: float, masses: np.ndarray) -> Generator:
        self.work["generators"] += 1
        return self.generator_at(float(self.table.read(self.piece, np.array(t))), masses)


def change(q: Generator, masses: np.ndarray) -> np.ndarray:
    """Q P from the links themselves: for a single product cheaper than to lay out the matrix first."""
    total = q.far(masses)
    for link, flux in zip(q.links, q.flux(masses), strict=True):
        total += np.bincount(link.upper, flux, total.size) - np.bincount(link.lower, flux, total.size)
    for wall in q.exits:
        total -= np.bincount(wall.cells, wall.rates * masses[wall.cells], total.size)
    return total


def mixture(a: Generator, b: Generator, weight_a: float, weight_b: float) -> Generator:
    """The generator with rates weight_a * a + weight_b * b, or their mean where this or its mirror image is negative.

    Of generators that are `aligned`. A link of one alone has the mean: its rate in the other is zero.
    """
    half = 0.5 * (weight_a + weight_b)

    def mixed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        rates = weight_a * x + weight_b * y
        negative = (rates < 0.0) | (weight_b * x + weight_a * y < 0.0)
        return np.where(negative, half * (x + y), rates) if negative.any() else rates

    links = tuple(
        x._replace(forward=mixed(x.forward, y.forward), backward=mixed(x.backward, y.backward))
        for x, y in zip(a.links, b.links, strict=True)
    )
    exits = tuple(x._replace(rates=mixed(x.rates, y.rates)) for x, y in zip(a.exits, b.exits, strict=True))
    mixed_one = a.reweighted(links, exits, weight_a + weight_b)
    if isinstance(a, Fed) and isinstance(b, Fed):
        return replace(mixed_one, source=mixed(a.source, b.source))  # type: ignore[call-arg]
    return mixed_one


def aligned(a: Generator, b: Generator) -> tuple[Generator, Generator]:
    """Two generators of one grid with the same links and exits, where one has none of rate zero.

    A tensor whose lattice directions turn, or whose drift goes along the axes here and there, has other links at each time.
    """
    if _laid(a) == _laid(b):
        return a, b
    links, exits = (*a.links, *b.links), (*a.exits, *b.exits)
    one, two = (replace(q, links=_links_on(links, q.links), exits=_exits_on(exits, q.exits)) for q in (a, b))
    return one, two


def _laid(q: Generator) -> list[tuple[object, ...]]:
    """Between which cells the links lie, and from which the exits lead, in their order."""
    links = [(x.offset, x.stride, x.lower.tobytes()) for x in q.links]
    return links + [(x.axis, x.side, x.atom, x.name, x.cells.tobytes()) for x in q.exits]


def _links_on(places: Sequence[Links], own: Sequence[Links]) -> tuple[Links, ...]:
    """Links of a generator between the cells of some more, one family for each offset and stride."""
    result = []
    for offset, stride in dict.fromkeys((x.offset, x.stride) for x in places):
        lower = np.unique(np.concatenate([x.lower for x in places if (x.offset, x.stride) == (offset, stride)]))
        same = [x for x in own if (x.offset, x.stride) == (offset, stride)]
        at = [np.searchsorted(lower, x.lower) for x in same]
        forward, backward = (
            _summed(lower.size, at, rates) for rates in ([x.forward for x in same], [x.backward for x in same])
        )
        marked = [np.zeros(x.lower.size) if x.integrated is None else x.integrated for x in same]
        integrated = _summed(lower.size, at, marked) > 0.0
        result.append(Links(offset, stride, lower, forward, backward, integrated if integrated.any() else None))
    return tuple(result)


def _exits_on(places: Sequence[Exit], own: Sequence[Exit]) -> tuple[Exit, ...]:
    """Exits of a generator from the cells of some more, one for each way out."""
    result = []
    for way in dict.fromkeys((x.axis, x.side, x.atom, x.name) for x in places):
        cells = np.unique(np.concatenate([x.cells for x in places if (x.axis, x.side, x.atom, x.name) == way]))
        same = [x for x in own if (x.axis, x.side, x.atom, x.name) == way]
        rates = _summed(cells.size, [np.searchsorted(cells, x.cells) for x in same], [x.rates for x in same])
        result.append(Exit(way[0], way[1], cells, rates, way[2], way[3]))
    return tuple(result)


def _summed(n: int, at: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> np.ndarray:
    """Values added up at places among n."""
    total = np.zeros(n)
    for places, each in zip(at, values, strict=True):
        np.add.at(total, places, each)
    return total
