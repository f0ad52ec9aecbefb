"""Figures: matplotlib Figure objects, made without pyplot, so that nothing global changes and no display is needed.

Lines differ in style as well as in colour, maps grow darker with density: all of it survives grey printing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, increasing
from ..errors import bad_type, bad_value
from ..figure_layout import LINES, finished, line_style, new_figure, panels_of, styled
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..storage.files import write_atomically
from .figure_style import (
    arrows,
    band,
    bin_edges,
    check_band,
    check_scale,
    coarse_curve,
    contour_levels,
    current_at,
    current_caption,
    curve,
    density_axis,
    density_map,
    density_scale,
    held,
    histogram,
    histogram_map,
    map_caption,
    moment_style,
    noise_scale,
    shade_of,
    simulated_moments,
    spread_indices,
    stretch,
    with_atoms,
)

HIDDEN = 0.05  # of the highest curve: what is lower is hardly seen on a linear scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .ensemble import Ensemble
    from .solution import Solution
    from .stationary import Stationary


@styled
def plot_solution(
    sol: Solution,
    times: Sequence[float] | None = None,
    error: bool = False,
    *,
    log: bool = False,
    ax: Axes | None = None,
    landscape: Callable | None = None,
    title: str = "",
) -> Figure:
    """The density over time: curves in 1D, a row of maps with the current in 2D, curves of the marginals in 3D.

    Parameters: those of `Solution.plot`.
    """
    check_band(sol, error)
    check_scale(sol.grid, log)
    if times is None:
        picked = spread_indices(sol.times.size, 5)
    else:
        picked = [sol.index(t, "times") for t in increasing("times", times)]
    labels = sol.grid.names
    if sol.grid.dim == 2:
        return _maps({"density": sol}, None, picked, labels, landscape, title, ax)
    panels = panels_of(ax, 5.5, 3.7, sol.grid.dim)[0]
    for axis, panel in enumerate(panels):
        low, high = stretch(sol.grid, axis, sol.masses[picked])
        for k, i in enumerate(picked):
            style: Any = {"color": shade_of(k, len(picked)), "linestyle": LINES[k % len(LINES)]}
            label = f"t = {sol.times[i]:g}" + held({at: mass[i] for at, mass in sol.atoms.items()})
            density = sol.densities_along(axis)[i]
            around = sol.error.in_cells("density", i) if error else None
            curve(panel, sol.grid, axis, density, around, label=label, **style)
        low, high = with_atoms(panel, sol.atoms, low, high)
        panel.set(xlim=(low, high), xlabel=labels[axis], ylabel=f"density of {labels[axis]}")
        density_axis(panel, log)
    peaks = [sol.densities_along(axis)[picked].max(axis=1) for axis in range(sol.grid.dim)]
    hidden = not log and any(0.0 < peak.min() < HIDDEN * peak.max() for peak in peaks)
    notes = ["shaded: measured error"] * error + ["low curves are seen with log=True"] * hidden
    return finished(panels, title, about="; ".join(notes) or None)


@styled
def plot_stationary(
    st: Stationary | Mapping[str, Stationary],
    *,
    landscape: Callable | None = None,
    ensemble: Ensemble | None = None,
    title: str = "",
    error: bool = False,
    log: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """The stationary density, in 2D with the current that flows in it.

    Parameters: those of `Stationary.plot`; of a mapping from label to densities on one grid, several are drawn over each other
    in 1D, side by side in 2D.
    """
    several = st if isinstance(st, Mapping) else {"": st}
    for one in several.values():
        check_band(one, error)
    first = next(iter(several.values()))
    labels, grid = first.grid.names, first.grid
    check_scale(grid, log)
    if ensemble is not None and getattr(ensemble, "dim", None) != grid.dim:
        raise bad_type("ensemble", f"an Ensemble in {grid.dim} dimension(s), or None", ensemble)
    if grid.dim == 2:
        return _stationary_maps(several, ensemble, labels, landscape, title, ax)
    panels = panels_of(ax, 5.5, 3.7, grid.dim)[0]
    for axis, panel in enumerate(panels):
        _stationary_curves(panel, several, axis, ensemble, error)
        panel.set(xlabel=labels[axis], ylabel=f"stationary density of {labels[axis]}")
        density_axis(panel, log)
    return finished(panels, title, about="shaded: measured error" if error else None)


def _stationary_maps(
    several: Mapping[str, Any],
    ensemble: Ensemble | None,
    labels: Sequence[str],
    landscape: Callable | None,
    title: str,
    given: Any,
) -> Figure:
    """Maps side by side, to the scale of the first, and last the histogram of the paths."""
    first = next(iter(several.values()))
    grid, top = first.grid, float(first.density.max())
    axes = panels_of(given, 4.4, 3.9, len(several) + (ensemble is not None))
    box = [stretch(grid, axis, np.stack([st.masses for st in several.values()])) for axis in (0, 1)]
    for ax, (label, st) in zip(axes[0], several.items(), strict=False):
        flow = getattr(st, "current", None)
        density_map(ax, grid, st.density, box, labels, landscape, top)
        arrows(ax, grid, st.density, flow, 9)
        above = f"{label}, stationary density" if label else "stationary density"
        ax.set_title(f"{above}\n{current_caption(st.density, flow)}")
    if ensemble is not None:
        histogram_map(axes[0][-1], ensemble.positions[-1], grid, box, labels, landscape, top)
        axes[0][-1].set_title(f"{_last(ensemble)}\n")
    fig = finished(axes[0], title if given is None else "")
    fig.colorbar(axes[0][0].collections[0], ax=axes[0][-1], label="density")
    if given is None:
        map_caption(fig, "", landscape)
    return fig


def _last(ensemble: Ensemble) -> str:
    unit = "SGD after {:g} steps" if ensemble.label == "SGD" else "simulation at t = {:g}"
    return unit.format(ensemble.times[-1])


def _stationary_curves(ax: Axes, several: Mapping[str, Any], axis: int, ensemble: Ensemble | None, error: bool) -> None:
    """The densities along one axis, at least sixty cells of it, over the histogram of the paths if most are there."""
    grid = next(iter(several.values())).grid
    low, high = stretch(grid, axis, np.stack([st.masses for st in several.values()]))
    least, edges = 30.0 * float(grid.widths[axis].max()), grid.edges[axis]
    center = 0.5 * (low + high)
    low, high = max(min(low, center - least), edges[0]), min(max(high, center + least), edges[-1])
    if ensemble is not None:
        last = ensemble.positions[-1, :, axis]
        if ((last > low) & (last < high)).mean() > 0.5:
            histogram(ax, last, bin_edges(grid.edges[axis], (low, high), 110), _last(ensemble))
    for k, (name, st) in enumerate(several.items()):
        density = st.densities_along(axis)
        few = 0 < int((density > 0.01 * density.max()).sum()) <= 3
        label = (name or "stationary density") + held(st.atoms)
        style: Any = line_style(k)
        around = st.error.in_cells("density") if error else None
        curve(ax, grid, axis, density, around, label=label + (" (a point mass)" if few else ""), **style)
        low, high = with_atoms(ax, st.atoms, low, high)
    ax.set(xlim=(low, high), ylim=(0, None))


@styled
def plot_landscape(
    value: Callable | None,
    equations: Mapping[str, FokkerPlanck],
    grid: Grid,
    *,
    box: Sequence[tuple[float, float]] | None = None,
    unit: str = "time",
) -> Figure:
    """The landscape and the strength of its noise.

    Parameters
    ----------
    value : callable f(x) or f(x, y), or None
        The loss or the potential. None: the drift is shown instead.
    equations : mapping from label to FokkerPlanck
        Whose noise is shown: all of them in 1D, the first in 2D.
    grid : Grid
    box : sequence of (low, high), optional
        What to show. Default: the whole grid.
    unit : str
        What a unit of time is called: "step" for SGD.
    """
    named = next((eq.names for eq in equations.values() if eq.names is not None), None)
    labels = grid.names if named is None else named
    box = [(e[0], e[-1]) for e in grid.edges] if box is None else list(box)
    if grid.dim == 2:
        return _landscape_map(value, equations, grid, labels, box, unit)
    if grid.dim == 3:
        raise bad_value("grid", "of one or two dimensions for a picture of the landscape", grid)
    fig, axes = new_figure(6.0, 2.3, 2, 1, sharex=True)
    points = Points.centers(grid)
    if value is not None:
        axes[0][0].plot(grid.centers[0], value(*grid.centers), color="black")
        axes[0][0].set_ylabel(_word(unit))
    for k, (label, eq) in enumerate(equations.items()):
        style: Any = {**line_style(k), "label": label}
        if value is None:
            axes[0][0].plot(grid.centers[0], eq.drift_at(points)[0], **style)
            axes[0][0].set_ylabel(f"drift per {unit}")
        noise = eq.diffusion_at(points)
        noise = noise.reshape(-1, *grid.shape)[0]
        axes[1][0].plot(grid.centers[0], np.where(noise > 0.0, noise, np.nan), **style)
    noise_scale(axes[1][0], box)
    axes[1][0].set(xlim=box[0], xlabel=labels[0], ylabel=f"noise D per {unit}")
    return finished(axes[:, 0].tolist()) if len(equations) > 1 else fig


@styled
def plot_evolution(
    sol: Solution | Mapping[str, Solution],
    ensemble: Ensemble | None = None,
    *,
    landscape: Callable | None = None,
    title: str = "",
) -> Figure:
    """The density beside simulated paths at each of their common times.

    Parameters
    ----------
    sol : Solution, or a mapping from label to solutions on one grid at the same times
        Several are drawn over each other in 1D, as rows in 2D.
    ensemble : Ensemble, optional
    landscape : callable f(x, y), optional
        Drawn as contours in 2D.
    title : str
    """
    several = sol if isinstance(sol, Mapping) else {"solution": sol}
    first = next(iter(several.values()))
    labels, grid = first.grid.names, first.grid
    picked = spread_indices(first.times.size, 6 if grid.dim == 1 else 5)
    if grid.dim == 2:
        return _maps(several, ensemble, picked, labels, landscape, title, None)
    columns = len(picked) if grid.dim == 3 or len(picked) < 3 else 2 if len(picked) == 4 else 3
    rows = 3 if grid.dim == 3 else -(-len(picked) // columns)
    axes = new_figure(3.1, 2.3, rows, columns, sharey=True)[1]
    panels = [(i, axis) for axis in range(grid.dim) for i in picked]
    for ax, (i, axis) in zip(axes.ravel(), panels, strict=False):
        span = stretch(grid, axis, np.concatenate([one.masses[picked] for one in several.values()]))
        bins = bin_edges(grid.edges[axis], span, 110)
        if ensemble is not None:
            histogram(ax, ensemble.at(first.times[i])[:, axis], bins, ensemble.label)
        for k, (name, one) in enumerate(several.items()):
            style: Any = {**line_style(k), "label": name}
            coarse_curve(ax, grid, axis, one.densities_along(axis)[i], bins, **style)
        ax.set(xlim=span, title=f"t = {first.times[i]:g}", xlabel=labels[axis])
    density_scale(list(axes.ravel()[: len(panels)]), None if ensemble is None else ensemble.n_paths)
    for ax in axes.ravel()[len(panels) :]:
        ax.set_visible(False)
    for row, label in zip(axes, labels if grid.dim == 3 else labels * rows, strict=True):
        row[0].set_ylabel(f"density of {label}")
    return finished([axes[0][0]], title)


@styled
def plot_moments(
    solutions: Mapping[str, Solution],
    ensemble: Ensemble | None = None,
    title: str = "",
    error: bool = False,
) -> Figure:
    """Mean and deviation over time, with the distance to simulated paths in standard errors.

    Parameters
    ----------
    solutions : mapping from label to Solution
    ensemble : Ensemble, optional
        Drawn as points with error bars of three standard errors.
    title : str
    error : bool
        Whether to show the measured errors of the solutions around their curves.
    """
    from matplotlib.ticker import NullLocator

    flag("error", error)

    first = next(iter(solutions.values()))
    labels = first.grid.names
    axes = new_figure(6.4, 2.3, 2 if ensemble is None else 3, 1, sharex=True)[1]
    panels = axes[:, 0]
    for k, (name, sol) in enumerate(solutions.items()):
        for axis, coordinate in enumerate(labels):
            label = f"{name}, {coordinate}" if len(labels) > 1 else name
            style: Any = {**moment_style(k, axis, len(labels)), "label": label}
            deviation = np.sqrt(np.maximum(sol.covariance()[:, axis, axis], 0.0))
            panels[0].plot(sol.times, sol.mean()[:, axis], **style)
            panels[1].plot(sol.times, deviation, **style)
            if error and sol.error:
                of_mean, of_variance = sol.error["mean"][:, axis], sol.error["covariance"][:, axis, axis]
                of_deviation = 0.5 * of_variance / np.maximum(deviation, 1e-300)
                band(panels[0], sol.times, sol.mean()[:, axis], of_mean, style["color"])
                band(panels[1], sol.times, deviation, of_deviation, style["color"])
    if ensemble is not None:
        simulated_moments(panels, solutions, ensemble, labels)
    late = first.times[first.times > 0]
    if late.size and late[-1] > 30 * late[0]:
        panels[0].set_xscale("log")
        panels[0].xaxis.set_minor_locator(NullLocator())
    panels[0].set_ylabel("mean")
    panels[1].set(ylabel="deviation", ylim=(0, None))
    panels[-1].set_xlabel("time (steps)" if ensemble is not None and ensemble.label == "SGD" else "time")
    return finished([panels[0]], title)


def save_figure(fig: Figure, path: str | os.PathLike) -> None:
    """Write a figure to a file, at once or not at all; the format follows the name."""
    write_atomically(path, fig.savefig)


def window(grid: Grid, masses: np.ndarray, margin: float = 0.0) -> list[tuple[float, float]]:
    """The box that holds nearly all probability at all times, and a margin in units of its size, inside the grid.

    Parameters
    ----------
    grid : Grid
    masses : array (n_times, *grid.shape)
    margin : float
    """
    box = []
    for axis, edges in enumerate(grid.edges):
        low, high = stretch(grid, axis, masses)
        more = margin * (high - low)
        box.append((max(low - more, float(edges[0])), min(high + more, float(edges[-1]))))
    return box


def _maps(
    several: Mapping[str, Solution],
    ensemble: Ensemble | None,
    picked: list[int],
    labels: Sequence[str],
    landscape: Callable | None,
    title: str,
    given: Any,
) -> Figure:
    """Rows of density maps with contours and current, to the scale of the first, above the histograms of the paths."""
    first, rows = next(iter(several.values())), [*several, *(() if ensemble is None else (ensemble.label,))]
    axes = panels_of(given, 2.9, 2.7, len(picked), len(rows), sharex=True, sharey=True)
    box = [stretch(first.grid, axis, np.concatenate([s.masses[picked] for s in several.values()])) for axis in (0, 1)]
    for column, i in enumerate(picked):
        top = float(first.density[i].max())
        for ax, sol in zip(axes[:, column], several.values(), strict=False):
            density, flow = sol.density[i], current_at(sol, i)
            density_map(ax, sol.grid, density, box, labels, landscape, top)
            arrows(ax, sol.grid, density, flow, 5)
            above = f"t = {sol.times[i]:g}\n" if ax is axes[0][column] else ""
            ax.set_title(above + current_caption(density, flow))
        if ensemble is not None:
            histogram_map(axes[-1][column], ensemble.at(first.times[i]), first.grid, box, labels, landscape, top)
    if given is not None:
        return finished(axes[0])
    for ax in axes.ravel():
        ax.label_outer()
    if len(rows) > 1:
        for row, text in zip(axes, rows, strict=True):
            row[0].set_ylabel(f"{text}\n{labels[1]}")
    fig = finished(axes[0], title)
    map_caption(fig, ", each column from 0 to the largest of its top map" if len(picked) > 1 else "", landscape)
    return fig


def _word(unit: str) -> str:
    """What a landscape is called."""
    return "loss" if unit == "step" else "potential"


def _landscape_map(
    value: Callable | None,
    equations: Mapping[str, FokkerPlanck],
    grid: Grid,
    labels: Sequence[str],
    box: Any,
    unit: str,
) -> Figure:
    """Contours of the landscape (or arrows of the drift) over the strength of the noise, sqrt(trace D)."""
    label, eq = next(iter(equations.items()))
    fig, axes = new_figure(5.4, 4.3, 1, 1)
    ax, points = axes[0][0], Points.centers(grid)
    noise = eq.diffusion_at(points)
    trace = noise.sum(axis=0) if noise.ndim == 3 else np.einsum("ii...", noise)
    inside = np.ix_(*[(c >= low) & (c <= high) for c, (low, high) in zip(grid.centers, box, strict=True)])
    strength = np.sqrt(trace)
    image = ax.pcolormesh(
        *grid.edges, strength.T, vmin=strength[inside].min(), vmax=strength[inside].max(), rasterized=True
    )
    fig.colorbar(image, ax=ax, label=rf"noise $\sqrt{{\mathrm{{tr}}\,D}}$ ({f'{label}, ' if label else ''}per {unit})")
    if value is not None:
        lines = [np.linspace(low, high, 201) for low, high in box]
        values = np.asarray(value(*np.meshgrid(*lines, indexing="ij")))
        heights = contour_levels(values)
        drawn = ax.contour(*lines, values.T, levels=heights, colors="white", linewidths=0.9)
        ax.clabel(drawn, levels=heights[1::3], fontsize=8, fmt="%.3g")
        ax.set_title(f"contours: {_word(unit)}")
    else:
        drift = eq.drift_at(points)
        arrows(ax, grid, np.ones(grid.shape), drift, 14)
        ax.set_title("arrows: drift")
    ax.set(xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])
    return fig
