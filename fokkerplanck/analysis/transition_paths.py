"""Paths from one set to another in the stationary state: how often, how long, and along which ways."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import flag, takes_time
from ..errors import bad_value
from ..figure_layout import styled
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.region import read_region
from ..passages import OnCoarser
from ..queries import autonomous
from ..results.field_figures import plot_field
from ..results.figure_style import DENSITY_MAP, arrows
from ..results.html import with_field
from ..solvers.accuracy.coarsening import as_function
from ..solvers.accuracy.estimates import Errors
from ..solvers.discretization.generator import Exit, Generator, half_widths
from ..solvers.discretization.levy_jumps import Jumps
from ..solvers.linear.absorption import Absorber, Region
from ..solvers.linear.first_passage import solve_backward
from ..storage.tables import Tabled, by_cell
from .stationary_state import State, state_of, with_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ARROWS = 12  # an axis


@dataclass(frozen=True, eq=False, repr=False)
class TransitionPaths(Tabled):
    """The pieces of stationary paths that leave a source for the last time before they enter a target.

    Attributes
    ----------
    grid : Grid
    density : ndarray (*grid.shape)
        p q- q+: where a path is while it is on its way. Its integral is `probability`.
    current : ndarray (dim, *grid.shape)
        The reactive current, net probability per time: what flows out of the source and into the target is `rate`.
    rate : float
        Transitions per time.
    probability : float
        Share of the time in which a path is on its way.
    mean_duration : float
        `probability` / `rate`: how long a transition takes.
    rate_constant : float
        `rate` over the share of the time in which the source was visited last: transitions per time spent on its side.
    forward, backward : ndarray (*grid.shape)
        The committors: probability q+ to reach the target before the source, and q- to come from the source rather than the
        target.
    fixed : ndarray of bool (*grid.shape)
        Cells of the source and the target.
    error : Errors
        "rate", "rate_constant", "probability" and "mean_duration", and "density" (its 1-norm), from two coarser grids.
    """

    grid: Grid
    density: np.ndarray
    current: np.ndarray
    rate: float
    probability: float
    mean_duration: float
    rate_constant: float
    forward: np.ndarray
    backward: np.ndarray
    fixed: np.ndarray
    error: Errors = field(default_factory=Errors.unknown)

    @styled
    def plot(self, ax: Axes | None = None, log: bool = False, *, title: str = "") -> Figure:
        """A figure of the density of transition paths, on `ax` if given; in 2D a map with arrows of the reactive current.

        With `log` on a logarithmic scale.
        """
        what, regions = "density of transition paths", "source and target"
        looks: Any = {"region": regions, "title": title, "shades": DENSITY_MAP}
        figure = plot_field(self.grid, self.density, self.fixed, what, ax, log, **looks)
        if self.grid.dim == 2:
            arrows(figure.axes[0] if ax is None else ax, self.grid, self.density, self.current, ARROWS)
        return figure

    def _columns(self) -> dict[str, np.ndarray]:
        flows = {f"current_{name}": flow for name, flow in zip(self.grid.names, self.current, strict=True)}
        committors = {"forward": self.forward, "backward": self.backward}
        return by_cell(self.grid, {"density": self.density} | flows | committors)

    def _repr_html_(self) -> str:
        """The text, with a picture of the density."""
        return with_field(repr(self), self.grid, self.density, DENSITY_MAP)

    def __repr__(self) -> str:
        rates = f"{self.rate:.6g}, {self.rate_constant:.6g} per time on the side of the source"
        return (
            f"TransitionPaths on {self.grid!r}\n  rate       {rates}\n  duration   {self.mean_duration:.6g}\n"
            f"  grid       {self.error.note}"
        )


def transition_paths(eq: FokkerPlanck, grid: Grid, source: Any, target: Any, *, error: bool = True) -> TransitionPaths:
    """Transition paths between two sets: their density, current, rate and duration.

    Parameters
    ----------
    eq : FokkerPlanck
        With one stationary density; without time dependence, interaction and memory. With jumps on a line.
    grid : Grid
        Without absorbing walls.
    source, target : boolean array on the grid or callable
        Regions apart from each other, as for `committor`.
    error : bool
        Whether to measure the error on two coarser grids.

    Returns
    -------
    TransitionPaths

    Notes
    -----
    With stationary masses P and rates Q_ij of jumps from cell i to cell j, the reactive flux on a link is P_i q-_i Q_ij q+_j -
    P_j q-_j Q_ji q+_i, where q+ is the committor and q- that of the process backward in time, whose rates are P_j Q_ji / P_i
    (E and Vanden-Eijnden 2006; Metzner, Schuette and Vanden-Eijnden 2006, 2009). Detailed balance is not assumed. The edges of
    the regions lie where they are, also between the cell centers; jumps end in a region where they end in a cell whose center
    lies in it. A jump from the source into the target is a transition that takes no time, and the current counts jumps across
    each place. In a plane, and through a periodic wall, jumps have no path that a current could follow.
    """
    flag("error", error)
    grid = autonomous(eq, grid, "stationary")
    if eq.time_order < 1.0:
        raise bad_value("eq", "without memory here", eq, "Simulate the paths instead: fp.simulate.")
    if eq.jumps is not None and (grid.dim > 1 or grid.periodic(0)):
        then = "Jumps have no path there that a current could follow: simulate them, fp.simulate."
        raise bad_value("grid", "a line between walls for transition paths with jumps", grid, then)
    for name, region in (("source", source), ("target", target)):
        if callable(region) and takes_time(region):
            raise bad_value(name, "independent of time here", region, "Transitions are those of a stationary state.")
    regions = {"source": read_region("source", source, grid), "target": read_region("target", target, grid)}
    state = state_of(eq, grid)
    result = _transitions(state, list(regions.values()))
    if not error:
        return result
    functions = {name: inside or as_function(mask, grid) for name, (mask, inside) in regions.items()}
    coarser = OnCoarser()

    def ask(there: State) -> TransitionPaths:
        with coarser.read():
            found = [read_region(name, f, there.grid) for name, f in functions.items()]
        return _transitions(there, found)

    names = ("rate", "rate_constant", "probability", "mean_duration")
    result = with_errors(result, state, ask, eq, names, densities=("density",))
    coarser.judge(grid)
    return result


def _transitions(state: State, regions: list[Region]) -> TransitionPaths:
    q, grid, p = state.q, state.grid, state.masses
    source, target = (mask.ravel() for mask, _ in regions)
    _check(q, source, target)
    cut = Absorber(grid, regions)
    killed, into = cut.killed(q)
    ends = _ends(q, p, cut)
    outside = ~(source | target)
    forward = np.minimum(solve_backward(killed, outside, into[1]) + target, 1.0)
    if q.jumps is None:
        returning, out_of = _reversed(killed, p, ends)
        backward = np.minimum(solve_backward(returning, outside, out_of[0]) + source, 1.0)
    else:
        backward = np.minimum(_from_source(killed, q.jumps, p, ends, source, outside) + source, 1.0)
    rate, on_way = float(into[1] @ (p * backward)), p * backward * forward
    current = _current(killed, p, backward, forward, ends)
    if q.jumps is not None:
        rate += float(q.jumps.into(target)[source] @ p[source])
        current = current + _by_jumps(q.jumps, p * backward, forward)
    if not rate > 0.0:
        raise bad_value(
            "target", "reached from `source` in double precision", f"a rate of {rate:g}", "Bring them closer."
        )
    return TransitionPaths(
        grid,
        on_way.reshape(grid.shape) / grid.volumes,
        current,
        rate,
        float(on_way.sum()),
        float(on_way.sum()) / rate,
        rate / float(p @ backward),
        forward.reshape(grid.shape),
        backward.reshape(grid.shape),
        ~outside.reshape(grid.shape),
    )


def _check(q: Generator, source: np.ndarray, target: np.ndarray) -> None:
    if q.exits:
        then = "Where paths end there is no stationary state: ask fp.committor and fp.first_passage."
        raise bad_value("eq", "without ways out and killing for transition paths", ", ".join(q.ways_out), then)
    if (source & target).any():
        raise bad_value("source", "disjoint from `target`", f"{int((source & target).sum())} cells in both")
    for link in q.links:
        beside = (source[link.lower] & target[link.upper]) | (target[link.lower] & source[link.upper])
        if beside.any():
            then = "Between sets that touch paths cross infinitely often: move them apart, or refine the grid."
            raise bad_value("source", "apart from `target`, with cell centers between them", "neighbouring cells", then)


class _End(NamedTuple):
    """Links cut at the edge of regions: rates `inward` (n_cut,), and `outward`, those of the process backward in time."""

    offset: tuple[int, ...]  # from the cells towards the region
    cells: np.ndarray
    region: np.ndarray
    inward: np.ndarray
    outward: np.ndarray


def _ends(q: Generator, p: np.ndarray, absorber: Absorber) -> list[_End]:
    """What leaves a region through a link is what enters it less the stationary flux."""
    flux, result = q.flux(p), []
    for cut in absorber.cuts(q):
        sign = 1 if cut.upward else -1
        outward = cut.rates - _over(sign * flux[cut.family][cut.chosen], p[cut.cells])
        offset = tuple(sign * o for o in q.links[cut.family].offset)
        result.append(_End(offset, cut.cells, cut.region, cut.rates, np.maximum(outward, 0.0)))
    return result


def _reversed(killed: Generator, p: np.ndarray, ends: list[_End]) -> tuple[Generator, np.ndarray]:
    """The process backward in time, killed on both regions, with its rates from each cell into each of them, (2, n)."""
    links = [
        link._replace(
            forward=_over(link.backward * p[link.upper], p[link.lower]),
            backward=_over(link.forward * p[link.lower], p[link.upper]),
        )
        for link in killed.links
    ]
    into = np.zeros((2, p.size))
    for end in ends:
        np.add.at(into, (end.region, end.cells), end.outward)
    exits = [Exit(-1, 0, end.cells, end.outward) for end in ends]
    return replace(killed, links=tuple(links), exits=tuple(exits)), into


def _from_source(
    killed: Generator, jumps: Jumps, p: np.ndarray, ends: list[_End], source: np.ndarray, outside: np.ndarray
) -> np.ndarray:
    """q- (n,) outside, by the masses that came from the source: Q x = 0 there, fed by links and jumps out of the source."""
    fed = jumps.dense[:, source] @ p[source]
    for end in ends:
        np.add.at(fed, end.cells[end.region == 0], (end.outward * p[end.cells])[end.region == 0])
    cells = np.flatnonzero(outside)
    matrix = killed.matrix[cells][:, cells].toarray()
    came = np.zeros(p.size)
    came[cells] = np.maximum(np.linalg.solve(-matrix, fed[cells]), 0.0)
    return _over(came, p)


def _by_jumps(jumps: Jumps, past: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """The reactive current of jumps on a line, (1, n): what they carry up across both faces of each cell, on average."""
    flux = forward[:, None] * jumps.dense * past
    np.fill_diagonal(flux, 0.0)
    across = np.concatenate([[0.0], np.cumsum(flux.sum(axis=0) - flux.sum(axis=1))])
    return 0.5 * (across[1:] + across[:-1])[None]


def _over(flux: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """A rate from a flux; none where there is no mass."""
    return np.divide(flux, masses, out=np.zeros_like(flux), where=masses > np.finfo(float).tiny)


def _current(
    killed: Generator, p: np.ndarray, backward: np.ndarray, forward: np.ndarray, ends: list[_End]
) -> np.ndarray:
    """The reactive current, (dim, *grid.shape), from the fluxes on links, as `Generator.current`."""
    grid, past = killed.grid, p * backward
    half = [np.broadcast_to(w, grid.shape).ravel() for w in half_widths(grid)]
    total = np.zeros((grid.dim, grid.size))

    def add(cells: np.ndarray, offset: tuple[int, ...], flux: np.ndarray) -> None:
        for axis in np.flatnonzero(offset):
            total[axis] += np.bincount(cells, half[axis][cells] * offset[axis] * flux, grid.size)

    for link in killed.links:
        lower, upper = link.lower, link.upper
        flux = link.forward * past[lower] * forward[upper] - link.backward * past[upper] * forward[lower]
        add(lower, link.offset, flux)
        add(upper, link.offset, flux)
    for end in ends:
        leaving = end.outward * p[end.cells] * forward[end.cells]
        add(end.cells, end.offset, np.where(end.region == 0, -leaving, end.inward * past[end.cells]))
    return total.reshape(grid.dim, *grid.shape) / grid.volumes
