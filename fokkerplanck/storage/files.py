"""Files written at once or not at all, and what is checked before the work."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..arguments import file_name
from ..errors import bad_value

UNFINISHED: set[str] = set()  # temporary files and folders of this process
WRITING = threading.RLock()  # held while a file is written, and for good once the process ends: threads may be at work
PATIENCE = 1.0  # seconds that an end waits for a file
RESULTS = (".csv", ".md", ".nc", ".png", ".json", ".npz")  # what is written into a folder of results


def file_below(folder: Path, name: str, key: str) -> Path:
    """The file of this name below a folder: no path, link or device leads a run file elsewhere.

    Parameters
    ----------
    folder : Path
    name : str
    key : str
        What errors call it.
    """
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        inside, exists = path.is_relative_to(base), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # loops of links, NUL, names too long
        raise bad_value(key, "the name of a file", name, f"{getattr(error, 'strerror', None) or error}.") from None
    if not inside:
        raise bad_value(key, "a file below the run file's folder", name, "Copy it there.")
    if not exists:
        raise bad_value(key, f"a file in {base}", name, "There is no such file.")
    return path


def check_folder(name: str) -> None:
    """Refuse a file name in no folder, before the work."""
    folder = os.path.dirname(os.path.abspath(name))
    if not os.path.isdir(folder):
        raise bad_value("path", "in an existing folder", name, f"Make {folder} first.")


def write_atomically(path: str | os.PathLike, write: Callable[[str], None]) -> None:
    """Call write(name) with a temporary name beside `path`, and rename the file once it is complete."""
    name = os.path.abspath(file_name("path", path))
    check_folder(name)
    folder, base = os.path.split(name)
    stem, extension = os.path.splitext(base)
    temporary = name
    with WRITING:
        try:
            handle, temporary = tempfile.mkstemp(suffix=extension, prefix=f".{stem}-", dir=folder)
            UNFINISHED.add(temporary)
            os.close(handle)
            write(temporary)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
            os.replace(temporary, name)
            temporary = name
        except OSError as error:  # say which file: a full disk does not
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), name) from error
        finally:
            UNFINISHED.discard(temporary)
            if temporary != name and os.path.exists(temporary):
                os.unlink(temporary)


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, where files are finished before they go there; it is removed whatever happens."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
    UNFINISHED.add(staging)
    try:
        yield Path(staging)
    finally:
        with uninterrupted():
            shutil.rmtree(staging, ignore_errors=True)
            UNFINISHED.discard(staging)


def remove_unfinished() -> None:
    """Remove what is hidden and half written, just before a process ends: no thread begins another file after it."""
    WRITING.acquire(timeout=PATIENCE)  # a file under way is finished first; one that takes longer is removed
    for name in list(UNFINISHED):
        if os.path.isdir(name):
            shutil.rmtree(name, ignore_errors=True)
        else:
            Path(name).unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """A text file, at once or not at all."""

    def write(name: str) -> None:
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)

    write_atomically(path, write)


def check_room(folder: str | os.PathLike, need: float, name: str = "folder") -> None:
    """Refuse a folder that cannot be written to, or on a disk without that many bytes, before hours of work."""
    if not os.fspath(folder) or "\0" in os.fspath(folder):
        raise bad_value(name, "the name of a folder", str(folder), "A dot is the current one.")
    place = os.path.abspath(folder)
    while not os.path.isdir(place):
        if os.path.lexists(place):
            what = "a file" if os.path.exists(place) else "a link that leads nowhere"
            raise bad_value(name, "a folder", str(folder), f"{place} is {what}.")
        place = os.path.dirname(place)
    if place == os.path.abspath(folder):
        _check_places(place, name)
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        raise bad_value(
            name, "in a folder you may write to", str(folder), f"{error.strerror}. Choose another."
        ) from None
    if need > free:
        rule = f"on a disk with {need / 1e9:.3g} GB of room"
        raise bad_value(name, rule, f"{free / 1e9:.3g} GB in {place}", "Ask for fewer times or cells.")


def _check_places(folder: str, name: str) -> None:
    """Refuse a folder in which something else stands where results are to go."""
    try:
        with os.scandir(folder) as entries:
            taken = [e.name for e in entries if e.name.endswith(RESULTS) and not (e.is_symlink() or e.is_file())]
    except OSError as error:
        raise bad_value(name, "a folder you may read", folder, f"{error.strerror}. Choose another.") from None
    if taken:
        then = f"In it {min(taken)} is no file. Remove it, or choose another folder."
        raise bad_value(name, "a folder where files of results can be replaced", folder, then)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no signal between the renames of several files; those that come meanwhile come after.

    The handlers are exchanged: a blocked signal would go to one of the threads of the numerical libraries instead.
    """
    if threading.current_thread() is not threading.main_thread():  # interrupts arise in the main one
        yield
        return
    waiting: list[int] = []
    before = {
        s: signal.signal(s, lambda number, frame: waiting.append(number)) for s in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler or signal.SIG_DFL)
        for number in waiting:
            signal.raise_signal(number)
