"""What the links of a rate matrix say: a chain of neighbours, and how far its spectrum can leave the real axis."""

from __future__ import annotations

import numpy as np

from .generator import Generator

NEAR, TRANSFORMED = 1e-9, 8e-10  # seconds a cell and an operation, as measured on one core


def chain_rates(q: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Rates (up, down, kill) of a generator with neighbour links only in 1D, else None."""
    if q.reaches_far or q.grid.dim > 1 or [link.stride for link in q.links] not in ([1], []):
        return None
    up, down = np.zeros(q.grid.size), np.zeros(q.grid.size)
    for link in q.links:
        up[link.lower] = link.forward
        down[link.upper] = link.backward
    negligible = 1e-100 * q.outflow.max(initial=0.0)  # they would breed subnormal numbers
    return np.where(up < negligible, 0.0, up), np.where(down < negligible, 0.0, down), q.escape


def advection_rate(q: Generator) -> float:
    """The largest sum over a cell's links of |f - b| / 2: how far the spectrum can leave the real axis."""
    total = np.zeros(q.grid.size)
    for link in q.links:
        excess = 0.5 * np.abs(link.forward - link.backward)
        total += np.bincount(link.lower, weights=excess, minlength=total.size)
        total += np.bincount(link.upper, weights=excess, minlength=total.size)
    if q.reset is not None:  # what leaves a cell for good, as far as links are told, enters others
        total += 0.5 * np.maximum(q.escape, q.reset * q.escape.sum())
    return float(total.max(initial=0.0)) + (0.0 if q.jumps is None else q.jumps.skew)


def product_seconds(q: Generator) -> float:
    """Roughly what Q P takes, by what it does: its cells, and the operations of the transforms of its jumps."""
    return NEAR * q.grid.size + (0.0 if q.jumps is None else TRANSFORMED * q.jumps.operations)
