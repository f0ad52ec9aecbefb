"""The compiled loops. They take arrays and numbers, and know nothing of the rest."""

from __future__ import annotations

from typing import Any

from numba.core.caching import FunctionCache

_load = FunctionCache.load_overload


def _load_or_forget(self: FunctionCache, sig: Any, target_context: Any) -> Any:
    """Numba's compiled code on disk, or None; of this package, what is damaged is forgotten and compiled again."""
    try:
        return _load(self, sig, target_context)
    except Exception:  # damaged bytes make a pickle raise anything
        if not self._py_func.__module__.startswith(__name__.partition(".")[0]):
            raise
        self.flush()
        return None


FunctionCache.load_overload = _load_or_forget  # type: ignore[method-assign, assignment]
