"""Paths of noise matrices whose Stratonovich drift D alone does not say, beside the Ito equations solved by hand."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.inference.coefficients import ito_drift


def shear(x, y):
    """Its Stratonovich drift is (0, 1/5); half div D would be (0, 1/10)."""
    one, zero = np.ones_like(x), np.zeros_like(x)
    return np.array([[one, zero], [0.4 * x, one]])


def turn(x, y):
    """A rotation: D is 1/2 everywhere, div D vanishes, and yet its Stratonovich drift is (0, -1/2)."""
    return np.array([[np.cos(x), np.sin(x)], [-np.sin(x), np.cos(x)]])


def back(x, y):
    return -2.0 * x, -2.0 * y


CASES = [(shear, 0.1), (turn, -0.25)]  # the stationary mean of y


@pytest.mark.parametrize("convention", ["stratonovich", 0.5])
@pytest.mark.parametrize(("noise", "mean"), CASES)
def test_paths_take_the_drift_of_the_noise_matrix(noise, mean, convention):
    eq = fp.FokkerPlanck(drift=back, noise=noise, convention=convention)
    ito = fp.FokkerPlanck(drift=lambda x, y: (-2.0 * x, -2.0 * y + 2.0 * mean), noise=noise)
    one, other = (fp.simulate(e, fp.point([0.0, 0.0]), [3.0], 0.01, n_paths=5000, seed=1) for e in (eq, ito))
    np.testing.assert_allclose(one.at(3.0), other.at(3.0), atol=1e-3)
    assert abs(one.mean()[0, 1] - mean) < 4.0 * one.at(3.0)[:, 1].std() / np.sqrt(5000)


@pytest.mark.parametrize("convention", ["stratonovich", 0.5])
@pytest.mark.parametrize(("noise", "mean"), CASES)
def test_densities_take_it_too(noise, mean, convention):
    eq = fp.FokkerPlanck(drift=back, noise=noise, convention=convention)
    grid = fp.Grid([(-3, 3), (-3, 3)], [48, 48])
    np.testing.assert_allclose(fp.stationary(eq, grid, error=False).mean(), [0.0, mean], atol=0.005)


@pytest.mark.parametrize(("noise", "mean"), CASES)
def test_fits_read_it_too(noise, mean):
    eq = fp.FokkerPlanck(drift=back, noise=noise, convention=0.5)
    x = np.array([[0.3, -0.7], [0.1, 0.4]])
    np.testing.assert_allclose(ito_drift(eq, x, np.ones(2)), -2.0 * x + [[0.0], [2.0 * mean]], atol=1e-6)


def test_paths_of_a_tensor_that_stratonovich_does_not_define_are_refused():
    tensor = [[0.5, lambda x, y: 0.2 * x], [lambda x, y: 0.2 * x, lambda x, y: 0.5 + 0.08 * x**2]]
    eq = fp.FokkerPlanck(drift=back, diffusion=tensor, convention="stratonovich")
    with pytest.raises(ValueError, match="pass `noise` instead of `diffusion`"):
        fp.simulate(eq, fp.point([0.0, 0.0]), [1.0], 0.1, n_paths=10, seed=1)


def test_as_many_numbers_as_paths_are_starts_on_a_line():
    """By the functions of the equation or by its names; else they are one point, as they always were."""
    starts, still = np.linspace(-1.0, 1.0, 40), {"n_paths": 40, "seed": 1, "step_error": False}
    equations = [
        fp.FokkerPlanck(drift=lambda x: 0 * x, diffusion=0.0),
        fp.FokkerPlanck(drift=lambda x, t: t + 0 * x, diffusion=0.0),
        fp.FokkerPlanck(diffusion=0.0, names=["angle"]),
    ]
    for eq in equations:
        found = fp.simulate(eq, starts, [0.0], 0.1, **still)
        np.testing.assert_array_equal(found.positions[0, :, 0], starts)
    many = fp.simulate(fp.FokkerPlanck(drift=lambda *x: [-c for c in x], diffusion=0.0), starts, [0.0], 0.1, **still)
    assert many.dim == 40
    pair = fp.simulate(
        fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.0), [1.0, 2.0], [0.0], 0.1, n_paths=2, seed=1
    )
    assert pair.dim == 2
