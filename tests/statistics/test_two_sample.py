"""Levels and power of the two-sample tests. Seeds are fixed; the bands hold the level .05 with a false alarm of about 1e-3."""

import numpy as np
import pytest

import fokkerplanck as fp


def pairs(rng, n, dim, correlation, shift=0.0):
    """Rows of two samples that share a part."""
    common = np.sqrt(correlation) * rng.normal(size=(n, dim))
    a, b = (common + np.sqrt(1 - correlation) * rng.normal(size=(n, dim)) for _ in range(2))
    return a, b + shift


def rejected(draw, repeats, **options):
    found = [fp.two_sample(*draw(), permutations=300, **options) for _ in range(repeats)]
    return np.mean([f.p_value < 0.05 for f in found]), np.mean([f.z > 3.0 for f in found])


@pytest.mark.parametrize("kernel", ["energy", "gaussian"])
@pytest.mark.parametrize("dim", [1, 10])
def test_level_of_independent_and_of_paired_samples(kernel, dim):
    """150 sets of 40 rows: binomial .05 lies within 1 and 18 of 150; z > 3 at most twice."""
    rng = np.random.default_rng(1)
    for draw, paired in (
        (lambda: (rng.normal(size=(40, dim)), rng.normal(size=(33, dim))), False),
        (lambda: pairs(rng, 40, dim, 0.9), True),
    ):
        level, far = rejected(draw, 150, kernel=kernel, paired=paired)
        assert 1 / 150 <= level <= 18 / 150
        assert far <= 2 / 150


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("dim", [2, 10, 100])
def test_level_in_long(dim, paired):
    """600 sets of 100 rows: .05 within .025 and .08; z > 3 in at most .8 % (.135 % expected)."""
    rng = np.random.default_rng(2)
    level, far = rejected(lambda: pairs(rng, 100, dim, 0.9 if paired else 0.0), 600, paired=paired)
    assert 0.025 <= level <= 0.08
    assert far <= 0.008


def test_level_of_heavy_tails():
    rng = np.random.default_rng(3)
    level, _ = rejected(lambda: (rng.standard_cauchy((50, 2)), rng.standard_cauchy((50, 2))), 150)
    assert 1 / 150 <= level <= 18 / 150


def test_pairs_see_what_they_would_miss_without():
    """Correlation .9, shift .15: found in .98 of 100 sets paired, in .03 to .05 or less unpaired."""
    rng = np.random.default_rng(4)
    assert rejected(lambda: pairs(rng, 100, 2, 0.9, 0.15), 50, paired=True)[0] > 0.9
    assert rejected(lambda: pairs(rng, 100, 2, 0.9, 0.15), 50)[0] < 0.15


def test_ten_thousand_dimensions():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 60, 10_000))
    assert fp.two_sample(a, b).p_value > 1e-3
    assert fp.two_sample(a, b + 0.05).p_value < 1e-3
    assert fp.two_sample(a, b + 0.05, kernel="gaussian").p_value < 1e-3


def test_units_of_coordinates_do_not_matter():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 100, 2))
    one = fp.two_sample(a, b)
    other = fp.two_sample(a * [1e-9, 1.0] + [0, 1e3], b * [1e-9, 1.0] + [0, 1e3])
    assert other.p_value == pytest.approx(one.p_value, rel=1e-6)
    assert other.distance == pytest.approx(one.distance, rel=1e-6)


def test_equal_rows_and_divergence():
    x = np.ones(20)
    assert fp.two_sample(x, x).p_value == 1.0
    a = np.random.default_rng(7).normal(size=50)
    b = a.copy()
    b[3] = np.inf
    found = fp.two_sample(a, b, paired=True)
    assert (found.n, found.p_value) == ((49, 49), 1.0)
    assert fp.two_sample(a, a + 100.0).p_value < 1e-10


def test_own_draws_do_not_meet_those_of_the_user():
    """Equal laws from default_rng(0), the first choice of many, in 48 dimensions."""
    x = np.random.default_rng(0).normal(size=(400, 48))
    assert fp.two_sample(x[:200], x[200:]).p_value > 1e-3


def test_bad_input():
    x = np.zeros((10, 2))
    with pytest.raises(ValueError, match="`b` must be of 2 coordinates, as `a` is, got 3"):
        fp.two_sample(x, np.zeros((10, 3)))
    with pytest.raises(ValueError, match="`b` must be of 10 rows, as its partner `a` is, got 9"):
        fp.two_sample(x, x[1:], paired=True)
    with pytest.raises(ValueError, match="`a` must be at least five samples"):
        fp.two_sample([1.0], [2.0])
    with pytest.raises(ValueError, match="`kernel` must be 'energy' or 'gaussian'"):
        fp.two_sample(x, x, kernel="linear")
    with pytest.raises(ValueError, match="`b` must be at least five finite samples"):
        fp.two_sample(x, np.full((10, 2), np.nan))
