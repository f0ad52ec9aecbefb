"""Score tests of what a fit assumes: that runs share their parameters, and that these do not change in time.

Scores s_t = d ln p / d theta of transitions are martingale differences under the model, with the conditional information
I_t. At the maximum, for weights c_t, G = sum c_t s_t has mean 0 and the covariance

    V = sum c_t^2 I_t - (sum c_t I_t) (sum I_t)^-1 (sum c_t I_t),      G^T V^-1 G ~ chi^2(m)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2, norm

from .optimize import inverse


class ScoreTest(NamedTuple):
    """statistic, degrees of freedom, p_value, and the parameter that departs most, with its own p-value."""

    statistic: float
    freedom: int
    p_value: float
    parameter: str
    parameter_p_value: float


def runs_differ(likelihood: Any, theta: np.ndarray, names: tuple[str, ...]) -> ScoreTest:
    """sum over runs of G_r^T I_r^-1 G_r, chi^2 with m (R - 1) degrees of freedom for R runs."""
    scores, information = likelihood.scores(theta), likelihood.information_of_starts(theta)
    run = likelihood.data.run
    members = [run == r for r in np.unique(run)]
    if len(members) < 2:
        return ScoreTest(0.0, 0, 1.0, names[0], 1.0)
    total = 0.0
    own = np.zeros(theta.size)
    for rows in members:
        g, i = scores[rows].sum(axis=0), information[rows].sum(axis=0)
        total += float(g @ _finite_inverse(i) @ g)
        own += g * g / np.maximum(np.diagonal(i), 1e-300)
    each = chi2.sf(own, len(members) - 1)
    worst = int(np.argmin(each))
    freedom = theta.size * (len(members) - 1)
    return ScoreTest(total, freedom, float(chi2.sf(total, freedom)), names[worst], float(each[worst]))


def drift_in_time(likelihood: Any, theta: np.ndarray, names: tuple[str, ...]) -> ScoreTest:
    """The scores weighted by time, less its mean: the first sign of parameters that rise or fall."""
    scores, information = likelihood.scores(theta), likelihood.information_of_starts(theta)
    when = likelihood.data.when
    c = (when - when.mean()) / max(float(when.std()), 1e-300)
    g = c @ scores
    with_time = np.einsum("t,tab->ab", c, information)
    v = np.einsum("t,tab->ab", c * c, information) - with_time @ _finite_inverse(information.sum(axis=0)) @ with_time
    total = float(g @ _finite_inverse(v) @ g)
    each = 2.0 * norm.sf(np.abs(g) / np.sqrt(np.maximum(np.diagonal(v), 1e-300)))
    worst = int(np.argmin(each))
    return ScoreTest(total, theta.size, float(chi2.sf(total, theta.size)), names[worst], float(each[worst]))


def _finite_inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse, zero along directions without information."""
    result = inverse(matrix)
    return np.where(np.isfinite(result), result, 0.0)
