"""The mini-batches that a step of SGD may draw: every distinct one with its probability, or a seeded choice of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import bad_value
from ..randomness import private_generator

if TYPE_CHECKING:
    from .algorithm import SGD

MOST = 10_000  # distinct batches up to which all of them are listed
CENTRAL_LIMIT = 30  # batches from which a normal law replaces the enumeration of too many of them

Part = tuple[np.ndarray, np.ndarray]  # kinds of samples, and how many of each


class Draw(NamedTuple):
    """The samples of one step: distinct row numbers and how often each is drawn."""

    rows: np.ndarray
    times: np.ndarray


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches, or whole epochs of batches, with their probabilities.

    Attributes
    ----------
    draws : list of list of Draw
        For each of the K choices, the samples of each step in turn: one step without shuffling, an epoch with it.
    weights : ndarray (K,)
    kind : {"enumerated", "sampled"}
    """

    draws: list[list[Draw]]
    weights: np.ndarray
    kind: str

    @property
    def steps(self) -> int:
        """Steps of SGD in one choice."""
        return len(self.draws[0])


def distinct_samples(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row number for each distinct sample, and how often it occurs."""
    flat = table.reshape(len(table), -1)
    _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order], counts[order]


def enumerate_batches(sgd: SGD) -> Batches | None:
    """All distinct batches (epochs, with shuffling), or None if there are more than `MOST`."""
    first, counts = distinct_samples(sgd.loss.table)
    n_samples = sgd.loss.n_samples
    if sgd.batch_size is None or (not sgd.replacement and sgd.batch_size == n_samples):
        return Batches([[Draw(first, counts)]], np.ones(1), "enumerated")
    caps = np.full(counts.size, sgd.samples_a_step) if sgd.replacement else counts
    if (sgd.shuffle and n_samples > 200 * sgd.samples_a_step) or _number(sgd.samples_a_step, caps) > MOST:
        return None
    chosen = list(itertools.islice(_tree(sgd, counts), MOST + 1))
    if len(chosen) > MOST:  # of epochs
        return None
    weights = np.array([w for w, _ in chosen])
    draws = [[Draw(first[kinds], times) for kinds, times in steps] for _, steps in chosen]
    return Batches(draws, weights / weights.sum(), "enumerated")


def _tree(sgd: SGD, counts: np.ndarray) -> Iterator[tuple[float, list[Part]]]:
    """(probability, distinct samples and their numbers in each step) of every distinct choice."""
    if sgd.shuffle:
        yield from _epochs(counts, sgd.samples_a_step)
    elif sgd.replacement:
        total = counts.sum()
        for kinds, times in _compositions(sgd.samples_a_step, np.full(counts.size, sgd.samples_a_step)):
            log = math.lgamma(sgd.samples_a_step + 1.0) + sum(
                c * math.log(counts[u] / total) - math.lgamma(c + 1.0) for u, c in zip(kinds, times, strict=True)
            )
            yield math.exp(log), [(kinds, times)]
    else:
        for part in _compositions(sgd.samples_a_step, counts):
            yield _hypergeometric(part, counts), [part]


def _epochs(counts: np.ndarray, batch: int) -> Iterator[tuple[float, list[Part]]]:
    if not counts.any():
        yield 1.0, []
        return
    size = min(batch, int(counts.sum()))
    for part in _compositions(size, counts):
        weight = _hypergeometric(part, counts)
        rest = counts.copy()
        rest[part[0]] -= part[1]
        for share, parts in _epochs(rest, batch):
            yield weight * share, [part, *parts]


def _hypergeometric(part: Part, counts: np.ndarray) -> float:
    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)

    logs = sum(log_choose(int(counts[u]), int(c)) for u, c in zip(*part, strict=True))
    return math.exp(logs - log_choose(int(counts.sum()), int(part[1].sum())))


def _number(size: int, caps: np.ndarray) -> int:
    """In how many ways `size` samples can be drawn, at most caps[u] of kind u; `MOST` + 1 stands for any more.

    Kind by kind: ways[k] to draw k of the kinds so far, of which each k that the others can complete counts at least once.
    """
    ways = np.zeros(size + 1, dtype=np.int64)
    ways[0] = 1
    left = int(caps.sum())
    for cap in caps.tolist():
        left -= cap
        sums = np.cumsum(ways)
        sums[cap + 1 :] -= sums[: max(size - cap, 0)].copy()
        ways = np.minimum(sums, MOST + 1)
        if ways[max(size - left, 0) :].max() > MOST:
            return MOST + 1
    return int(ways[size])


def _compositions(size: int, caps: np.ndarray) -> Iterator[Part]:
    """All ways to draw `size` samples, at most caps[u] of kind u: the kinds drawn and their numbers."""
    beyond = np.append(np.cumsum(caps[::-1])[::-1], 0)  # what the kinds from u on can give
    if size > beyond[0] - size:  # fewer are left than drawn
        for kinds, times in _compositions(int(beyond[0]) - size, caps):
            rest = caps.copy()
            rest[kinds] -= times
            used = np.flatnonzero(rest)
            yield used, rest[used]
        return

    def choose(size: int, start: int) -> Iterator[list[tuple[int, int]]]:
        if size == 0:
            yield []
        for u in range(start, caps.size if size else start):
            if beyond[u] < size:
                return
            for times in range(min(size, int(caps[u])), max(size - int(beyond[u + 1]), 1) - 1, -1):
                for rest in choose(size - times, u + 1):
                    yield [(u, times), *rest]

    for pairs in choose(size, 0):
        chosen = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        yield chosen[:, 0], chosen[:, 1]


def sample_batches(sgd: SGD, n_batches: int, seed: int) -> Batches:
    """A seeded choice of batches (epochs, with shuffling), all of one weight."""
    rng = private_generator("batches of a sampled operator", seed)
    n, batch = sgd.loss.n_samples, sgd.samples_a_step
    single = np.ones(min(n, batch), dtype=np.int64)
    if sgd.shuffle:
        cuts = np.arange(batch, n, batch)
        epochs = (np.split(rng.permutation(n), cuts) for _ in range(n_batches))
        draws = [[Draw(rows, single[: rows.size]) for rows in epoch] for epoch in epochs]
    elif batch == 1:
        repeats = -(-n_batches // n)
        drawn = np.concatenate([rng.permutation(n) for _ in range(repeats)])[:n_batches]
        draws = [[Draw(np.array([i]), single)] for i in drawn]
    elif sgd.replacement:
        draws = [[Draw(*np.unique(rng.integers(0, n, batch), return_counts=True))] for _ in range(n_batches)]
    else:
        draws = [[Draw(rng.choice(n, batch, replace=False), single)] for _ in range(n_batches)]
    return Batches(draws, np.full(n_batches, 1.0 / n_batches), "sampled")


def chosen_batches(sgd: SGD, model: str, kind: str, n_batches: int, seed: int) -> tuple[Batches | None, str]:
    """The batches to push and the word for it; None for a normal law."""
    if model == "gaussian-chain" or kind == "kernel":
        return None, "kernel"
    if kind != "sampled":
        batches = enumerate_batches(sgd)
        if batches is not None:
            return batches, batches.kind
        if kind == "enumerated":
            raise bad_value(
                "kind", "'auto', 'kernel' or 'sampled' here", kind, "There are more than 10000 distinct batches."
            )
        if not sgd.shuffle and sgd.samples_a_step >= CENTRAL_LIMIT:
            return None, "kernel"
    return sample_batches(sgd, n_batches, seed), "sampled"
