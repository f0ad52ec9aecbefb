"""Initial densities, and moments of masses on a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..arguments import LARGEST, call, fields, own, reals, sized
from ..errors import bad_type, bad_value, warn
from ..randomness import private_generator
from .cell_means import means_of_jumps
from .coefficients import Points, Shown
from .grid import Grid

ROUNDING = 1e-6  # of the largest density: below zero by less is rounding, as the tolerance of a solution allows
INSIDE = 0.1  # of a law, in the box
FEW, DRAWS = 3.0, 10_000  # cells along an axis, 1 / sum of squared masses, that a narrow law fills; and draws from it
FAR, MOST_TURNS = 9.0, 14  # deviations of a normal law that are looked at, and turns round a circle, each way
EVEN = 1.5  # periods in its deviation, from which it is even round a circle to 1e-19
ADDED = 0.25  # of a squared cell width: the variance of a point shared between cells


@runtime_checkable
class InitialDensity(Protocol):
    """A law that can be put on a grid and sampled."""

    def masses(self, grid: Grid) -> np.ndarray:
        """Probability of each cell, shape grid.shape."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, shape (n, dim)."""


def _width_at(x: float, axis: int, grid: Grid) -> float:
    """The width of the cell that holds x, or of the nearest one."""
    widths = grid.widths[axis]
    return float(widths[min(max(int(grid.edges[axis].searchsorted(x)) - 1, 0), widths.size - 1)])


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal law; see `gaussian`."""

    mean: np.ndarray
    covariance: np.ndarray

    def masses(self, grid: Grid) -> np.ndarray:
        """The density at the cell centers times the volumes; if it is narrower than a cell, shared out as by `point`.

        Its variance is then kept too, unless it is below the h^2/4 that sharing adds.
        """
        _same_dimension(self.mean.size, grid)
        law = Gaussian(grid.wrapped(self.mean[None])[0], self.covariance)
        if not (self.covariance - np.diag(np.diagonal(self.covariance))).any():  # each axis by itself
            return reduce(np.multiply.outer, [law._along(axis, grid) for axis in range(grid.dim)])
        return law._together(grid)

    def _along(self, axis: int, grid: Grid) -> np.ndarray:
        """The masses (n,) of one axis by itself."""
        mean, std = self.mean[axis], math.sqrt(self.covariance[axis, axis])
        if std >= _width_at(mean, axis, grid):
            if grid.periodic(axis):
                std = min(std, EVEN * float(np.ptp(grid.edges[axis])))
            z = (grid.centers[axis] - mean - _turns(mean, std, axis, grid)[:, None]) / std
            return np.exp(-0.5 * z**2).sum(axis=0) / (math.sqrt(2.0 * math.pi) * std) * grid.widths[axis]
        line = Grid.from_edges(grid.edges[axis], ["periodic" if grid.periodic(axis) else "reflecting"])
        return Gaussian(self.mean[[axis]], self.covariance[[axis]][:, [axis]])._together(line)

    def _together(self, grid: Grid) -> np.ndarray:
        here = [_width_at(m, axis, grid) for axis, m in enumerate(self.mean)]
        # in units of the cells there, as axes may differ in theirs
        variances, axes = np.linalg.eigh(self.covariance / np.outer(here, here))
        stds = np.sqrt(np.maximum(variances, 0.0))
        if stds.min() >= 1.0:
            lines = zip(np.broadcast_arrays(*grid.coordinates()), self.mean, here, strict=True)
            z = np.stack([(c - m) / h for c, m, h in lines])
            spreads = np.sqrt(np.diagonal(self.covariance))
            images = [
                _turns(m, s, axis, grid) / h
                for axis, (m, s, h) in enumerate(zip(self.mean, spreads, here, strict=True))
            ]
            norm = math.sqrt(2.0 * math.pi) ** self.mean.size * stds.prod() * math.prod(here)
            density = np.zeros(grid.shape)
            for shift in product(*images):
                away = z - np.reshape(shift, (-1, *[1] * grid.dim))
                density += np.exp(-0.5 * (np.einsum("ki,i...->k...", (axes / stds).T, away) ** 2).sum(axis=0))
            return density / norm * grid.volumes
        stds = np.sqrt(np.maximum(variances - ADDED, 0.0))
        steps = [
            np.arange(-8.0, 8.0001, min(0.5, 0.5 / max(s, 1e-300), 16.0)) if s * 400 > 1.0 else np.zeros(1)
            for s in stds
        ]
        nodes = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, self.mean.size)
        weights = np.exp(-0.5 * (nodes**2).sum(axis=1))
        return deposit(self.mean + (nodes * stds) @ axes.T * here, weights / weights.sum(), grid)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, shape (n, dim)."""
        return rng.multivariate_normal(self.mean, self.covariance, size=n, method="eigh")


