"""Pulses and jumps in time that lie between the steps of simulated paths: seen by a scan of the coefficients, and told."""

from __future__ import annotations

import numpy as np

from ..errors import ResolutionWarning, warn
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..solvers.evolution.time_scan import Probe

UNSEEN = 0.15  # of what a coefficient changes by over a run: what steps may leave out beside their own error
FINER = 2.0  # times the sampling of the scan: shorter steps see more than this does


def warn_of_unseen_features(eq: FokkerPlanck, places: np.ndarray, dt: float, horizon: float) -> None:
    """Warn where the integral of a coefficient over the run is not what steps of dt, and of dt / 2, make of it.

    An Euler step reads coefficients at its start. What two lengths of a step miss alike, as a pulse between them, is not in
    the step error either.

    Parameters
    ----------
    eq : FokkerPlanck
    places : ndarray (n, dim)
        Where paths have been, which bounds where coefficients are read.
    dt, horizon : float
    """
    places = places[np.isfinite(places).all(axis=1)]
    if not eq.time_dependent or not len(places) or not dt < horizon:
        return
    low, high = places.min(axis=0), places.max(axis=0)
    width = np.maximum(high - low, 1e-6 * np.maximum(np.abs(high), np.abs(low)))
    width = np.where(width > 0.0, width, 1.0)  # all at 0, which tells no scale
    probe = Probe(eq, Grid.from_edges([np.array([a, a + w]) for a, w in zip(low, width, strict=True)]), horizon)
    if dt * 2.0 * probe.pairs < FINER * horizon:
        return
    times, values = probe.watched()
    if not values.shape[1]:
        return
    usual = np.median(values, axis=0)
    changes = values - usual
    lengths = np.diff(times)[:, None]
    total = np.concatenate(
        [np.zeros((1, values.shape[1])), np.cumsum(0.5 * (changes[1:] + changes[:-1]) * lengths, axis=0)]
    )
    size = np.trapezoid(np.abs(changes), times, axis=0)
    starts, once = _in_steps(probe, usual, dt, horizon)
    _, twice = _in_steps(probe, usual, 0.5 * dt, horizon)
    unseen = np.abs(total[-1] - twice.sum(axis=0)) - 2.0 * np.abs(once.sum(axis=0) - twice.sum(axis=0))
    worst = int(np.argmax(unseen / np.maximum(size, 1e-300)))
    if not unseen[worst] > UNSEEN * size[worst]:
        return
    true = np.diff(np.interp(np.append(starts, horizon), times, total[:, worst]))
    place = float(starts[int(np.argmax(np.abs(true - once[:, worst])))])
    lasts = float(size[worst] / np.abs(changes[:, worst]).max())
    text = (
        f"a coefficient changes between the steps of the paths, near t = {place:.4g}: {unseen[worst] / size[worst]:.0%} of "
        f"what it changes by in time goes unseen. Take dt at most {min(0.125 * lasts, 0.5 * dt):.1g}."
    )
    warn(text, ResolutionWarning)


def _in_steps(probe: Probe, usual: np.ndarray, dt: float, horizon: float) -> tuple[np.ndarray, np.ndarray]:
    """The starts of the steps (n,), and what each makes of the changes of the coefficients, (n, m)."""
    starts = np.arange(0.0, horizon * (1.0 - 1e-12), dt)
    lengths = np.diff(np.append(starts, horizon))[:, None]
    starts[0] = probe.start
    return starts, lengths * (probe.sample(starts) - usual)
