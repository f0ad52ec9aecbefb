"""Models of SGD against closed forms (reference case F) and against the exact operator."""

import copy
import pickle
import re

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.errors import ModelWarning
from fokkerplanck.model.coefficients import Points

PIT = "-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)"
BOTTOM = 1.00745330


def pit(eta=0.02, **settings):
    return fp.SGD(fp.SampleLoss(PIT, ["w"], {"pit": [0, 1]}), eta, **settings)


def quadratic(eta, **settings):
    return fp.SGD(fp.SampleLoss("(w-c)**2/2", ["w"], {"c": [-1.0, 1.0]}), eta, **settings)


def normal_moments():
    """Samples (x, e) whose moments are those of independent N(0, 1) as far as least squares asks: E x^4 = 3."""
    x = np.sqrt(3.0) * np.array([1, -1, 0, 0, 0, 0])
    return np.repeat(x, 2), np.tile([1.0, -1.0], 6)


@pytest.mark.parametrize(("eta", "first", "second"), [(0.1, 0.05, 0.0476190476), (0.5, 0.25, 0.2)])
def test_stationary_variance_of_a_quadratic(eta, first, second):
    """Reference case F1: the second-order model is worse than the first in the variance (exact .0526315789, 1/3)."""
    grid = fp.Grid((-8 * np.sqrt(first), 8 * np.sqrt(first)), 400)
    for model, variance in (("first-order", first), ("second-order", second)):
        st = fp.stationary(quadratic(eta).equation(model), grid)
        assert st.covariance()[0, 0] == pytest.approx(variance, rel=2e-4)


def test_mean_of_a_quadratic():
    """Reference case F1: after 10 steps, eta = .1: .3678794412 and .3499377491, where descent has .3486784401."""
    grid = fp.Grid((-3, 4), 1400)
    for model, mean in (("first-order", 0.3678794412), ("second-order", 0.3499377491)):
        solution = fp.solve(quadratic(0.1).equation(model), grid, fp.gaussian(1.0, 0.05), [10.0])
        assert solution.mean()[0, 0] == pytest.approx(mean, abs=1e-4)


def test_flows_on_a_quartic():
    """Reference case F2: descent .5604436639, flow .5773502692, modified flow .5626765852."""
    sgd = fp.SGD(fp.SampleLoss("w**4/4 + 0*c", ["w"], {"c": [0.0]}), 0.1)
    t = sgd.transfer_operator(fp.Grid((0.3, 1.2), 9000)).evolve(fp.point(1.0), [10])
    assert t.mean()[0, 0] == pytest.approx(0.5604436639, abs=1e-6)
    from scipy.integrate import solve_ivp

    for model, end in (("first-order", 0.5773502692), ("second-order", 0.5626765852)):
        drift = sgd.equation(model).drift
        flow = solve_ivp(lambda t, w, drift=drift: drift(w), (0, 10), [1.0], rtol=1e-10, atol=1e-12)
        assert flow.y[0, -1] == pytest.approx(end, abs=1e-8)


def test_second_order_drift_in_two_dimensions():
    """-eta grad(L + (eta/4) |grad L|^2) by finite differences."""
    loss = fp.SampleLoss("(1 - u*v*x)**2/2", ["u", "v"], {"x": [0.5, 1.5]})
    sgd = fp.SGD(loss, 0.3)
    u, v, h = np.array([0.4, -1.2]), np.array([0.9, 0.3]), 1e-5

    def modified(u, v):
        return loss.value(u, v) + 0.3 / 4 * (loss.gradient(u, v) ** 2).sum(axis=0)

    expected = [-0.3 * (modified(u + h, v) - modified(u - h, v)) / (2 * h)]
    expected += [-0.3 * (modified(u, v + h) - modified(u, v - h)) / (2 * h)]
    np.testing.assert_allclose(sgd.equation("second-order").drift(u, v), expected, rtol=1e-7)


