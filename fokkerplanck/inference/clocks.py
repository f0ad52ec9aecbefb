"""Times of rows: dates as seconds, and runs laid on the lattice of their shortest step, what is missing as gaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arguments import fits_memory
from ..errors import bad_type, bad_value, warn

NEAR = 1.5  # of the shortest gap: gaps that are one step, whose median is the step
FINEST = 20  # steps in the shortest gap
DIGITS = 1e-3  # of a step: what clocks of few digits are off by, without a word
JITTER = 0.1  # of a step: what clocks may be off by
SECOND = np.timedelta64(1, "s")


class Timed(NamedTuple):
    """One run: rows (n, dim) and their times (n,)."""

    rows: np.ndarray
    times: np.ndarray


def clock(column: np.ndarray, name: str = "time") -> np.ndarray:
    """A column of steps or times as numbers; dates as seconds since the first, durations as seconds."""
    array = np.asarray(column)
    if array.dtype.kind in "OUST":
        array = _dates(array, name)
    if array.dtype.kind == "M":
        known = array[~np.isnat(array)]
        array = array - known.min() if known.size else array - array
    if array.dtype.kind == "m":
        return np.where(np.isnat(array), np.nan, array / SECOND)
    if array.dtype.kind not in "fiu":
        raise bad_type("data", f"a table whose column `{name}` holds numbers or dates", array[:1])
    return array.astype(float)


def _dates(array: np.ndarray, name: str) -> np.ndarray:
    """Words as dates, in the form 2020-01-31 or 2020-01-31 12:00:00; objects as numbers or dates."""
    for kind in (float, "datetime64[us]"):
        try:
            return array.astype(kind)
        except (TypeError, ValueError):
            continue
    rule = f"a table whose column `{name}` holds numbers or dates such as 2020-01-31 12:00:00"
    raise bad_value("data", rule, str(array[0]), "Convert it first, such as by pandas.to_datetime.")


def on_lattice(runs: list[Timed]) -> tuple[list[np.ndarray], float]:
    """Runs in the order of their times, a row for each step; rows that are missing are NaN. And the length of a step."""
    ordered = []
    for rows, times in runs:
        known = np.isfinite(rows).any(axis=1) & np.isfinite(times)
        order = np.argsort(times[known], kind="stable")
        ordered.append(Timed(rows[known][order], times[known][order]))
    gaps = np.concatenate([np.diff(run.times) for run in ordered])
    if gaps.size and gaps.min() <= 0.0:
        then = "Name the runs in a column `run`, or drop repeats."
        raise bad_value("data", "a table with one row a step in each run", "a step that is repeated", then)
    width = _step(gaps)
    laid = []
    for rows, times in ordered:
        index = np.concatenate([[0], np.cumsum(np.round(np.diff(times) / width).astype(int))])
        length = int(index[-1]) + 1
        fits_memory("data", 8.0 * length * rows.shape[1], "Thin the rows to equal distances.")
        laid.append(np.full((length, rows.shape[1]), np.nan))
        laid[-1][index[: len(rows)]] = rows
    return laid, width


def _step(gaps: np.ndarray) -> float:
    """The time of which all gaps are multiples, but for the error of a clock: the shortest gap, or at most FINEST times less.

    1 where there are no gaps.
    """
    if not gaps.size:
        return 1.0
    short = float(np.median(gaps[gaps < NEAR * gaps.min()]))
    tried = [_fitted(gaps, short / parts) for parts in range(1, FINEST + 1)]
    width, off = next((found for found in tried if found[1] <= DIGITS), tried[0])
    if off > JITTER or float(gaps.min()) < 0.5 * width:
        then = (
            f"Gaps go from {gaps.min():.4g} to {gaps.max():.4g}. Do not interpolate: between rows that would smooth the paths, "
            "and D come out too small. Round the times to multiples of a short step: fits take the gaps as they are."
        )
        raise bad_value("data", "recorded at multiples of one step", "other steps", then)
    if off > DIGITS:
        warn(f"Times are off multiples of {width:.4g} by up to {off:.2g} of it, and were taken for such multiples.")
    return width


def _fitted(gaps: np.ndarray, width: float) -> tuple[float, float]:
    """The width near one given of which the gaps are multiples, by least differences, and the largest of these in widths."""
    for _ in range(2):
        width = float(gaps.sum() / np.maximum(np.round(gaps / width), 1.0).sum())
    return width, float(np.abs(gaps / width - np.round(gaps / width)).max())
