"""The law of a finite jump on the offsets between equal cells: nonnegative weights with the law's own mean and covariance.

A size s between the offsets m h and (m + 1) h is shared out linearly between both, which keeps the mean and adds the variance
(s - m h)((m + 1) h - s). That is taken off again by moving weight from both neighbours of an offset to it, which changes no
mean, as far as all weights stay nonnegative. What cannot be taken off, as of one size between two offsets, is `excess`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from ...errors import bad_value
from ...model.jump_laws import Gaussian, Kernel, Law, Line, Sizes

FAR = 9.0  # deviations within which a Gaussian is read
MOST = 2e7  # offsets, or nodes of a rotated Gaussian
PASSES = 200  # of taking excess variance off
SMALL = 10.0 ** np.arange(-16.0, -3.0)
LEVELS = np.concatenate([SMALL, np.linspace(1e-3, 1.0 - 1e-3, 400), 1.0 - SMALL[:0:-1]])
Shared = tuple[np.ndarray, tuple[int, ...], list[float]]  # weights, first offsets, and variances that sharing adds
POINTS, SHARES = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True, eq=False)
class JumpLattice:
    """Weights of offsets first_a, first_a + 1, ... along each axis a.

    weights (k_1, ...): their sum is at most one. first: the lowest offset of each axis. below, above: what of a law on a line
    lies beyond them. excess: the variance along each axis in squared cells that the weights have too much. square: the mean
    square of a jump along each axis within the offsets, in squared cells.
    """

    weights: np.ndarray
    first: tuple[int, ...]
    excess: tuple[float, ...]
    square: tuple[float, ...]
    below: float = 0.0
    above: float = 0.0

    def offsets(self, axis: int) -> np.ndarray:
        """The offsets along an axis."""
        return self.first[axis] + np.arange(self.weights.shape[axis])


@lru_cache(maxsize=16)
def jump_lattice(law: Law, widths: tuple[float, ...], reach: tuple[int, ...]) -> JumpLattice:
    """A law on cells of these widths, offsets up to `reach` along each axis."""
    assert not isinstance(law, Kernel)
    if isinstance(law, Line):
        weights, first, added = _of_line(law, widths[0], reach[0])
    elif isinstance(law, Gaussian) and _is_diagonal(law.covariance):
        weights, first, added = _of_axes(law, widths, reach)
    else:
        weights, first, added = _of_points(*_points(law, min(widths)), widths, reach)
    excess = []
    for axis, variance in enumerate(added):
        weights, left = sharpened(weights, variance, axis)
        excess.append(left)
    squares = []
    for axis in range(len(widths)):
        along = weights.sum(axis=tuple(a for a in range(weights.ndim) if a != axis))
        squares.append(float(along @ (first[axis] + np.arange(along.size)) ** 2.0) - excess[axis])
    ends = first[0] * widths[0], (first[0] + weights.size - 1) * widths[0]
    tails = _tails(law, *ends) if len(widths) == 1 else (0.0, 0.0)
    return JumpLattice(weights, first, tuple(excess), tuple(squares), *tails)


def _tails(law: Law, low: float, high: float) -> tuple[float, float]:
    """What a law on a line has below and above two places."""
    if isinstance(law, Line):
        return float(law.frozen.cdf(low)), float(law.frozen.sf(high))
    if isinstance(law, Sizes):
        sizes = law.sizes[:, 0]
        return float(law.weights[sizes < low].sum()), float(law.weights[sizes > high].sum())
    assert isinstance(law, Gaussian)
    deviation = max(float(np.sqrt(law.covariance[0, 0])), 1e-300)
    return float(ndtr((low - law.mean[0]) / deviation)), float(ndtr((law.mean[0] - high) / deviation))


def sharpened(weights: np.ndarray, variance: float, axis: int) -> tuple[np.ndarray, float]:
    """Weights with a variance, in squared cells, taken off along an axis as far as they allow, and what is left of it."""
    w = np.moveaxis(weights, axis, 0).copy()
    for _ in range(PASSES):
        if len(w) < 3 or not variance > 1e-15:
            break
        moved = np.minimum(0.5 * variance * w[1:-1], 0.5 * np.minimum(w[:-2], w[2:]))
        taken = 2.0 * float(moved.sum())
        if taken <= 1e-16:
            break
        moved *= min(1.0, variance / taken)
        w[1:-1] += 2.0 * moved
        w[:-2] -= moved
        w[2:] -= moved
        variance -= min(taken, variance)
    return np.moveaxis(np.maximum(w, 0.0), 0, axis), max(variance, 0.0)


def _is_diagonal(covariance: np.ndarray) -> bool:
    return not (covariance - np.diag(np.diag(covariance))).any()


def _of_axes(law: Gaussian, widths: tuple[float, ...], reach: tuple[int, ...]) -> Shared:
    """A Gaussian whose axes are those of the grid: a product of laws of lines."""
    weights: np.ndarray = np.ones(())
    first, added = [], []
    for axis, h in enumerate(widths):
        mean, deviation = law.mean[axis] / h, np.sqrt(max(law.covariance[axis, axis], 0.0)) / h
        low, high = _limits(mean - FAR * deviation, mean + FAR * deviation, reach[axis])
        line, more = _shared_normal(mean, deviation, low, high)
        weights = weights[..., None] * line
        first.append(low)
        added.append(more)
    return weights, tuple(first), added


def _limits(low: float, high: float, reach: int) -> tuple[int, int]:
    """Offsets around two places in cells, within the reach."""
    return int(np.clip(np.floor(low), -reach, reach - 1)), int(np.clip(np.ceil(high), 1 - reach, reach))


def _shared_normal(mean: float, deviation: float, low: int, high: int) -> tuple[np.ndarray, float]:
    """Weights of offsets low..high for a normal law in cells, and the variance that sharing adds."""
    if deviation == 0.0:
        weights, _, added = _of_points(
            np.array([[mean]]), np.ones(1), (1.0,), (max(abs(low), abs(high)) + 1,), (low, high)
        )
        return weights, added[0]
    z = (np.arange(low - 1, high + 2) - mean) / deviation
    # the integral of (a - s)^+ over the law at a = offsets: deviation (z Phi(z) + phi(z)); its second difference shares
    bell = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    upper = deviation * (bell - z * ndtr(-z))  # of (s - a)^+, small for large z
    lower = deviation * (bell + z * ndtr(z))  # of (a - s)^+, small for small z
    weights = np.where(z[1:-1] < 0.0, np.diff(lower, 2), np.diff(upper, 2))
    weights = np.maximum(weights, 0.0)
    places = np.arange(low, high + 1.0)
    if abs(float(weights.sum()) - 1.0) < 1e-9:  # nothing to speak of lies beyond
        weights /= weights.sum()
        return weights, max(float(weights @ (places - mean) ** 2) - deviation**2, 0.0)
    return weights, float(weights.sum()) / 6.0


def _of_line(law: Line, h: float, reach: int) -> Shared:
    """A distribution: integrals of its cdf F between offsets and between its quantiles, where it may be narrow.

    The weight of m is the second difference of the integral of F, and a pair of offsets a, b adds the variance
    int (s - a)(b - s) dF = int F (2 s - a - b) ds.
    """
    levels = np.asarray(law.frozen.ppf(LEVELS), dtype=float) / h
    ends = np.asarray([law.frozen.ppf(1e-17), law.frozen.isf(1e-17)], dtype=float) / h
    low, high = _limits(np.nan_to_num(ends[0], nan=-np.inf), np.nan_to_num(ends[1], nan=np.inf), reach)
    if high - low > MOST:
        raise bad_value("grid", f"of cells such that jumps reach at most {MOST:g} of them", high - low)
    lattice = np.arange(low - 1, high + 2.0)
    cuts = np.unique(np.concatenate([lattice, levels[(levels > lattice[0]) & (levels < lattice[-1])]]))
    half = 0.5 * np.diff(cuts)
    s = 0.5 * (cuts[1:] + cuts[:-1])[:, None] + half[:, None] * POINTS
    below, above = np.asarray(law.frozen.cdf(s * h)), np.asarray(law.frozen.sf(s * h))
    cell = np.minimum(np.searchsorted(lattice, cuts[:-1], side="right") - 1, lattice.size - 2)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, (values * SHARES).sum(axis=1) * half, lattice.size - 1)

    left, right = summed(below), summed(above)
    upper_half = np.asarray(law.frozen.cdf(lattice[1:-1] * h)) > 0.5
    weights = np.maximum(np.where(upper_half, right[:-1] - right[1:], left[1:] - left[:-1]), 0.0)
    added = summed(below * (2.0 * s - lattice[cell][:, None] - lattice[cell + 1][:, None]))[1:-1]
    return weights, (low,), [max(float(added.sum()), 0.0)]


def _points(law: Law, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Sizes (k, d) with weights (k,): those of a list, or nodes of a rotated Gaussian, whose moments are those of the law."""
    if isinstance(law, Sizes):
        return law.sizes, law.weights
    assert isinstance(law, Gaussian)
    axes = law.axes()
    nodes = []
    for deviation in np.linalg.norm(axes, axis=0):
        step = min(0.25, max(0.125 * h / max(float(deviation), 1e-300), 2.0 * FAR / 2000))
        nodes.append(
            np.arange(-np.ceil(FAR / step), np.ceil(FAR / step) + 1.0) * step if deviation > 0.0 else np.zeros(1)
        )
    z = [part.ravel() for part in np.meshgrid(*nodes, indexing="ij")]
    weights = np.exp(-0.5 * sum(part**2 for part in z))
    return (law.mean[:, None] + axes @ np.array(z)).T, weights / weights.sum()


