"""PETSc's binary format: bytes laid out by hand, round trips, damaged files."""

import shutil
import struct
import subprocess
from pathlib import Path

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


def python_with_petsc():
    """An interpreter that imports petsc4py, which may be the system's own."""
    for python in filter(None, (shutil.which("python3"), "/usr/bin/python3")):
        if (
            Path(python).exists()
            and not subprocess.run([python, "-c", "import petsc4py"], capture_output=True).returncode
        ):
            return python
    return None


def test_petsc_solves_what_was_written(tmp_path):
    python = python_with_petsc()
    if python is None:
        pytest.skip("no Python with petsc4py here")
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (y - x, -x - y, -z), diffusion=0.5)
    grid = fp.Grid([(-3, 3)] * 3, 12)
    petsc.write_matrix(tmp_path / "q", fp.generator(eq, grid).matrix)
    script = Path(__file__).parents[2] / "docs/howto/petsc_stationary.py"
    subprocess.run([python, script, tmp_path / "q", tmp_path / "masses"], check=True)
    masses = petsc.read_vector(tmp_path / "masses").reshape(grid.shape)
    assert np.abs(masses - fp.stationary(eq, grid, error=False).masses).sum() < 1e-8
