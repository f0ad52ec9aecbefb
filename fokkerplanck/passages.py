"""Passages: how long until a target is reached, and which of two is reached first."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from .arguments import flag, takes_time
from .errors import SubcellWarning, bad_value, warn
from .model.box import Box, free_of_cells
from .model.equation import FokkerPlanck
from .model.grid import Grid
from .model.region import read_region
from .queries import autonomous, check_question
from .results.committor import Committor
from .results.first_passage import FirstPassage
from .results.first_passage_in_time import FirstPassageInTime, committor_from_time_zero, passage_in_time
from .results.measured import committor_errors, measured, passage_errors, warn_of_splitting, warn_of_times
from .results.processes import InTime
from .results.requests import check_systems
from .results.stats import GridStats
from .results.tolerance import to_tolerance
from .solvers.accuracy.coarsening import as_function
from .solvers.discretization.generator import Generator
from .solvers.discretization.resolution import resolution
from .solvers.discretization.scharfetter_gummel import generator
from .solvers.linear.absorption import Absorber, Region, absorb
from .solvers.linear.first_passage import BackwardEquation, solve_backward
from .solvers.linear.occupation_times import time_spent
from .solvers.linear.rates import Rates
from .wall_and_grid_warnings import resolved_passage, warn_of_resolution, warn_of_untreated


def first_passage(
    eq: FokkerPlanck, grid: Grid | Box, target: Any = None, *, error: bool = True, tol: float | None = None
) -> FirstPassage | FirstPassageInTime:
    """Times at which a target is first reached.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid, or with `tol` a Box
    target : boolean array on the grid, callable or None
        f(x, y) -> mask, vectorised: its edge is found between the cell centers, also where it is thinner than a cell, down to
        some thousandth of one where it is a strip. An array: its edge is at the cell faces.
        None: the absorbing walls. Absorbing walls, and killing, end a passage in any case; `ways_out` tells them apart. A
        function with a parameter `t`, f(x, y, t) -> mask, is a target that moves, such as a wall at b(t):
        `lambda x, t: x > b(t)`.
    error : bool
        Whether to measure the error on two coarser grids, see `solve`.
    tol : number, optional
        Error allowed in the mean times, summed over the cells, relative to the sum of the times. The cells are then
        chosen, see `solve`.

    Returns
    -------
    FirstPassage, or FirstPassageInTime where a coefficient or the target depends on time
    """
    flag("error", error)
    if tol is not None:
        _check_still(eq, tol, target)
        return to_tolerance(lambda there: first_passage(eq, there, target), grid, tol, error)
    grid = check_question(eq, grid)
    if eq.time_dependent or (callable(target) and takes_time(target)):
        return passage_in_time(eq, grid, target, error)
    autonomous(eq, grid, None)
    if eq.time_order < 1.0:
        then = "Waiting makes it infinite: ask fp.solve for the survival, its `mass` with absorbing walls."
        raise bad_value("time_order", "1 for a mean passage time", eq.time_order, then)
    ends = eq.ends_paths
    region = read_region("target", target, grid, optional=grid.absorbs or ends)
    check_systems(eq, grid, "passage", int((~region[0]).sum()))
    result, spent = _with_time_spent(_passage(eq, grid, region))
    if error:
        again = target if target is None else region[1] or as_function(region[0], grid)

        coarser = OnCoarser()

        def ask(other: FokkerPlanck, coarse: Grid) -> FirstPassage:
            with coarser.read():
                return _passage(other, coarse, read_region("target", again, coarse, optional=coarse.absorbs or ends))

        result = measured(result, ask, eq, passage_errors)
        coarser.judge(grid)
    warn_of_untreated(result.generator)
    if result.error:
        warn_of_times(result, eq, spent)
    else:
        stats = resolved_passage(result.generator, result.stats, spent, result.mean)
        result = replace(result, stats=stats)
    return result


def _passage(eq: FokkerPlanck, grid: Grid, target: Region) -> FirstPassage:
    """Passage times on one grid."""
    mask, inside = target
    q = absorb(generator(eq, grid), mask, inside)
    grid = q.grid
    outside = ~mask.ravel()
    equation = BackwardEquation(q, outside)
    mean = equation.solve(np.ones(grid.size), lasting=True)
    finite = np.where(np.isfinite(mean), mean, 0.0)
    second = equation.solve(2.0 * finite, lasting=True)
    second[np.isinf(mean)] = np.inf
    times = mean.reshape(grid.shape), second.reshape(grid.shape)
    return FirstPassage(grid, *times, mask, InTime(q), GridStats(), inside)


def _with_time_spent(result: FirstPassage) -> tuple[FirstPassage, np.ndarray]:
    """A passage with its stats, and the share of the time that paths spend in each cell, over which these are averages."""
    q, grid = result.generator, result.grid
    lasting = ~result.target.ravel() & np.isfinite(result.mean.ravel())
    spent = time_spent(Rates.of_generator(q), lasting, grid.volumes.ravel())
    return replace(result, stats=GridStats.of(resolution(q, (spent,)))), spent.reshape(grid.shape)


def committor(
    eq: FokkerPlanck, grid: Grid | Box, source: Any, target: Any, *, error: bool = True, tol: float | None = None
) -> Committor:
    """Probability of reaching the target before the source, from each cell.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid, or with `tol` a Box
    source, target : boolean array on the grid or callable
        Disjoint regions, as for `first_passage`.
    error : bool
        Whether to measure the error on two coarser grids, see `solve`.
    tol : number, optional
        Error allowed in the probability from each cell. The cells are then chosen, see `solve`.

    Returns
    -------
    Committor
        (*grid.shape): zero on the source, one on the target. It serves wherever an array does; `.at(x)` reads it anywhere.
        Coefficients, source and target may depend on time, f(x, y, t) -> mask; the paths then start at time 0.
    """
    flag("error", error)
    if tol is not None:
        _check_still(eq, tol, source, target)
        return to_tolerance(lambda there: committor(eq, there, source, target), grid, tol, error)
    grid = check_question(eq, grid)
    if eq.time_dependent or any(callable(region) and takes_time(region) for region in (source, target)):
        return _splitting_in_time(eq, grid, source, target, error)
    autonomous(eq, grid, None)
    goal, start = read_region("target", target, grid), read_region("source", source, grid)
    check_systems(eq, grid, "passage", int((~(goal[0] | start[0])).sum()), regions=2)
    result, q = _splitting(eq, grid, start, goal)
    outside = ~(goal[0] | start[0]).ravel()
    spent = time_spent(Rates.of_generator(q), outside, result.grid.volumes.ravel()).reshape(result.grid.shape)
    if error:
        again = [inside or as_function(mask, grid) for mask, inside in (start, goal)]

        coarser = OnCoarser()

        def ask(other: FokkerPlanck, coarse: Grid) -> Committor:
            with coarser.read():
                there = [read_region(n, f, coarse) for n, f in zip(("source", "target"), again, strict=True)]
                return _splitting(other, coarse, *there)[0]

        result = measured(result, ask, eq, committor_errors)
        coarser.judge(grid)
    warn_of_untreated(q)
    if result.error:
        warn_of_splitting(result, eq, spent)
    elif not q.untreated:
        stats = resolution(q, (spent,))
        warn_of_resolution(stats, "where paths spend their time", "the committor is first order")
    return result


def _splitting_in_time(eq: FokkerPlanck, grid: Grid, source: Any, target: Any, error: bool) -> Committor:
    """The committor of paths that start at time 0, where coefficients or regions change."""
    regions = [r if callable(r) else as_function(np.asarray(r), grid) for r in (source, target)]

    def ask(other: FokkerPlanck, there: Grid, *given: Any) -> Committor:
        return committor_from_time_zero(other, there, *(given or regions))

    result = ask(eq, grid, source, target)
    return measured(result, ask, eq, committor_errors) if error else result


def _splitting(eq: FokkerPlanck, grid: Grid, source: Region, target: Region) -> tuple[Committor, Generator]:
    """The committor on one grid, and its generator, killed on both regions."""
    (start, in_start), (goal, in_goal) = source, target
    if (goal & start).any():
        raise bad_value("source", "disjoint from `target`", f"{int((goal & start).sum())} cells in both")
    q = generator(eq, grid)
    grid = q.grid
    both, into = Absorber(grid, (source, target)).killed(q)
    outside = ~(goal | start).ravel()
    values = np.minimum(solve_backward(both, outside, into[1]).reshape(grid.shape) + goal, 1.0)
    edges = (in_start or as_function(start, grid), 0.0), (in_goal or as_function(goal, grid), 1.0)
    return Committor(grid, values, goal | start, edges), both


class OnCoarser:
    """Regions on coarser grids: nothing is said of what is thin there, and `lost` if one is too small for such cells."""

    lost = False

    @contextmanager
    def read(self) -> Iterator[None]:
        """Around the question on one coarser grid."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SubcellWarning)
            try:
                yield
            except ValueError:
                self.lost = True
                raise

    def judge(self, grid: Grid) -> None:
        """A warning where the error could not be measured."""
        if self.lost:
            wished = " x ".join(str(4 * n) if n > 1 else "1" for n in grid.shape)
            text = (
                "the target or source is so small that cells twice or four times as wide do not see it: the error is not "
                f"measured, and times to reach what is a few cells wide are off by tens of per cent. Take {wished} cells."
            )
            warn(text, SubcellWarning)


def _check_still(eq: Any, tol: Any, *regions: Any) -> None:
    """Refuse a tolerance for passages whose error is not measured, and for regions by cells."""
    for name, region in zip(("target",) if len(regions) == 1 else ("source", "target"), regions, strict=True):
        free_of_cells(name, region)
    moving = any(callable(region) and takes_time(region) for region in regions)
    if moving or getattr(eq, "time_dependent", False):
        then = "Choose the cells, and read `survival_error` or `error_at`."
        raise bad_value("tol", "None for passages whose target or coefficients depend on time", tol, then)
