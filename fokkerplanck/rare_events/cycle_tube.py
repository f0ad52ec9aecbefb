"""The neighbourhood of a limit cycle: distances from it, V there, and the line V = const on which paths of least action begin.

A path of least action winds off a cycle without end. Up to a level of V it is not looked for but followed, by the equations

    x' = mu + 2 D p,     p' = -H_x,     V' = p.D p,     H = mu.p + p.D p = 0

from very near to the cycle, where V = n^2 / (2 s) and p is its slope, with ln V in place of time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from ..errors import ConvergenceError
from .action import Hamiltonian, position_slope
from .limit_cycle import LimitCycle

NEWTON = 4  # steps to the nearest point of a line, from the nearest that is stored
ALONE = 1e-3  # of a distance: by how much less another part of the cycle may be away
FOLLOWED = 1e-3  # of a level of V: where paths that are followed to it begin
RTOL, ATOL = 1e-8, 1e-10  # of these; ATOL in sizes of the cycle and of p
LINES, MOST_LINES, EVEN = (
    128,
    2000,
    2.0,
)  # paths around the cycle, also where they part; of their mean distance, the largest
TRIES, LOWER = 12, 0.25  # levels that are tried, each this share of the one before
SHOWN, MOST_SHOWN = 40, 4000  # points of a path as V grows by the factor e, and in all
BACK = 1e-6  # rtol of ways back
LED_BACK = 100  # points on a way back to the line
DIFFERENCE = 1e-5  # of the size of the cycle, for slopes of V


class Place(NamedTuple):
    """Distances (m,) along the outer normal, the share (m,) of the cycle's points where it meets, and that normal (2, m)."""

    distance: np.ndarray
    share: np.ndarray
    normal: np.ndarray


