"""One result at one time, as a comparison sees it: its law, its moments, and the errors of step, grid and sampling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..results.ensemble import Ensemble, error_of_mean
from .circle import change_of_cut, mean_direction, on_line
from .dependence import independent_by_seed, paired_by_seed, rows_go_together
from .distances import moments
from .distribution import Law, along, law


@dataclass(frozen=True, eq=False)
class Side:
    """A result, its law at a time, and the time."""

    result: Any
    law: Law
    t: float
    middle: np.ndarray | None = None  # (dim,): moments on circles are of coordinates within half a period of it
    _along: dict[int, tuple[Law, dict[str, float]]] = field(default_factory=dict, init=False, repr=False)

    def along(self, axis: int) -> Law:
        """The law of one coordinate."""
        return self._coordinate(axis)[0]

    def _coordinate(self, axis: int) -> tuple[Law, dict[str, float]]:
        """The law of one coordinate and its moments, computed once: each result is compared with all others."""
        if axis not in self._along:
            one = along(self.law, axis)
            self._along[axis] = one, {name: float(value[0]) for name, value in moments(self._cut(one, axis)).items()}
        return self._along[axis]

    def _cut(self, one: Law, axis: int) -> Law:
        """A coordinate on a circle as one on a line."""
        return one if self.middle is None else on_line(one, float(self.middle[axis]))

    def moments(self, axis: int) -> dict[str, Any]:
        """Mean, deviation (unbiased), skewness and kurtosis of a coordinate, each with its error, and the largest source."""
        one, found = self._coordinate(axis)
        n = len(one.points)
        unbiased = 1.0 if one.grid is not None else n / (n - 1.0)
        deviation = math.sqrt(found["variance"] * unbiased)
        spread = 0.5 * found["se_variance"] / deviation if deviation > 0.0 else 0.0
        points = self._cut(one, axis).points
        sampling = (0.0 if one.grid is not None else float(error_of_mean(points, one.swarms)[0]), spread)
        errors = {"sampling": sampling} | self.other_errors(axis)
        source, largest = max(((name, math.hypot(*pair)) for name, pair in errors.items()), key=lambda entry: entry[1])
        return {
            "mean": found["mean"],
            "se_mean": math.hypot(*(pair[0] for pair in errors.values())),
            "deviation": deviation,
            "se_deviation": math.hypot(*(pair[1] for pair in errors.values())),
            "largest_error": source if largest > 0.0 else None,
        } | {name: found[name] for name in ("skewness", "se_skewness", "kurtosis", "se_kurtosis")}

    def other_errors(self, axis: int, middle: float | None = None) -> dict[str, tuple[float, float]]:
        """Errors of mean and deviation from the time step of a simulation, a grid or sampled batches, where measured.

        Of a coordinate on a circle within half a period of `middle`, by default of that of the moments.
        """
        if isinstance(self.result, Ensemble):
            step = self.result.step_error
            if step is None:
                return {}
            index = self.result.index(self.t)
            return {"step": (float(step["mean"][index, axis]), float(step["deviation"][index, axis]))}
        sources = {"grid": getattr(self.result, "error", None)}
        sources["batches"] = (getattr(self.result, "stats", None) or {}).get("sampling_error")
        known = {name: error for name, error in sources.items() if isinstance(error, Mapping)}
        if self.middle is not None and np.isfinite(self.law.periods[axis]) and known.get("grid"):
            grid = self._of_cut(known["grid"], axis, float(self.middle[axis]) if middle is None else middle)
            return {name: grid if name == "grid" else self._of_moments(error, axis) for name, error in known.items()}
        return {name: self._of_moments(error, axis) for name, error in known.items()}

    def _of_cut(self, error: Any, axis: int, middle: float) -> tuple[float, float]:
        """Errors of mean and deviation of a density on a circle: they depend on where it is cut.

        Where no answers on coarser grids are kept, by how far the mass that is off may be carried.
        """

        def read(result: Any) -> np.ndarray:
            one = along(replace(law(result, self.t), periods=self.law.periods), axis)
            found = moments(on_line(one, middle))
            return np.array([found["mean"][0], math.sqrt(found["variance"][0])])

        if error.of is not None:
            mean, deviation = np.nan_to_num(error.of(read))
            return float(mean), float(deviation)
        period = self.law.periods[axis]
        off = 0.5 * float(self._entry(error.get("density"), 0))
        deviation = max(float(read(self.result)[1]), 1e-300)
        cut = change_of_cut(self.along(axis), middle)
        return off * period + cut, (0.25 * off * period + cut) * 0.5 * period / deviation

    def _of_moments(self, error: Mapping[str, Any], axis: int) -> tuple[float, float]:
        """Errors of mean and deviation of a coordinate from those of mean and covariance."""
        mean, covariance = self._entry(error.get("mean"), 1), self._entry(error.get("covariance"), 2)
        deviation = math.sqrt(max(self._coordinate(axis)[1]["variance"], 1e-300))
        return float(mean[axis]), 0.5 * float(covariance[axis, axis]) / deviation

    def _entry(self, value: Any, axes: int) -> np.ndarray:
        """A measured error at this time, over `axes` axes of coordinates; zeros where there is none."""
        array = np.zeros(()) if value is None else np.abs(np.asarray(value, dtype=float))
        if array.ndim > axes:
            array = array[self.result.index(self.t)]
        return np.broadcast_to(np.nan_to_num(array, nan=0.0), (self.law.dim,) * axes)

    def _widened(self, axis: int) -> float:
        """By how much the deviation of a density grows where it is even inside its cells, as distances take it."""
        one = self.along(axis)
        if one.grid is None:
            return 0.0
        spread = float(moments(on_line(one, float(mean_direction(one)[0])))["variance"][0])
        return math.sqrt(spread + float(one.weights @ np.diff(one.grid.edges[0]) ** 2) / 12.0) - math.sqrt(spread)

    def paired(self, other: Side) -> bool:
        """Whether the samples of both share random numbers: by their seeds, or else by how their rows go together."""
        one, two = self.law, other.law
        if one.grid is not None or two.grid is not None or independent_by_seed(self.result, other.result):
            return False
        return paired_by_seed(self.result, other.result) or rows_go_together(one.points, two.points)

    def mean_difference(self, other: Side, axis: int) -> tuple[float, float]:
        """Difference of the means and its error: of pairs, that of the differences."""
        one, two = self.moments(axis), other.moments(axis)
        apart = one["mean"] - two["mean"]
        if self.law.points.shape == other.law.points.shape and self.paired(other):
            mine, theirs = (x._cut(along(x.law, axis), axis).points[:, 0] for x in (self, other))
            differences = mine - theirs
            error = float(error_of_mean(differences, self.law.swarms))
            return apart, math.hypot(error, *(pair[0] for x in (self, other) for pair in x.other_errors(axis).values()))
        return apart, math.hypot(one["se_mean"], two["se_mean"])

    def beside(self, other: Side, axes: Iterable[int]) -> float:
        """What steps and grids add to the error of a Wasserstein distance: that between the normal laws they confuse."""
        return math.hypot(*self.sources_beside(other, axes).values())

    def sources_beside(self, other: Side, axes: Iterable[int]) -> dict[str, float]:
        """As `beside`, by what the errors come from."""
        squares: dict[str, float] = {}
        axes = tuple(axes)
        for axis, side in itertools.product(axes, (self, other)):
            middle = float(mean_direction(side.along(axis))[0])  # where little is cut: a distance sees no cut at all
            for source, (mean, deviation) in side.other_errors(axis, middle).items():
                squares[source] = squares.get(source, 0.0) + mean**2 + deviation**2
        for axis in axes:
            widened = self._widened(axis) - other._widened(axis)  # by the same cells both are, and stay as far apart
            squares["grid"] = squares.get("grid", 0.0) + widened**2
        return {source: math.sqrt(square) for source, square in squares.items()}
