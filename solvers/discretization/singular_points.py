"""Where D vanishes or the drift diverges on a line: walls and interior zeros are found, classified, and put on cell faces."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...errors import bad_value
from ...model.grid import Grid
from ..kernels.bernoulli import STEEP
from .axis_reader import AxisReader
from .boundaries import Side, classify

VANISHED = 1e-9  # of its surroundings: D that is zero
FAINT = 1e-3  # D that may be zero nevertheless, where it goes by a small power: rounding of the place hides it
DIP = 0.7  # of D a link away on either side: from here on a minimum is looked at
BENT = 0.2  # exponent of D between two samples beside a wall from which the wall is looked at
PUSH = 0.02  # |drift| d / D there, likewise
GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)
CUSP = 1.3  # growth of the force over a link towards a place where it changes its sign
STEPS = 90  # of golden section, and of bisection


@dataclass(frozen=True, eq=False)
class Samples:
    """D and the drift along a line in the order of their places, (k,) each; `window` samples make a link."""

    x: np.ndarray
    diffusion: np.ndarray
    drift: np.ndarray
    window: int

    def round_the_axis(self, grid: Grid) -> Samples:
        """On a periodic axis, with a link and a sample from the other end at both ends, so that each has neighbours."""
        period = float(grid.edges[0][-1] - grid.edges[0][0])
        first = int(np.argmin(self.x))  # the last link wraps, and its last samples lie at the start of the axis
        x, d, mu = (np.roll(v, -first) for v in (self.x, self.diffusion, self.drift))
        more = self.window + 1
        x = np.concatenate([x[-more:] - period, x, x[:more] + period])
        d, mu = (np.concatenate([v[-more:], v, v[:more]]) for v in (d, mu))
        return Samples(x, d, mu, self.window)


@dataclass(frozen=True)
class SingularPoint:
    """A wall or an interior zero of D, on the cell face number `face`, with the sides that lie in the box.

    wall: what was asked for there, "" in the interior. period: that of the axis, for a point on its joint: both its ends.
    """

    position: float
    face: int
    below: Side | None
    above: Side | None
    wall: str = ""
    period: float = 0.0

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides that there are."""
        return tuple(side for side in (self.below, self.above) if side is not None)

    def place(self, side: Side) -> float:
        """Where the point lies for the cells on a side of it."""
        return self.position + self.period if side.direction == -1 else self.position

    def takes(self, side: Side) -> bool:
        """Whether what comes to the point on a side leaves the cells there: absorbed, kept or passed on."""
        return side.attracts or (self.wall == "absorbing" and side.kind == "regular")

    @property
    def passage(self) -> str:
        """closed, open, upward or downward (for interior zeros: who passes), absorbed or kept (who stays)."""
        if self.wall:
            (side,) = self.sides
            if not self.takes(side):
                return "closed"
            return "absorbed" if self.wall == "absorbing" and side.reached else "kept"
        assert self.below is not None
        assert self.above is not None
        if self.below.kind == self.above.kind == "regular":
            return "open"
        if self.below.kind == "exit" and self.above.left:
            return "upward"
        if self.above.kind == "exit" and self.below.left:
            return "downward"
        return "kept" if self.below.attracts or self.above.attracts else "closed"

    def __str__(self) -> str:
        return self.described("x")

    def described(self, name: str) -> str:
        """Where it is along an axis of this name, what its sides are, and what passes."""
        then = {
            "closed": "nothing passes",
            "open": "passed both ways",
            "upward": "passed upward only",
            "downward": "passed downward only",
            "absorbed": "absorbed",
            "kept": "what arrives stays, as an atom",
        }[self.passage]
        if self.wall == "reflecting" and self.sides[0].kind == "regular" and self.passage == "closed":
            then = "reflected"
        kinds = [
            side.kind + (", attracting" if side.kind == "natural" and side.attracts else "") for side in self.sides
        ]
        shown = kinds[0] if len(set(kinds)) == 1 else f"{kinds[0]} from below, {kinds[1]} from above"
        return f"{name} = {self.position:.6g}: {shown} ({then})"


