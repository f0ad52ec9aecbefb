"""The index of sums: laws that are stable keep it, all others lose it. Fixed seeds; a stable or Gaussian law is called
"mixed" by chance in about 1 % of data sets."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.simulation.stable_variates import symmetric_stable

N = 20_000
TURN = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])


def rng():
    return np.random.default_rng(5)


def test_gaussian_noise_with_unequal_deviations_is_gaussian():
    """A stable law fitted to all coordinates thrown together gives .667 [.649, .687] for such data: right is 2."""
    data = rng().normal(size=(N, 48)) * np.exp(2.0 * rng().normal(size=48))
    found = fp.tail_test(data)
    assert found.verdict == "gaussian"
    assert found.stability == pytest.approx(2.0, abs=0.01)
    np.testing.assert_allclose(found.index, 2.0, atol=0.02)


def test_thrown_together_it_is_no_stable_law_either():
    data = (rng().normal(size=(N // 48, 48)) * np.exp(2.0 * np.random.default_rng(6).normal(size=48))).ravel()
    found = fp.tail_test(data)
    assert found.verdict == "mixed"
    assert found.index[0] < 0.8 < 1.7 < found.index[-1]


@pytest.mark.parametrize("stability", [0.7, 1.2, 1.5, 1.9])
def test_stable_noise_keeps_its_index(stability):
    found = fp.tail_test(symmetric_stable(rng(), stability, N))
    assert found.verdict == "stable"
    assert abs(found.stability - stability) < 4 * found.error < 0.08
    assert (np.abs(found.index - stability) < 4 * found.standard_error).all()


def test_stable_along_axes_that_are_turned():
    found = fp.tail_test(symmetric_stable(rng(), 1.2, 2 * N).reshape(N, 2) @ TURN.T)
    assert found.verdict == "stable"
    assert abs(found.stability - 1.2) < 4 * found.error < 0.08


def test_one_heavy_axis_is_not_lost_among_light_ones():
    r = rng()
    data = np.column_stack([r.normal(size=(N, 3)), symmetric_stable(r, 1.2, N)])
    found = fp.tail_test(data @ np.linalg.qr(r.normal(size=(4, 4)))[0])
    assert found.verdict != "gaussian"
    assert found.heaviest is not None
    assert found.stability < 1.5


@pytest.mark.parametrize(
    "draw",
    [
        lambda r: r.normal(size=N) * np.where(r.random(N) < 0.3, 10.0, 1.0),
        lambda r: r.standard_t(3, size=N),
        lambda r: r.laplace(size=N),
        lambda r: r.normal(size=N) * np.exp(r.normal(size=N)),
    ],
    ids=["two scales", "student 3", "laplace", "scales of all sizes"],
)
def test_finite_variance_is_not_stable(draw):
    found = fp.tail_test(draw(rng()))
    assert found.verdict == "mixed"
    assert found.index[0] < 1.7
    assert found.stability > 1.75


@pytest.mark.parametrize("draw", [lambda r: r.random(N), lambda r: np.sign(r.normal(size=N))], ids=["even", "coins"])
def test_laws_with_bounds_are_no_heavier_than_gaussian(draw):
    found = fp.tail_test(draw(rng()))
    assert (found.verdict, found.stability) == ("gaussian", 2.0)


def test_verdicts_hold_in_small_samples():
    """40 sets each of 500 and 3000 increments; at most 3 wrong (about 1 % each, false alarm 1e-3)."""
    r = rng()
    for n in (500, 3000):
        stable = [fp.tail_test(symmetric_stable(r, 1.5, n)) for _ in range(40)]
        assert sum(found.verdict != "stable" for found in stable) <= 3
        assert sum(abs(f.stability - 1.5) > 2.5 * f.error for f in stable) <= 4
        assert sum(fp.tail_test(r.normal(size=n)).verdict != "gaussian" for _ in range(40)) <= 3


def test_runs_and_repr():
    r = rng()
    runs = [r.normal(size=(100, 2)) for _ in range(30)]
    found = fp.tail_test(runs, sums=[1, 2])
    assert "no heavier than Gaussian" in repr(found)
    assert found.sums.tolist() == [1, 2]
    assert "unequal variances" in repr(fp.tail_test(r.standard_t(3, size=N)))
    assert "stable, with the index 1.5" in repr(fp.tail_test(symmetric_stable(r, 1.5, N)))


def test_runs_may_stand_in_one_array():
    """(n_runs, n_steps, dim) is the list of its entries."""
    steps = np.random.default_rng(3).normal(size=(30, 100, 2))
    assert fp.tail_test(steps).index.tolist() == fp.tail_test(list(steps)).index.tolist()
    with pytest.raises(ValueError, match=r"A row is one step: give runs .* \(n_runs, n_steps, 1\)"):
        fp.tail_test(steps[:, :, 0])


def test_bad_input():
    with pytest.raises(ValueError, match="`increments` must be at least 200 finite rows, got 3 rows"):
        fp.tail_test([1.0, 2.0, 3.0])
    with pytest.raises(
        ValueError, match=r"`increments` must be of different values, got 0 only. Leave out coordinates that stay"
    ):
        fp.tail_test(np.zeros(1000))
    with pytest.raises(ValueError, match="`sums` must be a whole number from 1"):
        fp.tail_test(np.arange(1000.0), sums=[0])
    with pytest.raises(ValueError, match="`increments` must be of shape"):
        fp.tail_test(np.ones((2, 20, 20, 20)))
