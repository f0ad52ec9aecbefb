"""What comes back from a computation: frozen, with the same attributes whatever was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import density as _density
from .errors import bad_value
from .grid import Grid
from .solvers.generator import Generator
from .solvers.stationary import entropy_production, is_balanced

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
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

    @cached_property
    def masses(self) -> np.ndarray:
        """Probability of each cell, (n_times, *grid.shape)."""
        return self.density * self.grid.volumes

    @cached_property
    def mass(self) -> np.ndarray:
        """Total probability left in the box, (n_times,)."""
        return self.masses.sum(axis=tuple(range(1, self.grid.dim + 1)))

    def mean(self) -> np.ndarray:
        """<x>, (n_times, dim), over what is in the box."""
        return _density.mean(self.masses, self.grid)

    def covariance(self) -> np.ndarray:
        """Covariance matrices, (n_times, dim, dim)."""
        return _density.covariance(self.masses, self.grid)

    def moment(self, k: int) -> np.ndarray:
        """<x^k> per axis, (n_times, dim)."""
        return _density.moment(self.masses, self.grid, k)

    def marginal(self, axis: int) -> np.ndarray:
        """Density along one axis, (n_times, n)."""
        return _density.marginal(self.masses, self.grid, axis) / self.grid.widths[axis]

    def current(self, index: int = -1) -> np.ndarray:
        """The probability current J at output time number `index`, (dim, *grid.shape), per time."""
        if self.generator is not None:
            return self.generator.current(self.masses[index])
        if self.saved_current is None:
            raise bad_value("current", "saved with the solution", "none", "Save the solution with current=True.")
        return self.saved_current[index]

    def index(self, t: float) -> int:
        """Number of the output time t."""
        near = int(np.argmin(np.abs(self.times - t)))
        if not np.isclose(self.times[near], t, rtol=1e-9, atol=1e-12):
            raise bad_value("t", "one of the output times", t, f"The nearest is {self.times[near]:g}; add {t:g} to `times`.")
        return near

    def at(self, t: float) -> np.ndarray:
        """The density at the output time t, grid.shape."""
        return self.density[self.index(t)]

    def plot(self, **options: Any) -> Figure:
        """A figure of the density over time: curves in 1D, maps in 2D."""
        from .plotting import plot_solution

        return plot_solution(self, **options)

    def animate(self, path: str, **options: Any) -> None:
        """Write an animation of the density, one frame an output time (.gif or .mp4 by its name)."""
        from .plotting import animate_solution

        animate_solution(self, path, **options)

    def to_xarray(self) -> xarray.Dataset:
        """The densities as a labelled data set."""
        from .storage import solution_to_xarray

        return solution_to_xarray(self)

    def save(self, path: str, current: bool = True) -> None:
        """Write a netCDF file, at once or not at all. `fokkerplanck.load` reads it back."""
        from .storage import save_solution

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
class Stationary:
    """The density that no longer changes, with the current that may still flow in it.

    Attributes
    ----------
    grid : Grid
    density : ndarray (*grid.shape)
    generator : Generator
    stats : dict
        parts (number of closed parts), residual (largest |Q P| over the largest outflow), resolution as for `Solution`.
    """

    grid: Grid
    density: np.ndarray
    generator: Generator
    stats: dict[str, Any]
    success: bool = True
    message: str = ""

    @cached_property
    def masses(self) -> np.ndarray:
        """Probability of each cell, grid.shape."""
        return self.density * self.grid.volumes

    @property
    def mass(self) -> float:
        """Total probability; below 1 where part of `p0` left through an absorbing wall."""
        return float(self.masses.sum())

    @cached_property
    def current(self) -> np.ndarray:
        """The probability current J, (dim, *grid.shape)."""
        return self.generator.current(self.masses)

    @cached_property
    def entropy_production(self) -> float:
        """Entropy produced per time: zero in equilibrium, infinite where a link is one-way."""
        return 0.0 if self.is_equilibrium else entropy_production(self.generator, self.masses)

    @cached_property
    def is_equilibrium(self) -> bool:
        """Whether every link is balanced to round-off, so that no current flows."""
        return is_balanced(self.generator, self.masses)

    def mean(self) -> np.ndarray:
        """<x>, (dim,)."""
        return _density.mean(self.masses, self.grid)

    def covariance(self) -> np.ndarray:
        """Covariance matrix, (dim, dim)."""
        return _density.covariance(self.masses, self.grid)

    def moment(self, k: int) -> np.ndarray:
        """<x^k> per axis, (dim,)."""
        return _density.moment(self.masses, self.grid, k)

    def marginal(self, axis: int) -> np.ndarray:
        """Density along one axis, (n,)."""
        return _density.marginal(self.masses, self.grid, axis) / self.grid.widths[axis]

    def plot(self, **options: Any) -> Figure:
        """A figure of the density, with the current in 2D."""
        from .plotting import plot_stationary

        return plot_stationary(self, **options)

    def __repr__(self) -> str:
        kind = "equilibrium, no current" if self.is_equilibrium else f"current flows, entropy production {self.entropy_production:.4g}"
        return "\n".join(
            [
                f"Stationary density on {self.grid!r}",
                f"  {kind}",
                f"  mean       {_numbers(self.mean())}",
                f"  deviation  {_numbers(np.sqrt(np.diagonal(self.covariance())))}",
            ]
        )


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{v:.6g}" for v in values)
