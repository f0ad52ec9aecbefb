"""Rows with gaps between them: each pair of successive rows counts over its own time.

A Markov process owes nothing to the rows that are missing, so ln L = sum over pairs of ln p(x', tau | x) with tau the time
between the two. Pairs of one tau share a transition matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model.grid import Grid
from .gaussian_steps import GaussianLikelihood
from .likelihood import Evaluation, GridLikelihood
from .paths import Paths, Transitions

RARE = 0.02  # of all pairs
MOST = 40  # times of their own; rarer ones are left out


def pairs_by_time(paths: Paths, lag: int) -> list[Transitions]:
    """Pairs of successive rows after thinning by `lag`, the most frequent time between them first; at most MOST times."""
    taken = [(k, np.flatnonzero(np.isfinite(run[::lag]).all(axis=1))) for k, run in enumerate(paths.runs)]
    first = np.concatenate([rows[:-1] for _, rows in taken])
    gap = np.concatenate([np.diff(rows) for _, rows in taken])
    run = np.repeat([k for k, _ in taken], [max(len(rows) - 1, 0) for _, rows in taken])
    if not gap.size:
        return [paths.transitions(lag)]  # its own refusal says why
    values, counts = np.unique(gap, return_counts=True)
    common = values[np.argsort(-counts, kind="stable")][:MOST]
    return [_pairs(paths, lag, int(steps), run[gap == steps], first[gap == steps]) for steps in common]


def frequent(pairs: list[Transitions]) -> Transitions:
    """Those over the shortest time that is not rare."""
    enough = [part for part in pairs if part.size >= min(RARE * sum(p.size for p in pairs), pairs[0].size)]
    return min(enough, key=lambda part: part.tau)


def _pairs(paths: Paths, lag: int, steps: int, run: np.ndarray, first: np.ndarray) -> Transitions:
    """Transitions over `steps` thinned rows, from rows `first` (n,) of runs (n,)."""
    tau = lag * steps * paths.dt
    starts, ends = (
        np.array([paths.runs[k][lag * i] for k, i in zip(run, first + shift, strict=True)]) for shift in (0, steps)
    )
    return Transitions(starts, ends, run, first * lag * paths.dt, tau, paths.names)


def pooled(pairs: list[Transitions], tau: float | None = None) -> Transitions:
    """All pairs as if over one time, by default their mean."""
    starts, ends, run, when = (
        np.concatenate(list(column)) for column in zip(*((p.starts, p.ends, p.run, p.when) for p in pairs), strict=True)
    )
    if tau is None:
        tau = float(np.average([p.tau for p in pairs], weights=[p.size for p in pairs]))
    return Transitions(starts, ends, run, when, tau, pairs[0].names)


class GapLikelihood:
    """The likelihood of transitions over several times, the sum of those over each.

    Parameters
    ----------
    parts : list of GridLikelihood or GaussianLikelihood
        One a time, the most frequent first.
    """

    def __init__(self, parts: list[Any]):
        self.parts, self.model = parts, parts[0].model
        self.data = pooled([part.data for part in parts], parts[0].data.tau)

    @property
    def grid(self) -> Grid | None:
        """The largest of the grids; None where no time needs one."""
        grids = [part.grid for part in self.parts if isinstance(part, GridLikelihood)]
        return max(grids, key=lambda grid: grid.size) if grids else None

    def resized(self, factor: float) -> GapLikelihood:
        """The same with `factor` times as many cells along each axis."""
        return GapLikelihood([p.resized(factor) if isinstance(p, GridLikelihood) else p for p in self.parts])

    def value(self, theta: np.ndarray) -> float:
        """ln L alone."""
        return sum(part.value(theta) for part in self.parts)

    def evaluate(self, theta: np.ndarray) -> Evaluation:
        """ln L, its gradient and its expected information."""
        values, gradients, information = zip(*(part.evaluate(theta) for part in self.parts), strict=True)
        return Evaluation(float(sum(values)), np.sum(gradients, axis=0), np.sum(information, axis=0))

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """d ln p / d theta of each transition, (n_transitions, m)."""
        return np.concatenate([part.scores(theta) for part in self.parts])

    def information_of_starts(self, theta: np.ndarray) -> np.ndarray:
        """Expected information of each transition given its start, (n_transitions, m, m)."""
        return np.concatenate([part.information_of_starts(theta) for part in self.parts])


def usual(likelihood: Any) -> Any:
    """The likelihood of the most frequent time between rows."""
    return likelihood.parts[0] if isinstance(likelihood, GapLikelihood) else likelihood


def on_grid(likelihood: Any) -> bool:
    """Whether any of it is computed on a grid."""
    return isinstance(likelihood, GridLikelihood) or (
        isinstance(likelihood, GapLikelihood)
        and any(not isinstance(part, GaussianLikelihood) for part in likelihood.parts)
    )
