"""Periodic states against moments in closed form, long runs, and what stands still."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.evolution.time_dependent import Driven

LINE = fp.Grid((-5, 5), 120)


def swinging(frequency):
    return fp.FokkerPlanck(drift=lambda x, t: -x + 2 * np.cos(frequency * t), diffusion=0.5)


@pytest.mark.filterwarnings("ignore:the grid adds a numerical diffusion")
@pytest.mark.parametrize("frequency", [1.0, 50.0, 1000.0])
def test_a_driven_spring(frequency):
    """<x> = 2 (cos wt + w sin wt) / (1 + w^2), variance 1/2."""
    state = fp.stationary(swinging(frequency), LINE, period=2 * np.pi / frequency)
    wave = 2 * (np.cos(frequency * state.times) + frequency * np.sin(frequency * state.times)) / (1 + frequency**2)
    np.testing.assert_allclose(state.mean()[:, 0], wave, atol=3e-3 * np.abs(wave).max())
    np.testing.assert_allclose(state.covariance().ravel(), 0.5, atol=0.005)
    assert np.abs(state.masses[0] - state.masses[-1]).sum() <= state.stats["error_estimate"] < 1e-4
    assert state.method == "periodic"


@pytest.mark.filterwarnings("ignore:the grid adds a numerical diffusion")
def test_the_state_is_what_a_long_run_comes_to():
    eq = fp.FokkerPlanck(drift=lambda x, t: x - x**3 + 0.2 * np.sign(np.sin(0.5 * t)), diffusion=0.1)
    grid, period = fp.Grid((-2.2, 2.2), 80), 4 * np.pi
    state = fp.stationary(eq, grid, period=period)
    run = fp.solve(eq, grid, fp.gaussian(1, 0.2), period * np.array([20.0, 20.25]))
    assert np.abs(run.masses[0] - state.masses[0]).sum() < 1e-5
    assert np.abs(run.masses[1] - state.masses[8]).sum() < 1e-5


def test_a_drive_that_does_nothing():
    eq = fp.FokkerPlanck(drift=lambda x, t: x - x**3 + 0 * t, diffusion=0.1)
    plain = fp.stationary(fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.1), fp.Grid((-2.2, 2.2), 80))
    state = fp.stationary(eq, fp.Grid((-2.2, 2.2), 80), period=3.0)
    assert np.abs(state.masses - plain.masses).sum(axis=1).max() <= state.stats["error_estimate"] < 1e-3


@pytest.mark.filterwarnings("ignore:the grid adds a numerical diffusion")
def test_a_ring_that_is_turned_to_and_fro():
    ring = fp.Grid((0, 2 * np.pi), 60, "periodic")
    eq = fp.FokkerPlanck(drift=lambda x, t: np.sin(x) + np.sign(np.sin(t)), diffusion=0.4)
    state = fp.stationary(eq, ring, period=2 * np.pi)
    # half a period later the mirror image
    mirrored = state.masses[16][::-1]
    np.testing.assert_allclose(state.masses[0], mirrored, atol=1e-7)


@pytest.mark.slow
def test_two_dimensions():
    eq = fp.FokkerPlanck(drift=lambda x, y, t: (-x + np.cos(2 * np.pi * t), -y), diffusion=0.4)
    state = fp.stationary(eq, fp.Grid([(-3, 3), (-2, 2)], [24, 8]), period=1.0)
    frequency = 2 * np.pi
    wave = (np.cos(frequency * state.times) + frequency * np.sin(frequency * state.times)) / (1 + frequency**2)
    np.testing.assert_allclose(state.mean()[:, 0], wave, atol=0.01)
    assert np.abs(state.masses[0] - state.masses[-1]).sum() <= state.stats["error_estimate"] < 1e-4


def test_a_start_remembered_for_ever_is_said():
    eq = fp.FokkerPlanck(drift=lambda x, t: 8 * (x - x**3) + 0.1 * np.cos(t), diffusion=0.07)
    with pytest.raises(fp.ConvergenceError, match="the start is remembered for some"):
        fp.stationary(eq, fp.Grid((-2.2, 2.2), 60), period=2 * np.pi)


def test_refusals():
    eq = swinging(2 * np.pi)
    with pytest.raises(ValueError, match="`period` must be a time after which all coefficients repeat"):
        fp.stationary(eq, LINE, period=1.1)
    with pytest.raises(ValueError, match="`period` must be a positive number"):
        fp.stationary(eq, LINE, period=0.0)
    with pytest.raises(ValueError, match="`grid` must be closed for a periodic state"):
        fp.stationary(eq, fp.Grid((-1, 1), 10, "absorbing"), period=1.0)
    with pytest.raises(ValueError, match="`eq` must be with a coefficient or a source that depends"):
        fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0), LINE, period=1.0)
    with pytest.raises(ValueError, match="`p0` must be None for a periodic state"):
        fp.stationary(eq, LINE, fp.point(0.0), period=1.0)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_full_tensor_in_two_dimensions_follows_few_periods_anew(monkeypatch):
    """The exponentials of one period serve for all products: coefficients are read for three periods, not for each product."""
    periods = []
    whole = Driven.advance
    monkeypatch.setattr(Driven, "advance", lambda self, *given: periods.append(given[1:]) or whole(self, *given))
    eq = fp.FokkerPlanck(drift=lambda x, y, t: [-x + np.cos(2 * np.pi * t), -y], diffusion=[[0.5, 0.2], [0.2, 0.4]])
    grid = fp.Grid([(-3, 3), (-3, 3)], [12, 12])
    state = fp.stationary(eq, grid, period=1.0, error=False)
    assert sum(given == (0.0, 1.0) for given in periods) == 2  # a uniform density, and the state itself
    run = fp.solve(eq, grid, fp.gaussian([0, 0], 1.0), 12.0, error=False)
    assert np.abs(run.masses[-1] - state.masses[0]).sum() < 1e-4
    assert state.stats["error_estimate"] < 1e-4


def test_pulses_too_short_to_be_found_are_named():
    """A kick of .2 at t = 1, forgotten as exp(-t): <x> = .2 exp(-1) / (1 - exp(-2)) at phase 0 of a period of 2."""
    lasting, exact = 1e-4, 0.2 * np.exp(-1) / (1 - np.exp(-2))
    eq = fp.FokkerPlanck(
        drift=lambda x, t: -x + np.where(np.mod(t - 1.0, 2.0) < lasting, 0.2 / lasting, 0.0), diffusion=0.3
    )
    state = fp.stationary(eq, fp.Grid((-4, 5), 120), period=2.0, breaks=[3.0 + lasting, -1.0])
    assert abs(state.mean()[0, 0] - exact) < 2.0 * state.error["mean"][0, 0]
    assert state.error["mean"][0, 0] < 0.01 * exact
    for more in ({"breaks": [1.0]}, {"max_step": 0.1}):
        with pytest.raises(ValueError, match="must be None without `period`"):
            fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.3), fp.Grid((-4, 5), 120), **more)
