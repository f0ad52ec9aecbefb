"""What a transfer operator answers: stationary densities, passage times in steps, eigenvalues and modes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ..model import initial_density as _density
from ..model.grid import Grid
from ..solvers.linear import markov_chain as _transfer
from .moments import Moments
from .solution import at_rest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..sgd.transfer_operator import TransferOperator


@dataclass(frozen=True, eq=False, repr=False)
class StationaryChain(Moments):
    """The density that an application of T leaves unchanged.

    Attributes
    ----------
    grid : Grid
    density : ndarray (*grid.shape)
    stats : dict
        parts (closed sets), residual (|T P - P| over the largest mass); noise and smearing, the variances that SGD and the
        grid add in an application, averaged over the density, along each axis.
    operator : TransferOperator

    Notes
    -----
    There is no entropy production and no `is_equilibrium`: on a grid a chain has steps that cannot be undone in one,
    so that detailed balance fails on the level of cells even where the process has it.
    """

    grid: Grid
    density: np.ndarray
    stats: dict[str, Any]
    operator: TransferOperator
    success: bool = True
    message: str = ""

    @property
    def mass(self) -> float:
        """Total probability."""
        return float(self.masses.sum())

    @cached_property
    def current(self) -> np.ndarray:
        """The probability current J per step, (dim, *grid.shape).

        In one dimension the net probability that passes a point, which is the same everywhere and zero unless the axis is
        periodic. In more, the mean displacement of those who leave a cell and of those who arrive, halved: p times the
        current velocity of Nelson (1967). It is zero under detailed balance, and its divergence vanishes to the second
        order in the length of a step.
        """
        masses, grid = self.masses.ravel(), self.grid
        entries = self.operator.matrix.tocoo()
        moved = entries.data * masses[entries.col] / self.operator.steps
        flows = []
        for axis, x in enumerate(np.meshgrid(*grid.centers, indexing="ij")):
            place, length = x.ravel(), float(np.ptp(grid.edges[axis]))
            step = place[entries.row] - place[entries.col]
            periodic = grid.boundary[axis][0] == "periodic"
            if periodic:
                step -= length * np.round(step / length)
            if grid.dim == 1:
                flows.append(np.full(grid.size, float(moved @ step) / length if periodic else 0.0))
                continue
            leaving = np.bincount(entries.col, weights=moved * step, minlength=grid.size)
            arriving = np.bincount(entries.row, weights=moved * step, minlength=grid.size)
            flows.append(0.5 * (leaving + arriving) / grid.volumes.ravel())
        return np.stack(flows).reshape(grid.dim, *grid.shape)

    @cached_property
    def velocity(self) -> np.ndarray:
        """J / p per step, (dim, *grid.shape); zero where p is."""
        p = self.density
        return np.divide(self.current, p, out=np.zeros_like(self.current), where=p > 0.0)

    def plot(self, **options: Any) -> Figure:
        """A figure of the density, with the current in 2D."""
        from .figures import plot_stationary

        return plot_stationary(self, **options)

    def save(self, path: str) -> None:
        """Write a netCDF file; `fokkerplanck.load` reads it as a Solution whose one time is infinity."""
        settings = {**self.operator.settings, "model": self.operator.model, "kind": self.operator.kind}
        at_rest(self, "stationary chain", settings).save(path)

    def __repr__(self) -> str:
        deviation = np.sqrt(np.diagonal(self.covariance()))
        return f"Stationary density of a chain on {self.grid!r}\n  mean {self.mean()}, deviation {deviation}"


@dataclass(frozen=True, eq=False, repr=False)
class ChainPassage:
    """Numbers of steps until a target, or an absorbing wall, is first reached.

    Attributes
    ----------
    grid : Grid
    mean, second_moment : ndarray (*grid.shape)
        In steps; zero on the target, infinite where it may never be reached.
    target : ndarray of bool (*grid.shape)
    operator : TransferOperator
    stats : dict
        noise and smearing, the variances that SGD and the grid add in an application, along each axis, averaged over
        where paths from all over the rest of the box spend their time (at most their first 2000 applications).
    """

    grid: Grid
    mean: np.ndarray
    second_moment: np.ndarray
    target: np.ndarray
    operator: TransferOperator
    stats: dict[str, Any]

    def at(self, x: Any) -> float:
        """Mean number of steps from a point, linearly between the cell centers."""
        self.grid.locate(x, "x")
        weights = _density.deposit(np.atleast_1d(np.asarray(x, dtype=float))[None], np.ones(1), self.grid)
        used = weights > 0.0
        return float(weights[used] @ self.mean[used])

    def survival(self, steps: Any, p0: Any) -> np.ndarray:
        """Probability of not having arrived after each of the increasing numbers of steps, from the density p0."""
        return np.array([p.sum() for p in self._remaining(self.operator.applications(steps), p0)])

    def density(self, steps: Any, p0: Any) -> np.ndarray:
        """Probability per step of arriving at each of the increasing numbers of steps, from the density p0."""
        counts = self.operator.applications(steps)
        both = np.unique(np.concatenate([counts, np.maximum(counts - 1, 0)]))
        left = dict(zip(both.tolist(), (p.sum() for p in self._remaining(both, p0)), strict=True))
        return np.array([left[max(c - 1, 0)] - left[c] for c in counts.tolist()]) / self.operator.steps

    def _remaining(self, counts: np.ndarray, p0: Any) -> list[np.ndarray]:
        keep = sp.diags_array((~self.target).ravel().astype(float))
        masses = np.where(self.target, 0.0, _density.initial_masses(p0, self.grid)[0]).ravel()
        return list(_transfer.advance((keep @ self.operator.matrix).tocsc(), masses, counts))

    def __repr__(self) -> str:
        low, high = self.mean[~self.target].min(), self.mean.max()
        return f"First passage of a chain on {self.grid!r}\n  mean steps  {low:.6g} to {high:.6g}"


@dataclass(frozen=True, eq=False, repr=False)
class ChainSpectrum:
    """Leading eigenvalues and modes of T.

    Attributes
    ----------
    eigenvalues : ndarray (k,)
        Of one application; the first is 1 unless walls absorb. One near -1 is an oscillation across a minimum.
    right : ndarray (k, *grid.shape) densities; left : functions of the start, sum(left_i right_i volume) = 1
    steps : int
        Steps in an application.
    """

    grid: Grid
    eigenvalues: np.ndarray
    right: np.ndarray
    left: np.ndarray
    steps: int

    @property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """(right, left)."""
        return self.right, self.left

    @property
    def escape_rate(self) -> float:
        """Rate per step at which what survives leaves through the absorbing walls in the long run, -ln(first) / steps."""
        first = float(np.abs(self.eigenvalues[0]))
        return -float(np.log(first)) / self.steps if self.grid.absorbs else 0.0

    @property
    def quasi_stationary(self) -> np.ndarray:
        """Density of what has survived long, (*grid.shape); the stationary density where no wall absorbs."""
        first = self.right[0].real
        return first / (first * self.grid.volumes).sum()

    @property
    def time_scales(self) -> np.ndarray:
        """-steps / ln |eigenvalue|, (k,); infinite for the stationary mode."""
        size = np.abs(self.eigenvalues)
        with np.errstate(divide="ignore"):
            return np.where(size < 1.0 - 1e-13, -self.steps / np.log(np.minimum(size, 1.0 - 1e-16)), np.inf)

    def __repr__(self) -> str:
        return f"Spectrum of a chain on {self.grid!r}\n  eigenvalues  {', '.join(f'{v:.8g}' for v in self.eigenvalues)}"
