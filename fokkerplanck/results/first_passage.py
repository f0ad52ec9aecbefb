"""Times until a target, or an absorbing wall, is first reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model import initial_density as _density
from ..model.grid import Grid
from ..solvers.discretization.generator import Generator
from .processes import Process
from .stationary import generator_of


@dataclass(frozen=True, eq=False, repr=False)
class FirstPassage:
    """Times until a target, or an absorbing wall, is first reached; of a transfer operator they are numbers of steps.

    Attributes
    ----------
    grid : Grid
    mean : ndarray (*grid.shape)
        Mean time from each cell; zero on the target, infinite where the target may never be reached.
    second_moment : ndarray (*grid.shape)
        Mean squared time.
    target : ndarray of bool (*grid.shape)
    process : InTime or InSteps
        In time, the generator killed on the target.
    stats : dict
        Of an equation: peclet, diffusion, numerical_diffusion, added_diffusion and order, as in the stats of a Solution, but
        averaged over where paths from all over the rest of the box spend their time; order 1 where it shifts the times by a
        tenth. Of a transfer operator: noise and smearing, the variances that SGD and the grid add in an application,
        averaged likewise.
    """

    grid: Grid
    mean: np.ndarray
    second_moment: np.ndarray
    target: np.ndarray
    process: Process
    stats: dict[str, Any]

    @property
    def generator(self) -> Generator:
        """The generator, killed on the target."""
        return generator_of(self.process)

    def at(self, x: Any) -> float:
        """Mean time from a point, linearly between the cell centers."""
        self.grid.locate(x, "x")
        weights = _density.deposit(np.atleast_1d(np.asarray(x, dtype=float))[None], np.ones(1), self.grid)
        used = weights > 0.0
        return float((weights[used] * self.mean[used]).sum())

    def survival(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability of not having arrived at each of the increasing times, or numbers of steps, from the density p0."""
        return self.process.survival(self.target, _density.initial_masses(p0, self.grid)[0], times, rtol)

    def density(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability per time, or per step, of arriving at each of the increasing times, from the initial density p0."""
        return self.process.arrivals(self.target, _density.initial_masses(p0, self.grid)[0], times, rtol)

    def __repr__(self) -> str:
        low, high = self.mean[~self.target].min(), self.mean.max()
        return f"First passage on {self.grid!r}\n  mean time  {low:.6g} to {high:.6g}"
