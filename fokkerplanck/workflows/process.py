"""The process of the command line: its streams, its signals and its limits.

Nothing here imports a numerical library: it is what acts while they are read.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

INTERRUPTED, FAILED = 130, 1  # exit status
LEAST_ADDRESSES = 1.0e9  # bytes of address space, with fewer the libraries do not start


def open_streams() -> None:
    """Streams that were closed lead nowhere, and none refuses a letter that it does not know."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def end_at_once(number: int, frame: Any) -> None:
    """Before the work nothing is half done."""
    os.write(2, b"fokkerplanck: interrupted before the work began.\n")
    os._exit(INTERRUPTED)


def check_address_space() -> None:
    """Under a small `ulimit -v` the numerical libraries neither start nor stop: say so."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return
    if most < LEAST_ADDRESSES:
        need = f"at least {LEAST_ADDRESSES / 1e9:.1f} GB of addresses, got {most / 1e9:.2g} GB"
        os.write(2, f"fokkerplanck: `ulimit -v` must leave {need}. Raise it: ulimit -v unlimited.\n".encode())
        os._exit(2)


def one_thread() -> dict[str, str]:
    """Variables that keep numerical libraries, once they start, to one thread, but for those that are set already."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {name: os.environ.get(name, "1") for name in names}


def flush() -> bool:
    """Whether all that was printed has arrived."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.write(2, f"fokkerplanck: cannot print the results: {error.strerror}. Files are whole.\n".encode())
        return False
    return True


def end_with(code: int) -> None:
    """End without waiting for threads at work, whose half written files are removed."""
    from ..storage.files import remove_unfinished

    remove_unfinished()
    os._exit(code)


def say_and_end(text: str) -> None:
    """The last sentence of a process that cannot go on."""
    os.write(2, f"fokkerplanck: {text}\n".encode())
    end_with(FAILED)


def heed_signals(grace: float) -> None:
    """Let SIGTERM interrupt as SIGINT does; so many seconds after either, end the process out of compiled code too.

    There Python hears no signal. Files are replaced in one step, and those that are half written are removed.
    """
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.default_int_handler)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    from ..storage.files import remove_unfinished

    ends = {signal.SIGINT, signal.SIGTERM}

    def wait() -> None:
        if hasattr(signal, "pthread_sigmask"):  # they are for the main thread, which may be holding them back
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        while os.read(reading, 1)[0] not in ends:
            pass
        time.sleep(grace)
        remove_unfinished()
        os.write(2, b"fokkerplanck: interrupted in the middle of a computation; files are whole.\n")
        os._exit(INTERRUPTED)

    threading.Thread(target=wait, daemon=True).start()


def belong_to(parent: int) -> None:
    """In a worker: interrupts are for its parent alone, whose end, however it comes, is the worker's too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()


def available_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_cores() -> int:
    """Those that other processes leave, by the load of the last minute; at least one."""
    others = max(os.getloadavg()[0] - 1.0, 0.0) if hasattr(os, "getloadavg") else 0.0
    return max(1, available_cores() - round(others))
