"""Targets that move over the cells: what one dimension, or a frame that moves along, says of them."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.region import any_region_in_time
from fokkerplanck.solvers.evolution.moving_target import Motion

TIMES = np.array([0.5, 1.0, 1.5])
TURN = 2.0
BOX = fp.Grid([(-2.5, 2.5)] * 2, [40, 40])
SPRING = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.5)
SEEN_FROM_THE_TARGET = fp.FokkerPlanck(drift=lambda x, y: (-x + TURN * y, -y - TURN * x), diffusion=0.5)


def disc(x, y, t, sign=1.0, radius=0.4):
    return (x - sign * np.cos(TURN * t)) ** 2 + (y - sign * np.sin(TURN * t)) ** 2 < radius**2


@pytest.mark.parametrize(("diffusion", "speed"), [(0.5, 0.5), (0.05, 1.0), (0.01, 1.0)])
def test_a_wall_that_moves_along_one_of_two_independent_axes(diffusion, speed):
    """The other axis does not matter; at D = .01 the wall is faster than what spreads in a cell."""
    line = fp.FokkerPlanck(drift=lambda x: -0.5 * x, diffusion=diffusion)
    plane = fp.FokkerPlanck(drift=lambda x, y: (-0.5 * x, -y), diffusion=[diffusion, 0.3])
    right = fp.first_passage(line, fp.Grid((-3, 1.5), 400), lambda x, t: x > 1 - speed * t, error=False)
    cells = fp.Grid([(-3, 1.5), (-2, 2)], [60, 10])
    found = fp.first_passage(plane, cells, lambda x, y, t: x > 1 - speed * t, error=False)
    start = fp.gaussian([0, 0], [0.3, 0.4])
    got, want = found.survival(TIMES, start), right.survival(TIMES, fp.gaussian(0, 0.3))
    np.testing.assert_allclose(got, want, atol=4e-3)
    got, want = found.density(TIMES, start), right.density(TIMES, fp.gaussian(0, 0.3))
    np.testing.assert_allclose(got, want, atol=0.06 * want.max())


def test_a_target_that_circles_stands_still_in_a_frame_that_turns():
    start = fp.gaussian([0, 0], 0.4)
    found = fp.first_passage(SPRING, BOX, disc)
    finer = fp.Grid([(-2.5, 2.5)] * 2, [120, 120])
    right = fp.first_passage(SEEN_FROM_THE_TARGET, finer, lambda x, y: disc(x, y, 0.0), error=False)
    got, error, want = (f(TIMES, start) for f in (found.survival, found.survival_error, right.survival))
    np.testing.assert_allclose(got, want, atol=4e-3)
    assert (np.abs(got - want) < 2.0 * error).all()
    np.testing.assert_allclose(found.density(TIMES, start), right.density(TIMES, start), atol=0.015)


def test_a_committor_between_two_discs_that_circle():
    turn = 0.7

    def near(sign, x, y, t):
        return (x - sign * np.cos(turn * t)) ** 2 + (y - sign * np.sin(turn * t)) ** 2 < 0.36

    regions = [lambda x, y, t, s=s: near(s, x, y, t) for s in (-1.0, 1.0)]
    cells = fp.Grid([(-2.4, 2.4)] * 2, [20, 20])
    found = fp.committor(fp.FokkerPlanck(diffusion=1.0), cells, *regions, error=False)
    turning = fp.FokkerPlanck(drift=lambda x, y: (turn * y, -turn * x), diffusion=1.0)
    right = fp.committor(turning, cells, *(lambda x, y, f=f: f(x, y, 0.0) for f in regions), error=False)
    inside = np.hypot(*cells.coordinates()) < 1.2  # the box itself does not turn
    np.testing.assert_allclose(found[inside], right[inside], atol=0.015)
    assert found.at([0.0, 0.0]) == pytest.approx(0.5, abs=1e-4)


def test_a_committor_with_coefficients_that_might_change():
    cells = fp.Grid([(-2, 2)] * 2, [20, 20])
    regions = lambda x, y: x < -1, lambda x, y: x + 0.3 * y > 1.2
    changing = fp.FokkerPlanck(drift=lambda x, y, t: (0.3 - x, -y + 0 * t), diffusion=0.5)
    plain = fp.FokkerPlanck(drift=lambda x, y: (0.3 - x, -y), diffusion=0.5)
    ours, right = (fp.committor(eq, cells, *regions, error=False) for eq in (changing, plain))
    np.testing.assert_allclose(ours, right, atol=1e-3)


def test_a_target_that_goes_round_a_ring():
    cells = fp.Grid((0, 2 * np.pi), 100, "periodic")
    near = lambda x: np.cos(x) > 0.8  # noqa: E731
    found = fp.first_passage(fp.FokkerPlanck(diffusion=0.3), cells, lambda x, t: near(x - t), error=False)
    frame = fp.FokkerPlanck(drift=lambda x: -1 + 0 * x, diffusion=0.3)
    right = fp.first_passage(frame, cells, near, error=False)
    start = fp.gaussian(np.pi, 0.3)
    np.testing.assert_allclose(found.survival(TIMES, start), right.survival(TIMES, start), atol=2e-3)


def test_a_wall_that_flees_from_levy_flights():
    flights = fp.LevyJumps(stability=1.5, scale=0.5)
    found = fp.first_passage(
        fp.FokkerPlanck(jumps=flights), fp.Grid((-6, 4), 250), lambda x, t: x > 1 + 0.5 * t, error=False
    )
    frame = fp.FokkerPlanck(drift=lambda x: -0.5 + 0 * x, jumps=flights)
    right = fp.first_passage(frame, fp.Grid((-7, 3), 250), lambda x: x > 1, error=False)
    start = fp.gaussian(0, 0.2)
    np.testing.assert_allclose(found.survival([1.0, 2.0], start), right.survival([1.0, 2.0], start), atol=4e-3)


def test_a_target_that_appears_takes_what_it_covers():
    found = fp.first_passage(SPRING, BOX, lambda x, y, t: (x > 0.5) & (t > 0.7), error=False)
    start = fp.gaussian([0.3, 0], 0.3)
    before, after = found.survival([0.69999, 0.70001], start)
    free = fp.solve(SPRING, BOX, start, 0.7, error=False)
    assert before == pytest.approx(1.0, abs=1e-6)
    assert after == pytest.approx(free.masses[0][BOX.centers[0] < 0.5].sum(), abs=1e-3)


def test_steps_are_a_share_of_a_cell_and_stop_at_jumps():
    motion = Motion(BOX, [any_region_in_time("target", lambda x, y, t: x > 1 - t + np.where(t > 0.3, 1.0, 0.0), BOX)])
    times = motion.times(0.0, 1.0)
    width = 5 / 40
    jump = np.flatnonzero((times[:-1] < 0.3) & (times[1:] >= 0.3))
    assert np.diff(times)[jump] < 1e-11
    assert 0.15 * width < np.median(np.diff(times)) < 0.45 * width
    still = Motion(BOX, [any_region_in_time("target", lambda x, y, t: x > 1 + 0 * t, BOX)])
    assert still.times(0.0, 1.0).tolist() == [0.0, 1.0]


def test_what_is_too_thin_to_move_is_refused():
    found = fp.first_passage(SPRING, BOX, lambda x, y, t: abs(x - 1 + t) < 0.01, error=False)
    with pytest.raises(ValueError, match=r"`target` must be at least 0\.3 cells thick where it moves"):
        found.survival(TIMES, fp.gaussian([0, 0], 0.3))


def test_regions_that_overlap_at_first_are_refused():
    with pytest.raises(ValueError, match="`source` must be disjoint from `target`"):
        fp.committor(SPRING, BOX, lambda x, y, t: x < 1 - t, lambda x, y: x > 0)
