"""The transfer operator. Statistical comparisons allow 5 standard errors: a false alarm in 1.7 million each."""

import collections
import itertools

import numpy as np
import pytest
from pymittagleffler import mittag_leffler
from scipy.linalg import expm, solve_discrete_lyapunov

import fokkerplanck as fp
from fokkerplanck.sgd import minibatches as batches
from fokkerplanck.solvers.linear import markov_chain as tr

PIT = "-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)"
BOTTOM = 1.00745330
P0 = fp.gaussian(0.5, 0.175)


def pit(eta=0.02, **settings):
    return fp.SGD(fp.SampleLoss(PIT, ["w"], {"pit": [0, 1]}), eta, **settings)


def quadratic(eta, h=(1.0, 1.0), c=(-1.0, 1.0), **settings):
    return fp.SGD(fp.SampleLoss("h*(w-c)**2/2", ["w"], {"h": h, "c": c}), eta, **settings)


def walk(steps, eta=1.0):
    """A walk by -eta c, c drawn from `steps`."""
    return fp.SGD(fp.SampleLoss("c*w", ["w"], {"c": steps}), eta)


def past(w):
    return w > 1.3


@pytest.mark.parametrize(("formula", "bounds", "place"), [("log(w)*x", (-3, 3), "0"), ("sqrt(w)*x", (-1, 3), "-0.99")])
def test_boxes_where_steps_are_not_finite_are_refused(formula, bounds, place):
    """The variance was nan."""
    sgd = fp.SGD(fp.SampleLoss(formula, ["w"], {"x": [1.0, 2.0]}), 0.1)
    with pytest.raises(
        ValueError, match=rf"`grid` must be a box in which .* finite, got one that is not from \({place}\)"
    ):
        sgd.transfer_operator(fp.Grid(bounds, 200))


def test_columns_are_probabilities():
    grids = [fp.Grid((-0.5, 3), 350), fp.Grid.graded((-0.5, 3), lambda w: 1e-3 + 0.01 * (w - 1) ** 2)]
    for grid, model in itertools.product(grids, ("exact", "gaussian-chain")):
        t = pit(0.05).transfer_operator(grid, model)
        assert t.matrix.data.min() >= 0.0
        np.testing.assert_allclose(t.matrix.sum(axis=0), 1.0, rtol=0, atol=1e-13)


def test_grid_adds_the_least_variance():
    """A step s moves a cell's mass by exactly s and adds s (h - s) <= h^2/4, which is 0 for no step."""
    grid = fp.Grid((0, 1), 10)
    for s in (0.0, 0.013, 0.05, 0.1, 0.237):
        t = walk([-1.0], s or 1e-100).transfer_operator(grid)
        column = t.matrix.toarray()[:, 4]
        mean = column @ grid.centers[0]
        rest = s % 0.1
        assert mean == pytest.approx(0.45 + s, abs=1e-15)
        assert column @ (grid.centers[0] - mean) ** 2 == pytest.approx(rest * (0.1 - rest), abs=1e-15)
        assert t.smearing[0, 4] == pytest.approx(rest * (0.1 - rest), abs=1e-15)
        assert t.noise[0, 4] == 0.0
    t = pit().transfer_operator(fp.Grid((0.5, 2.5), 500))
    inner = slice(50, 450)
    assert t.smearing[0, inner].min() > -1e-15
    assert t.smearing[0, inner].max() <= 0.004**2 / 4 + 1e-15
    w = t.grid.centers[0]
    b = 200 * (w - 1) * np.exp(-100 * (w - 1) ** 2)
    np.testing.assert_allclose(t.noise[0], 0.02**2 * b**2 / 4, rtol=1e-2, atol=1e-9)


def test_stretched_images_leave_no_gaps():
    """w' = -3 w (eta h = 4): an even density stays even inside, with three times the width and the right variance."""
    t = quadratic(4.0, (1.0,), (0.0,)).transfer_operator(fp.Grid((-3, 3), 60))
    solution = t.evolve(fp.uniform(-0.5, 0.5), [1])
    inside = np.abs(t.grid.centers[0]) < 1.3
    np.testing.assert_allclose(solution.density[0, inside], 1 / 3, rtol=0.06)
    assert solution.covariance()[0, 0, 0] == pytest.approx(9 / 12, rel=3e-3)


def test_escape_from_the_pit():
    """Reference case B3: 148.8 steps (simulation 149.6 +- 1.1); normal noise in discrete time 76.4 (+- 0.5)."""
    grid = fp.Grid((0.5, 2.5), 2000)
    exact = pit().transfer_operator(grid)
    assert (exact.kind, exact.n_maps, exact.steps) == ("enumerated", 2, 1)
    passage = exact.first_passage(past)
    assert passage.at(BOTTOM) == pytest.approx(148.8, abs=0.1)
    assert passage.mean[past(grid.centers[0])].max() == 0.0
    chain = pit().transfer_operator(grid, "gaussian-chain")
    assert chain.kind == "kernel"
    assert chain.first_passage(past).at(BOTTOM) == pytest.approx(76.09, abs=0.05)


