"""Distances against closed forms. Seeds are fixed; statistical bounds are 5 standard errors (false alarm 6e-7 each)."""

import math
import sys

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

import fokkerplanck as fp
from fokkerplanck.comparison import distances as ds
from fokkerplanck.comparison.dependence import rows_go_together
from fokkerplanck.comparison.wasserstein import sliced
from fokkerplanck.simulation import Ensemble

RNG = np.random.default_rng(21)
GRID = fp.Grid((-8, 8), 1600)


def gaussian(mean, std, grid=GRID):
    masses = fp.gaussian(mean, std).masses(grid)
    points = np.stack([x.ravel() for x in np.meshgrid(*grid.centers, indexing="ij")], axis=1)
    return ds.Law(points, masses.ravel() / masses.sum(), grid)


@pytest.mark.parametrize(("order", "exact"), [(1, 0.5 + 0.0), (2, np.sqrt(0.5**2 + 0.2**2))])
def test_wasserstein_between_normal_laws(order, exact):
    """W_2^2 = (shift)^2 + (difference of deviations)^2; W_1 = |shift| where the quantile functions do not cross."""
    distance = ds.wasserstein(gaussian(0.0, 1.0), gaussian(0.5, 1.0 if order == 1 else 1.2), order)
    assert distance.value == pytest.approx(exact, rel=1e-4)
    assert distance[1:] == (0.0, 0.0)


def test_wasserstein_counts_crossings():
    """N(0, 1) and N(0, 2^2): W_1 = E|z| = sqrt(2/pi), W_2 = 1."""
    assert ds.wasserstein(gaussian(0, 1), gaussian(0, 2)).value == pytest.approx(np.sqrt(2 / np.pi), rel=2e-3)
    assert ds.wasserstein(gaussian(0, 1), gaussian(0, 2), 2).value == pytest.approx(1.0, rel=2e-3)
    coarse = fp.Grid((-1, 1), 1)
    box = ds.Law(np.zeros((1, 1)), np.ones(1), coarse)
    assert ds.wasserstein(box, ds.law(np.zeros(2))).value == pytest.approx(0.5, rel=1e-12)  # mean of |x| on (-1, 1)
    assert ds.wasserstein(box, ds.law(np.zeros(2)), 2).value == pytest.approx(np.sqrt(1 / 3), rel=1e-12)


def test_samples_against_samples_equals_scipy():
    x, y = RNG.normal(size=300), RNG.normal(0.3, 1.5, size=170)
    assert ds.wasserstein(x, y).value == pytest.approx(wasserstein_distance(x, y), rel=1e-12)


def test_error_bars_and_the_floor_of_sampling():
    """500 samples of the density itself are as far from it as sampling says; shifted ones are not."""
    x = RNG.normal(size=500)
    for measure in (ds.wasserstein, ds.mmd, ds.kullback_leibler):
        same, apart = measure(x, gaussian(0, 1)), measure(x + 1.0, gaussian(0, 1))
        assert abs(same.value - same.sampling) < 5 * same.standard_error + 0.02
        assert apart.value > apart.sampling + 5 * apart.standard_error
    one = ds.wasserstein(x + 1.0, gaussian(0, 1))
    assert one.value == pytest.approx(1.0 + x.mean(), abs=0.05)
    assert one.standard_error == pytest.approx(1 / np.sqrt(500), rel=0.5)


def test_sliced_distance_of_a_shift():
    grid = fp.Grid([(-5, 5), (-5, 5)], 80)
    a, b = gaussian([0, 0], 1.0, grid), gaussian([0.6, 0.8], 1.0, grid)
    assert ds.wasserstein(a, b, 1, method="sliced").value == pytest.approx(1.0, rel=0.01)
    assert ds.wasserstein(a, b, 2, method="sliced").value == pytest.approx(1.0, rel=0.01)


