"""Drifts that read averages over the density: closed equations of moments, the Kuramoto transition, and many paths."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import iv

import fokkerplanck as fp

LINE = fp.Grid((-5, 5), 200)
RING = fp.Grid((-np.pi, np.pi), 64, "periodic")


def kuramoto(coupling):
    field = fp.MeanField(
        lambda x: [np.cos(x), np.sin(x)], lambda x, m: coupling * (m[1] * np.cos(x) - m[0] * np.sin(x))
    )
    return fp.FokkerPlanck(diffusion=0.5, interaction=field)


def order(sol):
    return np.abs((sol.masses[-1] * np.exp(1j * RING.centers[0])).sum())


def test_a_linear_force_is_a_swarm():
    field = fp.MeanField(lambda x: x, lambda x, m: -2 * (x - m[0]))
    both = [
        fp.solve(
            fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=way),
            LINE,
            fp.gaussian(1, 0.8),
            0.5,
            error=False,
        )
        for way in (fp.Swarm(2.0), field)
    ]
    np.testing.assert_allclose(both[0].density, both[1].density, atol=1e-12)


def test_a_force_that_reads_the_variance():
    """dX = -<X^2> X dt + dW keeps Gaussians: V' = -2 V^2 + 1, for densities and for many paths."""
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=fp.MeanField(lambda x: x**2, lambda x, m: -m[0] * x))
    sol = fp.solve(eq, LINE, fp.gaussian(0, 1.0), [0.5, 2.0])
    exact = solve_ivp(lambda t, v: 1 - 2 * v**2, (0, 2), [1.0], t_eval=[0.5, 2], rtol=1e-10, atol=1e-12).y[0]
    assert (np.abs(sol.covariance()[:, 0, 0] - exact) <= 2 * sol.error["covariance"][:, 0, 0]).all()
    np.testing.assert_allclose(sol.covariance()[:, 0, 0], exact, rtol=2e-4)
    paths = fp.simulate(eq, fp.gaussian(0, 1.0), [0.5, 2.0], 0.01, n_paths=10_000, seed=1)
    np.testing.assert_allclose(paths.covariance()[:, 0, 0], exact, rtol=4 * np.sqrt(2 / 10_000) + 0.01)


def test_oscillators_lock_above_the_critical_coupling_only():
    """r = I_1(K r / D) / I_0(K r / D), with r = 0 alone up to K = 2 D; below, r falls like exp(-(D - K / 2) t)."""
    start = lambda x: (1 + 0.3 * np.cos(x)) / (2 * np.pi)  # noqa: E731
    below = [order(fp.solve(kuramoto(0.6), RING, start, [t], error=False)) for t in (6.0, 9.0)]
    assert below[1] / below[0] == pytest.approx(np.exp(-0.2 * 3.0), rel=0.01)
    locked = brentq(lambda r: r - iv(1, 2 * 1.5 * r) / iv(0, 2 * 1.5 * r), 0.1, 1.0)
    assert order(fp.solve(kuramoto(1.5), RING, start, [40.0], error=False)) == pytest.approx(locked, rel=1e-4)


def test_fewer_paths_lock_less_sharply():
    """Swarms of 20 keep an order of about 1 / sqrt(20) where the density has none."""
    paths = fp.simulate(
        kuramoto(0.2), fp.uniform(-np.pi, np.pi), [5.0], 0.05, n_paths=4000, seed=2, swarm_size=20, step_error=False
    )
    swarms = np.exp(1j * paths.positions[-1, :, 0]).reshape(-1, 20).mean(axis=1)
    square = (np.abs(swarms) ** 2).mean()
    assert square == pytest.approx(1 / (20 * (1 - 0.2 / (2 * 0.5))), rel=0.25)  # 1 / (N (1 - K / 2 D))


