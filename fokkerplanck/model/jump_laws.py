"""The law of the sizes of finite-rate jumps: a distribution, a Gaussian, a list of sizes, or a kernel of both ends.

Every law says how many coordinates it has and turns random numbers into sizes; the solvers read it on their cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import LARGEST, call, callable_with, fields, reals, sized
from ..errors import bad_type, bad_value
from . import initial_density

RULE = (
    "a frozen distribution, fp.gaussian or fp.from_samples of sizes, a variance or covariance matrix, a pair (sizes, weights), "
    "or a function k(x_from, x_to)"
)
NODES = 2000  # places between which a kernel's density is summed up to draw from it


@dataclass(frozen=True, eq=False)
class Sizes:
    """Jumps of given sizes (k, d) with weights (k,) that sum to one."""

    sizes: np.ndarray
    weights: np.ndarray
    gaussian = False

    @property
    def dim(self) -> int:
        """How many coordinates a jump has."""
        return self.sizes.shape[1]

    def drawn(self, noise: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sizes (d, n) from uniform numbers (1, n)."""
        below = np.cumsum(self.weights)
        return self.sizes[np.minimum(np.searchsorted(below, noise[0], side="right"), below.size - 1)].T


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Normal jumps of mean (d,) and covariance (d, d), which may be singular."""

    mean: np.ndarray
    covariance: np.ndarray
    gaussian = True

    @property
    def dim(self) -> int:
        """How many coordinates a jump has."""
        return self.mean.size

    def axes(self) -> np.ndarray:
        """Half axes as columns, (d, d): the covariance is axes @ axes.T."""
        values, vectors = np.linalg.eigh(self.covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))

    def drawn(self, noise: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sizes (d, n) from normal numbers (d, n)."""
        return self.mean[:, None] + self.axes() @ noise


