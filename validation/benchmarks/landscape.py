"""The two-datapoint landscape of SGD: its density to t = 1000, and path steps a second on one core."""

from __future__ import annotations

import time
from typing import Any

import fokkerplanck as fp

from .measure import medians


def _sgd() -> fp.SGD:
    loss = fp.SampleLoss("-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)", parameters=["w"], data={"pit": [0, 1]})
    return fp.SGD(loss, learning_rate=0.02, batch_size=1)


def run_density(started: float, cells: int = 4000) -> dict[str, Any]:
    """`fp.solve` of the first-order equation from N(0.5, 0.175^2)."""
    eq, grid, start = _sgd().equation(), fp.Grid((-0.5, 2.5), cells), fp.gaussian(0.5, 0.175)

    def run() -> fp.Solution:
        return fp.solve(eq, grid, start, 1000.0, error=False)

    run()
    first_call = time.time() - started
    timing = medians(run)
    solution = timing.pop("result")
    judged = {"mass_error": solution.stats["mass_error"], "smallest": float(solution.density.min())}
    return {"n": cells, "method": solution.method, "first_call": first_call} | timing | judged


def run_paths(started: float, n_paths: int = 20_000, steps: int = 1000) -> dict[str, Any]:
    """Path steps a second of the true SGD on one thread."""
    sgd, start = _sgd(), fp.gaussian(0.5, 0.175)

    def run() -> fp.Ensemble:
        return sgd.simulate(start, [0, steps], n_paths=n_paths, seed=0, threads=1)

    run()
    first_call = time.time() - started
    timing = medians(run)
    timing.pop("result")
    return {"steps": n_paths * steps, "rate": n_paths * steps / timing["processor"], "first_call": first_call} | timing
