"""Figures of one distribution: a curve, a map with its marginals beside it, or the marginals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag
from ..figure_layout import COLORS, finished, new_figure, panels_of, styled
from .figure_style import DECADES, DENSITY_MAP, curve, stretch, with_atoms, within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .distribution import Distribution


@styled
def plot_distribution(d: Distribution, ax: Any, log: bool, title: str) -> Figure:
    """See `Distribution.plot`."""
    flag("log", log)
    labels = d.grid.names
    if d.grid.dim == 2:
        return _with_marginals(d, log, labels, title) if ax is None else _alone(d, log, labels, title, ax)
    panels = panels_of(ax, 5.2, 3.4, d.grid.dim)[0]
    for axis, panel in enumerate(panels):
        _curve(panel, d.marginal(axis), log)
        panel.set(xlabel=labels[axis], ylabel=f"density of {labels[axis]}")
    return finished(panels, title)


def _curve(ax: Axes, d: Distribution, log: bool) -> None:
    """The density, with a line at each atom, over where the mass is."""
    curve(ax, d.grid, 0, d.density, color=COLORS[0])
    span = stretch(d.grid, 0, d.masses[None]) if d.masses.sum() > 0.0 else (np.inf, -np.inf)
    if d.atoms:
        span = with_atoms(
            ax, d.atoms, *(span if np.isfinite(span).all() else (d.grid.edges[0][0], d.grid.edges[0][-1]))
        )
        for line, (x, mass) in zip(ax.lines[1:], d.atoms.items(), strict=True):
            line.set_label(f"probability {mass:.3g} at {x:.3g}")
    ax.set_xlim(*span)
    _scale(ax, d.density[within(d.grid.centers[0], span)], log)


def _scale(ax: Axes, density: np.ndarray, log: bool) -> None:
    top = float(density.max(initial=0.0))
    if log and top > 0.0:
        seen = density[density > DECADES * top]
        ax.set_yscale("log")
        ax.set_ylim(0.5 * float(seen.min()), 2.0 * top)
    elif ax.get_yscale() == "linear":
        ax.set_ylim(0, None)


def _map(ax: Axes, d: Distribution, log: bool, labels: Sequence[str]) -> tuple[Any, list[tuple[float, float]]]:
    """A map in the box that holds the mass, in shades of the density; with `log` down to `DECADES` of the largest."""
    from matplotlib.colors import LogNorm, Normalize

    box = [stretch(d.grid, axis, d.masses[None]) for axis in (0, 1)]
    top = float(d.density.max())
    seen = d.density[np.ix_(*(within(c, span) for c, span in zip(d.grid.centers, box, strict=True)))]
    low = max(float(seen.min()), DECADES * top)
    norm = LogNorm(low, top) if log and low < top else Normalize(0.0, top)
    shown = np.maximum(d.density, low) if log else d.density
    image = ax.pcolormesh(*d.grid.edges, shown.T, cmap=DENSITY_MAP, norm=norm, rasterized=True)
    ax.set(xscale="linear", yscale="linear", xlim=box[0], ylim=box[1], xlabel=labels[0], ylabel=labels[1])
    return image, box


def _alone(d: Distribution, log: bool, labels: Sequence[str], title: str, given: Any) -> Figure:
    panels = panels_of(given, 5.2, 3.4, 1)[0]
    image, _ = _map(panels[0], d, log, labels)
    fig = finished(panels, title)
    fig.colorbar(image, ax=panels[0], label="density")
    return fig


def _with_marginals(d: Distribution, log: bool, labels: Sequence[str], title: str) -> Figure:
    """A map, with the marginal of the first axis above it, that of the second at its right and its scale between these."""
    _, axes = new_figure(3.2, 2.9, 2, 2, width_ratios=[5, 2], height_ratios=[2, 5])
    main, above, corner, beside = axes[1][0], axes[0][0], axes[0][1], axes[1][1]
    image, box = _map(main, d, log, labels)
    corner.set_axis_off()
    fig = finished([main], title)
    fig.colorbar(image, cax=corner.inset_axes([0.0, 0.35, 1.0, 0.14]), orientation="horizontal", label="density")
    first, second = d.marginal(0), d.marginal(1)
    curve(above, first.grid, 0, first.density, color=COLORS[0])
    beside.plot(second.density, second.grid.centers[0], color=COLORS[0])
    above.set(xlim=box[0], ylabel=f"density of {labels[0]}")
    beside.set(ylim=box[1], xlabel=f"density of {labels[1]}")
    for panel in (above, beside):
        panel.tick_params(labelbottom=panel is beside, labelleft=panel is above)
    if log:
        _scale(above, first.density, True)
        beside.set_xscale("log")
        beside.set_xlim(*_ends(second.density))
    else:
        above.set_ylim(0, None)
        beside.set_xlim(0, None)
    return fig


def _ends(density: np.ndarray) -> tuple[float, float]:
    """Ends of a logarithmic axis for a density."""
    top = float(density.max())
    return 0.5 * float(density[density > DECADES * top].min()), 2.0 * top
