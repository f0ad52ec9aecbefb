"""Training of a JAX network: all runs of a block in one compiled loop."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .elliptic_noise import jax_positive_stable
from .function_training import subset_weights
from .training import LANES, SUBSET, Rule

if TYPE_CHECKING:
    from .network import Network


class JaxTrainer:
    """Runs side by side. Keys: fold_in(fold_in(seed, run), step), so that no run knows of the others.

    Run k always computes in lane k modulo `LANES` of as many: its bits do not depend on how many runs there are.
    """

    def __init__(self, net: Network, rule: Rule):
        import jax

        self.net, self.rule = net, rule
        self._losses = jax.vmap(net.per_sample, (None, 0))
        self._advance = jax.jit(self._loop)

    @staticmethod
    def kind(rule: Rule) -> Rule:
        """What is compiled: a rule without its numbers that are handed over; an optimizer holds its own learning rate."""
        rate = 1.0 if rule.optimizer is None else rule.learning_rate
        return replace(rule, seed=0, learning_rate=rate, temperature=None if rule.temperature is None else 1.0)

    def following(self, rule: Rule) -> JaxTrainer:
        """The same compiled loop for another rule of its kind."""
        other = copy.copy(self)
        other.rule = rule
        return other

    def begin(self, theta: np.ndarray, runs: np.ndarray) -> Any:
        """Lanes of the runs (n,); keys, parameters and optimizer states, each with a leading axis of all lanes."""
        import jax

        lanes = runs % LANES
        padded = np.repeat(np.asarray(theta[:1], self.net.precision), LANES, axis=0)
        padded[lanes] = theta
        with self.net.context():
            root = jax.random.fold_in(jax.random.key(self.rule.seed), self.rule.stream)
            ids = (runs[0] - lanes[0] + np.arange(LANES)).astype(np.uint32)
            keys = jax.vmap(lambda run: jax.random.fold_in(root, run))(ids)
            params = jax.vmap(self.net._unravel)(jax.numpy.asarray(padded))
            opt = self.rule.optimizer
            return lanes, keys, params, () if opt is None else jax.vmap(opt.init)(params)

    def advance(self, state: Any, first: int, last: int) -> Any:
        """State at step `last`."""
        lanes, keys, params, inner = state
        rule, kind = self.rule, self.net.precision
        thermal = 0.0 if rule.temperature is None else math.sqrt(2.0 * rule.temperature / rule.learning_rate)
        numbers = np.asarray(rule.learning_rate, kind), np.asarray(thermal, kind)
        span = np.int32(first), np.int32(last)
        with self.net.context():
            return lanes, keys, *self._advance(keys, params, inner, *span, self.net.data, *numbers)

    def theta(self, state: Any) -> np.ndarray:
        """Parameters (n, d)."""
        import jax
        from jax.flatten_util import ravel_pytree

        with self.net.context():
            return np.asarray(jax.vmap(lambda p: ravel_pytree(p)[0])(state[2]))[state[0]]

    def record(self, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean loss and norm of its gradient, each (n,)."""
        with self.net.context():
            losses, norms = self.net.recorder(state[2], self.net.data)
            return np.asarray(losses)[state[0]], np.asarray(norms)[state[0]]

    def _loop(
        self, keys: Any, params: Any, inner: Any, first: Any, last: Any, data: Any, rate: Any, thermal: Any
    ) -> Any:
        import jax

        step = jax.vmap(self._step, (0, 0, 0, None, None, None, None))
        return jax.lax.fori_loop(
            first, last, lambda t, s: step(keys, s[0], s[1], t, data, rate, thermal), (params, inner)
        )

    def _step(self, key: Any, params: Any, inner: Any, t: Any, data: Any, rate: Any, thermal: Any) -> Any:
        """One step; `thermal`: deviation of the gradient's noise at a temperature."""
        import jax

        gradient = self._gradient(params, data, key, t, thermal)
        if self.rule.optimizer is None:
            return jax.tree.map(lambda p, g: p - rate * g, params, gradient), inner
        update, inner = self.rule.optimizer.update(gradient, inner, params)
        return jax.tree.map(lambda p, u: p + u, params, update), inner

    def _gradient(self, params: Any, data: Any, key: Any, t: Any, thermal: Any) -> Any:
        """Gradient with the noise of step t, as a pytree."""
        import jax

        rule, n = self.rule, self.net.n_samples
        step_key = jax.random.fold_in(key, t)
        if rule.noise == "sgd":
            return self._weighted(params, self._batch(data, key, step_key, t), 1.0 / rule.batch_size)
        if rule.noise == "refined":
            xi, size = self._normal(step_key, n), 1.0 / math.sqrt(rule.batch_size * n)
            mixing: Any = 1.0
            if rule.stability is not None:
                mixing = jax_positive_stable(jax.random.fold_in(step_key, 1), 0.5 * rule.stability, self.net.precision)
            size *= rule.scale
            return self._weighted(params, data, 1.0 / n + size * jax.numpy.sqrt(mixing) * (xi - xi.mean()))
        if rule.noise == "subset":
            choice, noise = jax.random.split(step_key)
            xi = self._normal(noise, SUBSET * rule.batch_size)
            batch = self._fresh(data, choice, SUBSET * rule.batch_size)
            return self._weighted(params, batch, subset_weights(xi, rule.batch_size))
        full = self._weighted(params, data, 1.0 / n)
        return full if rule.noise == "flow" else self._langevin(full, params, data, step_key, thermal)

    def _langevin(self, full: Any, params: Any, data: Any, key: Any, thermal: Any) -> Any:
        """The full gradient with isotropic noise of the trace of Sigma / B = E|g - g'|^2 / 2, or of a temperature."""
        import jax
        from jax.flatten_util import ravel_pytree

        rule = self.rule
        vector, unravel = ravel_pytree(full)
        first, second, noise = jax.random.split(key, 3)
        if rule.temperature is None:
            batches = [self._fresh(data, k, rule.batch_size) for k in (first, second)]
            one, two = (ravel_pytree(self._weighted(params, b, 1.0 / rule.batch_size))[0] for b in batches)
            size = jax.numpy.linalg.norm(one - two) / math.sqrt(2.0 * vector.size)
        else:
            size = thermal
        return unravel(vector + size * self._normal(noise, vector.size))

    def _weighted(self, params: Any, data: Any, weights: Any) -> Any:
        import jax

        return jax.grad(lambda p: (weights * self._losses(p, data)).sum())(params)

    def _batch(self, data: Any, key: Any, step_key: Any, t: Any) -> Any:
        """A batch of SGD: with replacement, without, or the next of a shuffled epoch."""
        import jax

        rule, n = self.rule, self.net.n_samples
        if rule.replacement:
            return self._fresh(data, step_key, rule.batch_size)
        if rule.shuffle:
            batches = n // rule.batch_size
            order = jax.random.permutation(jax.random.fold_in(key, t // batches), n)
            rows = jax.lax.dynamic_slice_in_dim(order, (t % batches) * rule.batch_size, rule.batch_size)
        else:
            rows = jax.random.choice(step_key, n, (rule.batch_size,), replace=False)
        return jax.tree.map(lambda leaf: leaf[rows], data)

    def _fresh(self, data: Any, key: Any, count: int) -> Any:
        """Independent samples."""
        import jax

        if self.net.sampler is not None:
            return self.net.sampler(key, count)
        rows = jax.random.randint(key, (count,), 0, self.net.n_samples)
        return jax.tree.map(lambda leaf: leaf[rows], data)

    def _normal(self, key: Any, count: int) -> Any:
        import jax

        return jax.random.normal(key, (count,), dtype=self.net.precision)
