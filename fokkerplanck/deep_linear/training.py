"""Many runs of training side by side, by SGD and by its surrogate dynamics, from the same starts."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..arguments import LARGEST_WHOLE, fits_memory, number, reals, whole
from ..errors import bad_type, bad_value
from ..progress import Pace
from ..randomness import digest, own_seed, private_generator
from ..simulation.recorded_runs import RecordedRuns
from ..simulation.stable_variates import positive_stable
from ..statistics.stable_law import NORMAL_QUARTILES, stable_quartiles
from . import training_kernel as kernels
from .batch_noise import kurtosis, moment_covariance, sample_moments
from .network import DeepLinear

GENERATORS = {"flow": kernels.FLOW, "sgd": kernels.SGD, "langevin": kernels.LANGEVIN, "refined": kernels.REFINED}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Training(RecordedRuns):
    """What was recorded of runs of training: loss, gradient norm and more, see `RecordedRuns`.

    Attributes
    ----------
    net : DeepLinear
    steps : ndarray of int (n_times,)
    end_to_end : ndarray (n_times, n_runs, n_L, n_0)
        W_L ... W_1; nan from where a run has diverged.
    loss : ndarray (n_times, n_runs)
        Expected loss less that of the teacher, tr (W - W*) E[x x^T] (W - W*)^T / 2.
    gradient_norm : ndarray (n_times, n_runs)
        Norm of the gradient of the expected loss over all weights.
    final : list of ndarray (n_runs, n_l, n_(l-1))
        Weights at the last recorded step, one array a layer.
    kept : list of ndarray (n_times, n_kept, n_l, n_(l-1))
        Weights of the first runs at every recorded step.
    seed, first_run : int
    settings : dict
        Generator, stability and scale of the noise.
    """

    RUN_AXES: ClassVar[dict[str, int]] = {**RecordedRuns.RUN_AXES, "end_to_end": 1, "final": 0, "kept": 1}

    net: DeepLinear
    end_to_end: np.ndarray
    final: list[np.ndarray] = field(default_factory=list)
    kept: list[np.ndarray] = field(default_factory=list)

    def __repr__(self) -> str:
        return self._shown(f"  {self.net!r}", "loss above the teacher's at the end")


def train(
    net: DeepLinear,
    start: Any,
    steps: Sequence[int],
    *,
    n_runs: int = 100,
    generator: str = "sgd",
    stability: float | None = None,
    seed: int | None = None,
    first_run: int = 0,
    keep: int = 0,
    workers: int | None = None,
) -> Training:
    """Train many runs of a deep linear network.

    Parameters
    ----------
    net : DeepLinear
    start : RandomStart, AlignedStart or list of arrays
        One list of weights serves all runs. With the same seed, run k starts from the same weights for every generator.
    steps : increasing whole numbers from 0 on
        When to record.
    n_runs : int
    generator : "sgd", "langevin", "refined" or "flow"
        theta <- theta - learning_rate (gradient + noise). "sgd": a fresh batch. "langevin": isotropic Gaussian noise of
        the trace of the batch gradient's covariance where theta is. "refined": noise of that covariance itself, Gaussian
        or elliptic stable. "flow": no noise (gradient descent).
    stability : float, optional
        1 < a < 2: the refined noise is that of the Gaussian times s sqrt(R), one positive (a/2)-stable R a step, so that it
        is elliptic stable. s gives it the interquartile range of the batch noise, measured where all weights vanish.
        None or 2: Gaussian.
    seed : int, optional
        Same seed, same bits, whatever the number of workers. The noise of different generators is independent; their starts
        are shared on purpose, as stated above: pairs, to be compared run by run. Default: a seed keyed by `net` and `start`,
        the same for all generators.
    first_run : int
        Runs first_run, ..., first_run + n_runs - 1 of this seed: a large training can be done in blocks and `joined`.
    keep : int
        Of how many runs the weights are kept at every recorded step.
    workers : int, optional
        Threads; default: one a processor.

    Returns
    -------
    Training
    """
    mode, stability = _generator(generator, stability)
    seed = own_seed(seed, "deep linear training", net, start)
    moments = _steps(steps)
    n_runs, first_run = whole("n_runs", n_runs, 1, LARGEST_WHOLE), whole("first_run", first_run, 0, LARGEST_WHOLE)
    threads = whole("workers", os.cpu_count() or 1 if workers is None else workers, 1)
    keep = min(whole("keep", keep, 0), n_runs)
    scale = 1.0 if stability is None else quartile_scale(net, stability)
    kept_numbers = n_runs * (net.n_parameters + 2.0 * moments.size * net.target.size)
    need = 8.0 * (kept_numbers + 2.0 * keep * moments.size * net.n_parameters + 4.0 * threads * net.n_parameters)
    fits_memory("n_runs", need, "Take fewer runs or record fewer steps.")
    shape = (moments.size, n_runs)
    theta = np.empty((n_runs, net.n_parameters))
    end_to_end = np.full((*shape, *net.target.shape), np.nan)
    gradient_norm = np.full((n_runs, moments.size), np.nan)
    kept = np.full((keep, moments.size, net.n_parameters), np.nan)
    nothing = np.empty((0, net.n_parameters))
    kappa = kurtosis(net) if mode in (kernels.LANGEVIN, kernels.REFINED) and net.data is None else 1.0
    task = _Task(net, start, mode, moments, seed, stability, scale, kappa, _root(net.second_moment))

    def run(k: int) -> None:
        record = np.full((moments.size, *net.target.shape), np.nan)
        task(first_run + k, theta[k], record, gradient_norm[k], kept[k] if k < keep else nothing)
        end_to_end[:, k] = record

    with ThreadPoolExecutor(threads) as pool:
        pace = Pace(__name__, "training")
        for k, _ in enumerate(pool.map(run, range(n_runs))):
            pace((k + 1) / n_runs)
    with np.errstate(over="ignore", invalid="ignore"):
        loss = net.loss_of(end_to_end)
    weights = [np.moveaxis(w, 0, 1) for w in net.unflatten(kept)]
    settings = {"generator": generator, "stability": 2.0 if stability is None else stability, "scale": scale}
    return Training(
        net=net,
        steps=moments,
        end_to_end=end_to_end,
        loss=loss,
        gradient_norm=gradient_norm.T.copy(),
        final=net.unflatten(theta),
        kept=weights,
        seed=seed,
        first_run=first_run,
        settings=settings,
    )


@dataclass(frozen=True)
class _Task:
    """All that a single run needs besides its number."""

    net: DeepLinear
    start: Any
    mode: int
    steps: np.ndarray
    seed: int
    stability: float | None
    scale: float
    kappa: float
    root: np.ndarray  # of E x x^T

    def __call__(self, k: int, theta: np.ndarray, record: np.ndarray, norms: np.ndarray, kept: np.ndarray) -> None:
        net = self.net
        begin = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(k, 0)))
        key = (k, 1) if self.mode == kernels.SGD else (k, 1, digest(self.mode, self.stability))
        noise = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
        theta[:] = net.flatten(_weights(net, self.start, begin))
        mixing = np.ones(1)
        if self.stability is not None:
            mixing = self.scale * np.sqrt(positive_stable(noise, 0.5 * self.stability, int(self.steps[-1]) or 1))
        kernels.train_run(
            theta, np.array(net.widths), self.steps, noise, self.mode, net.target, net.second_moment, self.root,
            np.empty((0, net.widths[0])) if net.data is None else net.data, net.freedom,
            self.kappa, float(net.label_noise), net.batch_size, net.learning_rate, mixing,
            record, norms, kept,
        )  # fmt: skip


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def quartile_scale(net: DeepLinear, stability: float) -> float:
    """s with which s sqrt(R) times the Gaussian noise has the interquartile range of the batch noise.

    R is positive (a/2)-stable, E exp(-zR) = exp(-z^(a/2)), so that sqrt(2 R) times a standard normal number is symmetric
    stable, E exp(ikX) = exp(-|k|^a). The entries of the batch moment M are compared with their standard deviations, each
    weighted by the latter, over 4000 batches at W = 0.
    """
    moments = sample_moments(
        net, np.zeros_like(net.target), 4000, private_generator("batches of the quartile scale")
    ).reshape(4000, -1)
    deviations = np.sqrt(np.diagonal(moment_covariance(net, np.zeros_like(net.target))) / net.batch_size)
    low, high = np.quantile(moments, [0.25, 0.75], axis=0)
    share = float((high - low).sum() / (NORMAL_QUARTILES * deviations.sum()))
    return share * NORMAL_QUARTILES * math.sqrt(2.0) / stable_quartiles(stability)


def _generator(generator: str, stability: float | None) -> tuple[int, float | None]:
    if not isinstance(generator, str) or generator not in GENERATORS:
        raise bad_value("generator", f"one of {', '.join(GENERATORS)}", generator)
    if stability is None:
        return GENERATORS[generator], None
    stability = number("stability", stability, "in (1, 2]", lambda v: 1.0 < v <= 2.0)
    if stability == 2.0:
        return GENERATORS[generator], None
    if generator != "refined":
        raise bad_value("stability", 'None unless generator="refined"', stability)
    return GENERATORS[generator], stability


def _steps(steps: Sequence[int]) -> np.ndarray:
    array = np.asarray(steps)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise bad_type("steps", "a list of whole numbers", steps)
    if array[0] < 0 or (np.diff(array) <= 0).any():
        raise bad_value("steps", "increasing, from 0 on", steps, "Sort them and drop repeats.")
    return array.astype(np.int64)


def _weights(net: DeepLinear, start: Any, rng: np.random.Generator) -> list[np.ndarray]:
    if hasattr(start, "draw"):
        weights = start.draw(net, rng)
    elif isinstance(start, (list, tuple)):
        weights = [reals("start", w, "a list of weight matrices") for w in start]
    else:
        raise bad_type("start", "a start, such as small_start(), or a list of weight matrices", start)
    shapes = list(zip(net.widths[1:], net.widths, strict=False))
    if [w.shape for w in weights] != shapes or not all(np.isfinite(w).all() for w in weights):
        raise bad_value("start", f"finite weights of shapes {shapes}", [w.shape for w in weights])
    return weights
