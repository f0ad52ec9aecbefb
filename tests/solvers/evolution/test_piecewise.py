"""Coefficients that rest between jumps: one exponential for each piece."""

import numpy as np
import pytest
from scipy.sparse.linalg import expm_multiply

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.evolution.time_scan import Timetable


def steps(t: np.ndarray) -> np.ndarray:
    """A rate that falls in two steps."""
    return np.where(t < 0.5, 1.0, np.where(t < 1.25, 0.4, 0.1))


@pytest.mark.parametrize("cells", [384, 32])
def test_falling_steps_are_products_of_exponentials(cells):
    dim = 1 if cells == 384 else 2
    still = [
        fp.FokkerPlanck(drift=lambda *x, c=c: [-c * x[0], *[-c * y + c * x[0] for y in x[1:]]], diffusion=0.3 * c)
        for c in (1.0, 0.4, 0.1)
    ]
    eq = fp.FokkerPlanck(
        drift=lambda *x, t: [-steps(t) * x[0], *[-steps(t) * y + steps(t) * x[0] for y in x[1:]]],
        diffusion=lambda *x, t: 0.3 * steps(t) + 0.0 * x[0],
    )
    grid = fp.Grid([(-3, 3)] * dim, cells)
    start, times = fp.gaussian([1.0] * dim, 0.4), [0.0, 0.3, 0.5, 2.0]
    found = fp.solve(eq, grid, start, times, error=False)
    q = [generator(one, grid).matrix for one in still]
    p = [found.masses[0].ravel()]
    p.append(expm_multiply(0.3 * q[0], p[0]))
    p.append(expm_multiply(0.2 * q[0], p[1]))
    p.append(expm_multiply(0.75 * q[2], expm_multiply(0.75 * q[1], p[2])))
    for right, ours in zip(p, found.masses, strict=True):
        assert np.abs(ours.ravel() - right).sum() < 1e-6
    assert found.stats.steps is None  # nothing was stepped
    assert found.stats.pieces == 3


def test_what_moves_is_stepped_and_what_rests_is_not():
    def strength(t):
        return np.where(t < 1.0, 1.0, 1.0 + np.sin(3.0 * (t - 1.0)))

    eq = fp.FokkerPlanck(drift=lambda x, t: strength(t) - x, diffusion=0.05)
    found = fp.solve(eq, fp.Grid((-2, 3), 400), fp.gaussian(0.0, 0.2), [0.5, 1.0, 2.0], error=False)
    assert {"radau"} < set(found.method.split(" + "))
    mean = [1.0 - np.exp(-0.5), 1.0 - np.exp(-1.0)]
    # at 2, from m(1): m' = 1 + sin 3 s - m
    decay = np.exp(-1.0)
    mean.append(mean[1] * decay + 1.0 - decay + (np.sin(3.0) - 3.0 * np.cos(3.0) + 3.0 * decay) / 10.0)
    assert found.mean()[:, 0] == pytest.approx(mean, abs=2e-4)  # 400 cells: 1.3e-4


def test_a_change_that_the_samples_in_time_see_only_in_space_is_no_rest():
    """Constant at most points, moving in a part of the box: the piece is stepped."""

    def drift(x, t):
        return -x + 5.0 * np.sin(9.0 * t) * np.exp(-(((x - 1.0) / 0.1) ** 2))

    eq = fp.FokkerPlanck(drift=drift, diffusion=0.2)
    found = fp.solve(eq, fp.Grid((-3, 3), 200), fp.gaussian(1.0, 0.3), [1.0], error=False)
    fine = fp.solve(eq, fp.Grid((-3, 3), 200), fp.gaussian(1.0, 0.3), [1.0], error=False, rtol=1e-10, max_step=0.01)
    assert found.method == "radau"
    assert np.abs(found.masses - fine.masses).sum() < 1e-6


def test_masses_are_never_negative():
    """Rounding of a thousand products is below zero where the density is below it."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    found = fp.solve(eq, fp.Grid((-6, 6), 1920), fp.point(2.0), [0.1, 0.5, 1.0], error=False)
    assert found.stats.min_density < 0.0
    assert found.density.min() == 0.0
    assert found.mass == pytest.approx(1.0, abs=1e-12)


def test_a_longest_step_does_not_cut_a_rest():
    """Sampled as finely as the step asks for, and found to rest, it takes two exponentials and not 20 000."""
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.1 + np.where((t > 1.1) & (t < 1.1001), 1000.0, 0.0) + 0.0 * x)
    found = fp.solve(eq, fp.Grid((-6, 6), 300), fp.gaussian(0, 0.3), [2.0], max_step=1e-4, error=False)
    assert found.covariance()[0, 0, 0] == pytest.approx(0.69, rel=1e-4)
    assert found.stats.products < 10_000


def test_runs_of_pieces_that_rest_end_at_jumps():
    still = np.array([True, True, False, True, True])
    table = Timetable(np.arange(6.0), np.arange(5.0), np.array([1.0, 2.0, 3.0, 3.9999, 5.0]), still)
    assert table.rests() == [(0, 2), (3, 4), (4, 5)]
    assert Timetable(np.arange(6.0), np.arange(5.0), np.arange(1.0, 6.0)).rests() == []
