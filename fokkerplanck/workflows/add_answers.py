"""What a run file asks of a density beside itself: answers in sentences, and notes where there is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..errors import ConvergenceError
from .answers import at_rest, conditions, empties, on_the_way, on_the_way_out, over_time
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
        outcome.answers += over_time(sol, problem.names, shares, leaves)
    if eq is not None and eq.time_dependent:
        outcome.notes.append("coefficients change with time: there is no density at rest.")
    elif not leaves:
        with noting(outcome.notes, f"{model}, stationary density"):
            found = _stationary(rest, problem.p0, model, outcome.notes)
        if found is not None:
            outcome.stationary[model] = found
            outcome.answers += at_rest(model, found, problem.names, shares)
    with noting(outcome.notes, f"{model}, passage"):
        if spec.output.target is not None:
            ((text, condition),) = conditions([spec.output.target], problem.names, "output.target")
            question = partial(on_the_way, model, passage, problem.p0, text, condition)
            if eq is not None and eq.time_order < 1.0:
                outcome.answers.append(f"With memory the mean time to {text} is infinite, as that of waiting is.")
            else:
                _answer(question, f"{model}: no passage to {text}", outcome)
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
    if "`p0`" in reason or "Pass p0" in reason:
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
