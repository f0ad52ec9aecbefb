"""Levy jumps: the lattice rule against the symbol |k|^a, walls against images, exits and stable laws (reference case E)."""

import warnings

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import gamma
from scipy.stats import levy_stable

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.fractional_laplacian import jump_constant, matched_diffusion, matched_tensor
from fokkerplanck.solvers.linear.dense import dense_null_vector
from fokkerplanck.solvers.linear.gmres import null_vector, solve_jumps

WALLS = ["absorbing", "reflecting", "periodic", [("absorbing", "reflecting")], [("reflecting", "absorbing")]]


def levy(stability, scale=1.0, **others):
    return fp.FokkerPlanck(jumps=fp.LevyJumps(stability, scale, **{k: v for k, v in others.items() if k == "kind"}))


@pytest.mark.parametrize("a", [0.4, 1.0, 1.5, 1.9, 1.99])
def test_symbol_to_order_four_minus_a(a):
    """On a ring a wave decays at the rate |k|^a; the error falls as h^(4 - a)."""
    errors = []
    for n in (32, 64, 128):
        grid = fp.Grid((0, 2 * np.pi), n, "periodic")
        wave = np.cos(3 * grid.centers[0])
        rate = -fp.generator(levy(a), grid).apply(wave) @ wave / (wave @ wave)
        errors.append(rate / 3**a - 1)
    errors = np.abs(errors)
    assert errors[-1] < 0.01
    assert np.log2(errors[:-1] / errors[1:]) == pytest.approx(4 - a, abs=0.12)


def test_constants():
    """C = 1 / pi at a = 1 (Cauchy); D = -C zeta(0) h = h / (2 pi); the diffusive part stays as a tends to 2."""
    assert jump_constant(1.0, 1) == pytest.approx(1 / np.pi)
    assert jump_constant(1.0, 2) == pytest.approx(1 / (2 * np.pi))
    assert matched_diffusion(1.0, 0.1) == pytest.approx(0.1 / (2 * np.pi))
    # 1 - D is of first order in 2 - a
    assert (1 - matched_diffusion(1.998, 1.0)) / (1 - matched_diffusion(1.999, 1.0)) == pytest.approx(2, rel=0.01)
    assert 0 < 1 - matched_diffusion(1.999, 1.0) < 2e-3
    # the sum over the square lattice of |r|^-a, regularised, is 4 zeta(a/2) beta(a/2): at a = 1, -3.90026492000196
    assert matched_tensor(1.0, (1.0, 1.0), np.eye(2)) == pytest.approx(
        3.90026492000196 / (8 * np.pi) * np.eye(2), rel=1e-7
    )


