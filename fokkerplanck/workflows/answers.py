"""What a run found at rest and on the way to a target, in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..formulas.parser import Condition, parse_condition
from ..model.initial_density import initial_masses
from ..results.first_passage import FirstPassage
from ..results.first_passage_in_time import FirstPassageInTime
from ..results.stationary import Stationary

ROUNDED = 1e-9  # of a deviation: means below it are zero


def conditions(texts: Sequence[str], names: tuple[str, ...], key: str) -> list[tuple[str, Condition]]:
    """Conditions of a run file with their texts."""
    return [(text, parse_condition(text, names, name=key)) for text in texts]


def at_rest(model: str, st: Stationary, names: tuple[str, ...], shares: list[tuple[str, Condition]]) -> list[str]:
    """Mean and deviation of each coordinate in a stationary density, and the probability of each condition."""
    mean, deviation = st.mean(), np.sqrt(np.diag(st.covariance()))
    mean = np.where(np.abs(mean) > ROUNDED * deviation, mean, 0.0)
    moments = "; ".join(
        f"{name} has mean {m:.5g} and deviation {d:.5g}" for name, m, d in zip(names, mean, deviation, strict=True)
    )
    sentences = [f"At rest{_whose(model)} {moments}."]
    for text, condition in shares:
        sentences.append(f"At rest{_whose(model)} P({text}) = {st.probability(condition):.5g}.")
    return sentences


def on_the_way(
    model: str,
    ask: Callable[[Any], FirstPassage | FirstPassageInTime],
    p0: Any,
    text: str,
    condition: Condition,
) -> str:
    """The mean time from the start to a target, its error, and its deviation."""
    passage = ask(condition)
    if isinstance(passage, FirstPassageInTime):
        mean, error = passage.mean(p0), passage.mean_error(p0)
        spread = ", from time 0"
    else:
        start = initial_masses(p0, passage.grid)[0]
        used = start > 1e-12 * start.max()
        weights = start[used] / start[used].sum()
        mean, square = (float(weights @ field[used]) for field in (passage.mean, passage.second_moment))
        error = float(weights @ passage.error["mean"][used]) if passage.error else math.nan
        spread = f", with a deviation of {math.sqrt(max(square - mean**2, 0.0)):.5g}" if math.isfinite(square) else ""
    if not math.isfinite(mean):
        return f"{text} may never be reached{_whose(model)}: the mean time is infinite."
    measured = f" (error {error:.2g})" if math.isfinite(error) else ""
    return f"{text} is reached{_whose(model)} after {mean:.5g}{measured} on the mean{spread}."


def _whose(model: str) -> str:
    return "" if model == "density" else f" by {model}"
