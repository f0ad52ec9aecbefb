"""Fractional time: against E_beta of the matrix, closed forms (reference case D), and one method against the other."""

import numpy as np
import pytest
import scipy.sparse as sp
from pymittagleffler import mittag_leffler
from scipy.integrate import quad
from scipy.special import gamma

import fokkerplanck as fp
from fokkerplanck.solvers.evolution.fractional_contour import Hyperbola, Region, propagate_memory, propagate_waiting
from fokkerplanck.solvers.evolution.fractional_stepping import Stepping, exponential_sum, graded_mesh


def e_beta(z, beta):
    return complex(mittag_leffler(complex(z), beta, 1.0))


def matrix_reference(q, p0, times, beta):
    """E_beta(Q t^beta) p0 by the eigenvectors of the matrix."""
    values, vectors = np.linalg.eig(q.matrix.toarray())
    assert np.linalg.cond(vectors) < 1e6
    weights = np.linalg.solve(vectors, p0.astype(complex))
    return np.array([(vectors @ ([e_beta(v * t**beta, beta) for v in values] * weights)).real for t in times])


def well_1d():
    grid = fp.Grid((-2, 2), 60)
    return fp.generator(fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.4), grid)


def ring():
    return fp.generator(fp.FokkerPlanck(drift=2.0, diffusion=0.05), fp.Grid((0, 1), 60, "periodic"))


def rotation_2d():
    grid = fp.Grid([(-2, 2), (-2, 2)], [12, 11])
    return fp.generator(fp.FokkerPlanck(drift=lambda x, y: [-x - 4 * y, 4 * x - y], diffusion=0.3), grid)


def trap_2d():
    eq = fp.FokkerPlanck(potential=lambda x, y: x**2 + 0.6 * y**2, diffusion=0.3)
    return fp.generator(eq, fp.Grid([(-2, 2), (-2, 2)], [12, 11], ["reflecting", ("absorbing", "reflecting")]))


@pytest.mark.parametrize("build", [well_1d, ring, rotation_2d, trap_2d])
@pytest.mark.parametrize("beta", [0.3, 0.7, 0.9])
def test_contour_is_the_matrix_function(build, beta):
    """To the tolerance asked for, over three decades, for real spectra and for others."""
    q = build()
    p0 = np.zeros(q.grid.size)
    p0[q.grid.size // 3] = 1.0
    times = np.geomspace(1e-2, 10, 9)
    reference = matrix_reference(q, p0, times, beta)
    for rtol in (1e-4, 1e-9):
        runs = list(propagate_memory(q, p0, times, beta, rtol))
        error = np.abs(np.array([p for p, _, _ in runs]) - reference).sum(axis=1).max()
        assert error < rtol
        assert error < runs[-1][1] + 1e-12  # the estimate covers it
        assert runs[-1][1] < rtol  # and stays below what was asked for


def test_real_spectra_need_few_solves_and_the_rest_is_known_to_be_complex():
    assert Region.of(well_1d()).real
    assert Region.of(trap_2d()).real
    assert not Region.of(ring()).real
    assert not Region.of(rotation_2d()).real
    values = np.linalg.eigvals(rotation_2d().matrix.toarray())
    region = Region.of(rotation_2d())
    assert np.abs(values.imag).max() < region.height
    assert np.abs(values + region.rate).max() < region.rate * (1 + 1e-12)
    # 25 solves a decade reach 3e-9 on real spectra from 0 to -1e5
    assert Hyperbola.design(np.log(1 / 3e-9), 10.0, np.pi / 2).count < 25


@pytest.mark.parametrize("opening", [np.pi / 2, 1.0, 0.2])
@pytest.mark.parametrize("digits", [10.0, 20.0, 28.0])
def test_hyperbola_error_is_what_it_was_designed_for(opening, digits):
    """On scalars: the largest error lies between e^-digits / 300 and 3 e^-digits."""
    hyperbola = Hyperbola.design(digits, 10.0, opening)
    z, weights = hyperbola.nodes(1.0)
    worst = 0.0
    for rate in [0.0, *np.geomspace(1e-2, 1e5, 15)]:
        for t in (0.1, 0.3, 1.0):
            value = (weights * np.exp(z * t) * z**-0.4 / (z**0.6 + rate)).sum().imag
            worst = max(worst, abs(value - e_beta(-rate * t**0.6, 0.6).real))
    assert np.exp(-digits) / 300 < worst < 3 * np.exp(-digits)


def test_trap_of_a_point():
    """Case D1: mean and mean square of the fractional Ornstein-Uhlenbeck process, to 1e-4 on 1600 cells, order 2."""
    exact = (
        np.array([1.61831808205, 0.799223956231, 0.154725904001]),
        np.array([2.99424136828, 1.64136018105, 1.10824322515]),
    )
    errors = []
    for n in (800, 1600):
        eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=0.7)
        solution = fp.solve(eq, fp.Grid((-12, 12), n), fp.point(2.0), [0.1, 1, 10], rtol=1e-8)
        errors.append([solution.mean()[:, 0] / exact[0] - 1, solution.moment(2)[:, 0] / exact[1] - 1])
    assert np.abs(errors[1]).max() < 1e-4
    assert np.log2(np.array(errors[0]) / np.array(errors[1])) == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("beta", "kurtosis"), [(0.7, 3.98797966072), (0.4, 6 * gamma(1.4) ** 2 / gamma(1.8))])