def test_second_order_in_the_cell_size():
    """The mean escape time at four sizes; errors fall by four with some scatter from the position of the edges."""
    times = [pit().transfer_operator(fp.Grid((0.5, 2.5), n)).first_passage(past).at(BOTTOM) for n in (400, 1600, 6400)]
    assert abs(times[1] - times[2]) < abs(times[0] - times[2]) / 8


def test_escape_time_equals_simulation():
    mc = pit().simulate(BOTTOM, target="w > 1.3", max_steps=4000, n_paths=20_000, seed=11)
    passage = pit().transfer_operator(fp.Grid((0.5, 2.5), 2000)).first_passage(past)
    error = mc.exit_times.std() / np.sqrt(mc.n_paths)
    assert abs(mc.exit_times.mean() - passage.at(BOTTOM)) < 5 * error
    spread = np.sqrt(passage.second_moment[passage.grid.locate(BOTTOM)] - passage.at(BOTTOM) ** 2)
    assert spread == pytest.approx(mc.exit_times.std(), rel=5 / np.sqrt(2 * mc.n_paths) * 2)
    steps = [50, 150, 400]
    alive = passage.survival(steps, fp.point(BOTTOM))
    simulated = np.array([(mc.exit_times > s).mean() for s in steps])
    assert (np.abs(alive - simulated) < 5 * np.sqrt(alive * (1 - alive) / mc.n_paths) + 2e-3).all()
    arrival = passage.density([150], fp.point(BOTTOM))[0]
    before, after = passage.survival([149, 150], fp.point(BOTTOM))
    assert arrival == pytest.approx(before - after, rel=1e-12)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("eta", [0.02, 0.05])
def test_density_equals_simulation(eta):
    """Reference case B2: moments and fractions along the way, within sampling error."""
    steps = [10, 50, 100, 300]
    mc = pit(eta).simulate(P0, steps, n_paths=50_000, seed=12)
    solution = pit(eta).transfer_operator(fp.Grid((-0.5, 3), 3500)).evolve(P0, steps)
    assert (np.abs(solution.mean() - mc.mean()) < 5 * mc.standard_error() + 1e-6).all()
    w = solution.grid.centers[0]
    for region in (lambda w: abs(w - 1) < 0.2, lambda w: abs(w - 2) < 0.1):
        share = mc.fraction(region)
        exact = solution.masses[:, region(w)].sum(axis=1)
        assert (np.abs(share.value - exact) < 5 * np.sqrt(exact * (1 - exact) / mc.n_paths) + 1e-4).all()
    assert solution.stats["mass_error"] < 1e-12
    assert solution.stats["clamped"] == 0.0


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize(("eta", "near_one", "near_two"), [(0.02, 0.0008, 0.9989), (0.05, 0.0, 1.0)])
def test_fractions_after_a_thousand_steps(eta, near_one, near_two):
    """Reference case B2 from 20,000 runs: within 5 standard errors of those, and the grid's 2e-4."""
    solution = pit(eta).transfer_operator(fp.Grid((-0.5, 3), 3500)).evolve(P0, [1000])
    w = solution.grid.centers[0]
    for center, reach, seen in ((1.0, 0.2, near_one), (2.0, 0.1, near_two)):
        share = solution.masses[0, np.abs(w - center) < reach].sum()
        assert abs(share - seen) < 5 * np.sqrt(share * (1 - share) / 20_000) + 2e-4


def test_everything_ends_at_two():
    """Reference case B2: the mass ends at w = 2; on the grid, in the two cells around it."""
    t = pit().transfer_operator(fp.Grid((0.5, 2.5), 1000))
    end = t.stationary()
    assert end.stats["parts"] == 1
    assert end.mean()[0] == pytest.approx(2.0, abs=1e-12)
    assert end.masses[end.masses > 1e-12].size == 2
    late = t.evolve(fp.gaussian(0.8, 0.02), [10_000]).masses[0]
    assert np.abs(late - end.masses).sum() < 1e-9


