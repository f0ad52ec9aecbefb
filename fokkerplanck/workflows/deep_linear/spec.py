"""What a study of a deep linear network is asked: the tables [network] and [study] of its file."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from ...deep_linear import AlignedStart, DeepLinear, large_start, small_start, train
from ...errors import bad_value
from ...storage.csv_columns import read_csv
from ...storage.files import file_below
from ...storage.tables import exact
from ..runfile import is_result, read_toml, sentence
from ..schema import Section, Text, number, numbers, require, rule, whole

KINDS = ("small", "large", "aligned")
PLAIN = ("sgd", "langevin", "refined", "flow")


class Generator(NamedTuple):
    """What moves the weights, as `fokkerplanck.deep_linear.train` takes it, and its name in tables and files."""

    name: str
    kind: str
    stability: float | None


def _positive(value: Any) -> float:
    positive = number(value)
    require(positive > 0.0)
    return positive


def _not_negative(value: Any) -> float:
    least = number(value)
    require(least >= 0.0)
    return least


def _widths(value: Any) -> tuple[int, ...]:
    require(isinstance(value, list) and len(value) > 1)
    return tuple(whole(v) for v in value)


def _teacher(value: Any) -> tuple[float, ...]:
    values = numbers(value)
    require(all(a >= b for a, b in itertools.pairwise(values)) and values[-1] > 0.0)
    return values


def _inputs(value: Any) -> Any:
    if isinstance(value, dict):
        require(set(value) == {"student"})
        return ("student", number(value["student"]))
    require(isinstance(value, str) and (value == "gaussian" or value.endswith(".csv")))
    return value


def _start(value: Any) -> dict[str, Any]:
    require(isinstance(value, dict) and set(value) <= {"kind", "scale"} and value.get("kind") in KINDS)
    scale = value.get("scale")
    require(scale is not None or value["kind"] != "aligned")
    scales = () if scale is None else numbers(scale)
    require(len(scales) <= 1 or value["kind"] == "aligned")
    return {"kind": value["kind"], "scale": list(scales) if isinstance(scale, list) else scale}


def _generators(value: Any) -> tuple[Generator, ...]:
    require(isinstance(value, list) and "sgd" in value)
    generators = tuple(_generator(v) for v in value)
    require(len(set(generators)) == len(generators))
    return generators


def _generator(value: Any) -> Generator:
    if isinstance(value, dict):
        require(set(value) == {"stability"})
        stability = number(value["stability"])
        require(1.0 < stability < 2.0)
        return Generator(f"refined {exact(stability)}", "refined", stability)
    require(value in PLAIN)
    return Generator(value, value, None)


class Network(Section):
    """The network, its teacher, its data, and where training starts."""

    widths: Annotated[
        tuple[int, ...], rule("at least two whole numbers above 0", _widths, "Such as [10, 100, 100, 10].")
    ]
    teacher: Annotated[tuple[float, ...], rule("positive singular values, none larger than the one before", _teacher)]
    learning_rate: Annotated[float, rule("a positive number", _positive)]
    batch_size: Annotated[int, rule("a whole number of at least 1", whole)]
    label_noise: Annotated[float, rule("a number, not below 0", _not_negative)] = 0.0
    inputs: Annotated[Any, rule('"gaussian", { student = 5 } or the name of a CSV file', _inputs)] = "gaussian"
    start: Annotated[
        dict[str, Any],
        rule(
            '{ kind = "small" or "large", scale = gamma } or { kind = "aligned", scale = strength }',
            _start,
            "Weights are N(0, w^-gamma), w the largest hidden width; `scale` may be left out but for aligned starts.",
        ),
    ] = {"kind": "small", "scale": None}  # noqa: RUF012


class Study(Section):
    """How it is trained, how often, and what is kept."""

    generators: Annotated[
        tuple[Generator, ...],
        rule(
            'a list with "sgd", each once',
            _generators,
            'It may hold "langevin", "refined", "flow" and { stability = 1.5 } too, 1 < stability < 2.',
        ),
    ]
    runs: Annotated[int, rule("a whole number of at least 5", lambda v: whole(v, 5))] = 200
    steps: Annotated[int, rule("a whole number of at least 50", lambda v: whole(v, 50))]
    record_every: Annotated[int | None, rule("a whole number of at least 1", whole)] = None
    seed: Annotated[int, rule("a whole number, not below 0", lambda v: whole(v, 0))] = 0
    block: Annotated[int, rule("a whole number of at least 1", whole)] = 20
    inspect: Annotated[int, rule("a whole number, not below 0", lambda v: whole(v, 0))] = 3


class Spec(Section):
    """A whole file."""

    title: Text = "Deep linear network"
    network: Network
    study: Study


@dataclass(frozen=True)
class DeepStudy:
    """A study file that was read and checked: what `run_deep_study` takes.

    Attributes
    ----------
    path : Path
    spec : Spec
    """

    path: Path
    spec: Spec

    @cached_property
    def net(self) -> DeepLinear:
        """The network."""
        n = self.spec.network
        inputs = self._rows(n.inputs) if isinstance(n.inputs, str) and n.inputs != "gaussian" else n.inputs
        return DeepLinear(n.widths, n.teacher, n.learning_rate, n.batch_size, n.label_noise, inputs)

    @property
    def start(self) -> Any:
        """Where training starts."""
        kind, scale = self.spec.network.start["kind"], self.spec.network.start["scale"]
        if kind == "aligned":
            return AlignedStart(scale)
        make = small_start if kind == "small" else large_start
        return make() if scale is None else make(float(np.ravel(scale)[0]))

    @property
    def steps(self) -> np.ndarray:
        """The recorded steps; by default some two hundred."""
        study = self.spec.study
        return np.arange(0, study.steps + 1, study.record_every or max(1, study.steps // 200))

    @property
    def kurtosis(self) -> float | None:
        """<x^4> of the inputs along any direction; None where no one-mode equation holds."""
        freedom = self.net.freedom
        if self.net.data is not None or freedom <= 4.0:
            return None
        return 3.0 if math.isinf(freedom) else 3.0 * (freedom - 2.0) / (freedom - 4.0)

    def _rows(self, name: str) -> np.ndarray:
        path = file_below(self.path.parent, name, "network.inputs")
        return np.column_stack(list(read_csv(path, "network.inputs").values()))


def is_deep_study(path: Path) -> bool:
    """Whether a file has a table [network]; what cannot be read has not, and is refused elsewhere."""
    try:
        return not is_result(path) and "network" in read_toml(path)
    except (OSError, ValueError):
        return False


def read_deep_study(path: Path) -> DeepStudy:
    """Read and check a study file.

    Raises
    ------
    ValueError
        With one sentence on the first thing that is wrong.
    """
    try:
        spec = Spec.model_validate(read_toml(path))
    except ValidationError as error:
        raise sentence(error, {"network": Network, "study": Study}, Spec) from None
    study = DeepStudy(path, spec)
    if study.steps.size < 20:
        raise bad_value("study.record_every", "such that 20 steps at least are recorded", spec.study.record_every)
    for generator in spec.study.generators:  # whatever does not go together is refused before the work
        train(study.net, study.start, [0], n_runs=1, generator=generator.kind, stability=generator.stability)
    return study
