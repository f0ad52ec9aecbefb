"""How a stationary expectation answers to a parameter: its derivative, and the response to a parameter that oscillates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import callable_with, flag, increasing, instance, number
from ..errors import bad_value
from ..figure_layout import COLORS, finished, panels_of, styled
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..progress import Pace
from ..queries import autonomous
from ..results.figure_style import band
from ..results.html import with_picture
from ..results.measured import measured_by
from ..results.requests import on_grid
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import ROUNDING, Offer, coarser_grids, compared, note, scheme_order, worst
from ..solvers.discretization.scharfetter_gummel import generator
from ..storage.tables import Tabled, value_and_error
from .parameter_slope import slope
from .stationary_state import State, leave_out_tails, state_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Response(Tabled):
    """Complex susceptibilities: with the parameter a + e cos(w t), <f> is <f>_0 + e Re[values exp(i w t)].

    Attributes
    ----------
    grid : Grid
    frequencies : ndarray (n,)
    values : ndarray of complex (n,)
        At w = 0 the derivative of the stationary <f> by the parameter.
    difference_error : ndarray (n,)
        What differences between rates at nearby parameters leave of the error of the values.
    error : Errors
        "values", of their moduli.
    """

    grid: Grid
    frequencies: np.ndarray
    values: np.ndarray
    difference_error: np.ndarray | float = 0.0
    error: Errors = field(default_factory=Errors.unknown)

    @property
    def derivative(self) -> float:
        """d<f>/da at frequency 0, if that was asked for."""
        if self.frequencies[0] != 0.0:
            raise bad_value("frequencies", "from 0 on for a derivative", self.frequencies)
        return float(self.values[0].real)

    @styled
    def plot(
        self, ax: Sequence[Axes] | None = None, log: bool = True, error: bool = False, *, title: str = ""
    ) -> Figure:
        """A figure of the modulus and the phase, on two `ax` if given; with `log` frequencies and moduli on logarithmic scales.

        With `error` the measured error stands around the modulus.
        """
        axes, w, size = panels_of(ax, 4.4, 3.4, 2)[0], self.frequencies, np.abs(self.values)
        marker: Any = "o" if w.size == 1 else None  # a line of one point is not seen
        axes[0].plot(w, size, color=COLORS[0], marker=marker)
        axes[1].plot(w, np.unwrap(np.angle(self.values)) / np.pi, color=COLORS[0], marker=marker)
        if flag("error", error):
            if not self.error:
                raise bad_value("error", "False for a result without a measured error", error, self.error.note + ".")
            around = np.minimum(self.error["values"], 0.99 * size) if log else self.error["values"]
            band(axes[0], w, size, around, COLORS[0], label="measured error")
        scale = "log" if flag("log", log) and (w > 0.0).any() else "linear"
        axes[0].set(xlabel="angular frequency", ylabel="modulus", xscale=scale, yscale=scale)
        axes[1].set(xlabel="angular frequency", ylabel="phase in units of $\\pi$", xscale=scale)
        return finished(axes, title)

    def _columns(self) -> dict[str, np.ndarray]:
        """By real and imaginary part, with the error of the modulus."""
        parts = {"real": self.values.real, "imaginary": self.values.imag}
        return (
            {"frequency": self.frequencies}
            | parts
            | value_and_error("modulus", np.abs(self.values), self.error, "values")
        )

    def _repr_html_(self) -> str:
        """The text, with a picture of the modulus."""
        return with_picture(repr(self), [(self.frequencies, np.abs(self.values))], ["angular frequency"])

    def __repr__(self) -> str:
        w, v = self.frequencies[0], self.values[0]
        return (
            f"Response on {self.grid!r}\n  at w = {w:g}  {v.real:.6g} {v.imag:+.6g} i\n  grid       {self.error.note}"
        )


def response(
    family: Callable[[float], FokkerPlanck],
    at: float,
    grid: Grid,
    observe: Callable[..., np.ndarray],
    frequencies: Any = 0.0,
    *,
    error: bool = True,
) -> Response:
    """Linear response of the stationary expectation of f to a parameter.

    Parameters
    ----------
    family : callable
        a -> FokkerPlanck: the equation for a value of the parameter.
    at : float
        The value around which it changes.
    grid : Grid
    observe : callable
        f(x, y), vectorised.
    frequencies : number or increasing sequence, not below 0
        Angular frequencies at which the parameter oscillates; 0 asks for the derivative.
    error : bool
        Whether to measure the error on two coarser grids.

    Notes
    -----
    sum f (i w - Q)^-1 (dQ/da) P, with dQ/da by a central difference of the rates (Agarwal 1972).
    """
    callable_with("family", family, 1, "number, the parameter")
    at, frequencies = number("at", at), increasing("frequencies", frequencies)
    flag("error", error)
    eq = family(at)
    instance("family", eq, FokkerPlanck, "a function that returns a FokkerPlanck equation")
    grid = autonomous(eq, grid, "stationary")
    on_grid(observe, grid, "observe")
    state = state_of(eq, grid)
    result = _response(family, at, grid, state, observe, frequencies)
    if not error:
        return result

    def again() -> list[Response]:
        return [
            _response(family, at, coarse, state_of(family(at), coarse, quiet=True), observe, frequencies)
            for coarse in coarser_grids(grid)
        ]

    def errors_of(results: Any, order: float) -> Errors:
        grids = [r.grid for r in results]
        floors = [np.maximum(r.difference_error, ROUNDING * np.abs(r.values).max()) for r in results]
        parts = [
            compared([Offer(part(r.values), floor) for r, floor in zip(results, floors, strict=True)], grids, order)
            for part in (np.real, np.imag)
        ]
        size = np.hypot(parts[0].error, parts[1].error)
        _, seen, converging = worst(parts[0])
        return Errors({"values": size}, seen, converging, note(parts[0]), {"values": parts[0]})

    result = measured_by(result, again, errors_of, lambda: scheme_order(eq, grid))
    leave_out_tails(result, "values", eq, state)
    return result


def _response(
    family: Callable, at: float, grid: Grid, state: State, observe: Callable, frequencies: np.ndarray
) -> Response:
    if state.grid is not grid:
        then = "Take a parameter of an equation whose noise does not vanish inside the box."
        raise bad_value("grid", "one whose cells stay", "faces that move onto zeros of D", then)
    f, p = on_grid(observe, grid, "observe").ravel(), state.masses
    pushed = slope(lambda a: generator(family(a), grid, fixed=True).apply(p), at)
    values, off = np.empty((2, frequencies.size), dtype=complex)
    pace = Pace(__name__, "response")
    for i, w in enumerate(frequencies):
        pace(i / frequencies.size)
        values[i], off[i] = (f @ state.resolvent(w, part) for part in (pushed.value, pushed.error))
    return Response(grid, frequencies, values, np.abs(off))
