"""The least action from one point to another, and the path that takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import flag, number, reals, whole
from ..errors import bad_value
from ..figure_layout import COLORS, finished, panels_of, styled
from ..model.grid import AXES, Grid
from ..model.portable import Portable
from ..results.figure_style import contour_levels, contours
from ..storage.netcdf import axis_names
from ..storage.tables import Tabled, by_cell, value_and_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .limit_cycle import LimitCycle

WAY: Any = {"color": COLORS[1], "lw": 2.0}
WAY_LABEL = "most likely way"
DOT: Any = {"color": "k", "ls": "none", "ms": 5}
START, GOAL = ({**DOT, "marker": mark, "label": word} for mark, word in (("o", "start"), ("s", "end")))
ATTRACTOR: Any = {**DOT, "marker": "o", "label": "attractor"}
FREE = 1e-3  # cost a length, of the mean along the path, below which the drift carries
LONG = 0.02  # of the path: what counts as a stretch between two climbs


class PathCost(NamedTuple):
    """Points of a path (n, d), the cost up to each of them (n,), its error, and where the cost is infinite."""

    path: np.ndarray
    cost: np.ndarray
    error: float
    stuck: tuple[float, ...] | None = None

    @classmethod
    def infinite(cls, place: Sequence[float] | np.ndarray) -> PathCost:
        """No path, since nothing moves on at a point."""
        return cls(np.empty((0, len(place))), np.empty(0), 0.0, tuple(float(c) for c in place))


@dataclass(frozen=True)
class Prediction:
    """ln of a mean time, and its standard error."""

    log_time: float
    log_error: float

    @property
    def time(self) -> float:
        """The mean time; infinite beyond 1e308."""
        return float(np.exp(self.log_time)) if self.log_time < 709.0 else np.inf

    @property
    def interval(self) -> tuple[float, float]:
        """One standard error below and above `time`."""
        low, high = (Prediction(self.log_time + s * self.log_error, 0.0).time for s in (-1.0, 1.0))
        return low, high

    def __repr__(self) -> str:
        exponent, mantissa = divmod(self.log_time / np.log(10.0), 1.0)
        return (
            f"about {10.0**mantissa:.3g}e{exponent:+.0f}, to a factor {np.exp(self.log_error):.3g} (one standard error)"
        )


@dataclass(frozen=True, eq=False, repr=False)
class LeastAction(Tabled):
    """How hard it is to come from `a` to `b` against the drift, and the most likely way.

    Attributes
    ----------
    a, b : tuple of float
    exponent : float
        The quasipotential V(a, b), the least action over all paths and times; infinite where no noise leads on.
    path : ndarray (n, d)
        Points of the path of least action, from a to b; empty where the exponent is infinite.
    cost : ndarray (n,)
        Action up to each point, from 0 to `exponent`; constant where the drift carries.
    error : float
        Of the exponent, by halving the number of points.
    noise : str
        What the exponent is to be divided by in the mean time exp(exponent / noise); empty for 1.
    unit : str
        Of the mean time.
    stuck : tuple of float or None
        A point beyond which nothing leads, where the exponent is infinite.
    why : str
        The reason, where the exponent is infinite.
    names : tuple of str
        Of the coordinates.
    cycle : LimitCycle or None
        The stable limit cycle that the drift leads to from a, if it does: the action is then that from the cycle.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    exponent: float
    path: np.ndarray
    cost: np.ndarray
    error: float
    noise: str = ""
    unit: str = "time"
    stuck: tuple[float, ...] | None = None
    why: str = ""
    names: tuple[str, ...] = AXES
    cycle: LimitCycle | None = None

    def _columns(self) -> dict[str, np.ndarray]:
        """The path, a row for each of its points."""
        names = axis_names(self.names)
        return dict(zip(names, self.path.T, strict=False)) | {"action": self.cost}

    @property
    def climbs(self) -> tuple[float, ...]:
        """The action of each climb against the drift along the path; more than one where it passes another attractor."""
        if self.exponent == 0.0 or not np.isfinite(self.exponent):
            return ()
        length = np.linalg.norm(np.diff(self.path, axis=0), axis=1)
        part = np.diff(self.cost)
        free = part <= FREE * self.exponent / length.sum() * length
        found, run, gap = [0.0], 0.0, 0.0
        for step, size, is_free in zip(part, length, free, strict=True):
            gap = gap + size if is_free else 0.0
            run += step
            if gap > LONG * length.sum() and found[-1] + run > 0.0:
                found[-1] += run
                found.append(0.0)
                run = gap = 0.0
        found[-1] += run
        return tuple(float(c) for c in found if c > 10.0 * FREE * self.exponent)

    def extrapolate(self, noise: float, at: Sequence[float], times: Sequence[float]) -> Prediction:
        """Mean times at a noise beyond the reach of any computation, from those computed `at` larger noise.

        The exponent is known, so that only the factor before the exponential is fitted, by least squares:

            ln(time) = V / noise - k ln(noise) + c_0 + c_1 noise,     k = 1 for steps of SGD, else 0.

        Parameters
        ----------
        noise : float
            Of SGD, the learning rate; of an equation, a factor of D, with 1 for the equation as it is.
        at, times : sequences of at least 3 numbers
            Where mean times are known, and these (as of `first_passage` of a transfer operator).

        Returns
        -------
        Prediction
            With one standard error, of the fit and by how much the prediction changes with a term c_2 noise^2 (with c_1 for
            three times), the larger.
        """
        known, means = _positive("at", at), _positive("times", times)
        most = float(known.max(initial=0.0))
        noise = number("noise", noise, f"positive and at most {most:g}, the largest of `at`", lambda v: 0.0 < v <= most)
        if known.size != means.size or np.unique(known).size < 3:
            raise bad_value("times", "as many as `at`, of at least 3 different values", times)
        if not 0.0 < self.exponent < np.inf:
            raise bad_value("exponent", "positive and finite to extrapolate by it", self.exponent)
        slow = 1.0 if self.noise else 0.0
        factor = np.log(means) + slow * np.log(known) - self.exponent / known
        degree = 2 if known.size > 3 else 0
        (best, error), (other, _) = (_fitted(known, factor, d, noise) for d in (1, degree))
        log_time = self.exponent / noise - slow * np.log(noise) + best
        return Prediction(float(log_time), float(max(error, abs(best - other))))

    def __repr__(self) -> str:
        ends = f"from {_origin(self.a, self.cycle)} to {_point(self.b)}"
        if np.isinf(self.exponent):
            place = f" at {_point(self.stuck)}" if self.stuck else ""
            return f"LeastAction {ends}: infinite: {self.why}{place}"
        share = f" / {self.noise}" if self.noise else ""
        text = f"LeastAction {ends}: mean {self.unit} like exp({self.exponent:.6g}{share})"
        climbs = self.climbs
        if len(climbs) > 1:
            shown = ", ".join(f"{c:.4g}" for c in climbs)
            text += f"\n  in {len(climbs)} climbs ({shown}), past another attractor: ask for the escape from each"
        return text

    @styled
    def plot(
        self, landscape: Callable | None = None, *, ax: Axes | Sequence[Axes] | None = None, title: str = ""
    ) -> Figure:
        """The path over the first two coordinates with the contours of a landscape, and the action along the path.

        Parameters
        ----------
        landscape : callable, optional
            A function of the two coordinates (two dimensions).
        ax : matplotlib Axes, or in more than one dimension two of them, optional
            To draw on.
        title : str
        """
        dim = len(self.a)
        if not self.path.size:
            raise bad_value("exponent", "finite to draw a path", self.exponent, "No path leads there.")
        labels = self.names
        axes = panels_of(ax, 4.6, 3.6, 1 if dim == 1 else 2)
        handles: list[Any] = []
        along = self.path[:, 0]
        if dim > 1:
            handles = _draw_path(axes[0][0], self.path, labels, landscape if dim == 2 else None, self.cycle)
            along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.path, axis=0), axis=1))])
        last = axes[0][-1]
        last.plot(along, self.cost, "k")
        last.set(xlabel=labels[0] if dim == 1 else "length along the path", ylabel="action")
        return finished(axes[0], title, handles)


