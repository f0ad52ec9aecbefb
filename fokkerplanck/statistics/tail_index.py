"""Heavy tails in samples: the tail index by Hill, and a stable law fitted to gradient noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import reals, whole
from ..errors import bad_value
from ..figure_layout import COLORS, finished, panels_of, styled
from ..randomness import private_generator
from .tail_test import tail_test

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANGED = 4.0  # standard errors
MOST_SUMMED, LIGHTER = 50_000, 0.2  # samples, and by how much sums of some hundreds may differ from their limit
OTHERWISE = "fp.tail_test(increments) tells heavy tails from unequal variances, and keeps coordinates apart."


@dataclass(frozen=True, eq=False, repr=False)
class HillEstimate:
    """Tail index against the number of largest values used.

    Attributes
    ----------
    counts : ndarray of int (m,)
    index : ndarray (m,)
        Hill's estimate of a in P(|X| > x) ~ x^-a from the `counts` largest values.
    standard_error : ndarray (m,)
        index / sqrt(counts).
    plateau : slice
        The stretch over which the estimate changes least.
    trend : float
        How the index changes up to the end of the plateau, in standard errors: within 4 for a power law.
    """

    counts: np.ndarray
    index: np.ndarray
    standard_error: np.ndarray
    plateau: slice
    trend: float = 0.0

    @property
    def value(self) -> float:
        """The median estimate on the plateau."""
        return float(np.median(self.index[self.plateau]))

    @property
    def error(self) -> float:
        """Standard error in the middle of the plateau: sampling only, not the bias of a tail that sets in late."""
        return float(np.median(self.standard_error[self.plateau]))

    @styled
    def plot(self, ax: Axes | None = None, *, title: str = "") -> Figure:
        """A figure of the estimate against the number of values used, with the plateau marked, on `ax` if given."""
        panels = panels_of(ax, 6.0, 4.0, 1)[0]
        axes, twice = panels[0], 2.0 * self.standard_error
        axes.fill_between(self.counts, self.index - twice, self.index + twice, color=COLORS[0], alpha=0.25, lw=0)
        axes.plot(self.counts, self.index, color=COLORS[0], label="Hill estimate, with two standard errors")
        stretch = self.counts[self.plateau]
        axes.plot(stretch[[0, -1]], [self.value] * 2, "k--", label=f"plateau: {self.value:.3f}")
        axes.set(xscale="log", xlabel="number of largest values used", ylabel="tail index")
        axes.set_ylim(0.0, 2.5 * self.value)
        return finished(panels, title)

    def __repr__(self) -> str:
        used = self.counts[self.plateau]
        return f"HillEstimate: {self.value:.4g} +- {self.error:.2g} on the plateau from {used[0]} to {used[-1]} values"


def hill(samples: Any) -> HillEstimate:
    """Hill's estimator of the tail index over a range of thresholds.

    Parameters
    ----------
    samples : array
        Raveled; absolute values are used, zeros and values that are not finite are left out.

    Returns
    -------
    HillEstimate

    Notes
    -----
    1 / index(k) is the mean of ln(X_(i) / X_(k+1)) over the k largest (Hill 1975). Small k is noisy, large k leaves the tail.
    The plateau is the stretch of a factor four in k, between 50 and a tenth of the samples, over which the estimate
    spreads least compared with its standard error at its upper end. For a stable law of index near 2 the tail
    sets in so late that the plateau overestimates it; fit `stable_fit` there.

    Raises
    ------
    ValueError
        Where the index changes over the plateau, or is below 2 and not that of sums of samples: the tail is no power, as that
        of Gaussian samples with unequal deviations, whose sums become Gaussian.
    """
    estimate = hill_plot(samples)
    if abs(estimate.trend) > CHANGED:
        got = f"an index that changes by {abs(estimate.trend):.0f} standard errors where it is flattest ({estimate.value:.3g})"
        raise bad_value("samples", "of a law whose tail is a power", got, OTHERWISE)
    if estimate.value < 2.0:
        _refuse_if_sums_are_lighter(np.asarray(samples, dtype=float).ravel(), estimate)
    return estimate


def _refuse_if_sums_are_lighter(x: np.ndarray, estimate: HillEstimate) -> None:
    """A tail of index a below 2 is that of the sums of n samples too, and their law the nearer to a stable one the larger n."""
    x = x[np.isfinite(x)]
    x = x[:: -(-x.size // MOST_SUMMED)]
    low, high = np.quantile(x, [0.25, 0.75])
    if high <= low:
        return  # most are alike: nothing is known of sums
    found = tail_test(x)
    last, error = float(found.index[-1]), float(found.standard_error[-1])
    middle = found.sums.size // 2
    lighter = last - estimate.value > max(CHANGED * math.hypot(error, estimate.error), LIGHTER)
    rise = max(CHANGED * math.hypot(error, float(found.standard_error[middle])), LIGHTER)
    if lighter or last - float(found.index[middle]) > rise:
        indices = ", ".join(f"{a:.3g} (n = {n})" for n, a in zip(found.sums, found.index, strict=True))
        got = f"{estimate.value:.3g}, and for sums of n of them {indices}"
        raise bad_value("samples", "of a law whose sums have the index of its tail", got, OTHERWISE)


def hill_plot(samples: Any) -> HillEstimate:
    """As `hill`, of tails that follow no power too: see `HillEstimate.trend`."""
    values = np.abs(reals("samples", samples).ravel())
    values = values[np.isfinite(values) & (values > 0.0)]
    if values.size < 500:
        raise bad_value("samples", "at least 500 finite values that are not zero", values.size)
    counts = np.unique(np.geomspace(10, values.size // 2, 200).astype(int))
    logs = np.sort(np.log(values))[::-1]
    index = hill_index(logs, counts)
    if not np.isfinite(index).all():
        raise bad_value("samples", "with distinct largest values", "many equal ones", "Add more samples.")
    plateau = _plateau(counts, index)
    return HillEstimate(counts, index, index / np.sqrt(counts), plateau, _trend(logs, int(counts[plateau][-1])))


def hill_index(logs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Hill's index from the `counts` largest of falling logarithms of sizes (n,); infinite where these are all alike."""
    mean = np.cumsum(logs)[counts - 1] / counts - logs[counts]
    return np.divide(1.0, mean, out=np.full(mean.shape, np.inf), where=mean > 0.0)


