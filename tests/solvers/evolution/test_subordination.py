"""Memory as a mean over inner times: against E_beta of the matrix, contours, and the law of the inner time."""

import math

import numpy as np
import pytest
from scipy.special import gamma

import fokkerplanck as fp
from fokkerplanck.solvers.discretization import levy_jumps
from fokkerplanck.solvers.evolution.fractional_contour import propagate_memory
from fokkerplanck.solvers.evolution.subordination import (
    cheaper,
    inverse_stable_density,
    inverse_stable_tail,
    propagate_subordinated,
)

from .test_fractional import matrix_reference, ring, rotation_2d, trap_2d, well_1d


@pytest.mark.parametrize("build", [well_1d, ring, rotation_2d, trap_2d])
@pytest.mark.parametrize("beta", [0.3, 0.7, 0.95])
def test_the_mean_is_the_matrix_function(build, beta):
    q = build()
    p0 = np.zeros(q.grid.size)
    p0[q.grid.size // 3] = 1.0
    times = np.geomspace(1e-2, 10, 9)
    reference = matrix_reference(q, p0, times, beta)
    for rtol in (1e-4, 1e-9):
        runs = list(propagate_subordinated(q, p0, times, beta, rtol))
        error = np.abs(np.array([p for p, _, _ in runs]) - reference).sum(axis=1).max()
        assert error < 0.1 * rtol
        assert error < runs[-1][1] + 1e-12 < rtol
        assert min(p.min() for p, _, _ in runs) > -1e-12


@pytest.mark.parametrize("beta", [0.01, 0.05, 0.3, 0.8, 0.95, 0.99])
def test_law_of_the_inner_time(beta):
    """Wright's function at beta = 1/2 is a normal law; everywhere moments are n! / Gamma(1 + n beta), and both forms agree."""
    half = inverse_stable_density(0.5, np.array([0.2, 0.99, 1.01, 3.0]))
    x = np.array([0.2, 0.99, 1.01, 3.0])
    assert half == pytest.approx(np.exp(-x * x / 4.0) / math.sqrt(math.pi), rel=1e-12)
    end = 40.0 if beta < 0.5 else 8.0 if beta < 0.9 else 2.0
    few, lengths = np.polynomial.legendre.leggauss(40)
    nodes = (np.arange(20)[:, None] * 2.0 + 1.0 + few).ravel() / 20.0 - 1.0
    weights = np.tile(lengths, 20) / 20.0
    x, w = 0.5 * end * (1.0 + nodes), 0.5 * end * weights
    density = inverse_stable_density(beta, x)
    assert (density >= -1e-12).all()
    for n in range(3):
        assert w @ (density * x**n) == pytest.approx(gamma(1.0 + n) / gamma(1.0 + n * beta), rel=1e-8)
    for limit in (1e-4, 0.5, 1.5):
        part = 0.5 * limit * (1.0 + nodes)
        below = 0.5 * limit * weights @ inverse_stable_density(beta, part)
        assert 1.0 - below == pytest.approx(float(inverse_stable_tail(beta, np.array(limit))), abs=1e-9)


def jumping(n):
    jumps = fp.LevyJumps(1.5, 0.4, kind=[[1.0, 0.5], [0.5, 0.6]])
    eq = fp.FokkerPlanck(drift=lambda x, y: [x - x**3 - y, x - y], diffusion=0.05, jumps=jumps, time_order=0.8)
    return eq, fp.Grid([(-3, 3), (-3, 3)], n)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_where_contours_are_dear_it_is_chosen_and_agrees_with_them():
    eq, grid = jumping(24)
    times, p0 = [0.0, 0.2, 2.0], fp.gaussian((-1, 0), 0.3)
    mean = fp.solve(eq, grid, p0, times, error=False)
    contour = fp.solve(eq, grid, p0, times, method="contour", error=False)
    assert (mean.method, contour.method) == ("subordination", "contour")
    assert np.abs(mean.masses - contour.masses).sum(axis=(1, 2)).max() < 1e-7
    assert 20 * contour.stats["solves"] > mean.stats["products"]  # each solve takes dozens of products
    assert mean.density.min() >= 0.0


def test_choice():
    """Chains take contours; planes the mean, unless the time is so long that products are dearer than factorizations."""
    assert not cheaper(well_1d(), np.array([1.0]), 0.8, 1e-6)
    q = fp.generator(fp.FokkerPlanck(diffusion=0.3), fp.Grid([(-2, 2), (-2, 2)], 80))
    assert cheaper(q, np.array([1.0]), 0.8, 1e-6)
    assert not cheaper(q, np.array([1e7]), 0.8, 1e-6)


def field(x, y):
    """A covariance that turns with the place."""
    c, s = np.cos(0.7 * x), np.sin(0.7 * x)
    return 0.09 * np.array([[c * c + 0.1 * s * s, 0.9 * c * s], [0.9 * c * s, s * s + 0.1 * c * c]])


@pytest.mark.parametrize("walls", ["absorbing", "reflecting", "periodic"])
@pytest.mark.parametrize(
    "jumps", [fp.LevyJumps(1.5, 0.3), fp.LevyJumps(1.5, field), fp.LevyJumps(1.5, (0.3, 0.2), "axes")]
)
def test_a_product_costs_the_transforms_that_it_makes(jumps, walls, monkeypatch):
    """n log2(n) for lines of n points, counted while it runs; a covariance that turns costs (40 + 1) / 2 times one kernel."""
    q = fp.generator(fp.FokkerPlanck(jumps=jumps), fp.Grid([(-2, 2)] * 2, [24, 20], walls))
    done = []

    def counted(transform, there):
        def run(values, s=None, axes=None):
            out = transform(values, s=s, axes=axes)
            shape = values.shape if there else out.shape
            points = math.prod(n for axis, n in enumerate(shape) if axis not in axes)
            ring = math.prod(s if s is not None else (values.shape[axis] for axis in axes))
            done.append(points * ring * math.log2(ring))
            return out

        return run

    p = np.full(q.grid.size, 1.0 / q.grid.size)
    q.apply(p)  # which transforms the kernels, once
    monkeypatch.setattr(levy_jumps, "rfftn", counted(levy_jumps.rfftn, True))
    monkeypatch.setattr(levy_jumps, "irfftn", counted(levy_jumps.irfftn, False))
    q.apply(p)
    assert sum(done) == pytest.approx(q.jumps.operations)
    alone = fp.generator(fp.FokkerPlanck(jumps=fp.LevyJumps(1.5, 0.3)), q.grid).jumps.operations
    if jumps.scale is field:
        assert q.jumps.operations == pytest.approx(20.5 * alone)


def test_choice_with_jumps():
    """Both ways make products, so that a dear product changes nothing; counted were 425 and 3764, 1941 and 1166 (32 x 32)."""
    for jumps in (
        fp.LevyJumps(1.5, 0.3),
        fp.LevyJumps(1.5, lambda x, y: 0.09 * np.eye(2)[..., None, None] + 0.3 * field(x, y)),
    ):
        eq = fp.FokkerPlanck(drift=lambda x, y: [-x - 2 * y, 2 * x - y], diffusion=0.02, jumps=jumps)
        q = fp.generator(eq, fp.Grid([(-3, 3)] * 2, 32))
        assert cheaper(q, np.array([1.0]), 0.8, 1e-6)
        assert not cheaper(q, np.array([1e3]), 0.5, 1e-6)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_at_rest_the_run_ends_early():
    q = rotation_2d()
    p0 = np.zeros(q.grid.size)
    p0[40] = 1.0
    short, long = (list(propagate_subordinated(q, p0, np.array([t]), 0.7, 1e-6)) for t in (1e3, 1e9))
    contour = list(propagate_memory(q, p0, np.array([1e3]), 0.7, 1e-6))
    assert np.abs(short[0][0] - contour[0][0]).sum() < 1e-6
    stationary = fp.stationary(fp.FokkerPlanck(drift=lambda x, y: [-x - 4 * y, 4 * x - y], diffusion=0.3), q.grid)
    assert np.abs(long[0][0] - stationary.masses.ravel()).sum() < 2e-6
    assert long[0][2].work["panels"] < 200


def test_nothing_to_do_and_what_it_does_not_follow():
    q = well_1d()
    p0 = np.full(q.grid.size, 1.0 / q.grid.size)
    (only,) = propagate_subordinated(q, p0, np.array([0.0]), 0.5, 1e-6)
    assert np.array_equal(only[0], p0)
    still = fp.FokkerPlanck(diffusion=0.0, time_order=0.5)
    solution = fp.solve(still, fp.Grid((-1, 1), 20), fp.gaussian(0, 0.3), [1.0], method="subordination", error=False)
    assert solution.mass[0] == pytest.approx(1.0, abs=1e-9)
    driven = fp.FokkerPlanck(drift=lambda x, t: t + 0 * x, diffusion=1.0, time_order=0.5)
    with pytest.raises(ValueError, match="`method` must be 'stepping' where coefficients depend on time"):
        fp.solve(driven, fp.Grid((-1, 1), 20), fp.gaussian(0, 0.3), [1.0], method="subordination")
