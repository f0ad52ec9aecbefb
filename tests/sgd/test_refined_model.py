"""All refinements in one equation: each alone is today's model, pairs obey the documented sum, contradictions are refused."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.coefficients import Points
from fokkerplanck.sgd.batch_noise_scale import covariance_factor, quartile_share
from fokkerplanck.sgd.refined_model import top_eigenvalue
from fokkerplanck.statistics.stable_law import stable_quartiles

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")


def regression(freedom=np.inf, n=400, batch=4):
    """Linear regression with curvatures 2 and .5, whose labels carry normal or Student noise."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, 2)) * np.sqrt([2.0, 0.5])
    noise = rng.standard_normal(n) if np.isinf(freedom) else rng.standard_t(freedom, n)
    data = {"a": x[:, 0], "b": x[:, 1], "y": x @ [0.3, -0.2] + 1.5 * noise}
    loss = fp.SampleLoss("(a*u + b*v - y)**2 / 2", ["u", "v"], data).within([(-2, 2), (-2, 2)])
    return fp.SGD(loss, 0.1, batch_size=batch)


def points(n=6):
    return Points.centers(fp.Grid([(-1, 1)] * 2, n))


ALONE = [
    ("first-order", {}, {}),
    ("second-order", {"drift": "second-order"}, {}),
    ("levy", {"stability": 1.6}, {"stability": 1.6}),
    ("levy", {"stability": 1.6, "anisotropic": True}, {"stability": 1.6, "anisotropic": True}),
    ("subdiffusive", {"time_order": 0.8}, {"time_order": 0.8}),
    ("swarm", {"strength": 0.05}, {"strength": 0.05}),
]


@pytest.mark.parametrize(("model", "refinement", "settings"), ALONE)
def test_each_refinement_alone_is_the_model_of_its_name(model, refinement, settings):
    sgd, at = regression(), points()
    refined, plain = sgd.equation("refined", **refinement), sgd.equation(model, **settings)
    mean = np.array([0.1, 0.2])
    np.testing.assert_array_equal(refined.drift_at(at, 0.0, mean), plain.drift_at(at, 0.0, mean))
    np.testing.assert_array_equal(refined.diffusion_at(at), plain.diffusion_at(at))
    assert refined.time_order == plain.time_order
    if plain.jumps is not None:
        assert refined.jumps.stability == plain.jumps.stability
        np.testing.assert_array_equal(refined.jumps.scale(*at.coords), plain.jumps.scale(*at.coords))


def test_together_they_are_the_documented_sum():
    """mu by hand, from the Hessian of (u^2 v^2)/2 + v^2/2, whose top eigenvalue is known on the axes."""
    data = {"x": np.random.default_rng(1).standard_normal(50)}
    sgd = fp.SGD(fp.SampleLoss("u**2*v**2/2 + v**2/2 - 0.1*x*(u + v)", ["u", "v"], data), 0.2, batch_size=2)
    u, v = np.array([0.5, 1.5]), np.array([0.0, 0.0])  # there H = diag(0, u^2 + 1), grad S = (2 u, 0) by first order
    eq = sgd.equation(
        "refined", drift="second-order", stability=1.7, time_order=0.8, central_flow=True, anisotropic=True, scale=0.9
    )
    g, h = sgd.loss.gradient(u, v), sgd.loss.hessian(u, v)
    sharp = u**2 + 1
    sigma = sgd.loss.covariance(u, v)[1, 1]
    excess = 0.2**2 * sigma / 2 / (2 * (2 - 0.2 * sharp))
    force = g + 0.1 * np.einsum("ijn,jn->in", h, g) + 0.5 * excess * np.stack([2 * u, 0 * u])
    drift = eq.drift_at(Points((u, v), lambda values: values))
    assert drift == pytest.approx(-0.2 * force, rel=1e-6, abs=1e-9)
    assert (eq.time_order, eq.jumps.stability) == (0.8, 1.7)
    covariance = eq.jumps.matrix_at((u, v))
    assert covariance == pytest.approx(covariance_factor(0.9, 1.7) * 0.2**2 / 2 * sgd.loss.covariance(u, v))


def test_gradient_of_the_sharpness():
    loss = fp.SampleLoss("u**4/4 + u*v**2 + v**4/12 - x*u", ["u", "v"], {"x": [0.0, 1.0]})
    at = np.array([0.7, -0.4]), np.array([0.3, 0.9])
    slope = top_eigenvalue(loss, at)[2]
    h = 1e-6
    for axis in range(2):
        ends = [
            top_eigenvalue(loss, tuple(y + s * h if k == axis else y for k, y in enumerate(at)))[0] for s in (1, -1)
        ]
        assert slope[axis] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


