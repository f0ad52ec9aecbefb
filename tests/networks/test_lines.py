"""The loss along a line between two minima."""

import numpy as np
import pytest

import fokkerplanck.networks as fn


def double_well():
    """(w0^2 - 1)^2 / 4 + w1^2 / 2, the same for two samples."""
    return fn.Network.from_functions(
        lambda w, p: p.sum() * np.array([w[0] ** 3 - w[0], w[1]]),
        lambda w: np.full(2, (w[0] ** 2 - 1) ** 2 / 4 + w[1] ** 2 / 2),
        params=np.zeros(2),
    )


def test_the_barrier_between_two_wells():
    line = fn.loss_along(double_well(), [-1.0, 0.0], [1.0, 0.0])
    assert line.barrier == pytest.approx(0.25)
    assert line.place == 0.5
    np.testing.assert_allclose(line.losses, ((2 * line.shares - 1) ** 2 - 1) ** 2 / 4, atol=1e-15)
    assert "0.25 above the chord" in repr(line)
    assert line.plot().axes[0].get_ylabel() == "loss"


def test_a_convex_loss_has_none():
    line = fn.loss_along(double_well(), [1.0, -1.0], [1.0, 3.0])
    assert line.barrier == 0.0
    assert "nowhere above" in repr(line)


def test_refusals():
    with pytest.raises(ValueError, match="`end` must be other parameters"):
        fn.loss_along(double_well(), [1.0, 0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="`end` must be finite, of shape"):
        fn.loss_along(double_well(), [1.0, 0.0], [1.0])
    with pytest.raises(ValueError, match="`points`"):
        fn.loss_along(double_well(), [1.0, 0.0], [0.0, 0.0], points=1)
