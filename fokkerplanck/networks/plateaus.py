"""Plateaus of any training: stays at levels of the loss, found without knowing which saddles there are.

The rule of `fokkerplanck.deep_linear.plateaus`, with two differences. Losses below a floor count as the floor: ln loss falls
for ever on the way to a loss of zero, and its slow parts there are no saddles. And since nothing says which saddle a stay is
at, stays of all runs are put together by level: groups of ln loss are joined, the nearest first, while the mean distance
between their stays is within a gap. A few stays between two levels do not make one of them, as they would if neighbours were
joined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import increasing, number, reals
from ..deep_linear import Plateaus, stays
from ..deep_linear.plateaus import falling
from ..errors import bad_value
from .training import Runs

FEWEST = 5  # records
FLOOR = 1e-6  # of the median of the first losses
GAP = 0.25  # of ln loss between levels: two bands of the rule of a stay, and as much between them


@dataclass(frozen=True, eq=False, repr=False)
class LevelPlateaus(Plateaus):
    """Stays of all runs, a row a level of the loss, the highest first; the last row holds the lowest level.

    Attributes
    ----------
    approach, nearest, escape, loss : ndarray (n_levels, n_runs)
        As in `fokkerplanck.deep_linear.Plateaus`: nan where a run did not stay at that level.
    count : ndarray of int (n_runs,)
        Stays of a run that it left.
    floor : float
        Losses below it were taken for it.
    """

    floor: float

    @property
    def levels(self) -> np.ndarray:
        """Geometric mean of the loss of the stays at each level (n_levels,); nan where no run stayed anywhere."""
        rows = [np.log(row[np.isfinite(row)]) for row in self.loss]
        return np.array([np.exp(row.mean()) if row.size else np.nan for row in rows])

    def __repr__(self) -> str:
        head = f"Plateaus of {self.count.size} runs at {len(self.loss)} levels; losses below {self.floor:.3g} count as that"
        lines = [head, "     level   runs  approach      stay    escape   [95 % of its median]"]
        for level, (share, *steps) in zip(self.levels, self.table(), strict=True):
            lines.append(f"{level:10.4g}  {share:5.0%}" + "".join(f"{s:10.4g}" for s in steps[:3]))
            lines[-1] += f"   [{steps[3]:.4g}, {steps[4]:.4g}]"
        return "\n".join(lines)


def plateaus(runs: Any, floor: float | None = None, gap: float = GAP, *, steps: Any = None) -> LevelPlateaus:
    """Find the plateaus of every run; the module's head states the rule.

    Parameters
    ----------
    runs : Runs, or array (n_times,) or (n_times, n_runs)
        What `net.train` returns, or recorded losses of a training of your own, with NaN where runs end.
    floor : float, optional
        Losses below it count as the floor itself; default: 1e-6 of the median of the first recorded losses.
    gap : float
        Groups of stays whose ln loss lies closer than this, on average over their pairs, are at one level.
    steps : increasing numbers (n_times,), optional
        When losses of your own were recorded. Default: at every step. The place nearest to the saddle is then that where the
        loss falls most slowly.
    """
    steps, losses, norms = _records(runs, steps)
    gap = number("gap", gap, "a positive number", lambda v: 0.0 < v < math.inf)
    if floor is None:
        floor = FLOOR * float(np.nanmedian(losses[0]))
    floor = number("floor", floor, "a positive number", lambda v: 0.0 < v < math.inf)
    loss = np.maximum(losses, floor)
    apart = np.arange(steps.size)  # every stay is at a place of its own
    n_runs = loss.shape[1]
    found = [stays(steps, norms[:, k], loss[:, k], apart) for k in range(n_runs)]
    level_of = _levels([stay.loss for run in found for stay in run], gap)
    tables = np.full((4, max(len(set(level_of.values())), 1), n_runs), np.nan)
    for k, run in enumerate(found):
        for stay in run:
            column = tables[:, level_of[stay.loss], k]
            if np.isnan(column[0]):  # a second stay at the same level moves the escape only
                column[:] = stay.approach, stay.nearest, stay.escape, stay.loss
            else:
                column[2] = stay.escape
    approach, nearest, escape, level = tables
    return LevelPlateaus(approach, nearest, escape, level, np.isfinite(escape).sum(axis=0), floor)


def _records(runs: Any, steps: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps (n_times,), losses and what is least nearest to a saddle, (n_times, n_runs) each."""
    if isinstance(runs, Runs):
        if steps is not None:
            raise bad_value("steps", "left out for what net.train(...) returns", steps)
        return runs.steps, runs.loss, runs.gradient_norm
    rule = "what net.train(...) returns, or losses (n_times, n_runs)"
    given = reals("runs", runs, rule)
    loss = given[:, None] if given.ndim == 1 else given
    if loss.ndim != 2 or len(loss) < FEWEST or not np.isfinite(loss[0]).any():
        raise bad_value("runs", f"{rule} of {FEWEST} records and more", f"an array of shape {given.shape}")
    when = np.arange(len(loss), dtype=float) if steps is None else increasing("steps", steps)
    if when.size != len(loss):
        raise bad_value("steps", f"one for each of the {len(loss)} records", f"{when.size} of them")
    slopes = np.full(loss.shape, np.nan)
    for k, column in enumerate(loss.T):
        known = np.isfinite(column)
        if known.sum() >= FEWEST:
            slopes[known, k] = np.abs(np.gradient(falling(column[known]), when[known]))
    return when, loss, slopes


def _levels(losses: list[float], gap: float) -> dict[float, int]:
    """Number of the level of each loss, the highest first: clusters of ln loss by average linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(losses) < 2:
        return dict.fromkeys(losses, 0)
    height = np.log(losses)
    cluster = fcluster(linkage(height[:, None], "average"), gap, "distance")
    order = sorted(set(cluster.tolist()), key=lambda c: -float(height[cluster == c].mean()))
    return {loss: order.index(c) for loss, c in zip(losses, cluster.tolist(), strict=True)}
