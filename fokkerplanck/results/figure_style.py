"""The parts that figures are made of: panels, maps, arrows, and what stretch of an axis to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import call, fields, flag, same_time
from ..errors import bad_value
from ..figure_layout import COLORS, LINES, line_style, wrapped
from ..model.grid import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .ensemble import Ensemble
    from .solution import Solution

CAPTION = 14.0  # letters of a caption an inch
LITTLE = 1e-12  # probability of an atom that is not said
DECADES = 1e-8  # of the largest density, below which a logarithmic scale ends
DENSITY_MAP = "Blues"


def density_map(
    ax: Axes, grid: Grid, density: np.ndarray, box: Any, labels: Sequence[str], landscape: Callable | None, top: float
) -> None:
    """A density as a map in shades up to `top`, with the lines of a landscape, in a box."""
    ax.pcolormesh(*grid.edges, density.T, cmap=DENSITY_MAP, vmin=0.0, vmax=top, rasterized=True)
    contours(ax, box, landscape)
    ax.set(xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])


def histogram_map(
    ax: Axes, positions: np.ndarray, grid: Grid, box: Any, labels: Sequence[str], landscape: Callable | None, top: float
) -> None:
    """Simulated paths on cells coarse enough to hold some of them, to the scale of the density."""
    from matplotlib.colors import Normalize

    inside = positions[np.isfinite(positions).all(axis=1)]
    edges = [bin_edges(e, span, bins_for(len(inside))) for e, span in zip(grid.edges, box, strict=True)]
    counts = np.histogram2d(inside[:, 0], inside[:, 1], bins=edges)[0]
    area = np.diff(edges[0])[:, None] * np.diff(edges[1])
    values = counts / (len(positions) * area)
    ax.pcolormesh(*edges, values.T, cmap=DENSITY_MAP, norm=Normalize(0.0, top), rasterized=True)
    contours(ax, box, landscape)
    ax.set(xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])


def map_caption(fig: Figure, scale: str, landscape: Callable | None) -> None:
    """What shade, contours and arrows of the maps mean, below them."""
    lines = "" if landscape is None else "; contours: landscape"
    drawn = any(type(part).__name__ == "Quiver" for ax in fig.axes for part in ax.collections)
    text = f"shade: density{scale}{lines}{'; arrows: current' if drawn else ''}"
    fig.supxlabel(wrapped(text, max(20.0, CAPTION * fig.get_figwidth())), fontsize=9)


def contours(ax: Axes, box: Any, landscape: Callable | None) -> None:
    """The lines of equal height of a landscape."""
    if landscape is None:
        return
    lines = [np.linspace(low, high, 121) for low, high in box]
    places = np.meshgrid(*lines, indexing="ij")
    values = fields("landscape", call("landscape", landscape, places), "a function that returns a field").astype(float)
    if values.shape != places[0].shape or not np.isfinite(values).any():
        raise bad_value("landscape", f"a function that returns a finite field of shape {places[0].shape} here", values)
    ax.contour(*lines, values.T, levels=contour_levels(values), colors="0.45", linewidths=0.6, linestyles="solid")


def contour_levels(values: np.ndarray, count: int = 11) -> np.ndarray:
    """Contour levels that lie closer together near the bottom of a landscape."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(np.quantile(finite, 0.98))
    return low + (max(high - low, 1e-300)) * np.linspace(0.0, 1.0, count + 1)[1:] ** 2


