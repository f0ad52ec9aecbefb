"""What the explorer takes from a moved slider to a new picture: the answers to a preview, and its drawing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from fokkerplanck.cli import TEMPLATE
from fokkerplanck.workflows.explorer.answers import answer
from fokkerplanck.workflows.explorer.drawing import figure, peaked
from fokkerplanck.workflows.explorer.export import table
from fokkerplanck.workflows.explorer.state import State

from .measure import clock, job
from .report import Row

TARGET = {"line": "w > 0", "plane": "a > 0"}
PLANE = """
[landscape]
loss = "(a**2 - 1)**2 / 4 + b**2 / 2 + a*b / 4 + x*a + y*b"
parameters = ["a", "b"]
data = { x = [-0.9, 0.1, 1.0], y = [0.5, -1.0, 0.5] }
[sgd]
learning_rate = 0.2
batch_size = 1
[grid]
bounds = [[-2.5, 2.5], [-2.5, 2.5]]
cells = [96, 96]
[start]
mean = [-1.0, 0.0]
deviation = 0.1
[output]
times = [10, 1000]
models = ["first-order", "second-order"]
"""
RATES = (0.12, 0.16, 0.2)  # the first compiles formulas


def run_one(started: float, place: str, target: bool) -> dict[str, Any]:
    """The slowest of the answers at other learning rates, everything loaded before."""
    content = tomllib.loads(TEMPLATE if place == "line" else PLANE)
    if target:
        content["output"]["target"] = TARGET[place]
    state = State.of(content)
    first, *others = (clock(lambda rate=rate: _shown(state.at_rate(rate))) for rate in RATES)
    wall, processor = (max(taken[k] for taken in others) for k in (0, 1))
    return {"wall": wall, "processor": processor, "first_call": first[1]}


def _shown(state: State) -> str:
    """The preview of a state, as the page shows it."""
    answers = answer(state.preview)
    window, frame = answers.window(), answers.frame(state.time)
    return figure(answers, frame, window, peaked(answers, window)) + table(answers, frame)


def rows(quick: bool) -> Iterator[Row]:
    """Two models on 512 cells, and on 96 x 96; without a target, and with the mean time to it."""
    for place, name in (("line", "1D"), ("plane", "2D, 96 x 96")):
        for target in (False, True):
            label = f"{name}, two models" + (" and a passage" if target else "")
            yield {"label": label} | job(run_one, place=place, target=target)
