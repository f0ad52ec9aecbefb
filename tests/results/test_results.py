"""Solution and Stationary: moments, lookup, what they say about themselves."""

import dataclasses

import numpy as np
import pytest

import fokkerplanck as fp

PLANE = fp.Grid([(-3, 3), (-2, 2)], [30, 24])
TURN = fp.FokkerPlanck(drift=lambda x, y: (-x + y, -y - x), diffusion=[0.3, 0.2])


@pytest.fixture(scope="module")
def solution(solve):
    return solve(
        TURN, PLANE, fp.gaussian([1, 0], 0.3), [0.0, 0.2, 0.5], observe={"radius": lambda x, y: np.hypot(x, y)}
    )


def test_shapes_put_time_first(solution):
    assert solution.times.tolist() == [0.0, 0.2, 0.5]
    assert solution.density.shape == solution.masses.shape == (3, 30, 24)
    assert solution.mass.shape == (3,)
    assert solution.mean().shape == solution.moment(3).shape == (3, 2)
    assert solution.covariance().shape == (3, 2, 2)
    assert solution.current().shape == (2, 30, 24)
    assert solution.densities_along(1).shape == (3, 24)
    assert solution.observed["radius"].shape == (3,)


def test_one_dimension_keeps_the_same_axes(solve):
    s = solve(fp.FokkerPlanck(diffusion=0.1), fp.Grid((-1, 1), 20), fp.gaussian(0.0, 0.2), 0.1)
    assert s.density.shape == (1, 20)
    assert s.mean().shape == (1, 1)
    assert s.covariance().shape == (1, 1, 1)
    assert s.current().shape == (1, 20)


def test_moments_are_sums_over_the_cells(solution):
    x, y = np.broadcast_arrays(*PLANE.coordinates())
    p = solution.masses[1]
    np.testing.assert_allclose(solution.mean()[1], [(p * x).sum(), (p * y).sum()], atol=1e-12)
    np.testing.assert_allclose(solution.moment(2)[1], [(p * x**2).sum(), (p * y**2).sum()], atol=1e-12)
    mean_x, mean_y = solution.mean()[1]
    assert solution.covariance()[1, 0, 1] == pytest.approx((p * (x - mean_x) * (y - mean_y)).sum(), abs=1e-12)
    np.testing.assert_allclose((solution.densities_along(0) * PLANE.widths[0]).sum(axis=1), 1.0, atol=1e-8)
    # the radius is not smooth at the origin, where its mean over the cell counts
    assert solution.observed["radius"][1] == pytest.approx((p * np.hypot(x, y)).sum(), rel=1e-3)


def test_the_current_is_what_moves_the_mean(solution):
    # d<x>/dt = integral of J, away from walls; both come from the same rates
    q = solution.generator
    change = q.apply(solution.masses[1])
    x, y = PLANE.coordinates()
    rate = [(change * x).sum(), (change * y).sum()]
    np.testing.assert_allclose((solution.current(1) * PLANE.volumes).sum(axis=(1, 2)), rate, atol=1e-10)
    np.testing.assert_allclose(rate, [-1.0, -1.0] * solution.mean()[1] + [1, -1] * solution.mean()[1][::-1], atol=0.04)


def test_lookup_by_time(solution):
    np.testing.assert_array_equal(solution.at(0.2), solution.density[1])
    assert solution.index(0.5) == 2
    with pytest.raises(ValueError, match=r"`t` must be one of the output times, got 0\.3.*nearest is 0\.2"):
        solution.at(0.3)


def test_the_report_fits_one_screen_and_names_the_method(solution):
    lines = repr(solution).splitlines()
    assert len(lines) < 12
    assert max(map(len, lines)) < 160
    assert solution.method in repr(solution)
    assert "mean" in repr(solution)


def test_results_are_frozen(solution):
    with pytest.raises(dataclasses.FrozenInstanceError):
        solution.method = "magic"


