"""Moments of densities with points that keep what arrives."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.results.moments import Moments


class OnALine(Moments):
    """A density on a grid, with atoms."""

    def __init__(self, grid, density, atoms):
        self.grid, self.density, self.atoms = grid, density, atoms


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_the_variance_with_atoms_does_not_depend_on_where_zero_is(shift):
    """Half the mass in two points at -1 and 1, half uniform between: 1/2 + 1/6 (and the sum over cells, h^2 / 24 less)."""
    grid = fp.Grid((shift - 1.0, shift + 1.0), 64)
    one = OnALine(grid, np.full(64, 0.25), {shift - 1.0: 0.25, shift + 1.0: 0.25})
    over_time = OnALine(grid, np.full((3, 64), 0.25), {shift - 1.0: np.full(3, 0.25), shift + 1.0: np.full(3, 0.25)})
    exact = 0.5 + 1.0 / 6.0 - (2.0 / 64) ** 2 / 24.0
    assert one.covariance() == pytest.approx(np.array([[exact]]), rel=1e-6)
    assert over_time.covariance() == pytest.approx(np.full((3, 1, 1), exact), rel=1e-6)
    assert one.variances_at(-1) == pytest.approx([exact], rel=1e-6)
    assert over_time.variances_at(1) == pytest.approx([exact], rel=1e-6)


def test_variances_are_the_diagonal_of_the_covariance():
    grid = fp.Grid([(-1, 2), (0, 1)], [12, 8])
    density = np.random.default_rng(3).random((2, 12, 8))
    found = OnALine(grid, density, {})
    assert found.variances_at(1) == pytest.approx(np.diagonal(found.covariance()[1]))
