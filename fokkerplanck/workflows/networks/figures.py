"""The figures of a study of a network, a panel a learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...figure_layout import COLORS, legend_below, line_style, new_figure, styled, wrapped
from ...storage.tables import Comparison
from .blocks import AGAIN, Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 13.0  # letters of a small label, an inch
MARKERS = "osD^vPX*"


@styled
def loss_figure(trained: Mapping[float, Mapping[str, Trained]]) -> Figure:
    """Median loss of each dynamics over training; the band holds 80 % of the runs of SGD."""
    figure, panels = _panels(len(trained))
    for axes, (rate, by_name) in zip(panels, trained.items(), strict=True):
        for n, (name, one) in enumerate(by_name.items()):
            if name == AGAIN.name:
                continue
            low, middle, high = _quantiles(one.runs.loss)
            if name == "sgd":
                axes.fill_between(one.runs.steps, low, high, color="0.85", lw=0)
            axes.plot(one.runs.steps, middle, label=name, **_style(n))
        axes.set(xlabel="step", title=f"learning rate {rate:g}", xlim=(0, one.runs.steps[-1]))
        _log_where_wide(axes)
    panels[0].set_ylabel("loss: median, and 80 % of SGD")
    _legend(figure, panels[0])
    return figure


@styled
def distance_figure(distances: Comparison) -> Figure:
    """Energy distance of the parameters to SGD; filled where they are told apart; grey: SGD against itself."""
    rows = [dict(zip(distances.columns, row, strict=True)) for row in distances.rows]
    rates = list(dict.fromkeys(row["learning rate"] for row in rows))
    names = list(dict.fromkeys(row["dynamics"] for row in rows))
    figure, panels = _panels(len(rates))
    for axes, rate in zip(panels, rates, strict=True):
        for n, name in enumerate(names, 1):
            here = [r for r in rows if (r["learning rate"], r["dynamics"]) == (rate, name) and r["energy"] is not None]
            steps, values = [r["step"] for r in here], [r["energy"] for r in here]
            style: dict[str, Any] = {"color": "0.6", "ls": "--", "lw": 1.4} if name == AGAIN.name else _style(n)
            axes.plot(steps, values, label=name, **style)
            for row in here:
                face = style["color"] if "parameters" in row["apart"] else "white"
                axes.plot(row["step"], row["energy"], MARKERS[n % 8], color=style["color"], mfc=face, ms=5)
        axes.set(xlabel="step", title=f"learning rate {rate:g}", xscale="log")
        axes.xaxis.set_minor_formatter("")
        _log_where_wide(axes, 30.0)
        axes.set_ylim(bottom=None if axes.get_yscale() == "log" else 0.0)
    panels[0].set_ylabel("energy distance to SGD")
    _legend(figure, panels[0])
    return figure


@styled
def contrast_figure(contrasts: Comparison, escapes: Comparison) -> Figure:
    """Differences of median times to SGD, relative to its own, with intervals that hold together at 95 %."""
    medians = zip(*(escapes.column(c) for c in ("learning rate", "event", "dynamics", "median")), strict=True)
    scales = {(rate, event): median for rate, event, name, median in medians if name == "sgd"}
    rows = [dict(zip(contrasts.columns, row, strict=True)) for row in contrasts.rows]
    rows = [row | {"scale": scales[row["learning rate"], row["event"]]} for row in rows if row["against"] == "sgd"]
    drawn = [r for r in rows if r["difference"] is not None and r["scale"] is not None and 0.0 < r["scale"] < np.inf]
    names = list(dict.fromkeys(r["dynamics"] for r in rows))
    rates = list(dict.fromkeys(r["learning rate"] for r in rows))
    figure, panels = _panels(len(rates))
    for axes, rate in zip(panels, rates, strict=True):
        events = list(dict.fromkeys(r["event"] for r in rows if r["learning rate"] == rate))
        here = [r for r in drawn if r["learning rate"] == rate]
        _draw_contrasts(axes, here, events, names)
        if 0 < len(here) < sum(r["learning rate"] == rate for r in rows):
            axes.set_xlabel("no mark: too many runs never get there", fontsize=8)
        across = ACROSS * axes.get_position().width * figure.get_figwidth() / len(events)
        lines = [wrapped(event, across) for event in events]
        axes.set_xticks(range(len(events)), lines, fontsize=8)
        axes.set(title=f"learning rate {rate:g}", xlim=(-0.6, len(events) - 0.4))
    for n, name in enumerate(names, 1):
        panels[0].plot([], [], MARKERS[n % 8], color=_color(name, n), label=name)
    panels[0].set_ylabel("median time less SGD's,\nrelative to SGD's")
    _legend(figure, panels[0])
    return figure


def _draw_contrasts(axes: Any, rows: Sequence[dict[str, Any]], events: list[str], names: list[str]) -> None:
    """A mark and a bar a row; what is infinite ends above all that is not, at an arrow."""
    sizes = [abs(row[end]) / row["scale"] for row in rows for end in ("difference", "from", "to")]
    top = 1.3 * max((s for s in sizes if np.isfinite(s)), default=1.0)
    for row in rows:
        n = names.index(row["dynamics"]) + 1
        at = events.index(row["event"]) + 0.7 * (n / (len(names) + 1) - 0.5)
        color = _color(row["dynamics"], n)
        value, low, high = np.clip(np.array([row[k] for k in ("difference", "from", "to")]) / row["scale"], -top, top)
        axes.plot([at, at], [low, high], lw=1.5, color=color)
        face = "white" if row["from"] <= 0.0 <= row["to"] else color
        axes.plot(at, value, MARKERS[n % 8], ms=5, mfc=face, color=color)
        if np.isinf(row["to"]):
            axes.annotate("\u2191", (at, top), color=color, ha="center", va="bottom")
        if np.isinf(row["from"]) and row["from"] < 0.0:
            axes.annotate("\u2193", (at, -top), color=color, ha="center", va="top")
    axes.axhline(0.0, color="0.6", lw=0.7, zorder=0)
    if not rows:
        axes.text(0.5, 0.5, "too many runs never get there", ha="center", transform=axes.transAxes, fontsize=9)
        axes.set_yticks([])


def _panels(count: int) -> tuple[Figure, Sequence[Any]]:
    figure, axes = new_figure(max(7.0 / count, 3.6), 4.2, 1, count)
    return figure, axes[0]


def _color(name: str, n: int) -> str:
    return "0.6" if name == AGAIN.name else COLORS[n % len(COLORS)]


def _style(n: int) -> dict[str, Any]:
    return {**line_style(n), "lw": 1.4}


def _legend(figure: Figure, axes: Any) -> None:
    legend_below(figure, *axes.get_legend_handles_labels())


def _quantiles(loss: np.ndarray) -> np.ndarray:
    """10, 50 and 90 % of the runs at each step, (3, n_times); a run that has diverged is above all others."""
    ordered = np.sort(np.where(np.isfinite(loss), loss, np.inf), axis=1)
    places = [round(share * (loss.shape[1] - 1)) for share in (0.1, 0.5, 0.9)]
    found = ordered[:, places].T
    return np.where(np.isfinite(found), found, np.nan)


def _log_where_wide(axes: Any, ratio: float = 10.0) -> None:
    """A logarithmic scale where the curves span more than a ratio."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    values = values[np.isfinite(values) & (values > 0.0)]
    if values.size and values.max() > ratio * values.min():
        axes.set_yscale("log")
