"""Figures of fields on a grid that are no densities: mean times, probabilities of reaching, modes, survival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag
from ..errors import bad_value
from ..figure_layout import COLORS, LINES, finished, panels_of, styled, wrapped
from ..model.grid import Grid
from .figure_style import CAPTION, band, shade_of, signed_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .spectrum import Spectrum

REGION = "0.75"  # the grey of cells in which the field is given
LINES_IN_MAP = 8
SIGNED = "lines: half of the largest value, solid; zero, dotted; minus half, dashed"
INFINITE: Any = {"facecolor": "white", "edgecolor": "0.6", "hatch": "//", "linewidth": 0.0}


@styled
def plot_field(
    grid: Grid,
    values: np.ndarray,
    fixed: np.ndarray,
    what: str,
    ax: Axes | None,
    log: bool,
    error: np.ndarray | None = None,
    *,
    region: str = "target",
    title: str = "",
    shades: str = "cividis",
) -> Figure:
    """A field as a curve in 1D, with an `error` around it, as a map in 2D; grey in its `region`, hatched where infinite."""
    from matplotlib.patches import Patch

    flag("log", log)
    panel = field_panel(grid, ax)
    shown = np.where(np.isfinite(values) & ~(log & (values <= 0.0)), values, np.nan)
    log = log and bool(np.nanmax(shown, initial=0.0) > 0.0)  # a logarithmic axis of nothing cannot be drawn
    if grid.dim == 1:
        _line(panel, grid, np.where(fixed & log, np.nan, shown), what, log, error)
        _spans(panel, grid, fixed, color=REGION)
        _spans(panel, grid, ~np.isfinite(values), **INFINITE)
    else:
        _map(panel, grid, shown, fixed, what, log, shades)
    if not np.isfinite(shown[~fixed]).any() and grid.dim == 1:
        panel.set_yticks([])
    marks = [Patch(color=REGION, label=region)] if fixed.any() else []
    if (~np.isfinite(values)).any():
        marks.append(Patch(**INFINITE, label="infinite"))
    return finished([panel], title, marks)


def field_panel(grid: Grid, ax: Any) -> Axes:
    """The axes that were given for a field, or those of a new figure."""
    if grid.dim > 2:
        raise bad_value("grid", "one- or two-dimensional for a figure", grid.dim, "Plot a slice of the values.")
    panel: Axes = panels_of(ax, 5.2, 3.8, 1)[0][0]
    return panel


def _line(ax: Axes, grid: Grid, values: np.ndarray, what: str, log: bool, error: np.ndarray | None) -> None:
    ax.plot(grid.centers[0], values, color=COLORS[0])
    if error is not None:
        around = np.minimum(error, 0.99 * values) if log else error
        band(ax, grid.centers[0], values, around, COLORS[0], label="measured error")
    ax.set(xlabel=grid.names[0], ylabel=what, yscale="log" if log else "linear")
    ax.set_xlim(grid.edges[0][0], grid.edges[0][-1])


def _map(ax: Axes, grid: Grid, shown: np.ndarray, fixed: np.ndarray, what: str, log: bool, shades: str) -> None:
    """A map with lines of equal values; what is not finite lets the hatches behind it be seen."""
    from matplotlib.colors import ListedColormap, LogNorm

    ax.patch.set(**INFINITE)
    values, norm = np.ma.masked_invalid(shown), LogNorm() if log else None
    image = ax.pcolormesh(*grid.edges, values.T, cmap=shades, norm=norm, rasterized=True)
    inner = np.where(fixed, np.nan, shown)
    if np.isfinite(inner).any() and np.nanmax(inner) > np.nanmin(inner):
        levels = np.geomspace if log else np.linspace
        lowest = np.nanmin(inner[inner > 0.0]) if log else np.nanmin(inner)
        at = levels(lowest, np.nanmax(inner), LINES_IN_MAP + 2)[1:-1]
        ax.contour(*grid.centers, inner.T, levels=at, colors="white" if shades == "cividis" else "0.45", linewidths=0.7)
    if fixed.any():
        grey = np.ma.masked_equal(fixed.T, False)
        ax.pcolormesh(*grid.edges, grey, cmap=ListedColormap([REGION]), rasterized=True)
    ax.set(xlabel=grid.names[0], ylabel=grid.names[1])
    if np.isfinite(inner).any():
        ax.figure.colorbar(image, ax=ax, label=what)
    else:
        ax.set_title(what)


@styled
def plot_spectrum(spectrum: Spectrum, ax: Any = None, title: str = "") -> Figure:
    """The modes: curves of their densities in 1D, maps in 2D, each with its time scale."""
    grid, labels = spectrum.grid, spectrum.grid.names
    if grid.dim > 2:
        raise bad_value("grid", "one- or two-dimensional for a figure of modes", grid.dim)
    chosen = [k for k in range(len(spectrum.rates)) if not _is_second(spectrum.eigenvalues, k)]
    captions = [_caption(spectrum, k) for k in chosen]
    scaled = [m.real / max(float(np.abs(m.real).max()), 1e-300) for m in spectrum.right[chosen]]
    if grid.dim == 1:
        panels = panels_of(ax, 5.5, 3.8, 1)[0]
        for k, (mode, caption) in enumerate(zip(scaled, captions, strict=True)):
            style: Any = {"color": shade_of(len(scaled) - 1 - k, len(scaled)), "linestyle": LINES[k % len(LINES)]}
            panels[0].plot(grid.centers[0], mode, label=caption, **style)
        panels[0].set(xlabel=labels[0], ylabel="mode, largest value 1", xlim=grid.edges[0][[0, -1]])
        return finished(panels, title)
    panels = panels_of(ax, 3.1, 2.9, len(scaled))[0]
    for panel, mode, caption in zip(panels, scaled, captions, strict=True):
        image = panel.pcolormesh(*grid.edges, mode.T, cmap="RdBu_r", vmin=-1.0, vmax=1.0, rasterized=True)
        signed_lines(panel, grid.centers, mode, 1.0)
        panel.set(xlabel=labels[0], ylabel=labels[1])
        panel.set_title(caption)
    fig = finished(panels, "" if ax is not None else title)
    fig.colorbar(image, ax=panels[-1], label="mode, largest value 1")
    if ax is None:
        fig.supxlabel(wrapped(SIGNED, CAPTION * fig.get_figwidth()), fontsize=9)
    return fig


def _is_second(values: np.ndarray, k: int) -> bool:
    """Whether a mode is the conjugate of the one before, whose picture is the same."""
    return k > 0 and values[k].imag != 0.0 and bool(np.isclose(values[k], np.conj(values[k - 1]), rtol=1e-6, atol=0.0))


def _caption(spectrum: Spectrum, k: int) -> str:
    scale = float(spectrum.time_scales[k])
    pair = k + 1 < len(spectrum.rates) and _is_second(spectrum.eigenvalues, k + 1)
    text = f"time scale {scale:.4g}" if np.isfinite(scale) else "stationary"
    return text + (", a conjugate pair" if pair else "")


@styled
def plot_survival(
    times: np.ndarray,
    survival: np.ndarray,
    density: np.ndarray,
    log: bool,
    errors: tuple[np.ndarray, np.ndarray] | None = None,
    ax: Any = None,
    title: str = "",
) -> Figure:
    """The probability of not having arrived, and beside it the density of the time of arrival, with the `errors` of both."""
    flag("log", log)
    axes = panels_of(ax, 4.2, 3.2, 2)[0]
    panels = zip(axes, (survival, density), errors or (None, None), ("survival", "passage-time density"), strict=True)
    for panel, values, error, what in panels:
        known = np.where(values > 0.0, values, np.nan) if log else values
        marker: Any = "o" if times.size == 1 else None  # a line of one point is not seen
        panel.plot(times, known, color=COLORS[0], marker=marker)
        if error is not None:
            around = np.minimum(error, 0.99 * known) if log else error
            band(panel, times, known, around, COLORS[0], label="measured error")
        panel.set(xlabel="time", ylabel=what, yscale="log" if log and np.isfinite(known).any() else "linear")
        if not log:
            panel.set_ylim(0, None)
    return finished(axes, title)


def _spans(ax: Axes, grid: Grid, inside: np.ndarray, **style: Any) -> None:
    """Stretches of a line in a style."""
    turns = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    for low, high in zip(turns[::2], turns[1::2], strict=True):
        ax.axvspan(grid.edges[0][low], grid.edges[0][high], **{"linewidth": 0.0, "zorder": 0.2} | style)
