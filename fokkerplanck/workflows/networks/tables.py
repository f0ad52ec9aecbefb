"""The results of a study of a network as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...storage.tables import Comparison
from ..paired_runs import NOT_TOLD, entries, joint_level, median_difference, median_interval
from ..saddles import COLUMNS, Saddle, by_place, row
from .analysis import Apart, Events
from .blocks import Trained

PLACE = ("learning rate", "event", "dynamics")
DISTANCES = (
    "Every dynamics against SGD from the same starts, at one step of each. energy: energy distance of the parameters, each in "
    "units of its quartile distance, with its p-value for pairs (permutations); p MMD: that of the maximum mean discrepancy. "
    "W1 exact: Wasserstein distance of the parameters by the best assignment of run to run; W1 sliced: another distance, from "
    "projections. loss: median loss less that of SGD, with the p-value of the energy distance of the losses. sgd again: SGD "
    "from the same starts with other noise, what chance alone gives. apart: where p energy or p loss is below {alpha:.2g}, so "
    "that all {count} hold together at 5 % (Bonferroni)."
)
ESCAPES = (
    "Passages: steps until the loss first is below SGD's median by so much of its fall from the first record to the last. "
    "Stays: steps from within 5 % of a plateau of SGD until half of the drop to the next one, or to SGD's last median loss, is "
    "done; a plateau is a level where the median time over its runs is e times that at levels beside it. counted: share of the "
    "runs that enter, all but those that start below; a run that does not get there, or has diverged, counts as later than all "
    "others. Medians with 95 % bootstrap intervals over runs."
)
CONTRASTS = (
    "Median of `dynamics` less median of `against`, run by run from the same starts; intervals at {level:.3%}, so that all "
    "{count} hold together at 95 %. Undefined where too many runs of both never get there."
)
SADDLES = (
    "Within each stay of the first runs, at the recorded step where the gradient is smallest; stay: inf where the run does "
    "not leave. negative: eigenvalues of the Hessian below -1/1000 of the largest (+: at least so many). trace, dimension: "
    "trace of the covariance C of the batch gradient there and its effective dimension, (sum)^2 / sum of squares of its "
    "eigenvalues. cosine: tr(HC) / (|H| |C|). curvature: tr(HC) / tr C. in lowest, in highest: shares of the trace along "
    "the ten lowest and ten highest directions of the Hessian. tail: smallest stability index of the noise of single "
    "batches, drawn with replacement, over the eight directions of most noise: 2 is Gaussian. tails: verdict of the tail "
    "test on sums of them; empty where the noise takes too few values. That is what the batches do at this place, whatever "
    "noise the dynamics itself has."
)
PLACES = (
    "Medians over the runs in saddles.csv, which has the definitions. stable or mixed: share of the places whose noise is "
    "told from Gaussian tails by the tail test."
)


def diverged_shares(trained: Mapping[str, Trained]) -> dict[str, float]:
    """Share of the runs of each dynamics that have diverged."""
    return {name: one.runs.diverged for name, one in trained.items()}


def distance_table(found: Sequence[Apart]) -> Comparison:
    """Distances to SGD at each learning rate, dynamics and moment."""
    columns = (
        "learning rate", "dynamics", "step", "pairs", "energy", "p energy", "p MMD", "W1 exact", "W1 sliced", "loss",
        "p loss", "apart",
    )  # fmt: skip
    count = 2 * max(len(found), 1)
    alpha = 0.05 / count
    rows = []
    for one in found:
        names = ("parameters", "loss")
        told = [name for name, p in zip(names, (one.energy_p, one.loss_p), strict=True) if p < alpha]
        word = " and ".join(told) or ("too few pairs" if math.isnan(one.energy_p) else NOT_TOLD)
        rows.append((one.rate, one.name, one.step, one.pairs, *entries(one[4:]), word))
    note = DISTANCES.format(alpha=alpha, count=count)
    return Comparison(columns, tuple(rows), note, ("learning rate", "dynamics", "step"))


def escape_table(found: Sequence[Events]) -> Comparison:
    """When each dynamics gets how far."""
    columns = ("learning rate", "event", "loss", "dynamics", "counted", "median", "from", "to")
    rows = []
    for one in found:
        for event, by_name in one.times.items():
            for name, times in by_name.items():
                low, middle, high = median_interval(times)
                share = float((~np.isnan(times)).mean())
                rows.append((one.rate, event, one.levels[event], name, share, *entries((middle, low, high))))
    return Comparison(columns, tuple(rows), ESCAPES, ("learning rate", "event", "dynamics"))


def contrast_table(found: Sequence[Events], pairs: Sequence[tuple[str, str]]) -> Comparison:
    """Differences of the median times of pairs of dynamics, with intervals that hold together at 95 %."""
    columns = ("learning rate", "event", "dynamics", "against", "pairs", "difference", "from", "to", "verdict")
    count = sum(len(one.times) for one in found) * len(pairs)
    level = joint_level(count)
    resamples = max(4000, math.ceil(40.0 / (1.0 - level)))
    rows = []
    for one in found:
        for name, other in pairs:
            for event, times in one.times.items():
                d = median_difference(times[name], times[other], level, resamples)
                words = ("shorter", "longer") if event.startswith("stay") else ("sooner", "later")
                word = "undefined" if math.isnan(d.value) else {-1: words[0], 0: NOT_TOLD, 1: words[1]}[d.sign]
                rows.append((one.rate, event, name, other, d.n, *entries(d[:3]), word))
    note = CONTRASTS.format(level=level, count=count)
    return Comparison(columns, tuple(rows), note, ("learning rate", "event", "dynamics", "against"))


def saddle_table(saddles: Sequence[Saddle]) -> Comparison:
    """Where the first runs of each dynamics wait."""
    rows = tuple((*row(s), s.tails or None) for s in saddles)
    return Comparison((*PLACE, *COLUMNS, "tails"), rows, SADDLES, (*PLACE, "run"))


def place_table(saddles: Sequence[Saddle]) -> Comparison:
    """Medians of the saddles of each dynamics at each plateau."""
    columns = (
        *PLACE, "runs", "loss", "gradient", "negative", "lowest", "highest", "trace", "dimension", "cosine", "in lowest",
        "in highest", "tail", "stable or mixed",
    )  # fmt: skip
    names = (
        "loss", "gradient_norm", "negative", "lowest", "highest", "trace", "dimension", "cosine", "in_lowest", "in_highest",
        "tail",
    )  # fmt: skip
    rows = []
    for place, here in by_place(saddles).items():
        numbers = [_median([float(getattr(s, name)) for s in here]) for name in names]
        tested = [s.tails != "gaussian" for s in here if s.tails]
        rows.append((*place, len(here), *entries([*numbers, float(np.mean(tested)) if tested else math.nan])))
    return Comparison(columns, tuple(rows), PLACES, PLACE)


def _median(values: Sequence[float]) -> float:
    kept = [v for v in values if not math.isnan(v)]
    return float(np.median(kept)) if kept else math.nan
