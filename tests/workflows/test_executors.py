"""Tasks on processes: when they are started by themselves, and that none outlives whoever asked."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from paths import ROOT

from fokkerplanck.workflows import executors, process


def slow(seconds):
    time.sleep(seconds)
    return os.getpid()


def test_few_short_tasks_stay_in_this_process(monkeypatch):
    monkeypatch.setattr(executors, "free_cores", lambda: 4)
    found = dict(executors.as_pays({k: partial(slow, 0.01) for k in range(6)}))
    assert found == dict.fromkeys(range(6), os.getpid())


@pytest.mark.parametrize(("cores", "here"), [(2, 2), (1, 8)])
def test_long_ones_leave_it_where_cores_are_free(monkeypatch, cores, here):
    """The first may have taken its time to read kernels; the second tells."""
    monkeypatch.setattr(executors, "free_cores", lambda: cores)
    monkeypatch.setattr(executors, "START", 0.1)
    found = dict(executors.as_pays({k: partial(slow, 0.06) for k in range(8)}))
    assert [found[k] == os.getpid() for k in range(8)] == [True] * here + [False] * (8 - here)


def test_an_error_here_is_an_outcome_as_it_is_there():
    found = dict(executors.as_pays({0: partial(divmod, 1, 0), 1: partial(divmod, 7, 2)}))
    assert isinstance(found[0], ZeroDivisionError)
    assert found[1] == (3, 1)


def test_cores_that_others_keep_busy_are_theirs(monkeypatch):
    monkeypatch.setattr(process, "available_cores", lambda: 8)
    for load, free in ((0.2, 8), (1.0, 8), (3.9, 5), (30.0, 1)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        assert process.free_cores() == free


ASKS = """
import os, signal, sys, time
from fokkerplanck.workflows.executors import outcomes

def stays(path):
    with open(path + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.replace(path + ".part", path)
    time.sleep(100)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    path = sys.argv[1]
    list(outcomes({0: lambda: stays(path)}, workers=1))
"""


def ends(pid, seconds):
    for _ in range(int(20 * seconds)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True  # only its new parent has not asked yet
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="such signals are of POSIX")
@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_no_worker_outlives_its_parent(tmp_path, kind):
    """They stayed for ever, asleep, when a study was interrupted."""
    script, told = tmp_path / "asks.py", tmp_path / "pid"
    script.write_text(ASKS)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, script, told], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            if told.exists():
                break
            time.sleep(0.05)
        parent.send_signal(getattr(signal, kind))
        parent.wait(30)
    finally:
        parent.kill()
        parent.wait()
    assert ends(int(told.read_text()), 20)
