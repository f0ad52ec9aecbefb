"""What every study of networks leaves in its folder beside its page: tables and figures by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..storage.files import write_atomically
from ..storage.tables import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_tables_and_figures(
    folder: Path, tables: Mapping[str, Comparison], figures: Mapping[str, Figure]
) -> tuple[Path, ...]:
    """NAME.csv for each table and NAME.png for each figure, in their order."""
    files = []
    for name, table in tables.items():
        files.append(folder / f"{name}.csv")
        table.save_csv(str(files[-1]))
    for name, figure in figures.items():
        files.append(folder / f"{name}.png")
        write_atomically(files[-1], partial(figure.savefig, dpi=150))
    return tuple(files)
