"""What a source puts into the cells of a grid per time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import number, takes_time
from ..errors import bad_type
from .coefficients import Points
from .grid import Grid
from .initial_density import InitialDensity, found_masses, law_of_result

SUCH_AS = "Such as source=lambda x: x > 0, or source=(2.0, fp.point(0.5)) for a rate of 2 at a point."


def source_masses(source: Any, grid: Grid) -> np.ndarray:
    """Masses per time in each cell, (*grid.shape), of a source that does not change.

    Parameters
    ----------
    source : number, function of the coordinates, array on the grid, or (rate, density)
        s >= 0, mass per volume and time; or a total mass per time with the density that it is spread like.
    grid : Grid

    Raises
    ------
    ValueError, TypeError
        Where it is negative, not finite or nowhere positive.
    """
    rate, density = parts_of_source(source)
    masses = found_masses(density, grid, "source")
    return masses if rate is None else masses * (rate / masses.sum())


def source_in_time(source: Any, grid: Grid) -> Callable[[float], np.ndarray] | None:
    """Masses per time (n,) in each cell of a source that changes, at a time; None of one that does not."""
    if not changes(source):
        return None
    rate, density = parts_of_source(source)
    if rate is None:
        return lambda t: _found(lambda *coords: density(*coords, t=t), grid)
    spread = found_masses(density, grid, "source").ravel()
    spread = spread / spread.sum()
    return lambda t: number("source", np.asarray(rate(t)).item(), "a rate not below 0", lambda v: v >= 0.0) * spread


def _found(density: Callable[..., Any], grid: Grid) -> np.ndarray:
    """Masses (n,) of a density that may be zero everywhere, as a source at some time."""
    if not np.any(density(*Points.centers(grid).coords)):
        return np.zeros(grid.size)
    return found_masses(density, grid, "source").ravel()


def size_in_time(source: Any, grid: Grid) -> Callable[..., Any]:
    """Of a source that changes, f(*coordinates, t): its mass per time if it were everywhere as it is there."""
    rate, density = parts_of_source(source)
    if rate is None:
        volume = float(np.sum(grid.volumes))
        return lambda *coords, t: volume * np.asarray(density(*coords, t=t))
    return lambda *coords, t: rate(t) + 0.0 * coords[0]


def changes(source: Any) -> bool:
    """Whether a source changes with time: by its rate f(t), or by its density f(x, t)."""
    return callable(source[0]) if _is_pair(source) else callable(source) and takes_time(source)


def _is_pair(source: Any) -> bool:
    return isinstance(source, (tuple, list)) and len(source) == 2 and not isinstance(source[1], (int, float))


def parts_of_source(source: Any) -> tuple[Any, Any]:
    """The total rate, if it is given, and s or the density that it is spread like."""
    if _is_pair(source):
        if callable(source[0]):
            return source[0], source[1]
        rate = number("source", source[0], "a rate above 0 and a density", lambda v: 0.0 < v < np.inf, SUCH_AS)
        return rate, source[1]
    if isinstance(source, (int, float)) and not isinstance(source, bool):
        even = number("source", source, "above 0", lambda v: 0.0 < v < np.inf, SUCH_AS)
        return None, lambda *coords: np.full(coords[0].shape, even)
    if isinstance(law_of_result(source), InitialDensity) or not (
        callable(source) or isinstance(source, (list, np.ndarray))
    ):
        raise bad_type("source", "a number, a function, an array or (rate, density)", source, SUCH_AS)
    return None, source


def delay_of(reset: Any, delay: Any) -> float:
    """The time that passes outside at each reset; none where nothing is reset."""
    return number(
        "delay", delay, "0, or with `reset` more", lambda v: 0.0 <= v < np.inf and (reset is not None or v == 0.0)
    )
