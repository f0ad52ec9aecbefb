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
from .adequacy import Misfit, misfit
from .cells import MOST_CELLS, MOST_PLANE, choose_grid
from .coefficients import check_markov
from .fit_result import Fit
from .paths import Paths, Transitions, as_paths
from .recording import check_wrapped, closed_axes
from .transition_matrix import fourth_order, transition_matrix

MIXED = 1e-6  # of a uniform law: what a model may lose on one transition that it excludes
FEWEST_RUNS = 10  # below, runs are cut into blocks for the error bars
BLOCKS = 20
DEPARTS = 0.01  # p-value below which a model is said not to fit
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
    departure : str
        What departs most from the first model.
    deficits, standard_errors : dict of float
        What a model's mean score lacks to the first one's, and the paired standard error over `n_units` runs or blocks.
    grid : Grid
        The common cells.
    level : float
    p_values : dict of float
        Of the transitions being those of each model: the largest departure in mean and spread of the steps, alone and by the
        place, against random signs of the units. Where all are small, the true model is not among these.
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
    p_values: dict[str, float]
    departure: str

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
        p = self.p_values[self.order[0]]
        if p < DEPARTS:
            lines.append(f"  THE FIRST DOES NOT FIT EITHER: {self.departure} is not that of its law (p = {p:.2g})")
        else:
            lines.append(f"  mean and spread of the steps are those of the first, as far as is seen (p = {p:.2g})")
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
    if grid.dim != paths.dim:
        raise bad_value("cells", f"a grid of {paths.dim} dimension(s), as the data are", grid.dim)
    starts, ends = (_cells_of(grid, x) for x in (transitions.starts, transitions.ends))
    used, column = np.unique(starts, return_inverse=True)
    logs, counted = {}, _counted(models, parameters, paths)
    units, unit = _units(transitions)
    departures = {}
    for name, model in models.items():
        p = _cell_probabilities(name, model, grid, used, transitions)
        logs[name] = np.log((1.0 - MIXED) * np.maximum(p[ends, column], 0.0) + MIXED / grid.size)
        logs[name] -= counted[name] / transitions.size
        departures[name] = misfit(p, column, ends, grid, transitions, units)
    return _compare(logs, units, unit, grid, float(level), counted, departures)


def _jumps(model: Any) -> bool:
    """Whether a model has jumps, which ask for equal cells."""
    equation = model.equation if isinstance(model, Fit) else model
    return isinstance(equation, FokkerPlanck) and equation.jumps is not None


def _counted(models: Mapping[str, Any], given: Mapping[str, float] | None, data: Paths) -> dict[str, float]:
    """Parameters of each model that were fitted to these data."""
    rule = "a dictionary of names of models and numbers of parameters"
    if given is not None and not isinstance(given, Mapping):
        raise bad_type("parameters", rule, given)
    for name in given or {}:
        if name not in models:
            raise bad_value("parameters", f"of the models {', '.join(models)}", name)
    known = {
        n: number(f"parameters[{n!r}]", v, "at least 0", lambda m: 0 <= m < np.inf) for n, v in (given or {}).items()
    }
    return {name: known.get(name, _fitted(model, data)) for name, model in models.items()}


def _fitted(model: Any, data: Paths) -> float:
    if not isinstance(model, Fit) or not isinstance(model.data, Paths):
        return 0.0
    seen = {run.tobytes() for run in model.data.runs}
    if not any(run.tobytes() in seen for run in data.runs):
        return 0.0
    freedom = model.settings.get("effective degrees of freedom")
    return float(len(model.names) if freedom is None else sum(freedom))


def _compare(
    logs: dict[str, np.ndarray],
    units: np.ndarray,
    unit: str,
    grid: Grid,
    level: float,
    counted: dict[str, float],
    departures: dict[str, Misfit],
) -> Ranking:
    """Paired differences to the first, their errors from sums over units."""
    scores = {name: float(values.mean()) for name, values in logs.items()}
    order = tuple(sorted(scores, key=lambda name: -scores[name]))
    n, n_units = len(units), int(units.max()) + 1
    sizes = np.bincount(units)
    deficits, errors, best = {}, {}, []
    for name in order:
        gap = logs[order[0]] - logs[name]
        mean = float(gap.mean())
        rest = np.bincount(units, gap) - mean * sizes
        error = float(np.sqrt(np.sum(rest**2) * n_units / max(n_units - 1, 1))) / n
        deficits[name], errors[name] = mean, error
        if mean <= student.ppf(level, max(n_units - 1, 1)) * error:
            best.append(name)
    p_values = {name: found.p_value for name, found in departures.items()}
    about = (n, n_units, unit, counted, p_values, departures[order[0]].what)
    return Ranking(order, tuple(best), scores, deficits, errors, grid, level, *about)


def _units(data: Transitions) -> tuple[np.ndarray, str]:
    """The run of each transition, (n,); where runs are few, blocks of successive transitions."""
    _, run = np.unique(data.run, return_inverse=True)
    if run.max() + 1 >= FEWEST_RUNS:
        return run, "run"
    return (np.arange(data.size) * min(BLOCKS, data.size)) // data.size, "block"


