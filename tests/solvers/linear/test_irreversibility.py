"""Equilibrium or not, entropy production and current, by criteria relative to rounding."""

import numpy as np
import pytest
from scipy.integrate import quad

import fokkerplanck as fp
from fokkerplanck.solvers.linear.irreversibility import dissipation
from fokkerplanck.solvers.linear.ring import ring_state

pytestmark = pytest.mark.filterwarnings("ignore:the density at the reflecting wall")  # boxes are small

CIRCLE = fp.Grid((0, 2 * np.pi), 400, "periodic")
SQUARE = fp.Grid([(-4, 4)] * 2, 60)


def ring_current(tilt, d):
    """J of mu = tilt + sin x by quadrature: D (1 - e^-A) / int_0^2pi int_0^2pi exp((W(y) - W(y + s)) / D), W' = -mu."""

    def potential(x):
        return -tilt * x + np.cos(x)

    x = np.linspace(0, 2 * np.pi, 2001)[:-1]
    step = x[1]
    inner = [np.exp((potential(y + x) - potential(y)) / d).sum() * step for y in x]
    return d * -np.expm1(-2 * np.pi * tilt / d) / (np.sum(inner) * step)


@pytest.mark.parametrize("d", [0.06, 0.02, 0.3])
def test_a_driven_ring_behind_a_barrier(d):
    """.3 + sin x was called an equilibrium; its current at D = .02 is 1.76e-26, where rounded fluxes gave -5e-17."""
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x: 0.3 + np.sin(x), diffusion=d), CIRCLE)
    current = ring_current(0.3, d)
    assert not st.is_equilibrium
    np.testing.assert_allclose(st.current, current, rtol=1e-3)
    assert st.entropy_production == pytest.approx(current * 2 * np.pi * 0.3 / d, rel=1e-3)
    assert st.irreversibility.rounding < 1e-12 * st.entropy_production
    assert "current flows" in repr(st)


def test_the_known_values_of_the_driven_ring():
    production = {0.06: 2.29e-8}
    for d, want in production.items():
        st = fp.stationary(fp.FokkerPlanck(drift=lambda x: 0.3 + np.sin(x), diffusion=d), CIRCLE)
        assert st.entropy_production == pytest.approx(want, rel=3e-3)
    assert ring_current(0.3, 0.02) == pytest.approx(1.76e-26, rel=3e-3)


def test_a_ring_driven_the_other_way_mirrors_it():
    there, back = (
        fp.stationary(fp.FokkerPlanck(drift=lambda x, s=s: s * (0.3 + np.sin(s * x)), diffusion=0.05), CIRCLE)
        for s in (1, -1)
    )
    np.testing.assert_allclose(back.current, -there.current, rtol=1e-9)
    assert back.entropy_production == pytest.approx(there.entropy_production, rel=1e-9)


def test_a_very_weak_drive_is_told_from_none():
    """Linear response: J = tilt / (int e^(W/D) int e^(-W/D)) 2 pi, entropy 2 pi tilt J / D."""
    d, tilt = 0.2, 1e-10
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x: tilt + np.sin(x), diffusion=d), CIRCLE)
    up, down = (quad(lambda x, s=s: np.exp(s * np.cos(x) / d), 0, 2 * np.pi)[0] for s in (1, -1))
    current = 2 * np.pi * tilt / (up * down)
    assert not st.is_equilibrium
    assert st.current[0, 0] == pytest.approx(current, rel=1e-3)
    assert st.entropy_production == pytest.approx(2 * np.pi * tilt * current / d, rel=1e-3)
    still = fp.stationary(fp.FokkerPlanck(drift=np.sin, diffusion=d), CIRCLE)
    assert still.is_equilibrium
    assert still.entropy_production == 0.0
    assert "no current (to rounding: below" in repr(still)


@pytest.mark.parametrize("curl", [1.0, 1e-4, 1e-8, 1e-11])
def test_a_turning_well_turned_ever_so_slowly(curl):
    """mu = -x + curl R x, D = 1/2: entropy production 2 curl^2, down to where rounding decides."""
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x, y: (-x + curl * y, -y - curl * x), diffusion=0.5), SQUARE)
    assert not st.is_equilibrium
    assert st.entropy_production == pytest.approx(2 * curl**2, rel=0.02)
    assert st.irreversibility.rounding < 0.1 * st.entropy_production


