"""The figure of a fit: drift and diffusion with their intervals, beside the moments of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import uniform_filter

from ..arguments import words
from ..errors import bad_value
from ..figure_layout import COLORS, finished, panels_of, styled
from ..results.figure_style import signed_lines
from .cells import step_lengths
from .gaps import usual

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 201
CELLS, NEAR = 40, 3  # of a map along each axis; cells around one with data that are shown


@styled
def plot_fit(
    fit: Any, level: float = 0.9, names: Sequence[str] | None = None, ax: Any = None, title: str = ""
) -> Figure:
    """Drift and D of a fit with intervals: curves in 1D, maps in 2D; in 1D with dots for the moments that short lags give.

    Mean step / tau and variance / (2 tau) in bins are no estimates at long lags: how far they lie off shows what the
    transition densities correct.
    """
    if fit.data.dim == 2:
        return _plot_plane(fit, level, names, ax, title)
    if fit.data.dim != 1:
        raise bad_value("fit", "of one or two coordinates for a figure", fit.data.dim, "Use fit.interval(...).")
    (label,) = (fit.data.names or ("x",)) if names is None else words("names", names, 1)
    pairs = usual(fit.likelihood).data
    x, step = pairs.starts[:, 0], pairs.ends[:, 0] - pairs.starts[:, 0]
    low, high = np.quantile(x, [0.002, 0.998]).tolist()
    line = np.linspace(low, high, POINTS)
    bands = fit.interval(line, level=level)
    places, lengths = step_lengths(x, step)
    order = np.array_split(np.argsort(x, kind="stable"), places.size)
    means = np.array([step[rows].mean() for rows in order])
    axes = panels_of(ax, 3.6, 3.0, 2)
    panels = (
        ("drift", fit.drift(line), means / pairs.tau),
        ("diffusion", fit.diffusion(line), lengths**2 / (2.0 * pairs.tau)),
    )
    for panel, (name, values, moments) in zip(axes[0], panels, strict=True):
        panel.fill_between(line, *bands[name], color=COLORS[0], alpha=0.25, lw=0, label=f"{level:.0%} interval")
        panel.plot(line, values, color=COLORS[0], label="fit")
        panel.plot(places, moments, "o", ms=3, color=COLORS[1], label="moments of steps")
        panel.set(xlabel=label, ylabel=name, title=name)
    axes[0, 1].set_ylim(bottom=0.0)
    return finished(axes[0], title if ax is None else "")


def _of_d(one: str, other: str) -> str:
    """An entry of D in words that fit any names."""
    return f"D of {one}" if one == other else f"D of {one}, {other}"


def _plot_plane(fit: Any, level: float, names: Sequence[str] | None, ax: Any, title: str) -> Figure:
    """Maps of the drift and of the entries of D, above maps of half the widths of their intervals, where there are data."""
    labels = list(fit.data.names or ("x", "y")) if names is None else words("names", names, 2)
    starts = fit.likelihood.data.starts
    ends = np.quantile(starts, [0.002, 0.998], axis=0).T.tolist()
    edges = [np.linspace(low, high, CELLS + 1) for low, high in ends]
    x, y = np.meshgrid(*(0.5 * (e[1:] + e[:-1]) for e in edges), indexing="ij")
    seen = uniform_filter(np.histogram2d(starts[:, 0], starts[:, 1], bins=edges)[0], NEAR) > 0.0
    values = {"drift": fit.drift(x, y), "diffusion": fit.diffusion(x, y)}
    bands = fit.interval(x, y, level=level)
    tensor = values["diffusion"].ndim == 4
    entries: list[tuple[str, tuple[int, ...], str]] = [("drift", (i,), f"drift of {labels[i]}") for i in (0, 1)]
    entries += [("diffusion", (i, j) if tensor else (i,), _of_d(labels[i], labels[j])) for i, j in _entries(tensor)]
    axes = panels_of(ax, 2.7, 2.4, len(entries), 2, sharex=True, sharey=True)
    fig = finished([axes[0][0]], title if ax is None else "")
    for column, (name, place, what) in zip(axes.T, entries, strict=True):
        half = 0.5 * (bands[name][1][place] - bands[name][0][place])
        top = float(np.abs(values[name][place][seen]).max())
        signed = bool(values[name][place][seen].min() < 0.0)
        plain: dict[str, Any] = {"cmap": "cividis", "vmin": 0.0}
        looks = {"cmap": "RdBu_r", "vmin": -top, "vmax": top} if signed else {**plain, "vmax": top}, plain
        for panel, shown, look in zip(column, (values[name][place], half), looks, strict=True):
            image = panel.pcolormesh(*edges, np.ma.masked_where(~seen, shown).T, rasterized=True, **look)
            fig.colorbar(image, ax=panel, shrink=0.85)
            if look is not plain and signed:
                signed_lines(panel, (x[:, 0], y[0]), np.where(seen, shown, np.nan), top)
        column[0].set_title(what)
        column[1].set_xlabel(labels[0])
    axes[0, 0].set_ylabel(f"fit\n{labels[1]}")
    axes[1, 0].set_ylabel(f"half of the {level:.0%} interval\n{labels[1]}")
    return fig


def _entries(tensor: bool) -> list[tuple[int, int]]:
    return [(0, 0), (0, 1), (1, 1)] if tensor else [(0, 0), (1, 1)]


@styled
def plot_passages(fit: Any, ax: Any = None, title: str = "") -> Figure:
    """Histograms of times of arrival at the lower and upper bound, with the fitted densities."""
    data, likelihood = fit.data, fit.likelihood
    curves, _ = likelihood.curves(fit.theta)
    axes = panels_of(ax, 3.6, 3.0, 2, sharey=True)
    edges = np.linspace(0.0, data.until, 41)
    for side, (panel, name) in enumerate(zip(axes[0], ("lower bound", "upper bound"), strict=True)):
        own = data.times[data.arrived & (data.upper == bool(side))]
        counts, _ = np.histogram(own, edges)
        panel.stairs(counts / (data.size * np.diff(edges)), edges, color=COLORS[1], label="data")
        panel.plot(likelihood.times, curves[:, side], color=COLORS[0], label="fit")
        panel.set(xlabel="time", title=name)
    axes[0, 0].set_ylabel("probability per time")
    return finished(axes[0], title if ax is None else "")
