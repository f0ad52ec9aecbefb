"""The controls of the local page: which settings of a state can be changed, and to what. No page is needed for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import bad_value
from ..run import described
from ..schema import Start
from .state import MODELS, State

MARKS = 60  # steps of a slider
DECADE = 10.0  # how far the learning rate and the deviation go below and above where they begin
FORMULAS = {
    "landscape": {"loss": "Loss of a sample"},
    "equation": {"drift": "Drift", "diffusion": "Diffusion", "potential": "Potential"},
}


@dataclass(frozen=True)
class Slider:
    """A setting that takes one of several values, in order.

    Attributes
    ----------
    key : str
        Of the run file, such as "sgd.learning_rate"; "time" for the time that is looked at.
    label : str
    values : tuple
        None stands for the full batch.
    read : callable state -> value
    change : callable (state, value) -> State
    """

    key: str
    label: str
    values: tuple[float | None, ...]
    read: Callable[[State], Any]
    change: Callable[[State, Any], State]

    def text(self, index: int) -> str:
        """What stands beside the slider."""
        value = self.values[index]
        return "full" if value is None else f"{value:.6g}"

    def index(self, state: State) -> int:
        """The place of the value of a state, or of the one nearest to it."""
        value = self.read(state)
        if value in self.values:
            return self.values.index(value)
        known = [(abs(v - (value or 0.0)), k) for k, v in enumerate(self.values) if v is not None]
        return min(known)[1]


@dataclass(frozen=True)
class Field:
    """A setting that is text: a formula, or a list as TOML and JSON write it."""

    key: str
    label: str

    def text(self, state: State) -> str:
        """What stands in the field."""
        section, key = self.key.split(".")
        value = state.content.get(section, {}).get(key)
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def change(self, state: State, text: str) -> State:
        """The state with this text; an empty one takes the setting away.

        Raises
        ------
        ValueError
            With the sentence of the package where the text is no formula, or does not go with the rest.
        """
        section, key = self.key.split(".")
        changed = state.changed(**{f"{section}__{key}": _value(text) if text.strip() else None})
        described(changed.preview.run_file)
        return changed


def _value(text: str) -> Any:
    """A list or a number, else the text itself: a formula."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (list, int, float)) and not isinstance(value, bool) else text


def sliders(state: State) -> list[Slider]:
    """Those of a state beside the time; their ranges lie around it."""
    spec, found = state.spec, list[Slider]()
    if spec.sgd is not None:
        rates, sizes = _around(spec.sgd.learning_rate[0]), _sizes(state.samples, spec.sgd.batch_size)
        found = [
            Slider("sgd.learning_rate", "Learning rate", rates, lambda one: one.rate, State.at_rate),
            Slider("sgd.batch_size", "Batch size", sizes, _batch_size, _with_batch),
        ]
    start = Start() if spec.start is None else spec.start
    place = "mean" if start.mean is not None else "point"
    for axis, centre in enumerate(getattr(start, place) or ()):
        low, high = _bounds(state)[axis]
        values = _with(np.linspace(low, high, MARKS + 1)[1:-1], centre)
        found.append(_of_start(place, "Start", state, axis, values))
    for axis, deviation in enumerate(start.deviation or ()):
        found.append(_of_start("deviation", "Deviation at the start", state, axis, _around(deviation)))
    return found


def time_slider(state: State) -> Slider:
    """That over the frames."""
    label = "Time" if state.rate is None else "Time in steps"
    return Slider("time", label, state.times, lambda one: one.time, State.at)


def _of_start(key: str, label: str, state: State, axis: int, values: tuple[float, ...]) -> Slider:
    """A slider for one entry of a list of [start]."""

    def read(one: State) -> float:
        return getattr(one.spec.start, key)[axis]

    def change(one: State, value: float) -> State:
        entries = list(getattr(one.spec.start, key))
        entries[axis] = value
        return one.changed(**{f"start__{key}": entries})

    several = len(getattr(state.spec.start, key)) > 1
    return Slider(
        f"start.{key}", f"{label} in {state.spec.variables[axis]}" if several else label, values, read, change
    )


def _batch_size(state: State) -> int | None:
    return None if state.spec.sgd is None else state.spec.sgd.batch_size


def _with_batch(state: State, size: int | None) -> State:
    return state.changed(sgd__batch_size="full" if size is None else size)


def fields(state: State) -> list[Field]:
    """Those of a state: formulas, the box, a target, the last time."""
    section = "landscape" if state.spec.landscape is not None else "equation"
    known = state.content[section]
    formulas = [Field(f"{section}.{key}", label) for key, label in FORMULAS[section].items() if key in known]
    target = Field("output.target", f"Target, such as {state.spec.variables[0]} > 1")
    return [*formulas, Field("grid.bounds", "Box"), target]


def models(state: State) -> tuple[str, ...]:
    """Models that can be chosen: those that need no setting, and those of the run file."""
    if state.spec.sgd is None:
        return ()
    usual = () if state.spec.sgd.momentum or state.spec.sgd.shuffle else MODELS
    return tuple(dict.fromkeys((*usual, *state.spec.output.models)))


def with_model(state: State, model: str, chosen: bool) -> State:
    """With or without a model."""
    kept = [name for name in state.spec.output.models if name != model]
    if not kept and not chosen:
        raise bad_value("output.models", "at least one model", kept, "Choose another first.")
    order = models(state)
    return state.changed(output__models=sorted([*kept, model] if chosen else kept, key=order.index))


def place_of(error: Exception) -> str:
    """The key of the run file that a refusal speaks of; empty where it names none."""
    match = re.match(r"`([a-z_]+\.[a-z_]+)", str(error))
    return match[1] if match else ""


def _around(value: float) -> tuple[float, ...]:
    if value <= 0.0:
        return (value,)
    return _with(value * np.geomspace(1.0 / DECADE, DECADE, MARKS + 1), value)


def _with(values: np.ndarray, value: float) -> tuple[float, ...]:
    return tuple(sorted({float(f"{v:.3g}") for v in values} | {value}))


def _sizes(samples: int, now: int | None) -> tuple[int | None, ...]:
    """Batch sizes up to the number of samples, and the full batch."""
    most = max(samples, now or 1)
    sizes = {round(v) for v in np.geomspace(1, most, MARKS)} if most > MARKS else set(range(1, most + 1))
    return (*sorted(sizes | ({now} if now else set())), None)


def _bounds(state: State) -> list[tuple[float, float]]:
    bounds = np.asarray(state.spec.grid.bounds, dtype=float).reshape(-1, 2)
    return [(float(low), float(high)) for low, high in bounds]
