"""Chebyshev sums with a product that is a function: generators whose jumps reach everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..discretization.levy_jumps import Jumps
from ..kernels.matvec import TINY, Operator, apply


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


def jumping_product(near: Operator, jumps: Jumps, scale: float) -> Callable[[np.ndarray], np.ndarray]:
    """The product with near + jumps / scale."""

    def product(x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)
        apply(near, x, result)
        result += jumps.apply(x) / scale
        return result

    return product
