"""How well a solution's own grid and steps hold it: what upwinding adds, and how far the mass strays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..model.equation import FokkerPlanck
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
    pairs = [(0.5 * float(times[chosen[0]]), start), *((float(times[i]), masses[i]) for i in chosen)]
    found = [resolution(at(t, p), (p,)) for t, p in pairs]
    worst = max(found, key=lambda one: one.numerical_diffusion / max(one.diffusion, 1e-300))
    largest = max(one.peclet for one in found), max(one.added_diffusion for one in found)
    return replace(worst, peclet=largest[0], added_diffusion=largest[1])


def mass_error(q: Generator, masses: np.ndarray, atoms: Mapping[float, np.ndarray]) -> float:
    """How far the mass is from 1, where no wall absorbs."""
    total = masses.reshape(len(masses), -1).sum(axis=1) + sum(atoms.values())
    return 0.0 if q.loses else float(np.abs(total - 1.0).max())
