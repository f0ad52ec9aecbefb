"""Richardson extrapolation of densities and which orders allow it."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.accuracy.coarsening import coarsened
from fokkerplanck.solvers.accuracy.extrapolation import extrapolated_density, weights


@pytest.mark.parametrize(
    ("order", "first", "terms"), [(2.0, False, 2), (1.0, True, 3), (1.0, False, 0), (2.0, True, 0), (3.5, False, 0)]
)
def test_formulas_are_used_where_their_order_is_seen(order, first, terms):
    found = weights(order, first)
    assert len(found or ()) == terms
    if found:
        assert sum(found) == pytest.approx(1.0)
        assert sum(w * 2.0**k for k, w in enumerate(found)) * (terms == 3) == pytest.approx(0.0, abs=1e-12)  # no h left
        assert sum(w * 4.0**k for k, w in enumerate(found)) == pytest.approx(0.0, abs=1e-12)  # no h^2 left


def test_a_density_gains_two_orders_and_stays_positive():
    """OU, N(2, 0.3^2), t = 1: the normal law of mean 2/e and variance 0.09/e^2 + (1 - 1/e^2)/2."""
    grids = [fp.Grid((-6, 6), 384)]
    grids.append(coarsened(grids[0]))
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    densities = [fp.solve(eq, g, fp.gaussian(2, 0.3), [1.0], rtol=1e-10).density for g in grids]
    parts = weights(2.0, False)
    found = extrapolated_density(densities, grids, parts, np.ones(1))
    x, v = grids[0].centers[0], 0.09 * np.exp(-2) + 0.5 * (1 - np.exp(-2))
    exact = np.exp(-((x - 2 / np.e) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
    plain, better = (np.abs(d[0] - exact).sum() * 12 / 384 for d in (densities[0], found))
    assert plain < 4e-4
    assert better < 0.01 * plain
    assert (found >= 0.0).all()
    assert (found * grids[0].volumes).sum() == pytest.approx(1.0, abs=1e-14)
