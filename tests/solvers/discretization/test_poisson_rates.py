"""Finite-rate jumps: rates against a sum over all images, closed forms of compound Poisson processes, and refusals."""

import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq

import fokkerplanck as fp
from fokkerplanck.model.jump_laws import law_of
from fokkerplanck.solvers.discretization.jump_lattice import jump_lattice

WALLS = ["reflecting", "absorbing", "periodic", ("absorbing", "reflecting"), ("reflecting", "absorbing")]
LAWS = [stats.norm(0.3, 0.5), stats.expon(scale=0.4), ([-0.7, 2.2], [0.4, 0.6]), 0.5]


def rate(x):
    return 1.0 + 0.3 * np.sin(x)


def ou(jumps, diffusion=0.1):
    return fp.FokkerPlanck(drift=lambda x: -x, diffusion=diffusion, jumps=jumps)


@pytest.mark.parametrize(
    "law", [*LAWS, stats.laplace(0.1, 0.7), stats.norm(0, 0.01), stats.gamma(2.3, scale=0.4), stats.poisson(3), 1e-4]
)
def test_a_law_keeps_its_mean_and_variance_on_the_cells(law):
    lattice = jump_lattice(law_of(law), (0.1,), (400,))
    sizes, w = 0.1 * lattice.offsets(0), lattice.weights
    if isinstance(law, tuple):
        mean = np.dot(*law)
        variance = np.dot(np.square(law[0]), law[1]) - mean**2
    else:
        mean, variance = (law.mean(), law.var()) if hasattr(law, "mean") else (0.0, law)
    assert w.min() >= 0.0
    np.testing.assert_allclose([w.sum(), w @ sizes, w @ sizes**2 - mean**2], [1.0, mean, variance], atol=1e-12)
    assert lattice.excess[0] < 1e-12


@pytest.mark.parametrize("covariance", [[[0.3, 0.0], [0.0, 0.02]], [[0.3, 0.1], [0.1, 0.2]]])
def test_a_gaussian_in_the_plane_keeps_its_covariance(covariance):
    lattice = jump_lattice(law_of(covariance), (0.1, 0.07), (400, 400))
    x, y, w = 0.1 * lattice.offsets(0), 0.07 * lattice.offsets(1), lattice.weights
    found = [w.sum(), w.sum(1) @ x**2, x @ w @ y, w.sum(0) @ y**2]
    np.testing.assert_allclose(found, [1.0, covariance[0][0], covariance[0][1], covariance[1][1]], atol=1e-12)


def by_images(grid, lattice, strength):
    """Rates (n, n) and losses (n,), jump by jump."""
    n, (low, high) = grid.size, grid.boundary[0]
    rates, lost = np.zeros((n, n)), np.zeros(n)
    for start in range(n):
        for share, offset in zip(lattice.weights * strength[start], lattice.offsets(0), strict=True):
            end = start + offset
            while end is not None and not 0 <= end < n:
                wall = high if end >= n else low
                turned = 2 * n - 1 - end if end >= n else -1 - end
                end = end % n if wall == "periodic" else None if wall == "absorbing" else turned
            if end is None:
                lost[start] += share
            else:
                rates[end, start] += share
    return rates, lost


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("walls", WALLS)
def test_rates_are_sums_over_images(walls, law):
    grid = fp.Grid((-1, 2), 20, walls)
    eq = fp.FokkerPlanck(diffusion=0.5, jumps=fp.PoissonJumps(rate, law))
    jumps = fp.generator(eq, grid).jumps
    lattice = jump_lattice(eq.jumps.law_read, (0.15,), (800,))
    rates, lost = by_images(grid, lattice, rate(grid.centers[0]))
    np.testing.assert_allclose(jumps.escape, lost, atol=1e-12)
    np.fill_diagonal(rates, np.diag(rates) - rate(grid.centers[0]))
    np.testing.assert_allclose(jumps.dense, rates, atol=1e-12)
    p = np.random.default_rng(0).random(20)
    np.testing.assert_allclose(jumps.apply(p), rates @ p, atol=1e-12)
    np.testing.assert_allclose(jumps.apply_adjoint(p), rates.T @ p, atol=1e-12)
    through = jumps.crossing(p)
    if walls == "periodic":
        assert abs(through[0] - through[-1]) < 1e-12
    else:
        leaves_low = sum(
            weight * rate(grid.centers[0])[j] * p[j]
            for j in range(20)
            for weight, m in zip(lattice.weights, lattice.offsets(0), strict=True)
            if j + m < 0
        )
        if walls == "absorbing":
            np.testing.assert_allclose(through[0], -leaves_low, atol=1e-12)
        np.testing.assert_allclose(through[-1] - through[0], lost @ p, atol=1e-12)


