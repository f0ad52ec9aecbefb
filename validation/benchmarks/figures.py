"""Work-precision curves: error against processor time, told apart by marker and dash as well as by shade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

STYLES = {
    "ours": ("o", "-", "black", 2.2),
    "ours_in_hand": ("o", (0, (1, 1)), "0.45", 1.6),
    "scipy_expm": ("s", "--", "#1f5fa8", 1.4),
    "fplanck_matrix": ("^", "-.", "#c0561a", 1.4),
    "fipy_implicit": ("D", ":", "#5a8f3c", 1.6),
    "py_pde": ("v", (0, (6, 1, 1, 1, 1, 1)), "#8a5aa8", 1.4),
    "asked": ("o", "-", "black", 2.2),
    "chebyshev": ("*", "--", "#b5277a", 1.6),
    "chebyshev_asked": ("*", ":", "#b5277a", 1.2),
}
WHOLE = ("ours", "asked")  # charged for all of a call
TITLES = {
    "ou": "Ornstein-Uhlenbeck, one dimension, t = 1",
    "double_well": "Double well with rotation, two dimensions, t = 1",
    "asked_ou": "Errors asked for: Ornstein-Uhlenbeck, t = 1",
    "asked_double_well": "Errors asked for: double well with rotation, t = 1",
}


def work_precision(table: list[dict[str, Any]], case: str, path: Path) -> None:
    """One curve a program; each point is labelled with its cells an axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for peer, (marker, dash, color, width) in STYLES.items():
        points = [
            r for r in table if r["case"] == case and r["peer"] == peer and "error" in r and "call" not in r["label"]
        ]
        if not points:
            continue
        x, y = [r["processor"] for r in points], [r["error"] for r in points]
        name = points[0]["label"].split(" (")[0] + (", the whole call" if peer in WHOLE else "")
        axes.loglog(x, y, marker=marker, linestyle=dash, color=color, linewidth=width, markersize=7, label=name)
        for row in points:
            left = peer == "ours_in_hand"
            axes.annotate(
                str(row["n"]),
                (row["processor"], row["error"]),
                xytext=(-7, -4) if left else (7, 2),
                textcoords="offset points",
                ha="right" if left else "left",
                fontsize=8,
                color=color,
            )
    axes.margins(x=0.12)
    axes.set_xlabel("processor seconds of a run (black: the whole call; all others: matrix or compiled code in hand)")
    axes.set_ylabel("L1 error of the density")
    axes.set_title(f"{TITLES[case]}\n(numbers: cells or points an axis)")
    axes.grid(which="major", color="0.85")
    figure.legend(frameon=False, loc="outside lower center", ncols=3, handlelength=3, fontsize=9)
    figure.savefig(path, dpi=130)
