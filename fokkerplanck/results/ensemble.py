"""The result of a simulation: many paths, with error bars for whatever is read off them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import call, instance, mask, number, reals
from ..errors import bad_type, bad_value, warn
from ..model.grid import AXES, Grid
from ..storage.tables import Tabled
from .distribution import axes_of
from .html import with_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 40  # of the small picture in a notebook


class Share(NamedTuple):
    """A share of the paths at each time, and its standard error; both of shape (n_times,)."""

    value: np.ndarray
    standard_error: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Tabled):
    """Positions of paths at recorded times; independent of each other, but for those of one swarm.

    Attributes
    ----------
    times : ndarray (n_times,)
        In steps for SGD, in time units for a stochastic equation.
    positions : ndarray (n_times, n_paths, dim)
        A path that entered the target stays where it entered. A path that diverged is not finite from then on.
    exit_times : ndarray (n_paths,) or None
        First time in the target, inf where unfinished; None without a target.
    seed : int or None
        Ensembles of one seed share random numbers: at least their starts. None where it is not known.
    settings : dict
        What was simulated.
    step_error : dict or None
        "mean" and "deviation", each (n_times, dim): what the time step of the simulation changes in them, measured on pairs
        of paths with the same noise and steps of `dt` and `dt / 2`. None where there is no such step, as for SGD, or where
        it was not measured.
    reach : float
        Distance from the origin beyond which a path counts as diverged, though it is still finite.
    swarms : ndarray (n_paths,) of int, or None
        Where paths interact, the number of the swarm that each belongs to. Errors of sampling are then those of independent
        swarms; of one swarm alone they are those of as many independent paths, which these are not.
    names : tuple of str, or None
        Of the coordinates, where the equation or the loss names them.
    resets : ndarray (n_times, n_paths) of int, or None
        How often each path had started anew by each time.
    outside : ndarray (n_times, n_paths) of bool, or None
        Paths that are not in the box, as they wait for the delay of a reset: their positions are nan, and moments and
        densities are those of the others.
    """

    times: np.ndarray
    positions: np.ndarray
    exit_times: np.ndarray | None = None
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    step_error: dict[str, np.ndarray] | None = None
    reach: float = np.inf
    swarms: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    resets: np.ndarray | None = None
    outside: np.ndarray | None = None

    @property
    def n_paths(self) -> int:
        """Number of paths."""
        return self.positions.shape[1]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.positions.shape[2]

    @property
    def label(self) -> str:
        """What figures call it: "SGD", or "simulation" where the paths are those of an equation."""
        return "simulation" if str(self.settings.get("process", "")).startswith("FokkerPlanck") else "SGD"

    @property
    def diverged(self) -> float:
        """Share of the paths that are beyond `reach`, or no longer finite, at the last time."""
        return self.diverged_at(float(self.times[-1]))

    def diverged_at(self, t: float) -> float:
        """Share of the paths that had diverged by a recorded time."""
        return float((~self._kept(self.at(t)) & ~self._is_outside()[self.index(t)]).mean())

    def reset_rate(self) -> Share:
        """Resets of a path per time, from the output time before (the first: from 0) to each, with its standard error.

        With a delay these are those who enter again, a delay after they have left.

        Raises
        ------
        ValueError
            Of paths without resets.
        """
        if self.resets is None:
            raise bad_value("ensemble", "of paths with resets", None, "Simulate with reset=fp.point(0.0).")
        lengths = np.diff(self.times, prepend=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.diff(self.resets, axis=0, prepend=0) / lengths[:, None]
        return Share(rates.mean(axis=1), np.array([float(error_of_mean(one, self.swarms)) for one in rates]))

    def _is_outside(self) -> np.ndarray:
        """Which paths are not in the box, (n_times, n_paths)."""
        return np.zeros(self.positions.shape[:2], dtype=bool) if self.outside is None else self.outside

    def mean(self) -> np.ndarray:
        """Mean over the finite paths, shape (n_times, dim)."""
        return np.array([p.mean(axis=0) if len(p) else np.full(self.dim, np.nan) for p in self._finite()])

    def covariance(self) -> np.ndarray:
        """Unbiased covariance over the finite paths, in two passes, shape (n_times, dim, dim)."""
        return np.array([_covariance(p) for p in self._finite()])

    def standard_error(self) -> np.ndarray:
        """Standard error of `mean`, shape (n_times, dim)."""
        masks = self._kept(self.positions)
        return np.array([error_of_mean(p, self._members(m)) for p, m in zip(self._finite(), masks, strict=True)])

    def density(self, grid: Any) -> np.ndarray:
        """Histogram on the cells of a grid, as a density, shape (n_times, *grid.shape).

        It integrates to the share of the paths inside the box. The standard error in a cell of volume V that holds the
        share P of n paths is sqrt(P (1 - P) / n) / V.
        """
        instance("grid", grid, Grid, "a Grid", "Make one with fp.Grid((low, high), cells).")
        if grid.dim != self.dim:
            raise bad_value("grid", f"of dimension {self.dim}, as the paths are", grid.dim)
        counts = [np.histogramdd(p[self._kept(p)], bins=list(grid.edges))[0] for p in self.positions]
        return np.array(counts) / (self.n_paths * np.asarray(grid.volumes))

    def cdf(self, x: Any, t: float | None = None) -> Any:
        """The share of the paths at or below x, of any shape, in 1D; at a recorded time, or at the last."""
        points = self._line(t, "cdf")
        asked = reals("x", x, "numbers")
        if asked.size == 0 or np.isnan(asked).any():
            raise bad_value("x", "numbers", x)
        found = np.searchsorted(np.sort(points), asked, side="right") / points.size
        return float(found) if asked.ndim == 0 else found

    def survival(self, x: Any, t: float | None = None) -> Any:
        """The share of the paths above x, in 1D."""
        return 1.0 - self.cdf(x, t)

    def quantile(self, q: Any, t: float | None = None) -> Any:
        """The smallest position x with `cdf(x)` >= q, for q of any shape from 0 to 1, in 1D."""
        points = self._line(t, "quantile")
        asked = reals("q", q, "numbers from 0 to 1")
        if asked.size == 0 or not ((asked >= 0.0) & (asked <= 1.0)).all():
            raise bad_value("q", "numbers from 0 to 1", q)
        found = np.quantile(points, asked.ravel(), method="inverted_cdf").reshape(asked.shape)
        return float(found) if asked.ndim == 0 else found

    def interval(self, level: float = 0.95, t: float | None = None) -> tuple[float, float]:
        """The central interval that holds a share `level` of the paths, in 1D."""
        level = number("level", level, "between 0 and 1", lambda v: 0.0 < v < 1.0)
        low, high = self.quantile([0.5 - 0.5 * level, 0.5 + 0.5 * level], t)
        return float(low), float(high)

    def probability(self, condition: Callable, t: float | None = None) -> float:
        """The share of the paths for which a condition f(x, y) -> truth values holds; `fraction` gives its error too."""
        if not callable(condition):
            raise bad_type("condition", "a function of the coordinates that returns truth values", condition)
        points = self.positions[-1 if t is None else self.index(t)]
        with np.errstate(invalid="ignore", over="ignore"):
            found = mask("condition", call("condition", condition, points.T), points.shape[:1])
        return float((found & self._kept(points)).mean())

    def marginal(self, axis: int | str | Sequence[int | str]) -> Ensemble:
        """The paths along one coordinate or several, by their names or numbers; it plots itself."""
        kept = axes_of(axis, self._names)
        return replace(
            self,
            positions=self.positions[:, :, kept],
            step_error=None if self.step_error is None else {k: v[:, kept] for k, v in self.step_error.items()},
            names=tuple(self._names[a] for a in kept),
            settings={**self.settings, "periods": tuple(self.periods[a] for a in kept)}
            if self.periods
            else self.settings,
        )

    def plot(
        self,
        *,
        times: Sequence[float] | None = None,
        log: bool = False,
        ax: Axes | Sequence[Axes] | None = None,
        title: str = "",
    ) -> Figure:
        """A figure of the paths: in time their median with the bands that hold 50 % and 90 % of them, at one time a histogram.

        A panel for each coordinate; in two dimensions maps of the shares of the paths at the times instead.

        Parameters
        ----------
        times : sequence of float, optional
            Recorded times to show. Default: all, and for maps five of them spread evenly.
        log : bool
            Whether the density of a histogram is shown on a logarithmic scale.
        ax : matplotlib Axes, or as many of them as the figure has panels, optional
            To draw on.
        title : str
        """
        from .ensemble_figure import plot_ensemble

        return plot_ensemble(self, times, log, ax, title)

    def _columns(self) -> dict[str, np.ndarray]:
        """What `fokkerplanck.Paths` reads: a row for each time and path, with time, run, coordinates."""
        count, called = len(self.times), self._names
        keys = {"time": np.repeat(self.times, self.n_paths), "run": np.tile(np.arange(self.n_paths), count)}
        names = [name if name not in keys else f"{name} (coordinate)" for name in called]
        return keys | {name: self.positions[:, :, k].ravel() for k, name in enumerate(names)}

    def _repr_html_(self) -> str:
        """The text, with a histogram of each of up to three coordinates at the last time."""
        last = self.positions[-1][self._kept(self.positions[-1])]
        curves = []
        for x in last.T[:3] if len(last) else ():
            heights, edges = np.histogram(x, bins=BINS)
            curves.append((np.repeat(edges, 2)[1:-1], np.repeat(heights, 2).astype(float)))
        return with_picture(repr(self), curves, self._names)

    def fraction(self, inside: Callable) -> Share:
        """Share of all paths in a region, with its standard error: binomial, or that of independent swarms.

        Parameters
        ----------
        inside : callable
            f(x), f(x, y), ... from arrays (n_times, n_paths) to a boolean mask of that shape. A diverged path is
            outside.
        """
        if not callable(inside):
            raise bad_type("inside", "a function of the coordinates that returns a boolean mask", inside)
        with np.errstate(invalid="ignore", over="ignore"):
            found = mask("inside", call("inside", inside, np.moveaxis(self.positions, -1, 0)), self.positions.shape[:2])
        found = found & self._kept(self.positions)
        share = found.mean(axis=1)
        if not self.has_swarms:
            return Share(share, np.sqrt(share * (1.0 - share) / self.n_paths))
        return Share(share, np.array([error_of_mean(one.astype(float), self.swarms) for one in found]))

    def hill(self, t: float | None = None) -> Any:
        """Hill's estimate of the tail index of the deviations from the mean, at a recorded time (default: the last).

        See `fokkerplanck.hill`; all coordinates are taken together, each in units of its quartile distance.
        """
        from ..statistics.tail_index import hill

        points = self.positions[-1] if t is None else self.at(t)
        points = points[self._kept(points)]
        low, high = np.quantile(points, [0.25, 0.75], axis=0)
        return hill((points - points.mean(axis=0)) / np.where(high > low, high - low, 1.0))

    def at(self, t: float) -> np.ndarray:
        """Positions at a recorded time, shape (n_paths, dim)."""
        return self.positions[self.index(t)]

    def index(self, t: float, name: str = "t") -> int:
        """The place of a recorded time among the times; `name` is what an error calls it."""
        t = number(name, t, "a recorded time")
        index = int(np.argmin(np.abs(self.times - t)))
        if not np.isclose(self.times[index], t, rtol=1e-12, atol=0.0):
            raise bad_value(name, "a recorded time", t, f"The nearest is {self.times[index]}.")
        return index

    def joined(self, *others: Ensemble) -> Ensemble:
        """These and other paths of the same simulation with other seeds as one ensemble.

        It has no `seed`, but `seeds`. Start and target are not recorded with an ensemble, and not compared.

        Raises
        ------
        ValueError
            If times, settings or coordinates differ, or if two seeds are equal: their paths share random numbers.
        """
        parts = (self, *others)
        for other in others:
            instance("others", other, Ensemble, "ensembles")
            self._check_alike(other)
        seeds = [pair for part in parts for pair in part.seeds.items()]
        if len(dict(seeds)) < len(seeds):
            then = "Paths of one seed share random numbers."
            raise bad_value("others", "of seeds that differ", [seed for seed, _ in seeds], then)
        shares = np.array([part.n_paths for part in parts]) / sum(part.n_paths for part in parts)
        errors = [part.step_error for part in parts]
        known = [error for error in errors if error is not None]
        return Ensemble(
            self.times,
            np.concatenate([part.positions for part in parts], axis=1),
            None if self.exit_times is None else np.concatenate([part.exit_times for part in parts]),
            None if others else self.seed,
            self.settings | ({"seeds": dict(seeds)} if others else {}),
            {name: np.tensordot(shares, [error[name] for error in known], 1) for name in known[0]}
            if len(known) == len(parts)
            else None,
            self.reach,
            _joined_swarms(parts),
            self.names,
            _side_by_side([part.resets for part in parts]),
            _side_by_side([part.outside for part in parts]),
        )

    @property
    def periods(self) -> tuple[float, ...]:
        """Of coordinates that were simulated on a circle, inf for those on a line; () where all are on a line."""
        return tuple(self.settings.get("periods", ()))

    @property
    def has_swarms(self) -> bool:
        """Whether the paths are those of several swarms."""
        return self.swarms is not None and bool((self.swarms != self.swarms[0]).any())

    @property
    def is_one_swarm(self) -> bool:
        """Whether all paths interact, so that they do not say how far another swarm would be from them."""
        return self.swarms is not None and not self.has_swarms

    @property
    def _names(self) -> tuple[str, ...]:
        """Of the coordinates, also where none were given."""
        if self.names:
            return tuple(self.names)
        return tuple(AXES[: self.dim]) if self.dim <= len(AXES) else tuple(f"x{k}" for k in range(self.dim))

    def _line(self, t: float | None, what: str) -> np.ndarray:
        """Positions at a recorded time of the paths that have not diverged, (n,), in 1D."""
        if self.dim != 1:
            raise bad_value("ensemble", f"one-dimensional for `{what}`", self.dim, f"Take marginal(axis).{what}(...).")
        points = self.positions[-1 if t is None else self.index(t)]
        kept = points[self._kept(points), 0]
        if not kept.size:
            raise bad_value("ensemble", f"with some path that is finite for `{what}`", "none", "All have diverged.")
        return kept

    def _members(self, kept: np.ndarray) -> np.ndarray | None:
        """The swarms of some of the paths."""
        return None if self.swarms is None else self.swarms[kept]

    @property
    def seeds(self) -> dict[int, int]:
        """How many paths each seed has, in their order; empty where that is not known."""
        found: dict[int, int] = self.settings.get("seeds", {} if self.seed is None else {self.seed: self.n_paths})
        return found

    def _check_alike(self, other: Ensemble) -> None:
        """Refuse paths of another simulation."""
        ours, theirs = ({k: v for k, v in part.settings.items() if k != "seeds"} for part in (self, other))
        if ours != theirs or self.reach != other.reach:
            raise bad_value("others", f"of the same simulation, {ours}", theirs)
        if not np.array_equal(self.times, other.times) or self.dim != other.dim:
            raise bad_value("others", f"at the times {self.times} in {self.dim}D", f"{other.times} in {other.dim}D")
        if (self.exit_times is None) != (other.exit_times is None):
            raise bad_value("others", "all with a target, or all without", other)

    def _kept(self, points: np.ndarray) -> np.ndarray:
        """Which of the points (..., dim) are those of paths that have not diverged."""
        return (np.abs(points) < self.reach).all(axis=-1)  # false for nan

    def _finite(self) -> list[np.ndarray]:
        masks = self._kept(self.positions)
        lost = int((~masks & ~self._is_outside()).sum(axis=1).max())
        if lost:
            text = f"{lost} of {self.n_paths} paths diverged; statistics are those of the others."
            warn(text, RuntimeWarning)
        return [p[m] for p, m in zip(self.positions, masks, strict=True)]

    def __repr__(self) -> str:
        shown = ", ".join(f"{t:g}" for t in self.times[:6]) + (", ..." if len(self.times) > 6 else "")
        size = f"{self.n_paths} paths in {self.dim}D at {len(self.times)} times"
        seed = "" if self.seed is None else f", seed {self.seed}"
        lines = [f"Ensemble: {size} ({shown}){seed}"]
        lines += [f"  {key}: {value}" for key, value in self.settings.items()]
        if self.is_one_swarm:
            lines.append("  one swarm: errors of sampling are those of independent paths, which these are not")
        if self.step_error is not None:
            largest = [float(self.step_error[name].max()) for name in ("mean", "deviation")]
            lines.append("  error of the time step: at most {:.2g} in means, {:.2g} in deviations".format(*largest))
        if self.exit_times is not None:
            done = np.isfinite(self.exit_times)
            mean = f", mean exit time of these {self.exit_times[done].mean():.6g}" if done.any() else ""
            lines.append(f"  reached the target: {done.mean():.4g} of the paths{mean}")
        if self.diverged:
            lines.append(f"  diverged: {100.0 * self.diverged:.3g}% of the paths")
        return "\n".join(lines)


def _side_by_side(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Arrays (n_times, n_paths) of several ensembles as one, where all have them."""
    known = [part for part in parts if part is not None]
    return np.concatenate(known, axis=1) if len(known) == len(parts) else None


