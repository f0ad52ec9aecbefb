"""Training of a network given by numpy functions: one weighted gradient a step, whatever the noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..simulation.stable_variates import positive_stable
from .training import SUBSET, Rule

if TYPE_CHECKING:
    from .loss_functions import LossFunctions


def step_weights(rule: Rule, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Weights w (n_samples,) of sum_i w_i grad l_i: mean 1/N each, covariance of the sum Sigma / B; "flow": 1/N."""
    n, b = n_samples, rule.batch_size
    if rule.noise == "sgd":
        chosen = rng.choice(n, b, replace=rule.replacement)
        return np.bincount(chosen, minlength=n) / b
    if rule.noise == "refined":
        xi = rng.standard_normal(n)
        size = rule.scale * math.sqrt(positive_stable(rng, 0.5 * rule.stability, 1)[0]) if rule.stability else 1.0
        return 1.0 / n + size * (xi - xi.mean()) / np.sqrt(b * n)
    if rule.noise == "subset":
        chosen, xi = rng.integers(0, n, SUBSET * b), rng.standard_normal(SUBSET * b)
        return np.bincount(chosen, subset_weights(xi, b), minlength=n)
    return np.full(n, 1.0 / n)


def subset_weights(xi: Any, batch_size: int) -> Any:
    """1/M + a (xi - mean xi) for M samples: Sigma / M from their choice, a^2 (M - 1) Sigma from xi, together Sigma / B."""
    m = SUBSET * batch_size
    spread = math.sqrt((1.0 / batch_size - 1.0 / m) / (m - 1.0))
    return 1.0 / m + spread * (xi - xi.mean())


class FunctionTrainer:
    """Runs one after another; the noise of each step from a generator of its own, keyed by seed, run and step."""

    def __init__(self, net: LossFunctions, rule: Rule):
        self.net, self.rule = net, rule

    def begin(self, theta: np.ndarray, runs: np.ndarray) -> Any:
        """Runs (n,), parameters (n, d) and the states of their optimizers."""
        opt = self.rule.optimizer
        return runs, np.array(theta, dtype=float), [None if opt is None else opt.init(one) for one in theta]

    def advance(self, state: Any, first: int, last: int) -> Any:
        """Steps first, ..., last - 1 of each run."""
        runs, theta, inner = state
        theta, inner = theta.copy(), list(inner)
        for k, run in enumerate(runs):
            for t in range(first, last):
                theta[k], inner[k] = self._step(theta[k], inner[k], int(run), t)
        return runs, theta, inner

    def theta(self, state: Any) -> np.ndarray:
        """Parameters (n, d)."""
        return state[1].copy()

    def record(self, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean loss and norm of its gradient, each (n,)."""
        equal = np.full(self.net.n_samples, 1.0 / self.net.n_samples)
        rows = [
            (self.net.losses(one).mean(), np.linalg.norm(self.net.weighted_gradient(one, equal))) for one in state[1]
        ]
        losses, norms = np.array(rows).T
        return losses, norms

    def _step(self, theta: np.ndarray, inner: Any, run: int, t: int) -> tuple[np.ndarray, Any]:
        gradient = self._gradient(theta, run, t)
        if self.rule.optimizer is None:
            return theta - self.rule.learning_rate * gradient, inner
        update, inner = self.rule.optimizer.update(gradient, inner, theta)
        return theta + np.asarray(update), inner

    def _gradient(self, theta: np.ndarray, run: int, t: int) -> np.ndarray:
        rule, n = self.rule, self.net.n_samples
        if rule.shuffle:
            epoch, place = divmod(t, n // rule.batch_size)
            order = self._rng(run, epoch).permutation(n)
            chosen = order[place * rule.batch_size : (place + 1) * rule.batch_size]
            weights = np.bincount(chosen, minlength=n) / rule.batch_size
            return self.net.weighted_gradient(theta, weights)
        rng = self._rng(run, t)
        gradient = self.net.weighted_gradient(theta, step_weights(rule, n, rng))
        if rule.noise != "langevin":
            return gradient
        return gradient + self._langevin_size(theta, rng) * rng.standard_normal(theta.size)

    def _langevin_size(self, theta: np.ndarray, rng: np.random.Generator) -> float:
        """Standard deviation of each entry of the noise of the gradient."""
        rule, n = self.rule, self.net.n_samples
        if rule.temperature is not None:
            return float(np.sqrt(2.0 * rule.temperature / rule.learning_rate))
        first, second = (np.bincount(rng.integers(0, n, rule.batch_size), minlength=n) for _ in range(2))
        difference = self.net.weighted_gradient(theta, (first - second) / rule.batch_size)
        return float(np.linalg.norm(difference) / np.sqrt(2.0 * theta.size))

    def _rng(self, run: int, t: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.rule.seed, spawn_key=(self.rule.stream, run, t)))
