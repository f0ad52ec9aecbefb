"""Derivatives of fields where paths are, by central differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def slope_along(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, axis: int, h: np.ndarray) -> np.ndarray:
    """The derivative of a field along an axis, by central differences over lengths (dim, n)."""
    h = np.where(np.arange(len(x))[:, None] == axis, h, 0.0)
    return (f(x + h) - f(x - h)) / (2.0 * h[axis])


def difference_lengths(x: np.ndarray, diffusion: np.ndarray, dt: float) -> np.ndarray:
    """Lengths for derivatives, (dim, n), in whatever units: 1e-5 of the coordinate, or a hundredth of a step of the noise."""
    own = diffusion if diffusion.ndim == 2 else np.einsum("iin->in", diffusion)
    h = np.maximum(1e-5 * np.abs(x), 1e-2 * np.sqrt(2.0 * dt * np.maximum(own, 0.0)))
    return np.where(h > 0.0, h, 1e-5)
