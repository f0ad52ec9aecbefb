"""Times until a target, or an absorbing wall, is first reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import bad_value
from ..model import initial_density as _density
from ..model.grid import Grid
from ..solvers.accuracy.coarsening import as_function, start_on_coarser
from ..solvers.accuracy.estimates import Errors, Estimate, estimate
from ..solvers.accuracy.fields import error_at_point, field_at
from ..solvers.accuracy.measure import worst
from ..solvers.discretization.generator import Generator
from ..storage.tables import Tabled, by_cell, value_and_error
from .error_warnings import OFF, warn_of_error
from .exit_passage import ExitPassage, ways_out
from .html import with_field
from .processes import InTime, Process
from .stationary import generator_of
from .stats import GridStats
from .survival_plot import SurvivalPlot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassage(Tabled, SurvivalPlot):
    """Times until a target, or an absorbing wall, is first reached; of a transfer operator they are numbers of steps.

    Attributes
    ----------
    grid : Grid
    mean : ndarray (*grid.shape)
        Mean time from each cell; zero on the target, infinite where the target may never be reached.
    second_moment : ndarray (*grid.shape)
        Mean squared time.
    target : ndarray of bool (*grid.shape)
    process : InTime or InSteps
        In time, the generator killed on the target.
    stats : GridStats
        Averaged over where paths from all over the rest of the box spend their time; order 1 where numerical diffusion shifts
        the times by a tenth. By attribute or by item.
    edge : callable or None
        The target as a function of the coordinates, where it was given so.
    error : Errors
        "mean", "second_moment" and "deviation" of the times, in each cell, (*grid.shape).
    coarser : the same passage on cells twice and four times as wide
    """

    grid: Grid
    mean: np.ndarray
    second_moment: np.ndarray
    target: np.ndarray
    process: Process
    stats: GridStats
    edge: Callable[..., np.ndarray] | None = None
    error: Errors = field(default_factory=Errors.unknown)
    coarser: tuple[FirstPassage, ...] = ()

    @property
    def generator(self) -> Generator:
        """The generator, killed on the target."""
        return generator_of(self.process)

    @property
    def fixed(self) -> np.ndarray:
        """Cells in which the time is given: the target, (*grid.shape)."""
        return self.target

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviation of the time from each cell, (*grid.shape)."""
        finite = np.isfinite(self.second_moment)
        square = np.where(finite, self.second_moment, 0.0) - np.where(finite, self.mean, 0.0) ** 2
        return np.where(finite, np.sqrt(np.maximum(square, 0.0)), np.inf)

    @cached_property
    def ways_out(self) -> dict[str, ExitPassage]:
        """One result for each way out, of an equation: "x low", "x high" by the names of the axes, "target", "killing"."""
        each = [(one.generator, ~one.target.ravel(), one._region) for one in (self, *self.coarser)]
        return ways_out(each, self.error.cap)

    def at(self, x: Any) -> float:
        """Mean time from a point, by cubic interpolation that knows the edge of the target and the walls."""
        place = self.grid.place(x, "x").tolist()
        regions = [] if self._region is None else [(self._region, 0.0)]
        in_time = isinstance(self.process, InTime)  # steps may end beyond an edge: the time does not vanish there
        return field_at(self.mean, self.grid, regions, place, continuous=in_time, reactive=self._reactive)

    def error_at(self, x: Any) -> float:
        """Error of `at(x)`, from its values on three grids; nan where the error was not measured."""
        if not self.coarser:
            return float("nan")
        values = [passage.at(x) for passage in (self, *self.coarser)]
        size = abs(values[0])
        return error_at_point(values, self.error.whole["mean"], self.error.cap, size, 1e-12 * size)

    def _columns(self) -> dict[str, np.ndarray]:
        mean, deviation = (value_and_error(name, getattr(self, name), self.error) for name in ("mean", "deviation"))
        return by_cell(self.grid, mean | deviation)

    @property
    def _reactive(self) -> set[tuple[int, int]]:
        """Walls, by axis and side, at which some of what touches them leaves."""
        exits = self.process.generator.exits if isinstance(self.process, InTime) else ()
        return {(e.axis, e.side) for e in exits if e.axis >= 0 and self.grid.boundary[e.axis][e.side] == "reflecting"}

    @property
    def _inside(self) -> Callable[..., np.ndarray]:
        """The target as a function of the coordinates."""
        return as_function(self.target, self.grid) if self.edge is None else self.edge

    @property
    def _region(self) -> Callable[..., np.ndarray] | None:
        """The target as a function of the coordinates, if there is one."""
        return self._inside if self.target.any() or self.edge is not None else None

    def _start(self, p0: Any) -> np.ndarray:
        """Masses of the paths that set out from a density, (*grid.shape): those that start in the target have arrived."""
        return _density.masses_outside(_density.initial_masses(p0, self.grid)[0], p0, self.grid, self._inside)

    def survival(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability of not having arrived at each of the increasing times, or numbers of steps, from the density p0.

        A ResolutionWarning says where its error, on three grids, is more than a tenth; `survival_error` returns it.
        """
        found = self.process.survival(self.target, self._start(p0), times, rtol)
        if self.coarser:
            warn_of_error(*worst(self._estimate("survival", found, times, p0, rtol)), OFF, "the survival", self.grid)
        return found

    def survival_error(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Error of `survival`, (n_times,); nan where the error of the passage was not measured."""
        found = self.process.survival(self.target, self._start(p0), times, rtol)
        if not self.coarser:
            return np.full(found.shape, np.nan)
        return self._estimate("survival", found, times, p0, rtol).error

    def _estimate(self, what: str, found: np.ndarray, times: Any, p0: Any, rtol: float) -> Estimate:
        values = [found]
        for passage in self.coarser:
            masses = start_on_coarser(p0, self.grid, passage.grid)
            masses = _density.masses_outside(masses, p0, passage.grid, passage._inside)
            ask = getattr(passage.process, what)
            values.append(ask(passage.target, masses, times, rtol))
        size = 1.0 if what == "survival" else float(np.abs(found).max(initial=0.0))
        return estimate(values[0] - values[1], values[1] - values[2], self.error.cap, rtol * size)

    def density(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability per time, or per step, of arriving at each of the increasing times, from the initial density p0."""
        return self.process.arrivals(self.target, self._start(p0), times, rtol)

    def density_error(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Error of `density`, (n_times,); nan where the error of the passage was not measured."""
        found = self.density(times, p0, rtol)
        if not self.coarser:
            return np.full(found.shape, np.nan)
        return self._estimate("arrivals", found, times, p0, rtol).error

    def plot(self, ax: Axes | None = None, log: bool = False, error: bool = False, *, title: str = "") -> Figure:
        """A figure of the mean time from each place, on `ax` if given: a curve in 1D, a map in 2D, the target in grey.

        With `log` on a logarithmic scale. With `error`, in 1D, the measured error stands around the curve.
        """
        from .field_figures import plot_field
        from .figure_style import check_band

        check_band(self, error)
        around = self.error["mean"] if error else None
        return plot_field(self.grid, self.mean, self.target, "mean time", ax, log, around, title=title)

    def _drawn(self, times: Any, p0: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.survival(times, p0), self.density(times, p0)

    def _drawn_errors(self, times: Any, p0: Any) -> tuple[np.ndarray, np.ndarray]:
        if not self.coarser:
            then = f"{self.error.note}."
            raise bad_value("error", "False for a passage without a measured error", True, then)
        return self.survival_error(times, p0), self.density_error(times, p0)

    def _repr_html_(self) -> str:
        """The text, with a picture of the mean times."""
        return with_field(repr(self), self.grid, self.mean)

    def __repr__(self) -> str:
        low, high = self.mean[~self.target].min(), self.mean.max()
        lines = [f"First passage on {self.grid!r}", f"  mean time  {low:.6g} to {high:.6g}, {self.error.note}"]
        return "\n".join(lines + self.stats.lines_on_batches())
