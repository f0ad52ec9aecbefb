"""Initial densities on a grid, and moments of masses."""

import numpy as np
import pytest
from exact import gaussian_pdf
from scipy.stats import norm

import fokkerplanck as fp
from fokkerplanck.model import initial_density as density
from fokkerplanck.model.initial_density import initial_masses

UNEVEN = fp.Grid.from_edges(np.linspace(0, 1, 41) ** 1.5 * 4 - 1)
PLANE = fp.Grid([(-3, 3), (-2, 2)], [45, 38])


def test_a_wide_gaussian_has_its_density_at_the_centers():
    grid = fp.Grid((-6, 6), 240)
    masses, total = initial_masses(fp.gaussian(0.7, 0.5), grid)
    np.testing.assert_allclose(masses / grid.volumes, gaussian_pdf(grid.centers[0], 0.7, 0.25), atol=1e-12)
    assert total == pytest.approx(1.0, abs=1e-12)
    assert density.mean(masses, grid)[0] == pytest.approx(0.7, abs=1e-12)


@pytest.mark.parametrize("std", [1e-9, 0.01, 0.2])
@pytest.mark.parametrize("center", [0.3, 1.0])
def test_a_gaussian_keeps_its_mean_on_any_cells(std, center):
    # 1e-3 std of the cell where it was moved to the nearest center: up to half a cell, 0.05
    masses, _ = initial_masses(fp.gaussian(center, std), UNEVEN)
    assert density.mean(masses, UNEVEN)[0] == pytest.approx(center, abs=1e-3)
    assert (masses >= 0).all()


def test_a_gaussian_with_a_covariance_matrix():
    covariance = np.array([[0.2, 0.1], [0.1, 0.3]])
    masses, _ = initial_masses(fp.gaussian([0.2, -0.1], covariance / 4), PLANE)
    np.testing.assert_allclose(density.mean(masses, PLANE), [0.2, -0.1], atol=1e-8)
    np.testing.assert_allclose(density.covariance(masses, PLANE), covariance / 4, rtol=1e-6)


def test_a_narrow_tilted_gaussian_keeps_mean_and_correlation():
    covariance = np.array([[0.5, 0.499], [0.499, 0.5]])  # thinner than a cell across
    masses, _ = initial_masses(fp.gaussian([0.2, -0.1], 0.2 * covariance), PLANE)
    np.testing.assert_allclose(density.mean(masses, PLANE), [0.2, -0.1], atol=1e-6)
    np.testing.assert_allclose(density.covariance(masses, PLANE), 0.2 * covariance, atol=0.01)


@pytest.mark.parametrize("x", [0.31, 0.335, -0.98, 2.8])
def test_a_point_keeps_its_mean(x):
    # a peer moved a point mass by half a cell
    masses, total = initial_masses(fp.point(x), UNEVEN)
    assert density.mean(masses, UNEVEN)[0] == pytest.approx(x, abs=1e-14)
    assert np.count_nonzero(masses) == 3
    assert total == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("x", [-0.9999, 2.9999])
def test_a_point_beside_a_wall_stays_in_its_cell(x):
    masses, _ = initial_masses(fp.point(x), UNEVEN)
    end = 0 if x < 0 else -1
    assert masses[end] > 0.5
    assert abs(density.mean(masses, UNEVEN)[0] - UNEVEN.centers[0][end]) < 0.5 * UNEVEN.widths[0][end]


@pytest.mark.parametrize("x", [0.5, 0.503, 0.51, 0.5249, 0.525])
def test_a_point_adds_the_same_variance_wherever_it_lies(x):
    """h^2 / 4; shared between two centers it was from 0 to h^2 / 4."""
    grid = fp.Grid((0, 1), 40)
    masses, _ = initial_masses(fp.point(x), grid)
    assert density.covariance(masses, grid)[0, 0] == pytest.approx(0.025**2 / 4, rel=1e-10)


@pytest.mark.parametrize("std", [0.4, 0.5, 0.6, 0.8, 0.999])
def test_a_gaussian_of_a_cell_has_its_variance(std):
    """In units of h: kept from h / 2 on, below it h^2 / 4; sharing between two centers added up to h^2 / 4."""
    grid = fp.Grid((-20, 20), 40)
    masses, _ = initial_masses(fp.gaussian(0.3, std), grid)
    assert density.covariance(masses, grid)[0, 0] == pytest.approx(max(std**2, 0.25), rel=2e-4)


