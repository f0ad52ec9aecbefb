"""Multigrid against factors, closed forms in 3D, and its own bound; what it must refuse."""

import numpy as np
import pytest
from exact import cube_exit_time
from scipy.sparse.linalg import splu

import fokkerplanck as fp
from fokkerplanck.errors import ConvergenceError
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.linear import first_passage, stationary
from fokkerplanck.solvers.linear.multigrid import FEWEST, Multigrid

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.ResolutionWarning")  # the grids are coarse

N = 24  # 13 824 cells
CENTER = (N**3 + N**2 + N) // 2


def rotating(n=N, diffusion=0.5, width=4.0):
    """A process with a current, whose density is normal, and its grid."""
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (-x + 2 * y, -2 * x - y, -z), diffusion=diffusion)
    return eq, fp.Grid([(-width, width)] * 3, [n] * 3)


def killed(eq, grid, cell=CENTER):
    """-Q without one cell, and the rates out of that cell into the others."""
    q, others = generator(eq, grid), np.delete(np.arange(grid.size), cell)
    return -q.matrix[others][:, others], q.matrix[others][:, [cell]].toarray().ravel()


def alone(force, diffusion, line, n, wall="reflecting"):
    """A process along x alone on a 3D grid of one cell in the other directions, and the grid: the same links as in 3D."""
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (force(x), 0 * y, 0 * z), diffusion=diffusion)
    return eq, fp.Grid([line, (0, 1), (0, 1)], [n, 1, 1], boundary=[wall, "reflecting", "reflecting"])


def product(*laws):
    return np.einsum("i,j,k->ijk", *laws)


CASES = {
    "current": rotating(),
    "upwind": rotating(diffusion=1e-3),
    "flat cells": (rotating()[0], fp.Grid([(-4, 4), (-4, 4), (-0.4, 0.4)], [N] * 3)),
    "tensor": (
        fp.FokkerPlanck(
            drift=lambda x, y, z: (-x + y, -x - y, -z),
            diffusion=0.5 * np.array([[1, 0.5, 0.2], [0.5, 0.6, 0.1], [0.2, 0.1, 0.3]]),
        ),
        rotating()[1],
    ),
    "one direction without noise": (
        fp.FokkerPlanck(drift=lambda x, y, z: (y, -x - y + z, -z), diffusion=np.diag([0, 0.1, 0.5])),
        fp.Grid([(-3, 3)] * 3, [N] * 3),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("goal", [1e-10, 1e-2])
def test_the_bound_holds_against_factors(name, goal):
    """Also where the iteration stops early, and the error is far from round-off."""
    matrix, source = killed(*CASES[name])
    factor = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    solver, ones = Multigrid(matrix, goal), np.ones(source.size)
    for right, trans in ((source, "N"), (ones, "T"), (np.where(np.arange(ones.size) < 50, ones, 0.0), "T")):
        found, bound = solver.certified(right, trans)
        want = factor.solve(right, trans)
        off = np.abs(found - want)
        error = off.sum() / found.sum() if trans == "N" else off.max() / found.max()
        assert found.min() >= 0.0
        assert error <= bound
        assert bound < max(20.0 * goal, 1e-4)  # 1e-5 is rounding behind 1e8 jumps
        if right is ones:
            assert (off <= bound * found).all()  # each value, where there is a source everywhere
        if goal == 1e-2 and trans == "N" and name == "current":
            assert error > 1e-9  # an error that the bound must see


def test_no_random_numbers_and_the_same_bits():
    eq, grid = rotating()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that nobody touches it
    first, second = (fp.stationary(eq, grid, error=False).density for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_a_stationary_density_is_the_product_of_three():
    """A ring with a force, a tilted double well and a slope: on the cells too the density is the product of those in 1D."""
    force = [lambda x: 1.0 + np.sin(x), lambda y: y - y**3 + 0.1, lambda z: -2.0 + 0 * z]
    lines = [(0.0, 2 * np.pi), (-2.0, 2.0), (0.0, 2.0)]
    walls = ["periodic", "reflecting", "reflecting"]
    d = 0.2
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (force[0](x), force[1](y), force[2](z)), diffusion=d)
    grid = fp.Grid(lines, [32, 24, 24], boundary=walls)
    one = [fp.stationary(*alone(force[a], d, lines[a], grid.shape[a], walls[a]), error=False).density for a in range(3)]
    st = fp.stationary(eq, grid, error=False)
    assert not st.is_equilibrium
    want = product(*(density.ravel() for density in one))
    np.testing.assert_allclose(st.density, want, atol=1e-9 * want.max())
    np.testing.assert_allclose(st.density, want, rtol=1e-6)  # where it is e^-20 too


def test_entropy_production_and_variance_of_a_rotation():
    """Closed forms: 2 omega^2 = 8, and the variance is D = .5; the errors measured on coarser grids are near the true ones."""
    st = fp.stationary(*rotating(32, width=3.5))
    assert st.density.min() > 0.0
    error = abs(st.entropy_production - 8.0)
    assert error < 0.3
    assert 0.6 * error < st.error["entropy_production"] < 3.0 * error
    variance = abs(st.covariance()[0, 0] - 0.5)
    assert 0.6 * variance < st.error["covariance"][0, 0] < 3.0 * variance


@pytest.mark.parametrize("n", [24, 48])
def test_brownian_motion_leaves_a_cube(n):
    grid = fp.Grid([(0, 1)] * 3, n, boundary="absorbing")
    result = fp.first_passage(fp.FokkerPlanck(diffusion=0.5), grid, error=False)
    want = cube_exit_time(*grid.coordinates(), diffusion=0.5)
    inner = want > 0.2 * want.max()
    off = np.abs(result.mean / want - 1.0)[inner].max()
    assert off < 0.5 * (8.0 / n) ** 2  # second order


def test_brownian_motion_leaves_a_ball():
    """Mean (R^2 - r^2) / 6 D, and second moment (R^2 - r^2)(7 R^2 - 3 r^2) / 180 D^2."""
    grid = fp.Grid([(-1.1, 1.1)] * 3, 40)
    result = fp.first_passage(fp.FokkerPlanck(diffusion=0.5), grid, lambda x, y, z: x * x + y * y + z * z > 1.0)
    assert result.at((0, 0, 0)) == pytest.approx(1 / 3, rel=3e-3)
    r2 = sum(x * x for x in grid.coordinates())
    second = (1.0 - r2) * (7.0 - 3.0 * r2) / 45.0
    middle = r2 < 0.25
    np.testing.assert_allclose(result.second_moment[middle], second[middle], rtol=6e-3)
    true = np.abs(result.mean - np.maximum(1.0 - r2, 0.0) / 3.0)[middle].mean()
    assert 0.4 * true < np.asarray(result.error["mean"])[middle].mean() < 6.0 * true


def test_a_committor_of_one_coordinate():
    """With a rotation in the others: what depends on x alone is that in 1D on the cells too."""
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (x - x**3, -y + z, -y - z), diffusion=0.1)
    grid = fp.Grid([(-2, 2), (-1, 1), (-1, 1)], [40, 20, 20])
    one = alone(lambda x: x - x**3, 0.1, (-2, 2), 40)
    source, target = (lambda x, *rest: x < -1.03), (lambda x, *rest: x > 0.97)
    want = np.asarray(fp.committor(*one, source, target, error=False))
    q = fp.committor(eq, grid, source, target)
    got = np.asarray(q)
    assert got.min() == 0.0
    assert got.max() == 1.0
    np.testing.assert_allclose(got, np.broadcast_to(want, grid.shape), atol=1e-9)
    times = fp.first_passage(eq, grid, target, error=False)
    want = fp.first_passage(*one, target, error=False)
    np.testing.assert_allclose(times.mean[:, 3, 7], want.mean[:, 0, 0], rtol=1e-8)
    np.testing.assert_allclose(times.second_moment[:, 3, 7], want.second_moment[:, 0, 0], rtol=1e-7)


def barrier(diffusion):
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (x - x**3 + 0.05, -y + z, -y - z), diffusion=diffusion)
    return eq, fp.Grid([(-1.8, 1.8), (-1, 1), (-1, 1)], [36, 20, 20])


