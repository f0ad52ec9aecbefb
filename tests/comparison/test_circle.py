"""Laws on a circle, by cases solved by hand: nothing depends on where the circle is cut."""

import copy

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linear_sum_assignment
from scipy.special import iv

import fokkerplanck as fp
from fokkerplanck.comparison import distances
from fokkerplanck.comparison.wasserstein import has_transport_package
from fokkerplanck.solvers.accuracy.estimates import Errors

TURN = 2 * np.pi


def at_rest(grid, p0):
    """A density that does not move."""
    return fp.solve(fp.FokkerPlanck(diffusion=np.zeros(grid.shape)), grid, p0, [1.0], error=False)


def von_mises(grid, mean, strength=4.0, period=TURN):
    density = np.exp(strength * (np.cos(TURN * (grid.centers[0] - mean) / period) - 1.0))
    return at_rest(grid, density / (density @ grid.widths[0]))


def repeated(*points):
    return np.repeat(points, 2)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("shift", [0.0, 0.3, -4.75])
def test_two_points_beside_the_seam_are_a_tenth_of_a_period_apart(order, shift):
    a, b = (x + shift for x in (repeated(0.05), repeated(0.95)))
    assert distances.wasserstein(a, b, order, period=1.0).value == pytest.approx(0.1, rel=1e-9)
    assert distances.wasserstein(a, b, order).value == pytest.approx(0.9, rel=1e-9)


def test_pairs_of_points_by_hand():
    """From {0, .5} to {.1, .9}: .1 and .4 on the way that costs least, so W1 = .25 and W2^2 = (.01 + .16) / 2."""
    a, b = np.array([0.0, 0.5]), np.array([0.1, 0.9])
    assert distances.wasserstein(a, b, 1, period=1.0).value == pytest.approx(0.25, rel=1e-9)
    assert distances.wasserstein(a, b, 2, period=1.0).value == pytest.approx(np.sqrt(0.085), rel=1e-9)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n", [2, 7, 40])
def test_samples_by_the_best_assignment(order, n):
    rng = np.random.default_rng([order, n])
    period = 2.5
    for _ in range(5):
        a, b = rng.normal(size=n) * 3.0, rng.random(n) ** 3 * 5.0
        apart = np.abs(a[:, None] - b)
        cost = np.abs(apart - period * np.round(apart / period)) ** order
        best = cost[linear_sum_assignment(cost)].mean() ** (1.0 / order)
        assert distances.wasserstein(a, b, order, period=period).value == pytest.approx(best, rel=1e-7)


@pytest.mark.parametrize("order", [1, 2])
def test_a_turned_density_is_as_far_as_it_was_turned(order):
    """Rotations by whole cells, across the seam and on grids that begin elsewhere, between cells of any width.

    The laws are narrow: of a wide one some would go the other way round, and less far.
    """
    one, two = (fp.Grid((low, low + TURN), 96, "periodic") for low in (0.0, -np.pi))
    turned = 5 * TURN / 96
    for a, b in ((one, one), (one, two), (two, one)):
        pair = von_mises(a, 3 * TURN / 96, 40.0), von_mises(b, -2 * TURN / 96, 40.0)
        assert distances.wasserstein(*pair, order).value == pytest.approx(turned, rel=1e-6)
    rough = von_mises(fp.Grid((0, TURN), 50, "periodic"), -2 * TURN / 96, 40.0)
    assert distances.wasserstein(von_mises(one, 3 * TURN / 96, 40.0), rough, order).value == pytest.approx(
        turned, rel=2e-3
    )


def test_half_turns_of_an_even_and_of_a_narrow_law():
    """All of a point to the even law is P / 4 on average, and P / sqrt(12) in mean square."""
    grid = fp.Grid((0, 1), 100, "periodic")
    even, narrow = at_rest(grid, fp.uniform(0, 1)), np.full(50, 0.31)
    assert distances.wasserstein(even, narrow, 1).value == pytest.approx(0.25, rel=1e-9)
    assert distances.wasserstein(even, narrow, 2).value == pytest.approx(1 / np.sqrt(12), rel=1e-7)


@pytest.mark.parametrize("order", [1, 2])
def test_standard_errors_are_the_spread_over_samples(order):
    """60 sets of 400 samples; the deviation of 60 normal values is off by 9 %, so 30 % by chance in less than 0.1 %."""
    rng = np.random.default_rng(3)
    solution = von_mises(fp.Grid((0, TURN), 200, "periodic"), 0.4)
    found = [distances.wasserstein(rng.vonmises(-0.2, 4.0, 400), solution, order) for _ in range(60)]
    spread = np.std([d.value for d in found], ddof=1)
    assert np.mean([d.standard_error for d in found]) == pytest.approx(spread, rel=0.3)


