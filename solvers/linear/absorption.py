"""A generator killed on targets: where a target begins, links are cut.

The links that enter it, or cross it between two cells outside, are cut at its edge and shortened to that length, with the
density zero there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ...errors import bad_value
from ...model.grid import Grid
from ..discretization.generator import Exit, Generator, Links
from ..discretization.region_edges import Edges, Inside, region_edges
from ..kernels.bernoulli import exponential_fit_all

Region = tuple[np.ndarray, Inside | None]  # cells whose centers lie in it (*grid.shape), and its function
SHORTEST = 1e-3  # of a link
TARGET = "target"  # the name of the way out


def absorb(q: Generator, target: np.ndarray, inside: Inside | None) -> Generator:
    """The generator killed on a target.

    Parameters
    ----------
    q : Generator
    target : ndarray of bool (*grid.shape)
        Cells whose centers lie in the target. They keep no links.
    inside : callable or None
        The target as a function of the coordinates; its edge is then found on each link. Otherwise the edge is the face between
        the cells.
    """
    return Absorber(q.grid, ((target, inside),)).killed(q)[0]


class Cut(NamedTuple):
    """Links of a family that are cut on their way into regions, from their lower cells if `upward`, else from their upper ones.

    region : the number of the region that each ends in, and rates : those into it; (n_cut,).
    """

    family: int
    upward: bool
    chosen: np.ndarray
    cells: np.ndarray
    region: np.ndarray
    rates: np.ndarray


@dataclass
class Absorber:
    """Regions that kill; where they begin is kept from one generator to the next on the same links.

    `near`, if known, are the cells (n,) that an edge of each region passes through, `names` those of the ways out into the
    regions, and no link is shorter than `shortest` of its length.
    """

    grid: Grid
    regions: Sequence[Region]
    near: Sequence[np.ndarray | None] = ()
    names: Sequence[str] = ()
    shortest: float = SHORTEST
    links: list[np.ndarray] = field(default_factory=list)
    edges: list[list[Edges]] = field(default_factory=list)

    def killed(self, q: Generator) -> tuple[Generator, np.ndarray]:
        """The generator killed on all regions, and the rates from each cell into each of them, (n_regions, n).

        A link that meets several ends in the first.
        """
        masks = self._masks()
        mask = np.asarray(masks.any(axis=0))
        into = np.zeros(masks.shape)
        names = self.names or [TARGET] * len(self.regions)
        exits = [
            wall._replace(cells=wall.cells[~mask[wall.cells]], rates=wall.rates[~mask[wall.cells]]) for wall in q.exits
        ]
        for cut in self.cuts(q):
            np.add.at(into, (cut.region, cut.cells), cut.rates)
            axis = int(np.flatnonzero(q.links[cut.family].offset)[0])
            for k, name in enumerate(names):
                own = cut.region == k
                exits.append(Exit(axis, int(cut.upward), cut.cells[own], cut.rates[own], name=name))
        links: list[Links] = []
        for link, edges in zip(q.links, self.edges, strict=True):
            free = ~mask[link.lower] & ~mask[link.upper]
            for e in edges:
                free &= np.isinf(e.lower) & np.isinf(e.upper)
            integrated = None if link.integrated is None else link.integrated[free]
            links.append(
                Links(link.offset, link.stride, link.lower[free], link.forward[free], link.backward[free], integrated)
            )
        jumps = q.jumps
        if jumps is not None:
            outside = np.flatnonzero(~mask)
            for goal, region, name in zip(into, masks, names, strict=True):
                rates = jumps.into(region)[outside]
                goal[outside] += rates
                exits.append(Exit(0, 1, outside, rates, name=name))
            jumps = jumps.without(mask)
        return replace(q, links=tuple(links), exits=tuple(exits), jumps=jumps), into

    def cuts(self, q: Generator) -> Iterator[Cut]:
        """The links of a generator that end in a region, each family from below and from above."""
        mask = np.asarray(self._masks().any(axis=0))
        self._find(q)
        for family, (link, edges) in enumerate(zip(q.links, self.edges, strict=True)):
            for upward, start in ((True, link.lower), (False, link.upper)):
                shares = np.stack([e.lower if upward else e.upper for e in edges])  # (n_regions, n_links)
                first, share = shares.argmin(axis=0), shares.min(axis=0)
                cut = np.isfinite(share) & ~mask[start]
                if ((shares == share) & cut).sum() > cut.sum():
                    raise bad_value("source", "disjoint from `target`", "edges in common, between cell centers")
                if cut.any():
                    chosen = np.flatnonzero(cut)
                    rates = _entry_rates(self.grid, link, chosen, upward, np.maximum(share[cut], self.shortest))
                    yield Cut(family, upward, chosen, start[cut], first[cut], rates)

    def _masks(self) -> np.ndarray:
        """Those of the regions, (n_regions, n)."""
        return np.stack([mask.ravel() for mask, _ in self.regions])

    def _find(self, q: Generator) -> None:
        """The edges of each region on each family of links of a generator."""
        lower = [link.lower for link in q.links]
        if self.edges and all(np.array_equal(a, b) for a, b in zip(self.links, lower, strict=False)):
            return
        near = self.near or [None] * len(self.regions)
        found = [
            self._edges(q, m.ravel(), inside, cells) for (m, inside), cells in zip(self.regions, near, strict=True)
        ]
        self.links, self.edges = lower, [list(family) for family in zip(*found, strict=True)]

    def _edges(self, q: Generator, mask: np.ndarray, inside: Inside | None, near: np.ndarray | None) -> list[Edges]:
        if inside is not None:
            return region_edges(self.grid, q.links, inside, mask, near)
        return [_face_edges(self.grid, link, mask) for link in q.links]


def _face_edges(grid: Grid, link: Links, mask: np.ndarray) -> Edges:
    """The edges of a region made of cells: at the face."""
    widths = _extent(grid, link.offset)
    total = widths[link.lower] + widths[link.upper]

    def share(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.where(mask[start], 0.0, np.where(mask[end], widths[start] / total, np.inf))

    return Edges(share(link.lower, link.upper), share(link.upper, link.lower))


def _entry_rates(grid: Grid, link: Links, chosen: np.ndarray, upward: bool, share: np.ndarray) -> np.ndarray:
    """Rates of the cells at the outer ends of links into a region that begins at a share of each."""
    low, high = link.lower[chosen], link.upper[chosen]
    start, end = (low, high) if upward else (high, low)
    out, back = (link.forward, link.backward) if upward else (link.backward, link.forward)
    widths = _extent(grid, link.offset)
    # velocities of the whole link, and its conductance d from w = ln(out / back) = v / d
    out, back = out[chosen] * widths[start], back[chosen] * widths[end]
    velocity = out - back
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.log(out) - np.log(back)
        conductance = np.where(np.abs(w) > 1e-6, velocity / w, 0.5 * (out + back))
    conductance = np.nan_to_num(np.where(np.isfinite(w), conductance, 0.0))
    rate, _ = exponential_fit_all(velocity, conductance / share)
    return rate / widths[start]


def _extent(grid: Grid, offset: tuple[int, ...]) -> np.ndarray:
    """Length of the offset in each cell's widths, (n,)."""
    lines = np.meshgrid(*grid.widths, indexing="ij", sparse=True)
    square = sum((o * w) ** 2 for o, w in zip(offset, lines, strict=True))
    return np.sqrt(np.broadcast_to(square, grid.shape)).ravel()
