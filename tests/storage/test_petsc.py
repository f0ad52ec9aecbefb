"""PETSc's binary format: bytes laid out by hand, round trips, damaged files."""

import struct

import numpy as np
import pytest
import scipy.sparse as sp

import fokkerplanck as fp
from fokkerplanck.storage import petsc


def test_the_bytes_of_a_small_matrix(tmp_path):
    matrix = sp.csr_array(np.array([[1.5, 0.0, -2.0], [0.0, 3.0, 0.0]]))
    petsc.write_matrix(tmp_path / "a", matrix)
    want = struct.pack(">4i2i3i3d", 1211216, 2, 3, 3, 2, 1, 0, 2, 1, 1.5, -2.0, 3.0)
    assert (tmp_path / "a").read_bytes() == want
    petsc.write_vector(tmp_path / "v", [0.25, -1.0])
    assert (tmp_path / "v").read_bytes() == struct.pack(">2i2d", 1211214, 2, 0.25, -1.0)


def test_a_generator_comes_back_from_slabs(tmp_path, monkeypatch):
    monkeypatch.setattr(petsc, "SLAB", 100)  # so that there are many, and the last is short
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (-x + y, -x - y, -z), diffusion=0.5)
    matrix = fp.generator(eq, fp.Grid([(-3, 3)] * 3, [7, 8, 9])).matrix
    petsc.write_matrix(tmp_path / "q", matrix)
    again = petsc.read_matrix(tmp_path / "q")
    assert again.shape == matrix.shape
    assert (again != matrix).nnz == 0
    values = np.random.default_rng(0).normal(size=matrix.shape[0])
    petsc.write_vector(tmp_path / "v", values)
    np.testing.assert_array_equal(petsc.read_vector(tmp_path / "v"), values)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "q"
    petsc.write_matrix(path, sp.eye_array(5))
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="a vector in PETSc's binary format"):
        petsc.read_vector(path)
    for cut in (8, 20, len(whole) - 4):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"matrix in PETSc's binary format"):
            petsc.read_matrix(path)
    petsc.write_vector(path, np.ones(4))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="a whole vector"):
        petsc.read_vector(path)