@pytest.mark.parametrize(
    ("observe", "force", "sentence"),
    [
        (lambda x: x[:3], lambda x, m: x, "`observe` must be one field of the coordinate"),
        (lambda x: np.nan * x, lambda x, m: x, "`observe` must be finite"),
        (lambda x: x, lambda x, m: x[:1], "`force` must be a field that fits its 1 coordinate"),
        (lambda x: x, lambda x, m: np.nan * x, "`force` must be finite"),
        (lambda x: x, lambda x: x, "`force` must be a function of 2 argument"),
        (2.0, lambda x, m: x, "`observe` must be a function of the coordinates"),
    ],
)
def test_refusals(observe, force, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        fp.solve(fp.FokkerPlanck(diffusion=0.5, interaction=fp.MeanField(observe, force)), LINE, fp.gaussian(0, 1), 0.1)


def test_a_linear_force_is_a_swarm_in_the_plane():
    field = fp.MeanField(lambda x, y: [x, y], lambda x, y, m: [-2 * (x - m[0]), -2 * (y - m[1])])
    grid, start = fp.Grid([(-3, 3), (-3, 3)], 40), fp.gaussian([0.5, -0.5], 0.6)
    for diffusion in ([0.5, 0.3], [[0.5, 0.1], [0.1, 0.3]]):
        eqs = [
            fp.FokkerPlanck(drift=lambda x, y: [-x, x], diffusion=diffusion, interaction=w)
            for w in (fp.Swarm(2.0), field)
        ]
        one, other = (fp.solve(eq, grid, start, 0.2, error=False).density for eq in eqs)
        np.testing.assert_allclose(one, other, atol=1e-12)
        one, other = (fp.simulate(eq, start, [0.2], 0.05, n_paths=40, swarm_size=10, seed=1).positions for eq in eqs)
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_one_average_of_the_plane():
    """dX = -<X^2 + Y^2> X dt + dW keeps Gaussians: V' = -4 V^2 + 1 along each axis."""
    field = fp.MeanField(lambda x, y: x**2 + y**2, lambda x, y, m: (-m * x, -m * y))
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=field)
    exact = solve_ivp(lambda t, v: 1 - 4 * v**2, (0, 0.5), [1.0], rtol=1e-10, atol=1e-12).y[0, -1]
    sol = fp.solve(eq, fp.Grid([(-4, 4), (-4, 4)], 40), fp.gaussian([0, 0], 1.0), 0.5)
    off = np.abs(np.diagonal(sol.covariance()[-1]) - exact)
    assert (off <= 2 * np.diagonal(sol.error["covariance"][-1])).all()
    assert (off < 0.01 * exact).all()
    paths = fp.simulate(eq, fp.gaussian([0, 0], 1.0), [0.5], 0.01, n_paths=10_000, seed=1, step_error=False)
    np.testing.assert_allclose(np.diagonal(paths.covariance()[-1]), exact, rtol=4 * np.sqrt(2 / 10_000) + 0.01)


@pytest.mark.parametrize(
    ("diffusion", "convention", "rate"),
    [
        (lambda x, m: 0.3 * (m[1] - m[0] ** 2), "ito", -2 + 2 * 0.3),
        (lambda x, m: 0.3 * (x - m[0]) ** 2, "ito", -2 + 2 * 0.3),
        (lambda x, m: 0.1 * (x - m[0]) ** 2, "klimontovich", -2 + 6 * 0.1),
    ],
    ids=["variance", "distance", "klimontovich"],
)
def test_a_diffusion_that_reads_averages(diffusion, convention, rate):
    """dX = -X dt + sqrt(2 (D + 0.3 V)) dW: V' = (-2 + 0.6) V + 2 D; so for D + 0.3 (x - <x>)^2.

    Klimontovich's slope of D, here of 0.1, drifts besides: V' = (-2 + 0.2 + 0.4) V + 2 D.
    """
    noise = fp.MeanField(lambda x: [x, x**2], diffusion=diffusion)
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2, convention=convention, interaction=noise)
    times, rest = np.array([0.3, 1.0]), -0.4 / rate
    exact = rest + (0.25 - rest) * np.exp(rate * times)
    sol = fp.solve(eq, fp.Grid((-7, 7), 200), fp.gaussian(1, 0.5), times)
    off = np.abs(sol.covariance()[:, 0, 0] - exact)
    assert (off <= 2 * sol.error["covariance"][:, 0, 0]).all()
    np.testing.assert_allclose(sol.covariance()[:, 0, 0], exact, rtol=5e-3)
    np.testing.assert_allclose(sol.mean()[:, 0], np.exp(-times), rtol=2e-3)
    assert sol.stats.mass_error < 1e-12
    paths = fp.simulate(eq, fp.gaussian(1, 0.5), times, 0.01, n_paths=10_000, seed=1, step_error=False)
    np.testing.assert_allclose(paths.covariance()[:, 0, 0], exact, rtol=0.08)