def test_least_squares_with_multiplicative_noise():
    """Reference case F3: variance T/(1 - 2T) and tails g^-(1 + 1/(4T)) at T = .05; discrete SGD .0588235."""
    x, e = normal_moments()
    sgd = fp.SGD(fp.SampleLoss("(v*x - y)**2", ["v"], {"x": x, "y": x + e}), 0.05)
    grid = fp.Grid((-3, 5), 1600)
    st = fp.stationary(sgd.equation(), grid)
    assert st.covariance()[0, 0] == pytest.approx(0.0555555556, rel=1e-3)
    v = grid.centers[0]
    g = 2 * v**2 - 4 * v + 3
    np.testing.assert_allclose(np.diff(np.log(st.density)), -6.0 * np.diff(np.log(g)), atol=1e-4)
    exact = sgd.transfer_operator(grid).stationary()
    assert exact.covariance()[0, 0] == pytest.approx(0.0588235, rel=5e-4)


def test_kesten_noise():
    """Reference case F6: eta = .1: exact variance .058823529, Ito .055555556."""
    x, e = normal_moments()
    sgd = fp.SGD(fp.SampleLoss("(w*x - e)**2/2", ["w"], {"x": x, "e": e}), 0.1)
    grid = fp.Grid((-4, 4), 1600)
    assert fp.stationary(sgd.equation(), grid).covariance()[0, 0] == pytest.approx(0.055555556, rel=1e-3)
    assert sgd.transfer_operator(grid).stationary().covariance()[0, 0] == pytest.approx(0.058823529, rel=5e-4)


def test_langevin_is_the_tempered_posterior():
    """Density exp(-L/T); the default T = eta f tr Sigma / (2 B d) at the smallest loss is that of F1: variance T/h."""
    grid = fp.Grid((-2, 2), 400)
    st = fp.stationary(quadratic(0.1).equation("langevin", box=grid), grid)
    assert st.covariance()[0, 0] == pytest.approx(0.05, rel=1e-4)
    w = grid.centers[0]
    sgd = pit()
    st = fp.stationary(sgd.equation("langevin", temperature=0.3), grid)
    expected = np.exp(-sgd.loss.value(w) / 0.3)
    np.testing.assert_allclose(st.density, expected / (expected @ grid.volumes.ravel()), rtol=1e-10)
    python = fp.SampleLoss.from_gradient(lambda theta, s: theta[0] - s["c"], {"c": [-1.0, 1.0]}, ["w"])
    st = fp.stationary(fp.SGD(python, 0.1).equation("langevin", temperature=0.05), grid)
    assert st.covariance()[0, 0] == pytest.approx(0.05, rel=1e-3)


def test_langevin_finds_the_noise_at_the_smallest_loss():
    sgd = fp.SGD(fp.SampleLoss("h*((u-c)**2 + 2*v**2)/2", ["u", "v"], {"h": [1.0, 1.0], "c": [-1.0, 1.0]}), 0.1)
    for box in ([(-1, 1), (-1, 1)], fp.Grid([(-1, 1), (-1, 1)], [7, 8]), None):
        found = sgd.temperature(box)
        assert found.value == pytest.approx(0.1 * 1.0 / (2 * 2))
        np.testing.assert_allclose(found.point, 0.0, atol=1e-7)
        assert found.where == ("24 descents without bounds" if box is None else "the box [-1, 1] x [-1, 1]")
    settings = sgd.equation("langevin").settings
    assert settings["temperature"] == found.value
    assert settings["temperature_at"] == found.point


