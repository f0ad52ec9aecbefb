"""Compiled code on disk that is damaged is compiled again."""

import os
import subprocess
import sys

import pytest

ASK = """
from fokkerplanck.solvers.kernels import bernoulli
import numpy as np
print(bernoulli.exponential_fit_all(np.zeros(1), np.ones(1))[0][0])
"""


def _run(place):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(place)}
    return subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_damaged_files_of_compiled_kernels_are_made_anew(tmp_path):
    tmp_path.chmod(0o700)
    assert _run(tmp_path).stdout == "1.0\n"
    for ending, content in (("nbi", b"junk"), ("nbi", b""), ("nbc", b"junk")):
        damaged = list(tmp_path.rglob(f"*.{ending}"))
        assert damaged
        for file in damaged:
            file.write_bytes(content)
        again = _run(tmp_path)
        assert (again.stdout, again.stderr) == ("1.0\n", "")
    assert all(file.stat().st_size > 100 for file in tmp_path.rglob("*.nb?"))
