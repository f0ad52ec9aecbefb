"""Densities of higher order from those on two grids (Richardson 1911), through the logarithm, so that they stay positive."""

from __future__ import annotations

import numpy as np

from ...model.grid import Grid
from .coarsening import at_centers

FLOOR = 1e-12  # of the largest density, below which a logarithm says nothing
MOST = 1.5  # that a logarithm is corrected by


def extrapolated(
    fine: np.ndarray, coarse: np.ndarray, grids: tuple[Grid, Grid], to: Grid, mass: np.ndarray
) -> np.ndarray:
    """Densities (n_times, *to.shape) from those of second order on cells h and 2 h: ln p + (ln p_h - ln p_2h) / 3.

    `mass` (n_times,) is what they sum to.
    """
    logs = [at_centers(_log(values), grid, to) for values, grid in zip((fine, coarse), grids, strict=True)]
    density = np.exp(logs[0] + np.clip((logs[0] - logs[1]) / 3.0, -MOST, MOST))
    axes = tuple(range(1, to.dim + 1))
    sums = (density * to.volumes).sum(axis=axes)
    return density * np.reshape(mass / sums, (-1, *[1] * to.dim))


def _log(values: np.ndarray) -> np.ndarray:
    largest = values.max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.asarray(np.log(np.maximum(values, FLOOR * np.maximum(largest, 1e-300))))