class ClosedLine:
    """A smooth closed line through points (n, 2), as a function of its length in units of their mean distance.

    Of their number it would not be smooth where they come closer together.
    """

    def __init__(self, points: np.ndarray):
        closed = np.vstack([points, points[:1]])
        length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1)))
        self.size, self.index = len(points), length * (len(points) / length[-1])
        self.curve = CubicSpline(self.index, closed, bc_type="periodic")
        self._tree = cKDTree(points)

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Where on the line (m,) the nearest point to each of x (2, m) is."""
        share = self.index[self._tree.query(x.T)[1]]
        for _ in range(NEWTON):
            off, slope = x.T - self.curve(share), self.curve(share, 1)
            bend = (slope**2).sum(axis=1) - np.maximum((off * self.curve(share, 2)).sum(axis=1), 0.0)
            step = (off * slope).sum(axis=1) / np.where(bend > 0.0, bend, (slope**2).sum(axis=1))
            share = share + np.clip(step, -1.0, 1.0)
        return np.asarray(share % self.size)

    def away(self, x: np.ndarray) -> float:
        """The least distance of points x (2, m) from the stored ones."""
        return float(self._tree.query(x.T)[0].min())


class Tube(ClosedLine):
    """Points next to a limit cycle, in its coordinates: all distances are Euclidean ones there."""

    def __init__(self, cycle: LimitCycle):
        super().__init__(cycle.points)
        self.extent = float(np.ptp(cycle.points, axis=0).max())
        self.variance = CubicSpline(self.index, np.append(cycle.variance, cycle.variance[0]), bc_type="periodic")
        x, y = cycle.points.T
        self._turn = np.sign(x @ np.roll(y, -1) - y @ np.roll(x, -1))  # +1 where it leads round to the left

    def place(self, x: np.ndarray) -> Place:
        """The nearest points of the cycle to points x (2, m)."""
        share = self.nearest(x)
        normal = self._normal(share)
        return Place(((x.T - self.curve(share)) * normal.T).sum(axis=1), share, normal)

    def _normal(self, share: np.ndarray) -> np.ndarray:
        """Unit normals outwards (2, m)."""
        slope = self.curve(share, 1).T
        return np.asarray(self._turn * np.stack([slope[1], -slope[0]]) / np.linalg.norm(slope, axis=0))

    def at(self, share: np.ndarray, distance: float | np.ndarray = 0.0) -> np.ndarray:
        """Points (2, m) at a distance along the outer normals."""
        return np.asarray(self.curve(share).T + distance * self._normal(share))

    def action(self, place: Place) -> np.ndarray:
        """V = n^2 / (2 s), (m,)."""
        return np.asarray(place.distance**2 / (2.0 * self.variance(place.share)))

    def momentum(self, place: Place) -> np.ndarray:
        """The slope of V (2, m)."""
        s, tangent = self.variance(place.share), self.curve(place.share, 1).T
        along = -(place.distance**2) * self.variance(place.share, 1) / (2.0 * s**2) / (tangent**2).sum(axis=0)
        return np.asarray(place.distance / s * place.normal + along * tangent)

    def clear(self, distance: float | np.ndarray) -> bool:
        """Whether points at a distance from each of the cycle, on both sides, have that one nearest."""
        shares = self.index[:-1]
        points = np.concatenate([self.at(shares, sign * distance) for sign in (-1.0, 1.0)], axis=1)
        nearest = self._tree.query(points.T)[0]
        return bool((nearest >= (1.0 - ALONE) * np.tile(np.broadcast_to(distance, shares.shape), 2)).all())

    def back(self, hamiltonian: Hamiltonian, x: np.ndarray, level: float) -> np.ndarray:
        """A way (n, 2) to x (2,) from where V is at a level: against mu + 2 D grad V, by V next to the cycle."""
        start = float(self.action(self.place(x[:, None]))[0])
        if start <= level:
            return x[None]

        def right(_: float, y: np.ndarray) -> np.ndarray:
            drift, d = hamiltonian.moments(y[:, None])
            p = self.momentum(self.place(y[:, None]))
            rate = np.einsum("in,ijn,jn->n", p, d, p) / self.action(self.place(y[:, None]))
            return np.asarray(((drift + 2.0 * np.einsum("ijn,jn->in", d, p)) / rate)[:, 0])

        span = np.log(level / start)
        times = np.linspace(0.0, span, _shown(span))
        return np.asarray(
            solve_ivp(right, (0.0, span), x, "DOP853", times, rtol=BACK, atol=BACK * self.extent).y.T[::-1]
        )


def _shown(span: float) -> int:
    return 2 + min(int(SHOWN * abs(span)), MOST_SHOWN)


class Rim(ClosedLine):
    """A line on which V has one value, `level`, on one side of a cycle; `error` of it."""

    def __init__(self, hamiltonian: Hamiltonian, tube: Tube, side: float, level: float):
        self._hamiltonian, self._tube, self._side, self._width = hamiltonian, tube, side, 1e-4 * tube.extent
        for _ in range(TRIES):
            self.level = level
            found = (
                self._line() if tube.clear(np.sqrt(2.0 * FOLLOWED * level * tube.variance(tube.index[:-1]))) else None
            )
            if found is not None:
                break
            level *= LOWER
        else:
            raise ConvergenceError(
                "paths that leave the limit cycle meet at once; the noise may be too uneven along it"
            )
        self._shares, x, p = found
        super().__init__(x.T)
        self._steepness = CubicSpline(
            self.index, np.append(size := np.linalg.norm(p, axis=0), size[0]), bc_type="periodic"
        )
        tangent = self.curve(0.0, 1)
        self._outwards = np.sign(tangent[1] * p[0, 0] - tangent[0] * p[1, 0])
        h, d = hamiltonian.value(x, p), hamiltonian.moments(x)[1]
        self.error = float(np.abs(h / np.einsum("in,ijn,jn->n", p, d, p)).max()) * self.level

    def _line(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Where paths begin around the cycle (n,), where they are at the level and p there (2, n); None where some have met."""
        shares = np.linspace(0.0, self._tube.size, LINES, endpoint=False)
        x, p = self._followed(shares)
        while len(shares) < MOST_LINES:
            gaps = np.linalg.norm(np.roll(x, -1, axis=1) - x, axis=0)
            wide = gaps > EVEN * gaps.mean()
            if not wide.any():
                break
            new = (shares + 0.5 * np.diff(np.append(shares, shares[0] + self._tube.size)))[wide]
            more = self._followed(new)
            order = np.argsort(np.append(shares, new))
            shares = np.append(shares, new)[order]
            x, p = (np.append(old, extra, axis=1)[:, order] for old, extra in zip((x, p), more, strict=True))
        tangent = np.roll(x, -1, axis=1) - np.roll(x, 1, axis=1)
        turned = tangent[0] * p[1] - tangent[1] * p[0]
        return (shares, x, p) if np.isfinite(x).all() and (turned * turned[0] > 0.0).all() else None

    def _followed(self, shares: np.ndarray, shown: int = 2) -> tuple[np.ndarray, ...]:
        """Where paths begun at shares (n,) come to the level, and p there (2, n); shown > 2: on the way, (shown, 2, n)."""
        first = FOLLOWED * self.level
        s = self._tube.variance(shares)
        begin = self._tube.at(shares, self._side * np.sqrt(2.0 * first * s))
        p = self._tube.momentum(self._tube.place(begin))
        scale = np.concatenate([np.full(begin.size, self._tube.extent), np.full(p.size, np.abs(p).max())])

        def right(log_v: float, y: np.ndarray) -> np.ndarray:
            x, p = y.reshape(2, 2, -1)
            drift, d = self._hamiltonian.moments(x)
            dp = np.einsum("ijn,jn->in", d, p)
            rate = np.exp(log_v) / (p * dp).sum(axis=0)
            slope = position_slope(self._hamiltonian, x, p, np.full(2, self._width))
            return np.concatenate([((drift + 2.0 * dp) * rate).ravel(), (-slope * rate).ravel()])

        span = (np.log(first), np.log(self.level))
        found = solve_ivp(
            right, span, np.append(begin, p), "DOP853", np.linspace(*span, shown), rtol=RTOL, atol=ATOL * scale
        )
        if not found.success:
            return np.full(begin.shape, np.nan), p
        states = found.y.T.reshape(len(found.t), 2, 2, -1)
        return (states[-1, 0], states[-1, 1]) if shown == 2 else (states[:, 0], np.exp(found.t))

    def value(self, x: np.ndarray) -> np.ndarray:
        """V (m,) at points x (2, m) near the line: the square of what grows with the distance as on the line."""
        place, off = self._from_line(x)
        size = self._steepness(place)
        return np.asarray((np.sqrt(self.level) + 0.5 * off * size / np.sqrt(self.level)) ** 2)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """The slope of `value` (2,) at a point (2,)."""
        step = DIFFERENCE * self._tube.extent
        up, down = (self.value(x[:, None] + sign * step * np.eye(2)) for sign in (1.0, -1.0))
        return (up - down) / (2.0 * step)

    def _from_line(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The index (m,) of the nearest point of the line, and the distance in the direction in which V grows."""
        place = self.nearest(x)
        slope = self._outwards * self.curve(place, 1).T
        normal = np.stack([slope[1], -slope[0]]) / np.linalg.norm(slope, axis=0)
        return place, ((x.T - self.curve(place)) * normal.T).sum(axis=1)

    def begun(self, path: np.ndarray) -> np.ndarray:
        """A path (n, 2) cut where it last comes over the line, or, if it begins beyond, led back to it along the slope of V."""
        off = self._from_line(path.T)[1]
        inside = np.flatnonzero(off < 0.0)
        if inside.size:
            last = min(inside[-1], len(path) - 3)
            share = min(off[last] / (off[last] - off[last + 1]), 0.5) if off[last + 1] > 0.0 else 0.0
            return np.vstack([path[last] + share * (path[last + 1] - path[last]), path[last + 1 :]])
        if off[0] == 0.0:
            return path
        places = np.linspace(off[0], 0.0, LED_BACK)
        led = solve_ivp(lambda _, x: self._per_distance(x), (off[0], 0.0), path[0], t_eval=places, rtol=BACK)
        if not led.success:  # too far beyond: by the shortest way
            return np.vstack([self.curve(self.nearest(path[:1].T)), path])
        return np.vstack([led.y.T[:0:-1], path])

    def _per_distance(self, x: np.ndarray) -> np.ndarray:
        """mu + 2 D grad V (2,) at x (2,), by its part along grad V."""
        drift, d = self._hamiltonian.moments(x[:, None])
        p = self.slope(x)
        flow = drift[:, 0] + 2.0 * d[..., 0] @ p
        return np.asarray(flow * np.linalg.norm(p) / (flow @ p))

    def before(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The way (n, 2) from the cycle to a point (2,) of the line, and V along it (n,)."""
        share = np.interp(
            self.nearest(x[:, None]), self.index, np.append(self._shares, self._shares[0] + self._tube.size)
        )
        points, v = self._followed(share, _shown(np.log(FOLLOWED)))
        first = self._tube.at(self._tube.place(points[0]).share)
        return np.vstack([first.T, points[:-1, :, 0]]), np.append(0.0, v[:-1])