def test_below_rounding_it_is_said():
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x, y: (-x + 1e-17 * y, -y - 1e-17 * x), diffusion=0.5), SQUARE)
    assert st.is_equilibrium
    assert st.irreversibility.rounding > 2e-34
    assert (np.abs(st.current).max(axis=(1, 2)) <= st.irreversibility.current_rounding).all()


def test_a_driven_ring_in_the_plane_behind_a_barrier():
    """As in one dimension, beside a well across: the fluxes of the plane lie 10^10 times below the rounding of the traffic."""
    grid = fp.Grid([(0, 2 * np.pi), (-1.5, 1.5)], [100, 20], ["periodic", "reflecting"])
    eq = fp.FokkerPlanck(drift=lambda x, y: (0.3 + np.sin(x) + 0 * y, -y + 0 * x), diffusion=0.025)
    st = fp.stationary(eq, grid)
    want = 2 * np.pi * 0.3 / 0.025 * ring_current(0.3, 0.025)
    assert not st.is_equilibrium
    assert abs(st.entropy_production - want) < st.irreversibility.rounding + 0.01 * want
    assert st.irreversibility.rounding < 0.1 * want


def wavy(x, y):
    return (np.cos(x) + 0.3 * np.sin(2 * x)) * (1 + 0.5 * y) + y**2


@pytest.mark.parametrize("d", [0.5, 0.01])
@pytest.mark.parametrize("boundary", ["reflecting", ["periodic", "reflecting"]])
def test_potentials_are_equilibria(d, boundary):
    grid = fp.Grid([(-np.pi, np.pi), (-1.2, 1.3)], [40, 25], boundary)
    st = fp.stationary(fp.FokkerPlanck(potential=wavy, diffusion=d), grid)
    assert st.is_equilibrium
    assert st.entropy_production == 0.0


def test_what_a_potential_loses_beside_a_large_constant_stays_small():
    grid = fp.Grid([(-np.pi, np.pi), (-1.2, 1.3)], [40, 25])
    st = fp.stationary(fp.FokkerPlanck(potential=lambda x, y: 1e5 + wavy(x, y), diffusion=0.1), grid)
    assert st.entropy_production < 1e-17  # (1e5 * 1e-16 / 0.1)^2 times the traffic


def test_parts_apart_are_balanced_each_for_itself():
    grid = fp.Grid([(-1, 1), (-1, 1)], [12, 6])
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x + 0 * y, 0 * y), diffusion=[0.1, 0.0])
    st = fp.stationary(eq, grid, p0=fp.uniform([-1, -1], [1, 1]))
    assert st.stats["parts"] == 6
    assert st.is_equilibrium


def test_dissipation_does_not_know_units():
    rng = np.random.default_rng(3)
    current, p = rng.standard_normal((2, 5, 4)), rng.uniform(0.5, 1, (5, 4))
    d = np.array([[1.0, 0.95], [0.95, 1.0]])[:, :, None, None] * np.ones((5, 4))
    widths = np.ones((2, 5, 4))
    want = dissipation(current, current / p, d, widths)
    inverse = np.linalg.inv(d[:, :, 0, 0])
    assert want == pytest.approx(float(np.einsum("ixy,ij,jxy->", current, inverse, current / p)), rel=1e-10)
    s = np.array([1e-9, 1e4])
    scaled = d * np.outer(s, s)[:, :, None, None]
    flow = current * s[:, None, None] / (s[0] * s[1])
    got = dissipation(flow, flow / (p / (s[0] * s[1])), scaled, widths * s[:, None, None])
    assert got == pytest.approx(want, rel=1e-9)


def test_ring_state_is_none_elsewhere():
    assert ring_state(fp.generator(fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 10))) is None
    assert ring_state(fp.generator(fp.FokkerPlanck(drift=1.0, diffusion=0.0), CIRCLE)) is None
