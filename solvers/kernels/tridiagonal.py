"""Tridiagonal systems, many complex shifts at once."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def solve_shifted(up, down, kill, step, poles, x, solutions):
    """solutions[k] = (step * Q - poles[k])^-1 x for the generator Q of a chain with rates up[i], down[i] and kill[i].

    In each row i of (poles[k] - step * Q) y = -x the rates out of cell i are taken together with the pole as its loss,
    and what comes back from the cells before is never subtracted from them (as in `solve_chain`): fast rates and a
    long step leave the mass exact.
    """
    n = x.size
    share = np.empty(n, np.complex128)
    for k in range(poles.size):
        y = solutions[k]
        source = 0.0 + 0.0j
        kept = 0.0 + 0.0j  # share of what is sent back to the cell before that stays there
        for i in range(n):
            source = -x[i] + (step * up[i - 1] * source * share[i - 1] if i > 0 else 0.0)
            if abs(source.real) + abs(source.imag) < 1e-200:
                source = 0.0 + 0.0j  # subnormal numbers would make the loop twenty times slower
            loss = poles[k] + step * kill[i] + step * down[i] * kept
            share[i] = 1.0 / (step * up[i] + loss)
            kept = loss * share[i]
            y[i] = source * share[i]
        for i in range(n - 2, -1, -1):
            y[i] += step * down[i + 1] * share[i] * y[i + 1]


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
