"""Stationary states with interactions: closed forms, both sides of transitions, what is unstable, neutral or not there."""

import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import iv

import fokkerplanck as fp

LINE = fp.Grid((-4, 4), 160)
RING = fp.Grid((-np.pi, np.pi), 64, "periodic")


def double_well(noise):
    """Desai and Zwanzig (1978): V = x^4 / 4 - x^2 / 2, attracted to the mean with strength 1."""
    return fp.FokkerPlanck(potential=lambda x: x**4 / 4 - x**2 / 2, diffusion=noise, interaction=fp.Swarm(1.0))


def mean_given(m, noise):
    """<x> under exp(-(V + (x - m)^2 / 2) / D)."""

    def weight(x):
        return np.exp(-(x**4 / 4 - m * x) / noise)

    return quad(lambda x: x * weight(x), -4, 4)[0] / quad(weight, -4, 4)[0]


def kuramoto(coupling):
    field = fp.MeanField(
        lambda x: [np.cos(x), np.sin(x)], lambda x, m: coupling * (m[1] * np.cos(x) - m[0] * np.sin(x))
    )
    return fp.FokkerPlanck(diffusion=0.5, interaction=field)


def order(st):
    return abs((st.masses * np.exp(1j * st.grid.centers[0])).sum())


@pytest.mark.parametrize(
    "pull",
    [fp.Swarm(2.0), fp.PairForce(lambda z: -z, strength=2.0), fp.MeanField(lambda x: x, lambda x, m: -2 * (x - m))],
    ids=["Swarm", "PairForce", "MeanField"],
)
def test_a_linear_force_keeps_a_gaussian(pull):
    """Variance D / 3 about 0.5; the mean decays at rate 1, the variance at 6, the third moment at 9, none at 3."""
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x: 0.5 - x, diffusion=0.6, interaction=pull), LINE)
    assert st.mean()[0] == pytest.approx(0.5, abs=1e-4)
    assert abs(st.covariance()[0, 0] - 0.2) <= 2 * st.error["covariance"][0, 0] + 1e-9
    assert st.covariance()[0, 0] == pytest.approx(0.2, rel=1e-3)
    assert st.stability.stable
    assert st.stability.growth == pytest.approx(-1.0, abs=0.01)
    assert abs(st.stability.growth + 1.0) <= 3 * st.stability.error + 1e-5
    assert abs(st.stability.rates + 6.0).min() < 0.05
    assert "stable, perturbations decay at rate" in repr(st)


def test_a_double_well_above_its_critical_noise():
    st = fp.stationary(double_well(1.0), LINE, fp.gaussian(1.5, 0.3))
    assert abs(st.mean()[0]) < 1e-8
    assert st.stability.stable


def test_a_double_well_below_its_critical_noise():
    """Three states: the one in the middle grows at d mean_given / dm > 1, the others are those of the quadrature."""
    exact = brentq(lambda m: mean_given(m, 0.2) - m, 0.3, 1.5)
    for side in (-1, 1):
        st = fp.stationary(double_well(0.2), LINE, fp.gaussian(0.05 * side, 0.5))
        assert st.mean()[0] == pytest.approx(side * exact, abs=1e-5)
        assert st.stability.stable
        assert st.error["density"] < 1e-3
    with pytest.warns(UserWarning, match="UNSTABLE, perturbations grow at rate .* Give p0"):
        middle = fp.stationary(double_well(0.2), LINE)
    assert abs(middle.mean()[0]) < 1e-8
    assert middle.stability.stable is False
    start = fp.solve(
        double_well(0.2), LINE, middle.density * (1 + 1e-4 * LINE.centers[0]), [0.0, 2.0, 4.0], error=False
    )
    grown = np.log(start.mean()[2, 0] / start.mean()[1, 0]) / 2.0
    assert grown == pytest.approx(middle.stability.growth, rel=0.01)


