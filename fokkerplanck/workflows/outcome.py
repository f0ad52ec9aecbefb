"""What a run is made of: cases, the problem they belong to, and what came out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.compare import compare
from ..errors import ModelWarning
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.source import changes
from ..results.solution import Solution
from ..results.stationary import Stationary
from ..storage.tables import Comparison, exact
from .schema import RunSpec

if TYPE_CHECKING:
    from ..results.ensemble import Ensemble
    from ..sgd import SGD


Report = Callable[[str, float], None]  # what is being done, and the share of the whole that is done


@dataclass(frozen=True)
class Case:
    """One learning rate, or the equation: what is to be solved.

    Attributes
    ----------
    rate : float or None
        None for an equation given by formulas.
    models : dict by name
        An equation, or None for the models that are transfer operators: "exact" and "gaussian-chain".
    sgd : SGD or None
    notes : tuple of str
        What the models said when they were made.
    """

    rate: float | None
    models: dict[str, FokkerPlanck | None]
    sgd: SGD | None = None
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return "" if self.rate is None else f"learning rate {exact(self.rate)}"

    @property
    def noise(self) -> FokkerPlanck:
        """The equation whose diffusion pictures show: the first there is, else the model of first order."""
        given = [eq for eq in self.models.values() if eq is not None]
        if given or self.sgd is None:
            return given[0]
        return plain_model(self.sgd)


def plain_model(sgd: SGD) -> FokkerPlanck:
    """The model whose noise pictures show and whose cells do where none was asked for, and so without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        return sgd.equation("momentum" if sgd.momentum else "first-order")


@dataclass
class Outcome:
    """What came out for one case."""

    case: Case
    solutions: dict[str, Solution]
    curves: dict[str, Solution]
    ensemble: Ensemble | None = None
    stationary: dict[str, Stationary] = field(default_factory=dict)
    repeating: dict[str, Solution] = field(default_factory=dict)  # over a period
    comparison: Comparison | None = None
    notes: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """What the simulated paths are called in tables and files."""
        return "simulation" if self.case.sgd is None else "SGD"

    @property
    def told(self) -> list[str]:
        """The answers, each with the learning rate where there is one."""
        return [f"{self.case.label.capitalize()}: {a}" if self.case.label else a for a in self.answers]


def compared(outcome: Outcome, times: Sequence[float]) -> Comparison:
    """Moments of the densities of a case at some of its times, and how far each is from its paths while these last."""
    paths = outcome.ensemble
    if paths is None:
        return compare(outcome.solutions, times=times, distances=())
    lasting = [t for t in times if np.isfinite(paths.at(t)).all(axis=1).sum() > 1]
    gone = [t for t in times if t not in lasting]
    parts = []
    with np.errstate(over="ignore", invalid="ignore"):  # of runs that are about to diverge
        if lasting:
            parts.append(compare({**outcome.solutions, outcome.reference: paths}, times=lasting, distances=()))
    if gone:
        alone = compare(outcome.solutions, times=gone, distances=())
        apart = alone.columns.index("z_mean")  # from here on the distances to a reference, which is no more
        parts.append(replace(alone, rows=tuple((*row[:apart], *[None] * (len(row) - apart)) for row in alone.rows)))
    return replace(parts[0], rows=tuple(row for part in parts for row in part.rows))


@dataclass(frozen=True)
class Problem:
    """A run file turned into the objects of the package."""

    spec: RunSpec
    grid: Grid
    p0: Any
    names: tuple[str, ...]
    value: Callable | None
    cases: list[Case]
    record: dict[str, Any]
    entering: Mapping[str, Any] = field(default_factory=dict)  # a reset, its delay and a source, as `solve` takes them

    @property
    def how(self) -> dict[str, Any]:
        """How an equation is solved, as far as the file says, as arguments of `solve`."""
        given = self.spec.solver
        return {
            key: getattr(given, key)
            for key in ("method", "rtol", "breaks", "max_step")
            if getattr(given, key) is not None
        }

    def changes(self, model: str) -> bool:
        """Whether what a model is made of changes with time."""
        if "source" in self.entering and changes(self.entering["source"]):
            return True
        return any(
            eq is not None and eq.time_dependent
            for case in self.cases
            for name, eq in case.models.items()
            if name == model
        )
