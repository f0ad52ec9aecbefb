"""The stationary density of the double well with rotation: ours, one sparse factorisation of the same matrix, fplanck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import splu

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator

from .cases import DOUBLE_WELL
from .measure import clock, medians
from .peers import fplanck_matrix
from .peers.ours import problem


def ours(n: int) -> Callable[[], np.ndarray]:
    """One call of `fp.stationary`."""
    eq, grid, _ = problem(DOUBLE_WELL, n)
    return lambda: fp.stationary(eq, grid).density


def factorization(n: int) -> Callable[[], np.ndarray]:
    """One SuperLU factorisation and one solve, with one cell held fixed, on the matrix given."""
    eq, grid, _ = problem(DOUBLE_WELL, n)
    matrix = generator(eq, grid).matrix.tocsc()
    fixed = grid.size // 2
    others = np.delete(np.arange(grid.size), fixed)
    inner, source = matrix[others][:, others], -matrix[others][:, [fixed]].toarray().ravel()

    def run() -> np.ndarray:
        masses = np.ones(grid.size)
        masses[others] = splu(inner, permc_spec="MMD_AT_PLUS_A").solve(source)
        return (masses / masses.sum()).reshape(grid.shape) / grid.volumes

    return run


def fplanck(n: int) -> Callable[[], np.ndarray]:
    """Its `steady_state`, on the matrix that it has built."""
    made = fplanck_matrix.model(DOUBLE_WELL, n)
    return lambda: made.steady_state() / DOUBLE_WELL.spacing(n) ** 2


WAYS = {"fokkerplanck": ours, "one splu": factorization, "fplanck": fplanck}


def run_one(started: float, way: str, n: int) -> dict[str, Any]:
    """One way on one grid."""
    _, setup, run = clock(lambda: WAYS[way](n))
    run()
    first_call = time.time() - started
    timing = medians(run, least=5, budget=4.0)
    density = timing.pop("result")
    volume = DOUBLE_WELL.spacing(n) ** 2
    judged = {"smallest": float(density.min()), "mass_error": float(density.sum() * volume - 1.0)}
    return {"label": way, "n": n, "setup": setup, "first_call": first_call} | timing | judged
