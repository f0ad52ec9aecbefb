"""Transfer operators of SGD whose learning rate follows a schedule: another matrix in each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from ..arguments import flag
from ..errors import bad_value
from ..model.initial_density import initial_masses
from ..results.measured import solution_errors
from ..results.solution import Solution
from ..results.stats import SolutionStats
from ..solvers.accuracy.coarsening import coarsened_start
from .transfer_operator import TransferOperator

if TYPE_CHECKING:
    from .algorithm import SGD


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ScheduledOperator(TransferOperator):
    """The operators of all steps; `matrix` and what else belongs to one step are those of the first.

    Only `evolve` can be asked: nothing is stationary while the rate changes, and times to a target depend on when they begin.

    Attributes
    ----------
    sgd : SGD
    after : callable
        The TransferOperator of the step (the epoch, with shuffling) that is taken after so many steps.
    """

    sgd: SGD
    after: Callable[[int], TransferOperator]

    def evolve(self, p0: Any, steps: Any, *, error: bool = True, tol: float | None = None) -> Solution:
        """See `TransferOperator.evolve`. An operator is made for each step whose rates differ from those of the last one."""
        if tol is not None:
            return cast(Solution, self._to(tol, error, lambda operator: operator.evolve(p0, steps)))
        counts = self.applications(steps)
        start, initial_mass = initial_masses(p0, self.grid)
        states, last = self._states(start.ravel(), counts)
        stats = SolutionStats(
            error_estimate=1e-16 * float(counts[-1]), products=int(counts[-1]), initial_mass=initial_mass
        )
        times = counts.astype(float) * self.steps
        result = last._solution(times, states, f"transfer ({self.kind})", stats)
        if not flag("error", error):
            return result

        def ask(other: TransferOperator) -> Solution:
            return other.evolve(coarsened_start(p0, self.grid, other.grid), steps, error=False)

        return cast(Solution, self._measured(result, ask, solution_errors))

    def _states(self, masses: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, TransferOperator]:
        """Masses after so many applications, behind each the expected number of meetings with walls; the last operator."""
        met, rows, now, rates = 0.0, [], cast(TransferOperator, self), self._rates(0)
        for k in range(int(counts[-1]) + 1):
            if k in counts:
                rows.append(np.append(masses, met))
            if k == counts[-1]:
                break
            if self._rates(k) != rates:
                now, rates = replace(self.after(k * self.steps), quiet=self.quiet), self._rates(k)
            met += float(now.clamped.ravel() @ masses)
            masses = now.matrix @ masses
        return np.array(rows), now

    def _rates(self, k: int) -> tuple[float, ...]:
        """The learning rates of an application."""
        return tuple(self.sgd.rate_at(k * self.steps + j) for j in range(self.steps))

    def evolve_waiting(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def stationary(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def first_passage(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def spectrum(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        then = "With a schedule ask `evolve`, or sgd.simulate(target=...); or ask sgd.at(step).transfer_operator(grid)."
        raise bad_value("schedule", "None for this question", self.sgd.schedule, then)
