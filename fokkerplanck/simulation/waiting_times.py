"""SGD that waits: Mittag-Leffler waiting times between steps.

P(t), the law of the parameters at time t, obeys D_t^b P = (T - 1) P exactly, T the transfer operator of a step, since
the number of steps by t is a renewal process whose waiting times have the Laplace transform 1 / (1 + z^b) (Hilfer and
Anton 1995). Training waits like this where workers stall or restart with no typical duration, where updates are accepted
rarely and at very uneven intervals, or where a plateau holds the parameters for times without a mean.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import LEAST_INDEX, fits_memory, increasing, number, whole
from ..errors import bad_type, bad_value
from ..progress import Pace
from ..randomness import own_seed, streams
from ..results.ensemble import Ensemble
from .euler_maruyama import MAX_STEPS
from .sgd_paths import BLOCK, MOST_PATHS, CompiledBlock, PythonBlock, start_positions
from .stable_variates import waiting_times

if TYPE_CHECKING:
    from ..sgd.algorithm import SGD

KIND = "waiting SGD"


def step_counts(
    rng: np.random.Generator, times: np.ndarray, time_order: float, n_paths: int, scale: float = 1.0
) -> np.ndarray:
    """Number of steps taken by each of the increasing `times`, (n_times, n_paths)."""
    counts = np.zeros((times.size, n_paths), dtype=np.int64)
    clock = np.zeros(n_paths)
    active = np.arange(n_paths)
    while active.size:
        clock[active] += scale * waiting_times(rng, time_order, active.size)
        counts[:, active] += times[:, None] >= clock[active]
        active = active[clock[active] <= times[-1]]
    return counts


def simulate_waiting(
    sgd: SGD,
    p0: Any,
    times: Any,
    time_order: float,
    *,
    n_paths: int = 20_000,
    seed: int | None = None,
    scale: float = 1.0,
) -> Ensemble:
    """Run SGD whose steps are separated by Mittag-Leffler waiting times.

    Parameters
    ----------
    sgd : SGD
    p0 : density, point or array, as for `SGD.simulate`
    times : increasing, from 0 on
        With time_order 1 there is one step every `scale` on average.
    time_order : float from 0.01 to 1
        P(waiting longer than t) = E_b(-(t / scale)^b), which falls as t^-b.
    n_paths : int
    seed : int, optional
        Same seed, same numbers. Default: a seed of its own, see `fokkerplanck.simulate`.
    scale : float

    Returns
    -------
    Ensemble
    """
    if not hasattr(sgd, "loss") or isinstance(sgd, type):
        raise bad_type("sgd", "an SGD", sgd)
    moments = increasing("times", times)
    order = number("time_order", time_order, f"from {LEAST_INDEX:g} to 1", lambda v: LEAST_INDEX <= v <= 1.0)
    number("scale", scale, "a positive number", lambda v: 0.0 < v < np.inf)
    if not (moments[-1] / scale) ** order <= MAX_STEPS:
        then = "Take earlier times, or sgd.transfer_operator(grid).evolve_waiting for the density."
        raise bad_value("times", f"at most {MAX_STEPS:g} steps away, at this `scale`", times, then)
    n_paths = whole("n_paths", n_paths, 1, MOST_PATHS)
    seed = own_seed(seed, KIND, repr(sgd), sgd.content, p0, order, n_paths, scale)
    fits_memory("n_paths", 8.0 * n_paths * (sgd.loss.dim + 1.0) * (moments.size + 4.0), "Record fewer times.")
    first, (waits, *noise) = streams(seed, KIND, 1 + -(-n_paths // BLOCK))
    starts = start_positions(p0, n_paths, sgd.loss.dim, first)
    counts = step_counts(np.random.default_rng(waits), moments, time_order, n_paths, scale)
    positions = np.empty((moments.size, *starts.shape))
    pace = Pace(__name__, "waiting SGD")
    for k, stream in enumerate(noise):
        part = slice(k * BLOCK, (k + 1) * BLOCK)
        generator = np.random.default_rng(stream)
        if sgd.loss.formula is None:
            block: Any = PythonBlock(sgd, starts[part], [generator], None)
        else:
            block = CompiledBlock(sgd, starts[part], generator, None, sgd.loss.path_kernels(None))
        _record(block, counts[:, part], positions[:, part], partial(_report, pace, k, len(noise)))
    settings = {"process": repr(sgd), "time_order": time_order, "scale": scale}
    return Ensemble(moments, positions, None, seed, settings, names=sgd.loss.parameters)


def _report(pace: Pace, blocks: int, of: int, share: float) -> None:
    """The share of all that is done, from that of a block and the number of blocks before it."""
    pace((blocks + share) / of)


def _record(block: Any, counts: np.ndarray, positions: np.ndarray, report: Callable[[float], None]) -> None:
    """Move a block through all step numbers that some path has at some time, and note it there."""
    last = max(int(counts.max()), 1)
    for step in np.unique(counts):
        report(step / last)
        if step > block.step:
            block.advance(int(step) - block.step)
        here = block.positions()
        when, path = np.nonzero(counts == step)
        positions[when, path] = here[path]
