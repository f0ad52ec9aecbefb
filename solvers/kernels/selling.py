"""Nonnegative decomposition of diffusion tensors on the integer lattice: Selling's reduction.

D = sum_k rho_k e_k e_k^T with integer offsets e_k and rho_k >= 0 (Selling 1874; Fehrenbach and Mirebeau 2014). A basis of
the lattice with its negative sum, the superbase b, is changed until all <b_i, D b_j> <= 0; then rho_k = -<b_i, D b_j> and
e_k is orthogonal to b_i and b_j's complement.
"""

import numpy as np
from numba import njit

MAX_FLIPS = 200
PAIRS_3D = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 0, 2], [2, 3, 0, 1]])


@njit(cache=True)
def decompose(tensors, caps, offsets, weights, added):
    """Fill offsets (n, k, d) and weights (n, k) for tensors (n, d, d); k = 3 in 2D, 6 in 3D.

    No component of an offset exceeds caps[n]. Where a nearly degenerate tensor would need longer ones, the smallest
    multiple added[n] of trace(D) / d is added to its diagonal that brings them within the cap.
    """
    d = tensors.shape[1]
    for n in range(tensors.shape[0]):
        tensor = tensors[n].copy()
        mean = 0.0
        for i in range(d):
            mean += tensor[i, i] / d
        added[n] = 0.0
        weights[n] = 0.0
        offsets[n] = 0
        if mean == 0.0 or _reduce(tensor, caps[n], offsets[n], weights[n]):
            continue
        low, high = 0.0, 1e-12
        while not _reduce(_shifted(tensor, high * mean), caps[n], offsets[n], weights[n]):
            low, high = high, 4.0 * high
        for _ in range(30):
            middle = 0.5 * (low + high)
            if _reduce(_shifted(tensor, middle * mean), caps[n], offsets[n], weights[n]):
                high = middle
            else:
                low = middle
            if high - low < 1e-3 * high:
                break
        _reduce(_shifted(tensor, high * mean), caps[n], offsets[n], weights[n])
        added[n] = high


@njit(cache=True)
def _shifted(tensor, extra):
    result = tensor.copy()
    for i in range(tensor.shape[0]):
        result[i, i] += extra
    return result


@njit(cache=True)
def _reduce(tensor, cap, offsets, weights):
    """Selling's reduction of one tensor; False where an offset of positive weight exceeds the cap, or the sum is not D."""
    d = tensor.shape[0]
    base = np.zeros((d + 1, d), np.int64)
    for i in range(d):
        base[i, i] = 1
        base[d, i] = -1
    scale = 0.0
    for i in range(d):
        scale += tensor[i, i]
    for _ in range(MAX_FLIPS):
        if not _flip(base, tensor, 1e-15 * scale):
            break
    return _read_off(base, tensor, cap, offsets, weights, 1e-14 * scale) and _holds(
        tensor, offsets, weights, 1e-9 * scale
    )


@njit(cache=True)
def _holds(tensor, offsets, weights, tolerance):
    """Whether sum_k rho_k e_k e_k^T is the tensor: rounding ends the reduction of some degenerate ones before it is done."""
    for i in range(tensor.shape[0]):
        for j in range(tensor.shape[0]):
            total = -tensor[i, j]
            for k in range(weights.size):
                total += weights[k] * offsets[k, i] * offsets[k, j]
            if not abs(total) <= tolerance:
                return False
    return True


@njit(cache=True)
def _flip(base, tensor, tolerance):
    """Replace a pair of the superbase with positive product; False where there is none."""
    d = tensor.shape[0]
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            if _product(base[i], tensor, base[j]) > tolerance:
                first = base[i].copy()
                for k in range(d + 1):
                    if k != i and k != j:
                        # in 2D the one other vector takes b_i twice, to keep the sum zero
                        base[k] += first if d == 3 else 2 * first
                base[i] = -first
                return True
    return False


@njit(cache=True)
def _product(a, tensor, b):
    total = 0.0
    for i in range(a.size):
        for j in range(b.size):
            total += a[i] * tensor[i, j] * b[j]
    return total


@njit(cache=True)
def _read_off(base, tensor, cap, offsets, weights, negligible):
    d = tensor.shape[0]
    for k in range(weights.size):
        if d == 2:
            i, j = (k + 1) % 3, (k + 2) % 3
            e = np.array([-base[k, 1], base[k, 0]])
        else:
            i, j = PAIRS_3D[k, 0], PAIRS_3D[k, 1]
            e = np.cross(base[PAIRS_3D[k, 2]], base[PAIRS_3D[k, 3]])
        weight = max(0.0, -_product(base[i], tensor, base[j]))
        if weight <= negligible:
            weight = 0.0
            e[:] = 0
        if np.abs(e).max() > cap:
            return False
        sign = 1
        for c in range(d - 1, -1, -1):
            if e[c] != 0:
                sign = 1 if e[c] > 0 else -1
        offsets[k] = sign * e
        weights[k] = weight
    return True