def test_a_kernel_that_is_a_law_of_sizes_gives_its_rates():
    grid = fp.Grid((-3, 3), 300, ("absorbing", "reflecting"))
    bell = stats.norm(0.3, 0.5)
    by_law = fp.generator(fp.FokkerPlanck(jumps=fp.PoissonJumps(rate, bell)), grid)
    kernel = fp.PoissonJumps(rate, lambda x, y: bell.pdf(y - x))
    q = fp.generator(fp.FokkerPlanck(jumps=kernel), grid)
    p = np.exp(-(grid.centers[0] ** 2))
    np.testing.assert_allclose(q.jumps.apply(p), by_law.jumps.apply(p), atol=2e-5)  # both of second order
    np.testing.assert_allclose(q.jumps.escape, by_law.jumps.escape, atol=2e-5)
    np.testing.assert_allclose(q.jumps.crossing(p), by_law.jumps.crossing(p), atol=2e-2)


def test_the_free_compound_poisson_process():
    """exp(t (lambda (phi(u) - 1) - D u^2)) by its mean, variance and density (Poisson mixture of Gaussians)."""
    lam, s, d, t = 1.5, 0.6, 0.05, 1.2
    grid = fp.Grid((-6, 6), 400)
    sol = fp.solve(fp.FokkerPlanck(diffusion=d, jumps=fp.PoissonJumps(lam, s**2)), grid, fp.gaussian(0, 0.2), t)
    k = np.arange(40)
    width = np.sqrt(0.2**2 + 2 * d * t + k * s**2)
    exact = (stats.poisson.pmf(k, lam * t) * stats.norm.pdf(grid.centers[0][:, None], scale=width)).sum(1)
    assert np.abs(sol.density[-1] - exact).max() < 5e-4 * exact.max()
    off = (np.abs(sol.density[-1] - exact) * grid.widths[0]).sum()
    assert 0.8 * off < sol.error["density"][-1] < 2.0 * off
    np.testing.assert_allclose(sol.mass, 1.0, atol=1e-12)


@pytest.mark.filterwarnings("ignore::fokkerplanck.GridErrorWarning")
def test_ornstein_uhlenbeck_with_jumps():
    """log E exp(iuX) = -D u^2 / 2k + (lambda / k) int_0^u (phi(v) - 1) dv / v; variance (2 D + lambda s^2) / 2k."""
    lam, s, d = 2.0, 0.5, 0.1
    errors = []
    for n in (200, 400):
        st = fp.stationary(ou(fp.PoissonJumps(lam, s**2)), fp.Grid((-5, 5), n))
        errors.append(st.covariance()[0, 0] - (2 * d + lam * s**2) / 2)
        assert abs(errors[-1]) < st.error["covariance"][0, 0]
    assert 3.5 < errors[0] / errors[1] < 4.5
    u = np.linspace(0, 30, 1501)
    exponent = [quad(lambda v: (np.exp(-((s * v) ** 2) / 2) - 1) / v, 0, end)[0] if end else 0.0 for end in u]
    law = np.exp(-d * u**2 / 2 + lam * np.array(exponent))
    x = st.grid.centers[0][::20]
    exact = np.trapezoid(law * np.cos(u * x[:, None]), u) / np.pi
    assert np.abs(st.density[::20] - exact).max() < 2e-4


