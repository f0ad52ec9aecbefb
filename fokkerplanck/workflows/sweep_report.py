"""What a study says: its table in short, a sentence a model and setting, and figures over the learning rate."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..figure_layout import COLORS, LINES, legend_below, new_figure, styled
from ..storage.files import write_atomically, write_text
from ..storage.tables import WIDTH, Comparison, exact, with_error

RESULTS = (
    "mean", "deviation", "W1", "se_W1", "largest_error", "W1_sampling", "escape", "se_escape", "escape_ratio",
    "largest_escape_error",
)  # fmt: skip
KEYS = ("learning_rate", "batch_size", "model", "t")
COLUMNS = (*KEYS, *RESULTS, "edge", "reference")

NOTE = (
    "exact: the density of SGD by the transfer operator, SGD: its simulation. W1: 1-Wasserstein distance to the density of "
    "SGD at time t, summed over the axes, with its error (se_), of sampling and of the grids of both, largest_error being the "
    "larger, and what sampling alone would give (_sampling) where paths take part. escape: mean steps from the start to the "
    "target, with its error; escape_ratio: over that of SGD; largest_escape_error: the larger of both errors. edge: learning "
    "rate times the largest curvature where SGD carries mass at some time: a diffusion needs it much below 2. reference: what "
    "stands for SGD, the transfer operator, or the simulation where the grid is too coarse for the operator. nan: an escape "
    "too rare for double precision. Densities are even inside a cell: a W1 below a cell means nothing."
)
CLOSE = 0.05  # of the spread: a W1 below it is agreement
LIMIT = (
    2.0  # standard errors of sampling within which two numbers cannot be told apart; errors of grids count as they are
)
REMEDY = {"grid": "take more cells", "batches": "take more sampled batches", "sampling": "take more paths"}
TRUE = ("exact", "SGD")  # the transfer operator, and the simulation


def setting_name(row: dict[str, Any]) -> str:
    """Learning rate and batch size in words."""
    batch = "full batch" if row["batch_size"] is None else f"batch {row['batch_size']}"
    return f"learning rate {exact(row['learning_rate'])}, {batch}"


def verdicts(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A sentence a model and setting, from the rows of one time; and one where the operator is not to be trusted."""
    sentences = []
    for name, part in itertools.groupby(rows, key=setting_name):
        group = list(part)
        if group[0]["reference"] == "simulation":
            off = next(row["W1"] for row in group if row["model"] == "SGD")
            sentences.append(
                f"{name}: the grid is too coarse for exact SGD, the transfer operator (W1 of {off:.2g} to simulated SGD), "
                "so that the models are compared with the simulation, and may be off by the grid alone. With twice as many "
                "cells along each axis the part of the grid falls to a quarter."
            )
        coarse = _escape_on_grid(name, group)
        whose = "simulated SGD" if coarse else "exact SGD"
        sentences += coarse
        sentences += [f"{name}, {row['model']}: {_verdict(row, whose)}" for row in group if row["model"] not in TRUE]
    return tuple(sentences)


def _escape_on_grid(name: str, group: Sequence[dict[str, Any]]) -> list[str]:
    """Where simulated escapes stand for SGD: by how much the operator's is off."""
    true = {row["model"]: row for row in group if row["model"] in TRUE}
    if len(true) < 2 or true["exact"]["escape_ratio"] in (None, 1.0):
        return []
    seen = with_error(true["SGD"]["escape"], true["SGD"]["se_escape"])
    return [
        f"{name}: on this grid exact SGD takes {true['exact']['escape']:.4g} steps to the target, simulated {seen}: the "
        "simulation counts. Take twice as many cells in and around the target, until the two come together."
    ]


def _verdict(row: dict[str, Any], whose: str) -> str:
    """A model's density, and its escape beside that of exact or simulated SGD."""
    if row["failure"] is not None:
        return f"not solved, as {row['failure']}."
    close, density = _density_verdict(row)
    text = f"the density at t = {row['t']:g} {density}"
    ratio = row["escape_ratio"]
    if ratio is None:
        return text + "."
    if math.isnan(ratio):
        return text + ", and its escape is too rare for double precision."
    if not math.isfinite(ratio):
        return text + (
            ", and part of it never arrives at the target." if not close else ", but part of it never arrives."
        )
    if not 0.8 <= ratio <= 1.25 and not row["escape_told"]:
        return f"{text}, {'and' if close else 'but'} its escape, {ratio:.3g} times as long, {_untold(row, whose)}."
    same = 0.8 <= ratio <= 1.25
    off = f"as long as {whose}, within 25%" if same else f"{ratio:.3g} times as long as {whose}"
    return f"{text}, {'and' if same == close else 'but'} its escape takes {off}."


def _untold(row: dict[str, Any], whose: str) -> str:
    """That a difference of escapes lies within their errors, and where most of these come from."""
    source = row["largest_escape_error"]
    return (
        f"cannot be told from that of {whose}: most of their error is that of {source} ({REMEDY[source.split()[-1]]})"
    )


