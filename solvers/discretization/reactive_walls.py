"""Walls that take part of what touches them: J = kappa p at the wall (a Robin or radiation boundary).

From the center of the cell beside the wall, a length L away, the exponential fit gives J = f p - b p_w with f = (Dm / L) B(-w)
and b = (Dm / L) B(w), see `scharfetter_gummel`. With J = kappa p_w at the wall, p_w drops out: J = kappa f / (kappa + b) p,
which is the flux into an absorbing wall as kappa grows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import bad_value
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from .generator import Exit, Generator


def with_reactive_walls(eq: FokkerPlanck, base: Generator, t: float, mean: Any) -> Generator:
    """The generator with an exit at each wall that has a reactivity."""
    exits = list(base.exits)
    for name, kappa in (eq.reactivity or {}).items():
        axis, side = divmod(eq.walls.index(name), 2)
        _check(eq, base.grid, name, axis, side)
        rates = _rates(eq, base.grid, axis, side, float(kappa), t, mean)
        n = base.grid.shape[axis]
        cells = np.take(np.arange(base.grid.size).reshape(base.grid.shape), (n - 1) * side, axis=axis)
        exits.append(Exit(axis, side, cells.ravel(), rates.ravel()))
    return replace(base, exits=tuple(exits))


def _check(eq: FokkerPlanck, grid: Grid, name: str, axis: int, side: int) -> None:
    if axis >= grid.dim:
        raise bad_value("reactivity", f"for walls of a grid of {grid.dim} axes", name)
    if grid.boundary[axis][side] != "reflecting":
        then = "The reactivity says which share of what it reflects a wall takes."
        raise bad_value(
            "boundary", f"'reflecting' at {name!r}, which has a reactivity", grid.boundary[axis][side], then
        )


def _rates(eq: FokkerPlanck, grid: Grid, axis: int, side: int, kappa: float, t: float, mean: Any) -> np.ndarray:
    """kappa f / (kappa + b) over the width of the cells beside the wall, one number a cell along it."""
    center, wall = float(grid.centers[axis][-side]), float(grid.edges[axis][-side])
    length = abs(wall - center)
    at = [_places(grid, axis, side, center + s * (wall - center)) for s in (0.0, 0.5, 1.0)]
    d_cell, d_wall = (_across(eq, points, axis, t) for points in (at[0], at[2]))
    if min(d_cell.min(), d_wall.min()) <= 0.0:
        then = "Where it vanishes the wall is not touched, or takes nothing by diffusion."
        raise bad_value("diffusion", "above 0 at a wall with a reactivity", 0.0, then)
    ratio = np.log(d_wall / d_cell)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.where(np.abs(ratio) > 1e-8, (d_wall - d_cell) / ratio, 0.5 * (d_cell + d_wall))
    outward = (1.0 if side else -1.0) * eq.drift_at(at[1], t, mean)[axis] * length
    if eq.potential is not None:
        outward = outward + eq.potential_at(at[0], t) - eq.potential_at(at[2], t)
    w = outward / between - (1.0 - eq.alpha) * ratio
    forward, backward = (between / length * _bernoulli(z) for z in (-w, w))
    return kappa * forward / (kappa + backward) / grid.widths[axis][-side]


def _places(grid: Grid, axis: int, side: int, x: float) -> Points:
    """The points at x along the axis, one for each cell beside the wall."""
    lines = [np.array([x]) if a == axis else grid.centers[a] for a in range(grid.dim)]
    coords = tuple(np.array(c) for c in np.meshgrid(*lines, indexing="ij"))
    return Points(coords, lambda values: np.take(values, [-side], axis=axis))


def _across(eq: FokkerPlanck, points: Points, axis: int, t: float) -> np.ndarray:
    """D across the wall."""
    values = eq.diffusion_at(points, t)
    dim = len(points.coords)
    if values.ndim == dim + 2:
        beside = [b for b in range(dim) if b != axis]
        if dim > 1 and np.abs(values[axis, beside]).max() > 0.0:
            then = "Rotate the axes, or make the wall absorbing or reflecting."
            raise bad_value("diffusion", "diagonal at a wall with a reactivity", "a full tensor", then)
        return values[axis, axis]
    return values[axis]


def _bernoulli(z: np.ndarray) -> np.ndarray:
    """z / (e^z - 1)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.where(np.abs(z) < 1e-8, 1.0 - 0.5 * z, z / np.expm1(z))
