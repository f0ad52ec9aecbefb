"""The generator with its stationary masses, and solutions of Q x = b beside them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from ..errors import ResolutionWarning
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..queries import stationary
from ..queries.self_consistent import self_consistent_state
from ..results.measured import measured_by
from ..solvers.accuracy.coarsening import start_on_coarser
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import Offer, compared, note, repeated, scheme_order, worst
from ..solvers.discretization.generator import Generator
from ..wall_and_grid_warnings import box_error


class State(NamedTuple):
    """A generator and its stationary masses (n,)."""

    q: Generator
    masses: np.ndarray

    @property
    def grid(self) -> Grid:
        """Where it lives."""
        return self.q.grid

    def solve(self, right: np.ndarray) -> np.ndarray:
        """x (n,) with Q x = right, which sums to zero as x then does.

        One equation is left out and x held at 0 where most of the mass is; a multiple of the masses then makes the sum zero.
        """
        x = self._reduced(right, "N")
        return x - x.sum() * self.masses

    def adjoint(self, right: np.ndarray) -> np.ndarray:
        """g (n,) with Q^T g = right, whose mean over the masses is 0; g is 0 where most of the mass is."""
        return self._reduced(right, "T")

    def _reduced(self, right: np.ndarray, which: str) -> np.ndarray:
        cells = np.delete(np.arange(self.masses.size), int(np.argmax(self.masses)))
        x = np.zeros(self.masses.size)
        inner = self.q.matrix[cells][:, cells].tocsc()
        x[cells] = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0).solve(right[cells], which)
        return x

    def resolvent(self, w: float, right: np.ndarray) -> np.ndarray:
        """(i w - Q)^-1 right, (n,) complex, for a right that sums to zero."""
        if w == 0.0:
            return -self.solve(right).astype(complex)
        matrix = (1j * w * sp.identity(right.size, format="csc") - self.q.matrix).tocsc()
        return np.asarray(splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(right.astype(complex)))


def state_of(eq: FokkerPlanck, grid: Grid, quiet: bool = False, start: Any = None) -> State:
    """The stationary state on a grid, the one that `start` leads to; `quiet` on those that are coarser on purpose."""
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore", ResolutionWarning)
        st = stationary(eq, grid, start, error=False)
    return State(st.generator, st.masses.ravel())


def nearest_state(eq: FokkerPlanck, coarse: Grid, state: State) -> State:
    """The same stationary state on a coarser grid, quietly: with an interaction the nearest of them, stable or not."""
    if eq.interaction is None:
        return state_of(eq, coarse, quiet=True)
    start = start_on_coarser(state.masses.reshape(state.grid.shape) / state.grid.volumes, state.grid, coarse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        st = self_consistent_state(eq, coarse, start, True)
    return State(st.generator, st.masses.ravel())


def with_errors(
    result: Any,
    state: State,
    ask: Callable[[State], Any],
    eq: FokkerPlanck,
    names: tuple[str, ...],
    densities: tuple[str, ...] = (),
) -> Any:
    """A result with the errors of what it offers by these names, the first in the note, by the same on two coarser grids.

    state : that the result comes from.
    densities : names of fields (*grid.shape), whose error is that of their 1-norm.
    """

    def again() -> list[Any]:
        return repeated(lambda other, coarse: ask(state_of(other, coarse, quiet=True)), eq, result.grid)

    def errors_of(results: Any, order: float) -> Errors:
        grids = [r.grid for r in results]
        found = {
            name: compared(
                [Offer(np.asarray(getattr(r, name)), density=name in densities) for r in results], grids, order
            )
            for name in names + densities
        }
        _, seen, converging = worst(found[names[0]])
        return Errors({name: one.error for name, one in found.items()}, seen, converging, note(found[names[0]]), found)

    result = measured_by(result, again, errors_of, lambda: scheme_order(eq, result.grid))
    leave_out_tails(result, names[0], eq, state)
    return result


def leave_out_tails(result: Any, name: str, eq: FokkerPlanck, state: State) -> None:
    """Note in the errors of a result, whose first number has this name, what its stationary state has beyond the box."""
    if result.error:
        size = float(np.abs(getattr(result, name)).max(initial=1e-300))
        worst_one = float(np.nan_to_num(result.error[name]).max(initial=0.0))
        result.error.leave_out_tails(box_error(state.q, state.masses.reshape(state.grid.shape)), worst_one / size)
