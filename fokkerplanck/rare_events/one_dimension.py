"""Least action on a line: there is one path, and its cost is an integral."""

from __future__ import annotations

import numpy as np

from .action import Hamiltonian
from .result import PathCost

PANELS, NODES, DEPTH = 64, 10, 44  # panels to begin with, Gauss nodes in each, and how often one is halved
RTOL = 1e-11
DIVERGES = 0.99  # parts of an integral from panels of half the width, above which they add up to infinity
LAST = 10  # halvings over which that is judged


def line_action(hamiltonian: Hamiltonian, a: float, b: float) -> PathCost:
    """int_a^b F(x, +-1) dx by Gauss quadrature, panels halved where both halves tell otherwise.

    The integrand has corners at equilibria and may be singular where the noise vanishes: panels shrink towards such points.
    An integral to which each halving adds as much as the one before is infinite.
    """
    direction = np.sign(b - a)
    left, width = np.linspace(a, b, PANELS + 1)[:-1], np.full(PANELS, (b - a) / PANELS)
    whole, place = _integrals(hamiltonian, left, width, direction)
    edges: list[np.ndarray] = []
    values: list[np.ndarray] = []
    levels: list[float] = []
    for _ in range(DEPTH):
        if place is not None:
            return PathCost.infinite(place)
        halves = np.stack([left, left + 0.5 * width]), np.stack([0.5 * width, 0.5 * width])
        flat, place = _integrals(hamiltonian, halves[0].ravel(), halves[1].ravel(), direction)
        parts = flat.reshape(2, -1)
        total = sum(levels) + whole.sum()
        open_ = np.abs(parts.sum(axis=0) - whole) > RTOL * max(total, 1e-300)
        edges.append(left[~open_])
        values.append(parts.sum(axis=0)[~open_])
        levels.append(float(values[-1].sum()))
        if not open_.any():
            break
        left, width, whole = (h[:, open_].ravel() for h in (*halves, parts))
    else:
        late = np.array(levels[-LAST:])
        if late[-1] > DIVERGES**LAST * late[0] or whole.sum() > sum(levels):
            return PathCost.infinite((float(left[np.argmax(whole)]),))
        ratio = (late[-1] / late[0]) ** (1.0 / (LAST - 1))
        edges.append(left[:1])
        values.append(np.array([late[-1] * ratio / (1.0 - ratio)]))
    return _assembled(np.concatenate(edges), np.concatenate(values), b, direction)


def _integrals(
    hamiltonian: Hamiltonian, left: np.ndarray, width: np.ndarray, direction: float
) -> tuple[np.ndarray, tuple[float] | None]:
    """The integral over each panel, and a point where the integrand is infinite."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    x = left[:, None] + width[:, None] * 0.5 * (nodes + 1.0)
    cost = hamiltonian.cost(x.reshape(1, -1), np.full((1, x.size), direction)).value.reshape(x.shape)
    if np.isinf(cost).any():
        return cost[:, 0], (float(x[np.isinf(cost)][0]),)
    return 0.5 * np.abs(width) * (cost @ weights), None


def _assembled(edges: np.ndarray, values: np.ndarray, end: float, direction: float) -> PathCost:
    order = np.argsort(direction * edges)
    path = np.append(edges[order], end)[:, None]
    cost = np.concatenate([[0.0], np.cumsum(values[order])])
    return PathCost(path, cost, 1e-9 * float(cost[-1]))
