"""What a simulated path reads of its swarm: averages, or the force of the others."""

from __future__ import annotations

import numpy as np

from ..errors import NotFiniteError
from ..model.equation import FokkerPlanck, Swarm
from ..model.grid import Grid
from ..model.mean_field import MeanField
from ..model.pair_force import PairForce

BLOCK = 1_000_000  # pairs at a time


def read_of_swarm(
    interaction: Swarm | MeanField | PairForce | None, x: np.ndarray, swarm: np.ndarray, grid: Grid | None
) -> np.ndarray | None:
    """For each path at x (dim, n) what the interaction reads of the paths with the same increasing number in `swarm` (n,)."""
    if interaction is None:
        return None
    if isinstance(interaction, PairForce):
        return pair_sums(interaction, x, swarm, grid)
    count = np.maximum(np.bincount(swarm), 1)
    return np.stack([(np.bincount(swarm, row) / count)[swarm] for row in interaction.observed(x)])


def at_start(eq: FokkerPlanck, x: np.ndarray, grid: Grid | None) -> FokkerPlanck:
    """The equation with the diffusion that paths at x (dim, n) find."""
    if not eq.diffusion_reads_density:
        return eq
    averages = read_of_swarm(eq.interaction, x, np.zeros(x.shape[1], dtype=int), grid)
    assert averages is not None
    return eq.with_diffusion_of(averages[:, 0])


def pair_sums(pair: PairForce, x: np.ndarray, swarm: np.ndarray, grid: Grid | None) -> np.ndarray:
    """(1 / N) sum of the forces of the N - 1 others of each path's swarm, (dim, n), over all pairs in blocks."""
    first, size = np.unique(swarm, return_index=True, return_counts=True)[1:]
    result, lost, why = np.zeros(x.shape), np.zeros(swarm.shape, dtype=bool), ""
    for n in np.unique(size[size > 1]).tolist():
        members = first[size == n][:, None] + np.arange(n)  # (swarms, n)
        rows = max(1, BLOCK // n)  # paths at a time, whole swarms where they are small
        together = max(1, rows // n)
        for some in range(0, len(members), together):
            for start in range(0, n, rows):
                block = members[some : some + together]
                feeling = block[:, start : start + rows]
                try:
                    result[:, feeling] = _felt(pair, x[:, block], start, rows, grid)
                except NotFiniteError as error:  # paths that ran away: whoever feels them follows
                    lost[feeling] = error.infinite.reshape(*feeling.shape, n).any(axis=2)
                    why = str(error)
    if lost.any():
        raise NotFiniteError(why, lost)
    return result


def _felt(pair: PairForce, x: np.ndarray, start: int, rows: int, grid: Grid | None) -> np.ndarray:
    """What the paths from `start` on feel of their swarms at x (dim, swarms, n), (dim, swarms, rows)."""
    z = _displacement(x[:, :, start : start + rows, None] - x[:, :, None, :], grid)
    own = np.arange(z.shape[2]), start + np.arange(z.shape[2])
    z[:, :, *own] = z[
        :, :, own[0], own[1] - 1
    ]  # a path has no displacement from itself: that from another, not counted
    force = pair.between(z.reshape(len(z), -1)).reshape(z.shape)
    force[:, :, *own] = 0.0
    return np.asarray(force.mean(axis=3))


def _displacement(z: np.ndarray, grid: Grid | None) -> np.ndarray:
    """Displacements (dim, ...), through periodic walls the shorter ones."""
    for axis in range(0 if grid is None else grid.dim):
        if grid is not None and grid.periodic(axis):
            period = float(np.ptp(grid.edges[axis]))
            z[axis] -= period * np.round(z[axis] / period)
    return z
