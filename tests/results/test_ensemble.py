"""Ensembles: statistics against numpy, densities against the shares they integrate to."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.comparison import distances
from fokkerplanck.comparison.dependence import paired_by_seed
from fokkerplanck.model.grid import Grid
from fokkerplanck.simulation import Ensemble

RNG = np.random.default_rng(0)
POSITIONS = RNG.normal(size=(3, 500, 2)) * [1.0, 2.0] + [0.5, 0.0]


def ensemble(positions=POSITIONS, **others):
    return Ensemble(np.arange(len(positions)) * 10.0, positions, **others)


def test_moments_equal_numpy():
    mc = ensemble()
    np.testing.assert_allclose(mc.mean(), POSITIONS.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(mc.covariance(), [np.cov(p.T) for p in POSITIONS], rtol=1e-12)
    error = POSITIONS.std(axis=1, ddof=1) / np.sqrt(500)
    np.testing.assert_allclose(mc.standard_error(), error, rtol=1e-12)
    assert (mc.n_paths, mc.dim, mc.diverged) == (500, 2, 0.0)


def test_variance_at_a_large_mean():
    """E[x^2] - E[x]^2 gives 2.0 for 1.016 at mean 1e8."""
    x = RNG.normal(size=(1, 1000, 1))
    np.testing.assert_allclose(ensemble(x + 1e8).covariance(), ensemble(x).covariance(), rtol=1e-6)


@pytest.mark.parametrize("dim", [1, 2])
def test_density_integrates_to_the_share_inside(dim):
    grid = Grid((-1, 1), 20) if dim == 1 else Grid.from_edges([np.array([-1, 0, 0.2, 1.0]), np.linspace(-2, 2, 7)])
    mc = ensemble(POSITIONS[:, :, :dim])
    density = mc.density(grid)
    assert density.shape == (3, *grid.shape)
    inside = mc.fraction((lambda x: abs(x) <= 1) if dim == 1 else (lambda x, y: (abs(x) <= 1) & (abs(y) <= 2)))
    mass = (density * grid.volumes).reshape(3, -1).sum(axis=1)
    np.testing.assert_allclose(mass, inside.value, rtol=1e-13)
    assert (inside.value < 1).all()


def test_density_puts_each_path_into_its_cell():
    grid = Grid([(0, 2), (0, 3)], [2, 3])
    density = ensemble(np.array([[[0.5, 0.5], [1.5, 2.5], [1.5, 2.6], [9.0, 9.0]]])).density(grid)
    np.testing.assert_array_equal(density[0], [[0.25, 0, 0], [0, 0, 0.5]])


def test_fraction_and_its_error():
    mc = ensemble(np.array([0.0, 1.0, 2.0, 3.0]).reshape(1, 4, 1))
    share = mc.fraction(lambda x: x > 2.5)
    assert share.value.tolist() == [0.25]
    assert share.standard_error[0] == pytest.approx(np.sqrt(0.25 * 0.75 / 4))


def test_diverged_paths_are_outside_everything_and_warned_about():
    positions = np.array([[0.0, 1.0, 2.0], [0.0, np.inf, np.nan]])[:, :, None]
    mc = ensemble(positions)
    assert mc.diverged == pytest.approx(2 / 3)
    with pytest.warns(RuntimeWarning, match="2 of 3 paths diverged"):
        assert mc.mean().tolist() == [[1.0], [0.0]]
    with pytest.warns(RuntimeWarning, match="diverged"):
        assert np.isnan(mc.standard_error()[1, 0])
    np.testing.assert_allclose(mc.fraction(lambda x: x > -1).value, [1.0, 1 / 3])
    np.testing.assert_allclose(mc.density(Grid((-1, 3), 1)) * 4, [[1.0], [1 / 3]])


def test_at_and_repr():
    mc = ensemble(exit_times=np.array([3.0] * 250 + [np.inf] * 250), seed=4, settings={"process": "noise"})
    assert mc.at(10.0) is not None
    np.testing.assert_array_equal(mc.at(10), POSITIONS[1])
    text = repr(mc)
    assert "500 paths in 2D at 3 times (0, 10, 20), seed 4" in text
    assert "process: noise" in text
    assert "reached the target: 0.5 of the paths, mean exit time of these 3" in text


def test_bad_input_is_refused():
    mc = ensemble()
    with pytest.raises(ValueError, match=r"`t` must be a recorded time, got 11.* nearest is 10"):
        mc.at(11)
    with pytest.raises(ValueError, match="`grid` must be of dimension 2"):
        mc.density(Grid((-1, 1), 4))
    with pytest.raises(TypeError, match="`inside` must be a function"):
        mc.fraction(POSITIONS > 0)
    with pytest.raises(ValueError, match="`inside` must be boolean of shape"):
        mc.fraction(lambda x, y: x)


def test_hill_of_heavy_tails():
    """Student t with 3 degrees of freedom has the tail index 3; the plateau's estimate within a quarter (fixed seed)."""
    positions = np.random.default_rng(0).standard_t(3, size=(1, 50_000, 1))
    estimate = Ensemble(np.array([1.0]), positions).hill()
    assert np.median(estimate.index[estimate.plateau]) == pytest.approx(3.0, rel=0.25)


