"""Weights of wells by the chain that is watched in their bottoms alone (the stochastic complement: Meyer 1989).

With x the masses of the bottom cells, those of all others are Y x, Y = -Q_oo^-1 Q_ob, as paths from the bottoms reach them
before any bottom again: a few jumps, so that one factorisation gives Y without loss, however deep the wells are. What passes
from bottom to bottom, Q_bo Y, are sums of positive numbers, and x follows by elimination without subtraction.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from ..kernels import gth_elimination as reduction

MOST_WELLS = 32
LEAST = 1e-260  # of the fastest rate: flows that underflow does not touch
ROUNDING = float(np.finfo(float).eps)


def censored_null_vector(rates: sp.csr_array, leads: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The positive null vector (n,) of a rate matrix, and the share that rounding may have moved; None with too many wells.

    Parameters
    ----------
    rates : sparse (n, n)
        From column to row; the columns sum to 0.
    leads : ndarray of int (n,)
        The bottom cell of the well in which each cell lies.
    """
    bottoms = np.unique(leads)
    others = np.setdiff1d(np.arange(leads.size), bottoms)
    if bottoms.size > MOST_WELLS or not others.size:
        return None
    rates = sp.csr_array(rates)
    inner, into = rates[others][:, others].tocsc(), rates[others][:, bottoms].toarray()
    back, direct = rates[bottoms][:, others], rates[bottoms][:, bottoms].toarray()
    try:
        factor = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:  # exactly singular
        return None
    reached = factor.solve(-into)  # (n_others, n_wells)
    jumps = float(np.abs(factor.solve(inner.diagonal(), "T")).max())
    if not np.isfinite(reached).all() or reached.min(initial=0.0) < 0.0 or not np.isfinite(jumps):
        return None
    flows = direct + back @ reached
    passing = flows > LEAST * np.abs(inner.diagonal()).max()
    if connected_components(passing, directed=True, connection="strong")[0] > 1:
        return None  # what passes between some wells is near the smallest number
    weights = _weights(flows)
    masses = np.empty(leads.size)
    masses[bottoms], masses[others] = weights, reached @ weights
    return masses, jumps * ROUNDING


def _weights(flows: np.ndarray) -> np.ndarray:
    """Stationary weights of a small chain by its rates from column to row; the diagonal is not read."""
    n = len(flows)
    to, of = np.nonzero(~np.eye(n, dtype=bool))
    chain = np.zeros((n, 2 * n - 1))  # by bands: what passes from i to j stands in [i, j - i + n - 1]
    chain[of, to - of + n - 1] = flows[to, of]
    out, weights = np.empty((2, n))
    reduction.reduce(chain, n - 1, np.zeros(n), out)
    reduction.stationary(chain, n - 1, weights)
    return weights
