"""One function at many settings, on any executor of `concurrent.futures`: processes of this machine, Dask, MPI pools."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import cloudpickle
import numpy as np

from ..arguments import callable_with, whole
from ..errors import ModelWarning, bad_type, bad_value, warn
from ..results.requests import progress_reporter
from ..storage.checkpoint import resumed

logger = logging.getLogger(__name__)

AHEAD = 4  # settings handed over at once, for each worker
OF = "of "  # before the names of results by name, in a checkpoint


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Sequence[Any]):
    """Results in the order of the settings; a sequence of them.

    Attributes
    ----------
    settings : tuple of dict
    results : tuple
        None where a setting failed.
    failures : dict of int -> Exception
        By the number of the setting.
    """

    settings: tuple[Mapping[str, Any], ...]
    results: tuple[Any, ...]
    failures: Mapping[int, BaseException] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def to_dataframe(self) -> Any:
        """A row a setting: its entries, then the result, or the results by name where each is a dict."""
        import pandas

        rows = []
        for setting, result in zip(self.settings, self.results, strict=True):
            found = result if isinstance(result, Mapping) else {"result": result}
            rows.append({**setting, **found})
        return pandas.DataFrame(rows)

    def __repr__(self) -> str:
        lines = [f"Sweep of {len(self)} settings, {len(self.failures)} failed"]
        lines += [
            f"  {self.settings[k]}: {type(error).__name__}: {error}" for k, error in list(self.failures.items())[:5]
        ]
        return "\n".join(lines)


def sweep(
    function: Callable[..., Any],
    settings: Sequence[Mapping[str, Any]],
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    folder: str | os.PathLike | None = None,
    progress: bool | Callable[[float], None] = False,
) -> Sweep:
    """Call a function at many settings, side by side.

    Parameters
    ----------
    function : callable
        function(**setting). Lambdas and functions of a notebook or script work: they travel by cloudpickle.
    settings : sequence of dict
        Such as [{"D": 0.1}, {"D": 0.2}].
    executor : concurrent.futures.Executor, optional
        Such as `dask.distributed.Client(address).get_executor()` or `mpi4py.futures.MPIPoolExecutor()`. Default: processes of
        this machine (loky), kept for the next sweep. Results are the same to the bit whatever the executor, if the function
        gives the same for the same setting, as those of this package do.
    workers : int, optional
        Processes, where no executor is given; default: one a processor.
    folder : path, optional
        Where each finished setting is kept, so that an interrupted sweep goes on where it stopped. Results are then dicts of
        arrays and of what JSON can hold, or such a value itself. The function counts by its code and by what it refers to.
    progress : bool or callable
        A bar, or what is called with the share of the settings that are done.

    Returns
    -------
    Sweep
        A setting whose function raises, or whose worker is lost twice, costs itself: its result is None, its error in
        `failures`, and a ModelWarning says how many there are.

    Raises
    ------
    ValueError, TypeError
        On bad input; and the first error, if all settings fail.
    """
    asked = _checked(function, settings)
    if executor is not None and workers is not None:
        raise bad_value("workers", "None beside an executor, which has its own", workers)
    count = whole("workers", workers, 1, 10_000) if workers is not None else min(os.cpu_count() or 1, len(asked))
    places = _places(folder, len(asked))
    tasks = [_Task(function, setting, place) for setting, place in zip(asked, places, strict=True)]
    report = progress_reporter(progress)
    results: dict[int, Any] = {}
    failures: dict[int, BaseException] = {}
    for done, (k, outcome) in enumerate(_outcomes(tasks, executor, count), 1):
        if isinstance(outcome, BaseException):
            failures[k] = outcome
        else:
            results[k] = outcome
        state = "failed" if k in failures else "done"
        logger.info("sweep: setting %d %s, %d of %d: %s", k, state, done, len(tasks), dict(asked[k]))
        report(done / len(tasks))
    if len(failures) == len(tasks):
        raise failures[min(failures)]
    if failures:
        k = min(failures)
        text = (
            f"{len(failures)} of {len(tasks)} settings failed, such as {dict(asked[k])}: {failures[k]}. See `failures`."
        )
        warn(text, ModelWarning)
    return Sweep(asked, tuple(results.get(k) for k in range(len(tasks))), failures)


def _checked(function: Any, settings: Any) -> tuple[Mapping[str, Any], ...]:
    if not callable(function):
        raise bad_type("function", "callable with the entries of a setting", function)
    if isinstance(settings, (str, bytes, Mapping)) or not isinstance(settings, Sequence) or not settings:
        raise bad_value("settings", "a list of dicts, not empty", settings, 'Such as [{"D": 0.1}, {"D": 0.2}].')
    for setting in settings:
        if not isinstance(setting, Mapping) or not all(isinstance(name, str) for name in setting):
            raise bad_value("settings", "dicts whose keys are names of parameters", setting)
    callable_with("function", function, 0, "argument(s) beside the entries of a setting", **settings[0])
    return tuple(settings)


def _places(folder: Any, count: int) -> list[Path | None]:
    """A file for each setting."""
    if folder is None:
        return [None] * count
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    return [place / f"{k:06d}.npz" for k in range(count)]


@dataclass(frozen=True)
class _Task:
    """A setting of a function, and the file in which its result is kept."""

    function: Callable[..., Any]
    setting: Mapping[str, Any]
    place: Path | None

    def __call__(self) -> Any:
        if self.place is None:
            return self.function(**self.setting)
        piece = resumed(self.place, self._piece, self.function, self.setting)
        named = {name.removeprefix(OF): value for name, value in piece.items() if name.startswith(OF)}
        return piece.get("result", named)

    def _piece(self) -> dict[str, Any]:
        """The result as a checkpoint keeps it: one value, or values by name."""
        result = self.function(**self.setting)
        piece = {OF + name: v for name, v in result.items()} if isinstance(result, Mapping) else {"result": result}
        piece = {name: v.item() if isinstance(v, np.generic) else v for name, v in piece.items()}
        try:
            json.dumps({name: v for name, v in piece.items() if not isinstance(v, np.ndarray)})
        except (TypeError, ValueError):
            then = "Return the numbers that you want to keep, or leave `folder` out."
            rule = "with results that are numbers, texts, arrays or dicts of them, where a folder keeps them"
            raise bad_type("function", rule, result, then) from None
        return piece


def _outcomes(tasks: list[_Task], executor: Executor | None, workers: int) -> Iterator[tuple[int, Any]]:
    """(number, result or exception) of each task, as they are done."""
    if executor is not None:
        yield from _submitted(executor, dict(enumerate(tasks)), len(tasks))
        return
    from loky import get_reusable_executor

    waiting, alone = dict(enumerate(tasks)), False
    while waiting:
        pool = get_reusable_executor(max_workers=workers)
        window = 1 if alone else AHEAD * workers
        lost = []
        for k, outcome in _submitted(pool, waiting, window):
            if isinstance(outcome, BrokenExecutor) and not alone:
                lost.append(k)  # its worker is gone, or that of another setting
                continue
            del waiting[k]
            yield k, outcome
            if isinstance(outcome, BrokenExecutor):
                break
        alone = bool(lost) or (alone and bool(waiting))


def _submitted(executor: Executor, tasks: Mapping[int, _Task], window: int) -> Iterator[tuple[int, Any]]:
    """Outcomes of tasks of which no more than `window` are handed over at once; the end of the pool ends them all."""
    left, running, broken = iter(list(tasks.items())), {}, False  # type: ignore[var-annotated]
    try:
        while True:
            while len(running) < window and not broken and (entry := next(left, None)) is not None:
                running[executor.submit(_run, cloudpickle.dumps(entry[1]))] = entry[0]
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                outcome = _outcome(future)
                broken |= isinstance(outcome, BrokenExecutor)
                yield running.pop(future), outcome
    finally:
        for future in running:
            future.cancel()


def _outcome(future: Future) -> Any:
    try:
        return future.result()
    except (Exception, CancelledError) as error:
        return error


def _run(task: bytes) -> Any:
    """In a worker."""
    return cloudpickle.loads(task)()
