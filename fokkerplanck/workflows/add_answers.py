"""What a run file asks of a density beside itself: answers in sentences, and notes where there is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..errors import ConvergenceError
from ..results.solution import Solution
from .answers import (
    at_rest,
    conditions,
    empties,
    observed_of,
    on_the_way,
    on_the_way_out,
    over_a_period,
    over_time,
    target_of,
)
from .outcome import Outcome, Problem

OPENING = 24  # letters by which a note is known: what follows are its numbers


def add_answers(
    problem: Problem, outcome: Outcome, model: str, rest: Callable[..., Any], passage: Callable[..., Any]
) -> None:
    """Add to an outcome what it says of one of its models, whose density in time is there.

    Parameters
    ----------
    problem, outcome, model
    rest : callable
        () or (p0) -> its stationary density.
    passage : callable
        () or (target) -> its first passage.
    """
    spec, sol, eq = problem.spec, outcome.solutions[model], outcome.case.models[model]
    shares = conditions(spec.output.shares, problem.names, "output.shares")
    leaves = eq is not None and empties(eq, sol)
    if spec.equation is not None:
        outcome.answers += over_time(sol, problem.names, shares, leaves, spec.source is not None)
    repeats = spec.equation is not None and spec.equation.period is not None
    if problem.changes(model) and not repeats:
        outcome.notes.append(
            "coefficients change with time: there is no density at rest. If they repeat, give a period."
        )
    elif repeats or not leaves:
        with noting(outcome.notes, f"{model}, stationary density"):
            found = _stationary(rest, problem.p0, model, outcome.notes)
        if isinstance(found, Solution):
            outcome.repeating[model] = found
            outcome.answers += over_a_period(model, found, problem.names, shares)
        elif found is not None:
            outcome.stationary[model] = found
            outcome.answers += at_rest(model, found, problem.names, shares, observed_of(spec))
    _add_passage(problem, outcome, model, passage, leaves)


def _add_passage(problem: Problem, outcome: Outcome, model: str, passage: Callable[..., Any], leaves: bool) -> None:
    """Add when a target is reached from the start, or else when it ends if anything `leaves`."""
    eq, target = outcome.case.models[model], target_of(problem.spec)
    with noting(outcome.notes, f"{model}, passage"):
        if target is not None and problem.p0 is None:
            outcome.notes.append(f"{model}: no passage to {target[0]}: nothing is in the box at first. Give a [start].")
        elif target is not None and eq is not None and eq.time_order < 1.0:
            outcome.answers.append(f"With memory the mean time to {target[0]} is infinite, as that of waiting is.")
        elif target is not None:
            question = partial(on_the_way, model, passage, problem.p0, *target)
            _answer(question, f"{model}: no passage to {target[0]}", outcome)
        elif leaves and eq is not None and eq.time_order == 1.0:
            _answer(partial(on_the_way_out, passage, problem.p0), f"{model}: no mean time until it ends", outcome)


def _answer(question: Callable[[], str], why_not: str, outcome: Outcome) -> None:
    """The answer to a question, or a note on why there is none."""
    try:
        outcome.answers.append(question())
    except (ValueError, ConvergenceError) as error:
        outcome.notes.append(f"{why_not}: {error}")


def _stationary(question: Callable[..., Any], p0: Any, model: str, notes: list[str]) -> Any:
    """The answer to a question for the stationary density, with p0 where several parts are closed; or a note."""
    try:
        return question()
    except (ValueError, ConvergenceError) as error:
        reason = str(error)
    if p0 is not None and ("`p0`" in reason or "Pass p0" in reason):
        try:
            return question(p0)
        except (ValueError, ConvergenceError) as error:
            reason = str(error)
    whose = "" if model == "density" else f" of {model}"
    notes.append(f"no stationary density{whose}: {reason}")
    return None


@contextmanager
def noting(notes: list[str], subject: str) -> Iterator[None]:
    """Keep warnings as one-line notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = {note.split(": ", 1)[-1][:OPENING] for note in notes if note.startswith(subject.split(",")[0])}
    for text in dict.fromkeys(str(w.message) for w in caught):
        if text[:OPENING] not in said:  # of the stationary density as of the run
            notes.append(f"{subject}: {text}")
