"""Generators kept for several questions about one equation: the same numbers, found once."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization import scharfetter_gummel
from fokkerplanck.solvers.discretization.scharfetter_gummel import (
    Sampled,
    generator,
    generators_kept,
    untreated_by_tensor,
)

TURNING = fp.FokkerPlanck(
    drift=lambda x, y: [-x - y, x - y],
    diffusion=lambda x, y: [[0.5 + 0.1 * x**2, 0.1 * x * y], [0.1 * x * y, 0.4 + 0.1 * y**2]],
)
GRID = fp.Grid([(-3, 3), (-3, 3)], 24)


@pytest.fixture
def read(monkeypatch):
    """How often an equation is read on a grid."""
    sizes = []

    class Counted(Sampled):
        def __init__(self, eq, grid, *rest, **more):
            sizes.append(grid.size)
            super().__init__(eq, grid, *rest, **more)

    monkeypatch.setattr(scharfetter_gummel, "Sampled", Counted)
    return sizes


def answers(eq):
    return (
        fp.solve(eq, GRID, fp.gaussian([1, 0], 0.3), [0.5]).density,
        fp.stationary(eq, GRID).density,
        fp.first_passage(eq, GRID, lambda x, y: x > 1.2).mean,
    )


def test_answers_are_the_same_and_grids_are_read_once():
    plain = answers(TURNING)
    with generators_kept():
        kept = answers(TURNING)
    for one, other in zip(plain, kept, strict=True):
        assert np.array_equal(one, other)


def test_each_grid_is_read_once_for_all_questions(read):
    with generators_kept():
        first = generator(TURNING, GRID)
        assert generator(TURNING, fp.Grid([(-3, 3), (-3, 3)], 24)) is first
    assert read == [GRID.size]
    assert generator(TURNING, GRID) is not first


@pytest.mark.parametrize(
    "other",
    [
        fp.Grid([(-3, 3), (-3, 3)], 24, "absorbing"),
        fp.Grid([(-3, 3), (-3, 3.5)], 24),
        fp.Grid([(-3, 3), (-3, 3)], (24, 26)),
    ],
)
def test_another_grid_wall_or_equation_is_another_generator(other):
    with generators_kept():
        first = generator(TURNING, GRID)
        assert generator(TURNING, other).grid is other
        alike = fp.FokkerPlanck(drift=TURNING.drift, diffusion=TURNING.diffusion)
        assert generator(alike, GRID) is not first
        assert generator(TURNING, GRID) is first


def test_other_times_and_large_grids_are_read_anew(monkeypatch):
    driven = fp.FokkerPlanck(drift=lambda x, t: np.cos(t) - x, diffusion=0.5)
    line = fp.Grid((-3, 3), 40)
    with generators_kept():
        now, then = generator(driven, line, 0.0), generator(driven, line, 2.0)
        assert not np.array_equal(now.matrix.toarray(), then.matrix.toarray())
        monkeypatch.setattr(scharfetter_gummel, "MOST_KEPT", 39)
        assert generator(driven, line, 2.0) is not then


@pytest.mark.parametrize("zero", [False, True])
def test_what_is_untreated_is_what_the_generator_says(zero):
    def tensor(x, y):
        first = (x - 0.4) ** 2 if zero else 1.0 + 0 * x
        return [[first, 0.1 * first], [0.1 * first, first]]

    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=tensor)
    assert untreated_by_tensor(eq, GRID) == generator(eq, GRID, fixed=True).untreated
    assert bool(untreated_by_tensor(eq, GRID)) == zero
