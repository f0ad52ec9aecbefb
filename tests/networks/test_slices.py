"""Planes through parameter space: exact where the plane is everything, warned of where drift or noise leaves it."""

import numpy as np
import pytest
from least_squares import Line

import fokkerplanck as fp
import fokkerplanck.networks as fn
from fokkerplanck.networks.slices import filter_normalised


def test_coefficients_are_those_of_the_plane():
    line = Line()
    net = line.network()
    cut = net.slice(line.minimum, plane="hessian", half_width=0.5, cells=6)
    h, v = np.linalg.eigh(line.hessian)
    np.testing.assert_allclose(np.abs(cut.directions.T @ v[:, :0:-1]), np.eye(2), atol=1e-8)
    place = line.minimum + cut.directions @ [cut.grid.centers[0][4], cut.grid.centers[1][1]]
    np.testing.assert_allclose(cut.gradient[:, 4, 1], cut.directions.T @ net.gradient(place), atol=1e-8)
    np.testing.assert_allclose(
        cut.noise[:, :, 4, 1], cut.directions.T @ line.noise(place) @ cut.directions, rtol=1e-6, atol=1e-8
    )
    assert cut.loss[4, 1] == pytest.approx(net.loss(place))
    eq = cut.equation(0.1, 4)
    assert eq.settings["batch_size"] == 4
    assert h[0] > 0


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_network_of_two_parameters_is_its_own_slice():
    line = Line(n=30, dim=2)
    net = line.network()
    steps = [0, 20, 60]
    runs = net.train(steps, 100, 0.05, 2, seed=2, keep=100, starts=line.minimum + np.array([0.4, -0.3]))
    cut = net.slice(line.minimum, plane="pca", runs=runs, cells=60)
    start = cut.project(runs.kept[0, 0])
    solution = fp.solve(cut.equation(0.05, 2), cut.grid, fp.gaussian(start, 0.02), [20, 60])
    verdict = cut.verdict(solution, runs)
    assert (verdict.mean_error < 0.4).all()
    assert (verdict.spread_ratio < 1.4).all()
    np.testing.assert_allclose(verdict.drift_share, 1.0, rtol=1e-9)
    np.testing.assert_allclose(verdict.noise_share, 1.0, rtol=1e-9)
    assert verdict.believed_until == 60
    assert "believed until step 60" in repr(verdict)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning", "ignore::fokkerplanck.ModelWarning")
def test_a_plane_that_the_drift_leaves_is_not_believed():
    # the loss pulls c = (w_0, w_1) to a place that depends on w_2, which moves and is held fixed in the slice
    b = np.random.default_rng(0).standard_normal((20, 3))
    b -= b.mean(axis=0)
    h = np.array([[1.0, 0.0, 1.2], [0.0, 1.0, 0.0], [1.2, 0.0, 2.0]])
    net = fn.Network.from_functions(
        lambda w, p: p.sum() * h @ w + p @ b, lambda w: 0.5 * w @ h @ w + b @ w, params=[1.0, 1.0, 2.0]
    )
    runs = net.train([0, 100], 60, 0.05, 2, keep=60)
    cut = net.slice(np.array([0.0, 0.0, 2.0]), plane=np.eye(3)[:2], half_width=4.0, cells=60)
    solution = fp.solve(cut.equation(0.05, 2), cut.grid, fp.gaussian([1.0, 1.0], 0.1), [100])
    verdict = cut.verdict(solution, runs)
    assert verdict.mean_error[0] > 3.0
    assert verdict.confined_mean_error[0] > 3.0
    assert np.isnan(verdict.believed_until)
    assert "not believed" in repr(verdict)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_spread_below_the_numerical_diffusion_is_refused():
    line = Line(n=30, dim=2)
    net = line.network()
    runs = net.train([0, 20], 20, 0.02, 200, keep=20, starts=line.minimum + np.array([0.9, -0.9]))
    cut = net.slice(line.minimum, plane=np.eye(2), half_width=1.5, cells=12)
    solution = fp.solve(cut.equation(0.02, 200), cut.grid, fp.gaussian([0.9, -0.9], 0.2), [20])
    assert solution.stats["numerical_diffusion"] > solution.stats["diffusion"]
    with pytest.warns(fp.ModelWarning, match="spread of the slice is refused"):
        verdict = cut.verdict(solution, runs)
    assert np.isnan(verdict.spread_ratio).all()
    assert np.isfinite(verdict.confined_spread_ratio).all()
    assert "no spread" in repr(verdict)


def test_confined_to_a_plane_in_jax_as_in_numpy():
    pytest.importorskip("jax")
    line = Line()
    cuts = [net.slice(line.minimum, plane=np.eye(3)[1:], cells=4) for net in (line.network(), line.jax_network())]
    np.testing.assert_allclose(cuts[0].gradient, cuts[1].gradient, atol=1e-7)
    np.testing.assert_allclose(cuts[0].noise, cuts[1].noise, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"plane": "flat"}, "`plane` must be one of hessian, pca, random"),
        ({"plane": "pca"}, "`runs` must be runs that kept"),
        ({"plane": np.ones((2, 3))}, "parallel"),
        ({"plane": np.ones((3, 2))}, "`plane` must be two finite vectors"),
        ({"half_width": 0.0}, "`half_width`"),
        ({"cells": 2}, "`cells`"),
    ],
)
def test_refusals(options, word):
    with pytest.raises(ValueError, match=word):
        Line().network().slice(np.zeros(3), **options)


def test_a_verdict_needs_kept_parameters_at_the_same_steps():
    line = Line(dim=2)
    net = line.network()
    cut = net.slice(line.minimum, cells=16, half_width=2.0)
    with np.errstate(all="ignore"):
        solution = fp.solve(fp.FokkerPlanck(diffusion=0.1), cut.grid, fp.gaussian([0, 0], 0.5), [3.0])
    with pytest.raises(ValueError, match="kept the parameters"):
        cut.verdict(solution, net.train([0, 3], 8))
    with pytest.raises(ValueError, match="recorded steps"):
        cut.verdict(solution, net.train([0, 4], 8, keep=8))


def test_one_parameter_has_no_plane():
    with pytest.raises(ValueError, match="two parameters at least"):
        Line(dim=1).network().slice(np.zeros(1), plane="random")


def test_filter_normalised_directions():
    """The weights into each unit have the norm of those of theta; biases stay; scaling a unit scales its part of the plane."""
    pytest.importorskip("jax")
    net = fn.parity(4, 2, hidden=3, precision="float64")
    assert net.shapes == ((3, 4), (3,), (1, 3), (1,))
    theta = net.start(0, 0).copy()
    theta[4:8] *= 10.0  # the second unit
    directions = filter_normalised(net, theta, seed=1)
    for rows in (slice(0, 4), slice(4, 8), slice(8, 12), slice(15, 18)):
        np.testing.assert_allclose(np.linalg.norm(directions[rows], axis=0), np.linalg.norm(theta[rows]))
    assert not directions[12:15].any()
    assert not directions[18].any()
    again = filter_normalised(net, net.start(0, 0), seed=1)
    np.testing.assert_allclose(directions[4:8], 10.0 * again[4:8])
    assert not np.allclose(directions, filter_normalised(net, theta, seed=2))
    cut = net.slice(theta, plane="filters", seed=1, cells=4)
    np.testing.assert_allclose(cut.directions @ (cut.directions.T @ directions), directions, atol=1e-12)


def test_networks_without_filters_are_refused():
    line = Line()
    with pytest.raises(ValueError, match=r"`plane` must be one of a network whose parameters hold a matrix"):
        line.network().slice(line.minimum, plane="filters")
