"""The batches that a step of SGD may draw: every distinct one with its probability, or a seeded choice of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 10_000  # distinct batches up to which all of them are listed


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches, or whole epochs of batches, with their probabilities.

    Attributes
    ----------
    rows : list of list of int arrays
        For each of the K choices, the samples of each step in turn: one step without shuffling, an epoch with it.
    weights : ndarray (K,)
    kind : {"enumerated", "sampled"}
    """

    rows: list[list[np.ndarray]]
    weights: np.ndarray
    kind: str

    @property
    def steps(self) -> int:
        """Steps of SGD in one choice."""
        return len(self.rows[0])


def distinct_samples(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row number for each distinct sample, and how often it occurs."""
    flat = table.reshape(len(table), -1)
    _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order], counts[order]


def enumerate_batches(sgd: Any) -> Batches | None:
    """All distinct batches (epochs, with shuffling), or None if there are more than `MOST`."""
    first, counts = distinct_samples(sgd.loss.table)
    n_samples = sgd.loss.n_samples
    if sgd.batch_size is None or (not sgd.replacement and sgd.batch_size == n_samples):
        return Batches([[np.arange(n_samples)]], np.ones(1), "enumerated")
    if sgd.shuffle and n_samples > 200 * sgd.batch_size:
        return None
    chosen: list[tuple[float, list[np.ndarray]]] = []
    for weight, parts in _tree(sgd, counts):
        if len(chosen) == MOST:
            return None
        chosen.append((weight, [np.repeat(first, part) for part in parts]))
    weights = np.array([w for w, _ in chosen])
    return Batches([rows for _, rows in chosen], weights / weights.sum(), "enumerated")


def _tree(sgd: Any, counts: np.ndarray) -> Iterator[tuple[float, list[np.ndarray]]]:
    """(probability, counts of the distinct samples in each step) of every distinct choice."""
    if sgd.shuffle:
        yield from _epochs(counts, sgd.batch_size)
    elif sgd.replacement:
        total = counts.sum()
        for part in _compositions(sgd.batch_size, counts, repeat=True):
            used = np.flatnonzero(part)
            log = math.lgamma(sgd.batch_size + 1.0) + sum(
                part[u] * math.log(counts[u] / total) - math.lgamma(part[u] + 1.0) for u in used
            )
            yield math.exp(log), [part]
    else:
        for part in _compositions(sgd.batch_size, counts):
            yield _hypergeometric(part, counts), [part]


def _epochs(counts: np.ndarray, batch: int) -> Iterator[tuple[float, list[np.ndarray]]]:
    if not counts.any():
        yield 1.0, []
        return
    size = min(batch, int(counts.sum()))
    left = np.flatnonzero(counts)
    for some in _compositions(size, counts[left]):
        part = np.zeros_like(counts)
        part[left] = some
        weight = _hypergeometric(part, counts)
        for rest, parts in _epochs(counts - part, batch):
            yield weight * rest, [part, *parts]


def _hypergeometric(part: np.ndarray, counts: np.ndarray) -> float:
    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)

    used = np.flatnonzero(part)
    logs = sum(log_choose(int(counts[u]), int(part[u])) for u in used)
    return math.exp(logs - log_choose(int(counts.sum()), int(part.sum())))


def _compositions(size: int, counts: np.ndarray, repeat: bool = False) -> Iterator[np.ndarray]:
    """All ways to draw `size` samples, with at most counts[u] of kind u unless they may repeat."""
    n = counts.size
    single = not repeat and (counts == 1).all()
    choose = itertools.combinations if single else itertools.combinations_with_replacement
    for picked in choose(range(n), size):
        part = np.bincount(picked, minlength=n)
        if repeat or single or (part <= counts).all():
            yield part


def sample_batches(sgd: Any, n_batches: int, seed: int) -> Batches:
    """A seeded choice of batches (epochs, with shuffling), all of one weight."""
    rng = np.random.default_rng(seed)
    n, batch = sgd.loss.n_samples, sgd.batch_size
    if sgd.shuffle:
        cuts = np.arange(batch, n, batch)
        rows = [np.split(rng.permutation(n), cuts) for _ in range(n_batches)]
    elif batch == 1:
        repeats = -(-n_batches // n)
        drawn = np.concatenate([rng.permutation(n) for _ in range(repeats)])[:n_batches]
        rows = [[np.array([i])] for i in drawn]
    elif sgd.replacement:
        rows = [[r] for r in rng.integers(0, n, (n_batches, batch))]
    else:
        rows = [[rng.choice(n, batch, replace=False)] for _ in range(n_batches)]
    return Batches(rows, np.full(n_batches, 1.0 / n_batches), "sampled")
