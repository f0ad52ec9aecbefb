"""From the loss formula to compiled kernels: one Python source file a formula, compiled once and cached on disk.

Written per formula: the mean over the samples of the loss, its gradient and its Hessian; the covariance of the
per-sample gradients; and the loop of SGD itself. The file lies in the user's cache folder (``FOKKERPLANCK_CACHE``
overrides it) under the hash of its contents, so that numba finds its compiled code again in the next process. The
functions of one file call only each other: numba's cache would not notice a change elsewhere.

Each per-sample expression is written ``common(theta) + rest(theta, data)``, and only `rest` is evaluated sample by
sample. This is faster, and it is what keeps a small covariance accurate where the common part is large: forming
``a + b_i`` first and subtracting the mean afterwards would leave nothing of ``b_i`` when it is 1e-40 of ``a``.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import itertools
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConvergenceError, bad_value, warn
from . import symbolic as _symbolic
from .numba_cache import heal_caches, writable_by_others
from .templates import ARRIVE, HEADER, KERNELS, SIMULATE

_LOADED: dict[str, ModuleType] = {}
_LOCK = threading.Lock()
MOST_OPERATIONS = 500_000  # in all derivatives of one order: more take minutes to compile


def loss_module(loss: Any, parameters: Sequence[str], columns: Sequence[str]) -> ModuleType:
    """The module with `value`, `gradient` and `covariance` of a per-sample loss expression.

    Each takes theta (d, n) and data (N, k) and fills an array: (1, n), (d, n), (d, d, n).
    """
    loss, theta, data = _canonical(loss, parameters, columns)
    gradient = _gradient(loss, theta)
    parts = [HEADER]
    for name, expressions in (("value", [loss]), ("gradient", gradient)):
        parts.append(_mean_kernel(name, _Lowered(expressions, theta, data)))
    parts.append(_covariance_kernel(_Lowered(gradient, theta, data)))
    return _load("\n\n".join(parts))


def hessian_module(loss: Any, parameters: Sequence[str], columns: Sequence[str]) -> ModuleType:
    """The module with `hessian` of a per-sample loss expression, which fills an array (d d, n).

    It is made only where it is asked for: the second derivative of a product of n factors has n^3 of them.
    """
    loss, theta, data = _canonical(loss, parameters, columns)
    gradient = _gradient(loss, theta)
    length = sum(int(g.count_ops()) for g in gradient)
    growth = length / len(theta) / max(int(loss.count_ops()), 1)
    _check_operations(length * growth * 0.5 * (len(theta) + 1), "second derivatives")
    half = {
        (i, j): _symbolic.tidy(_symbolic.clean(gradient[i].diff(theta[j])))
        for i, j in itertools.combinations_with_replacement(range(len(theta)), 2)
    }
    hessian = [half[min(i, j), max(i, j)] for i in range(len(theta)) for j in range(len(theta))]
    return _load("\n\n".join([HEADER, _mean_kernel("hessian", _Lowered(hessian, theta, data))]))


def path_module(
    loss: Any, parameters: Sequence[str], columns: Sequence[str], target: Any = None, momentum: bool = False
) -> ModuleType:
    """The module whose `advance` moves a block of SGD paths, stopping each where the condition `target` holds.

    With momentum, the rows of theta behind the parameters hold their velocities.
    """
    loss, theta, data = _canonical(loss, parameters, columns)
    parts = [HEADER, SIMULATE, _move_kernel(_Lowered(_gradient(loss, theta), theta, data), momentum)]
    if target is None:
        condition = "False"
    else:
        condition = _symbolic.to_code(target.xreplace(dict(zip(_symbolic.symbols(parameters), theta, strict=True))))
    loads = "\n".join(f"        t{k} = theta[{k}, p]" for k in range(len(theta)))
    parts.append(ARRIVE.format(loads=loads, condition=condition))
    parts.append(KERNELS)
    return _load("\n\n".join(parts))


def _canonical(loss: Any, parameters: Sequence[str], columns: Sequence[str]) -> tuple[Any, list, list]:
    """The expression in the symbols t0, t1, ... and d0, d1, ...: names in a formula never become names in code."""
    theta = _symbolic.symbols([f"t{k}" for k in range(len(parameters))])
    data = _symbolic.symbols([f"d{k}" for k in range(len(columns))])
    old = _symbolic.symbols([*parameters, *columns])
    return loss.xreplace(dict(zip(old, [*theta, *data], strict=True))), theta, data


def _gradient(loss: Any, theta: Sequence[Any]) -> list:
    slopes: list[Any] = []
    for t in theta:
        slopes.append(_symbolic.tidy(_symbolic.clean(loss.diff(t))))
        _check_operations(sum(int(s.count_ops()) for s in slopes), "derivatives")
    return slopes


def _check_operations(count: float, what: str) -> None:
    """Refuse derivatives that would take minutes to compile.

    A derivative of a product is as many times longer as the product has factors, so that second derivatives are about as
    many times longer than first ones as these are than the loss.
    """
    if count > MOST_OPERATIONS:
        then = "Give the loss by Python functions: SampleLoss.from_gradient(grad, data, parameters, hessian=...)."
        rule = f"one whose {what} take at most {MOST_OPERATIONS} operations"
        raise bad_value("formula", rule, f"about {count:.2g}", then)


def split(expression: Any, data: Sequence[Any]) -> tuple[Any, Any]:
    """(common, rest) with expression = common + rest, no data in `common`, and nothing expanded that could cancel."""
    if not expression.has(*data):
        return expression, expression * 0
    if expression.is_Add:
        parts = [split(term, data) for term in expression.args]
        return sum(c for c, _ in parts), sum(r for _, r in parts)
    if expression.is_Mul:
        factor, dependent = expression.as_independent(*data, as_Add=False)
        if dependent.is_Add and factor != 1:
            common, rest = split(dependent, data)
            return factor * common, factor * rest
    return expression * 0, expression


class _Lowered:
    """Several per-sample expressions as lines of code, with what does not depend on the sample moved in front."""

    def __init__(self, expressions: Sequence[Any], theta: Sequence[Any], data: Sequence[Any]):
        from sympy import Symbol, cse, numbered_symbols

        parts = [split(e, data) for e in expressions]
        flat = [c for c, _ in parts] + [r for _, r in parts]
        shared, reduced = cse(flat, symbols=numbered_symbols("x", cls=Symbol, real=True))
        dependent = set(data)
        self.before: list[str] = []
        self.inside: list[str] = []
        late = []
        for symbol, expression in shared:
            if expression.free_symbols & dependent:
                dependent.add(symbol)
                late.append((symbol, expression))
            else:
                self.before.append(f"{symbol} = {_symbolic.to_code(expression)}")
        for symbol, expression in late:
            self.inside.append(f"{symbol} = {self._pull(expression, dependent)}")
        self.common = [_symbolic.to_code(e) for e in reduced[: len(parts)]]
        self.rest = [self._pull(e, dependent) for e in reduced[len(parts) :]]
        used = set().union(*(e.free_symbols for e in flat))
        self.n_parameters = len(theta)
        self.columns = [k for k, d in enumerate(data) if d in used]
        self.size = len(parts)

    def _pull(self, expression: Any, dependent: set) -> str:
        """Code of an expression whose sample-independent factors are computed once, before the loop over samples."""
        terms = []
        for term in expression.args if expression.is_Add else (expression,):
            factor, rest = term.as_independent(*dependent, as_Add=False) if term.is_Mul else (_symbolic.ONE, term)
            if factor.is_number or factor.is_Symbol:
                terms.append(_symbolic.to_code(term))
            else:
                name = f"h{len(self.before)}"
                self.before.append(f"{name} = {_symbolic.to_code(factor)}")
                terms.append(f"{name}*({_symbolic.to_code(rest)})")
        return " + ".join(f"({t})" for t in terms) if len(terms) > 1 else terms[0]

    def loads(self, indent: int) -> str:
        return _lines([f"t{k} = theta[{k}, p]" for k in range(self.n_parameters)] + self.before, indent)

    def sample(self, indent: int, tail: Sequence[str]) -> str:
        return _lines([*(f"d{k} = data[i, {k}]" for k in self.columns), *self.inside, *tail], indent)


def _lines(lines: Sequence[str], indent: int) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _mean_kernel(name: str, code: _Lowered) -> str:
    index = range(code.size)
    return f"""@njit(**OPTIONS)
