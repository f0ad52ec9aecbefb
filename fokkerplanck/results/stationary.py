"""The density that no longer changes, with its current and its entropy production."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, number, reals, whole
from ..errors import bad_value
from ..model.grid import Grid
from ..solvers.accuracy.estimates import Errors
from ..solvers.discretization.generator import Generator
from ..solvers.linear.irreversibility import Irreversibility, dissipation, irreversibility
from ..storage.tables import Tabled, by_cell
from .moments import Moments, gradient, shown_deviations, shown_numbers, shown_points
from .processes import NO_GENERATOR, Extrapolated, InSteps, InTime, Process
from .solution import Solution, at_rest, best_of
from .stability import Stability
from .stats import StationaryStats

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .ensemble import Ensemble


@dataclass(frozen=True, eq=False, repr=False)
class Stationary(Tabled, Moments):
    """The density that no longer changes, with the current that may still flow in it.

    Attributes
    ----------
    grid : Grid
    density : ndarray (*grid.shape)
    process : InTime or InSteps
        What leaves it unchanged: a generator, or an application of a transfer operator.
    stats : StationaryStats
        parts (number of closed classes), residual; of an equation peclet, order and others, of a transfer operator noise and
        smearing, averaged over the density. By attribute or by item.
    diffusion : ndarray (dim, *grid.shape) or (dim, dim, *grid.shape), or None
        D at the cell centers; a transfer operator has none.
    error : Errors
        "density" (its 1-norm), "mean", "covariance", "current" and, of an equation, "entropy_production": of the grid, in their
        shapes.
    atoms : dict of float
        Position -> probability that ends there: points that keep what arrives, such as exit boundaries. `density` is the rest.
    stability : Stability or None
        Of an equation with an interaction, whether small perturbations of this state decay: `stability.stable`, `.growth`.
    """

    grid: Grid
    density: np.ndarray
    process: Process
    stats: StationaryStats
    diffusion: np.ndarray | None = None
    success: bool = True
    message: str = ""
    error: Errors = field(default_factory=Errors.unknown)
    atoms: Mapping[float, float] = field(default_factory=dict)
    stability: Stability | None = None

    @property
    def mass(self) -> float:
        """Total probability; below 1 where part of `p0` left through an absorbing wall."""
        return float(self.masses.sum() + sum(self.atoms.values()))

    @property
    def generator(self) -> Generator:
        """The rate matrix Q, of an equation."""
        return generator_of(self.process)

    @cached_property
    def current(self) -> np.ndarray:
        """The probability current J, (dim, *grid.shape), per time or per step."""
        return self.process.current(self.masses)

    @cached_property
    def velocity(self) -> np.ndarray:
        """J / p, the irreversible part of the drift, (dim, *grid.shape); zero where p is."""
        p = self.density
        return np.divide(self.current, p, out=np.zeros_like(self.current), where=p > 0.0)

    @cached_property
    def irreversibility(self) -> Irreversibility:
        """Whether this is an equilibrium, the entropy production, and what rounding may add to it and to the current."""
        found = irreversibility(self.generator, self.masses)
        if found.is_equilibrium or self.generator.force_on_links:
            return found
        widths = np.stack(np.broadcast_arrays(*np.meshgrid(*self.grid.widths, indexing="ij", sparse=True)))
        production = dissipation(self.current, self.velocity, self._known_diffusion(), widths)
        return found._replace(entropy_production=production)

    @property
    def is_equilibrium(self) -> bool:
        """Whether rates balance around every cycle as far as rounding can tell, so that no current flows."""
        return self.irreversibility.is_equilibrium

    @property
    def entropy_production(self) -> float:
        """Entropy produced per time: zero in equilibrium, infinite where current flows without noise.

        The sum over links of (r_ij P_i - r_ji P_j) ln(r_ij P_i / r_ji P_j), or, where a nearly degenerate tensor lets the drift
        go along the axes, the integral of J . D^-1 J / p (Schnakenberg 1976; Seifert 2012).
        """
        return self.irreversibility.entropy_production

    def reversible_drift(self) -> np.ndarray:
        """D grad ln p + div D, the part of the Ito drift that alone would leave the same density without a current.

        By finite differences of p, (dim, *grid.shape); zero where p is. Reversible drift and `velocity` add up to the drift.
        """
        grid, p = self.grid, self.density
        d = self._known_diffusion()
        if d.ndim == grid.dim + 1:
            d = np.einsum("i...,ij->ij...", d, np.eye(grid.dim))
        flow = sum(gradient(d[:, j] * p, grid, j) for j in range(grid.dim))
        return np.divide(flow, p, out=np.zeros_like(flow), where=p > 0.0)

    def curl(self) -> np.ndarray:
        """d_x J_y - d_y J_x in 2D, by finite differences, grid.shape."""
        if self.grid.dim != 2:
            raise bad_value("grid", "two-dimensional for a curl", self.grid.dim)
        return gradient(self.current[1], self.grid, 0) - gradient(self.current[0], self.grid, 1)

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

    def _known_diffusion(self) -> np.ndarray:
        if self.diffusion is None:
            raise bad_value(
                "diffusion", "known for this", "a transfer operator", "Ask the stationary density of an equation."
            )
        return self.diffusion

    def _determinant(self) -> np.ndarray:
        d = self._known_diffusion()
        return d.prod(axis=0) if d.ndim == self.grid.dim + 1 else np.linalg.det(np.moveaxis(d, (0, 1), (-2, -1)))

    def extrapolated(self) -> Stationary:
        """The density and the current extrapolated to cells of no width, with an error of their own.

        As `Solution.extrapolated`. It has no generator, and so no entropy production.
        """
        found: Stationary = best_of(self, lambda r: float(r.error["density"]))
        return found

    def plot(
        self,
        *,
        landscape: Callable | None = None,
        ensemble: Ensemble | None = None,
        title: str = "",
        error: bool = False,
        log: bool = False,
        ax: Axes | None = None,
    ) -> Figure:
        """A figure of the density, with the current in 2D.

        Parameters
        ----------
        landscape : callable f(x, y), optional
            Drawn as contours in 2D.
        ensemble : Ensemble, optional
            Its positions at the last time are shown beside the density.
        title : str
        error : bool
            In 1D, whether to show the measured error around the curve.
        log : bool
            In 1D and 3D, whether the density is shown on a logarithmic scale.
        ax : matplotlib Axes, optional
            To draw on, in 1D.
        """
        from .figures import plot_stationary

        return plot_stationary(self, landscape=landscape, ensemble=ensemble, title=title, error=error, log=log, ax=ax)

    def to_xarray(self) -> xarray.Dataset:
        """The density as a labelled data set."""
        return self._as_solution().to_xarray().isel(time=0, drop=True)

    def _columns(self) -> dict[str, np.ndarray]:
        return by_cell(self.grid, {"density": self.density})

    def save(self, path: str) -> None:
        """Write a netCDF file, with the current; `fokkerplanck.load` reads it as a Solution whose one time is infinity."""
        self._as_solution().save(path)

    def _as_solution(self) -> Solution:
        """As a solution whose one time is infinity."""
        method = "stationary chain" if isinstance(self.process, InSteps) else "stationary"
        return at_rest(self, method, self.process.settings)

    def __repr__(self) -> str:
        lines = [
            f"Stationary density on {self.grid!r}",
            f"  mean       {shown_numbers(self.mean())}",
            f"  deviation  {shown_deviations(self.covariance(), self.grid)}",
            f"  grid       {self.error.note}",
            *self.stats.lines_on_batches(),
        ]
        if isinstance(self.process, InTime):
            lines.insert(1, f"  {self._flows()}")
            lines += shown_points(self.atoms, self.process.generator.found, self.grid.names[0])
        if self.stability is not None:
            lines.append(f"  stability  {self.stability}; there may be other states")
        return "\n".join(lines)

    def _flows(self) -> str:
        """What flows, in words, as far as rounding can tell."""
        found = self.irreversibility
        if found.is_equilibrium:
            return f"equilibrium, no current (to rounding: below {found.current_rounding.max(initial=0.0):.1e})"
        if not np.isfinite(found.entropy_production):
            return "current flows, entropy production infinite: there are ways that lead in one direction only"
        text = f"current flows, entropy production {found.entropy_production:.4g}"
        return text if found.rounding < 0.1 * found.entropy_production else f"{text} (rounding: {found.rounding:.1g})"


def generator_of(process: Process) -> Generator:
    """The rate matrix behind a result, or the sentence that says why there is none."""
    if isinstance(process, InTime):
        return process.generator
    if isinstance(process, Extrapolated):
        raise bad_value("result", *NO_GENERATOR)
    then = "On a grid it has steps that cannot be undone in one, so that no detailed balance can be read off."
    raise bad_value("result", "that of an equation for its generator", "one of a transfer operator", then)