def test_stationary_variance_of_a_quadratic():
    """Reference case F1: eta sigma^2/(h (2 - eta h)), 1/3 at eta = 0.5; what the grid adds is its smearing over 1 - f^2."""
    for eta, exact in ((0.1, 0.0526315789), (0.5, 1 / 3)):
        t = quadratic(eta).transfer_operator(fp.Grid((-2, 2), 400))
        end = t.stationary()
        added = (t.smearing[0] @ end.masses) / (1 - (1 - eta) ** 2)
        assert end.covariance()[0, 0] == pytest.approx(exact + added, rel=1e-9)
        assert end.covariance()[0, 0] == pytest.approx(exact, rel=2e-3)
        assert end.stats["residual"] < 1e-12
        chain = quadratic(eta).transfer_operator(fp.Grid((-6, 6), 600), "gaussian-chain").stationary()
        assert chain.covariance()[0, 0] == pytest.approx(exact, rel=1e-6)


def birth_death_passage(p, n):
    """Mean steps from 0 to n for steps +1 (p) and -1 (q), held at 0: sum of (1 - (q/p)^(k+1))/(p - q)... by hand."""
    q, total, one = 1 - p, 0.0, 1 / p
    for _ in range(n):
        total += one
        one = 1 / p + q / p * one
    return total


@pytest.mark.filterwarnings("ignore:a path meets a reflecting wall")
@pytest.mark.parametrize("n", [5, 60])
def test_passage_against_a_drift_to_round_off(n):
    """A walk with p = 1/4 for +1, whose steps are whole cells: 3^60 steps, far beyond a factorisation of 1 - T."""
    t = walk([1, 1, 1, -1]).transfer_operator(fp.Grid((-0.5, n + 0.5), n + 1))
    exact = birth_death_passage(0.25, n)
    assert t.first_passage(lambda w: w > n - 0.5, error=False).mean[0] == pytest.approx(exact, rel=1e-12)
    weights = 3.0 ** -np.arange(n + 1.0)
    np.testing.assert_allclose(t.stationary().masses, weights / weights.sum(), rtol=1e-12)


def test_absorbing_walls_and_survival():
    """A symmetric walk by whole cells on 9 cells: (k + 1)(9 - k) mean steps, eigenvalues cos(pi j / 10)."""
    grid = fp.Grid((-0.5, 8.5), 9, boundary="absorbing")
    t = walk([1, -1]).transfer_operator(grid)
    passage = t.first_passage()
    k = np.arange(9)
    np.testing.assert_allclose(passage.mean, (k + 1) * (9 - k), rtol=1e-13)
    modes = t.spectrum(3)
    np.testing.assert_allclose(np.sort(np.abs(modes.eigenvalues)), np.cos(np.pi * np.array([2, 1, 1]) / 10), rtol=1e-10)
    assert t.evolve(fp.point(4.0), [0, 1, 40]).mass == pytest.approx(passage.survival([0, 1, 40], fp.point(4.0)))
    with pytest.raises(ValueError, match="`grid` must be closed somewhere"):
        t.stationary()


