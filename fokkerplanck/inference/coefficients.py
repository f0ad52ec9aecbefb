"""Ito drift and diffusion of an equation at any points, with their derivatives by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import instance
from ..errors import bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.ito_correction import ito_correction

DELTA = 1e-4  # of a scale: step of the differences


def check_markov(eq: Any, name: str) -> None:
    """Refuse what has no transition density that depends on the lag alone."""
    instance(name, eq, FokkerPlanck, "a FokkerPlanck equation")
    if eq.time_order < 1.0:
        raise bad_value(name, "without memory", f"time_order = {eq.time_order:g}", "See fp.stays for waiting times.")
    if eq.time_dependent or eq.interaction is not None:
        got = "an interaction" if eq.interaction is not None else "a coefficient with a parameter `t`"
        raise bad_value(name, "independent of time and of the density", got)


def points_at(x: np.ndarray) -> Points:
    """Places (dim, m) for coefficients that are numbers or functions; arrays on a grid cannot be read there."""

    def from_cells(values: np.ndarray) -> np.ndarray:
        raise ValueError

    return Points(tuple(x), from_cells)


def difference(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, axis: int, scale: np.ndarray) -> np.ndarray:
    """df / dx_axis at x (dim, m) by central differences of DELTA times `scale` (dim,)."""
    h = np.zeros((len(x), 1))
    h[axis] = DELTA * scale[axis]
    return (f(x + h) - f(x - h)) / (2.0 * h[axis])


def curvature(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, axis: int, scale: np.ndarray) -> np.ndarray:
    """d^2 f / dx_axis^2 at x (dim, m), by differences of 100 DELTA times `scale`."""
    h = np.zeros((len(x), 1))
    h[axis] = 100.0 * DELTA * scale[axis]
    return (f(x + h) - 2.0 * f(x) + f(x - h)) / h[axis] ** 2


def diffusion(eq: FokkerPlanck, x: np.ndarray) -> np.ndarray:
    """D at x (dim, m): (dim, m) where it is diagonal, else (dim, dim, m)."""
    return eq.diffusion_at(points_at(x))


def tensor_at(eq: FokkerPlanck, x: np.ndarray) -> np.ndarray:
    """D at x (dim, m) as (dim, dim, m)."""
    d = diffusion(eq, x)
    if d.ndim == 3:
        return d
    full = np.zeros((len(d), *d.shape))
    for i, row in enumerate(d):
        full[i, i] = row
    return full


def ito_drift(eq: FokkerPlanck, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """mu - grad V and what the convention adds, at x (dim, m), (dim, m)."""
    drift = np.array(eq.drift_at(points_at(x)), dtype=float)
    if eq.potential is not None:
        for axis in range(len(x)):
            drift[axis] -= difference(lambda y: eq.potential_at(points_at(y)), x, axis, scale)
    return drift + ito_correction(
        eq, x, lambda f, axis: difference(f, x, axis, scale), points_at, lambda y: diffusion(eq, y)
    )
