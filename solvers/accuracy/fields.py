"""Fields on the cells that are zero beyond an edge: read between the cell centers, and their errors cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum_filter

from ...model.grid import Grid
from .coarsening import at_centers, lagrange
from .estimates import LEAST_ORDER, Estimate, estimate, share_heard

Inside = Callable[..., np.ndarray]
BETWEEN = 4096  # places looked at for a region between two centers
CLOSE = 2e-3  # of the distance of centers: links are not cut shorter than half of this, so that a center as near an edge is off
LEAST_SHARE = 0.5  # of the relative error of a field, that an error at a point has at least
BEYOND = 0.25  # of the range of the values around: how far an interpolated one may leave it
Region = Callable[[float], float | None]  # the value at a place along a line, if it lies in a region
Known = Sequence[tuple[Inside, float]]  # regions, and the value that a field has on each


def field_at(
    values: np.ndarray,
    grid: Grid,
    regions: Known,
    x: Sequence[float],
    walls: Mapping[tuple[int, int], float] | None = None,
    continuous: bool = True,
    reactive: Collection[tuple[int, int]] = (),
    most: float = np.inf,
) -> float:
    """A backward field, such as a mean passage time, at a point of the box.

    Along each axis the cubic polynomial through the two nearest places on both sides where the field is known: cell centers
    outside the regions, the edges of the regions (found by bisection), absorbing walls, where it is 0, or what `walls` says by
    axis and side (of others nothing is known), and the mirror images behind a reflecting wall, across which its slope
    vanishes. It leaves the range of these values by no more than a quarter of it; where it would change sign or exceed `most`,
    it is a line. Reflecting walls that are `reactive`, (axis, side), have no mirror images: the field goes on in a line. Where
    it is not `continuous`, edges and absorbing walls are no such places.
    """
    return _Reading(grid, regions, walls, continuous, reactive, most).on_line(values, list(map(float, x)), ())


@dataclass(frozen=True)
class _Reading:
    """How a field is read along one axis after the other; see `field_at`."""

    grid: Grid
    regions: Known
    walls: Mapping[tuple[int, int], float] | None
    continuous: bool
    reactive: Collection[tuple[int, int]]
    most: float

    def on_line(self, values: np.ndarray, x: list[float], before: tuple[float, ...]) -> float:
        """The field, given on the axes from len(before) on; the earlier coordinates are `before`, the later those of x."""
        axis = len(before)
        if axis == self.grid.dim:
            return float(values)
        grid = self.grid

        def region(place: float) -> float | None:
            point = (*before, place, *x[axis + 1 :])
            return next((level for inside, level in self.regions if _holds(inside, point, grid)), None)

        def holds(places: np.ndarray) -> np.ndarray:
            points = [np.full(places.shape, v) for v in (*before, 0.0, *x[axis + 1 :])]
            points[axis] = places
            return np.any([_hold(inside, points, grid) for inside, _ in self.regions], axis=0)

        here = region(x[axis])
        if here is not None:
            return here
        for side, end in enumerate(grid.edges[axis][[0, -1]]):
            level = self._at_wall(axis, side)
            if level is not None and x[axis] == end:
                return level

        def at_center(cell: int) -> float:
            return self.on_line(values[cell], x, (*before, float(grid.centers[axis][cell])))

        known = [one for sign in (-1, 1) for one in self._side(axis, x[axis], sign, region, holds, at_center)]
        if not known:  # between two edges, in a cell whose own center lies in a region
            return 0.0
        places, values_there = (np.array(each) for each in zip(*known, strict=True))
        return _polynomial(places, values_there, x[axis], self.most)

    def _at_wall(self, axis: int, side: int) -> float | None:
        """The value at an absorbing wall, where it is known."""
        if not self.continuous or self.grid.boundary[axis][side] != "absorbing":
            return None
        return 0.0 if self.walls is None else self.walls.get((axis, side))

    @staticmethod
    def _carried_on(places: np.ndarray, end: float, at_center: Callable[[int], float], cells: tuple[int, int]) -> float:
        """The value at a wall on the line through those of the two cells beside it."""
        last, next_one = (at_center(cell) for cell in cells)
        apart = float(places[0] - places[1])
        return last if apart == 0.0 else last + (last - next_one) * (end - float(places[0])) / apart

    @staticmethod
    def _first_edge(near: float, place: float, region: Region, holds: Callable) -> tuple[float, float] | None:
        """Where the first region between two places outside begins, and the value there."""
        between = near + (place - near) * np.arange(1, BETWEEN) / BETWEEN
        hits = np.flatnonzero(holds(between))
        if place == near or not hits.size:
            return None
        first = float(between[hits[0]])
        edge = _edge(region, first - (place - near) / BETWEEN, first)
        level = region(edge)
        assert level is not None
        return edge, level

    def _side(
        self, axis: int, x: float, sign: int, region: Region, holds: Callable, at_center: Callable[[int], float]
    ) -> list[tuple[float, float]]:
        """Up to two places on one side of x, nearest first, with the values there."""
        grid, centers, edges, n = self.grid, self.grid.centers[axis], self.grid.edges[axis], self.grid.shape[axis]
        first = int(np.searchsorted(centers, x, side="right")) - (1 if sign < 0 else 0)
        found: list[tuple[float, float]] = []
        near = x
        for cell in (first, first + sign):
            turns, inner = divmod(cell, n)
            place = float(centers[inner]) + turns * float(edges[-1] - edges[0])
            if turns and not grid.periodic(axis):
                side = 0 if sign < 0 else 1
                end = float(edges[-side])
                if grid.boundary[axis][side] == "absorbing":
                    at_wall = self._at_wall(axis, side)
                    return found if at_wall is None else [*found, (end, at_wall)]
                if (axis, side) in self.reactive:
                    last, next_one = (-1, -2) if side else (0, min(1, n - 1))
                    return [
                        *found,
                        (end, self._carried_on(centers[[last, next_one]], end, at_center, (last, next_one))),
                    ]
                inner = -1 - cell if sign < 0 else 2 * n - 1 - cell
                if not 0 <= inner < n:
                    return found
                place = 2.0 * end - float(centers[inner])
            level = region(float(centers[inner]))
            if level is None and self.continuous and self.regions:  # a region may be thinner than a cell
                edge = self._first_edge(near, place, region, holds)
                if edge is not None:
                    return _up_to(edge, found, place)
            if level is not None:
                return _up_to((_edge(region, near, place), level), found, place) if self.continuous else found
            found.append((place, at_center(inner)))
            near = place
        return found


def _up_to(edge: tuple[float, float], found: list[tuple[float, float]], beyond: float) -> list[tuple[float, float]]:
    """Places with values and the edge after them, which takes the place of a center that it all but touches."""
    touched = bool(found) and abs(edge[0] - found[-1][0]) < CLOSE * abs(beyond - found[-1][0])
    return [*(found[:-1] if touched else found), edge]


def _holds(inside: Inside, point: tuple[float, ...], grid: Grid) -> bool:
    return bool(_hold(inside, [np.array([v]) for v in point], grid)[0])


def _hold(inside: Inside, points: Sequence[np.ndarray], grid: Grid) -> np.ndarray:
    """Which of some points, by their coordinates, lie in a region."""
    wrapped = [
        (v - e[0]) % (e[-1] - e[0]) + e[0] if grid.periodic(a) else v
        for a, (v, e) in enumerate(zip(points, grid.edges, strict=True))
    ]
    return np.broadcast_to(np.asarray(inside(*wrapped), dtype=bool), points[0].shape)


def _edge(region: Callable[[float], float | None], outside: float, inside: float) -> float:
    for _ in range(50):
        middle = 0.5 * (outside + inside)
        if region(middle) is None:
            outside = middle
        else:
            inside = middle
    return inside


def _polynomial(places: np.ndarray, known: np.ndarray, x: float, most: float = np.inf) -> float:
    nearest = int(np.argmin(np.abs(places - x)))
    if not np.isfinite(known[nearest]):
        return float(known[nearest])
    places, known = places[np.isfinite(known)], known[np.isfinite(known)]
    places, index = np.unique(places, return_index=True)
    known = known[index]
    value = float(lagrange(places[None], np.array([x]))[0] @ known)
    low, high = float(known.min()), float(known.max())
    if value < 0.0 <= low or value > most >= high:  # cut off it would be 0, or the most, on all grids
        return float(np.interp(x, places, known))
    beyond = BEYOND * (high - low)
    return min(max(value, low - beyond), high + beyond)


class FieldChange(NamedTuple):
    """What a field known on three grids changes by in the cells of the two coarser ones, and the estimate as a whole."""

    fine: np.ndarray
    coarse: np.ndarray
    whole: Estimate


def field_change(
    values: Sequence[np.ndarray], grids: Sequence[Grid], targets: Sequence[np.ndarray], cap: float
) -> FieldChange:
    """Changes in the coarser cells whose neighbours lie outside the targets, carried on into the other ones.

    The estimate as a whole is that of the sums of the changes, outside the targets, beside that of the field: a relative error.
    """
    anywhere = bool((np.isfinite(values[0]) & ~targets[0]).any())  # else there is nothing to be wrong about
    fine, coarse = (
        _filled(
            np.abs(_change(values[i], values[i + 1], grids[i], grids[i + 1], targets[i], targets[i + 1])),
            np.inf if anywhere else 0.0,
        )
        for i in range(2)
    )
    parts = zip((fine, coarse), grids[1:], targets[1:], strict=True)
    sums = [float((np.where(mask, 0.0, field) * grid.volumes).sum()) for field, grid, mask in parts]
    size = float((np.abs(np.where(np.isfinite(values[0]), values[0], 0.0)) * grids[0].volumes).sum())
    scale = size if size > 0.0 else 1.0
    return FieldChange(fine, coarse, estimate(np.array(sums[0] / scale), np.array(sums[1] / scale), cap, 1e-12))


def field_errors(change: FieldChange, grids: Sequence[Grid], target: np.ndarray, cap: float) -> np.ndarray:
    """The error in each cell: of the order of the field as a whole, the largest beside each cell.

    So a change of sign is no place without an error.
    """
    fine, coarse = change.fine, _nearest(change.coarse, grids[2], grids[1])
    if change.whole.converging:
        p = float(np.clip(change.whole.order, LEAST_ORDER, cap))
        each = np.maximum(fine, share_heard(change.whole) * coarse / 2.0**p) / (2.0**p - 1.0)
    else:
        each = np.maximum(fine, coarse)
    result = _nearest(maximum_filter(each, size=3, mode="nearest"), grids[1], grids[0])
    return np.where(target, 0.0, result)


def error_at_point(values: Sequence[float], whole: Estimate, cap: float, size: float, rounding: float) -> float:
    """The error of a field at a point, from its values there on three grids, the finest first.

    No less than half the relative error of the field as a whole, times `size`: what is seen to be smaller is more often a
    change of sign than an answer that is as good as that there, and no less than `rounding`.
    """
    fine, once, twice = values
    usual = LEAST_SHARE * float(whole.error) * size
    found = estimate(np.array(fine - once), np.array(once - twice), cap, rounding, share_heard(whole))
    return max(float(found.error), usual) if np.isfinite(usual) else float(found.error)


def _change(
    values: np.ndarray, coarser: np.ndarray, fine: Grid, coarse: Grid, mask: np.ndarray, coarse_mask: np.ndarray
) -> np.ndarray:
    """What a field changes by in the coarse cells; nan where a target, or an infinite value, takes part."""
    bad = mask | ~np.isfinite(values)
    beside = at_centers(bad.astype(float), fine, coarse) != 0.0
    change = at_centers(np.where(bad, 0.0, values), fine, coarse) - np.where(np.isfinite(coarser), coarser, np.nan)
    return np.where(beside | coarse_mask, np.nan, change)


def _filled(field: np.ndarray, otherwise: float) -> np.ndarray:
    """nan replaced by the value of the nearest cell that has one; `otherwise` where none has."""
    unknown = ~np.isfinite(field)
    if not unknown.any():
        return field
    if unknown.all():
        return np.full_like(field, otherwise)
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(field[tuple(nearest)])


def _nearest(field: np.ndarray, coarse: Grid, fine: Grid) -> np.ndarray:
    """The value of the coarse cell that holds each fine center."""
    index = [
        np.clip(np.searchsorted(e, x, side="right") - 1, 0, e.size - 2)
        for e, x in zip(coarse.edges, fine.centers, strict=True)
    ]
    return field[np.ix_(*index)]
