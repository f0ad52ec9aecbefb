"""Pulses between the steps of simulated paths, which dt and dt / 2 miss alike, are told."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp


def pulsed(start, stop):
    size = 0.9 / (stop - start)
    drift = lambda x, t: -x + np.where((t > start) & (t < stop), size, 0.0)  # noqa: E731
    return fp.FokkerPlanck(drift=drift, diffusion=0.001)


@pytest.mark.parametrize("end", [2.0, 40.0])
def test_a_pulse_within_a_step_is_told(end):
    """The mean at t = 2 was .0002 for .33, and its step error said 2e-4."""
    with pytest.warns(fp.errors.ResolutionWarning, match=r"near t = (1|0\.9).*goes unseen\. Take dt at most 0\.00"):
        fp.simulate(pulsed(1.001, 1.004 + 0.01 * (end > 2)), 0.0, [end], dt=end / 200, n_paths=100)


def test_the_step_that_is_advised_sees_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = fp.simulate(pulsed(1.001, 1.004), 0.0, [2.0], dt=0.0003, n_paths=300)
    assert paths.mean()[0, 0] == pytest.approx(0.9 * np.exp(-0.9975), abs=0.06)


@pytest.mark.parametrize(
    "drift",
    [
        lambda x, t: np.cos(5 * t) - x,
        lambda x, t: np.where(t > 1.003, 1.0, 0.0) - x,
        lambda x, t: -x * (1 + t),
        lambda x, t: -x + 0 * t,
    ],
)
def test_what_steps_follow_has_no_word(drift):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fp.simulate(fp.FokkerPlanck(drift=drift, diffusion=0.1), 0.0, [2.0], dt=0.01, n_paths=100)


def test_noise_that_flickers_faster_than_the_steps():
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.5 + 0.5 * np.cos(2 * np.pi * 200 * t) + 0 * x)
    with pytest.warns(fp.errors.ResolutionWarning, match="goes unseen"):
        fp.simulate(eq, 0.0, [2.0], dt=0.01, n_paths=100)
