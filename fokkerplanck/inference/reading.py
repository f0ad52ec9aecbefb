"""Runs out of files and tables: npz, npy and CSV, wide (one column a run) or long (a column that names the run)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import file_name
from ..errors import bad_value
from ..storage.csv_columns import read_csv
from .clocks import Timed, clock, on_lattice

RUN_COLUMNS = (
    *(
        "run",
        "run_id",
        "run_name",
        "seed",
        "track",
        "track_id",
        "particle",
        "particle_id",
        "trajectory",
        "trajectory_id",
    ),
    *("traj", "traj_id", "trial", "trial_id", "replica", "episode", "cell_id", "molecule", "id"),
)
STEP_COLUMNS = (
    *("step", "_step", "time", "t", "global_step", "frame", "epoch", "iteration", "iter", "timestep", "time_step"),
    *("date", "datetime", "timestamp"),
)
ASIDE = ("wall_time", "_timestamp", "_runtime")  # clocks, which are no coordinates
EXTREMES = ("__MIN", "__MAX")  # columns that Weights & Biases exports beside each metric
METRIC = " - "  # between a run and a metric, there
RUN_WORDS = ("run", "path", "traj", "seed", "sim", "replica", "trial", "sample", "realization", "member")
FEW = 3  # numbered columns may be coordinates
MEANINGS = ("coordinates", "runs")


def table_in(data: Any, name: str = "data") -> dict[str, np.ndarray] | None:
    """The columns of a data frame of pandas or polars, a dict or a .csv file; None of anything else.

    An index of pandas that says times or runs is a column; a column without a name that counts the rows is none.
    """
    if isinstance(data, str) or hasattr(data, "__fspath__"):
        data = read_file(data, name)
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):  # a lazy frame of polars
        data = data.collect()
    data = _with_index(data)
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        data = {key: data[key] for key in data.columns}
    if not isinstance(data, dict):
        return None
    table = {str(key): _numbers(np.ma.filled(_plain(column), np.nan)) for key, column in data.items()}
    return {key: column for key, column in table.items() if not _counts_rows(key, column)}


def _plain(column: Any) -> Any:
    return column if isinstance(column, np.ma.MaskedArray) and column.dtype.kind == "f" else np.asarray(column)


def _numbers(column: np.ndarray) -> np.ndarray:
    """A column of objects as numbers, None being NaN, where all are."""
    if column.dtype.kind != "O":
        return column
    try:
        return np.array([np.nan if entry is None else entry for entry in column.tolist()]).astype(float)
    except (TypeError, ValueError):
        return column


def _counts_rows(name: str, column: np.ndarray) -> bool:
    """Whether a column is the index that pandas writes into a .csv file."""
    bare = name.strip() == "" or name.startswith("Unnamed:")
    return bare and column.dtype.kind in "fiu" and np.array_equal(column, np.arange(column.size))


def _with_index(data: Any) -> Any:
    """A frame or a single column of pandas whose index says times or runs, as a frame with columns for it."""
    if not hasattr(data, "reset_index") or not hasattr(data, "index"):
        return data
    index = data.index
    named = [_key(name) in (*RUN_COLUMNS, *STEP_COLUMNS) for name in index.names if name is not None]
    if len(index.names) == 1 and index.dtype.kind in "fMm" and not all(named or [False]):
        index = index.rename("time")
    elif not named or not all(named):
        return data
    frame = data if hasattr(data, "columns") else data.to_frame("value" if data.name is None else str(data.name))
    return frame.set_axis(index, axis=0).reset_index()


def _key(name: object) -> str:
    """A column name as it is looked for."""
    return str(name).strip().lower().replace(" ", "_").replace("-", "_")


def read_file(path: Any, name: str = "data") -> Any:
    """A list of runs (npz, npy), or a dict of columns (csv; npz with an array of steps or times beside others as long)."""
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
        named = {key: loaded[key] for key in loaded.files}
    arrays = list(named.values())
    if any(_key(key) in STEP_COLUMNS for key in named) and len({np.shape(a) for a in arrays}) == 1:
        return named
    return arrays[0] if len(arrays) == 1 and arrays[0].ndim > 1 else arrays


def _read_table(file: Path, name: str) -> dict[str, np.ndarray]:
    """The columns of a CSV file with a header; empty entries are NaN, columns of words stay words."""
    table = read_csv(file, name)
    if _is_row(table.header):
        then = "Write such a line, or pass numpy.loadtxt(file)."
        raise bad_value(name, "a CSV file whose first line names the columns", f"numbers there, in {file.name}", then)
    return {key: _column([row[k] for _, row in table.rows], table.decimal_comma) for k, key in enumerate(table.header)}


def _is_row(header: tuple[str, ...]) -> bool:
    """Whether the first line of a file is one of numbers, and not 0, 1, 2, ... as pandas calls columns."""
    try:
        [float(name) for name in header]
    except ValueError:
        return False
    return list(header) != [str(k) for k in range(len(header))]


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
    known = {_key(name): name for name in columns}
    run = next((known[name] for name in RUN_COLUMNS if name in known), None)
    clocks = [known[name] for name in STEP_COLUMNS if name in known and known[name] != "T"]  # T may be a temperature
    step = clocks[0] if clocks else None
    values = {
        name: column.astype(float)
        for name, column in columns.items()
        if name not in (run, *clocks) and column.dtype.kind in "fiu" and _key(name) not in ASIDE
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
    times = clock(columns[step], step)
    runs, width = on_lattice([Timed(rows, times[which]) for rows, which in groups])
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
        'columns="runs" where each is a run; or name the column that tells the runs apart `run`.'
    )
    raise bad_value("columns", "'coordinates' or 'runs' for a table without a column `run`", None, then)
