"""Targets thinner than a step of the paths: what thick ones give, to the path; with seeds, or where no chance enters."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.errors import ResolutionWarning

DRIFTING = fp.FokkerPlanck(drift=1.0, diffusion=0.5)


def exits(target, eq=DRIFTING, start=0.0, **options):
    options = {"dt": 0.01, "n_paths": 100, "seed": 1, "step_error": False} | options
    return fp.simulate(eq, start, [4.0], target=target, **options)


@pytest.mark.parametrize("thickness", [0.05, 0.005])
def test_a_strip_on_the_line_stops_paths_as_the_half_line_does(thickness):
    """A step is .1 long; stepped over in silence, the strip of .005 took paths after 4 times the mean time, and not all."""
    strip = exits(lambda x: (x > 1.0) & (x < 1.0 + thickness))
    np.testing.assert_array_equal(strip.exit_times, exits(lambda x: x > 1.0).exit_times)
    stopped = strip.positions[-1, np.isfinite(strip.exit_times)]
    assert len(stopped) > 90
    assert ((stopped > 1.0) & (stopped < 1.0 + thickness)).all()


def test_a_thin_ring_in_the_plane():
    """Mean time from the center to r = 1 at D = 1/2: 1/2, and .583 sqrt(dt) more in r, as for the outside of the disk."""
    eq, centre = fp.FokkerPlanck(diffusion=0.5), [0.0, 0.0]
    ring = exits(lambda x, y: np.abs(np.hypot(x, y) - 1.005) < 0.005, eq, centre)
    np.testing.assert_array_equal(ring.exit_times, exits(lambda x, y: np.hypot(x, y) > 1.0, eq, centre).exit_times)


def test_steps_round_a_circle_are_followed():
    """Noiseless, 3/4 of a turn a step: from .1 over .5 to .85, and on over the joint into a strip of a hundredth at .05."""
    circle = fp.Grid((0.0, 1.0), 4, boundary="periodic")
    eq = fp.FokkerPlanck(drift=0.75, diffusion=0.0)
    mc = exits(lambda x: (x > 0.04) & (x < 0.06), eq, 0.1, dt=1.0, grid=circle, n_paths=3)
    np.testing.assert_array_equal(mc.exit_times, 2.0)
    assert ((mc.positions[-1] > 0.04) & (mc.positions[-1] < 0.06)).all()


def test_a_clock_that_halts_does_not_let_paths_pass():
    slow = fp.FokkerPlanck(drift=1.0, diffusion=0.5, time_order=0.8)
    strip = exits(lambda x: (x > 1.0) & (x < 1.02), slow)
    np.testing.assert_array_equal(strip.exit_times, exits(lambda x: x > 1.0, slow).exit_times)


def test_jumps_may_pass():
    levy = fp.FokkerPlanck(jumps=fp.LevyJumps(stability=1.2, scale=1.0))
    strip, half = (exits(t, levy) for t in (lambda x: (x > 1.0) & (x < 1.05), lambda x: x > 1.0))
    assert np.isfinite(strip.exit_times).sum() < 0.9 * np.isfinite(half.exit_times).sum()


def test_too_thin_a_target_is_warned_of():
    with pytest.warns(ResolutionWarning, match="still step over it. Take dt at most"):
        exits(lambda x: (x > 1.0) & (x < 1.0003))


def test_thick_targets_have_no_word():
    """Corners are cut: no warning, however short the chords."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exits(lambda x, y: (x > 0.5) & (y > 0.5), fp.FokkerPlanck(diffusion=0.5), [0.0, 0.0])


@pytest.mark.parametrize("thickness", [1e-4, 1e-5])
def test_a_target_that_no_place_along_a_step_met(thickness):
    """A path that is on the other side later has passed it: nothing was said, and nothing arrived."""
    with pytest.warns(ResolutionWarning, match="still step over it. Take dt at most"):
        found = exits(lambda x: (x > 1.0) & (x < 1.0 + thickness), n_paths=8)
    assert np.isfinite(found.exit_times).any() or thickness < 1e-4


def test_parts_that_no_path_has_passed_are_left_alone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = exits(lambda x: (abs(x) > 30.0) & (abs(x) < 30.001), n_paths=8)
    assert np.isinf(far.exit_times).all()
