"""Passages of transfer operators to targets whose edges lie anywhere: their values and their measured errors."""

import warnings

import numpy as np
import pytest
from scipy.stats import norm

import fokkerplanck as fp
from fokkerplanck.solvers.accuracy.fields import field_change, field_errors

QUADRATIC = fp.SampleLoss("(w-c)**2/2", ["w"], {"c": [-1.0, 1.0]})


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("edge", [1.0, 1.013, 2.4871, 6.6666, 7.0])
def test_independent_steps_reach_a_target_in_geometric_time(edge):
    """At rate times curvature 1 each normal step starts anew: the mean is 1 over the tail, the survival its powers."""
    operator = fp.SGD(QUADRATIC, 1.0).transfer_operator(fp.Grid((-9, 9), 900), "gaussian-chain")
    passage = operator.first_passage(lambda w: w > edge)
    tail = float(norm.sf(edge))
    assert passage.at(0.3) == pytest.approx(1 / tail, rel=3e-3)
    assert abs(passage.at(0.3) - 1 / tail) < 1.1 * passage.error_at(0.3)
    assert passage.second_moment[450] == pytest.approx((2 - tail) / tail**2, rel=6e-3)
    np.testing.assert_allclose(passage.survival([3], fp.point(0.3)), (1 - tail) ** 3, rtol=1e-3)
    np.testing.assert_allclose(passage.density([3], fp.point(0.3)), tail * (1 - tail) ** 2, rtol=3e-3)


def test_a_target_thinner_than_a_cell_is_met_by_its_width():
    operator = fp.SGD(QUADRATIC, 1.0).transfer_operator(fp.Grid((-9, 9), 901), "gaussian-chain")
    passage = operator.first_passage(lambda w: (w > 0.504) & (w < 0.508), error=False)
    assert passage.at(0.0) == pytest.approx(1 / (norm.cdf(0.508) - norm.cdf(0.504)), rel=0.1)


def random_sgd(rng):
    """A double well of a few samples, exact or with normal noise, and a half line or strip as target."""
    n = int(rng.integers(2, 6))
    data = {"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.uniform(0.5, 2.0, n)}
    sgd = fp.SGD(fp.SampleLoss("w**4/8 - w**2/2 + a*w + b*cos(c*w)", ["w"], data), float(rng.uniform(0.1, 0.4)))
    low = float(rng.uniform(0.0, 1.2))
    high = low + float(rng.uniform(0.3, 2.0))
    target = (lambda w: w > low) if rng.random() < 0.5 else (lambda w: (w > low) & (w < high))
    return sgd, target, str(rng.choice(["exact", "gaussian-chain"]))


def test_errors_on_random_targets():
    """Below half of the true error in at most one of ten answers that are said to converge, and the median above one."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        for seed in range(12):
            sgd, target, model = random_sgd(np.random.default_rng([5, seed]))
            ours = sgd.transfer_operator(fp.Grid((-4, 4), 160), model).first_passage(target)
            right = sgd.transfer_operator(fp.Grid((-4, 4), 960), model).first_passage(target, error=False)
            if ours.error.converging and np.isfinite(right.at(-1.0)):
                found += [ours.error_at(x) / max(abs(ours.at(x) - right.at(x)), 1e-9) for x in (-1.5, -1.0, -0.5)]
    assert len(found) >= 12
    assert np.median(found) > 1.0
    assert np.mean(np.array(found) < 0.5) <= 0.1


def test_a_target_that_coarser_cells_never_reach_has_no_small_error():
    grids = [fp.Grid((-4, 4), n) for n in (128, 64, 32)]
    values = [np.full(128, 7.0), np.full(64, np.inf), np.full(32, np.inf)]
    targets = [grid.centers[0] > 1.0 for grid in grids]
    change = field_change(values, grids, targets, 2.0)
    assert not change.whole.converging
    assert np.isinf(field_errors(change, grids, targets[0], 2.0)[~targets[0]]).all()


def test_operators_and_their_answers_for_a_tolerance():
    """A quadratic with normal noise: the stationary variance is eta sigma^2 / (2 - eta), the density a normal law."""
    sgd, box = fp.SGD(QUADRATIC, 0.5), fp.Box((-4, 4))
    operator = sgd.transfer_operator(box, "gaussian-chain", tol=1e-3)
    stationary = operator.stationary()
    right = norm.pdf(operator.grid.centers[0], scale=np.sqrt(1 / 3))
    assert (np.abs(stationary.density - right) * operator.grid.widths[0]).sum() < 1e-3
    assert float(stationary.error["density"]) < 1e-3
    coarse = sgd.transfer_operator(fp.Grid((-4, 4), 64), "gaussian-chain")
    moved = coarse.evolve(fp.gaussian(0.5, 0.6), [3], tol=1e-3)
    right = norm.pdf(moved.grid.centers[0], 0.5 / 8, np.sqrt(0.36 / 64 + (1 - 1 / 64) / 3))
    assert (np.abs(moved.density[0] - right) * moved.grid.widths[0]).sum() < 1e-3
    passage = coarse.first_passage(lambda w: w > 1.123, tol=1e-2)
    assert passage.grid.size > 64
    finer = sgd.transfer_operator(fp.Grid((-4, 4), 2400), "gaussian-chain")
    assert passage.at(0.0) == pytest.approx(finer.first_passage(lambda w: w > 1.123, error=False).at(0.0), rel=1e-2)
    rates = coarse.spectrum(3, tol=1e-3)
    np.testing.assert_allclose(rates.eigenvalues, [1.0, 0.5, 0.25], rtol=1e-3)


def test_a_tolerance_is_a_small_number():
    sgd = fp.SGD(QUADRATIC, 0.5)
    with pytest.raises(ValueError, match="`tol` must be"):
        sgd.transfer_operator(fp.Box((-4, 4)), tol=2.0)
    with pytest.raises(TypeError, match="a Box, or a Grid to start from"):
        sgd.transfer_operator((-4, 4), tol=1e-3)
    with pytest.raises(TypeError, match="`grid` must be a Grid"):
        sgd.transfer_operator(fp.Box((-4, 4)))
    with pytest.raises(ValueError, match="error"):
        sgd.transfer_operator(fp.Grid((-4, 4), 64)).stationary(error=False, tol=1e-3)
