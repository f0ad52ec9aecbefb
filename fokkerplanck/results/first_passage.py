"""Times until a target, or an absorbing wall, is first reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import initial_density as _density
from ..model.grid import Grid
from ..solvers.discretization.generator import Generator
from ..solvers.evolution.exponential import propagate
from .requests import check_rtol, output_times

if TYPE_CHECKING:
    pass


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