def test_free_spreading(beta, kurtosis):
    """Case D2: <x^2> = 2 D t^beta / Gamma(1 + beta) at several times."""
    eq = fp.FokkerPlanck(diffusion=1.0, time_order=beta)
    times = np.array([0.1, 1.0, 3.0])
    solution = fp.solve(eq, fp.Grid((-30, 30), 1601), fp.point(0.0), times, rtol=1e-8)
    start = (60 / 1601) ** 2 / 4  # what a point shared between cells adds
    np.testing.assert_allclose(solution.moment(2)[:, 0] - start, 2 * times**beta / gamma(1 + beta), rtol=1e-4)
    assert solution.moment(4)[1, 0] / solution.moment(2)[1, 0] ** 2 == pytest.approx(kurtosis, rel=1e-3)


def test_survival():
    """Case D3 on 1600 cells, and the power-law tail t^-beta."""
    eq = fp.FokkerPlanck(diffusion=1.0, time_order=0.7)
    solution = fp.solve(eq, fp.Grid((0, 1), 1600, "absorbing"), fp.point(0.5), [0.05, 0.2, 1, 10, 1e5, 1e6])
    exact = [0.424696601022, 0.159137333664, 0.0453599172295, 0.00847726870683]
    np.testing.assert_allclose(solution.mass[:4], exact, rtol=1e-5)
    # what remains is the mean exit time 1/8 of the ordinary process over Gamma(1 - beta) t^beta
    np.testing.assert_allclose(solution.mass[4:], 0.125 / gamma(0.3) * np.array([1e5, 1e6]) ** -0.7, rtol=1e-3)


def test_mass_and_sign():
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.01, time_order=0.6)
    with pytest.warns(fp.ResolutionWarning):
        solution = fp.solve(eq, fp.Grid((-3, 3), 60), fp.point(-1.0), np.geomspace(1e-3, 1e3, 40))
    assert solution.method == "contour"
    assert solution.stats["mass_error"] < max(1e-12, solution.stats["error_estimate"])
    assert solution.stats["min_density"] > -1e-6
    stepped = fp.solve(eq, fp.Grid((-3, 3), 300), fp.point(-1.0), [0.1, 1.0], method="stepping", rtol=1e-3)
    assert stepped.stats["mass_error"] < 1e-12


def test_steps_alone_never_turn_negative():
    """Without extrapolation: exact zeros and above, also where nothing has arrived yet."""
    q = fp.generator(fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.01), fp.Grid((-3, 3), 300))
    p0 = fp.point(-1.0).masses(q.grid)
    times = np.array([1e-3, 0.1, 1.0])
    masses = Stepping(0.5, 1e-3).march(lambda t, p: q, p0, graded_mesh(times, 0.5, 3), times, False)
    assert masses.min() >= 0.0
    np.testing.assert_allclose(masses.sum(axis=1), 1.0, rtol=1e-12)


def test_stationary_density_does_not_know_of_memory():
    grid = fp.Grid((-3, 3), 200)
    with_memory = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.3, time_order=0.5)
    without = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.3)
    np.testing.assert_array_equal(fp.stationary(with_memory, grid).density, fp.stationary(without, grid).density)


