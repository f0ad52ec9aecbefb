"""Targets that stay or move, and coefficients that change, on any grid.

The run is cut into steps in which no edge moves by more than about a third of a cell. In a step the links are cut where the
edges are at its middle, see `linear.absorption`, and what a target has covered by then is taken out. A cell that loses its
center to a target keeps what it held for as long as a part of it is outside: where an edge moves faster than paths spread this
is the share not yet met, where it moves slower the links have emptied the cell before.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...errors import SubcellWarning, bad_value
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.region import RegionInTime, places_of
from ...progress import Pace
from ..discretization.generator import Generator
from ..discretization.scharfetter_gummel import generator
from ..linear.absorption import SHORTEST, TARGET, Absorber
from .exponential import propagate
from .time_dependent import Driven
from .time_scan import NARROW, timetable

SCANNED, WATCHED = 1024, 4096  # times of a run at which so many places in the box are looked at
PLACES = 16  # in each cell
MOVED = 6  # of them: how many a step may cover or free
THIN = 0.3  # of the way between two centers: a target that is not as thick may pass a center between two steps
AROUND = 4  # steps on both sides of a time, over which arrivals are counted where an edge moves
SMALLEST = 1e-13  # error asked of a step
TINY = 1e-200  # subnormal numbers are slow
NOTHING = np.empty(0)


class State(NamedTuple):
    """What is left at a time, the same with what was covered at one moment, the rate through edges that stand, and whether
    they move."""

    left: float
    smooth: float
    rate: float
    moves: bool


class Motion:
    """The times between which regions move by a share of a cell.

    Parameters
    ----------
    grid : Grid
    regions : sequence of RegionInTime
    names : sequence of str
        Of the ways out into them.
    """

    def __init__(self, grid: Grid, regions: Sequence[RegionInTime], names: Sequence[str] = (TARGET,)):
        self.grid, self.regions, self.names = grid, regions, names

    @cached_property
    def _everywhere(self) -> np.ndarray:
        """Places in each cell, (dim, places, n)."""
        return np.concatenate([x.reshape(*x.shape[:2], -1) for x in places_of(self.grid, PLACES)], axis=1)

    @cached_property
    def _some(self) -> np.ndarray:
        """Places in the whole box, as of a grid of one cell, (dim, 1, places)."""
        box = Grid.from_edges([e[[0, -1]] for e in self.grid.edges])
        return np.concatenate(list(places_of(box, WATCHED)), axis=1).reshape(box.dim, 1, -1)

    def pattern(self, t: float) -> np.ndarray:
        """Which places of each cell lie in each region at a time, (n_regions, places, n)."""
        return self._seen(t, self._everywhere)

    def _seen(self, t: float, places: np.ndarray) -> np.ndarray:
        return np.stack([region.holds(t, *places) for region in self.regions])

    def times(self, start: float, stop: float) -> np.ndarray:
        """Increasing times from `start` to `stop`; a jump lies between two that are NARROW of the run apart."""
        if not any(region.moves for region in self.regions):
            return np.array([start, stop])
        scan = np.linspace(start, stop, SCANNED + 1)
        seen = [self._seen(t, self._some) for t in scan.tolist()]
        change = np.array([(a != b).any() for a, b in itertools.pairwise(seen)])
        ends = np.zeros(scan.size, dtype=bool)
        ends[:-1] |= change
        ends[1:] |= change
        ends[[0, -1]] = True
        base = scan[ends]
        kept, last, before = [start], self.pattern(start), (start, self.pattern(start))
        pace = Pace(__name__, "edges of a moving target")
        for end in base[1:].tolist():
            pace((end - start) / (stop - start))
            for t, now in self._between(*before, end, self.pattern(end), NARROW * (stop - start)):
                if not _near(last, now) and before[0] > kept[-1]:
                    kept.append(before[0])
                    last = before[1]
                before = (t, now)
        return np.array([*kept, stop])

    def _between(
        self, a: float, first: np.ndarray, b: float, last: np.ndarray, narrow: float
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Times after a up to b, and the patterns there, so close that no edge moves by more than a share of a cell."""
        if _near(first, last) or b - a <= narrow:
            yield b, last
            return
        middle = 0.5 * (a + b)
        there = self.pattern(middle)
        yield from self._between(a, first, middle, there, narrow)
        yield from self._between(middle, there, b, last, narrow)

    def absorber(self, t: float, shortest: float = SHORTEST) -> Absorber:
        """What the links are cut by at a time."""
        regions, near = [], []
        for region, seen in zip(self.regions, self.pattern(t), strict=True):
            mask, inside = region.at(t)
            regions.append((mask, inside if mask.any() or seen.any() else None))
            near.append(_at_edges(self.grid, mask, seen) if region.moves and t > 0.0 else None)
        return Absorber(self.grid, regions, near, self.names, shortest)

    def covered(self, t: float) -> np.ndarray:
        """The share of each cell in any of the regions, (n,); of one that stays, all or nothing, by the center."""
        inside = [
            seen if region.moves else np.broadcast_to(region.at(t)[0].ravel(), seen.shape)
            for region, seen in zip(self.regions, self.pattern(t), strict=True)
        ]
        return np.logical_or.reduce(inside).sum(axis=0) / inside[0].shape[0]


