"""A table of results compared with one of them: moments, distances and tails, each beside its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arguments import increasing, instance
from ..errors import bad_type, bad_value
from ..results.ensemble import Ensemble
from ..results.moments import Moments
from ..storage.tables import Comparison
from . import distances as _laws
from .distribution import Law
from .wasserstein import sliced

MOMENTS = ("mean", "deviation", "skewness", "kurtosis")
DISTANCES = ("W2", "MMD", "KL", "tail")
TAIL_PATHS = 500  # from which 2 % are ten
COLUMNS = (
    "t", "model", "axis", *(c for m in MOMENTS for c in (m, f"se_{m}")), "two_time", "se_two_time",
    "z_mean", "W1", "se_W1", "W1_sampling",
)  # fmt: skip

NOTE = (
    "kurtosis: in excess of 3. two_time: covariance of paths between the first of the times and t. "
    "z_mean: difference of the mean from the reference in standard errors, beyond 3 by chance in 0.27 % of the rows. "
    "W1, W2: Wasserstein distances to the reference; MMD: maximum mean discrepancy (signed root); KL: divergence of the "
    "reference from the model. Each has its standard error (se_) and its mean if only sampling set the two apart (_sampling). "
    "Densities are even inside a cell: distances below a cell mean nothing. "
    "tail: Hill's index from the outermost 2 % of paths, tail_sampling that from 4 %: the tail has no one power where they "
    "differ."
)


def compare(
    results: Mapping[str, Moments | Ensemble],
    reference: str | None = None,
    times: Sequence[float] | None = None,
    distances: Sequence[str] = DISTANCES,
) -> Comparison:
    """Moments of several results, and their distances to one of them.

    Parameters
    ----------
    results : dict of Solution, Ensemble or Stationary
        All in one number of dimensions.
    reference : str, optional
        Name of the result that the others are compared with. Default: the only ensemble, else the last result.
    times : sequence, optional
        Default: the times that all results have. Stationary results go with any time, among themselves with infinity.
    distances : sequence of {"W2", "MMD", "KL", "tail"}
        What is wanted beside the moments and W1 (KL: of the reference from the model; tail: of paths), each with columns
        for its standard error and for what sampling alone would give; see `fokkerplanck.comparison.distances`.
        Default: all, which takes about half a second a row of 20,000 paths.

    Returns
    -------
    Comparison
        One row a time, a model and an axis; in more dimensions one more with the distances between the joint laws, whose
        axis is "all". Printed, it shows what fits 80 columns, and in brackets what is no larger than chance; `rows`,
        `to_csv` and `to_markdown` hold everything.

    Notes
    -----
    The standard error of a deviation s from n paths is sqrt((m4 - s^4) / n) / (2 s). The mean 1-Wasserstein distance of n
    samples to their own law F is sqrt(2 / (pi n)) * integral of sqrt(F (1 - F)) (del Barrio, Gine and Matran 1999); densities
    carry no sampling error.
    """
    _check(results, distances)
    chosen = _reference(results, reference)
    dim = _dimension(results[chosen])
    rows: list[tuple[Any, ...]] = []
    moments = _common_times(results, times)
    for t in moments:
        laws = {name: _laws.law(result, t, f"results[{name!r}]") for name, result in results.items()}
        for axis in range(dim):
            for name, result in results.items():
                one, base = _laws.along(laws[name], axis), _laws.along(laws[chosen], axis)
                lag = _two_time(result, moments, t, axis)
                apart = (None,) * 4 if name == chosen else _apart(one, base)
                more = _more(one, base, distances, name == chosen)
                rows.append((t, name, axis, *_moments(one), *lag, *apart, *more))
        if dim > 1 and distances:
            rows += [
                (t, name, "all", *_joint(laws[name], laws[chosen], distances)) for name in results if name != chosen
            ]
    columns = (*COLUMNS, *(c for word in distances for c in (word, f"se_{word}", f"{word}_sampling")))
    return Comparison(columns, tuple(tuple(_blank(entry) for entry in row) for row in rows), NOTE, COLUMNS[:3])


def _check(results: Any, distances: Sequence[str]) -> None:
    instance("results", results, Mapping, "a dictionary of results")
    if not results:
        raise bad_value("results", "a dictionary with at least one result", results)
    for name, result in results.items():
        if not isinstance(result, (Moments, Ensemble)):
            raise bad_type(f"results[{name!r}]", "a Solution, an Ensemble or a stationary result", result)
    if len({_dimension(r) for r in results.values()}) > 1:
        raise bad_value("results", "in one number of dimensions", {k: _dimension(r) for k, r in results.items()})
    rule = f"some of {', '.join(map(repr, DISTANCES))}, in a list"
    if isinstance(distances, str) or not isinstance(distances, Sequence):
        raise bad_type("distances", rule, distances)
    for word in distances:
        if not isinstance(word, str) or word not in DISTANCES:
            raise bad_value("distances", rule, word)


def _moments(one: Law) -> tuple[float, ...]:
    """Mean, deviation (unbiased), skewness and kurtosis in one dimension, each with its standard error."""
    found = {name: float(value[0]) for name, value in _laws.moments(one).items()}
    n = len(one.points)
    unbiased = 1.0 if one.grid is not None else n / (n - 1.0)
    deviation = math.sqrt(found["variance"] * unbiased)
    error = 0.0 if one.grid is not None else deviation / math.sqrt(n)
    spread = 0.5 * found["se_variance"] / deviation if deviation > 0.0 else 0.0
    rest = (found[name] for name in ("skewness", "se_skewness", "kurtosis", "se_kurtosis"))
    return (found["mean"], error, deviation, spread, *rest)


def _two_time(result: Any, times: Sequence[float], t: float, axis: int) -> tuple[float | None, float | None]:
    """Covariance of paths between the first of the times and t, and its error; densities do not know it."""
    if not isinstance(result, Ensemble) or t == times[0]:
        return None, None
    covariance, error = _laws.two_time_covariance(result, times[0], t)
    return float(covariance[axis, axis]), float(error[axis, axis])


def _apart(one: Law, base: Law) -> tuple[float | None, ...]:
    """(z of the mean, W1, its error, W1 expected from sampling)."""
    (mean, error, *_), (center, base_error, *_) = _moments(one), _moments(base)
    both = math.hypot(error, base_error)
    return ((mean - center) / both if both > 0.0 else None, *sliced(one, base, 1), _noise(one, base))


def _noise(one: Law, base: Law) -> float:
    inverse = sum(1.0 / len(x.points) for x in (one, base) if x.grid is None)
    law = base if base.grid is None else one
    if law.grid is not None:
        return 0.0
    x = np.sort(law.points[:, 0])
    below = np.arange(1, x.size) / x.size
    return math.sqrt(2.0 / math.pi * inverse) * float(np.sqrt(below * (1.0 - below)) @ np.diff(x))


def _more(one: Law, base: Law, words: Sequence[str], is_reference: bool) -> tuple[Any, ...]:
    """Three entries a distance."""
    measures = {
        "W2": lambda: _laws.wasserstein(one, base, 2),
        "MMD": lambda: _laws.mmd(one, base),
        "KL": lambda: _laws.kullback_leibler(base, one),
    }
    entries: list[Any] = []
    for word in words:
        if word == "tail":
            few = one.grid is not None or len(one.points) < TAIL_PATHS
            entries += (None,) * 3 if few else _laws.tail_index(one)
        else:
            entries += (None,) * 3 if is_reference else measures[word]()
    return tuple(entries)


def _joint(one: Law, base: Law, words: Sequence[str]) -> tuple[Any, ...]:
    """The columns from the mean on, with the distances between laws in all coordinates together."""
    blank = (None,) * (len(COLUMNS) - 6)
    w1 = _laws.wasserstein(one, base)
    kept = [word for word in words if word != "tail"]
    found = dict(zip(kept, _triples(_more(one, base, kept, False)), strict=True))
    return (*blank, *w1, *(entry for word in words for entry in found.get(word, (None,) * 3)))


def _triples(entries: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """In groups of three."""
    return [entries[i : i + 3] for i in range(0, len(entries), 3)]


def _dimension(result: Any) -> int:
    return result.dim if isinstance(result, Ensemble) else result.grid.dim


def _reference(results: Mapping[str, Any], reference: str | None) -> str:
    if reference is None:
        ensembles = [name for name, result in results.items() if isinstance(result, Ensemble)]
        return ensembles[0] if len(ensembles) == 1 else list(results)[-1]
    if not isinstance(reference, str) or reference not in results:
        raise bad_value("reference", f"one of {', '.join(map(repr, results))}", reference)
    return reference


def _common_times(results: Mapping[str, Any], times: Sequence[float] | None) -> list[float]:
    moving = [result for result in results.values() if hasattr(result, "times")]
    if times is not None:
        chosen = increasing("times", times).tolist()
        for t in chosen:
            for name, result in results.items():
                if hasattr(result, "times") and not np.isclose(result.times, t, rtol=1e-9, atol=1e-12).any():
                    raise bad_value("times", f"recorded by results[{name!r}], such as {result.times[-1]:g}", t)
        return chosen
    if not moving:
        return [math.inf]
    first, *others = moving
    common = [float(t) for t in first.times if all(np.isclose(r.times, t, rtol=1e-9, atol=1e-12).any() for r in others)]
    if not common:
        raise bad_value("results", "recorded at some common time", [list(r.times[:4]) for r in moving])
    return common


def _blank(entry: Any) -> Any:
    return None if isinstance(entry, float) and math.isnan(entry) else entry
