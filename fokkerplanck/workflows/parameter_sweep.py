"""One function at many settings, on any executor of `concurrent.futures`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..arguments import callable_with, file_name, whole
from ..errors import ModelWarning, bad_type, bad_value, warn
from ..results.requests import progress_bar
from ..storage.files import check_room
from .executors import Kept, Spread, gathered, outcomes
from .process import available_cores

logger = logging.getLogger(__name__)

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
        lines += [f"  {self.settings[k]}: {_said(error)}" for k, error in list(self.failures.items())[:5]]
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
    if executor is not None and not callable(getattr(executor, "submit", None)):
        then = "Such as concurrent.futures.ThreadPoolExecutor(4); None takes processes of this machine."
        raise bad_type("executor", "an executor of `concurrent.futures`", executor, then)
    if executor is not None and workers is not None:
        raise bad_value("workers", "None beside an executor, which has its own", workers)
    if folder is not None:
        check_room(file_name("folder", folder), 0.0)
    count = whole("workers", workers, 1, 10_000) if workers is not None else min(available_cores(), len(asked))
    spread = partial(outcomes, executor=executor, workers=count)
    results: dict[int, Any] = {}
    failures: dict[int, BaseException] = {}
    with progress_bar(progress, "settings") as report:
        for done, (k, outcome) in enumerate(_found(function, asked, folder, spread), 1):
            failed = isinstance(outcome, BaseException)
            (failures if failed else results)[k] = outcome
            state = "failed" if failed else "done"
            logger.info("sweep: setting %d %s, %d of %d: %s", k, state, done, len(asked), dict(asked[k]))
            report(done / len(asked))
    if len(failures) == len(asked):
        raise failures[min(failures)]
    if failures:
        k = min(failures)
        text = (
            f"{len(failures)} of {len(asked)} settings failed, such as {dict(asked[k])}: {_said(failures[k])}. "
            "See `failures`."
        )
        warn(text, ModelWarning)
    return Sweep(asked, tuple(results.get(k) for k in range(len(asked))), failures)


def _said(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(" .:")


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


def _found(
    function: Callable[..., Any], settings: Sequence[Mapping[str, Any]], folder: Any, spread: Spread
) -> Iterator[tuple[int, Any]]:
    """(number, result or exception) of each setting; with a folder those first that an earlier sweep has left there."""
    if folder is None:
        yield from spread({k: partial(function, **setting) for k, setting in enumerate(settings)})
        return
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    works = [
        Kept(partial(_piece, function, setting), place / f"{k:06d}.npz", (function, setting))
        for k, setting in enumerate(settings)
    ]
    for k, outcome in gathered(works, spread):
        yield k, outcome if isinstance(outcome, BaseException) else _of_piece(outcome)


def _piece(function: Callable[..., Any], setting: Mapping[str, Any]) -> dict[str, Any]:
    """The result as a checkpoint keeps it, and gives it back: one value, or values by name."""
    result = function(**setting)
    named = result if isinstance(result, Mapping) else None
    then = "Return the numbers that you want to keep, or leave `folder` out."
    if named is not None and not all(isinstance(name, str) for name in named):
        raise bad_type("function", "with results by name where they are dicts and a folder keeps them", result, then)
    piece = {"result": result} if named is None else {OF + name: v for name, v in named.items()}
    arrays = {name: v for name, v in piece.items() if isinstance(v, np.ndarray) and not v.dtype.hasobject}
    rest = {
        name: v.item() if isinstance(v, np.generic) else v for name, v in piece.items() if not isinstance(v, np.ndarray)
    }
    rule = "with results that are numbers, texts, arrays or dicts of them, where a folder keeps them"
    if len(arrays) + len(rest) < len(piece):  # arrays of objects
        raise bad_type("function", rule, result, then)
    try:
        return arrays | json.loads(json.dumps(rest))  # as it is read again: a tuple as a list
    except (TypeError, ValueError) as error:
        raise bad_type("function", rule, result, then) from error


def _of_piece(piece: Mapping[str, Any]) -> Any:
    named = {name.removeprefix(OF): value for name, value in piece.items() if name.startswith(OF)}
    return piece.get("result", named)
