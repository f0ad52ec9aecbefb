"""What a notebook shows of a result: its text, with a small picture of densities beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT, MOST = 220.0, 110.0, 200  # of a picture, and points of a curve
SHADES = ("#00204c", "#7c7b78", "#c8b44a")


def with_picture(text: str, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """HTML of a text and of curves (x, density), a panel each, scaled to their largest value."""
    panels = "".join(_panel(x, y, shade) for (x, y), shade in zip(curves, SHADES, strict=False))
    return f'<div style="display:flex;gap:1em;align-items:center"><pre>{html.escape(text)}</pre>{panels}</div>'


def _panel(x: np.ndarray, y: np.ndarray, shade: str) -> str:
    chosen = np.unique(np.linspace(0, x.size - 1, MOST).astype(int))
    span, top = max(float(x[-1] - x[0]), 1e-300), max(float(y.max(initial=0.0)), 1e-300)
    across, up = 4.0 + (WIDTH - 8.0) * (x[chosen] - x[0]) / span, HEIGHT - 16.0 - (HEIGHT - 22.0) * y[chosen] / top
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
    label = 'font-size="10" font-family="sans-serif" fill="#555"'
    return (
        f'<svg width="{WIDTH:g}" height="{HEIGHT:g}" role="img" aria-label="density">'
        f'<line x1="4" x2="{WIDTH - 4:g}" y1="{HEIGHT - 16:g}" y2="{HEIGHT - 16:g}" stroke="#999"/>'
        f'<polyline fill="none" stroke="{shade}" stroke-width="1.5" points="{points}"/>'
        f'<text x="4" y="{HEIGHT - 4:g}" {label}>{x[0]:.3g}</text>'
        f'<text x="{WIDTH - 4:g}" y="{HEIGHT - 4:g}" text-anchor="end" {label}>{x[-1]:.3g}</text></svg>'
    )
