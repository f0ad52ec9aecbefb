"""A place for compiled code where neither the package's folder nor the home can be written to.

Numba refuses to import cached functions without one; here they go into a folder that ends with the process.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import warn


def writable(folder: str | os.PathLike) -> bool:
    """Whether a folder, or the nearest one above it that exists, can be written to."""
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def writable_by_others(folder: Path) -> str:
    """The folder, if it exists and another user owns it or may write to it; else nothing.

    Numba unpickles, that is runs, what it finds there. A link counts as the folder that it leads to.
    """
    if not hasattr(os, "getuid") or not folder.exists():
        return ""
    state = folder.stat()
    mine = state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return "" if mine else str(folder)


def heal_caches(module: ModuleType) -> None:
    """Let the functions of a generated module compile again where numba's files of them are damaged."""
    from numba.core.caching import FunctionCache

    class Healing(FunctionCache):
        """Numba's cache on disk; what cannot be read is forgotten, instead of failing in every process from now on."""

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            """The compiled code for a signature, or None."""
            try:
                return super().load_overload(sig, target_context)
            except Exception:  # damaged bytes make a pickle raise anything
                self.flush()
                return None

    for function in vars(module).values():
        if isinstance(getattr(function, "_cache", None), FunctionCache):
            function._cache = Healing(function.py_func)


def _has_place() -> bool:
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given and writable_by_others(Path(given)):
        warn(
            f"NUMBA_CACHE_DIR {given} is not used, as others own it or may write to it. Make it yours alone (chmod 700)."
        )
        return False
    own = Path(__file__).parent.parent
    folders = [own / "simulation", own / "deep_linear", own / "solvers" / "kernels"]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~")
    return bool(given and writable(given)) or all(writable(f / "__pycache__") for f in folders) or writable(home)


if not _has_place():
    _folder = tempfile.TemporaryDirectory(prefix="fokkerplanck-")
    from numba.core import config

    config.CACHE_DIR = _folder.name  # type: ignore[attr-defined]