def _turns(mean: float, std: float, axis: int, grid: Grid) -> np.ndarray:
    """Whole turns round an axis that bring what a normal law has of the axis into the box, as lengths (k,); 0 between walls."""
    if not grid.periodic(axis):
        return np.zeros(1)
    low, high = grid.edges[axis][[0, -1]]
    period, far = high - low, FAR * std
    first, last = math.ceil((low - mean - far) / period), math.floor((high - mean + far) / period)
    middle = (first + last) // 2
    kept = range(max(first, middle - MOST_TURNS), min(last, middle + MOST_TURNS) + 1)
    return period * np.array(kept, dtype=float)


@dataclass(frozen=True, eq=False)
class Uniform:
    """A uniform law on a box; see `uniform`."""

    low: np.ndarray
    high: np.ndarray

    def masses(self, grid: Grid) -> np.ndarray:
        """The exact share of each cell."""
        _same_dimension(self.low.size, grid)
        return reduce(np.multiply.outer, [self._along(axis, grid) for axis in range(grid.dim)])

    def _along(self, axis: int, grid: Grid) -> np.ndarray:
        """The shares (n,) of one axis by itself; round a periodic one whole turns are even, and the rest may pass the joint."""
        edge, low, high = grid.edges[axis], self.low[axis], self.high[axis]
        if not grid.periodic(axis):
            return np.diff(np.clip((edge - low) / (high - low), 0.0, 1.0))
        period = edge[-1] - edge[0]
        turns, rest = np.divmod(high - low, period)
        first = edge[0] + np.mod(low - edge[0], period)
        passed = sum(np.clip(edge + turn * period - first, 0.0, rest) for turn in (0, 1))
        return np.diff(turns * edge + passed) / (high - low)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, shape (n, dim)."""
        return rng.uniform(self.low, self.high, size=(n, self.low.size))


@dataclass(frozen=True, eq=False, repr=False)
class Samples(Shown):
    """The law that draws one of the given points; see `from_samples` and `point`."""

    positions: np.ndarray

    def masses(self, grid: Grid) -> np.ndarray:
        """Each point shared between three cells, so that its position is kept in the mean; see `deposit`."""
        _same_dimension(self.positions.shape[1], grid)
        return deposit(self.positions, np.full(len(self.positions), 1.0 / len(self.positions)), grid)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, shape (n, dim)."""
        return self.positions[rng.integers(len(self.positions), size=n)]


