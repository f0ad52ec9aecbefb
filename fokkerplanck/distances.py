"""How far two results are apart: Wasserstein distances, maximum mean discrepancy, Kullback-Leibler divergence, tails.

Each distance takes densities and ensembles in any combination, and comes with its standard error over the sampling and
with the value that sampling alone would give if both were of one law. A distance that does not exceed the latter by some
standard errors is no distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .checks import instance, number, reals, whole
from .errors import bad_type, bad_value
from .grid import Grid
from .montecarlo.ensemble import Ensemble

REPLICATES = 40  # bootstrap samples behind an error bar
DIRECTIONS = 24  # lines on which the sliced distance projects
POINTS = 2000  # samples that enter a sum over pairs


class Distance(NamedTuple):
    """A distance; its standard error from sampling; and its mean if only sampling set the two apart."""

    value: float
    standard_error: float
    sampling: float


@dataclass(frozen=True, eq=False)
class Law:
    """A distribution at one time: cell masses on a grid, or samples of equal weight.

    Attributes
    ----------
    points : ndarray (n, dim)
        Cell centers or samples.
    weights : ndarray (n,)
        Summing to one.
    grid : Grid or None
        None for samples.
    """

    points: np.ndarray
    weights: np.ndarray
    grid: Grid | None

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.points.shape[1]

    def resample(self, rng: np.random.Generator) -> Law:
        """Samples drawn again with replacement; a density is its own."""
        if self.grid is not None:
            return self
        picked = rng.integers(len(self.points), size=len(self.points))
        return Law(self.points[picked], self.weights, None)

    def draw(self, rng: np.random.Generator, n: int) -> Law:
        """n samples of this law, spread evenly inside the cells of a density."""
        picked = rng.choice(len(self.points), size=n, p=self.weights)
        points = self.points[picked]
        if self.grid is not None:
            widths = np.stack([w.ravel() for w in np.meshgrid(*self.grid.widths, indexing="ij")], axis=1)
            points = points + (rng.random(points.shape) - 0.5) * widths[picked]
        return Law(points, np.full(n, 1.0 / n), None)


def law(result: Any, t: float | None = None, name: str = "result") -> Law:
    """The law of a result at one of its times (default: the last).

    Parameters
    ----------
    result : Solution, Ensemble, stationary result, Law, or array of samples (n,) or (n, dim)
    t : float, optional
    """
    if isinstance(result, Law):
        return result
    if t is not None:
        number("t", t, "one of the times of the result")
    if isinstance(result, Ensemble):
        points = result.positions[-1] if t is None else result.at(t)
        return _samples(points)
    if hasattr(result, "masses") and hasattr(result, "grid") and not isinstance(result, type):
        masses = result.masses
        if masses.ndim > result.grid.dim:
            masses = masses[-1 if t is None else result.index(t)]
        points = np.stack([x.ravel() for x in np.meshgrid(*result.grid.centers, indexing="ij")], axis=1)
        masses = np.maximum(masses.ravel(), 0.0)  # a density may end 1e-16 below zero
        return Law(points, masses / masses.sum(), result.grid)
    if isinstance(result, list | np.ndarray):
        return _samples(reals(name, result, "a Solution, an Ensemble or an array of samples"), name)
    raise bad_type(name, "a Solution, an Ensemble or an array of samples", result)


def _samples(points: np.ndarray, name: str = "result") -> Law:
    points = points[:, None] if points.ndim == 1 else points
    points = points[np.isfinite(points).all(axis=1)] if points.ndim == 2 else points
    if points.ndim != 2 or len(points) < 2:
        raise bad_value(name, "at least two finite samples of shape (n,) or (n, dim)", f"shape {points.shape}")
    return Law(points, np.full(len(points), 1.0 / len(points)), None)


def along(one: Law, axis: int) -> Law:
    """The law of one coordinate."""
    instance("one", one, Law, "a Law", "Such as distances.law(solution).")
    whole("axis", axis, 0, one.dim - 1)
    if one.dim == 1:
        return one
    if one.grid is None:
        return Law(one.points[:, [axis]], one.weights, None)
    grid = Grid.from_edges(one.grid.edges[axis])
    others = tuple(a for a in range(one.dim) if a != axis)
    return Law(grid.centers[0][:, None], one.weights.reshape(one.grid.shape).sum(axis=others), grid)


def wasserstein(a: Any, b: Any, order: int = 1, t: float | None = None, seed: int = 0) -> Distance:
    """The Wasserstein distance of order 1 or 2.

    In 1D exactly, by the quantile functions: W_p^p = integral over u of |Q_a(u) - Q_b(u)|^p. In more dimensions the
    sliced distance, (mean over directions of W_p^p)^(1/p), times sqrt(dim), which is exact for a shift.
    """
    whole("order", order, 1, 2)
    return _with_errors(law(a, t, "a"), law(b, t, "b"), lambda x, y: _sliced(x, y, order), seed)


def mmd(a: Any, b: Any, bandwidth: float | None = None, t: float | None = None, seed: int = 0) -> Distance:
    """Maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 bandwidth^2)): the root of its unbiased square.

    bandwidth : default, the median distance between the two laws' points. At most 2000 samples enter (Gretton 2012).
    The value is signed: below 0 where the unbiased estimate of the square is.
    """
    whole("seed", seed, 0)
    one, two = (_thin(law(x, t, name), seed) for x, name in ((a, "a"), (b, "b")))
    _same_dimension(one, two)
    width = _median_distance(one, two, seed) if bandwidth is None else bandwidth
    width = number("bandwidth", width, "a positive number", lambda v: 1e-100 < v < 1e100)
    return _with_errors(one, two, lambda x, y: _mmd(x, y, width), seed, replicates=8)


def kullback_leibler(a: Any, b: Any, method: str = "histogram", t: float | None = None, seed: int = 0) -> Distance:
    """KL(a || b), the integral of a ln(a / b).

    "histogram": on the cells of the density (two densities: one grid), or on n^(1/3) bins an axis for samples; the bias of
    about (bins - 1) / (2 n) is subtracted for the samples in `a`; infinite where b has an empty bin. "nearest": samples
    against samples, by distances to the nearest neighbour (Wang, Kulkarni and Verdu 2009); biased by O(n^(-1/dim)).
    """
    if not isinstance(method, str) or method not in ("histogram", "nearest"):
        raise bad_value("method", "'histogram' or 'nearest'", method)
    one, two = law(a, t, "a"), law(b, t, "b")
    _same_dimension(one, two)
    if method == "nearest" and (one.grid is not None or two.grid is not None):
        raise bad_value("method", "'histogram' where a density takes part", method)
    measure = _kl_nearest if method == "nearest" else _kl_histogram
    replicates = 8 if method == "nearest" else REPLICATES
    return _with_errors(one, two, measure, seed, replicates)


def moments(result: Any, t: float | None = None) -> dict[str, np.ndarray]:
    """mean, variance, skewness and excess kurtosis along each axis, with standard errors ("se_mean", ...), each (dim,).

    Errors of the last two are those of a normal law, sqrt(6 / n) and sqrt(24 / n).
    """
    one = law(result, t)
    n = len(one.points) if one.grid is None else np.inf
    mean = one.weights @ one.points
    z = one.points - mean
    second, third, fourth = (one.weights @ z**k for k in (2, 3, 4))
    spread = np.sqrt(second)
    unit = np.where(spread > 0.0, spread, np.nan)  # samples all alike have no shape
    ones = np.ones(one.dim)
    return {
        "mean": mean, "se_mean": spread / np.sqrt(n),
        "variance": second, "se_variance": np.sqrt(np.maximum(fourth - second**2, 0.0) / n),
        "skewness": third / unit**3, "se_skewness": np.sqrt(6.0 / n) * ones,
        "kurtosis": fourth / unit**4 - 3.0, "se_kurtosis": np.sqrt(24.0 / n) * ones,
    }  # fmt: skip


def two_time_covariance(ensemble: Ensemble, s: float, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Covariance <dx_i(s) dx_j(t)> of paths at two recorded times, and its standard error, both (dim, dim).

    Snapshots do not know it: two processes with the same densities at all times may differ in it.
    """
    instance("ensemble", ensemble, Ensemble, "an Ensemble")
    number("s", s, "a recorded time", lambda v: bool(np.isclose(ensemble.times, v, rtol=1e-12, atol=0.0).any()))
    x, y = ensemble.at(s), ensemble.at(t)
    both = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    products = (x[both] - x[both].mean(axis=0))[:, :, None] * (y[both] - y[both].mean(axis=0))[:, None, :]
    return products.mean(axis=0), products.std(axis=0) / np.sqrt(len(products))