def test_quartiles_of_the_batch_noise():
    """Normal labels: nearly those of a normal law. Student labels of index 1.5: far less, as the deviation is of the tail."""
    normal = quartile_share(regression(), None)[0]
    heavy = quartile_share(regression(1.5), None)[0]
    assert 0.8 < normal < 1.05
    assert heavy < 0.7 * normal
    for a in (1.2, 2.0):  # the marginal law along a unit vector has the quartiles asked for
        assert stable_quartiles(a) * np.sqrt(covariance_factor(0.8, a)) == pytest.approx(0.8 * 1.34898, rel=1e-5)
    sgd = regression()
    gaussian = sgd.equation("levy", stability=2.0, anisotropic=True, scale=1.0).jumps.matrix_at(points().coords)
    assert gaussian == pytest.approx(sgd.equation().diffusion_at(points()), rel=1e-8)  # at stability 2 it is D


PAIRS = [
    {"drift": "second-order", "stability": 1.7, "anisotropic": True},
    {"stability": 1.7, "anisotropic": True, "time_order": 0.8},
    {"drift": "second-order", "time_order": 0.8},
    {"drift": "second-order", "central_flow": True},
    {"stability": 1.7, "central_flow": True},
    {"central_flow": True, "time_order": 0.8},
    {"drift": "second-order", "stability": 1.7, "anisotropic": True, "time_order": 0.8, "central_flow": True},
]


@pytest.mark.parametrize("refinements", PAIRS, ids=lambda r: "+".join(r))
def test_densities_of_pairs_and_of_all_against_simulation(refinements):
    """Six means, each within 4 standard errors of 10 000 paths of the same process plus the error of cells and steps (.004).

    False alarms: 7 * 6 * 6e-5 = 3e-3.
    """
    eq = regression(n=60, batch=1).equation("refined", **refinements)
    grid = fp.Grid([(-2, 2)] * 2, 64)
    p0 = fp.gaussian((0.6, 0.5), 0.25)
    solution = fp.solve(eq, grid, p0, [6.0], error=False)
    paths = fp.simulate(eq, p0, [6.0], 0.05, n_paths=10_000, seed=11, grid=grid, step_error=False)
    x, y = (np.broadcast_to(c, grid.shape) for c in grid.coordinates())
    for f in (
        lambda x, y: x,
        lambda x, y: y,
        lambda x, y: np.abs(x - 0.3),
        lambda x, y: np.abs(y + 0.2),
        lambda x, y: np.cos(2 * (x + y)),
        lambda x, y: np.tanh(4 * x * y),
    ):
        values = f(*paths.positions[-1].T)
        mean = (solution.masses[-1] * f(x, y)).sum()
        assert mean == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(values.size) + 4e-3)


def test_central_flow_moves_the_slow_coordinate():
    """y x^2/2 + .0025 (y - 21)^2/2 with noise along x at eta S = 1.2: the mean of y beside SGD itself.

    The oscillation pushes y down by .042 more than the density knows; standard errors are below .0005, Euler's error .002.
    """
    data = {"z": np.array([-1.0, 1.0])}
    sgd = fp.SGD(fp.SampleLoss("y*x**2/2 + 0.00125*(y - 21)**2 - 1.5*z*x", ["x", "y"], data), 0.1)
    start, steps = fp.gaussian((0.0, 12.0), (0.05, 0.001)), 60
    true = sgd.simulate(start, [steps], n_paths=20_000, seed=2).mean()[0, 1]
    off = {}
    for flow in (False, True):
        eq = sgd.equation("refined", central_flow=flow)
        paths = fp.simulate(eq, start, [float(steps)], 0.1, n_paths=4000, seed=2, step_error=False)
        off[flow] = paths.mean()[0, 1] - true
    assert off[False] == pytest.approx(0.042, abs=0.008)
    assert abs(off[True]) < 0.15 * off[False]


REFUSED = [
    ("strength", {"strength": 0.1, "time_order": 0.8}),
    ("scale", {"scale": 1.0}),
    ("anisotropic", {"anisotropic": True}),
    ("drift", {"drift": "third-order"}),
    ("time_order", {"time_order": 1.5}),
    ("box", {"stability": 1.5, "box": [(-1, 1)] * 2}),
    ("temperature", {"temperature": 1.0}),
    ("convention", {"stability": 1.5, "convention": "stratonovich"}),
]


@pytest.mark.parametrize(("name", "settings"), REFUSED)
def test_contradictions_are_refused(name, settings):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        regression().equation("refined", **settings)
    full = fp.SGD(regression().loss, 0.1, batch_size=None)
    with pytest.raises(ValueError, match="`batch_size` must be a number for model 'levy'"):
        full.equation("refined", stability=1.5)
    with pytest.raises(TypeError, match="`central_flow` must be True or False"):
        regression().equation("refined", central_flow="yes")
    with pytest.raises(ValueError, match="`model` must be 'momentum' for SGD with momentum"):
        fp.SGD(regression().loss, 0.1, momentum=0.5).equation("refined")
