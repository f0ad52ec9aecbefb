"""Targets that are thinner than a cell: links that cross them are cut, or it is said."""

from __future__ import annotations

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.errors import SubcellWarning

NOISE = fp.FokkerPlanck(diffusion=1.0)
SQUARE = fp.Grid([(0, 1)] * 2, 50)


def _far(x, y):
    return x + y > 1.7


@pytest.mark.parametrize("thickness", [3e-2, 3e-3, 3e-4])
@pytest.mark.parametrize("slope", [1.0, 0.2, 0.0])
def test_a_strip_thinner_than_a_cell_does_not_leak(thickness, slope):
    """Paths from below a strip that parts the box meet it first; without cut links the committor was .2."""

    def strip(x, y):
        return np.abs(y - 0.513 + slope * (x - 0.5)) < 0.5 * thickness * np.hypot(1.0, slope)

    found = fp.committor(NOISE, SQUARE, source=strip, target=_far, error=False)
    x, y = np.meshgrid(*SQUARE.centers, indexing="ij")
    assert found[y < 0.4 - slope * (x - 0.5)].max() == 0.0
    assert found[_far(x, y)].min() == 1.0


def test_a_strip_along_oblique_links_does_not_leak():
    eq = fp.FokkerPlanck(diffusion=np.array([[1.0, 0.6], [0.6, 1.0]]))
    found = fp.committor(eq, SQUARE, source=lambda x, y: np.abs(x + y - 1.013) < 0.001, target=_far, error=False)
    assert found.at([0.2, 0.2]) == 0.0


@pytest.mark.parametrize("thickness", [1e-2, 1e-4])
@pytest.mark.parametrize("dim", [1, 2])
def test_times_to_a_thin_strip(thickness, dim):
    """(a^2 - x^2) / 2 for a strip at a, from x, with D = 1 and a reflecting wall at 0; beside the strip to h^2 / 8."""
    edge = 0.513 - 0.5 * thickness
    result = fp.first_passage(NOISE, fp.Grid([(0, 1)] * dim, 50), lambda *x: np.abs(x[0] - 0.513) < 0.5 * thickness)
    for x in (0.2, 0.507):
        right = (edge**2 - x**2) / 2.0
        assert result.at([x, 0.7][:dim]) == pytest.approx(right, rel=2e-3, abs=6e-5)


def test_the_first_of_two_regions_within_a_link_counts():
    def in_front(x):
        return np.abs(x - 0.512) < 0.001

    found = fp.committor(NOISE, fp.Grid((0, 1), 50), source=in_front, target=lambda x: np.abs(x - 0.516) < 0.001)
    assert found[:26].max() == 0.0
    assert found[26:].min() == pytest.approx(1.0, abs=1e-12)


def test_a_target_across_the_seam_of_a_ring():
    """The edge at 0 is met from the other side of the seam too: times are those of an interval of length .995."""
    result = fp.first_passage(NOISE, fp.Grid((0, 1), 50, "periodic"), lambda x: x < 0.005)
    assert result.at(0.5025) == pytest.approx(0.4975**2 / 2.0, rel=1e-3)


def test_a_circle_thinner_than_a_cell():
    """r^2 / 4 from its middle."""
    grid = fp.Grid([(-1, 1)] * 2, 60)
    result = fp.first_passage(NOISE, grid, lambda x, y: np.abs(np.hypot(x, y) - 0.7) < 0.002)
    assert result.at([0.0, 0.0]) == pytest.approx(0.698**2 / 4.0, rel=2e-3)


def test_a_plane_in_space():
    grid = fp.Grid([(0, 1)] * 3, 16)
    result = fp.first_passage(NOISE, grid, lambda x, y, z: np.abs(x - 0.513) < 0.002)
    assert result.at([0.2, 0.7, 0.3]) == pytest.approx((0.511**2 - 0.04) / 2.0, rel=6e-3)


def test_what_lies_between_the_lines_of_centers_is_refused_or_said():
    grid = fp.Grid([(-1, 1)] * 2, 60)
    with pytest.raises(ValueError, match=r"lines between cell centers.*240 x 240"):
        fp.first_passage(NOISE, grid, lambda x, y: np.hypot(x, y) < 0.008)
    with pytest.warns(SubcellWarning, match="240 x 240"):
        fp.first_passage(NOISE, grid, lambda x, y: (np.hypot(x, y) < 0.008) | (x > 0.9), error=False)


def test_a_target_that_coarser_grids_do_not_see_is_said():
    """A disc in one cell: the time to it goes by the logarithm of its radius, of which the grid knows little."""
    with pytest.warns(SubcellWarning, match="do not see it.*240 x 240"):
        fp.first_passage(NOISE, fp.Grid([(-1, 1)] * 2, 60), lambda x, y: np.hypot(x - 1 / 60, y - 1 / 60) < 0.004)


def test_a_strip_too_thin_to_follow_is_said():
    def strip(x, y):
        return np.abs(x + y - 1.013) < 2e-6

    with pytest.warns(SubcellWarning, match="thick"):
        fp.first_passage(NOISE, fp.Grid([(0, 1)] * 2, 49), strip, error=False)


def test_thin_regions_that_overlap_are_refused():
    def strip(x):
        return np.abs(x - 0.513) < 0.001

    with pytest.raises(ValueError, match="disjoint from `target`"):
        fp.committor(NOISE, fp.Grid((0, 1), 50), source=strip, target=strip)
