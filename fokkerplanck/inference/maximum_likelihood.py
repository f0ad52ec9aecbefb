"""Fitting an equation to trajectories by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import whole
from ..errors import ResolutionWarning, bad_type, bad_value, warn
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from .cells import MOST_CELLS, MOST_PLANE, choose_grid, resized, step_lengths
from .coefficients import check_markov
from .fit_result import Fit
from .gaps import GapLikelihood, frequent, on_grid, pairs_by_time, pooled
from .gaussian_steps import GaussianLikelihood
from .likelihood import EquationModel, GridLikelihood
from .markov import tell_memory
from .moment_likelihood import MomentLikelihood
from .optimize import Ascent, ascend, inverse
from .passage_fit import fit_passages
from .passage_times import PassageTimes
from .paths import MOST as MOST_LAG
from .paths import Paths, Transitions, as_paths
from .recording import check_moving, check_wrapped, closed_axes, tell_forgotten, tell_rounded
from .smoothing import smooth
from .spline import FEWEST as SPLINE_FEWEST
from .spline import SplineFamily
from .spline_plane import FEWEST as PLANE_FEWEST
from .spline_plane import PlaneSplines
from .starts import given_start, parameter_names, search_start

MANY = 4  # times as many transitions as splines ask for, over one time, that set their scales alone
METHODS = ("auto", "grid", "gaussian")
SHORT = 2.9  # cells in a step below which its density is not resolved
COARSER = 1.5  # ratio of cell widths from which the error of the grid is told
SPLINE_FINENESS = 0.55  # of the cells: splines are known less well than parameters, and cost more
PLANE_CELLS, MOST_MOMENTS = 48, 110  # along each axis of the grids of moments
PLANE_MARGIN = 4.0  # standard deviations of a step about the data
SHIFTED = 0.3  # standard errors by which the error of the grid may move a parameter before cells are refined


def fit(
    data: Any,
    model: Any = "spline",
    start: Any = None,
    lag: int = 1,
    walls: Any = None,
    *,
    cells: Any = None,
    method: str = "auto",
) -> Fit:
    """Fit a Fokker-Planck equation to trajectories by maximum likelihood over transition densities.

    Parameters
    ----------
    data : Paths, or whatever `Paths` takes; or PassageTimes, whose `model` returns a PassageModel
    model : callable or "spline"
        "spline": drift and ln D as cubic splines whose smoothness the data choose; in two coordinates the whole tensor
        D. Otherwise a function of named parameters that returns the equation:
        `lambda k, D: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)`. The equation may use any convention, a
        potential, or jumps (1D), but not time or memory.
    start : dict or sequence, optional
        Where to start. Default: the defaults of the function, else the best of a search that compares drift and
        diffusion with the moments of the steps.
    lag : int
        Rows between the two ends of a transition. Transitions do not overlap; where rows are missing those on both sides of the
        gap are a pair over the time between them (not for splines in two coordinates).
    walls : None or (low, high), or a list of such pairs, one an axis
        Reflecting walls; None for an end without one. For walls of another kind pass a Grid as `cells`: rows on or
        beyond an absorbing wall are absorptions.
    cells : None, int, list of int, or Grid
        The cells on which densities are computed. Default: 8 a standard deviation of the steps. For splines in two
        coordinates those of the moments, 48 along each axis.
    method : {"auto", "grid", "gaussian"}
        "grid": transition densities from the equation, for steps of any length. "gaussian": a Gaussian density with the
        moments of a local linearisation, for steps that are short beside the structure of the drift. "auto" takes the
        grid unless steps are below 2.9 of its cells.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError, TypeError
        On bad input, or where the model refuses the start; for angles modulo a period, unless on a periodic Grid.

    Warns
    -----
    UserWarning
        Where the values are multiples of a spacing that is not small beside the steps, as rounded ones are; where rows tell
        next to nothing of those a lag later, so that hardly any drift or diffusion is in the data; where the data are not
        Markov at this lag beyond doubt, as with measurement noise (`fp.markov_test` at p = .0005).

    Notes
    -----
    The gradient is exact for the grid and the Newton matrix is the expected information; the ascent is Levenberg and
    Marquardt's. The error of the grid, of second order, is measured by a fit on cells 1.5 times as wide and taken off by
    Richardson's extrapolation; `fit.grid_shift` says how much that was, in standard errors. Cells are refined until it is
    small.

    Splines in two coordinates take the mean and the covariance of each step from the equation, by its backward operator on
    two grids, and a Gaussian density with these: unbiased at any lag; where transitions are far from Gaussian the intervals
    of D are those of a Gaussian law.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> ou = lambda k, D: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)
    >>> runs = fp.simulate(ou(1.0, 0.5), 0.0, np.arange(0, 101, 0.5), 0.01, n_paths=50, seed=1)
    >>> found = fit(runs, ou)
    >>> abs(found.parameters["k"] - 1.0) < 0.1
    True
    """
    if isinstance(data, PassageTimes):
        return fit_passages(data, model, start)
    paths = as_paths(data)
    pairs = pairs_by_time(paths, whole("lag", lag, 1, MOST_LAG))
    transitions = pairs[0]
    if not isinstance(method, str) or method not in METHODS:
        raise bad_value("method", "'auto', 'grid' or 'gaussian'", method)
    closed = closed_axes(None if method == "gaussian" else cells, paths.dim)
    check_wrapped(paths, closed)
    turns = tuple(float(np.ptp(cells.edges[k])) if around else np.inf for k, around in enumerate(closed))
    if isinstance(model, str):
        return _fit_spline(paths, pairs, model, start, lag, walls, cells, method, turns)
    if not callable(model):
        then = 'Or model="spline".'
        raise bad_type("model", "a function of named parameters that returns a FokkerPlanck equation", model, then)
    names = parameter_names(model)
    if (size := sum(part.size for part in pairs)) <= len(names):
        raise bad_value("data", f"more transitions than the {len(names)} parameters", size)
    check_moving(transitions)
    tell_rounded(transitions)
    tell_forgotten(transitions, turns)
    if not any(closed):
        tell_memory(paths, lag)
    equation = EquationModel(model, names)
    theta = given_start(model, names, start)
    if theta is None:
        theta = search_start(equation, len(names), transitions)
    _check_model(equation(theta), transitions)
    equation.starts_at(theta)
    likelihood = likelihood_of(equation, pairs, walls, cells, method, equal=equation(theta).jumps is not None)
    ascent = ascend(likelihood, theta)
    return _finish(paths, lag, names, likelihood, ascent, None, cells is None)


def _fit_spline(
    paths: Paths,
    pairs: list[Transitions],
    word: str,
    start: Any,
    lag: int,
    walls: Any,
    cells: Any,
    method: str,
    turns: tuple[float, ...],
) -> Fit:
    """The fit of drift and ln D as penalised splines."""
    if word != "spline":
        raise bad_value("model", "a function of parameters or 'spline'", word)
    if start is not None:
        raise bad_value("start", "left out for splines", start)
    fewest = SPLINE_FEWEST if paths.dim == 1 else PLANE_FEWEST
    data = pairs[0] if paths.dim > 1 or pairs[0].size >= MANY * fewest else pooled(pairs)
    if paths.dim > 2:
        then = "Pass a family of equations."
        raise bad_value("data", "of one or two coordinates for splines", f"{paths.dim}", then)
    if data.size < fewest:
        rule = f"at least {fewest} transitions for splines"
        raise bad_value("data", rule, f"{data.size}", "Pass a family of equations.")
    check_moving(data)
    tell_rounded(data)
    tell_forgotten(data, turns)
    if np.isinf(turns).all():
        tell_memory(paths, lag)
    if paths.dim == 2:
        return _fit_plane(paths, data, lag, walls, cells, method)
    family = SplineFamily.of(data)
    likelihood = likelihood_of(family, pairs, walls, cells, method, SPLINE_FINENESS)
    found = smooth(likelihood, family.penalties, family.start(data))
    settings = {"effective degrees of freedom": found.freedom}
    return _finish(paths, lag, family.names, likelihood, found.ascent, found.penalty, cells is None, settings)


def _fit_plane(paths: Paths, data: Transitions, lag: int, walls: Any, cells: Any, method: str) -> Fit:
    """The fit of drift and tensor in two coordinates, by the moments of steps."""
    if method == "grid":
        then = "Leave it out, or pass a family of equations."
        raise bad_value("method", "'auto' for splines in two coordinates, which take moments of steps", method, then)
    family = PlaneSplines.of(data)
    grid = choose_grid(data, walls, PLANE_CELLS if cells is None else cells, margin=PLANE_MARGIN)
    likelihood = MomentLikelihood(family, data, grid)
    found = smooth(likelihood, family.penalties, family.start(data))
    ascent, shift = found.ascent, likelihood.shift(found.ascent.theta, inverse(found.ascent.information))
    while np.abs(shift).max() > SHIFTED and cells is None and max(likelihood.grid.shape) * COARSER < MOST_MOMENTS:
        likelihood = MomentLikelihood(family, data, resized(likelihood.grid, COARSER))
        ascent = ascend(likelihood, ascent.theta, found.penalty, tolerance=ascent.tolerance)
        shift = likelihood.shift(ascent.theta, inverse(ascent.information))
    if np.abs(shift).max() > SHIFTED:
        _tell(shift, likelihood.grid)
    freedom = (sum(found.freedom[:2]), sum(found.freedom[2:]))
    settings = {"effective degrees of freedom": freedom}
    corrected = _Corrected(ascent.theta, ascent.value, shift)
    return _result(paths, lag, family.names, likelihood, ascent, corrected, found.penalty, settings)


def _finish(
    paths: Paths,
    lag: int,
    names: tuple[str, ...],
    likelihood: Any,
    ascent: Ascent,
    penalty: np.ndarray | None,
    adapt: bool,
    settings: dict[str, Any] | None = None,
) -> Fit:
    """The result of an ascent, its error of the grid taken off."""
    if on_grid(likelihood) and ascent.converged:
        likelihood, ascent, corrected = _without_grid_error(likelihood, ascent, penalty, adapt)
    else:
        corrected = _Corrected(ascent.theta, ascent.value, None)
    return _result(paths, lag, names, likelihood, ascent, corrected, penalty, settings)


def _result(
    paths: Paths,
    lag: int,
    names: tuple[str, ...],
    likelihood: Any,
    ascent: Ascent,
    corrected: _Corrected,
    penalty: np.ndarray | None,
    settings: dict[str, Any] | None,
) -> Fit:
    theta = corrected.theta
    rough = 0.0 if penalty is None else 0.5 * float(theta @ penalty @ theta)
    return Fit(
        family=likelihood.model,
        names=names,
        theta=theta,
        log_likelihood=corrected.value + rough,
        grid_shift=corrected.shift,
        likelihood=likelihood,
        data=paths,
        lag=lag,
        **ascent.for_fit(),
        settings=settings or {},
    )


def likelihood_of(
    model: Callable[[np.ndarray], FokkerPlanck],
    pairs: list[Transitions],
    walls: Any,
    cells: Any,
    method: str,
    fineness: float = 1.0,
    equal: bool = False,
) -> Any:
    """The likelihood of transitions over one time or several.

    One grid serves all, by the steps of the shortest time that is frequent. On a grid that was not given, steps that it does
    not resolve are taken as Gaussian.
    """
    if method == "gaussian":
        return _together([GaussianLikelihood(model, part) for part in pairs])
    base = frequent(pairs)
    points = [np.concatenate([part.starts, part.ends]) for part in pairs]
    grid = choose_grid(
        base, walls, cells, fineness if cells is None else 1.0, around=np.concatenate(points), equal=equal
    )
    least = 0.0 if method == "grid" or cells is not None or equal else SHORT
    length = _cells_of_steps(grid, base) if least else 0.0
    parts: list[Any] = []
    for part in pairs:
        short = length * min(1.0, np.sqrt(part.tau / base.tau)) < least
        parts.append(GaussianLikelihood(model, part) if short else GridLikelihood(model, part, grid))
    return _together(parts)


def _together(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else GapLikelihood(parts)


def _cells_of_steps(grid: Grid, data: Transitions) -> float:
    """The least standard deviation of the steps in cells, over places and axes."""
    least = np.inf
    for axis in range(grid.dim):
        x = data.starts[:, axis]
        places, lengths = step_lengths(x, data.ends[:, axis] - x)
        width = np.interp(places, grid.centers[axis], grid.widths[axis])
        least = min(least, float((lengths / width).min()))
    return least


def _check_model(eq: Any, data: Transitions) -> None:
    check_markov(eq, "model")
    if eq.jumps is not None and data.starts.shape[1] > 1:
        raise bad_value("model", "without jumps in several dimensions", eq.jumps)


class _Corrected(NamedTuple):
    theta: np.ndarray
    value: float
    shift: np.ndarray | None


def _without_grid_error(
    fine: Any, ascent: Ascent, penalty: np.ndarray | None, adapt: bool
) -> tuple[Any, Ascent, _Corrected]:
    """The fit on the finest grid that was needed, and its parameters and ln L less the error of that grid.

    (fine - coarse) / (r^2 - 1) is added to the fine ones, r the ratio of cell widths. Where that is more than SHIFTED
    standard errors the cells are refined, as far as their number allows.
    """
    coarse = fine.resized(1.0 / COARSER)
    other = ascend(coarse, ascent.theta, penalty, tolerance=ascent.tolerance)
    most = MOST_CELLS if fine.grid.dim == 1 else MOST_PLANE
    while True:
        gain = (fine.grid.size / coarse.grid.size) ** (2.0 / fine.grid.dim) - 1.0
        move = (ascent.theta - other.theta) / gain
        shift = move / np.sqrt(np.diagonal(inverse(ascent.information)))
        far = not other.converged or float(np.abs(shift).max()) > SHIFTED
        if not far or not adapt or max(fine.grid.shape) * COARSER > most:
            break
        coarse, other = fine, ascent
        fine = fine.resized(COARSER)
        ascent = ascend(
            fine, ascent.theta + move if other.converged else ascent.theta, penalty, tolerance=ascent.tolerance
        )
    if far:
        _tell(shift, fine.grid)
    if not _allowed(fine, ascent.theta + move):  # beyond the edge of the equation, at which the maximum lies
        move, shift = np.zeros_like(move), np.zeros_like(shift)
    return fine, ascent, _Corrected(ascent.theta + move, ascent.value + (ascent.value - other.value) / gain, shift)


def _allowed(likelihood: Any, theta: np.ndarray) -> bool:
    """Whether the equation takes these parameters."""
    try:
        return bool(np.isfinite(likelihood.value(theta)))
    except ValueError:
        return False


def _tell(shift: np.ndarray, grid: Grid) -> None:
    """A warning of an error of the grid that is more than SHIFTED standard errors."""
    then = "Take more cells: cells=" + str([2 * n for n in grid.shape]).strip("[]") + "."
    found = f"the error of the grid is {np.abs(shift).max():.2g} standard errors of a parameter; it was taken off"
    warn(f"{found} by extrapolation. {then}", ResolutionWarning)
