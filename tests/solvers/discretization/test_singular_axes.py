"""Axes along which D vanishes at a wall, in two and three dimensions: moments against closed forms."""

import numpy as np
import pytest

import fokkerplanck as fp

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.ResolutionWarning")


def square_root(b, along=0.3):
    return fp.FokkerPlanck(drift=lambda x, v: (-x, b - v), diffusion=lambda x, v: (along + 0 * v, 0.2 * v))


def orders(errors):
    return np.log2(np.abs(np.array(errors[:-1]) / np.array(errors[1:])))


def test_mean_of_a_square_root_axis():
    """The stationary mean of v is .06; with cells read at their middle it was .083."""
    errors = []
    for n in (30, 60, 120):
        st = fp.stationary(square_root(0.06), fp.Grid([(-3, 3), (0, 2)], [20, n]))
        errors.append(st.mean()[1] - 0.06)
    assert abs(errors[-1]) < 1.5e-4
    assert orders(errors).min() > 1.7
    assert "y = 0: regular (reflected)" in st.message


def test_a_plane_is_the_product_of_its_lines():
    """What depends on one axis alone gives the marginal of the one-dimensional problem, whatever the order of the axes."""
    line = fp.solve(
        fp.FokkerPlanck(drift=lambda v: 0.06 - v, diffusion=lambda v: 0.2 * v),
        fp.Grid((0, 2), 40),
        fp.point(0.2),
        [1.0],
        rtol=1e-9,
    )
    want = line.density[0] * line.grid.widths[0]
    plane = fp.FokkerPlanck(drift=lambda v, x: (0.06 - v, -x + 0 * v), diffusion=lambda v, x: (0.2 * v, 0.3 + 0 * v))
    s = fp.solve(plane, fp.Grid([(0, 2), (-3, 3)], [40, 12]), fp.point((0.2, 0.0)), [1.0], rtol=1e-9)
    got = (s.density[0] * s.grid.volumes).sum(axis=1)
    assert np.abs(got - want).sum() < 2e-2 * np.abs(want).sum()  # two nodes a link instead of four
    assert s.grid.centers[0][0] == pytest.approx(line.grid.centers[0][0], rel=1e-9)


def test_lines_that_differ():
    """E v = .06 (1 + E x^2 / 2) where the mean reversion of v depends on x, with E x^2 = .3; it was .0915 at 60 cells."""
    eq = fp.FokkerPlanck(
        drift=lambda x, v: (-x, 0.06 * (1 + 0.5 * x**2) - v),
        diffusion=lambda x, v: (0.3 + 0 * v, 0.2 * v * (1 + 0.3 * np.sin(x))),
    )
    errors = [fp.stationary(eq, fp.Grid([(-3, 3), (0, 2)], [20, n])).mean()[1] - 0.069 for n in (30, 60, 120)]
    assert abs(errors[-1]) < 2e-3
    assert orders(errors).min() > 1.2


