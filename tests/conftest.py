"""Fixtures: a solve that checks mass and sign on every run."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fokkerplanck as fp

# Left out by `pytest -m "not slow"`: whole examples, studies, commands and pages, and single tests of a second and more
SLOW = (
    "tests/docs/",
    "tests/examples/",
    "tests/validation/",
    "tests/test_cli.py",
    "tests/test_fuzz.py",
    "tests/test_interruptions.py",
    "tests/workflows/test_deep_linear_study.py",
    "tests/workflows/test_sweep.py",
    "tests/comparison/test_compare.py::test_joint_laws_in_two_dimensions",
    "tests/comparison/test_distances.py::test_error_bars_of_divergence_and_moments_cover",
    "tests/deep_linear/test_network.py::TestNoise::test_covariance_of_the_batch_gradient",
    "tests/deep_linear/test_network.py::TestNoise::test_elliptic_stable_noise",
    "tests/deep_linear/test_network.py::TestNoise::test_langevin_has_the_same_trace_in_every_direction",
    "tests/networks/test_page.py",
    "tests/networks/test_training.py::TestToys::",
    "tests/sgd/test_loss.py::test_second_process_finds_the_compiled_code",
    "tests/sgd/test_loss.py::test_second_derivatives_too_long_to_compile_are_refused_before_the_work",
    "tests/sgd/test_transfer_operator.py::test_current_of_a_turning_chain",
    "tests/sgd/test_transfer_operator.py::test_waiting_density_equals_simulation",
    "tests/sgd/test_two_datapoints.py::",
    "tests/simulation/test_levy_paths.py::",
    "tests/solvers/discretization/test_levy_rates.py::test_characteristic_function",
    "tests/solvers/discretization/test_tensor_diffusion.py::test_positive_accurate_and_second_order_at_high_condition",
    "tests/solvers/evolution/test_exponential.py::test_the_error_is_within_its_estimate_and_the_estimate_within_the_tolerance",
    "tests/solvers/evolution/test_time_dependent.py::test_the_error_estimate_covers_the_error",
    "tests/statistics/test_tail_test.py::test_verdicts_hold_in_small_samples",
    "tests/statistics/test_two_sample.py::test_level_in_long",
    "tests/test_invariants.py::",
)


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
