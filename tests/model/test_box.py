"""A box without cells."""

import numpy as np
import pytest

import fokkerplanck as fp


def test_divided_it_is_the_grid_of_its_bounds_and_walls():
    walls = [("absorbing", "reflecting"), "periodic"]
    grid, given = fp.Box([(-2, 2), (0, 1)], walls).divided([8, 5]), fp.Grid([(-2, 2), (0, 1)], [8, 5], walls)
    assert grid.boundary == given.boundary
    for ours, theirs in zip(grid.edges, given.edges, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_pair_of_walls_in_one_dimension():
    assert fp.Box((0, 1), ("absorbing", "reflecting")).divided(4).boundary == (("absorbing", "reflecting"),)


def test_without_a_tolerance_it_is_refused():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    with pytest.raises(TypeError, match="tol=1e-3"):
        fp.stationary(eq, fp.Box((-2, 2)))
