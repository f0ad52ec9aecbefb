"""Cuts sampled time into pieces on which three nodes see whatever the samples show."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def cut(times, values, floor, nodes, share, ends):
    """Fill `ends` with the indices at which pieces of the samples end, and return how many there are.

    times (n,) increasing, values (n, m), nodes (3,) in (0, 1]. A piece is good where in both its halves, and for each of the m
    functions, the parabola through the samples nearest to the nodes misses no sample by more than `share` of the function's
    range there, or by more than floor / length; else it is halved, down to pieces of some ten samples.
    """
    n = times.size
    stack = np.empty((64, 2), np.int64)
    stack[0, 0], stack[0, 1] = 0, n - 1
    depth, count = 1, 0
    while depth > 0:
        depth -= 1
        i, j = stack[depth, 0], stack[depth, 1]
        middle = (i + j) // 2
        if j - i < 10 or (
            _is_good(times, values, floor, nodes, share, i, middle)
            and _is_good(times, values, floor, nodes, share, middle, j)
        ):
            ends[count] = j
            count += 1
            continue
        stack[depth, 0], stack[depth, 1] = middle, j
        stack[depth + 1, 0], stack[depth + 1, 1] = i, middle
        depth += 2
    return count


@njit(cache=True, nogil=True)
def _is_good(times, values, floor, nodes, share, i, j):
    length = times[j] - times[i]
    at = np.empty(3, np.int64)
    for k in range(3):
        at[k] = i + int(np.searchsorted(times[i : j + 1], times[i] + nodes[k] * length))
    at[2] = j
    for k in range(2):
        at[k] = min(at[k], j - 2 + k)
    at[1] = max(at[1], at[0] + 1)
    a, b, c = times[at[0]], times[at[1]], times[at[2]]
    for m in range(values.shape[1]):
        first = values[at[0], m]
        slope = (values[at[1], m] - first) / (b - a)
        bend = ((values[at[2], m] - values[at[1], m]) / (c - b) - slope) / (c - a)
        low, high, worst = first, first, 0.0
        for k in range(i, j + 1):
            value = values[k, m]
            low, high = min(low, value), max(high, value)
            fit = first + (times[k] - a) * (slope + bend * (times[k] - b))
            worst = max(worst, abs(value - fit))
        if worst > share * (high - low) and worst * length > floor:
            return False
    return True