@dataclass(frozen=True, eq=False, repr=False)
class Quasipotential(Tabled, Portable):
    """How hard it is to come from an attractor to every point of a grid.

    Attributes
    ----------
    a : tuple of float
        The attractor.
    grid : Grid
    values : ndarray (*grid.shape)
        V(a, x), the least action over all paths within the box and all times; infinite where no noise leads.
    error : ndarray (*grid.shape)
        By how much the values change on cells twice as wide; not a number where these do not say.
    noise : str
        What exponents are to be divided by in mean times exp(V / noise); empty for 1.
    least : callable
        From a point b and a number of points to the `LeastAction` from a to it.
    cycle : LimitCycle or None
        The attractor, where the drift leads from a to a stable limit cycle.
    """

    a: tuple[float, ...]
    grid: Grid
    values: np.ndarray
    error: np.ndarray
    noise: str
    least: Callable[[np.ndarray, int], LeastAction]
    cycle: LimitCycle | None = None

    def at(self, b: float | Sequence[float]) -> float:
        """V(a, b), interpolated between centers of cells."""
        return self.grid.interpolate(self.values, _numbers(b), "b")

    def error_at(self, b: float | Sequence[float]) -> float:
        """The error at a point, interpolated."""
        return self.grid.interpolate(self.error, _numbers(b), "b")

    def to(self, b: float | Sequence[float], *, points: int = 200) -> LeastAction:
        """The path of least action from a to b, whose exponent does not depend on cells.

        In two dimensions a polygon that starts from where the values lead back, so that no way of the grid is missed.
        """
        self.at(b)  # refuses points beyond the box
        return self.least(np.array(_numbers(b)), whole("points", points, 8))

    def _columns(self) -> dict[str, np.ndarray]:
        return by_cell(self.grid, value_and_error("quasipotential", self.values, {"quasipotential": self.error}))

    def __repr__(self) -> str:
        finite = self.values[np.isfinite(self.values)]
        share = f", of exp(V / {self.noise})" if self.noise else ""
        lost = self.values.size - finite.size
        beyond = f"; infinite in {lost} cells, where no noise leads" if lost else ""
        worst = f"{np.nanmax(self.error):.1e}" if np.isfinite(self.error).any() else "not known"
        text = f"Quasipotential of {_origin(self.a, self.cycle)} on {' x '.join(map(str, self.grid.shape))} cells"
        return f"{text}: V up to {finite.max():.4g}{share}, error up to {worst}{beyond}"

    @styled
    def plot(
        self, to: Sequence[Sequence[float]] = (), *, ax: Axes | None = None, log: bool = False, title: str = ""
    ) -> Figure:
        """V over the grid, in two dimensions by its contours with the most likely ways `to` some points, on `ax` if given.

        With `log`, in one dimension, on a logarithmic scale.
        """
        labels = self.grid.names
        if flag("log", log) and self.grid.dim > 1:
            raise bad_value("log", "False for a map of V", log)
        panels = panels_of(ax, 4.6, 3.8, 1)[0]
        panel = panels[0]
        if self.grid.dim == 1:
            panel.plot(self.grid.centers[0], np.where(np.isfinite(self.values), self.values, np.nan), "k")
            panel.set(xlabel=labels[0], ylabel="quasipotential V", yscale="log" if log else "linear")
            if not log:
                panel.plot(*self.a, 0.0, **ATTRACTOR)
            return finished(panels, title)
        shown = np.where(np.isfinite(self.values), self.values, np.nan)
        levels = contour_levels(self.values)
        filled = panel.contourf(*self.grid.centers, shown.T, levels=np.append(0.0, levels), cmap="Blues", extend="max")
        panel.figure.colorbar(filled, ax=panel, label="quasipotential V", format="%.3g")
        for k, b in enumerate(to):
            path = self.to(b).path
            panel.plot(path[:, 0], path[:, 1], **WAY, label=None if k else WAY_LABEL)
            panel.plot(*path[-1], "ks", ms=5)
        if self.cycle is None:
            panel.plot(*self.a, **ATTRACTOR)
        else:
            _draw_cycle(panel, self.cycle)
        panel.set(xlabel=labels[0], ylabel=labels[1])
        return finished(panels, title)


