"""Coefficients that change with time or with the density: adaptive steps of exponentials, hence positive and conservative.

A step of length h multiplies two exponentials of the generator read at the Gauss times t + (1/2 -+ sqrt(3)/6) h, each with
a mixture of the two rates (the commutator-free Magnus method of order four, Blanes and Moan 2006). One weight of the mixture
is slightly negative; where that would turn a rate negative the step is cut. The error of a step is its difference from two
half steps, and the half steps are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from ..errors import ConvergenceError
from .generator import Generator, Links
from .propagate import choose

GAUSS = 0.5 - math.sqrt(3.0) / 6.0
MINOR, MAJOR = 0.25 - math.sqrt(3.0) / 6.0, 0.25 + math.sqrt(3.0) / 6.0
MAX_STEPS = 100_000

# The generator at a time, for a density with the given cell masses
GeneratorAt = Callable[[float, np.ndarray], Generator]


class Driven:
    """Adaptive propagation with a generator that depends on time, on the density, or on both.

    Parameters
    ----------
    generator_at : callable
        (t, masses) -> Generator.
    rtol : float
        Error allowed in the 1-norm over the whole run.
    horizon : float
    nonlinear : bool
        Whether the generator reads the masses. They are then predicted at the Gauss times.
    """

    name = "magnus"

    def __init__(self, generator_at: GeneratorAt, rtol: float, horizon: float, nonlinear: bool):
        self.generator_at = generator_at
        self.rtol, self.horizon = rtol, horizon
        self.nonlinear = nonlinear
        self.step = horizon / 16.0
        self.work = {"steps": 0, "rejected": 0, "generators": 0}

    def advance(self, masses: np.ndarray, start: float, end: float) -> tuple[np.ndarray, float]:
        """Masses at `end` from those at `start`, and the error estimate."""
        t, error = start, 0.0
        while t < end * (1.0 - 1e-14):
            if self.work["steps"] > MAX_STEPS:
                raise ConvergenceError(
                    f"more than {MAX_STEPS} steps by t = {t:g}; raise rtol or smooth the coefficients", masses
                )
            h = min(self.step, end - t)
            whole = self._magnus(masses, t, h)
            half = self._magnus(masses, t, 0.5 * h) if whole is not None else None
            twice = self._magnus(half, t + 0.5 * h, 0.5 * h) if half is not None else None
            if whole is None or twice is None:
                self.work["rejected"] += 1
                self.step = 0.5 * h
                continue
            share = float(np.abs(whole - twice).sum())
            allowed = 0.5 * self.rtol * h / self.horizon
            if share > allowed and share > 1e-13:
                self.work["rejected"] += 1
                self.step = h * max(0.2, 0.9 * (allowed / share) ** 0.25)
                continue
            masses, error, t = twice, error + share, t + h
            self.work["steps"] += 1
            if h == self.step:
                self.step = h * min(3.0, 0.9 * (allowed / max(share, 1e-300)) ** 0.25)
        return masses, error

    def _magnus(self, masses: np.ndarray, t: float, h: float) -> np.ndarray | None:
        """One step; None where a mixed rate is negative."""
        early, late = t + GAUSS * h, t + (1.0 - GAUSS) * h
        first = self._generator(early, self._predicted(masses, t, GAUSS * h))
        second = self._generator(late, self._predicted(masses, t, (1.0 - GAUSS) * h))
        for weights in ((MAJOR, MINOR), (MINOR, MAJOR)):
            mixed = mixture(first, second, *weights)
            if mixed is None:
                return None
            masses = self._exponential(mixed, masses, h)
        return masses

    def _predicted(self, masses: np.ndarray, t: float, h: float) -> np.ndarray:
        """Masses at t + h to second order, where the generator depends on them."""
        if not self.nonlinear:
            return masses
        midway = self._exponential(self._generator(t, masses), masses, 0.5 * h)
        return self._exponential(self._generator(t + 0.5 * h, midway), masses, h)

    def _exponential(self, q: Generator, masses: np.ndarray, h: float) -> np.ndarray:
        rtol = max(1e-3 * self.rtol, 1e-12)
        return choose(q, np.array([h]), rtol, rational=False).advance(masses, h)[0]

    def _generator(self, t: float, masses: np.ndarray) -> Generator:
        self.work["generators"] += 1
        return self.generator_at(t, masses)


def mixture(a: Generator, b: Generator, weight_a: float, weight_b: float) -> Generator | None:
    """The generator with rates weight_a * a + weight_b * b; None where one would be negative.

    Where the two do not share their links, as with a tensor whose lattice directions turn, the mean rates serve.
    """
    same = [(x.offset, x.stride, x.lower.size) for x in a.links] == [
        (x.offset, x.stride, x.lower.size) for x in b.links
    ]
    if not same or any((x.lower != y.lower).any() for x, y in zip(a.links, b.links, strict=True)):
        half = 0.5 * (weight_a + weight_b)
        return _union(a, b, half)
    links = []
    for x, y in zip(a.links, b.links, strict=True):
        forward = weight_a * x.forward + weight_b * y.forward
        backward = weight_a * x.backward + weight_b * y.backward
        if forward.min(initial=0.0) < 0.0 or backward.min(initial=0.0) < 0.0:
            return None
        links.append(Links(x.offset, x.stride, x.lower, forward, backward))
    exits = tuple(
        x._replace(rates=weight_a * x.rates + weight_b * y.rates) for x, y in zip(a.exits, b.exits, strict=True)
    )
    if any(wall.rates.min(initial=0.0) < 0.0 for wall in exits):
        return None
    jumps = None if a.jumps is None else a.jumps.scaled(weight_a + weight_b)
    return Generator(a.grid, tuple(links), exits, a.added_diffusion, a.force_on_links, jumps)


def _union(a: Generator, b: Generator, weight: float) -> Generator:
    links = tuple(x._replace(forward=weight * x.forward, backward=weight * x.backward) for x in (*a.links, *b.links))
    exits = tuple(x._replace(rates=weight * x.rates) for x in (*a.exits, *b.exits))
    jumps = None if a.jumps is None else a.jumps.scaled(2.0 * weight)
    return Generator(a.grid, links, exits, a.added_diffusion, a.force_on_links, jumps)


def propagate_driven(
    generator_at: GeneratorAt, masses: np.ndarray, times: np.ndarray, rtol: float, nonlinear: bool
) -> Iterator[tuple[np.ndarray, float, Driven]]:
    """As `propagate.propagate`, for a generator that depends on time or on the masses."""
    method = Driven(generator_at, rtol, float(times[-1]), nonlinear)
    t, error = 0.0, 0.0
    for time in times:
        if time > t:
            masses, share = method.advance(masses, t, float(time))
            t, error = float(time), error + share
        yield masses, error, method
