"""SGD with momentum on (theta, v): the names of its coordinates, and what is known by hand on a quadratic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import bad_value


def heavy_ball_covariance(rate: float, momentum: float, curvature: float = 1.0, noise: float = 1.0) -> np.ndarray:
    """Stationary covariance of (theta, v) of SGD with momentum on a quadratic, (2, 2), exactly.

    v' = m v - eta (h theta + sigma xi), theta' = theta + v', with xi of unit variance: the solution of C = A C A^T + b b^T,

        <theta^2> = eta sigma^2 (1 + m) / (h (1 - m) (2 (1 + m) - eta h)),
        <v^2> = 2 eta^2 sigma^2 / ((1 - m) (2 (1 + m) - eta h)),   <theta v> = <v^2> / 2

    The equation of model "momentum" has eta sigma^2 / (2 h (1 - m)), eta^2 sigma^2 / (2 (1 - m)) and 0. Its variance of
    theta is too small by the share eta h / (2 (1 + m)), small whatever the momentum; that of v by (1 - m) / 2 and more,
    a quarter at m = 0.5; and it is stable at any eta, which SGD is for eta h < 2 (1 + m) only.
    """
    gap = 2.0 * (1.0 + momentum) - rate * curvature
    if not (0.0 <= momentum < 1.0 and rate > 0.0 and curvature > 0.0 and gap > 0.0):
        rule = f"positive and below 2 (1 + m) / curvature, with 0 <= momentum = {momentum} < 1"
        raise bad_value("rate", rule, rate)
    velocity = 2.0 * (rate * noise) ** 2 / ((1.0 - momentum) * gap)
    position = rate * noise**2 * (1.0 + momentum) / (curvature * (1.0 - momentum) * gap)
    return np.array([[position, 0.5 * velocity], [0.5 * velocity, velocity]])


def coordinate_names(parameters: Sequence[str], moving: bool) -> tuple[str, ...]:
    """The parameters and, where SGD has momentum, a velocity v_NAME of each behind them."""
    if not moving:
        return tuple(parameters)
    stem = "v_"
    while {f"{stem}{name}" for name in parameters} & set(parameters):
        stem = f"v{stem}"
    return (*parameters, *(f"{stem}{name}" for name in parameters))
