"""Regions of the box that a question is about: targets and sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import call
from ..arguments import mask as region_mask
from ..errors import bad_type, bad_value
from .coefficients import Points
from .grid import Grid


def read_region(name: str, region: Any, grid: Grid, optional: bool = False) -> tuple[np.ndarray, Callable | None]:
    """A region as a mask of cells (*grid.shape), with its function where it was given by one.

    region : boolean array on the grid, function f(x, y) -> mask, or, where `optional`, None for no cell.
    """
    if region is None:
        if not optional:
            raise bad_value(name, "given, as no wall absorbs", None, "Pass f(x) -> mask, or make a wall absorbing.")
        return np.zeros(grid.shape, dtype=bool), None
    if isinstance(region, str):
        then = f"Such as {name}=lambda {', '.join('xyz'[: grid.dim])}: x > 0."
        raise bad_type(name, "a function or a boolean array", region, then)
    function = region if callable(region) else None
    found = region if function is None else call(name, function, Points.centers(grid).coords)
    inside = region_mask(name, found, grid.shape)
    if not inside.any() or inside.all():
        got = "all cells" if inside.all() else "no cell center"
        raise bad_value(name, "a region that holds some cell centers but not all", got, "Refine or move the grid.")
    return inside, function
