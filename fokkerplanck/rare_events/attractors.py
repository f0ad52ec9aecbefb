"""What a quasipotential is measured from in the plane: a stable point or a stable limit cycle, and V next to it.

V = (x - a)^T C^-1 (x - a) / 2,     A C + C A^T + 2 D = 0          about a point a, by the linear process there
V = n^2 / (2 s)                                                    at the distance n from a cycle (see `limit_cycle`)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Protocol

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from ..errors import ConvergenceError, bad_value
from ..model.grid import Grid
from .action import STENCIL, Hamiltonian, InUnits, units_of_noise
from .cycle_tube import Rim, Tube
from .limit_cycle import LimitCycle
from .minimum_action_path import DIFFERENCE as PATH_DIFFERENCE
from .minimum_action_path import check_directions, least_action, least_of, sides_for, spaced
from .result import PathCost

KNOWN = 2  # cells about the attractor in which V is known
NEWTON = 8  # steps to the attractor
NEAR, FAR = 0.5, 100.0  # how far from it `a` may be given, and is looked for, in cells
DIFFERENCE = 0.02  # of a cell, for slopes of the drift
WEAKEST = (
    0.8  # contraction in a turn: at .94 the way on the grid misses so many turns that a polygon from it rests elsewhere
)
ON_CYCLE = 1e-4  # of its size: what is nearer is on it, to the accuracy of paths
LEVEL = 0.25  # of what a path costs: where it begins


class Attractor(Protocol):
    """Where the quasipotential is zero."""

    def near(self, places: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """V at places (2, n) by the linear process, and whether they are so near that this holds, (n,) each."""

    def begin(self, x: np.ndarray) -> np.ndarray:
        """Where a path that passes x (2,), near to it, begins."""

    def path(self, b: np.ndarray, points: int, ways: list[np.ndarray], value: float) -> PathCost:
        """The least action to b (2,), from ways (n, 2) there and about what it costs."""


@dataclass(frozen=True, eq=False)
class RestPoint:
    """A stable point of the drift, place (2,)."""

    hamiltonian: Hamiltonian
    place: np.ndarray

    def near(self, places: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """By the covariance C of the linear process."""
        widths = cell_widths(grid)
        off = places - self.place[:, None]
        for axis in range(2):
            if grid.periodic(axis):
                period = float(np.ptp(grid.edges[axis]))
                off[axis] -= period * np.round(off[axis] / period)
        slope = _linear(self.hamiltonian, self.place, widths)[1]
        noise = self.hamiltonian.moments(self.place[:, None])[1][..., 0]
        covariance = solve_continuous_lyapunov(slope, -2.0 * noise)
        value = 0.5 * np.einsum("in,ij,jn->n", off, np.linalg.inv(covariance), off)
        return value, (np.abs(off) <= KNOWN * widths[:, None]).all(axis=0)

    def begin(self, x: np.ndarray) -> np.ndarray:
        """The point itself."""
        return self.place

    def path(self, b: np.ndarray, points: int, ways: list[np.ndarray], value: float) -> PathCost:
        """From the first of these ways and others."""
        return least_action(self.hamiltonian, self.place, b, points, ways[0])


@dataclass(frozen=True, eq=False)
class CycleAttractor:
    """A stable limit cycle of the drift."""

    hamiltonian: Hamiltonian
    cycle: LimitCycle

    def check(self, grid: Grid) -> None:
        """Refuse a grid that does not hold the cycle, or whose cells do not resolve it."""
        low, high = self.cycle.points.min(axis=0), self.cycle.points.max(axis=0)
        room = KNOWN * cell_widths(grid)
        first, last = (np.array([e[k] for e in grid.edges]) for k in (0, -1))
        if (low - room < first).any() or (high + room > last).any():
            extent = " x ".join(f"({u:.4g}, {v:.4g})" for u, v in zip(low, high, strict=True))
            then = f"The drift leads from `a` to it; it fills {extent}."
            raise bad_value("b", f"a Grid with {KNOWN} and more cells around the limit cycle", grid, then)
        if not self.resolved(grid):
            then = "Take smaller cells."
            raise bad_value("b", f"a Grid on which parts of the limit cycle are {2 * KNOWN} cells apart", grid, then)

    def resolved(self, grid: Grid) -> bool:
        """Whether V can be set next to the cycle: no other part of it is near."""
        return _clear(self.cycle, tuple(cell_widths(grid).tolist()), KNOWN)

    def near(self, places: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """By the variance of the linear process across the cycle, at the nearest of its points.

        Raises
        ------
        ConvergenceError
            Where the cells do not resolve the cycle.
        """
        if not self.resolved(grid):
            raise ConvergenceError("the cells do not resolve the limit cycle; take smaller ones")
        widths = cell_widths(grid)
        tube = _tube(self.cycle, tuple(widths.tolist()))
        periods = [(0.0, *(s * np.ptp(grid.edges[k]) for s in (-1.0, 1.0) if grid.periodic(k))) for k in range(2)]
        images = [tube.place((places + np.array(shift)[:, None]) / widths[:, None]) for shift in product(*periods)]
        nearest = np.argmin([np.abs(image.distance) for image in images], axis=0)
        value = np.choose(nearest, [tube.action(image) for image in images])
        distance = np.choose(nearest, [np.abs(image.distance) for image in images])
        return value, distance <= KNOWN

    def begin(self, x: np.ndarray) -> np.ndarray:
        """The nearest point of the cycle, in units of the noise."""
        tube, units = self._noise_tube(x)
        return units * tube.at(tube.place((x / units)[:, None]).share)[:, 0]

    def _noise_tube(self, b: np.ndarray) -> tuple[Tube, np.ndarray]:
        """Distances in units of the noise between the cycle and b (2,), and these units (2,)."""
        units = units_of_noise(lambda x: self.hamiltonian.moments(x)[1], np.vstack([self.cycle.points, b]))
        return _tube(self.cycle, tuple(units.tolist())), units

    def path(self, b: np.ndarray, points: int, ways: list[np.ndarray], value: float) -> PathCost:
        """From a line V = const about the cycle, to which paths are followed.

        A path winds off the cycle without end: what is drawn begins where V is a small share of what is asked for.
        """
        if self.cycle.contraction > WEAKEST:
            rule = (
                f"a point from which the drift leads to a limit cycle that contracts to {WEAKEST:g} or less in a turn"
            )
            then = (
                "Paths wind too often off this one for a polygon. Over a Grid the exponents have their measured errors."
            )
            raise bad_value("a", rule, f"one that contracts to {self.cycle.contraction:.3g}", then)
        check_directions(self.hamiltonian, np.vstack([self.cycle.points, b]))
        tube, units = self._noise_tube(b)
        inner = InUnits(self.hamiltonian, units[:, None])
        place = tube.place((b / units)[:, None])
        if abs(place.distance[0]) < ON_CYCLE * tube.extent:
            rule = f"farther from the limit cycle that the drift leads to from `a` than {ON_CYCLE:g} of its size"
            raise bad_value("b", rule, b.tolist(), "So near to it the exponent is n^2 / (2 s), by `.cycle.variance`.")
        # where the drift turns too fast for the grid, its value may be many times too high
        rim = Rim(inner, tube, float(np.sign(place.distance[0])), LEVEL * min(value, float(tube.action(place)[0])))
        starts, sides = sides_for([self._from_rim(way / units, rim, tube, inner) for way in ways], points)
        step = PATH_DIFFERENCE * max(float(np.linalg.norm(b / units - starts[0][0])), tube.extent)
        found = least_of(inner, [spaced(start, sides[0], rim) for start in starts], sides, step, rim)
        if found.stuck is not None:
            return found._replace(stuck=tuple((units * np.array(found.stuck)).tolist()))
        before, v = rim.before(found.path[0])
        path = np.vstack([before, found.path]) * units
        return PathCost(path, np.append(v, found.cost), found.error + rim.error)

    def _from_rim(self, way: np.ndarray, rim: Rim, tube: Tube, inner: Hamiltonian) -> np.ndarray:
        """A way (n, 2) beyond a line V = const; next to the cycle it is followed back by V there."""
        v = tube.action(tube.place(way.T))
        far = np.flatnonzero(v <= rim.level)
        kept = way[far[-1] + 1 :] if far.size else way
        return np.vstack([tube.back(inner, kept[0], rim.level), kept[1:]])


@lru_cache(maxsize=8)
def _tube(cycle: LimitCycle, units: tuple[float, float]) -> Tube:
    return Tube(cycle.in_units(np.array(units)))


@lru_cache(maxsize=8)
def _clear(cycle: LimitCycle, units: tuple[float, float], distance: float) -> bool:
    return _tube(cycle, units).clear(distance)


def cell_widths(grid: Grid) -> np.ndarray:
    """Of even cells (d,)."""
    return np.array([w[0] for w in grid.widths])


def rest_point(hamiltonian: Hamiltonian, a: np.ndarray, grid: Grid) -> RestPoint:
    """The zero of the drift within half a cell of a (2,), which is stable; else refused."""
    widths = cell_widths(grid)
    place = a.copy()
    for _ in range(NEWTON):
        drift, slope = _linear(hamiltonian, place, widths)
        if np.linalg.matrix_rank(slope) < 2:
            break
        place = place - np.linalg.solve(slope, drift)
        if (np.abs(place - a) > FAR * widths).any():
            break
    if (np.abs(place - a) > NEAR * widths).any():
        then = "" if (np.abs(place - a) > FAR * widths).any() else f"It does at {_shown(place)}."
        raise bad_value("a", "a point at which the drift vanishes, to half a cell", _shown(a), then)
    slope = _linear(hamiltonian, place, widths)[1]
    growth = float(np.linalg.eigvals(slope).real.max())
    if not growth < 0.0:
        then = f"Something grows there at the rate {growth:.3g}: give a point that the drift leads away from there."
        raise bad_value("a", "a stable point of the drift", _shown(a), then)
    return RestPoint(hamiltonian, place)


def _shown(point: np.ndarray) -> str:
    return f"({', '.join(f'{c:.6g}' for c in point)})"


def _linear(hamiltonian: Hamiltonian, a: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The drift at a point (2,) and its derivatives there (2, 2)."""
    drift = hamiltonian.moments(a[:, None])[0][:, 0]
    slope = np.empty((2, 2))
    for axis, width in enumerate(DIFFERENCE * widths):
        offset = np.zeros((2, 1))
        offset[axis] = width
        slope[:, axis] = sum(
            weight * (hamiltonian.moments(a[:, None] + k * offset)[0] - hamiltonian.moments(a[:, None] - k * offset)[0])
            for k, weight in STENCIL
        )[:, 0]
        slope[:, axis] /= width
    return drift, slope
