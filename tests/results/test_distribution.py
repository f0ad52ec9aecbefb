"""Densities as distributions: against scipy.stats, closed forms, and themselves."""

import csv

import numpy as np
import pytest
from scipy import stats

import fokkerplanck as fp
from fokkerplanck.results.distribution import Distribution

RATE, NOISE = 1.0, 0.5


@pytest.fixture(scope="module")
def line():
    """The Ornstein-Uhlenbeck density at t = 0.5 and 1 from N(2, 0.3^2), with its exact law at each."""
    eq = fp.FokkerPlanck(drift=lambda x: -RATE * x, diffusion=NOISE)
    sol = fp.solve(eq, fp.Grid((-6, 6), 400), fp.gaussian(2, 0.3), [0.5, 1.0])
    laws = [
        stats.norm(2 * np.exp(-t), np.sqrt(0.09 * np.exp(-2 * t) + NOISE * (1 - np.exp(-2 * t)))) for t in sol.times
    ]
    return sol, laws


@pytest.fixture(scope="module")
def plane():
    """x and y of a Gaussian equilibrium with covariance [[1, .6], [.6, 1]]."""
    inverse = np.linalg.inv([[1.0, 0.6], [0.6, 1.0]])
    eq = fp.FokkerPlanck(
        potential=lambda x, y: 0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2),
        diffusion=1.0,
    )
    return fp.stationary(eq, fp.Grid([(-5, 5), (-5, 5)], [100, 100]))


def test_one_dimension_is_that_of_scipy_stats(line):
    sol, laws = line
    x, q = np.linspace(-1, 3, 50), np.array([0.001, 0.025, 0.3, 0.5, 0.975, 0.999])
    for t, law in zip(sol.times, laws, strict=True):
        assert np.abs(sol.pdf(x, t=t) - law.pdf(x)).max() < 1e-3
        assert np.abs(sol.cdf(x, t=t) - law.cdf(x)).max() < 3e-4
        assert np.abs(sol.quantile(q, t=t) - law.ppf(q)).max() < 2e-3
        assert np.abs(sol.distribution(t).survival(x) - law.sf(x)).max() < 3e-4
        assert np.allclose(sol.interval(0.9, t=t), law.interval(0.9), atol=2e-3)
        assert sol.probability(lambda x: (x > 0.3) & (x < 1.01), t=t) == pytest.approx(
            law.cdf(1.01) - law.cdf(0.3), abs=3e-4
        )
    assert sol.pdf(0.7) == sol.pdf(0.7, t=1.0)  # the last time
    assert isinstance(sol.cdf(0.7), float)
    assert sol.pdf([[0.1, 0.2], [7.0, -8.0]]).shape == (2, 2)
    assert sol.pdf(7.0) == 0.0
    assert sol.cdf(7.0) == 1.0
    assert sol.cdf(-7.0) == 0.0


def test_the_pieces_agree_with_each_other_and_with_the_masses():
    grid = fp.Grid.from_edges([0.0, 0.5, 0.6, 2.0, 2.2, 3.0])
    law = fp.Distribution.of(grid, np.array([1.0, 0.0, 2.0, 0.1, 5.0]))
    assert np.allclose(np.diff(law.cdf(grid.edges[0])), law.masses, atol=1e-15)
    q = np.linspace(0, 1, 41)[1:]
    assert np.allclose(law.cdf(law.quantile(q)), q, atol=1e-12)
    fine = np.linspace(0, 3, 300_001)
    assert law.pdf(fine).min() >= 0.0
    assert np.trapezoid(law.pdf(fine), fine) == pytest.approx(1.0, abs=1e-6)
    assert law.probability(lambda x: x <= 1.3) == pytest.approx(law.cdf(1.3), abs=1e-12)
    assert law.probability(lambda x: x > 9.0) == 0.0
    assert law.probability(lambda x: x < 9.0) == pytest.approx(1.0)


def test_order_of_the_distribution_function():
    errors = []
    for n in (25, 50, 100):
        grid = fp.Grid((-6, 6), n)
        edges = grid.edges[0]
        law = fp.Distribution.of(grid, np.diff(stats.norm.cdf(edges)) / grid.widths[0])
        x = np.linspace(-3, 3, 777)
        errors.append(np.abs(law.cdf(x) - stats.norm.cdf(x)).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.7).all(), orders


def test_samples_follow_the_law_and_their_seed(line, plane):
    sol, laws = line
    draws = sol.sample(20_000, seed=1)
    assert stats.kstest(draws, laws[-1].cdf).pvalue > 1e-3
    assert np.array_equal(draws, sol.sample(20_000, seed=1))
    points = plane.sample(40_000, seed=2)
    assert points.shape == (40_000, 2)
    assert np.cov(points.T) == pytest.approx(np.array([[1.0, 0.6], [0.6, 1.0]]), abs=0.04)