def test_a_diffusion_in_the_plane_and_in_time():
    """Along x 0.1 t + 0.5 <x^2>: V' = V + 0.2 t; along y nothing but 0.1 t."""
    noise = fp.MeanField(lambda x, y: x**2, diffusion=lambda x, y, m: [[0.5 * m[0], 0.0], [0.0, 0.0]])
    eq = fp.FokkerPlanck(diffusion=lambda x, y, t: 0.1 * t + 0 * x, interaction=noise)
    sol = fp.solve(eq, fp.Grid([(-3, 3), (-3, 3)], 40), fp.gaussian([0, 0], 0.5), 0.5)
    exact = [0.45 * np.exp(0.5) - 0.2 * 1.5, 0.25 + 0.1 * 0.25]  # V = (V0 + 0.2) e^t - 0.2 (1 + t)
    np.testing.assert_allclose(np.diagonal(sol.covariance()[-1]), exact, atol=3e-3)


def test_the_average_itself_is_a_diffusion():
    """dX = sqrt(2 <X^2>) dW: V' = 2 V."""
    for d in (lambda x, m: m, lambda x, m: m[0]):
        eq = fp.FokkerPlanck(diffusion=0.0, interaction=fp.MeanField(lambda x: x**2, diffusion=d))
        sol = fp.solve(eq, LINE, fp.gaussian(0, 0.5), 0.3, error=False)
        assert sol.covariance()[0, 0, 0] == pytest.approx(0.25 * np.exp(0.6), rel=2e-3)
        paths = fp.simulate(eq, fp.gaussian(0, 0.5), [0.3], 0.01, n_paths=2000, seed=1, grid=LINE, step_error=False)
        assert paths.covariance()[0, 0, 0] == pytest.approx(0.25 * np.exp(0.6), rel=0.12)


def test_what_does_not_go_with_a_diffusion_that_reads_averages():
    noise = fp.MeanField(lambda x: x, diffusion=lambda x, m: -1.0 + 0 * x)
    with pytest.raises(ValueError, match=r"`diffusion` must be positive semidefinite everywhere, got -0\.5"):
        fp.solve(fp.FokkerPlanck(diffusion=0.5, interaction=noise), LINE, fp.gaussian(0, 1), 0.1)
    with pytest.raises(ValueError, match="`noise` must be None together with a diffusion that reads averages"):
        fp.FokkerPlanck(noise=[[1.0]], interaction=noise)
    with pytest.raises(ValueError, match="`reactivity` must be None together"):
        fp.FokkerPlanck(diffusion=1.0, interaction=noise, reactivity={"x high": 1.0})
    with pytest.raises(ValueError, match="`diffusion` must be numbers or functions together"):
        fp.FokkerPlanck(diffusion=np.ones(200), interaction=noise)
    with pytest.raises(ValueError, match="`force` must be given, or `diffusion`"):
        fp.MeanField(lambda x: x)
    with pytest.raises(TypeError, match="`diffusion` must be a function of the coordinates, and the averages"):
        fp.MeanField(lambda x: x, diffusion=0.5)


def test_places_of_other_dimensions_and_spectra_are_refused():
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=fp.MeanField(lambda x: x, lambda x, m: -x))
    with pytest.raises(TypeError, match="`observe` must be a function of 2 argument"):
        fp.solve(eq, fp.Grid([(-1, 1), (-1, 1)], 16), fp.gaussian([0, 0], 0.2), 0.1)
    with pytest.raises(ValueError, match=r"Follow it in time with fp\.solve"):
        fp.spectrum(eq, LINE)


def test_one_average_needs_no_number():
    """Written with m for m[0], for densities and for paths."""
    laws = [
        fp.MeanField(lambda x: x, lambda x, m: -2 * (x - m)),
        fp.MeanField(lambda x: x, lambda x, m: -2 * (x - m[0])),
    ]
    eqs = [fp.FokkerPlanck(drift=1.0, diffusion=0.1, interaction=law) for law in laws]
    one, other = (fp.simulate(eq, 0.0, [1.0], dt=0.05, n_paths=50, seed=1, step_error=False).positions for eq in eqs)
    np.testing.assert_array_equal(one, other)
    one, other = (fp.solve(eq, fp.Grid((-4, 4), 100), fp.gaussian(0, 0.3), [1.0], error=False).density for eq in eqs)
    np.testing.assert_array_equal(one, other)
