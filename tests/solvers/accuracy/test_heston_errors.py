"""Heston's model on cells too wide along x for its correlation, which is said: the error is never shorter than the true one."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.initial_density import added_up

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.ResolutionWarning")
BOX, TIME, KAPPA, THETA = [(-2.4, 1.6), (0, 1.28)], 0.25, 2.0, 0.1
START = fp.gaussian([0.0, 0.2], [0.2, 0.03])


def heston(sigma, rho):
    def diffusion(x, v):
        return [[v / 2, rho * sigma * v / 2], [rho * sigma * v / 2, sigma**2 * v / 2]]

    return fp.FokkerPlanck(drift=lambda x, v: (-v / 2, KAPPA * (THETA - v)), diffusion=diffusion)


@pytest.mark.parametrize(("sigma", "rho"), [(0.8, -0.7), (0.5, -0.9)])
@pytest.mark.parametrize("cells", [[80, 64], [40, 64], [64, 128], [40, 128]])
def test_the_error_covers_what_is_cut_short(sigma, rho, cells):
    """Means are known: v by exp(-kappa t), x by its integral. The density is compared with fine cells of the right shape."""
    eq = heston(sigma, rho)
    result = fp.solve(eq, fp.Grid(BOX, cells), START, [TIME])
    assert result.generator.untreated
    decay = np.exp(-KAPPA * TIME)
    v = THETA + 0.1 * decay
    x = -0.5 * (THETA * TIME + 0.1 * (1 - decay) / KAPPA)
    assert (result.error["mean"][0] > np.abs(result.mean()[0] - (x, v))).all()
    fine = fp.solve(eq, fp.Grid(BOX, [320, 128]), START, [TIME], error=False)
    apart = np.abs(added_up(fine.masses[0], fine.grid, result.grid) - result.masses[0]).sum()
    assert apart < result.error["density"][0] < 30 * apart


def test_a_box_that_moves_the_means_is_told():
    """Feller's condition violated up to t = 1: the grid errs by 3e-5 in the means, and the box moves both by 5e-4."""
    kappa, theta, sigma, rho = 1.5, 0.06, 0.9, -0.7

    def diffusion(x, v):
        return [[v / 2, rho * sigma * v / 2], [rho * sigma * v / 2, sigma**2 * v / 2]]

    eq = fp.FokkerPlanck(drift=lambda x, v: (-v / 2, kappa * (theta - v)), diffusion=diffusion)
    for box, cells in (([(-2.5, 1.5), (0, 1.2)], [80, 60]), ([(-5, 3), (0, 2.4)], [80, 60])):
        result = fp.solve(eq, fp.Grid(box, cells), fp.point((0.0, theta)), [1.0])
        off = np.abs(result.mean()[0] - (-0.5 * theta, theta))
        beyond = 0.5 * result.error.box * np.ptp(np.array(box), axis=1)
        assert (off < result.error["mean"][0] + beyond).all()
        assert ("in means up to" in result.error.note) == (beyond > result.error["mean"][0]).any()
    assert result.error.box < 1e-5