def test_the_growth_changes_sign_where_the_quadrature_says():
    critical = brentq(lambda d: (mean_given(1e-4, d) / 1e-4) - 1.0, 0.2, 1.0)
    for noise, stable in ((1.03 * critical, True), (0.97 * critical, False)):
        flat = fp.gaussian(0.0, 0.5)
        if stable:
            assert fp.stationary(double_well(noise), LINE, flat).stability.stable
        else:
            with pytest.warns(UserWarning, match="UNSTABLE"):
                assert fp.stationary(double_well(noise), LINE, flat).stability.stable is False


def test_oscillators_on_both_sides_of_the_critical_coupling():
    """r = I_1(K r / D) / I_0(K r / D); r = 0 grows at K / 2 - D; locked states are a circle, shifted at no cost."""
    below = fp.stationary(kuramoto(0.6), RING)
    assert below.stability.growth == pytest.approx(0.3 - 0.5, abs=2e-3)
    assert abs(below.stability.growth + 0.2) <= 2 * below.stability.error
    with pytest.warns(UserWarning, match=r"grow at rate 0\.24"):
        loose = fp.stationary(kuramoto(1.5), RING)
    assert order(loose) < 1e-10
    assert loose.stability.growth == pytest.approx(0.25, abs=2e-3)
    locked = brentq(lambda r: r - iv(1, 2 * 1.5 * r) / iv(0, 2 * 1.5 * r), 0.1, 1.0)
    for phase in (0.0, 2.0):
        st = fp.stationary(kuramoto(1.5), RING, lambda x, a=phase: (1 + 0.3 * np.cos(x - a)) / (2 * np.pi))
        assert order(st) == pytest.approx(locked, abs=1e-6)
        assert st.stability.stable is None
        assert "neutral within" in repr(st)
        angle = np.angle((st.masses * np.exp(1j * RING.centers[0])).sum())
        assert angle == pytest.approx(phase, abs=1e-3)
        assert st.error["density"] < 1e-3


def test_at_the_transition_itself_nothing_is_claimed():
    assert fp.stationary(kuramoto(1.0), RING).stability.stable is None


def test_a_gas_with_logarithmic_repulsion():
    """<x^2> = (strength + 2 D) / 2 in the trap -x, and moments that decay at 1, 2, 3, ... (Dyson)."""
    gas = fp.FokkerPlanck(
        drift=lambda x: -x, diffusion=0.1, interaction=fp.PairForce(potential=lambda z: -np.log(abs(z)))
    )
    st = fp.stationary(gas, LINE)
    assert st.covariance()[0, 0] == pytest.approx(0.6, rel=4e-4)
    assert abs(st.covariance()[0, 0] - 0.6) <= 2 * st.error["covariance"][0, 0]
    np.testing.assert_allclose(st.stability.rates.real[:3], [-1, -2, -3], rtol=5e-3)
    evolved = fp.solve(gas, LINE, st, [0.2], rtol=1e-5, error=False)
    assert np.abs(evolved.masses[-1] - st.masses).sum() < 1e-5


@pytest.mark.parametrize("strength", [1.0, -1.02], ids=["repulsion", "Keller-Segel"])
def test_gases_in_the_plane(strength):
    """The virial: <r^2> = (4 D + strength) / 2 in the trap -x, whatever the rest."""
    gas = fp.PairForce(potential=lambda x, y: -0.5 * np.log(x**2 + y**2), strength=strength)
    noise = 0.995 if strength < 0 else 0.2
    eq = fp.FokkerPlanck(potential=lambda x, y: (x**2 + y**2) / 2, diffusion=noise, interaction=gas)
    st = fp.stationary(eq, fp.Grid([(-5, 5), (-5, 5)] if strength < 0 else [(-3, 3), (-3, 3)], 32))
    exact = (4 * noise + strength) / 2
    assert np.trace(st.covariance()) == pytest.approx(exact, rel=5e-3)
    assert abs(np.trace(st.covariance()) - exact) <= 2 * np.trace(st.error["covariance"])
    assert st.stability.growth == pytest.approx(-1.0, abs=0.03)  # the centre of mass, in the trap


