"""What a run file puts into the box, as the calls of the package take it: the start, resets and a source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..formulas.parser import parse
from ..model.initial_density import from_samples, gaussian, point, uniform
from .equation_section import names_time, plain, read_formulas
from .runfile import naming
from .schema import RunSpec, Source, Start


def start_of(spec: RunSpec) -> Any:
    """The initial density, or None for a box that is empty at first."""
    return None if spec.start is None else density_of(spec.start, "start", spec.variables)


def density_of(start: Start, table: str, variables: tuple[str, ...]) -> Any:
    """The density of a table such as [start]."""
    spread = f"{table}.deviation" if start.covariance is None else f"{table}.covariance"
    words = {"mean": f"{table}.mean", "std_or_cov": spread, "x": f"{table}.point", "low": f"{table}.low"}
    with naming(**words, samples=f"{table}.samples"):
        if start.mean is not None:
            return gaussian(start.mean, start.covariance if start.deviation is None else _scalar(start.deviation))
        if start.density is not None:
            return plain(parse(start.density, variables, name=f"{table}.density"))
        if start.samples is not None:
            return from_samples(start.samples)
        return point(start.point) if start.point is not None else uniform(start.low, start.high)


def _scalar(values: tuple[float, ...]) -> Any:
    return values[0] if len(values) == 1 else values


def entering_of(spec: RunSpec) -> dict[str, Any]:
    """What enters besides, as arguments of `fokkerplanck.solve` and `fokkerplanck.stationary`."""
    found: dict[str, Any] = {}
    if spec.reset is not None:
        found = {"reset": density_of(spec.reset, "reset", spec.variables), "delay": spec.reset.delay}
    if spec.source is not None:
        found["source"] = _source_of(spec.source, spec.variables)
    return found


def _source_of(source: Source, variables: tuple[str, ...]) -> Any:
    """Mass per volume and time as a function, or a rate with the density that it is spread like."""
    if source.rate is None:
        return read_formulas(source.density, variables, "source.density")
    density = density_of(source, "source", variables)
    return (_rate(source.rate) if isinstance(source.rate, str) else source.rate), density


def _rate(text: str) -> float | Callable[[Any], np.ndarray]:
    """A formula in the time; one without it is a number."""
    formula = parse(text, ("t",), name="source.rate")
    return (lambda t: formula.evaluate(t)) if names_time(text, ()) else float(formula.evaluate(0.0))
