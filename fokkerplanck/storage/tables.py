"""Tables of numbers: in full as CSV and Markdown, on the screen in blocks of 80 columns."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import bad_value
from .files import write_text
from .netcdf import axis_names

if TYPE_CHECKING:
    from ..model.grid import Grid

WIDTH = 80  # characters


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Comma-separated values, numbers in full; a missing entry (None) is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


class Tabled:
    """What can be had as a table: a data frame, or a CSV file of the same columns."""

    def _columns(self) -> Mapping[str, np.ndarray]:
        """The columns by name, all of one length."""
        raise NotImplementedError

    def to_dataframe(self) -> Any:
        """A pandas data frame: a row for each cell (and time), mode, path or number asked for; errors stand beside values."""
        import pandas

        return pandas.DataFrame(self._columns())

    def to_csv(self, path: str) -> None:
        """Write the rows of `to_dataframe` to a CSV file, numbers in full."""
        columns = self._columns()
        write_text(path, csv_text(list(columns), zip(*(c.tolist() for c in columns.values()), strict=True)))


def by_cell(grid: Grid, values: Mapping[str, np.ndarray], times: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Columns with a row for each cell (at each time): the coordinates of its center, and what some fields are there."""
    axes = dict(zip(axis_names(grid.names), grid.centers, strict=True))
    if times is not None:
        axes = {"time": times} | axes
    places = np.meshgrid(*axes.values(), indexing="ij")
    names = [f"{name} (coordinate)" if name in values else name for name in axes]
    return {
        **{name: x.ravel() for name, x in zip(names, places, strict=True)},
        **{name: np.asarray(field).ravel() for name, field in values.items()},
    }


