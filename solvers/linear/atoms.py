"""Points that keep what arrives: how much of the probability is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...arguments import call
from ..discretization.generator import Generator
from .first_passage import solve_backward


def atom_shares(q: Generator) -> dict[float, np.ndarray]:
    """The probability v (n,) of ending in each point that keeps what arrives, from each cell.

    As d(v . P)/dt = v . Q P is minus what arrives, the point has gained v . P(0) - v . P(t) by the time t.
    """
    everywhere = np.ones(q.grid.size, dtype=bool)
    return {position: solve_backward(q, everywhere, rates) for position, rates in q.atoms.items()}


def atoms_over_time(
    q: Generator,
    start: np.ndarray,
    times: np.ndarray,
    masses: np.ndarray,
    at: Callable[[float, np.ndarray], Generator] | None,
    given: np.ndarray | None = None,
) -> dict[float, np.ndarray]:
    """Position -> mass at each output time, (n_times,).

    Parameters
    ----------
    q : Generator
    start : ndarray (*grid.shape)
        Masses at time 0.
    times : ndarray (n_times,)
    masses : ndarray (n_times, *grid.shape)
    at : callable or None
        The generator at a time for given masses, where it changes. What has left is then all in the one point there is, or
        shared by the rates of arrival at the output times.
    given : ndarray (n_times, n) or None
        Masses that have entered besides by each time.
    """
    if not q.atoms:
        return {}
    more = np.zeros((times.size, q.grid.size)) if given is None else given
    rows = masses.reshape(times.size, -1)
    if at is None:
        shares = atom_shares(q)
        return {x: np.maximum(v @ start.ravel() + more @ v - rows @ v, 0.0) for x, v in shares.items()}
    gone = np.maximum(start.sum() + more.sum(axis=1) - rows.sum(axis=1), 0.0)
    if len(q.atoms) == 1 and not q.loses:
        return {next(iter(q.atoms)): gone}
    before = np.vstack([start.ravel(), rows[:-1]])
    moments = np.concatenate([[0.0], times])
    names, arrived = list(q.atoms), np.zeros((len(q.atoms) + 1, times.size))
    for i, (low, high) in enumerate(zip(before, rows, strict=True)):
        ends = [at(float(t), p) for t, p in ((moments[i], low), (moments[i + 1], high))]
        for k, x in enumerate(names):
            arrived[k, i] = sum(float(g.atoms.get(x, 0.0 * p) @ p) for g, p in zip(ends, (low, high), strict=True))
        arrived[-1, i] = sum(g.outflux(p) for g, p in zip(ends, (low, high), strict=True))
    part = np.diff(gone, prepend=0.0) / np.maximum(arrived[-1], 1e-300)
    return {x: np.cumsum(arrived[k] * part) for k, x in enumerate(names)}


def final_atoms(q: Generator, start: np.ndarray | None) -> dict[float, float]:
    """Position -> mass in the end, from initial masses (n,); all of it where there is one point and nothing else."""
    if not q.atoms:
        return {}
    if start is None:
        return dict.fromkeys(q.atoms, 1.0)
    return {x: float(v @ start) for x, v in atom_shares(q).items()}


def at_atoms(observe: Any, name: str, atoms: Mapping[float, np.ndarray]) -> Any:
    """What the mass at points adds to the expectation of observe[name], (n_times,)."""
    if not atoms:
        return 0.0
    values = call(f"observe[{name!r}]", observe[name], (np.array(list(atoms)),))
    return sum(v * mass for v, mass in zip(np.broadcast_to(values, len(atoms)), atoms.values(), strict=True))
