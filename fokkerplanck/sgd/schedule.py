"""Schedules of the learning rate: what it is multiplied with after so many steps."""

from __future__ import annotations

import math
from typing import Any

from ..arguments import callable_with
from ..errors import bad_type, bad_value
from ..formulas.parser import Formula, parse

EXAMPLE = 'Such as "1 / (1 + t/100)", t the number of steps done.'


def read_schedule(schedule: Any) -> Any:
    """A schedule as a function of one number: a formula in t is parsed."""
    if schedule is None or isinstance(schedule, Formula):
        return schedule
    if isinstance(schedule, str):
        return parse(schedule, ("t",), name="schedule")
    if not callable(schedule) or isinstance(schedule, type):
        raise bad_type("schedule", "a formula in t, or a function of one number", schedule, EXAMPLE)
    callable_with("schedule", schedule, 1)
    return schedule


def factor_at(schedule: Any, step: float) -> float:
    """The factor after so many steps."""
    found = schedule(step)
    try:
        factor = float(found)
    except (TypeError, ValueError):
        raise bad_type("schedule", "a function of one number that returns a number", found, EXAMPLE) from None
    if not 0.0 <= factor < math.inf:
        raise bad_value(
            "schedule", "finite and not below 0 for each number of steps", f"{factor:g} after {step:g} steps"
        )
    return factor


def schedule_name(schedule: Any) -> str:
    """A formula, or the name of a function."""
    return schedule.text if isinstance(schedule, Formula) else getattr(schedule, "__name__", type(schedule).__name__)
