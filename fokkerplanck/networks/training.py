"""Many runs of training side by side, by SGD and by its surrogate dynamics, for any loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ..arguments import callable_with, file_name, fits_memory, flag, number, reals, whole
from ..errors import ModelWarning, bad_type, bad_value, warn
from ..progress import Pace
from ..randomness import digest
from ..simulation.recorded_runs import RecordedRuns
from ..storage.checkpoint import resumed
from .elliptic_noise import quartile_scale

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

NOISES = ("sgd", "refined", "langevin", "flow", "subset")
RECORDS = 100  # recorded intervals where only the last step is named
LANES = 16  # runs side by side; fixed, since the last bits of a sum depend on how many there are
SUBSET = 4  # samples of a "subset" step, in batches
MOST_SEED = 2**32 - 1
OBSERVED = "observed "  # before the names of observables, in the file of a block


@dataclass(frozen=True)
class Rule:
    """How a step is made: theta <- theta - learning_rate (gradient with noise), or what an optimizer makes of it."""

    noise: str
    learning_rate: float
    batch_size: int
    seed: int
    replacement: bool = True
    shuffle: bool = False
    temperature: float | None = None
    optimizer: Any = None
    stability: float | None = None
    scale: float = 1.0

    @property
    def stream(self) -> int:
        """32 bits that set the noise of one dynamics apart from that of others with the same seed."""
        kind = (self.noise,) if self.stability is None else (self.noise, self.stability)
        return 0 if self.noise == "sgd" else digest("network training", *kind) & MOST_SEED


class Trainer(Protocol):
    """Carries a block of runs forward; `state` is its own affair."""

    def begin(self, theta: np.ndarray, runs: np.ndarray) -> Any:
        """State of runs (n,) at step 0, from theta (n, d); all with the same run // LANES."""

    def advance(self, state: Any, first: int, last: int) -> Any:
        """State at step `last` from that at step `first`."""

    def theta(self, state: Any) -> np.ndarray:
        """Parameters (n, d)."""

    def record(self, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean loss over the samples and norm of its gradient, each (n,)."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Runs(RecordedRuns):
    """What was recorded of runs of training.

    Attributes
    ----------
    steps : ndarray of int (n_times,)
    loss : ndarray (n_times, n_runs)
        Mean loss over the samples; nan where a run has diverged.
    gradient_norm : ndarray (n_times, n_runs)
    final : ndarray (n_runs, d)
        Flat parameters at the last recorded step.
    kept : ndarray (n_times, n_kept, d)
        Flat parameters of the first runs at every recorded step.
    observed : dict of ndarray (n_times, n_runs, ...)
        What the functions in `observe` returned.
    seed, first_run : int
    settings : dict
    """

    RUN_AXES: ClassVar[dict[str, int]] = {**RecordedRuns.RUN_AXES, "final": 0, "kept": 1, "observed": 1}

    final: np.ndarray
    kept: np.ndarray
    observed: dict[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        return self._shown()


def train(
    net: LossFunctions,
    steps: int | Sequence[int],
    n_runs: int = 100,
    learning_rate: float = 0.1,
    batch_size: int = 32,
    seed: int = 0,
    *,
    noise: str = "sgd",
    optimizer: Any = None,
    observe: Callable | Mapping[str, Callable] | None = None,
    replacement: bool = True,
    shuffle: bool = False,
    temperature: float | None = None,
    stability: float | None = None,
    keep: int = 0,
    starts: Any = None,
    first_run: int = 0,
    resume: str | Path | None = None,
) -> Runs:
    """Train many runs.

    Parameters
    ----------
    net : Network
    steps : int or increasing whole numbers from 0 on
        The last step, of which some hundred before are recorded too; or when to record.
    n_runs : int
    learning_rate : float
    batch_size : int
        B.
    seed : int
        The noise of step t of run k is keyed by (seed, k, t): the same bits whatever the number of runs and of blocks that
        are joined. Run k starts from the same parameters under all dynamics.
    noise : {"sgd", "refined", "langevin", "flow", "subset"}
        The gradient of a step. "sgd": of a fresh batch. "refined": the full gradient with Gaussian noise of the batch
        gradient's covariance Sigma(theta) / B, from one backward pass with weights 1/N + (xi_i - mean xi) / sqrt(B N).
        "langevin": the full gradient with isotropic Gaussian noise, of the same trace, from two batches; or of variance
        2 temperature / learning_rate. "flow": the full gradient (gradient descent). "subset": Gaussian weights on 4 B
        samples: mean and covariance are right, the kurtosis is close to that of SGD, so that it cannot tell whether
        Gaussian noise would do.
    optimizer : optax transformation, optional
        Makes a step of the gradient, with any noise; default: -learning_rate times it.
    observe : callable or dict of callables, optional
        f(net, theta) -> number or array, theta (d,), such as `top_hessian`; at every record of every run.
    replacement, shuffle : bool
        Of "sgd", as in `fokkerplanck.SGD`: batches with replacement; without, each afresh; or by shuffled epochs.
    temperature : float, optional
        Of "langevin".
    stability : float, optional
        1 < a < 2, of "refined": its Gaussian noise times s sqrt(R), one positive (a/2)-stable R a step, is elliptic stable; s
        gives it the interquartile range of the batch noise at the network's first start, summed over directions. None or 2:
        Gaussian, of the covariance instead.
    keep : int
        Of how many runs the parameters are kept at every recorded step.
    starts : array (d,) or (n_runs, d), or parameters as the loss takes, optional
        Where the runs start, instead of the parameters of the network.
    first_run : int
        Runs first_run, ..., first_run + n_runs - 1 of this seed, which can be `joined` to others.
    resume : folder, optional
        Where each finished block of 16 runs is kept: the same call goes on after the last of them, to the same bits.

    Returns
    -------
    Runs
    """
    moments = _steps(steps)
    n_runs, first_run = whole("n_runs", n_runs, 1), whole("first_run", first_run, 0)
    keep = min(whole("keep", keep, 0), n_runs)
    rule = make_rule(
        net, noise, learning_rate, batch_size, seed, replacement, shuffle, temperature, optimizer, stability
    )
    observers = _observers(observe)
    need = 8.0 * (keep * moments.size + 2.0 * n_runs) * net.n_parameters
    fits_memory("n_runs", need, "Train fewer runs, or keep fewer.")
    begin = _starts(net, starts, rule.seed, np.arange(first_run, first_run + n_runs))
    trainer = net.trainer(rule)
    folder = None if resume is None else _made_folder(resume)
    content = None if resume is None else net.content
    places, parts = np.arange(n_runs), []
    for group in np.split(places, np.flatnonzero((first_run + places[1:]) % LANES == 0) + 1):
        theta, runs = begin(group), first_run + group
        block = partial(_block_of_runs, net, trainer, moments, theta, runs, keep - group[0], observers)
        if folder is None:
            parts.append(block())
            continue
        depends_on = content, rule, observers, moments, theta, runs, max(keep - group[0], 0)
        parts.append(_kept(block, folder / _file_of(rule, runs), observers, depends_on))
    settings = {"noise": noise, "learning_rate": rule.learning_rate, "batch_size": rule.batch_size}
    settings |= {"replacement": rule.replacement, "shuffle": rule.shuffle, "temperature": temperature}
    settings |= {"stability": rule.stability, "optimizer": "sgd" if optimizer is None else "given"}
    common: dict[str, Any] = {"steps": moments, "seed": rule.seed, "first_run": first_run, "settings": settings}
    blocks = [Runs(**part, **common) for part in parts]
    found = blocks[0].joined(*blocks[1:])
    _tell_broken_gradients(found)
    return found


def _block_of_runs(
    net: LossFunctions,
    trainer: Trainer,
    steps: np.ndarray,
    theta: np.ndarray,
    runs: np.ndarray,
    keep: int,
    observers: Mapping[str, Callable],
) -> dict[str, Any]:
    """Loss, gradient norm, final and kept parameters and observables of one block."""
    records: list[tuple[np.ndarray, np.ndarray]] = []
    kept, seen = [], {name: [] for name in observers}  # type: ignore[var-annotated]
    state, now, pace = trainer.begin(theta, runs), 0, Pace(__name__, "training")
    for step in steps.tolist():
        pace(now / max(int(steps[-1]), 1), f"step {now}")
        state, now = trainer.advance(state, now, step), step
        records.append(trainer.record(state))
        theta = trainer.theta(state)
        kept.append(theta[: max(keep, 0)])
        for name, function in observers.items():
            seen[name].append([np.asarray(function(net, one)) for one in theta])
    loss, norm = (np.array(part, dtype=float) for part in zip(*records, strict=True))
    lost = ~np.isfinite(loss)
    loss[lost] = norm[lost] = np.nan
    observed = {name: np.array(values) for name, values in seen.items()}
    return {"loss": loss, "gradient_norm": norm, "final": theta, "kept": np.array(kept), "observed": observed}


def _tell_broken_gradients(runs: Runs) -> None:
    """A warning where gradients are not finite at the start, though losses are: such runs do not diverge, they cannot begin."""
    broken = int((np.isfinite(runs.loss[0]) & ~np.isfinite(runs.gradient_norm[0])).sum())
    if runs.steps[0] == 0 and broken:
        text = (
            f"The gradient is not finite at the start of {broken} of {runs.n_runs} runs, though the loss is. Square roots and "
            "logarithms at 0 do that, also in a branch that where(...) leaves out, as for missing labels."
        )
        warn(text, ModelWarning)


def _made_folder(resume: str | Path) -> Path:
    folder = Path(file_name("resume", resume))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_value("resume", f"a folder, or a place for one ({error.strerror})", str(resume)) from None
    return folder


def _file_of(rule: Rule, runs: np.ndarray) -> str:
    law = rule.noise if rule.stability is None else f"{rule.noise}-{rule.stability:g}"
    return f"{law}-{rule.seed}-{runs[0]:06d}.npz"


def _kept(
    block: Callable[[], dict[str, Any]], path: Path, observers: Mapping[str, Callable], depends_on: tuple[Any, ...]
) -> dict[str, Any]:
    """A block of runs from its file, else trained and left there."""

    def flat() -> dict[str, Any]:
        part = block()
        return part | {OBSERVED + name: value for name, value in part.pop("observed").items()}

    found = resumed(path, flat, *depends_on)
    observed = {name: found.pop(OBSERVED + name) for name in observers}
    return found | {"observed": observed}


def make_rule(
    net: LossFunctions,
    noise: str,
    learning_rate: float,
    batch_size: int,
    seed: int,
    replacement: bool,
    shuffle: bool,
    temperature: float | None,
    optimizer: Any,
    stability: float | None,
) -> Rule:
    """The rule of a step, from arguments that are checked against the network."""
    if not isinstance(noise, str) or noise not in NOISES:
        raise bad_value("noise", f"one of {', '.join(NOISES)}", noise)
    rate = number("learning_rate", learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
    batch = whole("batch_size", batch_size, 1)
    shuffle, replacement = flag("shuffle", shuffle), flag("replacement", replacement)
    if noise == "sgd" and (shuffle or not replacement):
        if getattr(net, "sampler", None) is not None:
            raise bad_value("replacement", "True where a sampler draws each batch afresh", replacement)
        whole("batch_size", batch, 1, net.n_samples, "Without replacement a batch holds each sample once at most.")
        if shuffle and net.n_samples % batch:
            raise bad_value("batch_size", f"a divisor of the {net.n_samples} samples, with shuffle=True", batch)
    if temperature is not None:
        if noise != "langevin":
            raise bad_value("temperature", 'None unless noise="langevin"', temperature)
        temperature = number("temperature", temperature, "not below 0", lambda v: 0.0 <= v < math.inf)
    if optimizer is not None and not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise bad_type("optimizer", "an optax transformation, with init and update", optimizer)
    seed = whole("seed", seed, 0, MOST_SEED)
    scale = 1.0
    if stability is not None:
        stability = number("stability", stability, "in (1, 2]", lambda v: 1.0 < v <= 2.0)
        if noise != "refined":
            raise bad_value("stability", 'None unless noise="refined"', stability)
        stability = None if stability == 2.0 else stability
        scale = 1.0 if stability is None else quartile_scale(net, batch, stability)
    fresh = replacement and not shuffle
    return Rule(noise, rate, batch, seed, fresh, shuffle, temperature, optimizer, stability, scale)


def _steps(steps: int | Sequence[int]) -> np.ndarray:
    """When to record, increasing."""
    if isinstance(steps, (int, np.integer)) and not isinstance(steps, bool):
        last = whole("steps", steps, 1)
        return np.unique(np.linspace(0, last, min(last, RECORDS) + 1).round().astype(np.int64))
    array = np.asarray(steps)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise bad_type("steps", "a whole number or a list of whole numbers", steps)
    if array[0] < 0 or (np.diff(array) <= 0).any():
        raise bad_value("steps", "increasing, from 0 on", steps, "Sort them and drop repeats.")
    return array.astype(np.int64)


def _starts(net: LossFunctions, starts: Any, seed: int, runs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function from places among the runs (n,) to their starts (n, d)."""
    if starts is None:
        return lambda places: np.array([net.start(seed, int(runs[k])) for k in places])
    array = np.atleast_2d(_as_rows(net, starts, runs.size))
    if array.shape not in ((1, net.n_parameters), (runs.size, net.n_parameters)) or not np.isfinite(array).all():
        rule = f"finite, of shape ({net.n_parameters},) or ({runs.size}, {net.n_parameters})"
        raise bad_value("starts", rule, f"an array of shape {array.shape}")
    return lambda places: array[places if len(array) > 1 else np.zeros_like(places)]


def _as_rows(net: LossFunctions, starts: Any, n_runs: int) -> np.ndarray:
    """Starts as numbers: rows of numbers as they are, anything else as parameters that the loss takes."""
    try:
        array = reals("starts", starts)
    except TypeError:  # a pytree
        return net.flat(starts, "starts")
    rows = array.shape in ((net.n_parameters,), (1, net.n_parameters), (n_runs, net.n_parameters))
    return array if rows or isinstance(starts, np.ndarray) else net.flat(starts, "starts")


def _observers(observe: Callable | Mapping[str, Callable] | None) -> dict[str, Callable]:
    if observe is None:
        return {}
    named = dict(observe) if isinstance(observe, Mapping) else {getattr(observe, "__name__", "observed"): observe}
    for name, function in named.items():
        callable_with(f"observe[{name!r}]", function, 2, "arguments: network and parameters")
    return named