def test_a_point_in_the_plane_is_shared_between_nine_cells():
    masses, _ = initial_masses(fp.point([0.33, -0.71]), PLANE)
    np.testing.assert_allclose(density.mean(masses, PLANE), [0.33, -0.71], atol=1e-14)
    assert np.count_nonzero(masses) == 9


def test_a_point_at_the_joint_of_a_circle_is_shared_across_it():
    masses, _ = initial_masses(fp.point(0.0), fp.Grid((0, 1), 10, boundary="periodic"))
    np.testing.assert_allclose(masses[[0, -1]], 0.5)


def test_a_uniform_law_fills_its_box_exactly():
    masses, total = initial_masses(fp.uniform([-1.0, 0.1], [1.5, 1.0]), PLANE)
    assert total == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(density.mean(masses, PLANE), [0.25, 0.55], atol=5e-3)
    inside = (masses / PLANE.volumes)[np.abs(masses - masses.max()) < 1e-15]
    np.testing.assert_allclose(inside, 1.0 / (2.5 * 0.9), rtol=1e-12)


def test_samples_keep_their_mean_and_add_a_quarter_of_a_squared_cell():
    samples = np.random.default_rng(0).normal([0.4, -0.3], [0.5, 0.3], size=(500, 2))
    masses, _ = initial_masses(fp.from_samples(samples), PLANE)
    np.testing.assert_allclose(density.mean(masses, PLANE), samples.mean(axis=0), atol=1e-12)
    extra = np.diag(density.covariance(masses, PLANE)) - samples.var(axis=0)
    width = np.array([6 / 45, 4 / 38])
    np.testing.assert_allclose(extra, width**2 / 4, rtol=1e-9)


@pytest.mark.parametrize(
    "start", [fp.gaussian(0.5, 0.2), fp.uniform(-1, 2), fp.point(0.4), fp.from_samples([0.1, 0.9])]
)
def test_laws_sample_what_they_put_on_the_grid(start):
    drawn = start.sample(np.random.default_rng(1), 20_000)
    assert drawn.shape == (20_000, 1)
    masses, _ = initial_masses(start, fp.Grid((-2, 3), 500))
    mean = density.mean(masses, fp.Grid((-2, 3), 500))[0]
    spread = drawn.std() / np.sqrt(20_000)
    assert abs(drawn.mean() - mean) <= 4 * spread + 1e-12  # false alarm 6e-5


def test_functions_and_arrays_are_densities_at_the_centers():
    grid = fp.Grid((-5, 5), 100)
    by_function, total = initial_masses(lambda x: norm.pdf(x, 0.5, 0.6), grid)
    by_array, _ = initial_masses(norm.pdf(grid.centers[0], 0.5, 0.6), grid)
    by_list, _ = initial_masses(norm.pdf(grid.centers[0], 0.5, 0.6).tolist(), grid)
    np.testing.assert_array_equal(by_function, by_array)
    np.testing.assert_array_equal(by_array, by_list)
    assert total == pytest.approx(1.0, abs=1e-8)