def _positive(name: str, value: Sequence[float]) -> np.ndarray:
    array = reals(name, value)
    if array.ndim != 1 or not (np.isfinite(array) & (array > 0.0)).all():
        raise bad_value(name, "a sequence of positive numbers", value)
    return array


def _fitted(x: np.ndarray, y: np.ndarray, degree: int, place: float) -> tuple[float, float]:
    """A polynomial fit at a place, and the standard error that the residuals give it there."""
    rows = np.vander(x, degree + 1)
    there = np.vander([place], degree + 1)[0]
    solution = np.linalg.lstsq(rows, y, rcond=None)[0]
    free = x.size - degree - 1
    variance = ((y - rows @ solution) ** 2).sum() / max(free, 1)
    return float(there @ solution), float(np.sqrt(variance * there @ np.linalg.pinv(rows.T @ rows) @ there))


def _draw_path(
    ax: Axes, path: np.ndarray, labels: Sequence[str], landscape: Callable | None, cycle: LimitCycle | None
) -> list[Any]:
    """The way with its ends; what a legend shows of them."""
    from matplotlib.lines import Line2D

    shown = path[:, :2] if cycle is None else np.vstack([path, cycle.points])
    low, high = shown.min(axis=0), shown.max(axis=0)
    margin = 0.2 * max((high - low).max(), 1e-12)
    box = [(float(u - margin), float(v + margin)) for u, v in zip(low, high, strict=True)]
    contours(ax, box, landscape)
    if cycle is not None:
        _draw_cycle(ax, cycle)
    ax.plot(path[:, 0], path[:, 1], **WAY)
    ax.plot(*path[0, :2], **START)
    ax.plot(*path[-1, :2], **GOAL)
    ax.set(xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])
    lines = [] if landscape is None else [Line2D([], [], color="0.45", lw=0.6, label="contours of the landscape")]
    return [*(Line2D([], [], **style) for style in (WAY | {"label": WAY_LABEL}, START, GOAL)), *lines]


def _draw_cycle(ax: Axes, cycle: LimitCycle) -> None:
    ax.plot(*np.vstack([cycle.points, cycle.points[:1]]).T, "k", lw=1.0, label="limit cycle")


def _origin(a: Sequence[float], cycle: LimitCycle | None) -> str:
    return (
        _point(a)
        if cycle is None
        else f"the limit cycle through {_point(cycle.points[0])}, of period {cycle.period:.5g},"
    )


def _numbers(point: float | Sequence[float]) -> list[float]:
    return np.atleast_1d(reals("b", point, "a point, finite numbers")).astype(float).tolist()


def _point(point: Sequence[float]) -> str:
    shown = ", ".join(f"{c:.6g}" for c in point)
    return shown if len(point) == 1 else f"({shown})"
