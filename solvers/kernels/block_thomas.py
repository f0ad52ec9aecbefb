"""Radau IIA of order five on a chain or a ring of cells: three stages at once, by elimination of 3 x 3 blocks.

With A the coefficients of the method, B = A^-1 and Q_1, Q_2, Q_3 the rates at the three nodes, the stages Y obey

    (B x 1 - h diag(Q_1, Q_2, Q_3)) Y = (B 1) x p,      p(t + h) = Y_3        (Hairer and Wanner 1996, IV.8)

which is block tridiagonal when ordered by cells. As in `tridiagonal.py` the rates out of a cell are taken together with what
is lost from it, and what comes back from the cells before is never subtracted from them (Grassmann, Taksar and Heyman 1985):
a long step over fast rates leaves the mass exact.
"""

import math

import numpy as np
from numba import njit

_ROOT = math.sqrt(6.0)
NODES = np.array([(4.0 - _ROOT) / 10.0, (4.0 + _ROOT) / 10.0, 1.0])
_STAGES = np.array(
    [
        [(88.0 - 7.0 * _ROOT) / 360.0, (296.0 - 169.0 * _ROOT) / 1800.0, (-2.0 + 3.0 * _ROOT) / 225.0],
        [(296.0 + 169.0 * _ROOT) / 1800.0, (88.0 + 7.0 * _ROOT) / 360.0, (-2.0 - 3.0 * _ROOT) / 225.0],
        [(16.0 - _ROOT) / 36.0, (16.0 + _ROOT) / 36.0, 1.0 / 9.0],
    ]
)
INVERSE = np.linalg.inv(_STAGES)
START = INVERSE.sum(axis=1)


@njit(cache=True, nogil=True)
def _invert(d, inverse):
    """The inverse of a 3 x 3 matrix by cofactors."""
    a = d[1, 1] * d[2, 2] - d[1, 2] * d[2, 1]
    b = d[1, 2] * d[2, 0] - d[1, 0] * d[2, 2]
    c = d[1, 0] * d[2, 1] - d[1, 1] * d[2, 0]
    scale = 1.0 / (d[0, 0] * a + d[0, 1] * b + d[0, 2] * c)
    inverse[0, 0] = a * scale
    inverse[1, 0] = b * scale
    inverse[2, 0] = c * scale
    inverse[0, 1] = (d[0, 2] * d[2, 1] - d[0, 1] * d[2, 2]) * scale
    inverse[1, 1] = (d[0, 0] * d[2, 2] - d[0, 2] * d[2, 0]) * scale
    inverse[2, 1] = (d[0, 1] * d[2, 0] - d[0, 0] * d[2, 1]) * scale
    inverse[0, 2] = (d[0, 1] * d[1, 2] - d[0, 2] * d[1, 1]) * scale
    inverse[1, 2] = (d[0, 2] * d[1, 0] - d[0, 0] * d[1, 2]) * scale
    inverse[2, 2] = (d[0, 0] * d[1, 1] - d[0, 1] * d[1, 0]) * scale


@njit(cache=True, nogil=True)
def factor(up, down, kill, h, inverse, blocks, ring):
    """Eliminate the cells in turn; inverse (n, 3, 3) of the pivots is what `substitute` needs.

    up, down, kill (3, n): rates to the next cell, to the one before and out of the chain, at the three nodes. On a ring (up
    of the last and down of the first cell lead round) ring (2, n, 3, 3) takes what couples each cell to the last and back.
    """
    n = up.shape[1]
    closed = ring.shape[1] > 0
    loss, product, d = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    last = np.zeros((3, 3))
    for i in range(n):
        for a in range(3):
            for b in range(3):
                back = product[a, b] * h * down[b, i] if i > 0 else 0.0
                loss[a, b] = blocks[a, b] + back
            loss[a, a] += h * kill[a, i]
        if closed:
            _couple(up, down, h, inverse, ring, i)
            if i == n - 1:
                for a in range(3):
                    for b in range(3):
                        loss[a, b] += last[a, b]
        for a in range(3):
            for b in range(3):
                d[a, b] = loss[a, b]
                if closed and i < n - 1:
                    d[a, b] += ring[0, i, a, b]
            if i < n - 1:
                d[a, a] += h * up[a, i]
        _invert(d, inverse[i])
        # what of the cell is lost rather than passed on, for all that comes back into it
        for a in range(3):
            for b in range(3):
                product[a, b] = (
                    loss[a, 0] * inverse[i, 0, b] + loss[a, 1] * inverse[i, 1, b] + loss[a, 2] * inverse[i, 2, b]
                )
        if closed and i < n - 1:
            _add_product(product, ring[1, i], last)


@njit(cache=True, nogil=True)
def _add_product(x, y, total):
    for a in range(3):
        for b in range(3):
            total[a, b] += x[a, 0] * y[0, b] + x[a, 1] * y[1, b] + x[a, 2] * y[2, b]


@njit(cache=True, nogil=True)
def _couple(up, down, h, inverse, ring, i):
    """What leads from cell i to the last cell of a ring (ring[0, i]) and back (ring[1, i]), the cells before eliminated."""
    n = up.shape[1]
    to, of = ring[0, i], ring[1, i]
    to[:] = 0.0
    of[:] = 0.0
    if i == n - 1:
        return
    if i == 0:
        for a in range(3):
            to[a, a] = h * down[a, 0]
            of[a, a] = h * up[a, n - 1]
        return
    before = inverse[i - 1]
    _add_product(ring[0, i - 1], before, to)
    _add_product(before, ring[1, i - 1], of)
    for a in range(3):
        for b in range(3):
            to[a, b] *= h * down[b, i]
            of[a, b] *= h * up[a, i - 1]


