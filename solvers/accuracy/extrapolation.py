"""Answers for vanishing cells, from those on several grids (Richardson 1911).

Where a quantity is seen to converge with order 2, (4 q_h - q_2h) / 3 has an error of higher order; where the scheme is first
order by its structure, (8 q_h - 6 q_2h + q_4h) / 3 removes the terms in h and h^2. Densities go through their logarithm and
stay positive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...model.grid import Grid
from .coarsening import at_centers

FLOOR = 1e-12  # of the largest density: below, nothing is corrected
LARGEST = 1.5  # correction of ln p
SECOND, FIRST = (1.5, 3.0), (0.75, 1.35)  # observed orders between which a formula is used


def weights(order: float, first_order: bool) -> tuple[float, ...] | None:
    """Those of q_h, q_2h (and q_4h), or None where no formula is safe at this observed order."""
    if not first_order and SECOND[0] < order < SECOND[1]:
        return 4.0 / 3.0, -1.0 / 3.0
    if first_order and FIRST[0] < order < FIRST[1]:
        return 8.0 / 3.0, -2.0, 1.0 / 3.0
    return None


def extrapolated_density(
    densities: Sequence[np.ndarray], grids: Sequence[Grid], parts: Sequence[float], mass: np.ndarray
) -> np.ndarray:
    """A density (..., *shape) for vanishing cells, on the first grid, with the given mass (...)."""
    grid = grids[0]
    spatial = tuple(range(-grid.dim, 0))
    largest = densities[0].max(axis=spatial, keepdims=True)
    logs = [_logarithm(d, g, grid, largest) for d, g in zip(densities[: len(parts)], grids, strict=False)]
    correction = sum(w * log for w, log in zip(parts, logs, strict=True)) - logs[0]
    correction = np.where(densities[0] > 10.0 * FLOOR * largest, correction, 0.0)
    result = densities[0] * np.exp(np.clip(correction, -LARGEST, LARGEST))
    total = (result * grid.volumes).sum(axis=spatial, keepdims=True)
    return np.asarray(result * (mass.reshape(total.shape) / np.maximum(total, 1e-300)))


def _logarithm(density: np.ndarray, own: Grid, grid: Grid, largest: np.ndarray) -> np.ndarray:
    logs = np.log(np.maximum(density, FLOOR * largest))
    return logs if own is grid else at_centers(logs, own, grid)
