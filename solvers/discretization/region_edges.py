"""Where a region given by a function begins on the links between cells, also where it is thinner than a cell.

The function only says inside or outside: each link is sampled at places that differ from link to link, so that a strip is met
by some of the links that cross it. How thick it is there says how closely to look on the links around, until no more are found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...errors import SubcellWarning, bad_value, warn
from ...model.grid import Grid
from ...model.region import places_in
from .generator import Links

Inside = Callable[..., np.ndarray]
FEWEST, MOST, ALL = 12, 512, 20_000  # places looked at on a link, and on all of them together
CLOSEST = 4096  # places on a link beside a thin part
PER_THICKNESS = 3.0  # places looked at within the thickness of what was found
AT_ONCE = 1024  # places at which edges are looked for in one call
BISECTIONS = 45
HIDDEN = 16  # places looked at in a cell
GOLDEN = 0.6180339887498949


class Edges(NamedTuple):
    """Fractions of links (m,) at which a region begins, from their lower and upper cells; infinite where it does not.

    They are 0 at a cell whose center lies in the region.
    """

    lower: np.ndarray
    upper: np.ndarray


def region_edges(
    grid: Grid, links: Sequence[Links], inside: Inside, mask: np.ndarray, near: np.ndarray | None = None
) -> list[Edges]:
    """The edges of a region on each family of links; `mask` (n,) are the cells whose centers lie in it.

    Where the cells are known that an edge passes through, `near` (n,), no others are looked at.

    Warns
    -----
    SubcellWarning
        Where the region is too thin to be followed, or a part of it lies between the lines of cell centers.

    Raises
    ------
    ValueError
        If all of it lies there.
    """
    lines = [_Lines.of(grid, link) for link in links]
    found = [Edges(*(np.where(mask[end], 0.0, np.inf) for end in (link.lower, link.upper))) for link in links]
    total = max(sum(len(line) for line in lines), 1)
    count = int(np.clip(ALL // total, FEWEST, MOST))
    for line, edges in zip(lines, found, strict=True):
        free = (edges.lower > 0.0) | (edges.upper > 0.0)
        chosen = np.flatnonzero(free if near is None else free & (near[line.lower] | near[line.upper]))
        _search(line, edges, chosen, inside, count)
    if not mask.any() and not any(_met(edges).any() for edges in found):
        for line, edges in zip(lines, found, strict=True):
            _search(line, edges, np.arange(len(line)), inside, CLOSEST)
    _follow(grid, lines, found, inside, count)
    if near is None:
        _judge_hidden_parts(grid, lines, found, inside, mask)
    return found


class _Lines(NamedTuple):
    """A family of links as lines: where they start, how they go on, both (dim, m), and the cells at their ends."""

    grid: Grid
    origin: np.ndarray
    step: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(cls, grid: Grid, link: Links) -> _Lines:
        index = np.unravel_index(link.lower, grid.shape)
        origin, step = np.empty((2, grid.dim, link.lower.size))
        for axis, (cells, o) in enumerate(zip(index, link.offset, strict=True)):
            n, centers = grid.shape[axis], grid.centers[axis]
            turns, there = np.divmod(cells + o, n)
            origin[axis] = centers[cells]
            step[axis] = centers[there] + turns * np.ptp(grid.edges[axis]) - centers[cells]
        return cls(grid, origin, step, link.lower, link.upper)

    def __len__(self) -> int:
        return self.lower.size

    def holds(self, inside: Inside, chosen: np.ndarray, fraction: np.ndarray) -> np.ndarray:
        """Whether the places at the fractions (m,) or (count, m) of the chosen links lie in the region."""
        coords = []
        for axis, edges in enumerate(self.grid.edges):
            x = self.origin[axis][chosen] + fraction * self.step[axis][chosen]
            if self.grid.periodic(axis):
                x = edges[0] + np.mod(x - edges[0], edges[-1] - edges[0])
            coords.append(x)
        return np.broadcast_to(np.asarray(inside(*coords), dtype=bool), fraction.shape)


def _search(line: _Lines, edges: Edges, chosen: np.ndarray, inside: Inside, count: int) -> np.ndarray:
    """Note the edges on the chosen links as far as `count` places on each show them; which of them are met, (m,) bool."""
    for part in np.array_split(chosen, max(1, chosen.size * count // 2_000_000)) if chosen.size else ():
        places = (np.arange(count)[:, None] + np.mod(GOLDEN * (part + 1), 1.0)) / count
        hits = line.holds(inside, part, places)
        for end, flipped in ((edges.lower, False), (edges.upper, True)):
            hit = np.vstack([hits[::-1] if flipped else hits, np.zeros(part.size, dtype=bool)])
            where = 1.0 - places[::-1] if flipped else places
            other = edges.lower if flipped else edges.upper
            hit[-1] = other[part] == 0.0  # the far end, in the region
            met = hit.any(axis=0) & (end[part] > 0.0)
            if not met.any():
                continue
            first = np.argmax(hit[:, met], axis=0)
            columns = np.flatnonzero(met)
            outer = np.vstack([np.zeros(part.size), where, np.ones(part.size)])
            low, high = outer[first, columns], outer[first + 1, columns]
            end[part[met]] = _bisected(line, part[met], inside, low, high, flipped)
    return _met(edges)[chosen]


def _bisected(
    line: _Lines, links: np.ndarray, inside: Inside, low: np.ndarray, high: np.ndarray, flipped: bool
) -> np.ndarray:
    """The first place between two fractions, outside and inside the region, that lies in it; of few links many at once."""
    count = int(np.clip(AT_ONCE // max(links.size, 1), 1, 511))
    shares, columns = np.arange(1, count + 1)[:, None] / (count + 1.0), np.arange(links.size)
    for _ in range(math.ceil(BISECTIONS / math.log2(count + 1))):
        places = low + shares * (high - low)
        hit = line.holds(inside, links, 1.0 - places if flipped else places)
        first = np.argmax(np.vstack([hit, np.ones(links.size, dtype=bool)]), axis=0)
        outer = np.vstack([low, places, high])
        low, high = outer[first, columns], outer[first + 1, columns]
    return high


def _follow(grid: Grid, lines: Sequence[_Lines], found: Sequence[Edges], inside: Inside, count: int) -> None:
    """Look closer at the links around those that cross a part thinner than a cell."""
    from scipy.ndimage import binary_dilation

    thin = np.concatenate([np.where(_crossed(e), 1.0 - e.lower - e.upper, np.nan) for e in found])
    if np.isnan(thin).all():
        return
    thickness = float(np.nanmedian(thin))
    closely = int(np.clip(np.ceil(PER_THICKNESS / max(thickness, 1e-300)), count, CLOSEST))
    if thickness * closely < 1.0:
        _tell(grid, lines, found)
    fresh = [np.flatnonzero(_crossed(e)) for e in found]
    looked = [_met(e) for e in found]
    while any(f.size for f in fresh):
        near = np.zeros(grid.size, dtype=bool)
        for line, new in zip(lines, fresh, strict=True):
            near[line.lower[new]] = near[line.upper[new]] = True
        near = binary_dilation(near.reshape(grid.shape), np.ones((3,) * grid.dim), iterations=2).ravel()
        fresh = []
        for line, edges, done in zip(lines, found, looked, strict=True):
            chosen = np.flatnonzero(~done & (near[line.lower] | near[line.upper]))
            done[chosen] = True
            fresh.append(chosen[_search(line, edges, chosen, inside, closely)])


def _judge_hidden_parts(
    grid: Grid, lines: Sequence[_Lines], found: Sequence[Edges], inside: Inside, mask: np.ndarray
) -> None:
    """What of the region lies in cells of which no link near meets it."""
    from scipy.ndimage import binary_dilation

    near = mask.copy()
    for line, edges in zip(lines, found, strict=True):
        met = _met(edges)
        near[line.lower[met]] = near[line.upper[met]] = True
    nothing = not near.any()
    near = binary_dilation(near.reshape(grid.shape), np.ones((3,) * grid.dim))
    apart = ((places, seen & ~near) for seen, places in places_in(inside, grid, HIDDEN))
    hidden = [places[:, chosen] for places, chosen in apart if chosen.any()]
    if not hidden and not nothing:
        return
    place = ", ".join(f"{x:.4g}" for x in hidden[0][:, 0]) if hidden else "a place between cell centers"
    width = " x ".join(f"{float(w.min()):.2g}" for w in grid.widths)
    wished = " x ".join(str(4 * n) if n > 1 else "1" for n in grid.shape)
    text = f"what is near ({place}) lies between the centers of cells of {width}, where paths go past it"
    then = f"Take cells smaller than that part, such as {wished}."
    if nothing:
        raise bad_value("target", "met by the lines between cell centers", text, then)
    warn(f"Of a target or source {text}. {then}", SubcellWarning)


def _met(edges: Edges) -> np.ndarray:
    """Links that meet the region."""
    return np.isfinite(edges.lower) | np.isfinite(edges.upper)


def _crossed(edges: Edges) -> np.ndarray:
    """Links that cross the region though both ends lie outside."""
    return np.isfinite(edges.lower) & np.isfinite(edges.upper) & (edges.lower > 0.0) & (edges.upper > 0.0)


def _tell(grid: Grid, lines: Sequence[_Lines], found: Sequence[Edges]) -> None:
    """A warning with the thickness of a region that is too thin to be followed from link to link."""
    sizes = [
        (1.0 - e.lower - e.upper)[_crossed(e)] * np.linalg.norm(line.step[:, _crossed(e)], axis=0)
        for line, e in zip(lines, found, strict=True)
    ]
    thick = float(np.median(np.concatenate(sizes)))
    width = min(float(w.min()) for w, n in zip(grid.widths, grid.shape, strict=True) if n > 1)
    text = (
        f"a target or source is only some {thick:.2g} thick, where cells are {width:.2g} wide: paths slip through where it "
        f"is not seen. Make it at least {width / 1000:.1g} thick, or give it as an array of cells."
    )
    warn(text, SubcellWarning)