def arrows(ax: Axes, grid: Grid, density: np.ndarray, current: np.ndarray | None, count: int) -> None:
    """The current averaged over blocks of cells, `count` blocks an axis where the density is; the longest arrow is as
    long as one and a half blocks."""
    if current is None or not is_flowing(density, current):
        return
    dense = density > 0.05 * density.max()
    blocks = []
    for axis in (0, 1):
        inside = np.flatnonzero(dense.any(axis=1 - axis))
        cells = np.arange(inside[0], inside[-1] + 1)
        blocks.append(np.array_split(cells, min(count, cells.size)))
    spots, flows = [], []
    for rows in blocks[0]:
        for columns in blocks[1]:
            here = np.ix_(rows, columns)
            if density[here].mean() > 0.05 * density.max():
                spots.append((grid.centers[0][rows].mean(), grid.centers[1][columns].mean()))
                flows.append([component[here].mean() for component in current])
    sizes = np.array([np.ptp(grid.centers[axis][np.concatenate(blocks[axis])]) / count for axis in (0, 1)])
    flow = np.array(flows) / sizes  # in blocks, so that arrows point along the flow where the axes differ in scale
    length = np.hypot(*flow.T)
    keep = length > 0.1 * length.max()
    ends = 1.5 * flow[keep] / length.max() * sizes
    x, y = np.array(spots)[keep].T
    options: Any = {"angles": "xy", "scale_units": "xy", "scale": 1.0, "color": COLORS[1], "width": 0.008}
    options |= {"edgecolor": "white", "linewidth": 0.4}  # seen in grey too, where a shade is as dark as they are
    ax.quiver(x, y, *ends.T, pivot="mid", headwidth=3.2, headlength=3.5, headaxislength=3.2, **options)


def signed_lines(ax: Axes, centers: Sequence[np.ndarray], values: np.ndarray, top: float) -> None:
    """What tells the sign of a map in grey: lines at half its top, solid, at zero, dotted, and at minus half, dashed."""
    if np.nanmin(values) < 0.0 < np.nanmax(values):
        levels, lines = [-0.5 * top, 0.0, 0.5 * top], ["dashed", "dotted", "solid"]
        ax.contour(*centers, np.asarray(values).T, levels=levels, linestyles=lines, colors="0.3", linewidths=0.7)


def current_at(sol: Solution, index: int) -> np.ndarray | None:
    """The current at an output time, (dim, *grid.shape), or None where it is not known."""
    return None if sol.generator is None and sol.saved_current is None else sol.current(index)


def is_flowing(density: np.ndarray, current: np.ndarray) -> bool:
    """Whether a current is more than round-off."""
    return float(np.abs(current).max()) > 1e-11 * float(density.max())


def current_caption(density: np.ndarray, current: np.ndarray | None) -> str:
    """What a caption says of the current."""
    if current is None or not is_flowing(density, current):
        return "no current" if current is not None else ""
    return f"|J| up to {np.sqrt((current**2).sum(axis=0)).max():.2g}"


def curve(ax: Axes, grid: Grid, axis: int, density: np.ndarray, error: np.ndarray | None = None, **style: Any) -> None:
    """A density as a line, or as steps where it fills few cells, with its error if given."""
    step: Any = "mid" if int((density > 0.01 * density.max()).sum()) < 25 else None
    x = grid.centers[axis]
    if step:
        ax.step(x, density, where=step, **style)
    else:
        ax.plot(x, density, **style)
    if error is not None:
        band(ax, x, density, error, style["color"], step=step)


def band(ax: Axes, x: np.ndarray, values: np.ndarray, error: np.ndarray, color: Any, **style: Any) -> None:
    """A measured error around a curve, as a lighter stretch behind it; none where it is not known."""
    low, high = values - error, values + error
    ax.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0.0, zorder=0.5, **style)


def check_band(result: Any, error: Any) -> None:
    """Refuse a band that cannot be drawn: in more dimensions, or where no error was measured."""
    if not flag("error", error):
        return
    if result.grid.dim > 1:
        raise bad_value("error", "False in more than one dimension", error, "Read the errors in `result.error`.")
    if not result.error:
        raise bad_value("error", "False for a result without a measured error", error, result.error.note + ".")


def check_scale(grid: Grid, log: Any) -> None:
    """Refuse a logarithmic scale for maps."""
    if flag("log", log) and grid.dim == 2:
        raise bad_value("log", "False for a map over time", log, "See distribution().plot(log=True).")


