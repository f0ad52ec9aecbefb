"""What holds functions and still travels between processes: lambdas and functions of a notebook are pickled by value."""

from __future__ import annotations

import copy
from contextvars import ContextVar
from typing import Any, Self

_inside = ContextVar("_inside", default=False)  # of something that is being pickled with its functions


class Portable:
    """Pickled by cloudpickle with the functions that it holds, whatever these are: equations, results that ask again."""

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        if _inside.get():
            return super().__reduce_ex__(protocol)
        import cloudpickle

        before = _inside.set(True)
        try:
            return _restored, (type(self), cloudpickle.dumps(vars(self)))
        finally:
            _inside.reset(before)

    def __copy__(self) -> Self:
        return _made(type(self), vars(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        again = memo[id(self)] = _made(type(self), {})
        vars(again).update(copy.deepcopy(vars(self), memo))
        return again


def _made(kind: Any, state: dict[str, Any]) -> Any:
    made = object.__new__(kind)
    vars(made).update(state)
    return made


def _restored(kind: type, content: bytes) -> Any:
    import cloudpickle

    return _made(kind, cloudpickle.loads(content))
