"""Run files: TOML that says what to compute. Data, never code: formulas are parsed, files lie below the run file.

Every complaint is one sentence, "`grid.cells` must be RULE, got VALUE.", followed by the next step.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from ..arguments import nearest
from ..errors import bad_value
from ..storage.csv_columns import read_csv
from ..storage.files import file_below
from .landscape_data import select
from .schema import SECTIONS, Interaction, Output, PoissonLaw, RunSpec, Start

LARGEST_FILE = 2e7  # bytes
OTHER_WORDS = {  # what newcomers write, and what is meant: the first of these that the table knows
    "initial": ("start",), "init": ("start",), "model": ("landscape",), "loss": ("landscape",), "mesh": ("grid",),
    "domain": ("grid", "bounds"), "box": ("bounds",), "limits": ("bounds",), "n": ("cells",), "points": ("cells",),
    "walls": ("boundary",), "monte_carlo": ("simulation",), "lr": ("learning_rate",), "rate": ("learning_rate",),
    "eta": ("learning_rate",), "batch": ("batch_size",), "std": ("deviation",), "sigma": ("deviation", "noise"),
    "D": ("diffusion",), "mu": ("drift", "mean"), "force": ("drift",), "f": ("drift",), "V": ("potential",),
    "U": ("potential",), "coordinates": ("variables",), "names": ("variables",), "memory": ("time_order",),
    "alpha": ("stability",), "levy": ("stability",), "beta": ("time_order",), "kill": ("killing",), "x0": ("point",),
    "at": ("point",), "x": ("point",), "T": ("times",), "t": ("times",), "t_end": ("times",), "tmax": ("times",),
    "region": ("target",), "threshold": ("target",), "first_passage": ("target",), "share": ("shares",),
    "solve": ("solver",), "sources": ("source",), "inflow": ("source",), "step": ("dt",), "n_paths": ("paths",),
    "expectation": ("observe",), "mean_field": ("interaction",), "probability": ("shares",),
    "law": ("distribution", "covariance"), "size": ("sizes",), "variance": ("covariance",),
}  # fmt: skip


@dataclass(frozen=True)
class RunFile:
    """A run file that was read and checked.

    Attributes
    ----------
    path : Path
    spec : RunSpec
    version : str
        That of the package which wrote the result file it comes from; empty for a run file.
    """

    path: Path
    spec: RunSpec
    version: str = ""

    def record(self) -> dict[str, Any]:
        """All of it as plain values, the data of a CSV file included: what results keep of it."""
        content = self.spec.model_dump(mode="json", exclude_defaults=True, warnings=False)
        landscape = self.spec.landscape
        if landscape is not None and isinstance(landscape.data, str):
            content["landscape"] = {"loss": landscape.loss, "parameters": list(landscape.parameters)}
            content["landscape"]["data"] = {name: np.asarray(v).tolist() for name, v in self.data().items()}
        return content

    def data(self) -> dict[str, Any]:
        """The columns of the landscape's data, read from its CSV file where it names one."""
        landscape = self.spec.landscape
        assert landscape is not None
        if isinstance(landscape.data, str):
            return select(read_csv(file_below(self.path.parent, landscape.data, "landscape.data")), landscape)
        for key in ("columns", "where"):
            if getattr(landscape, key) is not None:
                raise bad_value(f"landscape.{key}", "left out where data are given in place", getattr(landscape, key))
        return landscape.data


def read_run_file(path: str | os.PathLike) -> RunFile:
    """Read and check a run file, or the run file that a result of `fokkerplanck run` (.nc) keeps.

    Raises
    ------
    ValueError
        With one sentence on the first thing that is wrong.
    """
    file = Path(path)
    if is_result(file):
        return _recorded(file)
    return RunFile(file, checked(read_toml(file)))


def checked(content: dict[str, Any]) -> RunSpec:
    """What a run file says, from its content as `tomllib` reads it; the first thing that is wrong is refused."""
    try:
        spec = RunSpec.model_validate(content)
    except ValidationError as error:
        raise sentence(error) from None
    _check_sections(spec)
    return spec


