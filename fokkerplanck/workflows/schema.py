"""What a run file may say: sections, keys and the rule for each value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator
from pydantic_core import PydanticCustomError

from ..formulas.parser import parse


def rule(rule: str, check: Callable[[Any], Any], then: str = "") -> PlainValidator:
    """A validator that refuses whatever `check` raises on, with a sentence for the user."""

    def validate(value: Any) -> Any:
        try:
            return check(value)
        except (TypeError, ValueError, OverflowError):
            raise PydanticCustomError("rule", "rule", {"rule": rule, "then": then}) from None

    return PlainValidator(validate)


def require(condition: bool) -> None:
    """Refuse a value that breaks its rule."""
    if not condition:
        raise ValueError


def _text(value: Any) -> str:
    require(isinstance(value, str) and bool(value.strip()))
    return str(value)


def number(value: Any) -> float:
    """A finite number."""
    require(isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))
    return float(value)


def whole(value: Any, least: int = 1) -> int:
    """A whole number of at least `least`, and no longer than a seed needs to be."""
    require(isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**128)
    return int(value)


def _batch(value: Any) -> int | None:
    return None if value in ("full", None) else whole(value)


def _batches(value: Any) -> tuple[int, ...]:
    sizes = tuple(whole(b) for b in (value if isinstance(value, list) else [value]))
    require(0 < len(sizes) == len(set(sizes)))
    return sizes


def numbers(value: Any) -> tuple[float, ...]:
    """A list of finite numbers."""
    require(not isinstance(value, list) or bool(value))
    return tuple(number(v) for v in value) if isinstance(value, list) else (number(value),)


def _rates(value: Any) -> tuple[float, ...]:
    rates = numbers(value)
    require(min(rates) > 0.0 and len(set(rates)) == len(rates))
    return rates


def _times(value: Any) -> tuple[float, ...]:
    times = numbers(value)
    require(times[0] >= 0.0 and all(a < b for a, b in itertools.pairwise(times)))
    return times


def _within(low: float, high: float) -> Callable[[Any], float]:
    """A check for numbers from `low` to below `high`."""

    def check(value: Any) -> float:
        require(low <= number(value) < high)
        return float(value)

    return check


def _flag(value: Any) -> bool:
    require(isinstance(value, bool))
    return bool(value)


def _words(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    require(isinstance(words, list) and bool(words) and len(set(words)) == len(words))
    return tuple(_text(w) for w in words)


def _named(value: Any) -> dict[str, float]:
    require(isinstance(value, dict) and bool(value))
    return {key: number(entry) for key, entry in value.items()}


def _matrix(value: Any) -> Any:
    """A number, or lists of numbers nested at most two deep."""
    return (
        [list(numbers(v)) if isinstance(v, list) else number(v) for v in value]
        if isinstance(value, list)
        else number(value)
    )


def _columns(value: Any) -> dict[str, str]:
    require(isinstance(value, dict) and bool(value))
    return {key: _text(entry) for key, entry in value.items()}


def _data(value: Any) -> str | dict[str, list[float]]:
    if isinstance(value, str):
        return _text(value)
    require(isinstance(value, dict) and bool(value) and all(isinstance(v, list) for v in value.values()))
    return {key: list(numbers(column)) for key, column in value.items()}


def _formulas(value: Any, depth: int = 0) -> Any:
    """A formula or number, or lists of them nested at most two deep."""
    if isinstance(value, list):
        require(depth < 2 and bool(value))
        return [_formulas(v, depth + 1) for v in value]
    return _text(value) if isinstance(value, str) else number(value)


def _length(value: Any) -> float:
    """A positive number, or a formula of numbers."""
    found = number(float(parse(value, ()).evaluate()) if isinstance(value, str) else value)
    require(found > 0.0)
    return found


def _convention(value: Any) -> str | float:
    return value if isinstance(value, str) else number(value)


def _tolerance(value: Any) -> float:
    require(0.0 < number(value) < 1.0)
    return float(value)


def _anything(value: Any) -> Any:
    return value  # the grid checks its own arguments


_FORMULA = "a formula, that is a string"


Text = Annotated[str, rule("a string", _text)]


FormulaText = Annotated[str, rule(_FORMULA, _text, "Put it in quotes.")]


Formulas = Annotated[Any, rule("a formula, a number or a list of these", _formulas, "Put formulas in quotes.")]


Names = Annotated[tuple[str, ...], rule("a list of different names", _words, 'Such as ["w"].')]


Vector = Annotated[tuple[float, ...], rule("a number or a list of numbers", numbers)]


class Section(BaseModel):
    """A table of a run file: no key beyond those it names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Landscape(Section):
    """A loss per sample, and the samples."""

    loss: FormulaText
    parameters: Names
    data: Annotated[Any, rule("columns such as { x = [0, 1] }, or the name of a CSV file", _data)]
    columns: Annotated[dict[str, str] | None, rule('names of CSV columns such as { x = "petal_width" }', _columns)] = (
        None
    )
    where: Annotated[str | None, rule("a condition on CSV columns, in quotes", _text, 'Such as "species >= 1".')] = None


