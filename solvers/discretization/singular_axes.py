"""Axes of a grid in two or three dimensions along which D vanishes or the drift diverges: lines of cells, classified each.

Along an axis whose coefficients are alike on all lines, one line stands for all, with zeros of D inside too. Else walls are
classified line by line, and the nodes are the means of those of the lines.

What arrives at an exit goes on along the wall. Its row of cells is then read on the wall itself and keeps what comes; the next
row reaches to the wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...model.grid import Grid
from .axis_links import AxisLinks
from .axis_reader import AxisReader
from .quadrature import gauss
from .singular_lines import Places, SingularLine, with_nodes
from .singular_points import BENT, DIP, PUSH, Samples, SingularPoint, singular_walls
from .zero_curves import HELD, ZeroCurve

CLOSER = 1.0 / 64.0  # of a cell, from its wall
ALIKE = 1e-10  # of the largest: coefficients that differ by rounding alone


@dataclass(frozen=True, eq=False, kw_only=True)
class OneLine(AxisReader):
    """One of the lines of cells along an axis, number `number` of those that `whole` reads, as if its grid were 1D."""

    whole: AxisReader
    number: int

    @classmethod
    def of(cls, whole: AxisReader, number: int, grid: Grid) -> OneLine:
        """The line as a grid of its own, which may differ from the axis in its cells."""
        return cls(whole.eq, grid, 0, whole.t, whole=whole, number=number)

    def diffusion(self, line: np.ndarray, x: np.ndarray) -> np.ndarray:
        """As in `AxisReader`."""
        return self.whole.diffusion(np.full_like(line, self.number), x)

    def read(self, line: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As in `AxisReader`."""
        return self.whole.read(np.full_like(line, self.number), start, end)


@dataclass(frozen=True, eq=False)
class LineSamples:
    """What was read on the links along an axis: x (q, links), diffusion and drift (q, links, lines)."""

    x: np.ndarray
    diffusion: np.ndarray
    drift: np.ndarray

    def of(self, number: int) -> Samples:
        """One line's, in the order of places."""
        d, mu = (values[..., number].ravel("F") for values in (self.diffusion, self.drift))
        return Samples(self.x.ravel("F"), d, mu, len(self.x))

    def bent(self, edges: np.ndarray) -> np.ndarray:
        """The lines on which D, or drift times distance over D, goes by a power of the distance from a wall, (lines,)."""
        found = np.zeros(self.diffusion.shape[2], dtype=bool)
        for wall, near, far in (
            (edges[0], (0, 0), (-1, 0)),
            (edges[-1], (-1, -1), (0, -1)),
        ):
            x0, x1 = abs(self.x[near] - wall), abs(self.x[far] - wall)
            span = np.log(x1 / x0)
            d0, d1, mu0, mu1 = self.diffusion[near], self.diffusion[far], self.drift[near], self.drift[far]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                noisy = (np.minimum(d0, d1) > 0.0) & (np.abs(np.log(d1 / d0)) > BENT * span)
                push0, push1 = np.abs(mu0) * x0 / d0, np.abs(mu1) * x1 / d1
                pushed = (push0 > PUSH) & (push0 > push1 * np.exp(-0.5 * span)) & np.isfinite(push0)
            found |= noisy | pushed | ((d0 <= 0.0) & (d1 > 0.0))
        return found

    def dips(self) -> bool:
        """Whether D has a narrow minimum inside, on any line."""
        d = self.diffusion
        if d.shape[1] < 3 or d.max() <= 1.1 * d.min():
            return False
        inner = d[:, 1:-1] < DIP * np.minimum(d[:, :-2], d[:, 2:])
        first, last = d[:, 0] < DIP * d[:, 1], d[:, -1] < DIP * d[:, -2]
        return bool(inner.any() or first.any() or last.any())

    @property
    def alike(self) -> bool:
        """Whether all lines are the same."""
        for values in (self.diffusion, self.drift):
            if not (np.abs(values - values[..., :1]) <= ALIKE * np.abs(values[..., :1])).all():
                return False
        return True


def samples_closer(reader: AxisReader, numbers: np.ndarray) -> LineSamples:
    """Samples beside both walls of lines `numbers` (k,), as close that a power of the distance rules where there is one.

    What looks like one a cell away may be a drift that changes its sign there.
    """
    edges, widths = reader.grid.edges[reader.axis], CLOSER * reader.grid.widths[reader.axis][[0, -1]]
    starts, ends = np.array([edges[0], edges[-1] - widths[1]]), np.array([edges[0] + widths[0], edges[-1]])
    drift, diffusion = reader.read(np.tile(numbers, 2), np.repeat(starts, numbers.size), np.repeat(ends, numbers.size))
    x = starts + gauss()[0][:, None] * (ends - starts)
    return LineSamples(x, diffusion.reshape(*x.shape, -1), drift.reshape(*x.shape, -1))


