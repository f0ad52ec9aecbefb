"""The loop over grids until a tolerance is met, on errors that are known."""

from types import SimpleNamespace

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.accuracy.refinement import Attempt, refined, with_cells


def of_order(p, size=1.0, tried=None):
    def attempt(grid):
        if tried is not None:
            tried.append(grid.shape)
        error = size * (64.0 / grid.shape[0]) ** p
        return Attempt(SimpleNamespace(grid=grid, error=SimpleNamespace(note="")), error, p, True)

    return attempt


@pytest.mark.parametrize("p", [1.0, 2.0, 4.0])
def test_the_tolerance_is_met_without_waste(p):
    tried = []
    found = refined(of_order(p, tried=tried), fp.Box((0, 1)), 1e-3)
    assert found.error <= 1e-3
    assert found.result.grid.size <= 1.3 * 64 * 1000 ** (1 / p)
    assert len(tried) <= 7


def test_what_needs_too_many_cells_is_not_tried():
    tried = []
    with pytest.raises(fp.ConvergenceError, match="would take some") as caught:
        refined(of_order(1.0, tried=tried), fp.Box([(0, 1)] * 3), 1e-6)
    assert len(tried) == 1
    assert caught.value.partial.grid.shape == tried[0]


def test_an_answer_that_does_not_converge_counts_twice_and_one_with_hidden_features_never():
    def attempt(grid):
        result = SimpleNamespace(grid=grid, error=SimpleNamespace(note=""))
        return Attempt(result, 0.08, 0.0, False, hidden=grid.size < 200)

    assert refined(attempt, fp.Box((0, 1)), 0.2).result.grid.size == 256
    with pytest.raises(fp.ConvergenceError, match="not converging"):
        refined(attempt, fp.Box((0, 1)), 0.1)


def test_a_first_grid_that_is_too_coarse_is_left_for_finer_ones():
    def attempt(grid):
        if grid.size < 500:
            raise ValueError("no cell center")
        return of_order(2.0)(grid)

    assert refined(attempt, fp.Box((0, 1)), 0.5).result.grid.size == 512
    with pytest.raises(ValueError, match="no cell center"):
        refined(attempt, fp.Grid((0, 1), 64), 0.5)


def test_more_cells_keep_the_grading_and_the_walls():
    graded = fp.Grid.from_edges(np.linspace(0, 1, 41) ** 2, ("absorbing", "reflecting"))
    more = with_cells(graded, 2.0)
    np.testing.assert_allclose(more.edges[0], np.linspace(0, 1, 81) ** 2, atol=2e-4)
    assert more.boundary == graded.boundary
    assert with_cells(fp.Grid([(0, 1), (0, 1)], [1, 10]), 1.5).shape == (1, 16)