def {name}(theta, data, out):
    n_samples = data.shape[0]
    for p in range(theta.shape[1]):
{code.loads(8)}
{_lines([f"s{k} = 0.0" for k in index], 8)}
        for i in range(n_samples):
{code.sample(12, [f"s{k} += {code.rest[k]}" for k in index])}
{_lines([f"out[{k}, p] = {code.common[k]} + s{k}/n_samples" for k in index], 8)}
"""


def _covariance_kernel(code: _Lowered) -> str:
    """Two passes over `rest`, both relative to the first sample: equal samples give exactly 0."""
    index = range(code.size)
    pairs = [(k, m) for k in index for m in range(k, code.size)]
    deviations = [f"e{k} = ({code.rest[k]}) - r{k} - m{k}" for k in index]
    fill = [f"out[{k}, {m}, p] = c{k}_{m}/n_samples" for k, m in pairs]
    return f"""@njit(**OPTIONS)
def covariance(theta, data, out):
    n_samples = data.shape[0]
    for p in range(theta.shape[1]):
{code.loads(8)}
        i = 0
{code.sample(8, [f"r{k} = {code.rest[k]}" for k in index])}
{_lines([f"s{k} = 0.0" for k in index], 8)}
        for i in range(n_samples):
{code.sample(12, [f"s{k} += ({code.rest[k]}) - r{k}" for k in index])}
{_lines([f"m{k} = s{k}/n_samples" for k in index], 8)}
{_lines([f"c{k}_{m} = 0.0" for k, m in pairs], 8)}
        for i in range(n_samples):
{code.sample(12, [*deviations, *(f"c{k}_{m} += e{k}*e{m}" for k, m in pairs)])}
{_lines(fill + [f"out[{m}, {k}, p] = out[{k}, {m}, p]" for k, m in pairs if k != m], 8)}
"""


def _move_kernel(code: _Lowered, momentum: bool) -> str:
    index = range(code.size)
    steps = [f"learning_rate*({code.common[k]} + s{k}/batch)" for k in index]
    tail = [f"theta[{k}, p] = t{k} - {steps[k]}" for k in index]
    if momentum:
        d = code.size
        tail = [f"v{k} = momentum*theta[{d + k}, p] - {steps[k]}" for k in index]
        tail += [f"theta[{k}, p] = t{k} + v{k}" for k in index] + [f"theta[{d + k}, p] = v{k}" for k in index]
    return f"""@njit(**OPTIONS)
