"""Where paths spend their time before they leave a set of cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from ...errors import ConvergenceError
from .multigrid import ROUGH
from .rates import Rates

LONGEST = 1e10  # times the shortest time scale after which paths are cut; keeps the matrix regular
FACTOR, FULL = 6000, 30  # cells, and entries a row, beyond both of which factors fill up and products replace them
PRODUCTS, MOST = 2e8, 2000  # multiplications spent on products, and how many of them at most


def time_spent(rates: Rates, cells: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Shares (n,) of the time that paths started on some cells (n, bool) spend in each of them before they leave.

    start : masses (n,) at the start, evenly over the cells if None. Paths are cut after 10^10 times the shortest time
    scale; where the matrix fills up when factored, or multigrid does not get there, after at most 2000 of them: enough to
    weigh cells by.
    """
    start = np.where(cells, 1.0 if start is None else start, 0.0)
    chosen = np.flatnonzero(cells)
    if chosen.size == 0:
        return start
    if (
        rates.resolvent is None
        and rates.size > FACTOR
        and rates.matrix is not None
        and rates.matrix.nnz > FULL * rates.size
    ):
        result = _by_products(rates, cells, start)
    else:
        try:
            result = occupation(rates, chosen)(start)
        except ConvergenceError:  # of multigrid; these are weights only
            result = _by_products(rates, cells, start)
    return result / result.sum()


def occupation(rates: Rates, cells: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """From masses (n,) at the start to the mean time spent in each of some cells before they are left, (n,), 0 elsewhere."""
    shift = float(rates.outflow.max()) / LONGEST
    inside = np.zeros(rates.size, dtype=bool)
    inside[cells] = True
    if rates.resolvent is not None:
        resolvent = rates.resolvent
        return lambda start: np.where(inside, resolvent(shift, start), 0.0)
    factor = rates.factor(cells, shift, ROUGH)

    def spent(start: np.ndarray) -> np.ndarray:
        result = np.zeros(rates.size)
        result[cells] = np.maximum(factor.solve(start[cells]), 0.0)
        return result

    return spent


def _by_products(rates: Rates, cells: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The time spent in the first moves of the chain that is observed at the rate of the fastest cell."""
    to, of, rate = rates.links()
    fastest = float(rates.outflow.max())
    inside = cells[to] & cells[of]
    moves = sp.coo_array((rate[inside] / fastest, (to[inside], of[inside])), shape=(rates.size, rates.size)).tocsr()
    stay = np.where(cells, 1.0 - rates.outflow / fastest, 0.0)
    total = p = start / start.sum()
    for _ in range(min(max(int(PRODUCTS / max(moves.nnz, 1)), 10), MOST)):
        p = stay * p + moves @ p
        total = total + p
    return total