def by_mode(eigenvalues: np.ndarray, rates: np.ndarray, errors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns with a row for each mode: its eigenvalue by real and imaginary part, and its rate."""
    parts = {"real": eigenvalues.real, "imaginary": eigenvalues.imag}
    return parts | value_and_error("rate", rates, errors, "rates")


def value_and_error(
    name: str, values: np.ndarray, errors: Mapping[str, np.ndarray], of: str = ""
) -> dict[str, np.ndarray]:
    """A column of values, and one of the errors that were measured `of` them (by default by the same name)."""
    error = errors.get(of or name)
    return {name: values} if error is None else {name: values, f"{name}_error": np.asarray(error)}


@dataclass(frozen=True)
class Comparison:
    """A table of results against a reference.

    Attributes
    ----------
    columns : tuple of str
        ``se_x`` is the standard error of ``x``, ``x_sampling`` its mean if only sampling were at work.
    rows : tuple of tuple
        Missing entries are None.
    note : str
        How to read the columns.
    keys : tuple of str
        The columns that say what a row is about, repeated in each block on the screen.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    keys: tuple[str, ...] = ()

    def column(self, name: str) -> list[Any]:
        """All entries of one column."""
        if not isinstance(name, str) or name not in self.columns:
            raise bad_value("name", f"one of {', '.join(self.columns)}", name)
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def to_markdown(self) -> str:
        """The table in Markdown, with its note."""
        lines = ["| " + " | ".join(self.columns) + " |", "|" + " --- |" * len(self.columns)]
        texts = [
            (_key_texts if name in self.keys else lambda column: [format_entry(entry) for entry in column])(
                self.column(name)
            )
            for name in self.columns
        ]
        lines += ["| " + " | ".join(row) + " |" for row in zip(*texts, strict=True)]
        return "\n".join(lines) + f"\n\n{self.note}\n"

    def to_csv(self) -> str:
        """The table as comma-separated values, numbers in full."""
        return csv_text(self.columns, self.rows)

    def save_csv(self, path: str) -> None:
        """Write `to_csv` to a file."""
        write_text(path, self.to_csv())

    def __repr__(self) -> str:
        shown = [c for c in self.columns if not c.startswith("se_") and not c.endswith("_sampling")]
        shown = [c for c in shown if any(entry not in (None, "") for entry in self.column(c))]
        if "axis" in shown and len(set(self.column("axis"))) == 1:
            shown.remove("axis")
        texts = {c: self._texts(c) for c in shown}
        keys = [c for c in shown if c in self.keys]
        blocks = _blocks({c: max(map(len, texts[c])) for c in shown}, keys)
        parts = ["\n".join(self._lines(block, texts)) for block in blocks]
        if any(text.startswith("(") for column in texts.values() for text in column):
            parts.append("in brackets: no more than chance gives (2 standard errors)")
        if "none" in texts.get("tail", ()):
            parts.append("tail none: the index depends on the share of the paths that it is taken from")
        return "\n\n".join(parts)

    def _texts(self, name: str) -> list[str]:
        """Header and entries of a column, its standard errors beside them; in brackets what chance would give.

        A tail index that hangs on the share of paths it is taken from is none.
        """
        values = self.column(name)
        if name in self.keys:
            return [name, *_key_texts(values)]
        errors = self.column(f"se_{name}") if f"se_{name}" in self.columns else [None] * len(values)
        chance = self.column(f"{name}_sampling") if f"{name}_sampling" in self.columns else [None] * len(values)
        texts = [name]
        for value, error, level in zip(values, errors, chance, strict=True):
            text = with_error(value, error)
            if by_chance(name, value, error, level):
                text = "none" if name == "tail" else f"({text})"
            texts.append(text)
        return texts

    def _lines(self, block: Sequence[str], texts: dict[str, list[str]]) -> list[str]:
        """Rows of some columns, without those that have nothing in this block."""
        widths = {c: max(map(len, texts[c])) for c in block}
        kept = [0]
        for i in range(1, len(self.rows) + 1):
            if any(texts[c][i] for c in block if c not in self.keys):
                kept.append(i)
        left = [c for c in block if c == "model"]
        return [
            "  ".join(
                texts[c][i].ljust(widths[c]) if c in left else texts[c][i].rjust(widths[c]) for c in block
            ).rstrip()
            for i in kept
        ]


def _blocks(widths: dict[str, int], keys: Sequence[str]) -> list[list[str]]:
    """Columns in groups that fit the width, each after the keys."""
    first = sum(widths[c] + 2 for c in keys)
    blocks: list[list[str]] = [[]]
    used = first
    for name in (c for c in widths if c not in keys):
        if blocks[-1] and used + widths[name] > WIDTH:
            blocks.append([])
            used = first
        blocks[-1].append(name)
        used += widths[name] + 2
    return [[*keys, *block] for block in blocks]


def by_chance(name: str, value: Any, error: Any, level: Any) -> bool:
    """Whether a distance is no more than sampling alone gives; a tail index, whether it hangs on the share of paths."""
    if None in (value, error, level) or not all(map(math.isfinite, (value, error, level))) or level == error == 0.0:
        return False
    if name == "tail":
        return abs(value - level) > 2.0 * error
    return value <= level + 2.0 * error


def with_error(value: Any, error: Any) -> str:
    """A value at the precision worth reading, with its standard error in two digits: 1.234 ± 0.012."""
    if value is None or not error or not math.isfinite(error) or not math.isfinite(value):
        return format_entry(value)
    digits = 1 - math.floor(math.log10(error))
    if abs(value) >= 1e5 or not 0 <= digits <= 6:
        return f"{value:.4g} ± {error:.1e}"
    return f"{value:.{max(digits, 0)}f} ± {error:.{max(digits, 0)}f}"


def exact(value: float) -> str:
    """A number in a name: short where that is all of it, else with every digit, so that no two numbers share a name."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def _key_texts(values: Sequence[Any]) -> list[str]:
    """Entries of a column that says what a row is about: at the usual precision, unless that makes two of them one."""
    texts = [format_entry(value) for value in values]
    if len(set(texts)) < len(set(values)):
        texts = [exact(value) if isinstance(value, float) else text for value, text in zip(values, texts, strict=True)]
    return texts


def format_entry(entry: Any) -> str:
    """A table entry at the precision worth reading."""
    if entry is None:
        return ""
    if isinstance(entry, float):
        return f"{entry:.4g}" if abs(entry) > 1e-14 else "0"
    return str(entry)
