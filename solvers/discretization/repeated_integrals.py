"""Integrals of a function, once and twice, as piecewise polynomials whose pieces are halved where they do not fit it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

NODES = 8  # of Gauss in a piece
FITS = 1e-13  # of the integral of |f|: what a piece may miss
HALVINGS = 60  # of a piece, until what is left of it is a point
MOST_PIECES = 100_000


@dataclass(frozen=True, eq=False)
class RepeatedIntegrals:
    """A function's integral from 0, and the integral from 0 of that.

    edges (m + 1,); once, twice: Legendre coefficients (k, m) on each piece, t from -1 to 1.
    left_out: of the pieces that never fitted the integrals of f and of |z f|, over those of |f| and |z f| on all.
    """

    edges: np.ndarray
    once: np.ndarray
    twice: np.ndarray
    left_out: tuple[float, float]

    @classmethod
    def of(cls, f: Callable[[np.ndarray], np.ndarray], edges: np.ndarray) -> RepeatedIntegrals | None:
        """Integrate f between the first and the last of increasing edges, 0 among them; None where it is not smooth enough."""
        fitted = _fitting(f, edges)
        if fitted is None:
            return None
        low, high, values, left_out = fitted
        coefficients = np.linalg.solve(legendre.legvander(_nodes(), NODES - 1), values)
        half = 0.5 * (high - low)
        once = legendre.legint(coefficients, lbnd=-1.0) * half
        once[0] += _before(low, once.sum(axis=0))
        twice = legendre.legint(once, lbnd=-1.0) * half
        twice[0] += _before(low, twice.sum(axis=0))
        return cls(np.append(low, high[-1]), once, twice, left_out)

    def repeated(self, period: float) -> RepeatedIntegrals:
        """Those of the function that goes on periodically, over three periods."""
        edges, whole = self.edges, 0.5 * period
        first = np.concatenate([self.edges[:-1] - period, edges[:-1], self.edges + period])
        around = float(self.at(whole) - self.at(-whole))  # what once gains in a period
        once = np.concatenate([self.once, self.once, self.once], axis=1)
        m = edges.size - 1
        once[0, :m] -= around
        once[0, 2 * m :] += around
        half = 0.5 * np.diff(first)
        twice = legendre.legint(once, lbnd=-1.0) * half
        twice[0] += _before(first[:-1], twice.sum(axis=0))
        return RepeatedIntegrals(first, once, twice, self.left_out)

    def at(self, z: np.ndarray | float) -> np.ndarray:
        """The integral from 0 to z."""
        return self._value(self.once, z)

    def twice_at(self, z: np.ndarray | float) -> np.ndarray:
        """The integral from 0 to z of the integral."""
        return self._value(self.twice, z)

    def _value(self, coefficients: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        z = np.asarray(z, dtype=float)
        piece = np.clip(np.searchsorted(self.edges, z, side="right") - 1, 0, self.edges.size - 2)
        low, high = self.edges[piece], self.edges[piece + 1]
        t = 2.0 * (z - low) / (high - low) - 1.0
        # Clenshaw's recurrence, with the coefficients of each point's own piece
        later, latest = np.zeros(z.shape), np.zeros(z.shape)
        for k in range(len(coefficients) - 1, 0, -1):
            ahead = coefficients[k][piece] + (2 * k + 1) / (k + 1) * t * later - (k + 1) / (k + 2) * latest
            later, latest = ahead, later
        return coefficients[0][piece] + t * later - 0.5 * latest


def _nodes() -> np.ndarray:
    return legendre.leggauss(NODES)[0]


def _before(low: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """What has been gained between 0 and the start of each piece, from the gain of each."""
    total = np.concatenate([[0.0], np.cumsum(gain)])
    return total[:-1] - total[np.argmin(np.abs(low))]


def _fitting(
    f: Callable[[np.ndarray], np.ndarray], edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float]] | None:
    """Pieces, low and high (m,), on each of which the polynomial through the nodes fits f, with its values (k, m) there.

    And what they leave out, see `RepeatedIntegrals`. None where the pieces become too many.
    """
    nodes, weights = legendre.leggauss(NODES)
    at_children = np.linalg.solve(
        legendre.legvander(nodes, NODES - 1).T,
        legendre.legvander(np.concatenate([0.5 * (nodes - 1.0), 0.5 * (nodes + 1.0)]), NODES - 1).T,
    ).T
    low, high = edges[:-1], edges[1:]
    values = f(_places(low, high))
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    left: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    total = float(weights @ np.abs(values) @ (high - low)) / 2.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        children = f(_places(low, middle)), f(_places(middle, high))
        miss = np.abs(at_children @ values - np.concatenate(children)).max(axis=0) * (high - low)
        total = max(total, sum(float(weights @ np.abs(c) @ (high - low)) for c in children) / 4.0)
        fits, whole = miss <= FITS * total, (low >= middle) | (middle >= high)
        rough = ~fits & ~whole
        for pieces, kind in ((done, fits), (left, ~fits & whole)):
            pieces.append((low[kind], high[kind], values[:, kind]))
        low, high = (np.concatenate(pair)[np.tile(rough, 2)] for pair in ((low, middle), (middle, high)))
        values = np.concatenate(children, axis=1)[:, np.tile(rough, 2)]
        if not low.size:
            break
        if low.size > MOST_PIECES:
            return None
    left.append((low, high, values))
    unfit, every = _joined(left), _joined(done + left)
    left_out = [a / max(b, 1e-300) for a, b in zip(_sizes(*unfit, np.sum), _sizes(*every, _absolute_sum), strict=True)]
    order = np.argsort(every[0])
    low, high, values = (part[..., order] for part in every)
    return low, high, values, (left_out[0], left_out[1])


def _joined(pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, high, values = (np.concatenate(parts, axis=-1) for parts in zip(*pieces, strict=True))
    return low, high, values


def _absolute_sum(values: np.ndarray) -> float:
    return float(np.abs(values).sum())


def _sizes(
    low: np.ndarray, high: np.ndarray, values: np.ndarray, total: Callable[[np.ndarray], float]
) -> tuple[float, float]:
    """The integral of f, summed up as given, and that of |z f|."""
    shares = 0.5 * legendre.leggauss(NODES)[1][:, None] * values * (high - low)
    return abs(float(total(shares))), _absolute_sum(_places(low, high) * shares)


def _places(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The nodes on pieces, (k, m)."""
    return 0.5 * (low + high) + 0.5 * (high - low) * _nodes()[:, None]
