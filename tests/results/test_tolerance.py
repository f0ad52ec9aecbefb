"""Answers asked for a tolerance, compared with exact ones."""

import warnings

import numpy as np
import pytest
from scipy.stats import gamma

import fokkerplanck as fp

OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
WELLS = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.01)
TOLERANCES = pytest.mark.parametrize("tol", [1e-2, 1e-3])


def off(density, grid, exact):
    return float((np.abs(density - exact) * grid.volumes).sum())


def normal(x, mean, variance):
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


@TOLERANCES
def test_density_in_time(tol):
    """Normal law of the Ornstein-Uhlenbeck process (Risken 1989, sec. 5.3)."""
    solution = fp.solve(OU, fp.Box((-6, 6)), fp.gaussian(2, 0.3), [0.1, 1.0], tol=tol)
    for t, density in zip(solution.times, solution.density, strict=True):
        decay = np.exp(-t)
        exact = normal(solution.grid.centers[0], 2 * decay, 0.09 * decay**2 + 0.5 * (1 - decay**2))
        assert off(density, solution.grid, exact) <= tol
    assert solution.error["density"].max() <= tol


@pytest.mark.parametrize("tol", [1e-5, 1e-7, 1e-9])
def test_small_tolerances_are_met_by_extrapolation(tol):
    solution = fp.solve(OU, fp.Box((-6, 6)), fp.gaussian(2, 0.3), [1.0], tol=tol)
    exact = normal(solution.grid.centers[0], 2 / np.e, 0.09 * np.exp(-2) + 0.5 * (1 - np.exp(-2)))
    assert off(solution.density[0], solution.grid, exact) <= solution.error["density"][0] <= tol
    assert "extrapolated" in solution.error.note
    assert solution.grid.size < 6000
    assert solution.density.min() >= 0.0
    assert solution.mass[0] == pytest.approx(1.0, abs=1e-9)


@TOLERANCES
def test_stationary_density_with_a_current(tol):
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x - 2 * y, 2 * x - y], diffusion=0.5)
    st = fp.stationary(eq, fp.Box([(-4, 4), (-4, 4)]), tol=tol)
    x, y = st.grid.coordinates()
    assert off(st.density, st.grid, normal(x, 0, 0.5) * normal(y, 0, 0.5)) <= tol


@TOLERANCES
def test_mean_time_over_a_barrier(tol):
    """Double quadrature of exp(V/D): 1.6247877e11."""
    passage = fp.first_passage(WELLS, fp.Box((-2, 2)), lambda x: x > 0, tol=tol)
    assert passage.at(-1.0) == pytest.approx(1.6247877e11, rel=tol)


@TOLERANCES
def test_committor(tol):
    """q = int_a^x exp(V/D) / int_a^b exp(V/D)."""
    q = fp.committor(WELLS, fp.Box((-2, 2)), lambda x: x < -1, lambda x: x > 1, tol=tol)
    s = np.linspace(-1, 1, 20001)
    below = np.cumsum(np.exp(-((s**2 - 1) ** 2) / -4 / 0.01 - 25))
    exact = np.interp(q.grid.centers[0], s, below / below[-1])
    assert np.abs(q.values - exact).max() <= tol


@TOLERANCES
def test_eigenvalues(tol):
    sp = fp.spectrum(OU, fp.Box((-5, 5)), 4, tol=tol)
    assert sp.eigenvalues[0] == 0.0
    np.testing.assert_allclose(sp.eigenvalues[1:], [-1, -2, -3], rtol=tol)


def test_narrow_starts_in_wide_boxes_are_resolved():
    box = fp.Box((-30, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is heard of grids on the way is not passed on
        solution = fp.solve(OU, box, fp.point(1.0), [0.02], tol=1e-2)
    decay = np.exp(-0.02)
    exact = normal(solution.grid.centers[0], decay, 0.5 * (1 - decay**2))
    assert off(solution.density[0], solution.grid, exact) <= 1e-2


def test_given_grids_are_refined_as_they_are_graded():
    start = fp.Grid.graded((-6, 6), lambda x: 0.05 + 0.02 * np.abs(x))
    solution = fp.solve(OU, start, fp.gaussian(2, 0.3), [1.0], tol=1e-5)
    widths = solution.grid.widths[0]
    assert solution.grid.size > start.size
    assert widths.max() / widths.min() == pytest.approx(start.widths[0].max() / start.widths[0].min(), rel=0.1)


def test_features_below_the_first_cells_are_found():
    """A barrier of 6 kT a fifteenth of the first cells wide; the mean time by quadrature."""

    def potential(x):
        return 0.3 * np.exp(-(((x - 0.5) / 0.004) ** 2))

    eq = fp.FokkerPlanck(potential=potential, diffusion=0.05)
    passage = fp.first_passage(eq, fp.Box((-2, 2)), lambda x: x > 1, tol=1e-2)
    s = np.linspace(-2, 1, 300_001)
    inner = np.concatenate([[0.0], np.cumsum(np.exp(-potential(0.5 * (s[1:] + s[:-1])) / 0.05))]) * 1e-5
    integrand = np.exp(potential(s) / 0.05) * inner / 0.05
    assert passage.at(0.0) == pytest.approx(np.trapezoid(integrand[200_000:], s[200_000:]), rel=1e-2)


def test_targets_between_the_first_cell_centers_are_found():
    passage = fp.first_passage(OU, fp.Box((-2, 2)), lambda x: x > 1.99, tol=1e-2)
    assert passage.error_at(0.0) < 1e-2 * passage.at(0.0)


def test_what_is_out_of_reach_comes_with_the_best_there_was():
    with pytest.raises(fp.ConvergenceError, match="out of reach") as caught:
        fp.solve(OU, fp.Box([(-6, 6)]), fp.gaussian(2, 0.3), [1.0], tol=1e-13)
    best = caught.value.partial
    assert 1e-13 < best.error["density"].max() < 1e-4


def test_a_density_that_goes_by_a_power_is_judged_by_the_probabilities_of_cells():
    """The gamma law of shape 0.6 beside a square root: infinite at 0, so that no cells resolve its shape there."""
    root = fp.FokkerPlanck(drift=lambda x: 0.3 - x, diffusion=lambda x: 0.5 * x)
    found = fp.stationary(root, fp.Box((0, 6)), tol=3e-3)
    right = np.diff(gamma(0.6, scale=0.5).cdf(found.grid.edges[0]))
    assert np.abs(found.masses - right).sum() < found.error["density"] < 3e-3
    assert "in the probabilities of cells" in found.error.note


def test_errors_that_are_not_measured_refuse_a_tolerance():
    with pytest.raises(ValueError, match="`tol` must be None for passages"):
        fp.first_passage(OU, fp.Box((-3, 3)), lambda x, t: x > 1 + t, tol=1e-2)
    with pytest.raises(ValueError, match="`error` must be True"):
        fp.stationary(OU, fp.Box((-3, 3)), tol=1e-2, error=False)
    with pytest.raises(ValueError, match="`p0` must be no array"):
        fp.solve(OU, fp.Box((-3, 3)), np.ones(64), [1.0], tol=1e-2)
