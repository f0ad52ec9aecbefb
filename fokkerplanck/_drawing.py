"""The parts that figures are made of: panels, maps, arrows, and what stretch of an axis to show."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .errors import bad_value
from .grid import Grid
from .results import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")  # Okabe and Ito
LINES = ("-", "--", ":", "-.", (0, (3, 1, 1, 1, 1, 1)))
DENSITY_MAP = "Blues"
STYLE: Any = {
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 150.0,
    "savefig.dpi": 150.0,
    "image.cmap": "cividis",
}
AXES = ("x", "y", "z")
Drawing = TypeVar("Drawing", bound=Callable[..., Any])


def styled(function: Drawing) -> Drawing:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            return function(*args, **kwargs)

    return inner  # type: ignore[return-value]


def density_map(
    ax: Axes, grid: Grid, density: np.ndarray, box: Any, labels: Sequence[str], landscape: Callable | None, top: float
) -> None:
    ax.pcolormesh(*grid.edges, density.T, cmap=DENSITY_MAP, vmin=0.0, vmax=top, rasterized=True)
    contours(ax, box, landscape)
    ax.set(xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])


def histogram_map(
    ax: Axes, positions: np.ndarray, grid: Grid, box: Any, labels: Sequence[str], landscape: Callable | None, top: float
) -> None:
    """Simulated paths on cells coarse enough to hold some of them, to the scale of the density."""
    from matplotlib.colors import Normalize

    edges = [bin_edges(e, span, 48) for e, span in zip(grid.edges, box, strict=True)]
    inside = positions[np.isfinite(positions).all(axis=1)]
    counts = np.histogram2d(inside[:, 0], inside[:, 1], bins=edges)[0]
    area = np.diff(edges[0])[:, None] * np.diff(edges[1])
    values = counts / (len(positions) * area)
    ax.pcolormesh(*edges, values.T, cmap=DENSITY_MAP, norm=Normalize(0.0, top), rasterized=True)
    contours(ax, box, landscape)
    ax.set(xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])


def contours(ax: Axes, box: Any, landscape: Callable | None) -> None:
    if landscape is None:
        return
    lines = [np.linspace(low, high, 121) for low, high in box]
    values = np.asarray(landscape(*np.meshgrid(*lines, indexing="ij")))
    ax.contour(*lines, values.T, levels=contour_levels(values), colors="0.45", linewidths=0.6, linestyles="solid")


def contour_levels(values: np.ndarray, count: int = 14) -> np.ndarray:
    """Contour levels that lie closer together near the bottom of a landscape."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(np.quantile(finite, 0.98))
    return low + (max(high - low, 1e-300)) * np.linspace(0.0, 1.0, count + 1)[1:] ** 2


def arrows(ax: Axes, grid: Grid, density: np.ndarray, current: np.ndarray | None, box: Any, count: int = 15) -> None:
    """The current averaged over blocks of cells, the longest arrow one block long; none where there is no density."""
    if current is None:
        return
    ranges = []
    for centers, (low, high) in zip(grid.centers, box, strict=True):
        inside = np.flatnonzero((centers >= low) & (centers <= high))
        ranges.append(np.array_split(inside, min(count, inside.size)))
    spots, flows = [], []
    for rows in ranges[0]:
        for columns in ranges[1]:
            block = np.ix_(rows, columns)
            if density[block].mean() > 0.02 * density.max():
                spots.append((grid.centers[0][rows].mean(), grid.centers[1][columns].mean()))
                flows.append([component[block].mean() for component in current])
    if not spots:
        return
    sizes = np.array([(high - low) / count for low, high in box])
    flow = np.array(flows) / sizes  # in blocks, so that arrows point along the flow where the axes differ in scale
    longest = np.hypot(*flow.T).max()
    keep = np.hypot(*flow.T) > 0.07 * longest
    if longest <= 0.0 or not flows(density, current):
        return
    ends = flow[keep] / longest * sizes * 1.2
    x, y = np.array(spots)[keep].T
    options: Any = {"angles": "xy", "scale_units": "xy", "scale": 1.0, "color": COLORS[1], "width": 0.007}
    ax.quiver(x, y, *ends.T, pivot="mid", **options)


def current_at(sol: Solution, index: int) -> np.ndarray | None:
    return None if sol.generator is None and sol.saved_current is None else sol.current(index)


def flows(density: np.ndarray, current: np.ndarray) -> bool:
    """Whether a current is more than round-off."""
    return float(np.abs(current).max()) > 1e-11 * float(density.max())


def current_caption(density: np.ndarray, current: np.ndarray | None) -> str:
    if current is None or not flows(density, current):
        return "no current" if current is not None else ""
    return f"|J| up to {np.sqrt((current**2).sum(axis=0)).max():.2g}"


def curve(ax: Axes, grid: Grid, axis: int, density: np.ndarray, **style: Any) -> None:
    """A density as a line, or as steps where it fills few cells."""
    cells = int((density > 0.01 * density.max()).sum())
    if cells < 25:
        ax.step(grid.centers[axis], density, where="mid", **style)
    else:
        ax.plot(grid.centers[axis], density, **style)


def histogram(ax: Axes, positions: np.ndarray, edges: np.ndarray, span: tuple[float, float], label: str) -> None:
    bins = bin_edges(edges, span, 120)
    counts = np.histogram(positions[np.isfinite(positions)], bins=bins)[0]
    heights = counts / (positions.size * np.diff(bins))
    ax.stairs(heights, bins, fill=True, color="0.75", label=label)


def bin_edges(edges: np.ndarray, span: tuple[float, float], count: int) -> np.ndarray:
    """Every so many of the cell edges within a span, so that about `count` bins remain."""
    first, last = np.searchsorted(edges, span)
    first, last = max(int(first) - 1, 0), min(int(last) + 1, edges.size)
    inside = edges[first:last]
    return inside[:: max(1, (inside.size - 1) // count)]


def stretch(grid: Grid, axis: int, masses: np.ndarray) -> tuple[float, float]:
    """The stretch of an axis that holds all but 1e-4 of the probability on either side, at all times."""
    others = tuple(a + 1 for a in range(grid.dim) if a != axis)
    edges, low, high = grid.edges[axis], np.inf, -np.inf
    for line in masses.sum(axis=others):
        share = np.concatenate([[0.0], np.cumsum(line)]) / max(line.sum(), 1e-300)
        low = min(low, edges[max(int(np.searchsorted(share, 1e-4)) - 1, 0)])
        high = max(high, edges[min(int(np.searchsorted(share, 1.0 - 1e-4)), edges.size - 1)])
    margin = 0.04 * (high - low) + 2.0 * float(grid.widths[axis].max())
    return max(low - margin, float(edges[0])), min(high + margin, float(edges[-1]))


def new_figure(width: float, height: float, rows: int, columns: int, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of panels, each of the given size in inches, and the panels as a matrix."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return fig, fig.subplots(rows, columns, squeeze=False, **options)


def coordinate_names(grid: Grid, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return list(AXES[: grid.dim])
    if len(names) != grid.dim:
        raise bad_value("names", f"{grid.dim} names, one an axis", list(names))
    return list(names)


def spread_indices(count: int, most: int) -> list[int]:
    """At most so many indices, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def cividis(level: float) -> Any:
    import matplotlib as mpl

    return mpl.colormaps["cividis"](level)
