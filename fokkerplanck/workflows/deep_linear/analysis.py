"""What the runs say: pure functions of what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...deep_linear import (
    DeepLinear,
    ModeEquation,
    Plateaus,
    crossing_steps,
    extreme_eigenpairs,
    gradient_noise,
    mode_distances,
    noise_tail,
    off_diagonal_share,
    over_runs,
    saddle_index,
    train,
)
from ...results.solution import Solution
from ..saddles import Saddle, kept, measures
from .blocks import Block, Runs
from .spec import DeepStudy, Generator

ENTRY = 0.1  # share of its target at which the clock of a mode starts
MOMENTS = np.arange(1, 7) / 3  # times of comparison, in noiseless times from there to half the target
FEWEST = 5  # runs that a distance is worth stating for


def inspect_saddles(
    study: DeepStudy, runs: Mapping[str, Runs], found: Mapping[str, Plateaus], folder: Path
) -> list[Saddle]:
    """The saddles that the first runs of every generator passed, by saddle; what lies in the folder is not looked at again."""
    saddles = [s for name, one in runs.items() for s in _saddles_of(study, one, found[name], folder)]
    return sorted(saddles, key=lambda s: (s.place[0], list(runs).index(s.place[1]), s.run))


def _saddles_of(study: DeepStudy, runs: Runs, found: Plateaus, folder: Path) -> list[Saddle]:
    """Of one generator: its first runs are trained once more, up to where each is nearest."""
    one, count = runs.generator, min(study.spec.study.inspect, runs.training.n_runs)
    nearest, stays = found.nearest[:-1, :count], found.stay[:, :count]

    def look() -> list[Saddle]:
        return [s for k in range(count) for s in _of_run(study, one, k, nearest[:, k], stays[:, k])]

    path = folder / f"saddles-{one.name.replace(' ', '-')}.npz"
    return kept(path, look, *Block(one, 0, count).depends_on(study), nearest, stays)


def _of_run(study: DeepStudy, one: Generator, k: int, nearest: np.ndarray, stays: np.ndarray) -> list[Saddle]:
    """Of run k, from the steps (n_saddles,) at which it is nearest to each, and the lengths of its stays."""
    steps = np.unique(nearest[np.isfinite(nearest)]).astype(int)
    if not steps.size:
        return []
    run = train(
        study.net,
        study.start,
        steps.tolist(),
        n_runs=1,
        generator=one.kind,
        stability=one.stability,
        seed=study.spec.study.seed,
        first_run=k,
        keep=1,
    )
    saddles = []
    for n, step in enumerate(steps.tolist()):
        rank = int(np.flatnonzero(nearest == step)[0])
        weights = [w[n, 0] for w in run.kept]
        where = (rank, one.name), k, step, float(stays[rank]), float(run.loss[n, 0]), float(run.gradient_norm[n, 0])
        saddles.append(Saddle(*where, *_place(study.net, weights)))
    return saddles


def _place(net: DeepLinear, weights: list[np.ndarray]) -> tuple[Any, ...]:
    """The entries of a Saddle from `negative` to `tail_high`."""
    has_covariance = net.data is not None or net.freedom > 4.0
    noise = gradient_noise(net, weights) if has_covariance else None
    seen = measures(saddle_index(net, weights), extreme_eigenpairs(net, weights, 1).values, noise)
    tail = noise_tail(net, weights)
    return (*seen, float(tail.value), *(float(v) for v in tail.interval))


class ModeComparison(NamedTuple):
    """One mode in whole networks and by its equation, both from the same strength on.

    Attributes
    ----------
    mode : ModeEquation
    origin : float
        Strength where the clock starts: the start itself where it is aligned, else `ENTRY` of the target, as a run passes it.
    steps : ndarray (m,)
        Since then.
    strengths : ndarray (m, n, 1)
        Of the runs that last so long.
    distance, error, sampling : ndarray (m,)
        Wasserstein distance to the density of the equation, its standard error, and what sampling alone would give.
    off_diagonal : ndarray (m,)
        Median share of W off the teacher's modes at these moments.
    density : Solution
    half : ndarray (n_runs,)
        Steps from the start of training to half the target.
    rise : ndarray (n_runs,)
        The same from the start of the clock.
    equation_rise : float
        Its mean by the equation.
    noiseless_half : float
        Steps to half the target by the equation without noise, from the median strength at the start of training.
    """

    mode: ModeEquation
    origin: float
    steps: np.ndarray
    strengths: np.ndarray
    distance: np.ndarray
    error: np.ndarray
    sampling: np.ndarray
    off_diagonal: np.ndarray
    density: Solution
    half: np.ndarray
    rise: np.ndarray
    equation_rise: float
    noiseless_half: float


def compare_modes(study: DeepStudy, runs: Runs) -> list[ModeComparison]:
    """Each mode of SGD against its equation; without those that the runs do not learn.

    Empty where no equation holds, see `DeepStudy.kurtosis`.
    """
    net, kurtosis = study.net, study.kurtosis
    if kurtosis is None:
        return []
    left, values, right = net.teacher_modes
    assert runs.strengths is not None
    steps, strengths = runs.every_step, runs.strengths
    share = off_diagonal_share(runs.training.end_to_end, left, right)
    aligned = study.spec.network.start["kind"] == "aligned"
    comparisons = []
    for i, target in enumerate(values.tolist()):
        mode = ModeEquation(net.depth, target, net.learning_rate, net.batch_size, net.label_noise, kurtosis)
        origin = float(strengths[0, 0, i]) if aligned else ENTRY * target
        if 0.0 < origin < 0.5 * target:
            comparisons.append(_compare_mode(mode, origin, steps, strengths[..., i], (study.steps, share), aligned))
    return [c for c in comparisons if c is not None]


def _compare_mode(
    mode: ModeEquation,
    origin: float,
    steps: np.ndarray,
    s: np.ndarray,
    share: tuple[np.ndarray, np.ndarray],
    aligned: bool,
) -> ModeComparison | None:
    times, half = _crossing(steps, s, origin), _crossing(steps, s, 0.5 * mode.target)
    since = np.zeros_like(times) if aligned else times
    moments = np.unique(np.maximum(1, np.round(MOMENTS * mode.descent_steps(origin)))).astype(int)
    clocked = clock(steps, s, since, moments)
    reached = np.isfinite(clocked).sum(axis=1) >= max(FEWEST, 0.5 * s.shape[1])
    moments, clocked = moments[reached], clocked[reached]
    lasting = np.isfinite(clocked).all(axis=0)
    if not moments.size or lasting.sum() < FEWEST:
        return None
    clocked = clocked[:, lasting, None]  # what follows the start of the clock does not depend on when it started
    grid = mode.grid(origin)
    density = mode.density(origin, moments, grid)
    found = mode_distances(over_runs(moments, clocked), [density])
    off = np.median(clock(*share, since, moments)[:, lasting], axis=1)
    first = float(np.median(np.abs(s[0])))
    late = mode.descent_steps(first) if 0.0 < first < 0.5 * mode.target else np.nan
    rise = float(mode.passage(origin).at(origin))
    measures = (found.value[:, 0], found.standard_error[:, 0], found.sampling[:, 0])
    took = np.where(np.isfinite(half) & np.isfinite(since), half, np.nan) - since
    return ModeComparison(mode, origin, moments, clocked, *measures, off, density, half, took, rise, late)


def clock(steps: np.ndarray, values: np.ndarray, since: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Values (n_times, n_runs) at moments (m,) after a step of each run (n_runs,), shape (m, n_runs); nan beyond the end."""
    at = np.where(np.isfinite(since), since, steps[-1]) + moments[:, None]
    columns = [np.interp(at[:, k], steps, values[:, k], right=np.nan) for k in range(since.size)]
    return np.where(np.isfinite(since), np.stack(columns, axis=1), np.nan)


def _crossing(steps: np.ndarray, s: np.ndarray, level: float) -> np.ndarray:
    return crossing_steps(steps, s[..., None], level)[:, 0]
