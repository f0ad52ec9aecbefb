"""Regions of the box: the share that they have of each cell."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.region import FIRST_IN_CELL, MOST_IN_CELL, STEPS, share_inside


@pytest.mark.parametrize("edge", [-0.731, 0.0, 0.25, 0.2718])
def test_share_of_a_half_line(edge):
    grid = fp.Grid((-1, 1), 40)
    right = np.clip((grid.edges[0][1:] - edge) / grid.widths[0], 0.0, 1.0)
    np.testing.assert_allclose(share_inside(lambda x: x > edge, grid), right, atol=2e-3)


def test_share_of_a_strip_thinner_than_a_cell_and_of_graded_cells():
    grid = fp.Grid.graded((-1, 1), lambda x: 0.02 + 0.1 * x**2)
    share = share_inside(lambda x: (x > 0.3) & (x < 0.31), grid)
    assert (share * grid.widths[0]).sum() == pytest.approx(0.01, rel=0.05)


def test_share_of_a_disc():
    grid = fp.Grid([(-1, 1), (-2, 2)], (30, 50))
    share = share_inside(lambda x, y: x**2 + (y - 0.1) ** 2 < 0.5, grid)
    assert (share * grid.volumes).sum() == pytest.approx(0.5 * np.pi, rel=1e-3)
    assert set(np.unique(share)) >= {0.0, 1.0}


@pytest.mark.parametrize("cells", [7, 30, 20_000])
def test_places_are_counted_alike_however_many_are_asked_for_at_once(cells):
    """They were asked for one by one, a thousand calls for the cells at an edge."""
    grid, edge, calls = fp.Grid((-1, 1), cells), 0.123456, []

    def inside(x):
        calls.append(x.size)
        return x > edge

    share, first, step = share_inside(inside, grid), grid.edges[0][:-1], STEPS[0]
    assert len(calls) < 60
    assert sum(calls) >= (FIRST_IN_CELL + 2) * cells + MOST_IN_CELL
    cell = int(np.flatnonzero((share > 0.0) & (share < 1.0))[0])
    places = [
        first[cell] + grid.widths[0][cell] * ((MOST_IN_CELL * cell + k) * step % 1.0)
        for k in range(1, MOST_IN_CELL + 1)
    ]
    assert share[cell] == np.mean(np.array(places) > edge)
