"""Correlation functions and power spectra of the Ornstein-Uhlenbeck process, and of a noisy rotation."""

import numpy as np
import pytest

import fokkerplanck as fp

K, D = 2.0, 0.5
OU = fp.FokkerPlanck(drift=lambda x: -K * x, diffusion=D)
GRID = fp.Grid((-4, 4), 200)


def test_correlation_of_the_position():
    found = fp.correlation(OU, GRID, lambda x: x, [0.0, 0.3, 1.0])
    right = D / K * np.exp(-K * found.lags)
    assert found.values == pytest.approx(right, rel=3e-3)
    assert (np.abs(found.values - right)[1:] < 3 * found.error["values"][1:]).all()
    assert found.variance == pytest.approx(found.values[0], rel=1e-8)
    assert found.time == pytest.approx(1 / K, rel=2e-3)
    assert found.average == pytest.approx(0.0, abs=1e-12)


def test_correlation_of_the_square():
    """x^2 is a Hermite mode and a constant: 2 (D / K)^2 exp(-2 K t)."""
    found = fp.correlation(OU, GRID, lambda x: x**2, [0.0, 0.4])
    assert found.values == pytest.approx(2 * (D / K) ** 2 * np.exp(-2 * K * found.lags), rel=5e-3)
    assert found.time == pytest.approx(0.5 / K, rel=3e-3)


def test_power_spectrum_is_a_lorentzian():
    w = np.array([0.0, 1.0, 5.0, 40.0])
    found = fp.power_spectrum(OU, GRID, lambda x: x, w)
    right = 2 * D / (K**2 + w**2)
    assert found.values == pytest.approx(right, rel=3e-3)
    assert (np.abs(found.values - right)[:3] < 3 * found.error["values"][:3]).all()


def test_power_spectrum_of_a_rotation_has_its_peak():
    """dz = (-a + i b) z dt + noise: S of x is D [1 / (a^2 + (w - b)^2) + 1 / (a^2 + (w + b)^2)]."""
    a, b, d = 1.0, 1.5, 0.5
    eq = fp.FokkerPlanck(drift=lambda x, y: [-a * x - b * y, b * x - a * y], diffusion=d)
    w = np.array([0.0, 1.5, 4.0])
    found = fp.power_spectrum(eq, fp.Grid([(-3.5, 3.5), (-3.5, 3.5)], [64, 64]), lambda x, y: x + 0 * y, w)
    right = d * (1 / (a**2 + (w - b) ** 2) + 1 / (a**2 + (w + b) ** 2))
    assert found.values == pytest.approx(right, rel=0.03)
    assert (np.abs(found.values - right) < 3 * found.error["values"]).all()


def test_figures_name_their_axes():
    spectrum = fp.power_spectrum(OU, GRID, lambda x: x, [0.1, 1.0, 10.0], error=False)
    fig = spectrum.plot()
    assert fig.axes[0].get_xlabel() == "angular frequency"
    assert fig.axes[0].get_yscale() == "log"
    assert fp.correlation(OU, GRID, lambda x: x, [0.1, 1.0], error=False).plot(ax=fig.axes[0]) is fig


def test_what_does_not_vary_is_refused():
    with pytest.raises(ValueError, match="not the same everywhere"):
        fp.correlation(OU, GRID, lambda x: 1.0 + 0 * x, [1.0])
