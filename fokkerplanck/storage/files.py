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
from typing import TYPE_CHECKING

from ..arguments import file_name
from ..errors import bad_value

if TYPE_CHECKING:
    pass


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
    try:
        handle, temporary = tempfile.mkstemp(suffix=extension, prefix=f".{stem}-", dir=folder)
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
        if temporary != name and os.path.exists(temporary):
            os.unlink(temporary)


def write_text(path: str | os.PathLike, text: str) -> None:
    """A text file, at once or not at all."""

    def write(name: str) -> None:
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)

    write_atomically(path, write)


def check_room(folder: str | os.PathLike, need: float, name: str = "folder") -> None:
    """Refuse a folder that cannot be written to, or on a disk without that many bytes, before hours of work."""
    place = os.path.abspath(folder)
    while not os.path.isdir(place):
        if os.path.exists(place):
            raise bad_value(name, "a folder", str(folder), f"{place} is a file.")
        place = os.path.dirname(place)
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