def test_chords_tell_apart_what_arcs_do_not():
    """Half the mass at each of two opposite points, and the same turned by a quarter, by the chords 2 r and sqrt(2) r."""
    n = 400  # of each point, so that leaving out a sample beside itself changes little
    a, b = np.repeat([0.0, 0.5], n), np.repeat([0.25, 0.75], n)
    radius = 1.0 / TURN
    own, between = 2 * radius * 0.5, np.sqrt(2.0) * radius
    found = distances.energy(a, b, period=1.0).value
    assert found**2 == pytest.approx(2 * (between - own), rel=5e-3)
    assert distances.mmd(a, b, 0.1, period=1.0).value > 0.5


def test_mean_discrepancy_of_turned_von_mises_laws():
    """With the kernel exp(-chord^2 / (2 s^2)) = exp(-k (1 - cos)), k = r^2 / s^2, by Fourier series on the circle."""
    grid, turn, strength, s = fp.Grid((0, TURN), 240, "periodic"), 0.5, 4.0, 0.8
    n = np.arange(1, 40)
    kernel = 2 * iv(n, 1 / s**2) * np.exp(-1 / s**2)
    law = (iv(n, strength) / iv(0, strength)) ** 2
    square = float(kernel @ (law * (2 - 2 * np.cos(n * turn))))
    found = distances.mmd(von_mises(grid, 0.3, strength), von_mises(grid, 0.3 - turn, strength), s)
    assert found.value == pytest.approx(np.sqrt(square), rel=1e-3)


def test_distances_do_not_depend_on_where_the_circle_is_cut():
    rng = np.random.default_rng(5)
    a, b = rng.vonmises(3.0, 2.0, 300), rng.vonmises(-2.9, 2.0, 300)
    for measure in (distances.energy, distances.mmd, distances.kullback_leibler):
        here, there = measure(a, b, period=TURN), measure(a + 1.0, b + 1.0 - TURN, period=TURN)
        assert here.value == pytest.approx(there.value, rel=1e-6)
    assert distances.energy(a, b, period=TURN).value < 0.6 * distances.energy(a, b).value


def test_divergence_from_a_density_takes_paths_that_have_gone_round():
    grid = fp.Grid((0, TURN), 60, "periodic")
    solution = von_mises(grid, 1.0)
    points = solution.distribution().sample(3000, seed=1)
    turned = points + TURN * np.random.default_rng(1).integers(-3, 4, 3000)
    plain, wound = (distances.kullback_leibler(x, solution).value for x in (points, turned))
    assert wound == pytest.approx(plain, rel=1e-9)


@pytest.mark.skipif(not has_transport_package(), reason="needs POT")
def test_on_a_torus_transport_goes_the_short_way_along_each_axis():
    a, b = np.array([[0.05, 0.0]] * 2), np.array([[0.95, 3.0]] * 2)
    found = distances.wasserstein(a, b, 2, period=[1.0, None], method="exact").value
    assert found == pytest.approx(np.hypot(0.1, 3.0), rel=1e-9)
    grid = fp.Grid([(0, 1), (0, 2)], 20, "periodic")
    solution = at_rest(grid, np.eye(20)[:, [1]] @ np.eye(20)[[0]] / (0.05 * 0.1))
    other = at_rest(grid, np.eye(20)[:, [19]] @ np.eye(20)[[19]] / (0.05 * 0.1))
    assert distances.wasserstein(solution, other, 1).value == pytest.approx(np.hypot(0.1, 0.1), rel=1e-9)


def test_sliced_distances_are_refused_on_a_torus():
    a = np.random.default_rng(0).random((20, 2))
    with pytest.raises(ValueError, match="Lines through a torus do not close"):
        distances.wasserstein(a, a + 0.1, method="sliced", period=1.0 * np.ones(2))


def test_two_samples_that_meet_at_the_seam():
    rng = np.random.default_rng(7)
    a, b = (np.mod(rng.normal(0.0, 0.1, 200), 1.0) for _ in range(2))
    c = np.mod(rng.normal(0.08, 0.1, 200), 1.0)
    assert fp.two_sample(a, b, period=1.0).p_value > 0.01
    assert fp.two_sample(a, c, period=1.0).p_value < 1e-6
    assert fp.two_sample(a, c, period=1.0).p_value < 1e-3 * fp.two_sample(a, c).p_value


def test_permutations_hold_their_level_on_a_circle():
    """200 tests of equal laws at 10 %: 20 +- 4.2 are rejected, and 33 by chance in 0.2 %."""
    rng = np.random.default_rng(11)
    count = 0
    for _ in range(200):
        a, b = (rng.vonmises(3.1, 1.0, 40) for _ in range(2))
        count += fp.two_sample(a, b, permutations=100, period=TURN).p_value < 0.1
    assert count <= 33


def rows(table):
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_a_comparison_on_a_periodic_grid_does_not_see_the_seam():
    """The same angle on boxes that begin at 0 and at -1: every number of the table but the mean is the same."""
    found = []
    for low in (0.0, -1.0):
        grid = fp.Grid((low, low + TURN), 100, "periodic")
        eq = fp.FokkerPlanck(drift=lambda x: -np.sin(x), diffusion=0.3)
        paths = fp.simulate(eq, np.linspace(-0.5, 0.5, 400)[:, None], [1.0], 0.05, n_paths=400, seed=2)  # on the line
        pair = {"density": fp.solve(eq, grid, fp.point(0.05), [1.0], error=False), "paths": paths}
        found.append(rows(fp.compare(pair, reference="paths", distances=["W2", "MMD", "energy"]))[0])
    one, two = found
    assert abs(one["mean"]) < 0.2  # not 3
    assert one["deviation"] < 0.8
    for name in ("deviation", "W1", "W2", "MMD", "energy", "W1_sampling"):
        assert one[name] == pytest.approx(two[name], abs=5e-3), name