def test_langevin_knows_the_box_of_a_named_landscape():
    """In (0.5, 1.3) the pit at w = 1.00745330 (reference case B) is lowest; T = eta Sigma / 2, Sigma = (l_1' - l_2')^2 / 4."""
    land = fp.landscapes.two_datapoints()
    assert land.loss.box == ((-0.5, 3.0),)
    assert fp.SGD(land.loss, 0.02).temperature().point == pytest.approx((2.0,), abs=1e-6)
    found = fp.SGD(land.loss.within([(0.5, 1.3)]), 0.02).temperature()
    assert found.point == pytest.approx((1.00745330,), abs=1e-7)
    x = 0.00745330
    slope = 200.0 * x * np.exp(-100.0 * x**2)
    assert found.value == pytest.approx(0.01 * slope**2 / 4.0, rel=1e-5)
    deep = fp.landscapes.scalar_chain(4)
    point = fp.SGD(deep.loss, 0.02).temperature().point
    assert np.prod(point) == pytest.approx(1.0, abs=1e-6)


def test_langevin_says_when_it_cannot_know():
    ramp = fp.SGD(fp.SampleLoss("w*x", ["w"], {"x": [0.0, 1.0]}), 0.1)
    with pytest.raises(ValueError, match=r"`temperature` must be given where descents .* box=\[\(low, high\)"):
        ramp.equation("langevin")
    assert ramp.temperature([(-1, 1)]).point == (-1.0,)
    python = fp.SampleLoss.from_gradient(lambda theta, s: theta[0] - s["c"], {"c": [-1.0, 1.0]}, ["w"])
    with pytest.raises(ValueError, match="`temperature` must be given where a loss is known by its gradient alone"):
        fp.SGD(python, 0.1).equation("langevin")
    for box in ([(1, -1)], [(0, np.inf)], "here"):
        with pytest.raises((ValueError, TypeError), match="`box` must be"):
            ramp.temperature(box)
    with pytest.raises(ValueError, match="`box` must be 1 pair"):
        ramp.loss.within([(0, 1), (0, 1)])


@pytest.mark.parametrize("box", [None, [(-3, 3), (-3, 3)], [(0.2, 2), (0.2, 2)]])
def test_no_temperature_is_chosen_on_a_circle_of_minima_with_noise_that_differs(box):
    """All points of the circle are as low and as near to the origin; with the same noise they have one temperature."""
    uneven = fp.SampleLoss("(a**2 + b**2 - 1)**2/4 + x*a**2*(a**2 + b**2 - 1)", ["a", "b"], {"x": [-0.5, 0.5]})
    with pytest.raises(ValueError, match="`temperature` must be given where there is no one smallest loss"):
        fp.SGD(uneven, 0.1).temperature(box)
    even = fp.SampleLoss("(a**2 + b**2 - 1)**2/4 + x*(a**2 + b**2 - 1)", ["a", "b"], {"x": [-0.5, 0.5]})
    assert fp.SGD(even, 0.1).temperature(box).value == pytest.approx(0.1 * 0.25 * 4 / 4, rel=1e-4)


def test_two_wells_with_unlike_noise_have_no_temperature_and_one_of_them_has():
    loss = fp.SampleLoss("(w**2 - 1)**2/4 + x*(w - 1)**2", ["w"], {"x": [-0.3, 0.3]})
    with pytest.raises(ValueError, match="noise differs"):
        fp.SGD(loss, 0.1).temperature([(-3, 3)])
    assert fp.SGD(loss, 0.1).temperature([(0.2, 2)]).value == pytest.approx(0.0, abs=1e-12)
    assert fp.SGD(loss, 0.1).temperature([(-2, -0.2)]).value == pytest.approx(0.1 * (4 * 0.3) ** 2 / 2, rel=1e-4)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_momentum_on_a_quadratic():
    """Reference case F8: m = .9, eta = .1: variance .5 (SGD .5135), first order in the cell: 2 V(h/2) - V(h)."""
    sgd = quadratic(0.1, momentum=0.9)
    variances = []
    for n in (100, 200):
        grid = fp.Grid([(-3.5, 3.5), (-1.1, 1.1)], [n, n])
        variances.append(fp.stationary(sgd.equation("momentum"), grid).covariance()[0, 0])
    assert 2 * variances[1] - variances[0] == pytest.approx(0.5, rel=0.02)
    exact = sgd.transfer_operator(fp.Grid([(-3.5, 3.5), (-1.1, 1.1)], [100, 100])).stationary()
    assert exact.covariance()[0, 0] == pytest.approx(0.5135, rel=0.03)
    assert exact.covariance()[0, 1] == pytest.approx(0.02703, rel=0.03)


