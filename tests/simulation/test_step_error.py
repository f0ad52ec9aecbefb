"""The error of the time step against closed forms of Euler's steps; fixed seeds, limits of a third of the error or so."""

import numpy as np
import pytest

import fokkerplanck as fp

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


@pytest.mark.parametrize("dt", [0.1, 0.5, 0.98])
def test_a_linear_force(dt):
    """Euler's variance is D / (1 - dt / 2); at dt = .98 the deviation is 40 % too large, and sampling does not see it."""
    mc = fp.simulate(OU, 0.0, [200 * dt], dt=dt, n_paths=10_000)
    truth = np.sqrt(0.5 / (1 - dt / 2)) - np.sqrt(0.5)
    assert 0.8 * truth < mc.step_error["deviation"][0, 0] < 1.8 * truth
    row = fp.compare({"density": fp.stationary(OU, fp.Grid((-6, 6), 400)), "paths": mc}, distances=()).rows[1]
    entry = dict(zip(fp.compare({"paths": mc}, distances=()).columns, row, strict=True))
    assert entry["largest_error"] == "step"
    assert abs(entry["deviation"] - np.sqrt(0.5)) < 1.5 * entry["se_deviation"]


def test_the_mean_of_a_decay():
    """(1 - dt)^n against exp(-n dt), from 2."""
    mc = fp.simulate(OU, 2.0, [0.0, 1.0], dt=0.1, n_paths=4000)
    truth = 2.0 * (np.exp(-1.0) - 0.9**10)
    assert mc.step_error["mean"][:, 0] == pytest.approx([0.0, truth], rel=0.3, abs=1e-12)


def test_it_falls_with_the_step():
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.1 + 0.1 * x * x)
    long, short = (fp.simulate(eq, 0.5, [2.0], dt=dt, n_paths=10_000).step_error["mean"][0, 0] for dt in (0.2, 0.02))
    assert short < 0.5 * long


def test_steps_that_diverge_have_no_bound():
    assert fp.simulate(OU, 1.0, [100.0], dt=2.5, n_paths=20).step_error["mean"][0, 0] > 1e3
    lost = fp.simulate(OU, 1.0, [2.5, 2000.0], dt=2.5, n_paths=20)
    assert np.isfinite(lost.step_error["deviation"][0, 0])
    assert np.isinf(lost.step_error["deviation"][1, 0])


def test_walls_are_looked_for_once_a_step():
    """Survival in (-1, 1) is too large by a share of order sqrt(dt); the spread of all paths shows it."""
    walls = fp.Grid((-1, 1), 4, boundary="absorbing")
    eq = fp.FokkerPlanck(diffusion=0.5)
    coarse = fp.simulate(eq, 0.0, [1.0], dt=0.05, n_paths=10_000, grid=walls)
    fine = fp.simulate(eq, 0.0, [1.0], dt=0.0005, n_paths=10_000, grid=walls)
    apart = np.sqrt(coarse.covariance()[0, 0, 0]) - np.sqrt(fine.covariance()[0, 0, 0])
    assert 0.5 * apart < coarse.step_error["deviation"][0, 0] < 3.0 * apart


def test_levy_noise_and_planes():
    """dX = -X dt + dL at dt = .1: the scale of X is changed by less than a tenth; both axes are told."""
    levy = fp.LevyJumps(stability=1.7, scale=1.0, kind="isotropic")
    eq = fp.FokkerPlanck(drift=(lambda x, y: -x, lambda x, y: -4 * y), jumps=levy)
    mc = fp.simulate(eq, [0.0, 0.0], [1.0], dt=0.1, n_paths=20_000, seed=0)
    assert mc.step_error["deviation"].shape == (1, 2)
    assert 0 < mc.step_error["deviation"][0, 0] < mc.step_error["deviation"][0, 1]


def test_what_has_no_step_has_no_error():
    sgd = fp.SGD(fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1)
    assert sgd.simulate(0.0, [1], n_paths=10).step_error is None
    slow = fp.FokkerPlanck(diffusion=0.5, time_order=0.8)
    waiting = fp.simulate_waiting(sgd, 0.0, [5.0], 0.8, n_paths=10)  # exact: steps are those of SGD
    assert waiting.step_error is None
    assert fp.simulate(slow, 0.0, [1.0], dt=0.1, n_paths=10, step_error=False).step_error is None
    assert fp.simulate(OU, 0.0, [1.0], dt=0.1, n_paths=10, step_error=False).step_error is None
    assert "error of the time step: at most" in repr(fp.simulate(OU, 0.0, [1.0], dt=0.1, n_paths=10))
    with pytest.raises(TypeError, match="`step_error` must be True or False"):
        fp.simulate(OU, 0.0, [1.0], dt=0.1, step_error=1)


def test_swarms_have_pairs_of_swarms():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=fp.Swarm(1.0))
    mc = fp.simulate(eq, 1.0, [1.0], dt=0.2, n_paths=1200, swarm_size=300)
    truth = np.exp(-1.0) - 0.8**5
    assert mc.step_error["mean"][0, 0] == pytest.approx(truth, rel=0.4)


def test_step_error_under_a_clock_that_halts():
    """A fast well: the stationary deviation of Euler steps is 1 / sqrt(k (1 - k dt / 2)), whatever the clock does."""
    k, dt = 20.0, 0.04
    eq = fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=1.0, time_order=0.7)
    found, finer = (fp.simulate(eq, fp.point(0.0), [5.0], h, n_paths=20_000, seed=3) for h in (dt, 0.25 * dt))
    long, short = (1.0 / np.sqrt(k * (1.0 - 0.5 * k * h)) for h in (dt, 0.5 * dt))
    # two standard errors of 1000 pairs count as error, too: beside .077 some .03
    seen = float(found.step_error["deviation"][0, 0])
    assert 0.8 * 2.0 * (long - short) < seen < 1.5 * 2.0 * (long - short)
    assert seen > 0.8 * (long - 1.0 / np.sqrt(k))
    assert finer.step_error["deviation"][0, 0] < 0.6 * seen


def test_step_error_under_a_clock_that_halts_with_walls():
    """Paths that have stopped keep their place; at time 0 there is no error."""
    eq = fp.FokkerPlanck(diffusion=1.0, time_order=0.6)
    found = fp.simulate(
        eq, fp.point(0.5), [0.0, 5.0], 0.01, n_paths=1000, seed=4, grid=fp.Grid((0, 1), 10, "absorbing")
    )
    assert np.isfinite(found.step_error["mean"]).all()
    assert found.step_error["mean"][0, 0] < 0.05
