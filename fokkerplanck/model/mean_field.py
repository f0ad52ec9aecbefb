"""Coefficients that read averages over the density: the limit of many paths, each of which sees the averages over all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import call, callable_with, fields
from ..errors import bad_type, bad_value
from .coefficients import Points, Shown, _diffusion, _vector
from .portable import Portable


@dataclass(frozen=True, eq=False, repr=False)
class MeanField(Shown, Portable):
    """The drift force(x, m) besides, with the averages m_k = <observe_k(x)> over the density (McKean-Vlasov).

    Parameters
    ----------
    observe : callable
        f(x), or f(x, y), vectorised: one field, or a sequence of k fields, whose averages are read.
    force : callable, optional
        F(x, m), or F(x, y, m) with one field per axis, vectorised over x and y, per time; m[k] are the averages; of one, m
        itself will do. A pair force sum_k a_k(x) b_k(y) is force = sum_k a_k(x) m[k] with observe = b.
    diffusion : callable, optional
        D(x, m), or D(x, y, m), added to the equation's own `diffusion`: a field, one field per axis, or a d x d stack. The
        sum must be positive semidefinite for the averages that occur.

    Notes
    -----
    Averages are those over what is left in the box. Simulated paths read them over their swarm.

    Examples
    --------
    >>> kuramoto = MeanField(lambda x: [np.cos(x), np.sin(x)], lambda x, m: 1.5 * (m[1] * np.cos(x) - m[0] * np.sin(x)))
    >>> gusts = MeanField(lambda x: [x, x**2], diffusion=lambda x, m: 0.3 * (m[1] - m[0] ** 2))
    """

    observe: Callable[..., Any]
    force: Callable[..., Any] | None = None
    diffusion: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if self.force is None and self.diffusion is None:
            raise bad_value("force", "given, or `diffusion`", None, "What is observed acts by one of them.")
        for name in ("observe", "force", "diffusion"):
            value = getattr(self, name)
            if not (callable(value) or (value is None and name != "observe")) or isinstance(value, type):
                raise bad_type(
                    name, "a function of the coordinates" + ", and the averages" * (name != "observe"), value
                )

    def observed(self, coords: np.ndarray) -> np.ndarray:
        """What is averaged, (k, n), at points (dim, n)."""
        callable_with("observe", self.observe, len(coords))
        rule = "one field of the coordinates, or a sequence of fields"
        values = call("observe", self.observe, [np.array(x) for x in coords])
        rows = values if isinstance(values, (list, tuple)) else [values]
        rows = [fields("observe", row, rule).astype(float) for row in rows]
        if any(row.shape not in ((), coords.shape[1:]) for row in rows) or not rows:
            raise bad_value("observe", f"{rule}, each of shape {coords.shape[1:]}", [row.shape for row in rows])
        found = np.array([np.broadcast_to(row, coords.shape[1:]) for row in rows])
        if not np.isfinite(found).all():
            raise bad_value("observe", "finite everywhere", float(found[~np.isfinite(found)][0]))
        return found

    def pull(self, points: Points, averages: np.ndarray) -> np.ndarray:
        """The force (dim, *points.shape)."""
        if self.force is None:
            return np.zeros((len(points.coords), *points.shape))
        callable_with("force", self.force, len(points.coords) + 1)
        return _vector("force", self._reading(self.force, averages, points.shape), points, 0.0)

    def on_axis(self, axis: int, averages: np.ndarray) -> Callable[[Points], np.ndarray]:
        """The force along an axis as a function of the points."""
        return lambda points: self.pull(points, averages)[axis]

    def diffusion_at(self, points: Points, averages: np.ndarray) -> np.ndarray:
        """What is added to D, (dim, *points.shape), or (dim, dim, *points.shape)."""
        assert self.diffusion is not None
        callable_with("diffusion", self.diffusion, len(points.coords) + 1)
        return _diffusion(self._reading(self.diffusion, averages, points.shape), points, 0.0)

    @staticmethod
    def _reading(function: Callable[..., Any], averages: np.ndarray, shape: tuple[int, ...]) -> Callable[..., Any]:
        """A function of the coordinates, for averages (k,), or (k, *shape)."""

        def plain(value: Any) -> Any:
            one = len(averages) == 1 and np.shape(value) in ((1,), (1, *shape))
            return np.asarray(value)[0] if one else value  # m was read for m[0]

        def read(*coords: np.ndarray) -> Any:
            values = function(*coords, averages)
            return [plain(v) for v in values] if isinstance(values, (list, tuple)) else plain(values)

        return read
