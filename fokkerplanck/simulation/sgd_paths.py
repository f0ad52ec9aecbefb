"""True mini-batch SGD, path by path: compiled for formula losses, vectorised numpy for gradients given as functions.

Paths are divided into blocks of `BLOCK`, each with a random stream of its own spawned from the seed, so that the
numbers depend neither on the number of threads nor on which steps are recorded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import LARGEST, call, fits_memory, mask, whole
from ..errors import bad_type, bad_value, warn
from ..formulas.parser import Condition, parse_condition
from ..model.initial_density import law_of_result
from ..progress import Pace
from ..randomness import own_seed, private_generator, streams
from ..results.ensemble import Ensemble

if TYPE_CHECKING:
    from ..sgd.algorithm import SGD

KIND = "SGD"
BLOCK = 512  # paths that move in lockstep: their state fits the first-level cache
FAR = 1e6
MOST_PATHS = 2**40
LONGEST = 2**50  # of a path that ends at a target
MOST_STEPS = 10**13  # of all paths together: a day and more
WORTH_A_WORD = 5 * 10**10  # likewise, from which the time that they take is said before the start
THEN = "Ask the transfer operator, or fp.stationary, for late times."
SECONDS = 1.2e-8  # for a step of a loss in one parameter, on one core
STRIDE = 4096  # steps between two looks at whether the user has interrupted
_EVERY, _REPEATED, _DISTINCT, _EPOCH = 0, 1, 2, 3  # modes of the kernel `advance`


def simulate(
    sgd: SGD,
    p0: Any,
    steps: Sequence[int] | None,
    n_paths: int = 20_000,
    *,
    seed: int | None = None,
    target: Callable | str | None = None,
    max_steps: int | None = None,
    threads: int | None = None,
) -> Ensemble:
    """Simulate SGD; see `fokkerplanck.sgd.SGD.simulate`."""
    n_paths = whole("n_paths", n_paths, 1, MOST_PATHS)
    seed = own_seed(seed, KIND, repr(sgd), sgd.content, p0, n_paths, target)
    workers = whole("threads", threads, 1, 10_000) if threads is not None else os.cpu_count() or 1
    times, horizon = schedule(steps, max_steps, target)
    if target is None and n_paths * horizon > MOST_STEPS:
        raise bad_value(
            "steps", f"at most {MOST_STEPS:.1e} over all paths", f"{n_paths} paths of {horizon} steps", THEN
        )
    if target is None and n_paths * horizon > WORTH_A_WORD:
        minutes = SECONDS * n_paths * horizon / 60.0
        warn(
            f"{n_paths} paths of {horizon} steps take some {minutes:.0f} minutes on one core, or several times as many."
        )
    condition = _target(target, sgd.loss.parameters)
    dim = sgd.loss.dim * (2 if sgd.momentum else 1)
    per_path = 0 if _mode(sgd) == _EVERY else sgd.samples_a_step + (sgd.loss.n_samples if sgd.shuffle else 0)
    check_memory(n_paths, len(times), dim, per_path)
    first, noise = streams(seed, KIND, -(-n_paths // BLOCK))
    starts = _phase_starts(p0, n_paths, sgd.loss.dim, dim, first)
    farthest = reach(sgd, starts, times[-1])  # before the paths move
    generators = [np.random.default_rng(s) for s in noise]
    blocks: list[_Block]
    if sgd.loss.formula is None:
        blocks = [PythonBlock(sgd, starts, generators, condition)]
    else:
        parts = [starts[k * BLOCK : (k + 1) * BLOCK] for k in range(len(generators))]
        asked = condition if isinstance(condition, Condition) and not sgd.langevin_temperature else None
        kernels = sgd.loss.path_kernels(asked, bool(sgd.momentum))
        blocks = [CompiledBlock(sgd, p, g, condition, kernels) for p, g in zip(parts, generators, strict=True)]
    positions = _run(blocks, times, horizon, starts, workers)
    exits = None if condition is None else np.concatenate([b.exits for b in blocks])
    settings = {"process": repr(sgd)} | ({} if target is None else {"target": _name(target), "max_steps": horizon})
    return Ensemble(np.array(times), positions, exits, seed, settings, reach=farthest, names=sgd.loss.parameters)


def reach(sgd: SGD, starts: np.ndarray, steps: int) -> float:
    """The distance beyond which a path has diverged: `FAR` times what its first steps, repeated, would carry it to."""
    d = sgd.loss.dim
    few = starts[:: max(1, len(starts) // 64), :d]
    with np.errstate(all="ignore"):
        step = sgd.learning_rate * np.abs(sgd.loss.gradient(*few.T)).max(initial=0.0)
        noise = np.sqrt(sgd.noise_factor * np.abs(sgd.loss.covariance(*few.T)).max(initial=0.0))
    one = step + sgd.learning_rate * noise
    size = np.abs(starts).max(initial=0.0) + one * max(steps, 1)
    return float(FAR * size) if np.isfinite(size) and size > 0.0 else np.inf


class _Block:
    """Paths that move together. Columns of `theta` up to `active` still move; `ids` says which path a column is."""

    def __init__(self, sgd: SGD, starts: np.ndarray, condition: Callable | None):
        self.sgd, self.condition = sgd, condition
        self.theta = np.ascontiguousarray(starts.T)
        self.active = len(starts)
        self.ids = np.arange(self.active)
        self.words = np.zeros(self.active, dtype=np.uint64)  # random bits not used yet, see `draw_repeated`
        self.exits = np.full(self.active, np.inf)
        self.step = 0
        self.left = 0
        self.retire()

    def advance(self, n: int) -> None:
        """Go n steps on."""
        raise NotImplementedError

    def add_noise(self, generators: list[np.random.Generator], sizes: list[int]) -> None:
        """The normal noise of SGLD in this step, for as many paths of each stream, of which the first `active` still move."""
        variance = self.sgd.at(self.step).injected_variance
        if variance == 0.0:
            return
        d = self.sgd.loss.dim
        drawn = [g.standard_normal((d, m)) for g, m in zip(generators, sizes, strict=True)]
        noise = np.sqrt(variance) * np.concatenate(drawn, axis=1)[:, self.ids[: self.active]]
        for rows in range(0, len(self.theta), d):  # with momentum, it moves the velocity and with it the position
            self.theta[rows : rows + d, : self.active] += noise

    def positions(self) -> np.ndarray:
        """Positions, one row a path in the order of the start."""
        result = np.empty(self.theta.T.shape)
        result[self.ids] = self.theta.T
        return result

    def retire(self) -> None:
        """Move paths inside the target behind the active ones and note the step."""
        if self.condition is None or not self.active:
            return
        inside = mask("target", call("target", self.condition, self.theta[:, : self.active]), (self.active,))
        if inside.any():
            self.exits[self.ids[: self.active][inside]] = self.step
            order = np.concatenate([np.flatnonzero(~inside), np.flatnonzero(inside)])
            self.ids[: self.active] = self.ids[order]
            self.words[: self.active] = self.words[order]
            self.theta[:, : self.active] = self.theta[:, order]
            self.active -= int(inside.sum())


class CompiledBlock(_Block):
    """A block moved by the compiled kernel of a formula loss."""

    def __init__(
        self,
        sgd: SGD,
        starts: np.ndarray,
        generator: np.random.Generator,
        condition: Callable | None,
        kernels: ModuleType,
    ):
        super().__init__(sgd, starts, condition)
        self.kernels = kernels
        compiled = condition is None or (isinstance(condition, Condition) and not sgd.langevin_temperature)
        self.single = not compiled  # the target is asked after each step
        self.generator, self.mode = generator, _mode(sgd)
        n_samples = sgd.loss.n_samples
        rows = {_DISTINCT: 1, _EPOCH: self.active}.get(self.mode, 0)
        self.order = np.tile(np.arange(n_samples, dtype=np.int32), (rows, 1))
        batch = 0 if self.mode == _EVERY else sgd.samples_a_step
        self.index = np.empty((self.active, batch), dtype=np.int32)
        picks = 1
        while picks < 32 and n_samples ** (picks + 1) <= 2**32:
            picks += 1
        power = n_samples**picks
        self.constants = np.array([n_samples, power, 2**32 % power, picks], dtype=np.uint64)

    def advance(self, n: int) -> None:
        """Take n steps."""
        varies = self.sgd.schedule is not None or self.sgd.langevin_temperature > 0.0
        stride = 1 if self.single or varies else n
        for _ in range(0, n, stride):
            self.left, self.active = self.kernels.advance(
                self.theta, self.words, self.ids, self.exits, self.order, self.index, self.sgd.loss.table,
                self.generator, self.sgd.rate_at(self.step), self.sgd.momentum, self.mode, self.constants, self.left,
                self.active, self.step, stride,
            )  # fmt: skip
            self.add_noise([self.generator], [len(self.ids)])
            self.step += stride
            if self.single:
                self.retire()
                if not self.active:
                    break


class PythonBlock(_Block):
    """All paths at once, moved by a gradient given as a Python function: few calls with long arrays."""

    def __init__(self, sgd: SGD, starts: np.ndarray, generators: list, condition: Callable | None):
        super().__init__(sgd, starts, condition)
        self.generators, self.mode = generators, _mode(sgd)
        self.epoch = np.empty((0, 0), dtype=int)  # the order of each path's samples in the present epoch

    def advance(self, n: int) -> None:
        """Take n steps."""
        d = self.sgd.loss.dim
        with np.errstate(over="ignore", invalid="ignore"):  # diverging paths are counted, not warned about
            for _ in range(n):
                if not self.active:
                    break
                moving, rate = self.theta[:, : self.active], self.sgd.rate_at(self.step)
                gradient = self.sgd.loss.batch_gradient(moving[:d], self._draw()[self.ids[: self.active]])
                if self.sgd.momentum:
                    velocity = self.sgd.momentum * moving[d:] - rate * gradient
                    self.theta[:, : self.active] = np.concatenate([moving[:d] + velocity, velocity])
                else:
                    self.theta[:, : self.active] = moving - rate * gradient
                self.add_noise(self.generators, self._sizes())
                self.step += 1
                self.retire()

    def _sizes(self) -> list[int]:
        """Paths of each stream."""
        return [min(BLOCK, len(self.ids) - k * BLOCK) for k in range(len(self.generators))]

    def _draw(self) -> np.ndarray:
        """Batches of all paths, active or not, so that each stream stays in step."""
        n_samples, n = self.sgd.loss.n_samples, len(self.ids)
        if self.mode == _EVERY:
            return np.broadcast_to(np.arange(n_samples), (n, n_samples))
        batch = self.sgd.samples_a_step
        sizes = self._sizes()
        if self.mode == _EPOCH:
            done = self.step % -(-n_samples // batch) * batch
            if done == 0:
                orders = (_distinct(g, m, n_samples, n_samples) for g, m in zip(self.generators, sizes, strict=True))
                self.epoch = np.concatenate(list(orders))
            return self.epoch[:, done : done + batch]
        if self.mode == _REPEATED:
            draws = [g.integers(0, n_samples, (m, batch)) for g, m in zip(self.generators, sizes, strict=True)]
        else:
            draws = [_distinct(g, m, batch, n_samples) for g, m in zip(self.generators, sizes, strict=True)]
        return np.concatenate(draws)


def _distinct(generator: np.random.Generator, n: int, batch: int, n_samples: int) -> np.ndarray:
    """The first steps of n shuffles side by side."""
    order = np.tile(np.arange(n_samples), (n, 1))
    rows = np.arange(n)
    for b in range(batch):
        other = generator.integers(b, n_samples, n)
        chosen = order[rows, other]
        order[rows, other] = order[:, b]
        order[:, b] = chosen
    return order[:, :batch]


def _mode(sgd: SGD) -> int:
    n_samples = sgd.loss.n_samples
    if sgd.batch_size is None or (not sgd.replacement and sgd.batch_size == n_samples):
        return _EVERY
    if sgd.shuffle:
        return _EPOCH
    return _REPEATED if sgd.replacement or sgd.batch_size == 1 else _DISTINCT


def _run(blocks: list[_Block], times: list[int], horizon: int, starts: np.ndarray, workers: int) -> np.ndarray:
    """Advance all blocks through the recorded times up to the horizon, several at a time; positions at the times."""
    positions = np.empty((len(times), *starts.shape))
    stop, pace = threading.Event(), Pace(__name__, "SGD")
    offsets = np.cumsum([0] + [len(b.ids) for b in blocks])

    def advance_to(k: int, goal: int) -> None:
        block = blocks[k]
        while block.step < goal and block.active and not stop.is_set():
            block.advance(min(STRIDE, goal - block.step))
            pace((k + block.step / horizon) / len(blocks))

    def run(k: int) -> None:
        for row, time in enumerate(times):
            advance_to(k, time)
            positions[row, offsets[k] : offsets[k + 1]] = blocks[k].positions()
        advance_to(k, horizon)

    if min(workers, len(blocks)) == 1:
        for k in range(len(blocks)):
            run(k)
        return positions
    with ThreadPoolExecutor(min(workers, len(blocks))) as pool:
        futures = [pool.submit(run, k) for k in range(len(blocks))]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return positions


def check_memory(n_paths: int, n_times: int, dim: int, batch: int, name: str = "n_paths") -> None:
    """Refuse a run whose positions and batches cannot fit into memory, before any work."""
    need = n_paths * (8.0 * dim * (n_times + 2) + 4.0 * batch)
    fits_memory(name, need, f"{n_times} times, batches of {batch}: record fewer steps or run in parts.")


def schedule(steps: Any, max_steps: Any, target: Any) -> tuple[list[int], int]:
    """The recorded steps and the last step to be done."""
    if max_steps is not None:
        if target is None:
            raise bad_value("max_steps", "None without a target", max_steps, "Give the steps to record instead.")
        max_steps = whole("max_steps", max_steps, 1, LONGEST)
    if steps is None:
        if max_steps is None:
            raise bad_value("steps", "given unless target and max_steps are", None, "Such as steps=[0, 10, 100].")
        return [max_steps], max_steps
    try:
        array = np.atleast_1d(np.asarray(steps))
    except ValueError:
        array = np.empty((0, 0))  # ragged
    if array.dtype.kind == "f" and (array == np.round(array)).all() and (np.abs(array) < 2.0**53).all():
        array = array.astype(np.int64)  # as the times of a Solution are
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise bad_type("steps", "a list of whole numbers", steps)
    if not array.size or array[0] < 0 or (np.diff(array) <= 0).any():
        raise bad_value("steps", "increasing, from 0 on", steps, "Sort them and drop repeats.")
    last = whole("steps", array[-1], 0, LONGEST)
    if max_steps is not None and max_steps < last:
        raise bad_value("max_steps", f"at least the last recorded step, {last}", max_steps)
    return [int(s) for s in array], max_steps or last


def _target(target: Any, parameters: tuple[str, ...]) -> Callable | None:
    if isinstance(target, str):
        return parse_condition(target, parameters, name="target")
    if target is not None and not callable(target):
        raise bad_type("target", 'a condition such as "w > 1.3", or a function of the coordinates', target)
    return target


def _name(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "__name__", repr(target))


def _phase_starts(p0: Any, n_paths: int, d: int, dim: int, generator: np.random.Generator) -> np.ndarray:
    """As `start_positions`; with momentum (dim = 2 d), starts of d coordinates are at rest."""
    p0 = law_of_result(p0)
    if dim == d:
        return start_positions(p0, n_paths, d, generator)
    if hasattr(p0, "sample"):
        size = np.size(np.asarray(p0.sample(private_generator("dimension of a start"), 1)))
    else:
        array = np.asarray(p0)
        size = array.size if array.ndim < 2 else array.shape[1]
        size = 1 if d == 1 and array.shape in ((), (n_paths,)) else size
    if size == d:
        starts = start_positions(p0, n_paths, d, generator)
        return np.concatenate([starts, np.zeros_like(starts)], axis=1)
    return start_positions(p0, n_paths, dim, generator)


def start_positions(p0: Any, n_paths: int, dim: int, generator: np.random.Generator) -> np.ndarray:
    """Where the paths start, shape (n_paths, dim)."""
    p0 = law_of_result(p0)
    then = f"Give a density to sample from, a point of {dim} numbers, or one row a path (n_paths={n_paths})."
    if hasattr(p0, "sample") and not isinstance(p0, type):
        starts = np.asarray(p0.sample(generator, n_paths))
        if starts.ndim == 1 and dim == 1:
            starts = starts[:, None]
        if starts.shape != (n_paths, dim):
            raise bad_value("p0", f"a density in {dim} dimensions", f"samples of shape {starts.shape}", then)
    else:
        try:
            starts = np.asarray(p0)
        except ValueError:
            raise bad_type("p0", "a point, an array of starts or a density", p0, then) from None
        if starts.dtype.kind not in "fiu":
            raise bad_type("p0", "a point, an array of starts or a density", p0, then)
        if starts.shape == (dim,) or (dim == 1 and starts.shape == ()):
            starts = np.tile(starts.reshape(1, dim), (n_paths, 1))
        elif dim == 1 and starts.shape == (n_paths,):
            starts = starts[:, None]
        if starts.shape != (n_paths, dim):
            raise bad_value("p0", f"of shape ({dim},) or ({n_paths}, {dim})", f"shape {starts.shape}", then)
    if not np.isfinite(starts).all():
        raise bad_value("p0", "finite", p0)
    if np.abs(starts).max(initial=0.0) > LARGEST:
        raise bad_value("p0", f"at most {LARGEST:g} in size", np.abs(starts).max())
    return starts.astype(float)
