"""Jump rates on a lattice whose sum acts on smooth functions as -(-Lap)^(a/2).

The rule takes the jump density at the lattice points, C V / |r|^(d + a), leaves out r = 0 and adds the diffusion tensor D
that makes up for it. The sum over the lattice and the integral differ, for smooth functions, by derivatives times
regularised sums (zeta functions); the first of these is the second moment, and D = - (1/2) reg sum of rate r r^T cancels it:
the error is of order h^(4 - a). In one dimension D = -C zeta(a - 1) h^(2 - a), positive for all a < 2, and 1 at a = 2, so that
all rates are nonnegative and nothing is lost as a tends to 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import expit, gamma, zetac

CUTOFF = 24.0  # lattice cells over which the sums are smoothly cut off,
START, STOP = 0.4, 1.6  # between these multiples of it


def jump_constant(stability: float, dim: int) -> float:
    """C in C / |r|^(dim + a), the jump density of exp(-t |k|^a); 0 at a = 2."""
    if stability == 2.0:
        return 0.0
    a = stability
    # 1 / |Gamma(-a/2)| = (a/2) / Gamma(1 - a/2), which is small near a = 2 without cancellation
    return float(2.0**a * gamma((dim + a) / 2) / math.pi ** (dim / 2) * (a / 2) / gamma(1.0 - a / 2))


def matched_diffusion(stability: float, h: float) -> float:
    """D of the one-dimensional rule, for s = 1 and cells of width h."""
    if stability == 2.0:
        return 1.0
    return float(-jump_constant(stability, 1) * (1.0 + zetac(stability - 1.0)) * h ** (2.0 - stability))


def matched_tensor(stability: float, widths: tuple[float, float], shape: np.ndarray) -> np.ndarray:
    """D (2, 2) of the two-dimensional rule for jumps exp(-t (k . shape k)^(a/2)) on cells of the given widths.

    The regularised sum is that of a smooth cutoff less the same integral.
    """
    if stability == 2.0:
        return shape.astype(float)
    a = stability
    (x, y), size, radius = _around(widths, shape)
    weight = size ** (-2.0 - a) * cutoff(size / radius)
    total = np.array([[(weight * u * v).sum() for v in (x, y)] for u in (x, y)]) * widths[0] * widths[1]
    root = math.sqrt(np.linalg.det(shape))
    inside = START ** (2.0 - a) / (2.0 - a) + falling(lambda rho: rho ** (1.0 - a) * cutoff(rho))
    integral = math.pi * radius ** (2.0 - a) * inside * shape * root
    return -0.5 * jump_constant(a, 2) * (total - integral) / root


def lattice_total(stability: float, widths: tuple[float, ...], shape: np.ndarray) -> float:
    """The sum over the lattice, r = 0 left out, of the two-dimensional jump density times the cell."""
    a = stability
    _, size, radius = _around(widths, shape)
    near = float((size ** (-2.0 - a) * cutoff(size / radius)).sum()) * widths[0] * widths[1]
    beyond = STOP**-a / a + falling(lambda rho: rho ** (-1.0 - a) * (1.0 - cutoff(rho)))
    return jump_constant(a, 2) * (near / math.sqrt(np.linalg.det(shape)) + 2.0 * math.pi * radius**-a * beyond)


def _around(widths: tuple[float, ...], shape: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, float]:
    """Lattice points, their distances in the metric of the inverse shape (inf at 0), and the radius of the cutoff."""
    inverse = np.linalg.inv(shape)
    radius = CUTOFF * max(widths) / math.sqrt(np.linalg.eigvalsh(shape)[0])
    reach = [math.ceil(STOP * radius * math.sqrt(shape[i, i]) / widths[i]) for i in range(2)]
    x, y = np.meshgrid(*(np.arange(-m, m + 1) * w for m, w in zip(reach, widths, strict=True)), indexing="ij")
    size = np.sqrt(inverse[0, 0] * x**2 + 2.0 * inverse[0, 1] * x * y + inverse[1, 1] * y**2)
    size[reach[0], reach[1]] = np.inf
    return (x, y), size, radius


def falling(f: Callable[[np.ndarray], np.ndarray]) -> float:
    """The integral of f over the range in which the cutoff falls."""
    nodes, gauss = np.polynomial.legendre.leggauss(200)
    half = 0.5 * (STOP - START)
    return float(half * (gauss @ f(0.5 * (STOP + START) + half * nodes)))


def cutoff(r: np.ndarray) -> np.ndarray:
    """1 below START, 0 beyond STOP, infinitely smooth."""
    u = np.clip((r - START) / (STOP - START), 1e-3, 1.0 - 1e-3)
    return np.where(r <= START, 1.0, np.where(r >= STOP, 0.0, expit((1.0 - 2.0 * u) / (u * (1.0 - u)))))