def test_paths_that_were_folded_know_their_circle():
    grid = fp.Grid((0, TURN), 100, "periodic")
    eq = fp.FokkerPlanck(drift=lambda x: 0 * x, diffusion=0.2)
    one, two = (fp.simulate(eq, np.array([0.01]), [1.0], 0.1, n_paths=200, seed=k, grid=grid) for k in (1, 2))
    assert one.periods == (pytest.approx(TURN),)
    assert distances.wasserstein(one, two).value < 0.2 < distances.wasserstein(one.positions[0], two.positions[0]).value
    assert rows(fp.compare({"one": one, "two": two}, distances=[]))[0]["deviation"] < 1.0


def test_circles_of_two_lengths_and_long_lines_are_refused():
    ring, longer = (at_rest(fp.Grid((0, p), 40, "periodic"), fp.uniform(0, p)) for p in (1.0, 1.5))
    with pytest.raises(ValueError, match=r"`b` must be on a circle as long as that of `a`, got periods 1 and 1\.5"):
        distances.wasserstein(ring, longer)
    with pytest.raises(ValueError, match=r"on an axis of one period, 1, or samples, got a density from -2 to 2"):
        distances.energy(ring, at_rest(fp.Grid((-2, 2), 40), fp.uniform(-1, 1)))
    with pytest.raises(ValueError, match="`period` must be that of the periodic axis"):
        distances.wasserstein(ring, ring, period=2.0)
    with pytest.raises(ValueError, match="`period` must be 1 number"):
        distances.mmd(ring, ring, period=[1.0, None])
    reflecting = at_rest(fp.Grid((0, 1), 40), fp.uniform(0, 1))
    assert distances.wasserstein(ring, reflecting).value == pytest.approx(0.0, abs=1e-12)


def exact_moments(middle, strength=3.0):
    """Mean and deviation of the von Mises law about 0 within half a turn of `middle`, by quadrature."""

    def p(x):
        return np.exp(strength * np.cos(x)) / (TURN * iv(0, strength))

    low, high = middle - np.pi, middle + np.pi
    mean = quad(lambda x: x * p(x), low, high, points=[0.0, TURN])[0]
    return mean, np.sqrt(quad(lambda x: (x - mean) ** 2 * p(x), low, high, points=[0.0, TURN])[0])


@pytest.mark.parametrize("middle", [np.pi / 2, 2.0, 2.9])
@pytest.mark.parametrize("n", [64, 127])
def test_moments_of_a_density_that_is_cut_elsewhere_are_within_their_errors(n, middle):
    """Cut through the middle of the law at 2.9; where no coarser answers are kept, by how far mass may be carried."""

    def rest(mean, cells):
        eq = fp.FokkerPlanck(potential=lambda x: -3.0 * np.cos(x - mean), diffusion=1.0)
        return fp.stationary(eq, fp.Grid((0, TURN), cells, "periodic"))

    one, reference, exact = rest(0.0, n), rest(middle, 256), exact_moments(middle)
    lost = copy.copy(one)
    object.__setattr__(lost, "error", Errors.of_record(one.error.as_record()))
    table = fp.compare({"one": one, "lost": lost, "reference": reference}, distances=["W2"])
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    for name, most in (("one", 40.0), ("lost", 60.0)):
        for word, right in zip(("mean", "deviation"), exact, strict=True):
            off, said = abs(rows[name][word] - right), rows[name][f"se_{word}"]
            assert off < 1.2 * said
            assert said < most * (TURN / n) ** 2
    assert abs(rows["one"]["mean"] - exact[0]) < 0.25 * (TURN / n) ** 2  # 25 times as much before cells were cut


@pytest.mark.parametrize("n", [32, 96])
def test_a_distance_counts_that_a_density_is_even_inside_its_cells(n):
    def rest(cells):
        eq = fp.FokkerPlanck(drift=lambda x: 0.7 - 3.0 * np.sin(x), diffusion=1.0)
        return fp.stationary(eq, fp.Grid((0, TURN), cells, "periodic"))

    def turned(cells):
        eq = fp.FokkerPlanck(potential=lambda x: -3.0 * np.cos(x - 4.0), diffusion=1.0)
        return fp.stationary(eq, fp.Grid((0, TURN), cells, "periodic"))

    table = fp.compare({"one": rest(n), "fine": rest(2048), "reference": turned(2048)}, distances=["W2"])
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    off = abs(rows["one"]["W1"] - rows["fine"]["W1"])
    assert off < 1.2 * rows["one"]["se_W1"] < 3.0 * off
