"""Questions asked for a tolerance: on one grid after another, until the measured error is no larger."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import instance, number
from ..errors import GridErrorWarning, SubcellWarning, bad_value
from ..model.box import Box
from ..model.grid import Grid
from ..solvers.accuracy.measure import worst
from ..solvers.accuracy.refinement import Attempt, refined
from .committor import Committor
from .first_passage import FirstPassage
from .open_solution import OpenSolution
from .open_stationary import OpenStationary
from .solution import Solution
from .spectrum import Spectrum
from .stationary import Stationary


def to_tolerance(
    ask: Callable[[Grid], Any], grid: Any, tol: Any, error: bool = True, *, extrapolate: bool = True
) -> Any:
    """The answer to a question on the first grid whose measured error is at most `tol`, extrapolated where only that is.

    Parameters
    ----------
    ask : callable
        The question on a grid, with its measured error.
    grid : Box, or Grid to start from
    tol : float
    error : bool
        As it was asked for.
    extrapolate : bool
        Whether an extrapolated answer will do.

    Raises
    ------
    ConvergenceError
        Where the tolerance is out of reach, with the best answer there was.
    """
    tol = checked_tolerance(tol)
    if not error:
        raise bad_value("error", "True where `tol` is given", error, "A tolerance is met by the measured error.")
    then = "Make one with fp.Box((low, high))."
    instance("grid", grid, (Grid, Box), "a Box, or a Grid to start from, where `tol` is given", then)
    heard: dict[int, list[warnings.WarningMessage]] = {}

    def attempt(there: Grid) -> Attempt:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = ask(there)
        heard[id(result)] = said  # what is heard of grids that were too coarse is not passed on
        hidden = any(issubclass(w.category, SubcellWarning) for w in said)
        plain = Attempt(result, *judged(result), hidden)
        if not extrapolate or plain.meets(tol) or not plain.converging or result.error.better is None:
            return plain
        better = result.extrapolated()
        heard[id(better)] = [w for w in said if not issubclass(w.category, GridErrorWarning)]
        # the order that it comes to on finer grids
        return plain if better is result else Attempt(better, judged(better)[0], 2.0 * result.error.cap, True, hidden)

    found = refined(attempt, grid, tol).result
    for w in heard[id(found)]:
        warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return found


def checked_tolerance(tol: Any) -> float:
    """A tolerance, refused where it is none."""
    return number("tol", tol, "above 0 and below 1", lambda v: 0.0 < v < 1.0, "Such as tol=1e-3.")


def judged(result: Any) -> tuple[float, float, bool]:
    """The error of a result in the terms of a tolerance, its order, and whether it converges; nan where not measured.

    Of densities the 1-norm, the largest over the times after the start, of open systems beside their mass; of mean times the
    sum of their errors over the cells, beside the sum of the times; of a committor the largest of a cell; of eigenvalues the
    largest relative to the eigenvalue.
    """
    if not result.error:
        return np.nan, np.nan, False
    whole = result.error.whole
    if isinstance(result, Solution):
        later = result.times > 0.0
        found = whole["density"]
        if isinstance(result, OpenSolution):
            found = found._replace(error=found.error / result.supplied[-1])
        return worst(type(found)(*(part[later] for part in found)) if later.any() else found)
    if isinstance(result, OpenStationary):
        return worst(whole["density"]._replace(error=whole["density"].error / result.mass))
    if isinstance(result, Stationary):
        return worst(whole["density"])
    if isinstance(result, FirstPassage):
        return worst(whole["mean"])
    if isinstance(result, Committor):
        _, order, converging = worst(whole["committor"])
        return float(result.error["committor"].max()), order, converging
    assert isinstance(result, Spectrum)
    found, size = whole["eigenvalues"], np.abs(result.eigenvalues)
    size = np.where(size > 0.0, size, np.inf)
    return worst(found._replace(error=found.error / size))
