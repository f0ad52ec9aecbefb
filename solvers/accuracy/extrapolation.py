"""Answers of higher order from those on two grids (Richardson 1911); densities by their logarithm, to stay positive."""

from __future__ import annotations

import numpy as np

from ...model.grid import Grid
from .coarsening import at_centers

FLOOR = 1e-12  # of the largest density, below which a logarithm says nothing
MOST = 1.5  # that a logarithm is corrected by
POINTS = 6  # of the polynomials that densities are read by, whose error is then beyond the fourth order
STEEP = 0.1  # between a density read between cells and one read by its logarithm, from which the latter is right
NEAR = 0.15  # of the scheme's order, by which an observed order may be off; from then on no order is gained


def to_no_width(fine: np.ndarray, coarse: np.ndarray, order: float, ratio: float = 2.0) -> np.ndarray:
    """Numbers from those of the given order on cells of h and r h: q_h + (q_h - q_rh) / (r^p - 1)."""
    return fine + (fine - coarse) / (ratio**order - 1.0)


def ratio_of(fine: Grid, coarse: Grid) -> float:
    """How many times wider the cells of a grid are, the geometric mean of the axes that differ; 2 but for odd numbers."""
    ratios = [n / m for n, m in zip(fine.shape, coarse.shape, strict=True) if n != m]
    return float(np.prod(ratios) ** (1.0 / max(len(ratios), 1)))


def order_after(seen: np.ndarray, order: float) -> np.ndarray:
    """Order of what is extrapolated: twice the scheme's where that order was seen, and down to it where another was."""
    return order * (1.0 + np.clip(1.0 - np.abs(seen - order) / (NEAR * order), 0.0, 1.0))


def extrapolated(
    fine: np.ndarray, coarse: np.ndarray, grids: tuple[Grid, Grid], mass: np.ndarray, order: float
) -> tuple[np.ndarray, np.ndarray]:
    """Densities (n_times, *shape) on cells h from those on cells h and r h, `to_no_width` of their logarithms.

    The logarithms are compared at the centers of the wider cells, where their difference is smooth, at walls too.

    Returns
    -------
    densities, which sum to `mass` (n_times,)
    scaled : ndarray (n_times,)
        By how much of its mass each was scaled for that.
    """
    there = _read(fine, *grids)
    gain = to_no_width(_log(there), _log(coarse), order, ratio_of(*grids)) - _log(there)
    density = fine * np.exp(np.clip(at_centers(gain, grids[1], grids[0], POINTS), -MOST, MOST))
    axes = tuple(range(1, grids[0].dim + 1))
    sums = (density * grids[0].volumes).sum(axis=axes)
    scale = mass / np.where(sums > 0.0, sums, 1.0)
    return density * np.reshape(scale, (-1, *[1] * grids[0].dim)), np.abs(sums - mass)


def _read(values: np.ndarray, fine: Grid, coarse: Grid) -> np.ndarray:
    """Densities at wider centers: as such where they vary little, and by their logarithm where by factors, as in tails."""
    read, logs = (at_centers(v, fine, coarse, POINTS) for v in (values, _log(values)))
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.abs(np.log(read) - logs) < STEEP
    return np.where(near, read, np.exp(logs))


def _log(values: np.ndarray) -> np.ndarray:
    largest = values.max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.asarray(np.log(np.maximum(values, FLOOR * np.maximum(largest, 1e-300))))
