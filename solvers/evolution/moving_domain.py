"""The part of an interval outside targets that may move, each gap between them mapped onto (0, 1).

With y = (x - a(t)) / L(t), L = b - a, in a gap a(t) < x < b(t),

    dY = (mu - a' - Y L') / L dt + sqrt(2 D) / L dW,

an equation on a fixed interval whose walls absorb: walls then move smoothly through the cells, not from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from ...arguments import takes_time
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .time_scan import NARROW, jumps_of

Inside = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (x, t) -> whether in a target, broadcast
SAMPLES = 1025  # times at which the edges of a gap are located; between them a cubic spline
LOCATED = 50  # bisections of an edge
FEWEST_CELLS = 48  # in a gap
CLOSED = 1e-4  # of the box: a gap that is narrower holds nothing, its walls take all within their next move


@dataclass(frozen=True)
class Gap:
    """A gap between targets or walls from `start` to `stop`.

    Attributes
    ----------
    start, stop : float
    low, high : callable
        Its ends at times from `start` to `stop`; cubic splines.
    walls : tuple of bool
        Whether the ends are walls of the box rather than edges of a target.
    """

    start: float
    stop: float
    low: CubicSpline
    high: CubicSpline
    walls: tuple[bool, bool]

    def at(self, t: float) -> tuple[float, float]:
        """Both ends at a time."""
        return float(self.low(t)), float(self.high(t))

    def equation(self, eq: FokkerPlanck, grid: Grid) -> FokkerPlanck:
        """The equation of y in (0, 1), its time counted from `start`."""
        low, high = self.low, self.high
        low_speed, high_speed = low.derivative(), high.derivative()

        def scaled(value: Any, power: int) -> Callable[..., np.ndarray]:
            function = _function(value, grid)

            def read(y: np.ndarray, t: Any) -> np.ndarray:
                at = np.clip(np.asarray(t) + self.start, self.start, self.stop)
                a = low(at)
                length = high(at) - a
                return function(a + y * length, t=at) / length**power

            return read

        moving = scaled(0.0 if eq.drift is None else eq.drift, 1)

        def drift(y: np.ndarray, t: Any) -> np.ndarray:
            at = np.clip(np.asarray(t) + self.start, self.start, self.stop)
            down, up = low_speed(at), high_speed(at)
            return moving(y, t) - (down + y * (up - down)) / (high(at) - low(at))

        parts: dict[str, Any] = {"drift": drift}
        parts |= {"diffusion": scaled(eq.diffusion, 2)} if eq.noise is None else {"noise": scaled(eq.noise, 1)}
        parts |= {} if eq.potential is None else {"potential": scaled(eq.potential, 2)}
        return replace(eq, **parts)

    def cells(self, grid: Grid) -> Grid:
        """Cells of (0, 1): those of the box that lie in the gap when it is longest, cut finer where they are few."""
        times = np.linspace(self.start, self.stop, 65)
        low, high = max(zip(self.low(times), self.high(times), strict=True), key=lambda ends: ends[1] - ends[0])
        inner = grid.edges[0][(grid.edges[0] > low) & (grid.edges[0] < high)]
        near = 0.5 * grid.widths[0].min()
        inner = inner[(inner - low > near) & (high - inner > near)]
        edges = (np.concatenate([[low], inner, [high]]) - low) / (high - low)
        parts = -(-FEWEST_CELLS // (edges.size - 1))
        fine = edges[:-1, None] + np.diff(edges)[:, None] * np.arange(parts) / parts
        ends = tuple(
            wall if at_wall else "absorbing" for wall, at_wall in zip(grid.boundary[0], self.walls, strict=True)
        )
        return Grid.from_edges([np.append(fine.ravel(), 1.0)], boundary=[ends])


def _function(value: Any, grid: Grid) -> Callable[..., np.ndarray]:
    """A coefficient in 1D, however it was given, as a function of x and t."""
    while isinstance(value, (list, tuple)):
        value = value[0]
    if callable(value):
        return value if takes_time(value) else lambda x, t: value(x)
    if np.ndim(value) == 0:
        return lambda x, t: value + 0.0 * x
    centers, values = grid.centers[0], np.asarray(value, dtype=float).reshape(-1)
    return lambda x, t: np.interp(x, centers, values)


class Stretch(NamedTuple):
    """A stretch of time up to `stop` in which the number of gaps stays and no edge jumps."""

    stop: float
    gaps: list[Gap]


def gaps(grid: Grid, inside: Inside, start: float, stop: float) -> list[Stretch]:
    """The gaps from `start` to `stop`."""
    places = _places(grid)
    times = np.linspace(start, stop, SAMPLES)
    span = stop - start

    def pattern(at: np.ndarray) -> np.ndarray:
        """Number of gaps, and whether they begin and end at the walls, (n_times, 3)."""
        outside = ~inside(places, at[:, None])
        count = (outside[:, 1:] & ~outside[:, :-1]).sum(axis=1) + outside[:, 0]
        return np.stack([count, outside[:, 0], outside[:, -1]], axis=1)

    found = pattern(times)
    borders = []
    for k in np.flatnonzero((found[1:] != found[:-1]).any(axis=1)):
        borders.append(_turn(pattern, found[k], times[k], times[k + 1], NARROW * span))
    return [part for piece in _between(borders, start, stop) for part in _smooth_parts(grid, inside, *piece)]


def _between(borders: list[list[float]], start: float, stop: float) -> list[tuple[float, float]]:
    lows, highs = [start, *(b[1] for b in borders)], [*(b[0] for b in borders), stop]
    return [(a, b) for a, b in zip(lows, highs, strict=True) if b > a]


def _smooth_parts(grid: Grid, inside: Inside, start: float, stop: float) -> list[Stretch]:
    """The gaps of a stretch in which their number stays, cut where an edge jumps and where one closes or opens."""
    times, places = np.linspace(start, stop, SAMPLES), _places(grid)

    def edges(at: np.ndarray) -> np.ndarray:
        return edges_at(grid, inside, at)

    sampled = edges(times)
    moving = sampled.max(axis=0) - sampled.min(axis=0) > 1e-9 * (places[-1] - places[0])
    jumps = []
    if moving.any():
        jumps = jumps_of(lambda at: edges(at)[:, moving], times, sampled[:, moving], NARROW * (stop - start))

    def is_open(at: np.ndarray) -> np.ndarray:
        ends = edges(at)
        return ends[:, 1::2] - ends[:, ::2] > CLOSED * (places[-1] - places[0])

    turns = _turns(is_open, times, NARROW * (stop - start))
    result = []
    for a, b in _between(sorted([*jumps, *([t, t] for t in turns)]), start, stop):
        at, kept = np.linspace(a, b, SAMPLES), is_open(np.array([0.5 * (a + b)]))[0]
        lines = [CubicSpline(at, line) for line in edges(at).T]
        found = []
        for low, high in zip(compress(lines[::2], kept), compress(lines[1::2], kept), strict=True):
            found.append(Gap(a, b, low, high, (bool(low(a) <= places[0]), bool(high(a) >= places[-1]))))
        result.append(Stretch(b, found))
    return result


def _turns(holds: Callable[[np.ndarray], np.ndarray], times: np.ndarray, narrow: float) -> list[float]:
    """Times at which any of some conditions, (n_times, k), turns, to a narrow span."""
    seen = holds(times)
    found = []
    for k, which in zip(*np.nonzero(seen[1:] != seen[:-1]), strict=True):

        def one(at: np.ndarray, column: int = which) -> np.ndarray:
            return holds(at)[:, column]

        last, first = _turn(one, seen[k, which], times[k], times[k + 1], narrow)
        found.append(last if seen[k, which] else first)
    return sorted(set(found))


def _turn(
    read: Callable[[np.ndarray], np.ndarray], before: np.ndarray, low: float, high: float, narrow: float
) -> list[float]:
    """The ends of a narrow span of time from `low` to `high`, at whose beginning all is as `before`, and not at its end."""
    while high - low > narrow:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if (read(np.array([middle])) == before).all() else (low, middle)
    return [float(low), float(high)]


def edges_at(grid: Grid, inside: Inside, times: np.ndarray) -> np.ndarray:
    """Low and high end of each gap, (n_times, 2 gaps); all times have the same number of gaps."""
    places = _places(grid)
    outside = ~inside(places, times[:, None])
    padded = np.pad(outside, ((0, 0), (1, 1)))
    change = padded[:, 1:] != padded[:, :-1]
    at = np.nonzero(change)[1].reshape(times.size, -1)  # the first place outside, the first inside, and so on
    result = np.empty(at.shape)
    for k, column in enumerate(at.T):
        in_target, out = (column - 1, column) if k % 2 == 0 else (column, column - 1)
        wall = (column == 0) | (column == places.size)
        low, high = places[np.clip(out, 0, places.size - 1)], places[np.clip(in_target, 0, places.size - 1)]
        for _ in range(LOCATED):
            middle = 0.5 * (low + high)
            hit = inside(middle, times)
            low, high = np.where(hit, low, middle), np.where(hit, middle, high)
        result[:, k] = np.where(wall, places[np.clip(out, 0, places.size - 1)], 0.5 * (low + high))
    return result


def _places(grid: Grid) -> np.ndarray:
    """Where it is looked for gaps: the cell centers and both walls."""
    return np.concatenate([grid.edges[0][:1], grid.centers[0], grid.edges[0][-1:]])
