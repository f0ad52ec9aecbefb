"""Passages by the way out: the probability, the time and its density for each wall, target or other loss by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import initial_density as _density
from ..model.grid import Grid
from ..solvers.accuracy.estimates import Estimate
from ..solvers.accuracy.fields import error_at_point, field_at, field_change
from ..solvers.discretization.generator import Exit, Generator
from ..solvers.evolution.exponential import propagate
from ..solvers.linear.first_passage import solve_backward
from ..storage.tables import Tabled, by_cell
from .html import with_field
from .requests import check_rtol, output_times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class ExitPassage(Tabled):
    """Passages that end by one way out, such as one of two walls.

    With r the rate from each cell into it, Q^T u = -r gives the probability u of leaving there, and Q^T v = -u the mean time
    v / u of those who do.

    Attributes
    ----------
    grid : Grid
    name : str
        "x low", "x high" and so on for walls, by the names of the axes, "target", "killing", or "jumps" for what
        jumps over a wall.
    generator : Generator
        Killed on the target.
    outside : ndarray of bool (n,)
    target : callable, or None
        f(x, y) -> mask, where passages end inside the box; None where none does.
    coarser : tuple of ExitPassage
        On cells twice and four times as wide.
    cap : float
        Largest order that its error believes.
    """

    grid: Grid
    name: str
    generator: Generator
    outside: np.ndarray
    target: Callable[..., np.ndarray] | None = None
    coarser: tuple[ExitPassage, ...] = ()
    cap: float = 2.0

    @property
    def rates(self) -> np.ndarray:
        """Rate from each cell into the way out, (n,)."""
        return self.generator.ways_out.get(self.name, np.zeros(self.grid.size))

    @cached_property
    def probability(self) -> np.ndarray:
        """Probability of leaving there, from each cell, (*grid.shape); zero on a target."""
        return solve_backward(self.generator, self.outside, self.rates).reshape(self.grid.shape)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean time of those who leave there, from each cell, (*grid.shape); nan where none does."""
        whole = solve_backward(self.generator, self.outside, self.probability.ravel()).reshape(self.grid.shape)
        return np.divide(whole, self.probability, out=np.full(self.grid.shape, np.nan), where=self.probability > 0.0)

    def probability_at(self, x: Any) -> float:
        """Probability of leaving there from a point, by cubic interpolation that knows the edge of the target and the walls."""
        point = self.grid.place(x, "x").tolist()
        regions = [(self.target, float(self.name == "target"))] if self.target is not None else []
        walls = {
            (e.axis, e.side): float(self._is_way(e)) for e in self.generator.exits if e.axis >= 0 and e.rates.any()
        }
        reactive = {place for place in walls if self.grid.boundary[place[0]][place[1]] == "reflecting"}
        continuous = self.generator.jumps is None  # who starts at an edge may jump before he meets it
        found = field_at(self.probability, self.grid, regions, point, walls, continuous, reactive, most=1.0)
        return min(max(found, 0.0), 1.0)

    def _is_way(self, wall: Exit) -> bool:
        return wall.way(self.grid.names) == self.name

    def mean_at(self, x: Any) -> float:
        """Mean time from a point of those who leave there, linearly between cell centers."""
        return self.grid.interpolate(self.mean, x, "x")

    def error_at(self, x: Any) -> float:
        """Error of `probability_at(x)`, from three grids; nan where it was not measured."""
        values = [one.probability_at(x) for one in (self, *self.coarser)]
        if len(values) < 3:
            return float("nan")
        size = min(values[0], 1.0 - values[0])  # it is exact where it is 0 or 1
        return error_at_point(values, self._whole, self.cap, size, 1e-12)

    @cached_property
    def _whole(self) -> Estimate:
        """The error of the probabilities in all cells together."""
        each = (self, *self.coarser)
        targets = [~one.outside.reshape(one.grid.shape) for one in each]
        return field_change([one.probability for one in each], [one.grid for one in each], targets, self.cap).whole

    def density(self, times: Any, p0: Any, rtol: float = 1e-6) -> np.ndarray:
        """Probability per time of leaving there at each of the increasing times, from the initial density p0."""
        check_rtol(rtol)
        masses = np.where(self.outside, _density.initial_masses(p0, self.grid)[0].ravel(), 0.0)
        run = propagate(self.generator, masses, output_times(times), "auto", rtol)
        return np.array([float(self.rates @ p) for p, _, _ in run])

    def _columns(self) -> dict[str, np.ndarray]:
        return by_cell(self.grid, {"probability": self.probability, "mean": self.mean})

    def plot(self, ax: Axes | None = None, log: bool = False, *, title: str = "") -> Figure:
        """A figure of the probability of leaving there from each place, on `ax` if given: a curve in 1D, a map in 2D.

        With `log` on a logarithmic scale.
        """
        from .field_figures import plot_field

        given = ~self.outside.reshape(self.grid.shape)
        return plot_field(self.grid, self.probability, given, f"probability of {self.name}", ax, log, title=title)

    def _repr_html_(self) -> str:
        """The text, with a picture of the probability."""
        return with_field(repr(self), self.grid, self.probability)

    def __repr__(self) -> str:
        low, high = self.probability.min(), self.probability.max()
        return f"Passages by {self.name!r} on {self.grid!r}\n  probability  {low:.6g} to {high:.6g}"


def ways_out(
    passages: Sequence[tuple[Generator, np.ndarray, Callable[..., np.ndarray] | None]], cap: float = 2.0
) -> dict[str, ExitPassage]:
    """The ways out of the first of some passages (generator, cells outside, target), the others the same on coarser grids.

    cap : the order of the scheme, none larger is believed.
    """
    result = {}
    for name in passages[0][0].ways_out:
        finest, *coarser = (ExitPassage(q.grid, name, q, outside, target) for q, outside, target in passages)
        result[name] = replace(finest, coarser=tuple(coarser), cap=cap)
    return result