def test_two_dimensions(plane):
    law = stats.multivariate_normal([0, 0], [[1.0, 0.6], [0.6, 1.0]])
    points = np.array([[0.3, -0.2], [1.0, 1.5], [-2.0, -1.0]])
    assert np.allclose(plane.pdf(points), law.pdf(points), atol=1e-3)
    assert np.allclose(plane.cdf(points), law.cdf(points), atol=2e-3)
    assert plane.pdf([0.3, -0.2]) == plane.pdf(points)[0]
    given = plane.conditional(y=1.0)  # N(0.6, 0.64)
    assert given.mean()[0] == pytest.approx(0.6, abs=0.004)
    assert given.interval(0.9) == pytest.approx(stats.norm(0.6, 0.8).interval(0.9), abs=0.01)
    assert given.mass == pytest.approx(stats.norm.pdf(1.0), abs=1e-3)
    side = plane.marginal("y")
    np.testing.assert_array_equal(side.density, plane.distribution().marginal(1).density)
    turned = plane.marginal(["y", "x"])
    assert turned.grid.names == ("y", "x")
    np.testing.assert_allclose(turned.density, plane.density.T / plane.mass, rtol=1e-12)
    for axis in ("z", ["x", "x"], [], 2):
        with pytest.raises(ValueError, match="`axis` must be"):
            plane.marginal(axis)
    assert side.grid.names == ("y",)
    assert side.quantile(0.9) == pytest.approx(stats.norm.ppf(0.9), abs=0.004)
    assert plane.probability(lambda x, y: x + y > 1.0) == pytest.approx(stats.norm(0, np.sqrt(3.2)).sf(1.0), abs=0.002)
    assert plane.probability(np.ones((100, 100), dtype=bool)) == pytest.approx(1.0)


def test_what_is_left_behind_absorbing_walls_is_scaled_to_one():
    eq = fp.FokkerPlanck(diffusion=1.0)
    sol = fp.solve(eq, fp.Grid((0, np.pi), 300, "absorbing"), fp.uniform(0.0, np.pi), [3.0])
    law = sol.distribution()  # sin(x) / 2, and the mass beside it
    assert law.mass == pytest.approx(sol.mass[0])
    assert law.mass == pytest.approx(8 / np.pi**2 * np.exp(-3.0), rel=1e-3)
    assert law.quantile(0.25) == pytest.approx(np.arccos(0.5), abs=1e-3)
    assert law.pdf(1.0) == pytest.approx(np.sin(1.0) / 2, abs=1e-3)


def test_atoms_are_steps_of_the_distribution_function():
    grid = fp.Grid((0, 1), 10)
    law = fp.Distribution.of(grid, np.full(10, 0.5), {0.0: 0.2, 0.5: 0.3})
    assert law.mass == pytest.approx(1.0)
    assert law.cdf(0.0) == pytest.approx(0.2)
    assert law.cdf(0.49) == pytest.approx(0.445)
    assert law.cdf(0.5) == pytest.approx(0.75)
    assert law.quantile([0.1, 0.3, 0.45, 0.6, 0.75, 0.9]) == pytest.approx([0.0, 0.2, 0.5, 0.5, 0.5, 0.8])
    assert law.probability(lambda x: x <= 0.0) == pytest.approx(0.2)
    assert law.probability(lambda x: x < 0.5) == pytest.approx(0.45)
    assert law.mean() == pytest.approx([0.4])
    assert (law.sample(1000, seed=0) == 0.5).mean() == pytest.approx(0.3, abs=0.05)


def test_what_does_not_fit_is_refused(line, plane):
    sol, _ = line
    for ask, word in [
        (lambda: plane.quantile(0.5), "one-dimensional"),
        (lambda: plane.conditional(w=1.0), "among the axes"),
        (lambda: plane.conditional(), "from 1 to 1"),
        (lambda: plane.conditional(y=99.0), "inside the box"),
        (lambda: plane.pdf([1.0, 2.0, 3.0]), "a point of 2 numbers"),
        (lambda: plane.pdf([0.0, 0.0], t=1.0), "None for a result without times"),
        (lambda: sol.pdf(0.0, t=0.7), "one of the output times"),
        (lambda: sol.quantile(1.5), "from 0 to 1"),
        (lambda: sol.probability("x > 1"), "a function"),
    ]:
        with pytest.raises((ValueError, TypeError), match=word):
            ask()