def escape(seed, n_paths=3000, dt=0.1):
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    return fp.simulate(eq, 0.0, [0.5, 1.0], dt, n_paths=n_paths, seed=seed, target=lambda x: x > 1.0)


def test_ensembles_of_other_seeds_are_joined():
    parts = [escape(seed, 1000 * (seed + 1)) for seed in range(3)]
    whole = parts[0].joined(*parts[1:])
    assert (whole.n_paths, whole.seed, whole.seeds) == (6000, None, {0: 1000, 1: 2000, 2: 3000})
    np.testing.assert_array_equal(whole.positions[:, 1000:3000], parts[1].positions)
    np.testing.assert_array_equal(whole.exit_times[3000:], parts[2].exit_times)
    expected = sum(part.n_paths * part.step_error["mean"] for part in parts) / 6000
    np.testing.assert_allclose(whole.step_error["mean"], expected, rtol=1e-12)
    pairwise = parts[0].joined(parts[1]).joined(parts[2])
    assert pairwise.settings == whole.settings
    np.testing.assert_array_equal(pairwise.positions, whole.positions)
    np.testing.assert_allclose(pairwise.step_error["deviation"], whole.step_error["deviation"], rtol=1e-12)
    assert parts[0].joined().seed == 0
    assert "seeds: {0: 1000, 1: 2000, 2: 3000}" in repr(whole)


def test_a_sweep_over_seeds_is_one_ensemble_whatever_the_workers():
    wholes = []
    for workers in (1, 2):
        parts = fp.sweep(escape, [{"seed": seed} for seed in range(3)], workers=workers)
        wholes.append(parts[0].joined(*parts[1:]))
    np.testing.assert_array_equal(wholes[0].positions, wholes[1].positions)
    np.testing.assert_array_equal(wholes[0].positions[:, :3000], escape(0).positions)


def test_what_does_not_belong_together_is_not_joined():
    one = escape(0, 100)
    with pytest.raises(ValueError, match="`others` must be of seeds that differ"):
        one.joined(escape(1, 100), escape(0, 200))
    with pytest.raises(ValueError, match="`others` must be of seeds that differ"):
        one.joined(escape(1, 100)).joined(escape(1, 100))
    with pytest.raises(ValueError, match="`others` must be of the same simulation"):
        one.joined(escape(1, 100, dt=0.05))
    with pytest.raises(TypeError, match="`others` must be"):
        one.joined([escape(1, 100)])
    with pytest.raises(ValueError, match="`others` must be at the times"):
        ensemble(seed=0).joined(ensemble(POSITIONS[:2], seed=1))
    with pytest.raises(ValueError, match="`others` must be all with a target"):
        ensemble(seed=0).joined(ensemble(seed=1, exit_times=np.ones(500)))


def test_joined_ensembles_of_a_common_seed_are_not_independent():
    one, other = escape(0).joined(escape(1)), escape(2).joined(escape(1))
    apart = escape(3).joined(escape(4))
    with pytest.raises(ValueError, match="ensembles of one seed, 1"):
        distances.kullback_leibler(one, other, t=0.5)
    assert distances.kullback_leibler(one, apart, t=0.5).value >= 0.0
    assert paired_by_seed(one, escape(0).joined(escape(1)))
    assert not paired_by_seed(one, escape(1).joined(escape(0)))
    assert not paired_by_seed(one, escape(0))
    assert paired_by_seed(escape(0), escape(0, 100))
