"""Memory: 96^3 cells without factorisation, and how many copies of the density a propagation holds."""

from __future__ import annotations

import resource
import time
import warnings
from typing import Any

import numpy as np

import fokkerplanck as fp
from fokkerplanck.model.initial_density import initial_masses
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.evolution.exponential import propagate

from .cases import DOUBLE_WELL
from .measure import clock, peak_memory
from .peers.ours import problem

RATES, DIFFUSION = np.array([1.0, 2.0, 0.5]), np.array([0.5, 0.2, 0.1])
MEAN, STD = np.array([1.5, 0.5, -1.0]), 0.3
BOX = [(-4.5, 4.5), (-2.0, 2.0), (-3.0, 3.0)]


def product_gaussian(grid: fp.Grid, t: float) -> np.ndarray:
    """Exact density of three Ornstein-Uhlenbeck processes with rates and D of their own."""
    decay = np.exp(-RATES * t)
    variance = DIFFUSION / RATES + (STD**2 - DIFFUSION / RATES) * decay**2
    lines = zip(grid.coordinates(), MEAN * decay, variance, strict=True)
    x, y, z = (np.exp(-0.5 * (c - m) ** 2 / v) / np.sqrt(2 * np.pi * v) for c, m, v in lines)
    return x * y * z


def run_3d(started: float, n: int) -> dict[str, Any]:
    """`fp.solve` on n^3 cells to t = 1, with the largest memory of the whole process."""
    eq = fp.FokkerPlanck(
        drift=lambda x, y, z: (-RATES[0] * x, -RATES[1] * y, -RATES[2] * z), diffusion=DIFFUSION.tolist()
    )
    start = fp.gaussian(MEAN, STD)
    with warnings.catch_warnings(action="ignore"):  # too coarse, but it loads the compiled code
        fp.solve(eq, fp.Grid(BOX, [8] * 3), start, 0.01)
    grid = fp.Grid(BOX, [n] * 3)
    with peak_memory() as peak:
        wall, processor, solution = clock(lambda: fp.solve(eq, grid, start, 1.0))
    density = solution.density[-1]
    return {
        "n": n,
        "method": solution.method,
        "products": solution.stats.get("products", 0),
        "first_call": time.time() - started,
        "wall": wall,
        "processor": processor,
        "error": float((np.abs(density - product_gaussian(grid, 1.0)) * grid.volumes).sum()),
        "smallest": float(density.min()),
        "mass_error": solution.stats["mass_error"],
        "copies": peak["bytes"] / (8.0 * grid.size),
        "process_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def run_copies(started: float, n: int, whole: bool) -> dict[str, Any]:
    """Largest memory during a propagation in 2D, in copies of the density: `fp.solve` as a whole, or beyond a Q in hand."""
    eq, grid, start = problem(DOUBLE_WELL, n)
    small = problem(DOUBLE_WELL, 16)
    with warnings.catch_warnings(action="ignore"):  # likewise
        fp.solve(*small, 0.01, method="chebyshev")
    masses = initial_masses(start, grid)[0].ravel()
    q = generator(eq, grid)
    q_copies = q.operator.bands.size / grid.size
    with peak_memory() as peak:
        if whole:
            fp.solve(eq, grid, start, 1.0, method="chebyshev")
        else:
            list(propagate(q, masses, np.array([1.0]), "chebyshev", 1e-6))
    return {"n": n, "whole": whole, "copies": peak["bytes"] / (8.0 * grid.size), "bands": q_copies}
