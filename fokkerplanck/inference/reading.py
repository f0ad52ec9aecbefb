"""Runs out of files and tables: npz, npy and CSV, wide (one column a run) or long (a column that names the run)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import file_name, fits_memory
from ..errors import bad_value
from ..storage.csv_columns import read_csv

RUN_COLUMNS = ("run", "run_id", "run_name", "seed")
STEP_COLUMNS = ("step", "_step", "time", "global_step", "epoch")
ASIDE = ("wall time", "wall_time", "_timestamp", "_runtime", "timestamp")  # clocks, which are no coordinates
EXTREMES = ("__MIN", "__MAX")  # columns that Weights & Biases exports beside each metric
METRIC = " - "  # between a run and a metric, there
RUN_WORDS = ("run", "path", "traj", "seed", "sim", "replica", "trial", "sample", "realization", "member")
FEW = 3  # numbered columns may be coordinates
MEANINGS = ("coordinates", "runs")


def table_in(data: Any, name: str = "data") -> dict[str, np.ndarray] | None:
    """The columns of a data frame of pandas or polars, a dict or a .csv file; None of anything else."""
    if isinstance(data, str) or hasattr(data, "__fspath__"):
        data = read_file(data, name)
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        data = {key: data[key] for key in data.columns}
    return {str(key): np.asarray(column) for key, column in data.items()} if isinstance(data, dict) else None


def read_file(path: Any, name: str = "data") -> Any:
    """A list of runs (npz, npy) or a dict of columns (csv)."""
    file = Path(file_name(name, path))
    if not file.is_file():
        raise bad_value(name, "a file that exists", str(file))
    suffix = file.suffix.lower()
    if suffix == ".csv":
        return _read_table(file, name)
    if suffix not in (".npz", ".npy"):
        raise bad_value(name, "a .npz, .npy or .csv file", file.name)
    try:
        loaded = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile, OSError):
        raise bad_value(name, "a file of numpy arrays of numbers", file.name) from None
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        arrays = [loaded[key] for key in loaded.files]
    return arrays[0] if len(arrays) == 1 and arrays[0].ndim > 1 else arrays


def _read_table(file: Path, name: str) -> dict[str, np.ndarray]:
    """The columns of a CSV file with a header; empty entries are NaN, columns of words stay words."""
    table = read_csv(file, name)
    return {key: _column([row[k] for _, row in table.rows], table.decimal_comma) for k, key in enumerate(table.header)}


def _column(entries: list[str], decimal_comma: bool) -> np.ndarray:
    words = ("", "nan", "none", "null", "na")
    numbers = [e.replace(",", ".") if decimal_comma else e for e in entries]
    try:
        return np.array([np.nan if e.strip().lower() in words else float(e) for e in numbers])
    except ValueError:
        return np.array(entries)


def table_columns(
    columns: dict[str, np.ndarray], meaning: str | None = None
) -> tuple[list[np.ndarray], float, list[str] | None]:
    """The runs in a table, the number of steps between their rows, and the names of the coordinates if it says them.

    With a column that names the run (`run`, `seed`, ...) the other numeric columns are coordinates, in the order of
    `step` where there is one, missing steps becoming gaps. Without it they are coordinates of one run or a run each, as
    `meaning` or their names say; a column of steps, or of times (`time`, `t`), orders the rows.
    """
    lengths = {np.shape(column) for column in columns.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        raise bad_value("data", "a table of columns of one length", f"shapes {sorted(lengths)}")
    lower = {name.lower(): name for name in columns}
    run = next((lower[name] for name in RUN_COLUMNS if name in lower), None)
    step = next((lower[name] for name in STEP_COLUMNS if name in lower), "t" if "t" in columns else None)
    values = {
        name: column.astype(float)
        for name, column in columns.items()
        if name not in (run, step) and column.dtype.kind in "fiu" and name.lower() not in ASIDE
        if not name.endswith(EXTREMES)
    }
    if not values:
        raise bad_value("data", "a table with a column of numbers beside those of run and step", f"{list(columns)}")
    called: list[str] | None = list(values)
    if run is not None:
        table, names = np.stack(list(values.values()), axis=1), columns[run]
        groups = [(table[names == name], names == name) for name in dict.fromkeys(names.tolist())]
    elif len(values) > 1 and _meaning(list(values), meaning) == "coordinates":
        groups = [(np.stack(list(values.values()), axis=1), slice(None))]
    else:
        groups, called = [(column[:, None], slice(None)) for column in values.values()], None
    if step is None:
        return [rows for rows, _ in groups], 1.0, called
    runs, width = _on_steps([(rows, columns[step].astype(float)[which]) for rows, which in groups])
    return runs, width, called


def _meaning(names: list[str], said: str | None) -> str:
    """What columns are where no other names the run: as was said, or runs where their names say so."""
    if said is not None:
        return said
    if all(METRIC in name or any(word in name.lower() for word in RUN_WORDS) for name in names):
        return "runs"
    stem = names[0].rstrip("0123456789")
    if len(names) > FEW and all(name.startswith(stem) and name[len(stem) :].isdigit() for name in names):
        return "runs"
    then = (
        f'Say Paths(data, columns="coordinates") where {", ".join(names[:FEW])} are coordinates of one run, '
        'columns="runs" where each is a run; or add a column `run`.'
    )
    raise bad_value("columns", "'coordinates' or 'runs' for a table without a column `run`", None, then)


def _on_steps(groups: list[tuple[np.ndarray, np.ndarray]]) -> tuple[list[np.ndarray], float]:
    """Runs (rows, steps) in the order of their steps, a row for each smallest distance between any; missing ones are NaN."""
    ordered = []
    for rows, steps in groups:
        known = np.isfinite(rows).any(axis=1) & np.isfinite(steps)
        order = np.argsort(steps[known], kind="stable")
        ordered.append((rows[known][order], steps[known][order]))
    width = min((float(np.diff(steps).min()) for _, steps in ordered if len(steps) > 1), default=1.0)
    if width <= 0.0:
        then = "Name the runs in a column `run`, or drop repeats."
        raise bad_value("data", "a table with one row a step in each run", "a step that is repeated", then)
    runs = []
    for rows, steps in ordered:
        index = np.round((steps - steps[:1]) / width).astype(int)
        if not np.allclose(index * width, steps - steps[:1], atol=1e-6 * width):
            raise bad_value("data", "recorded at multiples of one step", "other steps", "Thin or interpolate the rows.")
        length = int(index[-1]) + 1 if index.size else 1
        fits_memory("data", 8.0 * length * rows.shape[1], "Thin the rows to equal distances.")
        runs.append(np.full((length, rows.shape[1]), np.nan))
        runs[-1][index] = rows
    return runs, width
