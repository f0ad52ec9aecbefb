"""First passage where coefficients, or the target itself, change with time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConvergenceError, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import InitialDensity, initial_masses, masses_outside, point
from ..model.region import RegionInTime, any_region_in_time, region_in_time
from ..progress import Pace
from ..solvers.accuracy.coarsening import start_on_coarser
from ..solvers.accuracy.estimates import Estimate, estimate
from ..solvers.accuracy.measure import FAILURES, repeated, worst
from ..solvers.evolution.committor_in_time import committor_by_cells
from ..solvers.evolution.moving_target import Motion, Sweep
from ..solvers.evolution.passage_in_time import Passage, committor_in_time, windows
from ..solvers.evolution.survival_integral import time_spent_until
from .committor import Committor
from .error_warnings import OFF, warn_of_error
from .requests import check_rtol, output_times
from .survival_plot import SurvivalPlot

if TYPE_CHECKING:
    pass

RTOL = 1e-6  # of answers, in time
COMMITTOR, BY_CELLS = 1e-8, 1e-6  # of the paths: followed until less is left, in 1D and where edges move over the cells


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassageInTime(SurvivalPlot):
    """When a target is first reached by paths that start at time 0, as coefficients or the target change.

    Attributes
    ----------
    grid : Grid
    eq : FokkerPlanck
    inside : callable or None
        In 1D between walls (x, t) -> mask of the target: the gaps outside it are mapped onto a fixed interval, so that its
        edges move smoothly through the cells. None elsewhere.
    region : RegionInTime, or None
        The target in two or more dimensions, on a ring and with jumps: its edges move over the cells.
    measures : bool
        Whether answers are asked for on two coarser grids too, for their errors.
    """

    grid: Grid
    eq: FokkerPlanck
    inside: Callable[..., np.ndarray] | None
    region: RegionInTime | None = None
    measures: bool = True

    def survival(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability of not having arrived at each of the increasing times, from the initial density p0.

        A ResolutionWarning says where its error, on three grids, is more than a tenth; `survival_error` returns it.
        """
        found = self._totals(times, p0, rtol)[0]
        self._warn(partial(self._estimate, found, p0, _survival, times, rtol), "the survival")
        return found

    def survival_error(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Error of `survival`, (n_times,); nan where it cannot be measured, on too few cells or with `error=False`."""
        return self._error(self._totals(times, p0, rtol)[0], p0, _survival, times, rtol)

    def density(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability per time of arriving at each of the increasing times, from the initial density p0.

        Without what a target covers at one moment, as when its edge jumps: that is a step of the survival.
        """
        return self._totals(times, p0, rtol)[1]

    def density_error(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Error of `density`, (n_times,); nan where it cannot be measured."""
        return self._error(self._totals(times, p0, rtol)[1], p0, _arrivals, times, rtol)

    def mean(self, p0: Any, rtol: float = 1e-6) -> float:
        """The mean time of arrival, the integral of the survival, of paths that start from the density p0 at time 0.

        A ResolutionWarning says where its error, on three grids, is more than a tenth of it; `mean_error` returns it.

        Raises
        ------
        ConvergenceError
            If paths keep staying away, so that the mean is infinite or much longer than the time that was followed.
        """
        found = self._mean(p0, rtol)

        def relative() -> Estimate | None:
            seen = self._estimate(np.array(found), p0, FirstPassageInTime._mean, rtol)
            return None if seen is None else seen._replace(error=seen.error / max(found, 1e-300))

        self._warn(relative, "the mean passage time (relative)")
        return found

    def mean_error(self, p0: Any, rtol: float = 1e-6) -> float:
        """Error of `mean`; nan where it cannot be measured."""
        found, off = self._time_spent(p0, rtol)
        return float(np.maximum(self._error(np.array(found), p0, FirstPassageInTime._mean, rtol), off))

    def _drawn(self, times: Any, p0: Any) -> tuple[np.ndarray, np.ndarray]:
        return self._totals(times, p0, RTOL)

    def _drawn_errors(self, times: Any, p0: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.survival_error(times, p0), self.density_error(times, p0)

    def _totals(self, times: Any, p0: Any, rtol: float) -> tuple[np.ndarray, np.ndarray]:
        """What is left, and what arrives per time, at each of the times."""
        array = output_times(times)
        left, rates = zip(*self._from(p0, rtol).totals(array, rtol), strict=True)
        return np.array(left), np.array(rates)

    @cached_property
    def _coarser(self) -> list[FirstPassageInTime]:
        """The same on cells twice and four times as wide; none where there are too few, or the target is lost between them."""
        if not self.measures:
            return []
        try:
            return repeated(self._on, self.eq, self.grid)
        except FAILURES:
            return []

    def _on(self, eq: FokkerPlanck, grid: Grid) -> FirstPassageInTime:
        region = None if self.region is None else self.region.on(grid)
        return FirstPassageInTime(grid, eq, self.inside, region, False)

    def _estimate(self, found: np.ndarray, p0: Any, ask: Callable[..., Any], *how: Any) -> Estimate | None:
        """The error of what `ask` finds on this grid; `how` ends with its rtol."""
        values = [found]
        try:
            for other in self._coarser:
                masses = start_on_coarser(p0, self.grid, other.grid)
                # a law as it is, as what of it lies in the target has arrived
                start = p0 if isinstance(p0, InitialDensity) else masses / other.grid.volumes
                values.append(
                    np.asarray(ask(other, *how[:-1], start, how[-1]) if how[:-1] else ask(other, start, how[-1]))
                )
        except FAILURES:
            return None
        if len(values) < 3:
            return None
        return estimate(values[0] - values[1], values[1] - values[2], floor=how[-1] * np.abs(found).max(initial=0.0))

    def _error(self, found: np.ndarray, p0: Any, ask: Callable[..., Any], *how: Any) -> np.ndarray:
        seen = self._estimate(found, p0, ask, *how)
        return np.full(found.shape, np.nan) if seen is None else seen.error

    def _warn(self, seen: Callable[[], Estimate | None], what: str) -> None:
        if self._coarser and (found := seen()) is not None:
            warn_of_error(*worst(found), OFF, what, self.grid)

    def _mean(self, p0: Any, rtol: float) -> float:
        return self._time_spent(p0, rtol)[0]

    def _time_spent(self, p0: Any, rtol: float) -> tuple[float, float]:
        """The integral of the survival, and what two rules in time differ by."""
        paths: Any = self._from(p0, rtol)
        total, off, start, before, last = 0.0, 0.0, 0.0, 1.0, 1.0
        pace = Pace(__name__, "mean time of arrival")
        for end in windows(self.eq, self.grid):
            pace(1.0 - last, f"{last:.2g} of the paths left at t = {start:.4g}")
            spent = time_spent_until(end, paths, start, rtol, total)
            total, off, paths, last = total + spent.time, off + spent.off, spent.paths, spent.left
            # what is left goes on to decay as it did over the last window, which is half of all the time so far
            tail = last * (end - start) / max(np.log(before / last), 1e-300) if last > 0.0 else 0.0
            if tail <= rtol * total:
                return total + tail, off
            start, before = end, last
        text = f"{last:.2g} of the paths has not arrived by t = {start:.3g}: the mean may be infinite"
        raise ConvergenceError(text, total)

    def at(self, x: Any) -> float:
        """The mean time of arrival from a point at time 0."""
        return self.mean(point(x))

    def error_at(self, x: Any) -> float:
        """Error of `at(x)`; nan where it cannot be measured."""
        return self.mean_error(point(x))

    def _inside_at_first(self, *coords: np.ndarray) -> np.ndarray:
        """Whether places are in the target at time 0."""
        if self.region is not None:
            return self.region.holds(0.0, *coords)
        assert self.inside is not None
        return np.ravel(self.inside(*coords, np.zeros(1)))

    def _from(self, p0: Any, rtol: float) -> Passage | Sweep:
        """The paths from a density, to be followed."""
        check_rtol(rtol)
        masses = masses_outside(initial_masses(p0, self.grid)[0], p0, self.grid, self._inside_at_first)
        if self.region is not None:
            return Sweep(self.eq, self.grid, Motion(self.grid, (self.region,)), masses)
        assert self.inside is not None
        return Passage(self.eq, self.grid, self.inside, masses.reshape(1, -1))

    def __repr__(self) -> str:
        return f"First passage in time on {self.grid!r}\n  ask for survival(times, p0), density(times, p0) or mean(p0)"


def _survival(passage: FirstPassageInTime, times: Any, p0: Any, rtol: float) -> np.ndarray:
    return passage._totals(times, p0, rtol)[0]


def _arrivals(passage: FirstPassageInTime, times: Any, p0: Any, rtol: float) -> np.ndarray:
    return passage._totals(times, p0, rtol)[1]


def passage_in_time(eq: FokkerPlanck, grid: Grid, target: Any, measures: bool = True) -> FirstPassageInTime:
    """First passage where coefficients or the target change, see `queries.first_passage`."""
    _plain_process(eq)
    if grid.dim == 1 and not grid.periodic(0) and eq.jumps is None:
        return FirstPassageInTime(
            grid, eq, region_in_time("target", target, grid, optional=grid.absorbs), None, measures
        )
    ends = grid.absorbs
    return FirstPassageInTime(grid, eq, None, any_region_in_time("target", target, grid, optional=ends), measures)


def committor_from_time_zero(eq: FokkerPlanck, grid: Grid, source: Any, target: Any) -> Committor:
    """Committor of paths that start at time 0, where coefficients or the regions change."""
    _plain_process(eq)
    if grid.dim > 1 or grid.periodic(0) or eq.jumps is not None:
        return _committor_by_cells(eq, grid, source, target)
    goal, start = region_in_time("target", target, grid), region_in_time("source", source, grid)
    ends, begins = (partial(_at_time_zero, region) for region in (goal, start))
    reached, left = ends(grid.centers[0]), begins(grid.centers[0])
    if (both := reached & left).any():
        raise bad_value("source", "disjoint from `target`", f"{int(both.sum())} cells in both at time 0")
    values = committor_in_time(eq, grid, start, goal, COMMITTOR)
    return Committor(grid, values, reached | left, ((begins, 0.0), (ends, 1.0)))


def _committor_by_cells(eq: FokkerPlanck, grid: Grid, source: Any, target: Any) -> Committor:
    start, goal = any_region_in_time("source", source, grid), any_region_in_time("target", target, grid)
    reached, left = goal.at(0.0)[0], start.at(0.0)[0]
    if (both := reached & left).any():
        raise bad_value("source", "disjoint from `target`", f"{int(both.sum())} cells in both at time 0")
    values = committor_by_cells(eq, grid, start, goal, BY_CELLS, RTOL).reshape(grid.shape)
    edges = (partial(start.holds, 0.0), 0.0), (partial(goal.holds, 0.0), 1.0)
    return Committor(grid, values, reached | left, edges)


def _at_time_zero(region: Callable[..., np.ndarray], x: np.ndarray) -> np.ndarray:
    return region(x, np.zeros(1))


def _plain_process(eq: FokkerPlanck) -> None:
    """Paths without memory and killing that do not see one another."""
    if eq.ends_paths:
        raise bad_value(
            "eq",
            "without killing and reactive walls for passages that change in time",
            eq,
            "Follow it in time with fp.solve.",
        )
    if eq.interaction is not None:
        raise bad_value("eq", "independent of the density here", "an interaction", "Follow it in time with fp.solve.")
    if eq.time_order < 1.0:
        then = "Waiting makes passages infinite: ask fp.solve for the survival, its `mass` with absorbing walls."
        raise bad_value("time_order", "1 for a passage", eq.time_order, then)
