"""Where random numbers come from.

A simulation that is given no seed takes one that is keyed by what it simulates, `own_seed`: different calls are independent,
and the same call gives the same numbers. A seed that is given pairs on purpose: simulations with one seed start from the same
points, and those of one kind meet the same noise (`streams`). What the package draws for itself, such as directions or
resamples, comes from `private_generator`, which no seed of a user's meets.
"""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .arguments import whole

PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)


def private_generator(purpose: str, seed: int = 0) -> np.random.Generator:
    """A generator for the package's own draws, keyed by what it is for: `default_rng(seed)` is another one."""
    return np.random.default_rng(np.random.SeedSequence([digest(purpose), seed]))


def own_seed(seed: int | None, kind: str, *settings: Any) -> int:
    """The seed that was given, or else one of 63 bits from the kind of a simulation and its settings.

    Functions count by their code and by the values it refers to, so that the same call has the same seed in one version of
    Python; to repeat it under another, give the seed that the result shows.
    """
    return digest(kind, *settings) if seed is None else whole("seed", seed, 0)


def streams(seed: int, kind: str, count: int) -> tuple[np.random.Generator, list[np.random.SeedSequence]]:
    """The generator of the starts, the same for all kinds, and the sources of `count` streams of noise of this kind."""
    key = () if kind == "SGD" else (digest(kind),)
    starts = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    return starts, [np.random.SeedSequence(seed, spawn_key=(*key, 1 + k)) for k in range(count)]


def digest(*values: Any) -> int:
    """63 bits of a hash of what the values hold."""
    state = hashlib.blake2b(digest_size=8)
    _feed(state, values, {})
    return int.from_bytes(state.digest(), "little") >> 1


def _feed(state: Any, value: Any, seen: dict[int, Any]) -> None:
    """Add a value to the hash; what has been met before, only its being met again."""
    state.update(type(value).__qualname__.encode() + b":")
    if isinstance(value, PLAIN):
        state.update(repr(value).encode())
    elif id(value) in seen:
        state.update(b"again")
    else:
        seen[id(value)] = value  # held, so that no other takes its place in memory
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            state.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        for part in _parts(value):
            _feed(state, part, seen)


def _parts(value: Any) -> list[Any]:
    """What a value is made of, without what it may have cached."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.kind == "O" else []
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, types.CodeType):
        return [value.co_code, value.co_names, value.co_consts]
    if isinstance(value, types.FunctionType):
        return _parts_of_function(value)
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | np.ufunc):
        return [value.__name__]
    for inner in ("py_func", "__wrapped__"):  # of compiled and of decorated functions
        if hasattr(value, inner):
            return [getattr(value, inner)]
    if isinstance(getattr(type(value), "content", None), property):
        return [value.content]
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value) if field.init]
    known = getattr(value, "__dict__", {})
    made = {name for name in known if isinstance(getattr(type(value), name, None), functools.cached_property)}
    return [known[name] for name in sorted(known) if not name.startswith("_") and name not in made]


def _parts_of_function(function: types.FunctionType) -> list[Any]:
    """Code, defaults, and the values that the code refers to."""
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not yet filled
            cells.append(None)
    around = [function.__globals__.get(name) for name in function.__code__.co_names]
    used: list[Any] = [value for value in around if isinstance(value, (*PLAIN, np.ndarray, list, tuple, dict))]
    used += [f for f in around if isinstance(f, types.FunctionType) and f.__module__ == function.__module__]
    return [function.__code__, function.__defaults__, function.__kwdefaults__, cells, used]
