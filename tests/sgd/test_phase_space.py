"""SGD with momentum on its phase space: the quadratic by hand, and densities free of the grid's first-order error."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck.sgd import heavy_ball_covariance


def heavy_ball(momentum):
    return fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1, momentum=momentum)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.95])
@pytest.mark.parametrize(("rate", "curvature", "noise"), [(0.1, 1.0, 1.0), (0.3, 2.5, 0.7)])
def test_the_heavy_ball_by_hand(momentum, rate, curvature, noise):
    """C = A C A^T + b b^T; without momentum reference case F1; m = 0.9, eta = 0.1: 0.5135 (F8)."""
    step = np.array([[1.0 - rate * curvature, momentum], [-rate * curvature, momentum]])
    kick = -rate * noise * np.ones(2)
    c = heavy_ball_covariance(rate, momentum, curvature, noise)
    np.testing.assert_allclose(step @ c @ step.T + np.outer(kick, kick), c, rtol=1e-12)
    if momentum == 0.0:
        assert c[0, 0] == pytest.approx(rate * noise**2 / (curvature * (2 - rate * curvature)), rel=1e-14)


def test_reference_case_f8():
    assert heavy_ball_covariance(0.1, 0.9)[0, 0] == pytest.approx(0.5135, abs=5e-5)


@pytest.mark.parametrize("arguments", [(4.0, 0.5), (0.1, 1.0), (0.1, -0.1), (-0.1, 0.5), (0.1, 0.5, 0.0)])
def test_where_the_heavy_ball_has_no_stationary_state(arguments):
    with pytest.raises(ValueError, match="`rate` must be positive and below"):
        heavy_ball_covariance(*arguments)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_extrapolation_takes_off_what_the_grid_adds_to_the_noise():
    """The equation's covariance by hand: 0.5, 0.05 and none between; 256 cells along theta err by 7 %, then by 0.7 %."""
    eq, by_hand = heavy_ball(0.9).equation("momentum"), np.diag([0.5, 0.05])
    plain = fp.stationary(eq, fp.Grid([(-3.6, 3.6), (-1.15, 1.15)], [256, 90]))
    better = plain.extrapolated()
    scale = np.sqrt(np.outer(np.diag(by_hand), np.diag(by_hand)))
    off = [(np.abs(st.covariance() - by_hand) / scale).max() for st in (plain, better)]
    assert off[1] < 0.01 < 0.05 < off[0]
    assert off[1] < 1.3 * (better.error["covariance"] / scale).max()


def kicked(data, **settings):
    """A quadratic of curvature 1, whose batch noise of index 1.5 has the scale .3 a sample."""
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": data}), 0.1, batch_size=1, momentum=0.9)
    return sgd, sgd.equation("momentum", stability=1.5, **settings)


PULL, SIZE = np.array([[0.0, 1.0], [-0.1, -0.1]]), 0.03  # of the linear equation, and the scale of its kicks


def wave(k, t):
    """E exp(i k.x) at time t from a normal law about (1, 0) of deviations .3 and .1, see `fokkerplanck.sgd.momentum_model`."""
    carried = np.array(k) @ expm(PULL * t)
    rate = quad(lambda u: abs(np.array(k) @ expm(PULL * u)[:, 1]) ** 1.5, 0.0, t, limit=200)[0]
    return np.exp(1j * carried[0] - 0.5 * (carried**2 @ [0.09, 0.01]) - SIZE**1.5 * rate)


WAVES = [(1.0, 0.0), (0.0, 3.0), (1.0, 1.5), (1.0, -2.0)]


