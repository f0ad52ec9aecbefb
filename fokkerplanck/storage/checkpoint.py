"""Finished pieces of a long work, each kept in a file of its own, so that an interrupted work goes on where it stopped."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..randomness import fingerprint
from ..version import __version__
from .files import write_atomically

Piece = dict[str, Any]
KEY, REST = "key", "rest"  # entries of the file beside the arrays


def resumed(path: Path, compute: Callable[[], Piece], *depends_on: Any) -> Piece:
    """A piece of work: read if an earlier run has left it at `path`, else computed and left there.

    Parameters
    ----------
    path : Path
        A .npz file. What is damaged, or belongs to other settings or to another version, is computed anew and replaced.
    compute : callable
        () -> piece: arrays, and values that JSON can hold, by name. Infinities and nan survive.
    *depends_on
        All that the piece depends on.
    """
    piece = found(path, *depends_on)
    if piece is None:
        piece = compute()
        keep(path, piece, *depends_on)
    return piece


def found(path: Path, *depends_on: Any) -> Piece | None:
    """The piece that an earlier run has left at `path`, see `resumed`; None where there is none that fits."""
    return _read(path, _key(depends_on))


def keep(path: Path, piece: Piece, *depends_on: Any) -> None:
    """Leave a piece at `path`, see `resumed`."""
    _write(path, _key(depends_on), piece)


def _key(depends_on: tuple[Any, ...]) -> str:
    return f"{__version__} {fingerprint(*depends_on):x}"


def _read(path: Path, key: str) -> Piece | None:
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with open(path, "rb") as file, np.load(file) as entries:
            piece = dict(entries)
        kept, rest = str(piece.pop(KEY)), json.loads(str(piece.pop(REST)))
        return piece | rest if kept == key else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _write(path: Path, key: str, piece: Piece) -> None:
    arrays = {name: value for name, value in piece.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in piece.items() if name not in arrays}

    def write(name: str) -> None:
        with open(name, "wb") as file:
            np.savez(file, **arrays, **{KEY: np.array(key), REST: np.array(json.dumps(rest))})  # type: ignore[arg-type]

    write_atomically(path, write)
