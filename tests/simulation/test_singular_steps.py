"""Paths at walls and zeros of D obey the same classification as the density; 5,000 paths, tolerances of four deviations."""

import numpy as np
import pytest

import fokkerplanck as fp

N = 5_000


def ends(eq, start, t, dt, grid, seed=3):
    return fp.simulate(eq, start, [t], dt, n_paths=N, seed=seed, grid=grid, step_error=False).positions[0, :, 0]


def test_wright_fisher_paths_are_fixed():
    """Folded at 0 and 1, none was; the mean is a martingale."""
    x = ends(fp.FokkerPlanck(diffusion=lambda x: 0.35 * x * (1 - x)), 0.3, 20.0, 0.02, fp.Grid((0, 1), 50))
    assert (x == 1.0).mean() == pytest.approx(0.3, abs=0.026)
    assert ((x == 0.0) | (x == 1.0)).all()


@pytest.mark.parametrize("dt", [0.02, 0.005])
def test_the_mean_of_a_square_root_process(dt):
    """mu = .06 - x, D = .2 x: folding gave .092 at dt = .02."""
    x = ends(fp.FokkerPlanck(drift=lambda x: 0.06 - x, diffusion=lambda x: 0.2 * x), 0.1, 5.0, dt, fp.Grid((0, 2), 50))
    assert x.min() >= 0.0
    assert x.mean() == pytest.approx(0.06 + 0.04 * np.exp(-5), abs=0.008)


def test_a_natural_zero_is_not_crossed():
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.8 * x * x)
    x = ends(eq, fp.gaussian(1.0, 0.1), 60.0, 0.03, fp.Grid((-4, 4), 400))
    assert (x > 0.0).all()
    assert (x**2).mean() == pytest.approx(0.2, abs=0.04)


def test_a_one_way_gate():
    x = ends(fp.FokkerPlanck(drift=0.5, diffusion=np.abs), -1.0, 2.0, 0.004, fp.Grid((-30, 40), 400))
    assert (x < 0).mean() == pytest.approx(0.1987480431, abs=0.025)
    back = ends(fp.FokkerPlanck(drift=0.5, diffusion=np.abs), 1.0, 2.0, 0.01, fp.Grid((-30, 40), 400))
    assert (back >= 0.0).all()


def test_loud_logistic_growth_on_paths():
    """d ln x falls by .28 a time where x is small: half of the paths lie below exp(-.28 t) or so."""
    x = ends(
        fp.FokkerPlanck(drift=lambda x: x * (1 - x), diffusion=lambda x: 1.28 * x * x),
        1.0,
        50.0,
        0.02,
        fp.Grid((0, 6), 400),
    )
    assert (x >= 0.0).all()
    assert x.mean() == pytest.approx(0.01253, abs=0.006)


def test_an_absorbing_wall_where_the_noise_vanishes_still_ends_paths():
    eq = fp.FokkerPlanck(drift=lambda x: 0.06 - x, diffusion=lambda x: 0.2 * x)
    grid = fp.Grid((0, 2), 200, boundary=("absorbing", "reflecting"))
    runs = fp.simulate(eq, 0.1, [1.0], 0.002, n_paths=N, grid=grid, step_error=False)
    left = np.isinf(runs.exit_times).mean()
    assert left == pytest.approx(fp.solve(eq, grid, fp.point(0.1), [1.0]).mass[0], abs=0.03)


@pytest.mark.parametrize("correlation", [0.0, -0.7])
def test_paths_of_a_plane_are_not_folded_where_the_noise_vanishes(correlation):
    """A square-root axis with and without correlation: E v = .06 + .04 exp(-5); folding gave .09 at dt = .02."""
    mixed = correlation * np.sqrt(0.2 * 0.3)

    def diffusion(x, v):
        return [[0.3 * v, mixed * v], [mixed * v, 0.2 * v]]

    eq = fp.FokkerPlanck(drift=lambda x, v: (-x, 0.06 - v), diffusion=diffusion)
    grid = fp.Grid([(-3, 3), (0, 2)], [12, 24])
    runs = fp.simulate(eq, (0.0, 0.1), [5.0], 0.02, n_paths=N, seed=3, grid=grid, step_error=False)
    x, v = runs.positions[0].T
    assert v.min() >= 0.0
    assert v.mean() == pytest.approx(0.06 + 0.04 * np.exp(-5), abs=0.008)
    assert x.mean() == pytest.approx(0.0, abs=0.02)


def test_plain_walls_of_a_plane_still_fold():
    grid = fp.Grid([(0, 1), (0, 1)], [8, 8])
    runs = fp.simulate(fp.FokkerPlanck(diffusion=0.5), (0.5, 0.5), [2.0], 0.005, n_paths=N, seed=3, grid=grid)
    x = runs.positions[0]
    assert x.min() > 0.0
    assert x.max() < 1.0
    np.testing.assert_allclose(x.var(axis=0), 1 / 12, rtol=0.08)


def test_zeros_on_a_circle_that_not_everything_passes_are_refused():
    """Paths there are kept between two zeros, which a circle joins."""
    ring = fp.Grid((0, 2 * np.pi), 64, boundary="periodic")
    gate = fp.FokkerPlanck(drift=0.3, diffusion=lambda x: 0.3 * np.sin((x - 0.3) / 2) ** 2)
    with pytest.raises(ValueError, match="without a periodic axis"):
        fp.simulate(gate, fp.gaussian(5, 0.1), [1.0], 0.1, n_paths=10, grid=ring)
    smooth = fp.FokkerPlanck(drift=0.3, diffusion=lambda x: 0.3 + 0.1 * np.sin(x))
    assert fp.simulate(smooth, fp.gaussian(5, 0.1), [1.0], 0.1, n_paths=10, grid=ring).positions.shape == (1, 10, 1)


def test_points_that_jumps_pass_are_said():
    jumps = fp.LevyJumps(stability=1.5, scale=0.2)
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.8 * x**2, jumps=jumps)
    with pytest.warns(fp.errors.ResolutionWarning, match="not with jumps"):
        fp.simulate(eq, fp.gaussian(1, 0.1), [0.1], 0.05, n_paths=10, grid=fp.Grid((-4, 4), 64))
