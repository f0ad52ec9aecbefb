"""Singular modes measured in whole networks: strengths, alignment, rank, when they are learned and when their noise is largest.

End-to-end matrices W = W_L ... W_1 come as arrays (n_times, n_runs, d_out, d_in), the k singular vectors of the teacher as the
columns of `left` (d_out, k) and `right` (d_in, k). Runs that diverged are not finite from then on, and stay out of averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arguments import reals
from ..comparison.distances import law, wasserstein
from ..errors import bad_value
from ..results.ensemble import Ensemble, Share
from ..results.solution import Solution


class ModeDistances(NamedTuple):
    """Distances of measured modes to the densities of their equations, each array (n_times, k).

    `sampling` is the mean distance if only sampling set the two apart: no distance worth the name exceeds it by less than some
    `standard_error`.
    """

    steps: np.ndarray
    value: np.ndarray
    standard_error: np.ndarray
    sampling: np.ndarray


def mode_strengths(end_to_end: Any, left: Any, right: Any) -> np.ndarray:
    """s_i = u_i^T W v_i, shape (..., k), of matrices W (..., d_out, d_in)."""
    w, u, v = _matrices(end_to_end, left, right)
    return np.einsum("oi,...oi->...i", u, w @ v)


def off_diagonal_share(end_to_end: Any, left: Any, right: Any) -> np.ndarray:
    """1 - sum_i s_i^2 / |W|_F^2, (n_times, n_runs): how far a network is from the teacher's modes.

    0 where W = sum_i s_i u_i v_i^T. With all singular vectors it is the share of U^T W V off its diagonal; with the k modes of
    a teacher of rank k it also counts what lies outside them, and depends on no choice of basis there. nan where W = 0.
    """
    w, u, v = _matrices(end_to_end, left, right)
    total = np.einsum("...od,...od->...", w, w)
    own = (np.einsum("oi,...oi->...i", u, w @ v) ** 2).sum(axis=-1)
    ratio = np.divide(own, total, out=np.full(total.shape, np.nan), where=(total > 0.0) & np.isfinite(total))
    return np.maximum(1.0 - ratio, 0.0)  # rounding; nan stays nan


def singular_values(end_to_end: Any) -> np.ndarray:
    """Falling singular values, (n_times, n_runs, min(d_out, d_in)); nan for a run that diverged."""
    w = _stack(end_to_end)
    finite = np.isfinite(w).all(axis=(-2, -1))
    values = np.linalg.svd(np.where(finite[..., None, None], w, 0.0), compute_uv=False)
    values[~finite] = np.nan
    return values


def stable_rank(end_to_end: Any) -> np.ndarray:
    """|W|_F^2 / |W|_2^2, (n_times, n_runs): at least 1, at most the rank; nan where W = 0."""
    square = singular_values(end_to_end) ** 2
    largest = square[..., 0]
    return np.divide(square.sum(axis=-1), largest, out=np.full(largest.shape, np.nan), where=largest > 0.0)


def over_runs(steps: Any, values: Any) -> Ensemble:
    """Whatever was measured, (n_times, n_runs) or (n_times, n_runs, k), as an ensemble.

    Its `mean`, `standard_error`, `covariance` and `fraction` are over the runs that are finite; `fp.compare` and
    `fp.distances` take it as it is.
    """
    array = np.asarray(values, dtype=float)
    array = array[:, :, None] if array.ndim == 2 else array
    times = _steps(steps)
    if array.ndim != 3 or len(array) != times.size:
        raise bad_value("values", f"of shape ({times.size}, n_runs) or ({times.size}, n_runs, k)", f"{array.shape}")
    return Ensemble(times, array)


def crossing_steps(steps: Any, strengths: Any, levels: Any) -> np.ndarray:
    """Steps at which each mode of each run first reaches its level, (n_runs, k).

    Linear between the recorded steps; the first of them where the run starts above; inf where it never gets there.

    Parameters
    ----------
    steps : array (n_times,)
    strengths : array (n_times, n_runs, k)
    levels : number or array (k,)
        Half the target for the half-target time.
    """
    times, s = _recorded(steps, strengths)
    levels = np.broadcast_to(np.asarray(levels, dtype=float), s.shape[2:])
    reached = s >= levels  # a run that diverged to nan has not
    first = reached.argmax(axis=0)
    before = np.maximum(first - 1, 0)
    high, low = (np.take_along_axis(s, k[None], axis=0)[0] for k in (first, before))
    rise = np.where(first > 0, high - low, 1.0)
    with np.errstate(invalid="ignore"):  # a run may reach its level only by diverging
        crossed = times[before] + np.where(first > 0, (levels - low) / rise, 0.0) * (times[first] - times[before])
    return np.where(reached.any(axis=0), crossed, np.inf)


def realised_diffusion(steps: Any, strengths: Any, window: int) -> tuple[np.ndarray, np.ndarray]:
    """D in sqrt(2 D) dW along each run, from its own increments, per step.

    Two successive increments d1, d2 over h1, h2 steps have nearly the same drift, and (d1/h1 - d2/h2)^2 / (1/h1 + 1/h2) has
    the mean 2 D whatever that drift is. Averaged over `window` of these, its relative error is about sqrt(3 / window).

    Returns
    -------
    steps : ndarray (m,)
        In the middle of each window, m = n_times - 1 - window.
    diffusion : ndarray (m, n_runs, k)
    """
    times, s = _recorded(steps, strengths)
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or not 2 <= window <= times.size - 2:
        raise bad_value("window", f"a whole number from 2 to {times.size - 2}", window, "Record more steps.")
    width = np.diff(times)[:, None, None]
    with np.errstate(invalid="ignore", over="ignore"):  # runs that diverge
        rate = np.diff(s, axis=0) / width
        square = np.diff(rate, axis=0) ** 2 / (1.0 / width[1:] + 1.0 / width[:-1])
        sums = np.concatenate([np.zeros_like(square[:1]), np.cumsum(square, axis=0)])
        diffusion = (sums[window:] - sums[:-window]) / (2.0 * window)
    return np.convolve(times[1:-1], np.full(window, 1.0 / window), mode="valid"), diffusion


def largest_noise_steps(steps: Any, strengths: Any, window: int | None = None) -> np.ndarray:
    """The step at which each mode of each run diffuses most, (n_runs, k), measured from its increments alone.

    The largest `realised_diffusion`: no formula for D enters, so that it may serve to test one. A single run shows its
    diffusion only to sqrt(3 / window), hence the step is that of a noisy maximum; more records sharpen it. nan for a run
    that diverged.

    Parameters
    ----------
    steps : array (n_times,)
        Recorded much more often than the mode takes to grow.
    strengths : array (n_times, n_runs, k)
    window : int, optional
        Default: a twentieth of the records, at least 8.
    """
    times, s = _recorded(steps, strengths)
    middle, diffusion = realised_diffusion(times, s, max(8, times.size // 20) if window is None else window)
    finite = np.isfinite(diffusion).all(axis=0)
    return np.where(finite, middle[np.where(finite, diffusion, 0.0).argmax(axis=0)], np.nan)


def fraction_before(first: Any, second: Any) -> Share:
    """The share of runs in which one event comes before another, each mode by itself.

    Parameters
    ----------
    first, second : array (n_runs, k)
        Steps of the two events. Runs in which the second never came (inf) or which diverged (nan) do not count.

    Returns
    -------
    Share
        `value` and `standard_error`, (k,): the share h / n, and the deviation of the binomial share given h of n with all
        shares alike beforehand, which is not zero at h = n: sqrt[(h + 1)(n - h + 1) / (n + 3)] / (n + 2). nan where n = 0.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 2:
        raise bad_value("second", f"of the shape (n_runs, k) of `first`, {a.shape}", f"{b.shape}")
    counted = np.isfinite(b) & ~np.isnan(a)
    n, hits = counted.sum(axis=0), (counted & (a < b)).sum(axis=0)
    error = np.sqrt((hits + 1.0) * (n - hits + 1.0) / (n + 3.0)) / (n + 2.0)
    share = np.divide(hits, n, out=np.full(n.shape, np.nan), where=n > 0)
    return Share(share, np.where(n > 0, error, np.nan))


