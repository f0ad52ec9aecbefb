"""Plateaus of training: when a run comes near a saddle, how long it stays, when it leaves, and which saddle it is.

The rule. Fit the loss by a curve that never rises (isotonic regression of ln loss), which averages noise and kicks away, and
ask how long it takes to pass each level: the time within `BAND` = 5 % on either side. Near a saddle that is long, between
saddles short. A stay is a peak of this time over levels which exceeds the valleys beside it by a factor e at least. Between
two successive stays the loss falls from one level to the next; the run has escaped from the one when a tenth of this drop
is done, and approached the other when nine tenths are. Where the gradient is smallest within the band it is nearest to the
saddle. Nothing in this depends on the units of loss or time, and nothing is set run by run. Saddles whose losses differ by
less than a tenth are not told apart, nor is a stay seen that lasts fewer than a few records.

Which saddle: the number of teacher modes learned, u_k^T W v_k > s*_k / 2, where the run is nearest. Successive stays with the
same number are one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import bad_type
from ..randomness import private_generator
from .mode_statistics import mode_strengths

if TYPE_CHECKING:
    from .network import DeepLinear
    from .training import Training

BAND = 0.05  # of the logarithm of the loss, to either side of a level
PROMINENCE = 1.0  # of the logarithm of the time spent there
DONE = 0.1  # share of a drop of the loss that is an escape, and that is left on approach


@dataclass(frozen=True)
class Stay:
    """One stay of one run: steps of approach, of the smallest gradient, and of escape (inf while it lasts)."""

    approach: float
    nearest: float
    escape: float
    learned: int
    loss: float


@dataclass(frozen=True, eq=False, repr=False)
class Plateaus:
    """Stays of all runs at the saddles of rank 0, ..., r - 1 and at the minimum of rank r, r the rank of the teacher.

    Attributes
    ----------
    approach, nearest, escape : ndarray (r + 1, n_runs)
        Steps; nan where the run did not stay there, escape inf where it was still there at the end.
    loss : ndarray (r + 1, n_runs)
        Level of the plateau: loss above the teacher's.
    count : ndarray of int (n_runs,)
        Saddles a run stayed at, the minimum left out.
    """

    approach: np.ndarray
    nearest: np.ndarray
    escape: np.ndarray
    loss: np.ndarray
    count: np.ndarray

    @property
    def stay(self) -> np.ndarray:
        """Escape less approach, (r + 1, n_runs)."""
        return self.escape - self.approach

    def table(self, resamples: int = 1000, seed: int = 0) -> np.ndarray:
        """A row a saddle: share of runs that stayed; medians of approach, stay, escape; 95 % bootstrap interval of the last.

        Shape (r + 1, 6). Runs still there count as an escape later than all others; nan where fewer than five stayed.
        """
        rng = private_generator("resamples of plateaus", seed)
        rows = []
        for approach, escape in zip(self.approach, self.escape, strict=True):
            here = np.isfinite(approach)
            row = np.full(6, np.nan)
            row[0] = here.mean()
            if here.sum() >= 5:
                draws = _medians(rng.choice(escape[here], (resamples, here.sum())))
                row[1:4] = [_medians(v) for v in (approach[here], (escape - approach)[here], escape[here])]
                row[4:] = np.quantile(draws, [0.025, 0.975], method="nearest")
            rows.append(row)
        return np.array(rows)

    def __repr__(self) -> str:
        visited = f"median {np.median(self.count):g}, least {self.count.min()}"
        lines = [
            f"Plateaus of {self.count.size} runs; saddles visited a run: {visited}",
            "  rank   runs  approach      stay    escape   [95 % of its median]",
        ]
        for rank, (share, *steps) in enumerate(self.table()):
            lines.append(f"  {rank:4d}  {share:5.0%}" + "".join(f"{s:10.4g}" for s in steps[:3]))
            lines[-1] += f"   [{steps[3]:.4g}, {steps[4]:.4g}]"
        return "\n".join(lines)


def plateaus(training: Training) -> Plateaus:
    """Find the plateaus of every run; see the head of this module for the rule."""
    if not hasattr(training, "end_to_end"):
        raise bad_type("training", "what deep_linear.train(net, ...) returns", training)
    learned = learned_modes(training.net, training.end_to_end)
    rank = training.net.teacher_modes.values.size
    tables = np.full((4, rank + 1, training.n_runs), np.nan)
    for k in range(training.n_runs):
        for stay in stays(training.steps, training.gradient_norm[:, k], training.loss[:, k], learned[:, k]):
            column = tables[:, stay.learned, k]
            if np.isnan(column[0]):  # a later return to the same saddle moves the escape only
                column[:] = stay.approach, stay.nearest, stay.escape, stay.loss
            else:
                column[2] = stay.escape
    approach, nearest, escape, level = tables
    return Plateaus(approach, nearest, escape, level, np.isfinite(approach[:rank]).sum(axis=0))


def learned_modes(net: DeepLinear, end_to_end: np.ndarray) -> np.ndarray:
    """Number of the teacher's modes with u_k^T W v_k > s*_k / 2, shape of the leading axes of W (..., n_L, n_0)."""
    left, values, right = net.teacher_modes
    with np.errstate(invalid="ignore"):
        return (mode_strengths(end_to_end, left, right) > 0.5 * values).sum(axis=-1)