def test_optimal_transport_in_two_dimensions():
    """W_2^2 = |shift|^2 + sum of (difference of deviations)^2 for axis-parallel normal laws; the sliced one is 26 % off."""
    pytest.importorskip("ot")
    grid = fp.Grid([(-5, 5), (-5, 5)], 40)
    a, b, c = gaussian([0, 0], 1.0, grid), gaussian([0.6, 0.8], 1.0, grid), gaussian([0, 0], [1.5, 0.7], grid)
    assert ds.wasserstein(a, b, 1).value == pytest.approx(1.0, rel=0.002)
    assert ds.wasserstein(a, b, 2).value == pytest.approx(1.0, rel=0.03)
    assert ds.wasserstein(a, c, 2).value == pytest.approx(np.hypot(0.5, 0.3), rel=0.03)
    assert ds.wasserstein(a, c, 2, method="sliced").value < 0.8 * np.hypot(0.5, 0.3)
    x = np.random.default_rng(3).normal(size=(4000, 2)) + np.array([3.0, 4.0])
    far = ds.wasserstein(x, a)
    assert abs(far.value - 5.0) < 5 * far.standard_error + 0.02
    assert far.standard_error == pytest.approx(1 / np.sqrt(1000), rel=0.2)


def test_without_pot_a_sliced_distance_is_called_one(monkeypatch):
    """N(0, 4^2 along x) against N(0, 4^2 along y), thin: 2.85 was printed as W2 where W2 is 4."""
    grid = fp.Grid([(-5, 5), (-5, 5)], 30)
    a, b = gaussian([0, 0], 1.0, grid), gaussian([1, 0], 1.0, grid)
    x = np.random.default_rng(1).normal(size=(2, 300, 2)) * np.array([[[2.9, 0.01]], [[0.01, 2.9]]])
    results = {name: Ensemble(np.array([1.0]), points[None]) for name, points in zip("xy", x, strict=True)}
    exact = fp.compare(results, reference="y", distances=["W2"])
    assert exact.column("W2")[-1] == pytest.approx(2.9 * np.sqrt(2.0), rel=0.1)
    assert "sliced W2" not in exact.columns
    monkeypatch.setitem(sys.modules, "ot", None)
    for method in ("auto", "exact"):
        with pytest.raises(ValueError, match=r"`method` must be 'sliced' without the package POT.* pip install POT"):
            ds.wasserstein(a, b, method=method)
    assert ds.wasserstein(a, b, 2, method="sliced").value == pytest.approx(1.0, rel=0.01)
    table = fp.compare(results, reference="y", distances=["W2"])
    assert (table.column("W1")[-1], table.column("W2")[-1]) == (None, None)
    assert 0.6 < table.column("sliced W2")[-1] / exact.column("W2")[-1] < 0.8
    assert table.column("sliced W1_sampling")[-1] < table.column("sliced W1")[-1]
    assert "sliced W2" in repr(table)


