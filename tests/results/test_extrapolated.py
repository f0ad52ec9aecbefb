"""Extrapolated densities: nearer to the truth by what they say, or left alone."""

import warnings

import numpy as np
import pytest
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck.solvers.accuracy.coarsening import at_centers

OU, START = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.gaussian(2.0, 0.3)


def normal(grid, t):
    mean, variance = 2.0 * np.exp(-t), 0.5 + (0.09 - 0.5) * np.exp(-2.0 * t)
    return np.exp(-((grid.centers[0] - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def test_an_ornstein_uhlenbeck_density_at_order_four():
    """From 3.5e-4 to below 1e-6 on 384 cells; order 4, positive, and the mass is one."""
    off = []
    for n in (192, 384):
        plain = fp.solve(OU, fp.Grid((-6, 6), n), START, [1.0], rtol=1e-9)
        better = plain.extrapolated()
        off.append(np.abs(better.density[0] - normal(plain.grid, 1.0)) @ plain.grid.volumes)
        assert off[-1] < 0.02 * np.abs(plain.density[0] - normal(plain.grid, 1.0)) @ plain.grid.volumes
        assert 1.0 < better.error["density"][0] / off[-1] < 6.0
        assert better.density.min() > 0.0
        assert better.mass[0] == pytest.approx(1.0, abs=1e-9)
        assert abs(better.mean()[0, 0] - 2.0 / np.e) <= better.error["mean"][0, 0]
    assert off[1] < 1e-6
    assert np.log2(off[0] / off[1]) == pytest.approx(4.0, abs=0.5)


def test_its_error_holds_on_random_problems():
    """Potentials of several wells, noise that varies, rings: never less than the truth, and never worse than before."""
    rng = np.random.default_rng(7)
    gains = []
    for k in range(12):
        a, b, d = rng.normal(size=3), rng.uniform(0, 6, 3), float(rng.uniform(0.15, 0.6))
        waves = lambda x, a=a, b=b: sum(s * np.cos(m * x + f) for m, (s, f) in enumerate(zip(a, b, strict=True), 1)) / 3  # noqa: E731
        if k % 3 == 0:
            eq, walls = fp.FokkerPlanck(potential=lambda x, w=waves: x**4 / 4 + w(x), diffusion=d), "reflecting"
        elif k % 3 == 1:
            noise = lambda x, d=d: d * (1 + 0.5 * np.sin(x))  # noqa: E731
            eq, walls = fp.FokkerPlanck(drift=lambda x, w=waves: -(x**3) + w(x), diffusion=noise), "reflecting"
        else:
            eq, walls = fp.FokkerPlanck(drift=lambda x, s=a[0]: s + np.sin(np.pi * x / 3), diffusion=d), "periodic"
        start, t = fp.gaussian(float(rng.uniform(-1, 1)), 0.35), float(rng.uniform(0.2, 1.5))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fp.ResolutionWarning)
            plain = fp.solve(eq, fp.Grid((-3, 3), 120, walls), start, [t], rtol=1e-9)
        fine = fp.solve(eq, fp.Grid((-3, 3), 960, walls), start, [t], rtol=1e-10).extrapolated()
        right, better = at_centers(fine.density[0], fine.grid, plain.grid), plain.extrapolated()
        off = [np.abs(s.density[0] - right) @ plain.grid.volumes for s in (plain, better)]
        assert better.error["density"][0] >= 0.8 * off[1]
        assert off[1] <= 1.05 * off[0]
        gains.append(off[0] / off[1])
    assert np.median(gains) > 10.0


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_where_it_would_not_help_nothing_changes():
    narrow = fp.solve(OU, fp.Grid((-6, 6), 96), fp.gaussian(2.0, 0.02), [0.003])
    assert narrow.extrapolated() is narrow


def test_a_double_well_in_the_plane():
    eq = fp.FokkerPlanck(
        potential=lambda x, y: (x**2 - 1) ** 2 + 2 * y**2, drift=lambda x, y: (-0.5 * y, 0.5 * x), diffusion=0.25
    )
    start, box = fp.gaussian((-1, 0), 0.3), [(-2.5, 2.5)] * 2
    plain, fine = (fp.solve(eq, fp.Grid(box, n), start, [1.0], rtol=1e-8) for n in (128, 256))
    right = at_centers(fine.extrapolated().density[0], fine.grid, plain.grid)
    off = [(np.abs(s.density[0] - right) * plain.grid.volumes).sum() for s in (plain, plain.extrapolated())]
    assert off[1] < 0.25 * off[0]  # 6.7 times less
    assert plain.extrapolated().error["density"][0] > off[1]


TURNING = fp.FokkerPlanck(drift=lambda x, v: (v, -x - v), diffusion=[0.0, 0.5])


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_without_noise_along_an_axis_what_the_grid_adds_is_taken_off():
    """Underdamped motion at rest: exp(-x^2 - v^2) / pi, its current (v, -x) times that, variances 1/2."""
    off, flow = [], []
    for n in (64, 128):
        plain = fp.stationary(TURNING, fp.Grid([(-4.5, 4.5)] * 2, n))
        better = plain.extrapolated()
        x, v = np.broadcast_arrays(*plain.grid.coordinates())
        right = np.exp(-(x**2) - v**2) / np.pi
        gaps = [(np.abs(s.density - right) * plain.grid.volumes).sum() for s in (plain, better)]
        assert 0.7 < better.error["density"] / gaps[1] < 3.0
        assert abs(better.covariance()[0, 0] - 0.5) < 1.3 * better.error["covariance"][0, 0]
        off.append(gaps)
        flow.append([np.abs(s.current - np.stack([v, -x]) * right).max() for s in (plain, better)])
    assert off[1][1] < 0.2 * off[1][0]
    for before, after in (off, flow):
        assert np.log2(before[0] / after[0]) < 1.1
        assert np.log2(before[1] / after[1]) > 1.4
    with pytest.raises(ValueError, match="`result` must be one of a grid for its generator, got an extrapolated one"):
        _ = better.entropy_production


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_underdamped_motion_in_time():
    """Its mean and covariance by the matrix exponential and the integral of exp(A s) 2 D exp(A s)^T."""
    a, d = np.array([[0.0, 1.0], [-1.0, -1.0]]), np.diag([0.0, 0.5])
    steps = np.linspace(0.0, 2.0, 2001)
    turned = np.array([expm(a * s) @ (2 * d) @ expm(a * s).T for s in steps])
    right = 0.25 * expm(2 * a) @ expm(2 * a).T + np.trapezoid(turned, steps, axis=0)
    plain = fp.solve(TURNING, fp.Grid([(-4.5, 4.5)] * 2, 128), fp.gaussian((1, 0), 0.5), [2.0])
    off = [np.abs(s.covariance()[0] - right).max() for s in (plain, plain.extrapolated())]
    assert off[1] < 0.25 * off[0]
    assert off[1] < plain.extrapolated().error["covariance"].max()


def test_what_was_observed_is_extrapolated_as_well():
    plain = fp.solve(OU, fp.Grid((-6, 6), 192), START, [1.0], rtol=1e-9, observe={"fourth": lambda x: x**4})
    mean, variance = 2.0 / np.e, 0.5 + (0.09 - 0.5) * np.exp(-2.0)
    right = mean**4 + 6 * mean**2 * variance + 3 * variance**2
    better = plain.extrapolated()
    off = [abs(s.observed["fourth"][0] - right) for s in (plain, better)]
    assert off[1] < 0.05 * off[0]
    assert off[1] < better.error["fourth"][0]


def test_refused_where_nothing_was_measured_or_no_order_is_known(tmp_path):
    plain = fp.solve(OU, fp.Grid((-6, 6), 96), START, [1.0], error=False)
    fp.solve(OU, fp.Grid((-6, 6), 96), START, [1.0]).save(tmp_path / "a.nc")
    root = fp.FokkerPlanck(drift=lambda x: 0.3 - x, diffusion=lambda x: 0.5 * x)
    for result in (plain, fp.load(tmp_path / "a.nc"), fp.stationary(root, fp.Grid((0, 6), 64))):
        with pytest.raises(ValueError, match=r"^`result` must be of a known order, with a measured error"):
            result.extrapolated()
