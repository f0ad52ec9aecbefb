"""Speed of fits beside pymle and PyDDM on the same data in one run; a program that is not installed is left out.

    python -m validation.benchmarks.inference_peers

pymle fits an Ornstein-Uhlenbeck process, dX = k (m - X) dt + s dW, to one path of 20 000 steps of 0.1 by its exact density,
its Euler, Kessler and Shoji-Ozaki densities; ours by transition densities on a grid (which knows no closed form), as a general
family of three parameters. PyDDM fits a drift-diffusion model (drift, bound, non-decision time) to 2000 response times and
choices; ours a PassageModel of the same. Best of three runs, one thread (OMP_NUM_THREADS=1), compilation left out; the
estimates are printed beside the times, as a fast wrong number is no peer.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fokkerplanck as fp

REPEATS = 3
DT = 0.1
Row = tuple[str, float, str]


def path(n: int = 20_001, seed: int = 1) -> np.ndarray:
    """A stationary path (n,) with k = 1, m = 0, s^2 / 2 = D = 1."""
    rng, m = np.random.default_rng(seed), np.exp(-DT)
    x = np.empty(n)
    x[0] = rng.normal()
    kicks = np.sqrt(1 - m * m) * rng.normal(size=n)
    for i in range(1, n):
        x[i] = m * x[i - 1] + kicks[i]
    return x


def trials(n: int = 2000, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,) and choices (n,) of dX = 0.8 dt + dW from 0 to -1 or 1, 0.25 later, in steps of 0.2 ms."""
    rng, h = np.random.default_rng(seed), 2e-4
    x, times, upper = np.zeros(n), np.full(n, np.inf), np.zeros(n, dtype=bool)
    for step in range(1, 60_000):
        going = np.flatnonzero(np.isinf(times))
        if not going.size:
            break
        x[going] += 0.8 * h + np.sqrt(h) * rng.normal(size=going.size)
        done = going[np.abs(x[going]) > 1.0]
        times[done], upper[done] = step * h + 0.25, x[done] > 0
    return times, upper


def best(run: Callable[[], Any]) -> tuple[float, Any]:
    """Least of the times of REPEATS runs after a first, and what the last returned."""
    run()
    took = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        found = run()
        took.append(time.perf_counter() - begin)
    return min(took), found


def transitions() -> Iterator[Row]:
    """Fits of the linear process."""
    x = path()
    data = fp.Paths(x, dt=DT)

    def family(k: float, m: float, D: float) -> fp.FokkerPlanck:
        return fp.FokkerPlanck(drift=lambda y: k * (m - y), diffusion=D)

    for method in ("grid", "gaussian"):
        took, found = best(lambda method=method: fp.fit(data, family, start=[0.5, 0.1, 0.5], method=method))
        yield f"fokkerplanck, {method}", took, ", ".join(f"{v:.4f}" for v in found.theta)
    if importlib.util.find_spec("pymle") is None:
        return
    densities = importlib.import_module("pymle.core.TransitionDensity")
    estimator = importlib.import_module("pymle.fit.AnalyticalMLE").AnalyticalMLE
    process = importlib.import_module("pymle.models").OrnsteinUhlenbeck
    bounds = [(0.01, 10.0), (-2.0, 2.0), (0.05, 5.0)]
    for kind in ("ExactDensity", "EulerDensity", "KesslerDensity", "ShojiOzakiDensity"):

        def run(kind: str = kind) -> np.ndarray:
            with contextlib.redirect_stdout(io.StringIO()):
                fitted = estimator(x, bounds, DT, density=getattr(densities, kind)(process()))
                return np.asarray(fitted.estimate_params(np.array([0.5, 0.1, 1.0])).params)

        took, (k, m, s) = best(run)
        yield f"pymle, {kind}", took, f"{k:.4f}, {m:.4f}, {s * s / 2:.4f}"


def passages() -> Iterator[Row]:
    """Fits of response times."""
    times, upper = trials()
    data = fp.PassageTimes(times, upper)

    def model(v: float, a: float, t0: float) -> fp.PassageModel:
        return fp.PassageModel(fp.FokkerPlanck(drift=v, diffusion=0.5), bounds=(-a, a), delay=t0)

    took, found = best(lambda: fp.fit(data, model, start={"v": 0.5, "a": 0.8, "t0": 0.1}))
    yield "fokkerplanck, PassageModel", took, ", ".join(f"{v:.4f}" for v in found.theta)
    if importlib.util.find_spec("pyddm") is None:
        return
    pyddm = importlib.import_module("pyddm")
    sample = pyddm.Sample(times[upper], times[~upper], 0)

    def run() -> list[float]:
        fitted = pyddm.gddm(
            drift="v", bound="B", nondecision="t0", noise=1.0, T_dur=float(np.ceil(times.max())),
            parameters={"v": (-2.0, 3.0), "B": (0.3, 3.0), "t0": (0.0, 0.5)},
        )  # fmt: skip
        fitted.fit(sample, lossfunction=pyddm.LossLikelihood, verbose=False)
        return [float(value) for value in fitted.get_model_parameters()]

    took, values = best(run)
    yield "PyDDM, gddm", took, ", ".join(f"{v:.4f}" for v in values)


def main() -> None:
    """Both tables."""
    warnings.simplefilter("ignore")
    tables = (
        ("k, m, D of 20 000 transitions (1, 0, 1)", transitions()),
        ("v, a, t0 of 2000 passages (0.8, 1, 0.25)", passages()),
    )
    for title, rows in tables:
        print(f"\n| {title} | s | estimates |\n| --- | ---: | --- |")
        for name, took, estimates in rows:
            print(f"| {name} | {took:.3g} | {estimates} |", flush=True)


if __name__ == "__main__":
    main()
