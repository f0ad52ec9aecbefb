"""The Levy noise of an equation, for unit time: variates, and how the equation scales them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..model.levy import LevyJumps
from .stable_variates import fill_positive, fill_symmetric


def levy_variates(jumps: LevyJumps, dim: int, draw: Callable) -> np.ndarray:
    """L of unit time and scale, (dim, n); draw(fill, rows) makes arrays (n,), or (rows, n)."""
    a = jumps.stability
    if _by_axis(jumps, dim):
        return draw(lambda g, out: fill_symmetric(g, a, out.reshape(-1)), dim)
    radius = draw(lambda g, out: fill_positive(g, a / 2.0, out))
    gauss = draw(lambda g, out: g.standard_normal(out=out), dim)
    if not isinstance(jumps.kind, str):
        gauss = np.linalg.cholesky(jumps.kind) @ gauss
    return np.sqrt(2.0 * radius) * gauss


def scaled(jumps: LevyJumps, x: np.ndarray, levy: np.ndarray) -> np.ndarray:
    """s(x) L, or C(x)^(1/2) L, (dim, n)."""
    coords = tuple(x)
    covariance = jumps.matrix_at(coords)
    if covariance is not None:
        return root_times(covariance, levy)
    if _by_axis(jumps, len(x)):
        return np.stack([jumps.scale_at(coords, axis) * levy[axis] for axis in range(len(x))])
    return jumps.scale_at(coords) * levy


def root_times(tensor: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """A root of symmetric matrices (dim, dim, n) times vectors (dim, n)."""
    values, vectors = np.linalg.eigh(np.moveaxis(tensor, (0, 1), (-2, -1)))
    along = np.einsum("nij,in->nj", vectors, noise) * np.sqrt(np.maximum(values, 0.0))
    return np.einsum("nij,nj->in", vectors, along)


def _by_axis(jumps: LevyJumps, dim: int) -> bool:
    return dim == 1 or (isinstance(jumps.kind, str) and jumps.kind == "axes")
