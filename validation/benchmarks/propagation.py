"""Density at t = 1: all programs on the cases of `cases.py`, and how their errors fall with the work."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import Any

from .cases import CASES
from .measure import clock, job, medians

# case, peer, (cells an axis, options) ...; the last are as large as some minutes allow
RUNS: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {
    ("ou", "ours"): [(n, {}) for n in (50, 100, 200, 400, 800, 1600)],
    ("ou", "ours_in_hand"): [(n, {}) for n in (50, 100, 200, 400, 800, 1600)],
    ("ou", "scipy_expm"): [(n, {}) for n in (100, 200, 400, 800)],
    ("ou", "fplanck_matrix"): [(n, {}) for n in (100, 200, 400, 800)],
    ("ou", "fipy_implicit"): [(100, {"steps": 20}), (200, {"steps": 80}), (400, {"steps": 400})],
    ("ou", "py_pde"): [*((n, {}) for n in (100, 200, 400, 800)), (400, {"call": "solve"})],
    ("double_well", "ours"): [(n, {}) for n in (32, 64, 128, 256, 512)],
    ("double_well", "ours_in_hand"): [(n, {}) for n in (32, 64, 128, 256, 512)],
    ("double_well", "scipy_expm"): [(n, {}) for n in (32, 64, 128, 256)],
    # at 32^2 the rates exp(-dU/2) of fplanck reach 1e8, and its run takes many minutes
    ("double_well", "fplanck_matrix"): [(n, {}) for n in (64, 128, 256)],
    ("double_well", "fipy_implicit"): [(32, {"steps": 20}), (64, {"steps": 40}), (128, {"steps": 80})],
    ("double_well", "py_pde"): [(n, {}) for n in (64, 128, 256)],
}
QUICK = {"ou": 400, "double_well": 64}  # cells at most


def rows(quick: bool = False) -> Iterator[dict[str, Any]]:
    """Every run of `RUNS`, each in a process of its own; a peer that fails gives one row with "skipped"."""
    for (case, peer), sizes in RUNS.items():
        for n, options in sizes:
            if quick and (n > QUICK[case] or options.get("steps", 0) > 100):
                continue
            row = job(run_one, case=case, peer=peer, n=n, **options)
            yield {"case": case, "peer": peer, "label": peer, "n": n} | row
            if "skipped" in row:
                break


def full_label(label: str, options: dict[str, Any]) -> str:
    """The name of a program with what was asked of it."""
    shown = [f"{v} steps" if k == "steps" else f"{v} call" if k == "call" else f"{k} {v}" for k, v in options.items()]
    return label + (f" ({', '.join(shown)})" if shown else "")


def run_one(started: float, case: str, peer: str, n: int, **options: Any) -> dict[str, Any]:
    """One program on one grid: set-up, first run, medians of the runs that follow, and what came out."""
    module = importlib.import_module(f"{__package__}.peers.{peer}")
    importlib.import_module(module.PACKAGE)
    problem = CASES[case]
    _, setup, run = clock(lambda: module.prepare(problem, n, **options))
    first, *_ = clock(run)
    first_call = time.time() - started
    timing = medians(run, least=1 if first > 5.0 else 3)  # a run of many seconds needs no crowd of repeats
    judged = problem.judge(timing.pop("result"))
    return {"label": full_label(module.LABEL, options), "setup": setup, "first_call": first_call} | timing | judged
