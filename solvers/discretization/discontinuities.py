"""Lines of cells along which the diffusion jumps: jumps are found by bisection, and the integrals of links are split there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .axis_links import AxisLinks
from .axis_reader import AxisReader
from .quadrature import gauss
from .scale_speed import Stretches, integrals, link_velocities

UNEVEN = 0.1  # change of ln D along a link from which a jump is looked for
SHARP = 0.5  # share of a change of ln D that stays in an interval 2^HALVINGS times shorter where D jumps
HALVINGS, LAST = 7, 50
EDGE = 1e-6  # of a cell, within which a jump is taken to lie on its face
MOST_JUMPS = 4  # in the longest link: so many rounds of search


def uneven(diffusion: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Numbers of the links whose samples of D (q, n), with their ends (n,), differ enough to hide a jump."""
    largest = np.maximum(diffusion.max(axis=0), np.maximum(low, high))
    smallest = np.minimum(diffusion.min(axis=0), np.minimum(low, high))
    return np.flatnonzero((largest > (1.0 + UNEVEN) * smallest) & (smallest > 0.0))


def find_jumps(
    reader: AxisReader, line: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where D jumps along stretches on lines (k,): the lines and the places, both (c,).

    A change of ln D between neighbouring samples is halved in place: what stays of it after a few halvings is a jump.
    """
    lines, places = [], []
    for _ in range(MOST_JUMPS):
        found, at = _one_jump_each(reader, line, start, end)
        if not found.size:
            break
        line, start, end = line[found], start[found], end[found]
        lines.append(line)
        places.append(at)
        beside = EDGE * (end - start)
        line, start, end = np.tile(line, 2), np.concatenate([start, at + beside]), np.concatenate([at - beside, end])
    return np.concatenate([*lines, np.zeros(0, np.int64)]), np.concatenate([*places, np.zeros(0)])


def _one_jump_each(
    reader: AxisReader, line: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the stretches (k,) in which D jumps, and the place of the largest jump in each."""
    inside = np.concatenate([[0.0], gauss()[0], [1.0]])
    x = start + inside[:, None] * (end - start)
    logs = _log(reader.diffusion(line, x))
    change = np.abs(np.diff(logs, axis=0))
    numbers = np.flatnonzero(change.max(axis=0) > 0.5 * UNEVEN)
    step = change[:, numbers].argmax(axis=0)
    low, left, high, right = (a[step + i, numbers] for i in (0, 1) for a in (x, logs))
    whole = np.abs(right - left)
    for k in range(LAST):
        if not numbers.size:
            break
        middle = 0.5 * (low + high)
        here = _log(reader.diffusion(line[numbers], middle[None])[0])
        above = np.abs(right - here) > np.abs(here - left)
        low, left = np.where(above, middle, low), np.where(above, here, left)
        high, right = np.where(above, high, middle), np.where(above, right, here)
        if k == HALVINGS:
            sharp = np.abs(right - left) > SHARP * whole
            numbers, low, high, left, right = (a[sharp] for a in (numbers, low, high, left, right))
    return numbers, 0.5 * (low + high)


def _log(diffusion: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(diffusion, 1e-300))


@dataclass(frozen=True, eq=False)
class JumpLines:
    """The lines of cells along an axis on which D jumps.

    lines (k,): their numbers; line, cell, x (c,): each jump's line within `lines`, a cell that it touches, its place;
    inside (c,): whether it lies off the faces of that cell.
    """

    links: AxisLinks
    lines: np.ndarray
    line: np.ndarray
    cell: np.ndarray
    x: np.ndarray
    inside: np.ndarray

    @classmethod
    def find(cls, reader: AxisReader, links: AxisLinks, chosen: np.ndarray) -> JumpLines | None:
        """Look for jumps within the chosen links, numbered in the order of their raveled velocities; None if there is none."""
        link, line = links.place(chosen)
        start, length, edges = links.start[link], links.length[link], links.grid.edges[links.axis]
        # a little further than the centers, on which a jump may lie, but not out of the box
        ahead = EDGE * length * np.where(links.lower[link] < 0, 1.0, -1.0)
        behind = EDGE * length * np.where(links.upper[link] >= edges.size - 1, -1.0, 1.0)
        line, x = find_jumps(reader, line, start + ahead, start + length + behind)
        if not x.size:
            return None
        x = np.where(x > edges[-1], x - (edges[-1] - edges[0]), x)
        cell = np.clip(np.searchsorted(edges, x) - 1, 0, edges.size - 2)
        inside = np.minimum(x - edges[cell], edges[cell + 1] - x) > EDGE * links.grid.widths[links.axis][cell]
        lines = np.unique(line)
        return cls(links, lines, np.searchsorted(lines, line), cell, x, inside)

    def beside(self, shape: tuple[int, ...]) -> np.ndarray:
        """The links of cells in which, or between which, D jumps: a mask of the links' shape."""
        mask = np.zeros(shape, dtype=bool)
        rows = self.links.across(mask, self.lines)
        for cell, line in zip(self.cell, self.line, strict=True):
            rows[(self.links.lower == cell) | (self.links.upper == cell), line] = True
        self.links.put_across(mask, self.lines, rows)
        return mask

    def refit(self, reader: AxisReader, d_cells: np.ndarray, forward: np.ndarray, backward: np.ndarray) -> None:
        """Put the velocities of all links on these lines in place, (*links); d_cells: D along the axis at the centers."""
        links, alpha = self.links, reader.eq.alpha
        centers, edges, width = (part[links.axis] for part in (links.grid.centers, links.grid.edges, links.grid.widths))
        n, lines = centers.size, self.lines.size
        start = np.broadcast_to(centers[:, None], (2, n, lines))
        end = np.broadcast_to(np.stack([edges[:-1], edges[1:]])[:, :, None], (2, n, lines))
        cell, line, x = (part[self.inside] for part in (self.cell, self.line, self.x))
        half = (np.where(x > centers[cell], n, 0) + cell) * lines + line
        ways = Stretches(np.tile(self.lines, 2 * n), start.ravel(), end.ravel(), half, x)
        phase, scale, speed = (v.reshape(2, n, lines) for v in integrals(reader, ways, alpha))
        held = links.across(d_cells, self.lines) ** (alpha - 1.0) * width[:, None]
        held[cell, line] = speed.sum(axis=0)[cell, line]
        out, back, steep = link_velocities(links, phase, scale, held)
        for velocity, new in ((forward, out), (backward, back)):
            old = links.across(velocity, self.lines)
            links.put_across(velocity, self.lines, np.where(steep, old, new))
