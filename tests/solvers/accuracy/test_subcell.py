"""What is smaller than a cell is seen by looking inside; what the cells resolve is not reported."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.errors import SubcellWarning
from fokkerplanck.solvers.accuracy.subcell import cells_that_see, hidden_feature


def everywhere(grid):
    return np.ones(grid.shape, dtype=bool)


def test_a_barrier_inside_a_cell_is_found():
    """8 kT high and a tenth of a cell wide beside a center: no grid of such cells feels it."""
    grid = fp.Grid((-4, 4), 80)
    eq = fp.FokkerPlanck(potential=lambda x: x**2 / 2 + 8 * np.exp(-(((x - 0.2) / 0.02) ** 2)), diffusion=1.0)
    found = hidden_feature(eq, grid, everywhere(grid))
    assert found.matters
    assert found.bump > 5.0
    assert found.place[0] == pytest.approx(0.2, abs=0.05)
    away = np.abs(grid.centers[0]) > 1.0
    assert not hidden_feature(eq, grid, away).matters  # where nobody goes, nothing is said


def test_the_warning_says_how_many_cells_resolve_it():
    """A bump of 8 kT over .02: on a link of length L at most 8 (L / .02)^2 / 4 kT stray, below 1 at 640 cells or 1280."""
    grid = fp.Grid((-4, 4), 80)
    eq = fp.FokkerPlanck(potential=lambda x: x**2 / 2 + 8 * np.exp(-(((x - 0.2) / 0.02) ** 2)), diffusion=1.0)
    (cells,) = cells_that_see(eq, grid, everywhere(grid))
    assert not hidden_feature(eq, fp.Grid((-4, 4), cells), np.ones(cells, dtype=bool)).matters
    assert 320 < cells <= 2560
    with pytest.warns(SubcellWarning, match=f"Take {cells} cells, which resolve it"):
        fp.stationary(eq, grid)
    fine = fp.stationary(eq, fp.Grid((-4, 4), cells))
    assert fine.error["density"].max() < 0.1
    pole = fp.FokkerPlanck(drift=lambda x: -1.0 / np.where(x == 0.0, np.nan, x), diffusion=1.0)
    assert cells_that_see(pole, grid, everywhere(grid)) is None
    given = fp.FokkerPlanck(drift=1e3 * grid.centers[0], diffusion=1.0)
    assert cells_that_see(given, grid, everywhere(grid)) is None


def test_a_parabola_strays_from_its_chord_by_a_known_amount():
    """V = k x^2 / 2 in kT over a link of length L: k L^2 / 8 in the middle."""
    grid = fp.Grid((-1, 1), 20)
    found = hidden_feature(fp.FokkerPlanck(drift=lambda x: -3 * x, diffusion=0.5), grid, everywhere(grid))
    assert found.bump == pytest.approx(3 / 0.5 * 0.1**2 / 8, rel=1e-6)
    assert found.ratio == pytest.approx(1.0)


def test_a_dip_of_the_noise_inside_a_cell_is_found_and_a_step_is_none():
    grid = fp.Grid((0, 1), 20)
    dip = fp.FokkerPlanck(diffusion=lambda x: 1.0 - 0.95 * np.exp(-(((x - 0.5) / 0.005) ** 2)))
    step = fp.FokkerPlanck(drift=1.0, diffusion=lambda x: np.where(x < 0.5, 1.0, 1e-4))
    assert hidden_feature(dip, grid, everywhere(grid)).ratio > 2.0
    near = np.abs(grid.centers[0] - 0.5) < 0.1
    assert not hidden_feature(step, grid, near).matters


@pytest.mark.parametrize("zero", [0.5, 0.51, 0.525])
def test_a_zero_of_the_noise_is_no_hidden_feature(zero):
    grid = fp.Grid((0, 1), 20)
    eq = fp.FokkerPlanck(drift=lambda x: 0.3 - x, diffusion=lambda x: (x - zero) ** 2)
    assert not hidden_feature(eq, grid, everywhere(grid)).matters


def test_a_ridge_in_the_plane_is_found_on_a_part_of_the_lines():
    grid = fp.Grid([(-1, 1), (-1, 1)], 256)
    eq = fp.FokkerPlanck(
        drift=lambda x, y: (-x, 3e4 * (y - 0.004) * np.exp(-(((y - 0.004) / 1e-3) ** 2))), diffusion=1e-3
    )
    found = hidden_feature(eq, grid, everywhere(grid))
    assert found.matters
    assert found.place[1] == pytest.approx(0.004, abs=0.004)


@pytest.mark.parametrize(
    "eq", [fp.FokkerPlanck(drift=1.0, diffusion=0.0), fp.FokkerPlanck(diffusion=[[1, 0.5], [0.5, 1]])]
)
def test_nothing_is_said_where_there_is_no_potential(eq):
    grid = fp.Grid((0, 1), 20) if eq.drift else fp.Grid([(0, 1)] * 2, 10)
    assert hidden_feature(eq, grid, everywhere(grid)) is None


def test_fields_on_the_cells_have_no_inside():
    grid = fp.Grid((-1, 1), 20)
    eq = fp.FokkerPlanck(drift=-grid.centers[0], diffusion=0.5)
    assert not hidden_feature(eq, grid, everywhere(grid)).matters


@pytest.mark.parametrize(
    ("drift", "d", "matters"),
    [
        (lambda x: 50.0 * np.cos(40.0 * x) + 60.0, 1e-3, False),  # all one way, carried by the drift
        (lambda x: -(x - 0.13), 1e-9, False),  # a sink without noise: the density is drawn to a point
        (lambda x: -300.0 * (x - 0.13), 1e-1, True),  # a well of some kT
        (lambda x: x - 0.13, 1e-9, True),  # a barrier without noise
    ],
)
def test_where_the_drift_carries_paths_no_shape_of_the_potential_matters(drift, d, matters):
    grid = fp.Grid((-1, 1), 20)
    assert hidden_feature(fp.FokkerPlanck(drift=drift, diffusion=d), grid, everywhere(grid)).matters == matters