def _of_points(
    sizes: np.ndarray,
    shares: np.ndarray,
    widths: tuple[float, ...],
    reach: tuple[int, ...],
    limits: tuple[int, int] | None = None,
) -> Shared:
    """Sizes (k, d) shared out linearly, with what is beyond the reach left out."""
    places = sizes / np.array(widths)
    low = np.floor(places + 1e-9)  # a size of whole cells is met in spite of rounding
    fraction = np.clip(places - low, 0.0, 1.0)
    kept = ((low >= -np.array(reach)) & (low < np.array(reach))).all(axis=1)
    low, fraction, shares = low[kept].astype(int), fraction[kept], shares[kept]
    fraction[fraction < 1e-9] = 0.0
    if limits is None:
        start = low.min(axis=0, initial=0)
        shape = tuple(low.max(axis=0, initial=0) - start + 2)
    else:
        start, shape = np.array([limits[0]]), (limits[1] - limits[0] + 1,)
    if np.prod(shape, dtype=float) > MOST:
        raise bad_value("grid", f"of cells such that jumps reach at most {MOST:g} of them", shape)
    weights = np.zeros(int(np.prod(shape)))
    dim = len(shape)
    for corner in np.ndindex(*(2,) * dim):
        share = shares * np.prod(np.where(corner, fraction, 1.0 - fraction), axis=1)
        cells = np.minimum(low - start + corner, np.array(shape) - 1)
        weights += np.bincount(np.ravel_multi_index(tuple(cells.T), shape), share, weights.size)
    added = (shares[:, None] * fraction * (1.0 - fraction)).sum(axis=0)
    return weights.reshape(shape), tuple(int(v) for v in start), [float(v) for v in added]