def test_exit_of_a_double_sided_interval_with_exponential_jumps():
    """Kou and Wang 2003: exponentials with D b^2 + mu b + lambda b / (eta - b) = 0, with one condition for the overshoot."""
    mu, d, lam, eta, top = -0.3, 0.4, 1.5, 2.5, 2.0
    bs = [0.0, *(brentq(lambda b: d * b + mu + lam / (eta - b), *ends) for ends in ((-50, 1.0), (eta + 1e-9, 50)))]
    b = np.array(bs)
    rows = np.array([np.ones(3), np.exp(b * top), eta / (eta - b) * np.exp(b * top)])
    c = np.linalg.solve(rows, [0.0, 1.0, 1.0])
    eq = fp.FokkerPlanck(drift=mu, diffusion=d, jumps=fp.PoissonJumps(lam, stats.expon(scale=1 / eta)))
    q = fp.committor(eq, fp.Grid((-1, 12), 650), lambda x: x < 0, lambda x: x > top)
    for x in (0.5, 1.0, 1.7):
        np.testing.assert_allclose(q.at(x), np.exp(x * b) @ c, atol=5e-4)
    # the share that jumps over the top by more than y: exp(-eta y) of those that jump over it at all
    beyond = fp.first_passage(eq, fp.Grid((0, top), 400, "absorbing"), error=False)
    parts = np.array([np.ones(3), np.exp(b * top), eta / (eta - b) * np.exp(b * top)])
    jumped = np.exp(b) @ np.linalg.solve(parts, [0.0, 0.0, 1.0])
    np.testing.assert_allclose(beyond.ways_out["jumps"].probability_at(1.0), jumped, atol=2e-3)


def test_waiting_for_one_jump_and_for_a_place():
    """Without drift and noise: the first jump over an absorbing wall, and the mean of a geometric number of exponentials."""
    grid = fp.Grid((0, 1), 10, "absorbing")
    eq = fp.FokkerPlanck(jumps=fp.PoissonJumps(4.0, ([-3.0, 3.0], [0.5, 0.5])))
    passage = fp.first_passage(eq, grid, error=False)
    np.testing.assert_allclose(passage.mean, 0.25)
    two = fp.FokkerPlanck(jumps=fp.PoissonJumps(4.0, ([0.1, 3.0], [0.5, 0.5])))  # one cell on, or out
    steps = np.arange(10)[::-1]
    np.testing.assert_allclose(
        fp.first_passage(two, grid, error=False).mean, 0.5 * (1 - 0.5 ** (steps + 1)), rtol=1e-12
    )


def test_eigenvalues_are_those_of_the_drift():
    """Jumps of finite moments leave the eigenvalues -k n of an Ornstein-Uhlenbeck process."""
    found = fp.spectrum(ou(fp.PoissonJumps(2.0, 0.25)), fp.Grid((-6, 6), 300), 4, error=False).eigenvalues
    np.testing.assert_allclose(found.real, [0, -1, -2, -3], atol=0.02)


def test_the_plane():
    """Stationary covariance S_ij = (2 D_ij + lambda C_ij) / (k_i + k_j)."""
    c = np.array([[0.3, 0.1], [0.1, 0.2]])
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -2 * y], diffusion=0.05, jumps=fp.PoissonJumps(1.0, c))
    st = fp.stationary(eq, fp.Grid([(-4, 4), (-3, 3)], [80, 80]))
    exact = (0.1 * np.eye(2) + c) / np.array([[2, 3], [3, 4]])
    assert (np.abs(st.covariance() - exact) <= st.error["covariance"]).all()
    np.testing.assert_allclose(st.covariance(), exact, atol=6e-3)


