"""What a notebook shows of a result: its text, with a small picture beside it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..model.grid import Grid

WIDTH, HEIGHT, MOST = 220.0, 110.0, 200  # of a picture, and points of a curve
SQUARE = 150.0  # height of a map
SHADES = ("#00204c", "#7c7b78", "#c8b44a")
ROW = "display:flex;flex-wrap:wrap;gap:1em;align-items:center"
LABEL = 'font-size="10" font-family="sans-serif" fill="#555"'


def with_density(text: str, grid: Grid, density: np.ndarray) -> str:
    """HTML of a text and of a density (*grid.shape): a curve in 1D, a map in 2D, three marginals in 3D."""
    if grid.dim < 3:
        return with_field(text, grid, density, "Blues")
    masses, axes = density * grid.volumes, range(grid.dim)
    sides = [masses.sum(axis=tuple(b for b in axes if b != a)) / grid.widths[a] for a in axes]
    return with_picture(text, list(zip(grid.centers, sides, strict=True)), grid.names)


def with_field(text: str, grid: Grid, values: np.ndarray, shades: str = "cividis") -> str:
    """HTML of a text and of a field (*grid.shape): a curve in 1D, a map in 2D, the text alone in 3D."""
    if grid.dim == 1:
        return with_picture(text, [(grid.centers[0], values)], grid.names)
    return _page(text, [_map(grid, values, shades)] if grid.dim == 2 else [])


def with_picture(text: str, curves: Sequence[tuple[np.ndarray, np.ndarray]], names: Sequence[str] = ()) -> str:
    """HTML of a text and of curves (x, y), a panel each with its name, from the smallest value or 0 to the largest."""
    called = [*names, *[""] * len(curves)]
    return _page(text, [_panel(x, y, shade, name) for (x, y), shade, name in zip(curves, SHADES, called, strict=False)])


def _page(text: str, panels: Sequence[str]) -> str:
    return f'<div style="{ROW}"><pre>{html.escape(text)}</pre>{"".join(panels)}</div>'


def _panel(x: np.ndarray, y: np.ndarray, shade: str, name: str) -> str:
    """A curve with gaps where it is not finite; of equal values a flat line."""
    chosen = np.unique(np.linspace(0, x.size - 1, MOST).astype(int))
    x, y = x[chosen].astype(float), np.where(np.isfinite(y), y, np.nan)[chosen]
    known = y[np.isfinite(y)]
    low, high = min(float(known.min(initial=0.0)), 0.0), float(known.max(initial=0.0))
    span, rise = max(float(x[-1] - x[0]), 1e-300), max(high - low, 1e-300)
    across, up = 4.0 + (WIDTH - 8.0) * (x - x[0]) / span, HEIGHT - 16.0 - (HEIGHT - 22.0) * (y - low) / rise
    ends = np.flatnonzero(np.diff(np.concatenate([[False], np.isfinite(y), [False]]).astype(int)))
    lines = [
        " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across[first:last], up[first:last], strict=True))
        for first, last in zip(ends[::2], ends[1::2], strict=True)
    ]
    drawn = "".join(
        f'<polyline fill="none" stroke="{shade}" stroke-width="1.5" points="{points}"/>' for points in lines
    )
    zero = HEIGHT - 16.0 + (HEIGHT - 22.0) * low / rise
    return (
        f'<svg style="flex:none" width="{WIDTH:g}" height="{HEIGHT:g}" role="img" '
        f'aria-label="{html.escape(name or "values", quote=True)}">'
        f'<line x1="4" x2="{WIDTH - 4:g}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="#999"/>{drawn}'
        f"{_below(x[0], x[-1], name, HEIGHT - 4.0)}</svg>"
    )


def _map(grid: Grid, values: np.ndarray, shades: str) -> str:
    """A map with the ends of both axes and their names; blank where values are not finite."""
    low, high = (tuple(edges[k] for edges in grid.edges) for k in (0, -1))
    left, bottom = 72.0, SQUARE - 16.0
    ends = f'x="{left - 4:g}" text-anchor="end" {LABEL}'
    return (
        f'<svg style="flex:none" width="{left + WIDTH:g}" height="{SQUARE:g}" role="img" '
        f'aria-label="map"><image x="{left:g}" y="2" '
        f'width="{WIDTH - 8:g}" height="{bottom - 4:g}" preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{_png(grid, values, shades)}"/><rect x="{left:g}" y="2" width="{WIDTH - 8:g}" '
        f'height="{bottom - 4:g}" fill="none" stroke="#999"/><text y="12" {ends}>{high[1]:.3g}</text>'
        f'<text y="{0.5 * bottom + 4:g}" {ends}>{_short(grid.names[1], 12)}</text>'
        f'<text y="{bottom - 2:g}" {ends}>{low[1]:.3g}</text>'
        f'<g transform="translate({left - 4:g} 0)">{_below(low[0], high[0], grid.names[0], SQUARE - 3.0)}</g></svg>'
    )


def _below(low: float, high: float, name: str, y: float) -> str:
    """The ends of an axis and its name between them."""
    return (
        f'<text x="4" y="{y:g}" {LABEL}>{low:.3g}</text>'
        f'<text x="{0.5 * WIDTH:g}" y="{y:g}" text-anchor="middle" {LABEL}>{_short(name, 26)}</text>'
        f'<text x="{WIDTH - 4:g}" y="{y:g}" text-anchor="end" {LABEL}>{high:.3g}</text>'
    )


def _short(name: str, most: int) -> str:
    """A name of at most so many letters."""
    return html.escape(name if len(name) <= most else name[: most - 1] + "\u2026")


def _png(grid: Grid, values: np.ndarray, shades: str) -> str:
    """A field as a picture in base64, each dot at its place also where cells differ in width."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    picked: list[Any] = []
    for edges, centers in zip(grid.edges, grid.centers, strict=True):
        places = np.linspace(edges[0], edges[-1], 2 * min(MOST, centers.size) + 1)[1::2]
        picked.append(np.clip(np.searchsorted(edges, places, side="right") - 1, 0, centers.size - 1))
    shown = np.where(np.isfinite(values), values, np.nan)[np.ix_(*picked)]
    known = shown[np.isfinite(shown)]
    low, high = float(known.min(initial=0.0)), float(known.max(initial=0.0))
    stream = io.BytesIO()
    scale: Any = {"vmin": low, "vmax": high if high > low else low + 1.0, "origin": "lower", "format": "png"}
    imsave(stream, np.ma.masked_invalid(shown.T), cmap=colormaps[shades], **scale)
    return base64.b64encode(stream.getvalue()).decode("ascii")