@dataclass(frozen=True, eq=False)
class CellDensity:
    """The density of a result, even in each cell of its grid; see `law_of_result`."""

    grid: Grid
    cell_masses: np.ndarray

    def masses(self, grid: Grid) -> np.ndarray:
        """The share of each cell, exact for densities that are even in the cells of the result."""
        _same_dimension(self.grid.dim, grid)
        return added_up(self.cell_masses, self.grid, grid)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, shape (n, dim)."""
        weights = self.cell_masses.ravel() / self.cell_masses.sum()
        cells = np.unravel_index(rng.choice(weights.size, size=n, p=weights), self.grid.shape)
        lines = zip(self.grid.edges, self.grid.widths, cells, strict=True)
        return np.stack([e[i] + w[i] * rng.random(n) for e, w, i in lines], axis=1)


def added_up(masses: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """Masses of cells (..., *old.shape), even within each, in the cells of another grid, (..., *new.shape)."""
    for axis, (edges, wished) in enumerate(zip(old.edges, new.edges, strict=True)):
        if edges.size == wished.size and (edges == wished).all():
            continue
        masses = np.moveaxis(masses, axis - old.dim, -1)
        below = np.concatenate([np.zeros((*masses.shape[:-1], 1)), np.cumsum(masses, axis=-1)], axis=-1)
        place = np.interp(wished, edges, np.arange(edges.size))  # in numbers of cells
        cell = np.minimum(place.astype(int), edges.size - 2)
        share = place - cell
        masses = np.diff((1.0 - share) * below[..., cell] + share * below[..., cell + 1], axis=-1)
        masses = np.moveaxis(masses, -1, axis - old.dim)
    return masses


def law_of_result(p0: Any) -> Any:
    """The law that a result ends with: a solution or an ensemble at its last time, a stationary density; others as they are."""
    if isinstance(p0, type):
        return p0
    if hasattr(p0, "positions") and hasattr(p0, "exit_times"):
        last = np.asarray(p0.positions)[-1]
        return Samples(last[np.isfinite(last).all(axis=1)])
    grid, density = getattr(p0, "grid", None), getattr(p0, "density", None)
    if not isinstance(grid, Grid) or not isinstance(density, np.ndarray):  # a law, or what is refused later
        return p0
    last = density[-1] if density.ndim > grid.dim else density
    return CellDensity(grid, _without_rounding(last, "p0") * grid.volumes)


def gaussian(mean: Any, std_or_cov: Any) -> Gaussian:
    """A normal law, round periodic axes a wrapped one.

    Parameters
    ----------
    mean : number or sequence (d,)
    std_or_cov : number, sequence (d,) or matrix (d, d)
        One standard deviation for all axes, one an axis, or the covariance matrix.

    Examples
    --------
    >>> p0 = gaussian(0.5, 0.175)
    >>> p0 = gaussian([0, 1], [[0.2, 0.1], [0.1, 0.3]])
    """
    center = _vector("mean", mean)
    d = center.size
    spread = reals("std_or_cov", std_or_cov, f"a number, {d} numbers or a {d} x {d} covariance matrix")
    if not np.isfinite(spread).all():
        raise bad_value("std_or_cov", "finite", std_or_cov)
    if spread.shape in ((), (d,)):
        sized("std_or_cov", spread)
    elif (np.abs(spread) > LARGEST).any():
        raise bad_value("std_or_cov", f"at most {LARGEST:g}", std_or_cov)
    if spread.shape in ((), (d,)):
        if not (spread > 0).all():
            raise bad_value("std_or_cov", "positive", std_or_cov, "Use fp.point(x) for a point mass.")
        return Gaussian(center, np.diag(np.broadcast_to(spread, d) ** 2))
    if spread.shape != (d, d) or not _is_covariance(spread):
        rule = f"a number, {d} numbers or a {d} x {d} covariance matrix, as `mean` has {d}"
        raise bad_value("std_or_cov", rule, std_or_cov)
    return Gaussian(center, own(spread))


def _is_covariance(spread: np.ndarray) -> bool:
    """Whether a matrix is symmetric and without negative eigenvalues, to rounding, in units of its own deviations."""
    variances = np.diagonal(spread)
    units = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    one = spread / np.outer(units, units)
    return bool((np.abs(one - one.T) < 1e-9).all() and np.linalg.eigvalsh(one)[0] > -1e-12)


def uniform(low: Any, high: Any) -> Uniform:
    """A uniform law on the box between two corners (numbers in 1D), which may go round periodic axes."""
    a, b = _vector("low", low), _vector("high", high)
    if a.shape != b.shape or not (a < b).all():
        raise bad_value("low", "below `high` on every axis", f"{low} and {high}")
    return Uniform(a, b)


def point(x: Any) -> Samples:
    """A point mass. On a grid it is shared between three cells along each axis: its mean is exact, its variance h^2/4."""
    return Samples(_vector("x", x)[None])


def from_samples(samples: Any) -> Samples:
    """The empirical law of samples, shape (n,) in 1D or (n, d)."""
    array = reals("samples", samples, "a finite array of shape (n,) or (n, d) with n > 0")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise bad_value("samples", "a finite array of shape (n,) or (n, d) with n > 0", f"shape {np.shape(samples)}")
    return Samples(own(sized("samples", array)))


def deposit(positions: np.ndarray, weights: np.ndarray, grid: Grid) -> np.ndarray:
    """Masses (grid.shape) of weighted points (n, dim), each shared between three cells along each axis.

    By the quadratic spline, weights 1/2 (1/2 -+ s)^2 and 3/4 - s^2 for a point s h from the nearest center: its mean is kept
    and the variance h^2 / 4 added, wherever in its cell it lies, so that the error is smooth in the cell size. (The variance
    s (1 - s) h^2 of sharing it between two centers would depend on where the grid happens to lie.) Between cells of different
    widths, a quarter of the wider square is added. What falls beyond a wall is mirrored. Points outside the box are
    dropped; round periodic axes none are.
    """
    positions = grid.wrapped(positions)
    inside = np.ones(len(positions), dtype=bool)
    for axis, edge in enumerate(grid.edges):
        inside &= (positions[:, axis] >= edge[0]) & (positions[:, axis] <= edge[-1])
    positions, weights = positions[inside], weights[inside]
    corners = [(np.zeros(len(positions), dtype=int), weights)]
    for axis, centers in enumerate(grid.centers):
        if centers.size == 1:
            continue
        stride = int(np.prod(grid.shape[axis + 1 :], dtype=int))
        shares = _shares(positions[:, axis], grid, axis)
        corners = [(cells + stride * place, w * part) for cells, w in corners for place, part in shares]
    masses = sum(np.bincount(cells, weights=w, minlength=grid.size) for cells, w in corners)
    return np.asarray(masses).reshape(grid.shape)


def _shares(x: np.ndarray, grid: Grid, axis: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The three cells around each place x (n,) along an axis, with the share of each."""
    edges, centers, n = grid.edges[axis], grid.centers[axis], grid.shape[axis]
    around = grid.periodic(axis)
    cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, n - 1)
    period = edges[-1] - edges[0]
    ends = (
        (centers[-1] - period, centers[0] + period)
        if around
        else (2 * edges[0] - centers[0], 2 * edges[-1] - centers[-1])
    )
    line = np.concatenate([ends[:1], centers, ends[1:]])
    below, above, off = line[cell + 1] - line[cell], line[cell + 2] - line[cell + 1], x - line[cell + 1]
    spread = 0.25 * np.maximum(below, above) ** 2 + off**2
    low = (spread - off * above) / (below * (below + above))
    high = (spread + off * below) / (above * (below + above))
    lower, upper = (cell - 1, cell + 1) if not around else ((cell - 1) % n, (cell + 1) % n)
    return [(np.maximum(lower, 0), low), (cell, 1.0 - low - high), (np.minimum(upper, n - 1), high)]


