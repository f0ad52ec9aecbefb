"""Tridiagonal systems, many complex shifts at once."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def solve_shifted(lower, diagonal, upper, step, poles, x, solutions):
    """solutions[k] = (step * A - poles[k])^-1 x for the tridiagonal A, by elimination without pivoting.

    lower[i], diagonal[i], upper[i] multiply x[i-1], x[i], x[i+1] in row i. The columns of A sum to at most zero, and the
    poles are far from the negative real axis, so the pivots stay away from zero.
    """
    n = x.size
    ratio = np.empty(n, np.complex128)
    for k in range(poles.size):
        pole = poles[k]
        y = solutions[k]
        inverse = 1.0 / (step * diagonal[0] - pole)
        y[0] = x[0] * inverse
        for i in range(1, n):
            ratio[i - 1] = step * upper[i - 1] * inverse
            inverse = 1.0 / (step * diagonal[i] - pole - step * lower[i] * ratio[i - 1])
            y[i] = (x[i] - step * lower[i] * y[i - 1]) * inverse
            if abs(y[i].real) + abs(y[i].imag) < 1e-280:
                y[i] = 0.0  # subnormal numbers would make the loop twenty times slower
        for i in range(n - 2, -1, -1):
            y[i] -= ratio[i] * y[i + 1]
