"""A place for compiled code where neither the package's folder nor the home can be written to.

Numba refuses to import cached functions without one; here they go into a folder that ends with the process.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def writable(folder: str | os.PathLike) -> bool:
    """Whether a folder, or the nearest one above it that exists, can be written to."""
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _has_place() -> bool:
    given = os.environ.get("NUMBA_CACHE_DIR")
    own = Path(__file__).parent.parent
    folders = [own / "simulation", own / "deep_linear", own / "solvers" / "kernels"]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~")
    return bool(given and writable(given)) or all(writable(f / "__pycache__") for f in folders) or writable(home)


if not _has_place():
    _folder = tempfile.TemporaryDirectory(prefix="fokkerplanck-")
    from numba.core import config

    config.CACHE_DIR = _folder.name  # type: ignore[attr-defined]
