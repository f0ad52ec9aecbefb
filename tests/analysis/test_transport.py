"""Drift and diffusion of periodic systems: Lifson and Jackson 1962, Stratonovich 1958, Reimann et al. 2001."""

import numpy as np
import pytest
from scipy.special import i0

import fokkerplanck as fp

RING = fp.Grid((0, 2 * np.pi), 128, "periodic")


def tilted(force, d, n=400):
    """(velocity, diffusion) of dx = (F + sin x) dt + sqrt(2 D) dW by the double integrals of Reimann et al.

    I+-(x) = int_0^L dy / D exp([+-V(x) -+ V(x -+ y)] / D), <v> = L (1 - e^(-F L / D)) / int I+, D_eff = D <I+^2 I-> / <I+>^3.
    """
    length = 2 * np.pi
    x = np.linspace(0, length, n, endpoint=False)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    y, h = 0.5 * length * (nodes + 1), 0.5 * length * weights

    def v(z):
        return np.cos(z) - force * z

    plus = np.array([(h * np.exp((v(a) - v(a - y)) / d)).sum() / d for a in x])
    minus = np.array([(h * np.exp((v(a + y) - v(a)) / d)).sum() / d for a in x])
    speed = (1 - np.exp(-length * force / d)) / plus.mean()
    return speed, d * (plus**2 * minus).mean() / plus.mean() ** 3


@pytest.mark.parametrize("d", [0.2, 0.5])
def test_without_a_tilt_diffusion_is_that_of_lifson_and_jackson(d):
    found = fp.effective_transport(fp.FokkerPlanck(potential=np.cos, diffusion=d), RING)
    assert found.diffusion[0, 0] == pytest.approx(d / i0(1 / d) ** 2, rel=1e-10)
    assert abs(found.velocity[0]) < 1e-12


@pytest.mark.parametrize(("force", "d"), [(0.8, 0.5), (1.2, 0.1)])
def test_tilted_washboard(force, d):
    found = fp.effective_transport(fp.FokkerPlanck(drift=lambda x: force + np.sin(x), diffusion=d), RING)
    speed, spread = tilted(force, d)
    assert found.diffusion[0, 0] == pytest.approx(spread, rel=1e-2)
    assert found.velocity[0] == pytest.approx(speed, rel=1e-10)  # on a ring exact
    assert abs(found.diffusion[0, 0] - spread) < 3 * found.error["diffusion"][0, 0]


def test_diffusion_converges_with_the_square_of_the_cells():
    eq, (_, right) = fp.FokkerPlanck(drift=lambda x: 0.8 + np.sin(x), diffusion=0.5), tilted(0.8, 0.5)
    grids = [fp.Grid((0, 2 * np.pi), n, "periodic") for n in (32, 64, 128)]
    off = [abs(fp.effective_transport(eq, g, error=False).diffusion[0, 0] - right) for g in grids]
    assert np.log2(np.array(off[:-1]) / off[1:]) == pytest.approx([2.0, 2.0], abs=0.1)


def test_taylor_dispersion():
    """Flow u (1 - cos 2 pi y) along x, D across a channel of width 1: D_eff = D + u^2 / (8 pi^2 D) (one cosine mode)."""
    u, d = 2.0, 0.3
    eq = fp.FokkerPlanck(drift=lambda x, y: [u * (1 - np.cos(2 * np.pi * y)), 0 * y], diffusion=d)
    found = fp.effective_transport(eq, fp.Grid([(0, 1), (0, 1)], [16, 64], ["periodic", "reflecting"]))
    assert found.velocity == pytest.approx([u, 0.0], abs=2e-3)
    upwinding = 0.02  # along x the cells are coarse, and the scheme adds up to u^2 h^2 / 12 D
    assert found.diffusion[0, 0] == pytest.approx(d + u**2 / (8 * np.pi**2 * d), abs=upwinding)
    assert found.diffusion[1, 1] == pytest.approx(0.0, abs=1e-10)  # nothing gets far across
    assert found.diffusion[0, 1] == pytest.approx(0.0, abs=1e-3)


def test_what_has_no_transport_is_refused():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    with pytest.raises(ValueError, match="periodic along an axis"):
        fp.effective_transport(eq, fp.Grid((-3, 3), 32))
    with pytest.raises(ValueError, match="without jumps"):
        fp.effective_transport(fp.FokkerPlanck(jumps=fp.LevyJumps(stability=1.5)), RING)
