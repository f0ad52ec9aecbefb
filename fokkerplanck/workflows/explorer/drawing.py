"""The picture of a frame as SVG, the same on the local page and in a page that is exported."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...figure_layout import COLORS
from ...model.grid import Grid
from ...results.figure_style import bin_edges
from .answers import SGD, Answers, Frame
from .maps import maps
from .state import MODELS

WIDTH, LEFT, RIGHT = 480.0, 58.0, 470.0  # of the picture, and the columns between which curves run
LOSS, DENSITY = (16.0, 96.0), (118.0, 326.0)  # rows of the two panels
LEGEND, LINE = 372.0, 17.0  # row of the first line of the legend, and height of a line
BINS = 120
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 3")
GREY, INK = "#b8b8b8", "#222"
HEADROOM = 1.06
PEAKED = 25.0  # times the mean height over the window: from there on a linear scale shows the peak alone
TRIFLE = 1e-3  # of the largest mass of a cell
DECADES = 6.0  # of a logarithmic scale, at most


def style_of(answers: Answers, model: str) -> tuple[str, str]:
    """Colour and dashes of a model, whatever stands beside it; those that are not among the usual ones take the rest."""
    others = [name for name in answers.state.models if name not in MODELS]
    k = MODELS.index(model) if model in MODELS else others.index(model) + 1
    return COLORS[k % len(COLORS)], DASHES[(k + k // len(COLORS)) % len(DASHES)]


def height(answers: Answers) -> float:
    """Of the picture, with its legend."""
    return LEGEND + LINE * len(_legend(answers)) - 4.0


def peaked(answers: Answers, window: Sequence[tuple[float, float]]) -> bool:
    """Whether a peak of some density, after the start, would flatten the others on a linear scale."""
    size = math.prod(high - low for low, high in window)
    later = [density for frame in answers.frames[1:] for density in frame.densities.values()]
    return max((float(density.max()) for density in later), default=0.0) * size > PEAKED ** len(window)


def figure(answers: Answers, frame: Frame, window: Sequence[tuple[float, float]], log: bool = False) -> str:
    """The landscape above the densities of a frame, or in two dimensions maps of them; a whole SVG file.

    Parameters
    ----------
    answers : Answers
    frame : Frame
        One of `answers.frames`.
    window : sequence of (low, high)
        What stretch of each axis is shown, such as `answers.window()`.
    log : bool
        Densities on a logarithmic scale.
    """
    if answers.grid.dim == 2:
        return maps(answers, frame, window, log)
    ((low, high),) = window
    title = f"Densities at t = {frame.time:g}"
    size = f"{WIDTH:g} {height(answers):g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" aria-label="{_text(title)}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}"><title>{_text(title)}</title>'
        f"{_landscape(answers, low, high)}{_densities(answers, frame, (low, high), log)}"
        f'<text x="{0.5 * (LEFT + RIGHT):g}" y="{DENSITY[1] + 32:g}" text-anchor="middle">{_text(answers.names[0])}</text>'
        f"{_ticks_below(low, high)}{''.join(_legend(answers))}</svg>"
    )


def _landscape(answers: Answers, low: float, high: float) -> str:
    """The loss or potential, scaled to where the densities are; what is higher leaves the panel."""
    if answers.landscape is None:
        return ""
    x, values = answers.landscape
    shown = (x >= low) & (x <= high) & np.isfinite(values)
    if not shown.any():
        return ""
    x, values = x[shown], values[shown]
    seen = values[_visited(answers, x)]
    floor, top = float(values.min()), float(seen.max(initial=values.min()))
    top += 0.1 * (top - floor) or max(abs(top), 1.0)
    word = "loss" if answers.state.rate is not None else "potential"
    frame = f"{LEFT:g} {LOSS[0]:g} {RIGHT - LEFT:g} {LOSS[1] - LOSS[0]:g}"
    x0, y0, across, down = frame.split()
    return (
        f'{_axis(LOSS)}<svg x="{x0}" y="{y0}" width="{across}" height="{down}" viewBox="{frame}" overflow="hidden">'
        f'<polyline fill="none" stroke="#555" stroke-width="1.5" points="{_points(x, values, low, high, floor, top, LOSS)}"/>'
        f"</svg>{_label(LOSS[0] + 4, f'{top:.3g}')}{_label(LOSS[1], f'{floor:.3g}')}"
        f'<text x="{RIGHT:g}" y="{LOSS[0] - 4:g}" text-anchor="end">{word}</text>'
    )


def _visited(answers: Answers, x: np.ndarray) -> np.ndarray:
    """Which places lie in cells where the density, at some time or at rest, is no trifle."""
    fields = [density for frame in answers.frames for density in frame.densities.values()]
    masses = np.max([*fields, *answers.stationary.values()], axis=0) * answers.grid.volumes
    cell = np.clip(np.searchsorted(answers.grid.edges[0], x, side="right") - 1, 0, masses.size - 1)
    return masses[cell] > TRIFLE * masses.max()


def _densities(answers: Answers, frame: Frame, span: tuple[float, float], log: bool) -> str:
    """The histogram of SGD, the stationary densities as thin lines, and above them the densities."""
    grid = answers.grid
    bins = bin_edges(grid.edges[0], span, BINS)
    middles = 0.5 * (bins[1:] + bins[:-1])
    curves = {model: in_bins(grid, density, bins) for model, density in frame.densities.items()}
    rest = {model: in_bins(grid, density, bins) for model, density in answers.stationary.items()}
    scale = _scale(curves, bins, answers.paths, log)
    parts = [_axis(DENSITY), *scale.labels()]
    parts.append(f'<text x="{RIGHT:g}" y="{DENSITY[0] - 4:g}" text-anchor="end">density at t = {frame.time:g}</text>')
    if SGD in curves:
        parts.append(
            f'<polygon data-model="{SGD}" fill="{GREY}" points="{_steps(bins, scale(curves.pop(SGD)), span)}"/>'
        )
    for (name, values), width, about in [
        *((entry, 0.8, "rest") for entry in rest.items()),
        *((entry, 2.0, "model") for entry in curves.items()),
    ]:
        colour, dashes = style_of(answers, name)
        parts.append(
            f'<polyline data-{about}="{_text(name)}" data-bottom="{scale.bottom!r}" data-top="{scale.top!r}" fill="none" '
            f'stroke="{colour}" stroke-width="{width:g}" stroke-dasharray="{dashes}" '
            f'points="{_points(middles, scale(values), *span, 0.0, 1.0, DENSITY)}"/>'
        )
    return "".join(parts)


class _Scale(NamedTuple):
    """From densities to heights between 0 and 1: linear from 0, or logarithmic."""

    bottom: float
    top: float
    log: bool

    def __call__(self, values: np.ndarray) -> np.ndarray:
        if not self.log:
            return np.minimum(values / self.top, 1.0)
        span = np.log(self.top / self.bottom)
        return np.clip(np.log(np.maximum(values, self.bottom) / self.bottom) / span, 0.0, 1.0)

    def labels(self) -> list[str]:
        ticks = _round_ticks(0.0, self.top)
        if self.log:
            ticks = [10.0**k for k in range(math.ceil(math.log10(self.bottom)), math.floor(math.log10(self.top)) + 1)]
        return [_label(float(_up(self(np.array(t)), 0.0, 1.0, DENSITY)) + 4.0, f"{t:.3g}") for t in ticks]


def _scale(curves: Mapping[str, np.ndarray], bins: np.ndarray, paths: int, log: bool) -> _Scale:
    """Up to the highest curve; a logarithmic one down to half a path in a bin."""
    top = max(float(values.max(initial=0.0)) for values in curves.values()) or 1.0
    if not log:
        return _Scale(0.0, HEADROOM * top, False)
    bottom = top * 10.0**-DECADES
    if paths:
        bottom = min(max(bottom, 0.5 / (paths * float(np.diff(bins).max()))), 0.1 * top)
    return _Scale(bottom, 2.0 * top, True)


def in_bins(grid: Grid, density: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The mean of a density in one dimension over bins, whose edges are edges of cells."""
    below = np.concatenate([[0.0], np.cumsum(density * grid.widths[0])])
    return np.diff(below[np.searchsorted(grid.edges[0], bins)]) / np.diff(bins)


