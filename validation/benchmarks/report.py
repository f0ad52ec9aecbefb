"""Tables of dictionaries: on the screen, as CSV, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fokkerplanck.storage.files import write_text
from fokkerplanck.storage.tables import csv_text

Row = dict[str, Any]
# key -> heading and format
COLUMNS = {
    "label": ("program", "{}"),
    "n": ("cells an axis", "{}"),
    "method": ("method", "{}"),
    "products": ("products", "{}"),
    "threads": ("threads", "{}"),
    "processor": ("processor s", "{:.3g}"),
    "wall": ("wall s", "{:.3g}"),
    "repeats": ("repeats", "{}"),
    "error": ("L1 error", "{:.2e}"),
    "scipy_processor": ("SciPy processor s", "{:.3g}"),
    "scipy_error": ("SciPy error", "{:.2e}"),
    "ratio": ("times faster", "{:.1f}"),
    "tolerance": ("tolerance", "{}"),
    "smallest": ("smallest density", "{:.1e}"),
    "mass_error": ("mass error", "{:.1e}"),
    "setup": ("set-up processor s", "{:.2g}"),
    "first_call": ("first call of a process, s", "{:.2f}"),
    "rate": ("rate", "{:.3g}"),
    "triad": ("triad, bytes/s", "{:.3g}"),
    "copies": ("copies of the density", "{:.1f}"),
    "settings": ("settings", "{}"),
    "each": ("wall s a setting", "{:.2g}"),
    "micro": ("SGD, us a run and step", "{:.3g}"),
    "plain": ("plain loop, us", "{:.3g}"),
    "of_plain": ("SGD over plain", "{:.2f}"),
    "of_batches": ("refined over SGD, over N / B", "{:.2f}"),
    "process_peak": ("peak of the process, MB", "{:.0f}"),
}
TARGETS = {
    "work": ("work", "{}"),
    "measured": ("measured", "{}"),
    "target": ("target", "{}"),
    "verdict": ("verdict", "{}"),
}


def cells(row: Row, columns: dict[str, tuple[str, str]]) -> list[str]:
    """The formatted entries of a row; a skipped one says why in its second column."""
    if "skipped" in row:
        return [str(row.get("label", "")), f"skipped: {row['skipped']}"] + [""] * (len(columns) - 2)
    return [pattern.format(row[key]) if key in row else "" for key, (_, pattern) in columns.items()]


def used(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """The columns that some row fills, in the order of `COLUMNS`."""
    names = TARGETS if any("verdict" in row for row in rows) else COLUMNS
    return {key: column for key, column in names.items() if any(key in row for row in rows)}


def show(title: str, rows: Sequence[Row]) -> None:
    """A table on the screen."""
    from rich.console import Console
    from rich.table import Table

    columns = used(rows)
    table = Table(title=title)
    for key, (heading, _) in columns.items():
        table.add_column(heading, justify="left" if key in ("label", "work", "measured", "target") else "right")
    for row in rows:
        table.add_row(*cells(row, columns))
    Console(width=None if os.isatty(1) else 160).print(table)


def markdown(title: str, rows: Sequence[Row], note: str = "") -> str:
    """The same as Markdown."""
    columns = used(rows)
    lines = [[heading for heading, _ in columns.values()], ["---"] * len(columns), *(cells(r, columns) for r in rows)]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"## {title}\n\n{note + chr(10) * 2 if note else ''}{text}\n"


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """All keys of all rows, unrounded."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    write_text(path, csv_text(keys, ([row.get(key) for key in keys] for row in rows)))


def machine() -> str:
    """What the figures were measured on."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("fokkerplanck", "numpy", "scipy", "numba", "fplanck", "fipy", "py-pde"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} ({'checkout' if name == 'fokkerplanck' else 'not installed'})")
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    processor = platform.processor() or platform.machine()
    return f"Python {platform.python_version()}, {os.cpu_count()} cores ({processor}){load}; {', '.join(found)}."
