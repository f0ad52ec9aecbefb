"""The distribution function of cells in 1D, by a monotone cubic from the mass of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DistributionFunction(NamedTuple):
    """A monotone cubic through the masses below the edges of cells (Fritsch and Butland 1984).

    Each cell is read from its own mass, and sums go from either end, so that no tail is the difference of two numbers near one.

    Attributes
    ----------
    edges : ndarray (n + 1,)
    heights : ndarray (n,)
        Mean density of each cell.
    slopes : ndarray (n + 1,)
        The density at the edges.
    below, above : ndarray (n + 1,)
        The mass on either side of each edge.
    """

    edges: np.ndarray
    heights: np.ndarray
    slopes: np.ndarray
    below: np.ndarray
    above: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, masses: np.ndarray, periodic: bool) -> DistributionFunction:
        """From the masses (n,) of cells between edges (n + 1,)."""
        widths = np.diff(edges)
        heights = masses / widths
        below = np.concatenate([[0.0], np.cumsum(masses)])
        above = np.concatenate([np.cumsum(masses[::-1])[::-1], [0.0]])
        return cls(edges, heights, _slopes(widths, heights, periodic), below, above)

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """The mass below points of the box."""
        cell, low, _ = self._place(x)
        return self.below[cell] + self._part(cell, low, self.slopes[cell], self.slopes[cell + 1])

    def survival(self, x: np.ndarray) -> np.ndarray:
        """The mass above points of the box."""
        cell, _, high = self._place(x)
        return self.above[cell + 1] + self._part(cell, high, self.slopes[cell + 1], self.slopes[cell])

    def pdf(self, x: np.ndarray) -> np.ndarray:
        """The density at points of the box."""
        cell, low, high = self._place(x)
        ends = self.slopes[cell] * high * (high - 2.0 * low) + self.slopes[cell + 1] * low * (low - 2.0 * high)
        return np.maximum(6.0 * self.heights[cell] * low * high + ends, 0.0)

    def between(self, ends: np.ndarray) -> np.ndarray:
        """The masses between neighbouring points, (n - 1,) of n in order: differences of the smaller of both sums."""
        below, above = self.cdf(ends), self.survival(ends)
        return np.where(below[1:] <= above[:-1], np.diff(below), -np.diff(above))

    def _place(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cell of each point, and how far it is from the lower and from the upper edge, in widths of the cell."""
        cell = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, self.heights.size - 1)
        width = self.edges[cell + 1] - self.edges[cell]
        return cell, (x - self.edges[cell]) / width, (self.edges[cell + 1] - x) / width

    def _part(self, cell: np.ndarray, s: np.ndarray, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """The mass of the first share s of a cell, from the edge with the density `near` on."""
        width = self.edges[cell + 1] - self.edges[cell]
        cubic = self.heights[cell] * s * s * (3.0 - 2.0 * s) + near * s * (1.0 - s) ** 2 - far * s * s * (1.0 - s)
        return width * cubic


def _slopes(widths: np.ndarray, heights: np.ndarray, periodic: bool) -> np.ndarray:
    """Weighted harmonic means of the heights beside each edge; at ends a parabola, kept between 0 and three heights."""
    if heights.size == 1:
        return np.repeat(heights, 2)
    if periodic:
        round_seam = _harmonic(np.roll(widths, 1), widths, np.roll(heights, 1), heights)
        return np.append(round_seam, round_seam[0])
    inner = _harmonic(widths[:-1], widths[1:], heights[:-1], heights[1:])
    first, last = _end(widths[:2], heights[:2]), _end(widths[:-3:-1], heights[:-3:-1])
    return np.concatenate([[first], inner, [last]])


def _harmonic(w0: np.ndarray, w1: np.ndarray, h0: np.ndarray, h1: np.ndarray) -> np.ndarray:
    """Mean of heights h0, h1 of cells w0, w1 wide at the edge between them; zero where one is."""
    both = np.minimum(h0, h1) > 0.0
    with np.errstate(divide="ignore", over="ignore"):
        parts = (w0 + 2.0 * w1) / h0 + (2.0 * w0 + w1) / h1
    return np.divide(3.0 * (w0 + w1), parts, out=np.zeros(h0.shape), where=both)


def _end(widths: np.ndarray, heights: np.ndarray) -> float:
    """The slope at the outer edge of the first of two cells."""
    parabola = ((2.0 * widths[0] + widths[1]) * heights[0] - widths[0] * heights[1]) / widths.sum()
    return float(np.clip(parabola, 0.0, 3.0 * heights[0]))
