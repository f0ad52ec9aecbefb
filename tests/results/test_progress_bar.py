"""The bar of a long call: on a terminal, gone at the end also where the work fails, and silent elsewhere."""

import os
import pty
import subprocess
import sys

import numpy as np
import pytest

import fokkerplanck as fp

CALL = """
import fokkerplanck as fp
eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
def observe(x):
    if FAILS:
        raise KeyError("none")
    return x
try:
    fp.solve(eq, fp.Grid((-4, 4), 50), fp.point(0.0), [0.1, 0.2], progress=True, observe={"x": observe}, error=False)
except KeyError:
    print("failed")
print("after")
"""
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


def on_terminal(code):
    """What a program writes to a terminal, stdout and stderr together."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm"}
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the end of a terminal
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert child.wait(60) == 0
    return written


@pytest.mark.parametrize("fails", [False, True])
def test_a_bar_on_a_terminal_ends_with_the_work(fails):
    written = on_terminal(CALL.replace("FAILS", str(fails)))
    assert b"density" in written
    assert written.count(HIDE) == written.count(SHOW) == 1
    assert written.index(SHOW) < written.index(b"after")
    assert (b"failed" in written) == fails
    assert b"100%" in written or fails


def test_nothing_is_printed_without_a_terminal():
    done = subprocess.run([sys.executable, "-c", CALL.replace("FAILS", "False")], capture_output=True, check=True)
    assert done.stdout.decode().split("\n") == ["after", ""]
    assert done.stderr == b""


def test_a_caller_s_own_function_is_told_all_shares():
    shares = []
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    fp.solve(eq, fp.Grid((-4, 4), 50), fp.point(0.0), [0.1, 0.2, 0.3], progress=shares.append, error=False)
    assert shares == pytest.approx(np.arange(1, 4) / 3)
