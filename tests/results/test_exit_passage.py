"""Probabilities by the way out, at points: beside walls, targets and where a periodic axis is joined."""

import numpy as np
import pytest

import fokkerplanck as fp

FREE = fp.FokkerPlanck(drift=lambda x: 0 * x, diffusion=0.5)
PULL, D = 12.0, 0.3


def test_walls_and_the_edge_of_a_target_are_known():
    """Without drift it is a line. It was even over the last half cell, and fell to 0 in the last cell before a target."""
    both = fp.first_passage(FREE, fp.Grid((0, 1), 40, "absorbing"), None).ways_out
    for x in (0.001, 0.3, 0.999, 1.0):
        assert both["x high"].probability_at(x) == pytest.approx(x, abs=1e-9)
        assert both["x low"].probability_at(x) == pytest.approx(1 - x, abs=1e-9)
    grid = fp.Grid((0, 1), 40, ("absorbing", "reflecting"))
    ways = fp.first_passage(FREE, grid, lambda x: x > 0.613).ways_out
    for x in (0.002, 0.4, 0.605, 0.6129):
        assert ways["target"].probability_at(x) == pytest.approx(x / 0.613, abs=1e-6)
        assert ways["x low"].probability_at(x) == pytest.approx(1 - x / 0.613, abs=1e-6)
    assert ways["target"].probability_at(0.62) == 1.0
    assert ways["x low"].probability_at(0.62) == 0.0


@pytest.mark.filterwarnings("ignore::fokkerplanck.GridErrorWarning")
@pytest.mark.parametrize("n", [24, 40])
def test_the_error_covers_what_is_all_but_certain(n):
    """Interpolated beyond 1 and cut off there on all grids, a probability was said to be exact: "1 +- 1e-12" for .99995."""
    x = np.linspace(0.01, 0.99, 41)
    right = np.expm1(-PULL * x / D) / np.expm1(-PULL / D)  # of reaching 1 before 0
    eq = fp.FokkerPlanck(drift=lambda x: PULL + 0 * x, diffusion=D)
    up = fp.first_passage(eq, fp.Grid((0, 1), n, "absorbing"), None).ways_out["x high"]
    q = fp.committor(eq, fp.Grid((-0.2, 1.2), n), lambda x: x <= 0, lambda x: x >= 1)
    for answer, found in ((up, up.probability_at), (q, q.at)):
        off = np.array([abs(found(place) - p) for place, p in zip(x, right, strict=True)])
        told = np.array([answer.error_at(place) for place in x])
        assert (off <= 2.0 * told + 1e-9).all()


def test_ways_out_of_a_tensor_in_a_box():
    """Beside a grid of 240 x 240 cells, at random places: linear interpolation was off by up to twice its stated error."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (0.5 + 0 * x, -0.3 + 0 * y), diffusion=[[0.4, 0.2], [0.2, 0.3]])
    fine, coarse = (
        fp.first_passage(eq, fp.Grid([(0, 1), (0, 1)], n, "absorbing"), None, error=n < 100).ways_out for n in (240, 48)
    )
    places = np.random.default_rng(1).uniform(0.02, 0.98, (20, 2)).tolist()
    for name in ("x low", "x high", "y low", "y high"):
        off = [abs(fine[name].probability_at(p) - coarse[name].probability_at(p)) for p in places]
        assert (np.array(off) <= 1.5 * np.array([coarse[name].error_at(p) for p in places])).all()
        assert max(off) < 5e-3
    assert sum(coarse[name].probability_at(places[0]) for name in coarse) == pytest.approx(1.0, abs=1e-9)
