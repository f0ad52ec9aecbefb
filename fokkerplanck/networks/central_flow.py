"""The central flow of any loss: the path about which full-batch descent oscillates at the edge of stability.

    theta' = -eta (grad L + (1/2) sigma^2 grad S)        per step

with S the top eigenvalue of the Hessian, see `fokkerplanck.sgd.central_flow`, which integrates it to a tolerance in few
parameters. From above the edge, where nothing balances the oscillation, both follow descent itself first.
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
from ..sgd.central_flow import AT_EDGE, CentralFlow, descent_from_above
from .curvature import extreme_eigenpairs

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

FLAT = 1e-5  # of S, changes of which over the reach are rounding
REACH = 2e-3  # of the difference for grad S, relative to 1 + |theta| / sqrt(d): for single precision too


def central_flow(net: LossFunctions, theta: Any, steps: Any, learning_rate: float, substeps: int = 8) -> CentralFlow:
    """The central flow; from a point above the edge of stability descent itself, until its oscillation is that of the flow.

    Parameters
    ----------
    net : Network
    theta : array (d,)
    steps : increasing whole numbers, from 0 on
        When to record.
    learning_rate : float
    substeps : int
        Of a step; the error is of the order of 1 / substeps. Each takes a top eigenvalue of the Hessian.

    Returns
    -------
    CentralFlow
        With `descent_steps`, those of descent itself, midway between which positions are then; 0 from below the edge.

    Raises
    ------
    ConvergenceError
        Where descent from above the edge diverges.

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
    early = descent_from_above(net.gradient, lambda p: _sharpness(net, p), x, rate, float(moments[-1]))
    now = len(early.middles)
    if early.middles:
        x = early.middles[-1]
    recorded = [(early.middles[n], early.sharpness[n], early.squares[n]) for n in moments.astype(int) if n < now]
    values, u = _top(net, x)
    variance, crowded = early.squares[-1] if now else 0.0, False
    for moment in moments[len(recorded) :].astype(int).tolist():
        for _ in range((moment - now) * substeps):
            x, variance = _substep(net, x, float(values[-1]), u, h, edge)
            values, u = _top(net, x)
            crowded = crowded or bool(values[0] > edge * (1.0 + AT_EDGE) and variance > 0.0 and values.size > 1)
        now = moment
        recorded.append((x, float(values[-1]), variance))
    if crowded:
        warn("A second eigenvalue of the Hessian passed the edge of stability: the flow holds one alone.", ModelWarning)
    positions, sharpness, variances = (np.array(part) for part in zip(*recorded, strict=True))
    return CentralFlow(moments, positions, sharpness, variances, len(early.middles))


def _substep(
    net: LossFunctions, x: np.ndarray, sharpness: float, u: np.ndarray, h: float, edge: float
) -> tuple[np.ndarray, float]:
    """The next point and the variance."""
    gradient = net.gradient(x)
    if sharpness < 0.8 * edge:
        return x - h * gradient, 0.0
    bent = _bent(net, x, u, sharpness)
    size = float(bent @ bent)
    if size == 0.0:  # no oscillation pushes down what does not change
        return x - h * gradient, 0.0
    variance = max(0.0, 2.0 * (sharpness - h * float(gradient @ bent) - edge) / (h * size))
    return x - h * (gradient + 0.5 * variance * bent), variance


def _bent(net: LossFunctions, x: np.ndarray, u: np.ndarray, sharpness: float) -> np.ndarray:
    """grad S; 0 where its change over the reach is rounding."""
    reach = REACH * (1.0 + float(np.linalg.norm(x)) / math.sqrt(x.size))
    bent = (net.hessian_product(x + reach * u, u) - net.hessian_product(x - reach * u, u)) / (2.0 * reach)
    return bent if float(np.linalg.norm(bent)) * reach > FLAT * sharpness else np.zeros_like(bent)


def _sharpness(net: LossFunctions, x: np.ndarray) -> tuple[float, np.ndarray]:
    """S and its gradient."""
    values, u = _top(net, x)
    return float(values[-1]), _bent(net, x, u, float(values[-1]))


def _top(net: LossFunctions, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest eigenvalues of the Hessian, ascending, and the eigenvector of the last."""
    pairs = extreme_eigenpairs(net, x, min(2, x.size), "highest")
    return pairs.values[-2:], pairs.vectors[:, -1]
