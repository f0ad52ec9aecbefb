"""Grids of half as many cells, and fine answers read on them."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.accuracy.coarsening import (
    as_function,
    at_centers,
    coarsened,
    coarsened_equation,
    coarsened_start,
)


def test_pairs_of_cells_are_merged():
    grid = fp.Grid([(-1, 3), (0, 1)], [40, 20], boundary=[("absorbing", "reflecting"), "periodic"])
    coarse = coarsened(grid)
    assert coarse.shape == (20, 10)
    assert coarse.boundary == grid.boundary
    for fine, wide in zip(grid.edges, coarse.edges, strict=True):
        np.testing.assert_array_equal(wide, fine[::2])


@pytest.mark.parametrize("n", [9, 41, 97])
def test_odd_numbers_of_cells_are_halved_upwards(n):
    even, graded = coarsened(fp.Grid((0, 1), n)), coarsened(fp.Grid.from_edges(np.linspace(0, 1, n + 1) ** 1.3))
    assert even.shape == graded.shape == ((n + 1) // 2,)
    np.testing.assert_allclose(even.edges[0], np.linspace(0, 1, (n + 1) // 2 + 1), atol=1e-15)
    np.testing.assert_allclose(graded.edges[0], np.linspace(0, 1, (n + 1) // 2 + 1) ** 1.3, atol=3e-4)
    assert graded.edges[0][0] == 0.0
    assert graded.edges[0][-1] == 1.0


def test_short_axes_stay():
    assert coarsened(fp.Grid([(0, 1), (0, 1)], [7, 16])).shape == (7, 8)


@pytest.mark.parametrize("grid", [fp.Grid((0, 1), 24), fp.Grid.from_edges(np.linspace(0, 1, 26) ** 1.2)])
def test_cubics_are_read_exactly(grid):
    coarse = coarsened(grid)
    x, at = grid.centers[0], coarse.centers[0]
    np.testing.assert_allclose(at_centers(x**3 - x, grid, coarse), at**3 - at, atol=1e-14)


def test_reading_is_fourth_order_on_a_circle_and_in_the_plane():
    errors = []
    for n in (24, 48):
        grid = fp.Grid([(0, 2 * np.pi), (0, 1)], [n, n], boundary=["periodic", "reflecting"])
        coarse = coarsened(grid)
        fields = [np.sin(x) * np.cos(2 * y) * np.ones((3, 1, 1)) for x, y in (grid.coordinates(), coarse.coordinates())]
        errors.append(np.abs(at_centers(fields[0], grid, coarse) - fields[1]).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.2)


def test_coefficients_and_starts_on_the_cells_are_carried():
    grid = fp.Grid([(-1, 1), (-1, 1)], [16, 24])
    coarse = coarsened(grid)
    x = np.broadcast_arrays(*grid.coordinates())[0]
    eq = fp.FokkerPlanck(drift=[-x, lambda x, y: -y], diffusion=[[1.0 + x**2, 0.0], [0.0, 0.5]])
    new = coarsened_equation(eq, grid, coarse)
    u = np.broadcast_arrays(*coarse.coordinates())[0]
    np.testing.assert_allclose(new.drift[0], -u, atol=1e-14)
    assert new.drift[1] is eq.drift[1]
    np.testing.assert_allclose(new.diffusion[0][0], 1.0 + u**2, atol=1e-14)
    assert new.diffusion[1][1] == 0.5
    functions = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.5)
    assert coarsened_equation(functions, grid, coarse) is functions


def test_starts_on_the_cells_are_carried():
    grid = fp.Grid([(-1, 1), (-1, 1)], [32, 24])
    coarse = coarsened(coarsened(grid))
    start = np.zeros(grid.shape)
    start[5, 5] = 1.0 / grid.volumes[5, 5]
    masses = coarsened_start(start, grid, coarse) * coarse.volumes
    assert masses[1, 1] == pytest.approx(1.0)
    wide = [np.exp(-(x**2 + y**2) / 0.1) for x, y in (grid.coordinates(), coarse.coordinates())]
    np.testing.assert_allclose(coarsened_start(wide[0], grid, coarse), wide[1], atol=2e-3)
    assert coarsened_start(fp.point([0.0, 0.0]), grid, coarse) is not None


def test_a_mask_is_a_function_of_the_cells():
    grid = fp.Grid((0, 1), 10)
    inside = as_function(grid.centers[0] > 0.5, grid)
    np.testing.assert_array_equal(inside(np.array([0.0, 0.4999, 0.5, 0.77, 1.0])), [False, False, True, True, True])
