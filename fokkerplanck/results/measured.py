"""What the error of each result is, from the same question on two coarser grids, and when it is large enough for a warning."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import SubcellWarning, warn
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..solvers.accuracy.estimates import LEAST_ORDER, Errors, Estimate
from ..solvers.accuracy.fields import FieldChange, field_change, field_errors
from ..solvers.accuracy.measure import FAILURES, Offer, compared, note, repeated, scheme_order, worst
from ..solvers.accuracy.refinement import shape_of
from ..solvers.accuracy.subcell import cells_that_see, hidden_feature
from ..solvers.discretization.resolution import upwinded_tensor
from . import extrapolated
from .committor import Committor
from .error_warnings import LARGE, OFF, warn_of_error
from .first_passage import FirstPassage
from .open_solution import OpenSolution
from .open_stationary import OpenStationary
from .processes import InTime
from .solution import Solution
from .spectrum import Spectrum
from .stationary import Stationary

logger = logging.getLogger(__name__)

NOTHING_LEFT = 1e-9  # mass whose moments nobody asks for
POINT = (
    0.1  # of what the grid adds to the diffusion: noise that draws a density together to less than a third of a cell
)
PRESENT = 1e-6  # of the largest density: where there is less, nothing inside the cells matters
CHANGE = 1e-3  # of the range of a backward field, between two cells: there a barrier matters though nobody stays


def measured(
    result: Any,
    ask: Callable[[FokkerPlanck, Grid], Any],
    eq: FokkerPlanck,
    errors_of: Callable[[Sequence[Any], float], Errors],
    t: float = 0.0,
) -> Any:
    """A result with its `error`.

    Parameters
    ----------
    result : what was asked for, on its own grid
    ask : callable
        The same question for another equation and grid, without errors of its own.
    eq : FokkerPlanck
    errors_of : callable
        From the results on three grids, the finest first, and the order of the scheme.
    t : float
        Time at which coefficients are read that tell the order of the scheme.
    """

    def errors(results: Sequence[Any], order: float) -> Errors:
        # where the next grid still upwinds its difference is not of order 2, whatever this one does
        if order <= 1.0 or not any(_upwinded(one) for one in results[:2]):
            return errors_of(results, order)
        found = errors_of(results, 1.0)
        found.better = None  # on the way from one order to the other there is none to extrapolate by
        return found

    return measured_by(result, lambda: repeated(ask, eq, result.grid), errors, lambda: scheme_order(eq, result.grid, t))


def _upwinded(result: Any) -> bool:
    """Whether the drift of a full tensor is upwinded in the density of a result, the last one over time."""
    if not isinstance(result, (Solution, Stationary)) or result.generator is None:
        return False
    density = result.density[-1] if isinstance(result, Solution) else result.density
    return upwinded_tensor(result.generator, density * result.grid.volumes)


def measured_by(
    result: Any,
    again: Callable[[], list[Any]],
    errors_of: Callable[[Sequence[Any], float], Errors],
    order: Callable[[], float] = lambda: 2.0,
) -> Any:
    """A result with its `error`, by the same results on the two coarser grids; without, where there are none."""
    try:
        coarser = again()
        error = errors_of([result, *coarser], order())
    except FAILURES as problem:
        error, coarser = Errors.unknown(f"grid error not measured: {problem}"), []
    logger.info("%s on %s cells: %s", type(result).__name__, shape_of(result.grid), error.note)
    return with_error(result, error, tuple(coarser))


def with_error(result: Any, error: Errors, coarser: tuple[Any, ...] = ()) -> Any:
    """A copy of a result that has an error, and keeps the results on coarser grids where it needs them."""
    new = copy.copy(result)
    object.__setattr__(new, "error", error)
    if hasattr(new, "coarser"):
        object.__setattr__(new, "coarser", coarser)
    return new


def solution_errors(results: Sequence[Solution], order: float) -> Errors:
    """Of the density, the moments, the mass and what was observed, at each output time; that of the time included."""
    late = [r.stats.error_estimate for r in results]
    found, late_spread = _of_density(results, order, late), _of_spread(results, order, late)
    seen = {name: partial(_of_observed, results, name, order) for name in results[0].observed}
    if isinstance(results[0], OpenSolution):
        seen["rate"] = partial(_of_rate, results, order)
    mass = partial(_numbers, results, "mass", order, late, 0)
    return _errors(
        found,
        {**_of_moments(results, order, late), "mass": mass, **seen},
        by_mass=is_singular(results[0]),
        in_cells={"density": partial(_density_in_cells, results, order)},
        better=_better(extrapolated.of_solution, results, found, order),
        cap=order,
        of=partial(_of_what_is_read, results, order, late),
        spread=late_spread,
        leaving=_leaving(results, order),
    )


def _better(
    make: Callable[..., Any], results: Sequence[Any], found: Estimate, order: float
) -> Callable[[], Any] | None:
    """How the extrapolated result is made, where there may be one."""
    possible = order in (1.0, 2.0) and not is_singular(results[0]) and not results[0].atoms
    return partial(make, results, found, order) if possible else None


def _errors(
    found: Estimate,
    others: Mapping[str, Callable[[], np.ndarray]],
    first: str = "density",
    by_mass: bool = False,
    in_cells: Mapping[str, Callable[[int], np.ndarray]] | None = None,
    better: Callable[[], Any] | None = None,
    cap: float = 2.0,
    of: Callable[[Callable[[Any], np.ndarray]], np.ndarray] | None = None,
    **whole: Estimate | None,
) -> Errors:
    _, order, converging = worst(found)
    text = note(found) + (", in the probabilities of cells" if by_mass else "")
    return Errors(
        {first: found.error, **others},
        order,
        converging,
        text,
        {first: found, **{name: each for name, each in whole.items() if each is not None}},
        in_cells,
        better,
        cap,
        of,
    )


def _of_spread(results: Sequence[Any], order: float, late: Sequence[float]) -> Estimate:
    """Relative error of the variances along the axes, at the last time: it sees what is no wider than a cell."""
    inside = [r.masses.reshape(-1, r.grid.size)[-1].sum() for r in results]
    if min(inside) <= NOTHING_LEFT:
        none = np.zeros(results[0].grid.dim)
        return Estimate(none, none, none == 0.0)
    last = [r.variances_at(-1) for r in results]
    widths = np.array([w.mean() for w in results[0].grid.widths])
    scale = np.fmax(last[0], 0.01 * widths**2)  # below a tenth of a cell, and where nothing is left, there is no width
    offers = [Offer(np.nan_to_num(v / scale), max(9.0 * e, 1e-12)) for v, e in zip(last, late, strict=True)]
    return compared(offers, [r.grid for r in results], order)


def is_singular(result: Any) -> bool:
    """Whether the density may go by a power of the distance from a point, so that no cells resolve its shape there."""
    process = getattr(result, "process", None)
    q = process.generator if isinstance(process, InTime) else None if process is not None else result.generator
    return q is not None and bool(q.singular)


def _of_density(results: Sequence[Any], order: float, late: Sequence[float]) -> Estimate:
    by_mass = is_singular(results[0])
    offers = [
        Offer(r.density, max(e, 1e-12), density=True, by_mass=by_mass, atoms=r.atoms)
        for r, e in zip(results, late, strict=True)
    ]
    return compared(offers, [r.grid for r in results], order)


def _density_in_cells(results: Sequence[Any], order: float, index: int) -> np.ndarray:
    """The error of a density in each cell, (*shape), at a time by its number."""
    grids = [r.grid for r in results]
    densities = [r.density.reshape(-1, *g.shape)[index] for r, g in zip(results, grids, strict=True)]
    none = [np.zeros(g.shape, dtype=bool) for g in grids]
    return field_errors(field_change(densities, grids, none, order), grids, none[0], order)


def _of_atoms(results: Sequence[Any], order: float, late: Sequence[float]) -> np.ndarray:
    """Of the probability at each point, in the order of places, (..., n)."""
    atoms = [np.stack([np.asarray(mass) for _, mass in sorted(r.atoms.items())], axis=-1) for r in results]
    return compared(
        [Offer(a, max(e, 1e-12)) for a, e in zip(atoms, late, strict=True)], [r.grid for r in results], order
    ).error


def _of_moments(results: Sequence[Any], order: float, late: Sequence[float]) -> dict[str, Callable[[], np.ndarray]]:
    atoms = {"atoms": partial(_of_atoms, results, order, late)} if results[0].atoms else {}
    return {
        "mean": partial(_numbers, results, "mean", order, late, 1),
        "covariance": partial(_numbers, results, "covariance", order, late, 2),
        **atoms,
    }


def _of_numbers(found: Estimate) -> np.ndarray:
    """The errors of numbers, which carry no word of their own that they do not converge.

    They are then no less than those of numbers whose changes shrink by the least order that counts as converging: where terms
    of first and second order pull in opposite directions, the next changes add up to more than the last one.
    """
    return np.where(found.converging, found.error, found.error / (2.0**LEAST_ORDER - 1.0))


def _numbers(results: Sequence[Any], name: str, order: float, late: Sequence[float], power: int) -> np.ndarray:
    """Errors of what a result offers by name: of the dimension of a length to the given power.

    It changes by up to e (3 deviations)^power where the density changes by e; each axis has deviations of its own, as it may
    have units of its own.
    """
    offers = []
    for r, e in zip(results, late, strict=True):
        value = getattr(r, name)
        variances = np.nan_to_num(np.einsum("...ii->...i", r.covariance()))  # of nothing there are none
        spread = 3.0 * np.sqrt(np.abs(variances).reshape(-1, r.grid.dim).max(axis=0))
        size = (1.0, spread, np.outer(spread, spread))[power]
        offers.append(Offer(value() if callable(value) else value, max(e, 1e-12) * size))
    return _of_numbers(compared(offers, [r.grid for r in results], order))


def _of_what_is_read(
    results: Sequence[Any], order: float, late: Sequence[float], read: Callable[[Any], np.ndarray]
) -> np.ndarray:
    values = [read(r) for r in results]
    offers = [Offer(v, max(e, 1e-12) * np.abs(values[0])) for v, e in zip(values, late, strict=True)]
    return _of_numbers(compared(offers, [r.grid for r in results], order))


def _of_observed(results: Sequence[Solution], name: str, order: float) -> np.ndarray:
    values = [(r.observed[name], r.stats.error_estimate) for r in results]
    offers = [Offer(v, max(e, 1e-12) * float(np.abs(v).max(initial=0.0))) for v, e in values]
    return _of_numbers(compared(offers, [r.grid for r in results], order))


def stationary_errors(results: Sequence[Stationary], order: float) -> Errors:
    """Of the density, the moments, the current and the entropy production."""
    known = isinstance(results[0].process, InTime)
    return _of_rest(results, order, {"entropy_production": partial(_of_entropy, results, order)} if known else {})


def open_errors(results: Sequence[Any], order: float) -> Errors:
    """Of the density, the moments, the mass, the current and the rate at which mass leaves."""
    mass = partial(_numbers, results, "mass", order, [0.0] * len(results), 0)
    return _of_rest(results, order, {"mass": mass, "rate": partial(_of_rate, results, order)})


def _of_rate(results: Sequence[Any], order: float) -> np.ndarray:
    return _of_numbers(compared([Offer(np.asarray(r.rate)) for r in results], [r.grid for r in results], order))


def _leaving(results: Sequence[Any], order: float) -> Estimate | None:
    """Of open systems, the relative error of the rate at which mass leaves, at the time when it is largest."""
    if not isinstance(results[0], (OpenSolution, OpenStationary)):
        return None
    time = int(np.argmax(results[0].rate))
    rates = [np.ravel(r.rate)[[time]] for r in results]
    if not rates[0] > 0.0:
        return None
    return compared([Offer(rate / rates[0]) for rate in rates], [r.grid for r in results], order)


def _of_rest(results: Sequence[Any], order: float, others: Mapping[str, Callable[[], np.ndarray]]) -> Errors:
    """Of what all stationary densities have, and of some more."""
    late = [0.0] * len(results)
    common = _of_moments(results, order, late)
    common["current"] = partial(_of_current, results, order)
    found, spread = _of_density(results, order, late), _of_spread(results, order, late)
    return _errors(
        found,
        {**common, **others},
        by_mass=is_singular(results[0]),
        in_cells={"density": partial(_density_in_cells, results, order)},
        better=_better(extrapolated.of_stationary, results, found, order),
        cap=order,
        of=partial(_of_what_is_read, results, order, late),
        spread=spread,
        leaving=_leaving(results, order),
    )


def _of_entropy(results: Sequence[Stationary], order: float) -> np.ndarray:
    offers = [Offer(np.asarray(r.entropy_production)) for r in results]
    return _of_numbers(compared(offers, [r.grid for r in results], order))


def _of_current(results: Sequence[Stationary], order: float) -> np.ndarray:
    grids = [r.grid for r in results]
    none = [np.zeros(g.shape, dtype=bool) for g in grids]
    changes = [field_change([r.current[a] for r in results], grids, none, order) for a in range(grids[0].dim)]
    return np.stack([field_errors(change, grids, none[0], order) for change in changes])


def passage_errors(results: Sequence[FirstPassage], order: float) -> Errors:
    """Of the mean and the second moment of the times, and of their deviation, in each cell."""
    return _of_fields(
        results, {name: name for name in ("mean", "deviation", "second_moment")}, ("mean", "deviation"), order
    )


def committor_errors(results: Sequence[Committor], order: float) -> Errors:
    """Of the probability in each cell."""
    return _of_fields(results, {"committor": "values"}, ("committor",), order)


def _of_fields(results: Sequence[Any], names: Mapping[str, str], judged: Sequence[str], order: float) -> Errors:
    """Of backward fields, from the name and the attribute of each; by the judged ones, the first in the note, it is judged."""
    whole = {name: _field_change(results, names[name], order).whole for name in judged}
    _, seen, converging = worst(whole[judged[0]])
    each = {name: partial(_field_error, results, attribute, order) for name, attribute in names.items()}
    return Errors(each, seen, converging, note(whole[judged[0]], relative=True), whole, cap=order)


def _field_change(results: Sequence[Any], attribute: str, order: float) -> FieldChange:
    values = [getattr(r, attribute) for r in results]
    return field_change(values, [r.grid for r in results], [r.fixed for r in results], order)


def _field_error(results: Sequence[Any], attribute: str, order: float) -> np.ndarray:
    change = _field_change(results, attribute, order)
    return field_errors(change, [r.grid for r in results], results[0].fixed, order)


def spectrum_errors(results: Sequence[Spectrum], order: float) -> Errors:
    """Of the eigenvalues and rates, each compared with the mode on the coarser grid whose rate and phase are nearest."""
    values, rates, phases = [results[0].eigenvalues], [results[0].rates], [results[0].eigenvalues.imag]
    for r in results[1:]:
        gap = np.hypot(rates[-1][:, None] - r.rates, phases[-1][:, None] - r.eigenvalues.imag)
        size = np.abs(rates[-1])[:, None] + np.abs(r.rates) + np.abs(phases[-1])[:, None] + np.abs(r.eigenvalues.imag)
        nearest = (gap / np.maximum(size, 1e-300)).argmin(axis=1)
        values.append(r.eigenvalues[nearest])
        rates.append(r.rates[nearest])
        phases.append(r.eigenvalues.imag[nearest])
    grids = [r.grid for r in results]
    found = compared([Offer(v, 1e-12 * np.abs(v)) for v in values], grids, order)
    slow = compared([Offer(v, 1e-12 * np.abs(v)) for v in rates], grids, order)
    own = np.where(rates[0] > 1e-14 * np.abs(values[0]), rates[0], np.inf)
    return _errors(found, {"rates": lambda: slow.error}, "eigenvalues", relative=slow._replace(error=slow.error / own))


def warn_of_density(result: Solution | Stationary, eq: FokkerPlanck, t: float = 0.0) -> None:
    """Where a density is far off, after its start, or its variance at the end, or a feature hides inside the cells.

    One that is drawn together to a point within a cell, where there is no noise, is said to be there: silence.
    """
    grid, whole = result.grid, result.error.whole
    if _is_point(result, eq, t):
        return
    found = whole["density"]
    if isinstance(result, Solution):
        found = Estimate(*(part[result.times > 0.0] for part in found))
    if found.error.size and warn_of_error(*worst(found), LARGE, "the density", grid):
        return
    if found.error.size and warn_of_error(*worst(whole["spread"]), OFF, "the variance of the density (relative)", grid):
        return
    if "leaving" in whole and warn_of_error(*worst(whole["leaving"]), OFF, "the rate of leaving (relative)", grid):
        return
    warn_inside_cells(eq, grid, where_present(result.density, grid), t, result.error)


def warn_of_rest(result: Stationary, eq: FokkerPlanck, flows: bool) -> None:
    """As `warn_of_density`, for a stationary one; without a current it is exact at the centers of whatever cells."""
    if flows:
        warn_of_density(result, eq)
    else:
        warn_inside_cells(eq, result.grid, where_present(result.density, result.grid), error=result.error)


def _is_point(result: Solution | Stationary, eq: FokkerPlanck, t: float) -> bool:
    grid = result.grid
    widths = np.array([w.mean() for w in grid.widths])
    if not (result.variances_at(-1) < widths**2).all():
        return False
    masses = result.masses if isinstance(result, Stationary) else result.masses[-1]
    noise = float(np.abs(eq.diffusion_at(Points.centers(grid), t) * masses).sum())
    return noise < POINT * result.stats.numerical_diffusion


def warn_of_times(result: FirstPassage, eq: FokkerPlanck | None, spent: np.ndarray) -> None:
    """Where the mean times, or else their deviations, are far off, or a feature hides inside the cells.

    `spent`: share of the time that paths spend in each cell, (*grid.shape).
    """
    mean, deviation = (result.error.whole[name] for name in ("mean", "deviation"))
    if warn_of_error(*worst(mean), OFF, "the mean passage times (relative)", result.grid):
        return
    if warn_of_error(*worst(deviation), 2.0 * OFF, "the deviation of the passage times (relative)", result.grid):
        return
    if eq is not None:
        warn_inside_cells(eq, result.grid, where_crossed(spent, result.mean, result.grid), error=result.error)


def warn_of_splitting(result: Committor, eq: FokkerPlanck, spent: np.ndarray) -> None:
    """As `warn_of_times`, for a committor."""
    if not warn_of_error(*worst(result.error.whole["committor"]), OFF, "the committor (relative)", result.grid):
        warn_inside_cells(eq, result.grid, where_crossed(spent, result.values, result.grid), error=result.error)


def warn_of_rates(result: Spectrum, eq: FokkerPlanck | None) -> None:
    """Where the rate of a mode is far off beside its size, or a feature hides inside the cells."""
    if warn_of_error(*worst(result.error.whole["relative"]), OFF, "the rates of the modes (relative)", result.grid):
        return
    if eq is not None:
        warn_inside_cells(eq, result.grid, where_present(np.abs(result.right[0]), result.grid), error=result.error)


def warn_inside_cells(
    eq: FokkerPlanck, grid: Grid, relevant: np.ndarray, t: float = 0.0, error: Errors | None = None
) -> None:
    """Where a feature that matters hides inside the cells: the measured `error`, if any, is then doubted."""
    found = hidden_feature(eq, grid, relevant, t)
    if found is None or not found.matters:
        return
    where = ", ".join(f"{name} = {x:.4g}" for name, x in zip(grid.names, found.place, strict=True))
    hidden = "the potential varies by" if found.bump > 1.0 else "D varies by a factor"
    size = f"{found.bump:.2g} kT" if found.bump > 1.0 else f"{found.ratio:.2g}"
    text = f"{hidden} {size} inside cells near {where}"
    if error is not None:
        error.doubt(f"{text}, which the grids do not see")
    then = "the answer may be far off, and its error estimate does not see it. "
    cells = cells_that_see(eq, grid, relevant, t)
    then += (
        "Take cells that resolve it."
        if cells is None
        else f"Take {' x '.join(map(str, cells))} cells, which resolve it."
    )
    warn(f"{text}: {then}", SubcellWarning)


def where_present(densities: np.ndarray, grid: Grid) -> np.ndarray:
    """Cells in which densities (..., *shape) are not negligible at some time."""
    axes = tuple(range(densities.ndim - grid.dim))
    return np.asarray(
        (densities > PRESENT * densities.max()).any(axis=axes) if axes else densities > PRESENT * densities.max()
    )


def where_crossed(spent: np.ndarray, field: np.ndarray, grid: Grid) -> np.ndarray:
    """Cells in which paths spend time (*shape), or across which a backward field (*shape) changes."""
    finite = np.where(np.isfinite(field), field, 0.0)
    result = spent > PRESENT * spent.max()
    for axis in range(grid.dim):
        if grid.shape[axis] > 1:
            step = np.abs(np.diff(finite, axis=axis)) > CHANGE * np.ptp(finite)
            for part in (slice(None, -1), slice(1, None)):
                result[tuple(part if a == axis else slice(None) for a in range(grid.dim))] |= step
    return result