@pytest.mark.parametrize("walls", WALLS)
def test_walls_against_images(walls):
    """Rates from following each jump by hand through the walls, up to very long ones."""
    n, a = 13, 1.3
    grid = fp.Grid((-1, 1), n, walls)
    low, high = grid.boundary[0]
    jumps = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(a, lambda x: 1 + 0.3 * x)), grid).jumps
    length = np.arange(-20000, 20001)
    length = length[np.abs(length) >= 2]
    rate = jump_constant(a, 1) * (2 / n) ** -a * np.abs(length) ** (-1 - a)
    by_hand = np.zeros((n, n))
    for j, x in enumerate(grid.centers[0]):
        end = j + length
        if low == "periodic":
            end = end % n
        elif (low, high) == ("reflecting", "reflecting"):
            end = end % (2 * n)
            end = np.where(end >= n, 2 * n - 1 - end, end)
        elif low == "reflecting":
            end = np.where(end < 0, -1 - end, end)
        elif high == "reflecting":
            end = np.where(end >= n, 2 * n - 1 - end, end)
        inside = (end >= 0) & (end < n)
        np.add.at(by_hand[:, j], end[inside], rate[inside] * (1 + 0.3 * x) ** a)
    dense = jumps.dense.copy()
    np.fill_diagonal(dense, 0.0)
    np.fill_diagonal(by_hand, 0.0)
    np.testing.assert_allclose(dense, by_hand, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("walls", ["absorbing", "reflecting", "periodic", ("reflecting", "absorbing")])
def test_products_equal_the_matrix_and_rates_are_nonnegative(dim, walls):
    boundary = [walls] * dim
    grid = fp.Grid([(-1, 1), (0, 1.5)][:dim], [11, 9][:dim], boundary)
    for kind in ("isotropic", "axes", [[1.0, 0.6], [0.6, 0.9]])[: 1 if dim == 1 else 3]:
        scale = (lambda x: 1 + x**2) if dim == 1 else (lambda x, y: 1 + x**2 + y)
        eq = fp.FokkerPlanck(
            drift=1.0 if dim == 1 else [1.0, -2.0], diffusion=0.02, jumps=fp.LevyJumps(1.4, scale, kind)
        )
        q = fp.generator(eq, grid)
        matrix = q.matrix.toarray()
        p = np.random.default_rng(0).random(grid.size)
        np.testing.assert_allclose(q.apply(p), matrix @ p, atol=1e-12 * q.outflow.max())
        np.testing.assert_allclose(matrix.sum(axis=0), -q.escape, atol=1e-12 * q.outflow.max())
        np.testing.assert_allclose(np.diag(matrix), -q.outflow, rtol=1e-12)
        np.testing.assert_allclose(q.jumps.dense.T @ p, q.jumps.apply_adjoint(p), atol=1e-12 * q.outflow.max())
        assert (matrix - np.diag(np.diag(matrix))).min() >= 0.0
        assert (q.escape.max() > 0) == ("absorbing" in walls)


@pytest.mark.parametrize(("a", "exact"), [(0.6, None), (1.0, 1.0), (1.5, 0.7522527781), (1.95, None)])
def test_exit_time(a, exact):
    """Case E2: (1 - x^2)^(a/2) / Gamma(1 + a), everywhere; order 1, since the solution has a root at the wall."""
    errors = []
    for n in (100, 200):
        grid = fp.Grid((-1, 1), n, "absorbing")
        mean = fp.first_passage(levy(a), grid).mean
        error = np.abs(mean * gamma(1 + a) - (1 - grid.centers[0] ** 2) ** (a / 2))
        errors.append(error[np.abs(grid.centers[0]) < 0.8].max())
    assert errors[1] < 2e-3
    assert np.log2(errors[0] / errors[1]) > 0.7
    if exact is not None:
        passage = fp.first_passage(levy(a), fp.Grid((-1, 1), 800, "absorbing"))
        assert passage.at(0.0) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(("a", "exact"), [(1.0, 1.1577738838), (1.5, 1.59750354565)])
def test_decay_rate(a, exact):
    """Case E2, slowest rate of (-1, 1): order 1, to 1e-3 on 400 cells."""
    rates = []
    for n in (100, 200, 400):
        grid = fp.Grid((-1, 1), n, "absorbing")
        rates.append(-fp.spectrum(levy(a), grid, k=1).eigenvalues[0].real)
    errors = np.abs(np.array(rates) / exact - 1)
    assert errors[-1] < 1e-3
    assert np.log2(errors[:-1] / errors[1:]) == pytest.approx(1.0, abs=0.1)


def test_exit_with_a_target_inside_the_box():
    """A target absorbs what jumps into it and over it, like the walls of a smaller box."""
    passage = fp.first_passage(levy(1.5), fp.Grid((-2, 2), 400, "absorbing"), lambda x: np.abs(x) > 1)
    assert passage.at(0.0) == pytest.approx(0.7522527781, rel=2e-3)
    q = fp.committor(levy(1.5), fp.Grid((-2, 2), 100), lambda x: x < -1, lambda x: x > 1)
    np.testing.assert_allclose(q + q[::-1], 1.0, atol=1e-10)


def test_characteristic_function():
    """Case E1 from x0 = 1 at t = 2: Re phi at three wave numbers, to 1e-4 on 4000 cells."""
    exact = {0.5: 0.79751189, 1.0: 0.52589106, 2.0: 0.16060197}
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.5))
    errors = []
    for n in (1000, 2000, 4000):
        grid = fp.Grid((-80, 80), n, "absorbing")
        masses = fp.solve(eq, grid, fp.point(1.0), [2.0]).masses[0]
        errors.append([abs(masses @ np.cos(k * grid.centers[0]) - value) for k, value in exact.items()])
    assert np.max(errors[-1]) < 1e-4
    # where drift outruns the jumps of one cell, far out, differences are upwind: the order lies between 1 and 2
    assert 1.5 < np.log2(errors[0][1] / errors[1][1]) < 2.5