def _legend(answers: Answers) -> list[str]:
    """A line a model, and one for the simulation."""
    solved = answers.frames[0].densities
    entries = []
    for model in (name for name in solved if name != SGD):
        colour, dashes = style_of(answers, model)
        thin = f'{_stroke(colour, 0.8, dashes, 225)}<text x="262" y="{{y}}">at rest</text>'
        line = f'{_stroke(colour, 2.0, dashes, LEFT)}<text x="{LEFT + 37:g}" y="{{y}}">{_text(model)}</text>'
        entries.append(line + (thin if model in answers.stationary else ""))
    if SGD in solved:
        box = f'<rect x="{LEFT:g}" y="{{top}}" width="30" height="10" fill="{GREY}"/>'
        entries.append(f'{box}<text x="{LEFT + 37:g}" y="{{y}}">{answers.paths} runs of SGD</text>')
    rows = [LEGEND + LINE * k for k in range(len(entries))]
    return [
        entry.replace("{y}", f"{y:g}").replace("{top}", f"{y - 9:g}").replace("{middle}", f"{y - 4:g}")
        for entry, y in zip(entries, rows, strict=True)
    ]


def _stroke(colour: str, width: float, dashes: str, x: float) -> str:
    return (
        f'<line x1="{x:g}" x2="{x + 30:g}" y1="{{middle}}" y2="{{middle}}" stroke="{colour}" '
        f'stroke-width="{width:g}" stroke-dasharray="{dashes}"/>'
    )