def test_paired_samples_have_no_divergence():
    """Samples in pairs gave KL = -22.7 +- .1: refused by seed, by rows, and by how close they lie."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(500, 2))
    near = x + 1e-6 * rng.normal(size=x.shape)
    with pytest.raises(ValueError, match=r"`b` must be independent of `a`, got rows that go together.*paired=True"):
        ds.kullback_leibler(x, near)
    with pytest.raises(ValueError, match="`b` must be independent of `a`, got samples that lie closer"):
        ds.kullback_leibler(x, rng.permutation(near))
    one, two = (Ensemble(np.array([1.0]), points[None], seed=5) for points in (x, rng.normal(size=(500, 2))))
    with pytest.raises(ValueError, match="`b` must be independent of `a`, got ensembles of one seed, 5"):
        ds.kullback_leibler(one, two)
    for power in (lambda v: v, lambda v: v**2):  # one is linear in the other, or only in its square
        assert rows_go_together(x, power(x) + rng.normal(size=x.shape))
    assert not any(rows_go_together(*rng.normal(size=(2, 50, 3))) for _ in range(200))


def test_divergence_is_never_below_zero():
    """Equal laws, 30 sets each of 400 and 150 samples in 1 and 5 dimensions: within 5 standard errors of 0 and not below."""
    rng = np.random.default_rng(12)
    grid = fp.Grid((-6, 6), 200)
    for dim in (1, 5):
        for _ in range(30):
            found = ds.kullback_leibler(rng.normal(size=(400, dim)), rng.normal(size=(150, dim)))
            assert 0.0 <= found.value < 5.0 * found.standard_error
    for _ in range(10):
        x = rng.normal(size=500)
        for one, two in ((x, gaussian(0, 1, grid)), (gaussian(0, 1, grid), x)):
            found = ds.kullback_leibler(one, two)
            assert 0.0 <= found.value < 5.0 * found.standard_error + 0.05
    atoms = rng.integers(0, 3, size=(2, 400)).astype(float)
    assert 0.0 <= ds.kullback_leibler(*atoms).value < 0.05


def exact_mmd(shift, std, width):
    """Between N(0, 1) and N(shift, std^2), kernel exp(-d^2 / (2 width^2)): E k = width / s exp(-m^2 / (2 s^2))."""

    def mean_kernel(m, variance):
        s2 = width**2 + variance
        return width / np.sqrt(s2) * np.exp(-(m**2) / (2 * s2))

    return np.sqrt(mean_kernel(0, 2) + mean_kernel(0, 2 * std**2) - 2 * mean_kernel(shift, 1 + std**2))


def coverage(estimates, truth):
    """Share of the intervals value +- 1.96 standard errors that hold the truth."""
    values, errors = np.array(estimates).T[:2]
    return float((np.abs(values - truth) < 1.96 * errors).mean())


@pytest.mark.parametrize("against", ["density", "samples"])
def test_error_bars_cover(against):
    """200 repeats: a 95 % interval covers 91 to 98 % of them (of which 2 % fail by chance in theory, these seeds do not)."""
    rng = np.random.default_rng(5)
    shift, std, n = 0.7, 1.3, 300
    base, coarse = gaussian(0, 1), gaussian(0, 1, fp.Grid((-6, 6), 200))
    truth = {
        "W1": ds.wasserstein(gaussian(shift, std), base).value,
        "W2": np.hypot(shift, std - 1),
        "MMD": exact_mmd(shift, std, 1.0),
    }
    found = {name: [] for name in truth}
    for _ in range(200):
        x, y = ds.law(rng.normal(shift, std, size=n)), ds.law(rng.normal(size=2 * n))
        other, light = (base, coarse) if against == "density" else (y, y)
        found["W1"].append(sliced(x, other, 1))
        found["W2"].append(sliced(x, other, 2))
        found["MMD"].append(ds._discrepancy(x, light, ds._gaussian(1.0)))
    for name, value in truth.items():
        assert 0.91 <= coverage(found[name], value) <= 0.98, name


def test_error_bars_of_divergence_and_moments_cover():
    """As above; KL on bins wide enough for its bias; the skewed law 1 - ln u has skewness 2 and excess kurtosis 6."""
    rng = np.random.default_rng(6)
    grid = fp.Grid((-6, 7), 26)
    base, other = gaussian(0, 1, grid), gaussian(0.7, 1.3, grid)
    truth = ds.kullback_leibler(base, other).value
    found = []
    moments = {"mean": 2.0, "variance": 1.0}
    seen = {name: [] for name in moments}
    bell = {"mean": 0.0, "variance": 1.0, "skewness": 0.0, "kurtosis": 0.0}
    rung = {name: [] for name in bell}
    for _ in range(200):
        found.append(ds.kullback_leibler(rng.choice(grid.centers[0], p=base.weights, size=4000), other))
        for draw, store in ((1.0 + rng.exponential(size=2000), seen), (rng.normal(size=2000), rung)):
            m = ds.moments(draw)
            for name, values in store.items():
                values.append((m[name][0], m[f"se_{name}"][0]))
    assert 0.91 <= coverage(found, truth) <= 0.98
    for known, store in ((moments, seen), (bell, rung)):
        for name, value in known.items():
            assert 0.91 <= coverage(store[name], value) <= 0.98, name
    three = RNG.normal(size=(400, 3))
    assert ds.wasserstein(three, three + np.array([1.0, 0.0, 0.0]), 2).value == pytest.approx(1.0, rel=0.2)


def test_mmd_between_normal_laws():
    """With bandwidth s: E k(x, y) = s / sqrt(s^2 + v) exp(-m^2 / (2 (s^2 + v))), v the variance of x - y."""

    def mean_kernel(m, v, s=1.0):
        return s / np.sqrt(s**2 + v) * np.exp(-(m**2) / (2 * (s**2 + v)))

    exact = np.sqrt(mean_kernel(0, 2) + mean_kernel(0, 2) - 2 * mean_kernel(0.7, 2))
    coarse = fp.Grid((-8, 8), 800)
    assert ds.mmd(gaussian(0, 1, coarse), gaussian(0.7, 1, coarse), 1.0).value == pytest.approx(exact, rel=1e-4)
    sampled = ds.mmd(RNG.normal(size=2000), gaussian(0.7, 1, coarse), 1.0)
    assert abs(sampled.value - exact) < 5 * sampled.standard_error


def test_kullback_leibler_between_normal_laws():
    """KL(N(0,1) || N(m,s^2)) = ln s + (1 + m^2)/(2 s^2) - 1/2."""
    exact = np.log(1.5) + (1 + 0.5**2) / (2 * 1.5**2) - 0.5
    assert ds.kullback_leibler(gaussian(0, 1), gaussian(0.5, 1.5)).value == pytest.approx(exact, rel=1e-4)
    x, y = RNG.normal(size=4000), RNG.normal(0.5, 1.5, size=4000)
    near = ds.kullback_leibler(x, y, "nearest")
    assert abs(near.value - exact) < 5 * near.standard_error + 0.02
    binned = ds.kullback_leibler(x, gaussian(0.5, 1.5))
    assert abs(binned.value - exact) < 5 * binned.standard_error + 0.02
    assert ds.kullback_leibler(x, y + 100.0, "histogram").value == np.inf
    assert ds.kullback_leibler(x, y) == near


def test_moments_and_two_times():
    x = RNG.normal(size=(40_000, 1))
    both = np.stack([x, 0.5 * x + RNG.normal(size=x.shape)])
    mc = Ensemble(np.array([0.0, 1.0]), both)
    m = ds.moments(mc, 0.0)
    for name, exact in (("mean", 0.0), ("variance", 1.0), ("skewness", 0.0), ("kurtosis", 0.0)):
        assert abs(m[name][0] - exact) < 5 * m["se_" + name][0]
    value, error = ds.two_time_covariance(mc, 0.0, 1.0)
    assert abs(value[0, 0] - 0.5) < 5 * error[0, 0]
    assert ds.moments(gaussian(1.0, 0.5))["variance"][0] == pytest.approx(0.25, rel=1e-4)


def test_tail_index_of_a_student_law():
    index = ds.tail_index(RNG.standard_t(2.0, size=200_000), 0.005)
    assert abs(index.value - 2.0) < 5 * index.standard_error
    assert ds.tail_index(RNG.normal(size=50_000), 0.005).value > 5


def test_results_of_all_kinds_are_laws():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    grid = fp.Grid((-4, 4), 100)
    solution = fp.solve(eq, grid, fp.gaussian(1, 0.3), [0.5, 1.0])
    assert (
        ds.wasserstein(solution, fp.stationary(eq, grid)).value < ds.wasserstein(solution, RNG.normal(3, 1, 99)).value
    )
    assert ds.law(solution, 0.5).weights @ ds.law(solution, 0.5).points == pytest.approx(solution.mean()[0])


def test_bad_questions_are_refused():
    x = np.zeros(5)
    with pytest.raises(ValueError, match="`order` must be"):
        ds.wasserstein(x, x, 3)
    with pytest.raises(ValueError, match="`method` must be"):
        ds.kullback_leibler(x, x, "exact")
    with pytest.raises(ValueError, match="`method` must be 'histogram'"):
        ds.kullback_leibler(x, gaussian(0, 1), "nearest")
    with pytest.raises(ValueError, match="`bandwidth` must be"):
        ds.mmd(x, x + 1, -1.0)
    with pytest.raises(ValueError, match="`b` must be in 1 dimension"):
        ds.wasserstein(x, np.zeros((5, 2)))
    with pytest.raises(TypeError, match="`result` must be"):
        ds.law("x")
    with pytest.raises(ValueError, match="`result` must be at least two"):
        ds.law(np.zeros(1))
    with pytest.raises(ValueError, match="`share` must be"):
        ds.tail_index(RNG.normal(size=100), 0.9)
    with pytest.raises(ValueError, match="`samples` must be"):
        ds.tail_index(gaussian(0, 1))


def test_comparison_table_takes_more_distances():
    """Ornstein-Uhlenbeck against samples of its own law at t = 1; and the marginals of two axes."""
    grid = fp.Grid((-4, 4), 200)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    solution = fp.solve(eq, grid, fp.gaussian(1, 0.3), [1.0])
    spread = np.sqrt(solution.covariance()[0, 0, 0])
    mc = Ensemble(np.array([1.0]), RNG.normal(np.exp(-1), spread, size=(1, 3000, 1)))
    table = fp.compare({"density": solution, "paths": mc}, distances=["W2", "MMD", "KL"])
    for name in ("W2", "MMD", "KL"):
        value, floor = table.column(name)[0], table.column(f"{name}_sampling")[0]
        assert abs(value - floor) < 5 * table.column(f"se_{name}")[0] + 0.02
        assert table.column(name)[1] is None
    assert "W2_sampling" not in fp.compare({"density": solution, "paths": mc}, distances=()).columns
    with pytest.raises(ValueError, match="`distances` must be some of"):
        fp.compare({"density": solution, "paths": mc}, distances=["W3"])
    plane = gaussian([0.0, 1.0], [0.5, 0.7], fp.Grid([(-4, 4), (-4, 4)], 80))
    assert ds.moments(ds.along(plane, 1))["mean"][0] == pytest.approx(1.0, rel=1e-3)
    assert ds.along(ds.law(np.ones((3, 2))), 1).dim == 1


def test_a_density_a_rounding_below_zero_is_still_a_law():
    """Regression: numpy's "Probabilities are not non-negative" for a density with its smallest value at -7e-39."""
    grid = fp.Grid((-1, 1), 4)
    density = np.array([[-1e-30, 1.0, 1.0, 0.0]])
    solution = fp.Solution(grid, np.array([1.0]), density, "made by hand", {})
    paths = fp.Ensemble(np.array([1.0]), np.random.default_rng(0).uniform(-0.5, 0.5, (1, 500, 1)))
    table = fp.compare({"density": solution, "paths": paths}, distances=["W2"])
    assert np.isfinite([v for v in table.column("W2") if v is not None]).all()


