"""The central flow: the path about which full-batch descent oscillates at the edge of stability.

    d theta / dt = -eta (grad L + (1/2) sigma^2 grad S)        per step

S is the simple top eigenvalue of the Hessian. Below S = 2/eta this is the gradient flow. At the edge the variance sigma^2
of the oscillation takes the value that keeps S there, 2 <-grad L, grad S> / |grad S|^2, for as long as it is positive: a
sliding mode, left where grad L no longer pushes S up (Cohen, Damian, Talwalkar, Kolter and Lee, 2025).

Above the edge there is no such balance: the oscillation grows until it throws descent out, often far below the edge. A start
there is followed by descent itself, until its oscillation is no larger than that of the central flow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

from ..arguments import increasing, number, reals
from ..errors import ConvergenceError, bad_value

if TYPE_CHECKING:
    from .algorithm import SGD
    from .loss import SampleLoss

AT_EDGE = 1e-3  # relative distance of S from 2 / eta within which a point counts as at the edge
SHOWN = 4  # coordinates in a text


@dataclass(frozen=True, repr=False)
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
    descent_steps : int
        Steps of descent itself before the flow begins, where the start lies above the edge; their positions are those
        midway between two steps.
    """

    times: np.ndarray
    positions: np.ndarray
    sharpness: np.ndarray
    variance: np.ndarray
    descent_steps: int = 0

    def __repr__(self) -> str:
        first, last = (", ".join(f"{x:.6g}" for x in self.positions[i, :SHOWN]) for i in (0, -1))
        more = ", ..." if self.positions.shape[1] > SHOWN else ""
        return (
            f"CentralFlow at {self.times.size} times from {self.times[0]:g} to {self.times[-1]:g} steps\n"
            f"  position   {first}{more} to {last}{more}\n  sharpness  {self.sharpness[0]:.6g} to {self.sharpness[-1]:.6g}\n"
            f"  variance   {self.variance[0]:.4g} to {self.variance[-1]:.4g}, of the oscillation"
        )


def central_flow(sgd: SGD, start: Any, steps: Any, rtol: float = 1e-8) -> CentralFlow:
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
    if sgd.schedule is not None:
        then = "Its edge of stability is that of one learning rate."
        raise bad_value("schedule", "None for a central flow", sgd.schedule, then)
    number("rtol", rtol, "a number from 1e-13 to below 1", lambda v: 1e-13 <= v < 1.0)
    x = np.atleast_1d(reals("start", start, f"{sgd.loss.dim} finite numbers"))
    if x.shape != (sgd.loss.dim,) or not np.isfinite(x).all():
        raise bad_value("start", f"{sgd.loss.dim} finite numbers", start)
    edge = 2.0 / sgd.learning_rate
    positions, variance = np.empty((times.size, x.size)), np.zeros(times.size)
    loss = sgd.loss
    middles, _, squares = descent_from_above(
        lambda p: loss.gradient(*p), lambda p: _top(loss, p), x, sgd.learning_rate, times[-1]
    )
    t = float(len(middles))
    early = times < t
    if early.any():
        at = times[early].astype(int)
        positions[early], variance[early] = np.array(middles)[at], np.array(squares)[at]
    if middles:
        x = middles[-1]
        positions[times == t], variance[times == t] = x, squares[-1]
        if t >= times[-1]:
            return CentralFlow(times, positions, _sharpness(sgd.loss, positions), variance, len(middles))
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
    return CentralFlow(times, positions, _sharpness(sgd.loss, positions), variance, len(middles))


def _sharpness(loss: SampleLoss, positions: np.ndarray) -> np.ndarray:
    return np.array([_top(loss, p)[0] for p in positions])


class Descent(NamedTuple):
    """Descent from above the edge: midway between its n steps the points (d,), S there, and the squared amplitude."""

    middles: list[np.ndarray]
    sharpness: list[float]
    squares: list[float]


def descent_from_above(
    gradient: Callable[[np.ndarray], np.ndarray],
    top: Callable[[np.ndarray], tuple[float, np.ndarray]],
    x: np.ndarray,
    rate: float,
    end: float,
) -> Descent:
    """Descent from a start above the edge, to where the central flow takes over or to step `end`.

    It ends below the edge, where the drift v grad S / 2 that the oscillation adds is at most that of the central flow, or
    a hundredth of the gradient. Nothing for a start at or below the edge.

    Parameters
    ----------
    gradient : callable
        grad L at a point (d,).
    top : callable
        S and grad S there.

    Raises
    ------
    ConvergenceError
        Where descent diverges.
    """
    edge, found = 2.0 / rate, Descent([], [], [])
    if top(x)[0] <= edge * (1.0 + AT_EDGE):
        return found
    before = None
    with np.errstate(over="ignore", invalid="ignore"):
        while len(found.middles) <= end:
            further = x - rate * gradient(x)
            middle = 0.5 * (x + further)
            swing = further - x if before is None else 0.5 * (further - 2.0 * x + before)  # without the drift
            square = 0.25 * float(swing @ swing)
            if not math.isfinite(square):
                text = f"descent from this start above the edge of stability diverges within {len(found.middles)} steps"
                raise ConvergenceError(text + "; use a smaller learning rate", np.array(found.middles))
            before, x = x, further
            sharp, ds = top(middle)
            found.middles.append(middle)
            found.sharpness.append(sharp)
            found.squares.append(square)
            g = gradient(middle)
            allowed = max(_balance(g, ds), 0.0) if sharp >= edge * (1.0 - AT_EDGE) else 0.0
            small = 0.02 * float(np.linalg.norm(g)) / max(float(np.linalg.norm(ds)), 1e-300)
            if sharp <= edge and square <= max(allowed, small):
                break
    return found


def _integrate(sgd: SGD, x: np.ndarray, t: float, end: float, sliding: bool, edge: float, rtol: float) -> Any:
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


def _top(loss: SampleLoss, p: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest eigenvalue of the Hessian and its gradient, u . (dH) u by central differences of the Hessian."""
    values, vectors = np.linalg.eigh(loss.hessian(*p))
    u, d = vectors[:, -1], p.size
    h = 1e-5 * np.maximum(1.0, np.abs(p))
    shifts = np.concatenate([p[:, None] + np.diag(h), p[:, None] - np.diag(h)], axis=1)
    bent = np.einsum("i,ijn,j->n", u, loss.hessian(*shifts), u)
    return float(values[-1]), (bent[:d] - bent[d:]) / (2.0 * h)


def _push(loss: SampleLoss, p: np.ndarray) -> float:
    """<-grad L, grad S>."""
    return float(-loss.gradient(*p) @ _top(loss, p)[1])


def _variance(loss: SampleLoss, p: np.ndarray) -> float:
    return _balance(loss.gradient(*p), _top(loss, p)[1])


def _balance(gradient: np.ndarray, ds: np.ndarray) -> float:
    """The variance that keeps S where it is, 2 <-grad L, grad S> / |grad S|^2."""
    return 2.0 * float(-gradient @ ds) / max(float(ds @ ds), 1e-300)
