"""Warnings of large errors say how many cells would do."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.errors import ResolutionWarning
from fokkerplanck.model.grid import Grid
from fokkerplanck.results.error_warnings import warn_of_error

PLANE = Grid([(0, 1)] * 2, [40, 60])


@pytest.mark.parametrize(
    ("size", "order", "words"),
    [
        (0.0404, 2.0, "80 x 120 cells should give 0.01"),
        (0.0202, 1.0, "80 x 120 cells"),
        (0.0404, 8.0, "80 x 120 cells"),  # no order above the scheme's
        (np.expm1(4.0), 2.0, "800 x 1200 cells"),  # beyond a barrier the logarithm has the order
        (1e13, 0.8, r"only 9e\+05 x 1e\+06 equal cells \(try graded ones"),
        (0.5, 0.5, r"too coarse to tell how many cells give 0.01: take 160 x 240 cells"),  # 66000 x 99000 by that order
        (0.015, 0.5, "89 x 140 cells"),
        (np.inf, 1.0, "no number of cells"),
    ],
)
def test_how_many_cells(size, order, words):
    with pytest.warns(ResolutionWarning, match=words):
        assert warn_of_error(size, order, True, 0.01, "a thing", PLANE)


def test_what_does_not_converge_is_asked_for_on_four_times_as_many():
    with pytest.warns(ResolutionWarning, match="Take 160 x 240 cells: those twice and four times as wide"):
        assert warn_of_error(0.2, 0.0, False, 0.1, "a thing", PLANE)


def test_advice_is_enough():
    """The slow time of a driven double well, 3527 on the finest grids, 1779 on 81 x 54 cells: the advice goes beyond 324."""
    c = 2.0
    eq = fp.FokkerPlanck(drift=lambda x, y: (x - x**3 + 2 * c * y, -2 * y - c * (x**3 - x)), diffusion=0.03)
    with pytest.warns(ResolutionWarning) as said:
        fp.spectrum(eq, fp.Grid([(-1.8, 1.8), (-1.2, 1.2)], [81, 54]), 3)
    wished = int(str(said[0].message).split(": ")[1].split(" x ")[0])
    assert 500 < wished < 5000


def test_upwinding_says_how_many():
    """Its diffusion v h / 2 = .01 beside D = 1e-3 is a tenth of that on a hundred times as many cells."""
    eq = fp.FokkerPlanck(drift=1.0, diffusion=1e-3)
    with pytest.warns(ResolutionWarning, match=r"Take 9\d times as many cells along each axis"):
        fp.solve(eq, fp.Grid((0, 1), 50, "periodic"), fp.gaussian(0.5, 0.1), [1.0], error=False)


def test_what_is_gone_on_wider_cells_has_no_difference():
    """The difference was called inf."""
    ou = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    with pytest.warns(
        fp.GridErrorWarning, match=r"the error of the committor \(relative\) is not known, .* Take 96 cells"
    ):
        fp.committor(ou, fp.Grid((-3, 3), 24), lambda x: x < -1.1, lambda x: x > 1.2)
