"""Which modes an observable sees: Hermite polynomials are those of the Ornstein-Uhlenbeck process (Risken 1989, 5.5)."""

import numpy as np
import pytest

import fokkerplanck as fp


@pytest.mark.parametrize("grid", [fp.Grid((-5, 5), 200), fp.Grid((-4.4, 5.3), 150)])
def test_ornstein_uhlenbeck(grid):
    """x + x^3 = 2.5 x + He_3, of variances 3.125 and 0.75 where that of x is 1/2."""
    modes = fp.spectrum(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), grid, 5)
    assert modes.rates == pytest.approx(np.arange(5), rel=5e-3, abs=1e-10)
    assert modes.shares(lambda x: x) == pytest.approx([0, 1, 0, 0, 0], abs=1e-7)
    assert modes.shares(lambda x: x**2) == pytest.approx([0, 0, 1, 0, 0], abs=1e-7)
    assert modes.shares(lambda x: 7 - x - x**3) == pytest.approx([0, 3.125 / 3.875, 0, 0.75 / 3.875, 0], abs=1e-6)


def test_they_make_up_the_correlation_without_detailed_balance():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x + 2 * y, -y - 2 * x], diffusion=0.5)
    grid, times = fp.Grid([(-4, 4), (-4, 4)], 32), np.array([0.0, 0.3, 1.0])
    modes = fp.spectrum(eq, grid, 6, error=False)
    shares = modes.shares(lambda x, y: x + 0 * y)
    found = fp.correlation(eq, grid, lambda x, y: x + 0 * y, times, error=False)
    assert (shares * np.exp(np.outer(times, modes.eigenvalues))).sum(axis=1) == pytest.approx(
        found.values / found.variance, abs=1e-4
    )
    assert np.abs(shares[1:3]) == pytest.approx(0.5, abs=1e-4)  # the pair -1 +- 2 i


def test_what_has_no_shares_is_refused():
    ou = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    with pytest.raises(ValueError, match="without absorbing walls"):
        fp.spectrum(ou, fp.Grid((-1, 1), 40, "absorbing"), 3, error=False).shares(lambda x: x)
    with pytest.raises(ValueError, match="not the same everywhere"):
        fp.spectrum(ou, fp.Grid((-4, 4), 40), 3, error=False).shares(lambda x: 0 * x + 0.3)
    apart = fp.FokkerPlanck(drift=lambda x: 0 * x, diffusion=lambda x: np.where(np.abs(x) < 0.5, 0.0, 0.3))
    with pytest.warns(fp.ResolutionWarning):
        modes = fp.spectrum(apart, fp.Grid((-2, 2), 40), 3, error=False)
    with pytest.raises(ValueError, match="one stationary density"):
        modes.shares(lambda x: x)