@pytest.mark.parametrize("a", [1.2, 1.5, 1.8])
def test_stationary_stable_law(a):
    """Case E1: the linear trap has a stable law of scale a^(-1/a), and the tail beyond the box is estimated."""
    grid = fp.Grid((-40, 40), 1200)
    result = fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(a)), grid)
    law = levy_stable(a, 0.0, scale=a ** (-1 / a))
    x = grid.centers[0]
    np.testing.assert_allclose(result.density[580:620:8], law.pdf(x[580:620:8]), rtol=0.003 + 4 * law.sf(40.0))
    np.testing.assert_allclose(result.density[400:800:40], law.pdf(x[400:800:40]), rtol=0.08)
    assert result.stats["tail_mass"] == pytest.approx(2 * law.sf(40.0), rel=0.25)
    assert result.entropy_production > 0
    assert not result.is_equilibrium
    # the current of drift and jumps cancels in each place, but for round-off
    assert np.abs(result.current).max() < 1e-10


def test_scale_is_read_at_the_source():
    """Pure jumps in a closed box: s^a p is constant, without current and without entropy production."""
    grid = fp.Grid((-3, 3), 200)
    result = fp.stationary(levy(1.2, lambda x: 1 + 0.5 * np.sin(x)), grid)
    product = result.density * (1 + 0.5 * np.sin(grid.centers[0])) ** 1.2
    np.testing.assert_allclose(product, product.mean(), rtol=1e-11)
    assert np.abs(result.current).max() < 1e-12
    assert result.is_equilibrium
    assert result.entropy_production < 1e-12


def test_current_is_what_changes_the_density():
    """dp/dt = -dJ/dx at the faces, with absorbing walls, between two of which part of the density left."""
    grid = fp.Grid((-1, 1), 50, "absorbing")
    q = fp.generator(fp.FokkerPlanck(drift=0.5, jumps=fp.LevyJumps(1.3, lambda x: 1 + 0.5 * x)), grid)
    p = np.random.default_rng(1).random(50)
    through = q.jumps.crossing(p)
    np.testing.assert_allclose(-np.diff(through), q.jumps.apply(p), atol=1e-12)
    assert through[-1] - through[0] == pytest.approx(q.jumps.escape @ p, rel=1e-10)


@pytest.mark.filterwarnings("ignore:the density at the reflecting wall")  # which belongs to the problem
def test_stability_two_is_diffusion():
    """a = 2 is D = s^2, and a in (1.95, 2) is close to it: the gap falls with 2 - a."""
    p0, times = fp.gaussian(0.2, 0.2), [0.1, 0.5]
    grid = fp.Grid((-1, 1), 200, [("absorbing", "reflecting")])
    drift = {"drift": lambda x: -x}
    diffusive = fp.solve(fp.FokkerPlanck(diffusion=0.25, **drift), grid, p0, times).masses
    gaps = []
    for a in (2.0, 1.999, 1.98, 1.96):
        jumping = fp.solve(fp.FokkerPlanck(jumps=fp.LevyJumps(a, 0.5), **drift), grid, p0, times).masses
        gaps.append(np.abs(jumping - diffusive).sum(axis=1).max())
    assert gaps[0] < 1e-4
    assert gaps[1] < 1e-3
    np.testing.assert_allclose(np.array(gaps[2:]) / [0.02, 0.04], gaps[2] / 0.02, rtol=0.15)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # of tails that the box cuts
