"""Where D vanishes and the scheme does not treat that, a sentence says so; where it does, or D does not vanish, none does."""

import numpy as np
import pytest

import fokkerplanck as fp


def square(n=32):
    return fp.Grid([(-2, 2), (-2, 2)], [n, n])


def test_a_circle_of_a_full_tensor_is_said_to_be_crossed():
    def tensor(x, y):
        d = 0.1 * (1 - x * x - y * y) ** 2
        return [[d, 0.5 * d], [0.5 * d, d]]

    q = fp.generator(fp.FokkerPlanck(diffusion=tensor), square())
    assert any("of a full tensor it is crossed" in text for text in q.untreated)


def test_a_circle_that_should_keep_what_arrives_is_said_to_hold_it_back():
    trap = fp.FokkerPlanck(diffusion=lambda x, y: 0.2 * np.abs(1 - np.hypot(x, y)))
    assert any("held back" in text for text in fp.generator(trap, square()).untreated)
    closed = fp.FokkerPlanck(
        drift=lambda x, y: (0 * x, 0 * y), diffusion=lambda x, y: 0.1 * np.abs(x - 0.31) ** 3 + 0 * y
    )
    assert fp.generator(closed, square()).untreated == ()


def test_walls_of_tensors_beside_the_one_that_is_treated():
    def both(x, y):
        return [[0.2 * x, 0.1 * np.sqrt(x * y)], [0.1 * np.sqrt(x * y), 0.2 * y]]

    q = fp.generator(fp.FokkerPlanck(diffusion=both), fp.Grid([(0, 2), (0, 2)], [32, 32]))
    assert any("the wall y = 0 vanishes" in text for text in q.untreated)

    def space(x, y, v):
        o = 0 * (x + y + v)
        return [[v / 2 + 0.01 + o, o, -0.1 * v + o], [o, 0.1 + o, o], [-0.1 * v + o, o, 0.2 * v + o]]

    q = fp.generator(fp.FokkerPlanck(diffusion=space), fp.Grid([(-2, 2), (-1, 1), (0, 1.5)], [8, 8, 12]))
    assert any("the wall z = 0 vanishes" in text for text in q.untreated)


def test_correlations_that_cells_are_too_wide_for():
    """Heston: the cells along x have to be at most 1.8 times as wide as those along v."""

    def spread(x, v):
        return [[v / 2, -0.28 * v], [-0.28 * v, 0.32 * v]]

    eq = fp.FokkerPlanck(drift=lambda x, v: (-v / 2, 2 * (0.1 - v)), diffusion=spread)
    wide = fp.generator(eq, fp.Grid([(-3, 3), (0, 1.6)], [120, 120]))
    assert any("too wide for the correlation" in text for text in wide.untreated)
    assert fp.generator(eq, fp.Grid([(-3, 3), (0, 1.6)], [240, 80])).untreated == ()
    with pytest.warns(fp.errors.ResolutionWarning, match="cells along x"):
        s = fp.solve(eq, fp.Grid([(-3, 3), (0, 1.6)], [120, 120]), fp.point((0.0, 0.1)), [0.1], error=False)
    assert s.stats["order"] == 1


def test_points_on_a_line_with_jumps():
    jumps = fp.LevyJumps(stability=1.5, scale=0.2)
    grid = fp.Grid((-4, 4), 128)
    zero = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.8 * x**2, jumps=jumps)
    assert any("not with jumps" in text for text in fp.generator(zero, grid).untreated)
    smooth = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.8 + 0 * x, jumps=jumps)
    assert fp.generator(smooth, grid).untreated == ()


def test_smooth_tensors_are_not_spoken_of():
    def tensor(x, y):
        return [[1.0 + 0.5 * np.sin(x) + 0 * y, 0.2 + 0 * x * y], [0.2 + 0 * x * y, 1.0 + 0 * x * y]]

    assert fp.generator(fp.FokkerPlanck(diffusion=tensor), square()).untreated == ()
