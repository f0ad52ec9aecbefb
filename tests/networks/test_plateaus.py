"""Plateaus without known ranks: levels put in by hand, deep linear saddles, and the floor."""

from dataclasses import replace

import numpy as np
import pytest

import fokkerplanck.networks as fn
from fokkerplanck import deep_linear as dl


def staircase(steps, times, levels, width=20.0):
    """A loss that falls from level to level at some times."""
    drops = [(a - b) / (1.0 + np.exp(-(steps - t) / width)) for t, a, b in zip(times, levels, levels[1:], strict=False)]
    return levels[0] - sum(drops)


def recorded(steps, loss):
    norms = np.abs(np.gradient(loss, steps, axis=0)) + 1e-12
    none = np.zeros((loss.shape[1], 1)), np.zeros((steps.size, 0, 1))
    return fn.Runs(steps=steps, loss=loss, gradient_norm=norms, final=none[0], kept=none[1])


def test_a_staircase():
    steps = np.arange(0, 4001, 10)
    rng = np.random.default_rng(0)
    times = np.stack([rng.uniform(600, 1000, 12), rng.uniform(1800, 2600, 12)], axis=1)
    loss = np.stack([staircase(steps, t, [4.0, 1.0, 0.2]) for t in times], axis=1)
    found = fn.plateaus(recorded(steps, loss))
    np.testing.assert_allclose(found.levels, [4.0, 1.0, 0.2], rtol=0.06)
    assert (found.count == 2).all()
    # a tenth of a logistic drop is done at t - width ln 9
    np.testing.assert_allclose(found.escape[0], times[:, 0] - 20 * np.log(9), atol=12)
    np.testing.assert_allclose(found.approach[1], times[:, 0] + 20 * np.log(9), atol=12)
    np.testing.assert_allclose(found.escape[1], times[:, 1] - 20 * np.log(9), atol=12)
    assert np.isinf(found.escape[2]).all()


def test_a_loss_that_goes_to_zero_ends_at_the_floor():
    # exp falls in ln loss at a constant rate, then ever slower: without a floor its tail would be a level of its own
    steps = np.arange(0, 4001, 10)
    loss = np.maximum(staircase(steps, [800], [2.0, 0.0]), 0.0)[:, None] + 1e-13 * np.exp(-steps / 2000)[:, None]
    found = fn.plateaus(recorded(steps, loss))
    assert found.levels.size == 2
    np.testing.assert_allclose(found.levels, [2.0, found.floor], rtol=0.06)
    assert "count as that" in repr(found)


def test_the_same_stays_as_with_known_ranks():
    net = dl.DeepLinear((5, 10, 10, 5), [4.0, 2.0, 1.0], 0.01, 20, label_noise=0.1)
    runs = dl.train(net, dl.small_start(1.5), np.arange(0, 3001, 10), n_runs=10, seed=3)
    known = dl.plateaus(runs)
    same_runs = replace(recorded(runs.steps, runs.loss), gradient_norm=runs.gradient_norm, seed=3)
    other = fn.plateaus(same_runs, 1e-2)
    same = 0
    for k in range(10):
        ours = np.sort(other.escape[:, k][np.isfinite(other.escape[:, k])])
        theirs = np.sort(known.escape[:, k][np.isfinite(known.escape[:, k])])
        same += ours.size == theirs.size and np.allclose(ours, theirs, rtol=0.05)
    assert same >= 9  # below the floor the noise of the batches makes levels of its own


def test_refusals():
    with pytest.raises(ValueError, match="`runs` must be what"):
        fn.plateaus(np.zeros(3))
    steps = np.arange(10)
    with pytest.raises(ValueError, match="`floor`"):
        fn.plateaus(recorded(steps, np.ones((10, 1))), floor=0.0)


def test_runs_too_short_for_a_stay():
    steps = np.arange(3)
    found = fn.plateaus(recorded(steps, np.array([[2.0], [1.0], [np.nan]])))
    assert np.isnan(found.levels).all()
    assert found.count.tolist() == [0]
    assert "1 runs" in repr(found)


def test_a_few_stays_between_two_levels_do_not_join_them():
    """Neighbours 0.2 apart in ln loss lead from one level to the other, one run at each."""
    steps = np.arange(0, 4001, 10)
    between = np.exp(np.linspace(0.0, -2.0, 11))[1:-1]
    stairs = [[1.0, np.exp(-2.0), 1e-3]] * 60 + [[1.0, level, 1e-3] for level in between]
    loss = np.stack([staircase(steps, [1000, 2500], levels) for levels in stairs], axis=1)
    found = fn.plateaus(recorded(steps, loss))
    stayed = np.isfinite(found.approach).sum(axis=1)
    first, last = (np.argmin(np.abs(np.log(found.levels) - level)) for level in (0.0, -2.0))
    assert first != last
    assert stayed[first] >= 60
    assert stayed[last] >= 60
    np.testing.assert_allclose(found.escape[first, :60], 1000 - 20 * np.log(9), atol=12)
    np.testing.assert_allclose(found.escape[last, :60], 2500 - 20 * np.log(9), atol=12)


def test_losses_of_ones_own():
    """Only runs of `net.train` were taken. Two logistic falls, of 1 to .3 at 150 + 20 k and of .3 to 1e-4 at 300 + 10 k."""
    steps = np.arange(0.0, 500.0, 2.0)
    first, second = 150 + 20 * np.arange(5), 300 + 10 * np.arange(5)
    falls = [1 / (1 + np.exp((steps[:, None] - place) / 8)) for place in (first, second)]
    found = fn.plateaus(0.7 * falls[0] + 0.3 * falls[1] + 1e-4, steps=steps)
    np.testing.assert_allclose(found.levels[:2], [1.0, 0.3], rtol=0.02)
    tenth = 8 * np.log(9.0)  # from half to nine tenths of a logistic fall
    assert np.all(np.abs(found.escape[0] - first) < 1.5 * tenth)
    assert np.all((found.nearest[1] > first) & (found.nearest[1] < second))
    np.testing.assert_array_equal(found.count, np.isfinite(found.escape).sum(axis=0))
    one = fn.plateaus((0.7 * falls[0] + 0.3 * falls[1] + 1e-4)[:, 0])
    assert one.escape.shape[1] == 1
    with pytest.raises(ValueError, match="`steps` must be one for each of the 250 records"):
        fn.plateaus(falls[0], steps=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"`runs` must be what net\.train"):
        fn.plateaus(np.ones((2, 3)))