def test_swarm_leaves_the_mean_alone():
    """Reference case F9: away from walls the coupling moves no mean of a linear drift; it narrows the crowd."""
    grid = fp.Grid((-3, 3), 300)
    solutions = [
        fp.solve(quadratic(0.1).equation("swarm", strength=k), grid, fp.gaussian(1.0, 0.2), [10.0]) for k in (0.0, 0.2)
    ]
    assert solutions[1].mean()[0, 0] == pytest.approx(solutions[0].mean()[0, 0], abs=2e-3)
    variance = 0.2**2 * np.exp(-6) + 0.005 / 0.3 * (1 - np.exp(-6))
    assert solutions[1].covariance()[0, 0, 0] == pytest.approx(variance, rel=0.02)


def test_levy_at_stability_two_is_the_first_order_model():
    grid = fp.Grid((-2, 2), 200)
    first = fp.stationary(quadratic(0.1).equation(), grid)
    levy = fp.stationary(quadratic(0.1).equation("levy", stability=2.0), grid)
    assert levy.covariance()[0, 0] == pytest.approx(first.covariance()[0, 0], rel=0.02)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_subdiffusive_mean_relaxes_by_mittag_leffler():
    """Reference case D1 with eta = 1e-3 h: the mean decays by E_.7(-eta t^.7)."""
    sgd = quadratic(0.001)
    eq = sgd.equation("subdiffusive", time_order=0.7)
    t = (1 / 0.001) ** (1 / 0.7)
    solution = fp.solve(eq, fp.Grid((-1, 2.5), 700), fp.gaussian(1.0, 0.05), [t])
    assert solution.mean()[0, 0] == pytest.approx(0.3996119781156, abs=2e-3)


def test_edge_of_stability_is_reported():
    """In the pit eta h = .02 * 97.6 = 1.95; where the mass ends, at w = 2, eta h = .04."""
    sgd = pit()
    grid = fp.Grid((0.5, 2.5), 1000)
    there = fp.gaussian(BOTTOM, 0.01).masses(grid)
    with pytest.warns(ModelWarning, match=r"eta times the largest curvature is [12]\.\d+ at \(1\.0"):
        edge = sgd.check((there, grid), "first-order")
    assert 1.8 < edge < 2.1
    end = sgd.transfer_operator(grid).evolve(fp.gaussian(0.8, 0.02), [3000])
    assert sgd.check(end) == pytest.approx(0.04, rel=0.01)
    mc = sgd.simulate(2.0, [10], n_paths=100)
    assert sgd.check(mc) == pytest.approx(0.04, rel=0.01)
    with pytest.raises(TypeError, match="`result` must be"):
        sgd.check(3)


BAD = [
    ("model", {"model": "central-flow"}),
    ("model", {"model": "firstorder"}),
    ("model", {"model": "momentum"}),
    ("temperature", {"temperature": 1.0}),
    ("temperature", {"model": "langevin", "temperature": -1.0}),
    ("box", {"model": "langevin", "box": [(0, 1), (0, 1)]}),
    ("stability", {"model": "levy"}),
    ("strength", {"model": "swarm"}),
    ("strength", {"strength": 1.0}),
    ("time_order", {"model": "subdiffusive"}),
    ("time_order", {"time_order": 0.5}),
]


@pytest.mark.parametrize(("name", "arguments"), BAD)
def test_bad_settings_are_refused(name, arguments):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        pit().equation(**arguments)
    with pytest.raises(TypeError, match="`temperature` must be"):
        pit().equation("langevin", temperature="hot")
    with pytest.raises(ValueError, match="`model` must be 'momentum' for SGD with momentum"):
        pit(momentum=0.5).equation()