def _cells_of(grid: Grid, points: np.ndarray) -> np.ndarray:
    """Raveled cells of points (n, dim)."""
    index = []
    for axis, edges in enumerate(grid.edges):
        x = points[:, axis]
        outside = (x < edges[0]) | (x > edges[-1])
        if outside.any():
            rule = f"a grid around all the data, [{x.min():.6g}, {x.max():.6g}] along {grid.names[axis]}"
            raise bad_value("cells", rule, f"[{edges[0]:.6g}, {edges[-1]:.6g}]")
        index.append(np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2))
    return np.ravel_multi_index(tuple(index), grid.shape)


def _cell_probabilities(name: str, model: Any, grid: Grid, used: np.ndarray, data: Transitions) -> np.ndarray:
    """P(end cell | start cell), (n, n_used), for the start cells in `used`."""
    label = f"models[{name!r}]"
    if isinstance(model, Fit):
        model = model.equation
    if isinstance(model, TransferOperator):
        return _of_operator(label, model, grid, used, data.tau)
    if not isinstance(model, FokkerPlanck):
        then = "Of an SGD pass sgd.equation() or sgd.transfer_operator(grid)."
        raise bad_type(label, "a FokkerPlanck equation, a TransferOperator or a Fit", model, then)
    check_markov(model, label)
    return _of_equation(model, grid, used, data)


def _of_operator(label: str, operator: TransferOperator, grid: Grid, used: np.ndarray, tau: float) -> np.ndarray:
    if operator.grid.dim != grid.dim:
        raise bad_value(label, f"of {grid.dim} dimension(s), as the data are", operator.grid.dim)
    count = round(tau / operator.steps)
    if count < 1 or abs(count * operator.steps - tau) > 1e-6 * tau:
        then = f"The lag is {tau:g} steps: choose another lag."
        raise bad_value(
            label, "an operator of whole applications a lag", f"{operator.steps} steps an application", then
        )
    into, back = _overlap(grid, operator.grid, used), _overlap(operator.grid, grid)
    fits_memory("cells", 16.0 * operator.grid.size * used.size, "Take fewer cells.")
    masses = into.toarray()
    for _ in range(count):
        masses = operator.matrix @ masses
    return back @ masses


def _of_equation(eq: FokkerPlanck, grid: Grid, used: np.ndarray, data: Transitions) -> np.ndarray:
    """On a grid that divides the common cells where steps are short beside them."""
    fine = _divided(grid, data)
    q = fourth_order(generator(eq, fine, fixed=True))
    start = _overlap(grid, fine, used)
    if fine.size <= FINE or q.jumps is not None:
        p = transition_matrix(q, [], data.tau)[0] @ start.toarray()
    else:
        fits_memory("cells", 40.0 * fine.size * used.size, "Take fewer cells.")
        p = expm_multiply(data.tau * q.matrix, start.toarray())
    return _overlap(fine, grid) @ p


def _divided(grid: Grid, data: Transitions) -> Grid:
    """The common grid with each cell cut into as many as the steps ask for."""
    own = choose_grid(data)
    most = min(FINE, 2 * MOST_CELLS) if grid.dim == 1 else 2 * MOST_PLANE
    edges = []
    for axis, e in enumerate(grid.edges):
        wished = float(np.median(grid.widths[axis]) / np.median(own.widths[axis]))
        factor = max(1, min(round(wished), most // (e.size - 1)))
        edges.append(np.interp(np.arange((e.size - 1) * factor + 1) / factor, np.arange(e.size), e))
    walls: Any = list(grid.boundary) if grid.dim > 1 else _pair(grid.boundary[0])
    return Grid.from_edges(edges, walls)


def _pair(walls: tuple[str, str]) -> Any:
    return walls[0] if walls[0] == walls[1] else walls


def _overlap(source: Grid, target: Grid, columns: np.ndarray | None = None) -> sp.csc_array:
    """Shares of the cells of one grid that lie in those of another, (n_target, n_source), or some columns of it."""
    axes = [_overlap_of_axis(a, b) for a, b in zip(source.edges, target.edges, strict=True)]
    matrix = sp.csc_array(reduce(lambda a, b: sp.kron(a, b, format="csc"), axes))
    return matrix if columns is None else sp.csc_array(matrix[:, columns])


def _overlap_of_axis(source: np.ndarray, target: np.ndarray) -> sp.csc_array:
    """Along one axis; what lies beyond the ends of the target is put into its end cells."""
    n, m = source.size - 1, target.size - 1
    cuts = np.unique(np.concatenate([source, target[(target > source[0]) & (target < source[-1])]]))
    middle, length = 0.5 * (cuts[1:] + cuts[:-1]), np.diff(cuts)
    of = np.clip(np.searchsorted(source, middle) - 1, 0, n - 1)
    to = np.clip(np.searchsorted(target, middle) - 1, 0, m - 1)
    return sp.csc_array((length / np.diff(source)[of], (to, of)), shape=(m, n))
