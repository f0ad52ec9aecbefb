"""A drift that reads averages over the density: the limit of many paths, each of which sees the averages over all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import call, callable_with, fields
from ..errors import bad_value
from .coefficients import Points


@dataclass(frozen=True, eq=False)
class MeanField:
    """The drift force(x, m) besides, with the averages m_k = <observe_k(x)> over the density (McKean-Vlasov), in one dimension.

    Parameters
    ----------
    observe : callable
        f(x), vectorised: one field, or a sequence of k fields, whose averages the force reads.
    force : callable
        F(x, m), vectorised over x, per time; m[k] are the averages; of one, m itself will do. A pair force
        sum_k a_k(x) b_k(y) is force = sum_k a_k(x) m[k] with observe = b.

    Notes
    -----
    Averages are those over what is left in the box. Simulated paths read them over their swarm.

    Examples
    --------
    >>> kuramoto = MeanField(lambda x: [np.cos(x), np.sin(x)], lambda x, m: 1.5 * (m[1] * np.cos(x) - m[0] * np.sin(x)))
    """

    observe: Callable[..., Any]
    force: Callable[..., Any]

    def __post_init__(self) -> None:
        callable_with("observe", self.observe, 1)
        callable_with("force", self.force, 2)

    def observed(self, coords: np.ndarray) -> np.ndarray:
        """What is averaged, (k, n), at points (1, n)."""
        if len(coords) != 1:
            raise bad_value("interaction", "a Swarm in more than one dimension", "a MeanField")
        rule = "one field of the coordinate, or a sequence of fields"
        values = call("observe", self.observe, coords)
        rows = values if isinstance(values, (list, tuple)) else [values]
        rows = [fields("observe", row, rule).astype(float) for row in rows]
        if any(row.shape not in ((), coords.shape[1:]) for row in rows) or not rows:
            raise bad_value("observe", f"{rule}, each of shape {coords.shape[1:]}", [row.shape for row in rows])
        found = np.array([np.broadcast_to(row, coords.shape[1:]) for row in rows])
        if not np.isfinite(found).all():
            raise bad_value("observe", "finite everywhere", float(found[~np.isfinite(found)][0]))
        return found

    def pull(self, points: Points, averages: np.ndarray) -> np.ndarray:
        """The force (1, *points.shape)."""
        return self.along(points.coords[0], averages)[None]

    def on_axis(self, axis: int, averages: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The force along an axis as a function of its coordinate."""
        return lambda x: self.along(x, averages)

    def along(self, x: np.ndarray, averages: np.ndarray) -> np.ndarray:
        """The force at coordinates x."""
        values = fields("force", call("force", self.force, (x, averages)), "one field of the coordinate").astype(float)
        if len(averages) == 1 and values.shape == (1, *x.shape):  # m was read for m[0]
            values = values[0]
        if values.shape not in ((), x.shape):
            raise bad_value("force", f"of the shape {x.shape} of its points", values.shape)
        if not np.isfinite(values).all():
            raise bad_value("force", "finite everywhere", float(values[~np.isfinite(values)].flat[0]))
        return np.broadcast_to(values, x.shape)
