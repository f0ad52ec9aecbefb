"""Time orders from stays. Fixed seeds; limits of 3.5 standard errors (false alarm 5e-4 each)."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.statistics.waiting_law import most_likely


def ornstein_uhlenbeck(order, seed=1):
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, time_order=order)
    return fp.simulate(eq, 0.0, np.arange(201) * 0.5, dt=0.02, n_paths=50, seed=seed)


@pytest.mark.parametrize("order", [0.5, 0.7, 0.9])
def test_confined_processes_that_wait(order):
    found = fp.stays(ornstein_uhlenbeck(order))
    assert abs(found.time_order - order) < 3.5 * found.error
    assert found.error < 0.15
    assert "Stays: time order" in repr(found)


def test_no_stays_are_no_evidence():
    """Growth of <x^2> gives .495 for such a process, whose order is 1."""
    found = fp.stays(ornstein_uhlenbeck(1.0))
    assert (found.time_order, found.n_stays) == (1.0, 0)
    assert "no evidence of waiting" in repr(found)


@pytest.mark.parametrize(("order", "scale"), [(0.6, 10.0), (0.9, 1.0), (1.0, 1.0), (1.0, 10.0)])
def test_sgd_that_waits(order, scale):
    """Ordinary random waits have the order 1, however long they are; a power law alone would call them waits without a mean."""
    sgd = fp.SGD(fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 1.0, 0.3]}), 0.1)
    found = fp.stays(fp.simulate_waiting(sgd, 0.0, np.arange(300.0), order, n_paths=60, scale=scale))
    assert abs(found.time_order - order) < max(3.5 * found.error, 1e-3)
    assert found.scale == pytest.approx(scale, rel=0.3)


def test_rounded_data_do_not_wait():
    steps = np.random.default_rng(3).normal(size=(50, 2000)) * 0.003
    found = fp.stays(np.round(np.cumsum(steps, axis=1), 2))
    assert found.time_order > 0.97
    assert found.n_stays > 1000


def test_first_stays_are_dropped_and_last_ones_censored():
    run = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], [9, 4, 1, 5, 7])
    found = fp.stays([run, run[::-1].copy()])
    assert found.lengths.tolist() == [4, 5, 7, 5, 4, 9]
    assert found.ended.tolist() == [True, True, False, True, True, False]
    gap = run.copy()
    gap[15] = np.nan  # in the stay of five rows
    assert fp.stays([gap]).lengths.tolist() == [4, 7]
    plane = np.stack([run, np.arange(run.size)], axis=1)
    assert fp.stays([plane]).lengths.size == 0


def test_what_has_arrived_does_not_wait():
    walls = fp.Grid((-1, 1), 4, boundary="absorbing")
    mc = fp.simulate(fp.FokkerPlanck(diffusion=0.5), 0.0, np.arange(40) * 0.25, dt=0.05, n_paths=400, grid=walls)
    assert np.isfinite(mc.exit_times).mean() > 0.9
    assert fp.stays(mc).lengths.size == 0


def test_likelihood_of_a_pure_power_law():
    """Waits u^(-1/a) seen from an even phase: m rows where k dt <= phase + w; the order is a, of any scale below a row."""
    rng = np.random.default_rng(4)
    wait = 0.01 * rng.random(400_000) ** (-1 / 0.6)
    rows = np.floor(wait + rng.random(wait.size)).astype(int)
    rows = rows[rows >= 3][:3000]
    fit = most_likely(rows, np.ones(rows.size, dtype=bool), 3)
    assert abs(fit.order - 0.6) < 3.5 * fit.error < 0.15
    assert fit.scale < 1.0


def recorded(order, scale, seed, power_law):
    """Ten records of 1000 rows of stays u^(-1/b) or Mittag-Leffler ones, times a scale in rows."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(10):
        ends = np.empty(0)
        while ends.size == 0 or ends[-1] < 1001:
            u, v = rng.random((2, 20_000))
            if power_law:
                wait = u ** (-1 / order)
            else:
                wait = -np.log(u) * (np.sin(order * np.pi) / np.tan(order * np.pi * v) - np.cos(order * np.pi)) ** (
                    1 / order
                )
            ends = np.append(ends, (ends[-1] if ends.size else 0.0) + np.cumsum(scale * wait))
        runs.append(np.searchsorted(ends, np.arange(1000.0), side="right").astype(float))
    return runs


@pytest.mark.parametrize(("power_law", "scale"), [(True, 0.02), (False, 0.3)])
@pytest.mark.parametrize("order", [0.6, 0.95])
def test_intervals_cover_though_short_stays_are_missing(power_law, scale, order):
    """Of five, three or fewer with probability below .02 if each covers with .95."""
    found = [fp.stays(recorded(order, scale, seed, power_law)) for seed in range(5)]
    assert sum(one.interval[0] <= order <= one.interval[1] for one in found) >= 4
