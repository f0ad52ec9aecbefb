"""Levy noise in three dimensions: exponents of constant and changing covariances, nonnegative rates, walls, and paths."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.elliptic_jumps_3d import mixture
from fokkerplanck.solvers.kernels.elliptic_rates import add_far_rates
from fokkerplanck.solvers.linear.gmres import solve_jumps

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # coarse grids, tails beyond boxes

WAVES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [1, 1, 1], [1, -1, 2], [0, 2, -1]])


def turn(axes, angle):
    """Rotations in the plane of two axes, (..., 3, 3)."""
    i, j = axes
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., range(3), range(3)] = 1.0
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., i, j], matrix[..., j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def turned(eigenvalues, angle):
    rotation = turn((0, 1), np.asarray(angle)) @ turn((1, 2), np.asarray(angle))
    return rotation @ np.diag(np.array(eigenvalues, dtype=float)) @ rotation.T


def constant(matrix):
    return lambda x, y, z: matrix.reshape(3, 3, 1, 1, 1) + 0.0 * x


def field(eigenvalues, size=1.0, both=False):
    """Ellipsoids that turn about one axis, or two, and grow with the place; of period 10 along each axis."""

    def covariance(x, y, z):
        x, y, z = (np.pi / 5 * c for c in np.broadcast_arrays(x, y, z))
        rotation = turn((0, 1), 0.9 * np.sin(x) + 0.6 * np.cos(y))
        if both:
            rotation = rotation @ turn((1, 2), 1.1 * np.sin(y + z))
        ball = size * (1.0 + 0.4 * np.sin(x) * np.cos(z))
        return np.moveaxis(rotation * np.array(eigenvalues) @ np.swapaxes(rotation, -1, -2), (-2, -1), (0, 1)) * ball

    return covariance


def worst(scale, stability, cells):
    """Errors over cells and waves of exp(-rate) and of the rate, relative to its largest, by Q^T on waves, and the generator.

    Q^T exp(ik.x) = -(k . C(x) k)^(a/2) exp(ik.x) at each x, as a jump is read where it starts.
    """
    grid = fp.Grid([(-5, 5)] * 3, cells, "periodic")
    q = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(stability, scale)), grid)
    x = [np.broadcast_to(c, grid.shape) for c in grid.coordinates()]
    c = np.broadcast_to(scale(*x), (3, 3, *grid.shape))
    largest = np.linalg.eigvalsh(np.moveaxis(c, (0, 1), (-2, -1))).max() ** (0.5 * stability)
    law = rate = 0.0
    for k in np.pi / 5 * WAVES:
        wave = np.exp(1j * sum(along * place for along, place in zip(k, x, strict=True)))
        back = [q.near_matrix.T @ part.ravel() + q.jumps.apply_adjoint(part.ravel()) for part in (wave.real, wave.imag)]
        found = -(back[0] + 1j * back[1]).reshape(grid.shape) / wave
        exact = np.maximum(np.einsum("i,ij...,j->...", k, c, k), 0.0) ** (0.5 * stability)
        law = max(law, float(np.abs(np.exp(-found) - np.exp(-exact)).max()))
        rate = max(rate, float(np.abs(found - exact).max()) / ((k @ k) ** (0.5 * stability) * largest))
    return law, rate, q


SHAPES = [
    ((1.0, 1.0, 1.0), 0.8, 0.004, 0.01),
    ((1.0, 1.0, 1.0), 1.5, 0.005, 0.012),
    ((1.0, 0.3, 0.1), 0.8, 0.006, 0.015),
    ((1.0, 0.3, 0.1), 1.5, 0.012, 0.03),
    ((1.0, 1.0, 0.03), 1.5, 0.02, 0.05),
    ((1.0, 0.0, 0.0), 0.8, 0.015, 0.04),
    ((1.0, 0.0, 0.0), 1.5, 0.045, 0.06),
    ((1.0, 1.0, 0.0), 1.5, 0.03, 0.06),
]


@pytest.mark.parametrize(("eigenvalues", "stability", "law", "rate"), SHAPES)
def test_characteristic_function_of_constant_covariances(eigenvalues, stability, law, rate):
    """24^3 cells, k h up to 0.65 along an axis; one shape is one convolution; oblique needles are said to be first order."""
    for angle in (0.0, 0.4, 1.1):
        found = worst(constant(turned(eigenvalues, angle)), stability, 24)
        assert found[0] < law
        assert found[1] < rate
        assert len(found[2].jumps.parts) == 1
        assert not found[2].untreated or min(eigenvalues) == 0.0


def test_covariances_that_change_from_place_to_place():
    """At the worst cell: condition 4 within .03, 10 within .04; needles are a tenth off, and said to be."""
    law, rate, q = worst(field((1.0, 0.5, 0.25)), 1.5, 24)
    assert (law < 0.03, rate < 0.05) == (True, True)
    assert 1 < len(q.jumps.parts) <= 16
    assert not q.untreated
    law, rate, _ = worst(field((1.0, 0.3, 0.1)), 1.5, 24)
    assert (law < 0.04, rate < 0.06) == (True, True)
    law, rate, q = worst(field((1.0, 0.0, 0.0)), 1.5, 16)
    assert 0.05 < rate < 0.2
    assert "nearly singular" in q.untreated[-1]
    all_ways = lambda x, y, z: field((0.0, 0.0, 1.0), both=True)(2 * x + z, y + x, 2 * z)  # noqa: E731
    q = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, all_ways)), fp.Grid([(-5, 5)] * 3, 12))
    assert "too narrow and too varied for" in q.untreated[0]


def test_mixtures_of_shapes():
    """Weights are nonnegative, of nothing 0; the size goes like its power a/2; the error told is that of the exponents."""
    angles = np.linspace(0.0, 3.0, 40)
    shapes = np.stack([turned((1.0, 0.3, 0.1), angle) for angle in angles])
    nodes, weights, off = mixture(np.concatenate([shapes, 7.0 * shapes, 0.0 * shapes[:1]]), 1.3)
    assert weights.min() >= 0.0
    assert weights[40:80] == pytest.approx(7.0**0.65 * weights[:40])
    assert not weights[80].any()
    rng = np.random.default_rng(1)
    for k in rng.standard_normal((20, 3)):
        k /= np.linalg.norm(k)
        exact, found = (np.einsum("i,nij,j->n", k, c, k) ** 0.65 for c in (shapes, nodes))
        assert np.abs(weights[:40] @ found - exact).max() < 1.3 * off + 0.002
    assert 0.0 < off < 0.02


@pytest.mark.parametrize("walls", ["absorbing", "reflecting", "periodic", ["periodic", "reflecting", "periodic"]])
def test_products_equal_the_matrix_and_rates_are_nonnegative(walls):
    grid = fp.Grid([(-2, 2), (-1.5, 1.5), (-1, 1)], [8, 6, 5], walls)
    for scale in (field((1.0, 0.3, 0.1), both=True), constant(turned((1.0, 0.0, 0.0), 0.7))):
        eq = fp.FokkerPlanck(drift=lambda x, y, z: [-x, z - y, -z], diffusion=0.01, jumps=fp.LevyJumps(1.4, scale))
        q = fp.generator(eq, grid)
        matrix, p = q.matrix.toarray(), np.random.default_rng(3).random(grid.size)
        assert q.apply(p) == pytest.approx(matrix @ p, rel=1e-10, abs=1e-10)
        assert q.jumps.apply_adjoint(p) == pytest.approx(q.jumps.dense.T @ p, rel=1e-10, abs=1e-10)
        assert (matrix - np.diag(np.diag(matrix))).min() >= -1e-12 * q.outflow.max()
        assert matrix.sum(axis=0) == pytest.approx(-q.escape, abs=1e-9)
        assert (q.escape.max() > 0.1) == (walls == "absorbing")
        x = solve_jumps(q, 1.3, p)
        assert 1.3 * x - matrix @ x == pytest.approx(p, abs=1e-8)


def test_walls_that_absorb_take_what_crosses_them():
    """Needles across a slab leave it at the rate of one dimension."""
    grid = fp.Grid([(-40, 40), (-40, 40), (-1, 1)], [9, 9, 9], "absorbing")
    line = fp.Grid((-1, 1), 9, "absorbing")
    needles = constant(0.05 * np.diag([1e-9, 1e-9, 1.0]))
    flat = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.2, needles)), grid)
    thin = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.2, np.sqrt(0.05))), line)
    assert flat.escape.reshape(grid.shape)[4, 4, 2:7] == pytest.approx(thin.escape[2:7], rel=0.15)


def test_density_against_paths():
    """Seven means beside 40 000 paths: first order in the cells, as a drift outruns short jumps; within .015 and 4 errors."""
    jumps = fp.LevyJumps(1.6, field((1.0, 0.3, 0.1), size=0.09))
    eq = fp.FokkerPlanck(drift=lambda x, y, z: [-0.2 * x - 0.2 * y, 0.2 * x - 0.2 * y, -0.3 * z], jumps=jumps)
    grid, start = fp.Grid([(-3, 3)] * 3, 24, "absorbing"), fp.gaussian((1.0, 0.0, 0.0), 0.35)
    solution = fp.solve(eq, grid, start, [1.0], error=False)
    paths = fp.simulate(eq, start, [1.0], 0.02, n_paths=40_000, seed=4, grid=grid, step_error=False)
    alive = np.isinf(paths.exit_times)
    assert solution.mass[0] == pytest.approx(alive.mean(), abs=4e-3)
    assert solution.density.min() >= 0.0
    places = [np.broadcast_to(c, grid.shape) for c in grid.coordinates()]
    for f in (
        lambda x, y, z: np.tanh(x),
        lambda x, y, z: np.tanh(y),
        lambda x, y, z: np.cos(2 * z),
        lambda x, y, z: np.cos(2 * (x + y)),
        lambda x, y, z: np.cos(2 * (x - y)),
        lambda x, y, z: np.tanh(x * y),
        lambda x, y, z: np.exp(-4 * (x * x + y * y + z * z)),
    ):
        values = f(*paths.positions[-1][alive].T)
        mean = (solution.masses[-1] * f(*places)).sum() / solution.mass[-1]
        assert mean == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(values.size) + 0.015)


def test_isotropic_jumps_and_those_along_axes():
    """A number, a field and a multiple of the unit matrix are one process, of one convolution; along axes they are three."""
    grid = fp.Grid([(-3, 3)] * 3, 12)
    field_ = fp.LevyJumps(1.5, lambda x, y, z: 0.3 + 0.0 * x)
    for jumps in (fp.LevyJumps(1.5, 0.3), field_, fp.LevyJumps(1.5, constant(0.09 * np.eye(3)))):
        q = fp.generator(fp.FokkerPlanck(jumps=jumps), grid)
        assert len(q.jumps.parts) == 1
        assert q.outflow == pytest.approx(fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, 0.3)), grid).outflow)
    axes = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, 0.3, kind="axes")), grid)
    assert len(axes.jumps.parts) == 3
    still = fp.generator(fp.FokkerPlanck(diffusion=0.1, jumps=fp.LevyJumps(1.5, constant(np.zeros((3, 3))))), grid)
    plain = fp.generator(fp.FokkerPlanck(diffusion=0.1), grid)
    assert still.outflow == pytest.approx(plain.outflow)


@pytest.mark.parametrize("stability", [0.01, 1.99])
def test_needles_of_any_stability_go_round_a_ring(stability):
    """Jumps of index .01 are of all lengths: those beyond a million cells are spread over the ring."""
    needle = constant(turned((1.0, 0.0, 0.0), 0.4))
    q = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(stability, needle)), fp.Grid([(-5, 5)] * 3, 12, "periodic"))
    p = np.random.default_rng(0).random(q.grid.size)
    assert abs(q.apply(p).sum()) < 1e-9 * np.abs(q.apply(p)).sum()
    assert q.jumps.parts[0].kernel.min() >= 0.0


def test_bad_input():
    grid = fp.Grid([(-1, 1)] * 3, 5)
    for jumps in (fp.LevyJumps(1.5, (0.1, 0.2), kind="axes"), fp.LevyJumps(1.5, 0.1, kind=[[1, 0], [0, 2]])):
        with pytest.raises(ValueError, match="`kind` must be left alone in three dimensions"):
            fp.generator(fp.FokkerPlanck(jumps=jumps), grid)
    mixed = fp.Grid([(-1, 1)] * 3, 5, ["absorbing", "reflecting", "reflecting"])
    with pytest.raises(
        ValueError, match="`boundary` must be absorbing along all axes or along none together with jumps"
    ):
        fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, 0.1)), mixed)


def test_far_rates_are_the_densities_at_all_images():
    offsets = tuple(np.arange(-n, n + 1) for n in (2, 3, 4))
    b, out = turned((1.0, 2.0, 0.5), 0.4), np.zeros((5, 7, 9))
    periods, images, widths = np.array([6, 0, 9]), np.array([1, 0, 1]), np.array([1.0, 0.5, 2.0])
    add_far_rates(offsets, periods, images, widths, b, 2.2, 2, out)
    expected = np.zeros_like(out)
    for p in (-6, 0, 6):
        for r in (-9, 0, 9):
            places = np.stack(np.meshgrid(offsets[0] + p, offsets[1], offsets[2] + r, indexing="ij"))
            far = np.abs(places).max(axis=0) > 2
            x = widths[:, None, None, None] * places
            square = np.where(far, np.einsum("i...,ij,j...->...", x, b, x), 1.0)
            expected += np.where(far, square**-2.2, 0.0)
    assert out == pytest.approx(expected)
