"""Interrupted, killed, out of room: whole files or none, the same numbers afterwards, and a clear sentence."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from run_files import relaxation, two_datapoints

import fokkerplanck as fp
from fokkerplanck import arguments
from fokkerplanck.storage import files as storage

RATES = "learning_rate = [0.05, 0.1, 0.15, 0.2, 0.25]"
MODELS = 'paths = 500\n[study]\nmodels = ["first-order", "gaussian-chain"]'


def study(cells):
    return two_datapoints("Rates", "(w - x)**2/2", RATES, cells=f"[{cells}]", paths=MODELS)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def start(command, file, out, **options):
    words = [sys.executable, "-m", "fokkerplanck.cli", command, str(file), "--out", str(out)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(command, file, out, **options):
    process = start(command, file, out, **options)
    said = process.communicate(timeout=300)
    return process.returncode, *said


def contents(folder):
    """The bytes of tables, and the numbers of densities, by name: what must be the same again."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".csv", ".md", ".json"):
            found[str(path.relative_to(folder))] = path.read_bytes()
        if path.suffix == ".nc":
            found[str(path.relative_to(folder))] = fp.load(path).density.tobytes()
    return found


def temporary(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


DRIVER = """
import os, signal, sys
from contextlib import contextmanager
import matplotlib.backends.backend_agg, matplotlib.figure, h5netcdf, h5py
from fokkerplanck import cli
from fokkerplanck.workflows import deep_linear, run, sweep

kinds = [int(k) for k in sys.argv[1].split(",")]
stages, arguments = 1, sys.argv[2:]
for stage in range(int(os.environ["STAGES"])):
    for kind in kinds:
        child = os.fork()
        if child == 0:
            said = 0

            @contextmanager
            def announced():
                def report(text, share):
                    global said
                    said += 1
                    if said == 1 + 4 * stage:  # early, and among the drawings
                        os.kill(os.getpid(), kind)
                yield report

            cli._progress = announced
            sys.argv = ["fokkerplanck", *arguments]
            try:
                cli.main()
            except SystemExit as end:
                os._exit(end.code or 0)
            os._exit(99)
        _, status = os.waitpid(child, 0)
        print("ended", stage, kind, os.waitstatus_to_exitcode(status), flush=True)
        sys.stdin.readline()
"""


def interrupted(command, template, tmp_path, stages, kinds=SIGNALS):
    """Send each signal at each stage that a run announces; after it, every file is whole, of the old or of the new result."""
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(template(40))
    new.write_text(template(60))
    truth = {}
    for file in (old, new):
        code, _, said = finish(command, file, tmp_path / file.stem)
        assert code == 0, said
        truth[file] = contents(tmp_path / file.stem)
    out = shutil.copytree(tmp_path / "old", tmp_path / "out")
    words = [sys.executable, "-c", DRIVER, ",".join(str(int(k)) for k in kinds), command, str(new), "--out", str(out)]
    environment = os.environ | {"STAGES": str(stages), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env=environment, text=True, **pipes)
    ended = []
    for _ in range(stages * len(kinds)):
        line = next(line for line in process.stdout if line.startswith("ended"))
        _, _, kind, code = (int(word) if word.lstrip("-").isdigit() else word for word in line.split())
        ended.append((kind, code))
        assert code in (0, 130, -kind), line
        for name, data in contents(out).items():
            if name in truth[new]:
                assert data in (truth[new][name], truth[old].get(name)), (name, line)
        if kind != signal.SIGKILL:
            assert temporary(tmp_path) == [], line
        for path in temporary(tmp_path):
            shutil.rmtree(path)
        shutil.rmtree(out)
        shutil.copytree(tmp_path / "old", out)
        process.stdin.write("next\n")
        process.stdin.flush()
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    assert sum(code != 0 for _, code in ended) > len(ended) // 2, ended
    assert finish(command, new, out)[0] == 0
    final = contents(out)
    assert {name: final[name] for name in truth[new]} == truth[new]


@pytest.mark.slow
def test_a_run_may_be_ended_at_any_stage(tmp_path):
    interrupted("run", relaxation, tmp_path, 2)


@pytest.mark.slow
def test_a_study_may_be_ended_at_any_stage_and_goes_on_to_the_same_bits(tmp_path):
    interrupted("study", study, tmp_path, 1)


@pytest.mark.fuzz
@pytest.mark.parametrize(("command", "template"), [("run", relaxation), ("study", study)])
def test_every_signal_at_every_stage(command, template, tmp_path):
    interrupted(command, template, tmp_path, 3)


def test_compiled_code_is_ended_too():
    """A call of minutes that lets other threads run and in which Python hears no signal: the process ends after the grace.

    What Python raises before and after the call is ignored, so that nothing but the grace can end it.
    """
    code = (
        "import hashlib; from fokkerplanck.workflows.process import heed_signals; heed_signals(0.2)\n"
        "begun = False\n"
        "while True:\n"
        "    try:\n"
        "        if not begun: begun = True; print('begun', flush=True)\n"
        "        hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2**31 - 1)\n"
        "    except KeyboardInterrupt: pass\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)  # minutes without
    assert (process.returncode, said.splitlines()[-1]) == (
        130,
        "fokkerplanck: interrupted in the middle of a computation; files are whole.",
    )


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_libraries_are_read_ends_in_a_sentence(kind):
    code = (
        "import os, sys; from fokkerplanck import cli\n"
        f"cli.app = lambda: os.kill(os.getpid(), {int(kind)})\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "fokkerplanck: interrupted before the work began.\n")


def small_address_space(size):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


def test_too_small_an_address_space_is_refused_in_a_sentence(tmp_path):
    """Under `ulimit -v 600000` a run span for 49 minutes and ignored SIGTERM."""
    (tmp_path / "a.toml").write_text(relaxation(40))
    environment = {"OPENBLAS_NUM_THREADS": "1"}
    options = {"env": os.environ | environment, "preexec_fn": small_address_space(600_000 * 1024)}
    code, printed, said = finish("run", tmp_path / "a.toml", tmp_path / "out", **options)
    assert (code, printed) == (2, "")
    assert said.startswith("fokkerplanck: `ulimit -v` must leave at least 1.0 GB of addresses, got 0.61 GB.")


def test_the_address_space_counts_as_memory(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (2 * 10**12, 2 * 10**12))
    assert 1e12 < arguments._addresses() < 2e12
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1, 1))
    assert arguments._addresses() == 0.0


def test_running_out_of_memory_is_a_sentence():
    code = "from fokkerplanck import cli\ndef app(): raise MemoryError\ncli.app = app\ncli.main()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("fokkerplanck: out of memory; files are whole.")


@pytest.mark.slow
def test_streams_that_are_closed_full_or_ascii(tmp_path):
    """The files are written all the same; what cannot be printed is said, once."""
    file = tmp_path / "a.toml"
    file.write_text('title = "Größe ±"' + relaxation(40))
    words = f"{sys.executable} -m fokkerplanck run {file} --out {tmp_path / 'out'}"
    for redirection, code, said in (
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
        (">/dev/full", 1, "fokkerplanck: cannot print the results: No space left on device. Files are whole.\n"),
    ):
        done = subprocess.run(f"{words} {redirection}", shell=True, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (code, said), redirection
    done = subprocess.run(words.split(), env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Gr\\xf6\\xdfe" in done.stdout
    assert (tmp_path / "out" / "table.csv").exists()


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


def test_the_end_of_a_process_leaves_nothing_of_its_threads(tmp_path, monkeypatch):
    """A study writes its points in threads: one that is being written is finished, and none is begun any more."""
    monkeypatch.setattr(storage, "WRITING", threading.RLock())
    begun, ending = threading.Event(), threading.Event()

    def write(name):
        begun.set()
        ending.wait(0.1)  # the end has come meanwhile
        Path(name).write_text("whole")

    def work(name):
        storage.write_atomically(tmp_path / name, write)

    first = threading.Thread(target=work, args=("a.csv",))
    first.start()
    assert begun.wait(10)
    storage.remove_unfinished()
    first.join(10)
    threading.Thread(target=work, args=("b.csv",), daemon=True).start()
    ending.wait(0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "whole"


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
    file.write_text(relaxation(40))
    assert finish("run", file, out)[0] == 0
    before = contents(out)
    file.write_text(relaxation(2000))
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
    file.write_text(relaxation(10**7))  # would take minutes
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
    monkeypatch.setattr(arguments, "free_memory", lambda: 1e9)
    eq = fp.FokkerPlanck(diffusion=1.0)
    wide = fp.Grid([(0, 1)] * 3, 300)
    sentence = "must be small enough for the 1.0 GB of free memory, got about .* GB needed"
    for ask in (lambda: fp.solve(eq, wide, fp.point([0.5] * 3), 1.0), lambda: fp.stationary(eq, wide)):
        with pytest.raises(ValueError, match="`grid` " + sentence):
            ask()
    with pytest.raises(ValueError, match="`n_paths` " + sentence):
        fp.simulate(eq, 0.5, np.arange(1.0, 100.0), dt=0.1, n_paths=10**7)


PEAK = """
import ctypes, gc, sys
import numpy as np
import fokkerplanck as fp
from fokkerplanck.results import requests
from fokkerplanck.solvers.linear import markov_chain

needs = []
for module in (requests, markov_chain):
    module.fits_memory = lambda name, need, then: needs.append(need)
drift = lambda x, y: [-x - 2 * y, -y + 2 * x]
spin = lambda x, y, z: [-x - 2 * y, -y + 2 * x, -z]
space = fp.FokkerPlanck(drift=spin, diffusion=0.5)
tensor = fp.FokkerPlanck(drift=spin, diffusion=np.array([[1, 0.5, 0.2], [0.5, 0.6, 0.1], [0.2, 0.1, 0.3]]))
loss = fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [0.0, 1.0, 3.0]})
TIMES = np.linspace(0.01, 0.02, 20)
ASK = {
    "operator": lambda n: fp.SGD(loss, learning_rate=0.1).transfer_operator(fp.Grid((-3, 5), 10 * n), "gaussian-chain"),
    "solve": lambda n: fp.solve(
        fp.FokkerPlanck(drift=drift, diffusion=0.5), fp.Grid([(-4, 4)] * 2, n), fp.gaussian([0.5] * 2, 0.4), TIMES
    ),
    "stationary": lambda n: fp.stationary(fp.FokkerPlanck(drift=drift, diffusion=0.5), fp.Grid([(-4, 4)] * 2, n)),
    "passage": lambda n: fp.first_passage(
        fp.FokkerPlanck(drift=drift, diffusion=0.5), fp.Grid([(-4, 4)] * 2, n), lambda x, y: x > 1
    ),
    "solve in 3D": lambda n: fp.solve(space, fp.Grid([(-4, 4)] * 3, n // 4), fp.gaussian([0.5] * 3, 0.6), TIMES),
    "stationary in 3D": lambda n: fp.stationary(space, fp.Grid([(-4, 4)] * 3, n // 4)),
    "passage in 3D": lambda n: fp.first_passage(space, fp.Grid([(-4, 4)] * 3, n // 4), lambda x, y, z: x > 1),
    "committor in 3D": lambda n: fp.committor(
        space, fp.Grid([(-4, 4)] * 3, n // 4), lambda x, y, z: x < -2, lambda x, y, z: x > 1
    ),
    "tensor in 3D": lambda n: fp.stationary(tensor, fp.Grid([(-4, 4)] * 3, n // 5)),
}
status = lambda key: next(1024 * int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(key))
for name, ask in ASK.items():
    ask(110 if "3D" in name else 20)  # compile
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed counts again
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
    before = status("VmRSS")
    needs.clear()
    kept = ask(200)
    print(name, max(needs) / (status("VmHWM") - before), sep=":")
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no peaks of a process here")
def test_estimates_of_memory_are_near_the_peaks():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PEAK], capture_output=True, text=True, timeout=120)
    ratios = dict(line.split(":") for line in done.stdout.splitlines())
    assert len(ratios) == 9, done.stderr
    assert all(1 / 1.5 < float(ratio) < 1.5 for ratio in ratios.values()), ratios


def test_free_memory_is_that_of_the_system():
    assert 1e7 < arguments.free_memory() < 1e15
