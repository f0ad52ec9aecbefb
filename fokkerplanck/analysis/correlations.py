"""Correlation functions and power spectra of an observable in the stationary state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag, increasing
from ..errors import bad_value
from ..figure_layout import COLORS, finished, panels_of, styled
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..progress import Pace
from ..queries import autonomous
from ..results.figure_style import band
from ..results.html import with_picture
from ..results.requests import NO_VARIANCE, check_rtol, on_grid
from ..solvers.accuracy.estimates import Errors
from ..solvers.evolution.exponential import propagate
from ..storage.tables import Tabled, value_and_error
from .stationary_state import State, state_of, with_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Correlation(Tabled):
    """C(t) = <f(0) f(t)> - <f>^2 in the stationary state.

    Attributes
    ----------
    grid : Grid
    lags : ndarray (n,)
    values : ndarray (n,)
    average : float
        <f>.
    variance : float
        C(0).
    time : float
        Integral of C(t) / C(0) over all lags: the variance of a mean over a long time T is 2 `time` `variance` / T.
    error : Errors
        "values", "average", "variance" and "time", from two coarser grids.
    """

    grid: Grid
    lags: np.ndarray
    values: np.ndarray
    average: float
    variance: float
    time: float
    error: Errors = field(default_factory=Errors.unknown)

    @styled
    def plot(self, ax: Axes | None = None, log: bool = False, error: bool = False, *, title: str = "") -> Figure:
        """A figure of C(t), on `ax` if given; with `log` on a logarithmic scale, with `error` its measured error around it."""
        return _drawn(
            self, self.lags, ("lag", "correlation"), ax, {"yscale": "log"} if flag("log", log) else {}, error, title
        )

    def _columns(self) -> dict[str, np.ndarray]:
        return {"lag": self.lags} | value_and_error("correlation", self.values, self.error, "values")

    def _repr_html_(self) -> str:
        """The text, with a picture of C(t)."""
        return with_picture(repr(self), [(self.lags, self.values)], ["lag"])

    def __repr__(self) -> str:
        return (
            f"Correlation on {self.grid!r}\n  variance   {self.variance:.6g}, average {self.average:.6g}\n"
            f"  time       {self.time:.6g}\n  grid       {self.error.note}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class PowerSpectrum(Tabled):
    """S(w), the integral of C(t) exp(-i w t) over all t, so that that of S over all w is 2 pi times the variance.

    Attributes
    ----------
    grid : Grid
    frequencies, values : ndarray (n,)
        Angular frequencies w, and S(w).
    error : Errors
        "values", from two coarser grids.
    """

    grid: Grid
    frequencies: np.ndarray
    values: np.ndarray
    error: Errors = field(default_factory=Errors.unknown)

    @styled
    def plot(self, ax: Axes | None = None, log: bool = True, error: bool = False, *, title: str = "") -> Figure:
        """A figure of S(w), on `ax` if given; with `log` on logarithmic scales, with `error` its measured error around it."""
        scales = {"xscale": "log", "yscale": "log"} if flag("log", log) else {}
        return _drawn(self, self.frequencies, ("angular frequency", "power"), ax, scales, error, title)

    def _columns(self) -> dict[str, np.ndarray]:
        return {"frequency": self.frequencies} | value_and_error("power", self.values, self.error, "values")

    def _repr_html_(self) -> str:
        """The text, with a picture of S(w), both in logarithms."""
        seen = (self.frequencies > 0.0) & (self.values > 0.0)
        low = np.log10(self.values[seen].min(initial=1.0))
        curve = np.log10(self.frequencies[seen]), np.log10(self.values[seen]) - low
        return with_picture(repr(self), [curve] if seen.any() else [], ["log10 of angular frequency"])

    def __repr__(self) -> str:
        w, s = self.frequencies, self.values
        top = int(np.argmax(s))
        return f"PowerSpectrum on {self.grid!r}\n  largest    {s[top]:.6g} at w = {w[top]:.6g}\n  grid       {self.error.note}"


def correlation(
    eq: FokkerPlanck,
    grid: Grid,
    observe: Callable[..., np.ndarray],
    lags: Any,
    *,
    rtol: float = 1e-6,
    error: bool = True,
) -> Correlation:
    """The correlation function of an observable f(x, y) in the stationary state.

    Parameters
    ----------
    eq : FokkerPlanck
        With one stationary density.
    grid : Grid
    observe : callable
        f, vectorised over the coordinates.
    lags : number or increasing sequence, not below 0
    rtol : float
        Error allowed for the propagation in time, of the spread of f.
    error : bool
        Whether to measure the error on two coarser grids.

    Notes
    -----
    C(t) = sum f exp(Q t) (f - <f>) P; the time is -sum f Q^-1 (f - <f>) P / C(0).
    """
    grid = _checked(eq, grid, error)
    lags = increasing("lags", lags)
    check_rtol(rtol)
    on_grid(observe, grid, "observe")
    ask = partial(_correlation, observe=observe, lags=lags, rtol=rtol)
    state = state_of(eq, grid)
    result = ask(state)
    return with_errors(result, state, ask, eq, ("values", "variance", "average", "time")) if error else result


def power_spectrum(
    eq: FokkerPlanck, grid: Grid, observe: Callable[..., np.ndarray], frequencies: Any, *, error: bool = True
) -> PowerSpectrum:
    """The power spectrum of an observable f(x, y) in the stationary state.

    Parameters
    ----------
    eq, grid, observe, error
        As for `correlation`.
    frequencies : number or increasing sequence, not below 0
        Angular frequencies.

    Notes
    -----
    S(w) = 2 Re sum f (i w - Q)^-1 (f - <f>) P.
    """
    grid = _checked(eq, grid, error)
    frequencies = increasing("frequencies", frequencies)
    on_grid(observe, grid, "observe")
    ask = partial(_power, observe=observe, frequencies=frequencies)
    state = state_of(eq, grid)
    result = ask(state)
    return with_errors(result, state, ask, eq, ("values",)) if error else result


def _checked(eq: Any, grid: Any, error: Any) -> Grid:
    flag("error", error)
    grid = autonomous(eq, grid, "stationary")
    if eq.time_order < 1.0:
        raise bad_value("eq", "without memory here", eq, "Its stationary state ages.")
    return grid


def _correlation(state: State, observe: Callable, lags: np.ndarray, rtol: float) -> Correlation:
    f = on_grid(observe, state.grid, "observe").ravel()
    mean = float(f @ state.masses)
    off = (f - mean) * state.masses
    variance = float((f - mean) @ off)
    shifted = (f - f.min()) * state.masses  # nowhere negative; exp(Q t) leaves the shift as it is
    size = float(shifted.sum())
    if not variance > NO_VARIANCE * float((f**2).max()):
        raise bad_value("observe", "a function that is not the same everywhere", f"{mean:g} wherever there is mass")
    run = propagate(state.q, shifted / size, lags, "auto", rtol)
    values = np.array([size * float((f - mean) @ p) for p, _, _ in run])
    return Correlation(state.grid, lags, values, mean, variance, -float(f @ state.solve(off)) / variance)


def _power(state: State, observe: Callable, frequencies: np.ndarray) -> PowerSpectrum:
    f = on_grid(observe, state.grid, "observe").ravel()
    off = (f - f @ state.masses) * state.masses
    values, pace = np.empty(frequencies.size), Pace(__name__, "power spectrum")
    for i, w in enumerate(frequencies):
        pace(i / frequencies.size)
        values[i] = 2.0 * float((f @ state.resolvent(w, off)).real)
    return PowerSpectrum(state.grid, frequencies, values)


def _drawn(
    result: Any, x: np.ndarray, labels: tuple[str, str], ax: Any, scales: dict[str, str], error: bool, title: str
) -> Figure:
    """The values of a result over x on the scales, with their error if asked."""
    panels, values = panels_of(ax, 5.2, 3.4, 1)[0], result.values
    marker: Any = "o" if x.size == 1 else None  # a line of one point is not seen
    panels[0].plot(x, values, color=COLORS[0], marker=marker)
    if flag("error", error):
        if not result.error:
            raise bad_value("error", "False for a result without a measured error", error, result.error.note + ".")
        around = np.minimum(result.error["values"], 0.99 * np.abs(values)) if scales else result.error["values"]
        band(panels[0], x, values, around, COLORS[0], label="measured error")
    panels[0].set(xlabel=labels[0], ylabel=labels[1], **scales)
    return finished(panels, title)
