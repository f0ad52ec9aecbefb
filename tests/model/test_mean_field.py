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
        (lambda x: x, lambda x, m: x[:1], "`force` must be of the shape"),
        (lambda x: x, lambda x, m: np.nan * x, "`force` must be finite"),
        (lambda x: x, lambda x: x, "`force` must be a function of 2 argument"),
        (2.0, lambda x, m: x, "`observe` must be a function of 1 argument"),
    ],
)
def test_refusals(observe, force, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        fp.solve(fp.FokkerPlanck(diffusion=0.5, interaction=fp.MeanField(observe, force)), LINE, fp.gaussian(0, 1), 0.1)


def test_planes_and_stationary_states_are_refused():
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=fp.MeanField(lambda x: x, lambda x, m: -x))
    with pytest.raises(ValueError, match="`interaction` must be a Swarm in more than one dimension"):
        fp.solve(eq, fp.Grid([(-1, 1), (-1, 1)], 16), fp.gaussian([0, 0], 0.2), 0.1)
    with pytest.raises(ValueError, match=r"Follow it in time with fp\.solve"):
        fp.stationary(eq, LINE)


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
