"""How far two results are apart: Wasserstein and energy distances, mean discrepancy, Kullback-Leibler divergence, tails.

Each distance takes densities and ensembles in any combination, and comes with its standard error over the sampling and
with the value that sampling alone would give if both were of one law. A distance that does not exceed the latter by some
standard errors is no distance.

Coordinates of periodic axes are on circles, and so are samples beside such a density, or with `period`: there
transport goes the short way round, and the distances of `mmd` and `energy` are chords, since with arcs two different
laws, such as half the mass at each of two opposite points, would be at distance 0 from each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..arguments import instance, number, whole
from ..errors import bad_value
from ..model.grid import Grid
from ..progress import Pace
from ..randomness import private_generator
from ..results.ensemble import Ensemble, error_of_mean
from ..statistics.tail_index import hill_index
from .circle import circular, mean_direction, on_circles, on_line, wrapped
from .dependence import independent_by_seed, rows_go_together, share_a_seed
from .distribution import Law, along, choose, few, law, same_dimension, squares, standard_error, thin
from .wasserstein import optimal, root_error, sliced, transport_package

__all__ = [
    "Distance",
    "Law",
    "along",
    "energy",
    "kullback_leibler",
    "law",
    "mmd",
    "moments",
    "tail_index",
    "two_time_covariance",
    "wasserstein",
]

CLOSER = 6.0  # standard errors below 0, where in many dimensions these are up to twice too small
REPLICATES = 40  # bootstrap samples behind an error bar


class Distance(NamedTuple):
    """A distance; its standard error from sampling; and its mean if only sampling set the two apart."""

    value: float
    standard_error: float
    sampling: float


def wasserstein(
    a: Any,
    b: Any,
    order: int = 1,
    *,
    t: float | None = None,
    seed: int = 0,
    method: str = "auto",
    period: float | Sequence[float | None] | None = None,
) -> Distance:
    """The Wasserstein distance of order 1 or 2.

    In 1D exactly, by the quantile functions: W_p^p = integral over u of |Q_a(u) - Q_b(u)|^p; on a circle the least of these
    over the places where it may be cut. In 2D and 3D:

    "exact", and "auto": the optimal transport by linear programming (needs the package POT, `import ot`), between at most
    1000 samples or 1500 cells of each. Cells are joined to blocks until there are so few: W_2 comes out some per cent too
    large where it is no longer than a block. "sliced": another distance, the sliced one, (mean over directions of
    W_p^p)^(1/p), scaled to be exact for a shift; smaller elsewhere (2.85 where W_2 is 4). It needs no package, and is refused
    where a coordinate is on a circle: lines through a torus do not close.

    period : of coordinates on a circle; one an axis, None for a line. Known of periodic grids, and of paths simulated on them.

    The standard error is that of the mean Kantorovich potential over the samples (del Barrio and Loubes 2019), which
    holds for laws that differ; for equal ones see `sampling`.
    """
    whole("order", order, 1, 2)
    if not isinstance(method, str) or method not in ("auto", "exact", "sliced"):
        raise bad_value("method", "'auto', 'exact' or 'sliced'", method)
    one, two = _laws(a, b, t, period)
    if one.dim == 1 and one.has_circles:
        return _finish(one, two, lambda x, y: circular(x, y, order), seed)
    if one.has_circles and method == "sliced":
        raise bad_value(
            "method", "'exact' where a coordinate is on a circle", method, "Lines through a torus do not close."
        )
    transport = transport_package(method) if one.dim > 1 else None
    if transport is not None:
        one, two = few(one, seed), few(two, seed)
        return _finish(one, two, lambda x, y: optimal(transport, x, y, order), seed, replicates=4)
    return _finish(one, two, lambda x, y: sliced(x, y, order), seed)


def _laws(a: Any, b: Any, t: float | None, period: Any) -> tuple[Law, Law]:
    """Both at a time, in as many coordinates, on the same circles."""
    one, two = law(a, t, "a"), law(b, t, "b")
    same_dimension(one, two)
    return on_circles(one, two, period)


def mmd(
    a: Any,
    b: Any,
    bandwidth: float | None = None,
    *,
    t: float | None = None,
    seed: int = 0,
    period: float | Sequence[float | None] | None = None,
) -> Distance:
    """Maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 bandwidth^2)): the root of its unbiased square.

    bandwidth : default, the median distance between the two laws' points, at least two cells of a density. At most 2000
    samples enter (Gretton 2012).
    period : as for `wasserstein`; distances on a circle are chords, so that the kernel is positive.
    The value is signed: below 0 where the unbiased estimate of the square is. The standard error is that of the
    projected U-statistic, for laws that differ.
    """
    whole("seed", seed, 0)
    one, two = (thin(x, seed) for x in _laws(a, b, t, period))
    width = _bandwidth(one, two, seed) if bandwidth is None else bandwidth
    width = number("bandwidth", width, "a positive number", lambda v: 1e-100 < v < 1e100)
    return _finish(one, two, lambda x, y: _discrepancy(x, y, _gaussian(width)), seed, replicates=4)


def energy(
    a: Any,
    b: Any,
    *,
    t: float | None = None,
    seed: int = 0,
    period: float | Sequence[float | None] | None = None,
) -> Distance:
    """The energy distance: the root of 2 E|x - y| - E|x - x'| - E|y - y'|, in the units of the coordinates.

    With `period`, as for `wasserstein`, |x - y| on a circle is the chord.

    It is zero for equal laws alone, in any number of dimensions, and needs no bandwidth (Szekely and Rizzo 2013). Its square is
    estimated without bias from at most 2000 samples; the value is signed and its standard error is that of the projected
    U-statistic, as for `mmd`. `fokkerplanck.two_sample` has its p-value by permutations.
    """
    whole("seed", seed, 0)
    one, two = (thin(x, seed) for x in _laws(a, b, t, period))
    return _finish(one, two, lambda x, y: _discrepancy(x, y, lambda square: -np.sqrt(square)), seed, replicates=4)


def kullback_leibler(
    a: Any,
    b: Any,
    method: str = "auto",
    *,
    t: float | None = None,
    seed: int = 0,
    period: float | Sequence[float | None] | None = None,
) -> Distance:
    """KL(a || b), the integral of a ln(a / b), of independent samples or densities.

    "histogram": on the cells of the density (of two densities: between the edges of both grids), or on n^(1/3) bins an axis
    for samples; the bias of about (bins - 1) / (2 n) is subtracted for the samples on either side; infinite where b has an
    empty bin. "nearest": samples against samples, by distances to the nearest neighbour (Wang, Kulkarni and Verdu 2009), as
    many of each, so that equal laws give 0 on average; else biased by O(n^(-1/dim)). "auto": "nearest" for samples against
    samples, unless more than 5 % of them have a twin.

    Paired samples lie closer to each other than their laws do, and are refused: ensembles of one seed, rows that go together,
    and estimates further below 0 than their error allows. Other negative estimates are 0, where the divergence cannot be less.
    """
    if not isinstance(method, str) or method not in ("auto", "histogram", "nearest"):
        raise bad_value("method", "'auto', 'histogram' or 'nearest'", method)
    one, two = (_within_box(x, y) for x, y in itertools.permutations(_laws(a, b, t, period)))
    sampled = one.grid is None and two.grid is None
    if method == "nearest" and not sampled:
        raise bad_value("method", "'histogram' where a density takes part", method)
    if sampled:
        _refuse_pairs(a, b, one, two)
    if method == "nearest" or (method == "auto" and sampled and not _twins(one)):
        n = min(len(one.points), len(two.points))
        one, two = (choose(x, n, seed) for x in (one, two))
        found = _finish(one, two, _kl_nearest, seed, replicates=4)
    else:
        found = _with_errors(one, two, _kl_histogram, seed)
    if sampled and found.value < -CLOSER * found.standard_error:
        raise _dependent(f"samples that lie closer to each other than chance allows ({found.value:.3g})")
    return found._replace(value=max(found.value, 0.0)) if np.isfinite(found.value) else found


def _within_box(one: Law, other: Law) -> Law:
    """Samples on a circle moved to where the density beside them lies, or to within one period from 0 on."""
    if not one.has_circles or one.grid is not None:
        return one
    low = 0.0 if other.grid is None else [edges[0] for edges in other.grid.edges]
    return replace(one, points=wrapped(one.points, low, one.periods))


def _refuse_pairs(a: Any, b: Any, one: Law, two: Law) -> None:
    if shared := share_a_seed(a, b):
        raise _dependent(f"ensembles of one seed, {min(shared)}")
    if not independent_by_seed(a, b) and rows_go_together(one.points, two.points):
        raise _dependent("rows that go together")


def _dependent(found: str) -> ValueError:
    then = "Simulate with different seeds, or see fp.two_sample(a, b, paired=True); rows in no order may be shuffled first."
    return bad_value("b", "independent of `a`", found, then)


def _twins(one: Law) -> bool:
    """Whether more than 5 % of the samples have an equal."""
    return len(np.unique(one.points, axis=0)) < 0.95 * len(one.points)


def moments(result: Any, t: float | None = None) -> dict[str, np.ndarray]:
    """mean, variance, skewness and excess kurtosis along each axis, with standard errors ("se_mean", ...), each (dim,).

    The errors are those of the influence functions, with the samples' own higher moments: none is taken to be normal.
    That of the kurtosis needs the eighth moment, and is too small where the tails are heavy. A coordinate on a circle is
    taken within half a period of the mean direction, so that it does not matter where its axis begins.
    """
    one = law(result, t)
    if one.has_circles:
        lines = [along(one, axis) for axis in range(one.dim)]
        found = [moments(on_line(line, float(mean_direction(line)[0]))) for line in lines]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    n = len(one.points) if one.grid is None else np.inf
    mean = one.weights @ one.points
    away = one.points - mean
    spread = np.sqrt(one.weights @ away**2)
    z = away / np.where(spread > 0.0, spread, np.nan)  # samples all alike have no shape
    skewness, kurtosis = one.weights @ z**3, one.weights @ z**4
    influence = {
        "mean": away,
        "variance": away**2 - spread**2,
        "skewness": z**3 - skewness - 3.0 * z - 1.5 * skewness * (z**2 - 1.0),
        "kurtosis": z**4 - kurtosis - 4.0 * skewness * z - 2.0 * kurtosis * (z**2 - 1.0),
    }
    values = {"mean": mean, "variance": spread**2, "skewness": skewness, "kurtosis": kurtosis - 3.0}
    if one.swarms is None:
        errors = {f"se_{name}": np.sqrt(one.weights @ f**2 / n) for name, f in influence.items()}
    else:
        errors = {f"se_{name}": error_of_mean(f, one.swarms) for name, f in influence.items()}
    return values | errors


def two_time_covariance(ensemble: Ensemble, s: float, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Covariance <dx_i(s) dx_j(t)> of paths at two recorded times, and its standard error, both (dim, dim).

    Snapshots do not know it: two processes with the same densities at all times may differ in it.
    """
    instance("ensemble", ensemble, Ensemble, "an Ensemble")
    number("s", s, "a recorded time", lambda v: bool(np.isclose(ensemble.times, v, rtol=1e-12, atol=0.0).any()))
    x, y = ensemble.at(s), ensemble.at(t)
    both = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    products = (x[both] - x[both].mean(axis=0))[:, :, None] * (y[both] - y[both].mean(axis=0))[:, None, :]
    return products.mean(axis=0), error_of_mean(
        products, ensemble.swarms[both] if ensemble.swarms is not None else None
    )


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
    k = max(int(share * r.size), 2)
    index, other = hill_index(np.log(np.maximum(r, 1e-300)), np.array([k, min(2 * k, r.size - 1)]))
    alike = np.sqrt(len(values.points) / values.independent)
    return Distance(float(index), float(alike * index / np.sqrt(k)), float(other))


