"""Whether increments have stable tails: the stability index of sums of n of them, as n grows.

Sums of increments with a finite variance become Gaussian, whatever the law of a single one; sums of stable increments stay
stable with the same index. With phi the characteristic function of one increment, that of a sum of n independent ones is
phi^n, and where a law is stable, -ln |phi(k)|^2 is proportional to |k|^stability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import reals, whole
from ..errors import bad_type, bad_value

SUMS = (1, 3, 10, 30, 100)
WINDOW = (0.3, 3.0)  # of -n ln |phi|^2, where the slope is read
AXES = 8  # directions at most
BLOCKS = 40  # of the jackknife
FEWEST = 200
CHANGED = 4.0  # standard errors
BELOW = 3.0  # standard errors: what counts as less than 2
SHARE = 200  # a sum takes at most one in so many of the increments: sums of all of them look Gaussian
UNSURE = 0.2  # standard error of an index from which on sums are too long for the data


@dataclass(frozen=True, eq=False, repr=False)
class TailTest:
    """The index of sums of n increments, for several n.

    Attributes
    ----------
    sums : ndarray of int (m,)
        n; those for which the data are too few are left out.
    index, standard_error : ndarray (m,)
        The slope of ln(-ln |phi|^2) against ln k where -n ln |phi|^2 lies in [0.3, 3]: 2 for a Gaussian law, the stability of
        a stable one. Errors are those of the jackknife over blocks of the data.
    by_axis : ndarray (m, n_axes)
        The same along each direction; nan where a direction has too few data.
    stability, error : float
        Where the index is the same for all n: its mean. Else that of the longest sums. Never above 2.
    change : float
        Of the differences of the index at n from that of the shortest sums the largest, in standard errors.
    heaviest : int or None
        The direction that alone was used, where directions differ: that of the smallest index.
    """

    sums: np.ndarray
    index: np.ndarray
    standard_error: np.ndarray
    by_axis: np.ndarray
    stability: float
    error: float
    change: float
    heaviest: int | None = None

    @property
    def verdict(self) -> str:
        """ "gaussian": no heavier than that; "stable"; or "mixed": neither, as unequal variances make it."""
        if (self.index > 2.0 - BELOW * self.standard_error).all():
            return "gaussian"
        if abs(self.change) > CHANGED:
            return "mixed"
        return "stable" if self.stability < 2.0 - BELOW * self.error else "gaussian"

    def __repr__(self) -> str:
        said = {
            "gaussian": "no heavier than Gaussian",
            "stable": f"stable, with the index {self.stability:.3g} +- {self.error:.2g}",
            "mixed": "not stable: the index of sums changes with their length, as that of unequal variances does",
        }[self.verdict]
        steps = ", ".join(
            f"{a:.3g} +- {e:.2g} (n = {n})" for n, a, e in zip(self.sums, self.index, self.standard_error, strict=True)
        )
        return f"TailTest: {said}\n  index of sums of n increments: {steps}"


def tail_test(increments: Any, sums: Sequence[int] = SUMS) -> TailTest:
    """Test whether increments are stable, and with which index.

    Parameters
    ----------
    increments : array (n,) or (n, dim), a list of them, or an array (n_runs, n_steps, dim)
        Steps of one path, or of several runs; rows with a value that is not finite are left out. Gradient noise will do too.
    sums : sequence of int
        Lengths n of the sums.

    Returns
    -------
    TailTest

    Notes
    -----
    In several dimensions the increments are projected on the main axes of their directions x / |x| (of coordinates divided by
    their quartile distances), and each projection is divided by its own: a Gaussian law with unequal deviations is Gaussian
    along each line, and only looks heavy where coordinates are thrown together. Sums are taken to be of independent
    increments. One-dimensional data whose variance differs from entry to entry have an index that rises with n.
    """
    runs = _runs(increments)
    lengths = _lengths(sums)
    x = np.concatenate(runs)
    lengths = lengths[lengths <= max(len(x) // SHARE, lengths[0], 3)]
    lines = _projections(x)
    block = _blocks([len(r) for r in runs])
    found = [_indices(line, block, lengths) for line in lines.T]
    by_axis = np.stack([values for values, _ in found], axis=1)  # (m, n_axes)
    copies = np.stack([jack for _, jack in found], axis=2)  # (m, n_blocks, n_axes)
    return _verdict(lengths, by_axis, copies)


def _lengths(sums: Any) -> np.ndarray:
    if not isinstance(sums, (Sequence, np.ndarray)) or isinstance(sums, (str, bytes)) or not len(sums):
        raise bad_type("sums", "a list of whole numbers", sums)
    return np.unique([whole("sums", n, 1, 10**9) for n in sums])


def _runs(increments: Any) -> list[np.ndarray]:
    """Arrays (n, dim) of finite rows."""
    several = isinstance(increments, (list, tuple)) and any(isinstance(part, np.ndarray) for part in increments)
    several = several or (isinstance(increments, np.ndarray) and increments.ndim == 3)
    parts = list(increments) if several else [increments]
    arrays = [reals("increments", part, "an array of increments (n,) or (n, dim), or a list of them") for part in parts]
    arrays = [a[:, None] if a.ndim == 1 else a for a in arrays]
    if any(a.ndim != 2 or a.shape[1] != arrays[0].shape[1] for a in arrays) or not arrays[0].shape[1]:
        raise bad_value("increments", "of shape (n,) or (n, dim)", [a.shape for a in arrays][:3])
    arrays = [a[np.isfinite(a).all(axis=1)] for a in arrays]
    total = sum(map(len, arrays))
    if total < FEWEST:
        then = "A row is one step: give runs of one coordinate as a list, or as (n_runs, n_steps, 1)."
        raise bad_value("increments", f"at least {FEWEST} finite rows", f"{total} rows", then)
    return [a for a in arrays if len(a)]


def _projections(x: np.ndarray) -> np.ndarray:
    """Projections (n, n_axes) on the main axes of directions, centred, in units of half their quartile distance,
    or where most do not move, of the median size of moves."""
    scaled = _standard(x)
    if scaled.shape[1] == 1:
        return scaled
    directions = scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-300)
    directions = directions[:: max(1, len(x) // 20_000)]
    axes = np.linalg.svd(directions, full_matrices=False)[2][:AXES]
    return _standard(scaled @ axes.T)


def _standard(x: np.ndarray) -> np.ndarray:
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    unit = 0.5 * (high - low)
    for axis in np.flatnonzero(unit == 0.0):
        unit[axis] = _size_of_moves(x[:, axis] - middle[axis])
    moving = unit > 0.0
    if not moving.any():
        raise bad_value("increments", "of different values", f"{middle[0]:g} only", "Leave out coordinates that stay.")
    return (x[:, moving] - middle[moving]) / unit[moving]


def _size_of_moves(x: np.ndarray) -> float:
    """The median size of those increments that are not 0; 0 without any."""
    sizes = np.abs(x[x != 0.0])
    return float(np.median(sizes)) if sizes.size else 0.0


def _blocks(lengths: Sequence[int]) -> np.ndarray:
    """The jackknife's block of each row: runs where there are enough of them, else stretches."""
    if len(lengths) >= BLOCKS // 2:
        return np.repeat(np.arange(len(lengths)) * BLOCKS // len(lengths), lengths)
    total = sum(lengths)
    return np.arange(total) * BLOCKS // total


def _indices(x: np.ndarray, block: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index for each length (m,), and its jackknife copies (m, n_blocks); nan where phi is too noisy."""
    k = _waves(x, lengths)
    n_blocks = int(block[-1]) + 1
    counts = np.bincount(block, minlength=n_blocks).astype(float)
    sums = np.empty((n_blocks, k.size), dtype=complex)
    edges = np.searchsorted(block, np.arange(n_blocks + 1))
    for b in range(n_blocks):
        sums[b] = _wave_sums(x[edges[b] : edges[b + 1]], k)
    whole, n = sums.sum(axis=0), counts.sum()
    phis = np.concatenate([[whole / n], (whole - sums) / (n - counts)[:, None]])
    decay = -np.log(np.clip(np.abs(phis) ** 2, 1e-300, 1.0 - 1e-15))  # (1 + n_blocks, n_k)
    result = np.full((lengths.size, 1 + n_blocks), np.nan)
    for row, length in enumerate(lengths):
        first = np.cumsum(length * decay[0] >= WINDOW[1]) == 0  # |phi| of discrete steps comes back up
        if length * decay[0].max() < math.sqrt(WINDOW[0] * WINDOW[1]):  # and that of rare ones levels off
            continue
        inside = first & (length * decay[0] > WINDOW[0])
        if inside.sum() >= 4:
            result[row] = _slopes(np.log(k[inside]), np.log(decay[:, inside]))
    return result[:, 0], result[:, 1:]


def _waves(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The wave numbers over which -n ln |phi|^2 crosses its window for all n, roughly, from some of the data."""
    k = np.geomspace(1e-6, 4.0, 150)
    some = x[:: max(1, len(x) // 4000)]
    decay = -np.log(np.clip(np.abs(_wave_sums(some, k)) / len(some), 1e-300, 1.0 - 1e-15)) * 2.0
    wanted = (decay * lengths[-1] > 0.5 * WINDOW[0]) & (decay * lengths[0] < 2.0 * WINDOW[1])
    return np.geomspace(k[wanted][0], k[wanted][-1], 80) if wanted.any() else k


def _wave_sums(x: np.ndarray, k: np.ndarray, rows: int = 20_000) -> np.ndarray:
    """Sums of exp(ikx) over x, (n_k,)."""
    total = np.zeros(k.size, dtype=complex)
    for first in range(0, len(x), rows):
        total += np.exp(1j * np.outer(x[first : first + rows], k)).sum(axis=0)
    return total


def _slopes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    away = u - u.mean()
    return v @ away / (away @ away)


def _verdict(lengths: np.ndarray, by_axis: np.ndarray, copies: np.ndarray) -> TailTest:
    """The mean over axes, weighted by precision, unless one axis is heavier than that; with its jackknife errors."""
    found = _summary(lengths, by_axis, copies)
    single = [_summary(lengths, by_axis[:, [j]], copies[:, :, [j]]) for j in range(by_axis.shape[1])]
    lightest = max(single, key=lambda one: one.stability)
    lowest = min(range(len(single)), key=lambda j: single[j].stability)
    gap = lightest.stability - single[lowest].stability
    if gap > CHANGED * math.hypot(lightest.error, single[lowest].error):
        return replace(single[lowest], by_axis=found.by_axis, heaviest=lowest)
    return found


def _summary(lengths: np.ndarray, by_axis: np.ndarray, copies: np.ndarray) -> TailTest:
    n_blocks = copies.shape[1]

    def error(c: np.ndarray) -> np.ndarray:
        return np.sqrt((n_blocks - 1.0) ** 2 / n_blocks) * c.std(axis=1)

    weights = np.where(np.isfinite(by_axis), 1.0 / np.maximum(error(copies), 1e-12) ** 2, 0.0)  # (m, n_axes)
    total = weights.sum(axis=1)
    weights = weights / np.where(total > 0.0, total, 1.0)[:, None]
    index = np.nansum(weights * by_axis, axis=1)
    drawn = np.nansum(weights[:, None] * copies, axis=2)  # (m, n_blocks)
    errors = error(drawn)
    kept = (total > 0.0) & (errors < UNSURE)
    if not kept.any():
        raise bad_value("increments", "enough to tell an index", "too few, or too many equal ones", "Add more.")
    lengths, index, errors, drawn = lengths[kept], index[kept], errors[kept], drawn[kept]
    spread = np.maximum(error(drawn - drawn[0]), 1e-12)
    changes = (index - index[0]) / spread
    change = float(changes[np.argmax(np.abs(changes))])
    at = -1 if abs(change) > CHANGED else int(np.argmin(errors))
    stability = min(float(index[at]), 2.0)
    return TailTest(lengths, index, errors, by_axis[kept], stability, float(errors[at]), change)
