"""What an equation's section of a run file says: formulas as functions, and jumps."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import bad_value
from ..formulas.parser import Formula, parse
from ..model.equation import Swarm
from ..model.levy import LevyJumps
from ..model.mean_field import MeanField
from ..model.pair_force import PairForce
from ..model.poisson import PoissonJumps
from .runfile import naming
from .schema import Equation, Interaction, PoissonLaw


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


def interaction_of(equation: Equation) -> Swarm | MeanField | PairForce | None:
    """What each reads of all, in a run file."""
    given = equation.interaction
    if given is None:
        return None
    kinds = [name for name in ("swarm", "pair_force", "pair_potential", "observe") if getattr(given, name) is not None]
    if len(kinds) != 1:
        rule = "given one of swarm, pair_force, pair_potential and observe"
        raise bad_value("equation.interaction", rule, " and ".join(kinds) or "none", "Such as { swarm = 0.5 }.")
    (kind,) = kinds
    beside = {"pair_force": {"strength"}, "pair_potential": {"strength"}, "observe": {"force", "diffusion"}}.get(
        kind, set()
    )
    for name in {"strength", "force", "diffusion"} - beside:
        if getattr(given, name) is not None:
            raise bad_value(f"equation.interaction.{name}", f"left out beside {kind}", getattr(given, name))
    if kind == "swarm":
        assert given.swarm is not None
        return Swarm(given.swarm)
    if given.observe is not None:
        return _mean_field(given, equation.variables)
    read = together(read_formulas(getattr(given, kind), equation.variables, f"equation.interaction.{kind}", False))
    strength = 1.0 if given.strength is None else given.strength
    return PairForce(read, strength=strength) if kind == "pair_force" else PairForce(potential=read, strength=strength)


def _mean_field(given: Interaction, names: tuple[str, ...]) -> MeanField:
    """Averages m1, m2, ... and what reads them."""
    assert given.observe is not None
    means = tuple(f"m{k}" for k in range(1, len(given.observe) + 1))
    if taken := set(means) & set(names):
        raise bad_value("equation.variables", "none that averages are called", sorted(taken), f"They are {means}.")
    parts: dict[str, Any] = {}
    for key in ("force", "diffusion"):
        if getattr(given, key) is not None:
            whole = together(read_formulas(getattr(given, key), (*names, *means), f"equation.interaction.{key}", False))
            parts[key] = partial(_of_averages, whole)
    with naming(force="equation.interaction.force"):
        return MeanField(
            together(read_formulas(list(given.observe), names, "equation.interaction.observe", False)), **parts
        )


def _of_averages(whole: Callable[..., Any], *arguments: Any) -> Any:
    """A function of coordinates and single averages, called with the averages in one array."""
    return whole(*arguments[:-1], *arguments[-1])


def together(parts: Any) -> Callable[..., Any]:
    """One function for a formula, or for nested lists of them and numbers."""

    def answer(part: Any, arguments: tuple[Any, ...]) -> Any:
        if isinstance(part, list):
            return [answer(one, arguments) for one in part]
        return part(*arguments) if callable(part) else part + 0.0 * arguments[0]

    return lambda *arguments: answer(parts, arguments)


def read_formulas(value: Any, names: tuple[str, ...], key: str, timed: bool = True) -> Any:
    """Formulas as functions of the coordinates, and if `timed` of t where they name it and no coordinate is called so."""
    if isinstance(value, list):
        return [read_formulas(entry, names, key, timed) for entry in value]
    if not isinstance(value, str):
        return value
    if not (timed and names_time(value, names)):
        return plain(parse(value, names, name=key))
    formula = parse(value, (*names, "t"), name=key)
    return lambda *coordinates, t: formula.evaluate(*coordinates, t)


def names_time(text: str, names: tuple[str, ...]) -> bool:
    """Whether a formula or a condition reads the time t, which no coordinate is called."""
    return "t" not in names and re.search(r"\bt\b", text) is not None


def plain(formula: Formula) -> Callable[..., np.ndarray]:
    """A formula as a plain function of the coordinates: a coordinate called t is no time."""
    return lambda *coordinates: formula.evaluate(*coordinates)
