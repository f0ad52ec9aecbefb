"""Simulated compound Poisson jumps against moments in closed form and against densities.

Fixed seeds; limits are 4 standard errors with the measured error of the step (false alarms: 6e-5 of some ten comparisons).
"""

import numpy as np
import pytest
from scipy import stats

import fokkerplanck as fp


def within(paths, mean, variance):
    x = paths.positions[-1, :, 0]
    step = paths.step_error or {"mean": np.zeros((1, 1)), "deviation": np.zeros((1, 1))}
    assert abs(x.mean() - mean) < 4 * x.std() / np.sqrt(x.size) + step["mean"][-1, 0]
    spread = (x - x.mean()) ** 2
    assert abs(x.var() - variance) < 4 * spread.std() / np.sqrt(x.size) + 2 * x.std() * step["deviation"][-1, 0]


def test_the_free_process_is_exact_at_any_step():
    """Without drift a step of any length draws the law itself: mean lambda t m, variance lambda t E[xi^2]."""
    eq = fp.FokkerPlanck(jumps=fp.PoissonJumps(3.0, stats.expon(scale=0.4)))
    paths = fp.simulate(eq, 0.0, [2.0], 2.0, n_paths=20_000, seed=1, step_error=False)
    within(paths, 6 * 0.4, 6 * 2 * 0.4**2)
    none = stats.norm.ppf(0.5 + 0.5 * 0.9999) * np.sqrt(np.exp(-6) / 20_000)
    assert abs((paths.positions[-1] == 0.0).mean() - np.exp(-6)) < none


def test_ornstein_uhlenbeck_with_jumps():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.1, jumps=fp.PoissonJumps(2.0, 0.25))
    paths = fp.simulate(eq, 0.5, [1.0], 0.05, n_paths=20_000, seed=2)
    within(paths, 0.5 * np.exp(-1), 0.35 * (1 - np.exp(-2)))
    off = 0.5 * (0.95**20 - np.exp(-1))  # the Euler step's own error of the mean
    assert 0.8 * abs(off) < paths.step_error["mean"][-1, 0] < 10 * abs(off)


@pytest.mark.parametrize(
    "law", [stats.expon(scale=0.2), lambda x, y: stats.norm.pdf(y, 0.3 * x, 0.4), ([-0.3, 0.5], [0.7, 0.3])]
)
def test_a_rate_that_changes_from_place_to_place(law):
    """Against the density of the solver, within its error too."""
    grid = fp.Grid((-5, 5), 300)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.1, jumps=fp.PoissonJumps(lambda x: 1 + x**2, law))
    sol = fp.solve(eq, grid, fp.gaussian(0.5, 0.2), 0.8, error=False)
    paths = fp.simulate(eq, fp.gaussian(0.5, 0.2), [0.8], 0.02, n_paths=10_000, seed=3, grid=grid)
    within(paths, sol.mean()[-1, 0], sol.covariance()[-1, 0, 0])


def test_the_plane():
    c = np.array([[0.3, 0.1], [0.1, 0.2]])
    eq = fp.FokkerPlanck(drift=[0.0, 0.0], jumps=fp.PoissonJumps(2.0, c))
    x = fp.simulate(eq, [0.0, 0.0], [1.5], 0.5, n_paths=20_000, seed=4, step_error=False).positions[-1]
    np.testing.assert_allclose(np.cov(x.T), 3.0 * c, atol=0.04)


def test_walls_act_on_jumps():
    """The first jump leads out: exponential exit times."""
    eq = fp.FokkerPlanck(jumps=fp.PoissonJumps(4.0, ([-3.0, 3.0], [0.5, 0.5])))
    paths = fp.simulate(
        eq, 0.5, [3.0], 0.01, n_paths=5000, seed=5, grid=fp.Grid((0, 1), 10, "absorbing"), step_error=False
    )
    assert abs(paths.exit_times.mean() - 0.25 - 0.005) < 4 * 0.25 / np.sqrt(5000)


def test_refusals():
    kernel = fp.FokkerPlanck(jumps=fp.PoissonJumps(1.0, lambda x, y: stats.norm.pdf(y - x)))
    with pytest.raises(ValueError, match="`grid` must be given for jumps with a kernel"):
        fp.simulate(kernel, 0.0, [1.0], 0.1)
    with pytest.raises(ValueError, match="`dt` must be such that no path jumps more than 1000 times in a step"):
        fp.simulate(fp.FokkerPlanck(jumps=fp.PoissonJumps(1e6, 0.1)), 0.0, [1.0], 0.1, n_paths=10)
    with pytest.raises(ValueError, match="`law` must be of 2 dimension"):
        fp.simulate(fp.FokkerPlanck(jumps=fp.PoissonJumps(1.0, 0.1)), [0.0, 0.0], [1.0], 0.1)
