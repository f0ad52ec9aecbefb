"""What is left of features of a step when their mean given the place is taken off, by regression on splines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import BSpline

from .cells import step_lengths
from .paths import along_axis

CLIP = 3.0  # standard deviations of a step
KNOTS = {1: 14, 2: 8}  # splines along each axis; tensor products in 2D, sums and products of coordinates beyond
FEW = 6
RIDGE = 1e-6  # of the mean of the diagonal
STAYED = 1e-9  # of a standard deviation: a step that is none


def splines(x: np.ndarray, count: int) -> np.ndarray:
    """Cubic B-splines (n, count) with knots at quantiles of x (n,), constant beyond their ends."""
    inner = np.unique(np.quantile(x, np.linspace(0.0, 1.0, count - 2)))
    if inner.size < 2:
        return np.ones((x.size, 1))
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    return BSpline.design_matrix(np.clip(x, inner[0], inner[-1]), knots, 3).toarray()


def design(x: np.ndarray) -> np.ndarray:
    """The functions of the place on which features are regressed, (n, b), for places (n, dim)."""
    dim = x.shape[1]
    count = min(KNOTS.get(dim, FEW), 4 + len(x) // 200)
    lines = [splines(x[:, axis], count) for axis in range(dim)]
    if dim == 1:
        return lines[0]
    if dim == 2:
        return (lines[0][:, :, None] * lines[1][:, None, :]).reshape(len(x), -1)
    z = np.clip((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-300), -CLIP, CLIP)
    pairs = [z[:, i] * z[:, j] for i in range(dim) for j in range(i)]
    return np.column_stack([*lines, *pairs])


def left_over(features: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Features (n, k) less their regression on the basis (n, b).

    All are fitted to all rows: predictions from other runs would share their errors, and with hundreds of rows in the plane the
    test then rejects true Markov processes in 11 % at a level of 5 %.
    """
    square = basis.T @ basis
    ridge = RIDGE * float(np.trace(square)) / len(square)
    return features - basis @ np.linalg.solve(square + ridge * np.eye(len(square)), basis.T @ features)


def step_features(
    step: np.ndarray, scale: np.ndarray, name: str, called: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Features (n, k) of steps (n, dim) in units of the local deviation (n, dim), with their names.

    called: names of the coordinates.

    Each coordinate, clipped; the length, clipped; and whether there was a step at all, where some are none.
    """
    z = step / scale
    length = np.minimum(np.sqrt((z * z).mean(axis=1)), CLIP)
    columns, names = [*np.clip(z, -CLIP, CLIP).T, length], []
    dim = step.shape[1]
    axes = [""] if dim == 1 else [f" along {word}" for word in called or [f"axis {axis}" for axis in range(dim)]]
    names = [f"{name}{axis}" for axis in axes] + [f"length of {name}"]
    stayed = (np.abs(z) < STAYED).all(axis=1)
    if 0.002 < stayed.mean() < 0.998:
        columns.append(stayed.astype(float))
        names.append(f"stay in {name}")
    return np.stack(columns, axis=1), names


def local_scale(x: np.ndarray, step: np.ndarray, called: Sequence[str] | None = None) -> np.ndarray:
    """The standard deviation of the step at each place, (n, dim), smoothed over bins along each axis."""
    result, dim = np.empty_like(step), step.shape[1]
    for axis in range(dim):
        places, lengths = step_lengths(x[:, axis], step[:, axis], where=along_axis(called, axis, dim))
        result[:, axis] = np.interp(x[:, axis], places, lengths)
    return result
