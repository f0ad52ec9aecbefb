"""The central flow of a network beside that of `SGD.central_flow`, at the edge of stability."""

import numpy as np
import pytest

import fokkerplanck as fp
import fokkerplanck.networks as fn

RATE, START, STEPS = 0.1, [0.01, 19.5], [0, 50, 100, 200]


def valley():
    """L = y x^2 / 2 + .025 (y - 21)^2, of sharpness y near x = 0: it climbs to 2 / eta = 20 and stays there."""
    return fn.Network.from_functions(
        lambda w, p: p.sum() * np.array([w[0] * w[1], 0.5 * w[0] ** 2 + 0.05 * (w[1] - 21)]),
        lambda w: np.array([0.5 * w[1] * w[0] ** 2 + 0.025 * (w[1] - 21) ** 2]),
        lambda w, v: np.array([w[1] * v[0] + w[0] * v[1], w[0] * v[0] + 0.05 * v[1]]),
        params=np.array(START),
    )


def test_it_slides_along_the_edge_and_is_of_first_order_in_its_substeps():
    loss = fp.SampleLoss("y*x**2/2 + 0.025*(y - 21)**2 + 0*z", ["x", "y"], {"z": [0.0]})
    right = fp.SGD(loss, RATE, None).central_flow(START, STEPS)
    found = {m: valley().central_flow(START, STEPS, RATE, substeps=m) for m in (4, 16)}
    off = {m: np.abs(flow.positions - right.positions).max() for m, flow in found.items()}
    assert off[16] < 2e-3
    assert off[16] < 0.4 * off[4] or off[4] < 1e-6
    assert found[16].sharpness[-1] == pytest.approx(20.0, rel=1e-3)
    assert found[16].variance[-1] == pytest.approx(right.variance[-1], rel=0.02)
    assert found[16].variance[-1] > 0.0 == found[16].variance[0]


def test_below_the_edge_it_is_the_gradient_flow():
    flow = valley().central_flow([0.0, 10.0], [0, 40], RATE, substeps=32)
    assert flow.positions[-1][1] == pytest.approx(21 - 11 * np.exp(-0.05 * RATE * 40), rel=1e-3)
    assert (flow.variance == 0.0).all()


@pytest.mark.parametrize("exact", [True, False])
def test_a_sharpness_that_does_not_change_is_not_pushed_down(exact):
    """A quadratic just at the edge, 20.01 for 20: descent there, exp(-.1 t) along the other axis, no variance."""
    h = np.array([20.01, 1.0])
    net = fn.Network.from_functions(
        lambda w, p: p.sum() * h * w,
        lambda w: np.array([0.5 * h @ w**2]),
        (lambda w, v: h * v) if exact else None,
        params=np.ones(2),
    )
    flow = net.central_flow([1.0, 1.0], [0, 20], RATE, substeps=32)
    assert (flow.variance == 0.0).all()
    assert flow.positions[-1][1] == pytest.approx(np.exp(-2.0), rel=5e-3)
    assert abs(flow.positions[-1][0]) < 1e-6


def descent(x, steps):
    """Points midway between steps of descent in the valley."""
    path = [np.array(x)]
    for _ in range(max(steps) + 1):
        path.append(path[-1] - RATE * valley().gradient(path[-1]))
    return np.array([0.5 * (path[k] + path[k + 1]) for k in steps])


@pytest.mark.parametrize("start", [[0.3, 25.0], [0.01, 22.0], [0.1, 21.0]])
def test_from_above_the_edge_it_is_where_descent_lands(start):
    """Descent is thrown out far below the edge, to 11 from 25; sliding down along the edge would end at 20."""
    steps = [0, 5, 10, 40, 60, 100, 150]
    flow, path = valley().central_flow(start, steps, RATE, substeps=16), descent(start, steps)
    assert 0 < flow.descent_steps < 100
    early = np.array(steps) < flow.descent_steps
    np.testing.assert_allclose(flow.positions[early], path[early], atol=1e-12)
    np.testing.assert_allclose(flow.positions[:, 1], path[:, 1], atol=0.06)
    assert path[:, 1].min() < 19.5
    assert flow.variance[1] > 0.0
    loss = fp.SampleLoss("y*x**2/2 + 0.025*(y - 21)**2 + 0*z", ["x", "y"], {"z": [0.0]})
    known = fp.SGD(loss, RATE, None).central_flow(start, steps)
    assert flow.descent_steps == known.descent_steps
    np.testing.assert_allclose(flow.positions, known.positions, atol=2e-3)


def test_descent_that_diverges_is_said():
    with pytest.raises(fp.ConvergenceError, match=r"diverges within \d+ steps; use a smaller learning rate"):
        valley().central_flow([1e3, 22.0], [0, 50], RATE)


def test_bad_steps_are_refused():
    with pytest.raises(ValueError, match="`steps`"):
        valley().central_flow(START, [0.5], RATE)


def test_a_perceptron_above_its_edge():
    """In single precision, where jax is."""
    pytest.importorskip("jax")
    net = fn.parity(4, 2)
    theta = net.start(0, 0)
    rate = 2.6 / np.linalg.eigvalsh(net.hessian(theta))[-1]
    flow = net.central_flow(theta, [0, 3], rate)
    assert flow.descent_steps == 4
    np.testing.assert_allclose(flow.sharpness[0] * rate, 2.6, rtol=0.1)
    for _ in range(3):
        theta = theta - rate * net.gradient(theta)
    np.testing.assert_allclose(flow.positions[1], theta - 0.5 * rate * net.gradient(theta), atol=1e-5)
