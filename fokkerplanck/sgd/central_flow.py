"""The central flow: the path about which full-batch descent oscillates at the edge of stability.

    d theta / dt = -eta (grad L + (1/2) sigma^2 grad S)        per step

S is the simple top eigenvalue of the Hessian. Below S = 2/eta this is the gradient flow. At the edge the variance sigma^2
of the oscillation takes the value that keeps S there, 2 <-grad L, grad S> / |grad S|^2, for as long as it is positive: a
sliding mode, left where grad L no longer pushes S up (Cohen, Damian, Talwalkar, Kolter and Lee, 2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from ..arguments import increasing, number, reals
from ..errors import ConvergenceError, bad_value


@dataclass(frozen=True)
class CentralFlow:
    """A trajectory of the central flow.

    Attributes
    ----------
    times : ndarray (n,)
        In steps.
    positions : ndarray (n, d)
    sharpness : ndarray (n,)
        S, the largest eigenvalue of the Hessian.
    variance : ndarray (n,)
        sigma^2 of the oscillation along the top eigenvector; 0 below the edge.
    """

    times: np.ndarray
    positions: np.ndarray
    sharpness: np.ndarray
    variance: np.ndarray


def central_flow(sgd: Any, start: Any, steps: Any, rtol: float = 1e-8) -> CentralFlow:
    """The central flow of full-batch descent with the learning rate of `sgd`.

    Parameters
    ----------
    sgd : SGD
        Its batches play no part.
    start : d numbers
    steps : increasing sequence, from 0 on
    rtol : float
        Of the integration.
    """
    times = increasing("steps", steps)
    number("rtol", rtol, "a number from 1e-13 to below 1", lambda v: 1e-13 <= v < 1.0)
    x = np.atleast_1d(reals("start", start, f"{sgd.loss.dim} finite numbers"))
    if x.shape != (sgd.loss.dim,) or not np.isfinite(x).all():
        raise bad_value("start", f"{sgd.loss.dim} finite numbers", start)
    edge = 2.0 / sgd.learning_rate
    t, positions, variance = 0.0, np.empty((times.size, x.size)), np.zeros(times.size)
    sliding = _top(sgd.loss, x)[0] >= edge * (1.0 - 1e-9) and _push(sgd.loss, x) > 0.0
    for _ in range(1000):
        piece = _integrate(sgd, x, t, times[-1], sliding, edge, rtol)
        inside = (times >= t) & (times <= piece.t[-1])
        positions[inside] = piece.sol(times[inside]).T if piece.t[-1] > t else x
        if sliding:
            variance[inside] = [max(_variance(sgd.loss, p), 0.0) for p in positions[inside]]
        t, x = float(piece.t[-1]), piece.y[:, -1]
        if piece.status != 1:
            break
        sliding = not sliding
    if t < times[-1]:
        raise ConvergenceError(f"the central flow stopped at step {t:g}: {piece.message}", positions[times <= t])
    return CentralFlow(times, positions, np.array([_top(sgd.loss, p)[0] for p in positions]), variance)


def _integrate(sgd: Any, x: np.ndarray, t: float, end: float, sliding: bool, edge: float, rtol: float) -> Any:
    """One piece, free or sliding, up to the end or to where it changes to the other."""
    loss, eta = sgd.loss, sgd.learning_rate

    def velocity(_: float, p: np.ndarray) -> np.ndarray:
        g = loss.gradient(*p)
        if not sliding:
            return -eta * g
        sharp, ds = _top(loss, p)
        # the pull back to the edge cancels the drift of the integration away from it
        pull = (sharp - edge) / max(float(ds @ ds), 1e-300)
        return -eta * (g + 0.5 * _variance(loss, p) * ds) - pull * ds

    def reaches(_: float, p: np.ndarray) -> float:
        return _top(loss, p)[0] - edge

    def leaves(_: float, p: np.ndarray) -> float:
        return _push(loss, p)

    event: Any = leaves if sliding else reaches
    event.terminal, event.direction = True, -1.0 if sliding else 1.0
    return solve_ivp(velocity, (t, end), x, rtol=rtol, atol=1e-12, events=event, dense_output=True, method="LSODA")


def _top(loss: Any, p: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest eigenvalue of the Hessian and its gradient, u . (dH) u by central differences of the Hessian."""
    values, vectors = np.linalg.eigh(loss.hessian(*p))
    u, d = vectors[:, -1], p.size
    h = 1e-5 * np.maximum(1.0, np.abs(p))
    shifts = np.concatenate([p[:, None] + np.diag(h), p[:, None] - np.diag(h)], axis=1)
    bent = np.einsum("i,ijn,j->n", u, loss.hessian(*shifts), u)
    return float(values[-1]), (bent[:d] - bent[d:]) / (2.0 * h)


def _push(loss: Any, p: np.ndarray) -> float:
    """<-grad L, grad S>."""
    return float(-loss.gradient(*p) @ _top(loss, p)[1])


def _variance(loss: Any, p: np.ndarray) -> float:
    ds = _top(loss, p)[1]
    return 2.0 * float(-loss.gradient(*p) @ ds) / max(float(ds @ ds), 1e-300)
