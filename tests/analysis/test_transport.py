"""Drift and diffusion of periodic systems: Lifson and Jackson 1962, Stratonovich 1958, Reimann et al. 2001."""

import numpy as np
import pytest
from scipy import stats
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
    with pytest.raises(ValueError, match="without Levy jumps"):
        fp.effective_transport(fp.FokkerPlanck(jumps=fp.LevyJumps(stability=1.5)), RING)
    far = fp.FokkerPlanck(diffusion=0.1, jumps=fp.PoissonJumps(rate=1.0, law=stats.t(df=3)))
    with pytest.raises(ValueError, match="with jumps that end within some periods"):
        fp.effective_transport(far, fp.Grid((0, 1), 32, "periodic"))
    kernel = fp.PoissonJumps(rate=1.0, law=lambda a, b: 1.0 * ((b > 0) & (b < 1)) + 0 * a)
    with pytest.raises(ValueError, match="jumps of given sizes"):
        fp.effective_transport(fp.FokkerPlanck(diffusion=0.1, jumps=kernel), fp.Grid((0, 1), 32, "periodic"))


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_jumps_on_an_even_circle_by_hand(scale):
    """Exponential sizes s at rate 2 add 2 s to the velocity and 2 s^2 to D; of those of 2 one in 23 goes round.

    Drift a on cells of width h widens D to D x coth x, x = a h / (2 D).
    """
    eq = fp.FokkerPlanck(drift=0.4, diffusion=0.1, jumps=fp.PoissonJumps(rate=2.0, law=stats.expon(scale=scale)))
    found = fp.effective_transport(eq, fp.Grid((0, 2 * np.pi), 96, "periodic"), error=False)
    x = 0.4 * (2 * np.pi / 96) / 0.2
    assert found.velocity[0] == pytest.approx(0.4 + 2 * scale, rel=1e-6)
    assert found.diffusion[0, 0] == pytest.approx(0.1 * x / np.tanh(x) + 2 * scale**2, rel=1e-6)


def test_small_jumps_are_a_drift_and_a_diffusion():
    """Normal sizes of mean .01 and deviation .025 at rate 80 (1 + cos(x) / 2), in a tilted wave: those of the Ito equation."""
    wave, law = lambda x: 0.3 + np.sin(x), stats.norm(0.01, 0.025)
    jumping = fp.FokkerPlanck(
        drift=wave, diffusion=0.2, jumps=fp.PoissonJumps(rate=lambda x: 80 * (1 + 0.5 * np.cos(x)), law=law)
    )
    square = 0.01**2 + 0.025**2
    smooth = fp.FokkerPlanck(
        drift=lambda x: wave(x) + 0.8 * (1 + 0.5 * np.cos(x)),
        diffusion=lambda x: 0.2 + 40 * square * (1 + 0.5 * np.cos(x)),
    )
    ring = fp.Grid((0, 2 * np.pi), 512, "periodic")
    one, other = (fp.effective_transport(eq, ring) for eq in (jumping, smooth))
    assert one.velocity[0] == pytest.approx(other.velocity[0], rel=2e-3)
    assert one.diffusion[0, 0] == pytest.approx(other.diffusion[0, 0], rel=2e-3)
    assert one.error["diffusion"] < 2e-3 * one.diffusion[0, 0]


def test_a_ratchet_of_jumps_against_simulation():
    """One-sided jumps in a wave, unwound: means of 4000 paths, 5 standard errors of the velocity, 12 % of the diffusion."""
    eq = fp.FokkerPlanck(
        drift=lambda x: np.sin(x), diffusion=0.2, jumps=fp.PoissonJumps(rate=0.5, law=stats.expon(scale=1.5))
    )
    found = fp.effective_transport(eq, fp.Grid((0, 2 * np.pi), 128, "periodic"))
    paths = fp.simulate(eq, 0.0, [20.0, 60.0], 0.02, n_paths=4000, seed=3, step_error=False)
    moved = paths.positions[1, :, 0] - paths.positions[0, :, 0]
    error = moved.std() / 40 / np.sqrt(4000)
    assert abs(moved.mean() / 40 - found.velocity[0]) < 5 * error
    spread = (paths.positions[1, :, 0].var() - paths.positions[0, :, 0].var()) / 80
    assert spread == pytest.approx(found.diffusion[0, 0], rel=0.12)
