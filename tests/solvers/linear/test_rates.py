"""Q and T answer the same questions by the same code: closed classes, weights, ancestors, time spent."""

import numpy as np
import pytest
import scipy.sparse as sp

import fokkerplanck as fp
from fokkerplanck.solvers.linear.closed_classes import class_weights, closed_classes
from fokkerplanck.solvers.linear.occupation_times import time_spent
from fokkerplanck.solvers.linear.rates import Rates, never_leaving


def gamblers(n, up):
    """T of a walk that stays on both ends: closed classes {0} and {n - 1}."""
    t = np.zeros((n, n))
    t[0, 0] = t[-1, -1] = 1.0
    for i in range(1, n - 1):
        t[i + 1, i], t[i - 1, i] = up, 1.0 - up
    return t


def both(t):
    """The rates of T, and of a generator that has T - 1 as its rate matrix."""
    q = sp.csc_array(t - np.eye(len(t)))
    n = len(t)
    as_q = Rates(q, np.zeros(n), -q.diagonal())
    return [Rates.of_steps(sp.csc_array(t)), as_q]


@pytest.mark.parametrize("which", [0, 1])
def test_ruin_of_a_gambler(which):
    """From i the upper end is reached first with probability (1 - s^i) / (1 - s^(n-1)), s = (1 - p) / p (Feller 1968)."""
    n, p = 12, 0.6
    rates = both(gamblers(n, p))[which]
    classes = closed_classes(rates)
    assert sorted(c.tolist() for c in classes) == [[0], [n - 1]]
    s = (1 - p) / p
    for i in (1, 5, 10):
        weights = dict(zip((c[0] for c in classes), class_weights(rates, classes, np.eye(n)[i]), strict=True))
        assert weights[n - 1] == pytest.approx((1 - s**i) / (1 - s ** (n - 1)), rel=1e-12)
        assert sum(weights.values()) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("which", [0, 1])
def test_time_spent_in_a_fair_game(which):
    """Visits to j from i between traps at 0 and m: 2 min(i, j) (m - max(i, j)) / m for steps of probability 1/2."""
    n, start = 9, 3
    rates = both(gamblers(n, 0.5))[which]
    inside = np.ones(n, dtype=bool)
    inside[[0, -1]] = False
    m, j = n - 1, np.arange(n)
    visits = 2.0 * np.minimum(start, j) * (m - np.maximum(start, j)) / m
    np.testing.assert_allclose(time_spent(rates, inside, np.eye(n)[start]), visits / visits.sum(), rtol=1e-8)


@pytest.mark.parametrize("which", [0, 1])
def test_where_paths_may_stay_for_ever(which):
    t = gamblers(8, 0.5)
    outside = np.ones(8, dtype=bool)
    outside[-1] = False
    reach, endless = never_leaving(both(t)[which], outside)
    assert reach.tolist() == [False, *[True] * 6, False]
    assert endless.tolist() == [*[True] * 7, False]  # all may be ruined


def test_products_weigh_time_as_factors_do(monkeypatch):
    q = fp.generator(fp.FokkerPlanck(diffusion=0.3), fp.Grid([(0, 1)] * 2, 12, boundary="absorbing"))
    rates, cells = Rates.of_generator(q), np.ones(144, dtype=bool)
    want = time_spent(rates, cells)
    monkeypatch.setattr("fokkerplanck.solvers.linear.occupation_times.FACTOR", 0)
    monkeypatch.setattr("fokkerplanck.solvers.linear.occupation_times.FULL", 0)
    np.testing.assert_allclose(time_spent(rates, cells), want, atol=1e-6)
