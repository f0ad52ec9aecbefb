"""Intervals of drift and diffusion without a family hold the truth as often as they say.

Splines are fitted to sets of 20 runs x 300 steps of three processes in one coordinate, at lags 0.1, 0.5 and 1: the linear
process dX = -X dt + sqrt(2) dW, drawn exactly; the double well dX = (X - X^3) dt + sqrt(1/2) dW, by Heun's scheme at steps of
0.01; and dX = -X dt + sqrt(0.6 (1 + X^2)) dW, whose noise grows with the place, by Heun's scheme for asinh X, which has
constant noise. In two coordinates 20 runs x 200 steps of a pair that relaxes at rate 1 and turns at rate 2, with D = 1/2,
drawn exactly, at lags 0.1 and 0.5; intervals of both components of the drift and of all entries of the tensor.

A row is the share of nine places (a square of nine in the plane) and of all sets at which the interval of level 0.9 holds the
truth. It has to lie within 0.05 of 0.9, beside four standard errors; the nine places of a set count as two independent ones,
as few as the degrees of freedom of a straight line. Controls are the intervals that moments of steps give: (mean step) / lag
and (variance) / (2 lag) in bins about each place.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (4, 16)  # data sets
QUICK = (1, 3)
LAGS = (0.1, 0.5, 1.0)
LAGS_PLANE = (0.1, 0.5)
FEW = 3  # data sets up to which only the longest lag is looked at, and in the plane the shortest
ALLOWED = 0.05
Z = 1.645
SQUARE = np.stack([a.ravel() for a in np.meshgrid([-0.8, 0.0, 0.8], [-0.8, 0.0, 0.8])])


def heun(x: np.ndarray, drift: object, noise: float, rows: int, lag: float, rng: np.random.Generator) -> np.ndarray:
    """Runs (n_runs, rows) of dX = drift dt + sqrt(2 noise) dW, after a burn-in of five units of time."""
    substeps = max(5, round(lag / 0.01))
    h, burn, kept = lag / substeps, max(5, round(5 / lag)), []
    for row in range(rows + burn):
        for _ in range(substeps):
            kick = np.sqrt(2 * noise * h) * rng.normal(size=x.size)
            slope = drift(x)  # type: ignore[operator]
            x = x + 0.5 * h * (slope + drift(x + h * slope + kick)) + kick  # type: ignore[operator]
        if row >= burn:
            kept.append(x)
    return np.array(kept).T


def linear(lag: float, rng: np.random.Generator) -> np.ndarray:
    """Exact runs (20, 301)."""
    m, rows = np.exp(-lag), [rng.normal(size=20)]
    for _ in range(300):
        rows.append(m * rows[-1] + np.sqrt(1 - m * m) * rng.normal(size=20))
    return np.array(rows).T


def double_well(lag: float, rng: np.random.Generator) -> np.ndarray:
    """Runs (20, 301)."""
    start = rng.choice([-1.0, 1.0], 20) + 0.3 * rng.normal(size=20)
    return heun(start, lambda x: x - x**3, 0.25, 301, lag, rng)


def growing(lag: float, rng: np.random.Generator) -> np.ndarray:
    """Runs (20, 301) of sinh Y, dY = -1.3 tanh Y dt + sqrt(0.6) dW."""
    return np.sinh(heun(0.6 * rng.normal(size=20), lambda y: -1.3 * np.tanh(y), 0.3, 301, lag, rng))


CASES = {
    "OU": (linear, lambda x: -x, lambda x: 1.0 + 0.0 * x, np.linspace(-1.6, 1.6, 9)),
    "double well": (double_well, lambda x: x - x**3, lambda x: 0.25 + 0.0 * x, np.linspace(-1.2, 1.2, 9)),
    "noise that grows": (growing, lambda x: -x, lambda x: 0.3 * (1 + x * x), np.linspace(-1.4, 1.4, 9)),
}


def inside(band: tuple[np.ndarray, np.ndarray], right: np.ndarray) -> float:
    """The share of places at which an interval holds the truth."""
    return float(((band[0] < right) & (right < band[1])).mean())


def shares(problem: str, lag: float, sets: int, moments: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Of drift and diffusion over the places, (sets,) each; by splines, or by moments of steps."""
    draw, drift, diffusion, places = CASES[problem]
    found = []
    for number in range(sets):
        x = draw(lag, np.random.default_rng([number, round(100 * lag)]))
        if moments:
            bands = moment_bands(x, lag, places)
        else:
            fitted = fp.fit(fp.Paths(x, dt=lag)).interval(places, level=0.9)
            bands = [fitted["drift"], fitted["diffusion"]]
        found.append([inside(band, f(places)) for band, f in zip(bands, (drift, diffusion), strict=True)])
    drifts, diffusions = np.array(found).T
    return drifts, diffusions


