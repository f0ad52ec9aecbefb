"""PETSc's binary format: a rate matrix written in slabs, and vectors, for solvers that run elsewhere under `mpiexec`.

Big-endian, 32-bit integers: a matrix is 1211216, rows, columns, entries, the length of each row, the columns and the values;
a vector is 1211214, its length and the values (PETSc's manual pages of MatLoad and VecLoad).
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
LARGEST = 2**31 - 1  # of a 32-bit integer


def write_matrix(path: str | os.PathLike, matrix: sp.sparray) -> None:
    """Write a sparse matrix, such as `fp.generator(eq, grid).matrix`, a slab of rows at a time."""
    rows = sp.csr_array(matrix)
    if rows.nnz > LARGEST:
        raise bad_value("matrix", f"of at most {LARGEST} entries", rows.nnz, "Its integers have 32 bits.")
    rows.sort_indices()
    starts = range(0, rows.shape[0], SLAB)
    ends = [rows.indptr[[s, min(s + SLAB, rows.shape[0])]] for s in starts]

    def write(place: str) -> None:
        with Path(place).open("wb") as file:
            np.array([MATRIX, *rows.shape, rows.nnz], dtype=">i4").tofile(file)
            for start in starts:
                np.diff(rows.indptr[start : start + SLAB + 1]).astype(">i4").tofile(file)
            for first, last in ends:
                rows.indices[first:last].astype(">i4").tofile(file)
            for first, last in ends:
                rows.data[first:last].astype(">f8").tofile(file)

    write_atomically(path, write)


def read_matrix(path: str | os.PathLike) -> sp.csr_array:
    """A matrix in PETSc's binary format."""
    with Path(path).open("rb") as file:
        head = _integers(file, 4)
        if head.size < 4 or head[0] != MATRIX or head.min() < 0:
            raise bad_value("path", "a matrix in PETSc's binary format", path)
        _, n, m, entries = (int(v) for v in head)
        lengths, columns = _integers(file, n), _integers(file, entries)
        values = np.fromfile(file, dtype=">f8", count=entries).astype(float)
    if lengths.size < n or values.size < entries or lengths.sum() != entries:
        raise bad_value("path", "a whole matrix in PETSc's binary format", path, "The file ends early or is damaged.")
    return sp.csr_array((values, columns, np.concatenate([[0], np.cumsum(lengths)])), shape=(n, m))


def write_vector(path: str | os.PathLike, values: np.ndarray) -> None:
    """Write a vector (n,)."""
    flat = np.ravel(values)

    def write(place: str) -> None:
        with Path(place).open("wb") as file:
            np.array([VECTOR, flat.size], dtype=">i4").tofile(file)
            flat.astype(">f8").tofile(file)

    write_atomically(path, write)


def read_vector(path: str | os.PathLike) -> np.ndarray:
    """A vector (n,) in PETSc's binary format, such as masses that were solved for."""
    with Path(path).open("rb") as file:
        head = _integers(file, 2)
        if head.size < 2 or head[0] != VECTOR or head[1] < 0:
            raise bad_value("path", "a vector in PETSc's binary format", path)
        values = np.fromfile(file, dtype=">f8", count=int(head[1])).astype(float)
    if values.size < head[1]:
        raise bad_value("path", "a whole vector in PETSc's binary format", path, "The file ends early.")
    return values


def _integers(file: BinaryIO, count: int) -> np.ndarray:
    return np.fromfile(file, dtype=">i4", count=count).astype(np.int64)
