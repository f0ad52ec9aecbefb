"""What enters a box in time: again, after it has left (a reset), or from outside (a source).

    dP/dt = Q P + r (k . P) + s,    k the rates of leaving, r the shares of a reset, s the masses of a source per time, all (n,)

A reset is a rank-one part of the generator; after a delay it is more, see `delayed_reset`. With a source one more entry is
added to the masses, which stays 1, so that the equation is linear again and is solved by the same exponentials:

    d/dt (P, 1) = [[Q + r k^T, s], [0, 0]] (P, 1)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...errors import bad_value
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..discretization.generator import Exit, Generator, Links, padded
from ..kernels.matvec import Operator
from .delayed_reset import propagate_delayed
from .exponential import propagate
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
    """

    reset: np.ndarray | None = None
    source: np.ndarray | None = None
    delay: float = 0.0

    @property
    def open(self) -> bool:
        """Whether anything enters."""
        return self.reset is not None or self.source is not None

    def in_units(self, unit: float) -> Entering:
        """What enters where masses are counted in a unit."""
        return self._replace(source=None if self.source is None else self.source / unit)

    def supplied(self, start: np.ndarray, times: np.ndarray) -> np.ndarray:
        """The mass that has been put in by each time, (n_times,): the start's, and what the source gave."""
        given = 0.0 if self.source is None else float(self.source.sum())
        return float(start.sum()) + given * times

    def where(self, start: np.ndarray, time: float) -> np.ndarray:
        """Masses (n,) where they enter until a time: those of the start, of the source, and one reset."""
        source = 0.0 if self.source is None else time * self.source
        return start + source + (0.0 if self.reset is None else self.reset)


NOTHING = Entering()


@dataclass(frozen=True, eq=False)
class Fed(Generator):
    """A generator with a source: its vectors have one more entry, which stays 1."""

    source: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def reaches_far(self) -> bool:
        """The source is no link."""
        return True

    @cached_property
    def near_operator(self) -> Operator:
        """Links and exits, which leave the last entry alone."""
        return padded(super().near_operator, 1)

    def far(self, p: np.ndarray) -> np.ndarray:
        """The part of Q P that jumps, resets and the source make, (n + 1,), for p (n + 1,)."""
        return np.append(super().far(p[:-1]) + p[-1] * self.source, 0.0)

    def reweighted(self, links: tuple[Links, ...], exits: tuple[Exit, ...], weight: float) -> Generator:
        """As for every generator; the source has the weight, too."""
        return replace(super().reweighted(links, exits, weight), source=weight * self.source)  # type: ignore[call-arg]

    def _raveled(self, masses: np.ndarray) -> np.ndarray:
        return masses if np.shape(masses) == (self.grid.size + 1,) else super()._raveled(masses)


def with_reset(at: GeneratorAt, entering: Entering) -> GeneratorAt:
    """The generator at a time, with what leaves entering again at once; the same one while that it comes from is the same."""
    reset = entering.reset
    if reset is None or entering.delay > 0.0:
        return at

    @lru_cache(maxsize=1)
    def renewed(q: Generator) -> Generator:
        return replace(q, reset=reset)

    return lambda t, masses: renewed(at(t, masses))


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
    driven = eq.time_dependent or eq.interaction is not None
    if entering.reset is not None and entering.delay > 0.0:
        if driven:
            raise bad_value("delay", "0 where coefficients depend on time or on the density", entering.delay)
        q = at(0.0, start)
        yield from propagate_delayed(q, start, times, rtol, entering.reset, entering.source, entering.delay)
        return
    state, fed, source = start, at, entering.source
    if source is not None:
        state = np.append(start, 1.0)

        def fed(t: float, masses: np.ndarray) -> Generator:
            q = at(t, masses[:-1])
            return Fed(**{f.name: getattr(q, f.name) for f in fields(q)}, source=source)

    run: Iterator[tuple[np.ndarray, float, Any]]
    if driven:
        run = propagate_driven(eq, grid, fed, state, times, rtol, table, closed=False)
    else:
        run = propagate(fed(0.0, state), state, times, method, rtol)
    for masses, error, chosen in run:
        yield masses[: grid.size], error, chosen
