"""Boxes that are found for a density; exact are the normal laws of linear drifts."""

import numpy as np
import pytest

import fokkerplanck as fp

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


def off(solution, i, mean, variance):
    x = solution.grid.centers[0]
    exact = np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return float((np.abs(solution.density[i] - exact) * solution.grid.volumes).sum())


@pytest.mark.parametrize("tol", [1e-2, 1e-3])
def test_a_law_that_moves_and_widens(tol):
    solution = fp.solve(OU, None, fp.gaussian(2, 0.3), [0.5, 1.0], tol=tol)
    for i, decay in enumerate(np.exp(-solution.times)):
        assert off(solution, i, 2 * decay, 0.09 * decay**2 + 0.5 * (1 - decay**2)) <= tol


def test_free_diffusion_from_a_point():
    solution = fp.solve(fp.FokkerPlanck(diffusion=0.5), None, fp.point(3.0), [1.0, 9.0], tol=1e-3)
    assert max(off(solution, 0, 3.0, 1.0), off(solution, 1, 3.0, 9.0)) <= 1e-3


def test_long_horizons_leave_no_box_far_wider_than_the_density():
    solution = fp.solve(OU, None, fp.point(1.0), [1e6], tol=1e-3)
    assert np.ptp(solution.grid.edges[0]) < 30 * np.sqrt(0.5)
    assert off(solution, 0, 0.0, 0.5) <= 1e-3


def test_a_plane():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x - 2 * y, 2 * x - y], diffusion=0.5)
    solution = fp.solve(eq, None, fp.gaussian([2, 0], 0.3), [0.5], tol=3e-2)
    decay = np.exp(-0.5)
    mean = 2 * decay * np.array([np.cos(1.0), np.sin(1.0)])
    np.testing.assert_allclose(solution.mean()[0], mean, atol=0.03)
    variance = 0.09 * decay**2 + 0.5 * (1 - decay**2)
    x, y = solution.grid.coordinates()
    exact = np.exp(-((x - mean[0]) ** 2 + (y - mean[1]) ** 2) / (2 * variance)) / (2 * np.pi * variance)
    assert (np.abs(solution.density[0] - exact) * solution.grid.volumes).sum() <= 3e-2


def test_where_no_box_holds_the_density():
    eq = fp.FokkerPlanck(drift=lambda x: x**3, diffusion=0.5)
    with pytest.raises(fp.ConvergenceError, match="no box was found") as caught:
        fp.solve(eq, None, fp.gaussian(0, 1), [3.0], tol=1e-2)
    assert caught.value.partial.mass[-1] < 0.9


@pytest.mark.parametrize("p0", [lambda x: np.exp(-(x**2)), dict])
def test_starts_that_say_nothing_of_a_place_are_refused(p0):
    with pytest.raises(ValueError, match="`grid` must be a Box or a Grid"):
        fp.solve(OU, None, p0, [1.0], tol=1e-2)


def test_jumps_are_refused():
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(stability=1.5))
    with pytest.raises(ValueError, match="equation with jumps"):
        fp.solve(eq, None, fp.gaussian(0, 1), [1.0], tol=1e-2)


def test_the_start_alone():
    assert fp.solve(OU, None, fp.gaussian(0, 1), 0, tol=1e-3).error["density"].max() <= 1e-3
