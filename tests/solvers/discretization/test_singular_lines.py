"""Densities, atoms, passages and spectra of processes with singular boundaries, against closed forms."""

import numpy as np
import pytest
from scipy.special import gamma, gammainc, gammaincc

import fokkerplanck as fp


def wright_fisher(d, selection=0.0):
    return fp.FokkerPlanck(drift=lambda x: selection * x * (1 - x), diffusion=lambda x: d * x * (1 - x))


def bessel(d):
    return fp.FokkerPlanck(drift=lambda x: (d - 1) / (2 * x), diffusion=0.5)


def orders(errors):
    return np.log2(np.abs(np.array(errors[:-1]) / np.array(errors[1:])))


def test_wright_fisher_fixation():
    """Kimura's series at t = 1; the mean is a martingale. Reflecting at 0 and 1, it was .449 at t = 10."""
    errors = []
    for n in (50, 100, 200):
        s = fp.solve(wright_fisher(0.35), fp.Grid((0, 1), n), fp.point(0.3), [1.0, 60.0], rtol=1e-9)
        np.testing.assert_allclose(s.mean()[:, 0], 0.3, atol=1e-12)
        np.testing.assert_allclose(s.mass, 1.0, atol=1e-12)
        errors.append([s.atoms[0.0][0] - 0.337151, s.atoms[1.0][0] - 0.039367])
        assert s.atoms[1.0][1] == pytest.approx(0.3, abs=1e-8)
    assert np.abs(errors[-1]).max() < 4e-5
    assert np.abs(errors[-1]).max() < 0.25 * np.abs(errors[0]).max()
    assert "x = 0: exit (what arrives stays, as an atom)" in s.message
    assert "atom       0.7 at x = 0" in repr(s)


def test_fixation_with_selection():
    s = fp.solve(wright_fisher(0.35, 2.0), fp.Grid((0, 1), 200), fp.point(0.3), [60.0])
    assert s.atoms[1.0][0] == pytest.approx(0.8226211083, abs=3e-5)
    assert s.atoms[0.0][0] + s.atoms[1.0][0] == pytest.approx(1.0, abs=1e-7)


def test_stationary_of_what_is_fixed_is_two_atoms():
    eq, grid = wright_fisher(0.35), fp.Grid((0, 1), 50)
    st = fp.stationary(eq, grid, fp.point(0.3))
    assert st.atoms == pytest.approx({0.0: 0.7, 1.0: 0.3}, abs=1e-12)
    assert st.mass == pytest.approx(1.0)
    assert st.mean()[0] == pytest.approx(0.3)
    assert st.message.startswith("no stationary density: all ends in x = 0, x = 1")
    with pytest.raises(ValueError, match="2 closed parts: the point 0; the point 1"):
        fp.stationary(eq, grid)


def test_passage_and_committor_of_wright_fisher():
    """x is a martingale: from .3, .6 is reached before 0 with probability 1/2, and the mean time to it is infinite."""
    eq, grid = wright_fisher(0.35), fp.Grid((0, 1), 100)
    passage = fp.first_passage(eq, grid, lambda x: x > 0.6)
    assert np.isinf(passage.mean[grid.centers[0] < 0.6]).all()
    assert passage.survival([80.0], fp.point(0.3))[0] < 0.5 + 1e-6
    q = fp.committor(eq, grid, lambda x: x < 0.1, lambda x: x > 0.6)
    assert grid.interpolate(q, 0.3) == pytest.approx(0.4, abs=1e-3)


def test_the_unfixed_decay_with_the_rates_of_kimura():
    """-d j (j + 1)."""
    spectrum = fp.spectrum(wright_fisher(0.35), fp.Grid((0, 1), 200), 3)
    np.testing.assert_allclose(spectrum.eigenvalues.real, [-0.7, -2.1, -4.2], rtol=1e-3)


def test_feller_diffusion_is_absorbed(solve):
    """D = x from 1: the mean stays 1 and P(X = 0, t) = exp(-1/t)."""
    errors = []
    for n in (200, 400, 800):
        s = solve(fp.FokkerPlanck(diffusion=lambda x: x), fp.Grid((0, 40), n), fp.point(1.0), [2.0])
        assert s.mean()[0, 0] == pytest.approx(1.0, abs=1e-6)
        errors.append(s.atoms[0.0][0] - np.exp(-0.5))
    assert abs(errors[-1]) < 5e-4
    assert orders(errors).min() > 1.4


