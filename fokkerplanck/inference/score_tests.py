"""Score tests of what a fit assumes: that runs share their parameters, and that these do not change in time.

Scores s_t = d ln p / d theta of transitions are martingale differences under the model, with the conditional information
I_t; where steps have other tails than the model they still are, with another variance, told by B = sum s_t s_t^T beside
I = sum I_t. At the maximum

    sum over runs of G_r^T V_r^-1 G_r ~ chi^2(m (R - 1)),    G_r = sum of s_t,    V_r = I_r^(1/2) K I_r^(1/2)
    G^T V^-1 G ~ chi^2(m),    G = sum c_t s_t,    V = sum u_t u_t^T,    u_t = (c_t - C I^-1) s_t

with K = I^(-1/2) B I^(-1/2) and C = sum c_t I_t.
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
    whole = information.sum(axis=0)
    back = _power(whole, -0.5)
    k = back @ (scores.T @ scores) @ back
    for rows in members:
        g, root = scores[rows].sum(axis=0), _power(information[rows].sum(axis=0), 0.5)
        v = root @ k @ root
        total += float(g @ _finite_inverse(v) @ g)
        own += g * g / np.maximum(np.diagonal(v), 1e-300)
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
    u = c[:, None] * scores - scores @ (_finite_inverse(information.sum(axis=0)) @ with_time)
    v = u.T @ u
    total = float(g @ _finite_inverse(v) @ g)
    each = 2.0 * norm.sf(np.abs(g) / np.sqrt(np.maximum(np.diagonal(v), 1e-300)))
    worst = int(np.argmin(each))
    return ScoreTest(total, theta.size, float(chi2.sf(total, theta.size)), names[worst], float(each[worst]))


def _finite_inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse, zero along directions without information."""
    result = inverse(matrix)
    return np.where(np.isfinite(result), result, 0.0)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric matrix that is nonnegative; zero along directions without weight."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    used = values > 1e-12 * max(float(values[-1]), 1e-300)
    powers = np.where(used, np.where(used, values, 1.0) ** exponent, 0.0)
    return (vectors * powers) @ vectors.T


def sandwich(likelihood: Any, theta: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """C (sum over runs of G_r G_r^T) C R / (R - 1): the covariance of the parameters with runs as the units."""
    scores, run = likelihood.scores(theta), likelihood.data.run
    _, number = np.unique(run, return_inverse=True)
    sums = np.stack([np.bincount(number, column) for column in scores.T], axis=1)
    return covariance @ (sums.T @ sums) @ covariance * (len(sums) / max(len(sums) - 1, 1))
