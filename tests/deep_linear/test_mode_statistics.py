"""Modes measured in whole networks, on cases made by hand."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.deep_linear import (
    ModeEquation,
    crossing_steps,
    fraction_before,
    largest_noise_steps,
    mode_distances,
    mode_strengths,
    off_diagonal_share,
    over_runs,
    realised_diffusion,
    singular_values,
    stable_rank,
)


def bases(rows, columns, k, seed=0):
    rng = np.random.default_rng(seed)
    return (np.linalg.qr(rng.normal(size=(n, n)))[0][:, :k] for n in (rows, columns))


def chain(depth, target, start, eta, noise, steps, runs, seed):
    """Strengths (steps + 1, runs, 1) of balanced scalar chains under SGD with batches of one, each step recorded."""
    rng = np.random.default_rng(seed)
    w = np.full(runs, start ** (1 / depth))
    found = [w**depth]
    for _ in range(steps):
        x, label = rng.normal(size=(2, runs))
        w = w - eta * w ** (depth - 1) * ((w**depth - target) * x - noise * label) * x
        found.append(w**depth)
    return np.array(found)[:, :, None]


def test_strengths_and_alignment_by_hand():
    left, right = bases(4, 5, 2)
    w = 3.0 * np.outer(left[:, 0], right[:, 0]) - 1.0 * np.outer(left[:, 1], right[:, 1])
    mixed = w + 2.0 * np.outer(left[:, 0], right[:, 1])
    both = np.array([[w, mixed]])
    np.testing.assert_allclose(mode_strengths(both, left, right), [[[3, -1], [3, -1]]], atol=1e-12)
    np.testing.assert_allclose(off_diagonal_share(both, left, right), [[0, 4 / 14]], atol=1e-12)
    np.testing.assert_allclose(stable_rank(both)[0, 0], 10 / 9)
    np.testing.assert_allclose(singular_values(both)[0, 0], [3, 1, 0, 0], atol=1e-12)
    # what lies outside the two modes counts, whatever the basis there
    outside = np.linalg.svd(left)[0][:, 3:] @ np.linalg.svd(right)[0][:, 4:].T
    np.testing.assert_allclose(off_diagonal_share([[w + outside]], left, right), [[1 / 11]], atol=1e-12)


def test_zero_and_diverged_networks():
    left, right = bases(3, 3, 3)
    stack = np.array([[np.zeros((3, 3)), np.full((3, 3), np.nan), np.eye(3)]])
    np.testing.assert_array_equal(np.isnan(off_diagonal_share(stack, left, right)), [[True, True, False]])
    np.testing.assert_array_equal(np.isnan(stable_rank(stack)), [[True, True, False]])
    assert stable_rank(stack)[0, 2] == pytest.approx(3.0)
    ensemble = over_runs([0], singular_values(stack))
    with pytest.warns(RuntimeWarning, match="1 of 3 paths diverged"):
        np.testing.assert_allclose(ensemble.mean(), [[0.5] * 3])
    with pytest.warns(RuntimeWarning, match="1 of 3 paths diverged"):
        np.testing.assert_allclose(ensemble.standard_error(), [[0.5] * 3])  # of 0 and 1: deviation .707, / sqrt 2


def test_crossing_steps_by_hand():
    s = np.array(
        [[[0.0, 2.0], [0.0, 0.1]], [[0.4, 2.0], [0.2, 0.1]], [[0.8, 0.0], [np.nan, 0.1]], [[0.2, 3.0], [1.0, 0.9]]]
    )
    np.testing.assert_allclose(crossing_steps([0, 10, 20, 40], s, [0.5, 0.5]), [[12.5, 0.0], [np.nan, 30.0]])
    np.testing.assert_array_equal(crossing_steps([0, 10, 20, 40], s[:, :1], 5.0), [[np.inf, np.inf]])


def test_realised_diffusion_by_hand():
    """A straight line has none; one kink of slope 2 to 5 over steps of 2 and 1: 9 / (1/1 + 1/2) / 2 = 3."""
    line = np.array([0.0, 4.0, 8.0, 10.0, 12.0])[:, None, None]
    steps, d = realised_diffusion([0, 2, 4, 5, 6], line, 2)
    np.testing.assert_allclose(d, 0.0, atol=1e-14)
    np.testing.assert_allclose(steps, [3.0, 4.5])
    kink = np.array([0.0, 4.0, 9.0, 14.0])[:, None, None]
    np.testing.assert_allclose(realised_diffusion([0, 2, 3, 4], kink, 2)[1], [[[3.0 / 2]]])


def test_realised_diffusion_of_a_drifting_walk():
    """dX = 3 dt + sqrt(2 D) dW, D = .7, records at 1 and 2 steps: mean and the error sqrt(3 / window), 4 deviations."""
    rng = np.random.default_rng(1)
    width = np.tile([1.0, 2.0], 100)
    moves = 3.0 * width[:, None] + np.sqrt(1.4 * width)[:, None] * rng.normal(size=(200, 2000))
    path = np.concatenate([np.zeros((1, 2000)), np.cumsum(moves, axis=0)])[:, :, None]
    steps, d = realised_diffusion(np.concatenate([[0.0], np.cumsum(width)]), path, 50)
    assert d.shape == (steps.size, 2000, 1)
    error = np.sqrt(3 / 50)
    assert d[0].mean() == pytest.approx(0.7, abs=4 * 0.7 * error / np.sqrt(2000))
    assert d[0].std() == pytest.approx(0.7 * error, rel=0.1)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_noise_is_largest_before_a_mode_is_learned(depth):
    """Without label noise, from increments alone: 199 of 200 runs at least, and at the median where D(s) is largest."""
    mode = ModeEquation(depth, 1.0, 0.005)
    n = int(1.5 * mode.descent_steps(0.05, 0.9))
    s = chain(depth, 1.0, 0.05, 0.005, 0.0, n, 200, seed=2)
    steps = np.arange(n + 1)
    loud, learned = largest_noise_steps(steps, s), crossing_steps(steps, s, 0.9)
    share = fraction_before(loud, learned)
    assert share.value[0] >= 0.99
    expected = crossing_steps(steps, s, mode.largest_diffusion)
    rise = np.median(learned) - np.median(crossing_steps(steps, s, 0.1))
    assert abs(np.median(loud) - np.median(expected)) < 0.1 * rise


def test_label_noise_is_largest_once_a_mode_is_learned():
    mode = ModeEquation(2, 1.0, 0.005, label_noise=1.0)
    assert mode.largest_diffusion == 1.0
    n = int(2 * mode.descent_steps(0.05, 0.9))
    s = chain(2, 1.0, 0.05, 0.005, 1.0, n, 200, seed=3)
    loud = largest_noise_steps(np.arange(n + 1), s)
    assert fraction_before(loud, crossing_steps(np.arange(n + 1), s, 0.9)).value[0] < 0.3


def test_diverged_runs_have_no_largest_noise():
    s = np.random.default_rng(4).normal(size=(40, 2, 1))
    s[30:, 1] = np.inf
    loud = largest_noise_steps(np.arange(40), s)
    assert np.isfinite(loud[0, 0])
    assert np.isnan(loud[1, 0])


def test_fraction_before_by_hand():
    first = np.array([[1.0], [1.0], [5.0], [1.0], [np.nan]])
    second = np.array([[2.0], [3.0], [4.0], [np.inf], [2.0]])
    share = fraction_before(first, second)
    assert share.value == pytest.approx([2 / 3])
    assert share.standard_error == pytest.approx([np.sqrt(3 * 2 / 6) / 5])
    assert fraction_before(first[:2], second[:2]).standard_error[0] > 0.1, "two runs prove little"
    assert np.isnan(fraction_before(first[3:], second[3:]).value[0])


def test_distance_to_the_density_of_the_mode():
    """Runs of the very law: within four errors of what sampling gives. Shifted by .1: that far away."""
    mode = ModeEquation(2, 1.0, 0.01, label_noise=0.5)
    solution = mode.density(0.1, [100.0, 200.0])
    rng = np.random.default_rng(5)
    samples = [fp.distances.law(solution, t).draw(rng, 500).points for t in solution.times]
    strengths = over_runs(solution.times, np.concatenate([samples, np.array(samples) + 0.1], axis=2))
    found = mode_distances(strengths, [solution, solution])
    assert found.value.shape == (2, 2)
    assert (found.value[:, 0] < found.sampling[:, 0] + 4 * found.standard_error[:, 0]).all()
    np.testing.assert_allclose(found.value[:, 1], 0.1, atol=4 * found.standard_error.max())
    assert (found.value[:, 1] > 5 * found.sampling[:, 1]).all()


def test_errors():
    left, right = bases(3, 3, 2)
    with pytest.raises(ValueError, match="`end_to_end` must be of shape"):
        mode_strengths(np.ones(3), left, right)
    with pytest.raises(ValueError, match="`left` must be k columns of length 3, as many left"):
        mode_strengths(np.zeros((1, 1, 3, 3)), left, right[:, :1])
    with pytest.raises(ValueError, match="`left` must be orthonormal columns"):
        mode_strengths(np.zeros((1, 1, 3, 3)), 2 * left, right)
    with pytest.raises(ValueError, match="`steps` must be increasing"):
        over_runs([1, 1], np.zeros((2, 3)))
    with pytest.raises(ValueError, match="`values` must be of shape"):
        over_runs([1, 2], np.zeros((3, 3)))
    with pytest.raises(ValueError, match="`window` must be a whole number from 2 to 3"):
        largest_noise_steps(np.arange(5), np.zeros((5, 1, 1)))
    with pytest.raises(ValueError, match="`strengths` must be of shape"):
        crossing_steps([0, 1], np.zeros((2, 3)), 1.0)
    with pytest.raises(ValueError, match="`second` must be of the shape"):
        fraction_before(np.zeros((2, 1)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="`densities` must be as many as modes"):
        mode_distances(over_runs([0], np.zeros((1, 2, 3))), [])
