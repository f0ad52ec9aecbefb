"""Paths that start anew when they have left the box."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import bad_type, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import InitialDensity, law_of_result
from ..solvers.discretization.singular_points import SingularPoint

if TYPE_CHECKING:
    from .euler_maruyama import Walk


@dataclass
class Resets:
    """Where paths start anew, after which delay, and how often each has.

    counts : (n_paths,) so far; due : (n_paths,) times at which those outside enter again, inf for the others; recorded and
    outside : one array (n_paths,) an output time, of the counts and of who is outside.
    """

    law: InitialDensity
    counts: np.ndarray
    delay: float = 0.0
    recorded: list[np.ndarray] = field(default_factory=list)
    outside: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.due = np.full(self.counts.shape, np.inf)

    @property
    def waiting(self) -> bool:
        """Whether any path is outside."""
        return bool(np.isfinite(self.due).any())

    def draw(self, generator: np.random.Generator, out: np.ndarray) -> None:
        """Fill (dim, n) with places."""
        out[...] = self.law.sample(generator, out.shape[1]).reshape(out.shape[::-1]).T

    def leave(self, walk: Walk, left: np.ndarray) -> None:
        """Put paths that have left where they start anew, or let them wait."""
        walk.ended[left] = False
        if self.delay == 0.0:
            self._enter(walk, left)
            return
        self.due[left] = walk.clock[left] + self.delay
        walk.moving = np.setdiff1d(walk.moving, left, assume_unique=True)

    def come_back(self, walk: Walk, until: float) -> None:
        """Let those enter again whose delay is over by a time."""
        back = np.flatnonzero(self.due <= until * (1.0 + 1e-12))
        if back.size:
            self.due[back] = np.inf
            self._enter(walk, back)
            walk.moving = np.union1d(walk.moving, back)

    def _enter(self, walk: Walk, paths: np.ndarray) -> None:
        self.counts[paths] += 1
        walk.x[:, paths] = walk.drawn(self.draw, len(walk.x), paths)

    def record(self, positions: np.ndarray) -> None:
        """Write down the counts at an output time, and who is outside, whose positions (n_paths, dim) are none."""
        self.recorded.append(self.counts.copy())
        self.outside.append(np.isfinite(self.due))
        positions[self.outside[-1]] = np.nan

    def of_paths(self) -> dict[str, Any]:
        """What an ensemble says of them, (n_times, n_paths) each."""
        counts = {"resets": np.array(self.recorded)}
        return counts | ({"outside": np.array(self.outside)} if self.delay > 0.0 else {})


def reset_law(reset: Any, eq: FokkerPlanck, grid: Grid | None, target: Any) -> InitialDensity | None:
    """The law that paths start anew from, or None without resets."""
    if reset is None:
        return None
    law = law_of_result(reset)
    if not isinstance(law, InitialDensity):
        then = "Such as fp.point(0.0) or fp.gaussian(0.0, 0.1)."
        raise bad_type("reset", "a density that can be sampled", reset, then)
    if target is not None:
        then = "What starts anew leaves by the walls of `grid`, or by killing."
        raise bad_value("reset", "None with a target", reset, then)
    if eq.time_order != 1.0:
        raise bad_value("reset", "None with time_order below 1", reset)
    if not (eq.ends_paths or (grid is not None and grid.absorbs)):
        raise bad_value("reset", "None where nothing leaves", reset, "Give a grid with an absorbing wall, or killing.")
    return law


def check_points(points: list[SingularPoint]) -> None:
    """Refuse resets where D vanishes on a line: which side of such a point a path is on would change."""
    if points:
        then = "Follow the density, fp.solve(..., reset=...)."
        raise bad_value("reset", "None where D vanishes in the box", "; ".join(map(str, points)), then)