@pytest.mark.parametrize("exponent", [0.5, 0.6])
def test_constant_elasticity_absorbed_at_zero(exponent, solve):
    """P(X = 0, t) = Q(nu, x^(2(1-g)) / (2 (1-g)^2 s^2 t)), nu = 1 / (2 (1-g)) (Cox 1975), s^2 = 2 here."""
    eq = fp.FokkerPlanck(diffusion=lambda x: x ** (2 * exponent))
    nu = 1 / (2 * (1 - exponent))
    want = gammaincc(nu, 1 / (4 * (1 - exponent) ** 2))
    errors = []
    for n in (200, 800):
        s = solve(eq, fp.Grid((0, 30), n), fp.point(1.0), [1.0])
        assert s.mean()[0, 0] == pytest.approx(1.0, abs=1e-5)
        errors.append(abs(s.atoms[0.0][0] - want))
    assert errors[1] < 3e-3
    assert errors[1] < 0.25 * errors[0]


@pytest.mark.parametrize("b", [0.08, 0.25, 0.6, 1.0, 1.5])
def test_square_root_process_at_every_dimension(b, solve):
    """D = x, mu = b - x from 1, t = 1: mean b + (1 - b) / e. With plain cell centers the error was 1.2e-2 at b = .08."""
    errors = []
    for n in (100, 200, 400):
        s = solve(
            fp.FokkerPlanck(drift=lambda x: b - x, diffusion=lambda x: x),
            fp.Grid((0, 24), n),
            fp.point(1.0),
            [1.0],
            rtol=1e-9,
        )
        assert s.atoms == {}
        errors.append(s.mean()[0, 0] - (b + (1 - b) / np.e))
    assert abs(errors[-1]) < 5e-4
    assert orders(errors).min() > 1.7


@pytest.mark.parametrize("d", [0.5, 1.2, 2.0, 3.0])
def test_bessel_processes_are_second_order(d, solve):
    """E X^2 = x^2 + d t for every dimension that is not absorbed."""
    errors = [
        solve(bessel(d), fp.Grid((0, 8), n), fp.point(1.0), [1.0], rtol=1e-10).moment(2)[0, 0] - (1 + d)
        for n in (80, 160)
    ]
    assert abs(errors[1]) < 7e-4
    assert orders(errors)[0] == pytest.approx(2.0, abs=0.1)


def test_absorbed_and_captured_bessel_processes(solve):
    """P(T_0 > t) = P(1 - d/2, x^2 / 2t): at an absorbing wall for d = 1.2, at the exit d = -.5 whatever the wall."""
    s = solve(bessel(1.2), fp.Grid((0, 8), 160, boundary=("absorbing", "reflecting")), fp.point(1.0), [1.0])
    assert s.mass[0] == pytest.approx(gammainc(0.4, 0.5), abs=3e-5)
    s = solve(bessel(-0.5), fp.Grid((0, 8), 160), fp.point(1.0), [1.0])
    assert 1 - s.atoms[0.0][0] == pytest.approx(gammainc(1.25, 0.5), abs=5e-4)


def test_an_entrance_is_never_left_through(solve):
    """A Bessel process of dimension 3 does not see the absorbing wall at 0; to the other one it takes (4 - x^2)/3."""
    grid = fp.Grid((0, 2), 100, boundary="absorbing")
    passage = fp.first_passage(bessel(3.0), grid)
    assert passage.at(1.0) == pytest.approx(1.0, rel=1e-3)
    assert "x = 0: entrance (nothing passes)" in passage.generator.found


def test_bessel_spring_density():
    """Drift -.4/x - x, D = 1/2: p ~ x^-.8 exp(-x^2), mean Gamma(.6) / Gamma(.1); it was .216."""
    errors = []
    for n in (100, 200):
        st = fp.stationary(fp.FokkerPlanck(drift=lambda x: -0.4 / x - x, diffusion=0.5), fp.Grid((0, 6), n))
        errors.append(st.mean()[0] - gamma(0.6) / gamma(0.1))
    assert abs(errors[1]) < 1e-4
    assert orders(errors)[0] > 1.5


