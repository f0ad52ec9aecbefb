"""Paths that start in a target have arrived, though a start is shared out between cells, and a target may be thinner."""

import numpy as np
import pytest

import fokkerplanck as fp

NOISE = fp.FokkerPlanck(diffusion=1.0)


def strip(x, *others):
    return np.abs(x - 0.513) < 0.001


@pytest.mark.parametrize("start", [fp.point(0.513), fp.gaussian(0.513, 1e-5), fp.uniform(0.5125, 0.5135)])
def test_nobody_leaves_a_strip_thinner_than_a_cell(start):
    """The masses of the cells beside it survived: .98 at once, .035 at t = .01."""
    passage = fp.first_passage(NOISE, fp.Grid((0, 1), 50), strip)
    assert passage.survival([0.0, 1e-6, 0.01], start).max() == 0.0
    assert passage.survival_error([0.0, 1e-6, 0.01], start).max() < 1e-5
    assert passage.density([0.01], start).max() == 0.0


def test_in_the_plane_and_in_time():
    square = fp.Grid([(0, 1)] * 2, 20)
    start = fp.point([0.513, 0.4])
    assert fp.first_passage(NOISE, square, strip, error=False).survival([0.01], start) == 0.0
    driven = fp.FokkerPlanck(diffusion=lambda x, y, t: 1.0 + t + 0.0 * x)
    assert fp.first_passage(driven, square, strip).survival([0.01], start) == 0.0
    moving = fp.first_passage(NOISE, fp.Grid((0, 1), 50), lambda x, t: np.abs(x - 0.513) < 0.001 + 0.1 * t)
    assert moving.survival([0.01], fp.point(0.513)) == 0.0


def test_of_a_target_of_cells_too():
    grid = fp.Grid((0, 1), 50)
    assert fp.first_passage(NOISE, grid, grid.centers[0] > 0.5).survival([0.01], fp.point(0.503)) == 0.0


def test_the_share_of_a_law_that_lies_in_it_has_arrived():
    """Half of two points; .6827 of a normal law of deviation .001, within 4 standard errors of 10^4 draws."""
    passage = fp.first_passage(NOISE, fp.Grid((0, 1), 50), strip, error=False)
    assert passage.survival([0.0], fp.from_samples([0.513, 0.2])) == pytest.approx(0.5, abs=1e-12)
    assert passage.survival([0.0], fp.gaussian(0.513, 0.001)) == pytest.approx(0.3173, abs=0.019)


def test_those_outside_have_not():
    wide = fp.first_passage(NOISE, fp.Grid((0, 1), 50), strip, error=False)
    assert wide.survival([0.0], fp.point(0.4)) == pytest.approx(1.0, abs=1e-12)
    assert wide.survival([0.0], fp.gaussian(0.3, 0.05)) == pytest.approx(1.0, abs=1e-9)