def singular_walls(reader: AxisReader, samples: Samples) -> list[SingularPoint]:
    """The walls of a 1D grid beside which D vanishes or the drift diverges, classified."""
    grid, found = reader.grid, []
    edges, (low, high) = grid.edges[0], grid.boundary[0]
    if low == "periodic" or samples.x.size < 2:
        return []
    w = samples.window
    for wall, face, direction in ((low, 0, 1), (high, grid.size, -1)):
        near = slice(None, 2 * w) if direction == 1 else slice(-1, -2 * w - 1, -1)
        x = np.abs(samples.x[near] - edges[face])
        first = int(np.argmax(x > 0.0))
        ends = slice(first, first + w, w - 1)
        if not _bent(x[ends], samples.diffusion[near][ends], samples.drift[near][ends]):
            continue
        width = float(grid.widths[0][0 if direction == 1 else -1])
        side = classify(reader, float(edges[face]), direction, width)
        if not side.ordinary:
            below, above = (None, side) if direction == 1 else (side, None)
            found.append(SingularPoint(float(edges[face]), face, below, above, wall))
    return found


def _bent(x: np.ndarray, d: np.ndarray, mu: np.ndarray) -> bool:
    """Whether D, or drift times distance over D, goes by a power of the distance from a wall, from two samples.

    Where there is no noise at all beside a wall, drift alone carries paths to it, into the last cell.
    """
    (x0, x1), (d0, d1), (mu0, mu1) = (values.tolist() for values in (x, d, mu))
    if min(d0, d1) <= 0.0:
        return max(d0, d1) > 0.0
    span = math.log(x1 / x0)
    if abs(math.log(d1 / d0)) > BENT * span:
        return True
    push0, push1 = abs(mu0) * x0 / d0, abs(mu1) * x1 / d1
    return push0 > PUSH and push0 > push1 * math.exp(-0.5 * span)


