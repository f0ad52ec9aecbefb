"""What a run found at rest and on the way to a target, in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..formulas.parser import Condition, parse, parse_condition
from ..model.equation import FokkerPlanck
from ..model.initial_density import initial_masses
from ..results.exit_passage import ExitPassage
from ..results.first_passage import FirstPassage
from ..results.first_passage_in_time import FirstPassageInTime
from ..results.open_solution import OpenSolution
from ..results.open_stationary import OpenStationary, StationaryReset
from ..results.processes import InTime
from ..results.solution import Solution
from ..results.stationary import Stationary
from ..solvers.accuracy.coarsening import start_on_coarser
from ..solvers.accuracy.estimates import estimate
from ..solvers.linear.absorption import TARGET
from .equation_section import names_time, plain
from .schema import RunSpec

ROUNDED = 1e-9  # of a deviation: means below it are zero
WHOLE = 1.0 - 1e-6  # of the probability: what is missing waits outside, and is no rounding
SAME = 1e-5  # of a number: changes over a period that are not worth saying
MOST_TIMES = 6  # of which sentences are made; of more the last one speaks


def conditions(texts: Sequence[str], names: tuple[str, ...], key: str) -> list[tuple[str, Condition]]:
    """Conditions of a run file with their texts."""
    return [(text, parse_condition(text, names, name=key)) for text in texts]


def target_of(spec: RunSpec) -> tuple[str, Callable[..., np.ndarray]] | None:
    """The target with its text, a function of the coordinates, and with an equation of t where it names it."""
    text, names = spec.output.target, spec.variables
    if text is None:
        return None
    if spec.equation is None or not names_time(text, names):
        return text, parse_condition(text, names, name="output.target")
    condition = parse_condition(text, (*names, "t"), name="output.target")
    return text, lambda *coordinates, t: condition(*np.broadcast_arrays(*coordinates, t))


def observed_of(spec: RunSpec) -> dict[str, Callable[..., np.ndarray]]:
    """What is averaged, by name."""
    return {
        name: plain(parse(text, spec.variables, name=f"output.observe.{name}"))
        for name, text in spec.output.observe.items()
    }


def at_rest(
    model: str,
    st: Stationary,
    names: tuple[str, ...],
    shares: list[tuple[str, Condition]],
    observed: Mapping[str, Callable[..., np.ndarray]],
) -> list[str]:
    """Mean and deviation of each coordinate in a stationary density, the probability of each condition and what is observed."""
    mean, deviation = st.mean(), np.sqrt(np.diag(st.covariance()))
    mean = np.where(np.abs(mean) > ROUNDED * deviation, mean, 0.0)
    errors = [""] * len(names)
    if st.error:
        spreads = np.sqrt(deviation**2 + np.diag(st.error["covariance"])) - deviation
        errors = [f" (errors {m:.1g} and {d:.1g})" for m, d in zip(st.error["mean"], spreads, strict=True)]
    moments = "; ".join(
        f"{name} has mean {m:.5g} and deviation {d:.5g}{e}"
        for name, m, d, e in zip(names, mean, deviation, errors, strict=True)
    )
    sentences = [f"At rest{_whose(model)} {moments}."]
    for text, condition in shares:
        sentences.append(f"At rest{_whose(model)} P({text}) = {st.probability(condition):.5g}.")
    for name, value in observed.items():
        found = float((value(*np.broadcast_arrays(*st.grid.coordinates())) * st.masses).sum())
        found += sum(float(value(np.array(x))) * held for x, held in st.atoms.items())
        fed = isinstance(st, OpenStationary) and not isinstance(st, StationaryReset)
        what = f"the integral of {name} over the density" if fed else f"the mean of {name}"
        sentences.append(f"At rest{_whose(model)} {what} is {found:.5g}.")
    if isinstance(st, StationaryReset):
        error = _within(float(st.error["rate"])) if st.error else ""
        sentences.append(f"At rest it is reset {st.rate:.5g}{error} times per unit of time{_by(st.rates, st.rate)}.")
    elif isinstance(st, OpenStationary):
        error = _within(float(st.error["mass"])) if st.error else ""
        flow = f"{st.rate:.5g} enter and leave per unit of time{_by(st.rates, st.rate)}"
        sentences.append(f"At rest the mass in the box is {st.mass:.5g}{error}, and {flow}.")
    return sentences


def over_a_period(model: str, sol: Solution, names: tuple[str, ...], shares: list[tuple[str, Condition]]) -> list[str]:
    """Between what the mean and the deviation of each coordinate, each probability and the rates move over a period."""
    over = f"Over a period of {sol.times[-1]:.5g}"
    mean, deviation = sol.mean(), np.sqrt(np.diagonal(sol.covariance(), axis1=1, axis2=2))
    sentences = []
    for axis, name in enumerate(names):
        error = _within(float(np.max(sol.error["mean"][:, axis]))) if sol.error else ""
        moves = (
            f"mean {_between(mean[:, axis], sol.times)}{error} and deviation {_between(deviation[:, axis], sol.times)}"
        )
        sentences.append(f"{over}{_whose(model)} {name} has {moves}.")
    for text, condition in shares:
        found = np.array([sol.distribution(float(t)).probability(condition) for t in sol.times])
        sentences.append(f"{over}{_whose(model)} P({text}) is {_between(found, sol.times)}.")
    for name, averages in sol.observed.items():
        sentences.append(f"{over}{_whose(model)} the mean of {name} is {_between(averages, sol.times)}.")
    if isinstance(sol, OpenSolution):
        average = float(np.mean(sol.rate[1:]))  # over equal phases, the first of which is the last
        leave = f"{_between(sol.rate, sol.times)} leave per unit of time, {average:.5g} on average"
        sentences.append(f"{over} the mass in the box is {_between(sol.mass, sol.times)}, and {leave}.")
    return sentences


def _between(values: np.ndarray, times: np.ndarray) -> str:
    """The smallest and the largest of some values, and when; one number where they are the same."""
    (low, early), (high, late) = _peak(-values, times), _peak(values, times)
    if high + low <= SAME * np.abs(values).max():
        return f"{high:.5g} throughout"
    return f"from {-low:.5g} (t = {early:.3g}) to {high:.5g} (t = {late:.3g})"


def _peak(values: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """The largest value over a period and its time, by a parabola through the largest at equal phases and those beside it.

    values, times (n,): the last is the first a period later.
    """
    around = values[:-1]
    k, n = int(np.argmax(around)), around.size
    before, here, after = around[k - 1], around[k], around[(k + 1) % n]
    bend = 2.0 * here - before - after
    shift = 0.5 * (after - before) / bend if bend > 0.0 else 0.0
    return float(here + 0.25 * (after - before) * shift), float((times[k] + shift * times[1]) % times[-1])


def empties(eq: FokkerPlanck, sol: Solution) -> bool:
    """Whether what begins in a box is bound to leave it, by walls or killing, so that nothing is left at rest."""
    return bool(sol.grid.absorbs or eq.ends_paths) and not isinstance(sol, OpenSolution) and not sol.atoms


def over_time(
    sol: Solution, names: tuple[str, ...], shares: list[tuple[str, Condition]], leaves: bool, fed: bool
) -> list[str]:
    """The probability of each condition at the output times, what is observed, how much has ended at a point and, if any
    `leaves`, is left; with a source that has `fed` it how much is there."""
    chosen = range(sol.times.size) if sol.times.size <= MOST_TIMES else [sol.times.size - 1]
    at = f"At t = {listed([float(sol.times[i]) for i in chosen])}"
    mass = np.atleast_1d(sol.mass)
    sentences = [f"{at} a share of {listed([mass[i] for i in chosen])} is left in the box."] if leaves else []
    if isinstance(sol, OpenSolution):
        inside, rates = listed([mass[i] for i in chosen]), listed([sol.rate[i] for i in chosen])
        error = _worst(sol, "mass" if fed else "rate", chosen)
        if fed:
            given = listed([sol.supplied[i] for i in chosen])
            leave = f", and {rates} leave per unit of time" if sol.rates else ""
            sentences.append(f"{at} the mass in the box is {inside}{error}, of {given} put in{leave}.")
        else:
            waits = f", and a share of {inside} is in the box" if mass.min() < WHOLE else ""
            sentences.append(f"{at} it is reset {rates}{error} times per unit of time{waits}.")
    for x, held in sol.atoms.items():
        sentences.append(f"{at} a share of {listed([held[i] for i in chosen])} has ended at {names[0]} = {x:g}.")
    of = " of what is left" if leaves else " of what is in the box" if fed else ""
    for text, condition in shares if all(mass[i] > 0.0 for i in chosen) else ():
        values = listed([sol.distribution(float(sol.times[i])).probability(condition) for i in chosen])
        sentences.append(f"{at} P({text}) = {values}{of}.")
    for name, averages in sol.observed.items():
        what = f"the integral of {name} over the density" if leaves or fed else f"the mean of {name}"
        sentences.append(f"{at} {what} is {listed([averages[i] for i in chosen])}{_worst(sol, name, chosen)}.")
    return sentences


def _worst(sol: Solution, name: str, chosen: Sequence[int]) -> str:
    """The largest error of a number at some output times, in words."""
    return _within(max(float(sol.error[name][i]) for i in chosen)) if sol.error else ""


def listed(values: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray | None = None) -> str:
    """Numbers in a sentence, with their standard errors if these are given."""
    words = [f"{value:.5g}" for value in values]
    if errors is not None:
        words = [f"{value:.4g} ± {error:.1g}" for value, error in zip(values, errors, strict=True)]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def on_the_way(
    model: str,
    ask: Callable[[Any], FirstPassage | FirstPassageInTime],
    p0: Any,
    text: str,
    condition: Callable[..., np.ndarray],
) -> str:
    """The mean time from the start to a target, its error and deviation; where paths may end elsewhere, how many arrive."""
    passage = ask(condition)
    whose = _whose(model)
    if isinstance(passage, FirstPassageInTime):
        mean, error = passage.mean(p0), passage.mean_error(p0)
        return f"{text} is reached{whose} after {mean:.5g}{_within(error)} on the mean, from time 0."
    ways = passage.ways_out if isinstance(passage.process, InTime) else {}
    if set(ways) > {TARGET}:
        arriving, error, time = _by_one_way(ways[TARGET], passage, p0)
        others = ", ".join(_way(name) for name in ways if name != TARGET)
        after = f", after {time:.5g} on the mean" if arriving > 0.0 else ""
        return f"{text} is reached{whose} with probability {arriving:.5g}{_within(error)}{after}; else it ends first {others}."
    mean, error, spread = _times(passage, p0)
    if not math.isfinite(mean):
        return f"{text} may never be reached{whose}: the mean time is infinite."
    return f"{text} is reached{whose} after {mean:.5g}{_within(error)} on the mean{spread}."


def on_the_way_out(ask: Callable[[], FirstPassage | FirstPassageInTime], p0: Any) -> str:
    """The mean time from the start until the box is left, and by which ways."""
    passage = ask()
    if isinstance(passage, FirstPassageInTime):
        return f"It ends after {passage.mean(p0):.5g}{_within(passage.mean_error(p0))} on the mean, from time 0."
    mean, error, spread = _times(passage, p0)
    if not math.isfinite(mean):
        return "It may never end: the mean time is infinite."
    ways = passage.ways_out
    shares = dict.fromkeys(ways, 1.0)
    if len(ways) > 1:
        shares = {name: _by_one_way(way, passage, p0)[0] for name, way in ways.items()}
    return f"It ends after {mean:.5g}{_within(error)} on the mean{spread}{_by(shares, 1.0)}."


def _times(passage: FirstPassage, p0: Any) -> tuple[float, float, str]:
    """Mean time from a start, its error, and words on its deviation."""
    start = initial_masses(p0, passage.grid)[0]
    used = start > 1e-12 * start.max()
    weights = start[used] / start[used].sum()
    mean, square = (float(weights @ field[used]) for field in (passage.mean, passage.second_moment))
    error = float(weights @ passage.error["mean"][used]) if passage.error else math.nan
    spread = f", with a deviation of {math.sqrt(max(square - mean**2, 0.0)):.5g}" if math.isfinite(square) else ""
    return mean, error, spread


def _by_one_way(way: ExitPassage, passage: FirstPassage, p0: Any) -> tuple[float, float, float]:
    """The probability of ending by one way from a start, its error, and the mean time of those who do."""
    shares = []
    for one, there in zip((way, *way.coarser), (passage, *passage.coarser), strict=False):
        masses = initial_masses(p0, way.grid)[0] if there is passage else start_on_coarser(p0, way.grid, one.grid)
        inside = there.target if way.name == TARGET else np.zeros_like(there.target)
        shares.append(float((masses * np.where(inside, 1.0, one.probability)).sum() / masses.sum()))
        if there is passage:
            late = np.nan_to_num(one.mean) * one.probability
            time = float((masses * late).sum() / masses.sum()) / shares[0] if shares[0] > 0.0 else math.nan
    if len(shares) < 3:
        return shares[0], math.nan, time
    changes = np.array(shares[0] - shares[1]), np.array(shares[1] - shares[2])
    return shares[0], float(estimate(*changes, way.cap, 1e-12).error), time


def _within(error: float) -> str:
    return f" (error {error:.2g})" if math.isfinite(error) else ""


def _by(shares: Mapping[str, float], whole: float) -> str:
    """What each way out has of the whole."""
    if len(shares) == 1:
        return f", {_way(next(iter(shares)))}"
    parts = [f"{part / whole:.5g} of it {_way(name)}" for name, part in shares.items()]
    return f": {', '.join(parts)}" if parts else ""


def _way(name: str) -> str:
    """A way out in words."""
    return {"killing": "by killing", "jumps": "by a jump over a wall"}.get(name, f"at the wall {name}")


def _whose(model: str) -> str:
    return "" if model == "density" else f" by {model}"
