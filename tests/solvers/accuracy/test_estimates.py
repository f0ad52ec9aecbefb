"""Errors from three grids: Richardson's by hand, and what does not converge."""

import numpy as np
import pytest

from fokkerplanck.solvers.accuracy.estimates import Errors, estimate


def answers(order, constant=0.3, h=0.1):
    """q_h - q_2h and q_2h - q_4h of q_h = 1 + C h^p, and the error of q_h."""
    q = [1.0 + constant * (k * h) ** order for k in (1, 2, 4)]
    return q[0] - q[1], q[1] - q[2], abs(q[0] - 1.0)


@pytest.mark.parametrize("order", [0.75, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("constant", [0.3, -2.0])
def test_a_single_power_gives_its_own_error(order, constant):
    fine, coarse, true = answers(order, constant)
    found = estimate(np.array(fine), np.array(coarse))
    assert found.error == pytest.approx(true, rel=1e-12)
    assert found.order == pytest.approx(order, abs=1e-12)
    assert found.converging


def test_an_order_above_that_of_the_scheme_is_not_believed():
    """Where order 4 is seen by a scheme of order 2, the two coarser grids speak: D1 / 4 / 3."""
    fine, coarse, true = answers(4.0)
    assert estimate(np.array(fine), np.array(coarse)).error == pytest.approx(abs(coarse) / 12.0)
    assert abs(coarse) / 12.0 > true
    fine, coarse, true = answers(2.0)
    assert estimate(np.array(fine), np.array(coarse), cap=1.0).error == pytest.approx(abs(coarse) / 2.0)


def test_what_does_not_shrink_or_turns_back_does_not_converge():
    found = estimate(np.array([0.5, 0.1, 1e-9]), np.array([0.5, -0.4, 0.4]))
    np.testing.assert_array_equal(found.converging, [False, False, True])
    np.testing.assert_allclose(found.error[:2], [0.5, 0.4])


def test_changes_below_the_floor_are_none():
    found = estimate(np.array([1e-15, -1e-15, 1e-3]), np.array([-1e-15, 1e-5, 1e-15]), floor=1e-13)
    np.testing.assert_array_equal(found.converging, [True, True, False])
    assert found.error[0] == 1e-13
    assert found.error[1] == 1e-13


def test_a_grid_that_knows_nothing_says_nothing():
    """A rate that is a thousand times too large on the coarsest grid, and has settled on the two finer ones."""
    found = estimate(np.array(-0.01), np.array(-1000.0))
    assert found.converging
    assert 0.01 / 3 < found.error < 0.1


def test_complex_numbers_turn_only_when_their_changes_do():
    turned = np.exp(0.3j)
    assert estimate(np.array(0.1 * turned), np.array(0.4)).converging
    assert not estimate(np.array(-0.1 * turned), np.array(0.4)).converging


def test_what_is_not_finite_has_no_finite_error():
    found = estimate(np.array([np.nan, np.inf]), np.array([0.1, 0.1]))
    assert np.isnan(found.error[0])
    assert found.error[1] == np.inf
    assert not found.converging.any()


def test_errors_are_a_mapping_that_says_what_it_has():
    errors = Errors({"mean": np.zeros(2)}, 2.0, True, "grid error 1e-3")
    assert list(errors) == ["mean"]
    assert len(errors) == 1
    with pytest.raises(KeyError, match="no error of 'mode': there is 'mean'"):
        errors["mode"]
    with pytest.raises(KeyError, match="not asked for"):
        Errors.unknown("not asked for")["mean"]