@dataclass(frozen=True, eq=False)
class Line:
    """Jumps along a line with the law of a continuous scipy.stats distribution."""

    frozen: Any
    gaussian = False
    dim = 1

    def drawn(self, noise: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sizes (1, n) from uniform numbers (1, n)."""
        return np.asarray(self.frozen.ppf(noise), dtype=float)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Jumps along a line from x to y with the density k(x, y) in y."""

    function: Callable[[np.ndarray, np.ndarray], Any]
    gaussian = False
    dim = 1

    def density(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """k, of the shape to which start and end spread."""
        x, y = np.broadcast_arrays(start, end)
        values = fields("law", call("law", self.function, (x, y)), "a density k(x_from, x_to)").astype(float)
        if values.shape not in ((), x.shape):
            raise bad_value("law", f"a function whose values have the shape {x.shape} of its points", values.shape)
        values = np.broadcast_to(values, x.shape)
        if not ((values >= 0.0) & (values <= LARGEST)).all():
            raise bad_value("law", "a density, finite and not below 0", float(values.ravel()[np.argmin(values)]))
        return values

    def between(self, noise: np.ndarray, x: np.ndarray, low: float, high: float) -> np.ndarray:
        """Ends (n,) from uniform numbers (n,) of jumps from x (n,), found between low and high."""
        edges = np.linspace(low, high, NODES + 1)
        ends = np.empty(x.size)
        for first in range(0, x.size, 500):
            part = slice(first, first + 500)
            share = self.density(x[part, None], 0.5 * (edges[1:] + edges[:-1])[None]) * (edges[1] - edges[0])
            below = np.cumsum(share, axis=1)
            normalized(below[:, -1], x[part])
            goal = noise[part] * below[:, -1]
            cell = np.minimum((below < goal[:, None]).sum(axis=1), NODES - 1)
            here = share[np.arange(cell.size), cell]
            inside = 1.0 - (below[np.arange(cell.size), cell] - goal) / np.maximum(here, 1e-300)
            ends[part] = edges[cell] + inside * (edges[1] - edges[0])
        return ends


Law = Sizes | Gaussian | Line | Kernel
OFF = 1e-3  # of a kernel's integral


def normalized(totals: np.ndarray, starts: np.ndarray) -> None:
    """Refuse a kernel whose integrals over the ends differ from one."""
    worst = int(np.argmax(np.abs(totals - 1.0)))
    if not abs(totals[worst] - 1.0) <= OFF:
        rule = "a kernel k(x_from, x_to) whose integral over x_to is 1"
        then = "How often it jumps is `rate`; a kernel narrower than a cell wants smaller cells, or a law of sizes."
        raise bad_value("law", rule, f"{float(totals[worst]):.4g} from x = {float(starts[worst]):.4g}", then)


def law_of(value: Any) -> Law:
    """The law that a user's value means."""
    if hasattr(value, "dist") and hasattr(value, "ppf"):
        return _frozen(value)
    if isinstance(value, initial_density.Gaussian):
        return Gaussian(value.mean, value.covariance)
    if isinstance(value, initial_density.Samples):
        return Sizes(value.positions, np.full(len(value.positions), 1.0 / len(value.positions)))
    if hasattr(value, "mean") and hasattr(value, "cov") and not isinstance(value, np.ndarray):
        return Gaussian(*_checked_normal(np.atleast_1d(value.mean), np.atleast_2d(value.cov)))
    if isinstance(value, (type, str, bytes, bool, dict, set)):
        raise bad_type("law", RULE, value)
    if hasattr(value, "rvs"):
        then = "Freeze it, as scipy.stats.norm(0, 1) is; in more dimensions scipy.stats.multivariate_normal or sizes."
        raise bad_type("law", RULE, value, then)
    if callable(value):
        callable_with("law", value, 2)
        return Kernel(value)
    if isinstance(value, tuple):
        return _sizes(value)
    covariance = reals("law", value, RULE)
    if covariance.ndim not in (0, 2):
        raise bad_value(
            "law", RULE, f"an array of shape {covariance.shape}", "Sizes come with weights: (sizes, weights)."
        )
    covariance = np.atleast_2d(covariance)
    return Gaussian(*_checked_normal(np.zeros(len(covariance)), covariance))


def _frozen(law: Any) -> Law:
    """A frozen distribution: of countable sizes as a list of these, else by its quantiles."""
    if np.ndim(law.ppf(0.5)):
        raise bad_value("law", "one distribution, with parameters that are numbers", law)
    if hasattr(law, "pdf"):
        middle = np.asarray(law.ppf([1e-9, 0.5, 1.0 - 1e-9]))
        if not (np.abs(middle) <= LARGEST).all():
            raise bad_value("law", "a distribution with finite quantiles", law)
        return Line(law)
    if hasattr(law.dist, "xk"):
        return _sizes((law.dist.xk, law.dist.pk))
    low, high = law.ppf(1e-15), law.isf(1e-15)
    if not (np.isfinite([low, high]).all() and high - low < 1e6):
        raise bad_value("law", "a distribution of at most a million sizes", law)
    sizes = np.arange(low, high + 1.0)
    weights = law.pmf(sizes)
    return Sizes(sizes[:, None], weights / weights.sum())


def _sizes(value: tuple) -> Sizes:
    if len(value) != 2:
        raise bad_value("law", "a pair (sizes, weights)", f"a tuple of {len(value)}")
    sizes, weights = (reals("law", part, "a pair (sizes, weights) of numbers") for part in value)
    sizes, weights = np.atleast_1d(sizes).astype(float), np.atleast_1d(weights).astype(float)
    if sizes.ndim > 2 or weights.ndim != 1 or len(sizes) != weights.size or not weights.size:
        rule = "a pair of sizes (k,), or (k, d), and weights (k,)"
        raise bad_value("law", rule, f"shapes {sizes.shape} and {weights.shape}")
    if not (np.abs(sizes) <= LARGEST).all():
        raise bad_value("law", "of finite sizes", value)
    if not (weights >= 0.0).all() or abs(float(weights.sum()) - 1.0) > 1e-6:
        raise bad_value("law", "of weights that sum to 1, none below 0", weights, "How often it jumps is `rate`.")
    return Sizes(sizes.reshape(len(sizes), -1), weights / weights.sum())


def _checked_normal(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rule = "a variance, or a symmetric positive semidefinite covariance matrix"
    if covariance.shape != (mean.size, mean.size) or not np.isfinite(covariance).all():
        raise bad_value("law", rule, covariance)
    sized("law", covariance)
    size = float(np.abs(covariance).max())
    if not np.allclose(covariance, covariance.T, atol=1e-12 * size):
        raise bad_value("law", rule, covariance)
    if np.linalg.eigvalsh(covariance)[0] < -1e-12 * size:
        raise bad_value("law", rule, covariance)
    return mean.astype(float), covariance.astype(float)
