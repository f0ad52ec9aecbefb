"""Rates of a line of cells with singular points: walls or interior zeros of D, where density and scale go by powers.

At the distance xi from a point the density goes as xi^nu: nu = em (the speed density's exponent) where nothing leaves, and
nu = 1 - p where the point takes up what arrives. A cell's value is read at its node, the centroid of xi^nu over it. A link
that does not end at the point has the resistance xi_f^-(1+nu) times the integral of xi^(1+nu) s between the nodes, xi_f its
face: for a constant drift and D ~ xi each cell's mean displacement is then the drift exactly. What arrives at the point leaves
the last cell at the rate 1 / (M R), R the integral of s from the point to the node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...model.grid import Grid
from ..kernels.bernoulli import STEEP
from .axis_links import AxisLinks
from .axis_reader import AxisReader
from .boundaries import CLOSEST, Side
from .discontinuities import JumpLines
from .generator import Exit
from .scale_speed import Stretches, Weight, integrals, link_velocities
from .singular_points import (
    Samples,
    SingularPoint,
    faces_of,
    interior_points,
    interior_zeros,
    narrow_minima,
    singular_walls,
)

HALVINGS = 40  # of the distance to a point, inside the cell beside it
FINE = 1e-3  # of the widest cell: the width beside a point below which cells count as shrinking towards it
LEVEL = (
    1.0  # rise of Phi across a cell, its logarithm aside, beyond which the integral of m says little of what flows out
)
BESIDE = 4  # cells beside a point in which ratios of rates say nothing of the resolution


@dataclass(frozen=True, eq=False)
class Anchors:
    """The point that rules each cell, the nearer one of those that bound its segment.

    position, pull, nu and es, the exponent of the scale density (n,): not a number where there is none, or no power; takes
    (n,): whether the point takes up what arrives; crossed (n,): whether something passes it.
    """

    position: np.ndarray
    pull: np.ndarray
    nu: np.ndarray
    es: np.ndarray
    takes: np.ndarray
    crossed: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, points: Sequence[SingularPoint]) -> Anchors:
        """Of the cells between some edges (n + 1,)."""
        n = edges.size - 1
        middle, number = 0.5 * (edges[1:] + edges[:-1]), np.arange(n)
        position, pull, nu, es = np.full((4, n), np.nan)
        takes, crossed, closest = np.zeros(n, bool), np.zeros(n, bool), np.full(n, np.inf)
        faces = sorted({0, n, *(point.face for point in points)})
        for point in points:
            for side in point.sides:
                start = n if point.face == 0 and side.direction == -1 else point.face  # round a periodic axis
                low, high = sorted((start, faces[faces.index(start) + side.direction]))
                place = point.place(side)
                mine = (number >= low) & (number < high) & (np.abs(middle - place) < closest)
                position[mine], pull[mine], nu[mine] = place, side.pull, side.profile
                takes[mine] = point.takes(side)
                es[mine] = side.es
                crossed[mine] = point.passage in ("open", "upward", "downward")
                closest[mine] = np.abs(middle - place)[mine]
        return cls(position, pull, nu, es, takes, crossed)

    def nodes(self, edges: np.ndarray) -> np.ndarray:
        """The centroid of xi^nu over each cell, (n,); where something leaves the point, in the scale S = xi^(es+1).

        u = p / m is then even in S, and its mean is met there.
        """
        low, high = self._distances(edges)
        scaled = self.crossed & ~self.takes & np.isfinite(self.es) & (self.es > -1.0)
        power = np.where(scaled, self.es + 1.0, 1.0)
        first, second = _power_integral(low, high, self.nu), _power_integral(low, high, self.nu + power)
        sign = np.where(edges[:-1] >= self.position, 1.0, -1.0)
        middle = 0.5 * (edges[1:] + edges[:-1])
        with np.errstate(invalid="ignore"):
            node = self.position + sign * (second / first) ** (1.0 / power)
        return np.where(np.isfinite(node), node, middle)

    def absorbed_mass(self, edges: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """The integral of (xi / xi_node)^nu over each cell, (n,)."""
        low, high = self._distances(edges)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _power_integral(low, high, self.nu) / np.abs(nodes - self.position) ** self.nu

    def _distances(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ends = np.abs(edges[:-1] - self.position), np.abs(edges[1:] - self.position)
        return np.minimum(*ends), np.maximum(*ends)


def _tilt(rise: np.ndarray) -> np.ndarray:
    """The mean of e^Phi over its value in the middle, for a Phi that rises evenly: sinh(rise / 2) / (rise / 2)."""
    return np.sinh(0.5 * rise) / (0.5 * rise)


def _power_integral(low: np.ndarray, high: np.ndarray, nu: np.ndarray) -> np.ndarray:
    """The integral of xi^nu from low to high, nu > -1."""
    return (high ** (nu + 1.0) - low ** (nu + 1.0)) / (nu + 1.0)


def with_nodes(grid: Grid, points: Sequence[SingularPoint], middle: bool = False) -> Grid:
    """The grid with a face on each point, and its cells read at the nodes of the densities there, or at their middle."""
    edges = grid.edges[0].copy()
    for point in points:
        edges[point.face] = point.position
    nodes = 0.5 * (edges[1:] + edges[:-1]) if middle else Anchors.of(edges, points).nodes(edges)
    return grid.replaced(0, edges, nodes)


@dataclass(frozen=True, eq=False)
class SingularLine:
    """A 1D grid with singular points, and cuts inside cells: numbers of cells (c,) and places (c,)."""

    links: AxisLinks
    points: tuple[SingularPoint, ...]
    cell: np.ndarray
    cuts: np.ndarray

    @property
    def beside(self) -> np.ndarray:
        """The links of the cells beside a point, and of cells with a cut, a mask (links,)."""
        links, mask = self.links, np.zeros(self.links.lower.size, dtype=bool)
        for point in self.points:
            mask |= np.abs(links.upper - point.face) < BESIDE
            mask |= np.abs(links.lower + 1 - point.face) < BESIDE
        return mask | np.isin(links.lower, self.cell) | np.isin(links.upper, self.cell)

    @property
    def logarithmic(self) -> tuple[float, ...]:
        """Natural boundaries to which the cells do not shrink: the density converges logarithmically beside them."""
        width, n = self.links.grid.widths[0], self.links.grid.size
        found = []
        for point in self.points:
            for side in point.sides:
                cell = (point.face if side.direction == 1 else point.face - 1) % n
                if side.kind == "natural" and not side.still and width[cell] > FINE * width.max():
                    found.append(point.position)
        return tuple(dict.fromkeys(found))

    def fit(self, reader: AxisReader, d_cells: np.ndarray, forward: np.ndarray, backward: np.ndarray) -> list[Exit]:
        """Put the velocities (links,) of the line in place; what is kept as atoms.

        forward, backward hold the exponential fit, which serves where a link is too steep for the integrals. What flows
        downhill through a cell is even along it, not u: integrals of m are relative to those of a straight Phi.
        """
        links, alpha = self.links, reader.eq.alpha
        edges, nodes, width = links.grid.edges[0], links.grid.centers[0], links.grid.widths[0]
        anchors = Anchors.of(edges, self.points)
        phase, scale, speed, whole = self._halves(reader, anchors)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            held = d_cells ** (alpha - 1.0) * width
            taken = d_cells ** (alpha - 1.0) * anchors.absorbed_mass(edges, nodes)
            ruled = ~np.isnan(anchors.nu) | (self.cell.size > 0)
            below, above = self._beyond_powers(phase, anchors)
            level = (np.maximum(np.abs(below), np.abs(above)) <= STEEP) & (np.abs(above - below) <= LEVEL)
            exact = whole & level & ruled & ~anchors.takes
            exact[self.cell] = np.isfinite(speed.sum(axis=0)[self.cell])
            even = np.isnan(anchors.nu) | (above == below)
            even[self.cell] = True
            held = np.where(
                exact,
                speed.sum(axis=0) / np.where(even, 1.0, _tilt(above - below)),
                np.where(anchors.takes & np.isfinite(taken), taken, held),
            )
        new = link_velocities(links, phase[:, :, None], scale[:, :, None], held[:, None])
        for old, value in zip((forward, backward), new[:2], strict=True):
            np.copyto(old, value[:, 0], where=~new[2][:, 0])
        exits: list[Exit] = []
        for point in self.points:
            exits += self._at_point(reader, point, phase, scale, held, (forward, backward))
        return exits

    def _halves(self, reader: AxisReader, anchors: Anchors) -> tuple[np.ndarray, ...]:
        """Phi, the integrals of s (weighted) and of m over halves (2, n) of cells, and where the latter are whole (n,)."""
        edges, nodes = self.links.grid.edges[0], self.links.grid.centers[0]
        n = nodes.size
        start, end = np.tile(nodes, 2), np.concatenate([edges[:-1], edges[1:]])
        owner, cuts = [np.where(self.cuts > nodes[self.cell], n, 0) + self.cell], [self.cuts]
        tails: list[tuple[int, Side, float]] = []
        for point in self.points:
            for side in point.sides:
                cell = (point.face if side.direction == 1 else point.face - 1) % n
                place = point.place(side)
                half = cell if side.direction == 1 else cell + n
                reach = abs(nodes[cell] - place)
                shrink = reach * 2.0 ** -np.arange(1, HALVINGS + 1)
                shrink = shrink[shrink > CLOSEST * abs(place)]
                grow = reach * 2.0 ** np.arange(1, HALVINGS)
                grow = grow[grow < abs(end[(cell + n) if side.direction == 1 else cell] - place)]
                end[half] = place + side.direction * shrink[-1]
                owner += [np.full(shrink.size - 1, half), np.full(grow.size, (half + n) % (2 * n))]
                cuts += [place + side.direction * shrink[:-1], place + side.direction * grow]
                tails.append((half, side, float(shrink[-1])))
        ways = Stretches(np.zeros(2 * n, int), start, end, np.concatenate(owner), np.concatenate(cuts))
        phase, scale, speed = integrals(reader, ways, reader.eq.alpha, self._weight(anchors))
        whole = np.ones(n, dtype=bool)
        for half, side, distance in tails:
            d = reader.diffusion(np.zeros(1, int), end[half : half + 1][None])[0, 0]
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                if side.scale_is_finite and np.isfinite(side.es):
                    scale[half] += d**-side.alpha * np.exp(-phase[half]) * distance / (side.es + 1.0)
                if side.speed_is_finite and np.isfinite(side.em):
                    speed[half] += d ** (side.alpha - 1.0) * np.exp(phase[half]) * distance / (side.em + 1.0)
            whole[half % n] &= side.speed_is_finite and bool(np.isfinite(speed[half]))
        return phase.reshape(2, n), scale.reshape(2, n), speed.reshape(2, n), whole

    def _beyond_powers(self, phase: np.ndarray, anchors: Anchors) -> np.ndarray:
        """Phi over the halves (2, n) of cells beyond its logarithm beside a point, which the links take up."""
        edges, nodes = self.links.grid.edges[0], self.links.grid.centers[0]
        gaps = np.abs(np.stack([edges[:-1], edges[1:]]) - anchors.position)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = anchors.pull * np.log(gaps / np.abs(nodes - anchors.position))
            beyond = np.where(gaps > 0.0, phase - logarithm, 0.0)
        return np.where(np.isfinite(anchors.pull), beyond, phase)

    def _weight(self, anchors: Anchors) -> Weight:
        """(xi / xi_f)^(1 + nu) on the halves of the links that do not end at a point."""
        edges, n = self.links.grid.edges[0], self.links.grid.size
        low, high = np.clip(np.arange(-1, n), 0, None), np.clip(np.arange(n + 1), None, n - 1)
        gap_low, gap_high = np.abs(edges - anchors.position[low]), np.abs(edges - anchors.position[high])
        ruler = np.where(np.nan_to_num(gap_low, nan=np.inf) < np.nan_to_num(gap_high, nan=np.inf), low, high)
        flows = anchors.takes | anchors.crossed | np.isnan(anchors.nu)
        exponent = np.where(flows[ruler], 0.0, 1.0 + anchors.nu[ruler])
        for point in self.points:
            exponent[[point.face, n] if point.period else point.face] = 0.0
        center, reach = anchors.position[ruler], np.abs(edges - anchors.position[ruler])

        def weight(half: np.ndarray, x: np.ndarray) -> np.ndarray:
            face = np.where(half >= n, half - n + 1, half)
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(exponent[face] == 0.0, 1.0, (np.abs(x - center[face]) / reach[face]) ** exponent[face])

        return weight

    def _at_point(
        self,
        reader: AxisReader,
        point: SingularPoint,
        phase: np.ndarray,
        scale: np.ndarray,
        held: np.ndarray,
        velocities: tuple[np.ndarray, np.ndarray],
    ) -> list[Exit]:
        """Put what crosses a point, or leaves through it, in place; return what it keeps."""
        links, n = self.links, held.size
        forward, backward = velocities
        passage = point.passage
        if passage == "open":
            return []
        arriving = {}
        for side in point.sides:
            cell = (point.face if side.direction == 1 else point.face - 1) % n
            row = 0 if side.direction == 1 else 1
            speed = 0.0
            if point.takes(side):
                speed = _arrival(reader, links, point, side, cell, phase[row, cell], scale[row, cell], held[cell])
            arriving[side.direction] = (cell, speed)
        across = np.flatnonzero(links.upper == point.face % n if not point.wall else _wall_link(links, point))
        forward[across] = backward[across] = 0.0
        if passage == "upward":
            forward[across] = arriving[-1][1]
        elif passage == "downward":
            backward[across] = arriving[1][1]
        elif passage == "absorbed":
            ((direction, (_, speed)),) = arriving.items()
            (backward if direction == 1 else forward)[across] = speed
        if passage != "kept":
            return []
        width = links.grid.widths[0]
        return [
            Exit(0, int(direction == -1), np.array([cell]), np.array([speed / width[cell]]), point.position)
            for direction, (cell, speed) in arriving.items()
            if speed > 0.0
        ]


def _wall_link(links: AxisLinks, point: SingularPoint) -> np.ndarray:
    return links.lower < 0 if point.face == 0 else links.upper >= links.grid.size


def _arrival(
    reader: AxisReader,
    links: AxisLinks,
    point: SingularPoint,
    side: Side,
    cell: int,
    phase: float,
    scale: float,
    held: float,
) -> float:
    """Velocity out of the cell beside a point into it: its width over M R, or the drift where that rules."""
    node = links.grid.centers[0][cell]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        velocity = links.grid.widths[0][cell] / held / scale
    if np.isfinite(velocity) and (abs(phase) <= STEEP or np.isfinite(side.pull)):
        return float(velocity)
    start, end = np.array([node]), np.array([0.5 * (node + point.place(side))])
    drift = reader.read(np.zeros(1, int), start, end)[0]
    outward = -side.direction * float(drift.mean())
    return max(outward, 0.0)


@dataclass(frozen=True, eq=False)
class Places:
    """What a 1D line holds that the rule of its links does not see: zeros of D on faces, and narrow places (k,) each."""

    zeros: np.ndarray
    faces: np.ndarray
    narrow: np.ndarray

    @classmethod
    def look(cls, reader: AxisReader, samples: Samples, fixed: bool) -> Places:
        """From the samples of the links; on a grid that stays as it is, zeros count where they lie on faces."""
        none = np.zeros(0)
        if not reader.eq.diffusion_is_function:
            return cls(none, none.astype(int), narrow_minima(reader, samples))
        zeros, dips = interior_zeros(reader, samples)
        edges = reader.grid.edges[0]
        if fixed:
            near = np.abs(zeros[:, None] - edges).min(axis=1, initial=np.inf) < 1e-6 * reader.grid.widths[0].min()
            zeros = zeros[near]
        return cls(zeros, faces_of(reader.grid, zeros), np.concatenate([dips, narrow_minima(reader, samples)]))

    def points(self, reader: AxisReader, samples: Samples) -> list[SingularPoint]:
        """Walls and zeros, classified."""
        return singular_walls(reader, samples) + interior_points(reader, self.zeros, self.faces)

    def line(
        self, reader: AxisReader, samples: Samples, links: AxisLinks, jumps: JumpLines | None
    ) -> SingularLine | None:
        """What to integrate beyond the rule of the links, None where nothing is."""
        points = tuple(self.points(reader, samples))
        narrow = self.narrow
        for point in points:
            narrow = narrow[np.abs(narrow - point.position) > 0.5 * links.grid.widths[0].min()]
        if not points and not narrow.size:
            return None
        cell, x = _closing_cuts(links.grid, narrow)
        if jumps is not None:
            cell, x = np.append(cell, jumps.cell[jumps.inside]), np.append(x, jumps.x[jumps.inside])
        return SingularLine(links, points, cell, x)


def _closing_cuts(grid: Grid, narrow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells and places of cuts that close in on the narrow places (k,)."""
    edges, places = grid.edges[0], [np.zeros(0)]
    for x in narrow.tolist():
        near = int(np.clip(np.searchsorted(edges, x) - 1, 0, grid.size - 1))
        closest = max(CLOSEST * abs(x), 1e-40 * grid.widths[0][near])
        reach = grid.widths[0][near] * 2.0 ** -np.arange(np.log2(grid.widths[0][near] / closest))
        places.append(np.concatenate([x - reach, [x], x + reach]))
    cuts = np.concatenate(places)
    if grid.periodic(0):
        cuts = edges[0] + np.mod(cuts - edges[0], edges[-1] - edges[0])
    cuts = np.setdiff1d(cuts[(cuts > edges[0]) & (cuts < edges[-1])], np.concatenate([edges, grid.centers[0]]))
    return np.searchsorted(edges, cuts) - 1, cuts
