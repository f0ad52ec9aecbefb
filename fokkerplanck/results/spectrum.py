"""The slowest modes of an equation or a transfer operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ResolutionWarning, bad_value, warn
from ..model.grid import Grid
from ..solvers.accuracy.estimates import Errors
from ..solvers.linear.spectrum import Modes
from ..storage.tables import Tabled, by_mode
from .html import with_field, with_picture
from .requests import NO_VARIANCE, on_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Tabled):
    """The slowest modes, by rising decay rate; conjugate pairs are whole, so that there may be one more than asked for.

    Attributes
    ----------
    grid : Grid
    eigenvalues : ndarray (k,)
        Of the generator, per time, by falling real part, the first 0 unless walls absorb. Of a transfer operator, of one
        application, by falling modulus, the first 1 unless walls absorb; one near -1 is an oscillation across a minimum.
    rates : ndarray (k,)
        How fast each mode decays, per time or per step: -Re of the eigenvalue, or -ln of its modulus.
    right : ndarray (k, *grid.shape)
        Densities (signed but for the first): what decays with each rate.
    left : ndarray (k, *grid.shape)
        Functions of the start: how much of each mode it holds. sum(left_i right_i volume) = 1.
    absorbs : bool
    missed : str
        Which slower modes may have been missed; empty where it is certain that none was.
    error : Errors
        "eigenvalues" and "rates", (k,), of the grid.
    """

    grid: Grid
    eigenvalues: np.ndarray
    rates: np.ndarray
    right: np.ndarray
    left: np.ndarray
    absorbs: bool
    missed: str = ""
    error: Errors = field(default_factory=Errors.unknown)

    @property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """(right, left)."""
        return self.right, self.left

    @property
    def is_complete(self) -> bool:
        """Whether it is certain that no slower mode was missed."""
        return not self.missed

    @property
    def time_scales(self) -> np.ndarray:
        """1 / rates, (k,); infinite for the stationary mode."""
        return np.where(self.rates > 0.0, 1.0 / np.where(self.rates > 0.0, self.rates, 1.0), np.inf)

    @property
    def escape_rate(self) -> float:
        """Rate at which the surviving probability leaves through the absorbing walls, in the long run."""
        return float(self.rates[0]) if self.absorbs else 0.0

    @property
    def quasi_stationary(self) -> np.ndarray:
        """Density of what has survived long, (*grid.shape); the stationary density where no wall absorbs."""
        first = self.right[0].real
        return first / (first * self.grid.volumes).sum()

    def shares(self, observe: Callable[..., np.ndarray]) -> np.ndarray:
        """Which modes an observable f(x, y) sees: the share of its stationary variance that decays with each, (k,).

        <f(0) f(t)> - <f>^2 is the variance times the sum of share exp(eigenvalue t) over all modes (after n applications of a
        transfer operator, share eigenvalue^n), with
        share_i = <f right_i> <left_i f p> / variance; at long times the slowest mode with a share is left, and a sum below 1
        says that faster modes than these have the rest. Real and not negative with detailed balance; otherwise complex for
        complex modes. Without absorbing walls, and with one stationary density.
        """
        if self.absorbs:
            raise bad_value("spectrum", "without absorbing walls for shares of a variance", "modes that all decay")
        if self.rates.size > 1 and not self.rates[1] > 0.0:
            raise bad_value("spectrum", "that of one stationary density", "several modes that do not decay")
        f, p = on_grid(observe, self.grid, "observe"), self.quasi_stationary * self.grid.volumes
        largest = float((f**2).max())
        f = f - (f * p).sum()
        variance = float((f**2 * p).sum())
        if not variance > NO_VARIANCE * largest:
            raise bad_value("observe", "a function that is not the same everywhere", "no variance")
        axes = tuple(range(1, self.grid.dim + 1))
        seen = (self.right * f * self.grid.volumes).sum(axis=axes)
        held = (self.left * f * p).sum(axis=axes)
        return seen * held / variance

    def _columns(self) -> dict[str, np.ndarray]:
        return by_mode(self.eigenvalues, self.rates, self.error)

    def plot(self, ax: Axes | Sequence[Axes] | None = None, *, title: str = "") -> Figure:
        """A figure of the modes in 1D or 2D, with their time scales; of a conjugate pair once.

        Parameters
        ----------
        ax : matplotlib Axes, or in 2D a sequence of one a mode (or a pair), optional
            To draw on.
        title : str
        """
        from .field_figures import plot_spectrum

        return plot_spectrum(self, ax, title)

    def _repr_html_(self) -> str:
        """The text, with a picture of up to three modes in 1D, and of the first in more dimensions."""
        if self.grid.dim > 1:
            return with_field(repr(self), self.grid, self.right[0].real)
        return with_picture(repr(self), [(self.grid.centers[0], mode.real) for mode in self.right])

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.6g}" for v in self.eigenvalues)
        doubt = f"\n  not certain: {self.missed} may have been missed" if self.missed else ""
        return f"Spectrum on {self.grid!r}\n  eigenvalues  {shown}{doubt}\n  {self.error.note}"


def spectrum_of(grid: Grid, modes: Modes, absorbs: bool, doubts: bool = True) -> Spectrum:
    """The modes as densities and functions on a grid, with a warning (but where not `doubts`) if some may have been missed."""
    if modes.missed and doubts:
        text = f"it is not certain that these are the slowest modes: {modes.missed} may have been missed"
        warn(f"{text}. Ask for more modes, or take a coarser grid.", ResolutionWarning)
    right, left = (v.T.reshape(-1, *grid.shape) for v in (modes.right, modes.left))
    return Spectrum(grid, modes.values, modes.rates, right / grid.volumes, left, absorbs, modes.missed)
