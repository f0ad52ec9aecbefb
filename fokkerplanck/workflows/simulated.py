"""Simulated paths of a run: of SGD itself, or of an equation where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.equation import FokkerPlanck
from ..model.initial_density import CellDensity, InitialDensity, initial_masses
from ..simulation.euler_maruyama import simulate
from .add_answers import noting
from .answers import listed
from .outcome import Outcome, Problem, Report
from .runfile import naming

if TYPE_CHECKING:
    from ..results.ensemble import Ensemble

USUAL = 20_000  # paths of SGD where their number is not given


def add_paths(problem: Problem, outcome: Outcome, report: Report) -> None:
    """Add to an outcome the paths of SGD, or those of its equation, and what they say of how many are left or reset."""
    case, asked = outcome.case, problem.spec.simulation
    if case.sgd is not None:
        report("simulating SGD", 0.5)
        paths, seed = (asked.paths, asked.seed) if asked else (USUAL, 0)
        with noting(outcome.notes, "SGD"):
            steps = [int(t) for t in problem.spec.output.times]
            outcome.ensemble = case.sgd.simulate(problem.p0, steps, n_paths=paths, seed=seed)
    elif asked is not None:
        report("simulating paths", 0.5)
        (eq,) = case.models.values()
        assert eq is not None
        found = _paths(problem, eq, outcome.notes)
        outcome.answers += left_and_reset(found)
        outcome.ensemble = _without_ended(found)


def _paths(problem: Problem, eq: FokkerPlanck, notes: list[str]) -> Ensemble:
    """Paths of an equation between the walls of the grid."""
    asked, grid = problem.spec.simulation, problem.grid
    assert asked is not None
    assert asked.dt is not None  # refused when the file is read

    def drawn(density: Any) -> Any:
        given = density is None or isinstance(density, InitialDensity)
        return density if given else CellDensity(grid, initial_masses(density, grid)[0])

    entering = problem.entering
    again = {"reset": drawn(entering["reset"]), "delay": entering["delay"]} if "reset" in entering else {}
    words = {"dt": "simulation.dt", "n_paths": "simulation.paths", "swarm_size": "simulation.swarm_size"}
    with noting(notes, "simulation"), naming(**words, eq="equation", grid="grid", times="output.times", reset="reset"):
        return simulate(
            eq,
            drawn(problem.p0),
            problem.spec.output.times,
            asked.dt,
            n_paths=asked.paths,
            seed=asked.seed,
            grid=grid,
            swarm_size=asked.swarm_size,
            **again,
        )


def _without_ended(paths: Ensemble) -> Ensemble:
    """Paths that are outside once they have ended, so that moments are of those that are left."""
    if paths.exit_times is None:
        return paths
    ended = paths.exit_times <= paths.times[:, None]
    return replace(paths, positions=np.where(ended[:, :, None], np.nan, paths.positions), outside=ended)


def left_and_reset(paths: Ensemble) -> list[str]:
    """How many paths are left, and how often each was reset, by the output times, with standard errors."""
    at, n = f"by t = {listed(paths.times)}", paths.n_paths
    sentences = []
    if paths.exit_times is not None:
        left = (paths.exit_times > paths.times[:, None]).mean(axis=1)
        shares = listed(left, np.sqrt(np.maximum(left * (1.0 - left), 1.0 / n) / n))  # of none that ended: one may
        sentences.append(f"Of {n} simulated paths a share of {shares} is left {at}.")
    if paths.resets is not None:
        often = listed(paths.resets.mean(axis=1), paths.resets.std(axis=1) / np.sqrt(n))
        sentences.append(f"A simulated path is reset {often} times {at}.")
    return sentences
