"""Levy noise: jumps of all sizes, the large ones with a power-law tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import LARGEST, LEAST_INDEX, call, did_you_mean, fields, number, reals, sized
from ..errors import bad_value
from .coefficients import Shown
from .portable import Portable

KINDS = ("isotropic", "axes")


@dataclass(frozen=True, eq=False, repr=False)
class LevyJumps(Shown, Portable):
    """Symmetric stable noise s(X) dL with E exp(ikL_t) = exp(-t |k|^a): dp/dt = -(-Lap)^(a/2) (s^a p).

    Parameters
    ----------
    stability : float from 0.01 to 2
        a: jumps longer than r come at a rate proportional to r^-a. At 2 there are no jumps left, but a diffusion s^2.
    scale : number or callable; for kind="axes" also a pair of such
        s >= 0, read where a jump starts: a jump is s times a standard one, and the density widens as s t^(1/a). With two and
        more dimensions also a function that returns a matrix C, (d, d, ...), symmetric and positive semidefinite: elliptic
        jumps exp(-t (k . C k)^(a/2)) whose shape changes from place to place; C = s^2 where they are isotropic. On a grid in
        two and three dimensions; to simulate in any number.
    kind : {"isotropic", "axes"} or 2 x 2 matrix
        Only in two dimensions; "axes" of one scale also in three. "isotropic": exp(-t s^a |k|^a). "axes": independent jumps
        along each axis, exp(-t (s_1^a |k_1|^a + s_2^a |k_2|^a)). A matrix C, symmetric and positive definite: elliptic jumps,
        exp(-t s^a (k . C k)^(a/2)).

    Examples
    --------
    >>> LevyJumps(stability=1.5, scale=0.2)
    LevyJumps(stability=1.5, scale=0.2)
    """

    stability: float
    scale: Any = 1.0
    kind: Any = "isotropic"

    def __post_init__(self) -> None:
        then = "2 is Gaussian noise, 1 Cauchy noise."
        a = number("stability", self.stability, f"from {LEAST_INDEX:g} to 2", lambda v: LEAST_INDEX <= v <= 2.0, then)
        object.__setattr__(self, "stability", a)
        self._check_kind()
        pair = isinstance(self.scale, (list, tuple))
        if pair and (self.kind != "axes" or len(self.scale) != 2):
            raise bad_value("scale", "one number or function, or for kind='axes' a pair", self.scale)
        for scale in self.scale if pair else (self.scale,):
            if not callable(scale):
                rule = "a finite number not below 0, or a function of the coordinates"
                number("scale", scale, rule, lambda v: 0.0 <= v < np.inf)

    def _check_kind(self) -> None:
        if isinstance(self.kind, str):
            if self.kind not in KINDS:
                then = did_you_mean(self.kind, KINDS, cutoff=0.3)
                raise bad_value("kind", "'isotropic', 'axes' or a 2 x 2 matrix", self.kind, then)
            return
        rule = "'isotropic', 'axes' or a symmetric positive definite 2 x 2 matrix"
        matrix = reals("kind", self.kind, rule)
        if matrix.shape != (2, 2) or not np.isfinite(matrix).all():
            raise bad_value("kind", rule, self.kind)
        sized("kind", matrix)
        even = np.abs(matrix - matrix.T).max() <= 1e-9 * np.abs(matrix).max()
        if not even or np.linalg.eigvalsh(matrix)[0] <= 0.0:
            raise bad_value("kind", rule, self.kind)
        object.__setattr__(self, "kind", matrix)

    def scale_at(self, coords: tuple[np.ndarray, ...], axis: int = 0) -> np.ndarray:
        """s at points given by `dim` arrays of one shape; for kind="axes" the scale of one axis."""
        scale = self.scale[axis] if isinstance(self.scale, (list, tuple)) else self.scale
        return _checked(call("scale", scale, coords) if callable(scale) else scale, coords)

    def matrix_at(self, coords: tuple[np.ndarray, ...]) -> np.ndarray | None:
        """C (d, d, *shape) at points given by `dim` arrays of one shape, or None where the scale is a number or a field."""
        if not callable(self.scale) or len(coords) == 1:
            return None
        values = call("scale", self.scale, coords)
        dim, shape = len(coords), np.broadcast_shapes(*(c.shape for c in coords))
        if isinstance(values, (list, tuple)) and len(values) == dim and all(_is_row(row, dim) for row in values):
            values = np.array([[np.broadcast_to(fields("scale", v, MATRIX), shape) for v in row] for row in values])
        values = fields("scale", values, MATRIX)
        if values.ndim < 2 or values.shape[:2] != (dim, dim) or values.shape == shape:
            return None
        if self.kind != "isotropic":
            raise bad_value("kind", "left alone where the scale is a matrix", self.kind)
        return _semidefinite(values.astype(float), shape)


MATRIX = "a number or a field, or a symmetric matrix (d, d, ...) of such"


def _is_row(row: Any, dim: int) -> bool:
    return isinstance(row, (list, tuple, np.ndarray)) and len(row) == dim


def _semidefinite(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A covariance field (d, d, *shape), refused where it is none."""
    if matrix.shape[2:] not in ((), shape):
        rule = f"a matrix of shape {(*matrix.shape[:2], *shape)} where the points have {shape}"
        raise bad_value("scale", rule, f"shape {matrix.shape}")
    if matrix.ndim == 2:
        matrix = np.broadcast_to(matrix.reshape(*matrix.shape, *([1] * len(shape))), (*matrix.shape, *shape))
    rule = "a symmetric positive semidefinite matrix with finite entries at every point"
    sizes = np.abs(matrix).max(axis=(0, 1))
    if not (sizes <= LARGEST).all():
        raise bad_value("scale", rule, "entries that are not finite, or too large")
    if np.abs(matrix - np.swapaxes(matrix, 0, 1)).max(initial=0.0) > 1e-9 * sizes.max(initial=0.0):
        raise bad_value("scale", rule, "one that is not symmetric")
    matrix = 0.5 * (matrix + np.swapaxes(matrix, 0, 1))
    lowest = np.linalg.eigvalsh(np.moveaxis(matrix, (0, 1), (-2, -1)))[..., 0]
    if (lowest < -1e-9 * sizes).any():
        raise bad_value("scale", rule, f"an eigenvalue of {float(lowest.min()):.4g}")
    return matrix


def _checked(values: Any, coords: tuple[np.ndarray, ...]) -> np.ndarray:
    shape = np.broadcast_shapes(*(c.shape for c in coords))
    array = fields("scale", values, f"one number, or of shape {shape} where the points have it").astype(float)
    if array.shape not in ((), shape):
        raise bad_value("scale", f"of shape {shape} where the points have it", f"shape {array.shape}")
    array = np.broadcast_to(array, shape)
    fine = (array >= 0.0) & (array <= LARGEST)
    if not fine.all():
        raise bad_value("scale", "finite and not below 0 at every point", float(array[~fine][0]))
    return array
