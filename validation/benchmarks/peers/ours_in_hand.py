"""This package with the generator in hand: what peers are charged for, the propagation alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fokkerplanck.model.initial_density import initial_masses
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.evolution.exponential import propagate

from ..cases import Case
from .ours import problem

LABEL, PACKAGE = "fokkerplanck, generator in hand", "fokkerplanck"


def prepare(case: Case, n: int, rtol: float = 1e-6) -> Callable[[], np.ndarray]:
    """The generator and the initial masses."""
    eq, grid, start = problem(case, n)
    q = generator(eq, grid)
    _ = q.operator, q.outflow
    masses = initial_masses(start, grid)[0].ravel()

    def run() -> np.ndarray:
        ((result, *_),) = propagate(q, masses, np.array([1.0]), "auto", rtol)
        return result.reshape(grid.shape) / grid.volumes

    return run
