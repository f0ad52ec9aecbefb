"""What an equation's section of a run file says: formulas as functions, and jumps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import bad_value
from ..formulas.parser import Formula, parse
from ..model.levy import LevyJumps
from ..model.poisson import PoissonJumps
from .schema import Equation, PoissonLaw


def jumps_of(equation: Equation) -> LevyJumps | PoissonJumps | None:
    """Levy noise or finite-rate jumps of a run file."""
    if equation.jumps is None:
        if equation.stability is None:
            return None
        scale = 1.0 if equation.scale is None else read_formulas(equation.scale, equation.variables, "equation.scale")
        return LevyJumps(equation.stability, scale)
    if equation.stability is not None:
        raise bad_value("stability", "left out beside jumps", equation.stability, "One kind of jumps at a time.")
    rate = read_formulas(equation.jumps.rate, equation.variables, "equation.jumps.rate")
    return PoissonJumps(rate, _jump_law(equation.jumps))


def _jump_law(jumps: PoissonLaw) -> Any:
    """The one law of jumps that a run file names."""
    given = [name for name in ("covariance", "sizes", "distribution", "kernel") if getattr(jumps, name) is not None]
    if len(given) != 1:
        rule = "given one of covariance, sizes, distribution and kernel"
        raise bad_value("jumps", rule, " and ".join(given) or "none", "Such as { rate = 2.0, covariance = 0.25 }.")
    if (jumps.sizes is None) != (jumps.weights is None):
        raise bad_value("weights", "given together with sizes", jumps.weights)
    if jumps.parameters is not None and jumps.distribution is None:
        raise bad_value("parameters", "left out without distribution", jumps.parameters)
    if jumps.kernel is not None:
        return plain(parse(jumps.kernel, ("start", "end"), name="equation.jumps.kernel"))
    if jumps.distribution is not None:
        return _frozen(jumps.distribution, jumps.parameters or {})
    return jumps.covariance if jumps.sizes is None else (jumps.sizes, jumps.weights)


def _frozen(name: str, parameters: dict[str, float]) -> Any:
    """A distribution of scipy.stats."""
    from scipy import stats  # which takes long to load

    law = getattr(stats, name, None)
    if not isinstance(law, (stats.rv_continuous, stats.rv_discrete)):
        raise bad_value("distribution", "a distribution of scipy.stats", name, 'Such as "norm" or "expon".')
    try:
        return law(**parameters)
    except TypeError as error:
        shapes = ", ".join(filter(None, [law.shapes, "loc", "scale"]))
        raise bad_value("parameters", f"among {shapes} for {name}", parameters) from error


def read_formulas(value: Any, names: tuple[str, ...], key: str) -> Any:
    """Formulas as functions of the coordinates, and of the time t where they name it and no coordinate is called so."""
    if isinstance(value, list):
        return [read_formulas(entry, names, key) for entry in value]
    if not isinstance(value, str):
        return value
    if "t" in names or re.search(r"\bt\b", value) is None:
        return plain(parse(value, names, name=key))
    formula = parse(value, (*names, "t"), name=key)
    return lambda *coordinates, t: formula.evaluate(*coordinates, t)


def plain(formula: Formula) -> Callable[..., np.ndarray]:
    """A formula as a plain function of the coordinates: a coordinate called t is no time."""
    return lambda *coordinates: formula.evaluate(*coordinates)
