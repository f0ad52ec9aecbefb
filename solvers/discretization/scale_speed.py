"""Links by Feller's scale and speed densities, for lines of cells along which no short rule serves.

With Phi the integral of mu / D from a place in the cell, its node,

    m = D^(alpha-1) e^Phi   (speed),      s = D^(-alpha) e^(-Phi)   (scale),

the flux through a link is (u_i - u_j) / R, u = p / m and R the integral of s between the nodes, and a cell holds u times the
integral of m over it. Both are exact on a line where u is even in each cell, whatever the coefficients do in between
(Feller 1952; Karlin and Taylor 1981, chapter 15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..kernels.bernoulli import STEEP
from .axis_links import AxisLinks
from .axis_reader import AxisReader
from .quadrature import gauss, primitive

Weight = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Stretches:
    """Ways along an axis, on a line (k,), from `start` to `end` (k,), cut at places (c,) of the ways `owner` (c,)."""

    line: np.ndarray
    start: np.ndarray
    end: np.ndarray
    owner: np.ndarray
    cuts: np.ndarray

    def pieces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Owner, start and end of the pieces between the cuts, in the order of the way."""
        owner = np.concatenate([np.arange(self.start.size), self.owner])
        begin = np.concatenate([self.start, self.cuts])
        order = np.lexsort((np.abs(begin - self.start[owner]), owner))
        owner, begin = owner[order], begin[order]
        last = np.append(owner[1:] != owner[:-1], True)
        return owner, begin, np.where(last, self.end[owner], np.append(begin[1:], 0.0))


def integrals(
    reader: AxisReader, ways: Stretches, alpha: float, weight: Weight | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phi at the end, and the integrals of s and of m along each stretch, (k,) each, with Phi = 0 at its start.

    weight: a factor for s, from the numbers of stretches (k,) and places (q, k).
    """
    owner, start, end = ways.pieces()
    nodes, weights = gauss()
    drift, diffusion = reader.read(ways.line[owner], start, end)
    length = np.abs(end - start)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        force = np.where(drift == 0.0, 0.0, drift / diffusion) * (end - start)
        across = weights @ force
        total = np.cumsum(across)
        before = np.concatenate([[0.0], total[:-1]])
        before -= np.repeat(before[first], np.diff(np.append(first, owner.size)))
        phase = before + primitive() @ force
        scale = diffusion**-alpha * np.exp(-phase)
        if weight is not None:
            scale = scale * weight(owner, start + nodes[:, None] * (end - start))
        speed = diffusion ** (alpha - 1.0) * np.exp(phase)
        parts = across, length * (weights @ scale), length * (weights @ speed)
    across, scale, speed = (np.add.reduceat(part, first) for part in parts)
    return across, scale, speed


def link_velocities(
    links: AxisLinks, phase: np.ndarray, scale: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Velocities (f, b) of links on lines, and where they are too steep for it, (links, lines) each.

    phase, scale (2, n, lines): Phi and the integral of s from each cell's node to its faces; held (n, lines): the integral of m
    over each cell, with Phi = 0 at its node.
    """
    n = held.shape[0]
    width = links.grid.widths[links.axis][:, None]
    low, high = np.clip(links.lower, 0, None), np.clip(links.upper, None, n - 1)
    from_wall, to_wall = (links.lower < 0)[:, None], (links.upper >= n)[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        up, down = np.where(from_wall, 0.0, phase[1, low]), np.where(to_wall, 0.0, phase[0, high])
        s_up, s_down = np.where(from_wall, 0.0, scale[1, low]), np.where(to_wall, 0.0, scale[0, high])
        forward = width[low] / held[low] / (s_up + np.exp(down - up) * s_down)
        backward = width[high] / held[high] / (s_up * np.exp(up - down) + s_down)
    steep = (np.abs(up - down) > STEEP) | ~np.isfinite(forward) | ~np.isfinite(backward)
    return forward, backward, steep