def test_a_diffusion_that_reads_the_variance():
    """D + 0.3 V: V = D / (1 - 0.3), and V decays at 2 - 0.6; D itself is that of the state."""
    noise = fp.MeanField(lambda x: [x, x**2], diffusion=lambda x, m: 0.3 * (m[1] - m[0] ** 2))
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2, interaction=noise), fp.Grid((-5, 5), 200))
    assert st.covariance()[0, 0] == pytest.approx(0.2 / 0.7, rel=1e-3)
    assert abs(st.stability.rates + 1.4).min() < 0.01
    np.testing.assert_allclose(st.diffusion, 0.2 + 0.3 * st.covariance()[0, 0])
    assert st.irreversibility.is_equilibrium


def test_a_mean_held_back_so_strongly_that_plain_iteration_would_swing():
    """mu = 1 - x - 20 <x>: at rest <x> = 1 / 21."""
    held = fp.MeanField(lambda x: x, lambda x, m: -20 * m + 0 * x)
    st = fp.stationary(fp.FokkerPlanck(drift=lambda x: 1 - x, diffusion=0.2, interaction=held), LINE, fp.gaussian(1, 1))
    assert st.mean()[0] == pytest.approx(1 / 21, abs=1e-6)
    assert st.stability.stable


def turning(x, y, m):
    """A mean that goes round a circle: a limit cycle of the averages, its centre unstable with rate 2 +- 2 i."""
    grow = 3 - 3 * (m[0] ** 2 + m[1] ** 2)
    return [grow * m[0] - 2 * m[1], grow * m[1] + 2 * m[0]]


def test_what_oscillates_has_an_unstable_state_or_none():
    eq = fp.FokkerPlanck(
        drift=lambda x, y: [-x, -y], diffusion=0.2, interaction=fp.MeanField(lambda x, y: [x, y], turning)
    )
    grid = fp.Grid([(-3, 3), (-3, 3)], 24)
    with pytest.warns(UserWarning, match="UNSTABLE, perturbations grow at rate .*, turning at"):
        st = fp.stationary(eq, grid)
    assert st.stability.rates[0].real == pytest.approx(2.0, abs=0.1)
    assert abs(st.stability.rates[0].imag) == pytest.approx(2.0, abs=0.1)
    with pytest.raises(fp.ConvergenceError, match=r"no stationary state was reached: .* Follow it with fp\.solve"):
        fp.stationary(eq, grid, fp.gaussian([0.3, 0], 0.5), error=False)


def test_attraction_beyond_the_critical_mass_falls_into_the_cells_and_is_said_to():
    collapsing = fp.PairForce(potential=lambda x, y: 0.5 * np.log(x**2 + y**2))
    eq = fp.FokkerPlanck(diffusion=0.15, interaction=collapsing)
    with pytest.warns(fp.GridErrorWarning, match=r"the error of the density is about 0\.9"):
        st = fp.stationary(eq, fp.Grid([(-2, 2), (-2, 2)], 16), fp.gaussian([0.02, 0.05], 0.4))
    assert np.trace(st.covariance()) < 2 * 0.25**2


def test_free_attraction_too_weak_to_hold_together_leans_on_the_walls():
    eq = fp.FokkerPlanck(diffusion=0.4, interaction=fp.PairForce(potential=lambda x, y: 0.5 * np.log(x**2 + y**2)))
    with pytest.warns(fp.ResolutionWarning, match="the box cuts it off"):
        st = fp.stationary(eq, fp.Grid([(-3, 3), (-3, 3)], 16))
    assert st.stability.stable


def test_other_answers_of_such_a_state(tmp_path):
    st = fp.stationary(double_well(0.2), fp.Box((-4, 4)), fp.gaussian(0.1, 0.5), tol=1e-3)
    assert st.error["density"] <= 1e-3
    assert st.extrapolated().stability.growth == st.stability.growth
    st.save(str(tmp_path / "state.nc"))
    np.testing.assert_array_equal(fp.load(str(tmp_path / "state.nc")).density[-1], st.density)
    assert fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), LINE).stability is None