def density_axis(ax: Axes, log: bool) -> None:
    """From zero, or logarithmic down to `DECADES` of the largest density that is seen."""
    if not log:
        ax.set_ylim(0.0, None)
        return
    heights = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])
    spans = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in ax.lines])
    top = float(heights.max())
    seen = heights[(heights > DECADES * top) & within(spans, ax.get_xlim())]
    ax.set_yscale("log")
    ax.set_ylim(0.5 * float(seen.min()), 2.0 * top)


def coarse_curve(ax: Axes, grid: Grid, axis: int, density: np.ndarray, bins: np.ndarray, **style: Any) -> None:
    """A density averaged over the bins of a histogram (a subset of the cell edges), so that the two can be compared."""
    below = np.concatenate([[0.0], np.cumsum(density * grid.widths[axis])])
    heights = np.diff(below[np.searchsorted(grid.edges[axis], bins)]) / np.diff(bins)
    ax.step(np.repeat(bins, 2)[1:-1], np.repeat(heights, 2), linewidth=1.4, **style)


def histogram(ax: Axes, positions: np.ndarray, bins: np.ndarray, label: str) -> None:
    """The paths as a filled histogram, normalised by all of them."""
    counts = np.histogram(positions[np.isfinite(positions)], bins=bins)[0]
    heights = counts / (positions.size * np.diff(bins))
    ax.stairs(heights, bins, fill=True, color="0.75", label=label)


def density_scale(axes: Sequence[Axes], n_paths: int | None) -> None:
    """One scale for all panels: from zero, or logarithmic where peaks would flatten everything else."""
    from matplotlib.ticker import NullLocator

    heights = [float(np.max(np.asarray(line.get_ydata()))) for ax in axes for line in ax.lines]
    spans = [np.asarray(line.get_xdata()) for ax in axes for line in ax.lines]
    if max(heights) < 12.0 * min(heights) and max(heights) * np.ptp(spans[0]) < 25.0:
        axes[0].set_ylim(0.0, None)
        return
    width = float(np.diff(spans[0]).max())
    bottom = max(heights) * 1e-5 if n_paths is None else 0.5 / (n_paths * width)
    axes[0].set_yscale("log")
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].set_ylim(max(bottom, max(heights) * 1e-6), 3.0 * max(heights))


def held(atoms: Mapping[float, Any]) -> str:
    """The probabilities that atoms hold, for a legend."""
    some = [f"{float(np.sum(mass)):.3g} at {at:.3g}" for at, mass in atoms.items() if np.sum(mass) > LITTLE]
    return f" ({', '.join(some)})" if some else ""


def with_atoms(ax: Axes, atoms: Mapping[float, Any], low: float, high: float) -> tuple[float, float]:
    """A dotted line at each atom, and the stretch that holds them too."""
    seen = [at for at, mass in atoms.items() if np.max(mass) > LITTLE]
    for at in seen:
        ax.axvline(at, color="0.4", linestyle=":")
    margin = 0.02 * (max([high, *seen]) - min([low, *seen]))
    return min([low, *(at - margin for at in seen)]), max([high, *(at + margin for at in seen)])


def shade_of(k: int, count: int) -> Any:
    """The colour of the k-th of some curves in time: the last is darkest, and none so light that grey print loses it."""
    return cividis(0.7 * (count - 1 - k) / max(count - 1, 1))


