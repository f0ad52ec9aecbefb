"""Where the gradient of a landscape vanishes, and what lies there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import instance, number, reals, whole
from ..errors import bad_value
from .loss import SampleLoss


@dataclass(frozen=True)
class CriticalPoint:
    """A point of zero gradient.

    Attributes
    ----------
    position : tuple of float
    kind : {"minimum", "saddle", "maximum", "degenerate"}
        By the signs of the Hessian's eigenvalues; "degenerate" where one is zero to round-off and none is negative.
    eigenvalues : tuple of float, increasing
    loss : float
        NaN where the loss is known by its gradient only.
    gradient_norm : float
        What is left of the gradient.
    """

    position: tuple[float, ...]
    kind: str
    eigenvalues: tuple[float, ...]
    loss: float
    gradient_norm: float


def critical_points(loss: SampleLoss, box: Any, starts: int = 2000, tolerance: float = 1e-9) -> list[CriticalPoint]:
    """Critical points in a box, by Newton's method from a lattice of starts; lowest loss first.

    Parameters
    ----------
    loss : SampleLoss
    box : list of (low, high), one a parameter
    starts : int
        About how many starting points.
    tolerance : float
        On the gradient norm, relative to its median over the starts; and, 1000 times it, on the distance within which
        points count as one, relative to the box.

    Notes
    -----
    A line of minima, as that of `scalar_net`, is returned as the points at which Newton's method met it, of kind
    "degenerate". Isolated points are found as long as their basin of attraction holds a start.
    """
    instance("loss", loss, SampleLoss, "a SampleLoss")
    whole("starts", starts, 1, 10_000_000)
    number("tolerance", tolerance, "a positive number below 1", lambda v: 0.0 < v < 1.0)
    low, high = _box(box, loss.dim)
    per_axis = max(2, math.ceil(starts ** (1.0 / loss.dim)))
    lines = [np.linspace(a, b, per_axis) for a, b in zip(low, high, strict=True)]
    x = np.stack([c.ravel() for c in np.meshgrid(*lines, indexing="ij")])
    scale = float(np.median(np.linalg.norm(loss.gradient(*x), axis=0)))
    reach = 0.5 * (high - low)[:, None] / per_axis
    for _ in range(60):
        x = np.clip(x + np.clip(_newton(loss, x), -2.0 * reach, 2.0 * reach), low[:, None], high[:, None])
    gradient = np.linalg.norm(loss.gradient(*x), axis=0)
    found = x[:, gradient <= tolerance * max(scale, 1e-300)]
    points = [_classify(loss, p, scale) for p in _distinct(found, 1e3 * tolerance * (high - low))]
    return sorted(points, key=lambda p: (math.isnan(p.loss), p.loss, p.position))


def _newton(loss: SampleLoss, x: np.ndarray) -> np.ndarray:
    """-H^+ g at each point, with small eigenvalues left out."""
    g = loss.gradient(*x)
    values, vectors = np.linalg.eigh(np.moveaxis(loss.hessian(*x), -1, 0))
    along = np.einsum("nik,in->nk", vectors, g)
    floor = 1e-10 * np.abs(values).max(axis=1, keepdims=True) + 1e-300
    steps = np.where(np.abs(values) > floor, along / np.where(np.abs(values) > floor, values, 1.0), 0.0)
    return -np.einsum("nik,nk->in", vectors, steps)


def _distinct(points: np.ndarray, distance: np.ndarray) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    for p in points.T:
        if not any((np.abs(p - q) <= distance).all() for q in kept):
            kept.append(p)
    return kept


def _classify(loss: SampleLoss, p: np.ndarray, scale: float) -> CriticalPoint:
    values = np.linalg.eigvalsh(loss.hessian(*p))
    floor = 1e-6 * max(np.abs(values).max(), 1e-3 * scale)
    if (values < -floor).any():
        kind = "maximum" if (values < -floor).all() else "saddle"
    else:
        kind = "minimum" if (values > floor).all() else "degenerate"
    try:
        height = float(loss.value(*p))
    except ValueError:  # known by its gradient only
        height = math.nan
    norm = float(np.linalg.norm(loss.gradient(*p)))
    return CriticalPoint(tuple(map(float, p)), kind, tuple(map(float, values)), height, norm)


def _box(box: Any, dim: int) -> tuple[np.ndarray, np.ndarray]:
    array = reals("box", box, f"{dim} pair(s) (low, high)")
    if array.shape == (2,):
        array = array[None]
    if array.shape != (dim, 2) or not np.isfinite(array).all() or not (array[:, 0] < array[:, 1]).all():
        raise bad_value("box", f"{dim} pair(s) (low, high)", box)
    return array[:, 0], array[:, 1]
