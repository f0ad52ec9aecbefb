"""From an equation and a grid to the generator: one exponential fit per link between cells.

On the link between neighbours i, j at distance L, with I the integral of mu / D along it and Dm the logarithmic mean of D,

    J = (Dm / L) [B(-w) p_i - B(w) p_j],    w = I - (1 - alpha) ln(D_j / D_i),    B(z) = z / (e^z - 1)

(Scharfetter and Gummel 1969; B is the Bernoulli function). Both rates are nonnegative by construction, and upwind rates
where D vanishes. A full tensor is first split into such one-dimensional links, see `tensor.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...errors import bad_value
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.levy import LevyJumps
from ...model.poisson import PoissonJumps
from ..kernels.bernoulli import fit_links
from .axis_links import AxisLinks
from .axis_reader import AxisReader, Pull, along_axis
from .discontinuities import JumpLines, uneven
from .elliptic_jumps import EllipticJumps, centered
from .elliptic_jumps_3d import SHORT, elliptic_jumps_3d
from .generator import Exit, Generator, Links
from .killing import with_killing
from .levy_rates import check_grid, covariance_of, with_jumps
from .oblique_jumps import with_oblique_jumps
from .poisson_rates import with_poisson_jumps
from .quadrature import NODES, NODES_ACROSS, derivative, gauss, primitive
from .reactive_walls import with_reactive_walls
from .singular_axes import LineSamples, SingularAxis, fades
from .singular_lines import Places, with_nodes
from .singular_points import Samples, SingularPoint
from .tensor_diffusion import MAX_OFFSET, Lattice, tensor_generator
from .untreated_zeros import beside_jumps, in_tensor

MOST_KEPT = 200_000  # cells of a grid whose generator is kept

_kept: ContextVar[dict[Any, tuple[FokkerPlanck, Generator]] | None] = ContextVar("generators", default=None)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Within it, several questions about one equation, the same object, find its generators on the grids they share."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def generator(eq: FokkerPlanck, grid: Grid, t: float = 0.0, mean: Any = None, *, fixed: bool = False) -> Generator:
    """The rate matrix of an equation on a grid at time t.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid
    t : float
        Time at which time-dependent coefficients are read.
    mean : ndarray (dim,), optional
        What an interaction reads, see `interactions.reader`: of a Swarm <x>.
    fixed : bool
        Whether the grid stays as it is, see `Sampled`.

    Returns
    -------
    Generator
        Off-diagonal rates nonnegative, columns of `matrix` summing to zero or to minus the escape rate.

    Raises
    ------
    ValueError, TypeError
        If a coefficient is not real, finite, of the right shape, or D is not positive semidefinite.
    """
    kept = _kept.get()
    if kept is None or mean is not None or grid.size > MOST_KEPT:
        return Sampled(eq, grid, t, fixed=fixed).generator(mean)
    places = tuple(line.tobytes() for line in (*grid.edges, *grid.centers))
    key = id(eq), places, grid.boundary, t, fixed
    if key not in kept:  # which holds the equation, so that no other takes its place in memory
        kept[key] = eq, Sampled(eq, grid, t, fixed=fixed).generator()
    return kept[key][1]


def untreated_by_tensor(eq: FokkerPlanck, grid: Grid, t: float = 0.0) -> tuple[str, ...]:
    """What `Generator.untreated` says of an equation with a full tensor; rates are found only where these tell."""
    read = Sampled(eq, grid, t, fixed=True)
    if read.untreated or not (read.lines or eq.jumps is not None):
        return tuple(read.untreated)
    return read.generator().untreated


class Sampled:
    """An equation read on a grid at one time, so that its generator for other averages costs the fit of the links alone.

    Parameters
    ----------
    eq, grid, t
        As for `generator`.
    fixed : bool
        Whether the grid stays as it is; else a cell face is moved onto each zero of D inside a 1D box, and cells beside
        singular points are read at the centroids of the densities there: `grid` is then the new one.
    """

    def __init__(self, eq: FokkerPlanck, grid: Grid, t: float = 0.0, *, fixed: bool = False):
        self.eq, self.grid, self.t = eq, grid, t
        self.untreated: list[str] = []
        for axis in range(grid.dim):
            if grid.periodic(axis) and grid.shape[axis] < 3:
                raise bad_value("cells", "at least 3 along a periodic axis", grid.shape[axis])
        self.elliptic: EllipticJumps | None = None
        d_cells = eq.diffusion_at(Points.centers(grid), t)
        levy = eq.jumps if isinstance(eq.jumps, LevyJumps) else None
        if levy is not None and (covariance := covariance_of(levy, grid)) is not None:
            self._read_with_jumps(d_cells, covariance, t)
            return
        depends_on_sigma = eq.noise is not None and eq.alpha == 0.5 and grid.dim > 1
        self.full = depends_on_sigma or d_cells.ndim == grid.dim + 2
        self.lines: list[_Line] = []
        if self.full:
            self.induced = eq.stratonovich_drift(grid, t) if depends_on_sigma else 0.0
            self.drift = _drift_at_centers(eq, grid, t) + self.induced
            self.alpha = 0.0 if depends_on_sigma else eq.alpha
            self.lattice = Lattice.of(grid, d_cells)
            self.tensor = d_cells
            if grid.dim == 2 and eq.alpha == 0.0 and eq.jumps is None and eq.interaction is None:
                self._look_across_walls(d_cells, t, fixed)
            self.untreated = in_tensor(eq, grid, t, d_cells, self.lines[0].span.axis if self.lines else None)
            return
        self.places: Places | None = None
        self._read_lines(d_cells, t)
        if self.lines and eq.jumps is None:
            if grid.dim == 1:
                self._look_closer(t, fixed)
            else:
                self._look_along_axes(t, fixed)
        elif self.lines and grid.dim == 1 and eq.diffusion_is_function:
            line = self.lines[0]
            samples = line.samples()
            points = Places.look(line.reader, samples, fixed).points(line.reader, samples)
            self.untreated = beside_jumps(
                [p for p in points if p.passage not in ("open", "absorbed")], self.grid.names[0]
            )

    def _read_with_jumps(self, d_cells: np.ndarray, covariance: np.ndarray, t: float) -> None:
        """Read drift and diffusion, with the tensor of short jumps whose covariance is a field."""
        check_grid(self.grid, self.eq.jumps)
        self.full, self.lines, self.places, self.induced, self.alpha = True, [], None, 0.0, 0.0
        build = EllipticJumps.of if self.grid.dim == 2 else elliptic_jumps_3d
        self.elliptic = build(self.grid, covariance, self.eq.jumps.stability)  # type: ignore[union-attr]
        self.untreated += self.elliptic.said
        if d_cells.ndim == self.grid.dim + 1:
            d_cells = np.einsum("i...,ij->ij...", d_cells, np.eye(self.grid.dim))
        self.drift, self.tensor = _drift_at_centers(self.eq, self.grid, t), d_cells + self.elliptic.tensor
        self.lattice = Lattice.of(self.grid, self.tensor, MAX_OFFSET if self.grid.dim == 2 else SHORT)

    def singular_points(self) -> list[SingularPoint]:
        """Walls and zeros of D of a 1D grid, classified; none in more dimensions, or with jumps."""
        if self.places is None:
            return []
        return self.places.points(self.lines[0].reader, self.lines[0].samples())

    def truncated_walls(self) -> tuple[tuple[int, float], ...]:
        """In 2D and 3D the reflecting walls at which D across them vanishes: axis and place of each."""
        found = [line.singular for line in self.lines if line.singular is not None]
        places = [(axis.axis, place) for axis in found for place in axis.vanishing_walls]
        return tuple(dict.fromkeys(places))

    def _look_closer(self, t: float, fixed: bool) -> None:
        """Find what the rule of the links of a 1D grid does not see, and give it faces and nodes."""
        line, eq = self.lines[0], self.eq
        samples = line.samples()
        places = Places.look(line.reader, samples, fixed)
        points = places.points(line.reader, samples)
        if points and not fixed:
            self.grid = with_nodes(self.grid, points, middle=eq.on_cells)
            self._read_lines(eq.diffusion_at(Points.centers(self.grid), t), t)
        if points or places.narrow.size or eq.interaction is not None:
            self.places = places

    def _look_across_walls(self, d_cells: np.ndarray, t: float, fixed: bool) -> None:
        """Find walls across which a full tensor in 2D vanishes, and read the cells at the nodes of the densities there."""
        if d_cells.ndim < 4:
            return
        for axis in range(2):
            if self.grid.periodic(axis) or not fades(np.moveaxis(d_cells[axis, axis], axis, 0)):
                continue
            span = AxisLinks.of(self.grid, axis)
            found = _Line.of(self.eq, span, d_cells[axis, axis], t).singular_axis(fixed)
            if found is None or not found.walls:
                continue
            if not fixed and not self.eq.on_cells:
                self.grid = found.nodes(self.grid)
                span = AxisLinks.of(self.grid, axis)
                self.tensor = d_cells = self.eq.diffusion_at(Points.centers(self.grid), t)
                self.drift = _drift_at_centers(self.eq, self.grid, t)
                self.lattice = Lattice.of(self.grid, d_cells)
            self.lines = [replace(_Line.of(self.eq, span, d_cells[axis, axis], t), singular=found)]
            return  # one axis: where both vanish, in a corner, the other keeps the links of the tensor

    def _look_along_axes(self, t: float, fixed: bool) -> None:
        """Find walls and zeros of D along each axis of a grid of more dimensions, and give their lines faces and nodes."""
        seen = {line.span.axis: found for line in self.lines if (found := line.singular_axis(fixed)) is not None}
        if not seen:
            return
        if not fixed and not self.eq.on_cells:
            for found in seen.values():
                self.grid = found.nodes(self.grid)
            self._read_lines(self.eq.diffusion_at(Points.centers(self.grid), t), t)
        self.lines = [replace(line, singular=seen.get(line.span.axis)) for line in self.lines]
        self.untreated = [text for found in seen.values() for text in found.untreated]

    def _read_lines(self, d_cells: np.ndarray, t: float) -> None:
        """Read the coefficients along each axis."""
        spans = [AxisLinks.of(self.grid, axis) for axis in range(self.grid.dim)]
        # none for one cell between reflecting walls
        self.lines = [_Line.of(self.eq, span, d_cells[span.axis], t) for span in spans if span.length.size]

    def at(self, t: float) -> Sampled:
        """The equation at another time; where D does not change, what follows from D alone is taken over."""
        if any(name not in ("drift", "potential") for name, _ in self.eq.time_leaves) or self.grid.dim == 1:
            return Sampled(self.eq, self.grid, t, fixed=True)
        other = copy.copy(self)
        other.t = t
        if self.full:
            other.drift = _drift_at_centers(self.eq, self.grid, t) + self.induced
        other.lines = [line.at(self.eq, t) for line in self.lines]
        return other

    def generator(self, mean: Any = None) -> Generator:
        """The rate matrix; `mean` is what an interaction reads."""
        if self.eq.interaction is not None and mean is None:
            then = "Its generator depends on the density: use fp.solve, or pass mean=<x>."
            raise bad_value("eq", "without interaction for a single generator", self.eq.interaction, then)
        base = self._local(np.zeros(self.grid.dim) if mean is None else mean)
        if self.untreated:
            base = replace(base, untreated=(*base.untreated, *self.untreated))
        if self.elliptic is not None:
            base = replace(centered(base), jumps=self.elliptic.jumps)
        elif isinstance(self.eq.jumps, PoissonJumps):
            base = with_poisson_jumps(self.eq.jumps, base)
        elif self.eq.jumps is not None:
            base = with_jumps(self.eq, base)
        if self.eq.reactivity is not None:
            base = with_reactive_walls(self.eq, base, self.t, mean)
        return base if self.eq.killing is None else with_killing(self.eq, base)

    def _local(self, mean: Any) -> Generator:
        """The part of the generator that drift and diffusion make."""
        grid, interaction = self.grid, self.eq.interaction
        if self.full:
            drift = self.drift if interaction is None else self.drift + interaction.pull(Points.centers(grid), mean)
            base = tensor_generator(grid, drift, self.lattice, self.alpha)
            return self._beside_walls(base, drift) if self.lines else base
        links: list[Links] = []
        exits: list[Exit] = []
        found: list[str] = []
        singular: list[float] = []
        logarithmic: list[float] = []
        for line in self.lines:
            pull = None if interaction is None else interaction.on_axis(line.span.axis, mean)
            plain = pull is None and self.places is None
            rates = line.own_rates if plain else line.rates(pull, self.places)
            links += line.span.links(rates.forward, rates.backward, rates.integrated)
            exits += line.span.exits(rates.forward, rates.backward) + rates.kept
            found += rates.found
            singular += rates.singular
            logarithmic += rates.logarithmic
        points = tuple(found), tuple(singular), tuple(logarithmic)
        return Generator(grid, tuple(links), tuple(exits), None, True, None, *points)

    def _beside_walls(self, base: Generator, drift: np.ndarray) -> Generator:
        """The generator of a tensor with the rows beside walls at which it vanishes replaced."""
        (line,) = self.lines
        found, rates = line.singular, line.own_rates
        assert found is not None
        chain = line.span, rates.forward, rates.backward
        q = with_oblique_jumps(base, chain, drift, self.tensor, found.walls)
        return replace(q, found=found.found, singular=found.positions)


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


class Velocities(NamedTuple):
    """Velocities (f, b) of the flux f p_lower - b p_upper on the links of an axis, (*links) each.

    integrated: see `Links`; kept: what leaves to atoms; found, singular, logarithmic: see `Generator`.
    """

    forward: np.ndarray
    backward: np.ndarray
    integrated: np.ndarray | None
    kept: list[Exit]
    found: tuple[str, ...] = ()
    singular: tuple[float, ...] = ()
    logarithmic: tuple[float, ...] = ()


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
    singular: SingularAxis | None = None

    @classmethod
    def of(cls, eq: FokkerPlanck, span: AxisLinks, d_cells: np.ndarray, t: float) -> _Line:
        """Read an equation along an axis."""
        nodes = gauss(_count(span.grid))[0]
        points = span.points(nodes)
        drift = eq.drift_at(points, t)[span.axis]
        if eq.potential is not None:
            drift = drift + potential_drift(eq, span, nodes, t)
        diffusion = along_axis(eq.diffusion_at(points, t), span.axis, points)
        diffusion = np.ascontiguousarray(diffusion).reshape(nodes.size, -1)
        length = np.broadcast_to(span.along(span.length), points.shape[1:])
        ends = tuple(np.ascontiguousarray(field).ravel() for field in (*_ends(eq, span, d_cells, t), length))
        reader = AxisReader(eq, span.grid, span.axis, t)
        chosen = uneven(diffusion, *ends[:2])
        jumps = JumpLines.find(reader, span, chosen) if chosen.size else None
        return cls(span, eq.alpha, points, drift, diffusion, ends, d_cells, reader, jumps)

    def at(self, eq: FokkerPlanck, t: float) -> _Line:
        """The line at another time, of an equation whose D does not change; itself where the drift on it does not either."""
        if self.jumps is not None or self.singular is not None:
            line = _Line.of(eq, self.span, self.d_cells, t)
            if self.singular is None:
                return line
            return replace(line, singular=self.singular.unless_changed(line.singular_axis(True)))
        drift = eq.drift_at(self.points, t)[self.span.axis]
        if eq.potential is not None:
            drift = drift + potential_drift(eq, self.span, gauss(_count(self.span.grid))[0], t)
        return self if np.array_equal(drift, self.drift) else replace(self, drift=drift)

    @cached_property
    def own_rates(self) -> Velocities:
        """`rates` without a pull, on a line that needs no closer look."""
        return self.rates(None, None)

    def samples(self, pull: Pull | None = None) -> Samples:
        """What was read, in the order of places along the axis of a 1D grid."""
        drift = self.drift if pull is None else self.drift + pull(self.points)
        x, diffusion, drift = (v.ravel("F") for v in (self.points.coords[0], self.diffusion, drift))
        return Samples(x, diffusion, drift, len(self.diffusion))

    def singular_axis(self, fixed: bool) -> SingularAxis | None:
        """The lines along this axis of a grid of more dimensions that need a closer look."""
        axis, shape = self.span.axis, self.points.shape
        x = np.moveaxis(self.points.coords[axis], axis + 1, 1).reshape(shape[0], shape[axis + 1], -1)[..., 0]
        drift, diffusion = (
            np.moveaxis(values.reshape(shape), axis + 1, 1).reshape(*x.shape, -1)
            for values in (self.drift, self.diffusion)
        )
        return SingularAxis.look(self.reader, self.span, LineSamples(x, diffusion, drift), fixed)

    def rates(self, pull: Pull | None, places: Places | None) -> Velocities:
        """Velocities on all links.

        pull: a drift besides along the axis, from points; places: what a 1D line holds that needs a closer look.
        """
        nodes, weights = gauss(_count(self.span.grid))
        forward, backward = np.empty(self.points.shape[1:]), np.empty(self.points.shape[1:])
        drift = self.drift if pull is None else self.drift + pull(self.points)
        drift = np.ascontiguousarray(drift).reshape(nodes.size, -1)
        rates = forward.reshape(-1), backward.reshape(-1)
        low, high, length = self.ends
        fit_links(drift, self.diffusion, low, high, length, self.alpha, nodes, weights, primitive(nodes.size), *rates)
        reader, span = replace(self.reader, pull=pull), self.span
        line = None if places is None else places.line(reader, self.samples(pull), span, self.jumps)
        if line is not None:
            kept = line.fit(reader, self.d_cells, forward, backward)
            found = tuple(point.described(span.grid.names[0]) for point in line.points)
            return Velocities(
                forward, backward, line.beside, kept, found, tuple(p.position for p in line.points), line.logarithmic
            )
        if self.singular is not None:
            beside = self.singular.refit(reader, span, forward, backward)
            return Velocities(forward, backward, beside, [], self.singular.found, self.singular.positions)
        if self.jumps is None:
            return Velocities(forward, backward, None, [])
        self.jumps.refit(reader, self.d_cells, forward, backward)
        return Velocities(forward, backward, self.jumps.beside(forward.shape), [])


def _ends(eq: FokkerPlanck, span: AxisLinks, d_cells: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """D at both ends of each link: at the cell centers, and on the wall itself for a link to a wall."""
    n = span.grid.shape[span.axis]
    low, high = (np.take(d_cells, cells, axis=span.axis, mode="clip") for cells in (span.lower, span.upper))
    for values, outside, end in ((low, span.lower < 0, 0.0), (high, span.upper == n, 1.0)):
        if outside.any():
            points = span.points(np.array([end]))
            wall = along_axis(eq.diffusion_at(points, t), span.axis, points)[0]
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
        rule = f"periodic along {span.grid.names[span.axis]}, where the walls are"
        raise bad_value("potential", rule, f"a jump of {jump:.4g}", "Give a constant force as `drift` instead.")
