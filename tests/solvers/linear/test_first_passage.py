"""First passage and committor against closed forms, quadrature and the survival they are moments of."""

import numpy as np
import pytest
from scipy.integrate import quad

import fokkerplanck as fp

DOUBLE_WELL = {0.1: (30.8213024727, 66.2686263649), 0.05: (361.903759501, 729.670691942)}  # tau(-1 -> 0), tau(-1 -> 1)


def double_well(d):
    return fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=d)


@pytest.mark.parametrize("d", DOUBLE_WELL)
def test_kramers_times_at_order_two(d):
    """A6: links by scale and speed leave a few millionths at 800 cells; fitted velocities left 1e-4 at 400."""
    errors = []
    for n in (200, 800):
        grid = fp.Grid((-3, 3), n)
        times = [fp.first_passage(double_well(d), grid, f).at(-1) for f in (lambda x: x > 0, lambda x: x > 1)]
        errors.append([abs(t / e - 1.0) for t, e in zip(times, DOUBLE_WELL[d], strict=True)])
    orders = 0.5 * np.log2(np.array(errors[0]) / errors[1])
    assert orders.min() > 1.8
    assert max(errors[1]) < 5e-6


@pytest.mark.parametrize(("width", "expected"), [(1, 24.32146323), (2, 2830.45340112)])
def test_exit_through_two_absorbing_walls(width, expected):
    """A8, with state-dependent noise."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.1 + 0.1 * x * x)
    result = fp.first_passage(eq, fp.Grid((-width, width), 400, boundary="absorbing"))
    assert result.at(0) == pytest.approx(expected, rel=5e-5)


def test_target_edge_between_centers_is_found():
    """Brownian motion reflected at 0 reaches b from x in (b^2 - x^2) / (2 D), wherever b lies in its cell."""
    grid = fp.Grid((0, 2), 50)
    eq = fp.FokkerPlanck(diffusion=0.5)
    x = grid.centers[0][10]
    for b in (1.0, 1.003, 1.011, 1.019, 1.027, 1.0399):
        mean = fp.first_passage(eq, grid, lambda x, b=b: x > b).mean[10]
        assert mean == pytest.approx((b * b - x * x) / 1.0, rel=1e-3)  # half a cell would be 0.05


def test_mask_target_ends_at_the_face():
    grid = fp.Grid((0, 2), 50)
    mask = grid.centers[0] > 1.0
    result = fp.first_passage(fp.FokkerPlanck(diffusion=0.5), grid, mask)
    assert result.mean[10] == pytest.approx(1.0 - grid.centers[0][10] ** 2, rel=1e-3)
    assert (result.mean[mask] == 0.0).all()


def test_moments_are_those_of_the_survival():
    """<tau> = integral of S, <tau^2> = 2 integral of t S: backward and forward equation agree."""
    grid = fp.Grid((-1, 1), 100, boundary="absorbing")
    eq = fp.FokkerPlanck(drift=lambda x: 0.5 - x, diffusion=0.2)
    result = fp.first_passage(eq, grid)
    cell = 60
    start = np.zeros(100)
    start[cell] = 1.0 / grid.volumes[cell]
    times = np.linspace(0.0, 60.0, 4001)
    survival = result.survival(times, start, rtol=1e-9)
    density = result.density(times, start, rtol=1e-9)
    assert np.trapezoid(survival, times) == pytest.approx(result.mean[cell], rel=1e-4)
    assert 2 * np.trapezoid(times * survival, times) == pytest.approx(result.second_moment[cell], rel=1e-4)
    inner = slice(20, None)  # differences of the survival are rough at first
    np.testing.assert_allclose(density[inner], -np.gradient(survival, times)[inner], rtol=2e-2, atol=1e-6)


def test_barriers_beyond_double_precision():
    """Behind a barrier of 50 D the times are 1e22; the chain is eliminated without subtraction, so they are right."""
    d = 0.005
    result = fp.first_passage(double_well(d), fp.Grid((-2, 2), 3000), lambda x: x > 0).at(-1)
    v = lambda x: x**4 / 4 - x**2 / 2  # noqa: E731
    inner = lambda y: quad(lambda z: np.exp((v(y) - v(z)) / d), -2, y, points=[-1] if y > -1 else None, limit=200)[0]  # noqa: E731
    expected = quad(inner, -1, 0, epsrel=1e-6, limit=200)[0] / d
    assert expected > 1e20
    assert result == pytest.approx(expected, rel=2e-3)


def test_unreachable_target_is_infinite():
    """A drift that only leads away: the mean is infinite, not a number that rounding made."""
    grid = fp.Grid((0, 1), 20)
    result = fp.first_passage(fp.FokkerPlanck(drift=-1.0, diffusion=0.0), grid, lambda x: x > 0.5)
    assert np.isinf(result.mean[~result.target]).all()


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_unreachable_target_in_2d_is_infinite_where_it_can_be_missed():
    grid = fp.Grid([(-1, 1), (0, 1)], [20, 4])
    eq = fp.FokkerPlanck(drift=lambda x, y: (np.sign(x), 0 * x), diffusion=[0.0, 0.1])
    result = fp.first_passage(eq, grid, lambda x, y: x > 0.5)
    assert np.isinf(result.mean[:10]).all()
    assert np.isfinite(result.mean[10:]).all()
    assert result.mean[12, 0] == pytest.approx(0.5 - grid.centers[0][12], abs=0.051)  # half a cell: first order


def test_committor_between_the_wells():
    """A6: probability of reaching 1 before -1 from -0.5."""
    grid = fp.Grid((-3, 3), 400)
    q = fp.committor(double_well(0.1), grid, lambda x: x < -1, lambda x: x > 1)
    assert grid.interpolate(q, -0.5) == pytest.approx(0.0901047857818, abs=1e-4)
    assert q[0] == 0.0
    assert q[-1] == 1.0
    assert ((q >= 0.0) & (q <= 1.0)).all()


def test_committor_of_brownian_motion_in_2d_is_linear():
    grid = fp.Grid([(0, 1), (0, 1)], [40, 10])
    q = fp.committor(fp.FokkerPlanck(diffusion=0.3), grid, lambda x, y: x < 0.2, lambda x, y: x > 0.8)
    inside = (grid.centers[0] > 0.2) & (grid.centers[0] < 0.8)
    np.testing.assert_allclose(q[inside], ((grid.centers[0] - 0.2) / 0.6)[inside, None] * np.ones(10), atol=1e-12)


def test_escape_of_the_pit_in_the_diffusion_picture():
    """B3, Ito: 565.7 steps from 1.00745 to w = 1.23."""
    sgd = fp.SGD(two_datapoints(), learning_rate=0.02)
    grid = fp.Grid((0.9, 1.23), 1000, boundary=("reflecting", "absorbing"))
    assert fp.first_passage(sgd.equation(), grid).at(1.00745) == pytest.approx(565.7, abs=0.1)


def two_datapoints():
    return fp.SampleLoss("-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)", parameters=["w"], data={"pit": [0, 1]})


def test_quasi_two_dimensional_kramers_time_with_a_diagonal_target():
    """Isotropic Brownian motion to the line x + y = 1 in a box is not changed by where the grid lies."""
    times = []
    for n in (40, 80):
        grid = fp.Grid([(-1, 1), (-1, 1)], n)
        eq = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.2)
        times.append(fp.first_passage(eq, grid, lambda x, y: x + y > 0.8).at((0, 0)))
    assert times[0] == pytest.approx(times[1], rel=5e-3)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, ["target", "given, as no wall absorbs"]),
        (lambda x: x > 5, ["target", "a place of some cell"]),
        (lambda x: x > -5, ["target", "all cells"]),
        (np.zeros(3, dtype=bool), ["target", "boolean of shape"]),
        (lambda x: x, ["target", "boolean"]),
    ],
)
def test_bad_targets(target, words):
    with pytest.raises(ValueError, match=".*".join(words)):
        fp.first_passage(double_well(0.1), fp.Grid((-2, 2), 20), target)


def test_overlapping_regions_are_refused():
    with pytest.raises(ValueError, match="`source` must be disjoint"):
        fp.committor(double_well(0.1), fp.Grid((-2, 2), 20), lambda x: x < 0.5, lambda x: x > 0)


def test_barrier_beyond_precision_in_2d_is_said():
    eq = fp.FokkerPlanck(potential=lambda x, y: (x * x - 1) ** 2 / 4 + y * y / 2, diffusion=0.004)
    grid = fp.Grid([(-1.6, 1.6), (-0.6, 0.6)], [60, 20])
    with pytest.raises(fp.ConvergenceError, match="beyond double precision"):
        fp.first_passage(eq, grid, lambda x, y: x > 0)
