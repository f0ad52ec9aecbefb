"""What a source puts into the cells of a grid per time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import number, takes_time
from ..errors import bad_type, bad_value
from .grid import Grid
from .initial_density import InitialDensity, found_masses, law_of_result

SUCH_AS = "Such as source=lambda x: x > 0, or source=(2.0, fp.point(0.5)) for a rate of 2 at a point."


def source_masses(source: Any, grid: Grid) -> np.ndarray:
    """Masses per time in each cell, (*grid.shape).

    Parameters
    ----------
    source : number, function of the coordinates, array on the grid, or (rate, density)
        s >= 0, mass per volume and time; or a total mass per time with the density that it is spread like.
    grid : Grid

    Raises
    ------
    ValueError, TypeError
        Where it is negative, not finite, nowhere positive, or depends on time.
    """
    rate, density = parts_of_source(source)
    masses = found_masses(density, grid, "source")
    return masses if rate is None else masses * (rate / masses.sum())


def parts_of_source(source: Any) -> tuple[float | None, Any]:
    """The total rate, if it is given, and s or the density that it is spread like."""
    if isinstance(source, (tuple, list)) and len(source) == 2 and not isinstance(source[1], (int, float)):
        rate = number("source", source[0], "a rate above 0 and a density", lambda v: 0.0 < v < np.inf, SUCH_AS)
        return rate, source[1]
    if isinstance(source, (int, float)) and not isinstance(source, bool):
        even = number("source", source, "above 0", lambda v: 0.0 < v < np.inf, SUCH_AS)
        return None, lambda *coords: np.full(coords[0].shape, even)
    if isinstance(law_of_result(source), InitialDensity) or not (
        callable(source) or isinstance(source, (list, np.ndarray))
    ):
        raise bad_type("source", "a number, a function, an array or (rate, density)", source, SUCH_AS)
    if callable(source) and takes_time(source):
        then = "Leave `t` out; for a source that is switched, go on from a result, p0=solution."
        raise bad_value("source", "a function of the coordinates alone", source, then)
    return None, source


def delay_of(reset: Any, delay: Any) -> float:
    """The time that passes outside at each reset; none where nothing is reset."""
    return number(
        "delay", delay, "0, or with `reset` more", lambda v: 0.0 <= v < np.inf and (reset is not None or v == 0.0)
    )
