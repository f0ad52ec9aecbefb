"""CSV files of numbers, column by column: a column of text is no fault until somebody asks for it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import bad_value

SEPARATORS = (",", ";", "\t")
Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class CsvColumns(Mapping[str, np.ndarray]):
    """The columns of a CSV file by name; each becomes numbers when it is asked for.

    Attributes
    ----------
    path : Path
    key : str
        What errors call the file: the key of the run file that names it.
    header : tuple of str
    rows : tuple of (int, list of str)
        Line number in the file, and entries.
    decimal_comma : bool
        Whether 0,5 is a number: in files whose entries are not separated by commas.
    """

    path: Path
    key: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]
    decimal_comma: bool = False

    def __getitem__(self, name: str) -> np.ndarray:
        place = {column: k for k, column in enumerate(self.header)}[name]
        values = np.array([self._entry(row[place], name, line) for line, row in self.rows])
        if self.decimal_comma and all(any(mark in row[place] for _, row in self.rows) for mark in ",."):
            got = f"decimal commas and points in the column {name!r} of {self.path.name}"
            raise bad_value(self.key, "numbers that are written alike", got, "1,234 may be meant as 1234.")
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self.header)

    def __len__(self) -> int:
        return len(self.header)

    def _entry(self, text: str, name: str, line: int) -> float:
        try:
            value = float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            then = "Code words as numbers, fill or remove missing entries."
            got = f"{text!r} in the column {name!r}, line {line} of {self.path.name}"
            raise bad_value(self.key, "finite numbers throughout", got, then)
        return value


def read_csv(path: Path, key: str = "landscape.data") -> CsvColumns:
    """The columns of a CSV file with a header, its entries separated by commas, semicolons or tabs.

    Lines that begin with # are comments, as is a byte order mark.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            kept = [(i, line) for i, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
        separator, rows = _separated(kept)
    except UnicodeDecodeError:
        raise bad_value(key, "a text file in UTF-8", path.name) from None
    except csv.Error as error:
        raise bad_value(key, "a CSV file", f"{path.name} with an error: {error}") from None
    if len(rows) < 2:
        raise bad_value(key, "a CSV file with a header and rows", path.name)
    header = tuple(name.strip() for name in rows[0][1])
    _check_header(header, path, key)
    for line, row in rows[1:]:
        if len(row) != len(header):
            then = f"{path.name} has them in its header."
            raise bad_value(key, f"{len(header)} columns wide", f"{len(row)} in line {line}", then)
    return CsvColumns(path, key, header, tuple(rows[1:]), separator != ",")


def _separated(lines: list[tuple[int, str]]) -> tuple[str, Rows]:
    """What separates the entries, and the rows: the first by which all rows are as wide as the header, and not of one entry.

    Where there is none, that by which the header is widest: the error is then in the other rows.
    """
    widest: tuple[str, Rows] | None = None
    for separator in SEPARATORS:
        try:
            rows = _rows(lines, separator)
        except csv.Error:
            continue
        widths = [len(row) for _, row in rows]
        if not widths or widths[0] == 1:
            continue
        if min(widths) == max(widths):
            return separator, rows
        if widest is None or widths[0] > len(widest[1][0][1]):
            widest = separator, rows
    return widest or (",", _rows(lines, ","))


def _rows(lines: list[tuple[int, str]], separator: str) -> Rows:
    numbers: list[int] = []  # of the lines that the reader has taken
    reader = csv.reader(_noting(iter(lines), numbers), strict=True, delimiter=separator)
    return [(numbers[-1], row) for row in reader]


def _noting(lines: Iterator[tuple[int, str]], numbers: list[int]) -> Iterator[str]:
    for number, line in lines:
        numbers.append(number)
        yield line


def _check_header(header: tuple[str, ...], path: Path, key: str) -> None:
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise bad_value(key, "a CSV file with a name of its own for each column", f"{twice[0]!r} twice in {path.name}")
    broken = [name for name in header if not name.isprintable()]
    if broken:
        raise bad_value(key, "a CSV file whose column names stand on one line", f"{broken[0]!r} in {path.name}")