def _density_verdict(row: dict[str, Any]) -> tuple[bool, str]:
    """Whether nothing speaks against a density, and what its distance to SGD says."""
    sgd = "simulated SGD" if row["reference"] == "simulation" else "exact SGD"
    share = row["W1"] / row["spread"]
    inside = row["W1"] < row["cell"]
    if inside and share > CLOSE:
        size = f"W1 {row['W1']:.2g}, a cell {row['cell']:.2g}"
        more = row["cell"] / (CLOSE * row["spread"])
        return True, f"cannot be told from {sgd} on this grid ({size}; take {more:.2g} times as many cells)"
    if inside:
        return True, f"agrees with {sgd} (within a cell)"
    if row["W1_sampling"] > 0.0 and row["W1"] <= row["W1_sampling"] + LIMIT * row["sampling"]:
        return True, f"agrees with {sgd} (within sampling)"
    if share >= CLOSE and row["W1"] <= row["margin"]:
        source = row["largest_error"]
        size = (
            f"W1 {row['W1']:.2g} ± {row['se_W1']:.2g}, most by the {source}: {REMEDY.get(source, 'take shorter steps')}"
        )
        return True, f"cannot be told from {sgd} ({size})"
    return share < CLOSE, f"{'agrees with' if share < CLOSE else 'is off from'} {sgd} (W1 is {share:.2g} of its spread)"


def summary(table: Comparison, sentences: Sequence[str]) -> str:
    """The sentences, and the rows of the last time without what repeats."""
    last = max(table.column("t"))
    names = {"learning_rate": "rate", "batch_size": "batch", "model": "model", "W1": "W1", "escape": "escape",
             "escape_ratio": "ratio", "edge": "edge"}  # fmt: skip
    rows = []
    for row in (dict(zip(table.columns, r, strict=True)) for r in table.rows):
        if row["t"] == last:
            shown = {name: row[name] for name in names}
            shown["W1"] = None if row["model"] == "exact" else row["W1"]
            shown["escape"] = with_error(row["escape"], row["se_escape"])
            rows.append(tuple(shown.values()))
    short = Comparison(tuple(names.values()), tuple(rows), keys=("rate", "batch", "model"))
    lines = [textwrap.fill(sentence, WIDTH, subsequent_indent="  ") for sentence in sentences]
    title = f"Distance W1 to SGD at t = {last:g}, mean steps to the target, ratio to SGD's"
    title += "\n(edge: learning rate times largest curvature; errors, other times: study.csv)"
    return "\n".join([*lines, "", title, "", repr(short)])


def write(table: Comparison, sentences: Sequence[str], folder: Path, cell: float) -> tuple[Path, ...]:
    """study.csv, study.md and the figures that there are numbers for."""
    listed = "\n".join(f"- {v}" for v in sentences)
    files = [folder / "study.csv", folder / "study.md"]
    table.save_csv(str(files[0]))
    write_text(files[1], f"{table.to_markdown()}\n{listed}\n")
    for name, column, label in (
        ("distance.png", "W1", "distance W1 to SGD"),
        ("escape.png", "escape", "mean steps to the target"),
    ):
        figure = draw(table, column, label, cell)
        if figure is not None:
            files.append(folder / name)
            write_atomically(files[-1], partial(figure.savefig, dpi=150))
    return tuple(files)


@styled
def draw(table: Comparison, column: str, label: str, cell: float) -> Any:
    """The column at the last time over the learning rate, a panel a batch size and a line a model; None without numbers."""
    last = max(table.column("t"))
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    rows = [r for r in rows if r["t"] == last and r[column] is not None and 0.0 < r[column] < math.inf]
    if not rows:
        return None
    batches = list(dict.fromkeys(r["batch_size"] for r in rows))
    models = list(dict.fromkeys(r["model"] for r in rows))
    others = [m for m in dict.fromkeys(table.column("model")) if m not in TRUE]
    width = (2.6 + 3.6 * len(batches)) / len(batches)
    figure, axes = new_figure(width, 4.6, 1, len(batches), sharex=True, sharey=True)
    panels = axes[0]
    for ax, batch in zip(panels, batches, strict=True):
        for model in models:
            line = [(r["learning_rate"], r[column], r[f"se_{column}"] or 0.0) for r in rows
                    if (r["model"], r["batch_size"]) == (model, batch)]  # fmt: skip
            if line:
                _curve(ax, np.transpose(sorted(line)), model, others.index(model) if model in others else 0)
        ax.set(xscale="log", yscale="log", xlabel="learning rate")
        if len(batches) > 1:
            ax.set_title("full batch" if batch is None else f"batch of {batch}")
        if column == "W1":
            ax.axhspan(1e-300, cell, color="0.92", zorder=0, label="below a cell")
            ax.set_ylim(0.03 * cell, 3.0 * max(cell, *(r[column] for r in rows)))
        _ticks(ax, sorted(set(table.column("learning_rate"))), [r[column] for r in rows])
    panels[0].set_ylabel(label)
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


def _curve(ax: Any, points: np.ndarray, model: str, k: int) -> None:
    x, y, error = points
    if model == "SGD":
        ax.errorbar(
            x,
            y,
            [np.minimum(error, 0.9 * y), error],
            fmt="o",
            ms=5,
            mfc="white",
            label="SGD (simulated)",
            color="k",
            zorder=5,
        )
    elif model == "exact":
        ax.plot(x, y, color="k", lw=2.2, label="exact (transfer operator)")
    else:
        ax.plot(x, y, color=COLORS[k % 4], ls=LINES[k % 5], marker="sv^D"[k % 4], ms=4, lw=1.5, label=model)


def _ticks(ax: Any, rates: list[float], values: list[float]) -> None:
    """Plain numbers at the learning rates, and enough of them up the axis."""
    from matplotlib.ticker import LogLocator

    ax.set_xticks(rates if len(rates) < 8 else rates[:: len(rates) // 5], minor=False)
    ax.minorticks_off()
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if max(values) < 100.0 * min(values):
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
