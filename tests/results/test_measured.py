"""Errors measured on three grids where densities are singular, and where part of the probability is in atoms."""

from dataclasses import replace

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.grid import Grid
from fokkerplanck.model.initial_density import added_up
from fokkerplanck.results.measured import measured_by, solution_errors


@pytest.mark.parametrize("cells", [100, 151, 200])
def test_what_is_fixed_has_an_error_that_covers_it(cells):
    """Wright-Fisher with D = .35 x (1 - x) from .3: P0 and P1 at t = 1 by the series of Kimura."""
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.35 * x * (1 - x))
    s = fp.solve(eq, Grid((0, 1), cells), fp.point(0.3), [1.0])
    off = np.abs(np.array([s.atoms[0.0][0] - 0.337151, s.atoms[1.0][0] - 0.039367]))
    assert s.error["atoms"].shape == (1, 2)
    assert (off <= 1.1 * s.error["atoms"][0]).all()
    assert (s.error["atoms"][0] <= 10.0 * off).all()
    assert 1.2 < s.error.order < 2.5


def test_a_singular_stationary_density_has_an_error_that_covers_its_mean():
    """Square-root process of mean .06: its density goes as x^(-.7)."""
    eq = fp.FokkerPlanck(drift=lambda x: 0.06 - x, diffusion=lambda x: 0.2 * x)
    s = fp.stationary(eq, Grid((0, 3), 150))
    off = abs(s.mean()[0] - 0.06)
    assert off < s.error["mean"][0] < 20.0 * off
    assert s.error["density"] < 2e-3
    assert s.error.converging


def test_all_in_an_atom_is_exact():
    eq = fp.FokkerPlanck(drift=lambda x: -0.4 - x, diffusion=lambda x: 0.5 * x)
    s = fp.stationary(eq, Grid((0, 12), 200))
    assert s.atoms == {0.0: 1.0}
    assert s.error["atoms"] == pytest.approx([0.0], abs=1e-9)
    assert s.error["mean"] == pytest.approx([0.0], abs=1e-9)


def test_masses_are_added_up_in_cells_that_are_cut():
    fine, coarse = Grid((0, 4), 4), Grid.from_edges([0.0, 1.5, 4.0])
    masses = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 0.0]])
    assert added_up(masses, fine, coarse) == pytest.approx(np.array([[2.0, 8.0], [0.5, 0.5]]))


def test_answers_that_cannot_be_compared_have_no_error_and_say_why():
    """A coarser grid that finds other points is no reason to lose the answer."""
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.35 * x * (1 - x))
    fine, *coarser = (fp.solve(eq, Grid((0, 1), n), fp.point(0.3), [1.0], error=False) for n in (64, 32, 16))
    one = {at: mass for at, mass in coarser[1].atoms.items() if at == 0.0}
    found = measured_by(fine, lambda: [coarser[0], replace(coarser[1], atoms=one)], solution_errors)
    assert found.mass == pytest.approx(fine.mass)
    assert not found.error
    assert found.error.note == "grid error not measured: a coarser grid finds other points that keep what arrives"


@pytest.mark.parametrize(("x", "y"), [(1e-12, 1e12), (1e12, 1e-12)])
def test_errors_of_moments_have_the_units_of_their_axis(x, y):
    """The rounding of the wider axis was that of all: a variance of 1e-24 had an error of 1e18."""

    def error(x, y, which):
        eq = fp.FokkerPlanck(drift=lambda u, v: [-u, -2 * v], diffusion=[0.5 * x**2, 0.3 * y**2])
        s = fp.solve(
            eq, Grid([(-4 * x, 4 * x), (-3 * y, 3 * y)], [40, 36]), fp.gaussian([x, 0], [0.3 * x, 0.3 * y]), 0.5
        )
        unit = np.array([x, y])
        return s.error["mean"][0] / unit if which == "mean" else s.error["covariance"][0] / np.outer(unit, unit)

    for which in ("mean", "covariance"):
        np.testing.assert_allclose(error(x, y, which), error(1.0, 1.0, which), rtol=0.01, atol=1e-7)


@pytest.mark.parametrize("slope", [0.5, 3.0])
def test_numbers_of_noise_of_rank_one(slope):
    """Fourier modes on a torus are exact: E cos k.x; errors of first and second order of opposite signs add up."""
    along = np.array([1.0, slope]) / np.hypot(1.0, slope)
    tensor, drift, t, turn = 0.5 * np.outer(along, along), np.array([0.3, 0.7]), 0.7, 2.0 * np.pi
    modes = {"x": (1, 0), "difference": (1, -1), "sum": (1, 1)}
    start = {(1, 0): 0.4 * np.exp(1j), (1, -1): 0.12 * np.exp(1j), (1, 1): 0.12 * np.exp(1j)}
    observe = {name: lambda x, y, k=k: np.cos(k[0] * x + k[1] * y) for name, k in modes.items()}
    eq = fp.FokkerPlanck(drift=lambda x, y: (drift[0] + 0 * x, drift[1] + 0 * y), diffusion=tensor.tolist())
    grid = fp.Grid([(0, turn), (0, turn)], 64, "periodic")
    sol = fp.solve(
        eq, grid, lambda x, y: (1 + 0.8 * np.cos(x - 1)) * (1 + 0.6 * np.cos(y)) / turn**2, [t], observe=observe
    )
    for name, mode in modes.items():
        k = np.array(mode)
        right = (start[mode] * np.exp(1j * (k @ drift) * t - (k @ tensor @ k) * t)).real
        assert abs(sol.observed[name][0] - right) < 1.5 * sol.error[name][0]
