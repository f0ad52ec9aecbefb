"""What comes back from a computation: frozen, with the same attributes whatever was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, same_time, whole
from ..errors import bad_value
from ..model.grid import Grid
from ..solvers.accuracy.estimates import Errors
from ..solvers.discretization.generator import Generator
from ..storage.tables import Tabled, by_cell
from .moments import Moments, shown_deviations, shown_numbers, shown_points
from .stats import SolutionStats

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .ensemble import Ensemble


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Tabled, Moments):
    """The density at each output time.

    Attributes
    ----------
    grid : Grid
    times : ndarray (n_times,)
    density : ndarray (n_times, *grid.shape)
        Integrates to `mass`.
    method : str
        The propagation method that ran.
    stats : SolutionStats
        error_estimate (1-norm, of the propagation in time), mass_error, min_density, initial_mass; peclet, diffusion,
        numerical_diffusion and order; what was counted. By attribute or by item.
    success : bool
    message : str
    observed : dict of ndarray (n_times,)
        Expectations of the functions passed as `observe`.
    settings : dict
        What was asked, as far as it can be written down; from a file also the version that wrote it. A result of
        `fokkerplanck run` holds its run file and data, so that `fokkerplanck run RESULT.nc` repeats it.
    generator : Generator or None
        None for a solution loaded from a file. Where coefficients change, that of the last time.
    generator_at : callable or None
        (t, masses) -> Generator where coefficients depend on time or on the density.
    error : Errors
        "density" (its 1-norm), "mass" and what was observed, (n_times,); "mean" (n_times, dim), "covariance"
        (n_times, dim, dim), "atoms" (n_times, n_atoms), where there are some: of the grid and of the propagation in time, from
        the same question on two coarser grids. With singular points the density is judged by the probabilities of cells.
    atoms : dict of ndarray (n_times,)
        Position -> probability there: points that keep what arrives, such as exit boundaries. `density` is the rest; `mass`,
        `mean`, `covariance` and `moment` count both. In 1D; else empty.
    """

    grid: Grid
    times: np.ndarray
    density: np.ndarray
    method: str
    stats: SolutionStats
    success: bool = True
    message: str = ""
    observed: Mapping[str, np.ndarray] = field(default_factory=dict)
    generator: Generator | None = None
    saved_current: np.ndarray | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    generator_at: Callable[[float, np.ndarray], Generator] | None = None
    error: Errors = field(default_factory=Errors.unknown)
    atoms: Mapping[float, np.ndarray] = field(default_factory=dict)

    @cached_property
    def mass(self) -> np.ndarray:
        """Total probability left in the box, (n_times,)."""
        inside = self.masses.sum(axis=tuple(range(1, self.grid.dim + 1)))
        return inside + sum(self.atoms.values()) if self.atoms else inside

    @property
    def moved_by_generator(self) -> bool:
        """Whether the generator, where there is one, has all that moves the density but for memory."""
        return True

    def current(self, index: int = -1) -> np.ndarray:
        """The probability current J at output time number `index`, (dim, *grid.shape), per time."""
        whole("index", index, -self.times.size, self.times.size - 1)
        if self.generator_at is not None:
            masses = self.masses[index]
            return self.generator_at(float(self.times[index]), masses).current(masses)
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
        if not same_time(self.times, t)[near]:
            raise bad_value(
                name, "one of the output times", t, f"The nearest is {self.times[near]:g}; add {t:g} to `times`."
            )
        return near

    def extrapolated(self) -> Solution:
        """The density extrapolated to cells of no width through the logarithm, with an error of its own.

        p_h + (p_h - p_2h) / (2^p - 1) for a scheme of order p, from the grids on which the error was measured, at no cost to
        speak of; positive, with the mass extrapolated alike. Where noise is missing along an axis p is 1: this takes off what
        the grid adds to the diffusion. The solution itself where its own error is no larger.

        Raises
        ------
        ValueError
            Where no error was measured, or no order is known: atoms, singular points, results from files.
        """
        later = self.times > 0.0
        return best_of(self, lambda r: float(r.error["density"][later].max(initial=0.0)))

    def at(self, t: float) -> np.ndarray:
        """The density at the output time t, grid.shape."""
        return self.density[self.index(t)]

    def plot(
        self,
        ensemble: Ensemble | None = None,
        *,
        times: Sequence[float] | None = None,
        error: bool = False,
        log: bool = False,
        ax: Axes | None = None,
        landscape: Callable | None = None,
        title: str = "",
    ) -> Figure:
        """A figure of the density over time: curves in 1D, maps in 2D; with an ensemble, one panel a time with both.

        Parameters
        ----------
        ensemble : Ensemble, optional
        times : sequence of float, optional
            Output times to show. Default: all, or five of them spread evenly. Without an ensemble.
        error : bool
            In 1D and without an ensemble, whether to show the measured error around each curve.
        log : bool
            In 1D and 3D and without an ensemble, whether the density is shown on a logarithmic scale.
        ax : matplotlib Axes, optional
            To draw on, in 1D and without an ensemble.
        landscape : callable f(x, y), optional
            Drawn as contours in 2D.
        title : str
        """
        from .figures import plot_evolution, plot_solution

        alone = {"times": (times, None), "error": (error, False), "log": (log, False), "ax": (ax, None)}
        if ensemble is None:
            return plot_solution(self, times, error, log=log, ax=ax, landscape=landscape, title=title)
        for name, (value, usual) in alone.items():
            if value is not usual:
                raise bad_value(name, f"{usual} beside an ensemble", value, "Plot the solution alone.")
        return plot_evolution(self, ensemble, landscape=landscape, title=title)

    def animate(self, path: str, **options: Any) -> None:
        """Write an animation of the density (.gif, or .mp4 with ffmpeg), one frame an output time, or `between=` them too."""
        from .animation import animate_solution

        animate_solution(self, path, **options)

    def to_xarray(self) -> xarray.Dataset:
        """The densities as a labelled data set."""
        from ..storage.netcdf import solution_to_xarray

        return solution_to_xarray(self)

    def _columns(self) -> dict[str, np.ndarray]:
        return by_cell(self.grid, {"density": self.density}, self.times)

    def save(self, path: str, current: bool = True) -> None:
        """Write a netCDF file, at once or not at all. `fokkerplanck.load` reads it back."""
        from ..storage.netcdf import save_solution

        save_solution(self, path, current=current)

    def __repr__(self) -> str:
        s = self.stats
        space = f"order {s.order or '?'} in space"
        if np.isfinite(s.peclet):
            space += f", cell Peclet number {s.peclet:.2g}"
        at_rest = not np.isfinite(self.times[-1])  # a stationary density, read from a file
        times = "at rest" if at_rest else f"{self.times.size}: {self.times[0]:g} to {self.times[-1]:g}"
        in_time = "" if at_rest else f", error in time at most {s.error_estimate:.1e}"
        smallest = "" if at_rest else f" at the end, smallest density {s.min_density:.1e} of the largest"
        lines = [
            f"Solution on {self.grid!r}",
            f"  times      {times}",
            f"  method     {self.method}{in_time} ({space})",
            f"  grid       {self.error.note}",
            *s.lines_on_batches(),
            f"  mass       {self.mass[-1]:.12g}{smallest}",
            f"  mean       {shown_numbers(self.mean()[-1])}",
            f"  deviation  {shown_deviations(self.covariance()[-1], self.grid)}",
        ]
        found = () if self.generator is None else self.generator.found
        return "\n".join(lines + shown_points({x: m[-1] for x, m in self.atoms.items()}, found, self.grid.names[0]))


def best_of(result: Any, size: Callable[[Any], float]) -> Any:
    """A result or its extrapolated one, whichever has the smaller error by `size`."""
    if not result.error or result.error.better is None:
        why = result.error.note if not result.error else "no order of its error is known, or it was read from a file"
        raise bad_value("result", "of a known order, with a measured error, to be extrapolated", result, why + ".")
    better = result.error.better()
    return better if result.error.converging and size(better) < size(result) else result


def at_rest(st: Any, method: str, settings: Mapping[str, Any]) -> Solution:
    """A stationary result as a solution whose one time is infinity: the form in which it is saved."""
    return Solution(
        grid=st.grid,
        times=np.array([np.inf]),
        density=st.density[None],
        method=method,
        stats=SolutionStats.of(st.stats),
        message=st.message,
        saved_current=st.current[None],
        settings=settings,
        atoms={x: np.array([mass]) for x, mass in st.atoms.items()},
        error=_at_one_time(st.error),
    )


def _at_one_time(errors: Errors) -> Errors:
    """The errors of a stationary result with an axis for its one time; those of the current are left out."""
    if not errors:
        return errors
    values = {name: np.asarray(errors[name])[None] for name in errors if name not in ("current", "entropy_production")}
    return Errors(values, errors.order, errors.converging, errors.note)
