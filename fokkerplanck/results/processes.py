"""The Markov processes that results come from: in time, by a rate matrix, or in steps; and what is extrapolated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from ..arguments import increasing
from ..errors import bad_type, bad_value
from ..model.grid import Grid
from ..solvers.discretization.generator import Generator
from ..solvers.evolution.exponential import propagate
from ..solvers.linear.irreversibility import stationary_current
from ..solvers.linear.markov_chain import DENSE, advance
from .requests import check_rtol, output_times

MOST_PRODUCTS = 1e14  # of numbers in T with numbers in P


class Process(Protocol):
    """What a result asks of the process behind it."""

    @property
    def grid(self) -> Grid:
        """Where it lives."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a saved result says of it."""

    def current(self, masses: np.ndarray) -> np.ndarray:
        """The probability current J at stationary masses (*grid.shape), (dim, *grid.shape), per time or per step."""

    def survival(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Probability of not having met a target (*grid.shape) at the times, from masses outside it."""

    def arrivals(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Probability per time, or per step, of arriving at the target at the times."""


@dataclass(frozen=True, eq=False)
class InTime:
    """dP/dt = Q P. For a passage Q is already killed on the target."""

    generator: Generator
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """Where it lives."""
        return self.generator.grid

    def current(self, masses: np.ndarray) -> np.ndarray:
        """The probability current J, (dim, *grid.shape)."""
        return stationary_current(self.generator, masses)

    def survival(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Probability of not having arrived at each of the increasing times."""
        return np.array([p.sum() for p in self._remaining(target, masses, times, rtol)])

    def arrivals(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Probability per time of arriving at each of the increasing times."""
        return np.array([self.generator.outflux(p) for p in self._remaining(target, masses, times, rtol)])

    def _remaining(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> Iterator[np.ndarray]:
        array = output_times(times)
        check_rtol(rtol)
        outside = np.where(target, 0.0, masses).ravel()
        return (p for p, _, _ in propagate(self.generator, outside, array, "auto", rtol))


@dataclass(frozen=True, eq=False)
class OneWay(InTime):
    """As `InTime`, of a box into which enters elsewhere what leaves, or what comes from outside: a current always flows."""

    def current(self, masses: np.ndarray) -> np.ndarray:
        """The probability current J in the box, (dim, *grid.shape)."""
        return self.generator.current(masses)


@dataclass(frozen=True, eq=False)
class InSteps:
    """P' = T P after an application of `matrix`, which stands for `steps` steps.

    For a passage T has lost what the target stops.
    """

    grid: Grid
    matrix: sp.csc_array
    steps: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)

    def applications(self, steps: Any, name: str = "steps") -> np.ndarray:
        """Increasing numbers of steps as numbers of applications; `name` is what an error calls them."""
        array = increasing(name, steps)
        if (array != np.round(array)).any():
            raise bad_type(name, "a whole number or a list of whole numbers", steps)
        most = 2.0**53 if self.grid.size <= DENSE else MOST_PRODUCTS / self.matrix.nnz
        if array[-1] > most:
            raise bad_value(name, f"at most {most:.2g}, which take a day", steps, "`stationary` has the long run.")
        if (array % self.steps).any():
            raise bad_value(name, f"multiples of the {self.steps} steps of an epoch", steps)
        return (array // self.steps).astype(np.int64)

    def current(self, masses: np.ndarray) -> np.ndarray:
        """The probability current J per step, (dim, *grid.shape).

        In one dimension the net probability that passes a point, which is the same everywhere and zero unless the axis is
        periodic. In more, the mean displacement of those who leave a cell and of those who arrive, halved: p times the
        current velocity of Nelson (1967). It is zero under detailed balance, and its divergence vanishes to the second
        order in the length of a step.
        """
        grid = self.grid
        entries = self.matrix.tocoo()
        moved = entries.data * masses.ravel()[entries.col] / self.steps
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

    def survival(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Probability of not having arrived after each of the increasing numbers of steps."""
        return np.array([p.sum() for p in self._remaining(target, masses, self.applications(times, "times"))])

    def arrivals(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Probability per step of arriving at each of the increasing numbers of steps."""
        counts = self.applications(times, "times")
        both = np.unique(np.concatenate([counts, np.maximum(counts - 1, 0)]))
        left = dict(zip(both.tolist(), (p.sum() for p in self._remaining(target, masses, both)), strict=True))
        return np.array([left[max(c - 1, 0)] - left[c] for c in counts.tolist()]) / self.steps

    def _remaining(self, target: np.ndarray, masses: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
        return advance(self.matrix, np.where(target, 0.0, masses).ravel(), counts)


@dataclass(frozen=True, eq=False)
class Extrapolated:
    """What is known of the process behind a result that was extrapolated: its current. No grid has its rate matrix."""

    grid: Grid
    known_current: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def current(self, masses: np.ndarray) -> np.ndarray:
        """The probability current J, (dim, *grid.shape)."""
        return self.known_current

    def in_units(self, unit: float) -> Extrapolated:
        """Of a density that is `unit` times as large."""
        return Extrapolated(self.grid, unit * self.known_current, self.settings)

    def survival(self, target: np.ndarray, masses: np.ndarray, times: Any, rtol: float) -> np.ndarray:
        """Refused."""
        raise bad_value("result", *NO_GENERATOR)

    arrivals = survival


NO_GENERATOR = "one of a grid for its generator", "an extrapolated one", "Ask the result before it was extrapolated."
