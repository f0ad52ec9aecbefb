"""Curves and surfaces on which D vanishes, in two and three dimensions: links across them obey Feller's classification.

Along each axis D is searched for zeros as on a line, link by link. At a zero the normal of the curve is the direction in which
D grows, and drift and n . D n along it decide who passes: links across a closed curve carry nothing, those across a one-way
gate only what may pass. The curve is then a staircase of cell faces: the scheme is of first order beside it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...model.coefficients import Points
from .axis_links import AxisLinks
from .axis_reader import AxisReader
from .boundaries import classify
from .quadrature import derivative, gauss
from .singular_points import DIP, VANISHED, SingularPoint, minima

NEAR = 1e-3  # of a cell: where the direction in which D grows is read
ROUNDED = 1e-4  # error of the normal
HELD = "what would stay there is held back"
ON_CENTER = 1e-6  # of a link: a zero this close to its end lies on the cell's center


@dataclass(frozen=True, eq=False, kw_only=True)
class NormalReader(AxisReader):
    """Drift and diffusion along the normal (dim,) through a place (dim,), at the distances x: one line, as if of a 1D grid."""

    place: np.ndarray
    normal: np.ndarray

    def diffusion(self, line: np.ndarray, x: np.ndarray) -> np.ndarray:
        """n . D n at the distances x (q, k)."""
        return self._across(self._at(x))

    def read(self, line: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As in `AxisReader`."""
        eq, nodes = self.eq, gauss()[0]
        x = start + nodes[:, None] * (end - start)
        points = self._at(x)
        drift = np.tensordot(self.normal, eq.drift_at(points, self.t), axes=1) - self._tangential
        if eq.potential is not None:
            v = eq.potential_at(self._at(np.concatenate([start[None], x, end[None]])), self.t)
            drift = drift - derivative() @ (v - v[:1]) / (end - start)
        return drift, self._across(points)

    @cached_property
    def _tangential(self) -> float:
        """What a drift along the curve has along the normal by the rounding of the latter, else 0."""
        drift = self.eq.drift_at(self._at(np.zeros((1, 1))), self.t)[:, 0, 0]
        along = float(self.normal @ drift)
        return along if abs(along) < ROUNDED * float(np.linalg.norm(drift)) else 0.0

    def _across(self, points: Points) -> np.ndarray:
        d = self.eq.diffusion_at(points, self.t, check=False)
        if d.ndim == len(points.shape) + 2:
            return np.maximum(np.einsum("i,j,ij...->...", self.normal, self.normal, d), 0.0)
        return np.maximum(np.tensordot(self.normal**2, d, axes=1), 0.0)

    def _at(self, x: np.ndarray) -> Points:
        coords = tuple(a + n * x for a, n in zip(self.place, self.normal, strict=True))
        edges = self.grid.edges

        def from_cells(values: np.ndarray) -> np.ndarray:
            cells = (np.clip(np.searchsorted(e, c) - 1, 0, e.size - 2) for e, c in zip(edges, coords, strict=True))
            return values[tuple(cells)]

        return Points(coords, from_cells)


@dataclass(frozen=True, eq=False)
class ZeroCurve:
    """Links along an axis that cross zeros of D: numbers along it and of the line, (k,) each, and who passes: 1 or 0.

    keeps: whether the curve would take up what arrives, which is held back instead.
    """

    link: np.ndarray
    line: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    found: tuple[str, ...]
    keeps: bool = False

    @classmethod
    def look(cls, reader: AxisReader, links: AxisLinks, diffusion: np.ndarray) -> ZeroCurve | None:
        """From D sampled on the links of the axis, (q, links, lines); None where no zero is found."""
        link, line = _suspects(diffusion)
        inner = (links.lower[link] >= 0) & (links.upper[link] < reader.grid.shape[reader.axis])
        link, line = link[inner], line[inner]
        if not link.size:
            return None
        # a link may cross the curve twice: each half is searched
        link, line, half = np.repeat(link, 2), np.repeat(line, 2), np.tile([0.0, 0.5], link.size)
        low = links.start[link] + half * links.length[link]
        x, least = minima(reader, line, low, low + 0.5 * links.length[link])
        around = np.minimum(*_beside(diffusion, link, line))
        zero = least <= VANISHED * around
        if not zero.any():
            return None
        link, line, x = link[zero], line[zero], x[zero]
        passes = [_passage(reader, links, int(n), int(k), float(y)) for n, k, y in zip(link, line, x, strict=True)]
        forward, backward = (np.array([p[i] for p in passes], dtype=float) for i in (0, 1))
        kinds = Counter(text for _, _, text in passes if text)
        name = reader.grid.names[reader.axis]
        found = tuple(f"D = 0 on a curve across {n} links along {name}: {text}" for text, n in sorted(kinds.items()))
        return cls(link, line, forward, backward, found, any(HELD in text for text in kinds))

    def close(self, links: AxisLinks, forward: np.ndarray, backward: np.ndarray, beside: np.ndarray) -> None:
        """Take what may not pass off the velocities (*links), in place, and mark the links in a mask."""
        lines = np.unique(self.line)
        column = np.searchsorted(lines, self.line)
        for values, factor in ((forward, self.forward), (backward, self.backward)):
            rows = links.across(values, lines)
            np.multiply.at(rows, (self.link, column), factor)
            links.put_across(values, lines, rows)
        rows = links.across(beside, lines)
        rows[self.link, column] = True
        links.put_across(beside, lines, rows)


