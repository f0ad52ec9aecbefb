"""Trajectories as data: runs of unequal length, with gaps, from arrays, ensembles, tables and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import callable_with, did_you_mean, number, reals, whole
from ..errors import bad_type, bad_value, warn
from ..results.ensemble import Ensemble
from .clocks import Timed, clock, on_lattice
from .reading import MEANINGS, RUN_COLUMNS, STEP_COLUMNS, read_file, table_columns, table_in

MOST = 10**12  # rows
FEW_ROWS, TICKS = 3, 10  # of runs that may be rows of one; rows of a run that may be a clock
RULE = "a list of arrays (one a run), an array with NaN where runs end, an Ensemble, a table or a file"


@dataclass(frozen=True, eq=False)
class Transitions:
    """Pairs of positions a lag apart.

    Attributes
    ----------
    starts, ends : ndarray (n, dim)
    run : ndarray (n,) of int
        The run that each belongs to.
    when : ndarray (n,)
        Time of the start.
    tau : float
        Time between start and end.
    names : tuple of str, or None
        Of the coordinates.
    """

    starts: np.ndarray
    ends: np.ndarray
    run: np.ndarray
    when: np.ndarray
    tau: float
    names: tuple[str, ...] | None = None

    @property
    def size(self) -> int:
        """Number of pairs."""
        return len(self.run)

    def chosen(self, which: np.ndarray) -> Transitions:
        """Some of them, by mask or index."""
        return Transitions(
            self.starts[which], self.ends[which], self.run[which], self.when[which], self.tau, self.names
        )


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Paths:
    """Recorded trajectories: runs of any length, each a row a time.

    Parameters
    ----------
    data : list of arrays, array, Ensemble, DataFrame, xarray object or file name
        A list holds one run an entry, (n_steps,) or (n_steps, dim); rows that hold a NaN are gaps. An array is
        (n_runs, n_steps) or (n_runs, n_steps, dim), or (n_steps,) for a single run, with NaN where runs are shorter. A
        DataFrame (pandas or polars) has a column `run` (or `track`, `particle`, `trajectory`, `id`, ...) and one of steps or
        times (`step`, `time`, `t`, `frame`, `date`, ..., or the index) beside one column a coordinate, as TensorBoard's
        runs are when stacked; or one column a run with one row a step, as Weights & Biases exports a metric; see
        `columns`. xarray: the dimensions `run`, `time` and, if there is a third, the coordinates; of a Dataset the variables
        are these. A file: .npz or .npy (arrays as above, one a run) or .csv (a table as above).
    dt : float
        Time between the rows; or where the data have steps or times, the time of one of their units (of a second, where they
        are dates); 1 by default. An Ensemble brings its own times.
    observable : callable or list of callables, optional
        What is followed instead of the coordinates: f(x), f(x, y), ... from arrays (n_steps,) to (n_steps,); a list gives
        several coordinates.
    columns : {"coordinates", "runs"}, optional
        What the columns of a table without a column `run` are: the coordinates of one run, or a run each. It must be said
        unless the names do, such as "run 1", "seed-3 - loss", or more than three that are numbered.

    Attributes
    ----------
    runs : tuple of ndarray (n_steps, dim)
        With NaN rows where nothing was recorded.
    dt : float
    names : tuple of str, or None
        Of the coordinates: the columns of a table that has one a coordinate, the labels of an xarray object, or those of an
        Ensemble. Messages, figures and grids use them.
    periods : tuple of float
        Of the coordinates of simulated paths that a periodic grid folded, inf for others; () where none is known.

    Examples
    --------
    >>> data = Paths([[0.0, 0.1, 0.3], [1.0, 0.8]], dt=0.5)
    >>> data
    Paths: 2 runs in 1D, 2 to 3 rows each, 5 recorded, dt = 0.5
    """

    runs: tuple[np.ndarray, ...]
    dt: float
    names: tuple[str, ...] | None
    periods: tuple[float, ...]

    def __init__(
        self,
        data: Any,
        dt: float = 1.0,
        observable: Callable | Sequence[Callable] | None = None,
        columns: str | None = None,
    ):
        names: Sequence[str] | None
        periods: tuple[float, ...] = ()
        step = number("dt", dt, "a positive number", lambda v: 0.0 < v < np.inf)
        if columns is not None and columns not in MEANINGS:
            then = did_you_mean(columns, MEANINGS) if isinstance(columns, str) else ""
            raise bad_value("columns", "'coordinates', 'runs' or None", columns, then)
        if isinstance(data, Paths):
            runs, step, names = list(data.runs), data.dt, data.names
            periods = data.periods
        elif isinstance(data, Ensemble):
            (runs, step), names = _from_ensemble(data), data.names
            periods = data.periods
        else:
            entries, width, names = _entries(data, columns)
            runs = [_run(entry) for entry in entries]
            _tell_infinite(entries)
            _tell_clocks(runs)
            if step != 1.0 and abs(step - width) < 1e-6 * width:
                text = f"The data have times of their own, {width:.6g} apart; dt={step:.6g} multiplies these. Leave it out."
                warn(text)
            step *= width
        runs = [_observed(run, observable) for run in runs] if observable is not None else runs
        dims = {run.shape[1] for run in runs}
        if len(dims) != 1:
            raise bad_value("data", "of as many coordinates in every run", f"{sorted(dims)}")
        if not any(np.isfinite(run).all(axis=1).any() for run in runs):
            raise bad_value("data" if observable is None else "observable", "finite somewhere", "no finite row")
        _tell_repeats(runs)
        for run in runs:
            run.flags.writeable = False
        object.__setattr__(self, "runs", tuple(runs))
        object.__setattr__(self, "dt", step)
        object.__setattr__(self, "names", _usable(names, runs[0].shape[1]) if observable is None else None)
        object.__setattr__(self, "periods", periods if observable is None else ())

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return len(self.runs)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.runs[0].shape[1]

    def thin(self, lag: int) -> Paths:
        """Every lag-th row of each run."""
        lag = whole("lag", lag, 1, MOST)
        return _make(tuple(run[::lag] for run in self.runs), self.dt * lag, self.names, self.periods)

    def first(self, rows: int) -> Paths:
        """The first runs, of so many rows in all; at least one, which may be cut."""
        kept, left = [], rows
        for run in self.runs:
            if left <= 0:
                break
            kept.append(run[:left])
            left -= len(run)
        return _make(tuple(kept), self.dt, self.names, self.periods)

    def transitions(self, lag: int = 1) -> Transitions:
        """The pairs of rows that follow each other after thinning by `lag`, where both are recorded.

        Pairs do not overlap, so that those of a Markov process are independent given their starts.
        """
        lag = whole("lag", lag, 1, MOST)
        starts, ends, number_of, when = [], [], [], []
        for index, run in enumerate(self.runs):
            rows = run[::lag]
            good = np.isfinite(rows).all(axis=1)
            both = np.flatnonzero(good[:-1] & good[1:])
            starts.append(rows[both])
            ends.append(rows[both + 1])
            number_of.append(np.full(both.size, index))
            when.append(both * lag * self.dt)
        if not sum(len(s) for s in starts):
            if lag == 1:
                raise bad_value("data", "recorded at two successive rows somewhere", "only rows between gaps")
            longest = max(len(run) for run in self.runs)
            rule = f"below the length of the runs, at most {longest} rows between gaps"
            raise bad_value("lag", rule, lag, "Take a shorter lag or longer runs.")
        parts = [np.concatenate(p) for p in (starts, ends, number_of, when)]
        return Transitions(parts[0], parts[1], parts[2], parts[3], lag * self.dt, self.names)

    def values(self) -> np.ndarray:
        """All recorded rows, (n, dim)."""
        rows = np.concatenate(self.runs)
        return rows[np.isfinite(rows).all(axis=1)]

    def __repr__(self) -> str:
        lengths = [len(run) for run in self.runs]
        short, long = min(lengths), max(lengths)
        rows = f"{long} rows" if short == long else f"{short} to {long} rows"
        recorded = len(self.values())
        gaps = f", {recorded} recorded" if recorded < sum(lengths) or short < long else ""
        runs = "1 run" if self.n_runs == 1 else f"{self.n_runs} runs"
        called = "" if self.names is None else f" ({', '.join(self.names)})"
        return f"Paths: {runs} in {self.dim}D{called}, {rows} each{gaps}, dt = {self.dt:g}"


def as_paths(data: Any) -> Paths:
    """`Paths` as they are, anything else through its constructor."""
    return data if isinstance(data, Paths) else Paths(data)


def _usable(names: Sequence[str] | None, dim: int) -> tuple[str, ...] | None:
    """Names that can stand on axes, one a coordinate."""
    if names is None or len(names) != dim or len(set(names)) < dim:
        return None
    return tuple(names) if all(name.strip() and name.isprintable() for name in names) else None


def along_axis(names: Sequence[str] | None, axis: int, dim: int) -> str:
    """Which coordinate a message speaks of; empty where there is only one."""
    if dim == 1:
        return ""
    return f" along coordinate {axis} (counted from 0)" if names is None else f" along {names[axis]}"


def _make(
    runs: tuple[np.ndarray, ...], dt: float, names: tuple[str, ...] | None = None, periods: tuple[float, ...] = ()
) -> Paths:
    made = Paths.__new__(Paths)
    object.__setattr__(made, "runs", runs)
    object.__setattr__(made, "dt", dt)
    object.__setattr__(made, "names", names)
    object.__setattr__(made, "periods", periods)
    return made


def _entries(data: Any, columns: str | None) -> tuple[list[Any], float, Sequence[str] | None]:
    """The runs in whatever was given, one entry each, the number of steps between rows, and names of coordinates."""
    if isinstance(data, str) or hasattr(data, "__fspath__"):
        data = read_file(data)
    if hasattr(data, "dims") and hasattr(data, "transpose"):
        return _from_xarray(data)
    if isinstance(data, dict) and len({np.shape(column) for column in data.values()}) > 1:
        data = list(data.values())  # runs by name
    if (table := table_in(data)) is not None:
        return table_columns(table, columns)
    if hasattr(data, "to_numpy"):  # a single column of a frame
        data = np.asarray(data)
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiu":
        if data.ndim not in (1, 2, 3) or not data.size:
            raise bad_value("data", RULE, f"shape {data.shape}", "Give (n_runs, n_steps) or (n_runs, n_steps, dim).")
        _tell_thin(data.shape)
        data = _filled(data).T if data.ndim == 2 and data.shape[1] == 1 else _filled(data)
        return ([data] if data.ndim == 1 else list(data)), 1.0, None
    if isinstance(data, np.ndarray) and data.dtype.kind == "O" and data.ndim == 1:
        data = list(data)  # runs of several lengths
    if not isinstance(data, (list, tuple)) or not len(data):
        raise bad_type("data", RULE, data)
    return ([data] if all(np.ndim(entry) == 0 for entry in data) else [_filled(run) for run in data]), 1.0, None


def _filled(array: Any) -> Any:
    """An array with NaN where it is masked."""
    return np.ma.filled(array.astype(float), np.nan) if isinstance(array, np.ma.MaskedArray) else array


def _tell_thin(shape: tuple[int, ...]) -> None:
    """A warning of many runs of two or three rows, which are more often the rows of one run in the plane or in space."""
    if len(shape) == 2 and 1 < shape[1] <= FEW_ROWS and shape[0] > 10 * shape[1]:
        read = f"{shape[0]} runs of {shape[1]} rows"
        warn(
            f"An array of shape {shape} was read as {read}. If it is one run in {shape[1]}D, pass it in a list: [array]."
        )


def _tell_clocks(runs: list[np.ndarray]) -> None:
    """A warning of runs that go by equal steps beside others that do not: times that were given as a run."""
    ticks = [len(run) > TICKS and run.shape[1] == 1 and _is_clock(run[:, 0]) for run in runs]
    if any(ticks) and not all(ticks):
        which = ", ".join(str(k) for k, tick in enumerate(ticks) if tick)
        then = 'Give times as Paths({"t": times, "x": values}), or leave them out and give dt.'
        warn(f"Run {which} (counted from 0) goes by equal steps, as times do, and was taken for a run. {then}")


def _is_clock(x: np.ndarray) -> bool:
    steps = np.diff(x)
    return bool(steps[0] != 0.0 and np.allclose(steps, steps[0], rtol=1e-6, atol=1e-9 * float(np.nanmax(np.abs(x)))))


def _run(entry: Any) -> np.ndarray:
    """One run, (n_steps, dim), without the NaN rows at its end."""
    array = reals("data", entry, RULE).astype(float)
    if array.ndim not in (1, 2) or array.size == 0:
        raise bad_value("data", "runs of shape (n_steps,) or (n_steps, dim)", f"shape {array.shape}")
    rows = array[:, None] if array.ndim == 1 else array
    rows = np.where(np.isfinite(rows), rows, np.nan)
    recorded = np.flatnonzero(np.isfinite(rows).all(axis=1))
    return rows[: recorded[-1] + 1].copy() if recorded.size else rows[:1].copy()


def _tell_infinite(entries: list[Any]) -> None:
    """A warning of infinite values, which count as gaps: a run that went out of hand is no run with a gap."""
    count = sum(int(np.isinf(np.asarray(entry, dtype=float)).sum()) for entry in entries)
    if count:
        warn(f"{count} value(s) are infinite, and count as gaps. Where runs diverged, cut them before they did.")


def _tell_repeats(runs: list[np.ndarray]) -> None:
    """A warning where runs that move equal others to the last digit: as independent ones they would make errors too small."""
    moving = [run for run in runs if len(run) > 2 and (run[1:] != run[:1]).any()]
    repeats = len(moving) - len({run.tobytes() for run in moving})
    if repeats:
        text = f"{repeats} of {len(runs)} runs repeat others to the last digit, and would count as new data. Leave them out."
        warn(text)


def _from_ensemble(data: Ensemble) -> tuple[list[np.ndarray], float]:
    """The paths on a lattice of times; its step is the shortest between records, gaps are NaN."""
    times = np.asarray(data.times, dtype=float)
    if times.size < 2:
        raise bad_value("data", "recorded at two times or more", f"{times.size} time(s)")
    runs = [_run(data.positions[:, path]) for path in range(data.n_paths)]
    return on_lattice([Timed(rows, times[: len(rows)]) for rows in runs])


def _from_xarray(data: Any) -> tuple[list[Any], float, Sequence[str] | None]:
    """Runs, steps between rows and names of coordinates, of an array or of a dataset, whose variables are coordinates."""
    if hasattr(data, "data_vars"):
        data = data.to_array("coordinate") if len(data.data_vars) > 1 else next(iter(data.data_vars.values()))
    dims = [str(d) for d in data.dims]
    time = next((name for name in STEP_COLUMNS if name in dims), None)
    run = next((name for name in RUN_COLUMNS if name in dims), None)
    if time is None or len(dims) > 3 or (len(dims) == 3 and run is None and "coordinate" not in dims):
        raise bad_value("data", "an array with the dimensions run and time", f"dimensions {dims}", "Rename them.")
    lead = [name for name in (run, time) if name is not None]
    values = data.transpose(*lead, *[d for d in dims if d not in lead]).values.astype(float)
    entries = list(values) if run is not None else [values]
    if time not in data.coords:
        return entries, 1.0, _labels(data, lead)
    times = clock(data.coords[time].values, time)
    rows = [_run(entry) for entry in entries]
    runs, width = on_lattice([Timed(part, times[: len(part)]) for part in rows])
    return runs, width, _labels(data, lead)


def _labels(data: Any, lead: list[str]) -> list[str] | None:
    """Labels of the coordinates, where the third dimension has some that are text."""
    third = [name for name in data.dims if name not in lead]
    labels = np.asarray(data[third[0]].values) if third and third[0] in data.coords else np.zeros(0)
    return [str(label) for label in labels] if labels.dtype.kind in "UO" else None


def _observed(run: np.ndarray, observable: Callable | Sequence[Callable]) -> np.ndarray:
    functions: list[Any] = list(observable) if isinstance(observable, (list, tuple)) else [observable]
    if not functions:
        raise bad_type("observable", "a function of the coordinates, or a list of such", observable)
    for function in functions:
        callable_with("observable", function, run.shape[1], "coordinate(s)")
    good = np.isfinite(run).all(axis=1)
    columns = [reals("observable", f(*run[good].T), "a function that returns numbers") for f in functions]
    for column in columns:
        if column.shape != (int(good.sum()),):
            raise bad_value("observable", f"one number a row, shape ({int(good.sum())},)", f"shape {column.shape}")
    result = np.full((len(run), len(functions)), np.nan)
    result[good] = np.stack(columns, axis=1)
    return result
