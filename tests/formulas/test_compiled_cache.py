"""The cache of compiled formulas: rebuilt where it is damaged, and not used where others may write."""

import os
import subprocess
import sys

import pytest

from fokkerplanck.formulas.numba_cache import writable_by_others

CODE = """
import warnings
from fokkerplanck.sgd import SampleLoss
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(float(SampleLoss("(w - x)**2", ["w"], {"x": [0.0, 1.0]}).value(0.5)))
print([str(w.message) for w in caught])
"""


def run(folder):
    environment = os.environ | {"FOKKERPLANCK_CACHE": str(folder)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    value, said = done.stdout.splitlines()
    assert value == "0.25"
    return said


def indices(folder):
    return sorted((folder / "__pycache__").glob("*.nbi"))


def test_damaged_files_of_the_cache_are_made_again(tmp_path):
    folder = tmp_path / "cache"
    assert run(folder) == "[]"
    whole = {path: path.stat().st_size for path in indices(folder)}
    assert whole
    for damage in (b"", b"\x80", b"garbage" * 40):
        for path in indices(folder):
            path.write_bytes(damage)
        assert run(folder) == "[]"
    assert any(path.stat().st_size == whole[path] for path in indices(folder))
    for path in (folder / "__pycache__").glob("*.nbc"):
        path.write_bytes(path.read_bytes()[:20])
    assert run(folder) == "[]"


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    said = run(folder)
    assert "is not used, as others own it or may write to it" in said
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("mode", "trusted"), [(0o700, True), (0o755, True), (0o770, False), (0o707, False)])
def test_who_may_write(tmp_path, mode, trusted):
    tmp_path.chmod(mode)
    assert (writable_by_others(tmp_path) == "") is trusted
    assert writable_by_others(tmp_path / "absent") == ""


def test_a_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert writable_by_others(tmp_path) == str(tmp_path)


def test_a_folder_of_numba_that_others_may_write_to_is_not_used(tmp_path):
    tmp_path.chmod(0o777)
    code = "import fokkerplanck as fp; from numba.core import config; print(config.CACHE_DIR)"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != str(tmp_path)
    assert "is not used, as others own it or may write to it" in done.stderr
