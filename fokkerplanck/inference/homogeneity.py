"""Whether runs follow one law, and whether that law stays the same in time.

Residuals r_t of features of the step, given the place, and their products with the place, are martingale differences for a
Markov process with one law. Then for each feature

    sum over runs of (sum of r_t)^2 / (sum of r_t^2) ~ chi^2(R - 1),        sum of c_t r_t / sqrt(sum of c_t^2 r_t^2) ~ N(0, 1)

with c_t the time less its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2, norm

from .paths import Transitions, as_paths
from .residuals import CLIP, design, left_over, local_scale, step_features

TRIM = 0.01
FEWEST = 10  # transitions of a run that counts


@dataclass(frozen=True, eq=False, repr=False)
class Homogeneity:
    """Tests of one law for all runs and all times.

    Attributes
    ----------
    runs_differ : float
        p-value of all runs having one law; 1 for a single run. The smallest over features, times their number.
    drift_in_time : float
        p-value of the law staying the same, against a trend.
    differing, drifting : str
        The feature of the step that departs most in each test.
    trend : float
        Change of that feature over the time of the data, in standard deviations of it.
    """

    runs_differ: float
    drift_in_time: float
    differing: str
    drifting: str
    trend: float

    def __repr__(self) -> str:
        return "\n".join(
            [
                "Homogeneity (small p: not one law; supposes that the process is Markov at this lag)",
                f"  runs differ: p = {self.runs_differ:.3g}, most in {self.differing}",
                f"  drift in time: p = {self.drift_in_time:.3g}, most in {self.drifting} ({self.trend:+.2g} deviations)",
            ]
        )


def homogeneity_test(data: Any, lag: int = 1) -> Homogeneity:
    """Test whether all runs follow one law, and whether that law stays the same in time.

    Parameters
    ----------
    data : Paths, or whatever `Paths` takes
    lag : int
        Rows between the ends of a transition. Memory at this lag (`fp.markov_test`) is taken for a difference between runs.

    Returns
    -------
    Homogeneity
    """
    pairs = _trimmed(as_paths(data).transitions(lag))
    step = pairs.ends - pairs.starts
    features, names = step_features(step, local_scale(pairs.starts, step, pairs.names), "the step", pairs.names)
    tilted, more = _tilted(features, names, pairs.starts, pairs.names)
    residual, names = left_over(tilted, design(pairs.starts)), more
    differ = [_runs(column, pairs.run) for column in residual.T]
    c = pairs.when - pairs.when.mean()
    size = np.sqrt(((c[:, None] * residual) ** 2).sum(axis=0))
    z = (c @ residual) / np.maximum(size, 1e-300)
    drift = 2.0 * norm.sf(np.abs(z))
    i, j = int(np.argmin(differ)), int(np.argmin(drift))
    slope = float(c @ residual[:, j]) / max(float(c @ c), 1e-300)
    trend = slope * float(np.ptp(pairs.when)) / max(float(residual[:, j].std()), 1e-300)
    count = len(names)
    return Homogeneity(min(1.0, count * differ[i]), min(1.0, count * drift[j]), names[i], names[j], trend)


def _tilted(
    features: np.ndarray, names: list[str], place: np.ndarray, called: Sequence[str] | None
) -> tuple[np.ndarray, list[str]]:
    """The features and their products with each coordinate, which tell pulls apart that balance on average."""
    z = np.clip((place - place.mean(axis=0)) / np.maximum(place.std(axis=0), 1e-300), -CLIP, CLIP)
    products = [features * column[:, None] for column in z.T]
    axes = [""] if z.shape[1] == 1 else [f" {word}" for word in called or range(z.shape[1])]
    more = [f"{name} times place{axis}" for axis in axes for name in names]
    return np.column_stack([features, *products]), names + more


def _trimmed(pairs: Transitions) -> Transitions:
    low, high = np.quantile(pairs.starts, [TRIM, 1.0 - TRIM], axis=0)
    return pairs.chosen(((pairs.starts >= low) & (pairs.starts <= high)).all(axis=1))


def _runs(residual: np.ndarray, run: np.ndarray) -> float:
    _, number, counts = np.unique(run, return_inverse=True, return_counts=True)
    total, square = np.bincount(number, residual), np.bincount(number, residual * residual)
    used = (counts >= FEWEST) & (square > 0.0)
    if used.sum() < 2:
        return 1.0
    return float(chi2.sf(np.sum(total[used] ** 2 / square[used]), int(used.sum()) - 1))