def test_simulated_swarm_narrows():
    """The variance of a worker about its swarm's mean, and of the means, over 600 swarms within 5 standard errors (1e-6).

    With r = 1 - eta, s = 1 - eta - k: eta^2 (1 - 1/n) / (1 - s^2) and eta^2 / (n (1 - r^2)). The second is the bias of a
    finite swarm, which the equation does not have; at n = 4 it is a third of the whole.
    """
    sgd, n, swarms = quadratic(0.1), 4, 600
    mc = sgd.simulate_swarm(fp.gaussian(0.0, 0.1), [80], 0.2, n_workers=n, n_swarms=swarms, seed=31)
    groups = mc.positions[0, :, 0].reshape(swarms, n)
    for sample, limit in (
        (groups.var(axis=1), 0.01 * (1 - 1 / n) / (1 - 0.7**2)),
        (groups.mean(axis=1) ** 2, 0.01 / n / (1 - 0.9**2)),
    ):
        assert abs(sample.mean() - limit) < 5 * sample.std() / np.sqrt(swarms)


@pytest.mark.parametrize("python", [False, True])
def test_the_coupling_alone_moves_no_mean_of_simulated_sgd(python):
    """With a linear gradient the mean of a swarm obeys an equation without the coupling: the same to round-off."""
    loss = quadratic(0.1).loss
    if python:
        loss = fp.SampleLoss.from_gradient(lambda w, c: w - c[:, 0], loss.table, ["w"])
    means = [
        fp.SGD(loss, 0.1)
        .simulate_swarm(fp.gaussian(1.0, 0.1), [0, 5, 50], k, n_workers=700, n_swarms=3, seed=1)
        .positions
        for k in (0.0, 0.3)
    ]
    means = [p.reshape(3, 3, 700).mean(axis=2) for p in means]
    assert np.abs(means[0][2]).max() < 0.1 < 0.9 < means[0][0].min()
    np.testing.assert_allclose(means[0], means[1], rtol=0.0, atol=1e-13)


def test_the_coupling_alone_moves_no_mean_of_the_equation():
    """As above for Euler steps and for the density, whose grid knows the drift to second order."""
    free, coupled = (fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.1, interaction=fp.Swarm(k)) for k in (0.0, 1.0))
    paths = [
        fp.simulate(eq, 1.0, [2.0], dt=0.05, n_paths=600, swarm_size=200, seed=3).at(2.0) for eq in (free, coupled)
    ]
    means = [p.reshape(3, 200).mean(axis=1) for p in paths]
    np.testing.assert_allclose(means[0], means[1], rtol=0.0, atol=1e-13)
    assert paths[1].std() < 0.8 * paths[0].std()
    gaps = []
    for cells in (200, 400):
        grid = fp.Grid((-3, 3), cells)
        ends = [fp.solve(eq, grid, fp.gaussian(1.0, 0.3), 2.0, rtol=1e-8).mean()[0, 0] for eq in (free, coupled)]
        gaps.append(abs(ends[0] - ends[1]))
    assert gaps[1] < 2e-4
    assert 3.5 < gaps[0] / gaps[1] < 4.5