def _trend(logs: np.ndarray, count: int) -> float:
    """z of the correlation of i (ln X_(i) - ln X_(i+1)) with ln i, i up to count: independent and of one exponential law if
    the tail is a power (Renyi)."""
    rank = np.arange(1, count + 1)
    spacings = rank * -np.diff(logs[: count + 1])
    ln = np.log(rank) - np.log(rank).mean()
    return float(ln @ spacings / (spacings.mean() * np.sqrt(ln @ ln)))


def _plateau(counts: np.ndarray, index: np.ndarray) -> slice:
    best, least = slice(0, counts.size), math.inf
    for start in np.flatnonzero((counts >= 50) & (4 * counts <= max(2 * counts[-1] // 10, 400))):
        stop = int(np.searchsorted(counts, 4 * counts[start]))
        stretch = index[start:stop]
        spread = float(np.ptp(stretch) / stretch.mean() + 1.0 / math.sqrt(counts[stop - 1]))
        if spread < least:
            best, least = slice(int(start), stop), spread
    return best


@dataclass(frozen=True)
class StableFit:
    """A symmetric stable law fitted to samples: E exp(ik(X - location)) = exp(-(scale |k|)^stability).

    Errors are standard errors from the bootstrap; `interval` are its 2.5 and 97.5 per cent points of the stability.
    """

    stability: float
    scale: float
    location: float
    stability_error: float
    scale_error: float
    interval: tuple[float, float]


def stable_fit(samples: Any, resamples: int = 100, seed: int = 0) -> StableFit:
    """Stability and scale of a symmetric stable law from samples, such as per-sample gradients less their mean.

    Parameters
    ----------
    samples : array
        Raveled, at least 200 values.
    resamples : int
        Of the bootstrap that gives the errors.
    seed : int

    Returns
    -------
    StableFit

    Notes
    -----
    Koutrouvelis (1980): ln(-ln |phi(k)|^2) = ln(2 s^a) + a ln k is a straight line in ln k. With the data centred on their
    median and divided by half their quartile distance, the empirical phi is read at k = 0.2, 0.3, ... 1.0.

    Raises
    ------
    ValueError
        Where sums of samples have another index than the samples: then they are of no stable law. Gaussian samples with
        unequal deviations, thrown together, would fit a stability of .67. `tail_test` keeps coordinates apart.
    """
    x = reals("samples", samples).ravel()
    whole("resamples", resamples, 2, 1_000_000)
    whole("seed", seed, 0)
    if x.size < 200 or not np.isfinite(x).all():
        raise bad_value("samples", "at least 200 finite values", f"{x.size} values")
    low, location, high = np.quantile(x, [0.25, 0.5, 0.75])
    if high <= low:
        raise bad_value("samples", "with distinct quartiles", f"{low:g} and {high:g}")
    unit = 0.5 * float(high - low)
    waves = np.exp(1j * np.outer(np.linspace(0.2, 1.0, 9), (x - location) / unit))
    stability, scale = _line(waves.mean(axis=1))
    _refuse_if_not_stable(x)
    rng = private_generator("resamples of a stable fit", seed)
    draws = np.array(
        [_line(waves @ rng.multinomial(x.size, np.full(x.size, 1 / x.size)) / x.size) for _ in range(resamples)]
    )
    errors = draws.std(axis=0, ddof=1)
    ends = np.quantile(draws[:, 0], [0.025, 0.975])
    interval = (float(ends[0]), float(ends[1]))
    return StableFit(stability, unit * scale, float(location), float(errors[0]), unit * float(errors[1]), interval)


def _refuse_if_not_stable(x: np.ndarray) -> None:
    found = tail_test(x)
    if found.verdict == "mixed":
        indices = ", ".join(f"{a:.3g} (n = {n})" for n, a in zip(found.sums, found.index, strict=True))
        raise bad_value("samples", "of a stable law", f"sums of n of them with the index {indices}", OTHERWISE)


def _line(phi: np.ndarray) -> tuple[float, float]:
    k = np.linspace(0.2, 1.0, phi.size)
    square = np.clip(np.abs(phi) ** 2, 1e-12, 1.0 - 1e-12)
    slope, offset = np.polyfit(np.log(k), np.log(-np.log(square)), 1)
    stability = min(float(slope), 2.0)
    return stability, float((0.5 * math.exp(offset)) ** (1.0 / stability))
