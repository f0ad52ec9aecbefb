"""`scipy.sparse.linalg.expm_multiply` on our own rate matrix, in the format its documentation asks for (CSR products)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import expm_multiply

from fokkerplanck.model.initial_density import initial_masses
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator

from ..cases import Case
from .ours import problem

LABEL, PACKAGE = "scipy expm_multiply", "scipy"


def prepare(case: Case, n: int) -> Callable[[], np.ndarray]:
    """The matrix and the initial masses."""
    eq, grid, start = problem(case, n)
    matrix = generator(eq, grid).matrix
    masses = initial_masses(start, grid)[0].ravel()

    def run() -> np.ndarray:
        return expm_multiply(matrix, masses).reshape(grid.shape) / grid.volumes

    return run
