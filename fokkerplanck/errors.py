"""The errors and warnings of the package, and the one sentence in which bad input is refused."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np  # what asks for help need not wait for it

_OURS = os.path.dirname(__file__) + os.sep  # `solvers` does not warn: it may lie beside this folder


class ConvergenceError(RuntimeError):
    """A computation ended without an answer that meets its tolerance.

    Attributes
    ----------
    partial : object
        Whatever had been computed when it stopped, or None.
    """

    def __init__(self, message: str, partial: Any = None):
        super().__init__(message)
        self.partial = partial


class NotFiniteError(ValueError):
    """A coefficient is not finite at some of the places where it is read.

    Attributes
    ----------
    infinite : ndarray of bool
        At which of them it is infinite, rather than undefined.
    """

    def __init__(self, message: str, infinite: np.ndarray):
        super().__init__(message)
        self.infinite = infinite


class ResolutionWarning(UserWarning):
    """The grid or the box is too coarse or too small for the problem; the answer is positive and conservative, but rough."""


class SubcellWarning(ResolutionWarning):
    """A feature of the coefficients is narrower than the cells: the answer may be far off, and its error is not seen."""


class GridErrorWarning(ResolutionWarning):
    """The measured error of the grid (`result.error`) is large, or does not shrink with the cells."""


class ModelWarning(UserWarning):
    """A model of SGD is used where it does not hold; the answer is that of the model, not that of SGD."""


def warn(text: str, kind: type[Warning] = UserWarning) -> None:
    """A warning that points at the line outside the package from which it came.

    As `skip_file_prefixes` of `warnings.warn` does from Python 3.12 on.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, kind, stacklevel=level)


def bad_value(name: str, rule: str, value: object, then: str = "") -> ValueError:
    """The ValueError "`name` must be RULE, got VALUE", followed by what to do next."""
    return ValueError(_sentence(name, rule, value, then))


def bad_type(name: str, rule: str, value: object, then: str = "") -> TypeError:
    """As `bad_value`, for a value of the wrong type."""
    return TypeError(_sentence(name, rule, value, then))


def printable(text: str) -> str:
    """Text without control characters: those of a terminal, and all that does not print, by their escapes.

    Line breaks stay. What is echoed comes from files and arguments of others.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _plain(value: Any) -> Any:
    """numpy's scalars as plain numbers, which print without their type."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(_plain(v) for v in value)
    return value


def _sentence(name: str, rule: str, value: object, then: str) -> str:
    shown = str(value) if isinstance(value, str) and " " in value else _short_repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return printable(f"`{name}` must be {rule}, got {shown}." + (f" {then}" if then else ""))


def _short_repr(value: object) -> str:
    try:
        return repr(_plain(value))
    except ValueError:  # whole numbers of thousands of digits have none
        return f"a number of about {value.bit_length() * 0.30103:.0f} digits" if isinstance(value, int) else "numbers"
