"""Coefficients that change in time, 300 cells: `fp.solve` and SciPy's Radau, each at the loosest tolerance
with which its error stays below TARGET; the two take turns on the clock."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.integrate import solve_ivp

import fokkerplanck as fp
from fokkerplanck.model.initial_density import initial_masses

from .measure import clock, job

GRID = fp.Grid((-6, 6), 300)
TARGET = 1e-6  # in the 1-norm
LADDER = (0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def _spring(force: Callable[[Any], Any], diffusion: float) -> fp.FokkerPlanck:
    return fp.FokkerPlanck(drift=lambda x, t: -x + force(t), diffusion=diffusion)


# equation, horizon, deviation of the start at 0, and SciPy's max_step, without which it steps over the pulses
PROBLEMS = {
    "pulse": (_spring(lambda t: np.where((t > 4.03) & (t < 4.08), 20.0, 0.0), 0.1), 5.0, 0.3162, 0.04),
    "smooth pulse": (_spring(lambda t: 20 * np.exp(-(((t - 4.03) / 0.01) ** 2)), 0.1), 10.0, 0.3162, 0.02),
    "switch-on of D": (fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x), 2.0, 0.3, np.inf),
    "cos 50t": (_spring(lambda t: np.cos(50 * t), 0.5), 5.0, 0.5, np.inf),
    "cos 1000t": (_spring(lambda t: np.cos(1000 * t), 0.5), 5.0, 0.5, np.inf),
}


def ours(name: str, rtol: float) -> np.ndarray:
    """Masses at the end by `fp.solve`, scan and set-up included, the error of the grid not measured, as SciPy does not."""
    eq, horizon, deviation, _ = PROBLEMS[name]
    return fp.solve(eq, GRID, fp.gaussian(0, deviation), horizon, rtol=rtol, error=False).masses[-1]


def scipy_radau(name: str, rtol: float) -> np.ndarray:
    """The same by `solve_ivp` with the exact tridiagonal Jacobian; the rates are written out with numpy."""
    eq, horizon, deviation, max_step = PROBLEMS[name]
    x, h, n = GRID.edges[0][1:-1], float(GRID.widths[0][0]), GRID.size

    def rates(t: float) -> tuple[np.ndarray, np.ndarray]:
        v = np.zeros(x.size) if eq.drift is None else eq.drift(x, t)
        d = (eq.diffusion(x, t) if callable(eq.diffusion) else np.full(x.size, eq.diffusion)) / h
        w = np.divide(v, d, out=np.zeros_like(v), where=d > 0)
        small = np.abs(w) < 1e-8
        bernoulli = np.where(small, 1.0, w / np.expm1(np.where(small, 1.0, w)))
        return (d * bernoulli + v) / h, d * bernoulli / h

    def change(t: float, p: np.ndarray) -> np.ndarray:
        up, down = rates(t)
        flux = up * p[:-1] - down * p[1:]
        return np.append(0.0, flux) - np.append(flux, 0.0)

    def jacobian(t: float, p: np.ndarray) -> sp.csc_array:
        up, down = rates(t)
        return sp.diags_array([up, -np.append(up, 0) - np.append(0, down), down], offsets=[-1, 0, 1], format="csc")

    start = initial_masses(fp.gaussian(0, deviation), GRID)[0]
    options = {"rtol": rtol, "atol": 1e-3 * rtol, "jac": jacobian, "max_step": max_step, "t_eval": [horizon]}
    found = solve_ivp(change, (0.0, horizon), start, method="Radau", **options)
    assert found.y.shape == (n, 1), found.message
    return found.y[:, -1]


@functools.cache
def reference(run: Callable[[str, float], np.ndarray], name: str) -> np.ndarray:
    """Masses at the end of the same program at rtol = 1e-9: errors are those in time alone."""
    return run(name, 1e-9)


def loosest(run: Callable[[str, float], np.ndarray], name: str) -> tuple[float, float]:
    """The loosest tolerance of the ladder whose error is below TARGET, and that error."""
    for rtol in LADDER:
        error = float(np.abs(run(name, rtol) - reference(run, name)).sum())
        if error < TARGET:
            return rtol, error
    return LADDER[-1], error


def run_one(started: float, name: str, repeats: int) -> dict[str, Any]:
    """Processor seconds of both, medians of alternating runs."""
    (mine, my_error), (theirs, their_error) = loosest(ours, name), loosest(scipy_radau, name)
    seconds: dict[str, list[float]] = {"ours": [], "scipy": []}
    for _ in range(repeats):
        seconds["scipy"].append(clock(lambda: scipy_radau(name, theirs))[1])
        seconds["ours"].append(clock(lambda: ours(name, mine))[1])
    own, other = (statistics.median(seconds[who]) for who in ("ours", "scipy"))
    return {
        "processor": own,
        "error": my_error,
        "scipy_processor": other,
        "scipy_error": their_error,
        "ratio": other / own,
        "tolerance": f"{mine:g}, SciPy {theirs:g}",
    }


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """A row a problem, each in a process of its own."""
    for name in PROBLEMS:
        if not (quick and name == "cos 1000t"):
            yield {"label": name, "n": GRID.size} | job(run_one, name=name, repeats=1 if name == "cos 1000t" else 5)
