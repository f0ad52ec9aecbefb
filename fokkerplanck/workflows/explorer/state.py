"""What the explorer shows: one setting of a run file, and a time. From and to run files, and from and to links."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np

from ...errors import bad_value
from ..run import CHAINS
from ..runfile import RunFile, checked, is_result, read_run_file, read_toml
from ..schema import RunSpec
from .toml import run_file_text

MOST_DIMENSIONS = 2
FRAMES = {1: 12, 2: 8}  # times beside the chosen one and the last, by dimension
LONGEST_LINK = 8_000  # letters that every browser takes
MODELS = ("first-order", "exact", "second-order", "langevin", "gaussian-chain")  # that need no setting of their own
PREVIEW_CELLS = {1: 512, 2: 96}  # an axis, by dimension
PREVIEW_PATHS = 1_000


@dataclass(frozen=True)
class State:
    """One setting of a run file: a learning rate, a time to look at and a last time, and everything else it says.

    Attributes
    ----------
    text : str
        The run file as JSON, without what is left at its default. `output.times` holds the time that is looked at and the last
        one, `sgd.learning_rate` one number.
    folder : str
        Where the data files of the run file lie.
    """

    text: str
    folder: str = "."

    @classmethod
    def of(cls, content: dict[str, Any], folder: str | os.PathLike = ".") -> State:
        """From the content of a run file: its first learning rate, and its first time beside the last.

        Raises
        ------
        ValueError
            With one sentence on the first thing that is wrong.
        """
        spec = checked(content)
        if len(spec.variables) > MOST_DIMENSIONS:
            then = "`fokkerplanck run` takes up to three coordinates."
            rule = f"at most {MOST_DIMENSIONS} coordinates in a run file that is explored"
            raise bad_value("variables", rule, ", ".join(spec.variables), then)
        plain = spec.model_dump(mode="json", exclude_defaults=True, warnings=False)
        plain["output"]["times"] = sorted({spec.output.times[0], spec.output.times[-1]})
        if spec.sgd is not None:
            plain["sgd"]["learning_rate"] = spec.sgd.learning_rate[0]
        return cls(json.dumps(plain, ensure_ascii=False, sort_keys=False), str(folder))

    @classmethod
    def from_query(cls, query: str, folder: str | os.PathLike = ".") -> State:
        """From the query of a link that `query` gave."""
        content: dict[str, Any] = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                raise bad_value(name, "as the page wrote it into its link", text) from None
            section, _, key = name.partition(".")
            if not key:
                content[section] = value
            elif isinstance(table := content.setdefault(section, {}), dict):
                table[key] = value
        return cls.of(content, folder)

    @property
    def content(self) -> dict[str, Any]:
        """The content of the run file, as `tomllib` would read it."""
        return json.loads(self.text)

    @cached_property
    def spec(self) -> RunSpec:
        """The same, checked."""
        return checked(self.content)

    @property
    def run_file(self) -> RunFile:
        """The run file of this setting, as `fokkerplanck run` reads it."""
        return RunFile(Path(self.folder) / "explored.toml", self.spec)

    def query(self) -> str:
        """The query of a link that restores the state, such as sgd.learning_rate=0.2&..."""
        pairs = []
        for name, entry in self.content.items():
            entries = (
                {f"{name}.{key}": value for key, value in entry.items()} if isinstance(entry, dict) else {name: entry}
            )
            pairs += [(key, json.dumps(value, ensure_ascii=False)) for key, value in entries.items()]
        query = urlencode(pairs)
        if len(query) > LONGEST_LINK:
            rule = f"at most {LONGEST_LINK} letters long"
            raise bad_value("link", rule, len(query), "Keep the run file instead, or put its data into a CSV file.")
        return query

    def toml(self) -> str:
        """The run file of this setting with its data inside: what `fokkerplanck run` takes, wherever it lies."""
        return run_file_text(self.run_file.record())

    def changed(self, **values: Any) -> State:
        """Another state. Names are those of keys with two underscores for the dot; None takes a key away.

        Raises
        ------
        ValueError
            As `of`.
        """
        content = self.content
        for name, value in values.items():
            section, key = name.split("__")
            table = content.setdefault(section, {})
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        return State.of(content, self.folder)

    @property
    def time(self) -> float:
        """The time that is looked at."""
        return self.spec.output.times[0]

    @property
    def last(self) -> float:
        """The last time."""
        return self.spec.output.times[-1]

    def at(self, time: float) -> State:
        """The same setting at another time."""
        return self.changed(output__times=sorted({float(time), max(self.last, float(time))}))

    def at_rate(self, rate: float) -> State:
        """The same setting with another learning rate."""
        return self.changed(sgd__learning_rate=float(rate))

    @property
    def rate(self) -> float | None:
        """The learning rate; None for an equation."""
        return None if self.spec.sgd is None else self.spec.sgd.learning_rate[0]

    @property
    def samples(self) -> int:
        """The number of samples of the landscape; 0 for an equation."""
        return 0 if self.spec.landscape is None else max(len(column) for column in self.run_file.data().values())

    @property
    def models(self) -> tuple[str, ...]:
        """Those whose density is asked for."""
        return ("density",) if self.spec.sgd is None else self.spec.output.models

    @cached_property
    def times(self) -> tuple[float, ...]:
        """Times at which the explorer has a frame: 0, some from the first to the last, the chosen one and the last.

        Of SGD they are whole steps, and with `shuffle` whole epochs.
        """
        count = FRAMES[len(self.spec.variables)]
        unit = self._unit
        first = min(unit, self.last) if unit else 0.01 * self.last
        times = np.geomspace(first, self.last, count) if self.last > 0.0 else np.zeros(1)
        times = unit * np.round(times / unit) if unit else np.array([float(f"{t:.2g}") for t in times])
        times = times[times < self.last]
        return tuple(sorted({0.0, self.time, self.last, *times.tolist()}))

    @property
    def _unit(self) -> float:
        """What times of frames are multiples of: a step, an epoch, or 0 for an equation."""
        sgd = self.spec.sgd
        if sgd is None:
            return 0.0
        return float(-(-self.samples // (sgd.batch_size or self.samples))) if sgd.shuffle else 1.0

    @property
    def preview(self) -> State:
        """The same on a coarse grid, with few paths and in 2D without transfer operators: what can follow a slider."""
        spec, dim = self.spec, len(self.spec.variables)
        content = self.content
        cells = np.broadcast_to(spec.grid.cells or PREVIEW_CELLS[dim], dim)
        content["grid"] = {key: value for key, value in content["grid"].items() if key not in ("tol", "width")}
        content["grid"]["cells"] = [min(int(n), PREVIEW_CELLS[dim]) for n in cells]
        if spec.sgd is not None:
            paths = spec.simulation.paths if spec.simulation else PREVIEW_PATHS
            content["output"]["models"] = self._previewed
            content["simulation"] = content.get("simulation", {}) | {"paths": min(paths, PREVIEW_PATHS)}
        return State.of(content, self.folder)

    @property
    def _previewed(self) -> list[str]:
        """Models of a preview: in two dimensions a transfer operator takes minutes."""
        quick = [name for name in self.models if len(self.spec.variables) == 1 or name not in CHAINS]
        moving = self.spec.sgd is not None and self.spec.sgd.momentum > 0.0
        return quick or ["momentum" if moving else "first-order"]


def read_state(file: str | os.PathLike) -> tuple[State, tuple[float, ...]]:
    """The first setting of a run file, or of one that a result keeps, and all its learning rates."""
    run_file = read_run_file(file)
    content = run_file.record() if is_result(Path(file)) else read_toml(Path(file))
    rates = run_file.spec.sgd.learning_rate if run_file.spec.sgd is not None else ()
    return State.of(content, Path(file).parent), rates


def settings(state: State, rates: Iterable[float]) -> list[State]:
    """A state a learning rate, in increasing order; for an equation the state itself."""
    return [state.at_rate(rate) for rate in sorted(rates)] or [state]