def test_energy_distance_of_shifted_normal_laws():
    """2 E|x - y| - 2 E|x - x'| for N(0, 1) and N(m, 1), by E|N(m, 2)|; densities have no sampling error."""
    m = 0.7
    right = 2.0 * (2.0 / np.sqrt(np.pi) * np.exp(-(m**2) / 4.0) + m * math.erf(m / 2.0)) - 4.0 / np.sqrt(np.pi)
    rng = np.random.default_rng(8)
    found = ds.energy(rng.normal(size=2000), rng.normal(m, 1.0, 2000))
    assert abs(found.value - np.sqrt(right)) < 4.0 * found.standard_error < 0.15
    eq, grid = fp.FokkerPlanck(diffusion=0.0), fp.Grid((-8, 8), 400)
    still = [fp.solve(eq, grid, fp.gaussian(mean, 1.0), [1.0], error=False) for mean in (0.0, m)]
    assert ds.energy(*still).value == pytest.approx(np.sqrt(right), rel=1e-3)
    assert ds.energy(*still).standard_error == 0.0


@pytest.mark.parametrize("dim", [1, 10_000])
def test_energy_distance_and_its_p_value_hold_in_any_dimension(dim):
    """Equal laws are no further apart than chance gives; a shift of each coordinate by .1 of its deviation is seen."""
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 1, 150, dim))
    near, far = (
        {name: fp.Ensemble(np.array([1.0]), points) for name, points in (("a", x), ("b", other))}
        for other in (y, y + (1.0 if dim == 1 else 0.1))
    )
    for pair, seen in ((near, False), (far, True)):
        found = ds.energy(pair["a"], pair["b"])
        assert (found.value > 2.0 * abs(found.sampling) + 4.0 * found.standard_error) is seen
        assert (fp.two_sample(pair["a"].positions[0], pair["b"].positions[0]).p_value < 1e-4) is seen


