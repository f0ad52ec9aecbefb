"""Fixtures: a solve that checks mass and sign on every run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import fokkerplanck as fp

# Left out by `pytest -m "not slow"`: the beginnings of names
LINES = Path(__file__).with_name("slow_tests.txt").read_text(encoding="utf-8").splitlines()
SLOW = tuple(line for line in LINES if line and not line.startswith("#"))


def pytest_collection_modifyitems(items):
    """Mark the tests of SLOW."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")


def pytest_xdist_auto_num_workers(config):
    """The whole suite runs on two to four cores; tests that are named run in this process, which starts sooner."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return min(os.cpu_count() or 1, 4) if whole and not config.option.collectonly else 0


def _check_invariants(solution: fp.Solution, rtol: float = 1e-6) -> fp.Solution:
    """Mass kept (or falling, where walls absorb), density nonnegative, and both reported as they are."""
    allowed = max(1e-11, solution.stats["error_estimate"])
    mass = solution.masses.reshape(solution.times.size, -1).sum(axis=1) + sum(solution.atoms.values())
    if solution.grid.absorbs:
        assert mass[0] <= 1.0 + allowed
        assert (np.diff(mass) <= allowed).all()
    else:
        assert np.abs(mass - 1.0).max() <= allowed
        assert solution.stats["mass_error"] == pytest.approx(np.abs(mass - 1.0).max(), abs=1e-14)
    for density in solution.density:
        assert density.min() >= -rtol * density.max()
        if solution.method == "uniformization":
            assert density.min() >= 0.0
    assert solution.stats["error_estimate"] <= max(rtol, 1e-12)
    assert solution.success
    return solution


@pytest.fixture(scope="session")
def check_invariants():
    return _check_invariants


@pytest.fixture(scope="session")
def solve():
    """`fp.solve`, with `check_invariants` on what comes back."""

    def run(eq, grid, p0, times, **options):
        return _check_invariants(fp.solve(eq, grid, p0, times, **options), options.get("rtol", 1e-6))

    return run


@pytest.fixture(scope="session")
def l1():
    """Distance of a density on a grid to another one given there."""

    def distance(grid, density, reference):
        return float((np.abs(density - reference) * grid.volumes).sum())

    return distance
