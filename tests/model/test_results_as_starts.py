"""What a computation ends with starts the next one: on its own grid to the last bit, on others by shares of cells."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.initial_density import initial_masses, law_of_result

EQ = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
GRID = fp.Grid((-5, 5), 200)


@pytest.fixture(scope="module")
def solution():
    return fp.solve(EQ, GRID, fp.gaussian(1.0, 0.3), [0.2, 0.5])


def test_a_solution_starts_where_it_ended(solution):
    direct = fp.solve(EQ, GRID, fp.gaussian(1.0, 0.3), [1.0])
    for start in (solution, solution.density[-1]):
        again = fp.solve(EQ, GRID, start, [0.5])
        assert np.abs(again.masses[-1] - direct.masses[-1]).sum() < 1e-5
    assert again.stats["initial_mass"] == pytest.approx(1.0, abs=1e-6)


def test_negative_rounding_is_no_negative_density(solution):
    density = solution.density[-1].copy()
    density[0] = -7.5e-52
    masses, _ = initial_masses(density, GRID)
    assert masses[0] == 0.0
    density[0] = -1e-3 * density.max()
    with pytest.raises(ValueError, match=r"`p0` must be finite and nowhere negative, got -0\.00"):
        initial_masses(density, GRID)


def test_every_result_with_a_density_or_paths_is_a_start(solution):
    rest = fp.stationary(EQ, GRID)
    assert initial_masses(rest, GRID)[0] @ GRID.centers[0] ** 2 == pytest.approx(0.5, rel=0.01)  # D / k
    paths = fp.simulate(EQ, 0.7, [0.1, 0.4], dt=0.01, n_paths=4000, seed=3)
    masses = initial_masses(paths, GRID)[0]
    assert masses @ GRID.centers[0] == pytest.approx(paths.mean()[-1, 0], abs=1e-12)
    again = fp.simulate(EQ, solution, [0.01], dt=0.01, n_paths=40_000, seed=5)
    assert again.mean()[0, 0] == pytest.approx(np.exp(-0.51), abs=5 * 0.6 / 200)


def test_other_grids_take_shares_of_cells():
    """By hand: two cells of mass 1/4 and 3/4 on (0, 2) in cells [0, .5], [.5, 1.5], [1.5, 2], [2, 3]."""
    eq = fp.FokkerPlanck(diffusion=1.0)
    coarse = fp.Grid((0, 2), 2)
    result = fp.solve(eq, coarse, np.array([0.25, 0.75]), [0.0])
    masses = law_of_result(result).masses(fp.Grid.from_edges([0.0, 0.5, 1.5, 2.0, 3.0]))
    np.testing.assert_allclose(masses, [0.125, 0.125 + 0.375, 0.375, 0.0], atol=1e-15)
    plane = fp.solve(eq, fp.Grid([(0, 1), (0, 2)], [1, 2]), np.array([[0.25, 0.75]]), [0.0])
    masses = law_of_result(plane).masses(fp.Grid([(0, 0.5), (0, 1)], [1, 2]))
    np.testing.assert_allclose(masses, [[0.0625, 0.0625]], atol=1e-15)
    with pytest.raises(ValueError, match="`p0` must be given in 2 dimension"):
        law_of_result(result).masses(plane.grid)


def test_a_start_outside_the_box_is_refused():
    """Scaled up, what is left of gaussian(5, .1) in (-2, 2) is 1e198 times its mass: no start of anybody."""
    grid = fp.Grid((-2, 2), 100)
    for start in (fp.gaussian(5, 0.1), fp.gaussian(5, 1.0), fp.uniform(1.95, 9.0)):
        with pytest.raises(ValueError, match=r"`p0` must be a density with (most of its )?mass inside the box"):
            fp.solve(EQ, grid, start, [1.0])
    with pytest.warns(UserWarning, match=r"`p0` has mass 0\.5 in the box; it was scaled to 1"):
        initial_masses(fp.gaussian(2.0, 0.2), grid)
