"""What the convention adds to the drift of the Ito equation, at any places.

alpha div D; for a noise matrix sigma in several dimensions read by Stratonovich, (1/2) sum_jk sigma_jk d_j sigma_ik, which D
alone does not say: sigma and sigma times any rotation have the same D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import bad_value
from .coefficients import Points, _noise_matrix
from .equation import FokkerPlanck

Field = Callable[[np.ndarray], np.ndarray]  # of places (dim, n)
Slope = Callable[[Field, int], np.ndarray]  # its derivative along an axis, at the places meant


def ito_correction(
    eq: FokkerPlanck,
    x: np.ndarray,
    slope: Slope,
    points_at: Callable[[np.ndarray], Points],
    diffusion: Field,
    t: Any = 0.0,
) -> np.ndarray:
    """The Ito drift less mu and less -grad V at x (dim, n), (dim, n); `diffusion` gives D there, full or diagonal by form."""
    if eq.alpha == 0.0:
        return np.zeros_like(x)
    if eq.noise is not None and eq.alpha == 0.5 and len(x) > 1:
        sigma = _noise_matrix(eq.noise, points_at(x), t)
        turns = [slope(lambda y: _noise_matrix(eq.noise, points_at(y), t), j) for j in range(len(x))]
        return np.asarray(0.5 * np.einsum("jk...,jik...->i...", sigma, np.stack(turns)))
    result = np.zeros_like(x)
    for axis in range(len(x)):
        column = slope(diffusion, axis)
        if column.ndim == 3:
            check_tensor_convention(eq.alpha)
            result += eq.alpha * column[axis]
        else:
            result[axis] += eq.alpha * column[axis]
    return result


def check_tensor_convention(alpha: float) -> None:
    """Refuse conventions between Ito and Klimontovich for a full tensor: D does not say which way the noise points."""
    if alpha not in (0.0, 1.0):
        then = "A Stratonovich tensor needs the noise matrix: pass `noise` instead of `diffusion`."
        raise bad_value("convention", "'ito' or 'klimontovich' for a full diffusion tensor", alpha, then)
