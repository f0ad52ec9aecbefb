"""First passage with coefficients and targets that change: closed forms, and what does not change in fact."""

import numpy as np
import pytest
from scipy.special import ndtr

import fokkerplanck as fp
from fokkerplanck.solvers.evolution import passage_in_time

BOX = fp.Grid((-1.2, 1.2), 120)
CONSTANT = fp.FokkerPlanck(drift=lambda x, t: 0.5 + 0 * x, diffusion=0.5)  # by its signature it depends on time
SAME = fp.FokkerPlanck(drift=lambda x: 0.5 + 0 * x, diffusion=0.5)
TIMES = np.array([0.3, 1.0, 2.0])


def arrived(t, bound, speed):
    """Of W from 0 at a bound that approaches at a speed: the inverse Gaussian law (unit variance per time)."""
    far, near = (-speed * t - bound) / np.sqrt(t), (speed * t - bound) / np.sqrt(t)
    return ndtr(near) + np.exp(2 * speed * bound) * ndtr(far)


def arrival_density(t, bound, speed):
    return bound / np.sqrt(2 * np.pi * t**3) * np.exp(-((bound - speed * t) ** 2) / (2 * t))


def test_a_linear_bound_at_order_two():
    """x = 1 - t / 2 met by W is a drift of 1 / 2 towards x = 1."""
    eq = fp.FokkerPlanck(diffusion=0.5)
    errors = []
    for n in (190, 380):
        found = fp.first_passage(eq, fp.Grid((-8, 1.5), n), lambda x, t: x > 1 - 0.5 * t)
        errors.append(found.survival(TIMES, fp.gaussian(0, 1e-9)) - 1 + arrived(TIMES, 1, 0.5))
        density = found.density(TIMES, fp.gaussian(0, 1e-9))
        np.testing.assert_allclose(density, arrival_density(TIMES, 1, 0.5), atol=70.0 / n**2)
    assert np.abs(errors[1]).max() < 1e-4
    assert np.log2(np.abs(errors[0]).max() / np.abs(errors[1]).max()) > 1.6


def test_the_mean_at_a_bound_that_approaches():
    """Mean 1 / (1 / 2) = 2."""
    found = fp.first_passage(fp.FokkerPlanck(diffusion=0.5), fp.Grid((-40, 1.5), 900), lambda x, t: x > 1 - 0.5 * t)
    assert found.mean(fp.point(0.0)) == pytest.approx(2.0, abs=0.01)


def test_bounds_that_collapse():
    """Two bounds at +-(1 - t / 2), drift 1 / 2, start .1: 10^5 simulated paths with bridges, one standard error below .0015."""
    moving = fp.first_passage(SAME, BOX, lambda x, t: abs(x) > 1 - t / 2)
    survival = moving.survival([0.3, 0.6, 1.0, 1.5, 2.5], fp.point(0.1))
    np.testing.assert_allclose(survival[:4], [0.7319, 0.3369, 0.0644, 0.0004], atol=0.004)
    assert survival[4] == 0.0
    assert moving.mean(fp.point(0.1)) == pytest.approx(0.5115, abs=0.003)
    q = fp.committor(SAME, BOX, lambda x, t: x < t / 2 - 1, lambda x, t: x > 1 - t / 2)
    assert BOX.interpolate(q, 0.1) == pytest.approx(0.7276, abs=0.005)


def test_a_moving_wall_and_a_moving_frame_agree():
    """A wall that swings in a still box, against the same seen from the wall: a drift against a wall that stands."""
    swing = fp.first_passage(
        fp.FokkerPlanck(diffusion=0.3), fp.Grid((-5, 1.5), 260), lambda x, t: x > 1 + 0.3 * np.sin(4 * t)
    )
    frame = fp.FokkerPlanck(drift=lambda x, t: -1.2 * np.cos(4 * t) + 0 * x, diffusion=0.3)
    still = fp.first_passage(frame, fp.Grid((-5, 1), 240, [("reflecting", "absorbing")]))
    for ask in ("survival", "density"):
        got, want = (getattr(found, ask)(TIMES, fp.gaussian(0, 0.2)) for found in (swing, still))
        np.testing.assert_allclose(got, want, atol=2e-4)


@pytest.mark.parametrize("target", [lambda x: abs(x) > 0.9, abs(BOX.centers[0]) > 0.9, lambda x: abs(x + 0.3) < 0.2])
def test_what_only_might_change(target):
    """A signature with `t` takes another way than one without; the answers are those of the same cells."""
    changing, plain = fp.first_passage(CONSTANT, BOX, target), fp.first_passage(SAME, BOX, target)
    start = fp.point(0.1)
    for ask in ("survival", "density"):
        got, want = (getattr(found, ask)([0.0, 0.3, 1.0], start) for found in (changing, plain))
        np.testing.assert_allclose(got, want, atol=2e-4)
    # one from a point shared between three cells, the other read between the centers
    assert changing.at(0.1) == pytest.approx(plain.at(0.1), rel=1e-3)


