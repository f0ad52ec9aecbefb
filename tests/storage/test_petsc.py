"""PETSc's binary format: bytes laid out by hand, round trips, damaged files."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import fokkerplanck as fp
from fokkerplanck.storage import petsc

HOWTO = Path(__file__).parents[2] / "docs/howto"


def test_the_bytes_of_a_small_matrix(tmp_path):
    matrix = sp.csr_array(np.array([[1.5, 0.0, -2.0], [0.0, 3.0, 0.0]]))
    petsc.write_matrix(tmp_path / "a", matrix)
    want = struct.pack(">4i2i3i3d", 1211216, 2, 3, 3, 2, 1, 0, 2, 1, 1.5, -2.0, 3.0)
    assert (tmp_path / "a").read_bytes() == want
    petsc.write_vector(tmp_path / "v", [0.25, -1.0])
    assert (tmp_path / "v").read_bytes() == struct.pack(">2i2d", 1211214, 2, 0.25, -1.0)


def test_the_bytes_with_64_bit_indices(tmp_path):
    """As `PetscInt` is where PETSc was configured --with-64-bit-indices."""
    matrix = sp.csr_array(np.array([[1.5, 0.0, -2.0], [0.0, 3.0, 0.0]]))
    petsc.write_matrix(tmp_path / "a", matrix, indices=64)
    want = struct.pack(">4q2q3q3d", 1211216, 2, 3, 3, 2, 1, 0, 2, 1, 1.5, -2.0, 3.0)
    assert (tmp_path / "a").read_bytes() == want
    assert (petsc.read_matrix(tmp_path / "a") != matrix).nnz == 0
    petsc.write_vector(tmp_path / "v", [0.25, -1.0], indices=64)
    assert (tmp_path / "v").read_bytes() == struct.pack(">2q2d", 1211214, 2, 0.25, -1.0)
    assert petsc.read_vector(tmp_path / "v").tolist() == [0.25, -1.0]


def test_integers_that_do_not_fit_are_refused(tmp_path):
    """No entries are needed: the number of columns is one of the integers too."""
    wide = sp.csr_array((np.ones(1), np.array([2**31 + 5], dtype=np.int64), np.array([0, 1])), shape=(1, 2**31 + 6))
    with pytest.raises(ValueError, match=r"`matrix` must be of less than 2\^31 .* Give indices=64"):
        petsc.write_matrix(tmp_path / "w", wide)
    petsc.write_matrix(tmp_path / "w", wide, indices=64)
    again = petsc.read_matrix(tmp_path / "w")
    assert again.shape == wide.shape
    assert again.indices.tolist() == [2**31 + 5]
    with pytest.raises(ValueError, match="`indices` must be 32 or 64"):
        petsc.write_matrix(tmp_path / "w", wide, indices=16)


@pytest.mark.parametrize("indices", [32, 64])
def test_a_generator_comes_back_from_slabs(tmp_path, monkeypatch, indices):
    monkeypatch.setattr(petsc, "SLAB", 100)  # so that there are many, and the last is short
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (-x + y, -x - y, -z), diffusion=0.5)
    matrix = fp.generator(eq, fp.Grid([(-3, 3)] * 3, [7, 8, 9])).matrix
    petsc.write_matrix(tmp_path / "q", matrix, indices=indices)
    again = petsc.read_matrix(tmp_path / "q")
    assert again.shape == matrix.shape
    assert (again != matrix).nnz == 0
    values = np.random.default_rng(0).normal(size=matrix.shape[0])
    petsc.write_vector(tmp_path / "v", values, indices=indices)
    np.testing.assert_array_equal(petsc.read_vector(tmp_path / "v"), values)


@pytest.mark.parametrize("indices", [32, 64])
def test_damaged_and_foreign_files_are_refused(tmp_path, indices):
    path = tmp_path / "q"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="a vector in PETSc's binary format"):
        petsc.read_vector(path)
    petsc.write_matrix(path, sp.eye_array(5), indices=indices)
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="a vector in PETSc's binary format"):
        petsc.read_vector(path)
    for cut in (8, 20, len(whole) - 4):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"matrix in PETSc's binary format"):
            petsc.read_matrix(path)
    petsc.write_vector(path, np.ones(4), indices=indices)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="a whole vector"):
        petsc.read_vector(path)


OTHERS = "/usr/lib/{name}dir/{name}{suffix}/x86_64-linux-gnu-real/lib/python3/dist-packages"  # where Debian keeps them


def with_petsc(indices, module="petsc4py"):
    """(interpreter, environment) that imports a module whose integers have so many bits, or a skip."""
    suffix = {32: "3.18", 64: "64-3.18"}[indices]
    paths = os.pathsep.join(OTHERS.format(name=name, suffix=suffix) for name in ("petsc", "slepc"))
    ask = f"import numpy, {module}\nfrom petsc4py import PETSc\nassert numpy.dtype(PETSc.IntType).itemsize == {indices // 8}"
    for python in filter(None, (shutil.which("python3"), "/usr/bin/python3")):
        for environment in (dict(os.environ), os.environ | {"PYTHONPATH": paths}):
            if (
                Path(python).exists()
                and not subprocess.run(
                    [python, "-c", ask], env=environment, capture_output=True, check=False
                ).returncode
            ):
                return python, environment
    pytest.skip(f"no Python with {module} of {indices}-bit indices here")


def turning(cells):
    return fp.FokkerPlanck(drift=lambda x, y, z: (y - x, -x - y, -z), diffusion=0.5), fp.Grid([(-3, 3)] * 3, cells)


@pytest.mark.parametrize("indices", [32, 64])
def test_petsc_solves_what_was_written(tmp_path, indices):
    python, environment = with_petsc(indices)
    eq, grid = turning(12)
    petsc.write_matrix(tmp_path / "q", fp.generator(eq, grid).matrix, indices=indices)
    script = HOWTO / "petsc_stationary.py"
    subprocess.run([python, script, tmp_path / "q", tmp_path / "masses"], env=environment, check=True)
    masses = petsc.read_vector(tmp_path / "masses").reshape(grid.shape)
    assert np.abs(masses - fp.stationary(eq, grid, error=False).masses).sum() < 1e-8


@pytest.mark.parametrize("indices", [32, 64])
def test_slepc_finds_the_rates_of_what_was_written(tmp_path, indices):
    """Next to 0, 1 and 1 +- i, 1: those of the exact process, but for the cells; here to those of the matrix."""
    python, environment = with_petsc(indices, "slepc4py")
    eq, grid = turning(8)
    matrix = fp.generator(eq, grid).matrix
    petsc.write_matrix(tmp_path / "q", matrix, indices=indices)
    script = HOWTO / "slepc_spectrum.py"
    subprocess.run(
        [python, script, tmp_path / "q", tmp_path / "rates", "4", "0.5"],
        env=environment,
        check=True,
        capture_output=True,
    )
    real, imaginary = petsc.read_vector(tmp_path / "rates").reshape(2, 4)
    found = np.sort_complex(real + 1j * imaginary)
    exact = np.linalg.eigvals(-matrix.toarray())
    exact = np.sort_complex(exact[np.argsort(np.abs(exact + 0.5))[:4]])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-7)


def test_a_damaged_length_asks_for_no_memory(tmp_path):
    (tmp_path / "v").write_bytes(struct.pack(">2q2d", 1211214, 2**60, 0.0, 1.0))
    with pytest.raises(ValueError, match="a whole vector"):
        petsc.read_vector(tmp_path / "v")
    (tmp_path / "a").write_bytes(struct.pack(">4q", 1211216, 2**50, 3, 2**55))
    with pytest.raises(ValueError, match="a whole matrix"):
        petsc.read_matrix(tmp_path / "a")
