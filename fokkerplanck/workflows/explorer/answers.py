"""The numbers and sentences of the explorer: a pure function of its state, computed as `fokkerplanck run` computes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...model.grid import Grid
from ...results.figure_style import stretch
from ...storage.tables import csv_text
from ..add_answers import noting
from ..outcome import Outcome, Problem, Report, compared
from ..run import build, solved
from ..run_report import verdicts
from .state import State

SGD = "SGD"  # what tables call the simulation
PLACES = {1: 401, 2: 81}  # an axis at which a landscape is read, by dimension


@dataclass(frozen=True)
class Frame:
    """Everything at one time.

    Attributes
    ----------
    time : float
    densities : dict of arrays (*grid.shape)
        By model; of "SGD" the histogram of the simulated paths.
    errors : dict of float
        Of each model's density, in the 1-norm, as measured on three grids; nan where it is not known.
    moments : tuple of dicts
        The rows of the table of `fokkerplanck run` at this time.
    verdict : tuple of str
        How each model stands against SGD.
    """

    time: float
    densities: dict[str, np.ndarray]
    errors: dict[str, float]
    moments: tuple[dict[str, Any], ...]
    verdict: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """What the explorer shows of a state.

    Attributes
    ----------
    state : State
    grid : Grid
    landscape : tuple of arrays (x, loss) or (x, y, loss), or None
        At evenly spaced places.
    frames : tuple of Frame
        At `state.times`.
    stationary : dict of arrays
        The density at rest by model, where there is one.
    sentences : tuple of str
        Moments and shares at rest, and the mean time to the target.
    notes : tuple of str
        Warnings.
    paths : int
        Of the simulation; 0 for an equation.
    """

    state: State
    grid: Grid
    landscape: tuple[np.ndarray, ...] | None
    frames: tuple[Frame, ...]
    stationary: dict[str, np.ndarray]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    paths: int

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the coordinates."""
        return self.state.spec.variables

    def frame(self, time: float) -> Frame:
        """The frame whose time is nearest."""
        return min(self.frames, key=lambda frame: abs(frame.time - time))

    def window(self) -> tuple[tuple[float, float], ...]:
        """The stretch of each axis that holds the densities at all times, and at rest."""
        volumes = np.asarray(self.grid.volumes)
        fields = [density for frame in self.frames for density in frame.densities.values()]
        masses = np.array([*fields, *self.stationary.values()]) * volumes
        spans = (stretch(self.grid, axis, masses) for axis in range(self.grid.dim))
        return tuple((float(low), float(high)) for low, high in spans)

    def about(self) -> str:
        """On how many cells and from how many paths the answers are."""
        cells = " x ".join(map(str, self.grid.shape))
        return f"{cells} cells" + (f", {self.paths} simulated runs" if self.paths else "")

    def csv(self) -> str:
        """All densities as comma-separated values: time, coordinates, a column a model; at rest the time is inf."""
        models = list(dict.fromkeys(name for frame in self.frames for name in frame.densities))
        places = [np.broadcast_to(c, self.grid.shape).ravel() for c in self.grid.coordinates()]
        rows: list[tuple[Any, ...]] = []
        for time, densities in [*((f.time, f.densities) for f in self.frames), (np.inf, self.stationary)]:
            columns = [densities[m].ravel().tolist() if m in densities else [None] * self.grid.size for m in models]
            rows += zip([float(time)] * self.grid.size, *(p.tolist() for p in places), *columns, strict=True)
        return csv_text(("t", *self.names, *models), rows)


def answer(state: State, report: Report = lambda text, share: None) -> Answers:
    """Solve what a state asks for, simulate it where it is SGD, and judge it.

    Parameters
    ----------
    state : State
    report : callable (text, share), optional
        Told what is being done and how much of the whole is done.

    Raises
    ------
    ValueError, ConvergenceError
        With the sentence for the user.
    """
    early: list[str] = []
    with noting(early, "grid"):
        problem = build(state.run_file)
    output = problem.spec.output.model_copy(update={"times": state.times})
    problem = dataclasses.replace(problem, spec=problem.spec.model_copy(update={"output": output}))
    (case,) = problem.cases
    outcome = solved(problem, case, report, between=0)
    frames = _frames(problem, outcome)
    return Answers(
        state=state,
        grid=problem.grid,
        landscape=_landscape(problem),
        frames=frames,
        stationary={model: found.density for model, found in outcome.stationary.items()},
        sentences=tuple(outcome.answers),
        notes=(*early, *outcome.notes),
        paths=0 if outcome.ensemble is None else outcome.ensemble.n_paths,
    )


def _frames(problem: Problem, outcome: Outcome) -> tuple[Frame, ...]:
    times = problem.spec.output.times
    table = compared(outcome, times)
    paths = None if outcome.ensemble is None else outcome.ensemble.density(problem.grid)
    frames = []
    for k, time in enumerate(times):
        densities = {model: sol.density[k] for model, sol in outcome.solutions.items()}
        errors = {model: _error(sol, k) for model, sol in outcome.solutions.items()}
        here = dataclasses.replace(table, rows=tuple(row for row in table.rows if row[0] == time))
        outcome.comparison = here
        frames.append(
            Frame(
                time,
                densities if paths is None else densities | {SGD: paths[k]},
                errors,
                tuple(dict(zip(here.columns, row, strict=True)) for row in here.rows),
                tuple(verdicts(outcome, problem.grid)),
            )
        )
    outcome.comparison = table
    return tuple(frames)


def _error(sol: Any, k: int) -> float:
    return float(sol.error["density"][k]) if "density" in sol.error else float("nan")


def _landscape(problem: Problem) -> tuple[np.ndarray, ...] | None:
    """Places along each axis, and the loss or the potential there."""
    if problem.value is None:
        return None
    count = PLACES[problem.grid.dim]
    axes = [np.linspace(edges[0], edges[-1], count) for edges in problem.grid.edges]
    places = np.meshgrid(*axes, indexing="ij")
    with np.errstate(all="ignore"):  # a landscape may be infinite at the edge of its box
        values = np.asarray(problem.value(*places), dtype=float)
    return (*axes, np.broadcast_to(values, places[0].shape))
