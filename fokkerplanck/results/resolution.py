"""How well a solution's own grid and steps hold it: what upwinding adds, and what the propagation loses or turns negative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.resolution import Resolution, resolution
from .solution import Solution


def worst_resolution(result: Solution, eq: FokkerPlanck, start: np.ndarray) -> Resolution:
    """`resolution` at the start and the end; where the generator changes, the worst of up to eight output times.

    Each density is judged by the generator of its own time; the start by that half way to the first output time, as
    coefficients may be singular at 0.
    """
    at, times, masses = result.generator_at, result.times, result.masses
    if at is None:
        assert result.generator is not None
        return resolution(result.generator, (start, masses[-1]))
    later = np.flatnonzero(times > 0.0)
    if later.size == 0:
        return resolution(at(0.0, start), (start,))
    chosen = np.unique(later[np.linspace(0, later.size - 1, 8).astype(int)])
    pairs = [(0.5 * float(times[chosen[0]]), start), *((float(times[i]), masses[i]) for i in chosen[:-1])]
    assert result.generator is not None
    found = [*(resolution(at(t, p), (p,)) for t, p in pairs), resolution(result.generator, (masses[-1],))]
    worst = max(found, key=lambda one: one.numerical_diffusion / max(one.diffusion, 1e-300))
    largest = max(one.peclet for one in found), max(one.added_diffusion for one in found)
    return replace(worst, peclet=largest[0], added_diffusion=largest[1])


def smallest_density(masses: np.ndarray, grid: Grid) -> float:
    """The smallest density over the largest, of masses (n_times, *grid.shape) as they were propagated."""
    density = masses / grid.volumes
    return float(density.min() / max(density.max(), 1e-300))


def without_negative(masses: np.ndarray) -> tuple[np.ndarray, float]:
    """Masses (n_times, *shape) without the negative ones that the propagation in time makes within its error, same totals.

    With the largest probability that was negative; the 1-norm changes by twice as much.
    """
    axes = tuple(range(1, masses.ndim))
    negative = -np.minimum(masses, 0.0).sum(axis=axes)
    if not negative.any():
        return masses, 0.0
    total = np.maximum(masses.sum(axis=axes), 0.0)
    kept = total / np.maximum(total + negative, 1e-300)
    return np.maximum(masses, 0.0) * kept.reshape(-1, *[1] * len(axes)), float(negative.max())


def mass_error(q: Generator, masses: np.ndarray, atoms: Mapping[float, np.ndarray], supplied: np.ndarray) -> float:
    """How far the mass is from what was put in by each time, (n_times,), where no wall absorbs."""
    total = masses.reshape(len(masses), -1).sum(axis=1) + sum(atoms.values())
    return 0.0 if q.loses else float(np.abs(total - supplied).max())
