"""Wasserstein distances between laws: by quantiles on a line, sliced along many lines, or by optimal transport."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np

from ..errors import bad_value
from ..randomness import private_generator
from .distribution import Law, squares, standard_error, torus_squares

DIRECTIONS = 24  # lines on which the sliced distance projects


Quantiles = tuple[np.ndarray, np.ndarray, np.ndarray]


def quantiles(points: np.ndarray, weights: np.ndarray, edges: np.ndarray | None) -> Quantiles:
    """The quantile function in pieces: shares u (m + 1,), and its values at both ends of each piece, (m,) each."""
    if edges is not None:
        used = weights > 0.0
        u = np.concatenate([[0.0], np.cumsum(weights[used])])
        return u / u[-1], edges[:-1][used], edges[1:][used]
    order = np.argsort(points, kind="stable")
    u = np.concatenate([[0.0], np.cumsum(weights[order])])
    return u / u[-1], points[order], points[order]


def pieces(of: Quantiles, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of a quantile function at both ends of pieces of u, (k,) each, none of which holds one of its shares."""
    shares, low, high = of
    piece = np.clip(np.searchsorted(shares, 0.5 * (first + last), side="right") - 1, 0, low.size - 1)
    span = np.maximum(shares[piece + 1] - shares[piece], 1e-300)
    parts = (np.clip((u - shares[piece]) / span, 0.0, 1.0) for u in (first, last))
    start, end = (low[piece] + part * (high[piece] - low[piece]) for part in parts)
    return start, end


def square(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The mean square of what goes linearly from `start` to `end`."""
    return np.asarray((start**2 + start * end + end**2) / 3.0)


def absolute(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The mean absolute value of what goes linearly from `start` to `end`."""
    total = np.abs(start) + np.abs(end)
    crossing = (start**2 + end**2) / np.where(total > 0.0, total, 1.0)
    return np.asarray(0.5 * np.where(start * end < 0.0, crossing, total))


def _line_distance(a: Quantiles, b: Quantiles, order: int) -> float:
    """The integral of |Q_a - Q_b|^order over u, exactly: both are linear on each piece of the common division."""
    u = np.union1d(a[0], b[0])
    ends = zip(pieces(a, u[:-1], u[1:]), pieces(b, u[:-1], u[1:]), strict=True)
    start, end = (x - y for x, y in ends)
    return float(np.diff(u) @ (square if order == 2 else absolute)(start, end))


def _potential(values: np.ndarray, other: Quantiles, order: int) -> np.ndarray:
    """The Kantorovich potential at samples on a line: its slope is that of the cost |x - T(x)|^order, T = Q_b(F_a)."""
    rank = np.argsort(values, kind="stable")
    x = values[rank]
    shares, low, high = other
    u = (np.arange(x.size) + 0.5) / x.size
    piece = np.clip(np.searchsorted(shares, u, side="right") - 1, 0, low.size - 1)
    part = (u - shares[piece]) / np.maximum(shares[piece + 1] - shares[piece], 1e-300)
    apart = x - (low[piece] + np.clip(part, 0.0, 1.0) * (high[piece] - low[piece]))
    slope = order * np.abs(apart) ** (order - 1) * np.sign(apart)
    heights = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(x))])
    result = np.empty_like(heights)
    result[rank] = heights
    return result


def sliced(a: Law, b: Law, order: int) -> tuple[float, float]:
    """The sliced distance, on a line the distance itself, and its standard error."""
    dim = a.dim
    if dim == 1:
        directions = np.ones((1, 1))
    elif dim == 2:
        angle = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        directions = private_generator("directions of the sliced distance").normal(size=(4 * DIRECTIONS, dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    total, heights = 0.0, [np.zeros(len(x.points)) for x in (a, b)]
    for e in directions:
        edges = [x.grid.edges[0] if x.grid is not None and dim == 1 else None for x in (a, b)]
        lines = [quantiles(x.points @ e, x.weights, edge) for x, edge in zip((a, b), edges, strict=True)]
        total += _line_distance(lines[0], lines[1], order)
        for own, x, other in ((heights[0], a, lines[1]), (heights[1], b, lines[0])):
            if x.grid is None:
                own += _potential(x.points @ e, other, order)
    scale = np.sqrt(dim) if order == 2 else 1.0 / np.abs(directions[:, 0]).mean()
    power = total / len(directions)
    value = float(scale * power ** (1.0 / order))
    error = standard_error((a, b), [h / len(directions) for h in heights]) * scale**order
    return value, root_error(error, value, order)


def root_error(error: float, value: float, order: int) -> float:
    """The standard error of W from that of W^order."""
    return error / (order * max(value, 1e-300) ** (order - 1))


def has_transport_package() -> bool:
    """Whether the package POT is installed."""
    return importlib.util.find_spec("ot") is not None


def transport_package(method: str) -> Any:
    """The package POT where it is wanted and installed."""
    if method == "sliced":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # POT's own, at its first import
            warnings.simplefilter("ignore", DeprecationWarning)
            import ot
    except ImportError:
        then = "Install it with: pip install POT. The sliced distance is another one."
        raise bad_value("method", "'sliced' without the package POT", method, then) from None
    return ot


def optimal(ot: Any, a: Law, b: Law, order: int) -> tuple[float, float]:
    """The distance by linear programming; the dual potentials give its standard error."""
    far = torus_squares(a, b) if a.has_circles else np.maximum(squares(a, b), 0.0)
    cost = np.sqrt(far) ** order
    total, log = ot.emd2(a.weights, b.weights, cost, log=True, numItermax=10_000_000)
    value = float(max(total, 0.0)) ** (1.0 / order)
    return value, root_error(standard_error((a, b), (log["u"], log["v"])), value, order)


def assigned(x: np.ndarray, y: np.ndarray, order: int = 1) -> float:
    """The distance between as many samples x as y, both (n, dim), exactly: by the best assignment of one to the other."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    cost = cdist(x, y) ** order
    return float(cost[linear_sum_assignment(cost)].mean()) ** (1.0 / order)
