"""Landscapes, their critical points, the balanced chain and the central flow."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd import landscapes as ls
from fokkerplanck.sgd.critical_points import critical_points


def test_two_datapoints_has_its_known_points():
    """Reference case B: pit, barrier, curvature 97.6166."""
    land = ls.two_datapoints()
    assert np.abs(land.loss.gradient(np.array([land.minima[0][0], land.barriers[0][0], 2.0]))).max() < 1e-6
    points = critical_points(land.loss, [(0.8, 2.5)])
    kinds = {round(p.position[0], 5): p.kind for p in points}
    assert kinds == {1.00745: "minimum", 1.17431: "maximum", 2.0: "minimum"}
    pit = next(p for p in points if p.kind == "minimum" and p.position[0] < 1.5)
    assert pit.position[0] == pytest.approx(1.00745330, abs=1e-8)
    assert pit.eigenvalues[0] == pytest.approx(97.6166, rel=1e-6)


def test_saddle_of_the_scalar_net():
    """At the origin the Hessian is [[0, -s], [-s, 0]] with s = mean x y = 1; on the hyperbola one eigenvalue is zero."""
    land = ls.scalar_net(target=1.0)
    points = critical_points(land.loss, land.box)
    saddles = [p for p in points if p.kind == "saddle"]
    assert len(saddles) == 1
    np.testing.assert_allclose(saddles[0].position, 0.0, atol=1e-8)
    np.testing.assert_allclose(saddles[0].eigenvalues, [-1.0, 1.0], rtol=1e-9)
    line = [p for p in points if p.kind == "degenerate"]
    assert len(line) > 5
    np.testing.assert_allclose([np.prod(p.position) for p in line], 1.0, rtol=1e-6)
    assert {p.kind for p in points} == {"saddle", "degenerate"}


def test_maximum_and_unknown_loss():
    grad = fp.SampleLoss.from_gradient(
        lambda theta, s: -theta + 0 * s["c"],
        {"c": [0.0]},
        ["a", "b"],
        hessian=lambda theta, s: np.broadcast_to(-np.eye(2)[:, :, None], (2, 2, theta.shape[1])),
    )
    (top,) = critical_points(grad, [(-1, 1), (-1, 2)])
    assert top.kind == "maximum"
    assert np.isnan(top.loss)
    with pytest.raises(ValueError, match="`box` must be 2 pair"):
        critical_points(grad, [(0, 1)])


def test_width_enters_the_exponent_squared():
    """The claim: doubling the width multiplies the exponent by four. Escape times at two learning rates give it.

    ln(eta tau) = a / eta + const; a = 2 depth b^2 / noise^2 by Kramers, b = 1 on the left and `width` on the right.
    """
    land = ls.wide_and_narrow(width=2.0, depth=0.1, noise=1.0)
    slopes = []
    for start, target in ((land.minima[0][0], lambda w: w > 0.3), (land.minima[1][0], lambda w: w < -0.3)):
        logs, rates = [], (0.04, 0.05)
        for eta in rates:
            grid = fp.Grid((-2.1, 4.5), 660)
            sgd = fp.SGD(land.loss, eta)
            logs.append(np.log(eta * fp.first_passage(sgd.equation(), grid, target).at([start])))
        slopes.append((logs[0] - logs[1]) / (1 / rates[0] - 1 / rates[1]))
    assert slopes[0] == pytest.approx(0.2, rel=0.08)
    assert slopes[1] / slopes[0] == pytest.approx(4.0, rel=0.08)


def test_stationary_ratio_of_wide_and_narrow():
    """Predicted by quadrature, solved, and by the exact operator; other conventions give another ratio."""
    land = ls.wide_and_narrow(width=1.5, depth=0.05)
    sgd = fp.SGD(land.loss, 0.1)
    grid = fp.Grid(land.box[0], 1000)
    right = grid.centers[0] > 0
    predicted = ls.stationary_ratio(land, sgd)

    def ratio(masses):
        return masses[right].sum() / masses[~right].sum()

    assert ratio(fp.stationary(sgd.equation(), grid).masses) == pytest.approx(predicted, rel=5e-3)
    exact = ratio(sgd.transfer_operator(grid).stationary().masses)
    assert exact == pytest.approx(predicted, rel=0.1)
    last = ratio(fp.stationary(sgd.equation(convention="klimontovich"), grid).masses)
    assert last == pytest.approx(ls.stationary_ratio(land, sgd, alpha=1.0), rel=5e-3)
    assert abs(last - predicted) > 5 * abs(exact - predicted)


def test_degenerate_minimum():
    """w' = w - eta (1 +- noise) w^3 from 1: mean over both by hand; the noise vanishes at 0."""
    land = ls.degenerate(4, 0.5)
    assert land.loss.gradient(0.5)[0] == pytest.approx(0.125)
    assert land.loss.covariance(0.5)[0, 0] == pytest.approx((0.5 * 0.125) ** 2)
    assert land.loss.covariance(0.0)[0, 0] == 0.0


