"""Paths that start anew when they have left the box."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import bad_type, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import InitialDensity, law_of_result
from ..solvers.discretization.singular_points import SingularPoint


@dataclass
class Resets:
    """Where paths start anew, and how often each has.

    counts : (n_paths,) so far; recorded : one such array an output time.
    """

    law: InitialDensity
    counts: np.ndarray
    recorded: list[np.ndarray] = field(default_factory=list)

    def draw(self, generator: np.random.Generator, out: np.ndarray) -> None:
        """Fill (dim, n) with places."""
        out[...] = self.law.sample(generator, out.shape[1]).reshape(out.shape[::-1]).T

    def record(self) -> None:
        """Write down the counts at an output time."""
        self.recorded.append(self.counts.copy())


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
