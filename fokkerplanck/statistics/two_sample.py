"""Whether two samples are of one law: energy distance and maximum mean discrepancy with permutation p-values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import flag, periods, reals, whole
from ..errors import bad_value
from ..progress import Pace
from ..randomness import private_generator

KERNELS = ("energy", "gaussian")
MOST = 1000  # samples of each that enter the sums over pairs
AT_ONCE = 1000  # permutations


@dataclass(frozen=True)
class TwoSampleTest:
    """A two-sample test.

    Attributes
    ----------
    p_value : float
        Probability of a distance as large if both samples were of one law.
    z : float
        The same in standard deviations of a normal law: beyond 3 by chance in 0.135 % of tests.
    distance : float
        Energy distance, or maximum mean discrepancy: the root of w^T K w, with each coordinate in units of its spread. Of
        samples of one law it is of the order n^(-1/2), not zero.
    kernel : str
    paired : bool
    n : tuple of int
        Samples of each that entered.
    """

    p_value: float
    z: float
    distance: float
    kernel: str
    paired: bool
    n: tuple[int, int]


def two_sample(
    a: Any,
    b: Any,
    paired: bool = False,
    kernel: str = "energy",
    permutations: int = 1000,
    seed: int = 0,
    *,
    period: float | Sequence[float | None] | None = None,
) -> TwoSampleTest:
    """Test whether two samples are of one law.

    Parameters
    ----------
    a, b : array (n,) or (n, dim), (m,) or (m, dim)
        Rows with a value that is not finite are left out, of paired samples together with their partner. dim may be thousands.
    paired : bool
        Row i of `b` belongs to row i of `a`, as two simulations with one seed do, or two trainings from one start. Without it
        all rows must be independent.
    kernel : {"energy", "gaussian"}
        k(x, y) = -|x - y| (energy distance, Szekely and Rizzo 2013), or exp(-|x - y|^2 / (2 s^2)) with s the median
        distance (maximum mean discrepancy, Gretton 2012).
    permutations : int
    seed : int
        Of the permutations, and of the choice of at most 1000 rows where there are more.
    period : float or list with one entry a coordinate, optional
        Of coordinates known modulo a period, None for others. Their distances are chords of the circle.

    Returns
    -------
    TwoSampleTest

    Notes
    -----
    The statistic is w^T K w, w = 1/n on `a` and -1/m on `b`. If both are of one law, its distribution does not change when
    rows are exchanged: any two, or, for paired samples, the two of a pair. The p-value is that of a Pearson law of the third
    kind (a shifted gamma law) with mean, variance and skewness of the permuted statistic, so that it may be far below
    1 / permutations. Coordinates are divided by their pooled quartile distance first.
    """
    x, y = _samples("a", a), _samples("b", b)
    paired, permutations = flag("paired", paired), whole("permutations", permutations, 100, 1_000_000)
    if not isinstance(kernel, str) or kernel not in KERNELS:
        raise bad_value("kernel", "'energy' or 'gaussian'", kernel)
    if x.shape[1] != y.shape[1]:
        raise bad_value("b", f"of {x.shape[1]} coordinates, as `a` is", y.shape[1])
    if paired and len(x) != len(y):
        raise bad_value("b", f"of {len(x)} rows, as its partner `a` is", len(y))
    rng = private_generator("two-sample test", whole("seed", seed, 0))
    x, y = _chosen(x, y, paired, rng)
    n, m = len(x), len(y)
    points = _in_units(np.concatenate([x, y]), periods(period, x.shape[1]))
    similarity = _similarity(points, kernel)
    w = np.concatenate([np.full(n, 1.0 / n), np.full(m, -1.0 / m)])
    square = float(w @ similarity @ w)
    copies = (_swapped if paired else _shuffled)(similarity, w, n, permutations, rng)
    p_value, z = _tail_probability(square, copies)
    return TwoSampleTest(p_value, z, math.sqrt(max(square, 0.0)), kernel, paired, (n, m))


def _samples(name: str, value: Any) -> np.ndarray:
    array = reals(name, value, "an array of samples (n,) or (n, dim)")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) < 5 or array.shape[1] < 1:
        raise bad_value(name, "at least five samples of shape (n,) or (n, dim)", f"shape {np.shape(value)}")
    return array


def _chosen(x: np.ndarray, y: np.ndarray, paired: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Finite rows, at most `MOST` of each."""
    good_x, good_y = np.isfinite(x).all(axis=1), np.isfinite(y).all(axis=1)
    if paired:
        good_x = good_y = good_x & good_y
    x, y = x[good_x], y[good_y]
    for name, rows in (("a", x), ("b", y)):
        if len(rows) < 5:
            raise bad_value(name, "at least five finite samples", f"{len(rows)} finite rows")
    if paired:
        kept = rng.permutation(len(x))[:MOST]
        return x[kept], y[kept]
    return x[rng.permutation(len(x))[:MOST]], y[rng.permutation(len(y))[:MOST]]


