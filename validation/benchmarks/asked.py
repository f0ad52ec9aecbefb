"""Errors that are asked for: `fp.solve(eq, fp.Box(...), p0, t, tol=...)` beside peers whose cells somebody has chosen well.

Ours is charged for all of its search: every grid on the way, and the measured errors of each. The peers are charged for one run
on the cells and the tolerance given here, their matrices in hand; nobody tells them the error. In one dimension Chebyshev
collocation also measures its own, by twice as many points, and is charged for its search. All run in one process, in turns.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fokkerplanck as fp

from . import chebyshev
from .cases import CASES, Case
from .measure import clock, job

TURNS, LONG = 7, 1.0  # times that each is run, and the seconds of processor from which once is enough
CELLS = {1: 400, 2: 96}  # centers an axis at which the polynomials are read
TOLERANCES = {"ou": (1e-2, 1e-3, 1e-4, 1e-5, 1e-6), "double_well": (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)}
SPECTRAL = {
    "ou": ((32, 1e-3), (40, 1e-4), (48, 1e-5), (56, 1e-6), (64, 1e-7)),
    "double_well": ((48, 1e-5), (56, 1e-6), (64, 1e-6), (72, 1e-7)),
}
PEERS: dict[str, dict[str, tuple[tuple[int, dict[str, Any]], ...]]] = {
    "ou": {
        "scipy_expm": tuple((n, {}) for n in (100, 200, 400, 800)),
        "fplanck_matrix": tuple((n, {}) for n in (100, 200, 400)),
        "fipy_implicit": ((100, {"steps": 20}), (200, {"steps": 80})),
        "py_pde": tuple((n, {}) for n in (100, 200, 400)),
    },
    "double_well": {
        "scipy_expm": tuple((n, {}) for n in (64, 128, 256)),
        "fplanck_matrix": tuple((n, {}) for n in (64, 128)),
        "fipy_implicit": ((32, {"steps": 20}), (64, {"steps": 40})),
        "py_pde": tuple((n, {}) for n in (64, 128)),
    },
}

Way = tuple[dict[str, Any], Callable[[], Any], Callable[[Any], float]]  # its row, a run, and the error of what came out


def rows(quick: bool = False) -> Iterator[dict[str, Any]]:
    """Every way of each case, in one process a case."""
    for case in CASES:
        found = job(run_case, case=case, quick=quick)
        failed = {"label": case, "case": f"asked_{case}", "peer": "asked", "skipped": found.get("skipped", "")}
        yield from found.get("rows", [failed])


def run_case(started: float, case: str, quick: bool) -> dict[str, Any]:
    """All ways of a case in turns: medians of their processor seconds, and errors."""
    ways = list(_ways(CASES[case], quick))
    spent: list[list[float]] = [[] for _ in ways]
    errors = [math.nan] * len(ways)
    for k, (_, run, judge) in enumerate(ways):  # what compiles does so here
        _, first, result = clock(run)
        errors[k] = judge(result)
        if first > LONG:
            spent[k].append(clock(run)[1] if first < 3.0 * LONG else first)
    for _ in range(TURNS):
        for k, (_, run, _) in enumerate(ways):
            if not spent[k] or spent[k][0] <= LONG:
                spent[k].append(clock(run)[1])
    table = [
        row | {"case": f"asked_{case}", "processor": statistics.median(times), "repeats": len(times), "error": error}
        for (row, _, _), times, error in zip(ways, spent, errors, strict=True)
    ]
    return {"rows": table}


def _ways(case: Case, quick: bool) -> Iterator[Way]:
    yield from (_asked(case, tol) for tol in TOLERANCES[case.name] if not quick or tol >= 1e-3)
    if case.dim == 1:
        yield from (_asked_of_polynomials(case, tol) for tol in TOLERANCES[case.name] if not quick or tol >= 1e-3)
    for n, rtol in SPECTRAL[case.name][: 1 if quick else None]:
        row = {"peer": "chebyshev", "label": "Chebyshev collocation", "n": n, "tolerance": f"{rtol:g}"}
        yield row, chebyshev.prepare(case, n, rtol), lambda p, n=n: _error_of_polynomial(case, n, p)
    for peer, runs in PEERS[case.name].items():
        module = importlib.import_module(f"{__package__}.peers.{peer}")
        with contextlib.suppress(ImportError):
            importlib.import_module(module.PACKAGE)
            for n, options in runs[: 1 if quick else None]:
                row = {"peer": peer, "label": module.LABEL, "n": n}
                yield row, module.prepare(case, n, **options), lambda p: case.judge(p)["error"]


def _asked(case: Case, tol: float) -> Way:
    eq = fp.FokkerPlanck(drift=case.drift if case.dim > 1 else lambda x: case.drift(x)[0], diffusion=case.diffusion)
    start = fp.gaussian(case.mean if case.dim > 1 else case.mean[0], case.std)
    box = fp.Box([case.box] * case.dim)

    def run() -> fp.Solution:
        return fp.solve(eq, box, start, 1.0, tol=tol)

    row: dict[str, Any] = {"peer": "asked", "label": "fokkerplanck, tol", "n": 0, "tolerance": f"{tol:g}"}

    def judge(found: fp.Solution) -> float:
        row["n"] = found.grid.shape[0]
        return case.judge(found.density[-1])["error"]

    return row, run, judge


def _asked_of_polynomials(case: Case, tol: float) -> Way:
    """The polynomials with an error that they measure themselves, their matrices made on the way, as ours are."""
    row: dict[str, Any] = {
        "peer": "chebyshev_asked",
        "label": "Chebyshev collocation, tol",
        "n": 0,
        "tolerance": f"{tol:g}",
    }

    def judge(found: tuple[int, np.ndarray]) -> float:
        row["n"], density = found
        return _error_of_polynomial(case, found[0], density)

    return row, chebyshev.asked(case, tol), judge


def _error_of_polynomial(case: Case, n: int, density: np.ndarray) -> float:
    return case.judge(chebyshev.at_centers(case, n, density, CELLS[case.dim]))["error"]
