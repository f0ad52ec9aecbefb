"""Heston's model: the price is a martingale, the mean variance is known, and calls are those of the characteristic function."""

import numpy as np
import pytest

import fokkerplanck as fp

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.ResolutionWarning")


def heston(kappa, theta, sigma, rho):
    def diffusion(x, v):
        return [[v / 2, rho * sigma * v / 2], [rho * sigma * v / 2, sigma**2 * v / 2]]

    return fp.FokkerPlanck(drift=lambda x, v: (-v / 2, kappa * (theta - v)), diffusion=diffusion)


def prices(eq, box, cells, v0, strikes):
    s = fp.solve(eq, fp.Grid(box, cells), fp.point((0.0, v0)), [1.0], error=False)
    masses = s.density[0] * s.grid.volumes
    assert masses.min() > -1e-9
    assert masses.sum() == pytest.approx(1.0, abs=1e-9)
    price, share = np.exp(s.grid.centers[0]), masses.sum(axis=1)
    calls = [float(share @ np.maximum(price - k, 0.0)) for k in strikes]
    return float(share @ price), s.mean()[0, 1], np.array(calls), s


def test_the_example_of_the_guide():
    """E exp(x) was .990, the mean of v .104 and the call .1059."""
    price, v, calls, s = prices(heston(2.0, 0.1, 0.8, -0.7), [(-2.5, 1.5), (0, 1.2)], [160, 120], 0.1, [1.0])
    assert price == pytest.approx(1.0, abs=1e-3)
    assert v == pytest.approx(0.1, abs=2e-4)
    assert calls[0] == pytest.approx(0.1118, abs=1.6e-3)
    assert "y = 0: regular (reflected)" in s.message


@pytest.mark.parametrize(
    ("parameters", "v0", "top", "want"),
    [
        ((1.5, 0.06, 0.9, -0.7), 0.06, 1.6, (0.227383492, 0.077640204, 0.009951396)),
        ((1.5, 0.06, 0.3, -0.7), 0.06, 0.6, (0.226207856, 0.093444890, 0.024447954)),
        ((1.5, 0.04, 0.6, 0.5), 0.04, 0.6, (0.206253047, 0.072025596, 0.029146569)),
    ],
)
def test_calls(parameters, v0, top, want):
    """Calls at .8, 1, 1.2 by integration of the characteristic function; Feller's condition holds in the second case only."""
    errors = []
    for cells in ([100, 62], [200, 125]):
        price, v, calls, _ = prices(heston(*parameters), [(-3, 1.5), (0, top)], cells, v0, [0.8, 1.0, 1.2])
        errors.append(max(np.abs(calls - want)))
        assert v == pytest.approx(v0, abs=3e-4)
    assert price == pytest.approx(1.0, abs=5e-4)
    assert errors[1] < 2.5e-3
    assert errors[1] < 0.65 * errors[0]


def test_axes_may_change_places():
    """The order of the coordinates does not matter."""
    eq = heston(2.0, 0.1, 0.8, -0.7)
    swapped = fp.FokkerPlanck(
        drift=lambda v, x: eq.drift(x, v)[::-1],
        diffusion=lambda v, x: [row[::-1] for row in eq.diffusion(x, v)[::-1]],
    )
    one = fp.solve(eq, fp.Grid([(-2.5, 1.5), (0, 1.2)], [40, 30]), fp.point((0, 0.1)), [1.0], rtol=1e-9)
    other = fp.solve(swapped, fp.Grid([(0, 1.2), (-2.5, 1.5)], [30, 40]), fp.point((0.1, 0)), [1.0], rtol=1e-9)
    np.testing.assert_allclose(other.density[0].T, one.density[0], atol=1e-6 * one.density.max())


def test_cells_have_the_moments_of_the_equation():
    """Beside the wall: E dx, E dv and E dx^2 are those of the equation, at the node, wherever no other wall is near."""
    eq, box = heston(2.0, 0.1, 0.8, -0.7), [(-2.5, 1.5), (0, 1.2)]
    q = fp.generator(eq, fp.Grid(box, [80, 100]))
    x, v = (c.ravel() for c in np.meshgrid(*q.grid.centers, indexing="ij"))
    back = q.adjoint
    inside = (np.abs(x + 0.5) < 1.0) & (v < 6 * 0.012)
    np.testing.assert_allclose((back @ x)[inside], (-v / 2)[inside], atol=1e-10)
    np.testing.assert_allclose((back @ v)[inside], 2 * (0.1 - v)[inside], rtol=1e-2)
    second = back @ x**2 - 2 * x * (back @ x)
    first = v < 0.012
    np.testing.assert_allclose(second[inside & ~first], v[inside & ~first], rtol=0.2)
    assert (second[inside & first] < 2.2 * v[inside & first]).all()


@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
def test_other_walls_of_the_price(boundary):
    """Periodic: nothing is lost and the mean of v is known. Absorbing, far away: the same mean, little lost."""
    grid = fp.Grid([(-2.5, 2.0), (0, 1.2)], [60, 40], boundary=[boundary, "reflecting"])
    s = fp.solve(heston(2.0, 0.1, 0.8, -0.7), grid, fp.point((0.0, 0.1)), [1.0], error=False)
    assert s.mass[0] == pytest.approx(1.0, abs=1e-9 if boundary == "periodic" else 5e-4)
    assert s.mean()[0, 1] == pytest.approx(0.1, abs=5e-4)


def test_coefficients_in_time():
    """theta = .1 + .1 t: E v = .05 + .1 t + .05 exp(-2t) from .1."""

    def drift(x, v, t):
        return (-v / 2, 2 * (0.1 + 0.1 * t - v))

    eq = fp.FokkerPlanck(drift=drift, diffusion=heston(2.0, 0.1, 0.8, -0.7).diffusion)
    s = fp.solve(eq, fp.Grid([(-2.5, 2.0), (0, 1.5)], [20, 40]), fp.point((0, 0.1)), [0.5], rtol=1e-4, error=False)
    assert s.mean()[0, 1] == pytest.approx(0.05 + 0.05 + 0.05 * np.exp(-1.0), abs=1e-3)


def test_no_correlation_is_the_diagonal_equation():
    price, v, _, _ = prices(heston(2.0, 0.1, 0.8, 0.0), [(-2.5, 2.0), (0, 1.2)], [90, 60], 0.1, [1.0])
    assert price == pytest.approx(1.0, abs=1.5e-3)
    assert v == pytest.approx(0.1, abs=5e-4)
