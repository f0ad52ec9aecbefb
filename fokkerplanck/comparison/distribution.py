"""Distributions at one time, from densities and samples alike: what distances are measured between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..arguments import instance, number, reals, sized, whole
from ..errors import bad_type, bad_value, warn
from ..model.grid import Grid
from ..randomness import private_generator
from ..results.ensemble import Ensemble, error_of_mean, periods_of

POINTS = 2000  # samples that enter a sum over pairs
TRANSPORTED = 1500  # blocks of cells between which optimal transport is solved
SAMPLES = 1000  # the same for samples
SKIPPED = 1e-6  # of the mass: blocks with less are left out of a transport


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
    swarms : ndarray (n,) of int, or None
        The number of the swarm that each sample belongs to, where samples of several independent swarms are not independent.
    periods: tuple of float (dim,)
        Of coordinates on a circle, inf for those on a line; () where all are on a line.
    """

    points: np.ndarray
    weights: np.ndarray
    grid: Grid | None
    swarms: np.ndarray | None = None
    periods: tuple[float, ...] = ()

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.points.shape[1]

    @cached_property
    def independent(self) -> float:
        """As many independent samples would leave the means of the coordinates as uncertain as these do (for the worst one)."""
        n = float(len(self.points))
        if self.swarms is None:
            return n
        alone, together = error_of_mean(self.points), error_of_mean(self.points, self.swarms)
        worst = float(np.max(np.divide(together, alone, out=np.ones(self.dim), where=alone > 0.0)))
        return n / max(worst, 1.0) ** 2

    def resample(self, rng: np.random.Generator) -> Law:
        """Samples, or whole swarms of them, drawn again with replacement; a density is its own."""
        if self.grid is not None:
            return self
        if self.swarms is not None:
            numbers = np.unique(self.swarms)
            members = [np.flatnonzero(self.swarms == k) for k in rng.choice(numbers, size=numbers.size)]
            points = self.points[np.concatenate(members)]
            again = np.repeat(np.arange(numbers.size), [m.size for m in members])
            return Law(points, np.full(len(points), 1.0 / len(points)), None, again, self.periods)
        picked = rng.integers(len(self.points), size=len(self.points))
        return replace(self, points=self.points[picked])

    def draw(self, rng: np.random.Generator, n: int) -> Law:
        """n samples of this law, spread evenly inside the cells of a density."""
        picked = rng.choice(len(self.points), size=n, p=self.weights)
        points = self.points[picked]
        if self.grid is not None:
            widths = np.stack([w.ravel() for w in np.meshgrid(*self.grid.widths, indexing="ij")], axis=1)
            points = points + (rng.random(points.shape) - 0.5) * widths[picked]
        return Law(points, np.full(n, 1.0 / n), None, None, self.periods)

    @property
    def has_circles(self) -> bool:
        """Whether a coordinate is on a circle."""
        return bool(np.isfinite(self.periods).any())

    @cached_property
    def embedded(self) -> Law:
        """With each circle of period P as that of radius P / (2 pi) in a plane, so that distances are chords."""
        if not self.has_circles:
            return self
        columns = []
        for x, period in zip(self.points.T, self.periods, strict=True):
            radius = period / (2.0 * np.pi)
            columns += [radius * np.cos(x / radius), radius * np.sin(x / radius)] if np.isfinite(period) else [x]
        return replace(self, points=np.stack(columns, axis=1), periods=())


def law(result: Any, t: float | None = None, name: str = "result") -> Law:
    """The law of a result at one of its times (default: the last).

    Parameters
    ----------
    result : Solution, Ensemble, stationary result, Law, or array of samples (n,) or (n, dim)
    t : float, optional
    name : str
        What an error calls it.
    """
    if isinstance(result, Law):
        return result
    if t is not None:
        number("t", t, "one of the times of the result", lambda v: v >= 0.0)
    if isinstance(result, Ensemble):
        points = result.positions[-1] if t is None else result.at(t)
        return _samples(points, name, result.swarms if result.has_swarms else None, result.periods)
    if hasattr(result, "masses") and hasattr(result, "grid") and not isinstance(result, type):
        masses = result.masses
        if masses.ndim > result.grid.dim:
            masses = masses[-1 if t is None else result.index(t)]
        points = np.stack([x.ravel() for x in np.meshgrid(*result.grid.centers, indexing="ij")], axis=1)
        masses = np.maximum(masses.ravel(), 0.0)  # a density may end 1e-16 below zero
        return Law(points, masses / masses.sum(), result.grid, None, periods_of(result.grid))
    if isinstance(result, list | np.ndarray):
        return _given(reals(name, result, "a Solution, an Ensemble or an array of samples"), name)
    raise bad_type(name, "a Solution, an Ensemble or an array of samples", result)


def _given(points: np.ndarray, name: str) -> Law:
    """Samples of the user's own, of a size whose square is a number; what is not finite is left out, and said."""
    found = _samples(points, name)
    sized(name, np.abs(found.points).max(keepdims=True))
    lost = len(points) - len(found.points)
    if lost:
        text = f"{lost} of the {len(points)} samples of `{name}` are not finite: the distance is that of the others."
        warn(text)
    return found


