"""Where coefficients jump or pulse in time, found from the coefficients themselves before any step is taken.

A step reads its coefficients at a few times only, and what happens between them it does not see, nor does its error estimate.
Hence they are first sampled over the whole run, at many times and some points, jumps are located by bisection, and the time
between two jumps is cut into pieces so short that the three nodes of a step see what the samples show. No step crosses the
end of a piece.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...arguments import number, reals
from ...errors import bad_value
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..kernels.block_thomas import NODES
from ..kernels.smooth_pieces import cut

PAIRS, PAIRS_ONE_BY_ONE = 4096, 2048  # of samples in time: functions that take arrays for t, and others
MOST_STEPS = 1e6  # that a longest step may ask for
MOST_PAIRS = 200_000
PROBES = 12  # points that are watched whatever happens there
SEARCHED, SEARCH_TIMES, FOUND = (
    256,
    128,
    8,
)  # points that are looked at, how often, and those of them that are watched too
KRONECKER = (1.618033988749895, 1.324717957244746, 1.2207440846057596)  # roots of x^(dim + 1) = x + 1
JUMP = 1e-5  # of a coefficient's range: smaller ones are left to the error estimate
NARROW = 1e-12  # of the run: how closely a jump is located
MISSED = 0.05  # of the range in a piece, by which its nodes may miss a sample
STILL = 1e-13  # of a coefficient: changes up to it are rounding
RESTS = 64  # of a run: how short a rest may be that no jump begins or ends, to be a piece of its own
SMALL = 0.01  # of rtol: what such a miss may move in units of the box


@dataclass(frozen=True)
class Timetable:
    """The pieces of a run, between which coefficients may jump.

    Attributes
    ----------
    ends : ndarray (n + 1,)
        From 0 to the end of the run. No step crosses one.
    first, last : ndarray (n,)
        The earliest and the latest time at which a piece may read the coefficients: the right sides of the jumps.
    still : ndarray (n,), optional
        Pieces in which no sample saw a coefficient change. None where it is left out.
    """

    ends: np.ndarray
    first: np.ndarray
    last: np.ndarray
    still: np.ndarray | None = None

    @classmethod
    def whole(cls, horizon: float) -> Timetable:
        """One piece."""
        return cls(np.array([0.0, horizon]), np.zeros(1), np.array([horizon]))

    def piece(self, t: float) -> int:
        """Number of the piece that begins at t or holds it."""
        return int(np.clip(np.searchsorted(self.ends, t, side="right") - 1, 0, self.first.size - 1))

    def rests(self) -> list[tuple[int, int]]:
        """Runs of pieces, first and after the last, in which nothing changes, not between them either."""
        if self.still is None:
            return []
        joined = np.append(False, self.still[1:] & self.still[:-1] & (self.first[1:] == self.last[:-1]))
        begins, ends = np.flatnonzero(self.still & ~joined), np.flatnonzero(np.append(~joined, True))
        after = ends[np.searchsorted(ends, begins, side="right")]
        return list(zip(begins.tolist(), after.tolist(), strict=True))

    def read(self, piece: int, times: np.ndarray) -> np.ndarray:
        """Times moved to the inside of a piece."""
        return np.clip(times, self.first[piece], self.last[piece])

    def plan(self, t: float, end: float, step: float, count: int) -> list[Step]:
        """Up to `count` steps from t on, each an equal part of the way to the end of its piece and not above `step`."""
        steps: list[Step] = []
        piece = self.piece(t)
        while len(steps) < count and t < end:
            stop = min(float(self.ends[piece + 1]), end)
            parts = max(1, math.ceil((stop - t) / step * (1.0 - 1e-9)))
            length = (stop - t) / parts
            for k in range(1, min(parts, count - len(steps)) + 1):
                after = stop if k == parts else t + k * length
                steps.append(Step(piece, t + (k - 1) * length, length, after, step))
            t, piece = stop, piece + 1
        return steps


class Step(NamedTuple):
    """A step inside a piece; `wanted` is the length that was asked for, of which it is an equal part or less."""

    piece: int
    start: float
    length: float
    end: float
    wanted: float


def named_features(
    eq: FokkerPlanck, breaks: Any, max_step: Any, changing: bool = False
) -> tuple[np.ndarray, float | None]:
    """The times of jumps that the caller knows, and the longest step allowed; something else may be `changing`, a source."""
    then = "Give a coefficient the parameter `t`, or leave it out."
    if (breaks is not None or max_step is not None) and not (eq.time_dependent or changing):
        name, got = ("breaks", breaks) if breaks is not None else ("max_step", max_step)
        raise bad_value(name, "None where no coefficient depends on time", got, then)
    if max_step is not None:
        max_step = number("max_step", max_step, "a positive number", lambda v: 0.0 < v < np.inf)
    if breaks is None:
        return np.empty(0), max_step
    array = np.atleast_1d(reals("breaks", breaks, "a sequence of times"))
    if array.ndim != 1 or not np.isfinite(array).all():
        raise bad_value("breaks", "a sequence of finite times", breaks)
    return array, max_step


def timetable(
    eq: FokkerPlanck,
    grid: Grid,
    horizon: float,
    rtol: float,
    breaks: np.ndarray,
    max_step: float | None,
    source: Callable[..., Any] | None = None,
) -> Timetable:
    """The pieces of a run from 0 to `horizon`.

    Parameters
    ----------
    eq, grid, horizon, rtol
    breaks : ndarray
        Times of jumps that are known.
    max_step : float or None
        The longest step; the coefficients are then sampled four times as often at least.
    source : callable (*coordinates, t), optional
        The mass per time of one that changes, which is watched, too.
    """
    if horizon == 0.0 or not (eq.time_dependent or source is not None or breaks.size or max_step):
        return Timetable.whole(horizon)
    if max_step is not None and horizon / max_step > MOST_STEPS:
        rule = f"at least the last of `times` over {MOST_STEPS:g}"
        raise bad_value("max_step", rule, max_step, "Solve for a shorter time, or take longer steps.")
    inside = np.unique(breaks[(breaks > NARROW * horizon) & (breaks < horizon * (1.0 - NARROW))])
    known = np.stack([inside - NARROW * horizon, inside + NARROW * horizon], axis=1)
    probe = Probe(eq, grid, horizon, source)
    if max_step is not None:
        probe.pairs = max(probe.pairs, min(int(2.0 * horizon / max_step), MOST_PAIRS))
    if not probe.leaves:
        return _assemble(known, [np.empty(0)] * (len(known) + 1), horizon, max_step)
    times, values = probe.watched()
    if values.shape[1] == 0:  # nothing changes where it was looked at
        return _assemble(known, [np.empty(0)] * (len(known) + 1), horizon, max_step)
    jumps = jumps_of(probe.sample, times, values, NARROW * horizon)
    new = [pair for pair in jumps if not ((pair[0] <= known[:, 1]) & (pair[1] >= known[:, 0])).any()]
    sides = np.array(sorted([*known.tolist(), *new])).reshape(-1, 2)
    inner, still = _pieces(probe, times, values, sides, horizon, rtol)
    if max_step is not None and horizon > 0.5 * (probe.pairs + 1) * max_step:  # not sampled closely enough to tell
        still[:] = False
    table = _assemble(sides, inner, horizon, max_step, still)
    return replace(table, first=np.append(max(table.first[0], probe.start), table.first[1:]))


class Probe:
    """The time-dependent coefficients of an equation at some points, in units of the box and per time.

    A drift over the width of the box, D and V over its square, so that a coefficient times a duration says how far it carries
    or spreads the density.
    """

    def __init__(self, eq: FokkerPlanck, grid: Grid, horizon: float, source: Callable[..., Any] | None = None):
        self.horizon, self.start = horizon, 0.0
        self.leaves = [(function, name) for name, function in eq.time_leaves]
        self.low = np.array([e[0] for e in grid.edges])
        self.width = np.array([e[-1] - e[0] for e in grid.edges])
        self.points = self._spread(PROBES, 0.5)
        self.chosen: np.ndarray | None = None
        self._check(eq)
        if source is not None:
            self.leaves.append((source, "source"))
        self.at_once = [self._takes_arrays(function) for function, _ in self.leaves]
        self.pairs = PAIRS if all(self.at_once) else PAIRS_ONE_BY_ONE

    def _check(self, eq: FokkerPlanck) -> None:
        """Let the equation itself complain of what its functions answer."""
        points = Points(tuple(self.points), lambda values: np.zeros(self.points.shape[1]))
        readers = {"drift": eq.drift_at, "potential": eq.potential_at}
        for _, name in self.leaves:
            readers.get(name, eq.diffusion_at)(points, 0.137 * self.horizon)

    def _spread(self, count: int, shift: float) -> np.ndarray:
        """Points (dim, count) spread evenly over the box, on no lattice (Kronecker's sequence)."""
        step = KRONECKER[self.low.size - 1] ** -np.arange(1.0, self.low.size + 1.0)
        share = (shift + np.arange(1, count + 1) * step[:, None]) % 1.0
        return self.low[:, None] + self.width[:, None] * share

    def _takes_arrays(self, function: Callable[..., Any]) -> bool:
        """Whether a function answers for many times at once as it does for each."""
        times = self.horizon * np.array([0.137, 0.548, 0.911])
        one_by_one = np.stack([_fields(function(*self.points, t=float(t)), self.points[0].shape) for t in times])
        try:
            together = self._together(function, times)
        except Exception:
            return False
        return together.shape == one_by_one.shape and bool(
            np.allclose(together, one_by_one, rtol=1e-9, atol=1e-12 * np.abs(one_by_one).max(initial=0.0))
        )

    def _together(self, function: Callable[..., Any], times: np.ndarray) -> np.ndarray:
        shape = (times.size, self.points.shape[1])
        coords = [np.broadcast_to(x, shape) for x in self.points]
        return np.moveaxis(_fields(function(*coords, t=times[:, None]), shape), 1, 0)

    def sample(self, times: np.ndarray) -> np.ndarray:
        """Values (n_times, m): each coefficient's entries at each point, or those of them that were chosen."""
        columns = []
        for (function, name), at_once in zip(self.leaves, self.at_once, strict=True):
            if at_once:
                found = self._together(function, times)
            else:
                shape = self.points[0].shape
                found = np.stack([_fields(function(*self.points, t=float(t)), shape) for t in times])
            columns.append(found.reshape(times.size, -1) / self._unit(name))
        values = np.concatenate(columns, axis=1)
        return values if self.chosen is None else values[:, self.chosen]

    def _unit(self, name: str) -> float:
        width = float(self.width.min()) if name != "source" else 1.0
        return width if name in ("drift", "noise") else width * width

    def watched(self) -> tuple[np.ndarray, np.ndarray]:
        """Sampling times (2 pairs + 1,), and values of coefficients that do not merely repeat each other, (n_times, m)."""
        self._find_points()
        with np.errstate(all="ignore"):  # singular at the start, as t^-1/2
            self.start = 0.0 if np.isfinite(self.sample(np.zeros(1))).all() else NARROW * self.horizon
        n = 2 * self.pairs + 1
        shaken = np.arange(n) + 0.7 * ((np.arange(n) * 0.6180339887498949) % 1.0 - 0.5)
        times = self.horizon * np.clip(shaken / (n - 1), 0.0, 1.0)
        times[0], times[-1] = self.start, self.horizon
        values = self.sample(times)
        columns = _independent(values)
        self._keep(columns)
        return times, values[:, columns]

    def _keep(self, columns: np.ndarray) -> None:
        """From now on `sample` answers for these columns only, and asks only at their points."""
        count = self.points.shape[1]
        kept, place = np.unique(columns % count, return_inverse=True)
        self.points = self.points[:, kept]
        self.chosen = columns // count * kept.size + place

    def _find_points(self) -> None:
        """Watch those of many points, too, where most happens that no other point has seen."""
        base = self.points
        self.points = self._spread(SEARCHED, 0.25)
        times = self.horizon * (np.arange(SEARCH_TIMES) + 0.5) / SEARCH_TIMES
        values = self.sample(times)
        moved = values - values.mean(axis=0)
        size = np.abs(moved).max(initial=0.0)
        points = []
        for _ in range(FOUND):
            norms = (moved**2).sum(axis=0)
            best = int(np.argmax(norms))
            if norms[best] <= (1e-6 * size) ** 2 or size == 0.0:
                break
            points.append(best % SEARCHED)
            direction = moved[:, best] / np.sqrt(norms[best])
            moved = moved - np.outer(direction, direction @ moved)
        self.points = np.concatenate([base, self.points[:, np.unique(np.array(points, dtype=int))]], axis=1)


def _fields(result: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A coefficient's answer, however nested, as fields (count, *shape)."""
    if isinstance(result, (list, tuple)):
        return np.concatenate([_fields(entry, shape) for entry in result])
    array = np.asarray(result, dtype=float)
    lead = array.shape[: max(array.ndim - len(shape), 0)]
    return np.broadcast_to(array, (*lead, *shape)).reshape(-1, *shape)


def _independent(values: np.ndarray) -> np.ndarray:
    """Columns that change, the largest of each set of multiples of one another (by two random projections)."""
    size = values.max(axis=0) - values.min(axis=0)
    count = np.arange(len(values))
    weights = np.stack([(count * root) % 1.0 - 0.5 for root in (1.4142135623730951, 2.2360679774997897)])
    a, b = weights @ values - weights.sum(axis=1)[:, None] * values[0]
    changing = np.flatnonzero(size > 1e-13 * np.abs(values).max(initial=0.0))
    angle = np.round(np.arctan2(b, a)[changing] % np.pi, 8)
    order = changing[np.lexsort((-size[changing], angle))]
    return order[np.unique(np.sort(angle), return_index=True)[1]]


def jumps_of(
    sample: Callable[[np.ndarray], np.ndarray], times: np.ndarray, values: np.ndarray, width: float
) -> list[list[float]]:
    """Both sides of every jump that two neighbouring samples show, each found by cutting their interval in 16 again and again.

    A smooth change spreads evenly over the parts, a jump sits in one. times (2 n + 1,) with values (2 n + 1, m) of `sample`,
    each of which changes; the sides are not further than `width` apart.
    """
    span = values.max(axis=0) - values.min(axis=0)
    scaled = values / span
    share = ((times[1:-1:2] - times[:-2:2]) / (times[2::2] - times[:-2:2]))[:, None]
    straight = scaled[:-2:2] + share * (scaled[2::2] - scaled[:-2:2])
    off, steps = np.abs(scaled[1:-1:2] - straight), np.abs(np.diff(scaled, axis=0))
    rough = ((off > JUMP) & (off > 0.1 * (steps[::2] + steps[1::2]))).any(axis=1)
    pairs = np.flatnonzero(np.repeat(rough, 2) & (steps.max(axis=1) > JUMP))
    low, high = times[pairs], times[pairs + 1]
    while low.size and (high - low).max() > width:
        cuts = low[:, None] + (high - low)[:, None] * np.arange(17) / 16
        at_cuts = (sample(cuts.ravel()) / span).reshape(*cuts.shape, -1)
        changes = np.abs(np.diff(at_cuts, axis=1)).max(axis=2)
        kept = (changes > JUMP) & (changes > 8.0 * np.median(changes, axis=1)[:, None])
        low, high = cuts[:, :-1][kept], cuts[:, 1:][kept]
    return [[float(a), float(b)] for a, b in zip(low, high, strict=True)]


def _pieces(
    probe: Probe, times: np.ndarray, values: np.ndarray, sides: np.ndarray, horizon: float, rtol: float
) -> tuple[list[np.ndarray], np.ndarray]:
    """The ends of the pieces inside each stretch between jumps, and of all pieces whether nothing changes in them."""
    starts, stops = np.append(probe.start, sides[:, 1]), np.append(sides[:, 0], horizon)
    borders = probe.sample(np.concatenate([starts, stops]))
    result, still = [], []
    for k, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        within = slice(*np.searchsorted(times, [start, stop], side="left"))
        while within.start < within.stop and times[within.start] <= start:
            within = slice(within.start + 1, within.stop)
        t = np.concatenate([[start], times[within], [stop]])
        v = np.concatenate([borders[k : k + 1], values[within], borders[len(starts) + k :][:1]])
        ends = np.empty(t.size, np.int64)
        count = cut(t, v, SMALL * rtol, NODES, MISSED, ends)
        inner = np.union1d(ends[: count - 1], rests(t, v, horizon / RESTS))
        result.append(t[inner])
        bounds = [0, *inner.tolist(), t.size - 1]
        still += [at_rest(v[a : b + 1]) for a, b in itertools.pairwise(bounds)]
    return result, np.array(still)


def at_rest(values: np.ndarray) -> bool:
    """Whether samples (n_times, m) are all the same but for rounding."""
    return bool((np.ptp(values, axis=0) <= STILL * np.abs(values).max(axis=0)).all())


def rests(times: np.ndarray, values: np.ndarray, shortest: float) -> np.ndarray:
    """Where samples (n_times, m) begin to be all the same and where they end to be, inside the run: numbers of samples."""
    moves = (np.abs(np.diff(values, axis=0)) > STILL * np.abs(values).max(axis=0)).any(axis=1)
    borders = np.flatnonzero(np.diff(np.concatenate([[True], moves, [True]])))
    runs = [(a, b) for a, b in borders.reshape(-1, 2).tolist() if times[b] - times[a] >= shortest]
    found = np.unique(np.array(runs, dtype=int))
    return found[(found > 0) & (found < times.size - 1)]


def _assemble(
    sides: np.ndarray, inner: list[np.ndarray], horizon: float, max_step: float | None, still: np.ndarray | None = None
) -> Timetable:
    """Pieces from the sides of jumps (n, 2) and the ends of pieces in the stretches between them."""
    ends, first, last = [np.zeros(1)], [np.zeros(1)], []
    middle = sides.mean(axis=1)
    for k, cuts in enumerate(inner):
        if k > 0:
            ends.append(middle[k - 1 : k])
            last.append(sides[k - 1 : k, 0])
            first.append(sides[k - 1 : k, 1])
        ends.append(cuts)
        first.append(cuts)
        last.append(cuts)
    ends, last = [*ends, np.array([horizon])], [*last, np.array([horizon])]
    table = _without_edges(Timetable(np.concatenate(ends), np.concatenate(first), np.concatenate(last), still))
    return table if max_step is None else _limited(table, max_step)


def _without_edges(table: Timetable) -> Timetable:
    """No pieces of their own for jumps at the very start and the very end, but the side of them that the run lies on."""
    ends, edge, kept = table.ends, 4.0 * NARROW * table.ends[-1], slice(None)
    if ends.size > 2 and ends[1] < edge:
        ends, kept = np.append(0.0, ends[2:]), slice(1, None)
    if ends.size > 2 and ends[-1] - ends[-2] < edge:
        ends, kept = np.append(ends[:-2], ends[-1]), slice(kept.start, -1)
    still = None if table.still is None else table.still[kept]
    return Timetable(ends, table.first[kept], table.last[kept], still)


def _limited(table: Timetable, max_step: float) -> Timetable:
    """Pieces cut into equal parts not longer than `max_step`."""
    parts = np.maximum(np.ceil(np.diff(table.ends) / max_step * (1.0 - 1e-12)), 1).astype(int)
    lows, highs = table.ends[:-1], table.ends[1:]
    cuts = [a + (b - a) * np.arange(1, n) / n for a, b, n in zip(lows, highs, parts, strict=True)]
    ends = np.concatenate([table.ends[:1], *(np.append(c, b) for c, b in zip(cuts, highs, strict=True))])
    first = np.concatenate([np.append(a, c) for a, c in zip(table.first, cuts, strict=True)])
    last = np.concatenate([np.append(c, b) for c, b in zip(cuts, table.last, strict=True)])
    return Timetable(ends, first, last, None if table.still is None else np.repeat(table.still, parts))
