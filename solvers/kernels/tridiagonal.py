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
            if abs(y[i].real) + abs(y[i].imag) < 1e-200:
                y[i] = 0.0  # subnormal numbers would make the loop twenty times slower
        for i in range(n - 2, -1, -1):
            y[i] -= ratio[i] * y[i + 1]


@njit(cache=True)
def solve_chain(up, down, kill, source, inside, u):
    """u[i] with (up + down + kill)[i] u[i] = source[i] + up[i] u[i+1] + down[i] u[i-1] on the cells `inside`, 0 elsewhere.

    Everything is nonnegative and nothing is subtracted: u[i] = a[i] + g[i] u[i+1], where 1 - g[i] = loss[i] / (up[i] + loss[i])
    is built from the killing met so far (Grassmann, Taksar and Heyman 1985). Hence the relative accuracy does not depend
    on how rarely the chain is left.
    """
    n = u.size
    a = np.zeros(n)
    gain = np.zeros(n)
    previous_loss = 0.0
    for i in range(n):
        if not inside[i]:
            previous_loss = 0.0
            continue
        back = down[i] if i > 0 and inside[i - 1] else 0.0
        loss = kill[i] + back * previous_loss
        total = up[i] + loss
        previous_loss = 0.0
        if total > 0.0:
            a[i] = (source[i] + (back * a[i - 1] if back > 0.0 else 0.0)) / total
            gain[i] = up[i] / total
            previous_loss = loss / total
        elif source[i] > 0.0:
            a[i] = np.inf
    ahead = 0.0
    for i in range(n - 1, -1, -1):
        u[i] = 0.0
        if inside[i]:
            u[i] = a[i] + (gain[i] * ahead if gain[i] > 0.0 else 0.0)
        ahead = u[i]
