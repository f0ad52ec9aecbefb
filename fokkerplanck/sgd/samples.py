"""Reading the data of a loss: columns or an array, validated."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arguments import callable_with, existing_file, sized
from ..errors import bad_type, bad_value
from ..formulas.parser import checked_names
from ..randomness import private_generator
from ..storage.csv_columns import CsvColumns, read_csv

STREAM = 20_000  # samples drawn once to stand for an endless stream

OF_NUMBERS = "Code words as numbers, or leave the column out."


def read_data(data: Any, columns: Sequence[str] | None, formula: str = "") -> tuple[np.ndarray, tuple[str, ...] | None]:
    """The data as an array with one row a sample, and the names of its columns if they have any.

    A sampler f(rng, n) -> columns or array, for an endless stream, is asked once for `STREAM` samples with a fixed seed:
    moments of the gradient are then those of the stream to within its sampling error, 1 / sqrt(STREAM) = 0.7 %.
    """
    if callable(data):
        callable_with("data", data, 2)
        data = data(private_generator("samples of a stream"), STREAM)
    data = _named_columns(data, formula)
    if isinstance(data, Mapping):
        if columns is not None:
            raise bad_value("columns", "None where data names its columns", columns, "Drop it.")
        names = checked_names(tuple(data))
        arrays = [_numbers(f"data[{n!r}]", data[n], OF_NUMBERS) for n in names]
        sizes = {a.shape for a in arrays}
        if not arrays or len(sizes) != 1 or arrays[0].ndim != 1 or arrays[0].size == 0:
            shapes = ", ".join(f"{n}: {a.shape}" for n, a in zip(names, arrays, strict=True))
            got = f"shapes {{{shapes}}}" if arrays else "no columns"
            raise bad_value("data", "columns of one and the same length above 0", got)
        return np.stack(arrays, axis=1), names
    table = _numbers("data", data)
    if table.ndim == 0 or len(table) == 0:
        raise bad_value("data", "a mapping of columns or an array with one row a sample", data)
    if columns is None:
        return table, None
    names = checked_names(columns, "columns")
    if table.ndim == 1 and len(names) == 1:
        table = table[:, None]
    if table.ndim != 2 or table.shape[1] != len(names):
        raise bad_value("columns", f"one name for each column of data of shape {table.shape}", list(names))
    return table, names


def _named_columns(data: Any, formula: str) -> Any:
    """The columns that a formula needs of a CSV file, a data frame (pandas, polars, ...) or a mapping; others as they are.

    Columns that do not occur in it may hold text, gaps, or have names that no formula can. Those of a mapping stay where they
    are of use, as do all that are where none occurs: an error names them.
    """
    if isinstance(data, (str, os.PathLike)):
        data = read_csv(existing_file("data", data), "data")
    mapping = isinstance(data, Mapping) and not isinstance(data, CsvColumns)
    names = list(data) if isinstance(data, Mapping) else getattr(data, "columns", None)
    if isinstance(data, type) or names is None or not hasattr(data, "__getitem__"):
        return data
    words = set(re.findall(r"[^\W\d]\w*", formula)) if isinstance(formula, str) else set()
    used = [name for name in names if name in words]
    if words and (mapping or not used):
        used = [name for name in names if name in words or _of_use(name, data)] or list(names)
    return {name: data[name] for name in used or names}


def _of_use(name: Any, data: Any) -> bool:
    """Whether a column may be one of a formula: a name, and numbers."""
    try:
        checked_names((name,))
        _numbers("data", data[name])
    except (ValueError, TypeError):
        return False
    return True


def _numbers(name: str, values: Any, then: str = "") -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub":
        raise bad_type(name, "real numbers", values, then)
    if not np.isfinite(array).all():
        raise bad_value(name, "finite", values, "Remove or fill the missing samples.")
    return sized(name, array)