@pytest.mark.parametrize(
    ("grid", "target", "start"),
    [
        (fp.Grid((-1, 1), 60, "absorbing"), None, 0.1),
        (fp.Grid((0, 2 * np.pi), 40, "periodic"), lambda x: x < 1, 3.0),
        (fp.Grid([(-1.2, 1.2)] * 2, [20, 20]), lambda x, y: x * x + y * y > 1, [0.0, 0.0]),
    ],
    ids=["walls", "ring", "disc"],
)
def test_other_boxes(grid, target, start):
    still, moving = (0.5, 0.0)[: grid.dim], {1: lambda x, t: 0.5 + 0 * x, 2: lambda x, y, t: (0.5 + 0 * x, 0 * y)}
    plain = fp.FokkerPlanck(drift=list(still), diffusion=0.5)
    changing = fp.FokkerPlanck(drift=moving[grid.dim], diffusion=0.5)
    got, want = (
        fp.first_passage(eq, grid, target).survival([0.2, 0.6], fp.point(start), rtol=1e-4) for eq in (changing, plain)
    )
    np.testing.assert_allclose(got, want, atol=2e-4)


def test_an_edge_that_jumps_sweeps_at_once():
    found = fp.first_passage(SAME, BOX, lambda x, t: abs(x) > np.where(t < 0.5, 1.0, 0.3))
    before, after = found.survival([0.4999999, 0.5000001], fp.point(0.1))
    fixed = fp.solve(SAME, fp.Grid((-1, 1), 100, "absorbing"), fp.point(0.1), 0.5)
    middle = fixed.masses[0][abs(fixed.grid.centers[0]) < 0.3].sum()
    assert before == pytest.approx(fixed.mass[0], abs=1e-3)
    assert after == pytest.approx(middle, abs=5e-3)


def test_functions_of_one_time():
    asked = fp.first_passage(SAME, BOX, lambda x, t: abs(x) > (1.0 if t < 0.4 else 0.5))
    array = fp.first_passage(SAME, BOX, lambda x, t: abs(x) > np.where(t < 0.4, 1.0, 0.5))
    np.testing.assert_allclose(*(f.survival([0.3, 0.6], fp.point(0.1), rtol=1e-4) for f in (asked, array)), atol=1e-4)


def test_a_drive_that_does_nothing_leaves_the_committor():
    regions = lambda x: x < -0.8, lambda x: x > 0.9
    np.testing.assert_allclose(fp.committor(CONSTANT, BOX, *regions), fp.committor(SAME, BOX, *regions), atol=5e-4)


def test_paths_that_stay_away_have_no_mean(monkeypatch):
    monkeypatch.setattr(passage_in_time, "DOUBLINGS", 6)
    eq = fp.FokkerPlanck(drift=lambda x, t: -x, diffusion=0.05)
    with pytest.raises(fp.ConvergenceError, match="the mean may be infinite"):
        fp.first_passage(eq, fp.Grid((-1, 4), 50), lambda x, t: x > 1 + t).mean(fp.point(0.0), rtol=1e-3)


def test_refusals():
    swarm = fp.FokkerPlanck(drift=lambda x, t: -x, diffusion=0.5, interaction=fp.Swarm(1.0))
    waiting = fp.FokkerPlanck(drift=lambda x, t: -x, diffusion=0.5, time_order=0.5)
    with pytest.raises(ValueError, match="`eq` must be independent of the density"):
        fp.first_passage(swarm, BOX, lambda x: x > 1)
    with pytest.raises(ValueError, match="`time_order` must be 1 for a passage"):
        fp.first_passage(waiting, BOX, lambda x: x > 1)
    with pytest.raises(ValueError, match="`source` must be disjoint from `target`"):
        fp.committor(CONSTANT, BOX, lambda x: x < 0.5, lambda x: x > 0)


def test_errors_of_survival_arrivals_and_means_are_near_the_true_ones():
    """The linear bound again, whose law is known: the error of an order seen on three grids."""
    eq, start = fp.FokkerPlanck(diffusion=0.5), fp.gaussian(0, 0.25)
    target = lambda x, t: x > 1 - 0.5 * t  # noqa: E731
    found = fp.first_passage(eq, fp.Grid((-8, 1.5), 152), target)
    finer = fp.first_passage(eq, fp.Grid((-8, 1.5), 608), target, error=False)
    for ours, right, said in (
        (found.survival(TIMES, start), finer.survival(TIMES, start), found.survival_error(TIMES, start)),
        (found.density(TIMES, start), finer.density(TIMES, start), found.density_error(TIMES, start)),
    ):
        assert 0.8 < said.max() / np.abs(ours - right).max() < 6.0
    off = abs(found.mean(start) - finer.mean(start))
    assert 0.8 < found.mean_error(start) / off < 6.0
    assert np.isnan(finer.survival_error(TIMES, start)).all()
    assert np.isnan(finer.error_at(0.0))


