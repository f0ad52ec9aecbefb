"""The figure of a fit: drift and diffusion with their intervals, beside the moments of the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import bad_value
from ..results.figure_style import COLORS, new_figure, styled
from .cells import step_lengths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 201


@styled
def plot_fit(fit: Any, level: float = 0.9) -> Figure:
    """Drift and D of a 1D fit with intervals, and dots for the moments of steps that short lags would give.

    Mean step / tau and variance / (2 tau) in bins are no estimates at long lags: how far they lie off shows what the
    transition densities correct.
    """
    if fit.data.dim != 1:
        raise bad_value("fit", "of one coordinate for a figure", fit.data.dim, "Plot fit.drift(x, y) yourself.")
    pairs = fit.likelihood.data
    x, step = pairs.starts[:, 0], pairs.ends[:, 0] - pairs.starts[:, 0]
    low, high = np.quantile(x, [0.002, 0.998]).tolist()
    line = np.linspace(low, high, POINTS)
    bands = fit.interval(line, level=level)
    places, lengths = step_lengths(x, step)
    order = np.array_split(np.argsort(x, kind="stable"), places.size)
    means = np.array([step[rows].mean() for rows in order])
    fig, axes = new_figure(3.6, 2.8, 1, 2)
    panels = (
        ("drift", fit.drift(line), means / pairs.tau),
        ("diffusion", fit.diffusion(line), lengths**2 / (2.0 * pairs.tau)),
    )
    for ax, (name, values, moments) in zip(axes[0], panels, strict=True):
        ax.fill_between(line, *bands[name], color=COLORS[0], alpha=0.25, lw=0, label=f"{level:.0%} interval")
        ax.plot(line, values, color=COLORS[0], label="fit")
        ax.plot(places, moments, "o", ms=3, color=COLORS[1], label="moments of steps")
        ax.set(xlabel="x", ylabel=name, title=name)
    axes[0, 1].set_ylim(bottom=0.0)
    axes[0, 0].legend()
    return fig


@styled
def plot_passages(fit: Any) -> Figure:
    """Histograms of times of arrival at the lower and upper bound, with the fitted densities."""
    data, likelihood = fit.data, fit.likelihood
    curves, _ = likelihood.curves(fit.theta)
    fig, axes = new_figure(3.6, 2.8, 1, 2, sharey=True)
    edges = np.linspace(0.0, data.until, 41)
    for side, (ax, name) in enumerate(zip(axes[0], ("lower bound", "upper bound"), strict=True)):
        own = data.times[data.arrived & (data.upper == bool(side))]
        counts, _ = np.histogram(own, edges)
        ax.stairs(counts / (data.size * np.diff(edges)), edges, color=COLORS[1], label="data")
        ax.plot(likelihood.times, curves[:, side], color=COLORS[0], label="fit")
        ax.set(xlabel="time", title=name)
    axes[0, 0].set_ylabel("probability per time")
    axes[0, 1].legend()
    return fig
