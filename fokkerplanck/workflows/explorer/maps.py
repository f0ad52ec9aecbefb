"""The picture of a frame in two dimensions: maps of the densities, with the lines of the landscape."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...model.grid import Grid
from ...results.figure_style import DENSITY_MAP, bin_edges, contour_levels
from .answers import SGD, Answers, Frame

WIDTH, COLUMN, SIDE, TALL, HEAD = 480.0, 240.0, 186.0, 160.0, 22.0  # of the picture, and of a map in its column
LEFT, ROW = 46.0, 212.0
MOST, MOST_OF_PATHS = 96, 40  # bins an axis, of densities and of simulated paths
DECADES = 6.0  # of a logarithmic scale

Box = Sequence[tuple[float, float]]


def maps(answers: Answers, frame: Frame, window: Box, log: bool) -> str:
    """A row a model: its density in the frame, and at rest; then the simulated paths. A whole SVG file."""
    top = max(float(d.max()) for name, d in frame.densities.items() if name != SGD) or 1.0
    title = f"Densities at t = {frame.time:g}"
    panels, row = [], 0
    for name, density in frame.densities.items():
        words = f"{answers.paths} runs of SGD" if name == SGD else name
        panels.append(_panel(answers, density, window, (top, log), (0, row), words, name))
        if name in answers.stationary:
            rest = answers.stationary[name]
            panels.append(_panel(answers, rest, window, (float(rest.max()), log), (1, row), "at rest", ""))
        row += 1
    scale = ", logarithmic over six decades" if log else ""
    word = "" if answers.landscape is None else f"; lines: {'potential' if answers.state.rate is None else 'loss'}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {ROW * row + 20:g}" role="img" '
        f'aria-label="{title}" font-family="sans-serif" font-size="12" fill="#222"><title>{title}</title>'
        f'{"".join(panels)}<text x="{LEFT:g}" y="{ROW * row + 10:g}">t = {frame.time:g}; darkest on the left: '
        f"{top:.3g}{scale}{word}</text></svg>"
    )


def _panel(
    answers: Answers,
    density: np.ndarray,
    window: Box,
    scale: tuple[float, bool],
    place: tuple[int, int],
    words: str,
    key: str,
) -> str:
    """A map with its axes: `place` is its column and row."""
    x, y = COLUMN * place[0] + LEFT, ROW * place[1] + HEAD
    bins, values = in_bins(answers.grid, density, window, MOST_OF_PATHS if key == SGD else MOST)
    left, right = (x + SIDE * share for share in _shares(bins[0], window[0]))
    low, high = (y + TALL * (1.0 - share) for share in _shares(bins[1], window[1]))
    frame = f"{x:g} {y:g} {SIDE:g} {TALL:g}"
    inside = (
        f'<image data-model="{html.escape(key)}" x="{left:.2f}" y="{high:.2f}" width="{right - left:.2f}" '
        f'height="{low - high:.2f}" preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{png(values, *scale)}"/>{_lines(answers, window, x, y)}'
    )
    return (
        f'<text x="{x:g}" y="{y - 5:g}">{html.escape(words)}</text>'
        f'<svg x="{x:g}" y="{y:g}" width="{SIDE:g}" height="{TALL:g}" viewBox="{frame}" overflow="hidden">{inside}</svg>'
        f'<rect x="{x:g}" y="{y:g}" width="{SIDE:g}" height="{TALL:g}" fill="none" stroke="#777"/>'
        f"{_ends(answers, window, x, y)}"
    )


def in_bins(grid: Grid, density: np.ndarray, window: Box, most: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Edges of at most so many bins an axis, made of whole cells in a window, and the mean density in each bin."""
    bins = [bin_edges(edges, span, most) for edges, span in zip(grid.edges, window, strict=True)]
    mass = density * grid.volumes
    for axis, (edges, ends) in enumerate(zip(grid.edges, bins, strict=True)):
        first = np.searchsorted(edges, ends)
        mass = np.add.reduceat(mass.take(range(first[0], first[-1]), axis=axis), first[:-1] - first[0], axis=axis)
    return bins, mass / (np.diff(bins[0])[:, None] * np.diff(bins[1]))


def png(values: np.ndarray, top: float, log: bool) -> str:
    """A field as the picture of a map, in base64: white for nothing, darkest from `top` on."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    shade = np.clip(values / top, 0.0, 1.0)
    if log:
        shade = np.clip(1.0 + np.log10(np.maximum(shade, 10.0**-DECADES)) / DECADES, 0.0, 1.0)
    stream = io.BytesIO()
    imsave(stream, shade.T, cmap=colormaps[DENSITY_MAP], vmin=0.0, vmax=1.0, origin="lower", format="png")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _lines(answers: Answers, window: Box, x: float, y: float) -> str:
    """The lines of equal height of the landscape, by levels that lie in the window."""
    landscape = answers.landscape
    if landscape is None:
        return ""
    from contourpy import contour_generator

    axes, values = landscape[:-1], landscape[-1]
    kept = [(axis >= low) & (axis <= high) for axis, (low, high) in zip(axes, window, strict=True)]
    seen = values[np.ix_(*kept)]
    if not np.isfinite(seen).any():
        return ""
    (left, right), (low, high) = window
    across, up = x + SIDE * (axes[0] - left) / (right - left), y + TALL * (high - axes[1]) / (high - low)
    generator = contour_generator(across, up, np.ma.masked_invalid(values.T))
    paths = []
    for level in contour_levels(seen):
        curves: Any = generator.lines(float(level))  # points (n, 2) of each
        paths += ["M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in curve) for curve in curves]
    return f'<path d="{"".join(paths)}" fill="none" stroke="#777" stroke-width="0.6"/>'


def _shares(edges: np.ndarray, span: tuple[float, float]) -> tuple[float, float]:
    """Where the ends of an axis of bins lie in a window, as shares of it."""
    width = span[1] - span[0]
    return (float(edges[0]) - span[0]) / width, (float(edges[-1]) - span[0]) / width


def _ends(answers: Answers, window: Box, x: float, y: float) -> str:
    """The ends of both axes, and their names."""
    (left, right), (low, high) = window
    across, up = (html.escape(name) for name in answers.names)
    under, beside = y + TALL + 14.0, x - 4.0
    return (
        f'<g font-size="11"><text x="{x:g}" y="{under:g}">{left:.3g}</text>'
        f'<text x="{x + SIDE:g}" y="{under:g}" text-anchor="end">{right:.3g}</text>'
        f'<text x="{x + 0.5 * SIDE:g}" y="{under:g}" text-anchor="middle">{across}</text>'
        f'<text x="{beside:g}" y="{y + TALL:g}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{beside:g}" y="{y + 9:g}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{beside:g}" y="{y + 0.5 * TALL:g}" text-anchor="end">{up}</text></g>'
    )
