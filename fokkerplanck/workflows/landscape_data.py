"""The columns of a data file that a landscape asks for."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import numpy as np

from ..errors import bad_value
from ..formulas.parser import CONSTANTS, parse_condition

if TYPE_CHECKING:
    from .schema import Landscape


def select(table: dict[str, np.ndarray], landscape: Landscape) -> dict[str, np.ndarray]:
    """The rows that `where` keeps, of the columns that `columns` names (default: those that occur in the loss)."""
    if landscape.where is not None:
        keep = parse_condition(landscape.where, list(table), name="landscape.where")(*table.values())
        if not keep.any():
            raise bad_value("landscape.where", "true for some rows", landscape.where)
        table = {name: column[keep] for name, column in table.items()}
    if landscape.columns is None:
        return _needed(table, landscape)
    for key, name in landscape.columns.items():
        if name not in table:
            close = difflib.get_close_matches(name, table, n=1, cutoff=0.5)
            then = f"Did you mean {close[0]!r}?" if close else ""
            raise bad_value(f"landscape.columns.{key}", f"one of {', '.join(table)}", name, then)
    return {key: table[name] for key, name in landscape.columns.items()}


def _needed(table: dict[str, np.ndarray], landscape: Landscape) -> dict[str, np.ndarray]:
    """The columns that occur in the loss; names in it that are neither these nor parameters are refused."""
    words = re.findall(r"(?<![\w.])[A-Za-z_]\w*(?!\w*\s*\()", landscape.loss)
    lacking = sorted(set(words) - {*table, *landscape.parameters, *CONSTANTS})
    if lacking:
        example = f'columns = {{ {lacking[0]} = "{next(iter(table))}" }}'
        rule = f"a file with the columns {', '.join(lacking)} that the loss needs"
        got = f"columns {', '.join(table)} in {landscape.data}"
        raise bad_value("landscape.data", rule, got, f"Say which are meant: {example}.")
    return {name: column for name, column in table.items() if name in words}
