"""What a run says in words: agreement with simulated paths, by how much not, and what the grid of an operator does to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..model.grid import Grid
from ..results.solution import Solution
from ..results.stats import SolutionStats
from ..wall_and_grid_warnings import NOTHING, SMEARED

if TYPE_CHECKING:
    from .outcome import Outcome

FOURTH = "twice as many cells divide it by four"
RESOLVED = 0.02  # of a cell: differences below it lie within what the grid leaves open
CLAMPED = 1e-3  # meetings of a path with a reflecting wall from which a box is named as the reason


class Paths(NamedTuple):
    """What sentences call simulated paths."""

    name: str
    runs: str


PATHS = {"SGD": Paths("SGD", "the runs of SGD"), "simulation": Paths("the simulated paths", "the simulated paths")}


class Gap(NamedTuple):
    """How far a model is from simulated SGD in one moment along one axis: in units of the error of SGD, and of both."""

    of_sampling: float
    of_all: float
    moment: str
    axis: int
    source: str


def verdicts(outcome: Outcome, grid: Grid, limit: float = 3.0) -> list[str]:
    """One plain sentence for each time and model: whether it agrees with the paths, by how much it does not, and why."""
    tab, whom = outcome.comparison, PATHS[outcome.reference]
    if outcome.ensemble is None or tab is None:
        return []
    rows = [dict(zip(tab.columns, row, strict=True)) for row in tab.rows]
    sentences = []
    for t in dict.fromkeys(row["t"] for row in rows):
        lost = outcome.ensemble.diverged_at(t)
        if lost > 0.0:
            rest = "There is nothing to compare with." if lost == 1.0 else "The others are compared."
            sentences.append(f"t = {t:g}: {lost:.2%} of {whom.runs} have diverged. {rest}")
        here = [row for row in rows if row["t"] == t]
        truth = {row["axis"]: row for row in here if row["model"] == outcome.reference}
        if lost == 1.0 or not truth:
            continue
        if not all(math.isfinite(row["se_mean"]) for row in truth.values()):
            sentences.append(f"t = {t:g}: the moments of {whom.runs} overflow. There is nothing to compare with.")
            continue
        for model in outcome.solutions:
            gaps = [g for row in here if row["model"] == model for g in _gaps(row, truth, grid)]
            solution = outcome.solutions[model]
            unknown = "" if solution.error else solution.error.note
            sentences.append(f"t = {t:g}: {model} {_verdict(gaps, limit, solution.stats, unknown, whom.name)}")
    return sentences


def _gaps(row: dict[str, Any], along: dict[str, Any], grid: Grid) -> list[Gap]:
    """Those of mean and deviation to the rows of SGD, by axis; 0 where the grid cannot tell two values apart."""
    axis, truth = list(along).index(row["axis"]), along[row["axis"]]
    cell = float(grid.widths[axis].min())
    gaps = []
    for moment in ("mean", "deviation"):
        apart = abs(row[moment] - truth[moment])
        apart = apart if apart > RESOLVED * cell else 0.0
        sampling, own = truth[f"se_{moment}"] or 0.0, row[f"se_{moment}"] or 0.0
        of_sampling, of_all = _ratio(apart, sampling), _ratio(apart, math.hypot(sampling, own))
        gaps.append(Gap(of_sampling, of_all, moment, axis, row["largest_error"] or "sampling"))
    return gaps


def _ratio(apart: float, error: float) -> float:
    return 0.0 if apart == 0.0 else apart / error if error > 0.0 else math.inf


def _verdict(gaps: list[Gap], limit: float, stats: SolutionStats, unknown: str = "", whom: str = "SGD") -> str:
    """Agreement; or a difference that the model's own error explains, or that nothing is said of as that error is `unknown`; or
    one that it does not, with its reason."""
    worst, beside = max(gaps, key=lambda gap: gap.of_all), max(gaps)
    reason = _reason(worst, stats)
    if worst.of_all > limit and (reason or not unknown):
        return f"is off by {_shown(worst.of_all)} standard errors in the {worst.moment}{reason}."
    if worst.of_all > limit:
        off = f"its {worst.moment} is off by {_shown(worst.of_all)} standard errors of the simulation"
        return f"cannot be compared with {whom}: {off}, and its own error is not known ({unknown})."
    if beside.of_sampling > limit:
        source = {
            "grid": f"its grid: take {_cells_for(beside)} times as many cells along each axis",
            "batches": "its sampled batches: take more",
            "step": "its time step",
        }
        return (
            f"cannot be told from {whom}: its {beside.moment} is off by {_shown(beside.of_sampling)} standard errors of the "
            f"simulation, within the error of {source.get(beside.source, beside.source)}."
        )
    return f"agrees with {whom} within {limit:g} standard errors."


def _shown(size: float) -> str:
    return f"{size:.1f}" if size < 10.0 else f"{size:.0f}" if size < 1000.0 else "more than 1000"


def _reason(gap: Gap, stats: SolutionStats) -> str:
    """What makes a density differ from SGD other than its model: its box, or the projection on its grid."""
    if stats.clamped > CLAMPED:
        return f", by its box: a path meets a reflecting wall {stats.clamped:.2g} times (take wider bounds)"
    if stats.smearing is None or stats.noise is None or gap.moment != "deviation" or gap.axis not in _smeared(stats):
        return ""
    smearing, noise = stats.smearing[gap.axis], stats.noise[gap.axis]
    share = (
        f"{smearing / noise:.0%} of SGD's variance"
        if noise > NOTHING * smearing
        else f"a variance of {smearing:.2g}, SGD by none"
    )
    more = (
        f"take {_shown(math.sqrt(smearing / (SMEARED * noise)))} times as many cells"
        if noise > NOTHING * smearing
        else FOURTH
    )
    return f", by its grid: the projection adds {share} a step ({more})"


def _cells_for(gap: Gap) -> str:
    """By how many times more cells the error of a grid, of second order, comes down to that of the simulation."""
    own = math.sqrt(max((gap.of_sampling / gap.of_all) ** 2 - 1.0, 1.0)) if 0.0 < gap.of_all < math.inf else 4.0
    return _shown(max(math.sqrt(own), 2.0))


def chain_notes(sol: Solution) -> list[str]:
    """What to know about the box of a transfer operator, where it matters."""
    notes = []
    met = sol.stats.clamped
    if met > CLAMPED:
        notes.append(f"a path met a reflecting wall {met:.2g} times on average. Take wider bounds.")
    return notes


def _smeared(stats: SolutionStats) -> list[int]:
    """The axes along which a grid adds more than a share `SMEARED` to the noise of a step, the most smeared first."""
    excess = np.array(stats.smearing) - SMEARED * np.array(stats.noise)
    return [int(axis) for axis in np.argsort(-excess) if excess[axis] > 0.0]