def test_mass_outside_the_box_is_reported_not_hidden():
    grid = fp.Grid((-1, 1), 50)
    with pytest.warns(UserWarning, match=r"`p0` has mass 0\.5.* in the box; it was scaled to 1"):
        masses, total = initial_masses(fp.gaussian(1.0, 0.2), grid)
    assert total == pytest.approx(0.5, abs=1e-3)
    assert masses.sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(
    ("start", "error", "sentence"),
    [
        (lambda x: -x, ValueError, "`p0` must be finite and nowhere negative, got"),
        (lambda x: np.where(x > 0.5, np.nan, 1.0), ValueError, "`p0` must be finite and nowhere negative, got .*nan"),
        (np.zeros(40), ValueError, "`p0` must be a density with mass inside the box, got mass 0"),
        (np.ones(39), ValueError, r"`p0` must be a density of the grid's shape \(40,\), got shape \(39,\)"),
        (np.ones(40) * 1j, TypeError, "`p0` must be real, got dtype complex128"),
        (3.0, TypeError, "`p0` must be an initial density, got 3.0"),
        ("gaussian", TypeError, "`p0` must be an initial density, got 'gaussian'"),
        (fp.point(7.0), ValueError, "`p0` must be a density with mass inside the box, got mass 0 in Grid"),
        (fp.point([0.0, 0.0]), ValueError, r"`p0` must be given in 1 dimension\(s\), as the grid is, got '?2"),
        (fp.gaussian([0.0, 0.0], 1.0), ValueError, r"`p0` must be given in 1 dimension\(s\), as the grid is, got '?2"),
    ],
)
def test_bad_starts_are_refused_in_a_sentence(start, error, sentence):
    with pytest.raises(error, match=sentence):
        initial_masses(start, UNEVEN)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fp.gaussian(0.0, 0.0), r"`std_or_cov` must be positive, got 0\.0.*fp\.point"),
        (lambda: fp.gaussian(0.0, -1.0), r"`std_or_cov` must be positive, got -1\.0"),
        (lambda: fp.gaussian(0.0, np.nan), "`std_or_cov` must be finite, got nan"),
        (
            lambda: fp.gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]),
            "`std_or_cov` must be a number, 2 numbers or a 2 x 2 cov",
        ),
        (
            lambda: fp.gaussian([0.0, 0.0], [1.0, 1.0, 1.0]),
            "`std_or_cov` must be a number, 2 numbers or a 2 x 2 covariance",
        ),
        (lambda: fp.gaussian(np.inf, 1.0), "`mean` must be a number, or 2 or 3 finite numbers, got inf"),
        (lambda: fp.uniform(1.0, 0.0), "`low` must be below `high` on every axis, got 1.0 and 0.0"),
        (lambda: fp.uniform([0.0, 0.0], 1.0), "`low` must be below `high` on every axis"),
        (lambda: fp.point([1.0, np.nan]), "`x` must be a number, or 2 or 3 finite numbers"),
        (lambda: fp.from_samples([]), r"`samples` must be a finite array .*got shape \(0,\)"),
        (lambda: fp.from_samples([1.0, np.nan]), r"`samples` must be a finite array .*got shape \(2,\)"),
    ],
)
def test_bad_laws_are_refused_in_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_moments_against_sums():
    rng = np.random.default_rng(3)
    masses = rng.random((2, *PLANE.shape))
    x, y = np.broadcast_arrays(*PLANE.coordinates())
    for m, mean, cov, third in zip(
        masses,
        density.mean(masses, PLANE),
        density.covariance(masses, PLANE),
        density.moment(masses, PLANE, 3),
        strict=True,
    ):
        weights = m.ravel() / m.sum()
        np.testing.assert_allclose(mean, [weights @ x.ravel(), weights @ y.ravel()], atol=1e-12)
        np.testing.assert_allclose(cov, np.cov(np.stack([x.ravel(), y.ravel()]), aweights=weights, ddof=0), atol=1e-12)
        np.testing.assert_allclose(third, [weights @ x.ravel() ** 3, weights @ y.ravel() ** 3], atol=1e-12)


def test_the_variance_does_not_cancel_far_from_the_origin():
    # E[x^2] - E[x]^2 gave 2.0 for 1.016 at mean 1e8
    grid = fp.Grid((1e8 - 6, 1e8 + 6), 400)
    masses, _ = initial_masses(fp.gaussian(1e8, 1.0), grid)
    assert density.covariance(masses, grid)[0, 0] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("deviations", [(1e-6, 1e6), (1e-8, 1e6), (1e-6, 1e3)])
def test_axes_of_different_units_are_judged_by_their_own_cells(deviations):
    grid = fp.Grid([(-6e-6, 6e-6), (-6e6, 6e6)], [120, 120])
    masses = fp.gaussian([0, 0], deviations).masses(grid)
    assert masses.sum() == pytest.approx(1.0, abs=1e-6)
    for axis, (x, s) in enumerate(zip(grid.centers, deviations, strict=True)):
        own = fp.gaussian(0, s).masses(fp.Grid.from_edges(grid.edges[axis]))
        np.testing.assert_allclose(masses.sum(axis=1 - axis), own, atol=1e-6)
        if s > grid.widths[axis][0]:
            assert masses.sum(axis=1 - axis) @ x**2 == pytest.approx(s**2, rel=1e-5)


def test_a_covariance_between_different_units():
    grid = fp.Grid([(-6e-6, 6e-6), (-6e6, 6e6)], [120, 120])
    masses = fp.gaussian([0, 0], [[1e-12, 0.5], [0.5, 1e12]]).masses(grid)
    x, y = grid.coordinates()
    assert (masses * x * y).sum() == pytest.approx(0.5, rel=1e-4)
    with pytest.raises(ValueError, match="`std_or_cov` must be a number, 2 numbers or a 2 x 2 covariance matrix"):
        fp.gaussian([0, 0], [[1e-12, 5e-13], [2e-13, 1e-12]])


