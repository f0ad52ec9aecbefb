"""Orders of time from the growth of the mean square; fixed seeds, limits of 4 standard errors."""

import numpy as np
import pytest

import fokkerplanck as fp

TIMES = np.geomspace(0.1, 10, 12)


def squares(eq, **options):
    mc = fp.simulate(eq, 0.0, TIMES, dt=0.01, n_paths=4000, step_error=False, **options)
    square = mc.positions[:, :, 0] ** 2
    return square.mean(axis=1), square.std(axis=1) / np.sqrt(4000)


def test_closed_forms():
    assert fp.time_order_from_growth(TIMES, 2 * TIMES**0.6)[0] == pytest.approx(0.6)
    confined = fp.time_order_from_growth(TIMES, 0.5 * (1 - np.exp(-2 * TIMES)))
    assert confined[0] == pytest.approx(1.0, abs=1e-6)
    assert confined[1] < 1e-6


@pytest.mark.parametrize("order", [0.6, 1.0])
def test_free_spreading(order):
    """Times of one ensemble share their paths: errors are up to sqrt(n) too small."""
    found, error = fp.time_order_from_growth(TIMES, *squares(fp.FokkerPlanck(diffusion=0.5, time_order=order)))
    assert abs(found - order) < 4 * np.sqrt(12) * error
    assert error < 0.01


@pytest.mark.parametrize("order", [0.7, 1.0])
@pytest.mark.parametrize("errors", [True, False])
def test_confined_spreading(order, errors):
    """A straight line gives .495 for an ordinary Ornstein-Uhlenbeck process; right is 1, by this fit .99(2)."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, time_order=order)
    mean, error = squares(eq)
    found, uncertainty = fp.time_order_from_growth(TIMES, mean, error if errors else None)
    assert abs(found - order) < 4 * uncertainty < 0.2


def test_a_box_confines_too():
    found, error = fp.time_order_from_growth(TIMES, *squares(fp.FokkerPlanck(diffusion=0.5), grid=fp.Grid((-1, 1), 4)))
    assert found == pytest.approx(1.0, abs=0.12)
    assert error < 0.05


def test_what_is_no_spreading_is_said():
    with pytest.warns(fp.ModelWarning, match="Neither free nor confined"):
        fp.time_order_from_growth(TIMES, TIMES + TIMES**2)
    with pytest.warns(fp.ModelWarning, match="grows faster than that of noise"):
        fp.time_order_from_growth(TIMES, TIMES**1.5)
    with pytest.warns(fp.ModelWarning, match="Growth over 2 times cannot tell waiting from confinement"):
        fp.time_order_from_growth([1.0, 2.0], [1.0, 1.5])


def test_bad_input():
    with pytest.raises(ValueError, match="`mean_square` must be positive, one a time"):
        fp.time_order_from_growth([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="`times` must be positive and increasing"):
        fp.time_order_from_growth([0.0, 2.0], [1.0, 2.0])