@pytest.mark.filterwarnings("ignore:a path meets a reflecting wall")
def test_second_moment_of_a_passage():
    """One cell left with probability 1/2: geometric, mean 2, second moment 6."""
    grid = fp.Grid((-0.5, 0.5), 1, boundary=("reflecting", "absorbing"))
    passage = walk([1, -1]).transfer_operator(grid).first_passage()
    assert passage.mean[0] == pytest.approx(2.0)
    assert passage.second_moment[0] == pytest.approx(6.0)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_periodic_axis_carries_around():
    t = walk([-1.0], 0.35).transfer_operator(fp.Grid((0, 1), 10, boundary="periodic"))
    column = t.matrix.toarray()[:, 8]
    np.testing.assert_allclose(column[[1, 2]], [0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(t.stationary().masses, 0.1, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:a path meets a reflecting wall")
def test_walls_hold_what_would_leave_and_count_it():
    t = walk([1.0, -1.0]).transfer_operator(fp.Grid((-0.5, 4.5), 5))
    np.testing.assert_allclose(t.clamped, [0.5, 0, 0, 0, 0.5])
    steps = t.evolve([1.0, 0.0, 0.0, 0.0, 0.0], [1, 2, 3])
    assert steps.stats["clamped"] == pytest.approx(0.5 + 0.25 + 0.25)


def test_long_evolution_by_squaring_equals_products():
    t = pit().transfer_operator(fp.Grid((0.5, 2.5), 60)).matrix
    p = np.full(60, 1 / 60)
    direct = p
    for _ in range(300):
        direct = t @ direct
    np.testing.assert_allclose(tr._leap(t.tocsr(), [], p, 300), direct, rtol=1e-11, atol=1e-18)


def test_a_late_density_on_few_cells_takes_few_products():
    """Gaps of many steps are leapt over: 10^7 products of five microseconds each were left out of the account."""
    assert tr._seconds(pit().transfer_operator(fp.Grid((0.5, 2.5), 60)).matrix, 10**7) > tr._seconds_of_leap(
        60, 10**7, 0
    )
    operator = fp.SGD(fp.SampleLoss("w**2/2 + c*w", ["w"], {"c": [-0.5, 0.5]}), 0.5).transfer_operator(
        fp.Grid((-2, 2), 60)
    )
    late, rest = operator.evolve(fp.gaussian(1, 0.1), [10**12], error=False), operator.stationary(error=False)
    np.testing.assert_allclose(late.density[0], rest.density, atol=1e-9 * rest.density.max())


DATA = {"h": (1.0, 3.0, 0.5), "c": (1.0, -1.0, 2.0)}


@pytest.mark.parametrize(("batch", "replacement"), [(1, True), (2, True), (2, False), (3, False), (None, True)])
def test_batches_with_their_weights(batch, replacement):
    """Means and variances of one step over all ordered batches."""
    sgd = quadratic(0.3, **DATA, batch_size=batch, replacement=replacement)
    size = batch or 3
    order = (
        itertools.product(range(3), repeat=size) if replacement and batch else itertools.permutations(range(3), size)
    )
    h, c = np.array(DATA["h"]), np.array(DATA["c"])
    ends = np.array([0.7 - 0.3 * np.mean([h[i] * (0.7 - c[i]) for i in b]) for b in order])
    grid = fp.Grid((-2.8, 4.2), 7 * 50 + 1)
    t = sgd.transfer_operator(grid)
    cell = grid.locate(0.7)
    assert grid.centers[0][cell] == pytest.approx(0.7)
    assert t.evolve(fp.point(0.7), [1]).mean()[0, 0] == pytest.approx(ends.mean(), abs=1e-12)
    assert t.noise[(0, *cell)] == pytest.approx(ends.var(), abs=1e-12)


def test_repeated_samples_are_merged():
    sgd = quadratic(0.1, (1.0,) * 40, (0.0, 1.0, 1.0, 1.0) * 10, batch_size=20)
    listed = batches.enumerate_batches(sgd)
    assert len(listed.draws) == 21
    mean = sum(w * draw[0].times.sum() for w, draw in zip(listed.weights, listed.draws, strict=True))
    assert mean == pytest.approx(20)
    share = [draw[0].times[np.isin(draw[0].rows, np.arange(0, 40, 4))].sum() for draw in listed.draws]
    assert listed.weights @ share == pytest.approx(5.0)
    without = quadratic(0.1, (1.0,) * 40, (0.0, 1.0, 1.0, 1.0) * 10, batch_size=20, replacement=False)
    listed = batches.enumerate_batches(without)
    assert len(listed.draws) == 11
    share = np.array([draw[0].times[np.isin(draw[0].rows, np.arange(0, 40, 4))].sum() for draw in listed.draws])
    assert listed.weights @ (share - 5.0) ** 2 == pytest.approx(20 * 0.25 * 0.75 * (40 - 20) / 39)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_shuffled_epoch():
    """Reference case F7: mean .65869995 after one epoch; variance over the six orders."""
    sgd = quadratic(0.01, **DATA, shuffle=True)
    t = sgd.transfer_operator(fp.Grid((0.4, 1.0), 601))
    assert (t.steps, t.n_maps, t.kind) == (3, 6, "enumerated")
    assert t.evolve(fp.point(0.7), [0, 3]).mean()[1, 0] == pytest.approx(0.65869995, abs=5e-9)
    with pytest.raises(ValueError, match="`steps` must be multiples of the 3 steps"):
        t.evolve(fp.point(0.7), [4])


@pytest.mark.parametrize("order", [0.4, 0.7, 1.0])
def test_waiting_slows_the_mean(order):
    """On a quadratic E(w) = w0 E_b(-eta h (t / scale)^b), on any grid, as sharing keeps the mean."""
    t = quadratic(0.1).transfer_operator(fp.Grid((-2, 2), 101))
    times = [0.0, 1.0, 30.0]
    solution = t.evolve_waiting(fp.point(0.8), times, order, scale=3.0, rtol=1e-9)
    exact = [0.8 * mittag_leffler(-0.1 * (s / 3.0) ** order, order, 1.0).real for s in times]
    np.testing.assert_allclose(solution.mean()[:, 0], solution.mean()[0, 0] / 0.8 * np.array(exact), rtol=0, atol=1e-9)
    assert solution.stats["clamped"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.filterwarnings("ignore:a path meets a reflecting wall")
def test_exponential_waits_are_the_exponential():
    """At time_order 1, exp((T - 1) t), for the density and for the meetings with a wall."""
    t = walk([-1.0, 0.5], 0.2).transfer_operator(fp.Grid((0, 1), 40))
    times = np.array([0.5, 5.0, 40.0])
    solution = t.evolve_waiting(fp.point(0.5), times, 1.0, rtol=1e-9)
    start, matrix = fp.point(0.5).masses(t.grid), t.matrix.toarray()
    exact = [expm((matrix - np.eye(40)) * s) @ start for s in times]
    assert np.abs(solution.masses - exact).sum(axis=1).max() < 1e-9
    bordered = np.block([[matrix - np.eye(40), np.zeros((40, 1))], [t.clamped[None], np.zeros((1, 1))]])
    met = (expm(bordered * 40.0) @ np.append(start, 0.0))[-1]
    assert met > 1.0
    assert solution.stats["clamped"] == pytest.approx(met, rel=1e-9)


@pytest.mark.parametrize("order", [0.5, 0.8])
def test_waiting_density_equals_simulation(order):
    """W1 at most twice its sampling mean. Another seed would exceed that in 1 to 6 % of these comparisons each.

    That rate was measured by drawing 20,000 points from the density, 20,000 times. Later, with order 0.8, nearly all
    mass sits in one point, which the grid cannot resolve to the sampling error.
    """
    times = [10.0, 100.0, 300.0]
    density = pit(0.05).transfer_operator(fp.Grid((-0.5, 3), 1400)).evolve_waiting(P0, times, order, scale=2.0)
    paths = fp.simulate_waiting(pit(0.05), P0, times, order, n_paths=20_000, seed=4, scale=2.0)
    table = fp.compare({"density": density, "paths": paths}, reference="paths")
    distance, sampling = table.column("W1")[::2], table.column("W1_sampling")[::2]
    assert (np.array(distance) < 2 * np.array(sampling)).all()
    assert density.stats["error_estimate"] < 1e-6
    assert density.stats["mass_error"] < 1e-6
    assert np.minimum(density.masses, 0.0).sum() > -density.stats["error_estimate"]
    assert density.stats["clamped"] == pytest.approx(0.0, abs=1e-6)


def test_an_evolution_with_waiting_times_measures_its_error():
    t = pit(0.05).transfer_operator(fp.Grid((-0.5, 3), 350))
    found, finer = (
        one.evolve_waiting(P0, [2.0, 20.0], 0.7) for one in (t, pit(0.05).transfer_operator(fp.Grid((-0.5, 3), 1400)))
    )
    off = np.abs(found.mean() - finer.mean()).max()
    assert 0.5 * off < found.error["mean"].max() < 10.0 * off
    assert not t.evolve_waiting(P0, [2.0], 0.7, error=False).error


def test_waiting_is_refused_where_it_makes_no_sense():
    t = pit().transfer_operator(fp.Grid((-0.5, 3), 50))
    for name, values in (("time_order", (0.0, 1.5, np.nan)), ("scale", (0.0, np.inf)), ("rtol", (1e-13, 1.0))):
        for value in values:
            with pytest.raises(ValueError, match=f"`{name}` must be"):
                t.evolve_waiting(P0, [1.0], **{"time_order": 0.5, name: value})
        with pytest.raises(TypeError, match=f"`{name}` must be"):
            t.evolve_waiting(P0, [1.0], **{"time_order": 0.5, name: "half"})
    with pytest.raises(ValueError, match="`times` must be increasing"):
        t.evolve_waiting(P0, [2.0, 1.0], 0.5)
    with pytest.raises(fp.ConvergenceError, match="draw paths with"):
        t.evolve_waiting(P0, [1e4], 0.999)
    epochs = quadratic(0.2, shuffle=True).transfer_operator(fp.Grid((-2, 2), 50))
    with pytest.raises(ValueError, match="must be of one step for waiting times, got 2 steps an epoch"):
        epochs.evolve_waiting(P0, [1.0], 0.5)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_too_many_batches_are_drawn_or_seen_as_normal():
    rng = np.random.default_rng(5)
    c = rng.normal(size=300)
    few = quadratic(0.2, np.ones(300), c, batch_size=4)
    many = quadratic(0.2, np.ones(300), c, batch_size=64)
    grid = fp.Grid((-3, 3), 150)
    sampled, normal = few.transfer_operator(grid), many.transfer_operator(grid)
    assert (sampled.kind, normal.kind) == ("sampled", "kernel")
    assert sampled.n_maps == 4096
    for t, batch in ((sampled, 4), (normal, 64)):
        exact = 0.2 * c.var() / batch / 1.8  # F1
        tolerance = 5 * np.sqrt(2 / 4096) if batch == 4 else 1e-5
        added = (t.smearing[0] @ t.stationary().masses) / 0.36
        assert t.stationary().covariance()[0, 0] - added == pytest.approx(exact, rel=tolerance)
    again = few.transfer_operator(grid, n_batches=50, seed=3)
    assert (again.matrix != few.transfer_operator(grid, n_batches=50, seed=3).matrix).nnz == 0
    with pytest.raises(ValueError, match="more than 10000 distinct"):
        few.transfer_operator(grid, kind="enumerated")


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_two_dimensions_against_enumeration():
    """A linear map with rotation: mean and covariance after five steps, by averaging over all batches."""
    a = np.array([[[1.0, 0.4], [0.4, 2.0]], [[3.0, -0.5], [-0.5, 1.0]]])
    b = np.array([[1.0, 0.0], [-1.0, 0.5]])
    text = "(p*x*x + 2*q*x*y + r*y*y)/2 - u*x - v*y"
    data = {"p": a[:, 0, 0], "q": a[:, 0, 1], "r": a[:, 1, 1], "u": b[:, 0], "v": b[:, 1]}
    sgd = fp.SGD(fp.SampleLoss(text, ["x", "y"], data), 0.2)
    mean, second = np.array([0.5, -0.3]), np.outer([0.5, -0.3], [0.5, -0.3])
    maps = [np.eye(2) - 0.2 * m for m in a]
    for _ in range(5):
        pushes = zip(maps, 0.2 * b, strict=True)
        new = [
            (m @ mean + s, m @ second @ m.T + np.outer(m @ mean, s) + np.outer(s, m @ mean) + np.outer(s, s))
            for m, s in pushes
        ]
        mean, second = sum(n[0] for n in new) / 2, sum(n[1] for n in new) / 2
    errors = []
    for n in (40, 80):
        solution = sgd.transfer_operator(fp.Grid([(-2, 2), (-1.5, 1.5)], [n, n])).evolve(fp.point([0.5, -0.3]), [5])
        np.testing.assert_allclose(solution.mean()[0], mean, atol=1e-12)
        errors.append(np.abs(solution.covariance()[0] - second + np.outer(mean, mean)).max())
    assert errors[1] < 0.35 * errors[0]
    assert errors[1] < 2e-3


def test_velocity_joins_the_grid():
    """Heavy ball on a quadratic, m = 0.5: one step by hand."""
    sgd = quadratic(0.1, momentum=0.5)
    grid = fp.Grid([(-1.2, 1.2), (-0.8, 0.8)], [48, 64])
    solution = sgd.transfer_operator(grid).evolve(fp.point([0.4, 0.2]), [1])
    v = 0.5 * 0.2 - 0.1 * 0.4
    np.testing.assert_allclose(solution.mean()[0], [0.4 + v, v], atol=1e-12)
    normal = sgd.transfer_operator(grid, "gaussian-chain").evolve(fp.point([0.4, 0.2]), [1])
    np.testing.assert_allclose(normal.mean()[0], [0.4 + v, v], atol=1e-12)
    np.testing.assert_allclose(normal.covariance()[0], np.full((2, 2), 0.01), atol=1e-3)


def test_current_of_a_turning_chain():
    """x' = A x + noise: J / p = (A - C A^T C^-1) x / 2 with the stationary covariance C = A C A^T + S (Nelson 1967)."""
    eta, m = 0.2, np.array([[1.0, -0.7], [0.7, 1.0]])
    corners = np.array(list(itertools.product([-1.5, 1.5], [-1.0, 1.0])))

    def grad(theta, sample):
        return m @ theta - sample.T

    sgd = fp.SGD(fp.SampleLoss.from_gradient(grad, corners, ["x", "y"]), eta)
    grid = fp.Grid([(-3.5, 3.5), (-3, 3)], [40, 36])
    st = sgd.transfer_operator(grid, "gaussian-chain").stationary()
    a, s = np.eye(2) - eta * m, eta**2 * np.diag([2.25, 1.0])
    c = solve_discrete_lyapunov(a, s)
    np.testing.assert_allclose(st.covariance(), c, atol=0.01 * c[0, 0])
    x = np.stack(np.meshgrid(*grid.centers, indexing="ij"))
    velocity = np.einsum("ij,j...->i...", 0.5 * (a - c @ a.T @ np.linalg.inv(c)), x)
    error = np.abs(st.current - velocity * st.density).max()
    assert error < 0.03 * np.abs(velocity * st.density).max()
    assert st.velocity * st.density == pytest.approx(st.current)
    assert len(st.plot().axes) == 2  # the map and its colour bar


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_current_around_a_circle():
    """Steps of 0 or 1/2 on a circle of length 10: J = 0.25 / 10."""
    st = (
        walk([-1.0, 0.0], 0.5)
        .transfer_operator(fp.Grid((0, 10), 50, boundary="periodic"))
        .stationary(fp.uniform(0, 10))
    )
    np.testing.assert_allclose(st.current, 0.025, rtol=1e-12)


def test_escape_rate_of_a_killed_chain():
    grid = fp.Grid((-1, 1), 200, boundary="absorbing")
    t = quadratic(0.3).transfer_operator(grid)
    modes, left = t.spectrum(2), t.evolve(fp.uniform(-0.5, 0.5), [40, 41]).mass
    assert modes.escape_rate == pytest.approx(-np.log(left[1] / left[0]), rel=1e-3)
    assert (modes.quasi_stationary * grid.volumes).sum() == pytest.approx(1.0)


def test_repr_and_settings(tmp_path):
    t = pit().transfer_operator(fp.Grid((0.5, 2.5), 100))
    assert "enumerated, 2 map(s)" in repr(t)
    assert "First passage" in repr(t.first_passage(past, error=False))
    assert "eigenvalues  1" in repr(t.spectrum(2))
    st = t.stationary()
    assert "Stationary" in repr(st)
    assert st.mass == pytest.approx(1.0)
    assert (st.current == 0.0).all(), "no current in one dimension between walls"
    st.save(tmp_path / "rest.nc")
    back = fp.load(tmp_path / "rest.nc")
    np.testing.assert_array_equal(back.at(np.inf), st.density)
    np.testing.assert_array_equal(back.current(0), st.current)
    assert back.method == "stationary chain"
    assert len(st.plot().axes) == 1
    assert "transfer (enumerated)" in repr(t.evolve(fp.point(1.0), [1]))


BAD = [
    ("grid", TypeError, {"grid": 3}),
    ("grid", ValueError, {"grid": fp.Grid([(0, 1), (0, 1)], 3)}),
    ("model", ValueError, {"model": "exakt"}),
    ("kind", ValueError, {"kind": "all"}),
    ("n_batches", ValueError, {"n_batches": 0}),
    ("seed", ValueError, {"seed": -1}),
]


@pytest.mark.parametrize(("name", "error", "arguments"), BAD)
def test_bad_operators_are_refused(name, error, arguments):
    with pytest.raises(error, match=f"`{name}` must be"):
        pit().transfer_operator(**{"grid": fp.Grid((0, 1), 3), **arguments})


def test_bad_questions_are_refused():
    t = pit().transfer_operator(fp.Grid((0.5, 2.5), 50))
    for steps, error in (([2, 1], ValueError), ([-1], ValueError), ([0.5], TypeError), ([], ValueError)):
        with pytest.raises(error, match="`steps` must be"):
            t.evolve(P0, steps)
    for target in (None, lambda w: w, lambda w: w > 9, np.ones(50, dtype=bool), np.ones(3, dtype=bool)):
        with pytest.raises(ValueError, match="`target` must be"):
            t.first_passage(target)
    with pytest.raises(ValueError, match="`k` must be"):
        t.spectrum(0)
    with pytest.raises(ValueError, match="`kind` must be 'auto', 'enumerated' or 'sampled'"):
        pit(shuffle=True).transfer_operator(t.grid, "gaussian-chain")
    two = walk([1.0], 1e-100).transfer_operator(fp.Grid((0, 1), 2))
    sentence = "`transfer operator` must be such that its stationary density is unique, got 2 closed parts"
    with pytest.raises(ValueError, match=sentence):
        two.stationary()
    np.testing.assert_allclose(two.stationary(fp.uniform(0, 0.75)).masses, [2 / 3, 1 / 3])


def test_a_grid_that_widens_more_than_sgd_says_so():
    """A walk of noise eta^2 in a parabola: at rest eta / 2, and eta h |x| more a step where the grid is coarse."""
    sgd = quadratic(1e-3, (1.0, 1.0), (-1.0, 1.0))
    coarse, fine = (sgd.transfer_operator(fp.Grid((-1, 1), n)) for n in (200, 4000))
    beyond, start = (lambda w: w > 0.1), fp.gaussian(0.0, 0.05)
    for question in (
        coarse.stationary, lambda: coarse.first_passage(beyond), lambda: coarse.spectrum(2), lambda: coarse.evolve(start, 500)
    ):  # fmt: skip
        with pytest.warns(fp.ResolutionWarning, match=r"to the 1e-06 of SGD .* Take 3200 cells, or more") as caught:
            answer = question()
        assert len(caught) == 1
        assert caught[0].filename == __file__
        for stats in [answer.stats] if hasattr(answer, "stats") else []:
            assert stats["noise"] == pytest.approx([1e-6])
            assert 8e-6 < stats["smearing"][0] < 1e-5
    assert fine.stationary().stats["smearing"][0] < 1e-7
    assert 0.0 < fine.first_passage(beyond).stats["smearing"][0] < 1e-7
    fine.spectrum(2)
    fine.evolve(start, 500)


def test_a_density_drawn_to_a_point_is_no_fault_of_the_grid():
    still = walk([0.0], 0.5).transfer_operator(fp.Grid((-1, 1), 40))
    assert still.evolve(fp.point(0.3), 5).stats["noise"] == [0.0]
    with pytest.warns(fp.ResolutionWarning, match="where SGD has no noise of its own"):
        walk([-1.0], 0.01).transfer_operator(fp.Grid((0, 1), 40, boundary="periodic")).evolve(fp.point(0.3), 100)


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("times", [(1, 1, 1, 1), (3, 1, 2), (5,), (1, 40), (2, 2, 2)])
def test_all_ways_to_draw(times, replacement):
    """Against every ordered draw, with its probability."""
    size, kinds = 3, [u for u, t in enumerate(times) for _ in range(t)][:8]
    data = np.array(kinds, dtype=float)
    sgd = quadratic(0.1, np.ones(data.size), data, batch_size=size, replacement=replacement)
    order = itertools.product(kinds, repeat=size) if replacement else itertools.permutations(kinds, size)
    seen = collections.Counter(tuple(sorted(draw)) for draw in order)
    listed = batches.enumerate_batches(sgd)
    found = {
        tuple(np.sort(np.repeat(data[d.rows], d.times))): w
        for (d,), w in zip(listed.draws, listed.weights, strict=True)
    }
    assert found == pytest.approx({draw: n / seen.total() for draw, n in seen.items()})


def test_huge_batches_are_counted_before_they_are_listed():
    data = {"h": np.ones(3), "c": np.array([0.0, 1.0, 2.0])}
    assert batches.enumerate_batches(quadratic(0.1, **data, batch_size=10**6)) is None
    two = {"h": np.ones(2), "c": np.array([0.0, 1.0])}
    listed = batches.enumerate_batches(quadratic(0.1, **two, batch_size=9_000))
    assert len(listed.draws) == 9001
    share = np.array([draw[0].times[draw[0].rows == 1].sum() for draw in listed.draws])
    assert listed.weights @ share == pytest.approx(4500.0)
    assert listed.weights @ (share - 4500.0) ** 2 == pytest.approx(2250.0)
    many = np.arange(20_000.0)
    assert batches.enumerate_batches(quadratic(0.1, many, many, batch_size=10_000, replacement=False)) is None
    most = batches.enumerate_batches(quadratic(0.1, many[:300], many[:300], batch_size=299, replacement=False))
    assert (len(most.draws), most.draws[0][0].times.sum()) == (300, 299)
    t = quadratic(0.1, **data, batch_size=10**6).transfer_operator(fp.Grid((-1, 3), 2000), kind="sampled", n_batches=3)
    assert t.n_maps == 3


def test_a_solution_without_a_peclet_number_says_none():
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2", ["w"], {"x": [0, 1]}), 0.05)
    assert "Peclet" not in repr(sgd.transfer_operator(fp.Grid((-1, 2), 600)).evolve(fp.gaussian(0.2, 0.1), [3]))


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("cells", [600, 1400])  # dense and by iteration
def test_an_oscillation_across_the_minimum_is_among_the_slowest_modes(cells):
    """A quadratic with rate times curvature 1.9: eigenvalues (-.9)^n. Those nearest to 1 are 1, .81, .66."""
    sgd = quadratic(1.9, np.ones(2), np.array([-0.5, 0.5]))
    spectrum = sgd.transfer_operator(fp.Grid((-12, 12), cells)).spectrum(4)
    np.testing.assert_allclose(spectrum.eigenvalues, [1.0, -0.9, 0.81, -0.729], atol=2e-3)
    np.testing.assert_allclose(spectrum.rates[1:], -np.log([0.9, 0.81, 0.729]), atol=3e-3)
    assert spectrum.is_complete
    assert spectrum.time_scales[0] == np.inf


def test_a_rare_escape_tells_its_error():
    """(w^2 - 1)^2 / 4 with gradient noise of deviation 1/2, eta = 0.1: times that grow with the cells, once without a word."""
    sgd = fp.SGD(fp.SampleLoss("(w**2-1)**2/4 + c*w", ["w"], {"c": [-0.5, 0.5]}), learning_rate=0.1)
    fine = sgd.transfer_operator(fp.Grid((-2, 2), 3200)).first_passage(lambda w: w > 0, error=False).at(-1.0)
    with pytest.warns(fp.ResolutionWarning, match="the grid does not resolve the mean passage times"):
        coarse = sgd.transfer_operator(fp.Grid((-2, 2), 400)).first_passage(lambda w: w > 0)
    assert coarse.at(-1.0) < 0.6 * fine
    assert not coarse.error.converging
    with pytest.warns(fp.ResolutionWarning, match="the error of the mean passage times"):
        better = sgd.transfer_operator(fp.Grid((-2, 2), 1600)).first_passage(lambda w: w > 0)
    assert 0.7 * (fine - better.at(-1.0)) < better.error_at(-1.0) < 0.5 * fine
    assert better.error["mean"].shape == better.mean.shape
