"""The data of a landscape in a CSV file: its columns, and those of them that a run file asks for."""

from __future__ import annotations

import csv
import difflib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import bad_value
from ..formulas.parser import CONSTANTS, parse_condition

if TYPE_CHECKING:
    from ..workflows.runfile import Landscape


def read_csv(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file with a header; lines that begin with # are comments."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = [(i, line) for i, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
        rows = list(csv.reader(line for _, line in lines))
    except UnicodeDecodeError:
        raise bad_value("landscape.data", "a text file in UTF-8", path.name) from None
    except csv.Error as error:
        raise bad_value("landscape.data", "a CSV file", f"{path.name} with an error: {error}") from None
    if len(rows) < 2:
        raise bad_value("landscape.data", "a CSV file with a header and rows", path.name)
    header = [name.strip() for name in rows[0]]
    table = []
    for (number, _), row in zip(lines[1:], rows[1:], strict=True):
        if len(row) != len(header):
            then = f"{path.name} has them in its header."
            raise bad_value("landscape.data", f"{len(header)} columns wide", f"{len(row)} in line {number}", then)
        table.append([_entry(text, path, number) for text in row])
    return dict(zip(header, np.array(table).T, strict=True))


def _entry(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        then = "Code words as numbers, fill or remove missing entries."
        raise bad_value("landscape.data", "finite numbers throughout", f"{text!r} in line {line} of {path.name}", then)
    return value


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
