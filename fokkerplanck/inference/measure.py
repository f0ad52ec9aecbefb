"""What SGD itself says about its models: tails, scale, time order and distance to the edge of stability, with intervals.

The noise of a step, theta' - theta + eta g, is divided by the root of its covariance eta^2 f Sigma / B where the step
starts: noise that is Gaussian with another covariance at each place becomes one normal law, and only what is left counts as
heavy tails. Sums of it are looked at up to the time in which descent forgets, 1 / (eta S) steps, since only these enter a
density.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arguments import instance, whole
from ..errors import bad_value
from ..results.ensemble import Ensemble
from ..sgd.algorithm import SGD
from ..statistics.stable_law import NORMAL_QUARTILES
from ..statistics.tail_test import SUMS, TailTest, tail_test
from .stays import stays

NO_NOISE = 1e-10  # of the largest eigenvalue of a covariance: along such a direction there is none
BLOCKS = 20  # of paths, for the error of a quartile distance
FALLS = -0.5  # of ln(2 - index) in ln n: midway between 0 of stable laws and -1 of finite fourth moments
NEAR = 1.0  # eta S from which first-order variances are off by a factor 2 and more


class Estimate(NamedTuple):
    """A number and its interval of 95 %."""

    value: float
    interval: tuple[float, float]

    def __repr__(self) -> str:
        return f"{self.value:.3g} [{self.interval[0]:.3g}, {self.interval[1]:.3g}]"


@dataclass(frozen=True, repr=False)
class Measurement:
    """What SGD says about its models.

    Attributes
    ----------
    stability : Estimate, optional
        The index of the longest sums of whitened noise: 2 for normal noise. None without noise. With heavy tails the interval
        holds the indices of sums of all lengths.
    scale : Estimate, optional
        Quartile distance of whitened noise over that of a normal law of its covariance: what `sgd.equation` takes as `scale` of
        anisotropic jumps.
    time_order : Estimate, optional
        Of the stays of paths; None where no path stays.
    edge : Estimate, optional
        1 - eta S / 2, the distance to the edge of stability in units of it: the median, and 2.5 and 97.5 per cent, over the
        second half of the paths. None where the loss has no Hessian.
    tails : TailTest, optional
    settings : dict
        Of `sgd.equation("refined", **settings)`: the refinements that the data support.
    sentences : tuple of str
        Why.
    """

    stability: Estimate | None
    scale: Estimate | None
    time_order: Estimate | None
    edge: Estimate | None
    tails: TailTest | None
    settings: dict[str, Any]
    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        names = ("stability", "scale", "time_order", "edge")
        lines = [f"  {name}: {getattr(self, name)!r}" for name in names if getattr(self, name) is not None]
        return "\n".join(["Measurement", *lines, *(f"  {sentence}" for sentence in self.sentences)])


def measure(sgd: SGD, p0: Any, steps: int = 100, n_paths: int = 200, *, seed: int | None = None) -> Measurement:
    """Estimate from runs of SGD which refinements of its equation the data support.

    Parameters
    ----------
    sgd : SGD
        With batches drawn afresh, without momentum or schedule.
    p0 : density, point or array
        As for `sgd.simulate`: a point, or a density over a region.
    steps, n_paths : int
        Of the runs; their product is the number of increments, at least 200.
    seed : int, optional
        As for `sgd.simulate`.

    Returns
    -------
    Measurement
        Intervals are of 95 %: two standard errors of the jackknife for the tails, and of the likelihood for the time order.

    Raises
    ------
    ValueError, TypeError
        On bad input; with momentum, a schedule or shuffling, whose steps are no independent draws at one rate; and where
        all paths diverge.
    """
    instance("sgd", sgd, SGD, "an SGD")
    whole("steps", steps, 2, 100_000)
    whole("n_paths", n_paths, 2, 1_000_000)
    if steps * n_paths < 200:
        raise bad_value("steps", f"such that {n_paths} paths make 200 steps or more together", steps)
    for name, plain in (("momentum", 0.0), ("schedule", None), ("shuffle", False)):
        if getattr(sgd, name) != plain:
            then = "What is measured are independent steps of one learning rate."
            raise bad_value(name, f"{plain} for a measurement", getattr(sgd, name), then)
    runs = sgd.simulate(p0, list(range(steps + 1)), n_paths, seed=seed)
    kept = np.isfinite(runs.positions).all(axis=(0, 2))
    if kept.sum() < 2:
        raise bad_value("p0", "where SGD stays finite", f"a start from which {n_paths} paths diverge")
    positions = runs.positions[:, kept]
    sharpness = _sharpness(sgd, positions)
    edge = None if sharpness is None else _quantiles(1.0 - 0.5 * sgd.learning_rate * sharpness)
    noise = _whitened(sgd, positions)
    tails = stability = scale = None
    heavy = False
    if noise is not None:
        tails = tail_test(list(noise), _sums(sgd, sharpness, steps * len(noise)))
        heavy = _heavy(tails)
        stability = _index(tails, heavy)
        scale = _quartile_distance(noise)
    order = None if noise is None else _time_order(Ensemble(runs.times, positions))
    settings, sentences = _supported(heavy, stability, scale, order, edge)
    return Measurement(stability, scale, order, edge, tails, settings, sentences)


def _sharpness(sgd: SGD, positions: np.ndarray) -> np.ndarray | None:
    """S over the second half of the paths, raveled."""
    if not sgd.loss.knows_curvature:
        return None
    late = positions[len(positions) // 2 :]
    return sgd.loss.curvature(*np.moveaxis(late, -1, 0)).ravel()


def _whitened(sgd: SGD, positions: np.ndarray) -> np.ndarray | None:
    """Noise of each step in units of its deviations, (n_paths, n_steps, d'); None without noise."""
    before = np.moveaxis(positions[:-1], -1, 0)
    eta, d = sgd.learning_rate, len(before)
    noise = positions[1:] - positions[:-1] + eta * np.moveaxis(sgd.loss.gradient(*before), 0, -1)
    covariance = 2.0 * sgd.batch_diffusion(*before)
    covariance[range(d), range(d)] += sgd.injected_variance
    values, vectors = np.linalg.eigh(np.moveaxis(covariance, (0, 1), (-2, -1)))
    largest = values[..., -1:].max()
    used = values > NO_NOISE * max(largest, 1e-300)
    axes = used.mean(axis=(0, 1)) > 0.5  # directions with noise at most places
    if not axes.any():
        return None
    along = np.einsum("...ji,...j->...i", vectors, noise) / np.sqrt(np.where(used, values, np.nan))
    white = along[..., axes]
    if axes.all():  # back to the coordinates, as eigenvectors turn from place to place
        white = np.einsum("...ij,...j->...i", vectors, along)
    return np.swapaxes(white, 0, 1)


def _sums(sgd: SGD, sharpness: np.ndarray | None, count: int) -> list[int]:
    """Lengths of sums up to the steps in which descent forgets."""
    longest = np.inf if sharpness is None else 1.0 / max(sgd.learning_rate * float(np.median(sharpness)), 1e-300)
    return [n for n in SUMS if n <= max(longest, 3)]


def _heavy(tails: TailTest) -> bool:
    """Whether 2 less the index stays as sums grow, rather than falling as 1/n, as that of a finite fourth moment does."""
    lack = 2.0 - tails.index
    if lack[-1] <= 3.0 * tails.standard_error[-1] or lack[0] <= 0.0:
        return False
    return len(lack) == 1 or bool(np.log(lack[-1] / lack[0]) / np.log(tails.sums[-1] / tails.sums[0]) > FALLS)


def _index(tails: TailTest, heavy: bool) -> Estimate:
    """The index of the longest sums; with heavy tails its interval holds those of all sums, as it depends on their length."""
    value, error = tails.index, 2.0 * tails.standard_error
    which = slice(None) if heavy else slice(-1, None)
    low, high = float((value - error)[which].min()), float((value + error)[which].max())
    return Estimate(float(min(value[-1], 2.0)), (min(max(low, 0.0), 2.0), min(high, 2.0)))


def _time_order(runs: Ensemble) -> Estimate | None:
    found = stays(runs)
    return None if np.isnan(found.error) else _around(found.time_order, found.error, 1.0)


def _quartile_distance(noise: np.ndarray) -> Estimate:
    """Over that of a normal law of variance 1, and its error from blocks of paths."""

    def distance(part: np.ndarray) -> float:
        low, high = np.nanquantile(part.reshape(-1, part.shape[-1]), [0.25, 0.75], axis=0)
        return float((high - low).mean()) / NORMAL_QUARTILES

    blocks = np.array_split(noise, min(BLOCKS, len(noise)))
    error = np.std([distance(b) for b in blocks], ddof=1) / np.sqrt(len(blocks))
    return _around(distance(noise), float(error), np.inf)


def _around(value: float, error: float, most: float) -> Estimate:
    return Estimate(value, (max(value - 2.0 * error, 0.0), min(value + 2.0 * error, most)))


def _quantiles(values: np.ndarray) -> Estimate:
    low, middle, high = np.nanquantile(values, [0.025, 0.5, 0.975])
    return Estimate(float(middle), (float(low), float(high)))


def _supported(
    heavy: bool,
    stability: Estimate | None,
    scale: Estimate | None,
    order: Estimate | None,
    edge: Estimate | None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings of the refined model, and a sentence on each."""
    settings: dict[str, Any] = {}
    said = []
    if stability is None or scale is None:
        said.append("Tails: there is no batch noise.")
    elif heavy:
        settings |= {"stability": round(stability.value, 3), "anisotropic": True, "scale": round(scale.value, 4)}
        said.append(f"Tails: heavy, sums of whitened steps keep an index of {stability!r}: jumps are supported.")
    else:
        said.append(
            "Tails: whitened noise is normal, or becomes so in sums as noise of finite variance does: jumps are not supported."
        )
    if order is not None and order.interval[1] < 1.0:
        settings["time_order"] = round(order.value, 3)
        said.append(f"Waiting: stays have the time order {order!r}: time_order is supported.")
    else:
        said.append(
            "Waiting: " + ("no path stays" if order is None else "stays are those of time order 1") + ": no memory."
        )
    said.append(_edge_sentence(edge, settings))
    return settings, tuple(said)


def _edge_sentence(edge: Estimate | None, settings: dict[str, Any]) -> str:
    if edge is None:
        return "Edge of stability: not measured, as the loss has no Hessian."
    sharpest = 2.0 * (1.0 - edge.interval[0])
    if sharpest < NEAR:
        return f"Edge of stability: far, eta S is at most {sharpest:.2g}: no refinement of the drift is needed."
    if "stability" in settings:
        settings["central_flow"] = True
        return f"Edge of stability: eta S comes to {sharpest:.2g}: central_flow is supported, as two-step goes without jumps."
    settings["drift"] = "two-step"
    return f"Edge of stability: eta S comes to {sharpest:.2g}: drift='two-step' is supported."
