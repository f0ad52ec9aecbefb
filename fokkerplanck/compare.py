"""Distances between densities and ensembles, each beside what sampling alone would give."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from . import distances as _laws
from .checks import increasing, instance
from .density import marginal
from .errors import bad_type, bad_value
from .montecarlo.ensemble import Ensemble
from .results import Solution
from .storage import write_text

COLUMNS = ("t", "model", "axis", "mean", "se_mean", "deviation", "se_deviation", "z_mean", "W1", "W1_sampling")

MORE = ("W2", "MMD", "KL")

NOTE = (
    "z_mean is the difference of the mean from the reference in standard errors: beyond 3 by chance in 0.27 % of the rows. "
    "W1 is the 1-Wasserstein distance to the reference along the axis; W1_sampling is its mean if only sampling set them apart."
)


class Marginal(NamedTuple):
    """One coordinate of a result at one time: moments with standard errors, and its distribution function.

    n is the number of paths (inf for a density); the distribution function passes through (x, below), jumping for paths.
    """

    mean: float
    se_mean: float
    deviation: float
    se_deviation: float
    n: float
    x: np.ndarray
    below: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """A table of results against a reference: one row a time, a model and an axis.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of tuple
        Missing entries are None.
    note : str
        How to read the error bars.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = NOTE

    def column(self, name: str) -> list[Any]:
        """All entries of one column."""
        if not isinstance(name, str) or name not in self.columns:
            raise bad_value("name", f"one of {', '.join(self.columns)}", name)
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def to_markdown(self) -> str:
        """The table in Markdown, with its note."""
        lines = ["| " + " | ".join(self.columns) + " |", "|" + " --- |" * len(self.columns)]
        lines += ["| " + " | ".join(format_entry(entry) for entry in row) + " |" for row in self.rows]
        return "\n".join(lines) + f"\n\n{self.note}\n"

    def to_csv(self) -> str:
        """The table as comma-separated values, numbers in full."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if entry is None else entry for entry in row] for row in self.rows)
        return out.getvalue()

    def save_csv(self, path: str) -> None:
        """Write `to_csv` to a file."""
        write_text(path, self.to_csv())

    def __repr__(self) -> str:
        texts = [self.columns, *[tuple(format_entry(entry) for entry in row) for row in self.rows]]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        return "\n".join("  ".join(text.rjust(w) for text, w in zip(line, widths, strict=True)) for line in texts)


def format_entry(entry: Any) -> str:
    """A table entry at the precision worth reading."""
    if entry is None:
        return ""
    if isinstance(entry, float):
        return f"{entry:.4g}"
    return str(entry)


def compare(
    results: Mapping[str, Solution | Ensemble],
    reference: str | None = None,
    times: Sequence[float] | None = None,
    distances: Sequence[str] = (),
) -> Comparison:
    """Moments of several results, and their distances to one of them.

    Parameters
    ----------
    results : dict of Solution and Ensemble
        All in one number of dimensions.
    reference : str, optional
        Name of the result that the others are held against. Default: the only ensemble, else the last result.
    times : sequence, optional
        Default: the times that all results have.
    distances : sequence of {"W2", "MMD", "KL"}
        More distances to the reference along each axis (KL: of the reference from the model), each with columns for
        its standard error and for what sampling alone would give; see `fokkerplanck.distances`.

    Returns
    -------
    Comparison

    Notes
    -----
    The standard error of a deviation s from n paths is sqrt((m4 - s^4) / n) / (2 s). The mean 1-Wasserstein distance of n
    samples to their own law F is sqrt(2 / (pi n)) * integral of sqrt(F (1 - F)) (del Barrio, Gine and Matran 1999); densities
    carry no sampling error.
    """
    instance("results", results, Mapping, "a dictionary of results")
    if not results:
        raise bad_value("results", "a dictionary with at least one result", results)
    for name, result in results.items():
        if not isinstance(result, (Solution, Ensemble)):
            raise bad_type(f"results[{name!r}]", "a Solution or an Ensemble", result)
    if len({_dimension(r) for r in results.values()}) > 1:
        raise bad_value("results", "in one number of dimensions", {k: _dimension(r) for k, r in results.items()})
    rule = f"some of {', '.join(map(repr, MORE))}, in a list"
    if isinstance(distances, str) or not isinstance(distances, Sequence):
        raise bad_type("distances", rule, distances)
    for word in distances:
        if not isinstance(word, str) or word not in MORE:
            raise bad_value("distances", rule, word)
    chosen = _reference(results, reference)
    rows = []
    for t in _common_times(results, times):
        for axis in range(_dimension(results[chosen])):
            base = marginal_of(results[chosen], t, axis)
            for name, result in results.items():
                one = base if name == chosen else marginal_of(result, t, axis)
                more = _more(results[name], results[chosen], t, axis, () if name == chosen else distances)
                blank = (None,) * (3 * len(distances) - len(more))
                rows.append((float(t), name, axis, *one[:4], *_distances(one, base, name == chosen), *more, *blank))
    columns = (*COLUMNS, *(c for word in distances for c in (word, f"se_{word}", f"{word}_sampling")))
    return Comparison(columns, tuple(tuple(_blank(entry) for entry in row) for row in rows))


def _more(one: Any, base: Any, t: float, axis: int, words: Sequence[str]) -> tuple[float, ...]:
    if not words:
        return ()
    a, b = (_laws.along(_laws.law(x, t), axis) for x in (one, base))
    measures = {
        "W2": lambda: _laws.wasserstein(a, b, 2),
        "MMD": lambda: _laws.mmd(a, b),
        "KL": lambda: _laws.kullback_leibler(b, a),
    }
    return tuple(float(value) for word in words for value in measures[word]())


def marginal_of(result: Solution | Ensemble, t: float, axis: int) -> Marginal:
    """One coordinate of a result at one of its times."""
    if isinstance(result, Ensemble):
        return _sampled_marginal(result.at(t)[:, axis])
    grid = result.grid
    index = result.index(t)
    masses = marginal(result.masses[index], grid, axis)
    masses = masses / masses.sum()
    x = grid.centers[axis]
    mean = float(masses @ x)
    deviation = math.sqrt(max(float(masses @ (x - mean) ** 2), 0.0))
    below = np.concatenate([[0.0], np.cumsum(masses)])
    return Marginal(mean, 0.0, deviation, 0.0, math.inf, grid.edges[axis], below)


def wasserstein(a: Marginal, b: Marginal) -> float:
    """The 1-Wasserstein distance, the integral of |F_a - F_b|."""
    x = np.union1d(a.x, b.x)
    middle = 0.5 * (x[1:] + x[:-1])
    return float(np.abs(_cdf(a, middle) - _cdf(b, middle)) @ np.diff(x))


def _sampled_marginal(values: np.ndarray) -> Marginal:
    values = np.sort(values[np.isfinite(values)])
    n = values.size
    if n < 2:
        raise bad_value("results", "ensembles with at least two finite paths", n)
    mean = float(values.mean())
    centered = values - mean
    variance = float((centered**2).mean())
    deviation = math.sqrt(variance * n / (n - 1))
    spread = max(float((centered**4).mean()) - variance**2, 0.0)
    se_deviation = math.sqrt(spread / n) / (2.0 * deviation) if deviation > 0.0 else 0.0
    return Marginal(mean, deviation / math.sqrt(n), deviation, se_deviation, n, values, np.arange(1, n + 1) / n)


def _cdf(one: Marginal, x: np.ndarray) -> np.ndarray:
    if one.n == math.inf:
        return np.interp(x, one.x, one.below)
    return np.searchsorted(one.x, x, side="right") / one.n


def _distances(one: Marginal, base: Marginal, is_reference: bool) -> tuple[float | None, float | None, float | None]:
    """(z of the mean, W1, W1 expected from sampling)."""
    if is_reference:
        return None, None, None
    error = math.hypot(one.se_mean, base.se_mean)
    z = (one.mean - base.mean) / error if error > 0.0 else None
    inverse = 1.0 / one.n + 1.0 / base.n
    sampled = base if base.n < math.inf else one
    middle = 0.5 * (sampled.x[1:] + sampled.x[:-1])
    below = np.clip(_cdf(sampled, middle), 0.0, 1.0)  # sums of masses may end a rounding above 1
    noise = math.sqrt(2.0 / math.pi * inverse) * float(np.sqrt(below * (1.0 - below)) @ np.diff(sampled.x))
    return z, wasserstein(one, base), noise


def _dimension(result: Solution | Ensemble) -> int:
    return result.dim if isinstance(result, Ensemble) else result.grid.dim


def _reference(results: Mapping[str, Solution | Ensemble], reference: str | None) -> str:
    if reference is None:
        ensembles = [name for name, result in results.items() if isinstance(result, Ensemble)]
        return ensembles[0] if len(ensembles) == 1 else list(results)[-1]
    if not isinstance(reference, str) or reference not in results:
        raise bad_value("reference", f"one of {', '.join(map(repr, results))}", reference)
    return reference


def _common_times(results: Mapping[str, Solution | Ensemble], times: Sequence[float] | None) -> list[float]:
    if times is not None:
        return increasing("times", times).tolist()
    first, *others = results.values()
    common = [float(t) for t in first.times if all(np.isclose(r.times, t, rtol=1e-9, atol=1e-12).any() for r in others)]
    if not common:
        raise bad_value("results", "recorded at some common time", {k: list(r.times[:4]) for k, r in results.items()})
    return common


def _blank(entry: Any) -> Any:
    return None if isinstance(entry, float) and math.isnan(entry) else entry