def test_errors_of_passages_in_the_plane_and_of_committors_in_time():
    eq = fp.FokkerPlanck(drift=lambda x, y, t: (-x + np.sin(3 * t), -y), diffusion=0.5)
    start, goal = fp.gaussian((0, 0), 0.4), lambda x, y: x > 1
    found, finer = (fp.first_passage(eq, fp.Grid([(-3, 3)] * 2, n), goal, error=n < 40) for n in (24, 40))
    off = np.abs(found.survival([0.5], start) - finer.survival([0.5], start))
    assert (found.survival_error([0.5], start) > 0.8 * off).all()
    swung = fp.FokkerPlanck(drift=lambda x, t: np.sin(5 * t) - x, diffusion=0.3)
    one, other = (fp.committor(swung, fp.Grid((-1.5, 1.5), n), lambda x: x < -1, lambda x: x > 1) for n in (24, 72))
    assert one.error["committor"].max() > 0.8 * max(abs(one.at(x) - other.at(x)) for x in (-0.8, -0.3, 0.0, 0.5, 0.9))
    assert one.error["committor"].max() < 0.05
    assert not fp.committor(swung, one.grid, lambda x: x < -1, lambda x: x > 1, error=False).error


def test_passages_in_time_on_cells_too_wide_for_them_are_told():
    """A point a cell away from an edge that moves: nothing of the law is seen on such cells."""
    found = fp.first_passage(fp.FokkerPlanck(diffusion=0.05), fp.Grid((-4, 4), 16), lambda x, t: x > 0.6 - 0.5 * t)
    with pytest.warns(fp.ResolutionWarning, match="the survival is about|does not resolve the survival"):
        found.survival([0.5, 1.0], fp.gaussian(0, 0.05))


def left_between_walls_that_close(t, noise, start=2.0, speed=1.0):
    """Of W from 0 in |x| < L = start - speed t: exp(speed x^2 / (4 D L)) times a sum over cos((n + 1/2) pi x / L)."""
    length, y, n = start - speed * t, np.linspace(-1, 1, 4001), np.arange(400)[:, None] + 0.5
    modes = np.cos(n * np.pi * y) * np.exp(-((n * np.pi) ** 2) * noise * t / (start * length))
    weight = np.exp(speed * length * y**2 / (4 * noise))
    return np.sqrt(length / start) * np.trapezoid(weight * modes.sum(axis=0), y)


@pytest.mark.parametrize("noise", [0.5, 0.05])
def test_walls_that_meet(noise):
    """Weak noise takes a hundred times longer to cross the box than the walls to meet: the mean was off by a twentieth."""
    eq = fp.FokkerPlanck(diffusion=noise)
    found = fp.first_passage(eq, fp.Grid((-4, 4), 200), lambda x, t: np.abs(x) > 2 - t)
    times = np.linspace(0.01, 1.99, 400)
    exact = [left_between_walls_that_close(t, noise) for t in times]
    mean = 0.01 + np.trapezoid(exact, times)
    assert abs(found.at(0.0) - mean) < 1.5 * found.error_at(0.0) < 0.001 * mean
    np.testing.assert_allclose(
        found.survival([0.5, 1.0, 1.9], fp.point(0.0)), np.interp([0.5, 1.0, 1.9], times, exact), atol=1e-3
    )
    assert (found.survival([1.99999, 2.0, 5.0], fp.point(0.0)) < 1e-5).all()


def test_a_gap_that_closes_at_a_wall():
    """Without drift the target sweeps over what hardly moves; the gap closes at the wall of the box at t = 6."""
    found = fp.first_passage(fp.FokkerPlanck(diffusion=1e-4), fp.Grid((-4, 4), 160), lambda x, t: x > 2 - t)
    assert found.at(0.0) == pytest.approx(2.0, abs=0.02)
    assert abs(found.at(-3.5) - 5.5) < 1.5 * found.error_at(-3.5) < 0.05
    assert found.survival([6.5], fp.point(-3.9))[0] == 0.0


@pytest.mark.parametrize("grid", [fp.Grid((-4, 4), 160), fp.Grid((-4, 4), 160, "periodic")])
def test_a_target_that_takes_all_at_one_moment(grid):
    found = fp.first_passage(fp.FokkerPlanck(diffusion=1e-3), grid, lambda x, t: (x > 3) | ((t >= 1.3) & (x > -3)))
    assert found.at(0.0) == pytest.approx(1.3, abs=2e-5)
    assert found.error_at(0.0) < 1e-4
