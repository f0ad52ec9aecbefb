"""The slowest modes of an equation."""

from __future__ import annotations

import numpy as np

from ..arguments import flag, whole
from ..model.box import Box
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..results.measured import (
    measured,
    spectrum_errors,
    warn_of_rates,
)
from ..results.spectrum import Spectrum, spectrum_of
from ..results.tolerance import to_tolerance
from ..solvers.discretization.resolution import resolution
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.evolution.slow_modes import slow_modes
from ..solvers.linear.spectrum import check_resolved
from ..wall_and_grid_warnings import (
    warn_of_resolution,
    warn_of_untreated,
)
from .checks import autonomous

MORE = 2  # modes found on coarser grids, where their order may differ


def spectrum(
    eq: FokkerPlanck, grid: Grid | Box, k: int = 6, *, error: bool = True, tol: float | None = None
) -> Spectrum:
    """The k slowest modes of the equation.

    Parameters
    ----------
    eq : FokkerPlanck
    grid : Grid, or with `tol` a Box
    k : int
    error : bool
        Whether to measure the error on two coarser grids, see `solve`.
    tol : number, optional
        Error allowed in each eigenvalue, relative to it. The cells are then chosen, see `solve`.

    Returns
    -------
    Spectrum
        Eigenvalues by falling real part; the first is 0 unless walls absorb. A conjugate pair is not cut apart: there may
        be one mode more than asked for. A ResolutionWarning, and `missed`, say where it is not certain that no slower mode
        was missed.

    Raises
    ------
    ConvergenceError
        If a mode is so slow that its eigenvalue is the rounding of the fastest rate (some 4e-15 of it). Not in 1D
        without jumps or periodic walls, where each eigenvalue is right to its own digits.
    """
    flag("error", error)
    if tol is not None:
        return to_tolerance(lambda there: spectrum(eq, there, k), grid, tol, error)
    grid = autonomous(eq, grid, "modes")
    k = whole("k", k, 1, grid.size - 1)
    q = generator(eq, grid)
    warn_of_untreated(q)
    grid = q.grid
    modes = slow_modes(q, k)
    result = spectrum_of(grid, modes, bool(q.exits))
    check_resolved(q, modes, result)
    if error:

        def ask(other: FokkerPlanck, coarse: Grid) -> Spectrum:
            there = generator(other, coarse)
            return spectrum_of(there.grid, slow_modes(there, min(k + MORE, coarse.size - 1)), bool(q.exits), False)

        result = measured(result, ask, eq, spectrum_errors)
    if result.error:
        warn_of_rates(result, eq)
    elif not q.untreated:
        slowest = np.abs(modes.right[:, 0])
        stats = resolution(q, (slowest / slowest.sum(),))
        warn_of_resolution(stats, "the slowest mode", "modes and rates are first order")
    return result
