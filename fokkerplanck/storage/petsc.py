"""PETSc's binary format: a rate matrix written in slabs, and vectors, for solvers that run elsewhere under `mpiexec`.

Big-endian: a matrix is 1211216, rows, columns, entries, the length of each row, the columns and the values; a vector is
1211214, its length and the values (PETSc's manual pages of MatLoad and VecLoad). Integers have 32 bits,
or all of them 64 where PETSc was configured --with-64-bit-indices.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy.sparse as sp

from ..errors import bad_value
from .files import write_atomically

MATRIX, VECTOR = 1211216, 1211214
SLAB = 1_000_000  # rows written at once
INTEGERS = {32: ">i4", 64: ">i8"}


def write_matrix(path: str | os.PathLike, matrix: sp.sparray, *, indices: int = 32) -> None:
    """Write a sparse matrix, such as `fp.generator(eq, grid).matrix`, a slab of rows at a time.

    indices: bits of an integer, 32 or 64, as PETSc was configured; beyond 2^31 entries 64.
    """
    rows = sp.csr_array(matrix)
    kind = _kind(indices, "matrix", max(rows.nnz, *rows.shape))
    rows.sort_indices()
    starts = range(0, rows.shape[0], SLAB)
    ends = [rows.indptr[[s, min(s + SLAB, rows.shape[0])]] for s in starts]

    def write(place: str) -> None:
        with Path(place).open("wb") as file:
            np.array([MATRIX, *rows.shape, rows.nnz], dtype=kind).tofile(file)
            for start in starts:
                np.diff(rows.indptr[start : start + SLAB + 1]).astype(kind).tofile(file)
            for first, last in ends:
                rows.indices[first:last].astype(kind).tofile(file)
            for first, last in ends:
                rows.data[first:last].astype(">f8").tofile(file)

    write_atomically(path, write)


def read_matrix(path: str | os.PathLike) -> sp.csr_array:
    """A matrix in PETSc's binary format, of either kind of integers."""
    with Path(path).open("rb") as file:
        kind = _kind_of(file)
        head = _integers(file, 4, kind)
        if head.size < 4 or head[0] != MATRIX or head.min() < 0:
            raise bad_value("path", "a matrix in PETSc's binary format", path)
        _, n, m, entries = (int(v) for v in head)
        _check_length(file, "matrix", (4 + n + entries) * np.dtype(kind).itemsize + 8 * entries)
        lengths, columns = _integers(file, n, kind), _integers(file, entries, kind)
        values = np.fromfile(file, dtype=">f8", count=entries).astype(float)
    if lengths.sum() != entries or lengths.min(initial=0) < 0:
        raise bad_value("path", "a whole matrix in PETSc's binary format", path, "The file is damaged.")
    return sp.csr_array((values, columns, np.concatenate([[0], np.cumsum(lengths)])), shape=(n, m))


def write_vector(path: str | os.PathLike, values: np.ndarray, *, indices: int = 32) -> None:
    """Write a vector (n,); indices: bits of an integer, as in `write_matrix`."""
    flat = np.ravel(values)
    kind = _kind(indices, "values", flat.size)

    def write(place: str) -> None:
        with Path(place).open("wb") as file:
            np.array([VECTOR, flat.size], dtype=kind).tofile(file)
            flat.astype(">f8").tofile(file)

    write_atomically(path, write)


def read_vector(path: str | os.PathLike) -> np.ndarray:
    """A vector (n,) in PETSc's binary format, such as masses that were solved for."""
    with Path(path).open("rb") as file:
        kind = _kind_of(file)
        head = _integers(file, 2, kind)
        if head.size < 2 or head[0] != VECTOR or head[1] < 0:
            raise bad_value("path", "a vector in PETSc's binary format", path)
        _check_length(file, "vector", 2 * np.dtype(kind).itemsize + 8 * int(head[1]))
        return np.fromfile(file, dtype=">f8", count=int(head[1])).astype(float)


def _check_length(file: BinaryIO, what: str, need: int) -> None:
    """Refuse a file that is shorter than its beginning says, before memory is asked for."""
    if os.fstat(file.fileno()).st_size < need:
        raise bad_value("path", f"a whole {what} in PETSc's binary format", file.name, "The file ends early.")


def _kind(indices: int, name: str, largest: int) -> str:
    """The type of integers in a file, where the largest of them fits."""
    if indices not in INTEGERS:
        raise bad_value("indices", "32 or 64, bits of an integer", indices)
    if largest >= 2 ** (indices - 1):
        then = "Give indices=64, to a PETSc that was configured --with-64-bit-indices."
        raise bad_value(name, f"of less than 2^{indices - 1} rows and entries", largest, then)
    return INTEGERS[indices]


def _kind_of(file: BinaryIO) -> str:
    """That of a file at its beginning: the upper half of its first number is zero where integers have 64 bits."""
    first = file.read(4)
    file.seek(0)
    return INTEGERS[64 if first == bytes(4) else 32]


def _integers(file: BinaryIO, count: int, kind: str) -> np.ndarray:
    return np.fromfile(file, dtype=kind, count=count).astype(np.int64)