Measure = Callable[[Law, Law], float]


def _finish(
    a: Law, b: Law, measure: Callable[[Law, Law], tuple[float, float]], seed: int, replicates: int = REPLICATES // 4
) -> Distance:
    """A distance whose measure gives the standard error too."""
    value, error = measure(a, b)
    if a.grid is not None and b.grid is not None:
        return Distance(value, 0.0, 0.0)
    rng = private_generator("resamples of a distance", whole("seed", seed, 0))
    return Distance(value, error, _by_chance(a, b, lambda x, y: measure(x, y)[0], rng, replicates))


def _with_errors(a: Law, b: Law, measure: Measure, seed: int) -> Distance:
    """A distance with a bootstrap error."""
    value = measure(a, b)
    if a.grid is not None and b.grid is not None:
        return Distance(value, 0.0, 0.0)
    if not np.isfinite(value):
        return Distance(value, np.nan, np.nan)
    rng = private_generator("resamples of a distance", whole("seed", seed, 0))
    again, pace = [], Pace(__name__, "error of a distance")
    for k in range(REPLICATES):
        pace(k / REPLICATES)
        again.append(measure(a.resample(rng), b.resample(rng)))
    finite = [x for x in again if np.isfinite(x)]
    error = float(np.std(finite, ddof=1)) if len(finite) > 1 else np.nan
    return Distance(value, error, _by_chance(a, b, measure, rng, REPLICATES // 2))


def _by_chance(a: Law, b: Law, measure: Measure, rng: np.random.Generator, replicates: int) -> float:
    """The mean distance if both were of the law of b (of the density, where one is)."""
    base = a if a.grid is not None else b
    same, pace = [], Pace(__name__, "distance by chance")
    for k in range(replicates):
        pace(k / replicates)
        one, two = (x if x.grid is not None else base.draw(rng, max(round(x.independent), 2)) for x in (a, b))
        same.append(measure(one, two))
    return float(np.mean(same))


def _bandwidth(a: Law, b: Law, seed: int) -> float:
    """The median distance; at least two cells, as a density stands at their centers (Gretton 2012)."""
    rng = private_generator("resamples of a distance", whole("seed", seed, 0))
    x, y = a.draw(rng, 500).embedded.points, b.draw(rng, 500).embedded.points
    cells = [float(w.min()) for one in (a, b) if one.grid is not None for w in one.grid.widths]
    return float(max(np.median(np.sqrt(((x - y) ** 2).sum(axis=1))), 2.0 * max(cells, default=0.0)))


Kernel = Callable[[np.ndarray], np.ndarray]  # of squared distances


def _gaussian(width: float) -> Kernel:
    return lambda square: np.exp(-0.5 * square / width**2)


def _similarity(a: Law, b: Law, kernel: Kernel) -> tuple[np.ndarray, np.ndarray]:
    """Mean kernel of each point of a with b, and of b with a; of one law without those of its own and its swarm."""
    square = np.maximum(squares(a.embedded, b.embedded), 0.0)
    if a is b:
        np.fill_diagonal(square, 0.0)
    values = kernel(square)
    if a is b and a.grid is None:
        swarms = np.arange(len(a.points)) if a.swarms is None else a.swarms
        apart = swarms[:, None] != swarms
        own = np.where(apart, values, 0.0).sum(axis=1) / np.maximum(apart.sum(axis=1), 1)
        return own, own
    return values @ b.weights, a.weights @ values


def _discrepancy(a: Law, b: Law, kernel: Kernel) -> tuple[float, float]:
    """The signed root of E k(x, x') + E k(y, y') - 2 E k(x, y), and its standard error."""
    own_a, own_b = _similarity(a, a, kernel)[0], _similarity(b, b, kernel)[0]
    cross_a, cross_b = _similarity(a, b, kernel)
    square = float(a.weights @ (own_a - cross_a) + b.weights @ (own_b - cross_b))
    error = 2.0 * standard_error((a, b), (own_a - cross_a, own_b - cross_b))
    value = float(np.sign(square) * np.sqrt(abs(square)))
    return value, root_error(error, abs(value), 2)


def _kl_histogram(a: Law, b: Law) -> float:
    if a.grid is not None and b.grid is not None and not _same_cells(a.grid, b.grid):
        return _kl_of_cells(*_on_common_cells(a, a.grid, b, b.grid))
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
    if b.grid is None:
        bias += float((p[busy] * (1.0 - q[busy]) / q[busy]).sum()) / (2.0 * len(b.points))
    return float((p[busy] * np.log(p[busy] / q[busy])).sum() - bias)


def _on_common_cells(a: Law, one: Grid, b: Law, two: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Masses of two densities, even inside their cells, on the cells between the edges of both grids."""
    shares: list[tuple[np.ndarray, np.ndarray]] = []
    for axis, (x, y) in enumerate(zip(one.edges, two.edges, strict=True)):
        if a.has_circles and np.isfinite(a.periods[axis]) and np.abs(x[[0, -1]] - y[[0, -1]]).max() > 1e-9 * np.ptp(x):
            then = "Leave the divergence out, or solve both between the same ends."
            raise bad_value("b", f"on the part of the circle from {x[0]:g} to {x[-1]:g}, as `a` is", two, then)
        edges = np.unique(np.concatenate([x, y]))
        shares.append((_overlap(x, edges), _overlap(y, edges)))
    p, q = a.weights.reshape(one.shape), b.weights.reshape(two.shape)
    for axis, (first, second) in enumerate(shares):
        p, q = (np.moveaxis(np.tensordot(m, v, (1, axis)), 0, axis) for m, v in ((first, p), (second, q)))
    return p.ravel(), q.ravel()


def _overlap(cells: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The share of each cell (columns) that lies in each interval between finer edges (rows).

    `added_up` takes differences of sums, in which the far tails that a divergence reads would be lost to rounding.
    """
    low = np.maximum(edges[:-1, None], cells[None, :-1])
    high = np.minimum(edges[1:, None], cells[None, 1:])
    return np.maximum(high - low, 0.0) / np.diff(cells)


def _kl_of_cells(p: np.ndarray, q: np.ndarray) -> float:
    """Of masses on the same cells; slivers between edges that rounding tells apart hold nothing."""
    busy = p > 1e-12 * p.max()
    return float("inf") if (q[busy] <= 0.0).any() else float((p[busy] * np.log(p[busy] / q[busy])).sum())


def _same_cells(a: Grid, b: Grid) -> bool:
    pairs = zip(a.edges, b.edges, strict=True)
    return a.shape == b.shape and all(np.abs(x - y).max() < 1e-9 * np.ptp(x) for x, y in pairs)


def _kl_shared(p: np.ndarray, q: np.ndarray) -> float:
    """A density against samples: infinite if more than 1 % of it lies where no sample fell, else without that part."""
    empty = (p > 0.0) & (q <= 0.0)
    if p[empty].sum() > 0.01:
        return float("inf")
    busy = (p > 0.0) & ~empty
    kept = p[busy] / p[busy].sum()
    return float((kept * np.log(kept / q[busy])).sum())


def _coarse(edges: np.ndarray, other: Law) -> np.ndarray:
    """Cell edges, some dropped so that bins hold enough samples on average (all of them for two densities)."""
    if other.grid is not None:
        return edges
    bins = max(round(len(other.points) ** (1.0 / 3.0)), 2)
    stride = max(1, (edges.size - 1) // bins)
    kept = edges[::stride]
    return kept if kept[-1] == edges[-1] else np.append(kept, edges[-1])


def _kl_nearest(a: Law, b: Law) -> tuple[float, float]:
    """The estimate; its error from the spread of ln(other / own) over a, and of the same number of neighbours over b."""
    from scipy.spatial import cKDTree

    n, m, d = len(a.points), len(b.points), a.dim
    box = [p if np.isfinite(p) else 0.0 for p in a.periods] if a.has_circles else None  # 0: a line
    own = cKDTree(a.points, boxsize=box).query(a.points, k=2)[0][:, 1]
    other, nearest = cKDTree(b.points, boxsize=box).query(a.points, k=1)
    safe = (own > 0.0) & (other > 0.0)
    if not safe.any():  # every sample has a twin
        return np.nan, np.nan
    terms = d * np.log(other[safe] / own[safe])
    asked = np.bincount(nearest, minlength=m) * (m / n)  # p / q at the samples of b, roughly
    error = np.sqrt(terms.var() / max(len(terms), 1) * n / a.independent + asked.var() / b.independent)
    return float(terms.mean() + np.log(m / (n - 1.0))), float(error)
