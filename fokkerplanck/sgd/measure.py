"""What SGD itself says of its noise: stability index, scale, time order and distance to the edge of stability.

The noise of a step is what it differs by from a step along the mean gradient g. With C its covariance where the step begins,

    xi = theta' - theta + eta g(theta),     z = C(theta)^(-1/2) xi,     C = eta^2 f Sigma / B,

z has the covariance 1 everywhere: noise that is Gaussian at each point and stronger at some points than at others leaves z
standard normal, and only noise with heavy tails leaves them in z. With momentum the steps of the velocity, v' - m v, stand for
those of theta; noise that SGD adds itself is left out. Of SGD that waits, steps that move are judged by themselves, with their
own mean and covariance,

    E [theta' - theta | it moves] = -eta g / P,     cov = (C + eta^2 g g^T) / P - eta^2 g g^T / P^2,

where P(theta) is the probability of a batch whose gradient is not exactly 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import hypergeom

from ..arguments import whole
from ..errors import bad_value
from ..statistics.stable_law import NORMAL_QUARTILES
from ..statistics.stay_lengths import order_of_stays, stay_lengths
from ..statistics.tail_test import FEWEST, SHARE, SUMS, TailTest, tail_test
from .diffusion_models import EDGE, UNSTABLE

if TYPE_CHECKING:
    from .algorithm import SGD

PAIRS = 4_000_000  # gradients of samples held at once
DIGITS = 9  # of the whitened noise that are more than rounding
ROUNDED = 1e-12  # of the square of a mean: a covariance less than that is rounding
ERRORS = 2.0  # standard errors on either side: 95 %
BLOCKS = 20  # behind the error of the scale
STEPS = 20_000  # that are whitened at most, evenly chosen
LOOKED_AT = 200  # times at which the curvature is taken
LOST = 1e3 * np.finfo(float).eps  # of the numbers that noise is the difference of: below it the noise is rounding
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
        The index of the whitened noise of a step: 2 where it is no heavier than Gaussian, or not stable. That of the law
        behind the samples: its interval holds that these are finitely many.
    scale : Estimate
        Interquartile range of the whitened noise over that of the standard normal law: what `scale` of anisotropic jumps is.
        0 where most steps have no noise.
    time_order : Estimate
        From stays at one place; 1 where there are too few of them (then `low` is 1 too). The interval is that of waiting
        times of Mittag-Leffler's law.
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
        The settings that the data support, for ``sgd.equation("refined", **refinements)``; none with momentum, which has
        one equation.
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
    time_order, n_stays = _time_order(positions)
    waits = time_order.high < 1.0
    noise = whitened_noise(sgd, positions, moves_only=waits)
    tail = None if noise is None else _tail(noise, _sums(sgd))
    stability = _stability(tail, 0 if noise is None else len(noise) * sgd.samples_a_step / sgd.loss.n_samples)
    scale = NOTHING if noise is None else _scale(noise)
    edge, highest = _edge(sgd, positions)
    said = [
        _on_tail(tail, stability, scale, "Noise of the steps that move" if waits else "Noise"),
        _on_waiting(time_order, n_stays),
        _on_edge(edge, highest),
    ]
    refinements: dict[str, Any] = {}
    for _, settings in said:
        refinements |= settings
    sentences = tuple(sentence for sentence, _ in said)
    if sgd.momentum:
        sentences += ("Momentum: no refinement can be added to model='momentum'.",)
        refinements = {}
    return Measurement(stability, scale, time_order, edge, highest, tail, refinements, sentences)


def _tail(noise: np.ndarray, sums: list[int]) -> TailTest | None:
    """None where sums of so many steps are too few to tell, as of noise in one step in a hundred."""
    try:
        return tail_test(noise, sums)
    except ValueError:
        return None


def _sums(sgd: SGD) -> list[int]:
    """Lengths of sums of steps that draw at most one in `SHARE` of the samples: sums of more look Gaussian."""
    most = sgd.loss.n_samples // (SHARE * sgd.samples_a_step)
    return [n for n in SUMS if n <= max(most, 3)]


def whitened_noise(sgd: SGD, positions: np.ndarray, moves_only: bool = False) -> np.ndarray | None:
    """z of all steps of paths (n_times, n_paths, d or 2 d), (n, r) in the main axes of C; None where there is no noise.

    Steps that begin where there is no noise at all or rounding hides it, and those of diverged paths, are left out, as is the
    smaller last batch of shuffled epochs; of more than 20,000 an even choice counts. `moves_only`: steps that move.
    """
    d, eta = sgd.loss.dim, sgd.learning_rate
    whole_batch = _draws_a_whole_batch(sgd, len(positions) - 1)
    before, after = (part[whole_batch].reshape(-1, positions.shape[2]) for part in (positions[:-1], positions[1:]))
    known = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
    if moves_only:
        known &= (before != after).any(axis=1)
    few = slice(None, None, -(-max(int(known.sum()), 1) // STEPS))
    before, after = before[known][few], after[known][few]
    theta = before[:, :d].T
    if sgd.langevin_temperature and len(before):  # another step from there, without the noise that SGD adds
        sgd = replace(sgd, langevin_temperature=0.0)
        after = sgd.simulate(before, [1], len(before), seed=len(before)).positions[-1]
    moved = after[:, d:] - sgd.momentum * before[:, d:] if sgd.momentum else after - before
    step = eta * sgd.loss.gradient(*theta).T  # (n, d)
    covariance = np.moveaxis(2.0 * sgd.batch_diffusion(*theta), -1, 0)  # (n, d, d)
    if moves_only:
        share = _moving_share(sgd, theta)[:, None]
        square = step[:, :, None] * step[:, None, :]
        step = step / share
        covariance = (covariance + square) / share[:, :, None] - step[:, :, None] * step[:, None, :]
        alike = np.trace(covariance, axis1=1, axis2=2) <= ROUNDED * (step**2).sum(axis=1)
        covariance[alike] = 0.0
    noise = moved + step
    values, axes = np.linalg.eigh(covariance)
    values, axes = values[:, ::-1], axes[:, :, ::-1]
    floor = RANK**2 * float(np.median(values[:, 0])) if len(values) else 0.0  # what is left at a minimum is round-off
    sizes = (before**2).sum(axis=1) + (after**2).sum(axis=1) + (step**2).sum(axis=1)
    lost = LOST**2 * sizes[:, None]  # of runs that grow: the noise is a difference of such numbers
    noisy = values > np.maximum(np.maximum(RANK * values[:, :1], floor), lost)
    along = np.einsum("nij,ni->nj", axes, noise)
    z = np.where(noisy, along / np.sqrt(np.where(noisy, values, 1.0)), 0.0)
    rank = int(noisy.sum(axis=1).max(initial=0))
    z = z[noisy[:, :rank].all(axis=1), :rank].round(DIGITS)
    return z if rank and len(z) >= FEWEST else None


def _draws_a_whole_batch(sgd: SGD, steps: int) -> np.ndarray:
    """Which steps do; the last one of a shuffled epoch may not."""
    if not sgd.shuffle or sgd.loss.n_samples % sgd.samples_a_step == 0:
        return np.ones(steps, dtype=bool)
    an_epoch = -(-sgd.loss.n_samples // sgd.samples_a_step)
    return np.arange(1, steps + 1) % an_epoch != 0


def _moving_share(sgd: SGD, theta: np.ndarray) -> np.ndarray:
    """P at points theta (d, n), (n,): one less the probability that all samples of a batch have no gradient."""
    n, batch = sgd.loss.n_samples, sgd.samples_a_step
    rows, size = np.arange(n), max(1, PAIRS // (n * sgd.loss.dim))
    still = np.concatenate(
        [
            (sgd.loss.sample_gradients(rows, theta[:, first : first + size]) == 0.0).all(axis=1).sum(axis=0)
            for first in range(0, theta.shape[1], size)
        ]
    )
    if sgd.replacement:
        return np.asarray(1.0 - (still / n) ** batch)
    return np.asarray(1.0 - hypergeom.pmf(batch, n, still, batch))


def _stability(tail: TailTest | None, draws: float) -> Estimate:
    """With the error of the samples: so many draws a sample tell as much as its draws and itself together, 1 / (1 + draws)."""
    if tail is None:
        return NOTHING
    if tail.verdict != "stable":
        return Estimate(2.0, 2.0, 2.0)
    wide = ERRORS * tail.error * math.sqrt(1.0 + draws)
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
    return Estimate(found.time_order, found.low, found.high), found.n_stays


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


def _on_tail(tail: TailTest | None, stability: Estimate, scale: Estimate, what: str) -> tuple[str, dict[str, Any]]:
    if tail is None:
        return f"{what}: none, or in too few steps, so that nothing is to be said of jumps.", {}
    if tail.verdict == "stable" and stability.high == 2.0:
        text = f"{what}: with the index {stability}, not to be told from Gaussian with these samples: jumps are not supported."
        return text, {}
    if tail.verdict == "stable" and not scale.low > 0.0:
        text = f"{what}: stable where whitened, with the index {stability}, but most steps have none: its scale is not known."
        return text + " Give it: stability and scale, with anisotropic=True.", {}
    if tail.verdict == "stable":
        text = (
            f"{what}: stable where whitened, with the index {stability} and the scale {scale}: jumps are supported, "
            f"stability={stability.value:.3g}, scale={scale.value:.3g}, anisotropic=True."
        )
        return text, {"stability": stability.value, "scale": scale.value, "anisotropic": True}
    if tail.verdict == "gaussian":
        return f"{what}: no heavier than Gaussian where whitened (scale {scale}): jumps are not supported.", {}
    first, last = tail.index[0], tail.index[-1]
    text = (
        f"{what}: not Gaussian in a step, nor stable: the index of sums changes from {first:.3g} to {last:.3g} over "
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