HELD = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=fp.Swarm(9.0))


def held(seed, **more):
    """40 swarms of 50 from near their stationary state: the mean of a swarm has the variance 0.5 / 50, of a path 0.06."""
    settings = {"n_paths": 2000, "swarm_size": 50, "seed": seed, "step_error": False} | more
    return fp.simulate(HELD, fp.gaussian(0, 0.25), [0.0, 3.0], 0.05, **settings)


def test_errors_of_interacting_paths_are_those_of_independent_swarms():
    """Taken for independent, the paths would give means 2.9 times too sure. 60 runs: a deviation of z of 0.7 to 1.3."""
    runs = [held(seed) for seed in range(60)]
    scores = {
        "mean": [run.mean()[-1, 0] / run.standard_error()[-1, 0] for run in runs],
        "moments": [run.mean()[-1, 0] / ds.moments(run)["se_mean"][0] for run in runs],
        "share": [
            (share.value[-1] - 0.5) / share.standard_error[-1] for share in (r.fraction(lambda x: x > 0) for r in runs)
        ],
    }
    for z in scores.values():
        assert 0.7 < np.std(z) < 1.35
    naive = [run.mean()[-1, 0] / np.sqrt(run.covariance()[-1, 0, 0] / 2000) for run in runs]
    assert np.std(naive) > 2.0
    np.testing.assert_allclose(runs[0].standard_error()[0], np.sqrt(0.0625 / 2000), rtol=0.4)  # not yet together