def interior_zeros(reader: AxisReader, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Places at which D vanishes inside a 1D box, and places of narrow minima at which it does not, (k,) each."""
    d, w = samples.diffusion, samples.window
    if d.size < 2 * w + 1 or d.max() <= 1.1 * d.min():
        return np.zeros(0), np.zeros(0)
    if reader.grid.periodic(0):
        samples = samples.round_the_axis(reader.grid)
        d = samples.diffusion
    middle = d[w:-w]
    lowest = (middle <= d[w - 1 : -w - 1]) & (middle <= d[w + 1 : d.size - w + 1])
    beside = np.minimum(d[: -2 * w], d[2 * w :])
    numbers = np.flatnonzero(lowest & (middle < DIP * beside)) + w
    numbers = numbers[np.diff(numbers, prepend=-2) > 1]
    x, least = minima(reader, np.zeros(numbers.size, dtype=int), samples.x[numbers - 1], samples.x[numbers + 1])
    around = np.minimum(d[numbers - w], d[numbers + w])
    vanished = least <= VANISHED * around
    for k in np.flatnonzero(~vanished & (least <= FAINT * around)).tolist():
        reach = float(samples.x[numbers[k] + w] - samples.x[numbers[k]])
        place = float(_snapped(x[k : k + 1], reader.grid)[0])
        vanished[k] = any(classify(reader, place, way, reach).power > BENT for way in (-1, 1))
    zeros = np.concatenate([x[vanished], _edges_of_silence(reader, samples)])
    return _distinct(zeros, reader.grid), _inside(x[~vanished], reader.grid)


def _distinct(x: np.ndarray, grid: Grid) -> np.ndarray:
    """Places snapped and in order, once each: round a periodic axis some are found twice."""
    x = np.sort(_snapped(_inside(_snapped(x, grid), grid), grid))
    return x[np.diff(x, prepend=-np.inf) > 1e-7 * float(grid.widths[0].min())]


def _inside(x: np.ndarray, grid: Grid) -> np.ndarray:
    """Places on a periodic axis from its start on; others as they are."""
    low, high = grid.edges[0][[0, -1]]
    return low + np.mod(x - low, high - low) if grid.periodic(0) else x


def narrow_minima(reader: AxisReader, samples: Samples) -> np.ndarray:
    """Places (k,) at which the force mu / D changes its sign by a cusp of its integral, so that it grows towards them."""
    w = samples.window
    if samples.x.size < 2 * w + 2 or not samples.drift.any():
        return np.zeros(0)
    ahead = samples.drift > 0.0
    turns = np.flatnonzero(ahead[w : -w - 1] != ahead[w + 1 : -w]) + w
    if not turns.size:
        return np.zeros(0)
    near = np.stack([turns - w + 1, turns, turns + 1, turns + w])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        force = samples.drift[near] / samples.diffusion[near]
        before, low, high, after = np.abs(force)
        grows = (low > CUSP * before) & (high > CUSP * after)
        strong = np.minimum(low, high) * (samples.x[turns + w] - samples.x[turns]) > PUSH
    chosen = grows & strong & np.isfinite(low + high)
    turns, sign = turns[chosen], np.sign(force[1, chosen])
    if not turns.size:
        return np.zeros(0)
    low, high = samples.x[turns], samples.x[turns + 1]
    line = np.zeros(low.size, dtype=int)
    for _ in range(STEPS if low.size else 0):
        middle = 0.5 * (low + high)
        gap = np.maximum(1e-3 * (high - low), 1e-15 * np.abs(middle) + 1e-300)
        same = sign * reader.read(line, middle - gap, middle + gap)[0].mean(axis=0) > 0.0
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return _snapped(0.5 * (low + high), reader.grid)


def minima(reader: AxisReader, line: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of the minima of D between `low` and `high` on lines, (k,) each, by golden section."""
    if not low.size:
        return low, low
    for _ in range(STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        d_left, d_right = reader.diffusion(line, np.stack([left, right]))
        lower = d_left <= d_right
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    x = 0.5 * (low + high)
    return x, reader.diffusion(line, x[None])[0]


def _edges_of_silence(reader: AxisReader, samples: Samples) -> np.ndarray:
    """Ends of intervals without noise in which it fades out, by bisection; not where the drift outruns the noise there."""
    silent = samples.diffusion == 0.0
    if not silent.any():
        return np.zeros(0)
    change = np.flatnonzero(silent[1:] != silent[:-1])
    loud, quiet = np.where(silent[change], change + 1, change), np.where(silent[change], change, change + 1)
    inner = 2 * quiet - loud  # the next one too is silent
    inside = (inner >= 0) & (inner < silent.size)
    inside[inside] = silent[inner[inside]]
    loud, quiet = loud[inside], quiet[inside]
    step = np.abs(samples.x[loud] - samples.x[quiet]) * samples.window
    slow = np.abs(samples.drift[loud]) * step <= STEEP * samples.diffusion[loud]
    low, high = samples.x[quiet[slow]], samples.x[loud[slow]]
    line = np.zeros(low.size, dtype=int)
    for _ in range(STEPS if low.size else 0):
        middle = 0.5 * (low + high)
        on = reader.diffusion(line, middle[None])[0] > 0.0
        low, high = np.where(on, low, middle), np.where(on, middle, high)
    return high


def _snapped(x: np.ndarray, grid: Grid) -> np.ndarray:
    """Places moved onto a cell face, a center or the origin that they miss by a rounding."""
    width = float(grid.widths[0].min())
    targets = np.sort(np.concatenate([grid.edges[0], grid.centers[0], [0.0]]))
    near = np.clip(np.searchsorted(targets, x), 1, targets.size - 1)
    closest = np.where(x - targets[near - 1] < targets[near] - x, targets[near - 1], targets[near])
    return np.where(np.abs(closest - x) < 1e-7 * width, closest, x)


def faces_of(grid: Grid, places: np.ndarray) -> np.ndarray:
    """A face for each place (k,), increasing: the nearest one, but no wall; 0 for a place on the joint of a periodic axis."""
    edges = grid.edges[0]
    joint = np.zeros(int(grid.periodic(0) and (places == edges[0]).any()), dtype=int)
    inner = places[(places > edges[0]) & (places < edges[-1])]
    near = np.searchsorted(edges, inner)
    faces = np.where(inner - edges[near - 1] < edges[near] - inner, near - 1, near)
    faces = np.clip(faces, 1, max(grid.size - 1, 1))
    moved = edges.copy()
    moved[faces] = inner
    if grid.size < 2 or np.unique(faces).size < faces.size or not (np.diff(moved) > 0.0).all():
        shown = ", ".join(f"{x:.6g}" for x in places)
        raise bad_value(
            "cells", f"so many that a cell face lies between the zeros of D at {shown}", grid.size, "Refine."
        )
    return np.concatenate([joint, faces])


def interior_points(reader: AxisReader, places: np.ndarray, faces: np.ndarray) -> list[SingularPoint]:
    """Zeros of D at some places (k,), classified from both sides."""
    widths, found = reader.grid.widths[0], []
    period = float(reader.grid.edges[0][-1] - reader.grid.edges[0][0])
    for x, face in zip(places.tolist(), faces.tolist(), strict=True):
        below = classify(reader, x, -1, float(widths[face - 1]))
        above = classify(reader, x, 1, float(widths[face]))
        fades = not ((below.ordinary and above.silent) or (below.silent and above.ordinary))  # else a jump to zero
        if fades and not (below.ordinary and above.ordinary):
            found.append(SingularPoint(x, face, below, above, period=0.0 if face else period))
    return found
