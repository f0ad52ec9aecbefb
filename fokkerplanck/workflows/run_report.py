"""What a run says in words: agreement with SGD, by how much not, and what the grid of a transfer operator does to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diagnostics import NOTHING, SMEARED
from ..model.grid import Grid
from ..results.solution import Solution

if TYPE_CHECKING:
    from .outcome import Outcome

RESOLVED = 0.02  # of a cell: differences below it lie within what the grid leaves open


def verdicts(outcome: Outcome, grid: Grid, limit: float = 3.0) -> list[str]:
    """One plain sentence for each time and model: whether it agrees with SGD, and by how much it does not."""
    tab = outcome.comparison
    if outcome.ensemble is None or tab is None:
        return []
    rows = [dict(zip(tab.columns, row, strict=True)) for row in tab.rows]
    sentences = []
    for t in dict.fromkeys(row["t"] for row in rows):
        here = [row for row in rows if row["t"] == t]
        truth = {row["axis"]: row for row in here if row["model"] == "SGD"}
        for model in outcome.solutions:
            gaps = [g for row in here if row["model"] == model for g in _gaps(row, truth[row["axis"]], grid)]
            sentences.append(f"t = {t:g}: {model} {_verdict(max(gaps), limit, outcome.solutions[model].stats)}")
    return sentences


def _gaps(row: dict[str, Any], truth: dict[str, Any], grid: Grid) -> list[tuple[float, str, int]]:
    """Distance in standard errors of mean and deviation; 0 where the grid cannot tell two values apart."""
    cell = float(grid.widths[row["axis"]].min())
    gaps = []
    for moment in ("mean", "deviation"):
        apart, error = abs(row[moment] - truth[moment]), truth[f"se_{moment}"] or 0.0
        size = apart / error if error > 0.0 else math.inf
        gaps.append((size if apart > RESOLVED * cell else 0.0, moment, row["axis"]))
    return gaps


def _verdict(gap: tuple[float, str, int], limit: float, stats: dict[str, Any]) -> str:
    size, moment, axis = gap
    if size <= limit:
        return f"agrees with SGD within {limit:g} standard errors."
    shown = f"{size:.1f}" if size < 10.0 else f"{size:.0f}" if size < 1000.0 else "more than 1000"
    return f"is off by {shown} standard errors in the {moment}{_by_grid(moment, axis, stats)}."


def _by_grid(moment: str, axis: int, stats: dict[str, Any]) -> str:
    """Where a transfer operator is off in the deviation and its grid smears enough to be the reason."""
    if moment != "deviation" or "smearing" not in stats or axis not in _smeared(stats):
        return ""
    smearing, noise = stats["smearing"][axis], stats["noise"][axis]
    share = (
        f"{smearing / noise:.0%} of SGD's variance"
        if noise > NOTHING * smearing
        else f"a variance of {smearing:.2g}, SGD by none"
    )
    return f", by its grid: the projection adds {share} a step (take more cells)"


def chain_notes(sol: Solution) -> list[str]:
    """What to know about the box of a transfer operator, where it matters."""
    notes = []
    if sol.stats["clamped"] > 1e-3:
        met = sol.stats["clamped"]
        notes.append(f"a path met a reflecting wall {met:.2g} times on average. Take wider bounds.")
    return notes


def _smeared(stats: dict[str, Any]) -> list[int]:
    """The axes along which a grid adds more than a share `SMEARED` to the noise of a step, the most smeared first."""
    excess = np.array(stats["smearing"]) - SMEARED * np.array(stats["noise"])
    return [int(axis) for axis in np.argsort(-excess) if excess[axis] > 0.0]
