"""A box whose cells are chosen by the solver, so that a tolerance is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import bad_value
from .grid import Grid, as_given


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Box:
    """Where a question is asked when the cells are left to the solver: questions that take a `tol` take it for a grid.

    Parameters
    ----------
    bounds : (low, high) or list of such pairs, one an axis
    boundary : see `Grid`

    Attributes
    ----------
    bounds : tuple of (low, high)
    boundary : tuple of (low, high)
        The walls of each axis.

    Examples
    --------
    >>> Box([(-2, 2), (0, 1)], boundary=["absorbing", "periodic"])
    Box([-2, 2] x [0, 1], absorbing x periodic)
    """

    bounds: tuple[tuple[float, float], ...]
    boundary: tuple[tuple[str, str], ...]

    def __init__(self, bounds: Any, boundary: Any = "reflecting"):
        whole = Grid(bounds, 1, boundary)  # refuses what is no box
        object.__setattr__(self, "bounds", tuple((float(e[0]), float(e[-1])) for e in whole.edges))
        object.__setattr__(self, "boundary", whole.boundary)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.bounds)

    def divided(self, cells: int | Sequence[int]) -> Grid:
        """The box in equal cells, so many along each axis."""
        return Grid(list(self.bounds), cells, as_given(self.boundary))

    def __repr__(self) -> str:
        ranges = " x ".join(f"[{low:g}, {high:g}]" for low, high in self.bounds)
        walls = " x ".join(low if low == high else f"{low}|{high}" for low, high in self.boundary)
        return f"Box({ranges}, {walls})"


def free_of_cells(name: str, value: Any) -> None:
    """Refuse an array on the cells where the cells are not chosen yet."""
    if isinstance(value, (list, np.ndarray)):
        then = "The cells are chosen by the tolerance: give a function of the coordinates, or leave `tol` out."
        raise bad_value(name, "no array where `tol` is given", value, then)
