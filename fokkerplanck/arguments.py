"""Argument validation: what passes comes back as a plain number or array, anything else meets one sentence.

They cost microseconds and are called once an argument; nothing inside a loop calls them.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from .errors import bad_type, bad_value

SMALL = 1e8  # bytes for which nobody asks how many are free
LEAST, LARGEST = 1e-120, 1e120  # sizes of numbers whose squares still are numbers, with room for a factor
LEAST_INDEX = 0.01  # of a stable law or of waiting times: below, most of their numbers leave double precision
LARGEST_WHOLE = 2**53  # what is counted stays exact in floating point; seeds may be longer


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known word most alike to this one, if their likeness (of 1) reaches `cutoff`."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """What to do about a word that is not known: "Did you mean 'reflecting'?", or nothing where none is like it."""
    close = nearest(word, known, cutoff)
    return "" if close is None else f"Did you mean {close!r}?"


def number(
    name: str, value: Any, rule: str = "a finite number", fits: Callable[[float], bool] = math.isfinite, then: str = ""
) -> float:
    """A real number that fits; truth values, text and complex numbers are none."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        kind = rule if rule.startswith(("a ", "one ", "'")) else f"a number {rule}"
        raise bad_type(name, kind, value, then)
    try:
        plain = float(value)
    except OverflowError:
        plain = math.inf
    if not fits(plain):
        raise bad_value(name, rule, value, then)
    if plain and math.isfinite(plain):
        _sized(name, plain, abs(plain), abs(plain))
    return plain


def _sized(name: str, value: Any, least: float, most: float) -> None:
    """Refuse sizes that over- or underflow when they are squared."""
    if not LEAST <= least <= most <= LARGEST:
        got = most if most > LARGEST else least
        then = "Take units in which it is of ordinary size."
        raise bad_value(name, f"0 or from {LEAST:g} to {LARGEST:g} in size", got if np.ndim(value) else value, then)


def sized(name: str, array: np.ndarray) -> np.ndarray:
    """Finite numbers, none of them of a size that over- or underflows when they are squared."""
    sizes = np.abs(array)
    sizes = sizes[sizes > 0.0]
    if sizes.size:
        _sized(name, array, float(sizes.min()), float(sizes.max()))
    return array


def whole(name: str, value: Any, least: int, most: int | None = None, then: str = "") -> int:
    """A whole number between bounds."""
    rule = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise bad_type(name, rule, value, then)
    if value < least or (most is not None and value > most):
        raise bad_value(name, rule, value, then)
    return int(value)


def reals(name: str, value: Any, rule: str = "real numbers", then: str = "") -> np.ndarray:
    """An array of real numbers, finite or not; ragged lists, text and complex numbers are none."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # ragged
        raise bad_type(name, rule, value, then) from None
    if array.dtype.kind not in "fiu":
        raise bad_type(name, rule, value, then)
    return array.astype(float, copy=False)


def own(array: np.ndarray) -> np.ndarray:
    """A copy that nobody can write to: what a frozen object keeps of an array that it was given."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def increasing(name: str, value: Any) -> np.ndarray:
    """Times or steps (n,): finite, increasing, not below 0, at least one."""
    array = np.atleast_1d(reals(name, value, "a number or a sequence of numbers"))
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise bad_value(name, "finite numbers, at least one", value)
    if array[0] < 0.0 or (np.diff(array) <= 0.0).any():
        raise bad_value(name, "increasing and not below 0", value, "Sort them and drop repeats.")
    return own(sized(name, array))


def same_time(times: np.ndarray, t: float) -> np.ndarray:
    """Which of the times (n,), in whatever unit, are t but for rounding."""
    largest = np.abs(times[np.isfinite(times)]).max(initial=0.0)
    return np.isclose(times, t, rtol=1e-9, atol=1e-12 * largest)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise bad_type(name, "True or False", value)
    return bool(value)


def instance(name: str, value: Any, kind: type | tuple[type, ...], rule: str, then: str = "") -> None:
    """Refuse whatever is not of a kind."""
    if not isinstance(value, kind):
        raise bad_type(name, rule, value, then)


def mask(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Truth values in a shape."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # ragged
        raise bad_type(name, f"boolean of shape {shape}", value) from None
    if array.shape != shape or array.dtype != bool:
        raise bad_value(name, f"boolean of shape {shape}", f"{array.dtype} {array.shape}")
    return array


def words(name: str, value: Any, count: int) -> list[str]:
    """So many strings."""
    rule = f"{count} names, one an axis"
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(w, str) for w in value):
        raise bad_type(name, rule, value)
    if len(value) != count:
        raise bad_value(name, rule, value)
    return list(value)


def different_words(name: str, value: Any, count: int | None = None) -> tuple[str, ...]:
    """Strings that are not empty and differ from each other; so many where `count` says it."""
    whole_list = isinstance(value, (list, tuple))
    found = words(name, value, len(value) if whole_list and count is None else count or 1)
    if len(set(found)) < len(found) or not all(word.strip() and word.isprintable() for word in found):
        raise bad_value(name, "different printable names that are not empty", value)
    return tuple(found)