def test_distances_between_interacting_paths():
    a, b = held(101), held(102)
    free = ds.law(a.positions[-1])
    assert 100 < ds.law(a).independent < 700
    assert free.independent == 2000
    for distance in (ds.wasserstein, ds.mmd, ds.energy, ds.kullback_leibler):
        found, taken_free = distance(a, b), distance(free, b.positions[-1])
        assert found.standard_error > 1.2 * taken_free.standard_error
    assert ds.wasserstein(a, b).sampling > 1.5 * ds.wasserstein(free, b.positions[-1]).sampling
    few = {"n_paths": 1000}
    signed = np.array([ds.energy(held(2 * k + 200, **few), held(2 * k + 201, **few)).value for k in range(16)])
    squares = signed * np.abs(signed)  # unbiased, as pairs within a swarm do not count
    assert abs(squares.mean()) < 3.5 * squares.std(ddof=1) / 4.0
    covariance, error = ds.two_time_covariance(a, 0.0, 3.0)
    assert abs(covariance[0, 0]) < 4 * error[0, 0]


def test_one_swarm_is_said_to_say_nothing_of_others():
    one, sol = held(1, swarm_size=None), fp.solve(HELD, fp.Grid((-2, 2), 100), fp.gaussian(0, 0.25), [0.0, 3.0])
    assert "one swarm: errors of sampling are those of independent paths, which these are not" in repr(one)
    with pytest.warns(UserWarning, match=r"the paths of 'one' are one swarm: .* Simulate several swarms"):
        table = fp.compare({"one": one, "density": sol}, times=[3.0], distances=["energy"])
    assert set(table.column("z_mean")) == {None}
    assert set(table.column("p_energy")) == {None}
    several = fp.compare({"several": held(1), "density": sol}, times=[3.0], distances=["energy"])
    assert any(z is not None for z in several.column("z_mean"))
    assert set(several.column("p_energy")) == {None}


def test_swarms_stay_apart_when_ensembles_are_joined():
    both = held(1).joined(held(2))
    assert np.unique(both.swarms).size == 80
    assert both.standard_error()[-1, 0] == pytest.approx(held(1).standard_error()[-1, 0] / np.sqrt(2), rel=0.3)
    assert held(1).joined().swarms is not None


def test_workers_of_sgd_are_swarms():
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1)
    coupled, free = (sgd.simulate_swarm(1.0, [20], k, n_workers=50, n_swarms=4, seed=1) for k in (0.1, 0.0))
    assert np.array_equal(coupled.swarms, np.repeat(np.arange(4), 50))
    assert free.swarms is None


