"""Coordinates on a circle, known modulo a period P: one circle for two laws, and transport distances on it.

With F and G the distribution functions from any one place on, and Q their inverses, continued by F(x + P) = F(x) + 1:

    W_p^p = min over s of  integral over u from 0 to 1 of |Q_a(u) - Q_b(u - s)|^p
    W_1   = min over c of  integral over x of |F(x) - G(x) - c|

(Rabin, Delon and Gousseau 2011; Delon, Salomon and Sobolevski 2010). The first is convex in s; the best c is a median of F - G.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import periods
from ..errors import bad_value
from .distribution import Law, standard_error
from .wasserstein import absolute, pieces, quantiles, root_error, square

SAME = 1e-9  # relative difference of periods that is rounding
HALVINGS = 60  # of the range of F - G, to rounding
TURNS = 3.0  # within which the best shift lies: the laws begin at most half a period apart, and nothing goes further than that
FINE = 1e-10  # of a turn, to which the best shift is found
KINK = 1e-8  # of a turn: how near to a kink of the cost the best shift is taken to lie on it
ROUNDING = 1e-12  # of a probability


def on_circles(a: Law, b: Law, period: Any = None) -> tuple[Law, Law]:
    """Both laws with the periods that one of them has, or that are given: a number, or one an axis, None for a line."""
    given = periods(period, a.dim)
    common = []
    for axis in range(a.dim):
        found = [float(x[axis]) for x in (given, a.periods, b.periods) if len(x) and np.isfinite(x[axis])]
        if found and max(found) > min(found) * (1.0 + SAME):
            name, rule = (
                ("period", "that of the periodic axis") if len(given) else ("b", "on a circle as long as that of `a`")
            )
            raise bad_value(name, rule, f"periods {found[0]:g} and {found[-1]:g}")
        common.append(found[0] if found else np.inf)
    if not np.isfinite(common).any():
        return a, b
    for name, one in (("a", a), ("b", b)):
        _check_box(name, one, common)
    return replace(a, periods=tuple(common)), replace(b, periods=tuple(common))


def _check_box(name: str, one: Law, lengths: Sequence[float]) -> None:
    """Refuse a density on a line that is longer than the circle: its cells would have to be wound up."""
    for edges, period in zip(() if one.grid is None else one.grid.edges, lengths, strict=one.grid is not None):
        if np.ptp(edges) > period * (1.0 + SAME):
            rule = f"on an axis of one period, {period:g}, or samples"
            raise bad_value(name, rule, f"a density from {edges[0]:g} to {edges[-1]:g}", "Solve on a periodic grid.")


def wrapped(points: np.ndarray, low: Any, lengths: Sequence[float]) -> np.ndarray:
    """Points (n, dim) moved by whole periods, of finite lengths (dim,), to between low (dim,) and low + P."""
    result = points.copy()
    for axis in np.flatnonzero(np.isfinite(lengths)):
        start, period = np.broadcast_to(low, len(lengths))[axis], lengths[int(axis)]
        result[:, axis] = start + np.minimum(np.mod(points[:, axis] - start, period), np.nextafter(period, 0.0))
    return result


def mean_direction(one: Law) -> np.ndarray:
    """The direction of the mean of exp(2 pi i x / P) along each circle, as a place x (dim,); 0 along lines."""
    found = np.zeros(one.dim)
    for axis in np.flatnonzero(np.isfinite(one.periods)):
        radius = one.periods[axis] / (2.0 * np.pi)
        found[axis] = radius * np.angle(one.weights @ np.exp(1j * one.points[:, axis] / radius))
    return found


def on_line(one: Law, middle: float) -> Law:
    """The law of one coordinate on a line, its points within half a period of `middle` on a circle, so that it has moments.

    A cell that is cut becomes two points, of masses by the slope of the density there: which end of the line they come to
    is as much of it as a period is long.
    """
    if not one.has_circles:
        return one
    period = one.periods[0]
    low = middle - 0.5 * period
    if one.grid is not None:
        one = _cut(one, one.grid.edges[0], low)
    return replace(one, points=wrapped(one.points, low, one.periods), periods=())


def _cut(one: Law, edges: np.ndarray, place: float) -> Law:
    """A density on a circle with the cell that holds a place, modulo the period, in two parts, each with its own middle."""
    period, widths = one.periods[0], np.diff(edges)
    at, cell = _cell_at(edges, place, period)
    first, width = at - edges[min(cell, widths.size - 1)], widths[min(cell, widths.size - 1)]
    if cell >= widths.size or not 0.0 < first < width:  # between two cells, or where there are none
        return one
    around = np.array([cell - 1, cell, cell + 1]) % widths.size
    density = one.weights[around] / widths[around]
    slope = (density[2] - density[0]) / (0.5 * widths[around[[0, 2]]].sum() + width)
    slope = float(np.clip(slope, -2.0 * density[1] / width, 2.0 * density[1] / width))  # nowhere below zero in the cell
    share = first * (density[1] - 0.5 * slope * (width - first))
    weights = np.append(one.weights, one.weights[cell] - share)
    points = np.vstack([one.points, [[at + 0.5 * (width - first)]]])
    weights[cell], points[cell] = share, at - 0.5 * first
    return replace(one, points=points, weights=weights)


def _cell_at(edges: np.ndarray, place: float, period: float) -> tuple[float, int]:
    """A place from the first of the edges (n + 1,) on, modulo the period, and the number of its cell, n beyond the last."""
    at = float(edges[0] + np.mod(place - edges[0], period))
    return at, int(np.searchsorted(edges, at, side="right")) - 1


def change_of_cut(one: Law, middle: float) -> float:
    """By how much the mean of a density `on_line` is off, as its cells have centers and the density a slope where it is cut."""
    if one.grid is None or not one.has_circles:
        return 0.0
    edges, period = one.grid.edges[0], one.periods[0]
    widths = np.diff(edges)
    density = one.weights / widths
    cell = min(_cell_at(edges, middle - 0.5 * period, period)[1], widths.size - 1)
    return float(period * widths[cell] * abs(density[(cell + 1) % widths.size] - density[cell - 1]) / 48.0)


def circular(a: Law, b: Law, order: int) -> tuple[float, float]:
    """The Wasserstein distance of order 1 or 2 on one circle, and its standard error."""
    one, two = (_Turns.of(x) for x in (a, b))
    power, heights = (_by_median if order == 1 else _by_shift)(one, two)
    value = float(max(power, 0.0)) ** (1.0 / order)
    own = [np.zeros(0) if x.grid is not None else h for x, h in zip((a, b), heights, strict=True)]
    return value, root_error(standard_error((a, b), own), value, order)


@dataclass(frozen=True, eq=False)
class _Turns:
    """A law on a circle: shares u (m + 1,) and the values at both ends of each piece between, (m,), within one period."""

    period: float
    points: np.ndarray  # samples, moved into the period; of a density its cells' centers
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    edges: np.ndarray | None

    @classmethod
    def of(cls, one: Law) -> _Turns:
        """Of a law with one coordinate."""
        period, edges = one.periods[0], None if one.grid is None else one.grid.edges[0]
        points = one.points if edges is not None else wrapped(one.points, 0.0, one.periods)
        return cls(period, points[:, 0], *quantiles(points[:, 0], one.weights, edges), edges)

    def below(self, x: np.ndarray) -> np.ndarray:
        """F (x), continued over the turns, for places (m,) that are none of the samples."""
        start = 0.0 if self.edges is None else self.edges[0]
        turn = np.floor((x - start) / self.period)
        within = x - turn * self.period
        if self.edges is None:
            return turn + self.shares[np.searchsorted(self.low, within)]
        return turn + np.interp(within, np.append(self.low, self.high[-1]), self.shares)

    def ends(self, start: np.ndarray, end: np.ndarray, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Q (u - shift) at both ends of pieces of u, (m,) each, none of which holds a share."""
        turn = np.floor(0.5 * (start + end) - shift)
        first, last = (u - shift - turn for u in (start, end))
        at = pieces((self.shares, self.low, self.high), first, last)
        return at[0] + turn * self.period, at[1] + turn * self.period


