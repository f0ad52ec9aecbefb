"""Derivatives of stationary laws whose coefficients read averages over them: closed forms, transitions, families of states."""

import numpy as np
import pytest
from scipy.stats import norm

import fokkerplanck as fp

LINE = fp.Grid((-7, 7), 200)
PULL, BACK, NOISE = 0.7, 1.3, 0.5


def pulled(drift, noise, pull=PULL):
    """Mean drift / BACK, variance noise / (BACK + pull)."""
    return fp.FokkerPlanck(drift=lambda x: drift - BACK * x, diffusion=noise, interaction=fp.Swarm(pull))


def within(found, exact):
    assert np.abs(found.derivative - np.asarray(exact)).max() <= 1.5 * np.max(found.error["derivative"]) + 1e-9


def test_moments_of_a_swarm():
    found = fp.derivative(lambda a: pulled(*a), [0.4, NOISE], LINE, observe=lambda x: x**2)
    within(found, [2 * 0.4 / BACK**2, 1 / (BACK + PULL)])
    assert found.value == pytest.approx((0.4 / BACK) ** 2 + NOISE / (BACK + PULL), abs=1.5 * found.error["value"])
    within(fp.derivative(lambda a: pulled(a, NOISE), 0.4, LINE, observe=lambda x: x), 1 / BACK)


def test_by_the_strength_of_the_interaction():
    found = fp.derivative(lambda s: pulled(0.4, NOISE, s), PULL, LINE, observe=lambda x: x**2)
    within(found, -NOISE / (BACK + PULL) ** 2)


def test_a_quantile():
    found = fp.derivative(lambda a: pulled(*a), [0.4, NOISE], LINE, quantile=0.9)
    within(found, [1 / BACK, norm.ppf(0.9) * 0.5 / np.sqrt(NOISE * (BACK + PULL))])


def test_a_diffusion_that_reads_the_variance():
    gusts = fp.MeanField(lambda x: [x, x**2], diffusion=lambda x, m: 0.3 * (m[1] - m[0] ** 2))
    found = fp.derivative(
        lambda d: fp.FokkerPlanck(drift=lambda x: 0.5 - x, diffusion=d, interaction=gusts),
        0.3,
        LINE,
        observe=lambda x: x**2,
    )
    within(found, 1 / 0.7)  # the variance v = d + 0.3 v


def test_in_the_plane():
    found = fp.derivative(
        lambda a: fp.FokkerPlanck(drift=lambda x, y: [a - x - y, x - y], diffusion=0.5, interaction=fp.Swarm(1.0)),
        0.3,
        fp.Grid([(-4, 4)] * 2, 40),
        observe=lambda x, y: y,
    )
    within(found, 0.5)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_branch_that_the_start_leads_to(side):
    """Desai and Zwanzig's wells below the transition, by states at noises nearby."""
    grid = fp.Grid((-3, 3), 120)

    def wells(noise):
        return fp.FokkerPlanck(potential=lambda x: x**4 / 4 - x**2 / 2, diffusion=noise, interaction=fp.Swarm(1.0))

    start, h = fp.gaussian(side, 0.3), 1e-3
    found = fp.derivative(wells, 0.2, grid, observe=lambda x: x, start=start)
    near = [fp.stationary(wells(0.2 + k * h), grid, start, error=False).mean()[0] for k in (-1, 1)]
    assert found.derivative == pytest.approx((near[1] - near[0]) / (2 * h), rel=1e-5)
    assert np.sign(found.value) == side


def test_what_has_no_derivative():
    ring = fp.Grid((-np.pi, np.pi), 48, "periodic")
    locking = fp.MeanField(lambda x: [np.cos(x), np.sin(x)], lambda x, m: 1.5 * (m[1] * np.cos(x) - m[0] * np.sin(x)))
    with pytest.raises(fp.ConvergenceError, match="one of a family, such as its own shifts"):
        fp.derivative(
            lambda d: fp.FokkerPlanck(diffusion=d, interaction=locking), 0.3, ring, observe=np.cos, start=fp.gaussian(0, 0.5)
        )  # fmt: skip
    pairs = fp.PairForce(lambda x: -x)
    with pytest.raises(ValueError, match=r"`interaction` must be fp.Swarm or fp.MeanField for a derivative"):
        fp.derivative(
            lambda d: fp.FokkerPlanck(drift=lambda x: -x, diffusion=d, interaction=pairs), 0.5, LINE, observe=np.cos
        )
    with pytest.raises(ValueError, match=r"`time` must be given with `start` and `observe`"):
        fp.derivative(
            lambda d: fp.FokkerPlanck(drift=lambda x: -x, diffusion=d), 0.5, LINE, observe=np.cos, start=fp.point(0)
        )


def test_memory_does_not_change_what_is_at_rest():
    found = fp.derivative(
        lambda a: fp.FokkerPlanck(drift=lambda x: a - x, diffusion=0.5, time_order=0.8),
        0.2,
        LINE,
        observe=lambda x: x**2,
    )
    within(found, 0.4)
