"""Medians over runs, their differences between runs from the same starts, and rank correlations, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from ..randomness import private_generator

NOT_TOLD = "not told apart"
FEWEST = 10  # runs that a rank correlation is worth stating for


class Interval(NamedTuple):
    """A number over n runs, or n pairs of runs, with its interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def sign(self) -> int:
        """-1 or 1 where the interval leaves out zero, else 0."""
        return int(self.low > 0.0) - int(self.high < 0.0)


class Difference(Interval):
    """Median of one set of runs less that of another, with its bootstrap interval, from n pairs of runs."""

    __slots__ = ()


class Correlation(Interval):
    """Rank correlation over n runs with its interval."""

    __slots__ = ()


def rank_correlation(one: np.ndarray, other: np.ndarray, level: float = 0.95) -> Correlation:
    """Spearman's correlation of two numbers a run, (n_runs,) each.

    Runs with a nan are left out; inf ranks above all others. The interval is that of artanh r with the standard error
    sqrt((1 + r^2 / 2) / (n - 3)) of Bonett and Wright, Psychometrika 65, 23 (2000). Not a number below ten runs, or where
    one of the two is the same in all.
    """
    both = ~np.isnan(one) & ~np.isnan(other)
    n = int(both.sum())
    if n < FEWEST:
        return Correlation(np.nan, np.nan, np.nan, n)
    a, b = (rankdata(x[both]) - 0.5 * (n + 1) for x in (one, other))
    size = math.sqrt(float(a @ a) * float(b @ b))
    if size == 0.0:
        return Correlation(np.nan, np.nan, np.nan, n)
    value = float(np.clip(a @ b / size, -1.0, 1.0))
    if abs(value) > 1.0 - 1e-12:
        return Correlation(value, value, value, n)
    reach = NormalDist().inv_cdf(0.5 + 0.5 * level) * math.sqrt((1.0 + 0.5 * value**2) / (n - 3))
    low, high = math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach)
    return Correlation(value, low, high, n)


def median_difference(
    one: np.ndarray, other: np.ndarray, level: float = 0.95, resamples: int = 4000, seed: int = 0
) -> Difference:
    """Median of `one` less median of `other`, (n_runs,) each, run k of both from the same start.

    Runs are drawn again in pairs, so that what both owe to their start drops out of the interval. Pairs with a nan are left
    out; inf is later than all others (upper medians), so that the difference and ends of its interval may be infinite. Where
    both medians are, in the runs or in a resample of them, the difference is not a number.
    """
    both = ~np.isnan(one) & ~np.isnan(other)
    a, b = one[both], other[both]
    if a.size < 5:
        return Difference(np.nan, np.nan, np.nan, a.size)
    picks = private_generator("resamples of a median", seed).integers(0, a.size, (resamples, a.size))
    with np.errstate(invalid="ignore"):
        draws = _upper_medians(a[picks]) - _upper_medians(b[picks])
        value = float(_upper_medians(a) - _upper_medians(b))
    if np.isnan(value) or np.isnan(draws).any():
        return Difference(np.nan, np.nan, np.nan, a.size)
    low, high = np.quantile(draws, [0.5 - 0.5 * level, 0.5 + 0.5 * level], method="nearest")
    return Difference(value, float(low), float(high), a.size)


def median_interval(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Low end of the 95 % bootstrap interval of the upper median, the median, and the high end; nan are left out."""
    kept = values[~np.isnan(values)]
    if kept.size < 5:
        return (np.nan,) * 3
    draws = _upper_medians(private_generator("resamples of a median", seed).choice(kept, (resamples, kept.size)))
    low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
    return float(low), float(_upper_medians(kept)), float(high)


def joint_level(count: int) -> float:
    """Level of each of `count` intervals that hold together at 95 % (Bonferroni)."""
    return 1.0 - 0.05 / max(count, 1)


def entries(numbers: Sequence[float] | np.ndarray) -> list[float | None]:
    """Numbers for a table: what is not a number is left empty."""
    return [None if math.isnan(x) else float(x) for x in numbers]


def _upper_medians(values: np.ndarray) -> np.ndarray:
    middle = values.shape[-1] // 2
    return np.partition(values, middle, axis=-1)[..., middle]
