"""Tasks on any executor of `concurrent.futures`: processes of this machine, which stay for the next tasks, Dask, MPI pools."""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from ..arguments import whole
from ..errors import bad_type, bad_value
from ..storage.checkpoint import Piece, found, keep
from .process import belong_to, free_cores, one_thread

Tasks = Mapping[int, Callable[[], Any]]
Spread = Callable[[Tasks], Iterator[tuple[int, Any]]]  # (number, result or exception) of each task, as they are done
AHEAD = 4  # tasks handed over at once, for each worker
START = 6.0  # seconds that a process takes to begin: to import, and to read compiled kernels
WAIT = 10  # seconds for a scheduler to answer


class Kept(NamedTuple):
    """A piece of a long work: what computes it, the file that keeps it, and all that it depends on (`checkpoint.resumed`)."""

    compute: Callable[[], Piece]
    path: Path
    depends_on: tuple[Any, ...]


def one_by_one(tasks: Tasks) -> Iterator[tuple[int, Any]]:
    """The outcomes of tasks, one after the other in this process."""
    return ((k, task()) for k, task in tasks.items())


def as_pays(tasks: Tasks) -> Iterator[tuple[int, Any]]:
    """The outcomes of tasks, in this process until what is left would take longer than to start others for it."""
    left, cores = dict(tasks), free_cores()
    for k, task in tasks.items():
        began = time.perf_counter()
        outcome = _outcome_of(task)
        took = time.perf_counter() - began
        if len(left) == len(tasks):
            took -= START  # the first one reads compiled kernels too, or compiles them
        del left[k]
        yield k, outcome
        workers = min(cores, len(left))
        if workers > 1 and took * (len(left) - math.ceil(len(left) / workers)) > START:
            yield from outcomes(left, workers=workers)
            return


def _outcome_of(task: Callable[[], Any]) -> Any:
    try:
        return task()
    except Exception as error:
        return error


def gathered(works: Sequence[Kept], spread: Spread) -> Iterator[tuple[int, Any]]:
    """(number, piece or exception) of each: those that an earlier run has kept, then the others as they are done, and kept."""
    missing: dict[int, Callable[[], Piece]] = {}
    for k, work in enumerate(works):
        piece = found(work.path, *work.depends_on)
        if piece is None:
            missing[k] = work.compute
        else:
            yield k, piece
    for k, outcome in spread(missing):
        if not isinstance(outcome, BaseException):
            keep(works[k].path, outcome, *works[k].depends_on)
        yield k, outcome


@contextmanager
def spread_over(workers: int | None, scheduler: str | None) -> Iterator[Spread | None]:
    """How tasks are spread: over so many processes, or over the workers of a Dask scheduler; None where neither is given."""
    if workers is not None and scheduler is not None:
        raise bad_value("workers", "left out beside a scheduler, which has its own", workers)
    if scheduler is None:
        yield None if workers is None else partial(outcomes, workers=whole("workers", workers, 1, 10_000))
        return
    try:
        from distributed import Client
    except ImportError:
        then = 'Install it with `pip install "fokkerplanck[cluster]"`.'
        raise bad_value("scheduler", "used where Dask's `distributed` is installed", scheduler, then) from None
    try:
        client = Client(scheduler, timeout=WAIT)
    except (OSError, ValueError, TimeoutError) as error:
        then = "Start one with `dask scheduler` and `dask worker`; its address looks like tcp://host:8786."
        raise bad_value(
            "scheduler", f"the address of a Dask scheduler that answers ({error})", scheduler, then
        ) from error
    with client:
        yield partial(outcomes, executor=client.get_executor())


def outcomes(tasks: Tasks, *, executor: Executor | None = None, workers: int = 1) -> Iterator[tuple[int, Any]]:
    """(number, result or exception) of each task, as they are done: on an executor, or by processes of this machine.

    Each process has one thread, so that rounding does not depend on how many there are. A task that kills its worker ends with
    the executor's exception; those under way with it are asked again, one at a time.
    """
    if executor is not None:
        unanswered = set(tasks)
        for k, outcome in _submitted(executor, tasks, len(tasks)):
            unanswered.discard(k)
            yield k, outcome
        yield from ((k, BrokenExecutor("the executor ended before it took this task")) for k in sorted(unanswered))
        return
    from loky import get_reusable_executor

    waiting: dict[int, Callable[[], Any]] = dict(tasks)
    suspects: list[int] = []  # whose worker was lost, or that of another: they are asked again, one at a time
    while waiting:
        pool = get_reusable_executor(workers, env=one_thread(), initializer=belong_to, initargs=(os.getpid(),))
        asked = {k: waiting[k] for k in sorted(suspects)} or dict(waiting)
        alone, suspects = bool(suspects), []
        try:
            for k, outcome in _submitted(pool, asked, 1 if alone else AHEAD * workers):
                if isinstance(outcome, BrokenExecutor) and not alone:
                    suspects.append(k)
                    continue
                del waiting[k]
                yield k, outcome
                if isinstance(outcome, BrokenExecutor):
                    suspects = [other for other in asked if other in waiting]
        except BaseException:  # an interrupt, or nobody waits for the rest
            pool.shutdown(kill_workers=True)
            raise


def _submitted(executor: Executor, tasks: Tasks, window: int) -> Iterator[tuple[int, Any]]:
    """Outcomes of tasks of which no more than `window` are handed over at once; the end of the pool ends them all."""
    left, running, broken = iter(list(tasks.items())), {}, False  # type: ignore[var-annotated]
    try:
        while True:
            while len(running) < window and not broken and (entry := next(left, None)) is not None:
                try:
                    task = cloudpickle.dumps(entry[1])
                except (TypeError, AttributeError, pickle.PicklingError) as error:
                    yield entry[0], _does_not_travel(error)
                    continue
                try:
                    running[executor.submit(_run, task)] = entry[0]
                except BrokenExecutor:  # meanwhile
                    broken = True
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                outcome = _outcome(future)
                broken |= isinstance(outcome, BrokenExecutor)
                yield running.pop(future), outcome
    finally:
        for future in running:
            future.cancel()


def _does_not_travel(error: Exception) -> TypeError:
    rule = "made, with its setting, of what can be sent to another process"
    then = "Locks, open files and connections cannot: open them inside the function."
    return bad_type("function", rule, f"one of which Python says: {error}", then)


def _outcome(future: Future) -> Any:
    try:
        return future.result()
    except (Exception, CancelledError, SystemExit) as error:  # a task that calls `sys.exit` ends itself alone
        return error


def _run(task: bytes) -> Any:
    """In a worker."""
    return cloudpickle.loads(task)()
