"""What enters a box in time: again, after it has left (a reset), or from outside (a source).

    dP/dt = Q P + r (k . P) + s,    k the rates of leaving, r the shares of a reset, s the masses of a source per time, all (n,)

A reset is a rank-one part of the generator; after a delay it is more, see `delayed_reset`. With a source one more entry is
added to the masses, which stays 1, so that the equation is linear again and is solved by the same exponentials:

    d/dt (P, 1) = [[Q + r k^T, s], [0, 0]] (P, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import quad_vec

from ...errors import bad_value
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..discretization.generator import Generator
from .delayed_reset import propagate_delayed
from .exponential import propagate
from .fed_generator import Fed
from .piecewise import propagate_driven
from .time_dependent import GeneratorAt
from .time_scan import Timetable


class Entering(NamedTuple):
    """What enters, on the cells of a grid.

    reset : ndarray (n,) or None
        Shares of the cells in what enters again, summing to one.
    source : ndarray (n,) or None
        Masses that enter per time.
    delay : float
        Time between leaving and entering again.
    source_at : callable t -> (n,), or None
        Instead of `source` where it changes with time.
    size : callable (*coordinates, t), or None
        Then what is looked at for its jumps and pulses: mass per time.
    """

    reset: np.ndarray | None = None
    source: np.ndarray | None = None
    delay: float = 0.0
    source_at: Callable[[float], np.ndarray] | None = None
    size: Callable[..., Any] | None = None

    @property
    def fed(self) -> bool:
        """Whether there is a source."""
        return self.source is not None or self.source_at is not None

    @property
    def open(self) -> bool:
        """Whether anything enters."""
        return self.reset is not None or self.fed

    def in_units(self, unit: float) -> Entering:
        """What enters where masses are counted in a unit."""
        at, size = self.source_at, self.size
        return self._replace(
            source=None if self.source is None else self.source / unit,
            source_at=None if at is None else lambda t: at(t) / unit,
            size=None if size is None else lambda *coords, t: size(*coords, t=t) / unit,
        )

    def masses_at(self, t: float) -> np.ndarray:
        """Masses (n,) that the source gives per time."""
        if self.source_at is not None:
            return self.source_at(t)
        assert self.source is not None
        return self.source

    def given(self, times: np.ndarray) -> np.ndarray:
        """Masses that the source has given by each time, (n_times, n)."""
        if self.source_at is None:
            assert self.source is not None
            return np.outer(times, self.source)
        parts, before = [], 0.0
        for t in times.tolist():
            parts.append(quad_vec(self.source_at, before, t, epsrel=1e-10, epsabs=1e-300, limit=2000)[0] if t else 0.0)
            before = t
        return np.cumsum(np.stack(np.broadcast_arrays(*parts)), axis=0)

    def supplied(self, start: np.ndarray, times: np.ndarray) -> np.ndarray:
        """The mass that has been put in by each time, (n_times,): the start's, and what the source gave."""
        if self.source_at is not None:
            return np.asarray(float(start.sum()) + self.given(times).reshape(times.size, -1).sum(axis=1))
        given = 0.0 if self.source is None else float(self.source.sum())
        return float(start.sum()) + given * times

    def where(self, start: np.ndarray, time: float) -> np.ndarray:
        """Masses (n,) where they enter until a time: those of the start, of the source, and one reset."""
        source = self.given(np.array([time]))[0] if self.fed else 0.0
        return start + source + (0.0 if self.reset is None else self.reset)


NOTHING = Entering()


def with_reset(at: GeneratorAt, entering: Entering) -> GeneratorAt:
    """The generator at a time, with what leaves entering again at once; the same one while that it comes from is the same."""
    reset = entering.reset
    if reset is None or entering.delay > 0.0:
        return at

    @lru_cache(maxsize=1)
    def renewed(q: Generator) -> Generator:
        return replace(q, reset=reset)

    return lambda t, masses: renewed(at(t, masses))


def fed_generator(at: GeneratorAt, entering: Entering) -> GeneratorAt:
    """The generator at a time with its source, for masses and a 1."""

    def fed(t: float, masses: np.ndarray) -> Generator:
        q = at(t, masses[:-1])
        return Fed(**{f.name: getattr(q, f.name) for f in fields(q)}, source=entering.masses_at(t))

    return fed


def evolve_open(
    eq: FokkerPlanck,
    grid: Grid,
    at: GeneratorAt,
    start: np.ndarray,
    times: np.ndarray,
    method: str,
    rtol: float,
    table: Timetable,
    entering: Entering,
) -> Iterator[tuple[np.ndarray, float, Any]]:
    """As `evolve`, where something enters: masses at each time, the error so far in the 1-norm, and the method.

    `at` has the reset. rtol is the error allowed in the 1-norm: what is put in by the end should be about 1.
    """
    if method not in ("auto", "chebyshev"):
        raise bad_value("method", "'auto' or 'chebyshev' with `reset` or `source`", method)
    driven = eq.time_dependent or eq.interaction is not None or entering.source_at is not None
    if entering.reset is not None and entering.delay > 0.0:
        if driven:
            raise bad_value("delay", "0 where coefficients depend on time or on the density", entering.delay)
        q = at(0.0, start)
        yield from propagate_delayed(q, start, times, rtol, entering.reset, entering.source, entering.delay)
        return
    state, fed = start, at
    if entering.fed:
        state, fed = np.append(start, 1.0), fed_generator(at, entering)
    run: Iterator[tuple[np.ndarray, float, Any]]
    if driven:
        run = propagate_driven(eq, grid, fed, state, times, rtol, table)
    else:
        run = propagate(fed(0.0, state), state, times, method, rtol)
    for masses, error, chosen in run:
        yield masses[: grid.size], error, chosen
