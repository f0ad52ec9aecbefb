"""Fields on the cells that are zero beyond an edge: read between the cell centers, and their errors cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import maximum_filter

from ...model.grid import Grid
from .coarsening import at_centers, lagrange
from .estimates import Estimate, estimate

Inside = Callable[..., np.ndarray]
BEYOND = 0.25  # of the range of the values around: how far an interpolated one may leave it
Known = Sequence[tuple[Inside, float]]  # regions, and the value that a field has on each


def field_at(values: np.ndarray, grid: Grid, regions: Known, x: Sequence[float], wall: float = 0.0) -> float:
    """A backward field, such as a mean passage time, at a point of the box.

    Along each axis the cubic polynomial through the two nearest places on both sides where the field is known: cell centers
    outside the regions, the edges of the regions (found by bisection), absorbing walls, where it is `wall`, and the mirror
    images behind a reflecting wall, across which its slope vanishes. It leaves the range of these values by no more than a
    quarter of it, and does not change sign.
    """
    return _value(values, grid, regions, list(map(float, x)), 0, (), wall)


def _value(
    values: np.ndarray, grid: Grid, regions: Known, x: list[float], axis: int, before: tuple[float, ...], wall: float
) -> float:
    """The field on the line along `axis` through the coordinates `before` of earlier axes and x of later ones."""
    if axis == grid.dim:
        return float(values)

    # the last axis is interpolated first: values along this axis are needed at a few centers only
    def region(place: float) -> float | None:
        point = (*before, place, *x[axis + 1 :])
        return next((level for inside, level in regions if _holds(inside, point, grid)), None)

    here = region(x[axis])
    if here is not None:
        return here
    if any(w == "absorbing" and x[axis] == grid.edges[axis][-s] for s, w in enumerate(grid.boundary[axis])):
        return wall

    def at_center(cell: int) -> float:
        return _value(values[cell], grid, regions, x, axis + 1, (*before, float(grid.centers[axis][cell])), wall)

    below = _side(grid, axis, x[axis], -1, region, at_center, wall)
    above = _side(grid, axis, x[axis], 1, region, at_center, wall)
    places, known = zip(*below, *above, strict=True)
    return _polynomial(np.array(places), np.array(known), x[axis])


def _holds(inside: Inside, point: tuple[float, ...], grid: Grid) -> bool:
    wrapped = [
        (v - e[0]) % (e[-1] - e[0]) + e[0] if grid.periodic(a) else v
        for a, (v, e) in enumerate(zip(point, grid.edges, strict=True))
    ]
    return bool(np.asarray(inside(*(np.array([v]) for v in wrapped)))[0])


def _side(
    grid: Grid,
    axis: int,
    x: float,
    sign: int,
    region: Callable[[float], float | None],
    at_center: Callable[[int], float],
    wall: float,
) -> list[tuple[float, float]]:
    """Up to two places on one side of x, nearest first, with the values there."""
    centers, edges, n = grid.centers[axis], grid.edges[axis], grid.shape[axis]
    first = int(np.searchsorted(centers, x, side="right")) - (1 if sign < 0 else 0)
    found: list[tuple[float, float]] = []
    near = x
    for step in range(2):
        cell = first + sign * step
        turns, inner = divmod(cell, n)
        if turns and not grid.periodic(axis):
            side = 0 if sign < 0 else 1
            end = float(edges[-side])
            if grid.boundary[axis][side] == "absorbing":
                return [*found, (end, wall)]
            inner = -1 - cell if sign < 0 else 2 * n - 1 - cell
            if not 0 <= inner < n:
                return found
            place = 2.0 * end - float(centers[inner])
            level = region(float(centers[inner]))
        else:
            place = float(centers[inner]) + turns * float(edges[-1] - edges[0])
            level = region(place)
        if level is not None:
            return [*found, (_edge(region, near, place), level)]
        found.append((place, at_center(inner)))
        near = place
    return found


def _edge(region: Callable[[float], float | None], outside: float, inside: float) -> float:
    for _ in range(50):
        middle = 0.5 * (outside + inside)
        if region(middle) is None:
            outside = middle
        else:
            inside = middle
    return inside


def _polynomial(places: np.ndarray, known: np.ndarray, x: float) -> float:
    nearest = int(np.argmin(np.abs(places - x)))
    if not np.isfinite(known[nearest]):
        return float(known[nearest])
    places, known = places[np.isfinite(known)], known[np.isfinite(known)]
    places, index = np.unique(places, return_index=True)
    known = known[index]
    value = float(lagrange(places[None], np.array([x]))[0] @ known)
    low, high = float(known.min()), float(known.max())
    beyond = BEYOND * (high - low)
    return min(max(value, low - beyond, 0.0 if low >= 0.0 else -np.inf), high + beyond)


def field_errors(
    values: Sequence[np.ndarray], grids: Sequence[Grid], targets: Sequence[np.ndarray], cap: float
) -> tuple[np.ndarray, Estimate]:
    """The error in each cell of a field known on three grids, and the estimate for the field as a whole.

    Changes are compared in the coarser cells whose neighbours lie outside the targets, and the order is that of their sums.
    Each cell takes the largest error beside it, so that a change of sign is no place without an error.
    """
    changes = [_change(values[i], values[i + 1], grids[i], grids[i + 1], targets[i], targets[i + 1]) for i in range(2)]
    fine, coarse = (_filled(np.abs(c)) for c in changes)
    parts = zip((fine, coarse), grids[1:], targets[1:], strict=True)
    sums = [float((np.where(mask, 0.0, field) * grid.volumes).sum()) for field, grid, mask in parts]
    scale = float((np.abs(np.where(np.isfinite(values[0]), values[0], 0.0)) * grids[0].volumes).sum())
    whole = estimate(np.array(sums[0]), np.array(sums[1]), cap, 1e-12 * scale)
    coarse = _nearest(coarse, grids[2], grids[1])
    if whole.converging:
        p = float(np.clip(whole.order, 0.7, cap))
        each = np.maximum(fine, coarse / 2.0**p) / (2.0**p - 1.0)
    else:
        each = np.maximum(fine, coarse)
    result = _nearest(maximum_filter(each, size=3, mode="nearest"), grids[1], grids[0])
    return np.where(targets[0], 0.0, result), whole


def _change(
    values: np.ndarray, coarser: np.ndarray, fine: Grid, coarse: Grid, mask: np.ndarray, coarse_mask: np.ndarray
) -> np.ndarray:
    """What a field changes by in the coarse cells; nan where a target, or an infinite value, takes part."""
    bad = mask | ~np.isfinite(values)
    beside = at_centers(bad.astype(float), fine, coarse) != 0.0
    change = at_centers(np.where(bad, 0.0, values), fine, coarse) - np.where(np.isfinite(coarser), coarser, np.nan)
    return np.where(beside | coarse_mask, np.nan, change)


def _filled(field: np.ndarray) -> np.ndarray:
    """nan replaced by the largest value beside it, further and further out; 0 where there is none at all."""
    known = np.isfinite(field)
    result = np.where(known, field, -1.0)
    for _ in range(sum(field.shape)):
        if known.all() or not known.any():
            break
        wider = maximum_filter(result, size=3, mode="nearest")
        result = np.where(known, result, wider)
        known = result >= 0.0
    return np.maximum(result, 0.0)


def _nearest(field: np.ndarray, coarse: Grid, fine: Grid) -> np.ndarray:
    """The value of the coarse cell that holds each fine center."""
    index = [
        np.clip(np.searchsorted(e, x, side="right") - 1, 0, e.size - 2)
        for e, x in zip(coarse.edges, fine.centers, strict=True)
    ]
    return field[np.ix_(*index)]
