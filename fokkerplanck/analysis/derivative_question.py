"""What a derivative is asked of: which answer, and on which grid."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arguments import number, whole
from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import InitialDensity
from ..model.region import read_region
from ..queries import autonomous
from ..queries.checks import check_question
from ..results.requests import check_systems
from ..solvers.accuracy.coarsening import as_function, start_on_coarser
from ..solvers.discretization.scharfetter_gummel import generator
from .laws import cells_stay


class Question(NamedTuple):
    """The arguments of `fp.derivative` that say which answer is meant."""

    observe: Any
    quantile: float | None
    start: Any
    time: float | None
    source: Any
    target: Any
    mode: int | None
    reset: Any
    delay: float

    @property
    def of_law(self) -> bool:
        """Whether it is about a law, at rest or at a time."""
        return self.observe is not None or self.quantile is not None

    @property
    def at_rest(self) -> bool:
        """Whether that is the stationary law of an equation without resets."""
        return self.of_law and self.time is None and self.reset is None

    @property
    def what(self) -> str:
        """The answer in words."""
        if self.of_law:
            name = "mean" if self.quantile is None else "quantile"
            return f"stationary {name}" if self.time is None else f"{name} at time {self.time:g}"
        if self.mode is not None:
            return "eigenvalue"
        if self.reset is not None:
            return "resets per time"
        return "mean first passage time" if self.source is None else "probability"

    @property
    def systems(self) -> str | None:
        """What has to fit into memory."""
        return (
            None
            if self.time is not None
            else "stationary"
            if self.of_law
            else "modes"
            if self.mode is not None
            else "passage"
        )


def checked_question(
    observe: Any, quantile: Any, start: Any, time: Any, source: Any, target: Any, mode: Any, reset: Any, delay: Any
) -> Question:
    """The question, or what is wrong with it."""
    given = {"observe": observe, "quantile": quantile, "start": start, "mode": mode, "reset": reset}
    named = [name for name, value in given.items() if value is not None]
    law, rest = (
        [name for name in named if name in ("observe", "quantile")],
        [n for n in named if n in ("start", "mode", "reset")],
    )
    if not named:
        raise bad_value("observe", "given, or `quantile`, `start`, `mode` or `reset` in its place", "none")
    if len(law) > 1 or len(rest) > 1 or (law and rest == ["mode"]):
        raise bad_value(
            named[0], "one of several answers", " and ".join(f"`{n}`" for n in named), "Ask for one at a time."
        )
    if time is not None and (start is None or not law):
        then = "Give `start` and `observe`, such as lambda x: 1 for the share that is left."
        raise bad_value("time", "given together with `start` and `observe` or `quantile`", time, then)
    if start is None and (target is not None or source is not None):
        raise bad_value("target" if target is not None else "source", "left out without `start`", "one")
    if source is not None and (target is None or time is not None):
        rule = "left out with `time`" if time is not None else "left out without `target`"
        raise (
            bad_value("source", rule, "one")
            if time is not None
            else bad_value("target", "given together with `source`", None)
        )
    if quantile is not None:
        quantile = number("quantile", quantile, "between 0 and 1", lambda v: 0.0 < v < 1.0)
    if time is not None:
        time = number("time", time, "a positive number", lambda v: 0.0 < v < np.inf)
    delay = number("delay", delay, "at least 0", lambda v: 0.0 <= v < np.inf)
    if delay > 0.0 and reset is None:
        raise bad_value("delay", "0 without `reset`", delay)
    mode = None if mode is None else whole("mode", mode, 0)
    return Question(observe, quantile, start, time, source, target, mode, reset, delay)


def fitting_grid(eq: FokkerPlanck, grid: Grid, question: Question) -> Grid:
    """The grid, its axes called as the coordinates; what cannot be asked of the equation is refused."""
    if question.at_rest and eq.interaction is None and question.start is not None:
        name = "observe" if question.quantile is None else "quantile"
        raise bad_value("time", f"given with `start` and `{name}`", None, "Without `start` it is the stationary law.")
    if question.at_rest and eq.interaction is not None and not eq.time_dependent:
        grid = check_question(eq, grid)
        check_systems(eq, grid, "modes")
    elif question.time is not None and eq.time_dependent and eq.interaction is None:
        grid = check_question(eq, grid)
    else:
        grid = autonomous(eq, grid, question.systems)
        cells_stay(generator(eq, grid), grid)
    if eq.time_order < 1.0 and not question.at_rest:
        raise bad_value("time_order", "1 for a derivative of what is not at rest", eq.time_order)
    if question.quantile is not None and grid.dim > 1:
        raise bad_value("quantile", "left out in two and more dimensions", question.quantile)
    return grid


def on_cells(question: Question, grid: Grid, eq: FokkerPlanck) -> Question:
    """The question with its regions as masks with functions on a grid."""
    if question.start is None or question.at_rest or (question.time is not None and question.target is None):
        return question
    ends = question.time is None and (grid.absorbs or eq.ends_paths)
    goal = read_region("target", question.target, grid, optional=ends)
    if question.source is None:
        return question._replace(target=goal)
    return question._replace(target=goal, source=read_region("source", question.source, grid))


def coarsened(question: Question, grid: Grid, coarse: Grid) -> Question:
    """The question on a coarser grid, to which regions and starts that are given by cells are carried over."""

    def region(given: Any) -> Any:
        return given if given is None or callable(given) else as_function(np.asarray(given, dtype=bool), grid)

    def density(given: Any) -> Any:
        if given is None or isinstance(given, InitialDensity):
            return given
        return start_on_coarser(given, grid, coarse) / coarse.volumes

    return question._replace(
        source=region(question.source),
        target=region(question.target),
        start=density(question.start),
        reset=density(question.reset),
    )