@pytest.fixture
def no_room(monkeypatch):
    """Where factors do not fit into memory."""
    for module in (first_passage, stationary):
        monkeypatch.setattr(module, "factors_fit", lambda grid, question: False)


@pytest.mark.usefixtures("no_room")
def test_weights_of_wells_behind_a_barrier():
    """Twelve kT, with a current in the other directions."""
    one = alone(lambda x: x - x**3 + 0.05, 0.02, (-1.8, 1.8), 36)
    left = [st.masses.reshape(36, -1)[:18].sum() for st in (fp.stationary(*barrier(0.02)), fp.stationary(*one))]
    assert left[0] == pytest.approx(left[1], rel=3e-7)
    assert 1e-3 < left[1] < 0.1


@pytest.mark.usefixtures("no_room")
def test_what_cannot_be_certified_is_refused():
    """Forty kT: rounding decides the weights of the wells, and how long a passage takes."""
    with pytest.raises(ConvergenceError, match=r"weights of the wells are beyond double precision|multigrid"):
        fp.stationary(*barrier(0.006))
    with pytest.raises(ConvergenceError, match=r"beyond double precision|multigrid"):
        fp.first_passage(*barrier(0.006), lambda x, y, z: x > 1.0)


def test_a_gradient_needs_no_system_behind_any_barrier():
    eq = fp.FokkerPlanck(potential=lambda x, y, z: (x**2 - 1) ** 2 + 0.02 * x + y * y + z * z, diffusion=0.005)
    st = fp.stationary(eq, fp.Grid([(-1.6, 1.6), (-0.5, 0.5), (-0.5, 0.5)], [32, 20, 20]), error=False)
    x = st.grid.centers[0]
    want = np.exp(-((x**2 - 1) ** 2 + 0.02 * x) / 0.005)
    np.testing.assert_allclose(st.masses.sum(axis=(1, 2)), want / want.sum(), rtol=1e-8)


def test_two_closed_sides_share_what_starts_between_them():
    """Without noise along x all is carried to the side on which it starts: a third of the start lies at x > 0."""
    eq = fp.FokkerPlanck(
        drift=lambda x, y, z: (np.where(x > 0, 1.0, -1.0), -y + z, -y - z), diffusion=np.diag([0.0, 0.1, 0.1])
    )
    grid = fp.Grid([(-1, 1)] * 3, 24)
    st = fp.stationary(eq, grid, fp.uniform((-1, -1, -1), (0.5, 1, 1)), error=False)
    assert st.stats.parts == 2
    assert st.masses[12:].sum() == pytest.approx(1 / 3, abs=1e-8)
    assert st.masses[[0, -1]].sum() == pytest.approx(1.0, abs=1e-8)


def test_small_grids_are_factored(monkeypatch):
    def never(*args):
        raise AssertionError("multigrid on a small grid")

    monkeypatch.setattr(Multigrid, "__init__", never)
    eq, grid = rotating(20)
    assert grid.size < FEWEST
    fp.stationary(eq, grid, error=False)
    plane = fp.FokkerPlanck(drift=lambda x, y: (-x + y, -x - y), diffusion=0.5)
    fp.stationary(plane, fp.Grid([(-3, 3)] * 2, 120), error=False)