def test_order_to_one_is_the_ordinary_equation():
    """The difference falls in proportion to 1 - beta."""
    grid = fp.Grid((-5, 5), 200)
    p0, times = fp.gaussian(1, 0.4), [0.3, 1.0]
    ordinary = fp.solve(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), grid, p0, times, rtol=1e-9)
    gaps = []
    for one_minus in (1e-3, 1e-4):
        eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, time_order=1 - one_minus)
        gaps.append(np.abs(fp.solve(eq, grid, p0, times, rtol=1e-9).masses - ordinary.masses).sum())
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.02)
    assert gaps[1] < 2e-4


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.95])
def test_sum_of_exponentials(beta):
    rates, weights = exponential_sum(beta, 1e-9, 10.0)
    t = np.geomspace(1e-9, 10, 300)
    total = np.exp(-np.outer(t, rates)) @ weights
    np.testing.assert_allclose(total, t**-beta / gamma(1 - beta), rtol=3e-11)
    assert (weights > 0).all()
    assert rates.size < 120


@pytest.mark.parametrize("beta", [0.4, 0.7])
def test_steps_converge_with_order_two_minus_beta(beta):
    q = well_1d()
    p0 = fp.gaussian(0.5, 0.3).masses(q.grid)
    p0 /= p0.sum()
    times = np.array([0.2, 1.0])
    exact = matrix_reference(q, p0, times, beta)
    errors = []
    for level in (3, 4, 5):
        run = Stepping(beta, 1e-6).march(lambda t, p: q, p0, graded_mesh(times, beta, level), times, False)
        errors.append(np.abs(run - exact).sum(axis=1).max())
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(2 - beta, abs=0.1)