def tail_index(samples: Any, share: float = 0.02) -> Distance:
    """Hill's estimate of a in P(|x - median| > r) ~ r^-a from the outermost `share` of the samples (1D).

    `sampling` is the same estimate from twice as many samples: where the two differ by more than some standard errors,
    the tail has no one power.
    """
    values = law(samples, name="samples")
    if values.grid is not None or values.dim != 1:
        raise bad_value(
            "samples", "samples in one dimension", "a density" if values.grid else f"{values.dim} dimensions"
        )
    number("share", share, "above 0 and at most 0.25", lambda v: 0.0 < v <= 0.25)
    r = np.sort(np.abs(values.points[:, 0] - np.median(values.points)))[::-1]

    def hill(k: int) -> float:
        return 1.0 / float(np.log(r[:k] / r[k]).mean())

    k = max(int(share * r.size), 2)
    return Distance(hill(k), hill(k) / np.sqrt(k), hill(min(2 * k, r.size - 1)))


Measure = Callable[[Law, Law], float]


def _with_errors(a: Law, b: Law, measure: Measure, seed: int, replicates: int = REPLICATES) -> Distance:
    _same_dimension(a, b)
    value = measure(a, b)
    if a.grid is not None and b.grid is not None:
        return Distance(value, 0.0, 0.0)
    if not np.isfinite(value):
        return Distance(value, np.nan, np.nan)
    rng = np.random.default_rng(whole("seed", seed, 0))
    again = [measure(a.resample(rng), b.resample(rng)) for _ in range(replicates)]
    # if both were of the law of b (of the density, where one is)
    base = a if a.grid is not None else b
    same = []
    for _ in range(max(replicates // 2, 4)):
        one, two = (x if x.grid is not None else base.draw(rng, len(x.points)) for x in (a, b))
        same.append(measure(one, two))
    finite = [x for x in again if np.isfinite(x)]
    error = float(np.std(finite, ddof=1)) if len(finite) > 1 else np.nan
    return Distance(value, error, float(np.mean(same)))


def _same_dimension(a: Law, b: Law) -> None:
    if a.dim != b.dim:
        raise bad_value("b", f"in {a.dim} dimension(s), as `a` is", b.dim)


def _quantiles(points: np.ndarray, weights: np.ndarray, edges: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """The quantile function in pieces: shares u (m + 1,), and its values at both ends of each piece, (m,) each."""
    if edges is not None:
        used = weights > 0.0
        u = np.concatenate([[0.0], np.cumsum(weights[used])])
        return u / u[-1], edges[:-1][used], edges[1:][used]
    order = np.argsort(points, kind="stable")
    u = np.concatenate([[0.0], np.cumsum(weights[order])])
    return u / u[-1], points[order], points[order]


def _line_distance(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...], order: int) -> float:
    """The integral of |Q_a - Q_b|^order over u, exactly: both are linear on each piece of the common division."""
    u = np.union1d(a[0], b[0])
    middle, width = 0.5 * (u[1:] + u[:-1]), np.diff(u)
    start, end = np.zeros(middle.size), np.zeros(middle.size)
    for (shares, low, high), sign in ((a, 1.0), (b, -1.0)):
        piece = np.clip(np.searchsorted(shares, middle, side="right") - 1, 0, low.size - 1)
        span = np.maximum(shares[piece + 1] - shares[piece], 1e-300)
        first, last = (np.clip((x - shares[piece]) / span, 0.0, 1.0) for x in (u[:-1], u[1:]))
        start += sign * (low[piece] + first * (high[piece] - low[piece]))
        end += sign * (low[piece] + last * (high[piece] - low[piece]))
    if order == 2:
        return float(width @ (start**2 + start * end + end**2) / 3.0)
    crossing = start * end < 0.0
    total = np.abs(start) + np.abs(end)
    inside = np.where(crossing, (start**2 + end**2) / np.where(total > 0.0, total, 1.0), total)
    return float(width @ inside / 2.0)


def _sliced(a: Law, b: Law, order: int) -> float:
    dim = a.dim
    if dim == 1:
        lines = [_quantiles(x.points[:, 0], x.weights, None if x.grid is None else x.grid.edges[0]) for x in (a, b)]
        return _line_distance(lines[0], lines[1], order) ** (1.0 / order)
    if dim == 2:
        angle = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        directions = np.random.default_rng(0).normal(size=(4 * DIRECTIONS, dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    total = 0.0
    for e in directions:
        lines = [_quantiles(x.points @ e, x.weights, None) for x in (a, b)]
        total += _line_distance(lines[0], lines[1], order)
    scale = np.sqrt(dim) if order == 2 else 1.0 / np.abs(directions[:, 0]).mean()
    return float(scale * (total / len(directions)) ** (1.0 / order))


def _thin(one: Law, seed: int) -> Law:
    """At most `POINTS` samples; of a density, the cells that carry all but 1e-12 of the mass."""
    if one.grid is not None:
        order = np.argsort(one.weights)[::-1]
        kept = order[: int(np.searchsorted(np.cumsum(one.weights[order]), 1.0 - 1e-12)) + 1]
        if len(kept) > 2 * POINTS:
            return one.draw(np.random.default_rng(seed), POINTS)
        return Law(one.points[kept], one.weights[kept] / one.weights[kept].sum(), one.grid)
    if len(one.points) <= POINTS:
        return one
    picked = np.random.default_rng(seed).choice(len(one.points), POINTS, replace=False)
    return Law(one.points[picked], np.full(POINTS, 1.0 / POINTS), None)


def _median_distance(a: Law, b: Law, seed: int) -> float:
    rng = np.random.default_rng(seed)
    x, y = a.draw(rng, 500).points, b.draw(rng, 500).points
    return float(np.median(np.sqrt(((x - y) ** 2).sum(axis=1))))


def _kernel_mean(a: Law, b: Law, width: float) -> float:
    square = (a.points**2).sum(axis=1)[:, None] + (b.points**2).sum(axis=1) - 2.0 * a.points @ b.points.T
    kernel = np.exp(-0.5 * np.maximum(square, 0.0) / width**2)
    if a is b and a.grid is None:
        n = len(a.points)
        return float((kernel.sum() - n) / (n * (n - 1.0)))
    return float(a.weights @ kernel @ b.weights)


def _mmd(a: Law, b: Law, width: float) -> float:
    square = _kernel_mean(a, a, width) + _kernel_mean(b, b, width) - 2.0 * _kernel_mean(a, b, width)
    return float(np.sign(square) * np.sqrt(abs(square)))


def _kl_histogram(a: Law, b: Law) -> float:
    if a.grid is not None and b.grid is not None and a.grid.shape != b.grid.shape:
        raise bad_value("b", "on the grid of `a`", b.grid)
    grid = a.grid if a.grid is not None else b.grid
    if grid is None:
        bins = max(round(min(len(a.points), len(b.points)) ** (1.0 / 3.0)), 2)
        low, high = (f([f(x.points, axis=0) for x in (a, b)], axis=0) for f in (np.min, np.max))
        edges = [np.linspace(p, q + 1e-12 * (q - p) + 1e-300, bins + 1) for p, q in zip(low, high, strict=True)]
    else:
        edges = [_coarse(e, a if a.grid is None else b) for e in grid.edges]
    p, q = (np.histogramdd(x.points, bins=edges, weights=x.weights)[0].ravel() for x in (a, b))
    p, q = p / max(p.sum(), 1e-300), q / max(q.sum(), 1e-300)
    busy = p > 0.0
    if (q[busy] <= 0.0).any():
        return float("inf") if a.grid is None or b.grid is not None else _kl_shared(p, q)
    bias = 0.0 if a.grid is not None else (np.count_nonzero(busy) - 1) / (2.0 * len(a.points))
    return float((p[busy] * np.log(p[busy] / q[busy])).sum() - bias)


def _kl_shared(p: np.ndarray, q: np.ndarray) -> float:
    """A density against samples: infinite if more than 1 % of it lies where no sample fell, else without that part."""
    empty = (p > 0.0) & (q <= 0.0)
    if p[empty].sum() > 0.01:
        return float("inf")
    busy = (p > 0.0) & ~empty
    return float((p[busy] * np.log(p[busy] / q[busy])).sum())


def _coarse(edges: np.ndarray, other: Law) -> np.ndarray:
    """Cell edges, some dropped so that bins hold enough samples on average (all of them for two densities)."""
    if other.grid is not None:
        return edges
    bins = max(round(len(other.points) ** (1.0 / 3.0)), 2)
    stride = max(1, (edges.size - 1) // bins)
    kept = edges[::stride]
    return kept if kept[-1] == edges[-1] else np.append(kept, edges[-1])


def _kl_nearest(a: Law, b: Law) -> float:
    from scipy.spatial import cKDTree

    n, m, d = len(a.points), len(b.points), a.dim
    own = cKDTree(a.points).query(a.points, k=2)[0][:, 1]
    other = cKDTree(b.points).query(a.points, k=1)[0]
    safe = (own > 0.0) & (other > 0.0)
    return float(d * np.log(other[safe] / own[safe]).mean() + np.log(m / (n - 1.0)))