def test_euler_steps_of_a_swarm_follow_its_density():
    """Wasserstein distance of 20 swarms of 500 within 5 of its standard errors, and of the bias of a finite swarm."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.05 * (1 + x**2), interaction=fp.Swarm(1.0))
    start, grid = fp.gaussian(0.5, 0.5), fp.Grid((-2.5, 2.5), 200)
    solution = fp.solve(eq, grid, start, 3.0)
    mc = fp.simulate(eq, start, [3.0], dt=0.01, n_paths=10_000, swarm_size=500, seed=2)
    swarms = mc.positions[0, :, 0].reshape(20, 500).mean(axis=1)
    assert abs(swarms.mean() - solution.mean()[0, 0]) < 5 * swarms.std() / np.sqrt(20)
    assert fp.distances.wasserstein(solution, mc).value < 5 * swarms.std() / np.sqrt(20)
    free = fp.simulate(
        fp.FokkerPlanck(drift=eq.drift, diffusion=eq.diffusion), start, [3.0], dt=0.01, n_paths=10_000, seed=2
    )
    assert fp.distances.wasserstein(solution, free).value > 15 * swarms.std() / np.sqrt(20)


@pytest.mark.parametrize(
    ("size", "rule"), [(1, "a whole number of at least 2"), (7, "a divisor of n_paths = 100"), (2.5, "a whole number")]
)
def test_bad_swarm_sizes(size, rule):
    eq = fp.FokkerPlanck(diffusion=0.1, interaction=fp.Swarm(1.0))
    with pytest.raises((ValueError, TypeError), match=f"`swarm_size` must be {rule}"):
        fp.simulate(eq, 0.0, [1.0], dt=0.1, n_paths=100, swarm_size=size)


def test_bad_swarms():
    with pytest.raises(ValueError, match="`swarm_size` must be None without an interaction"):
        fp.simulate(fp.FokkerPlanck(diffusion=0.1), 0.0, [1.0], dt=0.1, n_paths=100, swarm_size=10)
    with pytest.raises(ValueError, match="`strength` must be"):
        quadratic(0.1).simulate_swarm(0.8, [1], 2.0)
    with pytest.raises(ValueError, match="`momentum` must be 0 for a swarm"):
        quadratic(0.1, momentum=0.5).simulate_swarm(0.8, [1], 0.1)


@pytest.mark.parametrize(("model", "call"), [("exact", "(grid)"), ("gaussian-chain", "(grid, model='gaussian-chain')")])
def test_models_that_are_no_equation_say_where_they_are(model, call):
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2", ["w"], {"x": [-1, 1]}))
    with pytest.raises(ValueError, match=re.escape(f"It is no equation: use sgd.transfer_operator{call}.")):
        sgd.equation(model)
    with pytest.raises(TypeError, match=re.escape("Use sgd.equation(), or sgd.transfer_operator(grid).")):
        fp.solve(sgd, fp.Grid((-1, 1), 10), fp.point(0.0), 1)


@pytest.mark.parametrize(
    ("model", "options", "momentum"),
    [
        ("first-order", {}, 0.0),
        ("second-order", {}, 0.0),
        ("langevin", {"temperature": 0.1}, 0.0),
        ("levy", {"stability": 1.5}, 0.0),
        ("levy", {"stability": 1.5, "scale": 0.3}, 0.0),
        ("subdiffusive", {"time_order": 0.7}, 0.0),
        ("swarm", {"strength": 0.1}, 0.0),
        ("momentum", {}, 0.5),
        ("momentum", {"stability": 1.5}, 0.5),
    ],
)
def test_every_model_goes_to_other_processes(model, options, momentum):
    """Pickled and copied, after its kernels were compiled, it has the same coefficients to the last bit."""
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 + softplus(w*x)", ["w"], {"x": [0.0, 1.0, 0.3]}), 0.1, momentum=momentum)
    eq = sgd.equation(model, **options)
    grid = fp.Grid([(-2, 2)] * (2 if momentum else 1), 8)
    points = Points.centers(grid)
    for other in (pickle.loads(pickle.dumps(eq)), copy.deepcopy(eq)):
        for name in ("drift_at", "diffusion_at") + (() if eq.potential is None else ("potential_at",)):
            np.testing.assert_array_equal(getattr(other, name)(points), getattr(eq, name)(points))
        if eq.jumps is not None:
            for axis in range(grid.dim):
                ours, theirs = (jumps.scale_at(points.coords, axis) for jumps in (eq.jumps, other.jumps))
                np.testing.assert_array_equal(theirs, ours)
    again = pickle.loads(pickle.dumps(sgd))
    assert again.loss.hessian(0.4) == sgd.loss.hessian(0.4)
    assert repr(again) == repr(sgd)
