"""Derivatives by a parameter and linear response: the Ornstein-Uhlenbeck process, and the slope between two answers."""

import numpy as np
import pytest

import fokkerplanck as fp

GRID = fp.Grid((-5, 5), 200)


def pull(k):
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=0.5)


def test_derivative_of_the_variance_by_the_stiffness():
    found = fp.response(pull, 2.0, GRID, lambda x: x**2)
    assert found.derivative == pytest.approx(-0.5 / 2.0**2, rel=5e-3)  # <x^2> = D / k
    assert abs(found.derivative + 0.125) < 3 * found.error["values"][0] + 1e-9


def test_response_to_a_force_that_oscillates():
    w = np.array([0.0, 1.0, 4.0])
    found = fp.response(lambda a: fp.FokkerPlanck(drift=lambda x: a - 2 * x, diffusion=0.5), 0.0, GRID, lambda x: x, w)
    assert np.abs(found.values - 1 / (2 + 1j * w)).max() < 2e-3
    assert (np.abs(found.values - 1 / (2 + 1j * w)) <= 3 * found.error["values"] + 1e-9).all()


def test_derivative_is_the_slope_between_two_answers_in_two_dimensions():
    def shear(a):
        return fp.FokkerPlanck(drift=lambda x, y: [-x + a * y, -y], diffusion=0.4)

    grid = fp.Grid([(-3, 3), (-3, 3)], [32, 32])
    found = fp.response(shear, 0.7, grid, lambda x, y: x * y, error=False).derivative
    up, down = (fp.stationary(shear(a), grid, error=False).covariance()[0, 1] for a in (0.71, 0.69))
    assert found == pytest.approx((up - down) / 0.02, rel=1e-4)
    assert found == pytest.approx(0.2, rel=0.03)  # <x y> = a D / 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="`family` must be"):
        fp.response(pull(1.0), 1.0, GRID, lambda x: x)
    with pytest.raises(ValueError, match="from 0 on"):
        _ = fp.response(pull, 2.0, GRID, lambda x: x, 1.0, error=False).derivative