class PoissonLaw(Section):
    """Finite-rate jumps: how often, and one law of their sizes.

    covariance: Gaussian, a variance or a matrix; sizes with weights; distribution, a name of scipy.stats, with parameters;
    kernel: the density k(start, end) of the end, by formula.
    """

    rate: Annotated[Any, rule("a number or a formula", _formulas, "Put formulas in quotes.")]
    covariance: Annotated[Any, rule("a number or a matrix of numbers", _matrix)] = None
    sizes: Annotated[Any, rule("a list of numbers, or of lists of them", _matrix)] = None
    weights: Annotated[tuple[float, ...] | None, rule("a list of numbers", numbers)] = None
    distribution: Annotated[str | None, rule("a word", _text, 'Such as "expon".')] = None
    parameters: Annotated[dict[str, float] | None, rule("a table of numbers", _named, "Such as { scale = 0.4 }.")] = (
        None
    )
    kernel: Annotated[str | None, rule("a formula in start and end", _text, "Put it in quotes.")] = None


class Interaction(Section):
    """What each reads of all: one of swarm, pair_force and pair_potential, or observe with force, diffusion or both.

    swarm: the strength of a pull to the mean; pair_force F and pair_potential W: formulas of the difference, in the names of
    the coordinates, with a strength; observe: formulas whose means are called m1, m2, ... in force and diffusion.
    """

    swarm: Annotated[float | None, rule("a number", number)] = None
    pair_force: Formulas | None = None
    pair_potential: Annotated[str | None, rule(_FORMULA, _text, "Put it in quotes.")] = None
    strength: Annotated[float | None, rule("a number", number)] = None
    observe: Annotated[tuple[str, ...] | None, rule("a list of formulas, in quotes", _words, 'Such as ["x"].')] = None
    force: Formulas | None = None
    diffusion: Formulas | None = None


class Equation(Section):
    """A drift and a diffusion (or a potential) by formulas, in which t is the time unless a variable has that name.

    noise: sigma of dX = drift dt + noise dW in place of the diffusion, which is 0 where both are left out.
    time_order below 1: memory; stability with scale: Levy jumps; jumps: at a finite rate, see `PoissonLaw`; killing and
    reactivity: see `fokkerplanck.FokkerPlanck`; interaction: see `Interaction`.
    period: after which all that changes with t repeats; the density that repeats with it is then found.
    """

    variables: Names
    drift: Formulas | None = None
    diffusion: Formulas | None = None
    noise: Formulas | None = None
    potential: Annotated[str | None, rule(_FORMULA, _text, "Put it in quotes.")] = None
    convention: Annotated[Any, rule("a word or a number", _convention)] = "ito"
    time_order: Annotated[float, rule("a number", number)] = 1.0
    stability: Annotated[float | None, rule("a number", number)] = None
    scale: Annotated[Any, rule("a number or a formula", _formulas, "Put formulas in quotes.")] = None
    jumps: PoissonLaw | None = None
    killing: Annotated[Any, rule("a number or a formula", _formulas, "Put formulas in quotes.")] = None
    reactivity: Annotated[Any, rule("a table of walls and numbers", _named, 'Such as { "x high" = 2.0 }.')] = None
    interaction: Interaction | None = None
    period: Annotated[float | None, rule("a positive number, or one in quotes", _length, 'Such as "2*pi".')] = None


class Descent(Section):
    """How SGD runs."""

    learning_rate: Annotated[tuple[float, ...], rule("a positive number, or a list of different ones", _rates)]
    batch_size: Annotated[int | None, rule('a whole number of at least 1, or "full"', _batch)] = 1
    replacement: Annotated[bool, rule("true or false", _flag)] = True
    shuffle: Annotated[bool, rule("true or false", _flag)] = False
    momentum: Annotated[float, rule("a number from 0 to below 1", _within(0.0, 1.0))] = 0.0
    weight_decay: Annotated[float, rule("a number not below 0", _within(0.0, math.inf), "Such as 1e-4.")] = 0.0
    schedule: Annotated[str | None, rule(f"{_FORMULA}, in t", _text, 'Such as "1/(1 + t/100)".')] = None
    langevin_temperature: Annotated[float, rule("a number not below 0", _within(0.0, math.inf))] = 0.0


class GridSection(Section):
    """The grid: so many equal cells an axis, or in one dimension their width as a formula; or the error that is allowed."""

    bounds: Annotated[Any, rule("a pair, or a list of pairs", _anything)]
    cells: Annotated[Any, rule("whole numbers", _anything)] = None
    width: Annotated[str | None, rule(_FORMULA, _text, "Put it in quotes.")] = None
    tol: Annotated[Any, rule("a number above 0 and below 1", _tolerance, "Such as tol = 1e-3.")] = None
    boundary: Annotated[Any, rule("words", _anything)] = "reflecting"


