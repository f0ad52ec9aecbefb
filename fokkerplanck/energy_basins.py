"""Basins of attraction, and coordinates in which the noise is even."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import call, fields, instance
from .errors import bad_value
from .model.coefficients import Points
from .model.equation import FokkerPlanck
from .model.grid import Grid


def basins(landscape: Any, grid: Grid) -> np.ndarray:
    """The basin of each cell: which minimum steepest descent from cell to cell ends in.

    Parameters
    ----------
    landscape : callable or array (*grid.shape)
        A potential or loss, or `Stationary.energy()`. Infinite values belong to the basin of their lowest neighbour.
    grid : Grid

    Returns
    -------
    ndarray of int (*grid.shape)
        0 for the basin of the lowest minimum, 1 for the next, and so on. `basins(...) == 0` serves as a target.
    """
    instance("grid", grid, Grid, "a Grid")
    values = call("landscape", landscape, Points.centers(grid).coords) if callable(landscape) else landscape
    values = fields("landscape", values, f"a field of the grid's shape {grid.shape}").astype(float)
    if values.shape != grid.shape or np.isnan(values).any():
        raise bad_value("landscape", f"a field of the grid's shape {grid.shape} without nan", f"shape {values.shape}")
    cell = _lowest_neighbour(values, grid)
    while True:
        further = cell[cell]
        if (further == cell).all():
            break
        cell = further
    minima = np.unique(cell)
    rank = np.empty(grid.size, dtype=int)
    rank[minima[np.argsort(values.ravel()[minima], kind="stable")]] = np.arange(minima.size)
    return rank[cell].reshape(grid.shape)


def _lowest_neighbour(values: np.ndarray, grid: Grid) -> np.ndarray:
    """For each raveled cell the lowest of itself and its neighbours along the axes."""
    numbers = np.arange(grid.size).reshape(grid.shape)
    best, lowest = numbers.copy(), values.copy()
    for axis in range(grid.dim):
        for shift in (1, -1):
            neighbour, there = np.roll(numbers, shift, axis), np.roll(values, shift, axis)
            better = there < lowest
            if not grid.periodic(axis):
                edge = [slice(None)] * grid.dim
                edge[axis] = slice(0, 1) if shift == 1 else slice(-1, None)
                better[tuple(edge)] = False
            best, lowest = np.where(better, neighbour, best), np.where(better, there, lowest)
    return best.ravel()


def lamperti(eq: FokkerPlanck, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Lamperti coordinates in 1D: y(x) = integral of dx / sqrt(D), in which the diffusion is 1.

    Parameters
    ----------
    eq : FokkerPlanck
        With D > 0 on the grid.
    grid : Grid
        One-dimensional.

    Returns
    -------
    y : ndarray (n,)
        At the cell centers, zero at the first edge.
    drift : ndarray (n,)
        Of y: (mu + (alpha - 1/2) dD/dx) / sqrt(D), by Ito's formula.
    """
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation")
    instance("grid", grid, Grid, "a Grid")
    if grid.dim != 1:
        raise bad_value("grid", "one-dimensional for Lamperti coordinates", grid.dim)
    centers, faces = Points.centers(grid), Points.faces(grid, 0)
    d, d_faces = eq.diffusion_at(centers)[0], eq.diffusion_at(faces)[0]
    if min(d.min(), d_faces.min()) <= 0.0:
        then = "Leave out the places where the noise vanishes."
        raise bad_value(
            "diffusion", "positive everywhere for Lamperti coordinates", float(min(d.min(), d_faces.min())), then
        )
    half = 0.5 * grid.widths[0]
    at_faces, at_centers = 1.0 / np.sqrt(d_faces), 1.0 / np.sqrt(d)
    # Simpson's rule on whole cells, and on the first halves with the interpolated midpoint
    whole = half / 3.0 * (at_faces[:-1] + 4.0 * at_centers + at_faces[1:])
    first = half / 12.0 * (5.0 * at_faces[:-1] + 8.0 * at_centers - at_faces[1:])
    y = np.concatenate([[0.0], np.cumsum(whole)[:-1]]) + first
    drift = eq.drift_at(centers)[0]
    if eq.potential is not None:
        drift = drift - np.diff(eq.potential_at(faces)) / grid.widths[0]
    slope = np.diff(d_faces) / grid.widths[0]
    return y, (drift + (eq.alpha - 0.5) * slope) / np.sqrt(d)
