"""One sweep for the least action on a grid of two axes: the best of straight steps from the ring of neighbours.

    V(x) = min over v of V(x - v) + F(x - v / 2, v)

x - v lies on the square of the eight neighbours. Between two of them V is interpolated along the side, in `cubic` cells by a
cubic, and the sum by a parabola between the directions that are tried; elsewhere along straight lines, which never fall below
the least of all paths on the grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _at(values: np.ndarray, i: int, j: int, wrap: np.ndarray) -> float:
    """A value, beyond a wall infinite, beyond a period the one that is there."""
    n, m = values.shape
    if wrap[0]:
        i = i % n
    if wrap[1]:
        j = j % m
    if i < 0 or j < 0 or i >= n or j >= m:
        return np.inf
    return values[i, j]


@njit(cache=True, nogil=True)
def _between(values: np.ndarray, i: int, j: int, side: np.ndarray, s: float, wrap: np.ndarray, cubic: bool) -> float:
    """V at the share s between two neighbours, side = (i, j of one, step to the other), counted back from the cell."""
    i, j, di, dj = i - side[0], j - side[1], -side[2], -side[3]
    one = _at(values, i, j, wrap)
    if s == 0.0:
        return one
    other = _at(values, i + di, j + dj, wrap)
    if cubic:
        before, after = _at(values, i - di, j - dj, wrap), _at(values, i + 2 * di, j + 2 * dj, wrap)
        low, high = before - 2.0 * one + other, one - 2.0 * other + after
        if np.isfinite(low + high) and low * high > 0.0:  # bent one way, and alike: else no curve is to be read off
            low, high = np.sign(low) * min(abs(low), 2.0 * abs(high)), np.sign(high) * min(abs(high), 2.0 * abs(low))
            return (1.0 - s) * one + s * other - s * (1.0 - s) * ((2.0 - s) * low + (1.0 + s) * high) / 6.0
    return (1.0 - s) * one + s * other


@njit(cache=True, nogil=True)
def sweep(
    values: np.ndarray,
    costs: np.ndarray,
    sides: np.ndarray,
    shares: np.ndarray,
    known: np.ndarray,
    wrap: np.ndarray,
    order: int,
    cubic: np.ndarray,
) -> float:
    """Renew values (n, m) in place, but where they are `known`, in one of four orders; the largest change.

    costs (n, m, k): F of the k directions, in their order around the ring; sides (k, 4) and shares (k,): where they come from.
    """
    n, m = values.shape
    k = shares.size
    tried = np.empty(k)
    change = 0.0
    for a in range(n):
        i = a if order % 2 == 0 else n - 1 - a
        for b in range(m):
            j = b if order // 2 == 0 else m - 1 - b
            if known[i, j]:
                continue
            best = 0
            for d in range(k):
                tried[d] = _between(values, i, j, sides[d], shares[d], wrap, cubic[i, j]) + costs[i, j, d]
                if tried[d] < tried[best]:
                    best = d
            new = tried[best]
            if cubic[i, j]:
                low, high = tried[best - 1], tried[(best + 1) % k]
                bend = low - 2.0 * new + high
                if np.isfinite(bend) and bend > 0.0:
                    # not below where the step comes from: steps cost, else a round would go on for ever
                    new = max(new - (high - low) ** 2 / (8.0 * bend), new - costs[i, j, best])
            if new != values[i, j]:
                change = max(change, abs(new - values[i, j]))
            values[i, j] = new
    return change
