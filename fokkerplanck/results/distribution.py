"""A density on a grid as a probability distribution: quantiles, intervals, samples, marginals and conditionals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import call, mask, number, reals, whole
from ..errors import bad_type, bad_value
from ..model import initial_density as _density
from ..model.grid import Grid
from ..randomness import own_seed, private_generator
from ..storage.tables import Tabled, by_cell
from .distribution_function import DistributionFunction
from .html import with_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WITHIN = {1: 8, 2: 8, 3: 4}  # places along each axis of a cell at which a condition is read
HALVINGS = 52


@dataclass(frozen=True, eq=False, repr=False)
class Distribution(Tabled):
    """The law of what is in the box, scaled to one, in the manner of `scipy.stats`.

    In 1D the distribution function passes through the masses of the cells, by a monotone cubic, so that `pdf`, `cdf`,
    `quantile`, `probability` and `sample` agree with each other and with the masses. In more dimensions the density is
    interpolated linearly between cell centers, round periodic axes too, and is even within each cell for `sample` and
    `probability`.

    Attributes
    ----------
    grid : Grid
    density : ndarray (*grid.shape)
        Integrates to one, less what the atoms hold.
    mass : float
        Probability that was in the box before scaling.
    atoms : dict of float
        In 1D, position -> probability of points that hold some; `pdf` leaves them out, all else counts them.
    """

    grid: Grid
    density: np.ndarray
    mass: float = 1.0
    atoms: Mapping[float, float] = field(default_factory=dict)

    @classmethod
    def of(cls, grid: Grid, density: np.ndarray, atoms: Mapping[float, float] | None = None) -> Distribution:
        """The law of a density (*grid.shape) and of atoms, of any mass above 0; negative rounding is left out."""
        kept = np.maximum(density, 0.0)
        atoms = dict(atoms or {})
        mass = float((kept * grid.volumes).sum()) + sum(atoms.values())
        if not mass > 0.0:
            raise bad_value(
                "density",
                "of some mass in the box",
                f"mass {mass:g}",
                "Nothing is in the box then: ask at another time.",
            )
        return cls(grid, kept / mass, mass, {x: m / mass for x, m in atoms.items()})

    @cached_property
    def masses(self) -> np.ndarray:
        """Probability of each cell, (*grid.shape)."""
        return self.density * self.grid.volumes

    @cached_property
    def _function(self) -> DistributionFunction:
        """Of the continuous part, in 1D."""
        return DistributionFunction.of(self.grid.edges[0], self.masses, self.grid.periodic(0))

    def mean(self) -> np.ndarray:
        """<x>, (dim,)."""
        held = sum(x * m for x, m in self.atoms.items())
        free = 1.0 - sum(self.atoms.values())
        return held + (free * _density.mean(self.masses, self.grid) if free > 0.0 else np.zeros(self.grid.dim))

    def pdf(self, x: Any) -> Any:
        """The density at points: in 1D of any shape, else (dim,) or (n, dim); zero outside, on periodic axes in any turn."""
        points, shape = self._points("x", x)
        points = [self.grid.in_first_turn(p, axis) for axis, p in enumerate(points)]
        inside = np.all([(e[0] <= p) & (p <= e[-1]) for e, p in zip(self.grid.edges, points, strict=True)], axis=0)
        held = [np.clip(p, e[0], e[-1]) for e, p in zip(self.grid.edges, points, strict=True)]
        values = self._function.pdf(held[0]) if self.grid.dim == 1 else self._between_centers(held)
        return _scalar(np.where(inside, np.maximum(values, 0.0), 0.0), shape)

    def cdf(self, x: Any) -> Any:
        """P(X <= x), along all axes at once in more dimensions; points as for `pdf`."""
        points, shape = self._points("x", x)
        held = [np.clip(p, e[0], e[-1]) for e, p in zip(self.grid.edges, points, strict=True)]
        if self.grid.dim == 1:
            values = self._function.cdf(held[0]) + sum(m * (points[0] >= at) for at, m in self.atoms.items())
        else:
            below = self.masses
            for axis in range(self.grid.dim):
                below = np.insert(np.cumsum(below, axis=axis), 0, 0.0, axis=axis)
            values = _multilinear(below, self.grid.edges, held)
        return _scalar(np.clip(values, 0.0, 1.0), shape)

    def survival(self, x: Any) -> Any:
        """P(X > x), in 1D."""
        self._one_dimensional("survival")
        points, shape = self._points("x", x)
        held = np.clip(points[0], *self.grid.edges[0][[0, -1]])
        values = self._function.survival(held) + sum(m * (points[0] < at) for at, m in self.atoms.items())
        return _scalar(np.clip(values, 0.0, 1.0), shape)

    def quantile(self, q: Any) -> Any:
        """The smallest x with P(X <= x) >= q, for q of any shape from 0 to 1, in 1D."""
        self._one_dimensional("quantile")
        asked = reals("q", q, "numbers from 0 to 1")
        if asked.size == 0 or not ((asked >= 0.0) & (asked <= 1.0)).all():
            raise bad_value("q", "numbers from 0 to 1", q)
        left, fixed = asked.ravel().copy(), np.full(asked.size, np.nan)
        for at, m in sorted(self.atoms.items()):  # what lies in the step at an atom, and what lies beyond it
            below = float(self._function.cdf(np.clip(at, *self.grid.edges[0][[0, -1]])))
            fixed[(left > below) & (left <= below + m) & np.isnan(fixed)] = at
            left = np.where(np.isnan(fixed) & (left > below + m), left - m, left)
        return _scalar(np.where(np.isnan(fixed), self._inverse(left), fixed), asked.shape)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The central interval that holds a share `level` of the probability, in 1D."""
        level = number("level", level, "between 0 and 1", lambda v: 0.0 < v < 1.0)
        low, high = self.quantile(np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level]))
        return float(low), float(high)

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """n independent points, (n,) in 1D and (n, dim) else; the same points each time, and others with another seed."""
        n = whole("n", n, 1, 100_000_000)
        rng = private_generator("points of a density", own_seed(seed, "points of a density", self.masses, n))
        if self.grid.dim == 1:
            return np.asarray(self.quantile(rng.random(n)))
        share = np.cumsum(self.masses.ravel())
        cells = np.unravel_index(np.searchsorted(share, rng.random(n) * share[-1], side="right"), self.grid.shape)
        parts = zip(self.grid.edges, self.grid.widths, cells, strict=True)
        return np.stack([e[c] + w[c] * rng.random(n) for e, w, c in parts], axis=-1)

    def probability(self, condition: Any) -> float:
        """The probability of a condition: f(x, y) -> truth values, vectorised, or a boolean array on the grid.

        In 1D its ends are found to rounding where it holds or fails over more than an eighth of a cell.
        """
        if not callable(condition):
            if isinstance(condition, str):
                raise bad_type("condition", "a function or a boolean array", condition, "Such as lambda x: x > 0.")
            chosen = mask("condition", condition, self.grid.shape)
            held = sum(m for at, m in self.atoms.items() if chosen[self.grid.locate([at])])
            return float(self.masses[chosen].sum()) + held
        return self._probability_1d(condition) if self.grid.dim == 1 else self._probability(condition)

    def marginal(self, axis: int | str | Sequence[int | str]) -> Distribution:
        """The law along one axis, or along several in their order: `marginal("x")`, `marginal(0)`, `marginal(["x", "z"])`."""
        kept = axes_of(axis, self.grid.names)
        others = tuple(a for a in range(self.grid.dim) if a not in kept)
        grid, masses = self._kept(kept), self.masses.sum(axis=others)
        return Distribution(
            grid, masses.transpose(np.argsort(np.argsort(kept))) / grid.volumes, self.mass, dict(self.atoms)
        )

    def conditional(self, **given: float) -> Distribution:
        """The law of the other axes where some are given: `conditional(y=0.5)`, by the names of `grid`.

        `mass` of the result is the density of what is given.
        """
        for name, value in given.items():
            if name not in self.grid.names:
                raise bad_value("given", f"among the axes {', '.join(self.grid.names)}", name)
            self._inside(name, number(name, value))
        if not 0 < len(given) < self.grid.dim:
            raise bad_value(
                "given", f"from 1 to {self.grid.dim - 1} of the axes {', '.join(self.grid.names)}", list(given)
            )
        values, rest = self.density, [a for a in range(self.grid.dim) if self.grid.names[a] not in given]
        for axis in sorted(set(range(self.grid.dim)) - set(rest), reverse=True):
            values = _slice(*self._round(values, axis), given[self.grid.names[axis]], axis)
        grid = self._kept(rest)
        there = float((values * grid.volumes).sum())
        if not there > 0.0:
            raise bad_value("given", "where there is some density", given)
        return Distribution(grid, values / there, there)

    def plot(self, ax: Axes | Sequence[Axes] | None = None, log: bool = False, *, title: str = "") -> Figure:
        """A figure: the density in 1D, a map with the marginals beside it in 2D, the marginals in 3D.

        Parameters
        ----------
        ax : matplotlib Axes, or in 3D three of them, optional
            To draw on; in 2D the map alone.
        log : bool
            Whether the density is shown on a logarithmic scale.
        title : str
        """
        from .distribution_figure import plot_distribution

        return plot_distribution(self, ax, log, title)

    def _columns(self) -> dict[str, np.ndarray]:
        return by_cell(self.grid, {"density": self.density})

    def __repr__(self) -> str:
        lines = [f"Distribution on {self.grid!r}", f"  mean       {', '.join(f'{v:.6g}' for v in self.mean())}"]
        if self.grid.dim == 1:
            low, high = self.interval(0.95)
            lines.append(f"  median     {self.quantile(0.5):.6g}, 95 % within {low:.6g} to {high:.6g}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The text, with a picture of the density."""
        return with_density(repr(self), self.grid, self.density)

    def _inverse(self, q: np.ndarray) -> np.ndarray:
        """x where the continuous part of the distribution function reaches q, by bisection in its cell."""
        edges = self.grid.edges[0]
        cell = np.clip(np.searchsorted(self._function.below, q, side="left") - 1, 0, edges.size - 2)
        low, high = edges[cell], edges[cell + 1]
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            less = self._function.cdf(middle) < q
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return high

    def _between_centers(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """The density at points (one array an axis) in the box."""
        values, nodes = self.density, []
        for axis in range(self.grid.dim):
            values, places = self._round(values, axis)
            nodes.append(places)
        return _multilinear(values, nodes, points)

    def _round(self, values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Values at the centers along an axis, and these: along a periodic one with the nearest of the turns beside."""
        nodes, edges = self.grid.centers[axis], self.grid.edges[axis]
        if not self.grid.periodic(axis):
            return values, nodes
        period = edges[-1] - edges[0]
        last, first = (np.take(values, [place], axis=axis) for place in (-1, 0))
        wound = np.concatenate([last, values, first], axis=axis)
        return wound, np.concatenate([nodes[-1:] - period, nodes, nodes[:1] + period])

    def _probability_1d(self, condition: Callable) -> float:
        edges, k = self.grid.edges[0], WITHIN[1]
        x = (edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(k) + 0.5) / k).ravel()
        holds = self._truth(condition, (x,))
        turns = np.flatnonzero(holds[1:] != holds[:-1])
        low, high = x[turns], x[turns + 1]
        for _ in range(HALVINGS if turns.size else 0):
            middle = 0.5 * (low + high)
            same = self._truth(condition, (middle,)) == holds[turns]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        ends = np.concatenate([[edges[0]], 0.5 * (low + high), [edges[-1]]])
        parts = self._function.between(ends)
        first = bool(holds[0])
        found = float(parts[0 if first else 1 :: 2].sum())
        return found + sum(m for at, m in self.atoms.items() if bool(self._truth(condition, (np.array([at]),))[0]))

    def _probability(self, condition: Callable) -> float:
        k, total = WITHIN[self.grid.dim], 0.0
        for coords in self.grid.places(k):
            total += float(self.masses[self._truth(condition, coords)].sum())
        return total / k**self.grid.dim

    @staticmethod
    def _truth(condition: Callable, coords: tuple[np.ndarray, ...]) -> np.ndarray:
        found = call("condition", condition, coords)
        one = isinstance(found, (bool, np.bool_))
        return mask("condition", np.full(coords[0].shape, found) if one else found, coords[0].shape)

    def _points(self, name: str, x: Any) -> tuple[list[np.ndarray], tuple[int, ...]]:
        """Coordinates one array an axis, each raveled, and the shape of the answer."""
        d = self.grid.dim
        rule = "numbers" if d == 1 else f"a point of {d} numbers, or an array (n, {d}) of such"
        values = reals(name, x, rule)
        if (
            values.size == 0
            or np.isnan(values).any()
            or (d > 1 and (values.ndim not in (1, 2) or values.shape[-1] != d))
        ):
            raise bad_value(name, rule, x)
        if d == 1:
            return [values.ravel()], values.shape
        return list(values.reshape(-1, d).T), values.shape[:-1]

    def _kept(self, axes: Sequence[int]) -> Grid:
        kept = Grid.from_edges([self.grid.edges[a].copy() for a in axes], [self.grid.walls[a] for a in axes])
        return kept.named([self.grid.names[a] for a in axes])

    def _inside(self, name: str, value: float) -> None:
        edge = self.grid.edges[self.grid.names.index(name)]
        if not edge[0] <= value <= edge[-1]:
            raise bad_value(name, f"inside the box [{edge[0]:g}, {edge[-1]:g}]", value)

    def _one_dimensional(self, what: str) -> None:
        if self.grid.dim != 1:
            then = f"Take marginal(axis).{what}(...), or probability(lambda {', '.join(self.grid.names)}: ...)."
            raise bad_value("grid", f"one-dimensional for `{what}`", f"{self.grid.dim} dimensions", then)


def axes_of(axis: Any, names: Sequence[str]) -> list[int]:
    """Numbers of different axes, given by their names or numbers, one or a list."""
    asked = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    rule = f"among the axes {', '.join(names)}, or a number from 0 to {len(names) - 1}"
    for one in asked:
        if isinstance(one, str) and one not in names:
            raise bad_value("axis", rule, one)
    found = [list(names).index(one) if isinstance(one, str) else whole("axis", one, 0, len(names) - 1) for one in asked]
    if not found or len(set(found)) < len(found):
        raise bad_value("axis", f"{rule}, or several that differ", axis)
    return found


def _scalar(values: np.ndarray, shape: tuple[int, ...]) -> Any:
    return float(values.ravel()[0]) if shape == () else values.reshape(shape)


def _slice(values: np.ndarray, nodes: np.ndarray, x: float, axis: int) -> np.ndarray:
    """Values along one axis at x, linearly between its nodes and even beyond the outermost."""
    if nodes.size == 1:
        return np.take(values, 0, axis=axis)
    low = int(np.clip(np.searchsorted(nodes, x) - 1, 0, nodes.size - 2))
    share = float(np.clip((x - nodes[low]) / (nodes[low + 1] - nodes[low]), 0.0, 1.0))
    return (1.0 - share) * np.take(values, low, axis=axis) + share * np.take(values, low + 1, axis=axis)


def _multilinear(values: np.ndarray, nodes: Sequence[np.ndarray], points: Sequence[np.ndarray]) -> np.ndarray:
    """Values at points (one array an axis), linearly between nodes along each axis and even beyond the outermost."""
    result = np.zeros(points[0].shape)
    low, share = [], []
    for x, p in zip(nodes, points, strict=True):
        first = np.clip(np.searchsorted(x, p) - 1, 0, max(x.size - 2, 0))
        gap = x[np.minimum(first + 1, x.size - 1)] - x[first]
        low.append(first)
        share.append(np.clip(np.divide(p - x[first], gap, out=np.zeros(p.shape), where=gap > 0.0), 0.0, 1.0))
    for corner in np.ndindex(*[2] * len(nodes)):
        weight = np.prod([s if up else 1.0 - s for s, up in zip(share, corner, strict=True)], axis=0)
        place = tuple(np.minimum(i + up, x.size - 1) for i, up, x in zip(low, corner, nodes, strict=True))
        result += weight * values[place]
    return result