class Start(Section):
    """The initial density: mean with deviation or covariance, a point, low and high of a uniform one, a formula, or samples."""

    mean: Vector | None = None
    deviation: Vector | None = None
    covariance: Annotated[Any, rule("a matrix of numbers", lambda v: [list(numbers(row)) for row in v])] = None
    point: Vector | None = None
    low: Vector | None = None
    high: Vector | None = None
    density: FormulaText | None = None
    samples: Annotated[Any, rule("a list of numbers, or of lists of them", _matrix)] = None


class Source(Start):
    """What is put in from outside: a density, mass per volume and time, or a rate of mass per time spread like a start."""

    rate: Annotated[Any, rule("a number or a formula in t", _formulas, "Put formulas in quotes.")] = None


class Reset(Start):
    """The density with which what leaves the box enters again, written as that of the start, and after which delay."""

    delay: Annotated[float, rule("a number not below 0", _within(0.0, math.inf))] = 0.0


class _Models(Section):
    """The settings that some models of SGD ask for; see `fokkerplanck.sgd.SGD.equation`."""

    temperature: Annotated[float | None, rule("a number", number)] = None
    stability: Annotated[float | None, rule("a number", number)] = None
    scale: Annotated[float | None, rule("a number", number)] = None
    time_order: Annotated[float | None, rule("a number", number)] = None
    strength: Annotated[float | None, rule("a number", number)] = None
    anisotropic: Annotated[bool | None, rule("true or false", _flag)] = None
    drift: Annotated[str | None, rule("a word", _text, 'Such as "second-order".')] = None
    central_flow: Annotated[bool | None, rule("true or false", _flag)] = None


class Solver(Section):
    """How it is solved, see `fokkerplanck.solve`: breaks are times at which coefficients jump, max_step is the longest step."""

    method: Annotated[str | None, rule("a word", _text, 'Such as "auto".')] = None
    rtol: Annotated[float | None, rule("a number above 0 and below 1", _tolerance)] = None
    breaks: Annotated[tuple[float, ...] | None, rule("a list of times", numbers)] = None
    max_step: Annotated[float | None, rule("a number", number)] = None
    error: Annotated[bool, rule("true or false", _flag)] = True


class Output(_Models):
    """What is wanted. observe: formulas whose means are told."""

    times: Annotated[tuple[float, ...], rule("increasing numbers, none below 0", _times, "Sort them and drop repeats.")]
    models: Names = ("first-order",)
    shares: Annotated[tuple[str, ...], rule("a list of conditions, in quotes", _words, 'Such as ["w > 0"].')] = ()
    target: Annotated[str | None, rule("a condition, in quotes", _text, 'Such as "w > 1.3".')] = None
    observe: Annotated[dict[str, str], rule('a table of formulas such as { energy = "x**2" }', _columns)] = {}


class Simulation(Section):
    """The Monte Carlo reference: of SGD itself, or of an equation by steps of dt."""

    paths: Annotated[int, rule("a whole number of at least 2", lambda v: whole(v, 2))] = 20_000
    seed: Annotated[int, rule("a whole number, not below 0", lambda v: whole(v, 0))] = 0
    dt: Annotated[float | None, rule("a number", number)] = None
    swarm_size: Annotated[int | None, rule("a whole number of at least 2", lambda v: whole(v, 2))] = None


class Study(_Models):
    """What `fokkerplanck study` sweeps beside the learning rates: batch sizes, models, and a target to escape to; and a file
    of trajectories, a row a step, by which all of these are ranked over `lag` rows. With `ablate`, the model "refined" again
    without each of its refinements, beside "first-order" and "langevin".
    """

    models: Names = ("first-order", "second-order", "gaussian-chain")
    batch_size: Annotated[
        tuple[int, ...] | None,
        rule("a list of different whole numbers above 0", _batches),
    ] = None
    target: Annotated[str | None, rule("a condition, in quotes", _text, 'Such as "w > 1.3".')] = None
    trajectories: Annotated[str | None, rule("the name of a file", _text)] = None
    lag: Annotated[int, rule("a whole number of at least 1", whole)] = 1
    ablate: Annotated[bool, rule("true or false", _flag)] = False


class RunSpec(Section):
    """A whole run file."""

    title: Text = ""
    landscape: Landscape | None = None
    equation: Equation | None = None
    sgd: Descent | None = None
    grid: GridSection
    start: Start | None = None
    reset: Reset | None = None
    source: Source | None = None
    solver: Solver = Solver()
    output: Output
    simulation: Simulation | None = None
    study: Study | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the coordinates: with momentum, velocities v_NAME stand behind the parameters."""
        if self.landscape is not None:
            from ..sgd.phase_space import coordinate_names

            return coordinate_names(self.landscape.parameters, self.sgd is not None and self.sgd.momentum > 0.0)
        return self.equation.variables if self.equation is not None else ()


SECTIONS: dict[str, type[BaseModel]] = {
    "landscape": Landscape,
    "equation": Equation,
    "sgd": Descent,
    "grid": GridSection,
    "start": Start,
    "reset": Reset,
    "source": Source,
    "solver": Solver,
    "output": Output,
    "simulation": Simulation,
    "study": Study,
}