def test_stats_say_what_happened(solution):
    stats = solution.stats
    assert {
        "error_estimate",
        "mass_error",
        "min_density",
        "initial_mass",
        "peclet",
        "diffusion",
        "numerical_diffusion",
        "order",
    } <= set(stats)
    assert stats["products"] > 0
    assert stats["diffusion"] == pytest.approx(0.2, rel=0.03)  # D where the grid adds most beside it
    relative = [d.min() / d.max() for d in solution.density]
    assert stats["min_density"] <= max(relative)
    assert solution.message


def test_the_cell_peclet_number_is_reported():
    # |mu| h / D = 10 * 0.02 / 0.1 at every link
    with pytest.warns(fp.ResolutionWarning, match="the error of the density is about"):
        s = fp.solve(
            fp.FokkerPlanck(drift=10.0, diffusion=0.1),
            fp.Grid((0, 1), 50, boundary="periodic"),
            fp.uniform(0.2, 0.4),
            0.01,
        )
    assert s.stats["peclet"] == pytest.approx(2.0, rel=1e-6)
    # (v h / 2) coth(w / 2) - D
    assert s.stats["numerical_diffusion"] == pytest.approx(0.1 / np.tanh(1.0) - 0.1, rel=1e-6)
    assert s.stats["diffusion"] == pytest.approx(0.1, rel=1e-6)
    assert s.stats["order"] == 1


def test_a_stationary_result_drops_the_time_axis():
    st = fp.stationary(TURN, PLANE)
    assert st.density.shape == (30, 24)
    assert st.current.shape == (2, 30, 24)
    assert st.mean().shape == st.moment(1).shape == (2,)
    assert st.covariance().shape == (2, 2)
    assert st.densities_along(0).shape == (30,)
    assert st.mass == pytest.approx(1.0, abs=1e-14)
    assert "current flows" in repr(st)
    still = fp.stationary(fp.FokkerPlanck(diffusion=1.0), PLANE)
    assert "equilibrium" in repr(still)
    assert len(repr(st).splitlines()) < 10


def test_the_resolution_of_graded_cells_is_that_of_each_link():
    # cells of width 1 and 3 in turn: pure diffusion has Peclet number 0 however the cells are
    edges = np.cumsum([0.0, *[1.0, 3.0] * 10])
    s = fp.solve(fp.FokkerPlanck(diffusion=1.0), fp.Grid.from_edges(edges), fp.uniform(10, 30), 1.0)
    assert s.stats["peclet"] < 1e-9
    assert s.stats["numerical_diffusion"] < 1e-9


def test_a_stationary_result_is_saved_and_loaded(tmp_path):
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x - y, x - y], diffusion=0.3)
    st = fp.stationary(eq, fp.Grid([(-3, 3), (-3, 3)], 40))
    st.save(tmp_path / "rest.nc")
    back = fp.load(tmp_path / "rest.nc")
    np.testing.assert_array_equal(back.at(np.inf), st.density)
    np.testing.assert_array_equal(back.current(-1), st.current)
    assert back.method == "stationary"


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_times_are_told_apart_in_any_unit(unit):
    """Femtoseconds in seconds: times within 1e-12 of each other were one and the same."""
    eq = fp.FokkerPlanck(drift=lambda x: -x / unit, diffusion=1.0 / unit)
    grid, start = fp.Grid((-5, 5), 60), fp.gaussian(0.0, 0.3)
    one = fp.solve(eq, grid, start, np.array([1.0, 2.0]) * unit)
    two = fp.solve(eq, grid, start, np.array([2.0, 3.0]) * unit)
    assert one.index(2.0 * unit) == 1
    with pytest.raises(ValueError, match="one of the output times"):
        one.index(1.5 * unit)
    table = fp.compare({"one": one, "two": two}, distances=())
    assert set(table.column("t")) == {2.0 * unit}
