"""The probability of reaching a target before a source where coefficients or the regions change, on any grid.

u(x, t), that of paths in x at time t, obeys du/dt = -L(t)^+ u outside both regions, with 1 on the target and 0 on the source.
It is followed back from a time by which nearly all paths have met either. With the rates r into the target,
d(u, 1)/ds = [[Q^T, r], [0, 0]] (u, 1), a matrix without negative entries beside the diagonal: powers of it keep u between 0 and
1 (`uniformization`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ...errors import ConvergenceError
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.region import RegionInTime
from ...progress import Pace
from ..discretization.generator import Generator, compressed_rows
from ..discretization.scharfetter_gummel import generator
from ..kernels.matvec import Operator
from .moving_target import Motion, Sweep
from .passage_in_time import windows
from .time_dependent import Driven
from .time_scan import Timetable, timetable
from .uniformization import Uniformization

SHORTEST = 0.02  # of a link: a shorter one has rates that cost more than they tell
FIRST = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2])  # of the first step: beside an edge it matters where this is at time 0
NAMES = ("source", "target")


def committor_by_cells(
    eq: FokkerPlanck, grid: Grid, source: RegionInTime, target: RegionInTime, left: float, rtol: float
) -> np.ndarray:
    """The committor (n,) of paths that start in each cell at time 0.

    Followed until less than `left` of all is left, with an error of rtol in time, on average over the cells.
    """
    motion = Motion(grid, (source, target), NAMES)
    horizon = _until_met(eq, grid, motion, left)
    table = timetable(eq, grid, horizon, rtol, np.empty(0), None)
    backward = _Backward(eq, grid, motion, horizon, rtol, table)
    times = motion.times(0.0, horizon)
    times = np.concatenate([times[:1], times[1] * FIRST, times[1:]])
    values = np.append(np.zeros(grid.size), 1.0)
    pace = Pace(__name__, "committor in time")
    for start, stop in zip(times[-2::-1], times[:0:-1], strict=True):
        values = backward.back(values, float(start), float(stop))
        pace(1.0 - start / horizon)
    return backward.fixed(values, 0.0)[:-1]


def _until_met(eq: FokkerPlanck, grid: Grid, motion: Motion, left: float) -> float:
    """A time by which less than `left` of the paths from anywhere have met neither region."""
    sweep = Sweep(eq, grid, motion, grid.volumes / grid.volumes.sum())
    share = 1.0
    for end in windows(eq, grid):
        ((share, _),) = sweep.totals(np.array([end]), 0.1 * left)
        if share < left:
            return end
    raise ConvergenceError(
        f"{share:.2g} of the paths has met neither source nor target by t = {sweep.time:.3g}: they may never be met",
        None,
    )


class _Backward(Driven):
    """Steps back in time from a horizon."""

    def __init__(self, eq: FokkerPlanck, grid: Grid, motion: Motion, horizon: float, rtol: float, table: Timetable):
        mirrored = Timetable(*(horizon - part[::-1] for part in (table.ends, table.last, table.first)))
        super().__init__(lambda s, _: self._killed(horizon - s), rtol, horizon, False, mirrored)
        self.eq, self.grid, self.motion = eq, grid, motion
        self.absorber = motion.absorber(0.0, SHORTEST)
        self._still = None if eq.time_dependent else generator(eq, grid, fixed=True)

    def back(self, values: np.ndarray, start: float, stop: float) -> np.ndarray:
        """(u, 1) at `start` from that at `stop`, while no edge moves far."""
        middle = 0.5 * (start + stop)
        self.absorber = self.motion.absorber(middle, SHORTEST)
        values = self.fixed(values, middle)
        if self._still is not None:
            return self._exponential(self._killed(middle), values, stop - start)
        scale = values.size  # so that errors are means over the cells
        return scale * self.advance(values / scale, self.horizon - stop, self.horizon - start)[0]

    def fixed(self, values: np.ndarray, t: float) -> np.ndarray:
        """With 1 on the target and 0 on the source of a time."""
        values = values.copy()
        for value, region in enumerate(self.motion.regions):
            values[:-1][region.at(t)[0].ravel()] = float(value)
        return values

    def _killed(self, t: float) -> Generator:
        return self.absorber.killed(self._still or generator(self.eq, self.grid, t, fixed=True))[0]

    def _exponential(self, q: Generator, masses: np.ndarray, h: float) -> np.ndarray:
        into = q.ways_out.get("target", np.zeros(q.grid.size))
        matrix = sp.block_array([[q.adjoint, into[:, None]], [None, sp.coo_array((1, 1))]], format="csr")
        jumping = _Jumping(compressed_rows(matrix), np.append(q.outflow, 0.0))
        return Uniformization(jumping, self.rtol, self.horizon).advance(masses, h)[0]


class _Jumping(NamedTuple):
    operator: Operator
    outflow: np.ndarray
