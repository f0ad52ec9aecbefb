"""The transfer operator of SGD: its density pushed through the true update maps, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.sparse as sp

from ..arguments import flag, whole
from ..errors import bad_value
from ..model import initial_density as _density
from ..model.grid import Grid
from ..model.region import read_region, share_inside
from ..results.first_passage import FirstPassage
from ..results.measured import (
    measured_by,
    passage_errors,
    solution_errors,
    spectrum_errors,
    stationary_errors,
    warn_of_rates,
    warn_of_times,
)
from ..results.processes import InSteps
from ..results.requests import check_waiting, output_times
from ..results.solution import Solution
from ..results.spectrum import Spectrum, spectrum_of
from ..results.stationary import Stationary
from ..results.stats import GridStats, SolutionStats, StationaryStats
from ..results.tolerance import to_tolerance
from ..solvers.accuracy.coarsening import as_function, coarsened_start
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import coarser_grids
from ..solvers.evolution.fractional_contour import propagate_waiting
from ..solvers.linear import markov_chain as _transfer
from ..solvers.linear.closed_classes import closed_classes, ending_classes
from ..solvers.linear.occupation_times import time_spent
from ..solvers.linear.rates import Rates
from ..solvers.linear.spectrum import transfer_modes
from ..wall_and_grid_warnings import SMEARED, warn_of_clamping, warn_of_smearing
from .batch_sampling import sampling_error

if TYPE_CHECKING:
    pass

MOST_PRODUCTS = 1e14  # of numbers in T with numbers in P
CUT_ORDER = 1.5  # believed of passages whose target ends inside cells
SIMULATE_INSTEAD = "take a smaller time_order or earlier times, or draw paths with fp.simulate_waiting"


@dataclass(frozen=True, eq=False, repr=False)
class TransferOperator:
    """T on cell masses: after one application, P' = T P.

    Attributes
    ----------
    grid : Grid
    matrix : scipy csc_array (n, n)
        Nonnegative; columns sum to one, or to one minus what an absorbing wall takes.
    kind : {"enumerated", "kernel", "sampled"}
    steps : int
        Steps of SGD in one application: 1, or those of an epoch with shuffling.
    n_maps : int
        Update maps pushed (1 for a normal law).
    clamped : ndarray (*grid.shape)
        Probability with which a path from this cell would leave through a reflecting wall. It is put on the wall, as
        projected SGD does.
    noise, smearing : ndarray (dim, *grid.shape)
        Variance of an application along each axis: of SGD itself, and what the grid adds to it, at most h^2/4
        (less than nothing beside a wall, which narrows what meets it).
    growth : float
        <ln of the factor> by which an application moves a point beyond the reflecting walls away from the middle of the box,
        largest over these walls: where it is positive, what passes there diverges.

    parts : tuple of csc_array
        Of a sampled operator: those of groups of its batches, whose mean it is. How they differ gives the sampling error that
        results hold in `stats["sampling_error"]`.

    Notes
    -----
    Sharing a point linearly between two cell centers keeps its mean and adds the variance s (h - s). This is the least
    that nonnegative weights can add; it is of second order in h for a step of given length, but s (h - s) ~ |step| h
    where steps are much shorter than a cell. `smearing` beside `noise` says whether that matters.
    """

    grid: Grid
    matrix: sp.csc_array
    kind: str
    model: str
    steps: int
    n_maps: int
    clamped: np.ndarray
    noise: np.ndarray
    smearing: np.ndarray
    growth: float = -np.inf
    settings: dict[str, Any] = field(default_factory=dict)
    parts: tuple[sp.csc_array, ...] = ()
    again: Callable[[Grid], TransferOperator] | None = None
    quiet: bool = False

    @cached_property
    def coarser(self) -> list[TransferOperator]:
        """The same operator on cells twice and four times as wide, from which results have their errors."""
        if self.again is None:
            raise bad_value("transfer operator", "made from an SGD to be made again on other cells", None)
        return [replace(self.again(grid), quiet=True, parts=(), again=None) for grid in coarser_grids(self.grid)]

    def _measured(
        self,
        result: Any,
        ask: Callable[[TransferOperator], Any],
        errors_of: Callable[[Any, float], Errors],
        stats: GridStats | None = None,
        warn_of_it: Callable[[Any], object] | None = None,
    ) -> Any:
        """A result with its error, by the same question to the coarser operators, and a warning where passages are far off.

        Densities of SGD are judged by the numerical diffusion of the projection, in its stats: countable batches may leave them
        without a density that cells could resolve. What was spoken of for its sake is not spoken of again.
        """
        if self.again is None:
            return result
        new = measured_by(result, lambda: [ask(other) for other in self.coarser], errors_of)
        pairs = zip(stats.smearing or (), stats.noise or (), strict=True) if stats else ()
        if new.error and warn_of_it is not None and all(added <= SMEARED * own for added, own in pairs):
            warn_of_it(new)
        return new

    def _to(self, tol: Any, error: bool, ask: Callable[[TransferOperator], Any]) -> Any:
        """The answer to a question by this operator on the first cells, from its own on, with an error of at most `tol`."""
        again = self.again
        if again is None:
            raise bad_value("transfer operator", "made from an SGD to be made again on other cells", None)
        return to_tolerance(lambda there: ask(self if there is self.grid else again(there)), self.grid, tol, error)

    def evolve(self, p0: Any, steps: Any, *, error: bool = True, tol: float | None = None) -> Solution:
        """The density after the given numbers of steps.

        Parameters
        ----------
        p0 : initial density, as for `fokkerplanck.solve`
        steps : whole number or increasing sequence, from 0 on; multiples of `self.steps`
        error : bool
            Whether to measure the error by the operator on cells twice and four times as wide.
        tol : number, optional
            The error that is asked for: the operator is made again on more cells until it is met. Here as in `stationary`,
            `first_passage` and `spectrum`, in the terms of `fokkerplanck.solve` and so on.

        Returns
        -------
        Solution
            Its stats: clamped, the expected number of times that a path met a reflecting wall (near 0 where the box is
            large enough); noise and smearing, averaged over the last density, along each axis. Where smearing is more than
            a tenth of the noise, a ResolutionWarning says so, here as in `stationary`, `first_passage` and `spectrum`.
        """
        if tol is not None:
            return cast(Solution, self._to(tol, error, lambda operator: operator.evolve(p0, steps)))
        counts = self.applications(steps)
        start, initial_mass = _density.initial_masses(p0, self.grid)
        matrix, padded = self._counting(start.ravel())
        states = np.array(list(_transfer.advance(matrix, padded, counts)))
        times = counts.astype(float) * self.steps
        stats = SolutionStats(
            error_estimate=1e-16 * float(counts[-1]),
            products=int(counts[-1]),
            initial_mass=initial_mass,
            sampling_error=self._sampling_error_of_moments(start.ravel(), counts),
        )
        result = self._solution(times, states, f"transfer ({self.kind})", stats)
        if not flag("error", error):
            return result

        def ask(other: TransferOperator) -> Solution:
            return other.evolve(coarsened_start(p0, self.grid, other.grid), steps, error=False)

        return self._measured(result, ask, solution_errors)

    def _sampling_error_of_moments(self, start: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray] | None:
        """Standard errors of mean (n_times, dim) and covariance (n_times, dim, dim) by the choice of batches, if any."""
        if not self.parts:
            return None

        def moments(matrix: sp.csc_array) -> np.ndarray:
            masses = np.array(list(_transfer.advance(matrix, start, counts))).reshape(-1, *self.grid.shape)
            return _flat_moments(masses, self.grid)

        return _named(sampling_error(self.parts, moments), self.grid.dim)

    def evolve_waiting(
        self, p0: Any, times: Any, time_order: float, *, scale: float = 1.0, rtol: float = 1e-6, error: bool = True
    ) -> Solution:
        """The density at the given times where Mittag-Leffler waiting times separate the steps.

        Parameters
        ----------
        p0 : initial density, as for `fokkerplanck.solve`
        times : number or increasing sequence, not below 0
        time_order : float from 0.01 to 1
            P(waiting longer than t) = E_b(-(t / scale)^b), which falls as t^-b. At 1 the waiting times are exponential.
        scale : float
            As for `fokkerplanck.simulate_waiting`: with time_order 1 the mean time between steps.
        rtol : float, 1e-12 to below 1
            Error allowed in the 1-norm.
        error : bool
            See `evolve`.

        Returns
        -------
        Solution
            With the stats of `evolve`; solves and windows instead of products.

        Notes
        -----
        The number of steps by t is a renewal process whose waiting times have the Laplace transform 1 / (1 + z^b) in units
        of `scale`. So the Montroll-Weiss sum over numbers of steps is z^(b-1) (z^b + 1 - T)^-1 p0, that is, exactly
        D_t^b P = (T - 1) P and P(t) = E_b((T - 1) (t / scale)^b) p0 (Hilfer and Anton 1995). It is solved by contour
        integrals; where time_order is near 1, long times need too many nodes, and this says so.
        """
        moments = output_times(times)
        check_waiting(moments, time_order, scale, rtol)
        if self.steps != 1:
            then = "Waiting times separate single steps: build the operator without shuffling."
            raise bad_value("transfer operator", "of one step for waiting times", f"{self.steps} steps an epoch", then)
        start, initial_mass = _density.initial_masses(p0, self.grid)
        matrix, padded = self._counting(start.ravel())
        results = propagate_waiting(matrix, padded, moments / scale, float(time_order), float(rtol), SIMULATE_INSTEAD)
        states, errors, contours = zip(*results, strict=True)
        stats = SolutionStats.of(contours[-1].work, error_estimate=errors[-1], initial_mass=initial_mass)
        result = self._solution(moments, np.array(states), f"transfer ({self.kind}), contour", stats)
        if not flag("error", error):
            return result

        def ask(other: TransferOperator) -> Solution:
            there = coarsened_start(p0, self.grid, other.grid)
            return other.evolve_waiting(there, times, time_order, scale=scale, rtol=rtol, error=False)

        return self._measured(result, ask, solution_errors)

    def _counting(self, start: np.ndarray) -> tuple[sp.csc_array, np.ndarray]:
        """T and masses; where reflecting walls may be met, with a last row that counts the meetings."""
        if not self.clamped.any():
            return self.matrix, start
        counter = np.append(self.clamped.ravel(), 1.0)[None]
        counting = sp.vstack([sp.hstack([self.matrix, sp.csc_array((self.grid.size, 1))]), sp.csc_array(counter)])
        return counting.tocsc(), np.append(start, 0.0)

    def _solution(self, times: np.ndarray, states: np.ndarray, method: str, work: SolutionStats) -> Solution:
        """From masses (n_times, n), beside which may stand the expected number of meetings with walls."""
        masses = states[:, : self.grid.size]
        met = float(states[-1, -1]) if states.shape[1] > self.grid.size else 0.0
        densities = masses.reshape(-1, *self.grid.shape) / self.grid.volumes
        last = masses[-1] / max(masses[-1].sum(), 1e-300)
        stats = SolutionStats.of(
            work,
            self._blur(last, "the density is too wide", met),
            mass_error=0.0 if self.grid.absorbs else float(np.abs(masses.sum(axis=1) - 1.0).max()),
            min_density=float(densities.min() / densities.max()),
            clamped=met,
            order=2,
        )
        record = {**self.settings, "model": self.model, "kind": self.kind}
        text = f"transfer operator, {self.kind}"
        return Solution(self.grid, times, densities, method, stats, message=text, settings=record)

    def _blur(self, masses: np.ndarray, effect: str, met: float | None = None) -> GridStats:
        """noise and smearing, averaged over masses (n,) that sum to one, along each axis; a warning where they are bad."""
        if self.quiet or not masses.any():
            return GridStats()
        if met is None:
            warn_of_clamping(float(self.clamped.ravel() @ masses), "in an application of the operator", self.growth)
        else:
            warn_of_clamping(met, "in the run", self.growth)
        noise, smearing = (
            [max(float(v.ravel() @ masses), 0.0) for v in variances] for variances in (self.noise, self.smearing)
        )
        unit = "a step" if self.steps == 1 else "an epoch"
        warn_of_smearing(self.grid, masses.reshape(self.grid.shape), noise, smearing, unit, effect)
        return GridStats(noise=noise, smearing=smearing)

    @property
    def process(self) -> InSteps:
        """What the results need of it."""
        return InSteps(self.grid, self.matrix, self.steps, {**self.settings, "model": self.model, "kind": self.kind})

    def stationary(self, p0: Any = None, *, error: bool = True, tol: float | None = None) -> Stationary:
        """The density that an application leaves unchanged; where several sets are closed, p0 weighs them."""
        if tol is not None:
            return cast(Stationary, self._to(tol, error, lambda operator: operator.stationary(p0)))
        start = None if p0 is None else _density.initial_masses(p0, self.grid)[0].ravel()
        classes, weights = ending_classes(Rates.of_steps(self.matrix), self.grid, "transfer operator", start)
        each = (_transfer.stationary_masses(self.matrix, cells) for cells in classes)
        masses = np.asarray(sum(w * part for w, part in zip(weights, each, strict=True)))
        residual = float(np.abs(self.matrix @ masses - masses).max() / masses.max())
        density = masses.reshape(self.grid.shape) / self.grid.volumes
        by_batches = None
        if self.parts and len(classes) == 1:

            def moments(matrix: sp.csc_array) -> np.ndarray:
                own = self._stationary_of_part(matrix)
                return _flat_moments(own.reshape(1, *self.grid.shape), self.grid)

            found = _named(sampling_error(self.parts, moments), self.grid.dim)
            by_batches = {name: value[0] for name, value in found.items()}
        blur = self._blur(masses, "the density is too wide")
        stats = StationaryStats.of(blur, parts=len(classes), residual=residual, sampling_error=by_batches)
        result = Stationary(self.grid, density, self.process, stats)
        if not flag("error", error):
            return result

        def ask(other: TransferOperator) -> Stationary:
            return other.stationary(None if p0 is None else coarsened_start(p0, self.grid, other.grid), error=False)

        return self._measured(result, ask, stationary_errors)

    def _stationary_of_part(self, matrix: sp.csc_array) -> np.ndarray:
        """Masses of the stationary density of a group of batches, which may reach fewer cells; nan if it has several."""
        own = closed_classes(Rates.of_steps(matrix))
        return _transfer.stationary_masses(matrix, own[0]) if len(own) == 1 else np.full(self.grid.size, np.nan)

    def first_passage(self, target: Any = None, *, error: bool = True, tol: float | None = None) -> FirstPassage:
        """Numbers of steps until a target is first reached.

        Parameters
        ----------
        target : boolean array on the grid, callable f(x, y) -> mask, or None for the absorbing walls
            Of cells on its border it stops the share of what arrives there that lies in it; of a mask, all. Times from
            cells whose centers lie in it are zero.
        error, tol : see `evolve`
        """
        if tol is not None:
            return cast(FirstPassage, self._to(tol, error, lambda operator: operator.first_passage(target)))
        mask, inside = read_region("target", target, self.grid, optional=self.grid.absorbs)
        share = mask.astype(float) if inside is None else share_inside(inside, self.grid)
        matrix = _transfer.with_target(self.matrix, share.ravel())
        outside = np.append(share.ravel() < 1.0, False)
        passage = _transfer.Passage(matrix, outside)
        times = passage.solve(outside.astype(float))
        finite = np.isfinite(times)
        squares = passage.solve(np.where(outside, 2.0 * np.where(finite, times, 0.0) - 1.0, 0.0))
        squares[~finite] = np.inf
        shape = self.grid.shape
        mean, second = (np.where(mask, 0.0, found[:-1].reshape(shape)) for found in (times, squares))
        spent = time_spent(Rates.of_steps(matrix), outside & finite)[:-1]
        blur = self._blur(spent, "passages take the wrong time, where barriers stand in the way by factors")
        by_batches = None
        if self.parts:

            def mean_of(part: sp.csc_array) -> np.ndarray:
                own = _transfer.Passage(_transfer.with_target(part, share.ravel()), outside)
                return np.where(mask.ravel(), 0.0, own.solve(outside.astype(float))[:-1])

            by_batches = {"mean": self.steps * sampling_error(self.parts, mean_of).reshape(shape)}
        killed = replace(self.process, matrix=matrix[:-1, :-1])
        moments = self.steps * mean, self.steps**2 * second
        stats = replace(blur, sampling_error=by_batches)
        result = FirstPassage(self.grid, *moments, mask, killed, stats, inside)
        if not flag("error", error):
            return result
        again = target if target is None else inside or as_function(mask, self.grid)

        def ask(other: TransferOperator) -> FirstPassage:
            return other.first_passage(again, error=False)

        def errors_of(results: Any, order: float) -> Errors:
            return passage_errors(results, CUT_ORDER if _cut(again, self, *self.coarser) else order)

        return self._measured(result, ask, errors_of, blur, lambda new: warn_of_times(new, None, spent))

    def spectrum(self, k: int = 6, *, error: bool = True, tol: float | None = None) -> Spectrum:
        """The k eigenvalues of T of largest modulus, with their modes; one more where a conjugate pair would be cut apart."""
        if tol is not None:
            return cast(Spectrum, self._to(tol, error, lambda operator: operator.spectrum(k)))
        modes = transfer_modes(self.matrix, whole("k", k, 1, self.grid.size - 1))
        slowest = np.abs(modes.right[:, 0])
        blur = self._blur(slowest / slowest.sum(), "the modes are too wide, and rates of escape too large")
        modes = modes._replace(rates=modes.rates / self.steps)
        result = spectrum_of(self.grid, modes, self.grid.absorbs, not self.quiet)
        if not flag("error", error):
            return result

        def ask(other: TransferOperator) -> Spectrum:
            return other.spectrum(min(k + 2, other.grid.size - 1), error=False)

        return self._measured(result, ask, spectrum_errors, blur, lambda new: warn_of_rates(new, None))

    def applications(self, steps: Any) -> np.ndarray:
        """Increasing numbers of steps as numbers of applications."""
        return self.process.applications(steps)

    def __repr__(self) -> str:
        noise = ", ".join(f"{v.max():.3g}" for v in self.noise)
        smear = ", ".join(f"{v.max():.3g}" for v in self.smearing)
        return "\n".join(
            [
                f"TransferOperator ({self.model}) on {self.grid!r}",
                f"  {self.kind}, {self.n_maps} map(s), {self.matrix.nnz} entries, {self.steps} step(s) an application",
                f"  variance per application at most {noise} by SGD, {smear} by the grid",
            ]
        )


def _cut(target: Any, *operators: TransferOperator) -> bool:
    """Whether a target ends inside cells of some of the grids: its share of them changes from one to the next, by no order."""
    if target is None:
        return False
    shares = (share_inside(target, operator.grid) for operator in operators)
    return any(bool(((share > 0.0) & (share < 1.0)).any()) for share in shares)


def _flat_moments(masses: np.ndarray, grid: Grid) -> np.ndarray:
    """Mean and covariance of masses (n_times, *grid.shape) side by side, (n_times, dim + dim^2)."""
    covariance = _density.covariance(masses, grid).reshape(len(masses), -1)
    return np.concatenate([_density.mean(masses, grid), covariance], axis=1)


def _named(error: np.ndarray, dim: int) -> dict[str, np.ndarray]:
    """The reverse of `_flat_moments`."""
    return {"mean": error[:, :dim], "covariance": error[:, dim:].reshape(len(error), dim, dim)}
