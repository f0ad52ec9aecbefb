"""SGD with momentum on its phase space: the quadratic by hand, and numbers free of the grid's first-order error."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd import heavy_ball_covariance, phase_space_limit


def heavy_ball(momentum):
    return fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1, momentum=momentum)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.95])
@pytest.mark.parametrize(("rate", "curvature", "noise"), [(0.1, 1.0, 1.0), (0.3, 2.5, 0.7)])
def test_the_heavy_ball_by_hand(momentum, rate, curvature, noise):
    """C = A C A^T + b b^T; without momentum reference case F1; m = 0.9, eta = 0.1: 0.5135 (F8)."""
    step = np.array([[1.0 - rate * curvature, momentum], [-rate * curvature, momentum]])
    kick = -rate * noise * np.ones(2)
    c = heavy_ball_covariance(rate, momentum, curvature, noise)
    np.testing.assert_allclose(step @ c @ step.T + np.outer(kick, kick), c, rtol=1e-12)
    if momentum == 0.0:
        assert c[0, 0] == pytest.approx(rate * noise**2 / (curvature * (2 - rate * curvature)), rel=1e-14)


def test_reference_case_f8():
    assert heavy_ball_covariance(0.1, 0.9)[0, 0] == pytest.approx(0.5135, abs=5e-5)


@pytest.mark.parametrize("arguments", [(4.0, 0.5), (0.1, 1.0), (0.1, -0.1), (-0.1, 0.5), (0.1, 0.5, 0.0)])
def test_where_the_heavy_ball_has_no_stationary_state(arguments):
    with pytest.raises(ValueError, match="`rate` must be positive and below"):
        heavy_ball_covariance(*arguments)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_the_limit_is_of_second_order_and_the_grid_of_first():
    """The equation's covariance by hand: 0.5, 0.05 and none between; 256 cells along theta err by 7 %, the limit by 0.5 %."""
    eq, by_hand = heavy_ball(0.9).equation("momentum"), np.diag([0.5, 0.05])
    box = [(-3.6, 3.6), (-1.15, 1.15)]
    scale = np.sqrt(np.outer(np.diag(by_hand), np.diag(by_hand)))
    errors, plain = [], []
    for cells in ((64, 64), (128, 90)):
        limit = phase_space_limit(lambda grid: fp.stationary(eq, grid).covariance(), box, cells)
        errors.append(np.abs(limit.value - by_hand).max() / 0.5)
        plain.append(np.abs(limit.fine - by_hand).max() / 0.5)
        assert (np.abs(limit.value - by_hand) <= limit.error + 1e-3 * scale).all(), "the bound holds"
    assert errors[1] < 0.006 < 0.05 < plain[1]
    assert 1.5 < np.log2(errors[0] / errors[1]) < 2.5
    assert 0.6 < np.log2(plain[0] / plain[1]) < 1.3


def test_bad_cells():
    with pytest.raises(ValueError, match="`cells` must be two numbers"):
        phase_space_limit(lambda grid: 0.0, [(-1, 1)], (32, 32))
