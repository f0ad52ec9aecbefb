"""The data of a landscape in a CSV file: its columns, and those of them that a run file asks for."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import bad_value

if TYPE_CHECKING:
    pass


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
