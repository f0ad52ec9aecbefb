"""The same problem on half as many cells along each axis, and fine answers read at its cell centers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.initial_density import added_up, found_masses

FEWEST = 4  # cells that an axis keeps
LOST = 1e-3  # of its mass, from which a density is added up rather than read


def coarsened(grid: Grid) -> Grid:
    """The grid whose cells are pairs of cells; walls and periods stay, and so does an axis of fewer than 8 cells.

    Of an odd number n of cells, (n + 1) / 2 are made, their edges read off the monotone interpolation of edge against index.
    """
    return grid.with_edges([_paired(e) for e in grid.edges])


def _paired(edges: np.ndarray) -> np.ndarray:
    n = edges.size - 1
    if n < 2 * FEWEST:
        return edges
    if n % 2 == 0:
        return edges[::2]
    places = np.linspace(0.0, n, (n + 1) // 2 + 1)
    result = PchipInterpolator(np.arange(n + 1), edges)(places)
    result[[0, -1]] = edges[[0, -1]]
    return result


def at_centers(values: np.ndarray, fine: Grid, coarse: Grid, points: int = 4) -> np.ndarray:
    """Fields (..., *fine.shape) at the cell centers of another grid, (..., *coarse.shape).

    By the polynomial through so many centers along each axis, an even number: cubic through four.
    """
    for axis in range(fine.dim):
        if fine.edges[axis].size != coarse.edges[axis].size:
            values = _along(values, fine, axis, coarse, points)
    return values


@lru_cache(maxsize=24)  # every field of an answer is read on the same two pairs of grids
def _between(grid: Grid, axis: int, coarse: Grid, points: int) -> tuple[np.ndarray, np.ndarray]:
    return polynomial_weights(grid, axis, coarse.centers[axis], points)


def _along(values: np.ndarray, grid: Grid, axis: int, coarse: Grid, points: int) -> np.ndarray:
    index, weights = _between(grid, axis, coarse, points)
    place = axis - grid.dim
    shape = [-1 if a == axis else 1 for a in range(grid.dim)]
    total = np.zeros(())
    for k in range(weights.shape[1]):
        total = total + np.take(values, index[:, k], axis=place) * weights[:, k].reshape(shape)
    return total


def polynomial_weights(grid: Grid, axis: int, x: np.ndarray, points: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Cells and weights, (m, points) each, of the polynomial through the nearest centers, at places x (m,)."""
    centers, n = grid.centers[axis], grid.shape[axis]
    if grid.periodic(axis) and n >= points:
        period = grid.edges[axis][-1] - grid.edges[axis][0]
        beyond = points // 2
        nodes = np.concatenate([centers[-beyond:] - period, centers, centers[:beyond] + period])
        cells = np.arange(-beyond, n + beyond) % n
    else:
        nodes, cells = centers, np.arange(n)
    width = min(points, nodes.size)
    first = np.clip(np.searchsorted(nodes, x, side="right") - width // 2, 0, nodes.size - width)
    stencil = first[:, None] + np.arange(width)
    return cells[stencil], lagrange(nodes[stencil], x)


def lagrange(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Weights (m, k) of the polynomials through nodes (m, k) at places x (m,)."""
    gap = x[:, None] - nodes
    weights = np.ones_like(nodes)
    for j in range(nodes.shape[1]):
        for i in range(nodes.shape[1]):
            if i != j:
                weights[:, j] *= gap[:, i] / (nodes[:, j] - nodes[:, i])
    return weights


def coarsened_equation(eq: FokkerPlanck, fine: Grid, coarse: Grid) -> FokkerPlanck:
    """The equation for the coarse grid: coefficients given as arrays on the fine cells are read at the coarse centers."""
    names = ("drift", "diffusion", "noise", "potential", "killing")
    new = {name: carried(getattr(eq, name), fine, coarse) for name in names}
    changed = {name: value for name, value in new.items() if value is not getattr(eq, name)}
    return replace(eq, **changed) if changed else eq


def carried(value: Any, fine: Grid, coarse: Grid) -> Any:
    """A coefficient for the coarse grid: arrays (..., *fine.shape), also in lists, are interpolated within their range."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiu" or value.shape[value.ndim - fine.dim :] != fine.shape:
            return value
        return np.clip(at_centers(value.astype(float), fine, coarse), value.min(), value.max())
    if isinstance(value, (list, tuple)):
        if fine.dim == 1 and len(value) == fine.size > 1 and all(isinstance(v, (int, float)) for v in value):
            return carried(np.asarray(value, dtype=float), fine, coarse)
        new = [carried(entry, fine, coarse) for entry in value]
        return value if all(a is b for a, b in zip(new, value, strict=True)) else type(value)(new)
    return value


def coarsened_start(p0: Any, fine: Grid, coarse: Grid) -> Any:
    """An initial density for the coarse grid: one given on the fine cells is read at the coarse centers.

    If that loses some of its mass, as where it is narrower than a coarse cell, the masses are added up instead.
    """
    if not isinstance(p0, (list, np.ndarray)):
        return p0
    density = np.asarray(p0, dtype=float)
    read = np.maximum(at_centers(density, fine, coarse), 0.0)
    total, kept = float((density * fine.volumes).sum()), float((read * coarse.volumes).sum())
    if abs(kept - total) <= LOST * total:
        return read
    return added_up(density * fine.volumes, fine, coarse) / coarse.volumes


def start_on_coarser(p0: Any, fine: Grid, coarse: Grid) -> np.ndarray:
    """The masses of an initial density, given for one grid, on a coarser one, (*coarse.shape), summing to one."""
    masses = found_masses(coarsened_start(p0, fine, coarse), coarse)
    return masses / masses.sum()


def as_function(mask: np.ndarray, grid: Grid) -> Callable[..., np.ndarray]:
    """A region given by cells as a function of the coordinates: whether the cell that holds a point belongs to it."""

    def inside(*coords: np.ndarray) -> np.ndarray:
        index = [
            np.clip(np.searchsorted(edge, x, side="right") - 1, 0, edge.size - 2)
            for x, edge in zip(coords, grid.edges, strict=True)
        ]
        return np.asarray(mask[tuple(index)])

    return inside
