"""Levy noise whose covariance is a field: its symbol, nonnegative rates, walls, and paths of the same process."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.elliptic_jumps import direction_weights
from fokkerplanck.solvers.linear.gmres import solve_jumps

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # coarse grids, tails beyond boxes


def turned(angle, condition):
    """A covariance with eigenvalues 1 and 1 / condition, turned by an angle, (2, 2, ...)."""
    c, s, low = np.cos(angle), np.sin(angle), 1.0 / condition
    return np.array([[c * c + low * s * s, (1 - low) * c * s], [(1 - low) * c * s, s * s + low * c * c]])


def rotating(x, y):
    """Condition 10, turning with the place, and growing with the distance."""
    return 0.09 * (1.0 + 0.5 * np.tanh(x * x + y * y)) * turned(0.7 * x + 0.4 * y, 10.0)


def constant(matrix):
    return lambda x, y: matrix.reshape(2, 2, *[1] * x.ndim) + 0.0 * x


@pytest.mark.parametrize(("condition", "bound"), [(1.0, 0.001), (4.0, 0.003), (10.0, 0.004), (30.0, 0.007)])
def test_characteristic_function(condition, bound):
    """On a ring of 128 x 128 cells waves decay at (k . C k)^(a/2), for all that a cell does not cut short (k h < 1/2)."""
    grid = fp.Grid([(-10, 10)] * 2, 128, "periodic")
    x, y = grid.coordinates()
    worst = 0.0
    for angle in (0.0, 0.3, 1.1):
        c = turned(angle, condition)
        q = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, constant(c))), grid)
        assert len(q.jumps.parts) == 1  # one shape: one convolution
        for k in np.pi / 10 * np.array([[2, 0], [0, 2], [4, 4], [4, -4], [8, 2], [6, -6], [2, -8]]):
            wave = np.cos(k[0] * x + k[1] * y).ravel()
            rate = -(q.apply(wave) @ wave) / (wave @ wave)
            worst = max(worst, abs(np.exp(-rate) - np.exp(-((k @ c @ k) ** 0.75))))
    assert worst < bound


def test_law_of_directions():
    """Weights are nonnegative, of rank one on two directions, scale like C^(a/2), and their mean is that of |C^(1/2) v|^a."""
    matrices = np.stack([turned(0.4, 1.0), 4.0 * turned(0.4, 1.0), turned(0.4, 1e14), turned(1.0, 20.0)], axis=-1)
    weights = direction_weights(matrices, 1.3)
    assert weights.min() >= 0.0
    assert weights[:, 0] == pytest.approx(np.ones(40))
    assert weights[:, 1] == pytest.approx(4.0**0.65 * np.ones(40))
    assert (weights[:, 2] > 1e-9).sum() == 2
    psi = (np.arange(2000) + 0.5) * np.pi / 2000
    v = np.stack([np.cos(psi), np.sin(psi)])
    exact = (np.einsum("in,ij,jn->n", v, matrices[:, :, 3], v) ** 0.65).mean()
    assert weights[:, 3].mean() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("walls", ["absorbing", "reflecting", "periodic", ["periodic", "absorbing"]])
def test_products_equal_the_matrix_and_rates_are_nonnegative(walls):
    grid = fp.Grid([(-1.5, 1.5), (-1, 1)], [12, 9], walls)
    eq = fp.FokkerPlanck(drift=lambda x, y: [y, -x], diffusion=0.01, jumps=fp.LevyJumps(1.4, rotating))
    q = fp.generator(eq, grid)
    matrix = q.matrix.toarray()
    rng = np.random.default_rng(3)
    p = rng.random(grid.size)
    assert q.apply(p) == pytest.approx(matrix @ p, rel=1e-10, abs=1e-10)
    assert q.jumps.apply_adjoint(p) == pytest.approx(q.jumps.dense.T @ p, rel=1e-10, abs=1e-10)
    assert (matrix - np.diag(np.diag(matrix))).min() >= -1e-12 * q.outflow.max()
    assert matrix.sum(axis=0) == pytest.approx(-q.escape, abs=1e-9)
    if walls in ("reflecting", "periodic"):
        assert np.abs(matrix.sum(axis=0)).max() < 1e-9
    x = solve_jumps(q, 1.3, p)
    assert 1.3 * x - matrix @ x == pytest.approx(p, abs=1e-8)


def test_isotropic_field_converges_to_the_isotropic_rule():
    """Two rules for one process, both of order 4 - a without drift: their distance falls by 5.7, at least by 4."""
    size = lambda x, y: 0.3 + 0.1 * np.cos(x)  # noqa: E731
    matrix = lambda x, y: [[size(x, y) ** 2, 0 * x], [0 * x, size(x, y) ** 2]]  # noqa: E731
    off = []
    for n in (24, 48):
        grid = fp.Grid([(-3, 3)] * 2, n)
        new, old = (
            fp.solve(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, s)), grid, fp.gaussian((0.5, 0), 0.4), [0.5], error=False)
            for s in (matrix, size)
        )
        off.append(np.abs(new.masses - old.masses).sum())
        assert np.abs(new.mass - 1.0).max() < 1e-9
    assert off[1] < 0.01
    assert off[0] / off[1] > 4.0


def test_density_against_paths():
    """Nine quantities of a rotating, growing covariance with drift, each within 4 standard errors of 10^5 paths.

    False alarms: 9 * 6e-5 = 6e-4.
    """
    eq = fp.FokkerPlanck(drift=lambda x, y: [-0.2 * x - 0.2 * y, 0.2 * x - 0.2 * y], jumps=fp.LevyJumps(1.6, rotating))
    grid = fp.Grid([(-3, 3)] * 2, 96, "absorbing")
    solution = fp.solve(eq, grid, fp.gaussian((1.0, 0.0), 0.3), [1.0], error=False)
    paths = fp.simulate(eq, fp.gaussian((1.0, 0.0), 0.3), [1.0], 0.01, n_paths=100_000, seed=4, grid=grid)
    x, y = (np.broadcast_to(c, grid.shape) for c in grid.coordinates())
    alive = np.isinf(paths.exit_times)
    assert solution.mass[0] == pytest.approx(
        alive.mean(), abs=4 * np.sqrt(alive.mean() * (1 - alive.mean()) / 1e5) + 2e-3
    )
    ends = paths.positions[-1][alive]
    for f in (
        lambda x, y: np.tanh(x),
        lambda x, y: np.tanh(y),
        lambda x, y: np.cos(x),
        lambda x, y: np.cos(2 * y),
        lambda x, y: np.cos(2 * (x + y)),
        lambda x, y: np.cos(2 * (x - y)),
        lambda x, y: np.tanh(x * y),
        lambda x, y: np.exp(-4 * (x * x + y * y)),
    ):
        values = f(*ends.T)
        mean = (solution.masses[-1] * f(x, y)).sum() / solution.mass[-1]
        assert mean == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(values.size) + 1e-3)


def test_measured_error_and_rank_one():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], jumps=fp.LevyJumps(1.5, rotating))
    grid = fp.Grid([(-3, 3)] * 2, 32)
    solution = fp.solve(eq, grid, fp.gaussian((0.5, 0), 0.4), [0.5])
    fine = fp.solve(eq, fp.Grid([(-3, 3)] * 2, 64), fp.gaussian((0.5, 0), 0.4), [0.5], error=False)
    truth = np.abs(fine.masses[0].reshape(32, 2, 32, 2).sum(axis=(1, 3)) - solution.masses[0]).sum()
    assert 0.2 * truth < float(np.max(solution.error["density"])) < 10 * truth
    line = fp.LevyJumps(1.5, lambda x, y: 0.1 * turned(0.3 * x, np.inf))
    solution = fp.solve(fp.FokkerPlanck(jumps=line), grid, fp.gaussian((0, 0), 0.3), [0.5], error=False)
    assert solution.mass[0] == pytest.approx(1.0, abs=1e-9)
    assert solution.density.min() >= 0.0


@pytest.mark.parametrize("dim", [2, 3, 20])
def test_simulation_in_any_dimension(dim):
    """E exp(ik.L_t) = exp(-t (k . C k)^(a/2)) along 8 vectors, within 4 standard errors of 10^5 paths. False alarms: 5e-4."""
    rng = np.random.default_rng(dim)
    a = rng.standard_normal((dim, dim)) / np.sqrt(dim)
    c = a @ a.T
    eq = fp.FokkerPlanck(jumps=fp.LevyJumps(1.4, lambda *x: c.reshape(dim, dim, *[1] * x[0].ndim) + 0.0 * x[0]))
    paths = fp.simulate(eq, np.zeros((100_000, dim)), [0.7], 0.35, n_paths=100_000, seed=1, step_error=False)
    for k in rng.standard_normal((8, dim)) / np.sqrt(dim):
        wave = np.cos(paths.positions[-1] @ k)
        exact = np.exp(-0.7 * (k @ c @ k) ** 0.7)
        assert wave.mean() == pytest.approx(exact, abs=4 * wave.std() / np.sqrt(1e5))


def test_bad_input():
    def with_scale(f):
        return fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, f))

    grid = fp.Grid([(-1, 1)] * 2, 8)
    with pytest.raises(ValueError, match=r"`scale` must be a symmetric positive semidefinite matrix .* not symmetric"):
        fp.generator(with_scale(lambda x, y: [[1 + 0 * x, 0.5], [0.2, 1.0]]), grid)
    with pytest.raises(
        ValueError, match=r"`scale` must be a symmetric positive semidefinite matrix .* eigenvalue of -1"
    ):
        fp.generator(with_scale(lambda x, y: [[1 + 0 * x, 2.0], [2.0, 1.0]]), grid)
    with pytest.raises(ValueError, match=r"`scale` must be a symmetric positive semidefinite matrix .* not finite"):
        fp.generator(with_scale(lambda x, y: [[np.nan + 0 * x, 0.0], [0.0, 1.0]]), grid)
    with pytest.raises(ValueError, match="`kind` must be left alone where the scale is a matrix"):
        fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, rotating, kind="axes")), grid)
