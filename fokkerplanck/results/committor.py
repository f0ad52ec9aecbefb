"""The probability of reaching one region before another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..model.grid import Grid
from ..model.portable import Portable
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.fields import Known, error_at_point, field_at
from ..storage.tables import Tabled, by_cell, value_and_error
from .html import with_field

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Committor(Tabled, Portable, NDArrayOperatorsMixin):
    """Probability of reaching the target before the source, from each cell; usable wherever an array is.

    Attributes
    ----------
    grid : Grid
    values : ndarray (*grid.shape)
        Zero on the source, one on the target.
    fixed : ndarray of bool (*grid.shape)
        Cells of the source and of the target.
    regions : source and target as functions of the coordinates, each with its value
    error : Errors
        "committor", (*grid.shape).
    """

    grid: Grid
    values: np.ndarray
    fixed: np.ndarray
    regions: Known
    error: Errors = field(default_factory=Errors.unknown)
    coarser: tuple[Committor, ...] = ()

    def at(self, x: Any) -> float:
        """The probability from a point, by cubic interpolation that knows the edges of both regions and the walls."""
        place = self.grid.place(x, "x").tolist()
        found = field_at(self.values, self.grid, self.regions, place, most=1.0)
        return min(max(found, 0.0), 1.0)

    def error_at(self, x: Any) -> float:
        """Error of `at(x)`, from its values on three grids; nan where the error was not measured."""
        if not self.coarser:
            return float("nan")
        values = [c.at(x) for c in (self, *self.coarser)]
        size = min(values[0], 1.0 - values[0])  # it is exact where it is 0 or 1
        return error_at_point(values, self.error.whole["committor"], self.error.cap, size, 1e-12)

    def plot(self, ax: Axes | None = None, error: bool = False, log: bool = False, *, title: str = "") -> Figure:
        """A figure of the probability, on `ax` if given: a curve in 1D, a map in 2D, grey where it is 0 or 1 by definition.

        With `log` on a logarithmic scale. With `error`, in 1D, the measured error stands around the curve.
        """
        from .field_figures import plot_field
        from .figure_style import check_band

        check_band(self, error)
        what, shown = "probability of the target first", self.error["committor"] if error else None
        ends = "source and target"
        return plot_field(self.grid, self.values, self.fixed, what, ax, log, shown, region=ends, title=title)

    def _columns(self) -> dict[str, np.ndarray]:
        return by_cell(self.grid, value_and_error("committor", self.values, self.error))

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the grid."""
        return self.grid.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [x.values if isinstance(x, Committor) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("values", "coarser"):  # not there yet while it is copied
            raise AttributeError(name)
        return getattr(self.values, name)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __len__(self) -> int:
        return len(self.values)

    def _repr_html_(self) -> str:
        """The text, with a picture of the probability."""
        return with_field(repr(self), self.grid, self.values)

    def __repr__(self) -> str:
        return (
            f"Committor on {self.grid!r}\n  from {self.values.min():.3g} to {self.values.max():.3g}, {self.error.note}"
        )