def test_balanced_chain_is_stationary_as_computed():
    """Reference case F4: L = 2, s* = sigma = 1, T = .02: mean .98958537, variance .020623008."""
    eq = ls.chain_equation(2, 1.0, 1.0, 0.02)
    st = fp.stationary(eq, fp.Grid((0.02, 4.0), 4000))
    assert st.mean()[0] == pytest.approx(0.98958537, rel=1e-5)
    assert st.covariance()[0, 0] == pytest.approx(0.020623008, rel=2e-4)


def test_balanced_chain_equals_descent():
    """Reference case F4: from s0 = .05, L = 2, sigma = .5, eta = .01, t = 1.5: SGD .50924(47), equation .50978(47).

    Simulation with 40,000 paths on the twelve samples with the same moments; 5 standard errors (false alarm 6e-7).
    """
    land = ls.scalar_chain(2, noise=0.5)
    mc = fp.SGD(land.loss, 0.01).simulate([np.sqrt(0.05)] * 2, [150], n_paths=40_000, seed=16)
    product = mc.positions[0].prod(axis=1)
    eq = ls.chain_equation(2, 1.0, 0.5, 0.01)
    solution = fp.solve(eq, fp.Grid.graded((1e-3, 4.0), lambda s: 4e-4 + 4e-3 * s), fp.point(0.05), [150.0])
    mean = solution.mean()[0, 0]
    assert mean == pytest.approx(0.50978, abs=3e-3)
    assert abs(product.mean() - mean) < 5 * product.std() / np.sqrt(product.size) + 2e-3


def test_regressions():
    rng = np.random.default_rng(17)
    x = rng.normal(size=(50, 2))
    y = x @ [1.0, -0.5] + 0.1 * rng.normal(size=50)
    land = ls.linear_regression(x, y)
    np.testing.assert_allclose(land.loss.gradient(*land.minima[0]), 0.0, atol=1e-12)
    labels = np.sign(y)
    logistic = ls.logistic_regression(x, labels)
    expected = np.logaddexp(0, -labels * (x @ [0.3, 0.2])).mean()
    assert logistic.loss.value(0.3, 0.2) == pytest.approx(expected, rel=1e-12)
    assert ls.linear_regression(x[:, 0], y).loss.dim == 1


def test_central_flow_at_the_edge():
    """Reference case F5: y = 20, z = 20 + 100 exp(-.001 t), sigma^2 = 2 (1 + exp(-.001 t))."""
    loss = fp.SampleLoss("y*x**2/2 + (y-21)**2/2 + 0.005*(y-z)**2 + 0*c", ["x", "y", "z"], {"c": [0.0]})
    steps = [500.0, 2000.0, 4000.0]
    flow = fp.SGD(loss, 0.1, batch_size=None).central_flow([1e-3, 20.0, 120.0], steps)
    fall = np.exp(-0.001 * np.array(steps))
    np.testing.assert_allclose(flow.positions[:, 1], 20.0, rtol=1e-6)
    np.testing.assert_allclose(flow.positions[:, 2], 20 + 100 * fall, rtol=1e-5)
    np.testing.assert_allclose(flow.variance, 2 * (1 + fall), rtol=1e-4)
    np.testing.assert_allclose(flow.sharpness, 20.0, rtol=1e-6)


