"""What every figure has in common: its style and panels, its title, its legend below, and labels and ticks that fit."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import numpy as np

from .errors import bad_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # Okabe and Ito
LINES = ("-", "--", ":", "-.", (0, (3, 1, 1, 1, 1, 1)))
STYLE: Any = {
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-3, 5),
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "figure.dpi": 150.0,
    "savefig.dpi": 150.0,
    "image.cmap": "cividis",
}
LETTERS = 11.0  # of the usual size, an inch
ROOM = 1.15  # of a panel as it is before its figure is laid out, for its labels
ABOVE = 1.25  # the same for its title, which may stand over the space beside the panel
BLANK = "\ue000"  # stands for a blank at which no line is broken
TICK_GAP = 1.5  # letters between the labels of two ticks
Drawing = TypeVar("Drawing", bound=Callable[..., Any])
_made: WeakSet[Figure] = WeakSet()


def styled(function: Drawing) -> Drawing:
    """A drawing function, run in the style of the package."""

    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        import matplotlib as mpl
        import matplotlib.figure

        with mpl.rc_context(STYLE):
            drawn = function(*args, **kwargs)
            if isinstance(drawn, mpl.figure.Figure):
                fitted(drawn)
            return drawn

    return inner  # type: ignore[return-value]


def line_style(k: int) -> dict[str, Any]:
    """Colour and dashes of the k-th curve: no two of 25 have both alike."""
    n = len(COLORS)
    return {"color": COLORS[k % n], "linestyle": LINES[(k + k // n) % n]}


def new_figure(width: float, height: float, rows: int, columns: int, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of panels, each of the given size in inches, and the panels as a matrix."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width * columns, height * rows), layout="constrained")
    _made.add(fig)
    return fig, fig.subplots(rows, columns, squeeze=False, **options)


def panels_of(ax: Any, width: float, height: float, columns: int, rows: int = 1, **options: Any) -> np.ndarray:
    """The axes that were given as `ax`, or those of a new figure, as a matrix (rows, columns).

    `ax` is one matplotlib Axes for a figure of one panel, and a sequence of so many for a figure of several.
    """
    if ax is None:
        return new_figure(width, height, rows, columns, **options)[1]
    count = rows * columns
    given = ax.ravel().tolist() if isinstance(ax, np.ndarray) else list(ax) if isinstance(ax, (list, tuple)) else [ax]
    if len(given) != count or not all(hasattr(one, "pcolormesh") for one in given):
        rule = "matplotlib Axes or None" if count == 1 else f"{count} matplotlib Axes, one a panel, or None"
        raise bad_type("ax", rule, ax)
    panels = np.empty(count, dtype=object)
    panels[:] = given
    for one in given:
        _made.discard(one.figure)  # whose panels are asked for again is laid out by the caller
    return panels.reshape(rows, columns)


def finished(panels: Sequence[Axes], title: str = "", handles: Sequence[Any] = (), about: str | None = None) -> Figure:
    """The figure of panels with its title and a legend: below a figure of ours, else in the last panel that has labels.

    handles : what the legend shows beside the curves that have labels
    about : title of the legend
    """
    fig: Any = panels[0].figure
    each = [(panel, *panel.get_legend_handles_labels()) for panel in panels]
    entries = {label: one for _, drawn, words in each for one, label in zip(drawn, words, strict=True)}
    entries |= {one.get_label(): one for one in handles}
    shown, labels = list(entries.values()), list(entries)
    last = [panel for panel, drawn, _ in each if drawn] or [panels[-1]]
    if fig not in _made:
        if labels:
            last[-1].legend(shown, labels, title=about, frameon=True)
        if title:
            panels[0].set_title(title)
        return fig
    if labels:
        legend_below(fig, shown, labels, about)
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


def legend_below(fig: Figure, handles: Sequence[Any], labels: Sequence[str], about: str | None = None) -> None:
    """A legend below all panels, in as many columns as fit."""
    across = LETTERS * fig.get_figwidth() - 4.0
    columns = int(across // (max(map(len, labels)) + 6.0))
    columns = min(max(columns, 1), len(labels), 5)
    texts = [wrapped(label, across) for label in labels]
    fig.legend(handles, texts, loc="outside lower center", ncols=columns, title=about)


def fitted(fig: Figure) -> None:
    """Break the long labels and titles of a figure of ours, and thin out ticks whose labels would run together."""
    if fig not in _made:
        return
    if fig.get_suptitle():
        fig.suptitle(wrapped(fig.get_suptitle(), 0.9 * LETTERS * fig.get_figwidth()), fontsize=11)
    for ax in fig.axes:
        box = ax.get_position()
        width, height = box.width * fig.get_figwidth(), box.height * fig.get_figheight()
        ax.set_title(wrapped(ax.get_title(), ABOVE * LETTERS * width))
        ax.set_xlabel(wrapped(ax.get_xlabel(), ROOM * LETTERS * width))
        ax.set_ylabel(wrapped(ax.get_ylabel(), ROOM * LETTERS * height))
        if ax.axison and ax.xaxis.get_tick_params().get("labelbottom", True):
            _thin_ticks(ax, width)


def wrapped(text: str, letters: float) -> str:
    """Text in lines of at most so many letters; formulas between dollar signs stay whole."""
    whole = re.sub(r"(?<!\\)\$[^$]*\$", lambda found: found.group().replace(" ", BLANK), text)
    lines = []
    for line in whole.split("\n"):
        plain = "$" not in line
        lines.append(fill(line, max(8, int(letters)), break_long_words=plain, break_on_hyphens=plain))
    return "\n".join(lines).replace(BLANK, " ")


def _thin_ticks(ax: Axes, width: float) -> None:
    """Fewer round numbers along a linear axis of a width in inches, until their labels leave gaps."""
    from matplotlib.ticker import AutoLocator, MaxNLocator

    if not isinstance(ax.xaxis.get_major_locator(), AutoLocator):
        return
    for count in range(8, 1, -1):
        low, high = sorted(ax.get_xlim())
        ticks = [t for t in ax.get_xticks() if low <= t <= high]
        labels = ax.xaxis.get_major_formatter().format_ticks(ax.get_xticks().tolist())
        longest = max((len(label.replace("$\\mathdefault{", "").rstrip("}$")) for label in labels), default=0)
        if len(ticks) * (longest + TICK_GAP) <= ROOM * LETTERS * width:
            return
        ax.xaxis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))