def _by_median(one: _Turns, two: _Turns) -> tuple[float, list[np.ndarray]]:
    """W_1, and the potentials at the points of both, whose slope is minus the sign of F - G - c."""
    base = one.points[0]
    places = [np.concatenate([x.low, x.high]) for x in (one, two)]
    x = np.unique(np.concatenate([base + np.mod(np.concatenate(places) - base, one.period), [base, base + one.period]]))
    width = np.diff(x)
    ends = _difference(one, two, x)
    center = _median(*ends, width)
    start, end = (e - center for e in ends)
    spread = np.abs(start) + np.abs(end)
    level = spread <= ROUNDING
    sign = np.where(level, 0.0, (start + end) / np.maximum(spread, ROUNDING))
    if level.any():  # any slope from -1 to 1 will do there: the one that closes the potential
        sign[level] = -(sign @ width) / width[level].sum()
    heights = np.concatenate([[0.0], np.cumsum(-sign * width)])
    at = [np.interp(base + np.mod(t.points - base, one.period), x, heights) for t in (one, two)]
    return float(width @ absolute(start, end)), [at[0], -at[1]]


def _difference(one: _Turns, two: _Turns, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F - G at both ends of each piece between places x, from inside: it is linear there, and jumps at samples."""
    inside = [x[:-1] + part * np.diff(x) for part in (0.25, 0.75)]
    early, late = (one.below(place) - two.below(place) for place in inside)
    return 1.5 * early - 0.5 * late, 1.5 * late - 0.5 * early


def _median(start: np.ndarray, end: np.ndarray, width: np.ndarray) -> float:
    """Of a function that is linear on pieces, by the lengths on which it is below."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    below, above, half = float(low.min()), float(high.max()), 0.5 * float(width.sum())
    span = np.maximum(high - low, np.finfo(float).tiny)
    for _ in range(HALVINGS):
        c = 0.5 * (below + above)
        if width @ np.clip((c - low) / span, 0.0, 1.0) < half:
            below = c
        else:
            above = c
    return 0.5 * (below + above)


def _by_shift(one: _Turns, two: _Turns) -> tuple[float, list[np.ndarray]]:
    """W_2^2, and the potentials at the points of both, of slope 2 (x - T(x)) with the map T of the best shift."""
    from scipy.optimize import minimize_scalar

    turns = one.period * np.round((one.low[0] - two.low[0]) / one.period)
    two = replace(two, points=two.points + turns, low=two.low + turns, high=two.high + turns)

    def cost(shift: float) -> float:
        inner = np.concatenate([one.shares, np.mod(two.shares + shift, 1.0)])
        u = np.concatenate([[0.0], np.sort(np.clip(inner, 0.0, 1.0), kind="stable"), [1.0]])
        (a, b), (c, d) = one.ends(u[:-1], u[1:]), two.ends(u[:-1], u[1:], shift)
        return float(np.diff(u) @ square(a - c, b - d))

    found = minimize_scalar(cost, bounds=(-TURNS, TURNS), method="bounded", options={"xatol": FINE, "maxiter": 500})
    best = min((float(found.x), _on_kink(one, two, float(found.x))), key=cost)
    return cost(best), [_heights(one, two, best), _heights(two, one, -best)]


def _on_kink(one: _Turns, two: _Turns, shift: float) -> float:
    """The nearest shift at which a share of one law meets one of the other, if it is near: there the cost has its kinks."""
    moved = np.mod(two.shares + shift, 1.0)
    after = np.clip(np.searchsorted(one.shares, moved), 1, one.shares.size - 1)
    apart = np.concatenate([one.shares[after] - moved, one.shares[after - 1] - moved])
    nearest = float(apart[np.argmin(np.abs(apart))])
    return shift + nearest if abs(nearest) < KINK else shift


def _heights(own: _Turns, other: _Turns, shift: float) -> np.ndarray:
    """The integral of 2 (x - T(x)) along the samples from the widest gap on, T(x) = Q(F(x) - shift) of the other law."""
    order = np.argsort(own.points, kind="stable")
    x, u = own.points[order], (np.arange(own.points.size) + 0.5) / own.points.size
    slope = 2.0 * (x - other.ends(u, u, shift)[0])
    first = int(np.argmax(np.diff(x, append=x[0] + own.period))) + 1
    order, x, slope = (np.roll(v, -first) for v in (order, x, slope))
    steps = np.mod(np.diff(x), own.period)
    result = np.empty_like(x)
    result[order] = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * steps)])
    return result
