"""Steps of the fractional equation: compressed history, and a tridiagonal system of positive type."""

import numpy as np
from numba import njit

DEAD = 1e-20  # a mode that has decayed by this factor is dropped


@njit(cache=True, nogil=True)
def advance_history(modes, alive, decay, fresh, weights, last, history):
    """Age the modes, modes[j] = decay[j] (modes[j] + fresh[j] last), and sum weights[j] modes[j] into history.

    alive[j] says whether modes[j] holds anything, so that decayed modes cost nothing.
    """
    history[:] = 0.0
    for j in range(decay.size):
        if decay[j] < DEAD:
            if alive[j]:
                modes[j] = 0.0
                alive[j] = False
            continue
        alive[j] = True
        row = modes[j]
        d, f, w = decay[j], fresh[j], weights[j]
        for i in range(row.size):
            row[i] = d * (row[i] + f * last[i])
            history[i] += w * row[i]


@njit(cache=True, nogil=True)
def solve_tridiagonal(loss, up, down, x, y):
    """y with loss[i] y[i] = x[i] + up[i-1] y[i-1] + down[i+1] y[i+1]: an M-matrix, so y >= 0 where x >= 0."""
    n = x.size
    ratio = np.empty(n)
    inverse = 1.0 / loss[0]
    y[0] = x[0] * inverse
    for i in range(1, n):
        ratio[i - 1] = down[i] * inverse
        inverse = 1.0 / (loss[i] - up[i - 1] * ratio[i - 1])
        y[i] = (x[i] + up[i - 1] * y[i - 1]) * inverse
        if y[i] < 1e-290 and y[i] > -1e-290:
            y[i] = 0.0  # subnormal numbers would make the loop twenty times slower
    for i in range(n - 2, -1, -1):
        y[i] += ratio[i] * y[i + 1]
