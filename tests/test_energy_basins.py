"""Basins by descent, and Lamperti coordinates."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp


def test_two_wells_meet_at_the_barrier():
    grid = fp.Grid((-2, 2), 81)
    label = fp.basins(lambda x: (x * x - 1) ** 2 + 0.3 * x, grid)
    barrier = 0.0756  # 4 x (x^2 - 1) + 0.3 = 0
    np.testing.assert_array_equal(label, (grid.centers[0] > barrier).astype(int))


def test_four_wells_and_a_ring():
    grid = fp.Grid([(-2, 2), (-2, 2)], 60)
    label = fp.basins(lambda x, y: (x * x - 1) ** 2 + (y * y - 1) ** 2, grid)
    assert set(np.unique(label)) == {0, 1, 2, 3}
    assert len({label[10, 10], label[10, 50], label[50, 10], label[50, 50]}) == 4
    ring = fp.Grid((0, 2 * np.pi), 40, "periodic")
    joined = fp.basins(lambda x: np.cos(x - 3.1), ring)  # one minimum, at the seam
    assert (joined == 0).all()


def test_energy_of_a_stationary_density_has_the_wells_of_the_landscape():
    grid = fp.Grid((-2, 2), 80)
    st = fp.stationary(fp.FokkerPlanck(potential=lambda x: (x * x - 1) ** 2, diffusion=0.2), grid)
    x = grid.centers[0]
    energy = st.energy()
    np.testing.assert_allclose(energy - energy.min(), ((x * x - 1) ** 2 - ((x * x - 1) ** 2).min()) / 0.2, atol=1e-9)
    np.testing.assert_array_equal(fp.basins(energy, grid) == fp.basins(energy, grid)[0], x < 0)


def test_invariant_energy_does_not_depend_on_coordinates():
    """Brownian motion on y in [0, 1] is flat; in x = e^y - 1 the noise is multiplicative and -ln p alone is not."""
    grid = fp.Grid((0, np.e - 1), 200)
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.5 * (1 + x) ** 2, convention="stratonovich")
    st = fp.stationary(eq, grid)
    np.testing.assert_allclose(st.energy(invariant=True), st.energy(invariant=True)[0], atol=1e-12)
    assert np.ptp(st.energy()) > 0.9


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_invariant_energy_needs_noise_everywhere():
    grid = fp.Grid([(-1, 1), (-1, 1)], 10)
    st = fp.stationary(
        fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=[0.1, 0.0]), fp.Grid([(-1, 1), (-1, 1)], [10, 11])
    )
    with pytest.raises(ValueError, match="`diffusion` must be positive definite everywhere"):
        st.energy(invariant=True)
    assert grid.size == 100


def test_an_oblique_valley_is_one_basin():
    """A convex bowl has one minimum, whichever way its valley runs; along the axes alone it fell apart into 51."""
    grid = fp.Grid([(-2, 2), (-2, 2)], [121, 121])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fp.basins(lambda x, y: 50 * (x - y) ** 2 + 0.5 * (x + y) ** 2, grid).max() == 0
        fine = fp.Grid([(-2, 2), (-2, 2)], [100, 150])
        assert fp.basins(lambda x, y: 2 * (x - 0.6 * y) ** 2 + y**2, fine).max() == 0


@pytest.mark.parametrize(
    "floor", [lambda x, y: 500 * (x - 0.618 * y) ** 2 + 0.1 * y**2, lambda x, y: np.maximum(x**2 + y**2, 1)]
)
def test_a_floor_the_cells_do_not_resolve_is_said(floor):
    with pytest.warns(fp.ResolutionWarning, match="minima are not resolved"):
        assert fp.basins(floor, fp.Grid([(-2, 2), (-2, 2)], [61, 61])).max() > 0
