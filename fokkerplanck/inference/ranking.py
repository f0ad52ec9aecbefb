"""Which of several models made these trajectories: scores on one footing for equations and discrete operators.

    score(t) = ln[(1 - e) P(cell of the end | cell of the start) + e / n],      e = 1e-6

on one common grid of n cells, the start anywhere in its cell. Differences are paired transition by transition and their
errors taken over runs (Vuong 1989). A model of m parameters that were fitted to the same transitions scores m / 2 too much on
them, and m / 2 too little on new ones: m is taken off its total (Akaike).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import expm_multiply
from scipy.stats import t as student

from ..arguments import fits_memory, number
from ..errors import bad_type, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..sgd.transfer_operator import TransferOperator
from ..solvers.discretization.scharfetter_gummel import generator
from .cells import MOST_CELLS, MOST_PLANE, choose_grid
from .coefficients import check_markov
from .fit_result import Fit
from .paths import Paths, Transitions, as_paths
from .recording import check_wrapped, closed_axes
from .transition_matrix import fourth_order, transition_matrix

MIXED = 1e-6  # of a uniform law: what a model may lose on one transition that it excludes
FEWEST_RUNS = 10  # below, runs are cut into blocks for the error bars
BLOCKS = 20
FINE = 1000  # cells up to which equations are solved on a finer grid in 1D, and matrices are dense


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Models by falling score.

    Attributes
    ----------
    order : tuple of str
    best : tuple of str
        The models that are not significantly worse than the first, in the same order.
    scores : dict of float
        Mean of the log probability of a transition, in nats, less parameters / n_transitions.
    parameters : dict of float
        How many were fitted to the same data: effective degrees of freedom for splines, 0 for models that come from elsewhere.
    deficits, standard_errors : dict of float
        What a model's mean score lacks to the first one's, and the paired standard error over `n_units` runs or blocks.
    grid : Grid
        The common cells.
    level : float
    """

    order: tuple[str, ...]
    best: tuple[str, ...]
    scores: dict[str, float]
    deficits: dict[str, float]
    standard_errors: dict[str, float]
    grid: Grid
    level: float
    n_transitions: int
    n_units: int
    unit: str
    parameters: dict[str, float]

    def __repr__(self) -> str:
        width = max(len(name) for name in self.order)
        lines = [f"Ranking by {self.n_transitions} transitions, errors over {self.n_units} {self.unit}s, {self.grid!r}"]
        for name in self.order:
            behind = (
                "" if name == self.order[0] else f"  {-self.deficits[name]:+.5f} +- {self.standard_errors[name]:.5f}"
            )
            mark = "*" if name in self.best else " "
            lines.append(f"  {mark} {name:<{width}}  {self.scores[name]:.5f}{behind}")
        lines.append(f"  * not worse than the first at level {self.level:g}")
        counted = [f"{name} {count:.3g}" for name, count in self.parameters.items() if count]
        if counted:
            lines.append(f"  parameters fitted to these data, taken off the total: {', '.join(counted)}")
        return "\n".join(lines)


def rank(
    models: Mapping[str, Any],
    data: Any,
    lag: int = 1,
    cells: Any = None,
    *,
    level: float = 0.99,
    parameters: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank models by the probability that they give to the transitions of trajectories.

    Parameters
    ----------
    models : dict
        Names with a FokkerPlanck equation, a TransferOperator, or a Fit each. The time of an equation and the steps of an
        operator are both counted in units of the data's dt.
    data : Paths, or whatever `Paths` takes
    lag : int
        Rows between the ends of a transition.
    cells : Grid, int or list of int, optional
        The common cells; of angles modulo a period, a Grid that is periodic. Where a step of SGD has few outcomes (few
        distinct batches) the scores of exact operators grow without limit as cells shrink: fix the cells, and report them.
    level : float
        A model is in the best set unless it is worse than the first with this one-sided probability.
    parameters : dict of float, optional
        By name, how many parameters of a model were fitted to these data. A Fit that shares a run with the data is counted
        by itself, with the effective degrees of freedom of splines; other models count 0.

    Returns
    -------
    Ranking

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> slow, fast = (fp.FokkerPlanck(drift=lambda x, k=k: -k * x, diffusion=0.5) for k in (1.0, 1.5))
    >>> runs = fp.simulate(slow, 0.0, np.arange(0, 51, 0.5), 0.01, n_paths=50, seed=1)
    >>> rank({"slow": slow, "fast": fast}, runs).best
    ('slow',)
    """
    if not isinstance(models, Mapping) or not models or not all(isinstance(name, str) for name in models):
        raise bad_type("models", "a dictionary of names and models", models, "The data come second.")
    paths = as_paths(data)
    check_wrapped(paths, closed_axes(cells, paths.dim), "or pass a Grid with a periodic boundary as `cells`")
    transitions = paths.transitions(lag)
    number("level", level, "between 1/2 and 1", lambda v: 0.5 <= v < 1.0)
    grid = choose_grid(transitions, None, cells, equal=any(_jumps(model) for model in models.values()))