@pytest.mark.filterwarnings("ignore::UserWarning")  # coarse cells, tails beyond the box
def test_kicks_with_heavy_tails_have_the_characteristic_function_of_the_linear_equation():
    """First order in the cells, as along every axis without noise: .05 off, and .008 when extrapolated; paths, whose steps are
    of first order (.003), within 4 standard errors more.

    False alarms of the paths: 4 * 6e-5 = 3e-4.
    """
    _, eq = kicked([-1.0, 1.0], scale=0.3)
    grid, start = fp.Grid([(-4, 4), (-1.6, 1.6)], 96), fp.gaussian((1.0, 0.0), (0.3, 0.1))
    assert len(fp.generator(eq, grid).jumps.parts) == 1  # along the velocity alone
    solution = fp.solve(eq, grid, start, [10.0])
    paths = fp.simulate(eq, start, [10.0], 0.02, n_paths=20_000, seed=3, step_error=False).positions[-1]
    x, v = grid.coordinates()
    for k in WAVES:
        exact = wave(k, 10.0)
        for found, bound in ((solution, 0.06), (solution.extrapolated(), 0.012)):
            assert abs((found.masses[-1] * np.exp(1j * (k[0] * x + k[1] * v))).sum() - exact) < bound
        values = np.cos(paths @ k)
        assert values.mean() == pytest.approx(exact.real, abs=4 * values.std() / np.sqrt(values.size) + 5e-3)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_kicks_against_sgd_whose_samples_have_them():
    """Interquartile ranges after 40 steps of SGD with 4001 samples, quantiles of a stable law, beside paths of the equation.

    Its noise in continuous time is .7 % less wide in theta and 3.7 % in v (sums over 40 powers of M); standard errors are .8 %.
    """
    rng = np.random.default_rng(0)
    many = np.sort(stats.levy_stable.rvs(1.5, 0.0, size=400_100, random_state=rng))
    sgd, eq = (
        kicked(0.3 * many[50::100])[0],
        kicked([-1.0, 1.0], scale=0.3)[1],
    )  # whose gradient is the mean of two samples
    start = fp.gaussian((0.0, 0.0), (0.1, 0.03)).sample(rng, 40_000)
    true = sgd.simulate(start, [40], 40_000, seed=2).positions[-1]
    paths = fp.simulate(eq, start, [40.0], 0.05, n_paths=40_000, seed=3, step_error=False).positions[-1]
    ranges = [np.subtract(*np.quantile(x, [0.75, 0.25], axis=0)) for x in (paths, true)]
    assert ranges[0] / ranges[1] == pytest.approx([0.993, 0.963], abs=0.03)


def test_kicks_are_sized_like_jumps_without_momentum():
    """By default that of the first-order diffusion at stability 2, of D on the velocity; noise that SGD adds is no jump."""
    loss = fp.SampleLoss("(w*x - 1)**2/2", ["w"], {"x": [0.5, 1.0, 2.0]})
    sgd = fp.SGD(loss, 0.1, batch_size=2, momentum=0.8, langevin_temperature=0.3)
    plain, at = fp.SGD(loss, 0.1, batch_size=2), (np.array([0.4, 1.0]), np.array([-0.2, 3.0]))
    for settings in ({}, {"scale": 0.4}, {"anisotropic": True, "scale": 0.9}):
        kicks = sgd.equation("momentum", stability=1.7, **settings).jumps
        alone = plain.equation("levy", stability=1.7, **settings).jumps
        assert not kicks.scale_at(at, 0).any()
        np.testing.assert_array_equal(kicks.scale_at(at, 1), alone.scale_at(at[:1]))
    eq = sgd.equation("momentum", stability=1.7)
    assert "scale=(0.0, MomentumModel.kick)" in repr(eq)
    np.testing.assert_allclose(eq.diffusion(*at)[1], 0.5 * sgd.injected_variance)
    assert not eq.diffusion(*at)[0].any()


def test_settings_of_jumps_that_are_none_are_refused():
    for name, value in (("scale", 0.3), ("anisotropic", True), ("box", [(-1, 1)])):
        for sgd, model in ((heavy_ball(0.9), "momentum"), (heavy_ball(0.0), "refined")):
            with pytest.raises(ValueError, match=f"`{name}` must be left out without stability"):
                sgd.equation(model, **{name: value})
    with pytest.raises(ValueError, match="`batch_size` must be a number"):
        fp.SGD(heavy_ball(0.9).loss, 0.1, batch_size=None, momentum=0.9).equation("momentum", stability=1.5)
