"""The slowest modes of an equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..model.grid import Grid

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The slowest modes, by falling real part of the eigenvalue.

    Attributes
    ----------
    grid : Grid
    eigenvalues : ndarray (k,)
        Per time. The first is 0 unless walls absorb.
    right : ndarray (k, *grid.shape)
        Densities (signed but for the first): what decays with each rate.
    left : ndarray (k, *grid.shape)
        Functions of the start: how much of each mode it holds. sum(left_i right_i volume) = 1.
    absorbs : bool
    """

    grid: Grid
    eigenvalues: np.ndarray
    right: np.ndarray
    left: np.ndarray
    absorbs: bool

    @property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """(right, left)."""
        return self.right, self.left

    @property
    def time_scales(self) -> np.ndarray:
        """-1 / Re(eigenvalue), (k,); infinite for the stationary mode."""
        rates = -self.eigenvalues.real
        return np.where(rates > 0.0, 1.0 / np.where(rates > 0.0, rates, 1.0), np.inf)

    @property
    def escape_rate(self) -> float:
        """Rate at which the surviving probability leaves through the absorbing walls, in the long run."""
        return float(-self.eigenvalues[0].real) if self.absorbs else 0.0

    @property
    def quasi_stationary(self) -> np.ndarray:
        """Density of what has survived long, (*grid.shape); the stationary density where no wall absorbs."""
        first = self.right[0].real
        return first / (first * self.grid.volumes).sum()

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.6g}" for v in self.eigenvalues)
        return f"Spectrum on {self.grid!r}\n  eigenvalues  {shown}"