@pytest.mark.parametrize("build", [well_1d, rotation_2d])
def test_steps_and_contour_agree(build):
    q = build()
    p0 = np.zeros(q.grid.size)
    p0[q.grid.size // 3] = 1.0
    times = np.array([0.1, 2.0])
    fine = np.array([p for p, _, _ in propagate_memory(q, p0, times, 0.8, 1e-9)])
    stepped, error = Stepping(0.8, 1e-3).run(lambda t, p: q, p0, times, False)
    gap = np.abs(stepped - fine).sum(axis=1)
    assert (gap < error).all()
    assert error.max() < 1e-3


def test_force_in_physical_time():
    """dp/dt = L(t) D_t^(1-beta) p: under a uniform force, d<x>/dt = F(t) t^(beta-1) / Gamma(beta)."""
    beta = 0.6
    eq = fp.FokkerPlanck(drift=lambda x, t: np.cos(3 * t) + 0 * x, diffusion=0.2, time_order=beta)
    solution = fp.solve(eq, fp.Grid((-12, 12), 400), fp.gaussian(0, 0.3), [0.5, 2.0], rtol=1e-4)
    assert solution.method == "stepping"
    exact = [quad(lambda s: np.cos(3 * s ** (1 / beta)), 0, t**beta)[0] / gamma(beta + 1) for t in (0.5, 2.0)]
    np.testing.assert_allclose(solution.mean()[:, 0], exact, rtol=2e-4)
    # forces in the particle's own time would give another mean: the fractional integral of F
    other = quad(lambda s: np.cos(3 * s), 0, 2.0, weight="alg", wvar=(0, beta - 1))[0] / gamma(beta)
    assert abs(other - exact[1]) > 0.08


def test_waits_before_a_single_fatal_step():
    """T = 0: the survival E_b(-t^b), numbers of reference case D."""
    survival = {
        0.5: 0.60514759205956,
        1: 0.3996119781156,
        2: 0.2137867270153,
        5: 0.07756935776477,
        20: 0.017395698291604,
    }
    times = np.array(list(survival)) ** (1 / 0.7)
    runs = list(propagate_waiting(sp.csc_array((1, 1)), np.ones(1), times, 0.7, 1e-11, ""))
    np.testing.assert_allclose([p[0] for p, _, _ in runs], list(survival.values()), rtol=0, atol=1e-11)


@pytest.mark.parametrize("beta", [0.3, 0.7, 0.9, 1.0])
def test_waiting_chain_is_the_matrix_function(beta):
    """A ring walked one way, whose eigenvalues fill the circle |z + 1| = 1, and a dense chain."""
    ring = np.roll(np.eye(20), 1, axis=0)
    dense = np.random.default_rng(3).random((20, 20)) ** 6
    times = np.array([0.0, 0.03, 1.0, 7.0, 20.0])
    p0 = np.eye(20)[4]
    for t in (ring, dense / dense.sum(axis=0)):
        values, vectors = np.linalg.eig(t)
        assert np.linalg.cond(vectors) < 1e6
        weights = np.linalg.solve(vectors, p0.astype(complex))
        exact = [(vectors @ ([e_beta((v - 1) * s**beta, beta) for v in values] * weights)).real for s in times]
        for rtol in (1e-4, 1e-9):
            runs = list(propagate_waiting(sp.csc_array(t), p0, times, beta, rtol, ""))
            error = np.abs(np.array([p for p, _, _ in runs]) - exact).sum(axis=1).max()
            assert error < rtol
            assert error < runs[-1][1] + 1e-12
            assert runs[-1][1] < rtol


@pytest.mark.parametrize("order", [0.0, 1.5, -0.3, float("nan")])
def test_order_outside_its_range(order):
    with pytest.raises(ValueError, match=r"`time_order` must be from 0.01 to 1, got"):
        fp.FokkerPlanck(diffusion=1.0, time_order=order)


def test_bad_input():
    with pytest.raises(TypeError, match=r"`time_order` must be a number from 0.01 to 1, got 'half'"):
        fp.FokkerPlanck(diffusion=1.0, time_order="half")
    eq = fp.FokkerPlanck(diffusion=1.0, time_order=0.5)
    grid = fp.Grid((-1, 1), 20)
    with pytest.raises(
        ValueError,
        match=r"`method` must be 'auto', 'contour', 'subordination', 'stepping' with time_order below 1, got 'contur'. Did",
    ):
        fp.solve(eq, grid, fp.gaussian(0, 0.3), [1.0], method="contur")
    driven = fp.FokkerPlanck(drift=lambda x, t: t + 0 * x, diffusion=1.0, time_order=0.5)
    with pytest.raises(ValueError, match="`method` must be 'stepping' where coefficients depend on time"):
        fp.solve(driven, grid, fp.gaussian(0, 0.3), [1.0], method="contour")
    with pytest.raises(
        ValueError, match=r"`time_order` must be 1 for a mean passage time, got 0.5. Waiting makes it infinite"
    ):
        fp.first_passage(eq, fp.Grid((-1, 1), 20, "absorbing"))


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("order", [0.8, 0.95])
def test_real_spectrum_far_from_normal(order):
    # the noise vanishes inside the box: eigenvalues are real, but resolvents are huge far from them. A contour that trusted
    # the eigenvalues was off by 4.1 and refused
    sgd = fp.SGD(fp.landscapes.two_datapoints().loss, 0.02, 1)
    eq, grid = sgd.equation("subdiffusive", time_order=order), fp.Grid((-1, 4), 400)
    start = fp.gaussian(0.5, 0.175)
    contour = fp.solve(eq, grid, start, [10.0, 100.0])
    assert contour.stats["error_estimate"] < 1e-6
    assert contour.stats["min_density"] > -1e-6
    steps = fp.solve(eq, grid, start, [10.0, 100.0], method="stepping", rtol=1e-3)
    assert np.abs(contour.masses - steps.masses).sum(axis=1).max() < 2e-3


@pytest.mark.parametrize("beta", [0.6, 0.9])
def test_noise_that_is_switched_on(beta):
    """d<x^2>/dt = 2 D(t) t^(beta - 1) / Gamma(beta), as the walkers' clock starts at 0; once .02 off, "error 9.5e-6"."""
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x, time_order=beta)
    solution = fp.solve(eq, fp.Grid((-6, 6), 240), fp.gaussian(0, 0.3), [2.0], rtol=1e-4)
    grid_part = fp.solve(eq, fp.Grid((-6, 6), 240), fp.gaussian(0, 0.3), [0.1]).covariance()[0, 0, 0]
    want = grid_part + (2.0**beta - 1.3**beta) / gamma(1 + beta)
    assert solution.covariance()[0, 0, 0] == pytest.approx(want, abs=solution.stats["error_estimate"] * 36)
    assert solution.covariance()[0, 0, 0] == pytest.approx(want, abs=1e-4)


def test_a_kick_between_the_outputs():
    """Mean: the force times the rate at which the walkers move, t^(beta - 1) / Gamma(beta)."""
    eq = fp.FokkerPlanck(drift=lambda x, t: 3.0 * ((t > 1.401) & (t < 1.421)) + 0 * x, diffusion=0.5, time_order=0.7)
    solution = fp.solve(eq, fp.Grid((-9, 9), 200), fp.gaussian(0, 0.3), [2.0], rtol=1e-4)
    assert solution.mean()[0, 0] == pytest.approx(3 * (1.421**0.7 - 1.401**0.7) / gamma(1.7), abs=5e-5)