def _in_units(points: np.ndarray, periods: Sequence[float]) -> np.ndarray:
    """Coordinates (n, dim) over their quartile distance, or their deviation where quartiles coincide; a circle is two."""
    columns = []
    for x, period in zip(points.T, periods or (math.inf,) * points.shape[1], strict=True):
        if math.isfinite(period):
            radius = period / (2.0 * math.pi)
            columns.append(np.stack([radius * np.cos(x / radius), radius * np.sin(x / radius)], axis=1))
        else:
            columns.append(x[:, None])
    away = [x - np.median(x, axis=0) for x in columns]
    spreads = [_spread(x) for x in away]
    return np.concatenate([x / s for x, s in zip(away, spreads, strict=True) if s > 0.0] or [points[:, :0]], axis=1)


def _spread(away: np.ndarray) -> float:
    """The larger quartile distance of the columns (n, k) of one coordinate, or their deviation where quartiles coincide."""
    low, high = np.quantile(away, [0.25, 0.75], axis=0)
    return float(np.where(high > low, high - low, np.sqrt((away**2).mean(axis=0))).max())


def _similarity(points: np.ndarray, kernel: str) -> np.ndarray:
    square = (points**2).sum(axis=1)
    distance = np.maximum(square[:, None] + square - 2.0 * points @ points.T, 0.0)
    np.fill_diagonal(distance, 0.0)
    if kernel == "energy":
        return -np.sqrt(distance)
    scale = float(np.median(distance[np.triu_indices(len(points), 1)]))
    return np.exp(-0.5 * distance / max(scale, 1e-300))


def _shuffled(similarity: np.ndarray, w: np.ndarray, n: int, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """The statistic with the labels of all rows exchanged at random."""
    return _in_blocks(
        similarity, permutations, lambda count: np.stack([rng.permutation(w) for _ in range(count)], axis=1)
    )


def _swapped(similarity: np.ndarray, w: np.ndarray, n: int, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """The statistic with the partners of pairs exchanged at random: s^T H s / n^2 with signs s."""
    own, cross = similarity[:n, :n] + similarity[n:, n:], similarity[:n, n:]
    return _in_blocks(
        own - cross - cross.T, permutations, lambda count: (rng.integers(0, 2, (n, count)) * 2.0 - 1.0) / n
    )


def _in_blocks(matrix: np.ndarray, permutations: int, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """The forms of all permutations, some at a time, so that memory does not grow with their number."""
    found, pace = [], Pace(__name__, "permutations")
    for first in range(0, permutations, AT_ONCE):
        found.append(_forms(matrix, draw(min(AT_ONCE, permutations - first))))
        pace(min(first + AT_ONCE, permutations) / permutations)
    return np.concatenate(found)


def _forms(matrix: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """c^T matrix c for each column c."""
    return np.einsum("ij,ij->j", columns, matrix @ columns)


def _tail_probability(value: float, copies: np.ndarray) -> tuple[float, float]:
    """P(statistic >= value) by the shifted gamma law with three moments of the copies, and z."""
    from scipy.stats import norm, pearson3

    mean, deviation = float(copies.mean()), float(copies.std())
    if deviation <= 1e-12 * max(abs(mean), abs(value), 1e-300):
        return 1.0, -math.inf  # all rows are alike
    away = (copies - mean) / deviation
    p_value = float(min(max(pearson3.sf((value - mean) / deviation, float((away**3).mean())), 0.0), 1.0))
    return p_value, float(norm.isf(p_value))
