"""Curves on which D vanishes: nobody passes what Feller's classification closes, and a gate is passed one way."""

import numpy as np
import pytest

import fokkerplanck as fp

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.ResolutionWarning")


def ring(x, y):
    return 0.1 * (1 - x**2 - y**2) ** 2


def share(s, region):
    return float((s.density[-1] * s.grid.volumes)[region(*np.meshgrid(*s.grid.centers, indexing="ij"))].sum())


def outside(s):
    return share(s, lambda x, y: x**2 + y**2 > 1)


def after(eq, t, n, start=(0, 0)):
    return fp.solve(eq, fp.Grid([(-2, 2), (-2, 2)], [n, n]), fp.gaussian(start, 0.1), [t], error=False)


@pytest.mark.parametrize("n", [31, 32, 40])
def test_a_circle_without_noise_is_not_crossed(n):
    """P(r > 1) at t = 200 was .33 to .19."""
    s = after(fp.FokkerPlanck(diffusion=ring), 200.0, n)
    assert outside(s) < 1e-12
    assert s.mass[0] == pytest.approx(1.0, abs=1e-6)
    assert "natural, attracting (nothing passes)" in s.message
    assert "D = 0 on a curve" in s.message


def test_a_tangential_drift_does_not_cross_it():
    s = after(fp.FokkerPlanck(drift=lambda x, y: (-y, x), diffusion=ring), 20.0, 40)
    assert outside(s) < 1e-9


def test_a_drift_outwards_crosses_it_one_way():
    eq = fp.FokkerPlanck(drift=lambda x, y: (0.3 * x, 0.3 * y), diffusion=ring)
    assert outside(after(eq, 20.0, 32)) > 0.99
    inward = fp.FokkerPlanck(drift=lambda x, y: (-0.3 * x, -0.3 * y), diffusion=ring)
    assert outside(after(inward, 20.0, 32)) < 1e-9
    assert outside(after(inward, 20.0, 32, (1.5, 0))) < 0.05


def test_a_diagonal_through_cell_centers():
    """D = .1 (x - y)^2: centers lie on the zero itself, and it ends in corners of the box."""
    s = after(fp.FokkerPlanck(diffusion=lambda x, y: 0.1 * (x - y) ** 2), 20.0, 32, (0.5, -0.5))
    assert share(s, lambda x, y: x < y) < 1e-11


def test_a_narrow_minimum_that_is_none_stays_open():
    """D = .01 in the middle of 1: what crosses slowly does cross; evenly spread in the end, by Klimontovich."""
    eq = fp.FokkerPlanck(diffusion=lambda x, y: 0.01 + (x + y) ** 2, convention="klimontovich")
    s = after(eq, 300.0, 24, (0.8, 0.8))
    assert share(s, lambda x, y: x + y < 0) == pytest.approx(0.5, abs=0.03)
    assert "curve" not in s.message


def test_a_regular_zero_is_open():
    """D = |x + y|, Klimontovich: regular from both sides, hence crossed."""
    eq = fp.FokkerPlanck(diffusion=lambda x, y: np.abs(x + y + 0.01 * np.pi) ** 0.5, convention="klimontovich")
    s = after(eq, 100.0, 24, (0.8, 0.8))
    assert share(s, lambda x, y: x + y < 0) == pytest.approx(0.5, abs=0.05)
