"""What is left outside targets as time goes by, where coefficients or the targets themselves change (1D)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...errors import ConvergenceError
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...progress import Pace
from ..discretization.rates_in_time import ChainRates, RatesInTime
from .moving_domain import Gap, Inside, Stretch, edges_at, gaps
from .radau import Radau
from .time_scan import timetable

NOTHING = np.empty(0)
DOUBLINGS = 30  # of the time in which paths are followed


class Left(NamedTuple):
    """What is left in a gap, for m starts.

    edges (n + 1,) of the cells in x, masses (m, n), arrived (m, 2) at its low and high end so far, rates (m, 2) at which they
    are reached now.
    """

    gap: Gap
    edges: np.ndarray
    masses: np.ndarray
    arrived: np.ndarray
    rates: np.ndarray


class Swept(NamedTuple):
    """What the targets covered at once as an edge jumped or a gap closed: masses (m, n) at places (n,) at time t."""

    t: float
    places: np.ndarray
    masses: np.ndarray


class Passage:
    """The density outside targets from time 0 on, for m starts at once.

    Parameters
    ----------
    eq : FokkerPlanck
        Without jumps, interaction and memory.
    grid : Grid
        One-dimensional and not periodic.
    inside : callable
        (x, t) -> whether x lies in a target at time t.
    masses : ndarray (m, n)
        At time 0, on the cells of the grid or those between `edges` (n + 1,).
    """

    def __init__(
        self, eq: FokkerPlanck, grid: Grid, inside: Inside, masses: np.ndarray, edges: np.ndarray | None = None
    ):
        self.eq, self.grid, self.inside = eq, grid, inside
        self.time = 0.0
        # edges and masses of what is left
        self.held: list[tuple[np.ndarray, np.ndarray]] = [(grid.edges[0] if edges is None else edges, masses)]
        self.ends: list[Left] = []  # of the stretches so far
        self.error = 0.0

    def copy(self) -> Passage:
        """The same paths, to be followed on their own."""
        return copy.copy(self)

    def run(self, times: np.ndarray, rtol: float) -> Iterator[tuple[list[Left], list[Swept]]]:
        """What is left at each of the increasing times, and what was swept since the time before."""
        stop_of_run = float(times[-1])
        stretches = gaps(self.grid, self.inside, self.time, stop_of_run if stop_of_run > self.time else self.time + 1.0)
        waiting, swept = list(times), []
        begun, pace = self.time, Pace(__name__, "passage in time")
        for stretch in stretches:
            pace((self.time - begun) / max(stop_of_run - begun, 1e-300))
            share = (min(stretch.stop, stop_of_run) - self.time) / max(stop_of_run - self.time, 1e-300)
            runs, covered = self._enter(stretch, rtol * max(share, 1e-3))
            swept.append(covered)
            while waiting and (waiting[0] <= stretch.stop or stretch is stretches[-1]):
                yield [run.to(waiting[0]) for run in runs], swept
                waiting, swept = waiting[1:], []
            left = [run.to(min(stretch.stop, stop_of_run)) for run in runs]
            self.error += sum(run.error for run in runs)
            self.ends = [*self.ends, *left]
            self.held = [(part.edges, part.masses) for part in left]
            self.time = min(stretch.stop, stop_of_run)

    def totals(self, times: np.ndarray, rtol: float) -> Iterator[tuple[float, float]]:
        """Of the first start: what has not arrived at each time, and how much arrives per time."""
        for left, _ in self.run(times, rtol):
            yield (
                sum((float(part.masses[0].sum()) for part in left), 0.0),
                sum((float(part.rates[0].sum()) for part in left), 0.0),
            )

    def _enter(self, stretch: Stretch, rtol: float) -> tuple[list[_Run], Swept]:
        """Move what is held onto the cells of new gaps; what they do not cover is swept."""
        runs = []
        for gap in stretch.gaps:
            cells = gap.cells(self.grid)
            low, high = gap.at(gap.start)
            edges = low + (high - low) * cells.edges[0]
            masses = sum((_moved(*part, edges) for part in self.held), np.zeros((1, cells.size)))
            runs.append(_Run(self.eq, self.grid, gap, cells, masses, rtol / len(stretch.gaps)))
        if not self.held:
            return runs, Swept(self.time, NOTHING, np.zeros((1, 0)))
        places = np.concatenate([0.5 * (edges[1:] + edges[:-1]) for edges, _ in self.held])
        rest = np.concatenate([m for _, m in self.held], axis=1)
        kept = [sum(_moved(run.edges(run.gap.start), run.masses, edges) for run in runs) for edges, _ in self.held]
        covered = rest - np.concatenate(
            [k + np.zeros_like(m) for k, (_, m) in zip(kept, self.held, strict=True)], axis=1
        )
        return runs, Swept(self.time, places, np.maximum(covered, 0.0))


class _Run:
    """One gap from its start on: its cells between two more that hold what has arrived at either end."""

    def __init__(self, eq: FokkerPlanck, grid: Grid, gap: Gap, cells: Grid, masses: np.ndarray, rtol: float):
        self.gap, self.cells, self.masses = gap, cells, masses
        horizon = gap.stop - gap.start
        mapped = gap.equation(eq, grid)
        self.inner = RatesInTime(mapped, cells, horizon)
        self.method = Radau(self._rates, False, rtol, horizon, timetable(mapped, cells, horizon, rtol, NOTHING, None))
        self.state = np.pad(masses, ((0, 0), (1, 1)))
        self.time, self.error = 0.0, 0.0

    def edges(self, t: float) -> np.ndarray:
        """The edges of the cells in x."""
        low, high = self.gap.at(t)
        return low + (high - low) * self.cells.edges[0]

    def to(self, t: float) -> Left:
        """What is left at a time not before the last."""
        since = min(max(t - self.gap.start, 0.0), self.gap.stop - self.gap.start)
        if since > self.time:
            self.state, error = self.method.advance(self.state, self.time, since)
            self.time, self.error = since, self.error + error
        masses, arrived = self.state[:, 1:-1], self.state[:, [0, -1]]
        kill = self.inner(np.array([since])).kill[0]
        rates = np.stack([kill[0] * masses[:, 0], kill[-1] * masses[:, -1]], axis=1)
        return Left(self.gap, self.edges(t), masses, arrived, rates)

    def _rates(self, times: np.ndarray) -> ChainRates:
        up, down, kill = self.inner(times)
        up, down = np.pad(up, ((0, 0), (1, 1))), np.pad(down, ((0, 0), (1, 1)))
        up[:, -2], down[:, 1] = kill[:, -1], kill[:, 0]
        return ChainRates(up, down, np.zeros_like(up))


def _moved(edges: np.ndarray, masses: np.ndarray, new_edges: np.ndarray) -> np.ndarray:
    """Masses (m, new cells) of densities (m, cells) by a monotone cubic through their distribution function."""
    total = np.pad(np.cumsum(masses, axis=1), ((0, 0), (1, 0)))
    with np.errstate(over="ignore", divide="ignore"):  # harmonic means of slopes near the smallest number
        along = PchipInterpolator(edges, total, axis=1)
    return np.diff(along(np.clip(new_edges, edges[0], edges[-1])), axis=1)


def committor_in_time(eq: FokkerPlanck, grid: Grid, source: Inside, target: Inside, rtol: float) -> np.ndarray:
    """Probability (n,) of reaching the target before the source for paths that start in each cell at time 0.

    The densities of all starts are followed together until less than rtol of each is left.
    """

    def either(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return source(x, t) | target(x, t)

    passage = Passage(eq, grid, either, *_around_centers(grid, either))
    reached = np.zeros(grid.size)
    for end in windows(eq, grid):
        for left, swept in passage.run(np.array([end]), rtol):
            for part in swept:
                goal = target(part.places, np.full(part.places.size, part.t))
                reached += part.masses @ goal
            remaining = sum((part.masses.sum(axis=1) for part in left), np.zeros(grid.size))
        if remaining.max(initial=0.0) < rtol:
            break
    else:
        text = f"{remaining.max():.2g} of the paths has met neither source nor target by t = {passage.time:.3g}"
        raise ConvergenceError(f"{text}: they may never be met", reached)
    for gap, arrived in ((part.gap, part.arrived) for part in passage.ends):
        middle, reach = 0.5 * (gap.start + gap.stop), 1e-9 * float(grid.edges[0][-1] - grid.edges[0][0])
        for k, (end, out) in enumerate(zip(gap.at(middle), (-reach, reach), strict=True)):
            if not gap.walls[k] and target(np.array([end + out]), np.array([middle]))[0]:
                reached += arrived[:, k]
    return reached


def _around_centers(grid: Grid, inside: Inside) -> tuple[np.ndarray, np.ndarray]:
    """Masses (n, 2 n - 1) and edges (2 n,) of starts around each cell center, so narrow that no edge of a target cuts them."""
    centers, widths = grid.centers[0], grid.widths[0]
    ends = edges_at(grid, inside, np.zeros(1))[0]
    apart = np.abs(centers[:, None] - ends).min(axis=1, initial=np.inf)
    half = np.clip(0.5 * apart, 1e-6 * widths, 0.49 * widths)
    masses = np.zeros((centers.size, 2 * centers.size - 1))
    masses[:, ::2] = np.eye(centers.size)
    return masses, np.stack([centers - half, centers + half], axis=1).ravel()


def windows(eq: FokkerPlanck, grid: Grid) -> Iterator[float]:
    """The ends of stretches of time, each as long as all before it."""
    points = Points.centers(grid)
    drift, diffusion = eq.drift_at(points), eq.diffusion_at(points)
    speed = 0.0
    for axis, edges in enumerate(grid.edges):
        width = float(edges[-1] - edges[0])
        own = diffusion[axis, axis] if diffusion.ndim == grid.dim + 2 else diffusion[axis]
        speed = max(speed, float(np.abs(drift[axis]).mean()) / width + float(own.mean()) / width**2)
    end = 0.25 / speed if speed > 0.0 else 1.0
    for _ in range(DOUBLINGS):
        yield end
        end *= 2.0
