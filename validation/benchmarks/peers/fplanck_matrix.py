"""fplanck: rates from exp(-dU/2), `expm_multiply` for the propagation, `eigs` for the steady state.

The drift goes in as a force alone, since potential and force together count the diffusion twice. fplanck 0.2.2 calls
np.product, which numpy 2 no longer has; the name is lent to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import constants

from ..cases import Case

LABEL, PACKAGE = "fplanck", "fplanck"


def model(case: Case, n: int):
    """The peer's object with its matrix built. Unit drag, so that force = drift and k T = D."""
    vars(np).setdefault("product", np.prod)
    import fplanck

    h = case.spacing(n)
    made = fplanck.fokker_planck(
        temperature=case.diffusion / constants.k,
        drag=1.0,
        extent=[h * (n - 0.5)] * case.dim,  # rounded up to n cells
        resolution=h,
        force=lambda *x: case.drift(*(xi + sum(case.box) / 2 for xi in x)),
    )
    assert tuple(made.Ngrid) == (n,) * case.dim
    return made


def prepare(case: Case, n: int) -> Callable[[], np.ndarray]:
    """The matrix, built by a loop over the cells."""
    made = model(case, n)
    return lambda: made.propagate(lambda *x: case.start(*x), 1.0) / case.spacing(n) ** case.dim
