"""What SGD itself says of its noise: stability index, scale, time order and distance to the edge of stability.

The noise of a step is what it differs by from a step along the mean gradient g. With C its covariance where the step begins,

    xi = theta' - theta + eta g(theta),     z = C(theta)^(-1/2) xi,     C = eta^2 f Sigma / B + 2 eta T (1 - m),

z has the covariance 1 everywhere: noise that is Gaussian at each point and stronger at some points than at others leaves z
standard normal, and only noise with heavy tails leaves them in z. With momentum the steps of the velocity, v' - m v, stand for
those of theta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import whole
from ..errors import bad_value
from ..statistics.stable_law import NORMAL_QUARTILES
from ..statistics.stay_lengths import order_of_stays, stay_lengths
from ..statistics.tail_test import FEWEST, TailTest, tail_test
from .diffusion_models import EDGE, UNSTABLE

if TYPE_CHECKING:
    from .algorithm import SGD

ERRORS = 2.0  # standard errors on either side: 95 %
BLOCKS = 20  # behind the error of the scale
STEPS = 20_000  # that are whitened at most, evenly chosen
LOOKED_AT = 200  # times at which the curvature is taken
RANK = 1e-10  # of the largest eigenvalue of a covariance: directions below it carry no noise
SLOW = 0.1  # eta times curvature from which the rates of the first-order drift are off by 5 %


class Estimate(NamedTuple):
    """A value and its 95 % interval; all three nan where the data do not tell."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


NOTHING = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False, repr=False)
class Measurement:
    """What runs of SGD say of its noise; each Estimate is (value, low, high), with a 95 % interval.

    Attributes
    ----------
    stability : Estimate
        The index of the whitened noise of a step: 2 where it is no heavier than Gaussian, or not stable.
    scale : Estimate
        Interquartile range of the whitened noise over that of the standard normal law: what `scale` of anisotropic jumps is.
    time_order : Estimate
        From stays at one place; 1 where there are too few of them (then `low` is 1 too).
    edge : Estimate
        eta S / (1 + m) over the second half of the runs, S being the largest eigenvalue of the Hessian: 2 at the edge of
        stability. The interval is that of the mean over runs.
    edge_distance : Estimate
        2 less `edge`.
    highest_edge : float
        `edge` at the highest one in a hundred of the points.
    tail : TailTest or None
        The index of sums of steps behind `stability`; None without noise.
    refinements : dict
        The settings that the data support, for ``sgd.equation("refined", **refinements)``.
    sentences : tuple of str
        On each of the four, what was found and what follows.
    """

    stability: Estimate
    scale: Estimate
    time_order: Estimate
    edge: Estimate
    highest_edge: float
    tail: TailTest | None
    refinements: dict[str, Any]
    sentences: tuple[str, ...]

    @property
    def edge_distance(self) -> Estimate:
        """2 - eta S / (1 + m)."""
        return Estimate(UNSTABLE - self.edge.value, UNSTABLE - self.edge.high, UNSTABLE - self.edge.low)

    def __repr__(self) -> str:
        return "\n".join(["Measurement of SGD:", *(f"  {sentence}" for sentence in self.sentences)])


def measure(sgd: SGD, p0: Any, steps: Any, n_paths: Any, seed: Any) -> Measurement:
    """See `fokkerplanck.sgd.SGD.measure`."""
    steps, n_paths = whole("steps", steps, 2, 10**7), whole("n_paths", n_paths, 2, 10**6)
    if sgd.schedule is not None:
        then = "Measure at one learning rate: sgd.at(step).measure(...)."
        raise bad_value("schedule", "None for a measurement", sgd.schedule, then)
    if steps * n_paths < FEWEST:
        raise bad_value("steps", f"such that steps times n_paths is {FEWEST} at least", steps)
    positions = sgd.simulate(p0, range(steps + 1), n_paths, seed=seed).positions
    noise = whitened_noise(sgd, positions)
    tail = None if noise is None else tail_test(noise)
    stability = _stability(tail)
    scale = NOTHING if noise is None else _scale(noise)
    time_order, n_stays = _time_order(positions)
    edge, highest = _edge(sgd, positions)
    said = [
        _on_tail(tail, stability, scale),
        _on_waiting(time_order, n_stays),
        _on_edge(edge, highest),
    ]
    refinements: dict[str, Any] = {}
    for _, settings in said:
        refinements |= settings
    sentences = tuple(sentence for sentence, _ in said)
    return Measurement(stability, scale, time_order, edge, highest, tail, refinements, sentences)


