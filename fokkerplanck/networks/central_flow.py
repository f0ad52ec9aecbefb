"""The central flow of any loss: the path about which full-batch descent oscillates at the edge of stability.

    theta' = -eta (grad L + (1/2) sigma^2 grad S)        per step

with S the top eigenvalue of the Hessian, see `fokkerplanck.sgd.central_flow`, which integrates it to a tolerance in few
parameters, and follows descent itself from above the edge, where this is refused.
Here a step is made of Euler substeps h = eta / m. In each the variance is the least, not below 0, with which S stays at or
below its edge 2 / eta to first order, sigma^2 = max(0, 2 (S - h grad L . grad S - 2 / eta) / (h |grad S|^2)): sliding along the
edge begins and ends by itself. grad S = d/de H(theta + e u) u for the top eigenvector u: two Hessian products.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import increasing, number, whole
from ..errors import ModelWarning, bad_value, warn
from ..sgd.central_flow import AT_EDGE, CentralFlow
from .curvature import extreme_eigenpairs

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

FLAT = 1e-5  # of S, changes of which over the reach are rounding
REACH = 2e-3  # of the difference for grad S, relative to 1 + |theta| / sqrt(d): for single precision too


def central_flow(net: LossFunctions, theta: Any, steps: Any, learning_rate: float, substeps: int = 8) -> CentralFlow:
    """The central flow from a point at or below the edge of stability.

    Parameters
    ----------
    net : Network
    theta : array (d,)
    steps : increasing whole numbers, from 0 on
        When to record.
    learning_rate : float
    substeps : int
        Of a step; the error is of the order of 1 / substeps. Each takes a top eigenvalue of the Hessian.

    Raises
    ------
    ValueError
        Where learning_rate times S exceeds 2 at the start.

    Warns
    -----
    ModelWarning
        Where a second eigenvalue reaches the edge, for which this flow has no variance.
    """
    x, moments = np.array(net.flat(theta), dtype=float), increasing("steps", steps)
    if (moments % 1.0).any():
        raise bad_value("steps", "whole numbers", steps)
    rate = number("learning_rate", learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
    h, edge = rate / whole("substeps", substeps, 1), 2.0 / rate
    values, u = _top(net, x)
    if values[-1] > edge * (1.0 + AT_EDGE):
        then = "The flow begins at or below the edge: start it from where runs have come down to it."
        raise bad_value("learning_rate", f"at most 2 / S = {2.0 / values[-1]:.4g} at this start", rate, then)
    recorded: list[tuple[np.ndarray, float, float]] = []
    now, crowded = 0, False
    for moment in moments.astype(int).tolist():
        variance = 0.0
        for _ in range((moment - now) * substeps):
            x, variance = _substep(net, x, float(values[-1]), u, h, edge)
            values, u = _top(net, x)
            crowded = crowded or bool(values[0] > edge * (1.0 + AT_EDGE) and variance > 0.0 and values.size > 1)
        now = moment
        recorded.append((x, float(values[-1]), variance))
    if crowded:
        warn("A second eigenvalue of the Hessian passed the edge of stability: the flow holds one alone.", ModelWarning)
    positions, sharpness, variances = (np.array(part) for part in zip(*recorded, strict=True))
    return CentralFlow(moments, positions, sharpness, variances)


def _substep(
    net: LossFunctions, x: np.ndarray, sharpness: float, u: np.ndarray, h: float, edge: float
) -> tuple[np.ndarray, float]:
    """The next point and the variance."""
    gradient = net.gradient(x)
    if sharpness < 0.8 * edge:
        return x - h * gradient, 0.0
    reach = REACH * (1.0 + float(np.linalg.norm(x)) / math.sqrt(x.size))
    bent = (net.hessian_product(x + reach * u, u) - net.hessian_product(x - reach * u, u)) / (2.0 * reach)
    size = float(bent @ bent)
    if math.sqrt(size) * reach <= FLAT * sharpness:  # no oscillation pushes down what does not change
        return x - h * gradient, 0.0
    variance = max(0.0, 2.0 * (sharpness - h * float(gradient @ bent) - edge) / (h * size))
    return x - h * (gradient + 0.5 * variance * bent), variance


def _top(net: LossFunctions, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest eigenvalues of the Hessian, ascending, and the eigenvector of the last."""
    pairs = extreme_eigenpairs(net, x, min(2, x.size), "highest")
    return pairs.values[-2:], pairs.vectors[:, -1]
