"""Products with the generator, and the recurrences that are nothing but products."""

from typing import NamedTuple

import numpy as np
from numba import njit

BLOCK = 1024
TINY = 1e-300  # stands for a mass of zero in a ratio


class Operator(NamedTuple):
    """A square sparse matrix as bands, y[i] = sum_k bands[k, i] x[i + strides[k]], or, where there are none, as rows.

    The strides begin with 0 and go outwards from the diagonal.
    """

    strides: np.ndarray
    bands: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray


@njit(cache=True)
def _block(operator, x, y, start, stop):
    """y[start:stop] of the product."""
    if operator.strides.size == 0:
        _rows(operator, x, y, start, stop)
        return
    n = x.size
    strides = operator.strides
    fused = _fused_count(strides, n)
    # the fused bands reach into x from everywhere but the first and last `reach` cells
    reach = 0
    for k in range(fused):
        reach = max(reach, abs(strides[k]))
    low = min(max(start, reach), stop)
    high = max(min(stop, n - reach), low)
    if fused == 5:
        _five_bands(strides, operator.bands, x, y, low, high)
    elif fused == 3:
        _three_bands(strides, operator.bands, x, y, low, high)
    else:
        for i in range(low, high):
            y[i] = operator.bands[0, i] * x[i]
    for first, last in ((start, low), (high, stop)):
        for i in range(first, last):
            total = 0.0
            for k in range(fused):
                if 0 <= i + strides[k] < n:
                    total += operator.bands[k, i] * x[i + strides[k]]
            y[i] = total
    for k in range(fused, strides.size):
        _add_band(strides[k], operator.bands[k], x, y, start, stop)


@njit(cache=True)
def _fused_count(strides, n):
    """How many of the first bands (1, 3 or 5) are near enough to the diagonal to be summed in one pass."""
    near = 0
    for s in strides:
        if 4 * abs(s) <= n:
            near += 1
    return 5 if near >= 5 else 3 if near >= 3 else 1


@njit(cache=True)
def _rows(operator, x, y, start, stop):
    for i in range(start, stop):
        total = 0.0
        for k in range(operator.indptr[i], operator.indptr[i + 1]):
            total += operator.values[k] * x[operator.indices[k]]
        y[i] = total


# Slices keep the inner loops free of index checks, so that they vectorise.


@njit(cache=True)
def _add_band(s, band, x, y, start, stop):
    low = max(start, -s)
    high = min(stop, x.size - s)
    if low < high:
        target = y[low:high]
        source = x[low + s : high + s]
        rate = band[low:high]
        for i in range(high - low):
            target[i] += rate[i] * source[i]


@njit(cache=True)
def _three_bands(s, bands, x, y, low, high):
    target = y[low:high]
    x0, x1, x2 = x[low:high], x[low + s[1] : high + s[1]], x[low + s[2] : high + s[2]]
    b0, b1, b2 = bands[0, low:high], bands[1, low:high], bands[2, low:high]
    for i in range(high - low):
        target[i] = b0[i] * x0[i] + b1[i] * x1[i] + b2[i] * x2[i]


@njit(cache=True)
def _five_bands(s, bands, x, y, low, high):
    target = y[low:high]
    x0, x1, x2 = x[low:high], x[low + s[1] : high + s[1]], x[low + s[2] : high + s[2]]
    x3, x4 = x[low + s[3] : high + s[3]], x[low + s[4] : high + s[4]]
    b0, b1, b2 = bands[0, low:high], bands[1, low:high], bands[2, low:high]
    b3, b4 = bands[3, low:high], bands[4, low:high]
    for i in range(high - low):
        target[i] = b0[i] * x0[i] + b1[i] * x1[i] + b2[i] * x2[i] + b3[i] * x3[i] + b4[i] * x4[i]


@njit(cache=True, nogil=True)
def apply(operator, x, y):
    """y = Q x."""
    n = x.size
    for start in range(0, n, BLOCK):
        _block(operator, x, y, start, min(n, start + BLOCK))


@njit(cache=True, nogil=True)
def chebyshev_sum(operator, coefficients, x, focal_step, tolerance, first_stop, limit, result):
    """result = sum_k c_k T_k(A) x for the operator A, until what remains falls below the tolerance.

    Returns (products, remainder, largest term), with terms measured as |c_k| |T_k x|_1 / |x|_1 and the remainder as the
    last term times the number of terms in which the coefficients, Bessel functions of `focal_step`, fall by a factor e.
    Stops early with a largest term of infinity where that exceeds `limit`: the terms have then grown beyond what
    cancellation leaves exact. Never stops before `first_stop`, where the coefficients have begun to fall.
    """
    n = x.size
    scale = max(np.abs(x).sum(), TINY)  # all may have left through the walls
    previous = x.copy()
    current = np.empty(n)
    work = np.empty(n)
    apply(operator, x, current)
    for i in range(n):
        result[i] = coefficients[0] * x[i] + coefficients[1] * current[i]
    largest = abs(coefficients[0])
    remainder = here = np.inf
    for k in range(2, coefficients.size):
        for start in range(0, n, BLOCK):
            stop = min(n, start + BLOCK)
            _block(operator, current, work, start, stop)
            _advance(work[start:stop], previous[start:stop], result[start:stop], coefficients[k])
        previous, current = current, previous
        if k % 8 == 0:
            term = abs(coefficients[k]) * np.abs(current).sum() / scale
            largest = max(largest, term)
            if not term <= limit:
                return k, term, np.inf
            before, here = here, term * (2.0 + focal_step / k)
            remainder = max(before, here)  # one term alone may happen to be small
            if remainder < tolerance and k > first_stop:
                return k, remainder, largest
    return coefficients.size - 1, remainder, largest


@njit(cache=True)
def _advance(work, previous, result, coefficient):
    """T_k+1 = 2 A T_k - T_k-1 over T_k-1, where work holds 2 A T_k, and its share of the sum."""
    for i in range(work.size):
        new = 2.0 * work[i] - previous[i]
        previous[i] = new
        result[i] += coefficient * new


@njit(cache=True, nogil=True)
def poisson_sum(operator, rate, weights, x, result):
    """result = sum_k weights_k (1 + Q / rate)^k x: every term nonnegative where x is and rate covers the outflow."""
    n = x.size
    current = x.copy()
    work = np.empty(n)
    for i in range(n):
        result[i] = weights[0] * x[i]
    for k in range(1, weights.size):
        c = weights[k]
        for start in range(0, n, BLOCK):
            stop = min(n, start + BLOCK)
            _block(operator, current, work, start, stop)
            for i in range(start, stop):
                # the diagonal may leave -1e-17 where it cancels exactly
                work[i] = max(current[i] + work[i] / rate, 0.0)
                result[i] += c * work[i]
        current, work = work, current


@njit(cache=True)
def bessel_weights(z, count):
    """e^-z I_k(z) for k < count, by Miller's backward recurrence, normalised with I_0 + 2 (I_1 + I_2 + ...) = e^z."""
    weights = np.zeros(count)
    if z == 0.0:
        weights[0] = 1.0
        return weights
    above, here, total = 0.0, 1e-290, 0.0
    start = count + int(np.sqrt(40.0 * (z + count))) + 20
    for k in range(start, -1, -1):
        if k < count:
            weights[k] = here
        total += here if k == 0 else 2.0 * here
        above, here = here, above + 2.0 * k / z * here
        if here > 1e250:
            # what lies above by now is below the smallest number that counts
            here *= 1e-290
            above *= 1e-290
            total *= 1e-290
            weights *= 1e-290
    return weights / total