def whitened_noise(sgd: SGD, positions: np.ndarray) -> np.ndarray | None:
    """z of all steps of paths (n_times, n_paths, d or 2 d), (n, r) in the main axes of C; None where there is no noise.

    Steps that begin where there is no noise at all, and those of diverged paths, are left out; of more than 20,000
    an even choice counts.
    """
    d, eta = sgd.loss.dim, sgd.learning_rate
    before, after = (part.reshape(-1, positions.shape[2]) for part in (positions[:-1], positions[1:]))
    known = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
    few = slice(None, None, -(-max(int(known.sum()), 1) // STEPS))
    before, after = before[known][few], after[known][few]
    theta = before[:, :d].T
    moved = after[:, d:] - sgd.momentum * before[:, d:] if sgd.momentum else after - before
    noise = moved + eta * sgd.loss.gradient(*theta).T  # (n, d)
    covariance = np.moveaxis(2.0 * sgd.batch_diffusion(*theta), -1, 0)  # (n, d, d)
    values, axes = np.linalg.eigh(covariance + sgd.injected_variance * np.eye(d))
    values, axes = values[:, ::-1], axes[:, :, ::-1]
    floor = RANK**2 * float(np.median(values[:, 0])) if len(values) else 0.0  # what is left at a minimum is round-off
    noisy = values > np.maximum(RANK * values[:, :1], floor)
    along = np.einsum("nij,ni->nj", axes, noise)
    z = np.where(noisy, along / np.sqrt(np.where(noisy, values, 1.0)), 0.0)
    rank = int(noisy.sum(axis=1).max(initial=0))
    z = z[noisy[:, :rank].all(axis=1), :rank]
    return z if rank and len(z) >= FEWEST else None


def _stability(tail: TailTest | None) -> Estimate:
    if tail is None:
        return NOTHING
    if tail.verdict != "stable":
        return Estimate(2.0, 2.0, 2.0)
    wide = ERRORS * tail.error
    return Estimate(tail.stability, tail.stability - wide, min(tail.stability + wide, 2.0))


def _scale(noise: np.ndarray) -> Estimate:
    """The mean over axes, its error from blocks of steps."""

    def share(z: np.ndarray) -> float:
        low, high = np.quantile(z, [0.25, 0.75], axis=0)
        return float((high - low).mean()) / NORMAL_QUARTILES

    value = share(noise)
    wide = ERRORS * float(np.std([share(part) for part in np.array_split(noise, BLOCKS)], ddof=1)) / math.sqrt(BLOCKS)
    return Estimate(value, value - wide, value + wide)


def _time_order(positions: np.ndarray) -> tuple[Estimate, int]:
    found = order_of_stays(*stay_lengths(np.moveaxis(positions, 1, 0)))
    if math.isnan(found.error):
        return Estimate(1.0, 1.0, 1.0), found.n_stays
    wide = ERRORS * found.error
    return Estimate(
        found.time_order, max(found.time_order - wide, 0.0), min(found.time_order + wide, 1.0)
    ), found.n_stays


def _edge(sgd: SGD, positions: np.ndarray) -> tuple[Estimate, float]:
    """eta S / (1 + m) over the second half: the mean over runs with its interval, and the highest hundredth of the points."""
    if not sgd.loss.knows_curvature:
        return NOTHING, math.nan
    half = positions[len(positions) // 2 :, :, : sgd.loss.dim]
    half = half[:: max(1, len(half) // LOOKED_AT)]
    half = half[:, np.isfinite(half).all(axis=(0, 2))]
    if half.shape[1] < 2:
        return NOTHING, math.nan
    hessian = sgd.loss.hessian(*half.reshape(-1, sgd.loss.dim).T)
    sharpness = np.linalg.eigvalsh(np.moveaxis(hessian, (0, 1), (-2, -1)))[:, -1]
    edge = (sgd.learning_rate / (1.0 + sgd.momentum) * sharpness).reshape(half.shape[:2])
    means = edge.mean(axis=0)
    value, wide = float(means.mean()), ERRORS * float(means.std(ddof=1)) / math.sqrt(means.size)
    return Estimate(value, value - wide, value + wide), float(np.quantile(edge, 0.99))


def _on_tail(tail: TailTest | None, stability: Estimate, scale: Estimate) -> tuple[str, dict[str, Any]]:
    if tail is None:
        return "Noise: none, so that nothing is to be said of jumps.", {}
    if tail.verdict == "stable":
        text = (
            f"Noise: stable where whitened, with the index {stability} and the scale {scale}: jumps are supported, "
            f"stability={stability.value:.3g}, scale={scale.value:.3g}, anisotropic=True."
        )
        return text, {"stability": stability.value, "scale": scale.value, "anisotropic": True}
    if tail.verdict == "gaussian":
        return f"Noise: no heavier than Gaussian where whitened (scale {scale}): jumps are not supported.", {}
    first, last = tail.index[0], tail.index[-1]
    text = (
        f"Noise: not Gaussian in a step, nor stable: the index of sums changes from {first:.3g} to {last:.3g} over "
        f"{tail.sums[-1]} steps. Jumps of one index are not supported; take the transfer operator."
    )
    return text, {}


def _on_waiting(order: Estimate, n_stays: int) -> tuple[str, dict[str, Any]]:
    if order.high < 1.0:
        text = f"Time: stays have the order {order}: waiting is supported, time_order={order.value:.3g}."
        return text, {"time_order": order.value}
    return f"Time: order {order} from {n_stays} stays: waiting is not supported.", {}


def _on_edge(edge: Estimate, highest: float) -> tuple[str, dict[str, Any]]:
    if math.isnan(edge.value):
        return "Edge: unknown, without a Hessian or two runs that stay finite.", {}
    text = (
        f"Edge: eta times the largest curvature is {edge}, {highest:.3g} at the highest hundredth, of 2 at the edge: "
    )
    if edge.high >= UNSTABLE:
        return text + "no diffusion stands for this; take the transfer operator or simulate.", {}
    settings: dict[str, Any] = {}
    words = []
    if edge.low > SLOW:
        settings["drift"] = "second-order"
        words.append(f"rates of first order are off by {0.5 * edge.value:.2g}, which the second-order drift mends")
    if highest >= EDGE:
        settings["central_flow"] = True
        words.append("near the edge the variance of first order is off: the drift of the central flow is a candidate")
    if not words:
        words.append("neither the second-order drift nor the central flow is needed")
    return text + "; ".join(words) + ".", settings
