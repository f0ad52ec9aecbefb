"""The figures of a study of a deep linear network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...deep_linear import Plateaus, over_runs, stable_rank
from ...figure_layout import COLORS, LINES, legend_below, line_style, new_figure, styled
from ..paired_runs import median_interval
from .analysis import ModeComparison
from .blocks import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BANDS = (0.05, 0.5, 0.95)


@styled
def loss_figure(runs: Runs, found: Plateaus, count: int = 3) -> Figure:
    """The loss of a few runs of SGD, their stays at saddles marked, over the loss at each exact saddle."""
    figure, panels = new_figure(7.0, 4.2, 1, 1)
    axes = panels[0][0]
    t, values = runs.training, runs.training.net.teacher_modes.values
    floor = 0.3 * 0.5 * values[-1] ** 2
    for k in range(min(count, t.n_runs)):
        shown = np.maximum(t.loss[:, k], 1e-2 * floor)
        axes.plot(t.steps, shown, color=COLORS[k], ls=LINES[k], lw=1.2, label=f"run {k}")
        for rank in range(values.size):
            if np.isfinite(found.approach[rank, k]):
                ends = found.approach[rank, k], min(found.escape[rank, k], t.steps[-1])
                level = found.loss[rank, k] * 1.12 ** (k + 1)  # above the curve, one run above the other
                axes.plot(ends, [level] * 2, color=COLORS[k], lw=4, alpha=0.7, solid_capstyle="butt")
                axes.plot(found.nearest[rank, k], level, "o", color="k", ms=4, zorder=4)
    for rank in range(values.size):
        level = 0.5 * float((values[rank:] ** 2).sum())
        axes.axhline(level, color="0.6", lw=0.7, ls="--", zorder=0)
        axes.annotate(
            f"{rank} learned",
            (1.0, level),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="bottom",
            ha="right",
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0.0, "pad": 1.0},
            zorder=5,
        )
    axes.plot([], [], color="0.3", lw=4, alpha=0.7, label="stay found")
    axes.plot([], [], "ko", ms=4, label="smallest gradient")
    axes.set(yscale="log", xlabel="step", ylabel="loss above the teacher's")
    axes.set_ylim(floor, 2.0 * float(np.nanmax(t.loss[0])))
    axes.set_xlim(0, t.steps[-1])
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


@styled
def mode_figure(comparisons: Sequence[ModeComparison]) -> Figure:
    """Measured modes, 5, 50 and 95 % of the runs, over the band that holds 90 % by the equation."""
    count = len(comparisons)
    figure, axes = new_figure((2.1 * max(count, 2) + 0.6) / count, 3.6, 1, count)
    panels = axes[0]
    for axes, c in zip(panels, comparisons, strict=True):
        steps = np.concatenate([[0], c.steps])
        band = np.concatenate([np.full((1, 3), c.origin), _quantiles(c)]) / c.mode.target
        seen = np.quantile(c.strengths[..., 0], BANDS, axis=1).T / c.mode.target
        axes.fill_between(steps, band[:, 0], band[:, 2], color="0.8", lw=0, label="equation, 90 %")
        axes.plot(steps, band[:, 1], color="0.35", lw=1.5, label="equation, median")
        error = np.abs(seen[:, [0, 2]] - seen[:, [1]]).T
        axes.errorbar(
            c.steps, seen[:, 1], error, fmt="o", color=COLORS[0], ms=4, capsize=3, lw=1, label="SGD, 90 % of runs"
        )
        axes.set(title=f"s* = {c.mode.target:g}", xlabel=f"steps since s = {c.origin:.2g}")
        axes.set_ylim(0.0, max(1.15, 1.05 * float(seen.max())))
    panels[0].set_ylabel("mode strength s / s*")
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


@styled
def rank_figure(runs: Sequence[Runs]) -> Figure:
    """Mean stable rank over training with two standard errors, a line a generator."""
    figure, panels = new_figure(7.0, 4.0, 1, 1)
    axes = panels[0][0]
    for n, one in enumerate(runs):
        t = one.training
        ensemble = over_runs(t.steps, stable_rank(t.end_to_end[:, np.isfinite(t.loss[-1])]))
        mean, error = ensemble.mean()[:, 0], ensemble.standard_error()[:, 0]
        color = COLORS[n % len(COLORS)]
        axes.fill_between(t.steps, mean - 2 * error, mean + 2 * error, color=color, alpha=0.2, lw=0)
        axes.plot(t.steps, mean, **line_style(n), lw=1.4, label=one.generator.name)
    values = runs[0].training.net.teacher_modes.values
    axes.axhline(float((values**2).sum() / values[0] ** 2), color="0.6", lw=0.7, ls="--", zorder=0)
    axes.annotate("teacher", (1.0, float((values**2).sum() / values[0] ** 2)), xycoords=("axes fraction", "data"),
                  fontsize=8, va="bottom", ha="right")  # fmt: skip
    axes.set(xlabel="step", ylabel="stable rank $|W|_F^2 / |W|_2^2$")
    axes.set_xlim(0, runs[0].training.steps[-1])
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


@styled
def escape_figure(found: Mapping[str, Plateaus]) -> Figure:
    """Median stay at each saddle with its 95 % interval, side by side for each generator."""
    figure, panels = new_figure(7.0, 3.8, 1, 1)
    axes = panels[0][0]
    for n, (name, plateaus) in enumerate(found.items()):
        ranks, bars = [], []
        for rank, stay in enumerate(plateaus.stay[:-1]):
            bar = median_interval(stay)
            if np.isfinite(bar).all():
                ranks.append(rank + 0.12 * (n - 0.5 * (len(found) - 1)))
                bars.append(bar)
        if bars:
            low, middle, high = np.array(bars).T
            marker, color = "osD^vPX*"[n % 8], COLORS[n % len(COLORS)]
            axes.errorbar(
                ranks, middle, [middle - low, high - middle], fmt=marker, color=color, ms=5, capsize=3, label=name
            )
    axes.set_xticks(range(len(next(iter(found.values())).stay) - 1))
    axes.set(xlabel="modes learned at the saddle", ylabel="median stay [steps]")
    axes.set_ylim(bottom=0.0)
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def _quantiles(c: ModeComparison) -> np.ndarray:
    """Strengths below which 5, 50 and 95 % of the probability lie by the equation, (m, 3)."""
    below = np.cumsum(c.density.masses, axis=1)
    return np.array([np.interp(BANDS, share, c.density.grid.edges[0][1:]) for share in below])