def test_propagation_equals_the_matrix_exponential():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.1, jumps=fp.LevyJumps(1.2, 0.5))
    grid = fp.Grid((-5, 5), 120)
    solution = fp.solve(eq, grid, fp.gaussian(1, 0.4), [0.3, 2.0], rtol=1e-9)
    p0 = fp.gaussian(1, 0.4).masses(grid)
    exact = [expm(t * solution.generator.matrix.toarray()) @ p0 / p0.sum() for t in (0.3, 2.0)]
    assert np.abs(solution.masses - exact).sum(axis=1).max() < 1e-9
    assert solution.stats["min_density"] > -1e-9
    assert solution.stats["mass_error"] < 1e-9


def test_transport_much_faster_than_the_jumps():
    """A regression: far out, at rates that no probability meets, an ellipse as wide as the drift ended its series too early."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(1.5))
    solution = fp.solve(eq, fp.Grid((-80, 80), 1000, "absorbing"), fp.point(1.0), [2.0])
    assert solution.mass[0] == pytest.approx(0.99888, abs=1e-4)


def test_memory_on_top():
    """Survival of waiting jumpers: the sum over modes of their Mittag-Leffler functions."""
    from pymittagleffler import mittag_leffler

    grid = fp.Grid((-1, 1), 60, "absorbing")
    eq = fp.FokkerPlanck(jumps=fp.LevyJumps(1.5), time_order=0.7)
    solution = fp.solve(eq, grid, fp.point(0.0), [0.1, 1.0, 10.0], rtol=1e-8)
    values, vectors = np.linalg.eigh(fp.generator(levy(1.5), grid).matrix.toarray())
    weights = vectors.sum(axis=0) * (vectors.T @ fp.point(0.0).masses(grid))
    for t, mass in zip(solution.times, solution.mass, strict=True):
        exact = sum(
            w * complex(mittag_leffler(complex(v * t**0.7), 0.7, 1.0)).real
            for w, v in zip(weights, values, strict=True)
        )
        assert mass == pytest.approx(exact, rel=1e-6)


def test_planar_exit_from_a_disc():
    """Isotropic jumps out of the unit disc take (1 - r^2)^(a/2) / (2^a Gamma(1 + a/2)^2) (Getoor 1961); by iteration."""
    a = 1.5
    grid = fp.Grid([(-1.1, 1.1), (-1.1, 1.1)], [64, 64], "absorbing")
    passage = fp.first_passage(levy(a), grid, lambda x, y: x**2 + y**2 > 1)
    exact = 1 / (2**a * gamma(1 + a / 2) ** 2)
    assert passage.at([0.0, 0.0]) == pytest.approx(exact, rel=0.01)
    assert passage.at([0.3, 0.4]) == pytest.approx(exact * 0.75 ** (a / 2), rel=0.02)


@pytest.mark.parametrize("kind", ["isotropic", "axes", [[1.0, 0.5], [0.5, 0.6]]])
def test_planar_trap(kind):
    """Stationary law in a linear trap of unit strength: exp(-psi(k) / a), by iteration; order above 1.5 to the box's tail."""
    a, scale = 1.5, 0.4
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], jumps=fp.LevyJumps(a, scale, kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        result = fp.stationary(eq, fp.Grid([(-8, 8), (-8, 8)], [96, 96]))
    assert result.stats["residual"] < 1e-13
    assert result.density.min() >= 0.0
    assert not result.is_equilibrium
    x, y = result.grid.coordinates()
    for k in ([1.0, 0.0], [0.0, 1.5], [1.0, -1.0]):
        shape = np.eye(2) if isinstance(kind, str) else np.array(kind)
        psi = (np.abs(k) ** a).sum() if kind == "axes" else (k @ shape @ k) ** (a / 2)
        found = (result.masses * np.cos(k[0] * x + k[1] * y)).sum()
        assert found == pytest.approx(np.exp(-(scale**a) * psi / a), abs=0.03)


def test_iterations_equal_the_full_matrix():
    grid = fp.Grid((-1, 1), 120, "absorbing")
    eq = fp.FokkerPlanck(drift=0.5, jumps=fp.LevyJumps(1.3, lambda x: 1 + 0.5 * x))
    q = fp.generator(eq, grid)
    right = np.random.default_rng(0).random(120)
    for shift in (0.0, 2.0 + 3.0j):
        for adjoint in (False, True):
            full = shift * np.eye(120) - (q.matrix.toarray().T if adjoint else q.matrix.toarray())
            found = solve_jumps(q, shift, right, adjoint)
            np.testing.assert_allclose(found, np.linalg.solve(full, right), rtol=1e-8)
    closed = fp.generator(eq, fp.Grid((-1, 1), 120))
    np.testing.assert_allclose(null_vector(closed), dense_null_vector(closed.matrix.toarray()), rtol=1e-8)


def test_bad_input():
    with pytest.raises(ValueError, match=r"`stability` must be from 0.01 to 2, got 2.5"):
        fp.LevyJumps(2.5)
    with pytest.raises(TypeError, match=r"`stability` must be a number from 0.01 to 2"):
        fp.LevyJumps("heavy")
    with pytest.raises(ValueError, match="`scale` must be a finite number not below 0"):
        fp.LevyJumps(1.5, -1.0)
    with pytest.raises(TypeError, match="`scale` must be a finite number not below 0, or a function"):
        fp.LevyJumps(1.5, "large")
    with pytest.raises(ValueError, match="`scale` must be one number or function, or for kind='axes' a pair"):
        fp.LevyJumps(1.5, [1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"`kind` must be 'isotropic', 'axes' or a 2 x 2 matrix, got 'axis'. Did you mean 'axes'"
    ):
        fp.LevyJumps(1.5, kind="axis")
    with pytest.raises(ValueError, match="`kind` must be 'isotropic', 'axes' or a symmetric positive definite"):
        fp.LevyJumps(1.5, kind=[[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(TypeError, match=r"`jumps` must be None or fp.LevyJumps"):
        fp.FokkerPlanck(diffusion=1.0, jumps=1.5)
    with pytest.raises(ValueError, match="`convention` must be 'ito' together with jumps, got 'klimontovich'"):
        fp.FokkerPlanck(diffusion=1.0, jumps=fp.LevyJumps(1.5), convention="klimontovich")
    grid = fp.Grid((-1, 1), 20)
    with pytest.raises(ValueError, match=r"`scale` must be finite and not below 0 at every point, got -0.95"):
        fp.generator(levy(1.5, lambda x: x), grid)
    with pytest.raises(ValueError, match="`kind` must be left alone in one dimension"):
        fp.generator(levy(1.5, kind="axes"), grid)
    with pytest.raises(ValueError, match="`grid` must be of equal cells along x together with jumps"):
        fp.generator(levy(1.5), fp.Grid.from_edges([0.0, 0.1, 0.3, 0.7]))
    with pytest.raises(ValueError, match=r"`grid` must be of one or two axes together with jumps, got '?3 axes"):
        fp.generator(fp.FokkerPlanck(jumps=fp.PoissonJumps(1.0, np.eye(3))), fp.Grid([(0, 1)] * 3, 4))
    with pytest.raises(ValueError, match="`grid` must be of at most 6000 cells for a matrix with jumps"):
        _ = fp.generator(levy(1.5), fp.Grid((0, 1), 6001)).matrix