def file_name(name: str, value: Any) -> str:
    """A path as text."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(text := os.fspath(value), str):
        raise bad_type(name, "a file name", value)
    if not text or "\0" in text:
        raise bad_value(name, "a file name", value)
    return text


def existing_file(name: str, value: Any) -> Path:
    """The path of a file that is there."""
    path = Path(file_name(name, value))
    if not path.is_file():
        raise bad_value(name, "the name of an existing file", value)
    return path


def free_memory() -> float:
    """Bytes that a computation may still take; infinite where the system does not tell."""
    free = [_available(), _addresses()]
    try:  # a container's own limit
        most = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        if most != "max":
            free.append(float(most) - float(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        free.append(math.inf)
    return min(free)


def _addresses() -> float:
    """Bytes of address space that `ulimit -v` leaves."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        return math.inf
    return math.inf if most == resource.RLIM_INFINITY else max(most - pages * resource.getpagesize(), 0.0)


def _available() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return math.inf


def fits_memory(name: str, need: float, then: str) -> None:
    """Refuse what needs more bytes than are free."""
    if need < SMALL:
        return
    have = free_memory()
    if need > have:
        rule = f"small enough for the {have / 1e9:.1f} GB of free memory"
        raise bad_value(name, rule, f"about {need / 1e9:.3g} GB needed", then)


@functools.lru_cache(maxsize=512)
def _signature(function: Callable) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # a builtin or a numpy ufunc has none
        return None


def _signature_of(function: Callable) -> inspect.Signature | None:
    """The signature of a function, looked up once; None where there is none."""
    return _signature(function) if isinstance(function, Hashable) else _signature.__wrapped__(function)


@functools.lru_cache(maxsize=512)
def _misfit(function: Callable, count: int, names: tuple[str, ...]) -> str:
    """What stands against calling a function with so many arguments and these named ones; nothing where it can be."""
    signature = _signature_of(function)
    try:
        if signature is not None:
            signature.bind(*[None] * count, **dict.fromkeys(names))
    except TypeError as error:
        return f"{str(error).capitalize()}."
    return ""


def takes_time(function: Callable) -> bool:
    """Whether a function has a parameter `t`."""
    signature = _signature_of(function)
    return signature is not None and "t" in signature.parameters


def callable_with(name: str, function: Any, count: int, what: str = "argument(s)", **named: Any) -> None:
    """Refuse what is no function of so many arguments."""
    rule = f"a function of {count} {what}"
    if isinstance(function, type) or not callable(function):
        raise bad_type(name, rule, function)
    misfit = _misfit if isinstance(function, Hashable) else _misfit.__wrapped__
    if wrong := misfit(function, count, tuple(named)):
        raise bad_type(name, rule, function, wrong)


def call(name: str, function: Any, coords: Sequence[np.ndarray] | np.ndarray, **named: Any) -> Any:
    """The answer of a user's function of the coordinates; what goes wrong inside it is the user's own exception.

    But for one thing: a function that takes single numbers only, by `math.sin`, `max` or `if`, meets our sentence.
    """
    callable_with(name, function, len(coords), "coordinate(s)", **named)
    try:
        return function(*coords, **named)
    except (TypeError, ValueError) as error:
        if "read-only" in str(error) or not _takes_numbers_only(function, coords, named):
            raise
        branches = "ambiguous" in str(error)
        then = (
            "Write np.where(x > 0, a, b) for `if`, np.maximum(a, b) for `max`, & and | for `and` and `or`."
            if branches
            else "Write np.sin for math.sin, and so on for every function of single numbers."
        )
        raise bad_type(name, "a function of whole arrays", f"{_name(function)}, of single numbers", then) from error


def _takes_numbers_only(function: Callable, coords: Sequence[np.ndarray] | np.ndarray, named: dict[str, Any]) -> bool:
    """Whether a function that failed on arrays gives a number at their first point, and fails on two copies of it."""
    if not all(np.size(c) > 1 for c in coords):
        return False
    first = [float(np.ravel(c)[0]) for c in coords]
    try:
        if np.size(function(*first, **named)) > len(coords) ** 2:
            return False
    except Exception:  # whatever it is, the first error says more
        return False
    try:
        function(*(np.full(2, c) for c in first), **named)
    except (TypeError, ValueError):
        return True
    return False  # arrays it takes, but not all points


def _name(function: Callable) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def fields(name: str, value: Any, rule: str) -> np.ndarray:
    """What a user's function or array holds, as an array of real numbers or truth values."""
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = array.astype(float)
    except (TypeError, ValueError, OverflowError):
        raise bad_type(name, rule, value, "Return one array of numbers.") from None
    if array.dtype.kind == "c":
        raise bad_type(name, "real", f"dtype {array.dtype}", "Take the real part if that is meant.")
    if array.dtype.kind not in "fiub":
        raise bad_type(name, rule, value)
    return array.astype(float, copy=False) if array.dtype.kind == "f" else array  # kernels know one kind of float


def periods(value: Any, dim: int) -> tuple[float, ...]:
    """Periods of coordinates, one each, inf for those on a line (None); () where none is given."""
    if value is None:
        return ()
    entries = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]
    if len(entries) != dim:
        raise bad_value("period", f"{dim} number(s), one a coordinate, None for a line", value)
    rule = "a positive number, or None for a line"
    return tuple(np.inf if p is None else number("period", p, rule, lambda v: 1e-100 < v < 1e100) for p in entries)
