"""Whether the gradient and the Hessian that a user gives belong to the losses: along one direction, by differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelWarning, bad_value, warn
from ..randomness import private_generator

if TYPE_CHECKING:
    from .loss_functions import FunctionNetwork

STEPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)  # relative to 1 + |theta| / sqrt(d): the widest for losses of single precision
APART = 0.1  # relative: further off is another function, no kink and no rounding
SEEN = 1e-7  # of the size of a loss or a gradient: differences below it are rounding


def check_derivatives(net: FunctionNetwork, hessian: bool) -> None:
    """Refuse a gradient that is not finite at the start, and warn of one, or of a Hessian, that is another function's.

    The direction and the weights of the samples are random. A quotient over a step of any length that agrees is enough: losses
    may have kinks and few digits.
    """
    theta = net.start(0, 0)
    rng = private_generator("check of a gradient")
    direction, weights = rng.standard_normal(net.n_parameters), rng.random(net.n_samples) / net.n_samples
    direction /= np.linalg.norm(direction)
    gradient = net.weighted_gradient(theta, weights)
    if not np.isfinite(gradient).all() or not np.isfinite(net.losses(theta)).all():
        name = "per_sample" if np.isfinite(gradient).all() else "weighted_grad"
        raise bad_value(name, "finite at the start", "nan or an infinity", "Give other `params`, or mend the function.")
    unit = 1.0 + float(np.linalg.norm(theta)) / np.sqrt(theta.size)
    points = [(h * unit, theta + h * unit * direction, theta - h * unit * direction) for h in STEPS]
    slopes = [(float(weights @ net.losses(a)) - float(weights @ net.losses(b))) / (2.0 * h) for h, a, b in points]
    size = float(weights @ np.abs(net.losses(theta)))
    said = float(gradient @ direction)
    if not _agree(said, slopes, size, unit):
        told = min(slopes, key=lambda s: abs(s - said))
        warn(
            f"`weighted_grad` is not the gradient of `per_sample`: along a random direction the weighted losses change by "
            f"{told:.3g}, and it says {said:.3g}. It has to return sum_i weights_i grad l_i, without another mean.",
            ModelWarning,
        )
    elif hessian:
        bends = [float((net.gradient(a) - net.gradient(b)) @ direction) / (2.0 * h) for h, a, b in points]
        said = float(net.hessian_product(theta, direction) @ direction)
        if not _agree(said, bends, float(np.linalg.norm(net.gradient(theta))), unit):
            told = min(bends, key=lambda s: abs(s - said))
            text = (
                f"`hvp` is not the Hessian of the mean loss: along a random direction it is {said:.3g}, where differences of "
                f"the gradient give {told:.3g}."
            )
            warn(text, ModelWarning)


def _agree(said: float, quotients: list[float], size: float, unit: float) -> bool:
    """Whether a derivative agrees with a difference quotient, or with rounding where the function is of that size."""
    found = np.array(quotients)
    found = found[np.isfinite(found)]
    if not found.size:
        return True
    off = np.abs(found - said)
    rounding = SEEN * size / (unit * np.array(STEPS))[np.isfinite(quotients)]
    return bool((off <= APART * np.maximum(np.abs(found), abs(said)) + rounding).any())
