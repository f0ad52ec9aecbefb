"""How SGD comes out of a minimum at small learning rates: the exact exponent of its escape times.

Over 1/eta steps of theta' = theta - eta g_B the drift is of order one, and the probability of a path is exp(-S / eta) with
the Hamiltonian of one step,

    H(theta, p) = ln E exp(-p.g_B(theta)),

so that mean escape steps grow like exp(V / eta), V the least action S. Models of SGD have their own H, and thus their own V:

    exact                          H as above, over the samples of a batch
    first-order, gaussian-chain    -p.g + f p^T Sigma p / (2 B), what remains of H for small p

Batches with replacement are B independent samples, H(p) = B H_1(p/B), hence V = B V_1. Momentum m turns a step into kicks
that sum up to 1/(1 - m) of it, H(p/(1 - m)), hence V (1 - m).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ..arguments import did_you_mean, whole
from ..errors import bad_value
from ..model.grid import Grid
from ..rare_events.action import DiffusionHamiltonian, Hamiltonian, StepHamiltonian
from ..rare_events.diffusion import MOST_POINTS, check_ends, corner, found, path_cost, point
from ..rare_events.field import quasipotential_field
from ..rare_events.result import LeastAction, Quasipotential
from .minibatches import MOST, distinct_samples, enumerate_batches

if TYPE_CHECKING:
    from .algorithm import SGD

MODELS = ("exact", "first-order", "gaussian-chain")
OTHERS = {  # models whose exponent is another's, or no exponent at all
    "second-order": "Its exponent is that of 'first-order': what it adds is of higher order in the learning rate.",
    "langevin": "Use fp.quasipotential(sgd.equation('langevin'), a, b).",
    "levy": "Heavy-tailed noise leaves by single jumps: times grow like a power of 1/eta, not exponentially.",
}


def quasipotential(sgd: SGD, a: Any, b: Any, model: str, points: int) -> LeastAction | Quasipotential:
    """The least action of SGD or of a model of it; see `fokkerplanck.sgd.SGD.quasipotential`."""
    if not isinstance(model, str) or model not in MODELS:
        then = OTHERS.get(model, "") if isinstance(model, str) else ""
        raise bad_value(
            "model", f"one of {', '.join(map(repr, MODELS))}", model, then or did_you_mean(str(model), MODELS)
        )
    if sgd.schedule is not None or sgd.langevin_temperature:
        name = "schedule" if sgd.schedule is not None else "langevin_temperature"
        then = "Its exponent is per learning rate and for the noise of batches alone."
        raise bad_value(name, "left out for a quasipotential of SGD", getattr(sgd, name), then)
    start = point("a", a, sgd.loss.dim)
    end = corner(b, start) if isinstance(b, Grid) else point("b", b, sgd.loss.dim)
    check_ends(start, end)
    whole("points", points, 8, MOST_POINTS)
    hamiltonian: Hamiltonian
    factor, why = 1.0, ""
    if sgd.shuffle:
        hamiltonian, why = (
            StepHamiltonian(_Moments(sgd).step, np.ones(1)),
            "an epoch's shuffled batches sum up to the same step each time",
        )
    elif model == "exact":
        hamiltonian, factor = _exact(sgd)
        why = "no batch leads on" if sgd.loss.dim == 1 else "on no path that was tried do batches lead on, on the best"
    else:
        hamiltonian = DiffusionHamiltonian(_Moments(sgd).drift, _Moments(sgd).diffusion)
    factor, names = factor * (1.0 - sgd.momentum), sgd.loss.parameters
    result = partial(found, start, factor=factor, noise="learning rate", unit="steps", why=why, names=names)
    if isinstance(b, Grid):
        return quasipotential_field(hamiltonian, start, b.named(names), result, factor=factor, noise="learning rate")
    return result(end, path_cost(hamiltonian, start, end, points))


def _exact(sgd: SGD) -> tuple[StepHamiltonian, float]:
    """The Hamiltonian of one sample or one batch, and what its action is to be multiplied by."""
    rows, counts = distinct_samples(sgd.loss.table)
    if sgd.batch_size is not None and sgd.replacement:
        return StepHamiltonian(_Steps(sgd, rows), counts / counts.sum()), float(sgd.batch_size)
    batches = enumerate_batches(sgd)
    if batches is None:
        rule = f"such that there are at most {MOST} distinct batches without replacement"
        raise bad_value("batch_size", rule, sgd.batch_size, "Set replacement=True, or ask for model='first-order'.")
    shares = sp.lil_array((len(batches.draws), rows.size))
    for k, (draw,) in enumerate(batches.draws):
        shares[k, np.searchsorted(rows, draw.rows)] = draw.times / draw.times.sum()
    return StepHamiltonian(_Steps(sgd, rows, shares.tocsr()), batches.weights), 1.0


@dataclass(frozen=True, eq=False)
class _Moments:
    """Drift and diffusion per unit of the learning rate."""

    sgd: SGD

    def drift(self, x: np.ndarray) -> np.ndarray:
        """-g, (d, n)."""
        return -_finite(self.sgd.loss.gradient(*x), x)

    def diffusion(self, x: np.ndarray) -> np.ndarray:
        """f Sigma / (2 B), (d, d, n)."""
        return 0.5 * self.sgd.noise_factor * _finite(self.sgd.loss.covariance(*x), x)

    def step(self, x: np.ndarray) -> np.ndarray:
        """-g as the one step of a process without noise, (1, d, n)."""
        return self.drift(x)[None]


@dataclass(frozen=True, eq=False)
class _Steps:
    """-g_B(theta), (K, d, n), of distinct samples, or of batches made of them in some shares (K, samples)."""

    sgd: SGD
    rows: np.ndarray
    shares: sp.csr_array | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        steps = -_finite(self.sgd.loss.sample_gradients(self.rows, x), x)
        return steps if self.shares is None else (self.shares @ steps.reshape(len(steps), -1)).reshape(-1, *x.shape)


def _finite(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        bad = ~np.isfinite(values).reshape(-1, x.shape[1]).all(axis=0)
        where = ", ".join(f"{c:.6g}" for c in x[:, np.argmax(bad)])
        raise bad_value("loss", "a loss with finite gradients between `a` and `b`", f"one without at ({where})")
    return values