def mode_distances(strengths: Ensemble, densities: Sequence[Solution], order: int = 1, seed: int = 0) -> ModeDistances:
    """Wasserstein distance between measured modes and the densities of their equations at the steps of the latter.

    Parameters
    ----------
    strengths : Ensemble
        `over_runs(steps, mode_strengths(...))`, of k coordinates.
    densities : sequence of k solutions
        `ModeEquation.density` of each mode, all at the same steps.
    order : {1, 2}
    seed : int
        Of the bootstrap.
    """
    if len(densities) != strengths.dim:
        raise bad_value("densities", f"as many as modes, {strengths.dim}", len(densities))
    steps = densities[0].times
    rows = [
        [
            wasserstein(law(strengths.at(t)[:, i]), law(solution, t), order, seed=seed)
            for i, solution in enumerate(densities)
        ]
        for t in steps
    ]
    value, error, sampling = np.moveaxis(np.array(rows), -1, 0)
    return ModeDistances(steps, value, error, sampling)


def _matrices(end_to_end: Any, left: Any, right: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    w = _stack(end_to_end)
    u, v = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    for name, vectors, size in (("left", u, w.shape[-2]), ("right", v, w.shape[-1])):
        if vectors.ndim != 2 or len(vectors) != size or u.shape[-1] != v.shape[-1]:
            raise bad_value(name, f"k columns of length {size}, as many left as right", f"shape {vectors.shape}")
        if not np.allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=1e-8):
            raise bad_value(name, "orthonormal columns", vectors, "np.linalg.svd returns V^T: transpose it.")
    return w, u, v


def _stack(end_to_end: Any) -> np.ndarray:
    w = reals("end_to_end", end_to_end, "an array of shape (..., d_out, d_in)")
    if w.ndim < 2:
        raise bad_value("end_to_end", "of shape (..., d_out, d_in)", f"shape {w.shape}")
    return w


def _steps(steps: Any) -> np.ndarray:
    times = np.asarray(steps, dtype=float)
    if times.ndim != 1 or times.size == 0 or not (np.diff(times) > 0.0).all():
        raise bad_value("steps", "increasing, of shape (n_times,)", steps)
    return times


def _recorded(steps: Any, strengths: Any) -> tuple[np.ndarray, np.ndarray]:
    times, s = _steps(steps), np.asarray(strengths, dtype=float)
    if s.ndim != 3 or len(s) != times.size:
        raise bad_value("strengths", f"of shape ({times.size}, n_runs, k)", f"shape {s.shape}")
    return times, s
