"""Where a process that starts anew spends its time until it leaves."""

from __future__ import annotations

import numpy as np

from ...errors import ConvergenceError, bad_value
from ..discretization.generator import Generator
from ..discretization.rate_structure import chain_rates
from .detailed_balance import log_masses
from .first_passage import solve_backward
from .rates import Rates

AGREE = 1e-6  # of two ways to find the mean time


def time_until_exit(q: Generator, start: np.ndarray, name: str) -> np.ndarray:
    """Mean time spent in each cell, (n,), from masses `start` (n,) until the process leaves: Q P = -start.

    Refused where it may never leave, by the `name` of what it starts from.
    """
    everywhere = np.ones(q.grid.size, dtype=bool)
    mean = solve_backward(q, everywhere, np.ones(q.grid.size))
    if np.isinf(mean[start > 0.0]).any():
        then = "Make a wall absorbing, or give the equation a killing rate."
        raise bad_value(name, "a density from which the box is left for certain", "one from which it may not be", then)
    along_line = _on_a_chain(q, start)
    if along_line is not None:
        return along_line
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


def _on_a_chain(q: Generator, start: np.ndarray) -> np.ndarray | None:
    """The same on a line, to round-off behind any barrier; None elsewhere, or where numbers end.

    There Q M = M Q^T for the masses M of detailed balance without exits, so that P = M f with Q^T f = -start / M, which is
    solved without subtraction.
    """
    balance = None if chain_rates(q) is None else log_masses(q, np.arange(q.grid.size))
    if balance is None:
        return None
    logs = balance.logs - balance.logs[start > 0.0].max()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        f = solve_backward(q, np.ones(q.grid.size, dtype=bool), np.where(start > 0.0, start * np.exp(-logs), 0.0))
        result = np.exp(logs) * f
    return result if np.isfinite(result).all() else None