@dataclass(frozen=True, eq=False)
class OneAxis:
    """Singular points of the lines with the numbers `lines` (k,), alike on all of them, and places between cells to look at."""

    lines: np.ndarray
    points: tuple[SingularPoint, ...]
    places: Places | None


@dataclass(frozen=True, eq=False)
class SingularAxis:
    """The lines of an axis that need a closer look, in groups that are alike."""

    axis: int
    name: str
    groups: tuple[OneAxis, ...]
    curve: ZeroCurve | None = None

    @classmethod
    def look(cls, reader: AxisReader, links: AxisLinks, samples: LineSamples, fixed: bool) -> SingularAxis | None:
        """None where the rule of the links serves on all lines."""
        grid, axis = reader.grid, reader.axis
        if grid.shape[axis] < 4 or not (reader.eq.diffusion_is_function or callable(reader.eq.drift)):
            return None
        bent = np.zeros(1, bool) if grid.periodic(axis) else samples.bent(grid.edges[axis])
        if not bent.any() and not samples.dips():
            return None
        flat = axis_grid(grid, axis)
        groups, curve = [], None
        if samples.alike:
            one, line = OneLine.of(reader, 0, flat), samples.of(0)
            places = Places.look(one, line, fixed)
            points = places.points(one, line)
            if points:
                groups.append(OneAxis(np.arange(samples.diffusion.shape[2]), tuple(points), places))
        else:
            numbers = np.flatnonzero(bent)
            for number in numbers[samples_closer(reader, numbers).bent(grid.edges[axis])].tolist():
                points = singular_walls(OneLine.of(reader, number, flat), samples.of(number))
                if points:
                    groups.append(OneAxis(np.array([number]), tuple(points), None))
            curve = ZeroCurve.look(reader, links, samples.diffusion)
        return cls(axis, grid.names[axis], tuple(groups), curve) if groups or curve is not None else None

    def unless_changed(self, other: SingularAxis | None) -> SingularAxis | None:
        """This one, unless the kinds of the other, at another time, differ: exponents are those at the start.

        Read anew they would carry the rounding of differences of a potential, and steps in time would follow it.
        """
        if other is None or len(other.groups) != len(self.groups):
            return other
        kinds = [
            [[(side.kind, point.takes(side)) for point in group.points for side in point.sides] for group in one.groups]
            for one in (self, other)
        ]
        return replace(self, curve=other.curve) if kinds[0] == kinds[1] else other

    def nodes(self, grid: Grid) -> Grid:
        """The grid with faces on zeros of D along the axis, and read at the nodes of its lines, or at their mean."""
        if not self.groups:
            return grid
        flat = axis_grid(grid, self.axis)
        total, count = np.zeros(flat.size), 0
        for group in self.groups:
            own = _inner_grid(flat, group.points)
            nodes = own.grid.centers[0]
            if own.first:
                nodes = np.concatenate([flat.edges[0][:1], nodes])
            if own.last:
                nodes = np.concatenate([nodes, flat.edges[0][-1:]])
            total += nodes * group.lines.size
            count += group.lines.size
        lines = grid.size // flat.size
        total += flat.centers[0] * (lines - count)
        moved = flat.edges[0].copy()
        if len(self.groups) == 1:
            for point in self.groups[0].points:
                moved[point.face] = point.position
        return grid.replaced(self.axis, moved, total / lines)

    def refit(self, reader: AxisReader, links: AxisLinks, forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
        """Put the velocities (*links) of the lines in place; the links beside the points, a mask (*links)."""
        beside = np.zeros(forward.shape, dtype=bool)
        flat = axis_grid(links.grid, self.axis)
        for group in self.groups:
            own = _inner_grid(flat, group.points)
            span = AxisLinks.of(own.grid, 0)
            one = OneLine.of(reader, int(group.lines[0]), own.grid)
            # the links of the shorter line among those of the axis
            start = own.first + int(links.lower[0] < 0) * (own.first and flat.boundary[0][0] == "absorbing")
            mine = slice(start, start + span.lower.size)
            f, b, mask = (links.across(a, group.lines[:1])[:, 0].copy() for a in (forward, backward, beside))
            inner_f, inner_b = f[mine].copy(), b[mine].copy()
            line = SingularLine(span, own.points, np.zeros(0, int), np.zeros(0))
            d_cells = one.diffusion(np.zeros(own.grid.size, int), own.grid.centers[0][None])[0]
            kept = line.fit(one, d_cells, inner_f, inner_b)
            scale = own.grid.widths[0], flat.widths[0]
            cells = np.clip(span.lower, 0, None), np.clip(span.upper, None, own.grid.size - 1)
            for velocity, ends in ((inner_f, cells[0]), (inner_b, cells[1])):
                velocity *= scale[1][ends + own.first] / scale[0][ends]
            f[mine], b[mine], mask[mine] = inner_f, inner_b, line.beside
            for leaving in kept:
                self._arrive(leaving.side, float(leaving.rates[0]), flat, own, (f, b, mask), start, mine.stop)
            for values, new in ((forward, f), (backward, b), (beside, mask)):
                links.put_across(values, group.lines, np.repeat(new[:, None], group.lines.size, axis=1))
        if self.curve is not None:
            self.curve.close(links, forward, backward, beside)
        return beside

    @staticmethod
    def _arrive(
        side: int,
        rate: float,
        flat: Grid,
        own: _Inner,
        velocities: tuple[np.ndarray, np.ndarray, np.ndarray],
        start: int,
        stop: int,
    ) -> None:
        """Let what arrives at a wall go into the row of cells on it, from where nothing returns."""
        f, b, mask = velocities
        if side == 0 and own.first:
            f[start - 1], b[start - 1], mask[start - 1] = 0.0, rate * flat.widths[0][1], True
        elif side == 1 and own.last:
            f[stop], b[stop], mask[stop] = rate * flat.widths[0][-2], 0.0, True

    @property
    def untreated(self) -> tuple[str, ...]:
        """Curves that should take up what arrives."""
        if self.curve is None or not self.curve.keeps:
            return ()
        text = "cells cannot keep it on a curve, and so the density beside it is not that of the process"
        return tuple(f"{line}: {text}" for line in self.curve.found if HELD in line)

    @property
    def walls(self) -> tuple[int, ...]:
        """Sides of the box at which points are: 0 low, 1 high."""
        return tuple(sorted({int(p.face > 0) for group in self.groups for p in group.points if p.wall}))

    @property
    def vanishing_walls(self) -> tuple[float, ...]:
        """Reflecting walls at which D along the axis vanishes."""
        points = [point for group in self.groups for point in group.points if point.wall == "reflecting"]
        return tuple(dict.fromkeys(p.position for p in points if any(side.power > BENT for side in p.sides)))

    @property
    def positions(self) -> tuple[float, ...]:
        """Where the points are along the axis."""
        return tuple(dict.fromkeys(point.position for group in self.groups for point in group.points))

    @property
    def found(self) -> tuple[str, ...]:
        """Lines that say what the points are."""
        texts = [p.described(self.name) for group in self.groups for p in group.points]
        texts = [t.replace("stays, as an atom", "stays in the cells there") for t in texts]
        return (*dict.fromkeys(texts), *(() if self.curve is None else self.curve.found))


@dataclass(frozen=True, eq=False)
class _Inner:
    """A line without the cells that stand for exits at its ends: first and last say where there is one."""

    grid: Grid
    points: tuple[SingularPoint, ...]
    first: int
    last: int


def _inner_grid(flat: Grid, points: Sequence[SingularPoint]) -> _Inner:
    """A 1D grid with faces on the points, without the rows on exits at its walls; read at the nodes of the density."""
    kept = {point.face for point in points if point.wall and point.passage == "kept"}
    first, last = int(0 in kept), int(flat.size in kept)
    edges = flat.edges[0].copy()
    keep = np.ones(edges.size, dtype=bool)
    if first:
        keep[1] = False
    if last:
        keep[-2] = False
    shorter = flat.with_edges([edges[keep]])
    moved = tuple(
        replace(p, face=0 if p.face == 0 else p.face - first - (last if p.face == flat.size else 0)) for p in points
    )
    return _Inner(with_nodes(shorter, moved), moved, first, last)


def fades(diffusion: np.ndarray) -> bool:
    """Whether D in cells, along its first axis, goes by a power of the distance from a wall."""
    if len(diffusion) < 4:
        return False
    steepest = 3.0**BENT  # between the first two centers
    return any(
        bool((b > steepest * a).any()) for a, b in ((diffusion[0], diffusion[1]), (diffusion[-1], diffusion[-2]))
    )


def axis_grid(grid: Grid, axis: int) -> Grid:
    """An axis of a grid as a 1D grid."""
    flat = Grid.from_edges(grid.edges[axis], [grid.walls[axis]]).named(grid.names[axis : axis + 1])
    flat.__dict__["centers"] = (grid.centers[axis],)
    return flat
