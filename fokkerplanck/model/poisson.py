"""Finite-rate jumps: a compound Poisson process whose rate may change from place to place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arguments import LARGEST, call, fields, number
from ..errors import bad_value
from .jump_laws import Law, law_of
from .portable import Portable

LEAST_JUMPING = "a finite number not below 0, or a function of the coordinates"


@dataclass(frozen=True, eq=False)
class PoissonJumps(Portable):
    """Jumps at the rate lambda(X), each of a random size xi: dp/dt = ... + E[(lambda p)(x - xi)] - lambda p.

    Parameters
    ----------
    rate : float or callable
        lambda >= 0, jumps per time, read where a jump starts. A function of the coordinates without `t`.
    law : distribution, number, matrix, tuple or callable
        The law of a jump, in units of the coordinates:
        a frozen `scipy.stats` distribution of the size (1D; in more dimensions `multivariate_normal`);
        `fp.gaussian(mean, std)` of the size, or `fp.from_samples(sizes)` of sizes that were seen;
        a variance, or a covariance matrix (d, d): Gaussian jumps of mean zero;
        a tuple (sizes, weights): sizes (k,), or (k, d), with weights (k,) that sum to 1;
        a function k(x_from, x_to), vectorised (1D): the density of the place where a jump ends, of integral 1 over x_to.

    Notes
    -----
    Between paths dX = mu dt + sqrt(2 D) dW and jumps, with E[xi] = m and E[xi xi^T] = S: d<x>/dt = <mu> + lambda m, and jumps
    spread as the diffusion lambda S / 2 does. At walls they behave as those of `LevyJumps`: a jump across an absorbing wall is
    lost, a reflecting wall folds its end back, a periodic axis wraps it. On grids of one or two dimensions with equal cells.

    Examples
    --------
    >>> PoissonJumps(rate=2.0, law=0.25)
    PoissonJumps(rate=2.0, law=0.25)
    """

    rate: Any
    law: Any
    law_read: Law = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.rate):
            object.__setattr__(
                self, "rate", number("rate", self.rate, LEAST_JUMPING, lambda v: 0.0 <= v < np.inf, "It is per time.")
            )
        object.__setattr__(self, "law_read", law_of(self.law))

    def rate_at(self, coords: tuple[np.ndarray, ...]) -> np.ndarray:
        """lambda at points given by `dim` arrays of one shape."""
        shape = np.broadcast_shapes(*(c.shape for c in coords))
        value = call("rate", self.rate, coords) if callable(self.rate) else self.rate
        array = fields("rate", value, f"one number, or of shape {shape} where the points have it").astype(float)
        if array.shape not in ((), shape):
            raise bad_value("rate", f"of shape {shape} where the points have it", f"shape {array.shape}")
        array = np.broadcast_to(array, shape)
        fine = (array >= 0.0) & (array <= LARGEST)
        if not fine.all():
            raise bad_value("rate", "finite and not below 0 at every point", float(array[~fine][0]))
        return array

    def check_dimension(self, dim: int) -> None:
        """Refuse a law of another dimension than the equation's."""
        if self.law_read.dim != dim:
            rule = f"of {dim} dimension(s), as the grid or the paths are"
            raise bad_value(
                "law", rule, f"one of {self.law_read.dim}", "In more than one: a covariance matrix, or sizes (k, d)."
            )

    def __repr__(self) -> str:
        rate = getattr(self.rate, "__qualname__", None) or repr(self.rate)
        name = getattr(getattr(self.law, "dist", None), "name", None)
        law = f"{name}(...)" if name else getattr(self.law, "__qualname__", None)
        return f"PoissonJumps(rate={rate}, law={law or repr(self.law)})"
