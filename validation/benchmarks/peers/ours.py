"""This package: one call of `fp.solve`, generator, choice of method and error estimate included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fokkerplanck as fp

from ..cases import Case

LABEL, PACKAGE = "fokkerplanck", "fokkerplanck"


def problem(case: Case, n: int) -> tuple[fp.FokkerPlanck, fp.Grid, fp.Gaussian]:
    """A case in our own words."""
    eq = fp.FokkerPlanck(drift=case.drift if case.dim > 1 else lambda x: case.drift(x)[0], diffusion=case.diffusion)
    grid = fp.Grid([case.box] * case.dim, [n] * case.dim)
    return eq, grid, fp.gaussian(case.mean if case.dim > 1 else case.mean[0], case.std)


def prepare(case: Case, n: int, method: str = "auto", rtol: float = 1e-6) -> Callable[[], np.ndarray]:
    """Nothing is kept between calls."""
    eq, grid, start = problem(case, n)

    def run() -> np.ndarray:
        return fp.solve(eq, grid, start, 1.0, method=method, rtol=rtol).density[-1]

    return run