def stays(steps: np.ndarray, gradient_norm: np.ndarray, loss: np.ndarray, learned: np.ndarray) -> list[Stay]:
    """The stays of one run, in order, from its records (n_times,)."""
    fine = np.isfinite(loss) & (loss > 0.0)
    steps, norms, learned = steps[fine], gradient_norm[fine], learned[fine]
    if steps.size < 5:
        return []
    height = falling(np.log(loss[fine]))
    found: list[tuple[float, int]] = []  # level of the fit, record nearest to the saddle
    for first, last in _slow_bands(steps, height):
        near = np.flatnonzero((steps >= first) & (steps <= last))
        if near.size:
            nearest = int(near[np.argmin(norms[near])])
            if not found or learned[found[-1][1]] != learned[nearest]:
                found.append((float(np.interp(0.5 * (first + last), steps, height)), nearest))
    if found and learned[-1] > learned[found[-1][1]] and height[-1] < found[-1][0] - BAND:
        found.append((float(height[-1]), steps.size - 1))
    return _timed(steps, height, found, learned)


def falling(height: np.ndarray) -> np.ndarray:
    """The curve nearest to `height` (n_times,) that never rises, by isotonic regression."""
    from scipy.optimize import isotonic_regression

    return isotonic_regression(height, increasing=False).x


def _slow_bands(steps: np.ndarray, height: np.ndarray) -> np.ndarray:
    """First and last step in the bands of a falling curve where it stays, from the highest down, shape (n_stays, 2)."""
    passed = passages(steps, height, band_levels(height[0], height[-1]))
    spent = passed[:, 1] - passed[:, 0]
    return passed[slow_levels(np.log(np.maximum(spent, 1e-9 * (steps[-1] - steps[0]))))]


def band_levels(first: float, last: float) -> np.ndarray:
    """Levels from the highest down, half a band apart, whose bands a curve from `first` to `last` passes."""
    return np.arange(first - 0.25 * BAND, last - 0.5 * BAND, -0.5 * BAND)


def passages(steps: np.ndarray, height: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """First and last step of a falling curve in the band about each level, shape (n_levels, 2)."""
    falls = height - 1e-9 * np.arange(height.size)  # no level is held for ever
    return np.stack([np.interp(-levels + shift, -falls, steps) for shift in (-BAND, BAND)], axis=1)


def slow_levels(spent: np.ndarray) -> np.ndarray:
    """Which levels are peaks of ln of the time spent there, by the rule of a stay."""
    from scipy.signal import find_peaks

    if not spent.size:
        return np.empty(0, dtype=int)
    wall = spent.min() - 2.0 * PROMINENCE
    return find_peaks(np.concatenate([[wall], spent, [wall]]), prominence=PROMINENCE)[0] - 1


def _timed(steps: np.ndarray, height: np.ndarray, found: list[tuple[float, int]], learned: np.ndarray) -> list[Stay]:
    """Stays with their bounds: shares `DONE` and 1 - `DONE` of the drops between them."""
    loss = np.exp(height)
    start, result = float(steps[0]), []
    for number, (level, nearest) in enumerate(found):
        end, next_start = np.inf, np.nan
        if number + 1 < len(found):
            drop = np.exp(level) - np.exp(found[number + 1][0])
            done = (np.exp(level) - loss) / drop
            end, next_start = _first(steps, done, DONE), _first(steps, done, 1.0 - DONE)
        result.append(Stay(start, float(steps[nearest]), end, int(learned[nearest]), float(np.exp(level))))
        start = next_start
    return result


def _first(steps: np.ndarray, done: np.ndarray, share: float) -> float:
    """The step at which `done`, rising from below a share to above it, passes the share, by a straight line."""
    n = int(np.argmax(done > share))
    if n == 0:
        return float(steps[0] if done[0] > share else steps[-1])
    part = (share - done[n - 1]) / (done[n] - done[n - 1])
    return float(steps[n - 1] + part * (steps[n] - steps[n - 1]))


def _medians(values: np.ndarray) -> np.ndarray:
    """Upper medians along the last axis, which infinite values leave defined."""
    return np.sort(values, axis=-1)[..., values.shape[-1] // 2]
