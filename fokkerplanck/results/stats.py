"""How results were computed, in numbers: one record for each kind of result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from ..solvers.discretization.resolution import Resolution


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GridStats(Resolution, Mapping[str, Any]):
    """What the grid does to an answer, by attribute or by item: `stats.order`, `stats["order"]`.

    What does not apply (an equation has no smearing, a transfer operator no Peclet number) is nan or None as an attribute, and
    no item.

    Attributes
    ----------
    peclet, diffusion, numerical_diffusion, added_diffusion, order
        Of an equation, see `fokkerplanck.solvers.discretization.resolution.Resolution`.
    noise, smearing : list of float, one an axis
        Of a transfer operator: the variances that SGD and the grid add in an application, averaged over the density.
    sampling_error : dict of ndarray
        Of a transfer operator with sampled batches: standard errors of mean and covariance by the choice of batches.
    """

    noise: list[float] | None = None
    smearing: list[float] | None = None
    sampling_error: Mapping[str, np.ndarray] | None = None

    def __getitem__(self, name: str) -> Any:
        if not self._applies(name):
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self) if self._applies(field.name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        entries = ", ".join(f"{name}={value!r}" for name, value in self.items())
        return f"{type(self).__name__}({entries})"

    def lines_on_batches(self) -> list[str]:
        """A line for the repr of a result, where batches were sampled: `error` does not know what their choice costs."""
        found = self.sampling_error or {}
        told = [f"of the {name} up to {float(np.nanmax(np.abs(value))):.1e}" for name, value in found.items()]
        return [f"  batches    sampled: standard error {', '.join(told)}, beside that of the grid"] if told else []

    def _applies(self, name: str) -> bool:
        if name not in self.__dataclass_fields__:
            return False
        value = getattr(self, name)
        nothing = value is None or (isinstance(value, float) and math.isnan(value))
        return not nothing and (name != "order" or value > 0)

    @classmethod
    def of(cls, *parts: Resolution | Mapping[str, Any], **own: Any) -> Self:
        """From what others have found out; items that have no place here, such as those of a newer version, are left out."""
        entries = {k: v for part in parts for k, v in (part if isinstance(part, Mapping) else vars(part)).items()}
        return cls(**{k: v for k, v in (entries | own).items() if k in cls.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StationaryStats(GridStats):
    """Of a stationary density.

    Attributes
    ----------
    parts : int
        Number of closed classes.
    residual : float
        Largest |Q P| over the largest outflow, or |T P - P| over the largest mass.
    tail_mass : float
        Probability beyond the box, estimated, where Levy jumps act.
    """

    parts: int | None = None
    residual: float = math.nan
    tail_mass: float = math.nan


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SolutionStats(StationaryStats):
    """Of a density over time; a saved stationary density is one whose time is infinity.

    Attributes
    ----------
    error_estimate : float
        Of the propagation in time, 1-norm.
    mass_error : float
        Largest distance of the mass from 1, where no wall absorbs.
    min_density : float
        Smallest density, relative to the largest, as it was propagated: what is negative by rounding is put to 0 in the result.
    initial_mass : float
        Share of `p0` that lay in the box.
    products, solves, factorizations, generators : int
        Matrix-vector products, linear solves, factorizations and generators built, each where the method has such.
    steps, rejected, pieces, windows, panels, levels : int
        Steps in time, steps tried again, pieces between breaks, windows of contours, panels of inner times, levels of
        time steps.
    memory : float
        Of a periodic state: periods until the start is forgotten.
    clamped : float
        Of a transfer operator: expected number of times that a path met a reflecting wall.
    n_paths, seed, diverged : int, int, float
        Of a histogram of simulated paths; the share that left all bounds.
    """

    error_estimate: float = math.nan
    mass_error: float = math.nan
    min_density: float = math.nan
    initial_mass: float = math.nan
    products: int | None = None
    solves: int | None = None
    factorizations: int | None = None
    generators: int | None = None
    steps: int | None = None
    rejected: int | None = None
    pieces: int | None = None
    windows: int | None = None
    panels: int | None = None
    levels: int | None = None
    memory: float = math.nan
    clamped: float = math.nan
    n_paths: int | None = None
    seed: int | None = None
    diverged: float = math.nan
