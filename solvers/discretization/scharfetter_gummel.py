"""From an equation and a grid to the generator: one exponential fit per link between cells.

On the link between neighbours i, j at distance L, with I the integral of mu / D along it and Dm the logarithmic mean of D,

    J = (Dm / L) [B(-w) p_i - B(w) p_j],    w = I - (1 - alpha) ln(D_j / D_i),    B(z) = z / (e^z - 1)

(Scharfetter and Gummel 1969; B is the Bernoulli function). Both rates are nonnegative by construction, and upwind rates
where D vanishes. A full tensor is first split into such one-dimensional links, see `tensor.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from ...errors import bad_value
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..kernels.bernoulli import fit_links
from .axis_links import AxisLinks
from .axis_reader import AxisReader
from .discontinuities import JumpLines, uneven
from .generator import Exit, Generator, Links
from .levy_rates import with_jumps
from .quadrature import NODES, NODES_ACROSS, derivative, gauss, primitive
from .tensor_diffusion import Lattice, tensor_generator


def generator(eq: FokkerPlanck, grid: Grid, t: float = 0.0, mean: np.ndarray | None = None) -> Generator:
    """The rate matrix of an equation on a grid at time t.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    t : float
        Time at which time-dependent coefficients are read.
    mean : ndarray (dim,), optional
        <x>, which an equation with an interaction needs.

    Returns
    -------
    Generator
        Off-diagonal rates nonnegative, columns of `matrix` summing to zero or to minus the escape rate.

    Raises
    ------
    ValueError, TypeError
        If a coefficient is not real, finite, of the right shape, or D is not positive semidefinite.
    """
    return Sampled(eq, grid, t).generator(mean)


class Sampled:
    """An equation read on a grid at one time, so that its generator for another mean costs the fit of the links alone.

    Parameters
    ----------
    eq, grid, t
        As for `generator`.
    """

    def __init__(self, eq: FokkerPlanck, grid: Grid, t: float = 0.0):
        self.eq, self.grid = eq, grid
        for axis in range(grid.dim):
            if grid.periodic(axis) and grid.shape[axis] < 3:
                raise bad_value("cells", "at least 3 along a periodic axis", grid.shape[axis])
        d_cells = eq.diffusion_at(Points.centers(grid), t)
        depends_on_sigma = eq.noise is not None and eq.alpha == 0.5 and grid.dim > 1
        self.full = depends_on_sigma or d_cells.ndim == grid.dim + 2
        self.lines: list[_Line] = []
        if self.full:
            self.induced = eq.stratonovich_drift(grid, t) if depends_on_sigma else 0.0
            self.drift = _drift_at_centers(eq, grid, t) + self.induced
            self.alpha = 0.0 if depends_on_sigma else eq.alpha
            self.lattice = Lattice.of(grid, d_cells)
            return
        for axis in range(grid.dim):
            span = AxisLinks.of(grid, axis)
            if span.length.size:  # none for one cell between reflecting walls
                self.lines.append(_Line.of(eq, span, d_cells[axis], t))

    def at(self, t: float) -> Sampled:
        """The equation at another time; where D does not change, what follows from D alone is taken over."""
        if any(name not in ("drift", "potential") for name, _ in self.eq.time_leaves):
            return Sampled(self.eq, self.grid, t)
        other = copy.copy(self)
        if self.full:
            other.drift = _drift_at_centers(self.eq, self.grid, t) + self.induced
        other.lines = [line.at(self.eq, t) for line in self.lines]
        return other

    def generator(self, mean: np.ndarray | None = None) -> Generator:
        """The rate matrix, with <x> = mean for an interaction."""
        if self.eq.interaction is not None and mean is None:
            then = "Its generator depends on the density: use fp.solve, or pass mean=<x>."
            raise bad_value("eq", "without interaction for a single generator", self.eq.interaction, then)
        base = self._local(np.zeros(self.grid.dim) if mean is None else mean)
        return base if self.eq.jumps is None else with_jumps(self.eq, base)

    def _local(self, mean: np.ndarray) -> Generator:
        """The part of the generator that drift and diffusion make."""
        grid, interaction = self.grid, self.eq.interaction
        if self.full:
            drift = self.drift if interaction is None else self.drift + interaction.pull(Points.centers(grid), mean)
            return tensor_generator(grid, drift, self.lattice, self.alpha)
        links: list[Links] = []
        exits: list[Exit] = []
        for line in self.lines:
            pull = None if interaction is None else partial(interaction.along, mean=float(mean[line.span.axis]))
            forward, backward = line.own_rates if pull is None else line.rates(pull)
            links += line.span.links(forward, backward, line.integrated)
            exits += line.span.exits(forward, backward)
        return Generator(grid, tuple(links), tuple(exits))


def _drift_at_centers(eq: FokkerPlanck, grid: Grid, t: float) -> np.ndarray:
    """The drift with the potential's share, (dim, *grid.shape)."""
    drift = eq.drift_at(Points.centers(grid), t)
    if eq.potential is None:
        return drift
    for axis in range(grid.dim):
        slope = np.diff(eq.potential_at(Points.faces(grid, axis), t), axis=axis)
        drift[axis] -= slope / grid.widths[axis].reshape([-1 if a == axis else 1 for a in range(grid.dim)])
    return drift


