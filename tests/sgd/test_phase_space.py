"""SGD with momentum on its phase space: the quadratic by hand, and densities free of the grid's first-order error."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd import heavy_ball_covariance


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
def test_extrapolation_takes_off_what_the_grid_adds_to_the_noise():
    """The equation's covariance by hand: 0.5, 0.05 and none between; 256 cells along theta err by 7 %, then by 0.7 %."""
    eq, by_hand = heavy_ball(0.9).equation("momentum"), np.diag([0.5, 0.05])
    plain = fp.stationary(eq, fp.Grid([(-3.6, 3.6), (-1.15, 1.15)], [256, 90]))
    better = plain.extrapolated()
    scale = np.sqrt(np.outer(np.diag(by_hand), np.diag(by_hand)))
    off = [(np.abs(st.covariance() - by_hand) / scale).max() for st in (plain, better)]
    assert off[1] < 0.01 < 0.05 < off[0]
    assert off[1] < 1.3 * (better.error["covariance"] / scale).max()