def test_narrow_jumps():
    """Below a cell: as a diffusion lambda s^2 / 2; of one sign they are too much, unless diffusion makes up for it."""
    grid = fp.Grid((-5, 5), 200)
    start = fp.gaussian(0, 0.5)
    sol = fp.solve(fp.FokkerPlanck(jumps=fp.PoissonJumps(1e4, 1e-5)), grid, start, 1.0, error=False)
    first = fp.solve(fp.FokkerPlanck(diffusion=0.05), grid, start, 1.0, error=False)
    np.testing.assert_allclose(sol.density, first.density, atol=1e-9)
    drifting = fp.PoissonJumps(50.0, ([0.01], [1.0]))
    sol = fp.solve(fp.FokkerPlanck(diffusion=0.2, jumps=drifting), grid, start, 1.0, error=False)
    np.testing.assert_allclose(sol.mean()[-1, 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(sol.covariance()[-1, 0, 0], 0.25 + 0.4 + 0.005 + 0.05**2 / 12, atol=1e-3)
    with pytest.warns(fp.ResolutionWarning, match="narrower than the cells along x"):
        fp.solve(fp.FokkerPlanck(jumps=drifting), grid, start, 1.0, error=False)


def test_a_box_that_folds_jumps_back_is_warned_of():
    with pytest.warns(fp.ResolutionWarning, match="of the jumps would end beyond the reflecting walls"):
        fp.stationary(ou(fp.PoissonJumps(2.0, 1.0)), fp.Grid((-2, 2), 100), error=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rate": -1.0}, "`rate` must be a finite number not below 0"),
        ({"law": [[1.0, 2.0], [2.0, 1.0]]}, "`law` must be a variance, or a symmetric positive semidefinite"),
        ({"law": -0.1}, "`law` must be a variance"),
        ({"law": ([1.0, 2.0], [0.5, 0.6])}, "`law` must be of weights that sum to 1"),
        ({"law": [1.0, 2.0]}, "`law` must be a frozen distribution.*Sizes come with weights"),
        ({"law": stats.norm}, "Freeze it"),
        ({"law": lambda x: x}, "`law` must be a function of 2 argument"),
        ({"law": [[1.0, 0.0], [0.0, 1.0]]}, "`law` must be of 1 dimension"),
        ({"law": lambda x, y: np.exp(-((x - y) ** 2))}, "whose integral over x_to is 1"),
        ({"law": lambda x, y: x - y}, "`law` must be a density"),
        ({"rate": lambda x: -x}, "`rate` must be finite and not below 0 at every point"),
    ],
)
def test_refusals(arguments, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        fp.generator(
            fp.FokkerPlanck(jumps=fp.PoissonJumps(**{"rate": 1.0, "law": 0.1} | arguments)), fp.Grid((-1, 1), 40)
        )


@pytest.mark.parametrize("diffusion", [0.3, 0.03])
@pytest.mark.parametrize(
    ("law", "square"),
    [
        (stats.norm(0, 0.5), 0.25),
        (stats.expon(scale=0.8), 1.28),
        (([0.317, -0.7123], [0.3, 0.7]), 0.3 * 0.317**2 + 0.7 * 0.7123**2),
    ],
)
def test_the_error_is_that_of_second_order(law, square, diffusion):
    """Taken for first order it was three times too large: the variance at rest is (2 D + rate E s^2) / 2."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=diffusion, jumps=fp.PoissonJumps(rate=0.3, law=law))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        at_rest = fp.stationary(eq, fp.Grid((-14, 14), 256))
    off = abs(at_rest.covariance()[0, 0] - (2 * diffusion + 0.3 * square) / 2)
    assert 0.6 * off < at_rest.error["covariance"][0, 0] < 2.0 * off


def test_jumps_of_one_sign_never_lead_back():
    """Up alone, without drift or noise: what lies below is never reached, where a singular matrix was solved before."""
    eq = fp.FokkerPlanck(drift=lambda x: 0 * x, diffusion=0.0, jumps=fp.PoissonJumps(1.0, ([1.0], [1.0])))
    grid = fp.Grid((-3, 3), 60)
    assert fp.first_passage(eq, grid, lambda x: x < -1, error=False).at(0.0) == np.inf
    assert fp.first_passage(eq, grid, lambda x: x > 1.5, error=False).at(0.0) == pytest.approx(2.0, rel=0.06)


def test_laws_of_starts_are_laws_of_sizes():
    """A normal law by its deviation as by its variance, and sizes that were seen as sizes with equal weights."""
    grid = fp.Grid((-4, 4), 64)

    def end(law):
        eq = fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.PoissonJumps(rate=2.0, law=law))
        return fp.solve(eq, grid, fp.gaussian(0.0, 0.4), 1.0, error=False).density[-1]

    assert end(fp.gaussian(0.0, 0.3)) == pytest.approx(end(0.09), abs=1e-12)
    assert end(fp.from_samples([-0.5, 0.25])) == pytest.approx(end(([-0.5, 0.25], [0.5, 0.5])), abs=1e-12)
