"""How many coordinates simulated paths have: by their grid, their starts, or the functions of the equation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import callable_with, reals, takes_time
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import law_of_result
from ..randomness import private_generator


def dimension_of_paths(eq: FokkerPlanck, p0: Any, grid: Grid | None, n_paths: int) -> int:
    """The number of coordinates; n_paths numbers are one start a path where the equation is one on a line."""
    if grid is not None:
        return grid.dim
    p0 = law_of_result(p0)
    if not hasattr(p0, "sample"):
        p0 = reals("p0", p0, "a density to sample from, a point or an array of starts")
    elif not isinstance(p0, type):
        return int(np.atleast_2d(p0.sample(private_generator("dimension of a start"), 1)).shape[1])
    if np.ndim(p0) == 2:
        return int(np.shape(p0)[-1])
    if np.ndim(p0) == 1 and np.size(p0) == n_paths > 1 and _on_a_line(eq, n_paths):
        return 1
    return max(1, int(np.size(p0)))


def _on_a_line(eq: FokkerPlanck, other: int) -> bool:
    """Whether the equation has one coordinate rather than `other` many, by its names or by what its functions take."""
    if eq.names is not None:
        return len(eq.names) == 1
    functions = [f for f in (eq.drift, eq.potential, eq.diffusion, eq.noise) if callable(f)]
    return bool(functions) and all(_takes(f, 1) and not _takes(f, other) for f in functions)


def _takes(function: Any, count: int) -> bool:
    try:
        more: Any = {"t": 0.0} if takes_time(function) else {}
        callable_with("function", function, count, **more)
    except TypeError:
        return False
    return True
