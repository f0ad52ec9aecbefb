"""Figures of fields on a grid that are no densities: mean times, probabilities of reaching, modes, survival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag
from ..errors import bad_type, bad_value
from ..model.grid import Grid
from .figure_style import LINES, band, cividis, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .spectrum import Spectrum

REGION = "0.75"  # the grey of cells in which the field is given
LINES_IN_MAP = 8


@styled
def plot_field(
    grid: Grid,
    values: np.ndarray,
    fixed: np.ndarray,
    what: str,
    ax: Axes | None,
    log: bool,
    error: np.ndarray | None = None,
) -> Figure:
    """A field as a curve in 1D, with an `error` around it, as a map in 2D; grey where given, blank where infinite."""
    flag("log", log)
    labels = grid.names
    panel = panel_of(grid, ax)
    shown = np.where(np.isfinite(values) & ~(log & (values <= 0.0)), values, np.nan)
    log = log and bool(np.nanmax(shown, initial=0.0) > 0.0)  # a logarithmic axis of nothing cannot be drawn
    if grid.dim == 1:
        panel.plot(grid.centers[0], np.where(fixed & log, np.nan, shown), color="C0")
        if error is not None:
            around = np.minimum(error, 0.99 * shown) if log else error
            band(panel, grid.centers[0], shown, around, "C0", label="measured error")
            panel.legend()
        _shade(panel, grid, fixed)
        if (infinite := ~np.isfinite(values)).any():
            _shade(panel, grid, infinite, facecolor="none", edgecolor="0.6", hatch="//", label="infinite")
            panel.set_xlim(grid.edges[0][0], grid.edges[0][-1])
            panel.legend()
        panel.set(xlabel=labels[0], ylabel=what, yscale="log" if log else "linear")
        return panel.figure  # type: ignore[return-value]
    norm = None
    if log:
        from matplotlib.colors import LogNorm

        norm = LogNorm()
    image = panel.pcolormesh(*grid.edges, np.ma.masked_invalid(shown).T, cmap="cividis", norm=norm, rasterized=True)
    inner = np.where(fixed, np.nan, shown)
    if np.isfinite(inner).any() and np.nanmax(inner) > np.nanmin(inner):
        levels = np.geomspace if log else np.linspace
        at = levels(np.nanmin(inner[inner > 0.0]) if log else np.nanmin(inner), np.nanmax(inner), LINES_IN_MAP + 2)[
            1:-1
        ]
        panel.contour(*grid.centers, inner.T, levels=at, colors="white", linewidths=0.7)
    if fixed.any():
        panel.pcolormesh(
            *grid.edges, np.ma.masked_equal(fixed.T, False), cmap="Greys", vmin=0.0, vmax=3.0, rasterized=True
        )
    panel.set(xlabel=labels[0], ylabel=labels[1])
    panel.figure.colorbar(image, ax=panel, label=what)
    return panel.figure  # type: ignore[return-value]


@styled
def plot_spectrum(spectrum: Spectrum) -> Figure:
    """The modes: curves of their densities in 1D, maps in 2D, each with its time scale."""
    grid, labels = spectrum.grid, spectrum.grid.names
    if grid.dim > 2:
        raise bad_value("grid", "one- or two-dimensional for a figure of modes", grid.dim)
    captions = [f"time scale {t:.4g}" if np.isfinite(t) else "stationary" for t in spectrum.time_scales]
    scaled = [m.real / max(float(np.abs(m.real).max()), 1e-300) for m in spectrum.right]
    if grid.dim == 1:
        fig, axes = new_figure(5.5, 3.6, 1, 1)
        for k, (mode, caption) in enumerate(zip(scaled, captions, strict=True)):
            shade = cividis(0.85 * k / max(len(scaled) - 1, 1))
            style: Any = LINES[k % len(LINES)]
            axes[0][0].plot(grid.centers[0], mode, color=shade, linestyle=style, label=caption)
        axes[0][0].set(xlabel=labels[0], ylabel="mode, largest value 1")
        fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return fig
    fig, axes = new_figure(3.1, 2.9, 1, len(scaled))
    for ax, mode, caption in zip(axes[0], scaled, captions, strict=True):
        image = ax.pcolormesh(*grid.edges, mode.T, cmap="RdBu_r", vmin=-1.0, vmax=1.0, rasterized=True)
        ax.contour(*grid.centers, mode.T, levels=[0.0], colors="0.3", linewidths=0.7)
        ax.set(xlabel=labels[0], ylabel=labels[1], title=caption)
    fig.colorbar(image, ax=axes[0][-1], label="mode, largest value 1")
    return fig


@styled
def plot_survival(
    times: np.ndarray,
    survival: np.ndarray,
    density: np.ndarray,
    log: bool,
    errors: tuple[np.ndarray, np.ndarray] | None = None,
) -> Figure:
    """The probability of not having arrived, and beside it the density of the time of arrival, with the `errors` of both."""
    flag("log", log)
    fig, axes = new_figure(4.2, 3.2, 1, 2)
    panels = zip(axes[0], (survival, density), errors or (None, None), ("survival", "density of the time"), strict=True)
    for ax, values, error, what in panels:
        ax.plot(times, values, color="C0")
        if error is not None:
            band(ax, times, values, np.minimum(error, 0.99 * values) if log else error, "C0", label="measured error")
            ax.legend()
        ax.set(xlabel="time", ylabel=what, yscale="log" if log else "linear")
        if not log:
            ax.set_ylim(0, None)
    return fig


def panel_of(grid: Grid, ax: Any) -> Axes:
    """The axes that were given, or those of a new figure."""
    if grid.dim > 2:
        raise bad_value("grid", "one- or two-dimensional for a figure", grid.dim, "Plot a slice of the values.")
    if ax is None:
        return new_figure(5.2, 3.6, 1, 1)[1][0][0]
    if not hasattr(ax, "pcolormesh"):
        raise bad_type("ax", "matplotlib Axes or None", ax)
    return ax


def _shade(ax: Axes, grid: Grid, fixed: np.ndarray, label: str | None = None, **style: Any) -> None:
    """Stretches of a line, grey as where a field is given, or in another style; the first with a label."""
    turns = np.flatnonzero(np.diff(np.concatenate([[0], fixed.astype(int), [0]])))
    for low, high in zip(turns[::2], turns[1::2], strict=True):
        ax.axvspan(grid.edges[0][low], grid.edges[0][high], lw=0, label=label, **(style or {"color": REGION}))
        label = None
