"""Figures of one distribution: a curve, a map with its marginals beside it, or the marginals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag
from ..errors import bad_type, bad_value
from .figure_style import DECADES, curve, density_map, new_figure, stretch, styled, within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .distribution import Distribution


@styled
def plot_distribution(d: Distribution, ax: Axes | None, log: bool) -> Figure:
    """See `Distribution.plot`."""
    flag("log", log)
    labels = d.grid.names
    if d.grid.dim == 2:
        if ax is not None:
            raise bad_value("ax", "None for a map, which takes three panels", ax, "Plot marginal(axis) on it.")
        return _map(d, log, labels)
    if ax is None:
        _, axes = new_figure(5.2, 3.4, 1, d.grid.dim)
        panels = list(axes[0])
    elif not hasattr(ax, "plot") or d.grid.dim > 1:
        raise bad_type("ax", "matplotlib Axes for one curve, or None", ax)
    else:
        panels = [ax]
    for axis, panel in enumerate(panels):
        one = d if d.grid.dim == 1 else d.marginal(axis)
        _curve(panel, one, log)
        panel.set(xlabel=labels[axis], ylabel=f"density of {labels[axis]}")
    return panels[0].figure


def _curve(ax: Axes, d: Distribution, log: bool) -> None:
    """The density, with a stem at each atom, over where the mass is."""
    curve(ax, d.grid, 0, d.density, color="C0")
    for x, mass in d.atoms.items():
        ax.axvline(x, color="0.4", linestyle=":", label=f"probability {mass:.3g} at {x:.3g}")
    if d.atoms:
        ax.legend()
    if d.masses.sum() > 0.0:
        ax.set_xlim(*stretch(d.grid, 0, d.masses[None]))
    low, high = ax.get_xlim()
    _scale(ax, d.density[within(d.grid.centers[0], (low, high))], log)


def _scale(ax: Axes, density: np.ndarray, log: bool) -> None:
    if log:
        top = float(density.max())
        seen = density[density > DECADES * top]
        ax.set_yscale("log")
        ax.set_ylim(0.5 * float(seen.min()), 2.0 * top)
    elif ax.get_yscale() == "linear":
        ax.set_ylim(0, None)


def _map(d: Distribution, log: bool, labels: Sequence[str]) -> Figure:
    """A map, with the marginal of the first axis above it and that of the second at its right."""
    fig, axes = new_figure(3.0, 2.7, 2, 2, width_ratios=[3, 1], height_ratios=[1, 3])
    main, above, beside = axes[1][0], axes[0][0], axes[1][1]
    axes[0][1].set_axis_off()
    box = [stretch(d.grid, axis, d.masses[None]) for axis in (0, 1)]
    shown: Any = d.density
    if log:
        shown = np.log10(np.maximum(d.density, DECADES * d.density.max()))
        shown = shown - shown.min()
    density_map(main, d.grid, shown, box, labels, None, float(shown.max()))
    first, second = d.marginal(0), d.marginal(1)
    curve(above, first.grid, 0, first.density, color="C0")
    beside.plot(second.density, second.grid.centers[0], color="C0")
    above.set(xlim=box[0], ylabel=f"density of {labels[0]}")
    beside.set(ylim=box[1], xlabel=f"density of {labels[1]}")
    for panel in (above, beside):
        panel.tick_params(labelbottom=panel is beside, labelleft=panel is above)
    if log:
        fig.suptitle(f"map: decades of the density above {DECADES:.0e} of the largest", fontsize=10)
        above.set_yscale("log")
        beside.set_xscale("log")
        above.set_ylim(DECADES * first.density.max(), 2.0 * first.density.max())
        beside.set_xlim(DECADES * second.density.max(), 2.0 * second.density.max())
    else:
        above.set_ylim(0, None)
        beside.set_xlim(0, None)
    return fig