def test_the_result_is_its_own_start():
    st = fp.stationary(double_well(0.2), LINE, fp.gaussian(0.1, 0.5), error=False)
    again = fp.stationary(double_well(0.2), LINE, st, error=False)
    np.testing.assert_allclose(again.masses, st.masses, atol=1e-10)


def test_three_dimensions():
    eq = fp.FokkerPlanck(potential=lambda x, y, z: (x**2 + y**2 + z**2) / 2, diffusion=0.3, interaction=fp.Swarm(1.0))
    st = fp.stationary(eq, fp.Grid([(-2, 2)] * 3, 16), error=False)
    np.testing.assert_allclose(np.diagonal(st.covariance()), 0.15, rtol=0.03)


def test_units_change_nothing():
    """Lengths in units of 1e-6, times in units of 1e9."""
    plain = fp.stationary(double_well(0.2), LINE, fp.gaussian(0.1, 0.5))
    a, b = 1e-6, 1e9
    eq = fp.FokkerPlanck(
        potential=lambda x: a**2 / b * ((x / a) ** 4 / 4 - (x / a) ** 2 / 2),
        diffusion=0.2 * a**2 / b,
        interaction=fp.Swarm(1.0 / b),
    )
    st = fp.stationary(eq, fp.Grid((-4 * a, 4 * a), 160), fp.gaussian(0.1 * a, 0.5 * a))
    assert st.mean()[0] == pytest.approx(plain.mean()[0] * a, rel=1e-9)
    assert st.stability.growth * b == pytest.approx(plain.stability.growth, rel=1e-4)
    assert st.stability.stable


def test_refusals():
    with pytest.raises(ValueError, match="`grid` must be closed somewhere for a stationary density"):
        fp.stationary(double_well(0.2), fp.Grid((-4, 4), 100, "absorbing"))
    with pytest.raises(ValueError, match="`grid` must be closed somewhere for a stationary density"):
        fp.stationary(double_well(0.2), fp.Grid((-4, 4), 100, "absorbing"), fp.gaussian(0, 0.5))
    still = fp.FokkerPlanck(diffusion=0.0, interaction=fp.Swarm(1.0))
    with pytest.raises(ValueError, match=r"`p0` must be given here, .* Without the interaction: "):
        fp.stationary(still, LINE)
    driven = fp.FokkerPlanck(drift=lambda x, t: np.sin(t) - x, diffusion=0.5, interaction=fp.Swarm(1.0))
    with pytest.raises(ValueError, match="`eq` must be independent of time here"):
        fp.stationary(driven, LINE)
    with pytest.raises(ValueError, match="without interaction"):
        fp.stationary(driven, LINE, period=2 * np.pi)
    with pytest.raises(ValueError, match="independent of time and of the density"):
        fp.stationary(double_well(0.2), fp.Grid((-4, 4), 100, "absorbing"), reset=fp.point(0.0))


def test_without_strength_it_is_the_linear_equation():
    alone = fp.FokkerPlanck(potential=lambda x: x**4 / 4 - x**2 / 2, diffusion=0.2)
    slow = fp.spectrum(alone, LINE, 2, error=False).rates[1]
    for nothing in (fp.Swarm(0.0), fp.MeanField(lambda x: x, lambda x, m: 0 * x), fp.PairForce(lambda z: 0 * z)):
        eq = fp.FokkerPlanck(potential=alone.potential, diffusion=0.2, interaction=nothing)
        st = fp.stationary(eq, LINE, error=False)
        np.testing.assert_allclose(st.density, fp.stationary(alone, LINE, error=False).density, atol=1e-9)
        assert st.stability.growth == pytest.approx(-slow, rel=1e-4)


