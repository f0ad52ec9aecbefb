"""State reduction (Grassmann, Taksar and Heyman 1985): elimination on a Markov chain without any subtraction.

Every quantity is a sum of products of probabilities, so results are right to a relative error of some n roundings
however rare the events are. The chain is stored by bands: a[i, j - i + low] is the probability of going from i to j.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def reduce(a: np.ndarray, low: int, leave: np.ndarray, out: np.ndarray) -> None:
    """Eliminate states in turn, each of which also leaves for good with probability leave_i.

    a and leave are overwritten: below the diagonal stand the shares with which a state was replaced by later ones;
    out (n,) is the probability of moving on to later states, or out of the chain.
    """
    n, width = a.shape
    up = width - 1 - low
    for k in range(n):
        last = min(k + up, n - 1)
        out[k] = leave[k]
        for j in range(k + 1, last + 1):
            out[k] += a[k, j - k + low]
        for i in range(k + 1, min(k + low, n - 1) + 1):
            if a[i, k - i + low] > 0.0:
                f = a[i, k - i + low] / out[k] if out[k] > 0.0 else np.inf  # below the smallest number
                a[i, k - i + low] = f
                for j in range(k + 1, last + 1):
                    a[i, j - i + low] += f * a[k, j - k + low]
                leave[i] += f * leave[k]


@njit(cache=True, nogil=True)
def expected(a: np.ndarray, low: int, out: np.ndarray, source: np.ndarray, value: np.ndarray) -> None:
    """value_i = source_i + sum_j p_ij value_j of a reduced chain; source is overwritten."""
    n, width = a.shape
    up = width - 1 - low
    for k in range(n):
        for i in range(k + 1, min(k + low, n - 1) + 1):
            source[i] += a[i, k - i + low] * source[k]
    for k in range(n - 1, -1, -1):
        total = source[k]
        for j in range(k + 1, min(k + up, n - 1) + 1):
            total += a[k, j - k + low] * value[j]
        value[k] = total / out[k]


@njit(cache=True, nogil=True)
def stationary(a: np.ndarray, low: int, value: np.ndarray) -> None:
    """Stationary weights, the largest 1, of a reduced irreducible chain that nothing leaves.

    Summed as logarithms: between two wells weights may fall below the smallest number.
    """
    n = a.shape[0]
    value[n - 1] = 0.0
    for k in range(n - 2, -1, -1):
        largest, total = -np.inf, 0.0
        for i in range(k + 1, min(k + low, n - 1) + 1):
            if a[i, k - i + low] > 0.0:
                term = value[i] + np.log(a[i, k - i + low])
                if term > largest:
                    total = total * np.exp(largest - term) + 1.0
                    largest = term
                elif term > -np.inf:
                    total += np.exp(term - largest)
        value[k] = largest + np.log(total) if total > 0.0 else -np.inf
    value -= value.max()
    np.exp(value, value)