def _count(grid: Grid) -> int:
    """Gauss nodes in a link."""
    return NODES if grid.dim == 1 else NODES_ACROSS


@dataclass(frozen=True, eq=False)
class _Line:
    """The coefficients sampled on all links of an axis: at the `points` of the quadrature, (q, *links), and D at both ends.

    diffusion (q, m) and ends, D below and above and the length, (m,) each, are raveled.
    """

    span: AxisLinks
    alpha: float
    points: Points
    drift: np.ndarray
    diffusion: np.ndarray
    ends: tuple[np.ndarray, ...]
    d_cells: np.ndarray
    reader: AxisReader
    jumps: JumpLines | None
    silent: tuple[_SilentWall, ...]

    @classmethod
    def of(cls, eq: FokkerPlanck, span: AxisLinks, d_cells: np.ndarray, t: float) -> _Line:
        """Read an equation along an axis."""
        nodes = gauss(_count(span.grid))[0]
        points = span.points(nodes)
        drift = eq.drift_at(points, t)[span.axis]
        if eq.potential is not None:
            drift = drift + potential_drift(eq, span, nodes, t)
        diffusion = np.ascontiguousarray(eq.diffusion_at(points, t)[span.axis]).reshape(nodes.size, -1)
        length = np.broadcast_to(span.along(span.length), points.shape[1:])
        ends = tuple(np.ascontiguousarray(field).ravel() for field in (*_ends(eq, span, d_cells, t), length))
        reader = AxisReader(eq, span.grid, span.axis, t)
        chosen = uneven(diffusion, *ends[:2])
        jumps = JumpLines.find(reader, span, chosen) if chosen.size else None
        silent = _silent_walls(eq, span.grid, d_cells, t) if span.grid.dim == 1 else ()
        return cls(span, eq.alpha, points, drift, diffusion, ends, d_cells, reader, jumps, silent)

    def at(self, eq: FokkerPlanck, t: float) -> _Line:
        """The line at another time, of an equation whose D does not change; itself where the drift on it does not either."""
        if self.jumps is not None or self.silent:
            return _Line.of(eq, self.span, self.d_cells, t)
        drift = eq.drift_at(self.points, t)[self.span.axis]
        if eq.potential is not None:
            drift = drift + potential_drift(eq, self.span, gauss(_count(self.span.grid))[0], t)
        return self if np.array_equal(drift, self.drift) else replace(self, drift=drift)

    @cached_property
    def own_rates(self) -> tuple[np.ndarray, np.ndarray]:
        """`rates` without a pull."""
        return self.rates(None)

    @property
    def integrated(self) -> np.ndarray | None:
        """Which links are integrals across a jump of D, (*links); None where there is none."""
        return None if self.jumps is None else self.jumps.beside(self.points.shape[1:])

    def rates(self, pull: Callable[[np.ndarray], np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
        """Velocities (f, b) of the flux f p_lower - b p_upper on all links, each (*links).

        pull: a drift besides, from coordinates along the axis.
        """
        nodes, weights = gauss(_count(self.span.grid))
        forward, backward = np.empty(self.points.shape[1:]), np.empty(self.points.shape[1:])
        drift = self.drift if pull is None else self.drift + pull(self.points.coords[self.span.axis])
        drift = np.ascontiguousarray(drift).reshape(nodes.size, -1)
        rates = forward.reshape(-1), backward.reshape(-1)
        low, high, length = self.ends
        fit_links(drift, self.diffusion, low, high, length, self.alpha, nodes, weights, primitive(nodes.size), *rates)
        if self.jumps is not None:
            self.jumps.refit(replace(self.reader, pull=pull), self.d_cells, forward, backward)
        for wall in self.silent:
            _fit_wall_layer(self.span, wall, self.alpha, pull, forward, backward)
        return forward, backward


LAYER = 32  # cells beside a wall in which a power-law density is told from a flat one


class _SilentWall(NamedTuple):
    """A reflecting wall at which D vanishes: side, position, drift into the box and slope of D there."""

    side: int
    position: float
    inward: float
    slope: float


def _silent_walls(eq: FokkerPlanck, grid: Grid, d_cells: np.ndarray, t: float) -> tuple[_SilentWall, ...]:
    """The reflecting walls of a 1D grid at which D vanishes."""
    walls = Points((grid.edges[0][[0, -1]],), lambda values: values[[0, -1]])
    found = []
    for side, end in enumerate((0, -1)):
        beside = d_cells[end]
        if grid.boundary[0][side] != "reflecting" or grid.size < 2 or beside == 0.0:
            continue
        if eq.diffusion_at(walls, t)[0, end] > 1e-6 * beside:
            continue
        position, drift = float(grid.edges[0][end]), eq.drift_at(walls, t)[0, end]
        if eq.potential is not None:  # the slope at the wall of the parabola through the three cells beside it
            near = slice(None, 3) if side == 0 else slice(-3, None)
            x, v = grid.centers[0][near] - position, eq.potential_at(Points.centers(grid), t)[near]
            drift -= np.polynomial.polynomial.polyfit(x, v, x.size - 1)[1]
        inward = float(drift if side == 0 else -drift)
        found.append(_SilentWall(side, position, inward, float(beside / (0.5 * grid.widths[0][end]))))
    return tuple(found)


def _fit_wall_layer(
    span: AxisLinks,
    wall: _SilentWall,
    alpha: float,
    pull: Callable[[np.ndarray], np.ndarray] | None,
    forward: np.ndarray,
    backward: np.ndarray,
) -> None:
    """Correct the rates out of the cells beside a wall at which D vanishes, in place (1D).

    There, at distance x from the wall, p ~ x^nu with nu = mu / D' - (1 - alpha), which may be singular. A cell's mass
    is then not its volume times the density at its center, but r times that, with r from integrating the power law.
    """
    inward = wall.inward
    if pull is not None:
        inward += (-1.0 if wall.side else 1.0) * float(pull(np.array(wall.position)))
    nu = inward / wall.slope - (1.0 - alpha)
    if not -1.0 < nu < 1.0:
        return
    size, line = span.grid.size, span.grid.edges[0]
    edges = (line - line[0] if wall.side == 0 else (line[-1] - line)[::-1])[: LAYER + 1]
    centers, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    ratio = np.ones(size)
    ratio[: centers.size] = np.diff(edges ** (nu + 1.0)) / ((nu + 1.0) * centers**nu * widths)
    ratio = ratio if wall.side == 0 else ratio[::-1]
    inside = span.lower >= 0
    forward[inside] /= ratio[span.lower[inside]]
    inside = span.upper < size
    backward[inside] /= ratio[span.upper[inside]]


def _ends(eq: FokkerPlanck, span: AxisLinks, d_cells: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """D at both ends of each link: at the cell centers, and on the wall itself for a link to a wall."""
    n = span.grid.shape[span.axis]
    low = np.take(d_cells, np.clip(span.lower, 0, None), axis=span.axis)
    high = np.take(d_cells, np.clip(span.upper, None, n - 1), axis=span.axis)
    for values, outside, end in ((low, span.lower < 0, 0.0), (high, span.upper == n, 1.0)):
        if outside.any():
            wall = eq.diffusion_at(span.points(np.array([end])), t)[span.axis][0]
            np.copyto(values, wall, where=span.along(outside))
    return low, high


def potential_drift(eq: FokkerPlanck, span: AxisLinks, nodes: np.ndarray, t: float) -> np.ndarray:
    """-dV/dx at the nodes, (q, *links), as the derivative of the polynomial through V at the nodes and both ends.

    Its integral over the link is V_lower - V_upper exactly, hence equilibria are exact where D is constant.
    """
    places = np.concatenate([[0.0], nodes, [1.0]])
    v = eq.potential_at(span.points(places), t)
    if span.grid.periodic(span.axis):
        _check_periodic(eq, span, t)
    slope = np.einsum("ij,j...->i...", derivative(nodes.size), v - v[:1])
    return -slope / span.along(span.length)


def _check_periodic(eq: FokkerPlanck, span: AxisLinks, t: float) -> None:
    """V must close round a circle: a step at the seam would pump probability."""
    v = eq.potential_at(Points.faces(span.grid, span.axis), t)
    jump = float(np.abs(np.take(v, -1, axis=span.axis) - np.take(v, 0, axis=span.axis)).max())
    if callable(eq.potential) and jump > 1e-9 * float(np.abs(v).max()):
        rule = f"periodic along axis {span.axis}, where the walls are"
        raise bad_value("potential", rule, f"a jump of {jump:.4g}", "Give a constant force as `drift` instead.")
