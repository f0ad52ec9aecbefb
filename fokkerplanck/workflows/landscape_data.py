"""The columns of a data file that a landscape asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import did_you_mean
from ..errors import bad_value
from ..formulas.parser import CONSTANTS, may_be_variable, parse_condition

if TYPE_CHECKING:
    from .schema import Landscape


def select(table: Mapping[str, np.ndarray], landscape: Landscape) -> dict[str, np.ndarray]:
    """The rows that `where` keeps, of the columns that `columns` names (default: those that occur in the loss).

    Other columns are not looked at: they may hold text.
    """
    keep = None if landscape.where is None else _kept_rows(table, landscape.where)
    wanted = _needed(table, landscape) if landscape.columns is None else landscape.columns
    for key, name in wanted.items():
        if name not in table:
            then = did_you_mean(name, table, cutoff=0.5)
            raise bad_value(f"landscape.columns.{key}", f"one of {', '.join(table)}", name, then)
    columns = {key: table[name] for key, name in wanted.items()}
    if keep is None:
        return columns
    return {key: column[np.broadcast_to(keep, column.shape)] for key, column in columns.items()}


def _kept_rows(table: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    """Which rows a condition keeps, from the columns that occur in it."""
    known = [name for name in table if may_be_variable(name)]
    used = {str(symbol) for symbol in parse_condition(where, known, name="landscape.where").expression.free_symbols}
    names = [name for name in known if name in used]
    keep = parse_condition(where, names, name="landscape.where")(*(table[name] for name in names))
    if not keep.any():
        raise bad_value("landscape.where", "true for some rows", where)
    return keep


def _needed(table: Mapping[str, np.ndarray], landscape: Landscape) -> dict[str, str]:
    """The columns that occur in the loss; names in it that are neither these nor parameters are refused."""
    words = re.findall(r"(?<![\w.])[A-Za-z_]\w*(?!\w*\s*\()", landscape.loss)
    lacking = sorted(set(words) - {*table, *landscape.parameters, *CONSTANTS})
    if lacking:
        example = f'columns = {{ {lacking[0]} = "{next(iter(table))}" }}'
        rule = f"a file with the columns {', '.join(lacking)} that the loss needs"
        got = f"columns {', '.join(table)} in {landscape.data}"
        raise bad_value("landscape.data", rule, got, f"Say which are meant: {example}.")
    return {name: name for name in table if name in words}