def test_beside_jumps_a_full_tensor_and_zeros_of_the_noise():
    """The mean stays where the drift holds it, and the error is measured whatever the noise is."""
    tensor = lambda x, y: [[0.5 + 0.1 * x**2, 0.05 + 0 * x], [0.05 + 0 * x, 0.5 + 0 * y]]  # noqa: E731
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=tensor, interaction=fp.Swarm(1.0))
    st = fp.stationary(eq, fp.Grid([(-3, 3), (-3, 3)], 32))
    assert st.covariance()[0, 0] == pytest.approx(0.5 / (2 - 0.1), rel=0.03)
    assert st.error
    jumps = fp.PoissonJumps(rate=1.0, law=0.3)
    hopping = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.2, jumps=jumps, interaction=fp.Swarm(1.0))
    st = fp.stationary(hopping, fp.Grid((-5, 5), 160))
    assert st.covariance()[0, 0] == pytest.approx((0.4 + 0.3) / 4, rel=5e-3)  # 2 D + rate * variance, over 2 (1 + 1)
    assert st.stability.growth == pytest.approx(-1.0, abs=0.01)
    genes = fp.FokkerPlanck(diffusion=lambda x: 0.5 * x * (1 - x), interaction=fp.Swarm(1.0))
    st = fp.stationary(genes, fp.Grid((0, 1), 100), fp.gaussian(0.5, 0.1))
    assert st.covariance()[0, 0] == pytest.approx(1 / 12, rel=1e-3)  # Beta(2 m, 2 (1 - m)), here even
    assert st.stability.stable is None  # any mean


def test_states_that_any_shift_takes_to_another():
    """On a torus, from a phase between the cells; on coarse grids such a state creeps, and its error is known all the same."""
    torus = fp.Grid([(-np.pi, np.pi)] * 2, 48, "periodic")
    pull = fp.PairForce(potential=lambda x, y: -np.cos(x) - np.cos(y), strength=1.5)
    start = lambda x, y: (1 + 0.3 * np.cos(x)) * (1 + 0.2 * np.cos(y - 1)) / (4 * np.pi**2)  # noqa: E731
    st = fp.stationary(fp.FokkerPlanck(diffusion=0.3, interaction=pull), torus, start)
    locked = brentq(lambda r: r - iv(1, 5 * r) / iv(0, 5 * r), 0.1, 1.0)
    for axis in (0, 1):
        along = (st.masses.sum(axis=1 - axis) * np.exp(1j * torus.centers[axis])).sum()
        assert abs(along) == pytest.approx(locked, abs=3e-4)
        assert np.angle(along) == pytest.approx(axis, abs=0.01)
    assert st.stability.stable is None
    assert 1e-5 < st.error["density"] < 5e-3


def test_what_the_grid_does_not_conserve_is_said():
    """Dougherty's operator in a box too small for its tails: momentum and energy creep."""
    collide = fp.MeanField(lambda v: [v, v**2], lambda v, m: m[0] - v, lambda v, m: m[1] - m[0] ** 2 + 0 * v)
    eq = fp.FokkerPlanck(diffusion=0.0, interaction=collide)
    with pytest.warns(fp.ResolutionWarning, match="it creeps along a family of states"):
        st = fp.stationary(eq, fp.Grid((-5, 5), 200), fp.gaussian(0.25, 1.0), error=False)
    assert st.covariance()[0, 0] == pytest.approx(1.0, rel=1e-3)
    with pytest.raises(fp.ConvergenceError, match="or creep along where the equation conserves what the grid does not"):
        fp.stationary(eq, fp.Grid((-5, 5), 200), fp.gaussian(0.25, 1.2), error=False)


@pytest.mark.parametrize("turns", [5.0, 20.0, 60.0])
def test_perturbations_that_turn_fast_while_they_grow(turns):
    """Their means obey m' = (.2 +- i turns) m by hand; those nearest to zero decay at 1.5 and 3.6 without turning."""
    eq = fp.FokkerPlanck(
        drift=lambda x, y: [-x - turns * y, -y + turns * x],
        diffusion=0.5,
        interaction=fp.MeanField(lambda x, y: [x, y], lambda x, y, m: [1.2 * m[0] + 0 * x, 1.2 * m[1] + 0 * x]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is unstable, or that cells are wide
        found = fp.stationary(eq, fp.Grid([(-4, 4)] * 2, 40), fp.gaussian([0, 0], 0.7)).stability
    assert abs(found.growth - 0.2) < found.error
    assert abs(abs(found.rates[0].imag) - turns) < 0.01 * turns
