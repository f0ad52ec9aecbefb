"""Derivatives by a parameter whose natural size nobody has told: central differences that measure their own error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import bad_value

STEP = 1e-4  # of the parameter, or of 1 where it is less: its square is the error of a difference of what is smooth
GOOD, POOR = 1e-7, 0.01  # relative errors: below one no other step is tried, above the other all are
KEPT = 0.75  # of the difference of two slopes where the step is halved: above it they differ in the limit too
LEAST, MOST = 1e-12, 0.1  # steps, as shares of the same


class Slope(NamedTuple):
    """A derivative, a number or an array, what it changes by where the step is halved, and that step."""

    value: Any
    error: Any
    step: float = np.nan

    @property
    def size(self) -> float:
        """Sum of the moduli of the error."""
        return float(np.abs(self.error).sum())

    @property
    def share(self) -> float:
        """The error relative to the value; infinite where no change was seen, which may be for want of a step."""
        value = float(np.abs(self.value).sum())
        return self.size / value if value > 0.0 else np.inf


def slope(of: Callable[[float], Any], at: float) -> Slope:
    """The derivative of a number or an array at a value of its parameter, by the step of least error.

    Steps shrink by factors of 10 while the difference is not linear yet, or grow while rounding falls; where nothing is seen
    well, all are tried. `of` may refuse a parameter with a ValueError, such as a diffusion below 0, where there is a step that
    it does not refuse. Where the slopes on either side differ, as those of a modulus at 0, half their difference is the error.
    """
    best = _least_off(of, at)
    bend = _bend(of, at, best.step)
    return best if bend is None else best._replace(error=np.maximum(np.abs(best.error), bend))


def _least_off(of: Callable[[float], Any], at: float) -> Slope:
    size = max(abs(at), 1.0)
    first, best = _first(of, at, STEP * size)
    for factor, last in ((0.1, LEAST * size), (10.0, MOST * size)):
        for step in _powers(factor, first, last):
            if best.share <= GOOD:
                return best
            other = _tried(of, at, step)
            if other is None or not (other.size < best.size or best.share > POOR):
                break
            if np.isfinite(other.share) and (other.size < best.size or np.isinf(best.share)):
                best = other
    return best


def _first(of: Callable[[float], Any], at: float, step: float) -> tuple[float, Slope]:
    """The largest step by powers of ten that is not refused, down to the same share of the parameter itself."""
    for smaller in (step, *_powers(0.1, step, STEP * (abs(at) or 1.0))):
        found = _tried(of, at, smaller)
        if found is not None:
            return smaller, found
    try:
        of(at + LEAST), of(at - LEAST)
    except ValueError as error:
        then = f"A derivative looks to either side, and the family says there: {error}"
        raise bad_value("at", "inside the range of parameters that the family takes", at, then) from error
    return LEAST, _central(of, at, LEAST)


def _tried(of: Callable[[float], Any], at: float, step: float) -> Slope | None:
    try:
        return _central(of, at, step)
    except ValueError:
        return None


def _powers(factor: float, first: float, last: float) -> list[float]:
    """first times the powers of a factor, from the first power on, as far as `last`."""
    count = int(np.log(last / first) / np.log(factor) + 1e-9)
    return [first * factor ** (k + 1) for k in range(count)]


def _central(of: Callable[[float], Any], at: float, step: float) -> Slope:
    wide, narrow = ((of(at + h) - of(at - h)) / (2.0 * h) for h in (step, 0.5 * step))
    return Slope(narrow, narrow - wide, step)


def _bend(of: Callable[[float], Any], at: float, step: float) -> Any:
    """Half the difference of the slopes on either side where it does not shrink with the step; None where it does.

    Of what is smooth it halves with the step.
    """
    here = of(at)
    sides = [((of(at + h) - here) / h, (here - of(at - h)) / h) for h in (step, 0.5 * step)]
    wide, narrow = (np.abs(after - before) for after, before in sides)
    size = sum(float(np.abs(part).sum()) for part in sides[1])
    apart = float(narrow.sum())
    return 0.5 * narrow if apart > POOR * size and apart > KEPT * float(wide.sum()) else None
