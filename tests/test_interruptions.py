"""Interrupted, killed, out of room: whole files or none, the same numbers afterwards, and a clear sentence."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck import arguments as checks
from fokkerplanck.storage import netcdf as storage

RUN = """
[equation]
variables = ["x"]
drift = "-x"
diffusion = 0.5
[grid]
bounds = [-4, 4]
cells = [{cells}]
[start]
mean = 1.0
deviation = 0.3
[output]
times = [0.5, 1]
"""
STUDY = """
[landscape]
loss = "(w - x)**2/2"
parameters = ["w"]
data = {{ x = [0, 1] }}
[sgd]
learning_rate = [0.05, 0.1, 0.15, 0.2, 0.25]
[grid]
bounds = [-1, 2]
cells = [{cells}]
[start]
mean = 0.2
deviation = 0.1
[output]
times = [1, 20]
[simulation]
paths = 500
[study]
models = ["first-order", "gaussian-chain"]
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def start(command, file, out, **options):
    words = [sys.executable, "-m", "fokkerplanck.cli", command, str(file), "--out", str(out)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(command, file, out, **options):
    process = start(command, file, out, **options)
    said = process.communicate(timeout=300)
    return process.returncode, *said


def contents(folder):
    """The bytes of tables and points, and the numbers of densities, by name: what must be the same again."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".csv", ".md", ".json"):
            found[str(path.relative_to(folder))] = path.read_bytes()
        if path.suffix == ".nc":
            found[str(path.relative_to(folder))] = fp.load(path).density.tobytes()
    return found


def temporary(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def interrupted(command, template, tmp_path, times, rng):
    """Send signals at random moments; after each, every file is whole, and of the old or of the new result."""
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(template.format(cells=40))
    new.write_text(template.format(cells=60))
    truth = {}
    for file in (old, new):
        begun = time.monotonic()
        code, _, said = finish(command, file, tmp_path / file.stem)
        assert code == 0, said
        took = time.monotonic() - begun
        truth[file] = contents(tmp_path / file.stem)
    out = shutil.copytree(tmp_path / "old", tmp_path / "out")
    hit = 0
    for k in range(times):
        file, kind = (new, old)[k % 2], SIGNALS[k % 3]
        process = start(command, file, out)
        time.sleep(took * rng.uniform(0.5, 1.05))  # most of a short run is imports, during which nothing is written
        process.send_signal(kind)
        _, said = process.communicate(timeout=300)
        hit += process.returncode != 0
        assert process.returncode in (0, 130, -kind), said
        if kind != signal.SIGKILL:
            assert "Traceback" not in said or "import" in said, said
        for name, data in contents(out).items():
            if name in truth[new]:
                assert data in (truth[new][name], truth[old][name]), (name, kind)
    assert hit > times // 4
    assert finish(command, new, out)[0] == 0  # goes on from whatever there is
    final = contents(out)
    assert {name: final[name] for name in truth[new]} == truth[new]


def test_a_run_may_be_ended_at_any_moment(tmp_path):
    interrupted("run", RUN, tmp_path, 3, random.Random(0))


def test_a_study_may_be_ended_at_any_moment_and_goes_on_to_the_same_bits(tmp_path):
    interrupted("study", STUDY, tmp_path, 3, random.Random(1))


@pytest.mark.fuzz
@pytest.mark.parametrize(("command", "template"), [("run", RUN), ("study", STUDY)])
def test_twenty_five_signals_each(command, template, tmp_path):
    interrupted(command, template, tmp_path, 25, random.Random(2))


def test_compiled_code_is_ended_too():
    """A call of minutes in which Python hears no signal: the process ends after the grace all the same."""
    code = (
        "import numpy as np; from fokkerplanck import cli; cli._heed_signals(0.2); a = np.random.default_rng(0);"
        "print('begun', flush=True); np.linalg.svd(a.random((8000, 8000)))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)  # minutes without
    assert (process.returncode, said.splitlines()[-1]) == (
        130,
        "fokkerplanck: interrupted in the middle of a computation; files are whole.",
    )


def test_a_signal_cleans_up(tmp_path):
    """SIGTERM while a file is being written: the temporary one goes, the old one stays."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def write(name):
        with open(name, "w") as file:
            file.write("half")
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        with pytest.raises(KeyboardInterrupt):
            storage.write_atomically(path, write)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert path.read_text() == "old"
    assert temporary(tmp_path) == []


def rename(done):
    with storage.uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("all renames")


def test_no_signal_between_renames(tmp_path):
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt):
            rename(done)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == ["all renames"]


def limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_is_named_and_leaves_the_old_result(tmp_path):
    """By the limit on the size of a file, through every real layer down to the system."""
    file, out = tmp_path / "a.toml", tmp_path / "out"
    file.write_text(RUN.format(cells=40))
    assert finish("run", file, out)[0] == 0
    before = contents(out)
    file.write_text(RUN.format(cells=2000))
    code, _, said = finish("run", file, out, preexec_fn=limited)
    assert code == 2
    assert said.startswith("fokkerplanck: cannot use ")
    assert "File too large" in said
    assert "Traceback" not in said
    assert contents(out) == before
    assert temporary(tmp_path) == []


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_errors_of_the_system_name_the_file(tmp_path, reason):
    def write(name):
        raise OSError(reason, os.strerror(reason))

    with pytest.raises(OSError, match=r"a\.csv") as caught:
        storage.write_atomically(tmp_path / "a.csv", write)
    assert caught.value.errno == reason
    assert caught.value.filename == str(tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_room_is_asked_for_before_the_work(tmp_path):
    with pytest.raises(ValueError, match=r"`--out` must be on a disk with 1e\+09 GB of room, got .* GB in "):
        storage.check_room(tmp_path / "a" / "b", 1e18, "--out")
    with pytest.raises(ValueError, match="`--out` must be in a folder you may write to, got '/proc/a'"):
        storage.check_room("/proc/a", 1.0, "--out")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"`--out` must be a folder, got .*file is a file"):
        storage.check_room(tmp_path / "file" / "b", 1.0, "--out")
    storage.check_room(tmp_path / "new" / "folder", 1.0)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("out", ["/proc/fokkerplanck", "/dev/null/out"])
def test_unwritable_results_are_refused_before_the_work(tmp_path, out):
    file = tmp_path / "a.toml"
    file.write_text(RUN.format(cells=10**7))  # would take minutes
    code, printed, said = finish("run", file, out)
    assert (code, printed) == (2, "")
    assert said.startswith("fokkerplanck: `--out` must be ")
    assert len(said.strip().splitlines()) == 1


CACHES = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "FOKKERPLANCK_CACHE")


def test_unwritable_caches_and_home_cost_time_only(tmp_path):
    code = (
        "import tempfile, os, fokkerplanck as fp\n"
        "loss = fp.SampleLoss('(w - x)**2', ['w'], {'x': [0, 1]})\n"
        "print(float(loss.value(0.5)))\n"
    )
    environment = os.environ | dict.fromkeys(CACHES, "/dev/null/x") | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "0.25\n"), done.stderr
    assert list(tmp_path.glob("fokkerplanck-*")) == []


def test_a_place_for_compiled_code_is_found(tmp_path):
    from fokkerplanck.formulas import numba_cache as _cache

    assert _cache.writable(tmp_path / "new" / "folder")
    assert not _cache.writable("/dev/null/x")


def test_memory_is_refused_before_it_is_exhausted(monkeypatch):
    monkeypatch.setattr(checks, "free_memory", lambda: 1e9)
    eq = fp.FokkerPlanck(diffusion=1.0)
    wide = fp.Grid([(0, 1)] * 3, 300)
    sentence = "must be small enough for the 1.0 GB of free memory, got about .* GB needed"
    for ask in (lambda: fp.solve(eq, wide, fp.point([0.5] * 3), 1.0), lambda: fp.stationary(eq, wide)):
        with pytest.raises(ValueError, match="`grid` " + sentence):
            ask()
    with pytest.raises(ValueError, match="`n_paths` " + sentence):
        fp.simulate(eq, 0.5, np.arange(1.0, 100.0), dt=0.1, n_paths=10**7)


def test_free_memory_is_that_of_the_system():
    assert 1e7 < checks.free_memory() < 1e15
