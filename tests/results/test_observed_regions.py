"""Expectations of functions that change inside a cell, such as the probability of a narrow region."""

import numpy as np
import pytest
from scipy.stats import norm

import fokkerplanck as fp
from fokkerplanck.results.requests import on_grid

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
DEVIATION = np.sqrt(0.25 * np.exp(-2) + 0.5 * (1 - np.exp(-2)))


@pytest.mark.parametrize(("low", "high"), [(0.48, 0.52), (0.5, 0.9), (0.41, 0.415), (-0.37, np.inf)])
def test_the_probability_of_a_region_wherever_its_edges_lie(low, high):
    """The first holds no center of a cell: 0 was said for .018."""
    inside = lambda x: ((x > low) & (x < high)).astype(float)  # noqa: E731
    sol = fp.solve(OU, fp.Grid((-6, 6), 100), fp.gaussian(0, 0.5), [1.0], observe={"inside": inside}, error=False)
    right = norm.cdf(high, scale=DEVIATION) - norm.cdf(low, scale=DEVIATION)
    assert sol.observed["inside"][0] == pytest.approx(right, rel=0.06, abs=1e-4)  # p is level in a cell


def test_a_disc_in_the_plane():
    eq, cells = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.5), fp.Grid([(-4, 4)] * 2, [40, 40])
    disc = lambda x, y: np.where(x * x + y * y < 0.3**2, 1.0, 0.0)  # noqa: E731
    sol = fp.solve(eq, cells, fp.gaussian([0, 0], np.sqrt(0.5)), [1.0], observe={"disc": disc}, error=False)
    assert sol.observed["disc"][0] == pytest.approx(1 - np.exp(-(0.3**2)), rel=0.03)


@pytest.mark.parametrize("function", [lambda x: x**2 - x, np.cos, lambda x: 3.0, lambda x: np.exp(-(x**2))])
def test_smooth_functions_are_read_at_the_centers(function):
    grid = fp.Grid((-6, 6), 100)
    np.testing.assert_array_equal(on_grid(function, grid, "observe"), function(grid.centers[0]) + 0 * grid.centers[0])
