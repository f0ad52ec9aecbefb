"""The point of smallest loss: in a box where there is one, else by descent from many starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import reals
from ..errors import bad_value
from ..model.grid import Grid
from ..randomness import private_generator
from .loss import SampleLoss

LOOKED_AT = {1: 2001, 2: 201, 3: 41}  # points an axis that a box is searched at before the descent
STARTS = 24  # of the descents without a box: the origin, and normal draws of deviation 1 and 4
DIRECTIONS, SAME = 12, 1e-6  # in which other minima are looked for, and the share of the loss that they may lie higher
FAR = 1e4  # a descent that has come so far has no end


def smallest_loss(loss: SampleLoss, box: Any = None, name: str = "temperature") -> tuple[np.ndarray, float, str]:
    """The minimum of the mean loss: the point (d,), the loss there, and in words what was searched.

    Of a valley of minima, the point next to the origin.

    Parameters
    ----------
    loss : SampleLoss
    box : Grid or list of (low, high), optional
        Default: the box of the loss, if it has one; else there are no bounds, and the lowest end of many descents counts.

    Notes
    -----
    In a box the lowest of a grid of points (with four or more parameters, of random ones) is polished within the bounds.
    Without one, nothing but the number of starts speaks for having found the smallest of several minima.
    """
    if loss.formula is None and not loss.has_value:
        then = f"Pass {name}=, or the loss itself by from_gradient(..., loss=f(theta, sample))."
        raise bad_value(name, "given where a loss is known by its gradient alone", None, then)
    bounds = _bounds(loss, loss.box if box is None else box)
    if bounds is None:
        starts = private_generator("starts of descents").normal(size=(loss.dim, STARTS)) * np.repeat(
            [1.0, 4.0], STARTS // 2
        )
        starts[:, 0] = 0.0
    else:
        starts = _lowest(loss, bounds)
    ends = [_descend(loss, start, bounds) for start in starts.T]
    found = [end for end in ends if end is not None]
    if not found:
        then = f"Pass {name}=, or box=[(low, high), ...] to look for the smallest loss there."
        raise bad_value(name, "given where descents from 24 starts find no minimum of the loss", None, then)
    point, value = _of_smallest_norm(loss, *min(found, key=lambda end: end[1]))
    searched = f"{STARTS} descents without bounds" if bounds is None else f"the box {_words(bounds)}"
    return point, value, searched


def as_low_and_near(loss: SampleLoss, point: np.ndarray, level: float, box: Any = None) -> np.ndarray:
    """Minima as low as a point of smallest norm and no farther from the origin, (d, n), itself the first.

    On a circle of minima there are many, and of two wells with mirrored places two. Descents from points as far from the
    origin in other directions find them.
    """
    bounds = _bounds(loss, loss.box if box is None else box)
    radius = float(np.linalg.norm(point))
    ways = private_generator("minima as low and as near").normal(size=(loss.dim, DIRECTIONS))
    starts = np.concatenate([-point[:, None], radius * ways / np.linalg.norm(ways, axis=0)], axis=1)
    found = [point]
    reach = 1e-3 * (1.0 + radius)
    for start in starts.T:
        end = _descend(loss, start, None)
        if end is None:
            continue
        other, height = _of_smallest_norm(loss, *end)
        outside = bounds is not None and ((other < bounds[:, 0]) | (other > bounds[:, 1])).any()
        lower = height - level <= SAME * (abs(level) + abs(float(loss.value(*(point + radius)[:, None])[0])))
        if not outside and lower and np.linalg.norm(other) <= radius + reach:
            found.append(other)
    return np.stack(found, axis=1)


def _of_smallest_norm(loss: SampleLoss, point: np.ndarray, value: float) -> tuple[np.ndarray, float]:
    """The point of a valley of minima that lies next to the origin: the limit of a vanishing weight decay.

    So that what is read at the minimum does not depend on where the search began. An isolated minimum stays where it is.
    """
    from scipy.optimize import minimize

    size = max(float(np.abs(loss.gradient(*(point + 0.1)[:, None])).max()), 1e-300)
    if np.abs(loss.gradient(*point[:, None])).max() > 1e-4 * size:  # on a slope, at the border of the box
        return point, value
    low = point
    with np.errstate(all="ignore"):
        for weight in size * np.array([1e-2, 1e-4, 1e-6]):

            def decayed(x: np.ndarray, weight: float = weight) -> tuple[float, np.ndarray]:
                columns = x[:, None]
                height = float(loss.value(*columns)[0]) + 0.5 * weight * float(x @ x)
                return height, loss.gradient(*columns)[:, 0] + weight * x

            low = minimize(decayed, low, jac=True, method="BFGS", options={"gtol": 1e-9 * size}).x
    level = float(loss.value(*low[:, None])[0])
    moved = np.abs(low - point).max() > 1e-3 * (1.0 + np.abs(point).max())
    flat = level - value <= 1e-6 * size * (1.0 + np.abs(point).max())
    return (low, level) if moved and flat and np.isfinite(level) else (point, value)


def _bounds(loss: SampleLoss, box: Any) -> np.ndarray | None:
    """(d, 2), or None."""
    if box is None:
        return None
    if isinstance(box, Grid):
        bounds = np.array([(edges[0], edges[-1]) for edges in box.edges])
    else:
        bounds = np.atleast_2d(reals("box", box, "a Grid or a list of (low, high), one a parameter"))
    if bounds.shape != (loss.dim, 2):
        raise bad_value("box", f"of {loss.dim} axes, one a parameter", box)
    if not (np.isfinite(bounds).all() and (bounds[:, 0] < bounds[:, 1]).all()):
        raise bad_value("box", "finite with low < high on each axis", box)
    return bounds


def _lowest(loss: SampleLoss, bounds: np.ndarray) -> np.ndarray:
    """The lowest of many points in the box, (d, 1)."""
    if loss.dim in LOOKED_AT:
        lines = [np.linspace(low, high, LOOKED_AT[loss.dim]) for low, high in bounds]
        points = np.stack([x.ravel() for x in np.meshgrid(*lines, indexing="ij")])
    else:
        points = bounds[:, :1] + private_generator("points of a box").random((loss.dim, 20_000)) * np.diff(bounds)
    values = np.asarray(loss.value(*points))
    return points[:, [int(np.argmin(np.where(np.isfinite(values), values, np.inf)))]]


def _descend(loss: SampleLoss, start: np.ndarray, bounds: np.ndarray | None) -> tuple[np.ndarray, float] | None:
    """End of a descent and the loss there; None where it runs away or ends on a slope."""
    from scipy.optimize import minimize

    def height(point: np.ndarray) -> tuple[float, np.ndarray]:
        columns = point[:, None]
        return float(loss.value(*columns)[0]), loss.gradient(*columns)[:, 0]

    def stop_far_away(point: np.ndarray) -> None:
        if bounds is None and np.abs(point).max() > FAR:
            raise StopIteration

    options: Any = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000}
    with np.errstate(all="ignore"):
        end = minimize(
            height, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options, callback=stop_far_away
        )
    if bounds is None and (np.abs(end.x).max() > FAR or np.abs(end.jac).max() > 1e-4 * max(abs(end.fun), 1.0)):
        return None
    return (end.x, float(end.fun)) if np.isfinite(end.fun) else None


def _words(bounds: np.ndarray) -> str:
    return " x ".join(f"[{low:g}, {high:g}]" for low, high in bounds)
