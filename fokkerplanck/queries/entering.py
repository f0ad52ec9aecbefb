"""What enters the box, as it was asked for: a reset of what has left, and a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import bad_value
from ..model.box import free_of_cells
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import initial_masses
from ..model.source import changes, delay_of, parts_of_source, size_in_time, source_in_time, source_masses
from ..solvers.accuracy.coarsening import coarsened_start, start_on_coarser
from ..solvers.evolution.open_system import Entering


class Asked(NamedTuple):
    """A reset and a source as they were given, or None, and the delay of the reset."""

    reset: Any = None
    source: Any = None
    delay: Any = 0.0

    def check(self, eq: FokkerPlanck) -> None:
        """Refuse an equation for which it is not said what they mean."""
        self.check_delay()
        if self.delay > 0.0 and changes(self.source):
            raise bad_value("delay", "0 beside a source that changes with time", self.delay)
        if eq.time_order < 1.0 and self:
            name, value = ("source", self.source) if self.reset is None else ("reset", self.reset)
            then = "Whether those who enter wait first is another equation."
            raise bad_value(name, "None with time_order below 1", value, then)

    def check_delay(self) -> None:
        """Refuse a delay that is none, or one of nothing."""
        delay_of(self.reset, self.delay)

    def check_free_of_cells(self) -> None:
        """Refuse arrays on the cells where the cells are not chosen yet."""
        free_of_cells("reset", self.reset)
        free_of_cells("source", None if self.source is None else parts_of_source(self.source)[1])

    def __bool__(self) -> bool:
        return self.reset is not None or self.source is not None

    def on(self, grid: Grid) -> Entering:
        """On the cells of a grid."""
        reset = None if self.reset is None else initial_masses(self.reset, grid, "reset")[0].ravel()
        if changes(self.source):
            return self._changing(reset, grid)
        source = None if self.source is None else source_masses(self.source, grid).ravel()
        return Entering(reset, source, float(self.delay))

    def _changing(self, reset: np.ndarray | None, grid: Grid) -> Entering:
        """With a source that changes, which is a function and so the same on every grid."""
        at = source_in_time(self.source, grid)
        return Entering(reset, None, float(self.delay), at, size_in_time(self.source, grid))

    def on_coarser(self, fine: Grid, coarse: Grid) -> Entering:
        """On a coarser grid, where they were given for a fine one."""
        reset = None if self.reset is None else start_on_coarser(self.reset, fine, coarse).ravel()
        if self.source is None:
            return Entering(reset, None, float(self.delay))
        if changes(self.source):
            return self._changing(reset, coarse)
        rate, density = parts_of_source(self.source)
        carried = coarsened_start(density, fine, coarse)
        source = source_masses(carried if rate is None else (rate, carried), coarse).ravel()
        return Entering(reset, source, float(self.delay))


class Put(NamedTuple):
    """Masses (*grid.shape) at the start, and what enters, on a grid."""

    start: np.ndarray
    entering: Entering

    def where(self, time: float) -> np.ndarray:
        """Where mass is put in until a time: shares of the cells, (*grid.shape)."""
        masses = self.entering.where(self.start.ravel(), time)
        return (masses / masses.sum()).reshape(self.start.shape)


@dataclass(frozen=True)
class Supply:
    """All that is put in, on any grid, in units of what it is by the end: followed and judged as a probability.

    masses, entering : of the start, and what enters, on the grid of the question
    found : the mass of the start before it was scaled to 1
    """

    p0: Any
    grid: Grid
    asked: Asked
    masses: np.ndarray
    entering: Entering
    found: float
    unit: float

    @classmethod
    def of(cls, p0: Any, grid: Grid, asked: Asked, times: np.ndarray) -> Supply:
        """As asked for on a grid, for output times (n_times,)."""
        masses, found = _starting_masses(p0, grid, asked)
        entering = asked.on(grid)
        unit = float(entering.supplied(masses, times)[-1])
        if unit == 0.0 and times[-1] > 0.0:
            raise bad_value("source", "positive somewhere at some time", "zero")
        if unit == 0.0:
            raise bad_value("times", "beyond 0 where the box is empty at first", times)
        return cls(p0, grid, asked, masses, entering, found, unit)

    def on(self, grid: Grid) -> Put:
        """On the grid of the question, or on one whose faces lie on zeros of D."""
        masses, entering = self.masses, self.entering
        if grid is not self.grid:
            masses, entering = _starting_masses(self.p0, grid, self.asked)[0], self.asked.on(grid)
        return Put(masses / self.unit, entering.in_units(self.unit))

    def on_coarser(self, coarse: Grid) -> Put:
        """On a coarser grid."""
        masses = np.zeros(coarse.shape) if self.p0 is None else start_on_coarser(self.p0, self.grid, coarse)
        return Put(masses / self.unit, self.asked.on_coarser(self.grid, coarse).in_units(self.unit))


def _starting_masses(p0: Any, grid: Grid, asked: Asked) -> tuple[np.ndarray, float]:
    """As `initial_masses`; with a source p0 may be None, for a box that is empty at first."""
    if p0 is None and asked.source is not None:
        return np.zeros(grid.shape), 0.0
    return initial_masses(p0, grid)
