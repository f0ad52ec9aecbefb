"""Rates of a particle with mass: dx = v dt, dv = (-V'(x) - g v) dt + sqrt(2 g T) dW, at any friction g.

No noise acts on x, so that cells of x and v would add some to it, which at weak friction is more than the heat bath gives. The
density is expanded in the Hermite functions of v instead (Risken, The Fokker-Planck Equation, 10.1),

    p(x, v) = sum_n c_n(x) He_n(v / sqrt(T)) / sqrt(n!) exp(-v^2 / 2T) / sqrt(2 pi T),
    dc_n/dt = -n g c_n - sqrt(n) A c_(n-1) - sqrt(n+1) sqrt(T) dc_(n+1)/dx,   A c = sqrt(T) exp(-V/T) d/dx (exp(V/T) c),

with c_n of even n at the centers of cells of x and those of odd n at their faces, where the current is. In units of
exp(-V / 2T) the two derivatives are transposed of each other, also between cells: energy goes to the heat bath alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigs

from ..arguments import flag, instance, number, whole
from ..errors import ConvergenceError, bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..randomness import private_generator
from ..results.measured import measured_by, spectrum_errors
from ..solvers.accuracy.estimates import Errors
from ..solvers.accuracy.measure import coarser_grids
from ..storage.tables import Tabled, by_mode

logger = logging.getLogger(__name__)

FEWEST, MOST = 16, 1024  # Hermite functions: where the search starts and ends
CONVERGED = 1e-5  # relative change of the eigenvalues by half as many functions
SHIFT = 1e-4  # of the friction: eigenvalues nearest to this are found
MOST_ENTRIES = 4e5  # cells times Hermite functions
BEYOND = 2  # modes beyond those that were asked for, of which none is cut from its conjugate
MASSLESS = 1e-10  # T / (friction * box)^2, by which the equation without mass is off
STEEPEST = 1000.0  # change of V / T between two cells
ROUNDING = 1e-13  # of the largest entry of a row: a rate below is not known


@dataclass(frozen=True, eq=False, repr=False)
class UnderdampedSpectrum(Tabled):
    """Modes of a particle with mass, those whose eigenvalues are nearest to zero.

    Attributes
    ----------
    grid : Grid
        Of the position.
    eigenvalues : ndarray (m,) complex
        By rising modulus; the first is 0. A conjugate pair is not cut apart.
    functions : int
        Hermite functions of the velocity.
    error : Errors
        "eigenvalues" and "rates", from two coarser grids.
    """

    grid: Grid
    eigenvalues: np.ndarray
    functions: int
    error: Errors = field(default_factory=Errors.unknown)

    @property
    def rates(self) -> np.ndarray:
        """-Re(eigenvalues), (m,), per time."""
        return 0.0 - self.eigenvalues.real

    def _columns(self) -> dict[str, np.ndarray]:
        return by_mode(self.eigenvalues, self.rates, self.error)

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.6g}" for v in self.rates)
        how = f"{self.functions} Hermite functions, {self.error.note}"
        return f"Underdamped spectrum on {self.grid!r}\n  rates      {shown}\n  grid       {how}"


def underdamped_spectrum(
    potential: Callable[[np.ndarray], Any] | np.ndarray,
    grid: Grid,
    *,
    friction: float,
    temperature: float,
    k: int = 4,
    error: bool = True,
) -> UnderdampedSpectrum:
    """The k eigenvalues nearest to zero of a particle of mass 1 in a potential, at any friction (Kramers' problem).

    Parameters
    ----------
    potential : callable or array
        V(x), in units of energy.
    grid : Grid
        Of the position, one-dimensional, between walls that reflect, or periodic.
    friction : float
        g > 0, per time.
    temperature : float
        T > 0, in units of energy.
    k : int
    error : bool
        Whether to measure the error on two coarser grids.

    Returns
    -------
    UnderdampedSpectrum
        In a potential of two wells `rates[1]` is the sum of the rates of escape from either, if they are much slower than all
        others: of a symmetric one twice the rate of escape. Oscillations in a well, which may decay as slowly at weak
        friction, are further from zero. Hermite functions of the velocity are doubled until the eigenvalues change by less
        than 1e-5 of them.

    Raises
    ------
    ConvergenceError
        If the eigenvalues still change with 1024 Hermite functions, or these times the cells are more than 400,000; if a
        rate is so small that rounding would decide it.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> well = lambda x: (x**2 - 1) ** 2 / 4
    >>> found = underdamped_spectrum(well, fp.Grid((-2.2, 2.2), 100), friction=0.1, temperature=0.05)
    >>> escape = found.rates[1] / 2
    """
    flag("error", error)
    instance("grid", grid, Grid, "a Grid", "Make one with fp.Grid((low, high), cells).")
    g = number("friction", friction, "a positive number", lambda v: 0.0 < v < np.inf)
    t = number("temperature", temperature, "a positive number", lambda v: 0.0 < v < np.inf)
    if grid.dim != 1 or grid.absorbs:
        then = "Absorbing walls would have to act on those who move outward only."
        raise bad_value("grid", "one-dimensional, reflecting or periodic", grid, then if grid.dim == 1 else "")
    most = np.sqrt(t / MASSLESS) / float(np.ptp(grid.edges[0]))
    if g > most:
        then = (
            "With so strong a friction the mass plays no part: ask fp.spectrum with diffusion = temperature / friction."
        )
        raise bad_value("friction", f"at most {most:.2g} here", friction, then + " The potential is divided by it too.")
    k = whole("k", k, 1, min(grid.size // 2, 50))
    v = _potential(potential, grid)
    result = _converged(v, grid, g, t, k)
    if not error:
        return result

    def again() -> list[UnderdampedSpectrum]:
        return [
            _modes(_read(potential, v, grid, there), there, g, t, k + BEYOND, result.functions)
            for there in coarser_grids(grid)
        ]

    return measured_by(result, again, spectrum_errors)


def _potential(potential: Any, grid: Grid) -> np.ndarray:
    return FokkerPlanck(potential=potential, diffusion=1.0).potential_at(Points.centers(grid))


def _read(potential: Any, values: np.ndarray, fine: Grid, coarse: Grid) -> np.ndarray:
    """A potential on a coarser grid; one given on the cells is interpolated."""
    if callable(potential):
        return _potential(potential, coarse)
    return np.interp(coarse.centers[0], fine.centers[0], values)


def _converged(v: np.ndarray, grid: Grid, friction: float, temperature: float, k: int) -> UnderdampedSpectrum:
    """With as many Hermite functions as it takes."""
    result = _modes(v, grid, friction, temperature, k, FEWEST)
    while 2 * result.functions <= MOST and 2 * result.functions * grid.size <= MOST_ENTRIES:
        before, result = result.eigenvalues, _modes(v, grid, friction, temperature, k, 2 * result.functions)
        now = result.eigenvalues
        if now.size == before.size:
            change = float((np.abs(now - before)[1:] / np.abs(now[1:])).max(initial=0.0))
            logger.debug("underdamped: %d Hermite functions, relative change %.1e", result.functions, change)
            if change <= CONVERGED:
                return result
    text = (
        f"the eigenvalues still change with {result.functions} Hermite functions of the velocity: the friction is too weak "
        "for them. Ask for a smaller k, take fewer cells, or a larger friction."
    )
    raise ConvergenceError(text, result)


def _modes(
    v: np.ndarray, grid: Grid, friction: float, temperature: float, k: int, functions: int
) -> UnderdampedSpectrum:
    """The k eigenvalues nearest to zero, of which the first is zero by the scheme."""
    matrix = _matrix(v, grid, friction, temperature, functions)
    start = private_generator("start of an underdamped spectrum").standard_normal(matrix.shape[0])
    values = eigs(matrix, k=k + BEYOND, sigma=SHIFT * friction, v0=start, return_eigenvectors=False)
    sizes = [float(f"{abs(value):.10e}") for value in values]  # rounded: a pair has one
    values = values[np.lexsort((values.imag, sizes))]
    values[0] = 0.0
    if k > 1 and abs(values[1]) < ROUNDING * float(np.abs(matrix).max()):
        text = f"a rate of about {abs(values[1]):.1g} is that of rounding: take a larger temperature, or one well"
        raise ConvergenceError(text, values)
    together = abs(values[k - 1].imag) > 0.0 and np.isclose(values[k], values[k - 1].conjugate(), rtol=1e-6, atol=0.0)
    return UnderdampedSpectrum(grid, values[: k + int(together)], functions)


def _matrix(v: np.ndarray, grid: Grid, friction: float, temperature: float, functions: int) -> sp.csc_matrix:
    """The generator on the coefficients, those of one place next to each other, so that it is banded."""
    slope, back = (_between(sign * v, grid, temperature) for sign in (1.0, -1.0))
    root = np.sqrt(np.arange(1.0, functions))
    even, odd = (sp.diags_array(np.where(np.arange(functions - 1) % 2 == p, root, 0.0), offsets=-1) for p in (0, 1))
    total = sp.kron(sp.eye_array(grid.size), sp.diags_array(-friction * np.arange(float(functions))))
    total = total - sp.kron(slope, even) + sp.kron(slope.T, even.T) - sp.kron(back, odd.T) + sp.kron(back.T, odd)
    used = np.ones((grid.size, functions), dtype=bool)
    if not grid.periodic(0):
        used[-1, 1::2] = False  # no current through the last wall
    keep = np.flatnonzero(used.ravel())
    return sp.csc_matrix(total.tocsr()[keep][:, keep])


def _between(v: np.ndarray, grid: Grid, temperature: float) -> sp.csr_array:
    """sqrt(T) d/dx + V' / (2 sqrt(T)) from the centers to the face behind each, (n, n), zero for exp(-V / 2T)."""
    n, width, x = grid.size, grid.widths[0], grid.centers[0]
    first, after = np.arange(n), np.roll(np.arange(n), -1)
    if not grid.periodic(0):
        first, after = first[:-1], after[:-1]
    apart = 0.5 * (width[first] + width[after])
    step = (v[after] - v[first]) / temperature
    steepest = int(np.abs(step).argmax())
    if not abs(step[steepest]) < STEEPEST:
        rule = f"such that it changes by less than {STEEPEST:g} T between cells"
        got = f"{abs(step[steepest]):.2g} T near x = {x[steepest]:.4g}"
        raise bad_value("potential", rule, got, "Take a smaller box.")
    ratio = np.exp(0.25 * step)
    scale = np.sqrt(temperature / apart)
    entries = np.concatenate([scale * ratio / np.sqrt(width[after]), -scale / ratio / np.sqrt(width[first])])
    rows, columns = np.concatenate([first, first]), np.concatenate([after, first])
    return sp.csr_array((entries, (rows, columns)), shape=(n, n))
