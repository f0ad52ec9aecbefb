"""How time and memory grow with the cells and with the number of settings, errors measured as by default."""

from __future__ import annotations

import resource
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import fokkerplanck as fp

from .measure import clock, job
from .report import Row

SMALLEST = {1: 32, 2: 16, 3: 8}
CELLS = {1: (1000, 10_000, 100_000), 2: (128, 256, 512), 3: (32, 64, 128)}
SETTINGS = (10, 100, 1000)
QUESTIONS = ("density", "stationary", "first passage")


def _equation(dim: int) -> fp.FokkerPlanck:
    """A well in which the first two coordinates turn."""

    def drift(*x: np.ndarray) -> list[np.ndarray]:
        turning = [-x[0] - x[1], x[0] - x[1]] if dim > 1 else [-x[0]]
        return [*turning, *(-y for y in x[2:])]

    return fp.FokkerPlanck(drift=drift, diffusion=0.5)


def _ask(question: str, dim: int, n: int) -> Any:
    eq, grid = _equation(dim), fp.Grid([(-4.0, 4.0)] * dim, n)
    if question == "density":
        return fp.solve(eq, grid, fp.gaussian([1.0] * dim, 0.5), [0.5, 1.0])
    if question == "stationary":
        return fp.stationary(eq, grid)
    return fp.first_passage(eq, grid, lambda *x: sum(y * y for y in x) > 4.0)


def run_one(started: float, question: str, dim: int, n: int) -> dict[str, Any]:
    """Processor time and largest memory of a question on n^dim cells; compiled code is loaded before."""
    with warnings.catch_warnings(action="ignore"):
        _ask(question, dim, SMALLEST[dim])
        wall, processor, _ = clock(lambda: _ask(question, dim, n))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"n": n, "wall": wall, "processor": processor, "process_peak": peak}


def escape(rate: float) -> float:
    """A setting of a sweep: a mean escape time on 200 cells."""
    eq = fp.FokkerPlanck(potential=lambda x: (x * x - 1.0) ** 2 / 4.0, diffusion=rate)
    return fp.first_passage(eq, fp.Grid((-2.0, 2.0), 200), lambda x: x > 0.0).at(-1.0)


def run_sweep(started: float, count: int, workers: int) -> dict[str, Any]:
    """Wall time of a sweep, its processes started before."""
    settings = [{"rate": 0.1 + 0.1 * k / count} for k in range(count)]
    fp.sweep(escape, settings[:workers], workers=workers)
    wall, _, found = clock(lambda: fp.sweep(escape, settings, workers=workers))
    assert len(found) == count
    return {"settings": count, "wall": wall, "each": wall / count}


def rows(quick: bool) -> Iterator[Row]:
    """Every question on every grid, and sweeps over processes."""
    for dim, sizes in CELLS.items():
        for n in sizes[: 2 if quick else 3]:
            for question in QUESTIONS:
                yield {"label": f"{question}, {dim}D"} | job(run_one, question=question, dim=dim, n=n)
    for count in SETTINGS[: 2 if quick else 3]:
        yield {"label": "sweep of passages, two processes"} | job(run_sweep, count=count, workers=2)
