"""Fit files: TOML that names trajectories and a family of equations, to a report, a table and a figure.

[data]
file = "runs.csv"             # below the fit file: .csv, .npz or .npy, as for `fokkerplanck.Paths`
dt = 1.0                      # time of a row, or of a step where the table has a column of steps
lag = 1
columns = "coordinates"       # or "runs": what columns are where none is called `run`; left out where their names say it

[model]                       # left out: drift and diffusion as splines (one coordinate)
variables = ["x"]
drift = "-k*x"                # a list with one formula an axis
diffusion = "D"               # a formula, or a list with one an axis
start = { k = 1.0, D = 0.5 }  # the parameters, and where the fit starts
walls = [[0, 1]]              # reflecting, one pair an axis; may be left out
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import bad_value
from ..formulas.parser import Formula, parse
from ..inference import Fit, Paths, fit
from ..inference.reading import MEANINGS
from ..model.equation import FokkerPlanck
from ..storage.files import file_below, write_text
from ..storage.tables import Comparison
from .runfile import naming, read_toml, sentence
from .schema import number, require, rule, whole

STRICT = ConfigDict(extra="forbid", frozen=True)
LEVEL = 0.9


def _positive(value: Any) -> float:
    require(number(value) > 0.0)
    return float(value)


def _text(value: Any) -> str:
    require(isinstance(value, str) and bool(value.strip()))
    return str(value)


def _meaning(value: Any) -> str:
    require(value in MEANINGS)
    return str(value)


def _formulas(value: Any) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    require(bool(entries))
    return tuple(_text(entry if isinstance(entry, str) else str(number(entry))) for entry in entries)


def _names(value: Any) -> tuple[str, ...]:
    require(isinstance(value, list) and bool(value) and len(set(value)) == len(value))
    return tuple(_text(entry) for entry in value)


def _start(value: Any) -> dict[str, float]:
    require(isinstance(value, dict) and bool(value))
    return {_text(name): number(entry) for name, entry in value.items()}


def _pairs(value: Any) -> tuple[tuple[float, float], ...]:
    require(isinstance(value, list) and bool(value))
    pairs = tuple((number(low), number(high)) for low, high in value)
    require(all(low < high for low, high in pairs))
    return pairs


FORMULAS = rule("a formula, or a list with one an axis", _formulas, 'Such as "-k*x".')


class Data(BaseModel):
    """The trajectories."""

    model_config = STRICT
    file: Annotated[str, rule("the name of a file", _text)]
    dt: Annotated[float, rule("a positive number", _positive)] = 1.0
    lag: Annotated[int, rule("a whole number of at least 1", whole)] = 1
    columns: Annotated[str | None, rule('"coordinates" or "runs"', _meaning)] = None


class Model(BaseModel):
    """The family of equations."""

    model_config = STRICT
    drift: Annotated[tuple[str, ...], FORMULAS]
    diffusion: Annotated[tuple[str, ...], FORMULAS]
    start: Annotated[dict[str, float], rule("a table of parameters with numbers", _start, "Such as { k = 1.0 }.")]
    variables: Annotated[tuple[str, ...], rule("a list of different names", _names)] = ("x",)
    walls: Annotated[
        tuple[tuple[float, float], ...] | None, rule("a list of pairs [low, high]", _pairs, "Such as [[0, 1]].")
    ] = None


class FitSpec(BaseModel):
    """A fit file."""

    model_config = STRICT
    data: Data
    model: Model | None = None


def run_fit(file: Path, folder: Path) -> tuple[Fit, list[Path]]:
    """Fit what a file asks for; writes report.txt, parameters.csv (or coefficients.csv) and, in 1D, fit.png.

    Returns
    -------
    Fit, and the files that were written.
    """
    try:
        spec = FitSpec.model_validate(read_toml(file))
    except ValidationError as error:
        raise sentence(error) from None
    with naming(columns="data.columns"):
        data = Paths(file_below(file.parent, spec.data.file, "data.file"), dt=spec.data.dt, columns=spec.data.columns)
    if spec.model is None:
        found = fit(data, lag=spec.data.lag)
    else:
        _check_axes(spec.model, data)
        walls = None if spec.model.walls is None else list(spec.model.walls)
        found = fit(data, _family(spec.model), spec.model.start, spec.data.lag, walls)
    return found, _write(found, folder)


def _check_axes(model: Model, data: Paths) -> None:
    for key, entries in (("variables", model.variables), ("drift", model.drift)):
        if len(entries) != data.dim:
            raise bad_value(f"model.{key}", f"{data.dim} entries, as the data have coordinates", list(entries))
    if len(model.diffusion) not in (1, data.dim):
        raise bad_value("model.diffusion", f"one formula, or {data.dim}", list(model.diffusion))
    if model.walls is not None and len(model.walls) != data.dim:
        raise bad_value("model.walls", f"{data.dim} pairs, as the data have coordinates", model.walls)


def _family(model: Model) -> Any:
    """A function of the parameters, with their starts as defaults, that returns the equation."""
    names = [*model.variables, *model.start]
    drift = [parse(text, names, name="model.drift") for text in model.drift]
    noise = [parse(text, names, name="model.diffusion") for text in model.diffusion]

    def family(**parameters: float) -> FokkerPlanck:
        values = [parameters[name] for name in model.start]

        def at(formula: Formula) -> Any:
            return lambda *coords: formula(*coords, *values)

        return FokkerPlanck(
            drift=[at(f) for f in drift], diffusion=[at(f) for f in noise] if noise[1:] else at(noise[0])
        )

    kind = inspect.Parameter.KEYWORD_ONLY
    entries = [inspect.Parameter(name, kind, default=value) for name, value in model.start.items()]
    family.__signature__ = inspect.Signature(entries)  # type: ignore[attr-defined]
    return family


def _write(found: Fit, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rows = tuple((name, value, found.standard_errors[name]) for name, value in found.parameters.items())
    table = Comparison(("parameter", "value", "standard error"), rows)
    paths = [folder / "report.txt", folder / "parameters.csv"]
    write_text(paths[0], found.report() + "\n")
    table.save_csv(str(paths[1]))
    if found.data.dim == 1:
        paths.append(folder / "fit.png")
        found.plot(LEVEL).savefig(paths[-1], dpi=150)
    return paths