def _suspects(diffusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Links, with the two beside, in which the samples (q, links, lines) have a narrow minimum of D: numbers and lines."""
    q, m, lines = diffusion.shape
    d = np.swapaxes(diffusion, 0, 1).reshape(q * m, lines)
    wall = np.full((q, lines), np.inf)
    wide = np.concatenate([wall, d, wall])
    end = q + len(d)
    lowest = (d <= wide[q - 1 : end - 1]) & (d <= wide[q + 1 : end + 1])
    dip = lowest & (d < DIP * np.minimum(wide[: len(d)], wide[2 * q :]))
    by_link = dip.reshape(m, q, lines).any(axis=1)
    near = by_link.copy()
    near[1:] |= by_link[:-1]
    near[:-1] |= by_link[1:]
    link, line = np.nonzero(near)
    return link, line


def _beside(diffusion: np.ndarray, link: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest D on the links before and after, (k,) each."""
    largest = diffusion.max(axis=0)
    return largest[np.maximum(link - 1, 0), line], largest[np.minimum(link + 1, len(largest) - 1), line]


def _passage(reader: AxisReader, links: AxisLinks, link: int, line: int, x: float) -> tuple[bool, bool, str]:
    """Whether a link with a zero of D at x is passed upward and downward, and what the zero is."""
    grid, axis = reader.grid, reader.axis
    others = [a for a in range(grid.dim) if a != axis]
    cells = np.unravel_index(line, [grid.shape[a] for a in others])
    place = np.zeros(grid.dim)
    place[axis] = x
    place[others] = [grid.centers[a][i] for a, i in zip(others, cells, strict=True)]
    share = (x - links.start[link]) / links.length[link]
    normal = _normal(reader, place, 1.0 if share < 0.5 else -1.0, links.length[link])
    if normal is None:
        return False, False, ""
    if share < ON_CENTER or share > 1.0 - ON_CENTER:
        # the cell whose center lies on the curve belongs to one of its sides, the same for all its links
        first = int(np.argmax(np.abs(normal) > 1e-6))
        outward = normal[axis] * np.sign(normal[first]) * (1.0 if share < 0.5 else -1.0)
        if outward >= 0.0:
            return True, True, ""
    normal *= np.sign(normal[axis]) if normal[axis] else 1.0
    ray = NormalReader(reader.eq, grid, axis, reader.t, place=place, normal=normal)
    reach = float(links.length[link])
    below, above = (classify(ray, 0.0, direction, reach) for direction in (-1, 1))
    point = SingularPoint(0.0, 0, below, above)
    takes = any(side.kind == "exit" for side in point.sides)
    text = str(point).split(": ", 1)[1].replace("what arrives stays, as an atom", HELD if takes else "nothing passes")
    passage = point.passage
    return passage in ("open", "upward"), passage in ("open", "downward"), text


def _normal(reader: AxisReader, place: np.ndarray, side: float, length: float) -> np.ndarray | None:
    """The unit vector in which D grows beside a zero, read on one side of it along the axis; None where D is zero there."""
    grid, axis = reader.grid, reader.axis
    beside = place.copy()
    beside[axis] += side * NEAR * length
    step = 0.1 * NEAR * np.array([w.min() for w in grid.widths])
    coords = np.repeat(beside[:, None], 2 * grid.dim, axis=1)
    for a in range(grid.dim):
        coords[a, 2 * a] += step[a]
        coords[a, 2 * a + 1] -= step[a]
    points = Points(tuple(coords), lambda values: values)
    d = reader.eq.diffusion_at(points, reader.t, check=False)
    values = d[axis, axis] if d.ndim == 3 else d[axis]
    slope = (values[::2] - values[1::2]) / step
    size = float(np.linalg.norm(slope))
    return slope / size if size > 0.0 else None