def test_central_flow_equals_descent_and_leaves_the_edge():
    """Full-batch descent of F5 at t = 4000, window +-200: <x^2> 2.0370, z 21.842. Below the edge it is gradient flow."""
    loss = fp.SampleLoss("y*x**2/2 + (y-21)**2/2 + 0.005*(y-z)**2 + 0*c", ["x", "y", "z"], {"c": [0.0]})
    sgd = fp.SGD(loss, 0.1, batch_size=None)
    paths = sgd.simulate([1e-3, 20.0, 120.0], range(3800, 4201), n_paths=1).positions[:, 0]
    assert (paths[:, 0] ** 2).mean() == pytest.approx(2.0370, abs=2e-3)
    flow = sgd.central_flow([1e-3, 20.0, 120.0], [4000])
    assert flow.variance[0] == pytest.approx((paths[:, 0] ** 2).mean(), rel=2e-3)
    slow = fp.SGD(fp.SampleLoss("y*x**2/2 + (y-19)**2/2 + 0*c", ["x", "y"], {"c": [0.0]}), 0.1, batch_size=None)
    free = slow.central_flow([0.0, 5.0], [0.0, 10.0])
    assert free.positions[1, 1] == pytest.approx(19 - 14 * np.exp(-1.0), rel=1e-6)
    assert not free.variance.any()


BAD = [
    (ls.two_datapoints, {"pit": -1.0}, "pit", ValueError),
    (ls.wide_and_narrow, {"width": 0.0}, "width", ValueError),
    (ls.wide_and_narrow, {"depth": "deep"}, "depth", TypeError),
    (ls.degenerate, {"order": 3}, "order", ValueError),
    (ls.degenerate, {"order": 2.5}, "order", TypeError),
    (ls.scalar_net, {"noise": np.inf}, "noise", ValueError),
    (ls.scalar_chain, {"depth": 0}, "depth", ValueError),
    (ls.logistic_regression, {"x": [1.0, 2.0], "y": [0.0, 1.0]}, "y", ValueError),
    (ls.linear_regression, {"x": [1.0, 2.0], "y": [0.0]}, "y", ValueError),
]


@pytest.mark.parametrize(("make", "arguments", "name", "error"), BAD)
def test_bad_landscapes_are_refused(make, arguments, name, error):
    with pytest.raises(error, match=f"`{name}` must be"):
        make(**arguments)


def test_bad_flows_are_refused():
    sgd = fp.SGD(ls.two_datapoints().loss)
    for steps in ([], [-1.0], [2.0, 1.0]):
        with pytest.raises(ValueError, match="`steps` must be"):
            sgd.central_flow([1.0], steps)
    with pytest.raises(ValueError, match="`start` must be"):
        sgd.central_flow([1.0, 2.0], [1])


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("order", [2, 4])
def test_sgd_ends_in_a_degenerate_minimum_that_all_samples_share(order):
    """w' = -eta w^(k-1) takes w from 0.8 to (2 eta t)^(-1/2) = 0.07 in 1000 steps at k = 4, and nothing drives it out."""
    sgd, grid = fp.SGD(fp.landscapes.degenerate(order).loss, 0.1), fp.Grid((-1.5, 1.5), 400)
    start, inner = fp.gaussian(0.8, 0.1), abs(grid.centers[0]) < 0.1
    flows = fp.solve(sgd.equation(), grid, start, [50, 1000]), sgd.transfer_operator(grid).evolve(start, [50, 1000])
    paths = sgd.simulate(start, [50, 1000], n_paths=1000).fraction(lambda w: abs(w) < 0.1).value
    shares = [
        flow.masses[:, inner].sum(axis=1) + flow.atoms.get(0.0, 0.0) for flow in flows
    ]  # noise and drift end at 0
    for share in (paths, *shares):
        assert share[1] > 0.98
        assert (share[0] < 0.05) == (order == 4), "the flatter, the slower"
