"""What a study of a network is asked: the tables [network] and [study] of its file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from ...errors import bad_value
from ...networks.loss_functions import LossFunctions
from ...networks.training import NOISES, make_rule
from ...storage.csv_columns import read_csv
from ...storage.files import file_below
from ...storage.tables import exact
from ..runfile import is_result, naming, read_toml, sentence
from ..schema import Section, Text, number, numbers, require, rule, whole
from .build import Recipe, build

OPTIMIZERS = ("sgd", "adam")
MOST_RECORDS = 200


class Dynamics(NamedTuple):
    """What moves the parameters, as `Network.train` takes it, and its name in tables and files.

    `learning_rate_factor` times the learning rate of the study is that of this dynamics.
    """

    name: str
    noise: str = "sgd"
    stability: float | None = None
    temperature: float | None = None
    replacement: bool = True
    shuffle: bool = False
    optimizer: str = "sgd"
    momentum: float = 0.0
    learning_rate_factor: float = 1.0


def _positive(value: Any) -> float:
    require(number(value) > 0.0)
    return float(value)


def _network(value: Any) -> dict[str, Any]:
    require(isinstance(value, dict) and ("model" in value) != ("module" in value))
    json.dumps(value)  # no dates
    require(isinstance(value.get("model", value.get("module")), str))
    require("module" not in value or isinstance(value.get("function"), str))
    _positive(value.get("start_scale", 1.0))
    return dict(value)


def _all_dynamics(value: Any) -> tuple[Dynamics, ...]:
    require(isinstance(value, list) and "sgd" in value)
    found = tuple(_dynamics(v) for v in value)
    require(len({one.name for one in found}) == len(found))
    return found


def _dynamics(value: Any) -> Dynamics:
    given = {"noise": value} if isinstance(value, str) else value
    require(isinstance(given, dict) and set(given) <= set(Dynamics._fields) - {"name"})
    implied = "refined" if "stability" in given else "langevin" if "temperature" in given else "sgd"
    one = Dynamics(name="", **{"noise": implied, **given})
    require(one.noise in NOISES and one.optimizer in OPTIMIZERS)
    require(isinstance(one.replacement, bool) and isinstance(one.shuffle, bool))
    require(one.noise == "sgd" or (one.replacement and not one.shuffle))
    require(0.0 <= number(one.momentum) < 1.0 and (one.optimizer == "sgd" or one.momentum == 0.0))
    require(one.stability is None or (one.noise == "refined" and 1.0 < number(one.stability) < 2.0))
    require(one.temperature is None or (one.noise == "langevin" and number(one.temperature) >= 0.0))
    _positive(one.learning_rate_factor)
    return named(one)


def named(one: Dynamics) -> Dynamics:
    """A dynamics with the name that follows from it, such as "refined 1.5" or "sgd without replacement momentum 0.9"."""
    parts = [one.noise]
    parts += [] if one.stability is None else [exact(one.stability)]
    parts += [] if one.temperature is None else [f"temperature {exact(one.temperature)}"]
    parts += ["shuffled"] if one.shuffle else [] if one.replacement else ["without replacement"]
    parts += ["adam"] if one.optimizer == "adam" else []
    parts += [f"momentum {exact(one.momentum)}"] if one.momentum else []
    parts += [f"at {exact(one.learning_rate_factor)} eta"] if one.learning_rate_factor != 1.0 else []
    return one._replace(name=" ".join(parts))


def _rates(value: Any) -> tuple[float, ...]:
    rates = numbers(value)
    require(rates[0] > 0.0 and all(a < b for a, b in itertools.pairwise(rates)))
    return rates


def _steps(value: Any) -> tuple[int, ...]:
    return tuple(whole(v, 20) for v in (value if isinstance(value, list) else [value]))


class Study(Section):
    """How the network is trained, how often, and what is compared."""

    dynamics: Annotated[
        tuple[Dynamics, ...],
        rule(
            'a list with "sgd", each once',
            _all_dynamics,
            'It may hold "refined", "langevin", "flow", "subset" and tables such as { stability = 1.5 }, { temperature = '
            "0.001 }, { replacement = false }, { shuffle = true }, { momentum = 0.9, learning_rate_factor = 0.1 } and "
            '{ optimizer = "adam" }.',
        ),
    ]
    learning_rate: Annotated[tuple[float, ...], rule("a positive number, or an increasing list of them", _rates)]
    batch_size: Annotated[int, rule("a whole number of at least 1", whole)]
    steps: Annotated[
        tuple[int, ...], rule("a whole number of at least 20, or a list with one for each learning rate", _steps)
    ]
    runs: Annotated[int, rule("a whole number of at least 10", lambda v: whole(v, 10))] = 64
    moments: Annotated[int, rule("a whole number of at least 1", whole)] = 6
    record_every: Annotated[int | None, rule("a whole number of at least 1", whole)] = None
    inspect: Annotated[int, rule("a whole number, not below 0", lambda v: whole(v, 0))] = 16
    seed: Annotated[int, rule("a whole number from 0 to 2^32 - 1", lambda v: whole(v, 0))] = 0
    block: Annotated[int, rule("a whole number of at least 1", whole)] = 32


class Spec(Section):
    """A whole file."""

    title: Text = "Network"
    network: Annotated[
        dict[str, Any],
        rule(
            "a table with `model`, or with `module` and `function`",
            _network,
            'Such as model = "superposition", features = 6, hidden = 2; start_scale = 0.1 makes its starts smaller.',
        ),
    ]
    study: Study


@dataclass(frozen=True)
class NetworkStudy:
    """A study file that was read and checked: what `run_network_study` takes.

    Attributes
    ----------
    path : Path
    spec : Spec
    recipe : Recipe
        How the network is made, in any process.
    """

    path: Path
    spec: Spec
    recipe: Recipe

    @property
    def net(self) -> LossFunctions:
        """The network; made once in a process."""
        return build(self.recipe)

    @property
    def start_scale(self) -> float:
        """What the starts of the network are multiplied by."""
        return float(self.spec.network.get("start_scale", 1.0))

    @cached_property
    def steps(self) -> dict[float, np.ndarray]:
        """The recorded steps at each learning rate; by default some two hundred."""
        study = self.spec.study
        last = study.steps * len(study.learning_rate) if len(study.steps) == 1 else study.steps
        return {rate: self._recorded(n) for rate, n in zip(study.learning_rate, last, strict=True)}

    def _recorded(self, last: int) -> np.ndarray:
        every = self.spec.study.record_every or max(1, last // MOST_RECORDS)
        return np.unique(np.append(np.arange(0, last + 1, every), last))

    def moments(self, rate: float) -> np.ndarray:
        """Which of the recorded steps are compared (m,): the last, and earlier ones at equal ratios."""
        last, count = self.steps[rate].size - 1, self.spec.study.moments
        shares = np.geomspace(0.03, 1.0, count) if count > 1 else np.ones(1)
        return np.unique(np.maximum(1, np.round(shares * last))).astype(int)


def is_network_study(path: Path) -> bool:
    """Whether a file names a network other than a deep linear one; what cannot be read does not, and is refused elsewhere."""
    try:
        content = {} if is_result(path) else read_toml(path)
    except (OSError, ValueError):
        return False
    network, study = content.get("network"), content.get("study")
    named = isinstance(network, dict) and not {"model", "module"}.isdisjoint(network)
    return named or ("network" in content and isinstance(study, dict) and "dynamics" in study)


def read_network_study(path: Path, allow_code: bool = False) -> NetworkStudy:
    """Read and check a study file.

    Parameters
    ----------
    path : Path
    allow_code : bool
        Whether a Python module that the file names may be run.

    Raises
    ------
    ValueError
        With one sentence on the first thing that is wrong.
    """
    try:
        spec = Spec.model_validate(read_toml(path))
    except ValidationError as error:
        raise sentence(error, {"study": Study}, Spec) from None
    study = NetworkStudy(path, spec, _recipe(path, spec.network, allow_code))
    _check(study)
    return study


def _recipe(path: Path, network: dict[str, Any], allow_code: bool) -> Recipe:
    parameters = {k: v for k, v in network.items() if k not in ("model", "module", "function", "start_scale")}
    if "module" not in network:
        columns: Mapping[str, np.ndarray] = {}
        if network["model"] == "classifier" and isinstance(parameters.get("data"), str):
            columns = read_csv(file_below(path.parent, parameters.pop("data"), "network.data"), "network.data")
        table = tuple((name, tuple(np.asarray(c, dtype=float).tolist())) for name, c in columns.items())
        return Recipe(network["model"], json.dumps(parameters), table=table)
    if not allow_code:
        then = f"It is Python code, which may do anything; if you trust it: fokkerplanck study {path.name} --allow-code"
        raise bad_value("network.module", "left out unless --allow-code is given", network["module"], then)
    file = file_below(path.parent, network["module"], "network.module")
    text = file.read_text(encoding="utf-8")
    return Recipe(network["function"], json.dumps(parameters), file=str(file), source=text)


def _check(study: NetworkStudy) -> None:
    """Refuse before the work what would fail in it."""
    asked, net = study.spec.study, study.net
    if len(asked.steps) not in (1, len(asked.learning_rate)):
        raise bad_value("study.steps", "one number, or one for each learning rate", list(asked.steps))
    for steps in study.steps.values():
        if steps.size < 20:
            raise bad_value("study.record_every", "such that 20 steps at least are recorded", asked.record_every)
    for rate, (place, one) in itertools.product(asked.learning_rate, enumerate(asked.dynamics)):
        sent = {"batch_size": "study.batch_size", "seed": "study.seed"}
        sent |= dict.fromkeys(("noise", "learning_rate", "replacement", "stability"), f"study.dynamics[{place}]")
        with naming(**sent):
            make_rule(net, seed=asked.seed, **arguments_of(one, rate, asked))


def arguments_of(one: Dynamics, rate: float, asked: Study) -> dict[str, Any]:
    """What `Network.train` is given of a dynamics at a learning rate of the study."""
    own = rate * one.learning_rate_factor
    given = {"learning_rate": own, "batch_size": asked.batch_size, "optimizer": optimizer_of(one, own)}
    return given | {
        name: getattr(one, name) for name in ("noise", "stability", "temperature", "replacement", "shuffle")
    }


@lru_cache(maxsize=64)
def optimizer_of(one: Dynamics, rate: float) -> Any:
    """The optax transformation of a dynamics, the same one in a process, so that it is compiled once; None: a plain step."""
    if one.optimizer == "sgd" and not one.momentum:
        return None
    try:
        import optax
    except ImportError:
        then = "pip install 'fokkerplanck[networks]', or leave momentum and Adam out."
        raise bad_value(
            "study.dynamics", "without momentum and Adam where optax is not installed", one.name, then
        ) from None
    return optax.adam(rate) if one.optimizer == "adam" else optax.sgd(rate, momentum=one.momentum)
