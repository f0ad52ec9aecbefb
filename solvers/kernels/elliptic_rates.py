"""The density of elliptically contoured stable jumps at the offsets of a ring in three dimensions, images summed."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def add_far_rates(offsets, periods, images, widths, inverse, power, near, out):
    """Add (r . B r)^-power to out (m, m_1, m_2) at r = widths (offset + image period), but for offsets up to `near`.

    offsets: signed offsets along each axis, of which the first may be a part; images: how many on each side.
    """
    for i in range(offsets[0].size):
        for j in range(offsets[1].size):
            for k in range(offsets[2].size):
                total = 0.0
                for p in range(-images[0], images[0] + 1):
                    a = offsets[0][i] + p * periods[0]
                    x = a * widths[0]
                    for q in range(-images[1], images[1] + 1):
                        b = offsets[1][j] + q * periods[1]
                        y = b * widths[1]
                        for r in range(-images[2], images[2] + 1):
                            c = offsets[2][k] + r * periods[2]
                            if abs(a) <= near and abs(b) <= near and abs(c) <= near:
                                continue
                            z = c * widths[2]
                            square = (
                                inverse[0, 0] * x * x
                                + inverse[1, 1] * y * y
                                + inverse[2, 2] * z * z
                                + 2.0 * (inverse[0, 1] * x * y + inverse[0, 2] * x * z + inverse[1, 2] * y * z)
                            )
                            total += square**-power
                out[i, j, k] += total


def directions(count: int) -> np.ndarray:
    """Unit vectors (count, 3) spread evenly over half of the sphere, on a spiral of the golden angle."""
    place = np.arange(count) + 0.5
    height = place / count
    angle = np.pi * (1.0 + np.sqrt(5.0)) * place
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