def _samples(
    points: np.ndarray, name: str = "result", swarms: np.ndarray | None = None, periods: tuple[float, ...] = ()
) -> Law:
    shape = points.shape
    points = points[:, None] if points.ndim == 1 else points
    finite = np.isfinite(points).all(axis=1) if points.ndim == 2 else np.ones(len(points), dtype=bool)
    points, swarms = points[finite], None if swarms is None else swarms[finite]
    if points.ndim != 2 or len(points) < 2:
        of = f"shape {shape}" if len(points) == len(finite) else f"{len(points)} finite of shape {shape}"
        raise bad_value(name, "at least two finite samples of shape (n,) or (n, dim)", of)
    return Law(points, np.full(len(points), 1.0 / len(points)), None, swarms, periods)


def along(one: Law, axis: int) -> Law:
    """The law of one coordinate."""
    instance("one", one, Law, "a Law", "Such as distances.law(solution).")
    whole("axis", axis, 0, one.dim - 1)
    if one.dim == 1:
        return one
    periods = one.periods[axis : axis + 1]
    if one.grid is None:
        return Law(one.points[:, [axis]], one.weights, None, one.swarms, periods)
    grid = Grid.from_edges(one.grid.edges[axis], one.grid.walls[axis])
    others = tuple(a for a in range(one.dim) if a != axis)
    return Law(grid.centers[0][:, None], one.weights.reshape(one.grid.shape).sum(axis=others), grid, None, periods)


def same_dimension(a: Law, b: Law) -> None:
    """Refuse laws of different dimensions."""
    if a.dim != b.dim:
        raise bad_value("b", f"in {a.dim} dimension(s), as `a` is", b.dim)


def thin(one: Law, seed: int) -> Law:
    """At most `POINTS` samples; of a density, the cells that carry all but 1e-12 of the mass."""
    if one.grid is not None:
        order = np.argsort(one.weights)[::-1]
        kept = order[: int(np.searchsorted(np.cumsum(one.weights[order]), 1.0 - 1e-12)) + 1]
        if len(kept) > 2 * POINTS:
            return one.draw(private_generator("choice of samples", seed), POINTS)
        return replace(one, points=one.points[kept], weights=one.weights[kept] / one.weights[kept].sum())
    return choose(one, POINTS, seed)


def choose(one: Law, n: int, seed: int) -> Law:
    """n of the samples, all of them where there are so many."""
    if len(one.points) <= n:
        return one
    picked = private_generator("choice of samples", seed).choice(len(one.points), n, replace=False)
    swarms = None if one.swarms is None else one.swarms[picked]
    return Law(one.points[picked], np.full(n, 1.0 / n), None, swarms, one.periods)


def few(one: Law, seed: int) -> Law:
    """At most `SAMPLES` samples, or `TRANSPORTED` blocks of cells that hold nearly all of a density."""
    if one.grid is None:
        return choose(one, SAMPLES, seed)
    masses, centers = one.weights.reshape(one.grid.shape), one.points.reshape(*one.grid.shape, one.dim)
    moments = centers * masses[..., None]
    size = 1
    while np.count_nonzero(masses > SKIPPED) > TRANSPORTED:
        size += 1
        masses = _blocks(one.weights.reshape(one.grid.shape), size)
    if size > 1:
        moments = np.stack([_blocks(moments[..., k], size) for k in range(one.dim)], axis=-1)
    used = masses > SKIPPED
    return replace(one, points=moments[used] / masses[used][:, None], weights=masses[used] / masses[used].sum())


def _blocks(values: np.ndarray, size: int) -> np.ndarray:
    """Sums over blocks of `size` cells an axis."""
    for axis in range(values.ndim):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], size), axis=axis)
    return values


def squares(a: Law, b: Law) -> np.ndarray:
    """|x - y|^2 for all pairs of points."""
    center = b.points.mean(axis=0)
    x, y = a.points - center, b.points - center
    return (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2.0 * x @ y.T


def torus_squares(a: Law, b: Law) -> np.ndarray:
    """|x - y|^2 for all pairs of points, the short way round each circle."""
    total = np.zeros((len(a.points), len(b.points)))
    for x, y, period in zip(a.points.T, b.points.T, a.periods, strict=True):
        apart = x[:, None] - y
        total += (apart - period * np.round(apart / period) if np.isfinite(period) else apart) ** 2
    return total


def standard_error(laws: Sequence[Law], influences: Sequence[np.ndarray]) -> float:
    """Standard error of a sum of means of functions, one a law; densities have none."""
    return float(np.sqrt(sum(_variance(f, x) for x, f in zip(laws, influences, strict=True) if x.grid is None)))


def _variance(influence: np.ndarray, one: Law) -> float:
    """Of the mean of a function over samples."""
    return float(influence.var() / len(influence) if one.swarms is None else error_of_mean(influence, one.swarms) ** 2)
