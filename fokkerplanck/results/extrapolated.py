"""Densities extrapolated to cells of no width, from the grids on which their error was measured, with an error of their own.

The same is done on cells twice as wide. What the two differ by is the error of the coarser, and shrinks by the order
(`order_after`) from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..model.grid import Grid
from ..solvers.accuracy.coarsening import at_centers
from ..solvers.accuracy.estimates import Errors, Estimate
from ..solvers.accuracy.extrapolation import extrapolated, order_after, ratio_of, to_no_width
from ..solvers.accuracy.measure import distance
from .open_solution import OpenSolution
from .open_stationary import OpenStationary
from .processes import Extrapolated
from .solution import Solution
from .stationary import Stationary


def of_solution(results: Sequence[Solution], plain: Estimate, order: float) -> Solution:
    """A solution from those on three grids, the finest first, whose density was judged by `plain`."""
    one, start = results[0], results[0].times == 0.0  # which is given
    densities = [r.density for r in results]
    grids = [r.grid for r in results]
    fine, coarse, scaled = _pair(grids, densities, [r.mass for r in results], order)
    new = replace(one, density=np.where(np.reshape(start, (-1, *[1] * one.grid.dim)), one.density, fine))
    observed = {name: _both([r.observed[name] for r in results], grids, order) for name in one.observed}
    new = replace(new, observed={name: both[0] for name, both in observed.items()})
    rates = _rates(results, grids, order)
    new = _with_rates(new, rates)
    late = one.stats.error_estimate
    error = _errors(
        new, replace(new, grid=results[1].grid, density=coarse), plain, order, late, scaled, {**observed, **rates.whole}
    )
    for part in (error["density"], error.whole["density"].error):
        part[start] = plain.error[start]
    return replace(new, error=error)


def of_stationary(results: Sequence[Stationary], plain: Estimate, order: float) -> Stationary:
    """A stationary density from those on three grids, the finest first, whose density was judged by `plain`."""
    one, grids = results[0], [r.grid for r in results]
    densities, masses = [r.density[None] for r in results], [np.array([r.mass]) for r in results]
    fine, coarse, scaled = (found[0] for found in _pair(grids, densities, masses, order))
    flow = _both([at_centers(r.current, r.grid, grids[0]) for r in results], grids, order)
    new = replace(one, density=fine, process=Extrapolated(one.grid, flow[0], one.process.settings))
    rates = _rates(results, grids, order)
    new = _with_rates(new, rates)
    other = replace(one, grid=grids[1], density=coarse)
    return replace(new, error=_errors(new, other, plain, order, 0.0, scaled, {"current": flow, **rates.whole}))


class Rates(NamedTuple):
    """Of open systems, the extrapolated pair of the `rate` at which mass leaves, by that name; and the rate by each way out."""

    whole: dict[str, tuple[np.ndarray, np.ndarray]]
    ways: dict[str, Any]


def _rates(results: Sequence[Any], grids: Sequence[Grid], order: float) -> Rates:
    if not isinstance(results[0], (OpenSolution, OpenStationary)):
        return Rates({}, {})
    whole = _both([np.asarray(r.rate) for r in results], grids, order)
    ways = {name: [np.asarray(r.rates.get(name, 0.0)) for r in results] for name in results[0].rates}
    return Rates({"rate": whole}, {name: _both(values, grids, order)[0] for name, values in ways.items()})


def _with_rates(new: Any, rates: Rates) -> Any:
    if not rates.whole:
        return new
    number = float if isinstance(new, OpenStationary) else np.asarray
    ways = {name: number(value) for name, value in rates.ways.items()}
    return replace(new, rate=number(rates.whole["rate"][0]), rates=ways)


def _pair(
    grids: Sequence[Grid], densities: Sequence[np.ndarray], masses: Sequence[np.ndarray], order: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The density (n_times, *shape) on the finest grid and on the next, each from that grid and a coarser one.

    Thirdly by how much of its mass the first was scaled, (n_times,).
    """
    (fine, scaled), (coarse, _) = (
        extrapolated(densities[k], densities[k + 1], (grids[k], grids[k + 1]), mass, order)
        for k, mass in enumerate(_both(masses, grids, order))
    )
    return fine, coarse, scaled


def _both(values: Sequence[np.ndarray], grids: Sequence[Grid], order: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers on three grids, extrapolated from the finer two and from the coarser two."""
    first, second = (to_no_width(values[k], values[k + 1], order, ratio_of(grids[k], grids[k + 1])) for k in range(2))
    return first, second


def _errors(
    new: Any,
    other: Any,
    plain: Estimate,
    order: float,
    late: float,
    scaled: np.ndarray,
    numbers: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Errors:
    """Of a result by the one from coarser cells, and of `numbers` by their pairs; no less than the error in time.

    scaled: mass by which the density was scaled, an error of its own at walls that it does not run flat into.
    """
    gained = order_after(plain.order, order)
    shrink = 2.0**gained - 1.0
    gap = distance(new.density, new.grid, other.density, other.grid) / shrink
    gap = np.asarray(np.maximum(gap + scaled, late))
    least = float(np.min(gained, initial=2.0 * order))
    each: dict[str, Callable[[], np.ndarray]] = {
        "mean": lambda: _of_moment(new.mean(), other.mean(), new, 1, shrink, late),
        "covariance": lambda: _of_moment(new.covariance(), other.covariance(), new, 2, shrink, late),
        "mass": lambda: _of_number((np.asarray(new.mass), np.asarray(other.mass)), shrink, late),
        **{name: partial(_of_number, pair, shrink, late) for name, pair in numbers.items()},
    }
    text = f"error {gap.max(initial=0.0):.1e} (extrapolated from three grids to order {least:.2g})"
    found = Estimate(gap, np.asarray(gained), plain.converging)
    return Errors({"density": gap, **each}, least, bool(np.all(plain.converging)), text, {"density": found}, cap=order)


def _of_number(pair: tuple[np.ndarray, np.ndarray], shrink: np.ndarray, late: float) -> np.ndarray:
    change = np.abs(pair[0] - pair[1])
    gap = change / np.reshape(shrink, np.shape(shrink) + (1,) * (change.ndim - np.ndim(shrink)))
    return np.asarray(np.maximum(gap, late * np.abs(pair[0]).max(initial=0.0)))


def _of_moment(
    fine: np.ndarray, coarse: np.ndarray, result: Any, power: int, shrink: np.ndarray, late: float
) -> np.ndarray:
    """Errors of means (power 1) or covariances (2), by the largest beside the deviations: chance agreement is not believed.

    A density that changes by e changes them by up to e (3 deviations)^power.
    """
    s = np.sqrt(np.diagonal(result.covariance(), axis1=-2, axis2=-1))
    scale = s if power == 1 else s[..., :, None] * s[..., None, :]
    gap = _of_number((fine, coarse), shrink, 0.0)
    share = np.divide(gap, scale, out=np.zeros_like(gap), where=scale > 0.0)
    share = np.maximum(share.max(axis=tuple(range(-power, 0)), keepdims=True), late * 3.0**power)
    return np.maximum(gap, share * scale)