@pytest.mark.parametrize("cells", [400, 401])
def test_a_natural_zero_is_not_crossed(cells, solve):
    """mu = x - x^3, D = .8 x^2: p ~ x^(-3/4) exp(-x^2/1.6) on the side of the start; .485 and .967 crossed."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.8 * x * x)
    grid = fp.Grid((-4, 4), cells)
    with pytest.warns(fp.ResolutionWarning, match=r"natural boundary x = 0, .*fp.Grid.graded"):
        st = fp.stationary(eq, grid, fp.gaussian(1.0, 0.1))
    left = st.grid.centers[0] < 0
    assert st.masses[left].sum() < 1e-20
    assert st.mean()[0] == pytest.approx(0.2408485304, abs=5e-5)
    assert st.moment(2)[0] == pytest.approx(0.2, abs=1e-4)
    with pytest.warns(fp.ResolutionWarning, match="natural boundary"):
        s = fp.solve(eq, grid, fp.gaussian(1.0, 0.1), [100.0])
    assert s.masses[0][left].sum() < 1e-20
    passage = fp.first_passage(eq, grid, lambda x: x < -0.5, error=False)
    assert np.isinf(passage.at(1.0))
    assert np.isfinite(passage.mean[left]).all()


@pytest.mark.parametrize("cells", [200, 401])
def test_a_one_way_gate(cells, solve):
    """D = |x|, mu = .5: an exit from below and regular above, so that 0 is passed upward only."""
    eq = fp.FokkerPlanck(drift=0.5, diffusion=np.abs)
    s = solve(eq, fp.Grid((-32, 36), 3 * cells), fp.point(-1.0), [2.0])
    assert s.masses[0][s.grid.centers[0] < 0].sum() == pytest.approx(0.1987480431, abs=1e-3)
    # what has passed starts at the node of the first cell: first order in its width
    assert abs(s.mean()[0, 0]) < 0.3 * s.grid.widths[0][0]
    up = fp.first_passage(eq, fp.Grid((-2, 2), cells), lambda x: x > 1)
    assert np.isfinite(up.mean).all()
    down = fp.first_passage(eq, fp.Grid((-2, 2), cells), lambda x: x < -1)
    assert np.isinf(down.at(0.5))


def test_a_trap_between_two_sides(solve):
    """D = |x| without drift: what arrives at 0 from either side stays; from 1 the share is exp(-1/t)."""
    eq, grid = fp.FokkerPlanck(diffusion=np.abs), fp.Grid((-30, 30), 1201)
    for start in (1.0, -1.0):
        s = solve(eq, grid, fp.point(start), [2.0])
        assert s.atoms[0.0][0] == pytest.approx(np.exp(-0.5), abs=2e-3)
        assert s.mean()[0, 0] == pytest.approx(start, abs=1e-4)
        assert s.masses[0][start * s.grid.centers[0] < 0].sum() < 1e-15


@pytest.mark.filterwarnings("ignore:the density at the reflecting wall")
def test_a_zero_open_both_ways():
    """D = |x|^(1/2), Ito: p ~ |x|^(-1/2) on both sides of 0, and x is a martingale."""
    eq = fp.FokkerPlanck(diffusion=lambda x: np.abs(x) ** 0.5)
    for cells in (100, 101):
        st = fp.stationary(eq, fp.Grid((-1, 3), cells))
        left = st.grid.centers[0] < 0
        assert st.masses[left].sum() == pytest.approx(1 / (1 + np.sqrt(3)), abs=1e-7)
        q = fp.committor(eq, fp.Grid((-1, 3), cells), lambda x: x < -0.5, lambda x: x > 1.5)
        assert fp.Grid((-1, 3), cells).interpolate(q, 0.5) == pytest.approx(0.5, abs=5e-3)


def test_loud_logistic_growth_collapses(solve):
    """D = 1.28 x^2: x = 0 is natural and attracting. On cells even in ln x; the mean at t = 50 was .0788, right .01253."""
    eq = fp.FokkerPlanck(drift=lambda x: x * (1 - x), diffusion=lambda x: 1.28 * x * x)
    grid = fp.Grid.from_edges(np.concatenate([[0.0], np.geomspace(1e-10, 6.0, 600)]))
    s = solve(eq, grid, fp.point(1.0), [50.0])
    assert s.mean()[0, 0] == pytest.approx(0.01253, abs=1e-4)
    st = fp.stationary(eq, grid)
    assert st.atoms == {0.0: 1.0}
    assert st.density.max() == 0.0
    assert st.message.startswith("no stationary density: all ends in x = 0")


def test_geometric_brownian_motion(solve):
    """Lognormal, on cells even in ln x; an absorbing wall at 0 is never reached."""
    edges = np.concatenate([[0.0], np.geomspace(1e-8, 60.0, 500)])
    eq = fp.FokkerPlanck(drift=lambda x: 0.1 * x, diffusion=lambda x: 0.125 * x * x)
    for boundary in ("reflecting", ("absorbing", "reflecting")):
        s = solve(eq, fp.Grid.from_edges(edges, boundary=boundary), fp.point(1.0), [2.0])
        assert s.mean()[0, 0] == pytest.approx(np.exp(0.2), rel=1e-3)
        assert s.mass[0] == pytest.approx(1.0, abs=1e-9)
        median = np.interp(0.5, np.cumsum(s.masses[0]), s.grid.edges[0][1:])
        assert median == pytest.approx(np.exp(2 * (0.1 - 0.125)), rel=5e-3)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.7), (1.5, 0.4), (2.0, 3.0)])
def test_jacobi_processes_end_in_beta_laws(a, b):
    """mu = a (1 - x) - b x, D = x (1 - x): regular or entrance at either end, p = Beta(a, b)."""
    eq = fp.FokkerPlanck(drift=lambda x: a * (1 - x) - b * x, diffusion=lambda x: x * (1 - x))
    st = fp.stationary(eq, fp.Grid((0, 1), 100))
    assert st.mean()[0] == pytest.approx(a / (a + b), abs=2e-4)
    assert st.covariance()[0, 0] == pytest.approx(a * b / ((a + b) ** 2 * (a + b + 1)), rel=5e-3)
    spectrum = fp.spectrum(eq, fp.Grid((0, 1), 100), 2)
    assert spectrum.eigenvalues[1].real == pytest.approx(-(a + b), rel=5e-3)


def test_a_cusp_of_the_potential():
    """V = 20 |x|^.05: cells hold the integral of exp(-V); the package gave .529 to .99999."""
    eq = fp.FokkerPlanck(potential=lambda x: 20 * np.abs(x) ** 0.05, diffusion=1.0)
    st = fp.stationary(eq, fp.Grid((-1, 1), 100), error=False)
    assert st.masses[np.abs(st.grid.centers[0]) < 0.1].sum() == pytest.approx(0.6298300435, abs=1e-6)
    assert st.moment(2)[0] == pytest.approx(0.0828593687, abs=1e-4)
    passage = fp.first_passage(eq, fp.Grid((-1, 1), 200, boundary=("reflecting", "absorbing")), error=False)
    assert passage.at(-1.0) == pytest.approx(6.038658, abs=1e-4)


def test_steep_flow_away_from_a_singular_wall():
    """D = x, mu = .5 + c x^2: mean times from .5 to 2 by quadrature. Cells that held all of m slowed it up to tenfold."""
    for c, right, cells in ((20.0, 0.0966214713049, (150, 300, 600)), (200.0, 0.0076030094129, (150,))):
        eq = fp.FokkerPlanck(drift=lambda x, c=c: 0.5 + c * x**2, diffusion=lambda x: x)
        errors = []
        for n in cells:
            passage = fp.first_passage(eq, fp.Grid((0, 3), n), lambda x: x > 2, error=False)
            errors.append(passage.at(0.5) / right - 1)
        assert abs(errors[0]) < (1e-3 if c == 20 else 1e-2)
        np.testing.assert_allclose(orders(errors), 2, atol=0.1)


def test_noise_that_ends_inside_the_box(solve):
    """D = max(x, 0) without drift: 0 is an exit whatever lies below; from 1 exp(-1/t) is there."""
    s = solve(fp.FokkerPlanck(diffusion=lambda x: np.maximum(x, 0.0)), fp.Grid((-5, 30), 701), fp.point(1.0), [2.0])
    ((place, mass),) = s.atoms.items()
    assert place == pytest.approx(0.0, abs=1e-12)
    assert mass[0] == pytest.approx(np.exp(-0.5), abs=2e-3)
    assert s.masses[0][s.grid.centers[0] < 0].sum() < 1e-12


def test_bessel_modes():
    """d = 3 on (0, 1) with an absorbing wall at 1: rates (pi k)^2 / 2."""
    spectrum = fp.spectrum(bessel(3.0), fp.Grid((0, 1), 200, boundary=("reflecting", "absorbing")), 2)
    np.testing.assert_allclose(-spectrum.eigenvalues.real, [np.pi**2 / 2, 2 * np.pi**2], rtol=1e-3)


def test_atoms_and_nodes_survive_a_file(tmp_path):
    """The centroids at which cells are read are the coordinates of the file; the checksum holds them too."""
    eq = fp.FokkerPlanck(drift=lambda x: 0.1 - x, diffusion=lambda x: x * (1 - x))
    for case, start in ((eq, 0.5), (wright_fisher(0.35), 0.3)):
        s = fp.solve(case, fp.Grid((0, 1), 40), fp.point(start), [0.5, 1.0])
        s.save(str(tmp_path / "s.nc"))
        back = fp.load(str(tmp_path / "s.nc"))
        np.testing.assert_array_equal(back.grid.centers[0], s.grid.centers[0])
        assert list(back.atoms) == list(s.atoms)
        np.testing.assert_array_equal(back.mean(), s.mean())


@pytest.mark.filterwarnings("ignore:the grid adds a numerical diffusion")
def test_the_drift_carries_densities_off_a_zero_of_the_noise_without_piling_up():
    """Beyond x = 1, where D = (x - 1)^2 e^(-200 (x - 1)^2) falls by orders of magnitude, p is v_0 p_0 / v, the drift's.

    Cells in which the drift rules are not even in p / m: taken so, they hold back what passes by a factor of a hundred.
    """

    def drift(x):
        return np.full_like(x, 0.05)

    def diffusion(x):
        return 0.01 * (x - 1.0) ** 2 * np.exp(-200.0 * (x - 1.0) ** 2)

    eq = fp.FokkerPlanck(drift=drift, diffusion=diffusion)
    for n in (1000, 4000):
        solution = fp.solve(
            eq, fp.Grid((0.5, 2.0), n, ("reflecting", "absorbing")), fp.uniform(0.6, 0.9), [12.0], error=False
        )
        x, p = solution.grid.centers[0], solution.density[0]
        inside = (x > 1.28) & (x < 1.42)  # well inside the start, moved by 0.6
        np.testing.assert_allclose(p[inside], 1 / 0.3, rtol=0.05)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.ResolutionWarning")
@pytest.mark.parametrize(("power", "drift"), [(2.0, 0.0), (1.0, 0.3), (1.0, 0.0), (0.5, 0.0)])
def test_a_zero_on_the_joint_of_a_circle_is_one_as_any_other(power, drift):
    """The same process turned by .3: zeros at 0 and pi, or at .3 and pi + .3."""

    def beyond(turn):
        eq = fp.FokkerPlanck(drift=drift, diffusion=lambda x: 0.5 * np.abs(np.sin(x - turn)) ** power)
        s = fp.solve(
            eq, fp.Grid((0, 2 * np.pi), 128, boundary="periodic"), fp.gaussian(1.5 + turn, 0.1), [4.0], error=False
        )
        return s, float(s.masses[0][np.mod(s.grid.centers[0] - turn, 2 * np.pi) > np.pi].sum())

    (joint, found), (inside, right) = beyond(0.0), beyond(0.3)
    assert found == pytest.approx(right, abs=2e-3)
    assert len(joint.generator.found) == len(inside.generator.found) == 2
    if (power, drift) == (1.0, 0.0):
        kept, right = (np.concatenate(list(s.atoms.values())) for s in (joint, inside))
        assert kept == pytest.approx(right, abs=1e-3)
    if power == 2.0:
        assert found < 1e-30


@pytest.mark.parametrize("power", [0.3, 0.5, 0.8])
def test_a_zero_that_is_passed_both_ways_keeps_the_mean_to_second_order(power):
    """D = .1 |x|^p without a drift: a martingale."""
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.1 * np.abs(x) ** power)
    off = [
        abs(fp.solve(eq, fp.Grid((-6, 6), n), fp.gaussian(1, 0.15), [2.0], error=False).mean()[0, 0] - 1)
        for n in (200, 400)
    ]
    assert off[1] < 1e-4
    assert np.log2(off[0] / off[1]) == pytest.approx(2.0, abs=0.1)
