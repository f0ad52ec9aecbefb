"""Answers of higher order from those on two grids (Richardson 1911); densities by their logarithm, to stay positive."""

from __future__ import annotations

import numpy as np

from ...model.grid import Grid
from .coarsening import at_centers

FLOOR = 1e-12  # of the largest density, below which a logarithm says nothing
MOST = 1.5  # that a logarithm is corrected by
NEAR = 0.15  # of the scheme's order, by which an observed order may be off; from then on no order is gained


def to_no_width(fine: np.ndarray, coarse: np.ndarray, order: float) -> np.ndarray:
    """Numbers from those of the given order on cells h and 2 h: q_h + (q_h - q_2h) / (2^p - 1)."""
    return fine + (fine - coarse) / (2.0**order - 1.0)


def order_after(seen: np.ndarray, order: float) -> np.ndarray:
    """Order of what is extrapolated: one more than the scheme's where that is what was seen, else down to the scheme's."""
    return order + np.clip(1.0 - np.abs(seen - order) / (NEAR * order), 0.0, 1.0)


def extrapolated(
    fine: np.ndarray, coarse: np.ndarray, grids: tuple[Grid, Grid], to: Grid, mass: np.ndarray, order: float
) -> np.ndarray:
    """Densities (n_times, *to.shape) from those on cells h and 2 h, `to_no_width` of their logarithms.

    `mass` (n_times,) is what they sum to.
    """
    logs = [at_centers(_log(values), grid, to) for values, grid in zip((fine, coarse), grids, strict=True)]
    density = np.exp(logs[0] + np.clip(to_no_width(logs[0], logs[1], order) - logs[0], -MOST, MOST))
    axes = tuple(range(1, to.dim + 1))
    sums = (density * to.volumes).sum(axis=axes)
    return density * np.reshape(mass / np.where(sums > 0.0, sums, 1.0), (-1, *[1] * to.dim))


def _log(values: np.ndarray) -> np.ndarray:
    largest = values.max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.asarray(np.log(np.maximum(values, FLOOR * np.maximum(largest, 1e-300))))