@njit(cache=True, nogil=True)
def substitute(up, down, h, inverse, ring, start, p, stages, result):
    """The density after the step, result (n,), from p (n,); stages (n, 3) is work space that holds Y."""
    n = p.size
    closed = ring.shape[1] > 0
    g0, g1, g2 = 0.0, 0.0, 0.0
    y0, y1, y2 = 0.0, 0.0, 0.0
    e0, e1, e2 = 0.0, 0.0, 0.0
    for i in range(n):
        g0, g1, g2 = start[0] * p[i], start[1] * p[i], start[2] * p[i]
        if i > 0:
            g0 += h * up[0, i - 1] * y0
            g1 += h * up[1, i - 1] * y1
            g2 += h * up[2, i - 1] * y2
        if i == n - 1:
            g0, g1, g2 = g0 + e0, g1 + e1, g2 + e2
        m = inverse[i]
        y0 = m[0, 0] * g0 + m[0, 1] * g1 + m[0, 2] * g2
        y1 = m[1, 0] * g0 + m[1, 1] * g1 + m[1, 2] * g2
        y2 = m[2, 0] * g0 + m[2, 1] * g1 + m[2, 2] * g2
        if closed and i < n - 1:
            w = ring[0, i]
            e0 += w[0, 0] * y0 + w[0, 1] * y1 + w[0, 2] * y2
            e1 += w[1, 0] * y0 + w[1, 1] * y1 + w[1, 2] * y2
            e2 += w[2, 0] * y0 + w[2, 1] * y1 + w[2, 2] * y2
        stages[i, 0], stages[i, 1], stages[i, 2] = y0, y1, y2
    result[n - 1] = y2
    l0, l1, l2 = y0, y1, y2
    for i in range(n - 2, -1, -1):
        g0, g1, g2 = h * down[0, i + 1] * y0, h * down[1, i + 1] * y1, h * down[2, i + 1] * y2
        if closed:
            v = ring[1, i]
            g0 += v[0, 0] * l0 + v[0, 1] * l1 + v[0, 2] * l2
            g1 += v[1, 0] * l0 + v[1, 1] * l1 + v[1, 2] * l2
            g2 += v[2, 0] * l0 + v[2, 1] * l1 + v[2, 2] * l2
        m = inverse[i]
        y0 = stages[i, 0] + m[0, 0] * g0 + m[0, 1] * g1 + m[0, 2] * g2
        y1 = stages[i, 1] + m[1, 0] * g0 + m[1, 1] * g1 + m[1, 2] * g2
        y2 = stages[i, 2] + m[2, 0] * g0 + m[2, 1] * g1 + m[2, 2] * g2
        if abs(y0) + abs(y1) + abs(y2) < 1e-200:
            y0, y1, y2 = 0.0, 0.0, 0.0  # subnormal numbers would make the loop twenty times slower
        stages[i, 0], stages[i, 1], stages[i, 2] = y0, y1, y2
        result[i] = y2


@njit(cache=True, nogil=True)
def radau_steps(up, down, kill, closed, h, blocks, start, p, result):
    """Densities result (m, n) after one step of length h each from p (m, n): m starts that share the rates."""
    n = p.shape[1]
    inverse, stages = np.empty((n, 3, 3)), np.empty((n, 3))
    ring = np.empty((2, n if closed else 0, 3, 3))
    factor(up, down, kill, h, inverse, blocks, ring)
    for k in range(p.shape[0]):
        substitute(up, down, h, inverse, ring, start, p[k], stages, result[k])


@njit(cache=True, nogil=True)
def change_by(up, down, kill, weights, closed, p, result):
    """sum_k weights[k] Q_k p in result (n,), from rates (k, n) of a chain or a ring."""
    n = p.size
    result[:] = 0.0
    for i in range(n):
        u, d, k = 0.0, 0.0, 0.0
        for m in range(weights.size):
            u += weights[m] * up[m, i]
            d += weights[m] * down[m, i]
            k += weights[m] * kill[m, i]
        result[i] -= (u + d + k) * p[i]
        if i < n - 1 or closed:
            result[(i + 1) % n] += u * p[i]
        if i > 0 or closed:
            result[(i - 1) % n] += d * p[i]


@njit(cache=True, nogil=True)
def step_and_halves(up, down, kill, closed, h, blocks, start, at_start, p, whole, middle, twice):
    """Fill densities (m, n) after a step of length h from p (m, n), after half of it, and after both halves.

    Rates (10, n): those of the step, of each half, three each, and at the start. Returns the largest 1-norm over the m of
    `whole` - `twice`, and of sum_k at_start[k] Q_k p.
    """
    radau_steps(up[:3], down[:3], kill[:3], closed, h, blocks, start, p, whole)
    radau_steps(up[3:6], down[3:6], kill[3:6], closed, 0.5 * h, blocks, start, p, middle)
    radau_steps(up[6:9], down[6:9], kill[6:9], closed, 0.5 * h, blocks, start, middle, twice)
    moved = np.empty(p.shape[1])
    apart, moving = 0.0, 0.0
    for k in range(p.shape[0]):
        change_by(up, down, kill, at_start, closed, p[k], moved)
        difference, change = 0.0, 0.0
        for i in range(p.shape[1]):
            difference += abs(whole[k, i] - twice[k, i])
            change += abs(moved[i])
        if difference > apart or not math.isfinite(difference):
            apart = difference
        if change > moving or not math.isfinite(change):
            moving = change
    return apart, moving