def test_samples_outside_are_said():
    with pytest.warns(UserWarning, match=r"mass 0\.5 in the box; it was scaled to 1\. The rest are samples outside"):
        fp.solve(fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 5), 64), fp.from_samples([-1.0, 0.5, 0.7, 6.0]), 1.0)


CIRCLE = fp.Grid((-np.pi, np.pi), 64, "periodic")
TORUS = fp.Grid([(-np.pi, np.pi)] * 2, 48, "periodic")


@pytest.mark.parametrize("mean", [3.0, -40.0])
@pytest.mark.parametrize("std", [0.01, 0.3, 2.0, 50.0])
def test_a_normal_law_goes_round_a_circle(mean, std):
    """The wrapped normal law: <exp(ix)> = exp(i mean - std^2 / 2), of one narrower than a cell with the variance of a point."""
    masses = fp.gaussian(mean, std).masses(CIRCLE)
    assert masses.sum() == pytest.approx(1.0, abs=1e-12)
    found = np.exp(1j * CIRCLE.centers[0]) @ masses
    variance = max(std**2, CIRCLE.widths[0][0] ** 2 / 4)  # that of a point which is shared out
    assert abs(found - np.exp(1j * mean - variance / 2)) < (1e-5 if std == 0.01 else 1e-12)


def test_a_normal_law_goes_round_a_torus():
    """<exp(i k . x)> = exp(i k . mean - k . C k / 2), with axes that lean on each other, and one of them walled."""
    mean, cov = np.array([3.0, 10.0]), np.array([[0.5, 0.3], [0.3, 0.8]])
    masses = fp.gaussian(mean, cov).masses(TORUS)
    x, y = TORUS.coordinates()
    for k in ([1, 0], [0, 1], [1, -1], [2, 1]):
        exact = np.exp(1j * np.dot(k, mean) - np.dot(k, cov @ k) / 2)
        assert abs((np.exp(1j * (k[0] * x + k[1] * y)) * masses).sum() - exact) < 1e-10
    half = fp.Grid([(-np.pi, np.pi), (-8, 8)], 64, ["periodic", "reflecting"])
    x, y = half.coordinates()
    masses = fp.gaussian([3.0, 0.5], cov).masses(half)
    exact = np.exp(3j - 0.25) * (0.5 + 0.3j)  # <y exp(ix)> = (m + i C_xy) <exp(ix)>
    assert abs((y * np.exp(1j * x) * masses).sum() - exact) < 1e-10


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (2.5, 4.0), (-20.0, -19.0), (2.5, 30.0)])
def test_a_uniform_law_goes_round_a_circle(low, high):
    ring = fp.Grid((0.0, 2.0), 37, "periodic")
    masses = fp.uniform(low, high).masses(ring)
    fine = np.linspace(low, high, 400_001)
    counted = np.histogram(np.mod(0.5 * (fine[1:] + fine[:-1]), 2.0), ring.edges[0])[0] / 400_000
    assert np.abs(masses - counted).max() < 1e-4
    assert masses.sum() == pytest.approx(1.0, abs=1e-13)


def test_points_go_round_a_circle():
    there, turned = (fp.from_samples(x).masses(CIRCLE) for x in ([1.0, -2.0], [1.0 - 2 * np.pi, -2.0 + 20 * np.pi]))
    np.testing.assert_allclose(there, turned, atol=1e-12)
    eq = fp.FokkerPlanck(drift=np.sin, diffusion=0.5)
    passage = fp.first_passage(eq, CIRCLE, lambda x: np.cos(x) < -0.9)
    assert passage.at(0.5 + 2 * np.pi) == pytest.approx(passage.at(0.5), rel=1e-12)
    assert passage.error_at(0.5 - 4 * np.pi) == pytest.approx(passage.error_at(0.5), rel=1e-6)
    left, right = (lambda x: np.cos(x - 1) > 0.95), (lambda x: np.cos(x + 1) > 0.95)
    splitting = fp.committor(eq, CIRCLE, left, right)
    assert splitting.at(0.2 + 2 * np.pi) == pytest.approx(splitting.at(0.2), rel=1e-12)
    started = [
        fp.first_passage(eq, CIRCLE, lambda x: np.cos(x) < -0.9).survival([1.0], fp.point(x))
        for x in (0.5, 0.5 + 2 * np.pi)
    ]
    np.testing.assert_allclose(*started, rtol=1e-12)
    assert CIRCLE.locate(3.5) == CIRCLE.locate(3.5 - 2 * np.pi)
    with pytest.raises(ValueError, match="inside the box"):
        fp.Grid((0, 1), 10).locate(1.5)