def _axis(rows: tuple[float, float]) -> str:
    return f'<path d="M{LEFT:g} {rows[0]:g}V{rows[1]:g}H{RIGHT:g}" fill="none" stroke="#777"/>'


def _label(y: float, text: str) -> str:
    return f'<text x="{LEFT - 4:g}" y="{y:g}" text-anchor="end" font-size="11">{text}</text>'


def _ticks_below(low: float, high: float) -> str:
    marks = []
    for tick in _round_ticks(low, high):
        x = _across(tick, low, high)
        marks.append(
            f'<path d="M{x:.1f} {DENSITY[1]:g}v4" stroke="#777"/>'
            f'<text x="{x:.1f}" y="{DENSITY[1] + 16:g}" text-anchor="middle" font-size="11">{tick:.4g}</text>'
        )
    return "".join(marks)


def _round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(t) for t in ticks if low <= t <= high]


def _across(x: np.ndarray | float, low: float, high: float) -> np.ndarray | float:
    return LEFT + (RIGHT - LEFT) * (x - low) / (high - low)


def _up(y: np.ndarray | float, low: float, high: float, rows: tuple[float, float]) -> np.ndarray | float:
    return rows[1] - (rows[1] - rows[0]) * (y - low) / (high - low)


def _points(
    x: np.ndarray, y: np.ndarray, low: float, high: float, floor: float, top: float, rows: tuple[float, float]
) -> str:
    places = zip(np.atleast_1d(_across(x, low, high)), np.atleast_1d(_up(y, floor, top, rows)), strict=True)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in places)


def _steps(bins: np.ndarray, heights: np.ndarray, span: tuple[float, float]) -> str:
    x, y = np.repeat(bins, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
    return _points(x, y, *span, 0.0, 1.0, DENSITY)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
