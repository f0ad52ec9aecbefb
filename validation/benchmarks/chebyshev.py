"""Chebyshev collocation: polynomials through the extrema of a Chebyshev polynomial, one line of code an operator.

The differentiation matrix is that of Trefethen, Spectral Methods in Matlab (2000), chapter 6; the densities vanish at the walls
of both cases (below 1e-15), so that the end points are left out. In time SciPy's integrators, the fastest of those tried: in
one dimension LSODA with the exact Jacobian (a sixth of the time of BDF and Radau), in two RK23, as the Jacobian of n^2 unknowns
is full and stability limits the step (DOP853 takes 1.4 times as long, RK45 1.7 times).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import BarycentricInterpolator

from .cases import Case

FIRST, PART = 16, 1e-2  # points to begin with, and the share of a tolerance for the steps in time


def differentiation(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n + 1,) from 1 to -1 and the matrix (n + 1, n + 1) of d/dx on them."""
    k = np.arange(n + 1)
    x = np.cos(np.pi * k / n)
    c = np.where((k == 0) | (k == n), 2.0, 1.0) * (-1.0) ** k
    gap = x[:, None] - x + np.eye(n + 1)
    d = np.outer(c, 1.0 / c) / gap
    return x, d - np.diag(d.sum(axis=1))


def prepare(case: Case, n: int, rtol: float) -> Callable[[], np.ndarray]:
    """A run from the start to t = 1: the density at the inner points, (n - 1,) or (n - 1, n - 1)."""
    low, high = case.box
    x, d = differentiation(n)
    x, d = 0.5 * (low + high) + 0.5 * (high - low) * x, d * 2.0 / (high - low)
    first, second = d[1:-1, 1:-1], case.diffusion * (d @ d)[1:-1, 1:-1]
    places = np.meshgrid(*[x[1:-1]] * case.dim, indexing="ij")
    drift, start = case.drift(*places), case.start(*places)
    options = {"rtol": rtol, "atol": rtol * 1e-2}
    if case.dim == 1:
        matrix = second - first * drift[0]

        def on_line() -> np.ndarray:
            return solve_ivp(lambda t, p: matrix @ p, (0, 1), start, "LSODA", jac=lambda t, p: matrix, **options).y[
                :, -1
            ]

        return on_line

    def rate(t: float, p: np.ndarray) -> np.ndarray:
        p = p.reshape(start.shape)
        change = second @ p + p @ second.T - first @ (drift[0] * p) - (drift[1] * p) @ first.T
        return change.ravel()

    def in_plane() -> np.ndarray:
        return solve_ivp(rate, (0, 1), start.ravel(), "RK23", **options).y[:, -1].reshape(start.shape)

    return in_plane


def asked(case: Case, tol: float) -> Callable[[], tuple[int, np.ndarray]]:
    """A run for a tolerance in one dimension: twice as many points until the 1-norm of the change is no larger.

    Each point stays one of twice as many. Time is stepped to a hundredth of the tolerance. With the number n that was found.
    """

    def run() -> tuple[int, np.ndarray]:
        n, last = FIRST, None
        while True:
            density = prepare(case, n, PART * tol)()
            if last is not None and _change(case, density[1::2] - last) <= tol:
                return n, density
            n, last = 2 * n, density

    return run


def _change(case: Case, change: np.ndarray) -> float:
    """1-norm of what is known at the inner points, by the trapezoidal rule in the angle."""
    angle = np.pi * np.arange(1, change.size + 1) / (change.size + 1)
    width = 0.5 * (case.box[1] - case.box[0]) * np.pi / (change.size + 1)
    return float(np.abs(change) @ np.sin(angle)) * width


def at_centers(case: Case, n: int, density: np.ndarray, cells: int) -> np.ndarray:
    """The polynomial at the centers of so many cells an axis."""
    low, high = case.box
    x = 0.5 * (low + high) + 0.5 * (high - low) * differentiation(n)[0]
    values = np.pad(density, 1)
    centers = low + case.spacing(cells) * (np.arange(cells) + 0.5)
    for axis in range(case.dim):
        values = np.moveaxis(BarycentricInterpolator(x, np.moveaxis(values, axis, 0))(centers), 0, axis)
    return values