def test_tables_and_pictures(line, plane, tmp_path):
    sol, _ = line
    sol.to_csv(tmp_path / "density.csv")
    rows = list(csv.reader((tmp_path / "density.csv").read_text().splitlines()))
    assert rows[0] == ["time", "x", "density"]
    assert len(rows) == 801
    assert float(rows[401][0]) == 1.0
    assert float(rows[401][2]) == sol.density[1, 0]
    plane.distribution().to_csv(tmp_path / "plane.csv")
    assert (tmp_path / "plane.csv").read_text().splitlines()[0] == "x,y,density"
    assert "<polyline" in sol._repr_html_()
    assert plane._repr_html_().count("<image") == 1
    assert "<image" in plane.distribution()._repr_html_()
    fig = sol.distribution().plot(log=True)
    assert fig.axes[0].get_xlabel() == "x"
    assert fig.axes[0].get_yscale() == "log"
    assert sol.distribution().plot(ax=fig.axes[0]) is fig
    assert len(plane.distribution().plot().axes) == 4
    alone = plane.distribution().plot(ax=fig.axes[0])
    assert [ax.get_ylabel() for ax in alone.axes] == ["y", "density"]


def test_a_density_goes_on_round_a_circle():
    """Where the axis begins the density has a slope: the first center is half a cell away, the last one on the other side."""
    turn, exact = 2.0 * np.pi, stats.vonmises(3.0, loc=1.0)
    around = fp.Grid((0.0, turn), 96, "periodic")
    ring = fp.stationary(fp.FokkerPlanck(potential=lambda x: -3.0 * np.cos(x - 1.0), diffusion=1.0), around)
    ends = np.array([0.0, 0.01, turn - 0.01, turn])
    np.testing.assert_allclose(ring.pdf(ends), exact.pdf(ends), rtol=6e-3)
    assert ring.pdf(0.0) == pytest.approx(ring.pdf(turn), rel=1e-12)
    np.testing.assert_allclose(ring.quantile(ring.cdf(ends[1:3])), ends[1:3], atol=1e-9)

    grid = fp.Grid([(0.0, turn), (-2.0, 2.0), (0.0, turn)], [96, 12, 24], ["periodic", "reflecting", "periodic"])
    x, y, z = np.meshgrid(*grid.centers, indexing="ij")
    law = Distribution.of(grid, np.exp(3.0 * np.cos(x - 1.0) - y**2 - np.cos(z)))
    seam = law.pdf(np.stack([ends, 0.0 * ends, 0.0 * ends], axis=1)) / law.pdf([1.0, 0.0, 0.0])
    np.testing.assert_allclose(seam, exact.pdf(ends) / exact.pdf(1.0), rtol=4e-3)  # 8 % off where it ends
    given = [law.conditional(x=float(end), y=0.5).mass for end in ends]
    np.testing.assert_allclose(np.array(given) / given[0], exact.pdf(ends) / exact.pdf(0.0), rtol=4e-3)
    later = law.pdf(np.stack([ends + turn, 0.0 * ends, ends - 2.0 * turn], axis=1))
    np.testing.assert_allclose(later, law.pdf(np.stack([ends, 0.0 * ends, ends], axis=1)), rtol=1e-9)
    np.testing.assert_allclose(ring.pdf([1.0 + turn, 1.0 - turn]), ring.pdf(1.0), rtol=1e-9)
    assert law.pdf([1.0, 2.5, 0.0]) == 0.0  # beyond a wall there is nothing


def test_both_tails_keep_their_relative_accuracy():
    """P(X > 6) = 1.08e-17 of a normal law was 4.4e-16 as one minus the rest, and its density there 0."""
    law = stats.norm(0.0, np.sqrt(0.5))
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    rest = fp.stationary(eq, fp.Grid((-8, 8), 400))
    x = np.array([3.0, 5.0, 6.0, 6.5])
    np.testing.assert_allclose(rest.survival(x), law.sf(x), rtol=0.015)
    np.testing.assert_allclose(rest.cdf(-x), law.cdf(-x), rtol=0.015)
    np.testing.assert_allclose(rest.pdf(x), law.pdf(x), rtol=0.04)
    np.testing.assert_allclose(rest.pdf(x), rest.pdf(-x), rtol=1e-9)
    assert rest.probability(lambda y: y > 6.0) == pytest.approx(law.sf(6.0), rel=0.015)
    assert rest.probability(lambda y: (y > 6.0) & (y < 6.1)) == pytest.approx(law.sf(6.0) - law.sf(6.1), rel=0.02)
    held = Distribution.of(fp.Grid((0, 1), 10), np.ones(10), {0.0: 0.5, 1.0: 0.5})
    np.testing.assert_allclose(held.survival([0.0, 0.5, 1.0]), [0.75, 0.5, 0.0], atol=1e-12)
