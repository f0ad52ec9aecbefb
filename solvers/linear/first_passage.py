"""First passage: times until a target is reached, and which of two is reached first.

The backward equations of a generator that is killed on a target, see `absorption`, are solved on the cells outside.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ..discretization.generator import Generator
from ..kernels.tridiagonal import solve_chain
from .dense import FEW
from .gmres import solve_jumps
from .rates import Rates, never_leaving


def solve_backward(q: Generator, outside: np.ndarray, source: np.ndarray, *, lasting: bool = False) -> np.ndarray:
    """u with Q^T u = -source on the cells `outside` (n, bool) of a killed generator, zero elsewhere; source >= 0.

    Infinite where a source is met forever, because nothing is reached from there. lasting: whether the source is met at
    the points too that keep what arrives.
    """
    result = np.zeros(outside.size)
    finite, endless = _reachability(q, outside, source, lasting)
    result[endless] = np.inf
    cells = np.flatnonzero(finite)
    if cells.size == 0:
        return result
    strides = {link.stride for link in q.links}
    if q.jumps is not None and cells.size > FEW:
        result[cells] = solve_jumps(q, 0.0, np.where(finite, source, 0.0), adjoint=True)[cells]
        return result
    if q.jumps is not None:
        result[cells] = np.linalg.solve(q.matrix[cells][:, cells].toarray().T, -source[cells])
        return result
    if q.grid.dim == 1 and strides <= {1} and not endless.any():
        result[cells] = chain_rates(q, outside, source)[cells]
        return result
    inner = q.matrix[cells][:, cells].T.tocsc()
    factor = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    values = factor.solve(-source[cells])
    # the rounding of the diagonal acts like an escape rate of 1e-16 of the largest
    _check_stiff(q, factor.solve(-np.ones(cells.size)), values)
    result[cells] = values
    return result


def _check_stiff(q: Generator, times: np.ndarray, values: np.ndarray) -> None:
    loss = 1e-15 * float(times.max(initial=0.0)) * float(q.outflow.max(initial=0.0))
    if loss > 1e-2 or not np.isfinite(values).all() or values.min(initial=0.0) < 0.0:
        raise ConvergenceError(
            f"passage takes some {np.abs(times).max():.0e} while the fastest rate is {q.outflow.max():.1e}: "
            "beyond double precision. "
            "Lower the barrier, coarsen the grid, or use the spectrum of a smaller box.",
            values,
        )


def chain_rates(q: Generator, outside: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The same in 1D by elimination without subtraction, exact to round-off behind any barrier."""
    n = q.grid.size
    up, down = np.zeros(n), np.zeros(n)
    for link in q.links:
        up[link.lower] = link.forward
        down[link.upper] = link.backward
    result = np.empty(n)
    solve_chain(up, down, q.escape, np.where(outside, source, 0.0), outside, result)
    return result


def _reachability(
    q: Generator, outside: np.ndarray, source: np.ndarray, lasting: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(cells from which an exit is certain to be reached, cells from which it may never be and a source is met)."""
    if q.jumps is not None and all((part.strength.ravel()[outside] > 0.0).all() for part in q.jumps.parts):
        return (outside, ~outside & False) if q.exits else (outside & False, outside)
    kept = sum(q.atoms.values(), np.zeros(outside.size)) if lasting and q.atoms else None
    reach, endless = never_leaving(Rates.of_generator(q), outside, kept)
    if not (source[endless] > 0.0).any():
        return reach, endless & False
    return outside & ~endless, endless
