"""Drift and the whole diffusion tensor in the plane, without a family."""

import numpy as np
import pytest
from processes import rotating_pair
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck.inference.cells import choose_grid
from fokkerplanck.inference.conditional_moments import MomentGrid
from fokkerplanck.inference.moment_likelihood import MomentLikelihood
from fokkerplanck.inference.spline_plane import PlaneSplines

RATE = np.array([[-1.0, -2.0], [2.0, -1.0]])
PLACES = np.array([[0.0, 0.7, 0.0, -0.7, 0.5], [0.0, 0.0, 0.7, -0.5, -0.6]])


def tilted_pair(n_runs, n_steps, dt, seed=0):
    """The rotating pair with x stretched and mixed with y: D = A A^T / 2 for A = [[2, 0], [0.5, 1]]."""
    mixed = np.array([[2.0, 0.0], [0.5, 1.0]])
    return rotating_pair(n_runs, n_steps, dt, seed=seed) @ mixed.T, mixed


def errors(found, places, level=0.9):
    """(estimate - truth) / standard error are made of these: half widths of the intervals in standard errors."""
    band = found.interval(*places, level=level)
    return {name: (high - low) / (2 * 1.645) for name, (low, high) in band.items()}


def test_moments_of_a_linear_process():
    """Means e^(J tau) x and covariances int e^(J s) 2 D e^(J^T s) ds = (1 - e^(-2 tau)) / 2, at a lag of a radian."""
    dt = 0.5
    pairs = fp.Paths(rotating_pair(20, 201, dt, seed=1), dt=dt).transitions()
    family = PlaneSplines.of(pairs)
    theta = family.start(pairs)
    grid = choose_grid(pairs, None, 48, margin=4.0)
    scale = pairs.starts.std(axis=0)
    found = MomentGrid(family, grid, pairs.starts.mean(axis=0), scale).moments(theta)
    at = MomentGrid(family, grid, np.zeros(2), np.ones(2)).x.T
    near = (np.abs(at) < 1.5).all(axis=1)
    fitted = np.linalg.lstsq(np.column_stack([at, np.ones(len(at))])[near], found.mean[near] * scale, rcond=None)[0]
    regression = np.linalg.lstsq(
        np.column_stack([pairs.starts, np.ones(pairs.size)]), pairs.ends - pairs.starts, rcond=None
    )[0]
    np.testing.assert_allclose(fitted, regression, atol=5e-3)  # the start has the regression of the data
    np.testing.assert_allclose(regression[:2].T + np.eye(2), expm(RATE * dt), atol=0.06)
    np.testing.assert_allclose(found.spread[near, 0] * scale[0] ** 2, 0.5 * (1 - np.exp(-1.0)), rtol=0.06)


def test_the_gradient_is_that_of_the_value():
    dt = 0.3
    pairs = fp.Paths(rotating_pair(10, 101, dt, seed=2), dt=dt).transitions()
    family = PlaneSplines.of(pairs)
    likelihood = MomentLikelihood(family, pairs, choose_grid(pairs, None, 36, margin=4.0))
    rng = np.random.default_rng(3)
    theta = family.start(pairs) + 0.05 * rng.normal(size=245)
    gradient = likelihood.evaluate(theta).gradient
    for _ in range(3):
        way = 0.02 * rng.normal(size=245)
        slope = (likelihood.value(theta + 0.1 * way) - likelihood.value(theta - 0.1 * way)) / 0.2
        assert gradient @ way == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_a_rotating_pair_with_a_full_tensor():
    dt = 0.4
    x, mixed = tilted_pair(20, 201, dt, seed=4)
    found = fp.fit(fp.Paths(x, dt=dt))
    places = mixed @ PLACES
    assert found.converged
    assert found.diffusion(*places).shape == (2, 2, 5)
    right = mixed @ RATE @ np.linalg.inv(mixed) @ places
    known = errors(found, places)
    assert np.abs((found.drift(*places) - right) / known["drift"]).max() < 3.5
    tensor = (0.5 * mixed @ mixed.T)[:, :, None]
    assert np.abs((found.diffusion(*places) - tensor) / known["diffusion"]).max() < 3.5
    assert known["diffusion"].max() < 0.25 * tensor.max()
    # what moments of short steps give instead: e^(J tau) - 1 over tau, off by a third
    assert np.abs(found.drift(*places) - right).max() < 0.15 * np.abs(right).max()
    assert np.abs(found.grid_shift).max() < 0.3
    maps = [image for ax in found.plot().axes for image in ax.collections if image.get_array() is not None]
    assert len(maps) >= 10, "drift x, y, D xx, xy, yy, and the half widths of their intervals"
    shown = found.plot(names=["voltage", "gate"])
    titles = [" ".join(ax.get_title().split()) for ax in shown.axes]  # a long one takes two lines
    assert {"drift of voltage", "drift of gate", "D of voltage, gate"} <= set(titles)
    assert "fit\ngate" in [ax.get_ylabel() for ax in shown.axes]
    speed = found.propagate(lambda eq: eq.drift(*np.array([[0.5], [0.0]]))[1])
    assert speed.low < found.drift(0.5, 0.0)[1] < speed.high
    assert "means and covariances of the equation" in found.report()
    assert isinstance(found.equation, fp.FokkerPlanck)


def test_units_of_an_axis_change_nothing():
    dt = 0.4
    x = rotating_pair(10, 101, dt, seed=5)
    plain = fp.fit(fp.Paths(x, dt=dt))
    tiny = fp.fit(fp.Paths(x * [1e-9, 1e9], dt=dt))
    np.testing.assert_allclose(
        tiny.drift(1e-9 * PLACES[0], 1e9 * PLACES[1]) / [[1e-9], [1e9]], plain.drift(*PLACES), rtol=1e-3, atol=1e-3
    )
    units = np.array([1e-9, 1e9])
    scaled = tiny.diffusion(1e-9 * PLACES[0], 1e9 * PLACES[1]) / np.outer(units, units)[:, :, None]
    np.testing.assert_allclose(scaled, plain.diffusion(*PLACES), rtol=1e-3, atol=1e-3)


def test_what_splines_in_the_plane_cannot_do_is_refused():
    x = fp.Paths(rotating_pair(3, 101, 0.5), dt=0.5)
    with pytest.raises(ValueError, match="which take moments of steps"):
        fp.fit(x, method="grid")
    with pytest.raises(ValueError, match="whose walls reflect"):
        fp.fit(x, cells=fp.Grid([(-5, 5), (-5, 5)], [30, 30], boundary="periodic"))
    with pytest.raises(ValueError, match="at least 200 transitions"):
        fp.fit(rotating_pair(2, 50, 0.5))
    flat = np.array(rotating_pair(3, 101, 0.5))
    flat[:, :, 1] = 2.0
    with pytest.raises(ValueError, match="moving at random"):
        fp.fit(flat)
