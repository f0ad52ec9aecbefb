"""Figures of simulated paths: bands of quantiles in time, histograms at one time, maps in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, increasing
from ..errors import bad_value
from ..figure_layout import COLORS, finished, panels_of, styled, wrapped
from .figure_style import CAPTION, DENSITY_MAP, bins_for, spread_indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .ensemble import Ensemble

BANDS = ((0.05, 0.95, 0.15, "90 % of the paths"), (0.25, 0.75, 0.35, "50 % of the paths"))
DRAWN = 5  # paths that are drawn by themselves
OUTER = 5e-4  # share of the paths on either side that a panel may leave out
PANELS, MAPS = 6, 5  # at most: coordinates, and times of maps
LONG = 30.0  # ratio of the last to the first time from which the time is logarithmic


@styled
def plot_ensemble(mc: Ensemble, times: Sequence[float] | None, log: bool, ax: Any, title: str) -> Figure:
    """See `Ensemble.plot`."""
    flag("log", log)
    every = list(range(mc.times.size)) if times is None else [mc.index(t, "times") for t in increasing("times", times)]
    if not any(len(_finite(mc, i)) for i in every):
        raise bad_value("ensemble", "with some path that is finite", "none", "All have diverged.")
    if log and (mc.dim == 2 or len(every) > 1):
        raise bad_value("log", "False but for a histogram", log, "Plot one time: plot(times=[...], log=True).")
    if mc.dim == 2:
        few = [every[k] for k in spread_indices(len(every), MAPS)] if times is None else every
        return _maps(mc, few, len(every), ax, title)
    count = min(mc.dim, PANELS)
    width, height = (5.2, 3.9) if count < 3 else (3.4, 3.2)
    panels = panels_of(ax, width, height, count)[0]
    for axis, panel in enumerate(panels):
        if len(every) > 1:
            _fan(panel, mc, every, axis)
        else:
            _histogram(panel, mc, every[0], axis, log)
    notes = [] if count == mc.dim else [f"the first {count} of {mc.dim} coordinates"]
    return finished(panels, title, about="; ".join([*notes, *_lost(mc, every)]) or None)


def _fan(ax: Axes, mc: Ensemble, every: Sequence[int], axis: int) -> None:
    """Quantiles of one coordinate in time, and a few of the paths."""
    times = mc.times[every]
    levels = sorted({q for low, high, *_ in BANDS for q in (low, high)} | {0.5})
    lines = np.full((len(every), len(levels)), np.nan)
    for row, i in zip(lines, every, strict=True):
        points = _finite(mc, i)[:, axis]
        if points.size:
            row[:] = np.quantile(points, levels)
    for low, high, alpha, label in BANDS:
        ends = lines[:, levels.index(low)], lines[:, levels.index(high)]
        ax.fill_between(times, *ends, color=COLORS[0], alpha=alpha, linewidth=0.0, label=label)
    ax.plot(times, lines[:, levels.index(0.5)], color=COLORS[0], label="median")
    few = min(DRAWN, mc.n_paths)
    shown = np.where(mc._kept(mc.positions), mc.positions[:, :, axis], np.nan)[every][:, :few]
    ax.plot(times, shown, color="0.35", linewidth=0.6)
    ax.lines[-1].set_label(f"{few} of the {mc.n_paths} paths")
    late = times[times > 0.0]
    if late.size > 1 and late[-1] > LONG * late[0]:
        ax.set_xscale("symlog" if times[0] == 0.0 else "log", **({"linthresh": late[0]} if times[0] == 0.0 else {}))
    ax.set(xlabel="step" if mc.label == "SGD" else "time", ylabel=mc._names[axis], xlim=(times[0], times[-1]))


def _histogram(ax: Axes, mc: Ensemble, index: int, axis: int, log: bool) -> None:
    """The density of one coordinate, of all paths, over all but `OUTER` of them on either side."""
    points = _finite(mc, index)[:, axis]
    low, high = np.quantile(points, [OUTER, 1.0 - OUTER])
    edges = np.linspace(*_apart(low, high), bins_for(points.size) + 1)
    heights = np.histogram(points, edges)[0] / (mc.n_paths * np.diff(edges))
    least = 0.3 * float(heights[heights > 0.0].min())
    label = f"{mc.n_paths} paths, {_time(mc, index)}"
    ax.stairs(heights, edges, fill=True, color="0.75", baseline=least if log else 0.0, label=label)
    name = mc._names[axis]
    ax.set(xlabel=name, ylabel=f"density of {name}", yscale="log" if log else "linear", xlim=edges[[0, -1]])
    ax.set_ylim(least if log else 0.0, None)


def _maps(mc: Ensemble, every: Sequence[int], count: int, ax: Any, title: str) -> Figure:
    """The paths in two dimensions, counted in bins that hold some of them, at some of the `count` times asked for."""
    axes = panels_of(ax, 2.9 if len(every) > 1 else 4.2, 2.7 if len(every) > 1 else 3.6, len(every))[0]
    points = np.concatenate([_finite(mc, i) for i in every])
    ends = [_apart(*np.quantile(points[:, axis], [OUTER, 1.0 - OUTER])) for axis in (0, 1)]
    edges = [np.linspace(low, high, bins_for(mc.n_paths) + 1) for low, high in ends]
    area = np.diff(edges[0])[:, None] * np.diff(edges[1])
    for panel, i in zip(axes, every, strict=True):
        here = _finite(mc, i)
        density = np.histogram2d(here[:, 0], here[:, 1], bins=edges)[0] / (mc.n_paths * area)
        panel.pcolormesh(*edges, density.T, cmap=DENSITY_MAP, vmin=0.0, rasterized=True)
        panel.set(xlabel=mc._names[0], ylabel=mc._names[1], title=_time(mc, i))
    fig = finished(axes, title if ax is None else "")
    if ax is None:
        scale = ", each panel from 0 to its largest" if len(every) > 1 else ""
        notes = [f"shade: density of the paths{scale}", *_lost(mc, every)]
        left = [f"{len(every)} of {count} times"] if len(every) < count else []
        fig.supxlabel(wrapped("; ".join([*notes, *left]), CAPTION * fig.get_figwidth()), fontsize=9)
    return fig


def _finite(mc: Ensemble, index: int) -> np.ndarray:
    """Positions at a time of the paths that have not diverged, (n, dim)."""
    return mc.positions[index][mc._kept(mc.positions[index])]


def _lost(mc: Ensemble, every: Sequence[int]) -> list[str]:
    """What a caption says of paths that have diverged at the last time shown."""
    lost = mc.diverged_at(float(mc.times[every[-1]]))
    return [f"{lost:.3g} of the paths have diverged"] if lost > 0.0 else []


def _time(mc: Ensemble, index: int) -> str:
    t = mc.times[index]
    return f"step {t:g}" if mc.label == "SGD" else f"t = {t:g}"


def _apart(low: float, high: float) -> tuple[float, float]:
    """Ends of a span that is not empty, with a margin."""
    margin = 0.05 * (high - low) or 1e-3 * max(abs(high), 1e-300)
    return float(low - margin), float(high + margin)