def move(theta, active, index, data, batch, full, learning_rate, momentum):
    for p in range(active):
{code.loads(8)}
{_lines([f"s{k} = 0.0" for k in index], 8)}
        for b in range(batch):
            i = b if full else index[p, b]
{code.sample(12, [f"s{k} += {code.rest[k]}" for k in index])}
{_lines(tail, 8)}
"""


def _load(source: str) -> ModuleType:
    """Import the module with this source, through a file that other processes share."""
    import numba

    version = f"# numba {numba.__version__}, python {sys.version_info[0]}.{sys.version_info[1]}\n"
    source = f'"""Generated by fokkerplanck from a loss formula; safe to delete."""\n{version}{source}'
    key = hashlib.sha256(source.encode()).hexdigest()[:24]
    with _LOCK:
        if key not in _LOADED:
            path = _cache_file(f"fokkerplanck_{key}.py", source)
            spec = importlib.util.spec_from_file_location(f"fokkerplanck_{key}", path)
            if spec is None or spec.loader is None:
                raise ConvergenceError(f"the generated file {path} cannot be imported")
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # numba looks its functions' module up by name
            spec.loader.exec_module(module)
            heal_caches(module)
            _LOADED[key] = module
    return _LOADED[key]


def _cache_file(name: str, source: str) -> Path:
    """Path of the file with this source, written unless it is there; in a temporary folder if it cannot be written."""
    from platformdirs import user_cache_dir

    folder = Path(os.environ.get("FOKKERPLANCK_CACHE") or user_cache_dir("fokkerplanck", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        others = writable_by_others(folder)
        if not others and folder.stat().st_mode & 0o011:  # others can reach what is inside
            others = writable_by_others(folder / "__pycache__")
        if not others:
            return _write_once(folder, name, source)
        _warn_of_others(others)
    except OSError:  # nowhere to write to
        pass
    return _write_once(Path(_own_folder().name), name, source)


@functools.cache
def _warn_of_others(folder: str) -> None:
    text = (
        f"the cache of compiled formulas {folder} is not used, as others own it or may write to it, and what lies there is "
        "run: formulas are compiled in every process. Make it yours alone (chmod 700), or set FOKKERPLANCK_CACHE."
    )
    warn(text)


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory:
    """A folder of this process, which goes with it."""
    return tempfile.TemporaryDirectory(prefix="fokkerplanck-")


def _write_once(folder: Path, name: str, source: str) -> Path:
    """Write atomically, and only if needed: numba ties its compiled code to the file's time stamp."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):  # absent or damaged: it is written anew
        if path.read_text(encoding="utf-8") == source:
            return path
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(source)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
