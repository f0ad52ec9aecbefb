"""What a step of SGD of a network costs: `fn.Network.train`, beside the plainest loop in JAX that does the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .measure import job
from .report import Row

RUNS, STEPS, ROUNDS, RATE, BATCH = 48, 400, 3, 0.1, 32


def toy(name: str) -> Any:
    """A network by its name; digits are noise here, of their number and sizes."""
    import fokkerplanck.networks as fn

    if name == "digits":
        rng = np.random.default_rng(0)
        return fn.classifier(rng.standard_normal((1797, 64)), np.arange(1797) % 10, 16)
    makers = {
        "modular": lambda: fn.modular(23),
        "parity": lambda: fn.parity(10, 3),
        "superposition": lambda: fn.superposition(6, 2, samples=512),
    }
    return makers[name]()


def plain(net: Any, rate: float, batch: int) -> Callable[[int], Any]:
    """The loop: the mean loss of a batch, its gradient, a step; all runs at once, each with a key of its own."""
    import jax

    losses = jax.vmap(net.per_sample, (None, 0))

    def mean(params: Any, samples: Any) -> Any:
        return losses(params, samples).mean()

    def step(key: Any, params: Any, t: Any, data: Any) -> Any:
        rows = jax.random.randint(jax.random.fold_in(key, t), (batch,), 0, net.n_samples)
        gradient = jax.grad(mean)(params, jax.tree.map(lambda leaf: leaf[rows], data))
        return jax.tree.map(lambda p, g: p - rate * g, params, gradient)

    steps = jax.vmap(step, (0, 0, None, None))
    loop = jax.jit(
        lambda keys, params, data, last: jax.lax.fori_loop(0, last, lambda t, p: steps(keys, p, t, data), params)
    )
    root = jax.random.key(0)
    keys = jax.vmap(lambda run: jax.random.fold_in(root, run))(np.arange(RUNS, dtype=np.uint32))
    theta = np.array([net.start(0, k) for k in range(RUNS)], dtype=net.precision)
    params = jax.vmap(net._unravel)(jax.numpy.asarray(theta))
    return lambda last: jax.block_until_ready(loop(keys, params, net.data, np.int32(last)))


def run_one(started: float, name: str) -> dict[str, Any]:
    """Microseconds of processor time a run and step; the three take turns, and the smallest of each counts."""
    net = toy(name)
    loop = plain(net, RATE, BATCH)

    def ours(noise: str) -> Callable[[int], Any]:
        return lambda last: net.train([0, last], RUNS, RATE, BATCH, noise=noise)

    share = max(1, round(net.n_samples / BATCH / 2))  # as many fewer steps of the full gradient
    works = {"plain": (loop, STEPS), "sgd": (ours("sgd"), STEPS), "refined": (ours("refined"), max(50, STEPS // share))}
    taken: dict[str, list[float]] = {key: [] for key in works}
    for _ in range(ROUNDS):
        for key, (work, count) in works.items():
            taken[key].append(_each(work, count))
    least = {key: min(times) for key, times in taken.items()}
    return {
        "micro": 1e6 * least["sgd"],
        "plain": 1e6 * least["plain"],
        "of_plain": least["sgd"] / least["plain"],
        "of_batches": least["refined"] / least["sgd"] / (net.n_samples / BATCH),
    }


def _each(work: Callable[[int], Any], count: int) -> float:
    """Processor seconds a run and step: of so many steps less those of a few, which leaves out all that is done once."""
    few = 2
    work(few)
    began = time.process_time()
    work(few)
    once = time.process_time() - began
    began = time.process_time()
    work(count)
    return (time.process_time() - began - once) / ((count - few) * RUNS)


def rows(quick: bool) -> Iterator[Row]:
    """The toy models."""
    for name in ("parity", "superposition") if quick else ("digits", "modular", "parity", "superposition"):
        yield {"label": name} | job(run_one, name=name)
