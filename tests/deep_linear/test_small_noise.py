"""Mean modes to first order in the noise: cases by hand, and the networks of the example."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fokkerplanck.deep_linear import AlignedStart, DeepLinear, ModeEquation, small_noise_modes


def test_one_layer_keeps_its_mean():
    # the loss is quadratic: E theta obeys gradient descent, s <- s + eta (s* - s), whatever the noise
    net = DeepLinear((3, 2), [2.0, 1.0], 0.1, 1, label_noise=0.5)
    found = small_noise_modes(net, [np.zeros((2, 3))], [0, 1, 10])
    want = (1.0 - 0.9 ** np.array([0, 1, 10]))[:, None] * [2.0, 1.0]
    np.testing.assert_allclose(found.descent, want, atol=1e-12)
    np.testing.assert_allclose(found.shift, 0.0, atol=1e-9)


@pytest.mark.parametrize("batch", [1, 4])
def test_one_step_of_a_chain(batch):
    # w2 w1 after one step: noise -eta w1 xi on w2 and -eta w2 xi on w1 adds eta^2 w1 w2 Var(xi), Var = (2 (s* - s)^2 + 1/4) / B
    net = DeepLinear((1, 1, 1), [1.0], 0.01, batch, label_noise=0.5)
    found = small_noise_modes(net, [np.array([[0.5]]), np.array([[0.8]])], [1])
    assert found.shift[0, 0] == pytest.approx(1e-4 * 0.4 * (2 * 0.6**2 + 0.25) / batch, rel=1e-6)


def test_modes_shift_one_another_at_depth_two():
    # one step from aligned weights: eta^2 / B (s* - s)(s_j* - s_j) s_j from the other mode, eta^2 C s / B from the own
    net = DeepLinear((2, 2, 2), [2.0, 1.0], 0.01, 1)
    weights = AlignedStart([0.5, 0.2]).draw(net, np.random.default_rng(0))
    found = small_noise_modes(net, weights, [1]).shift[0]
    own = np.array([2 * 1.5**2 * 0.5, 2 * 0.8**2 * 0.2])
    np.testing.assert_allclose(found, 1e-4 * (own + 1.5 * 0.8 * np.array([0.2, 0.5])), rtol=1e-6)


def test_the_equation_of_a_single_mode_shifts_alike():
    # a chain of depth 3: what noise adds to the mean, by the equation with all orders and here to the first
    net = DeepLinear((1, 1, 1, 1), [1.0], 0.01, 2, 0.2)
    weights = AlignedStart(0.1).draw(net, np.random.default_rng(0))
    steps, mode = [30, 60, 90], ModeEquation(3, 1.0, 0.01, 2, 0.2)
    flow = solve_ivp(lambda t, s: mode.descent(s), (0, 90), [0.1], t_eval=steps, rtol=1e-9, atol=1e-12).y[0]
    noisy = np.ravel(mode.density(0.1, steps).mean()) - flow
    found = small_noise_modes(net, weights, steps).shift[:, 0]
    assert np.abs(noisy).max() > 5e-4
    np.testing.assert_allclose(found, noisy, atol=0.25 * np.abs(noisy).max())


def test_large_networks_are_refused():
    net = DeepLinear((10, 20, 10), [1.0], 0.01, 1)
    with pytest.raises(ValueError, match="`net` must be a network of at most 300 weights, got 400"):
        small_noise_modes(net, [np.zeros((20, 10)), np.zeros((10, 20))], [1])
