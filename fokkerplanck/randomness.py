"""Where random numbers come from.

A simulation that is given no seed takes one that is keyed by what it simulates, `own_seed`: different calls are independent,
and the same call gives the same numbers. A seed that is given pairs on purpose: simulations with one seed start from the same
points, and those of one kind meet the same noise (`streams`). What the package draws for itself, such as directions or
resamples, comes from `private_generator`, which no seed of a user's meets.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import PurePath
from typing import Any

import numpy as np

from .arguments import whole

PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
LAW_DRAWS = "_random_state"  # of every law of scipy: the generator of whole numpy, which changes by itself
HOLDERS = (np.ndarray, list, tuple, dict)


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
    """63 bits of a hash of what the values hold, for seeds."""
    return _hash(values, exact=False)


def fingerprint(*values: Any) -> int:
    """As `digest`, for what is kept under it: how values are nested, and names of arguments, count too."""
    return _hash(values, exact=True)


def _hash(values: tuple[Any, ...], exact: bool) -> int:
    state = hashlib.blake2b(digest_size=8)
    _feed(state, values, {}, exact)
    return int.from_bytes(state.digest(), "little") >> 1


def _feed(state: Any, values: Any, seen: dict[int, tuple[int, Any]], exact: bool) -> None:
    """Add a value to the hash; what has been met before, only its being met again, and where it was met first."""
    waiting = [values]  # no recursion: what a function refers to may be deep
    while waiting:
        value = waiting.pop()
        state.update(type(value).__qualname__.encode() + b":")
        if isinstance(value, PLAIN):
            state.update(repr(value).encode())
            continue
        if id(value) in seen:
            state.update(b"again" + (str(seen[id(value)][0]).encode() if exact else b""))
            continue
        seen[id(value)] = len(seen), value  # held, so that no other takes its place in memory
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            state.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        parts = _parts(value)
        if exact:
            arguments = value.co_varnames[: value.co_argcount + value.co_kwonlyargcount] if _is_code(value) else ()
            state.update(f"({len(parts)}{','.join(arguments)})".encode())
        waiting.extend(reversed(parts))


def _is_code(value: Any) -> bool:
    return isinstance(value, types.CodeType)


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
    if _is_code(value):
        return [value.co_code, value.co_names, value.co_consts]
    if isinstance(value, types.FunctionType):
        return _parts_of_function(value)
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | np.ufunc):
        return [value.__name__, *(_parts_of_class(value) if isinstance(value, type) and _is_of_user(value) else [])]
    for inner in ("py_func", "__wrapped__"):  # of compiled and of decorated functions
        if hasattr(value, inner):
            return [getattr(value, inner)]
    return _parts_of_object(value)


def _parts_of_object(value: Any) -> list[Any]:
    """Of an object of a class of ours its fields or its public attributes; of any other what pickling would keep."""
    if isinstance(getattr(type(value), "content", None), property):
        return [value.content]
    if (
        value is Ellipsis or value is np.random.mtrand._rand
    ):  # the latter is held by every law of scipy, and changes by itself
        return []
    code = [type(value)] if _is_of_user(type(value)) else []
    if is_dataclass(value):
        return [*code, *(getattr(value, field.name) for field in fields(value) if field.init)]
    cached = functools.cached_property
    made = {name for name in dir(type(value)) if isinstance(getattr(type(value), name, None), cached)} | {LAW_DRAWS}
    known = {name: v for name, v in getattr(value, "__dict__", {}).items() if name not in made}
    public = [known[name] for name in sorted(known) if not name.startswith("_")]
    if type(value).__module__.partition(".")[0] == __package__:
        return public
    try:
        reduce = copyreg.dispatch_table.get(type(value))
        told = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception:  # whatever it is: what cannot be pickled counts by its public attributes
        return [*code, *public]
    if isinstance(told, str):
        return [*code, told]
    maker, args, state, *items = (*told, None, None)[:5]
    if isinstance(state, dict):
        state = {name: v for name, v in state.items() if name not in made}
    return [*code, getattr(maker, "__name__", ""), args, state, *(list(part) for part in items if part is not None)]


def _parts_of_class(kind: type) -> list[Any]:
    """The methods and constants of a class of the user's, and the classes that it inherits from."""
    inside = [v for name, v in sorted(vars(kind).items()) if name not in ("__dict__", "__weakref__", "__module__")]
    unwrapped = (
        getattr(v, "__func__", None) or getattr(v, "fget", None) or getattr(v, "func", None) or v for v in inside
    )
    return [*(v for v in unwrapped if isinstance(v, (*PLAIN, *HOLDERS, types.FunctionType))), *kind.__bases__]


def _parts_of_function(function: types.FunctionType) -> list[Any]:
    """Code, defaults, and the values that the code refers to, in functions inside it too."""
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not yet filled
            cells.append(None)
    names = function.__code__.co_names
    around = [function.__globals__.get(name) for name in names]
    used: list[Any] = [value for value in around if isinstance(value, (*PLAIN, *HOLDERS))]
    used += [f for f in around if isinstance(f, types.FunctionType) and f.__module__ == function.__module__]
    inner = list(chain.from_iterable(_names_inside(function.__code__)))
    reached = [function.__globals__[name] for name in inner if name in function.__globals__ and name not in names]
    reached += [value for value in around if not any(value is u for u in used)]
    for module in [value for value in reached if isinstance(value, types.ModuleType) and _is_of_user(value)]:
        reached += [vars(module)[name] for name in (*names, *inner) if name in vars(module)]
    return [function.__code__, function.__defaults__, function.__kwdefaults__, cells, [*used, *_told(reached)]]


def _names_inside(code: types.CodeType) -> Iterator[tuple[str, ...]]:
    """The names that functions inside a function refer to."""
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield inner.co_names
            yield from _names_inside(inner)


def _told(values: list[Any]) -> list[Any]:
    """What counts of the values that a function reaches: of Python, of installed packages and of this one, names alone."""
    told: list[Any] = []
    for value in values:
        if isinstance(value, types.ModuleType):
            continue
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | np.ufunc):
            told.append(value if _is_of_user(value) else f"{value.__module__}.{value.__name__}")
        else:
            told.append(value)
    return told


def _is_of_user(value: Any) -> bool:
    """Whether a module, class or function may change: it belongs to no installed package, not to Python, not to this one."""
    name = value.__name__ if isinstance(value, types.ModuleType) else (getattr(value, "__module__", None) or "builtins")
    if name.partition(".")[0] in (*sys.stdlib_module_names, __package__):
        return False
    place = getattr(sys.modules.get(name), "__file__", None)
    return place is None or not {"site-packages", "dist-packages"} & set(PurePath(place).parts)