def is_result(file: Path) -> bool:
    """Whether a file holds a result. Pipes and devices hold nothing, and are not opened."""
    if not _is_file(file):
        return False
    with open(file, "rb") as opened:
        return file.suffix == ".nc" or opened.read(8) == b"\x89HDF\r\n\x1a\n"


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a loop of links, a name with NUL
        return False


def _recorded(file: Path) -> RunFile:
    """The run file in a result file."""
    from ..results.loading import load

    settings = load(file).settings
    if "run_file" not in settings:
        then = "It was saved from Python, and holds densities but no equation: run your script again."
        raise bad_value("FILE", "a run file, or a result that `fokkerplanck run` wrote", str(file), then)
    return RunFile(file, checked(settings["run_file"]), settings["version"])


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file."""
    if not _is_file(file):
        then = "`fokkerplanck init FILE.toml` writes one to start from."
        raise bad_value("FILE", "an existing run file", str(file), then)
    if file.stat().st_size > LARGEST_FILE:
        then = "Put the data of a landscape into a CSV file beside it."
        raise bad_value("FILE", f"at most {LARGEST_FILE:.0e} bytes long", str(file), then)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise bad_value("FILE", "a text file in UTF-8", str(file)) from None
    except RecursionError:
        raise bad_value("FILE", "nested less deeply", str(file)) from None
    except ValueError as error:  # tomllib's own, or a number of thousands of digits
        then = "Formulas and words stand in quotes. " if "Invalid value" in str(error) else ""
        raise bad_value("FILE", "valid TOML", str(error), f"{then}That is in {file}.") from None


def sentence(
    error: ValidationError,
    sections: Mapping[str, type[BaseModel]] = SECTIONS,
    whole: type[BaseModel] = RunSpec,
) -> ValueError:
    """The first complaint of pydantic in our words."""
    first = min(error.errors(), key=lambda e: (e["type"] != "extra_forbidden", e["type"] == "missing"))
    place = [str(part) for part in first["loc"]]
    name, value = ".".join(place), first.get("input")
    model = sections.get(place[0], whole) if len(place) > 1 else whole
    inner: dict[str, type[BaseModel]] = {"jumps": PoissonLaw, "interaction": Interaction}
    if place[:1] == ["equation"] and len(place) > 2:
        model = inner.get(place[1], model)
    if first["type"] == "rule":
        context = first.get("ctx", {})
        return bad_value(name, context["rule"], value, context["then"])
    if first["type"] == "missing":
        then = f"Add a table [{name}]." if name in sections else f"Write {place[-1]} = ... under [{place[0]}]."
        return bad_value(name, "given", "no such key", then)
    if first["type"] == "extra_forbidden":
        known = sorted(model.model_fields)
        then = _suggestion(place[-1], known, sections)
        return bad_value(name, f"one of {', '.join(known)}", place[-1], then)
    such_as = {"jumps": "Such as { rate = 2.0, covariance = 0.25 }.", "interaction": "Such as { swarm = 0.5 }."}
    return bad_value(name, f"a table [{name}]", value, such_as.get(place[-1], ""))


def _suggestion(word: str, known: list[str], sections: Mapping[str, type[BaseModel]]) -> str:
    """Which of the known keys is meant, or which key of another table."""
    close = _nearest(word, known)
    if close:
        return f"Did you mean {close!r}?"
    elsewhere = ((name, _nearest(word, list(section.model_fields))) for name, section in sections.items())
    return next((f"Did you mean {close!r} under [{name}]?" for name, close in elsewhere if close), "")


def _nearest(word: str, known: list[str]) -> str | None:
    meant = [name for name in OTHER_WORDS.get(word, ()) if name in known]
    return meant[0] if meant else nearest(word, known, cutoff=0.65)


def _check_sections(spec: RunSpec) -> None:
    if (spec.landscape is None) == (spec.equation is None):
        got = "both" if spec.landscape else "neither"
        raise bad_value("landscape", "given, or [equation] instead of it", got, "Keep exactly one of the two tables.")
    if spec.landscape is not None and spec.sgd is None:
        raise bad_value(
            "sgd", "given together with [landscape]", "no such table", "Add [sgd] with learning_rate = 0.01."
        )
    if spec.equation is not None and spec.sgd is not None:
        raise bad_value("sgd", "left out of a run with [equation]", "a table [sgd]", "SGD needs a [landscape].")
    if spec.equation is not None and spec.output.models != Output.model_fields["models"].default:
        then = "Models of SGD need a [landscape]."
        raise bad_value("output.models", "left out of a run with [equation]", list(spec.output.models), then)
    if spec.landscape is not None and any(t != int(t) for t in spec.output.times):
        raise bad_value("output.times", "whole numbers of steps", list(spec.output.times))
    given = [name for name in ("tol", "cells", "width") if getattr(spec.grid, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none of them"
        rule = "given, or `cells`, or in one dimension `width`: one of the three"
        raise bad_value("grid.tol", rule, got, "Such as tol = 1e-3: cells are then chosen.")
    if spec.grid.width is not None and len(spec.variables) > 1:
        raise bad_value("grid.width", "used in one dimension only", spec.grid.width, "Write cells = [...] instead.")
    _check_what_enters(spec)
    _check_simulation(spec)


def _check_what_enters(spec: RunSpec) -> None:
    """The start, resets and a source, each of one kind."""
    if spec.start is None and spec.source is None:
        raise bad_value("start", "given, or a [source] into an empty box", "no such table", "Add a table [start].")
    for name in ("start", "reset", "source"):
        table = getattr(spec, name)
        if table is not None:
            _check_start(name, table)
    if spec.source is not None and spec.source.rate is None and spec.source.density is None:
        rule = "given beside where it enters, or `density` as mass per volume and time"
        raise bad_value("source.rate", rule, None, "Such as rate = 2.0, mass per time.")
    if spec.landscape is None:
        return
    for name in ("reset", "source", "solver"):
        if getattr(spec, name) != RunSpec.model_fields[name].default:
            then = "SGD leaves no box." if name != "solver" else "Models of SGD are solved as they are."
            raise bad_value(name, "left out of a run with [landscape]", f"a table [{name}]", then)
    if spec.output.observe:
        then = "It is told of an [equation]."
        raise bad_value("output.observe", "left out of a run with [landscape]", dict(spec.output.observe), then)


def _check_simulation(spec: RunSpec) -> None:
    """Steps of dt for an equation, which SGD has none of."""
    given = spec.simulation
    if given is None:
        return
    if spec.landscape is not None:
        for key in ("dt", "swarm_size"):
            if getattr(given, key) is not None:
                raise bad_value(f"simulation.{key}", "left out of a run with [landscape]", getattr(given, key))
        return
    if given.dt is None:
        then = "A tenth of the shortest time in which the drift changes something, such as dt = 0.01."
        raise bad_value("simulation.dt", "given with [equation]: the step of the paths", "no such key", then)
    if spec.source is not None:
        raise bad_value(
            "simulation", "left out with [source]", "a table [simulation]", "Paths of a start are simulated."
        )


def _check_start(name: str, start: Start) -> None:
    given = {key for key in Start.model_fields if getattr(start, key) is not None}
    allowed = ({"mean", "deviation"}, {"mean", "covariance"}, {"point"}, {"low", "high"}, {"density"}, {"samples"})
    if given not in allowed:
        rule = "mean with deviation or covariance, a point, low with high, a density, or samples"
        raise bad_value(name, rule, " and ".join(sorted(given)) or "an empty table")


@contextmanager
def naming(**sections: str) -> Iterator[None]:
    """Let complaints about the arguments named here speak of the keys of the run file instead."""
    try:
        yield
    except (TypeError, ValueError) as error:
        match = re.match(r"`(\w+)([^`]*)`", str(error))
        if match is None or match[1] not in sections:
            raise
        raise ValueError(f"`{sections[match[1]]}{match[2]}`{str(error)[match.end() :]}") from error
