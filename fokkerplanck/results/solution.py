"""What comes back from a computation: frozen, with the same attributes whatever was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, increasing, number, reals, whole
from ..errors import bad_value
from ..model import initial_density as _density
from ..model.grid import Grid
from ..solvers.discretization.generator import Generator
from ..solvers.evolution.exponential import propagate
from ..solvers.linear.stationary import dissipation, entropy_production, is_balanced

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from .ensemble import Ensemble


class Moments:
    """Masses and moments of whatever has a `grid` and a `density` on it; results over time keep their first axis."""

    grid: Grid
    density: np.ndarray

    @cached_property
    def masses(self) -> np.ndarray:
        """Probability of each cell, (*grid.shape), or (n_times, *grid.shape) over time."""
        return self.density * self.grid.volumes

    def mean(self) -> np.ndarray:
        """<x>, (dim,) or (n_times, dim), over what is in the box."""
        return _density.mean(self.masses, self.grid)

    def covariance(self) -> np.ndarray:
        """Covariance matrix, (dim, dim) or (n_times, dim, dim)."""
        return _density.covariance(self.masses, self.grid)

    def moment(self, k: int) -> np.ndarray:
        """<x^k> per axis for whole k from 0 on, (dim,) or (n_times, dim)."""
        whole("k", k, 0, 1000)
        return _density.moment(self.masses, self.grid, k)

    def marginal(self, axis: int) -> np.ndarray:
        """Density along one axis, (n,) or (n_times, n)."""
        whole("axis", axis, 0, self.grid.dim - 1)
        return _density.marginal(self.masses, self.grid, axis) / self.grid.widths[axis]


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Moments):
    """The density at each output time.

    Attributes
    ----------
    grid : Grid
    times : ndarray (n_times,)
    density : ndarray (n_times, *grid.shape)
        Integrates to `mass`.
    method : str
        The propagation method that ran.
    stats : dict
        error_estimate (1-norm, of the propagation in time), mass_error, min_density (relative to the largest), products,
        solves, initial_mass; peclet, diffusion and numerical_diffusion (see `solvers.generator.resolution`), order.
    success : bool
    message : str
    observed : dict of ndarray (n_times,)
        Expectations of the functions passed as `observe`.
    settings : dict
        What was asked, as far as it can be written down; from a file also the version that wrote it. A result of
        `fokkerplanck run` holds its run file and data, so that `fokkerplanck run RESULT.nc` repeats it.
    generator : Generator or None
        None for a solution loaded from a file.
    """

    grid: Grid
    times: np.ndarray
    density: np.ndarray
    method: str
    stats: dict[str, Any]
    success: bool = True
    message: str = ""
    observed: Mapping[str, np.ndarray] = field(default_factory=dict)
    generator: Generator | None = None
    saved_current: np.ndarray | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def mass(self) -> np.ndarray:
        """Total probability left in the box, (n_times,)."""
        return self.masses.sum(axis=tuple(range(1, self.grid.dim + 1)))

    def current(self, index: int = -1) -> np.ndarray:
        """The probability current J at output time number `index`, (dim, *grid.shape), per time."""
        whole("index", index, -self.times.size, self.times.size - 1)
        if self.generator is not None:
            return self.generator.current(self.masses[index])
        if self.saved_current is None:
            then = "A transfer operator has none; a saved solution keeps it with save(path, current=True)."
            raise bad_value("current", "known for this solution", "none", then)
        return self.saved_current[index]

    def index(self, t: float, name: str = "t") -> int:
        """Number of the output time t; `name` is what an error calls it."""
        t = number(name, t, "one of the output times", lambda v: not np.isnan(v))
        near = int(np.argmin(np.abs(self.times - t))) if np.isfinite(t) else int(np.argmax(self.times))
        if not np.isclose(self.times[near], t, rtol=1e-9, atol=1e-12):
            raise bad_value(
                name, "one of the output times", t, f"The nearest is {self.times[near]:g}; add {t:g} to `times`."
            )
        return near

    def at(self, t: float) -> np.ndarray:
        """The density at the output time t, grid.shape."""
        return self.density[self.index(t)]

    def plot(self, ensemble: Ensemble | None = None, **options: Any) -> Figure:
        """A figure of the density over time: curves in 1D, maps in 2D; with an ensemble, one panel a time with both."""
        from .figures import plot_evolution, plot_solution

        return plot_solution(self, **options) if ensemble is None else plot_evolution(self, ensemble, **options)

    def animate(self, path: str, **options: Any) -> None:
        """Write an animation of the density, one frame an output time (.gif)."""
        from .figures import animate_solution

        animate_solution(self, path, **options)

    def to_xarray(self) -> xarray.Dataset:
        """The densities as a labelled data set."""
        from ..storage.netcdf import solution_to_xarray

        return solution_to_xarray(self)

    def save(self, path: str, current: bool = True) -> None:
        """Write a netCDF file, at once or not at all. `fokkerplanck.load` reads it back."""
        from ..storage.netcdf import save_solution

        save_solution(self, path, current=current)

    def __repr__(self) -> str:
        s = self.stats
        lines = [
            f"Solution on {self.grid!r}",
            f"  times      {self.times.size}: {self.times[0]:g} to {self.times[-1]:g}",
            f"  method     {self.method}, error in time at most {s.get('error_estimate', np.nan):.1e}"
            f" (order {s.get('order', '?')} in space, cell Peclet number {s.get('peclet', np.nan):.2g})",
            f"  mass       {self.mass[-1]:.12g} at the end, smallest density {s.get('min_density', np.nan):.1e} of the largest",
            f"  mean       {_numbers(self.mean()[-1])}",
            f"  deviation  {_numbers(np.sqrt(np.diagonal(self.covariance()[-1])))}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class Stationary(Moments):
    """The density that no longer changes, with the current that may still flow in it.

    Attributes
    ----------
    grid : Grid
    density : ndarray (*grid.shape)
    generator : Generator
    diffusion : ndarray (dim, *grid.shape) or (dim, dim, *grid.shape)
        D at the cell centers.
    stats : dict
        parts (number of closed parts), residual (largest |Q P| over the largest outflow), resolution as for `Solution`.
    """

    grid: Grid
    density: np.ndarray
    generator: Generator
    diffusion: np.ndarray
    stats: dict[str, Any]
    success: bool = True
    message: str = ""

    @property
    def mass(self) -> float:
        """Total probability; below 1 where part of `p0` left through an absorbing wall."""
        return float(self.masses.sum())

    @cached_property
    def current(self) -> np.ndarray:
        """The probability current J, (dim, *grid.shape)."""
        return self.generator.current(self.masses)

    @cached_property
    def velocity(self) -> np.ndarray:
        """J / p, the irreversible part of the drift, (dim, *grid.shape); zero where p is."""
        p = self.density
        return np.divide(self.current, p, out=np.zeros_like(self.current), where=p > 0.0)

    @cached_property
    def entropy_production(self) -> float:
        """Entropy produced per time: zero in equilibrium, infinite where current flows without noise.

        The sum over links of (r_ij P_i - r_ji P_j) ln(r_ij P_i / r_ji P_j), or, where a nearly degenerate tensor lets the drift
        go along the axes, the integral of J . D^-1 J / p (Schnakenberg 1976; Seifert 2012).
        """
        if self.is_equilibrium:
            return 0.0
        if self.generator.force_on_links:
            return entropy_production(self.generator, self.masses)
        return dissipation(self.current, self.velocity, self.diffusion, self.grid.volumes)

    def reversible_drift(self) -> np.ndarray:
        """D grad ln p + div D, the part of the Ito drift that alone would leave the same density without a current.

        By finite differences of p, (dim, *grid.shape); zero where p is. Reversible drift and `velocity` add up to the drift.
        """
        grid, p = self.grid, self.density
        d = self.diffusion
        if d.ndim == grid.dim + 1:
            d = np.einsum("i...,ij->ij...", d, np.eye(grid.dim))
        flow = sum(_gradient(d[:, j] * p, grid, j) for j in range(grid.dim))
        return np.divide(flow, p, out=np.zeros_like(flow), where=p > 0.0)

    def curl(self) -> np.ndarray:
        """d_x J_y - d_y J_x in 2D, by finite differences, grid.shape."""
        if self.grid.dim != 2:
            raise bad_value("grid", "two-dimensional for a curl", self.grid.dim)
        return _gradient(self.current[1], self.grid, 0) - _gradient(self.current[0], self.grid, 1)

    def circulation(self, center: Any, radius: float, points: int = 400) -> float:
        """The integral of J along a circle, counter-clockwise, per time (2D)."""
        if self.grid.dim != 2:
            raise bad_value("grid", "two-dimensional for a circulation", self.grid.dim)
        whole("points", points, 1, 1_000_000)
        radius = number("radius", radius, "a positive number", lambda v: 0.0 < v < np.inf)
        middle = reals("center", center, "two numbers")
        if middle.shape != (2,) or not np.isfinite(middle).all():
            raise bad_value("center", "two finite numbers", center)
        angle = 2.0 * np.pi * np.arange(points) / points
        tangent = np.stack([-np.sin(angle), np.cos(angle)])
        circle = middle[:, None] + radius * np.stack([np.cos(angle), np.sin(angle)])
        flow = [
            self.grid.interpolate(self.current[a], x, "radius") * s[a]
            for x, s in zip(circle.T, tangent.T, strict=True)
            for a in (0, 1)
        ]
        return float(np.sum(flow) * 2.0 * np.pi * radius / points)

    def energy(self, invariant: bool = False) -> np.ndarray:
        """-ln p, or the invariant -ln(p sqrt(det D)), which does not depend on the coordinates, grid.shape.

        The second needs D > 0 everywhere. Infinite where p is zero.
        """
        flag("invariant", invariant)
        with np.errstate(divide="ignore"):
            energy = -np.log(self.density)
            if not invariant:
                return energy
            determinant = self._determinant()
            if not (determinant > 0.0).all():
                rule = "positive definite everywhere for the invariant energy"
                raise bad_value("diffusion", rule, f"det D = {determinant.min():.3g}", "Use energy(invariant=False).")
            return energy - 0.5 * np.log(determinant)

    def _determinant(self) -> np.ndarray:
        if self.diffusion.ndim == self.grid.dim + 1:
            return self.diffusion.prod(axis=0)
        return np.linalg.det(np.moveaxis(self.diffusion, (0, 1), (-2, -1)))

    @cached_property
    def is_equilibrium(self) -> bool:
        """Whether every link is balanced to round-off, so that no current flows."""
        return is_balanced(self.generator, self.masses)

    def plot(self, **options: Any) -> Figure:
        """A figure of the density, with the current in 2D."""
        from .figures import plot_stationary

        return plot_stationary(self, **options)

    def save(self, path: str) -> None:
        """Write a netCDF file, with the current; `fokkerplanck.load` reads it as a Solution whose one time is infinity."""
        at_rest(self, "stationary", {}).save(path)

    def __repr__(self) -> str:
        kind = (
            "equilibrium, no current"
            if self.is_equilibrium
            else f"current flows, entropy production {self.entropy_production:.4g}"
        )
        return "\n".join(
            [
                f"Stationary density on {self.grid!r}",
                f"  {kind}",
                f"  mean       {_numbers(self.mean())}",
                f"  deviation  {_numbers(np.sqrt(np.diagonal(self.covariance())))}",
            ]
        )


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassage:
    """Times until a target, or an absorbing wall, is first reached.

    Attributes
    ----------
    grid : Grid
    mean : ndarray (*grid.shape)
        Mean time from each cell; zero on the target, infinite where the target may never be reached.
    second_moment : ndarray (*grid.shape)
        Mean squared time.
    target : ndarray of bool (*grid.shape)
    generator : Generator
        Killed on the target.
    stats : dict
        peclet, diffusion, numerical_diffusion, added_diffusion and order, as in the stats of a Solution, but averaged over
        where paths from all over the rest of the box spend their time; order 1 where it shifts the times by a tenth.
    """

    grid: Grid
    mean: np.ndarray
    second_moment: np.ndarray
    target: np.ndarray
    generator: Generator
    stats: dict[str, Any]

    def at(self, x: Any) -> float:
        """Mean time from a point, linearly between the cell centers."""
        return self.grid.interpolate(self.mean, x, "x")

    def survival(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability of not having arrived at each of the increasing times, from the initial density p0."""
        return np.array([p.sum() for p in self._remaining(times, p0, rtol)])

    def density(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability per time of arriving at each of the increasing times, from the initial density p0."""
        return np.array([self.generator.outflux(p) for p in self._remaining(times, p0, rtol)])

    def _remaining(self, times: Any, p0: Any, rtol: float) -> list[np.ndarray]:
        array = output_times(times)
        check_rtol(rtol)
        masses = np.where(self.target, 0.0, _density.initial_masses(p0, self.grid)[0]).ravel()
        return [p for p, _, _ in propagate(self.generator, masses, array, "auto", rtol)]

    def __repr__(self) -> str:
        low, high = self.mean[~self.target].min(), self.mean.max()
        return f"First passage on {self.grid!r}\n  mean time  {low:.6g} to {high:.6g}"


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The slowest modes, by falling real part of the eigenvalue.

    Attributes
    ----------
    grid : Grid
    eigenvalues : ndarray (k,)
        Per time. The first is 0 unless walls absorb.
    right : ndarray (k, *grid.shape)
        Densities (signed but for the first): what decays with each rate.
    left : ndarray (k, *grid.shape)
        Functions of the start: how much of each mode it holds. sum(left_i right_i volume) = 1.
    absorbs : bool
    """

    grid: Grid
    eigenvalues: np.ndarray
    right: np.ndarray
    left: np.ndarray
    absorbs: bool

    @property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """(right, left)."""
        return self.right, self.left

    @property
    def time_scales(self) -> np.ndarray:
        """-1 / Re(eigenvalue), (k,); infinite for the stationary mode."""
        rates = -self.eigenvalues.real
        return np.where(rates > 0.0, 1.0 / np.where(rates > 0.0, rates, 1.0), np.inf)

    @property
    def escape_rate(self) -> float:
        """Rate at which the surviving probability leaves through the absorbing walls, in the long run."""
        return float(-self.eigenvalues[0].real) if self.absorbs else 0.0

    @property
    def quasi_stationary(self) -> np.ndarray:
        """Density of what has survived long, (*grid.shape); the stationary density where no wall absorbs."""
        first = self.right[0].real
        return first / (first * self.grid.volumes).sum()

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.6g}" for v in self.eigenvalues)
        return f"Spectrum on {self.grid!r}\n  eigenvalues  {shown}"


def at_rest(st: Any, method: str, settings: Mapping[str, Any]) -> Solution:
    """A stationary result as a solution whose one time is infinity: the form in which it is saved."""
    return Solution(
        grid=st.grid,
        times=np.array([np.inf]),
        density=st.density[None],
        method=method,
        stats=st.stats,
        message=st.message,
        saved_current=st.current[None],
        settings=settings,
    )


def _gradient(field: np.ndarray, grid: Grid, axis: int) -> np.ndarray:
    """d field / dx along one axis of the grid, the last axes of the field."""
    if grid.shape[axis] < 2:
        return np.zeros_like(field)
    return np.gradient(field, grid.centers[axis], axis=axis - grid.dim)


def output_times(times: Any) -> np.ndarray:
    """Output times as an array (n_times,), or the sentence that says what is wrong with them."""
    return increasing("times", times)


def check_rtol(rtol: Any) -> None:
    """Refuse a tolerance that no propagation can hold."""
    number("rtol", rtol, "between 1e-12 and 1", lambda v: 1e-12 <= v < 1.0)


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{v:.6g}" for v in values)