def standard_error_scale(ax: Axes) -> None:
    """Linear while all is within ten standard errors, else logarithmic on both sides of the three that are expected."""
    from matplotlib.ticker import FixedLocator, NullLocator

    values = np.concatenate([np.asarray(line.get_ydata()) for line in ax.lines])
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if largest < 10.0:
        ax.set_ylim(-max(5.0, 1.2 * largest), max(5.0, 1.2 * largest))
        return
    ax.set_yscale("symlog", linthresh=3.0, linscale=0.5)
    powers = [10.0**k for k in range(1, int(np.log10(largest)) + 2)]
    ticks = [3.0, *powers, *(3.0 * p for p in powers)] if largest < 300.0 else powers[:: -(-len(powers) // 5)]
    ax.yaxis.set_major_locator(FixedLocator([*(-p for p in ticks), 0.0, *ticks]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")


def deviation_error(ensemble: Ensemble) -> np.ndarray:
    """Standard error of the standard deviation, (n_times, dim), from the fourth moment: not for Gaussians only."""
    result = np.empty((ensemble.times.size, ensemble.dim))
    for row, positions in zip(result, ensemble.positions, strict=True):
        finite = positions[np.isfinite(positions).all(axis=1)]
        squares = (finite - finite.mean(axis=0)) ** 2
        spread = np.sqrt(squares.var(axis=0) / max(len(finite), 1))
        variance = squares.mean(axis=0)
        row[...] = 0.5 * spread / np.sqrt(np.where(variance > 0.0, variance, np.inf))
    return result


def bins_for(n_paths: int) -> int:
    """Bins along each axis of a map of so many paths: about eight paths in each that is filled, at most 64 bins."""
    return int(np.clip(np.sqrt(n_paths / 2.0), 10, 64))


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


def spread_indices(count: int, most: int) -> list[int]:
    """At most so many indices, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def cividis(level: float) -> Any:
    """A colour of the map cividis, from its level in [0, 1]."""
    import matplotlib as mpl

    return mpl.colormaps["cividis"](level)


def noise_scale(ax: Axes, box: Any) -> None:
    """A logarithmic axis where the noise spans more than a decade, over at most eight of them."""
    seen = [np.asarray(line.get_ydata())[within(np.asarray(line.get_xdata()), box[0])] for line in ax.lines]
    values = np.concatenate(seen)
    values = values[np.isfinite(values)]
    if values.size and values.max() > 10.0 * values.min():
        ax.set_yscale("log")
        ax.set_ylim(max(values.min() / 3.0, values.max() * 1e-8), values.max() * 3.0)


def within(x: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Which of x lie in a span, its ends included."""
    return (x >= span[0]) & (x <= span[1])


def moment_style(model: int, axis: int, dim: int) -> dict[str, Any]:
    """A colour a coordinate, or in one dimension a colour a model; a line style of its own for each."""
    if dim == 1:
        return line_style(model)
    return {"color": COLORS[axis], "linestyle": LINES[(model * dim + axis) % 5]}


def simulated_moments(
    panels: Any, solutions: Mapping[str, Solution], ensemble: Ensemble, labels: Sequence[str]
) -> None:
    """Points with three standard errors, and below how far each density is away, in standard errors."""
    mean, error = ensemble.mean(), ensemble.standard_error()
    covariance = ensemble.covariance()
    spread = deviation_error(ensemble)
    for axis in range(len(labels)):
        deviation = np.sqrt(covariance[:, axis, axis])
        points: Any = {
            "color": COLORS[axis] if len(labels) > 1 else "black",
            "fmt": "os^"[axis],
            "markersize": 4,
            "markerfacecolor": "white",
        }
        points["label"] = f"{ensemble.label}, {labels[axis]}" if len(labels) > 1 else ensemble.label
        panels[0].errorbar(ensemble.times, mean[:, axis], 3.0 * error[:, axis], **points)
        panels[1].errorbar(ensemble.times, deviation, 3.0 * spread[:, axis], **points)
    for k, sol in enumerate(solutions.values()):
        here = [i for i, t in enumerate(sol.times) if same_time(ensemble.times, t).any()]
        there = [int(np.argmin(np.abs(ensemble.times - sol.times[i]))) for i in here]
        for axis in range(len(labels)):
            scale = np.maximum(error[there, axis], 1e-300)
            apart = (sol.mean()[here, axis] - mean[there, axis]) / scale
            style: Any = {**moment_style(k, axis, len(labels)), "marker": "os^"[axis], "markersize": 4}
            panels[2].plot(sol.times[here], np.where(error[there, axis] > 0.0, apart, np.nan), **style)
    panels[2].axhspan(-3.0, 3.0, color="0.9", zorder=0)
    standard_error_scale(panels[2])
    panels[2].set_ylabel(f"mean minus {ensemble.label}\n(standard errors)")
