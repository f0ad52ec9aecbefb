"""Paths beside walls and interior zeros of D on a line: they obey the same classification as the density.

At an exit a path that arrives stays. Elsewhere it is not folded back where D vanishes: coefficients are read at the point once
it has been passed (full truncation; Lord, Koekkoek and van Dijk 2010), until the drift brings the path back. Beside a natural
boundary, which no path reaches, the step is one of the logarithm of the distance d: d ln d = (mu/d - D/d^2) dt + noise / d.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..solvers.discretization.boundaries import Side
from ..solvers.discretization.singular_points import SingularPoint

FLAT = 1e-3  # exponent of D below which it does not vanish at a point


class SingularEnds:
    """The singular points of a 1D box, and the segment between them that each path is in.

    Parameters
    ----------
    points : sequence of SingularPoint
    x : ndarray (n_paths,)
        Where the paths start.
    """

    def __init__(self, points: Sequence[SingularPoint], x: np.ndarray):
        self.points = sorted(points, key=lambda point: point.position)
        self.places = np.array([point.position for point in self.points])
        self.segment = np.searchsorted(self.places, x, side="right")
        if self.points and self.points[-1].wall and self.points[-1].above is None:
            self.segment = np.minimum(self.segment, len(self.points) - 1)

    @property
    def walls(self) -> tuple[float, ...]:
        """Walls that this treats, so that nothing else folds or stops paths there."""
        return tuple(point.position for point in self.points if point.wall)

    def inside(self, x: np.ndarray, paths: np.ndarray) -> np.ndarray:
        """Positions (n,) of the given paths, no further than the points at which D vanishes."""
        low, high = self._limits(paths)
        return np.clip(x, low, high)

    def _limits(self, paths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        below = np.concatenate([[-np.inf], self.places])[self.segment[paths]]
        above = np.concatenate([self.places, [np.inf]])[self.segment[paths]]
        return below, above

    def settle(
        self, paths: np.ndarray, old: np.ndarray, new: np.ndarray, diffusion: np.ndarray, dt: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions after a step (n,), and which paths stay for good and which are absorbed.

        Parameters
        ----------
        paths : ndarray of int (n,)
        old, new : ndarray (n,)
            Positions before and after a plain step.
        diffusion : ndarray (n,)
            D before it.
        dt : float
        """
        new, kept, gone = new.copy(), np.zeros(paths.size, dtype=bool), np.zeros(paths.size, dtype=bool)
        segment = self.segment[paths]
        low, high = self._limits(paths)
        nearest = np.where(old - low < high - old, low, high)
        for number, point in enumerate(self.points):
            for side in point.sides:
                mine = segment == (number + 1 if side.direction == 1 else number)
                if side.kind == "natural" and np.isfinite(side.pull) and not side.still:
                    self._multiply(point, side, mine & (nearest == point.position), old, new, diffusion, dt)
                    continue
                passed = mine & (side.direction * (new - point.position) <= 0.0)
                if not passed.any():
                    continue
                passage = point.passage
                if passage == "open" or passage == {1: "downward", -1: "upward"}[side.direction]:
                    self.segment[paths[passed]] -= side.direction
                elif point.takes(side) and passage == "absorbed":
                    gone |= passed
                elif point.takes(side):
                    new[passed], kept = point.position, kept | passed
                elif side.power < FLAT:
                    new[passed] = 2.0 * point.position - new[passed]
        return new, kept, gone

    @staticmethod
    def _multiply(
        point: SingularPoint,
        side: Side,
        paths: np.ndarray,
        old: np.ndarray,
        new: np.ndarray,
        diffusion: np.ndarray,
        dt: float,
    ) -> None:
        """Put an Euler step of ln d in place, for some paths (n, bool)."""
        d = np.maximum(side.direction * (old[paths] - point.position), 1e-300)
        growth = side.direction * (new - old)[paths] / d - diffusion[paths] / d / d * dt
        new[paths] = point.position + side.direction * d * np.exp(np.clip(growth, -600.0, 50.0))
