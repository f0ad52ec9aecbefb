"""Chebyshev sums with a product that is a function: generators whose jumps reach everywhere, and many sums from one series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels.matvec import TINY, Operator, apply

TOGETHER = 32  # terms that are added to many sums at once


def chebyshev_sum_of(
    product: Callable[[np.ndarray], np.ndarray],
    coefficients: np.ndarray,
    x: np.ndarray,
    focal_step: float,
    tolerance: float,
    first_stop: int,
    limit: float,
    result: np.ndarray,
) -> tuple[int, float, float]:
    """As `kernels.matvec.chebyshev_sum`, for a product given as a function."""
    scale = max(float(np.abs(x).sum()), TINY)
    previous, current = x, product(x)
    result[:] = coefficients[0] * x + coefficients[1] * current
    largest = abs(float(coefficients[0]))
    remainder = np.inf
    for k in range(2, coefficients.size):
        previous, current = current, 2.0 * product(current) - previous
        result += coefficients[k] * current
        if k % 8 == 0:
            term = abs(float(coefficients[k])) * float(np.abs(current).sum()) / scale
            largest = max(largest, term)
            if not term <= limit:
                return k, term, np.inf
            remainder = term * (2.0 + focal_step / k)
            if remainder < tolerance and k > first_stop:
                return k, remainder, largest
    return coefficients.size - 1, remainder, largest


def chebyshev_rows(
    product: Callable[[np.ndarray], np.ndarray],
    coefficients: np.ndarray,
    x: np.ndarray,
    focal_step: float,
    tolerance: float,
    first_stop: int,
    limit: float,
) -> tuple[np.ndarray, int, float, float]:
    """As `chebyshev_sum_of` for many rows of coefficients (k, count): the sums (k, n) before what that returns."""
    scale = max(float(np.abs(x).sum()), TINY)
    sizes = np.abs(coefficients).max(axis=0)
    result = np.zeros((len(coefficients), x.size))
    block = np.empty((TOGETHER, x.size))
    block[0], block[1] = x, product(x)
    previous, current, filled, first = x, block[1].copy(), 2, 0
    largest, remainder, here, k = float(sizes[0]), np.inf, np.inf, 1
    for k in range(2, sizes.size):
        previous, current = current, 2.0 * product(current) - previous
        if filled == TOGETHER:
            result += coefficients[:, first : first + filled] @ block
            first, filled = first + filled, 0
        block[filled] = current
        filled += 1
        if k % 8 == 0:
            term = float(sizes[k]) * float(np.abs(current).sum()) / scale
            largest = max(largest, term)
            if not term <= limit:
                return result, k, term, np.inf
            before, here = here, term * (2.0 + focal_step / k)
            remainder = max(before, here)
            if remainder < tolerance and k > first_stop:
                break
    result += coefficients[:, first : first + filled] @ block[:filled]
    return result, k, remainder, largest


def near_product(near: Operator) -> Callable[[np.ndarray], np.ndarray]:
    """The product with links and exits alone."""

    def product(x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)
        apply(near, x, result)
        return result

    return product


def far_product(
    near: Operator, far: Callable[[np.ndarray], np.ndarray], scale: float
) -> Callable[[np.ndarray], np.ndarray]:
    """The product with near + far / scale, of which `far` is a function."""

    def product(x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)
        apply(near, x, result)
        result += far(x) / scale
        return result

    return product