def test_samples_that_are_not_finite_are_counted():
    """They were left out in silence."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=200), rng.normal(size=200)
    a[:30] = np.nan
    with pytest.warns(UserWarning, match="30 of the 200 samples of `a` are not finite"):
        found = ds.wasserstein(a, b)
    assert found == ds.wasserstein(a[30:], b)
    with pytest.raises(ValueError, match=r"at least two finite samples .*got 1 finite of shape \(2,\)"):
        ds.mmd(np.array([1.0, np.nan]), b)


@pytest.mark.parametrize("unit", [1e-170, 1e170])
def test_samples_whose_squares_are_no_numbers_are_refused(unit):
    """The energy distance of two laws far apart was 0 at 1e-170, and nan at 1e170."""
    a, b = np.arange(20.0), np.arange(20.0) + 30.0
    for distance in (ds.energy, ds.mmd, ds.wasserstein):
        with pytest.raises(ValueError, match="Take units in which it is of ordinary size"):
            distance(a * unit, b * unit)


def test_divergence_of_densities_on_other_cells():
    """Of normal laws, in closed form, whatever cells each has; and none of what lies beyond the other's box."""

    def at_rest(mean, variance, grid):
        eq = fp.FokkerPlanck(drift=lambda x: mean - x, diffusion=variance)
        return fp.stationary(eq, grid, error=False)

    exact = 0.5 * (np.log(0.8 / 0.5) - 1.0 + (0.5 + 0.3**2) / 0.8)
    off = []
    for n in (80, 160):
        one, other = at_rest(0.0, 0.5, fp.Grid((-6, 6), n)), at_rest(0.3, 0.8, fp.Grid((-6.5, 6.5), n + n // 10))
        off.append(ds.kullback_leibler(one, other).value - exact)
    assert abs(off[1]) < 0.5 * abs(off[0]) < 1e-3
    assert (
        ds.kullback_leibler(
            at_rest(0.3, 0.8, fp.Grid((-6.5, 6.5), 90)), at_rest(0.0, 0.1, fp.Grid((-2.5, 2.5), 80))
        ).value
        == np.inf
    )
    table = fp.compare({"one": one, "other": at_rest(0.3, 0.8, fp.Grid((-6.5, 6.5), 160))})
    assert next(row[table.columns.index("KL")] for row in table.rows) is not None
    plane = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=[0.5, 0.3])
    two = [fp.stationary(plane, fp.Grid([(-5, 5), (-4, 4)], cells), error=False) for cells in ([50, 40], [70, 64])]
    # of one law: half the mean square of its slope times how far two cells' middles lie apart, (h^2 + k^2) / (24 variance)
    apart = (0.2**2 + (1 / 7) ** 2) / (24 * 0.5) + (0.2**2 + 0.125**2) / (24 * 0.3)
    assert ds.kullback_leibler(*two).value == pytest.approx(apart, rel=0.1)
    turns = [fp.Grid((low, low + 2 * np.pi), 40, "periodic") for low in (0.0, 1.0)]
    rings = [fp.stationary(fp.FokkerPlanck(potential=np.cos, diffusion=1.0), grid, error=False) for grid in turns]
    with pytest.raises(ValueError, match="between the same ends"):
        ds.kullback_leibler(*rings)


def test_a_divergence_reads_tails_on_other_cells():
    """Of normal laws of deviations 1 and s, ln s + 1 / (2 s^2) - 1/2; the narrow one is 1e-40 where the other still counts."""
    wide, narrow = fp.Grid((-8, 8), 400), fp.Grid((-8, 8), 330)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0)
    p = fp.stationary(eq, wide, error=False)
    q = fp.stationary(fp.FokkerPlanck(drift=lambda x: -6.25 * x, diffusion=1.0), narrow, error=False)
    found = ds.kullback_leibler(ds.law(p, 0.0, "p"), ds.law(q, 0.0, "q"))
    assert found.value == pytest.approx(np.log(0.4) + 0.5 / 0.16 - 0.5, rel=0.01)