def _at_edges(grid: Grid, mask: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Cells (n,) that an edge of a region may pass through or beside, from its cells and the places seen in it."""
    from scipy.ndimage import binary_dilation

    any_in = (seen.any(axis=0) | mask.ravel()).reshape(grid.shape)
    any_out = ~(seen.all(axis=0) & mask.ravel()).reshape(grid.shape)
    around = np.ones((3,) * grid.dim)
    return (binary_dilation(any_in, around) & binary_dilation(any_out, around)).ravel()


def _refuse_thin(absorber: Absorber, moves: Sequence[bool]) -> None:
    """Refuse a region that moves and is so thin that it may pass a center between two steps."""
    for families, moving in zip(zip(*absorber.edges, strict=True), moves, strict=True):
        lower, upper = (np.concatenate([np.asarray(e[k]) for e in families]) for k in (0, 1))
        met = np.isfinite(lower) & np.isfinite(upper)
        thickness = (1.0 - lower - upper)[met & (lower > 0.0) & (upper > 0.0)]
        whole = np.isfinite(lower) ^ np.isfinite(upper)
        if moving and thickness.size > 0.5 * (met | whole).sum() and np.median(thickness) < THIN:
            then = "Take smaller cells, or a thicker target: all that lies behind it, for one."
            got = f"some {np.median(thickness):.2g} of a cell"
            raise bad_value("target", f"at least {THIN} cells thick where it moves", got, then)


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(((a != b).sum(axis=1) <= MOVED * a.shape[1] / PLACES).all())


class Sweep:
    """Paths outside regions that may move, from time 0 on.

    Parameters
    ----------
    eq, grid
    motion : Motion
        Of the regions.
    masses : ndarray (*grid.shape)
    """

    def __init__(self, eq: FokkerPlanck, grid: Grid, motion: Motion, masses: np.ndarray):
        self.eq, self.grid, self.motion = eq, grid, motion
        self.masses, self.time = np.array(masses, dtype=float).ravel(), 0.0
        self.outside = 1.0 - motion.covered(0.0)  # the share of each cell
        self.covered = np.zeros_like(self.masses)  # in cells whose centers a region has covered
        self.jumped = 0.0  # what regions covered at one moment
        self.absorber = motion.absorber(0.0)
        self._still = None if eq.time_dependent else generator(eq, grid, fixed=True)
        self._cover()

    @property
    def left(self) -> float:
        """What no region has met so far."""
        return float((self.masses * self.outside + self.covered).sum())

    def copy(self) -> Sweep:
        """The same paths, to be followed on their own."""
        other = copy.copy(self)
        other.masses, other.covered = self.masses.copy(), self.covered.copy()
        return other

    def totals(self, times: np.ndarray, rtol: float) -> Iterator[tuple[float, float]]:
        """What has not arrived at each of the increasing times, and how much arrives per time.

        Beside an edge that moves the latter is the slope of what is left over the time in which it passes a cell or two.
        """
        start, end = self.time, float(times[-1])
        nodes = self.motion.times(start, end) if end > start else np.array([start])
        stops = np.union1d(nodes, times[times >= start])
        seen = dict(zip(stops.tolist(), self.run(stops, rtol), strict=True))
        for t in times.tolist():
            state = seen[t]
            low, high = (int(np.searchsorted(nodes, t, side)) for side in ("left", "right"))
            near = nodes[max(low - AROUND, 0) : high + AROUND]
            rate = state.rate
            if state.moves and near.size > 4:
                rate = -float(np.polyfit(near - t, [seen[x].smooth for x in near.tolist()], 2)[1])
            yield state.left, rate

    def run(self, stops: np.ndarray, rtol: float) -> Iterator[State]:
        """Follow the paths through times between which no edge moves far; the state at each."""
        horizon, moves = float(stops[-1]), False
        table = timetable(self.eq, self.grid, horizon, rtol, NOTHING, None)
        driven = Driven(lambda t, p: self._killed(t), rtol, horizon, False, table) if self._still is None else None
        begun, pace = self.time, Pace(__name__, "passage in time")
        for stop in stops.tolist():
            pace((self.time - begun) / max(horizon - begun, 1e-300))
            length = stop - self.time
            if length > 0.0:
                jump, before = length <= 4.0 * NARROW * horizon, self.left
                self.absorber = self.motion.absorber(stop if jump else self.time + 0.5 * length)
                self._cover()
                if driven is not None:
                    self.masses, _ = driven.advance(self.masses, self.time, stop)
                else:
                    share = max(rtol * length / horizon, SMALLEST)
                    run = propagate(self._killed(stop), self.masses, np.array([length]), "auto", share)
                    self.masses, _, _ = next(run)
                self.time = stop
                moves = self._uncover(stop)
                self.jumped += before - self.left if jump else 0.0
            rate = 0.0 if moves else self._killed(stop).outflux(self.masses)
            yield State(self.left, self.left + self.jumped, rate, moves)

    def _killed(self, t: float) -> Generator:
        q = self._still or generator(self.eq, self.grid, t, fixed=True)
        with warnings.catch_warnings():
            if self.time > 0.0:  # said before
                warnings.simplefilter("ignore", SubcellWarning)
            killed, _ = self.absorber.killed(q)
        _refuse_thin(self.absorber, [region.moves for region in self.motion.regions])
        return killed

    def _cover(self) -> None:
        """Take out what cells hold whose centers are covered."""
        mask = np.logical_or.reduce([mask for mask, _ in self.absorber.regions]).ravel()
        self.covered[mask] += self.masses[mask] * self.outside[mask]
        self.masses[mask | (self.masses < TINY)] = 0.0

    def _uncover(self, t: float) -> bool:
        """Note which shares of the cells lie outside at a time, and whether that has changed."""
        now = 1.0 - self.motion.covered(t)
        changed = bool((now != self.outside).any())
        held = self.covered > 0.0
        self.covered[held] *= np.minimum(now[held] / np.maximum(self.outside[held], TINY), 1.0)
        self.outside = now
        return changed
