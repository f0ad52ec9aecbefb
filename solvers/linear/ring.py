"""A periodic axis with links both ways: its stationary masses, and its current without any subtraction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..discretization.generator import Generator

ROUNDING = 16.0 * float(np.finfo(float).eps)


class RingState(NamedTuple):
    """Stationary masses (n,) on a ring, the current round it, and the affinity: the sum of ln(forward / backward).

    rounding : what rounding may have added to the affinity.
    """

    masses: np.ndarray
    current: float
    affinity: float
    rounding: float


def ring_masses(q: Generator) -> np.ndarray | None:
    """The stationary masses on a ring, behind barriers of any height; None for anything but a ring."""
    state = ring_state(q)
    return None if state is None else state.masses


def ring_state(q: Generator) -> RingState | None:
    """The stationary state of a ring with links both ways; None for anything else.

    p_i = J / f_i + (b_i / f_i) p_(i+1), carried once around, is a sum of positive terms (Derrida 1983), here of logarithms:
    with S = sum of ln(b / f) the masses are proportional to these sums, and J to 1 - e^S.
    """
    n = q.grid.size
    if q.jumps is not None or q.grid.dim != 1 or sum(link.lower.size for link in q.links) != n:
        return None
    if any(link.offset != (1,) for link in q.links):
        return None
    forward, backward = np.zeros((2, n))
    for link in q.links:
        forward[link.lower], backward[link.lower] = link.forward, link.backward
    if not (np.minimum(forward, backward) > 0.0).all():
        return None
    ratio = np.log(backward) - np.log(forward)
    slope = np.cumsum(ratio)
    before = np.concatenate([[0.0], slope[:-1]])
    terms = before - np.log(forward)
    ahead = np.logaddexp.accumulate(terms[::-1])[::-1]
    behind = np.concatenate([[-np.inf], np.logaddexp.accumulate(terms)[:-1]]) + slope[-1]
    logs = np.logaddexp(ahead, behind) - before
    masses = np.exp(logs - logs.max())
    total = float(slope[-1])
    # ln |1 - e^S|, for S of either sign and any size
    size = np.log(-np.expm1(-abs(total))) + max(total, 0.0) if total else -np.inf
    current = -np.sign(total) * float(np.exp(size - logs.max() - np.log(masses.sum())))
    rounding = ROUNDING * (float(np.ptp(before)) + float(np.abs(ratio).max()) + n**0.5)
    return RingState(masses / masses.sum(), current, -total, rounding)
