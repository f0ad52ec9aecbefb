"""A network from what a study file says of it: a toy model by name, or a function of a Python file."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.abc import ExecutionLoader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import numpy as np

from ... import networks
from ...arguments import nearest
from ...errors import bad_type, bad_value
from ...networks import LossFunctions
from ..runfile import naming

TOYS: dict[str, Callable[..., LossFunctions]] = {
    "classifier": networks.classifier,
    "digits": networks.digits,
    "modular": networks.modular,
    "parity": networks.parity,
    "superposition": networks.superposition,
}


@dataclass(frozen=True)
class Recipe:
    """All that makes a network, so that it can be made in another process.

    Attributes
    ----------
    name : str
        Of a toy model, or of the function in `source`.
    parameters : str
        Its keyword arguments, as JSON.
    table : tuple of (name, column)
        Data of a classifier.
    file, source : str
        A Python file and its text; empty for a toy model.
    """

    name: str
    parameters: str
    table: tuple[tuple[str, tuple[float, ...]], ...] = ()
    file: str = ""
    source: str = ""


@lru_cache(maxsize=2)
def build(recipe: Recipe) -> LossFunctions:
    """The network of a recipe; one and the same in a process, so that it is compiled once."""
    parameters = json.loads(recipe.parameters)
    if recipe.source:
        return _of_module(recipe, parameters)
    if recipe.name not in TOYS:
        then = "Deep linear networks have `widths` instead; others are given by `module` and `function`."
        close = nearest(recipe.name, list(TOYS))
        raise bad_value(
            "network.model",
            f"one of {', '.join(TOYS)}",
            recipe.name,
            f"Did you mean {close!r}? {then}" if close else then,
        )
    if recipe.name == "classifier":
        parameters |= _samples(recipe, parameters.pop("labels", None))
    function = TOYS[recipe.name]
    known = set(inspect.signature(function).parameters)
    _check_names(parameters, known)
    try:
        with naming(**{name: f"network.{name}" for name in known}):
            return function(**parameters)
    except ImportError as error:
        raise bad_value("network.model", "one whose packages are installed", recipe.name, str(error)) from None


def _samples(recipe: Recipe, labels: Any) -> dict[str, np.ndarray]:
    """Inputs in units of their deviations from the mean, and labels, of the table of a classifier."""
    columns = {name: np.array(column) for name, column in recipe.table}
    if not columns:
        raise bad_value("network.data", "the name of a CSV file below this folder", "no such key")
    if labels not in columns:
        raise bad_value("network.labels", f"one of the columns {', '.join(columns)}", labels)
    y = columns.pop(labels)
    if not columns or not np.isfinite([*columns.values(), y]).all():
        raise bad_value("network.data", "a table of labels and inputs, all finite", list(columns))
    if (y % 1.0).any() or y.min() < 0.0:
        raise bad_value("network.labels", "a column of whole numbers from 0 on", labels)
    x = np.column_stack(list(columns.values()))
    spread = x.std(axis=0)
    return {"inputs": (x - x.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0), "labels": y.astype(int)}


def _check_names(parameters: dict[str, Any], known: set[str]) -> None:
    for name in parameters:
        if name not in known:
            close = nearest(name, sorted(known))
            then = f"Did you mean {close!r}?" if close else ""
            raise bad_value(f"network.{name}", f"one of {', '.join(sorted(known))}", name, then)


class _Text(ExecutionLoader):
    """Imports the text of a Python file, which another machine may not have."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self.recipe.source

    def get_filename(self, fullname: str) -> str:
        """The file, for tracebacks."""
        return self.recipe.file


def _of_module(recipe: Recipe, parameters: dict[str, Any]) -> LossFunctions:
    """The network that a function of a Python file returns."""
    path = Path(recipe.file)
    loader = _Text(recipe)
    spec = ModuleSpec(path.stem, loader, origin=recipe.file)
    spec.has_location = True  # __file__
    module = module_from_spec(spec)
    with _importable(path.parent):
        loader.exec_module(module)
        function = getattr(module, recipe.name, None)
        if not callable(function):
            raise bad_value("network.function", f"a function of {path.name}", recipe.name)
        net = function(**parameters)
    if not isinstance(net, LossFunctions):
        raise bad_type("network.function", "a function that returns a fokkerplanck.networks.Network", net)
    return net


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a file import those beside it, as a script may."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