def initial_masses(p0: Any, grid: Grid, name: str = "p0") -> tuple[np.ndarray, float]:
    """Cell masses (grid.shape) summing to one, and the mass found before they were scaled to that.

    p0 is a law (`gaussian`, `uniform`, `point`, `from_samples`), a result, a function of the coordinates, or a density on
    the grid.
    """
    masses = found_masses(p0, grid, name)
    total = float(masses.sum())
    if abs(total - 1.0) > 0.01:
        warn(f"`{name}` has mass {total:.4g} in the box; it was scaled to 1.{_why_outside(p0, grid)}")
    return masses / total, total


def _why_outside(p0: Any, grid: Grid) -> str:
    """What a law has outside the box, where that can be told."""
    if isinstance(p0, Samples):
        return " The rest are samples outside the box."
    return ""


def masses_outside(masses: np.ndarray, p0: Any, grid: Grid, inside: Callable[..., np.ndarray]) -> np.ndarray:
    """Masses (grid.shape) of a start without what has arrived in a target from the beginning, though cells share it out.

    Points that lie in the target have arrived. Of a law that fills few cells the share of draws that lie there has.

    Parameters
    ----------
    masses : ndarray (*grid.shape)
        Those of p0, summing to one.
    p0 : as for `initial_masses`
    grid : Grid
    inside : callable
        The target as a function of the coordinates.
    """
    law = law_of_result(p0)
    if isinstance(law, Samples):
        arrived = np.broadcast_to(inside(*grid.wrapped(law.positions).T), len(law.positions))
        if not arrived.any():
            return masses
        kept = law.positions[~arrived]
        total = deposit(law.positions, np.ones(len(law.positions)), grid).sum()
        return deposit(kept, np.full(len(kept), 1.0 / total), grid)
    if isinstance(law, (Gaussian, Uniform)) and 1.0 / (masses**2).sum() < FEW**grid.dim:
        draws = grid.wrapped(law.sample(private_generator("start in a target"), DRAWS))
        return masses * (1.0 - float(np.mean(np.broadcast_to(inside(*draws.T), DRAWS))))
    return masses


def found_masses(p0: Any, grid: Grid, name: str = "p0") -> np.ndarray:
    """Cell masses (grid.shape) as p0 gives them, not all zero."""
    p0 = law_of_result(p0)
    if isinstance(p0, (Gaussian, Uniform, Samples, InitialDensity)):
        masses = p0.masses(grid)
        _check_inside(p0, float(masses.sum()), grid, name)
    elif callable(p0):
        masses = _density_masses(_on_cells(p0, grid, name), grid, name)
    elif isinstance(p0, (list, np.ndarray)):
        masses = _density_masses(p0, grid, name)
    else:
        then = "Use fp.gaussian(mean, std), fp.point(x), a function or an array on the grid."
        raise bad_type(name, "an initial density", p0, then)
    total = float(masses.sum())
    if total <= 0.0:
        raise bad_value(
            name,
            "a density with mass inside the box",
            f"mass {total:g} in {grid!r}",
            "Move the box or the start, or take more cells.",
        )
    return masses


