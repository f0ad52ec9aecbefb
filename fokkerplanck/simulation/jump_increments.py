"""What jumps add to paths in a step: Levy noise scaled, or the jumps of a compound Poisson process.

Finite-rate jumps are the points of a Poisson measure on the heights h > 0 above a step: a jump for each point with h below
lambda(x) dt, x where the step starts (thinning). Their number is Poisson with that mean. Two short steps and the long one over
both read the same points, so that pairs of paths measure the error of the step, which is of first order in dt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.jump_laws import Kernel
from ..model.levy import LevyJumps
from ..model.poisson import PoissonJumps
from .levy_increments import levy_variates, scaled

MOST = 1000  # jumps of a path in a step


@dataclass(eq=False)
class Heights:
    """Points above a step for many paths, drawn as far as they are asked for: rising heights (n,), and noise of sizes."""

    draw: Callable
    gaussian: bool
    dim: int
    heights: list[np.ndarray] = field(default_factory=list)
    noises: list[np.ndarray] = field(default_factory=list)

    def up_to(self, most: float) -> int:
        """How many points some path has below a height, all drawn."""
        while not self.heights or float(self.heights[-1].min(initial=np.inf)) < most:
            if len(self.heights) > MOST:
                rule = f"such that no path jumps more than {MOST} times in a step"
                raise bad_value(
                    "dt", rule, f"rate x dt = {most:.4g}", "Take a smaller dt, or a diffusion in place of jumps."
                )
            gap = self.draw(lambda g, out: g.standard_exponential(out=out))
            self.heights.append(gap if not self.heights else self.heights[-1] + gap)
            if self.gaussian:
                self.noises.append(self.draw(lambda g, out: g.standard_normal(out=out), self.dim))
            else:
                self.noises.append(self.draw(lambda g, out: g.random(out=out), 1))
        return len(self.heights)


@dataclass(eq=False)
class PoissonNoise:
    """The points above a step, in one part or in the two of a step made of two; paths: which of their columns are meant."""

    parts: tuple[Heights, ...]
    paths: np.ndarray | None = None

    def __getitem__(self, chosen: Any) -> PoissonNoise:
        """The noise of some of the paths, as of an array (dim, n)."""
        own = chosen[-1]
        return PoissonNoise(self.parts, own if self.paths is None else self.paths[own])

    def displacement(self, jumps: PoissonJumps, x: np.ndarray, dt: float, grid: Grid | None) -> np.ndarray:
        """The sum of all jumps of a step from x (dim, n); each law is read where the jumps before have led."""
        mean = jumps.rate_at(tuple(x)) * dt / len(self.parts)
        total = np.zeros_like(x)
        for part in self.parts:
            part.up_to(float(mean.max(initial=0.0)))
            for heights, noise in zip(part.heights, part.noises, strict=True):
                own = (heights, noise) if self.paths is None else (heights[self.paths], noise[:, self.paths])
                goes = np.flatnonzero(own[0] < mean)
                if goes.size:
                    total[:, goes] += _sizes(jumps, own[1][:, goes], x[:, goes] + total[:, goes], grid)
        return total


JumpNoise = np.ndarray | PoissonNoise


def check_jumps(eq: FokkerPlanck, grid: Grid | None) -> None:
    """Refuse jumps that paths cannot draw."""
    if not isinstance(eq.jumps, PoissonJumps):
        return
    if grid is not None:
        eq.jumps.check_dimension(grid.dim)
    if isinstance(eq.jumps.law_read, Kernel) and grid is None:
        then = "Ends are drawn from k within a box on each side of it."
        raise bad_value("grid", "given for jumps with a kernel k(x_from, x_to)", None, then)


def jump_noise(jumps: LevyJumps | PoissonJumps, dim: int, draw: Callable) -> JumpNoise:
    """The noise of a step of unit time: Levy variates (dim, n), or points that are drawn when the step is made."""
    if isinstance(jumps, LevyJumps):
        return levy_variates(jumps, dim, draw)
    jumps.check_dimension(dim)
    return PoissonNoise((Heights(draw, jumps.law_read.gaussian, dim),))


def as_one(jumps: LevyJumps | PoissonJumps, first: Any, second: Any) -> JumpNoise:
    """The noise of two steps as that of one, again for unit time; of Levy noise the sum over 2^(1/stability)."""
    if isinstance(jumps, LevyJumps):
        return (first + second) / 2.0 ** (1.0 / jumps.stability)
    return PoissonNoise((*first.parts, *second.parts))


def jumped(
    jumps: LevyJumps | PoissonJumps, x: np.ndarray, noise: JumpNoise, dt: float, grid: Grid | None
) -> np.ndarray:
    """What jumps add in a step from x (dim, n)."""
    if isinstance(noise, PoissonNoise):
        assert isinstance(jumps, PoissonJumps)
        return noise.displacement(jumps, x, dt, grid)
    assert isinstance(jumps, LevyJumps)
    return dt ** (1.0 / jumps.stability) * scaled(jumps, x, noise)


def _sizes(jumps: PoissonJumps, noise: np.ndarray, x: np.ndarray, grid: Grid | None) -> np.ndarray:
    law = jumps.law_read
    if not isinstance(law, Kernel):
        return law.drawn(noise, x)
    assert grid is not None
    low, high = float(grid.edges[0][0]), float(grid.edges[0][-1])
    return (law.between(noise[0], x[0], 2.0 * low - high, 2.0 * high - low) - x[0])[None]