def _joined_swarms(parts: Sequence[Ensemble]) -> np.ndarray | None:
    """The swarms of several ensembles, numbered on."""
    if any(part.swarms is None for part in parts):
        return None
    numbers, after = [], 0
    for part in parts:
        assert part.swarms is not None
        numbers.append(part.swarms + after)
        after += int(part.swarms.max()) + 1
    return np.concatenate(numbers)


def periods_of(grid: Grid) -> tuple[float, ...]:
    """Lengths of the periodic axes of a grid, inf for the others; () where none is periodic."""
    axes = range(grid.dim)
    found = tuple(float(np.ptp(grid.edges[a])) if grid.periodic(a) else np.inf for a in axes)
    return found if any(map(grid.periodic, axes)) else ()


def error_of_mean(values: np.ndarray, swarms: np.ndarray | None = None) -> np.ndarray:
    """Standard error of the mean over the first axis of values (n, ...), independent, or from several independent swarms (n,).

    Of swarms by their sums of deviations from the mean (Liang and Zeger 1986), with the factor G / (G - 1) for G of them.
    """
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan)
    away = values - values.mean(axis=0)
    groups = None if swarms is None else np.unique(swarms, return_inverse=True)[1]
    if groups is None or groups.max() == 0:
        return np.asarray(np.sqrt((away**2).sum(axis=0) / (n - 1.0) / n))
    count = int(groups.max()) + 1
    sums = np.zeros((count, *values.shape[1:]))
    np.add.at(sums, groups, away)
    return np.asarray(np.sqrt(count / (count - 1.0) * (sums**2).sum(axis=0)) / n)


def _covariance(points: np.ndarray) -> np.ndarray:
    if len(points) < 2:
        return np.full((points.shape[1], points.shape[1]), np.nan)
    deviation = points - points.mean(axis=0)
    return deviation.T @ deviation / (len(points) - 1)