def moment_bands(x: np.ndarray, lag: float, places: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Intervals of (mean step) / lag and (variance) / (2 lag) in bins of half width 0.15."""
    start, step = x[:, :-1].ravel(), np.diff(x, axis=1).ravel()
    bins = [step[np.abs(start - place) < 0.15] for place in places]
    mean = np.array([s.mean() for s in bins]) / lag
    variance = np.array([s.var() for s in bins])
    count = np.array([s.size for s in bins])
    error = np.sqrt(variance / count) / lag
    noise, spread = variance / (2 * lag), variance / (2 * lag) * np.sqrt(2 / count)
    return [(mean - Z * error, mean + Z * error), (noise - Z * spread, noise + Z * spread)]


def turning_pair(lag: float, rng: np.random.Generator) -> np.ndarray:
    """Exact runs (20, 201, 2)."""

    def normal() -> np.ndarray:
        return rng.normal(size=20) + 1j * rng.normal(size=20)

    turn, s = np.exp((2j - 1) * lag), np.sqrt(0.5 * (1 - np.exp(-2 * lag)))
    rows = [np.sqrt(0.5) * normal()]
    for _ in range(200):
        rows.append(turn * rows[-1] + s * normal())
    z = np.array(rows).T
    return np.stack([z.real, z.imag], axis=-1)


def plane_shares(lag: float, sets: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the drift's components and the tensor's entries, (sets,) each."""
    x, y = SQUARE
    drift = np.array([-x - 2 * y, 2 * x - y])
    entries = np.array([[0.5, 0.0], [0.0, 0.5]])[:, :, None] + 0.0 * x
    found = []
    for number in range(sets):
        data = fp.Paths(turning_pair(lag, np.random.default_rng([7, number, round(100 * lag)])), dt=lag)
        bands = fp.fit(data).interval(x, y, level=0.9)
        low, high = (band[[0, 0, 1], [0, 1, 1]] for band in bands["diffusion"])
        found.append([inside(bands["drift"], drift), inside((low, high), entries[[0, 0, 1], [0, 1, 1]])])
    drifts, tensors = np.array(found).T
    return drifts, tensors


def row(case: str, found: np.ndarray, control: bool = False) -> Row:
    """The mean of the shares of sets beside 0.9."""
    sigma = float(np.sqrt(0.9 * 0.1 / (2 * found.size)))
    return Row(case, float(found.mean()), 0.9, 4.0, "sigma", found.size, sigma, ALLOWED, control=control)


def rows_of(sets: int) -> Iterator[Row]:
    """All shares, and controls."""
    together: dict[str, list[np.ndarray]] = {"drift": [], "diffusion": []}
    lags, lags_plane = (LAGS[-1:], LAGS_PLANE[:1]) if sets <= FEW else (LAGS, LAGS_PLANE)
    for problem in CASES:
        for lag in lags:
            for what, found in zip(together, shares(problem, lag, sets), strict=True):
                together[what].append(found)
                yield row(f"{problem}, lag {lag:g}: {what}", found)
        shown = shares(problem, LAGS[-1], sets, moments=True)
        for what, found in zip(together, shown, strict=True):
            yield row(f"{problem}, lag {LAGS[-1]:g}: {what}, moments of steps", found, control=True)
    pairs = [plane_shares(lag, sets) for lag in lags_plane]
    for lag, pair in zip(lags_plane, pairs, strict=True):
        for what, found in zip(("drift", "tensor"), pair, strict=True):
            yield row(f"turning pair, lag {lag:g}: {what}", found)
    for what, parts in together.items():
        yield row(f"one coordinate, all: {what}", np.concatenate(parts))
    for k, what in enumerate(("drift", "tensor")):
        yield row(f"turning pair, all: {what}", np.concatenate([pair[k] for pair in pairs]))


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """With the last of the levels as the number of data sets."""
    return list(rows_of(levels[-1]))


def figure(rows: Sequence[Row]) -> Figure:
    """The shares beside 0.9, controls as crosses."""
    picture = claim.canvas(8.0, 5.2)
    axes = picture.subplots()
    for k, shown in enumerate(rows[::-1]):
        axes.plot(shown.measured, k, "x" if shown.control else "o", color="k", mfc="0.6", ms=5)
    axes.axvspan(0.85, 0.95, color="0.88", zorder=0)
    axes.set_yticks(range(len(rows)), [shown.case for shown in rows[::-1]], fontsize=7)
    axes.set(xlim=(0, 1), xlabel="share of intervals of level 0.9 that hold the truth (crosses: controls)")
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
