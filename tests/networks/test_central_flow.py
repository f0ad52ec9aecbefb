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


def test_starts_above_the_edge_are_refused():
    with pytest.raises(ValueError, match=r"`learning_rate` must be at most 2 / S = 0\.09.*come down to it"):
        valley().central_flow([0.0, 22.0], [0, 5], RATE)
    with pytest.raises(ValueError, match="`steps`"):
        valley().central_flow(START, [0.5], RATE)
