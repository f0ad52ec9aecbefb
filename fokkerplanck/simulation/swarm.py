"""Interacting workers: many copies of SGD, each pulled towards the mean of its swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, whole
from ..errors import bad_value
from ..progress import Pace
from ..randomness import own_seed, streams
from ..results.ensemble import Ensemble
from .sgd_paths import BLOCK, MOST_PATHS, CompiledBlock, PythonBlock, check_memory, schedule, start_positions

if TYPE_CHECKING:
    from ..sgd.algorithm import SGD

KIND = "swarm of SGD"


def simulate_swarm(
    sgd: SGD,
    p0: Any,
    steps: Any,
    strength: float,
    *,
    n_workers: int = 1000,
    n_swarms: int = 10,
    seed: int | None = None,
) -> Ensemble:
    """theta' = theta - eta g_B(theta) - strength (theta - mean of the swarm); see `fokkerplanck.sgd.SGD.simulate_swarm`."""
    strength = number("strength", strength, "a number from 0 to 1, per step", lambda v: 0.0 <= v <= 1.0)
    if sgd.momentum:
        raise bad_value("momentum", "0 for a swarm", sgd.momentum, "The equation of a swarm has no velocities.")
    n_workers, n_swarms = whole("n_workers", n_workers, 2, MOST_PATHS), whole("n_swarms", n_swarms, 1, MOST_PATHS)
    times, horizon = schedule(steps, None, None)
    check_memory(n_workers * n_swarms, len(times), sgd.loss.dim, sgd.batch_size or 0, "n_workers")
    seed = own_seed(seed, KIND, repr(sgd), sgd.content, p0, strength, n_workers, n_swarms)
    first, noise = streams(seed, KIND, n_swarms)
    starts = start_positions(p0, n_workers * n_swarms, sgd.loss.dim, first)
    positions = np.empty((len(times), *starts.shape))
    for k, stream in enumerate(noise):
        members = slice(k * n_workers, (k + 1) * n_workers)
        _run(_block(sgd, starts[members], stream), strength, times, horizon, positions[:, members])
    settings = {"process": repr(sgd), "strength": strength, "swarms": n_swarms, "workers": n_workers}
    swarms = np.repeat(np.arange(n_swarms), n_workers) if strength > 0.0 else None
    return Ensemble(np.array(times), positions, None, seed, settings, swarms=swarms, names=sgd.loss.parameters)


def _block(sgd: SGD, starts: np.ndarray, stream: np.random.SeedSequence) -> Any:
    """The workers of one swarm, with their random numbers."""
    if sgd.loss.formula is not None:
        return CompiledBlock(sgd, starts, np.random.default_rng(stream), None, sgd.loss.path_kernels(None))
    generators = [np.random.default_rng(s) for s in stream.spawn(-(-len(starts) // BLOCK))]
    return PythonBlock(sgd, starts, generators, None)


def _run(block: Any, strength: float, times: list[int], horizon: int, positions: np.ndarray) -> None:
    """Move one swarm, and note where it is at each of the times."""
    pace = Pace(__name__, "a swarm")
    for step in range(horizon + 1):
        pace(step / max(horizon, 1))
        if step in times:
            positions[times.index(step)] = block.positions()
        if step < horizon:
            with np.errstate(over="ignore", invalid="ignore"):  # the ensemble counts those that run away
                pull = strength * (block.theta - block.theta.mean(axis=1, keepdims=True))
            block.advance(1)
            block.theta -= pull