def _on_cells(p0: Callable[..., np.ndarray], grid: Grid, name: str) -> Any:
    """A density at the centers of cells, or where it jumps inside them its means over them."""
    rule = f"a density of the grid's shape {grid.shape}"
    given = fields(name, call(name, p0, Points.centers(grid).coords), rule)
    if given.shape != grid.shape:
        return given  # one number, or refused

    def read(coords: Sequence[np.ndarray]) -> np.ndarray:
        return fields(name, call(name, p0, list(coords)), rule).astype(float)

    means = means_of_jumps(read, grid)
    return given if means is None else means


def _density_masses(given: Any, grid: Grid, name: str) -> np.ndarray:
    rule = f"a density of the grid's shape {grid.shape}"
    values = fields(name, given, rule)
    if values.shape not in ((), grid.shape):
        raise bad_value(name, rule, f"shape {values.shape}")
    values = np.broadcast_to(values, grid.shape)
    return _without_rounding(values, name) * grid.volumes


def _without_rounding(values: np.ndarray, name: str) -> np.ndarray:
    """A density without the negative rounding that a solution may have."""
    if not np.isfinite(values).all() or values.min() < -ROUNDING * values.max():
        worst = values[~np.isfinite(values)][0] if not np.isfinite(values).all() else values.min()
        raise bad_value(name, "finite and nowhere negative", worst)
    return np.maximum(values, 0.0)


def _check_inside(p0: Any, total: float, grid: Grid, name: str) -> None:
    """Refuse a law that lies outside the box but for its tail: what is left would be scaled up by the inverse of that."""
    if 0.0 < total < INSIDE:
        then = "Move the box or the start."
        raise bad_value(
            name, f"a density with most of its mass inside the box {grid!r}", f"mass {total:.2g} there", then
        )


def _vector(name: str, value: Any) -> np.ndarray:
    array = np.atleast_1d(reals(name, value, "a number or a sequence of numbers"))
    if array.ndim != 1 or not 1 <= array.size <= 3 or not np.isfinite(array).all():
        raise bad_value(name, "a number, or 2 or 3 finite numbers", value)
    return own(sized(name, array))


def _same_dimension(d: int, grid: Grid) -> None:
    if d != grid.dim:
        raise bad_value("p0", f"given in {grid.dim} dimension(s), as the grid is", f"{d}")


def _total(masses: np.ndarray, grid: Grid) -> np.ndarray:
    """Mass in the box, not a number where there is none."""
    total = masses.sum(axis=tuple(range(-grid.dim, 0)))
    return np.where(total > 0.0, total, np.nan)


def mean(masses: np.ndarray, grid: Grid) -> np.ndarray:
    """<x> over masses of shape (..., *grid.shape), shape (..., dim): conditional on being in the box; nan where nothing is."""
    total = _total(masses, grid)
    return np.stack([marginal(masses, grid, axis) @ grid.centers[axis] / total for axis in range(grid.dim)], axis=-1)


def covariance(masses: np.ndarray, grid: Grid) -> np.ndarray:
    """Covariance matrix over masses of shape (..., *grid.shape), shape (..., dim, dim)."""
    spatial, total = tuple(range(-grid.dim, 0)), _total(masses, grid)
    center = mean(masses, grid)
    deviations = []
    for axis, x in enumerate(grid.coordinates()):
        deviations.append(x - center[..., axis].reshape(*center.shape[:-1], *[1] * grid.dim))
    rows = [[(masses * a * b).sum(axis=spatial) / total for b in deviations] for a in deviations]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def variances(masses: np.ndarray, grid: Grid) -> np.ndarray:
    """The diagonal of the covariance over masses (*grid.shape), shape (dim,)."""
    total = _total(masses, grid)
    lines = zip((marginal(masses, grid, axis) for axis in range(grid.dim)), grid.centers, strict=True)
    return np.array([line @ (x - line @ x / total) ** 2 / total for line, x in lines])


def moment(masses: np.ndarray, grid: Grid, k: int) -> np.ndarray:
    """<x^k> per axis over masses of shape (..., *grid.shape), shape (..., dim)."""
    total = _total(masses, grid)
    return np.stack(
        [marginal(masses, grid, axis) @ grid.centers[axis] ** k / total for axis in range(grid.dim)], axis=-1
    )


def marginal(masses: np.ndarray, grid: Grid, axis: int) -> np.ndarray:
    """Masses along one axis, summed over the others, shape (..., n)."""
    others = tuple(a - grid.dim for a in range(grid.dim) if a != axis)
    return masses.sum(axis=others)
