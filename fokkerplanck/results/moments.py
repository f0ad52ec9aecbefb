"""Masses and moments of whatever has a density on a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..arguments import whole
from ..errors import bad_value
from ..model import initial_density as _density
from ..model.grid import Grid
from ..model.portable import Portable
from .distribution import Distribution
from .html import with_density


class Moments(Portable):
    """Masses and moments of whatever has a `grid` and a `density` on it; results over time keep their first axis."""

    grid: Grid
    density: np.ndarray
    atoms: Mapping[float, Any]  # position -> probability there, in 1D, beside the density; over time (n_times,)

    @cached_property
    def masses(self) -> np.ndarray:
        """Probability of each cell, (*grid.shape), or (n_times, *grid.shape) over time."""
        return self.density * self.grid.volumes

    def mean(self) -> np.ndarray:
        """<x>, (dim,) or (n_times, dim), over what is in the box."""
        return self.moment(1) if self.atoms else _density.mean(self.masses, self.grid)

    def covariance(self) -> np.ndarray:
        """Covariance matrix, (dim, dim) or (n_times, dim, dim)."""
        if self.atoms:
            center, places = self.moment(1), self.grid.centers[0]
            spread = (self.masses * (places - center) ** 2).sum(axis=-1)
            spread = spread + sum((x - center[..., 0]) ** 2 * mass for x, mass in self.atoms.items())
            return (spread / (self.masses.sum(axis=-1) + sum(self.atoms.values())))[..., None, None]
        return _density.covariance(self.masses, self.grid)

    def variances_at(self, index: int) -> np.ndarray:
        """Variances along the axes, (dim,), at output time number `index`; without times, the only ones."""
        over_time = self.masses.ndim > self.grid.dim
        if self.atoms:
            return np.diagonal(self.covariance()[index] if over_time else self.covariance())
        return _density.variances(self.masses[index] if over_time else self.masses, self.grid)

    def moment(self, k: int) -> np.ndarray:
        """<x^k> per axis for whole k from 0 on, (dim,) or (n_times, dim)."""
        whole("k", k, 0, 1000)
        if not self.atoms:
            return _density.moment(self.masses, self.grid, k)
        total = self.masses.sum(axis=-1) + sum(self.atoms.values())
        power = self.masses @ self.grid.centers[0] ** k + sum(x**k * mass for x, mass in self.atoms.items())
        return np.asarray(power / total)[..., None]

    def densities_along(self, axis: int) -> np.ndarray:
        """Density along one axis, (n,) or (n_times, n), which integrates to what is in the box."""
        whole("axis", axis, 0, self.grid.dim - 1)
        return _density.marginal(self.masses, self.grid, axis) / self.grid.widths[axis]

    def distribution(self, t: float | None = None) -> Distribution:
        """The law of what is in the box, scaled to one: at the output time t, or at the last; a stationary result has none.

        `pdf`, `cdf`, `survival`, `quantile`, `interval`, `sample`, `probability`, `marginal` and `conditional` are also asked
        here, for the last time.
        """
        times = getattr(self, "times", None)
        if times is None:
            if t is not None:
                raise bad_value("t", "None for a result without times", t)
            return Distribution.of(self.grid, self.density, self.atoms)
        i = times.size - 1 if t is None else self.index(t)  # type: ignore[attr-defined]
        return Distribution.of(self.grid, self.density[i], {x: float(m[i]) for x, m in self.atoms.items()})

    def pdf(self, x: Any, t: float | None = None) -> Any:
        """Density at points, of what is in the box; see `Distribution.pdf`."""
        return self.distribution(t).pdf(x)

    def cdf(self, x: Any, t: float | None = None) -> Any:
        """P(X <= x), see `Distribution.cdf`."""
        return self.distribution(t).cdf(x)

    def survival(self, x: Any, t: float | None = None) -> Any:
        """P(X > x) in 1D, see `Distribution.survival`."""
        return self.distribution(t).survival(x)

    def quantile(self, q: Any, t: float | None = None) -> Any:
        """The smallest x with P(X <= x) >= q in 1D, see `Distribution.quantile`."""
        return self.distribution(t).quantile(q)

    def interval(self, level: float = 0.95, t: float | None = None) -> tuple[float, float]:
        """The central interval that holds a share `level` of the probability, in 1D."""
        return self.distribution(t).interval(level)

    def sample(self, n: int, seed: int | None = None, t: float | None = None) -> np.ndarray:
        """n independent points, (n,) in 1D and (n, dim) else."""
        return self.distribution(t).sample(n, seed)

    def probability(self, condition: Any, t: float | None = None) -> float:
        """Probability of a condition f(x, y) -> truth values, or of a boolean array on the grid."""
        return self.distribution(t).probability(condition)

    def marginal(self, axis: int | str | Sequence[int | str], t: float | None = None) -> Distribution:
        """The law along one axis or several, by their names or numbers, which plots itself; see `Distribution.marginal`."""
        return self.distribution(t).marginal(axis)

    def conditional(self, *, t: float | None = None, **given: float) -> Distribution:
        """The law of the other axes where some are given: `conditional(y=0.5)`."""
        return self.distribution(t).conditional(**given)

    def _repr_html_(self) -> str:
        """The text, with a picture of the density at the last time."""
        return with_density(repr(self), self.grid, self.density.reshape(-1, *self.grid.shape)[-1])


def gradient(field: np.ndarray, grid: Grid, axis: int) -> np.ndarray:
    """d field / dx along one axis of the grid, the last axes of the field."""
    if grid.shape[axis] < 2:
        return np.zeros_like(field)
    return np.gradient(field, grid.centers[axis], axis=axis - grid.dim)


def shown_numbers(values: np.ndarray) -> str:
    """Numbers as a line of text, six digits each."""
    return ", ".join(f"{v:.6g}" for v in values)


def shown_deviations(covariance: np.ndarray, grid: Grid) -> str:
    """Deviations along the axes, from the covariance (dim, dim), and of which of them the circle had to be cut."""
    joined = [name for axis, name in enumerate(grid.names) if grid.periodic(axis)]
    note = f" ({', '.join(joined)} as on a line, cut where the periodic axis begins)" if joined else ""
    return shown_numbers(np.sqrt(np.diagonal(covariance))) + note


def shown_points(atoms: Mapping[float, float], found: tuple[str, ...], name: str) -> list[str]:
    """Lines that say what singular points of an axis keep, and what they are."""
    kept = [f"  atom       {mass:.6g} at {name} = {x:.6g}" for x, mass in atoms.items()]
    return kept + [f"  {line}" for line in found]
