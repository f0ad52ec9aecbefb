"""Clocks, and jobs in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def clock(action: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds and the result of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    result = action()
    return time.perf_counter() - wall, time.process_time() - processor, result


def medians(action: Callable[[], Any], least: int = 3, most: int = 21, budget: float = 2.0) -> dict[str, Any]:
    """Median wall and processor seconds over repeats: as many as fit the budget (seconds), between least and most."""
    walls: list[float] = []
    processors: list[float] = []
    while len(walls) < most and (len(walls) < least or sum(walls) < budget):
        wall, processor, result = clock(action)
        walls.append(wall)
        processors.append(processor)
    return {
        "wall": statistics.median(walls),
        "processor": statistics.median(processors),
        "repeats": len(walls),
        "result": result,
    }


def job(action: Callable[..., dict[str, Any]], **options: Any) -> dict[str, Any]:
    """action(started, **options) in a new process, where `started` is when that process was asked for.

    The process is held to one thread, or to options["threads"].
    A package that is missing, or a failure, comes back as {"skipped": why}.
    """
    request = {"module": action.__module__, "name": action.__name__, "options": options, "started": time.time()}
    limits = dict.fromkeys(LIMITS, str(options.get("threads", 1)))
    environment = os.environ | limits | {"FIPY_SOLVERS": "scipy"}
    command = [sys.executable, "-W", "ignore", "-m", "validation.benchmarks.measure", json.dumps(request)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        return {"skipped": last[0] if last else f"exit status {done.returncode}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def resident() -> int:
    """Bytes of memory in use by this process (Linux; elsewhere 0)."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


@contextlib.contextmanager
def peak_memory() -> Iterator[dict[str, int]]:
    """The largest resident memory while the block runs, beyond that at its start, by a thread that looks every ms."""
    found, stop = {"bytes": 0}, threading.Event()
    before = resident()

    def watch() -> None:
        while not stop.wait(0.001):
            found["bytes"] = max(found["bytes"], resident() - before)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found["bytes"] = max(found["bytes"], resident() - before)
        stop.set()
        thread.join()


def main() -> None:
    """A job in this process: the request is on the command line, the answer goes to standard output."""
    import importlib

    request = json.loads(sys.argv[1])
    action = getattr(importlib.import_module(request["module"]), request["name"])
    print(json.dumps(action(request["started"], **request["options"])))


if __name__ == "__main__":
    main()
