"""Where a process that starts anew spends its time until it leaves."""

from __future__ import annotations

import numpy as np

from ...errors import ConvergenceError
from ..discretization.generator import Generator
from .first_passage import solve_backward
from .rates import Rates

AGREE = 1e-6  # of two ways to find the mean time


def time_until_exit(q: Generator, start: np.ndarray) -> np.ndarray:
    """Mean time spent in each cell, (n,), from masses `start` (n,) until the process leaves: Q P = -start.

    Infinite where it may never leave.
    """
    everywhere = np.ones(q.grid.size, dtype=bool)
    mean = solve_backward(q, everywhere, np.ones(q.grid.size))
    if np.isinf(mean[start > 0.0]).any():
        return np.full(q.grid.size, np.inf)
    cells = np.flatnonzero(np.isfinite(mean))
    rates = Rates.of_generator(q)
    result = np.zeros(q.grid.size)
    if rates.matrix is None:
        assert rates.resolvent is not None
        result = np.maximum(rates.resolvent(0.0, start), 0.0)
    else:
        result[cells] = np.maximum(rates.factor(cells).solve(start[cells]), 0.0)
    total = float(start[start > 0.0] @ mean[start > 0.0])
    if not abs(result.sum() - total) <= AGREE * total:
        raise ConvergenceError(
            f"leaving takes {total:.3g}, so long that rounding decides where it is spent ({result.sum():.3g} by the density). "
            "Lower the barrier or take fewer cells.",
            result,
        )
    return result