def test_bessel_axes():
    """E R^2 = r^2 + d t for both axes, d = 1.2 and 3."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (0.1 / x, 1 / y), diffusion=0.5)
    errors = []
    for n in (40, 80):
        s = fp.solve(eq, fp.Grid([(0, 7), (0, 7)], [n, n]), fp.point((1.0, 1.0)), [0.7], rtol=1e-8)
        errors.append(s.moment(2)[0] - (1 + 0.7 * np.array([1.2, 3.0])))
    assert np.abs(errors[1]).max() < 5e-3
    assert np.log2(np.abs(errors[0] / errors[1])).min() > 1.7


def test_an_exit_holds_what_arrives_and_lets_it_move_along_the_wall():
    """D_vv = v from 1: the mean of v stays, P(v = 0, t) = exp(-1/t), and x goes on as if nothing had happened."""
    eq = fp.FokkerPlanck(drift=lambda x, v: (-x, 0 * v), diffusion=lambda x, v: (0.3 + 0 * v, v))
    errors = []
    for n in (100, 200):
        s = fp.solve(eq, fp.Grid([(-3, 3), (0, 30)], [12, n]), fp.point((0.0, 1.0)), [2.0])
        masses = s.density[0] * s.grid.volumes
        assert masses.sum() == pytest.approx(1.0, abs=1e-7)
        assert s.mean()[0, 1] == pytest.approx(1.0, abs=1e-5)
        errors.append(masses[:, 0].sum() - np.exp(-0.5))
    assert abs(errors[1]) < 6e-3
    assert orders(errors)[0] > 0.7
    assert "y = 0: exit (what arrives stays in the cells there)" in s.message


def test_fixation_of_two_independent_loci():
    """Wright-Fisher on both axes: in the end the corners hold x0, y0 and their products, and both means are kept."""
    eq = fp.FokkerPlanck(diffusion=lambda x, y: (0.35 * x * (1 - x), 0.35 * y * (1 - y)))
    s = fp.solve(eq, fp.Grid([(0, 1), (0, 1)], [24, 24]), fp.point((0.3, 0.6)), [60.0])
    np.testing.assert_allclose(s.mean()[0], [0.3, 0.6], atol=5e-3)
    masses = s.density[0] * s.grid.volumes
    corners = masses[np.ix_([0, -1], [0, -1])]
    np.testing.assert_allclose(corners, [[0.28, 0.42], [0.12, 0.18]], atol=6e-3)


def test_a_zero_inside_that_all_lines_share_is_not_crossed():
    """mu = x - x^3, D = .8 x^2: <x> = .2408485304 on the right side."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (x - x**3, -y), diffusion=lambda x, y: (0.8 * x * x, 0.2 + 0 * x))
    for n in (100, 101):
        s = fp.solve(eq, fp.Grid([(-4, 4), (-2, 2)], [n, 12]), fp.gaussian((1, 0), 0.1), [60.0])
        assert (s.density[0] * s.grid.volumes)[s.grid.centers[0] < 0].sum() < 1e-12
        assert s.mean()[0, 0] == pytest.approx(0.2408485304, abs=0.01)


def test_three_axes():
    eq = fp.FokkerPlanck(
        drift=lambda x, y, v: (-x, -y, 0.06 - v), diffusion=lambda x, y, v: (0.3 + 0 * v, 0.3 + 0 * v, 0.2 * v)
    )
    s = fp.solve(eq, fp.Grid([(-3, 3), (-3, 3), (0, 2)], [8, 8, 60]), fp.point((0, 0, 0.2)), [1.0])
    assert s.mean()[0, 2] == pytest.approx(0.06 + 0.14 / np.e, abs=2e-3)


def test_drifts_in_time_and_potentials():
    """E v' = .1 (1 + t) - v from .1, by drift and by potential; E v = .1 t + .1 exp(-t)."""
    drift = {"drift": lambda x, v, t: (-x, 0.1 * (1 + t) - v)}
    potential = {"potential": lambda x, v, t: 0.5 * x**2 + 0.5 * v**2 - 0.1 * (1 + t) * v}
    for force in (drift, potential):
        eq = fp.FokkerPlanck(**force, diffusion=lambda x, v: (0.3 + 0 * v, 0.2 * v))
        s = fp.solve(eq, fp.Grid([(-3, 3), (0, 2)], [4, 40]), fp.point((0, 0.1)), [0.5], rtol=1e-4, error=False)
        assert s.mean()[0, 1] == pytest.approx(0.05 + 0.1 * np.exp(-0.5), abs=2e-3)


def test_smooth_equations_keep_their_grid():
    grid = fp.Grid([(-2, 2), (-2, 2)], [20, 20])
    for diffusion in (0.5, lambda x, y: 0.2 + 0.1 * np.sin(x) * y, lambda x, y: 1e-3 + (x + 2)):
        q = fp.generator(fp.FokkerPlanck(drift=lambda x, y: (x - x**3, -y), diffusion=diffusion), grid)
        assert q.grid is grid
        assert q.found == ()
