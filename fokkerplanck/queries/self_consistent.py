"""Stationary states of equations with an interaction: densities that their own coefficients leave alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ConvergenceError, ResolutionWarning, bad_value, warn
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck, Swarm
from ..model.grid import Grid
from ..model.initial_density import initial_masses
from ..model.mean_field import MeanField
from ..results.measured import measured_by, stationary_errors
from ..results.processes import InTime
from ..results.requests import check_systems
from ..results.stability import Stability
from ..results.stationary import Stationary
from ..results.stats import StationaryStats
from ..solvers.accuracy.coarsening import start_on_coarser
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import Offer, compared, repeated, scheme_order
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.interactions import reader
from ..solvers.evolution.evolve import generators_of
from ..solvers.evolution.self_consistent import self_consistent
from .at_rest import at_rest
from .checks import check_question

logger = logging.getLogger(__name__)

CREEPS = 1e-6  # distance to rest, 1-norm, from which it is said
OTHERS = "there may be other states, see `p0`"


def interacting(eq: FokkerPlanck, grid: Any, p0: Any, measure: bool) -> Stationary:
    """The stationary state that a start leads to, with whether it is stable, and a warning where it is not."""
    grid = check_question(eq, grid)
    if eq.time_dependent:
        then = "Follow it in time with fp.solve."
        raise bad_value("eq", "independent of time here", "a coefficient with a parameter `t`", then)
    check_systems(eq, grid, "modes")
    result = self_consistent_state(eq, grid, _start(eq, grid) if p0 is None else initial_masses(p0, grid)[0], False)
    if measure:
        result = _measured(eq, result)
    assert result.stability is not None
    logger.info("stationary state with an interaction: %s", result.stability)
    if result.stability.stable is False:
        then = "Give p0, the density to start from, away from this state: the one that it leads to is found."
        warn(f"the stationary state that was found is {result.stability}. {then}")
    return result


def _start(eq: FokkerPlanck, grid: Grid) -> np.ndarray:
    """The stationary masses without the interaction, (*grid.shape)."""
    try:
        return at_rest(replace(eq, interaction=None), grid, None).masses
    except (ValueError, ConvergenceError) as problem:
        if grid.absorbs or eq.ends_paths:
            raise
        then = f"It is the density to start from. Without the interaction: {problem}"
        raise bad_value("p0", "given here", None, then) from problem


def self_consistent_state(eq: FokkerPlanck, grid: Grid, start: np.ndarray, stay: bool) -> Stationary:
    """The state on one grid from masses (*grid.shape) there; to `stay`, the one nearest to them, stable or not."""
    at, there = generators_of(eq, grid)
    if there is not grid:
        start = start_on_coarser(start / grid.volumes, grid, there)

    def of(masses: np.ndarray) -> Generator:
        return at(0.0, masses.reshape(there.shape))

    averaged = eq.interaction if isinstance(eq.interaction, (Swarm, MeanField)) else None
    observed = None if averaged is None else averaged.observed(Points.centers(there).flat)
    found = self_consistent(of, start.ravel(), stay, observed)
    if found.residual > CREEPS and not stay:
        text = (
            f"the stationary state is self-consistent to {found.residual:.1e} (1-norm) only: it creeps along a family of "
            "states that the grid does not keep alike. More cells, or a larger box, make it slower."
        )
        warn(text, ResolutionWarning)
    q, masses = found.generator, found.masses.reshape(there.shape)
    growth, rates, rounding = found.stability
    residual = float(np.abs(q.apply(masses)).max() / max(q.outflow.max(initial=0.0), 1e-300))
    how = f"self-consistent to {found.residual:.1e} in {found.iterations} iterations; {OTHERS}"
    return Stationary(
        there,
        masses / there.volumes,
        InTime(q),
        StationaryStats(parts=1, residual=residual),
        _alone(eq, there, found.masses).diffusion_at(Points.centers(there)),
        message="; ".join([how, *q.found]),
        stability=Stability(growth, rates, rounding),
    )


def _alone(eq: FokkerPlanck, grid: Grid, masses: np.ndarray) -> FokkerPlanck:
    """The equation with the diffusion that it has at a state, without its interaction."""
    if eq.diffusion_reads_density:
        eq = eq.with_diffusion_of(reader(eq, grid)(masses))
    return replace(eq, interaction=None)


def _measured(eq: FokkerPlanck, result: Stationary) -> Stationary:
    """With the error by the states nearest to this one on two coarser grids, that of its stability included."""
    grid = result.grid

    def ask(other: FokkerPlanck, coarse: Grid) -> Stationary:
        return self_consistent_state(other, coarse, start_on_coarser(result.density, grid, coarse), True)

    growths: list[float] = []

    def errors_of(results: Sequence[Stationary], order: float) -> Errors:
        found = [r.stability.growth for r in results if r.stability is not None]
        growths.append(float(compared([Offer(np.asarray(g)) for g in found], [r.grid for r in results], order).error))
        return stationary_errors(results, order)

    order = lambda: scheme_order(_alone(eq, grid, result.masses.ravel()), grid)  # noqa: E731
    new = measured_by(result, lambda: repeated(ask, eq, grid), errors_of, order)
    known = result.stability
    assert known is not None
    return replace(new, stability=replace(known, error=max([known.error, *growths])))
