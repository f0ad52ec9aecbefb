"""Coordinates in which the noise is the same everywhere (Lamperti): in 1D always, in 2D where the metric D^-1 is flat.

In the plane with D^-1 = a1 a1^T + a2 a2^T, a1 = (a, b) and a2 = (0, c), coordinates u, v of unit noise have the gradients a1
and a2 turned by an angle: grad u = cos(f) a1 - sin(f) a2, grad v = sin(f) a1 + cos(f) a2. That both are gradients says
grad f = (p, q),

    p = (b_x - a_y) / c,    q = (c_x + b p) / a,

which exists if and only if the Gaussian curvature K = (p_y - q_x) / (a c) is zero (Cartan's structure equations).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..arguments import instance
from ..errors import bad_value
from ..model.coefficients import Points
from ..model.equation import FokkerPlanck
from ..model.grid import Grid

STEP = 0.02  # of the narrowest cell, for derivatives
STENCIL = ((1, 2.0 / 3.0), (2, -1.0 / 12.0))  # of the first derivative, to fourth order
FLAT = 1e-6  # integral of |K| over the box, the angle by which a way round it turns, up to which a metric is flat
POSITIVE = "positive definite everywhere for Lamperti coordinates"


def lamperti(eq: FokkerPlanck, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Lamperti coordinates, in which the diffusion is 1: in 1D y(x) = integral of dx / sqrt(D).

    Parameters
    ----------
    eq : FokkerPlanck
        With D > 0 on the grid.
    grid : Grid
        One-dimensional; or two-dimensional, where such coordinates exist for D whose inverse is a flat metric only, and D and
        the drift are functions.

    Returns
    -------
    y : ndarray (n,), or (2, *grid.shape)
        At the cell centers; zero at the first edge, in 2D at the center of the first cell.
    drift : ndarray (n,), or (2, *grid.shape)
        Of y, by Ito's formula: in 1D (mu + (alpha - 1/2) dD/dx) / sqrt(D).

    Raises
    ------
    ValueError
        In 2D where the metric is curved: with its curvature.
    """
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation")
    instance("grid", grid, Grid, "a Grid")
    if grid.dim > 2:
        raise bad_value("grid", "of one or two dimensions for Lamperti coordinates", grid.dim)
    return _on_line(eq, grid) if grid.dim == 1 else _in_plane(eq, grid)


def _on_line(eq: FokkerPlanck, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    centers, faces = Points.centers(grid), Points.faces(grid, 0)
    d, d_faces = eq.diffusion_at(centers)[0], eq.diffusion_at(faces)[0]
    if min(d.min(), d_faces.min()) <= 0.0:
        then = "Leave out the places where the noise vanishes."
        raise bad_value(
            "diffusion", "positive everywhere for Lamperti coordinates", float(min(d.min(), d_faces.min())), then
        )
    half = 0.5 * grid.widths[0]
    at_faces, at_centers = 1.0 / np.sqrt(d_faces), 1.0 / np.sqrt(d)
    # Simpson's rule on whole cells, and on the first halves with the interpolated midpoint
    whole = half / 3.0 * (at_faces[:-1] + 4.0 * at_centers + at_faces[1:])
    first = half / 12.0 * (5.0 * at_faces[:-1] + 8.0 * at_centers - at_faces[1:])
    y = np.concatenate([[0.0], np.cumsum(whole)[:-1]]) + first
    drift = eq.drift_at(centers)[0]
    if eq.potential is not None:
        drift = drift - np.diff(eq.potential_at(faces)) / grid.widths[0]
    slope = np.diff(d_faces) / grid.widths[0]
    return y, (drift + (eq.alpha - 0.5) * slope) / np.sqrt(d)


def _in_plane(eq: FokkerPlanck, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    if eq.on_cells or eq.time_dependent:
        raise bad_value("eq", "of functions of the coordinates alone for Lamperti coordinates in a plane", eq)
    metric = _Metric(eq, grid)
    mesh = np.stack(np.meshgrid(*grid.centers, indexing="ij"))
    _check_flat(metric, mesh, grid)
    angle, y = _integrated(metric, grid)
    return y, _drift(eq, grid, metric, mesh, angle)


Field = Callable[[np.ndarray], np.ndarray]  # from places (2, ...) to values (..., that shape)


class _Slopes(NamedTuple):
    """Of a field: along x and along y."""

    x: np.ndarray
    y: np.ndarray


class _Metric:
    """D, its frame and how this turns, at places (2, ...)."""

    def __init__(self, eq: FokkerPlanck, grid: Grid):
        self.eq = eq
        self.steps = [STEP * float(w.min()) for w in grid.widths]

    def diffusion(self, x: np.ndarray) -> np.ndarray:
        """D (2, 2, ...), positive definite."""
        d = self.eq.diffusion_at(Points(tuple(x), lambda values: values))
        if d.ndim == x.ndim:
            d = np.einsum("i...,ij->ij...", d, np.eye(2))
        determinant = d[0, 0] * d[1, 1] - d[0, 1] * d[1, 0]
        if not ((determinant > 0.0) & (d[0, 0] > 0.0)).all():
            then = "Leave out the places where the noise vanishes along some direction."
            raise bad_value("diffusion", POSITIVE, f"a determinant of {float(determinant.min()):.3g}", then)
        return d

    def frame(self, x: np.ndarray) -> np.ndarray:
        """a, b, c (3, ...) with D^-1 = [[a a, a b], [a b, b b + c c]]."""
        d = self.diffusion(x)
        determinant = d[0, 0] * d[1, 1] - d[0, 1] ** 2
        a = np.sqrt(d[1, 1] / determinant)
        return np.stack([a, -d[0, 1] / determinant / a, 1.0 / np.sqrt(d[1, 1])])

    def slopes(self, f: Field, x: np.ndarray) -> _Slopes:
        """Both derivatives of a field."""
        parts = []
        for axis, h in enumerate(self.steps):
            step = np.zeros((2, *[1] * (x.ndim - 1)))
            step[axis] = h
            parts.append(np.asarray(sum(w * (f(x + k * step) - f(x - k * step)) for k, w in STENCIL) / h))
        return _Slopes(*parts)

    def turning(self, x: np.ndarray) -> np.ndarray:
        """The gradient (p, q) of the angle, (2, ...)."""
        a, b, c = self.frame(x)
        along, across = self.slopes(self.frame, x)
        p = (along[1] - across[0]) / c
        return np.stack([p, (along[2] + b * p) / a])

    def curvature(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """K, and the area of the metric over that of the plane, (...)."""
        a, _, c = self.frame(x)
        along, across = self.slopes(self.turning, x)
        return (across[0] - along[1]) / (a * c), a * c

    def gradients(self, x: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Of u and v, (2 coordinates, 2 axes, ...)."""
        a, b, c = self.frame(x)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([np.stack([cos * a, cos * b - sin * c]), np.stack([sin * a, sin * b + cos * c])])


def _check_flat(metric: _Metric, mesh: np.ndarray, grid: Grid) -> None:
    """Refuse a metric that no coordinates make even."""
    curvature, area = metric.curvature(mesh)
    if not (np.abs(curvature) * area * grid.volumes).sum() <= FLAT:
        place = np.unravel_index(int(np.argmax(np.abs(curvature))), grid.shape)
        where = ", ".join(f"{c[i]:.4g}" for c, i in zip(grid.centers, place, strict=True))
        rule = "such that its inverse is a flat metric for Lamperti coordinates in a plane"
        got = f"a Gaussian curvature of {float(curvature[place]):.4g} at ({where})"
        raise bad_value("diffusion", rule, got, "No coordinates make this noise even: keep the equation as it is.")


def _integrated(metric: _Metric, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The angle (*shape) and the coordinates (2, *shape), along the first row of cells and then up all columns."""
    x, y = grid.centers
    row = _along(metric, 0, x, np.zeros((3, 1)), np.full(1, y[0]))[:, :, 0]
    columns = _along(metric, 1, y, row, x)
    return columns[0].T, np.swapaxes(columns[1:], 1, 2)


def _along(metric: _Metric, axis: int, places: np.ndarray, start: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Angle and coordinates (3, n, m) at n places along an axis, from those at the first (3, m), by Runge and Kutta's steps.

    beside : (m,), the other coordinate.
    """

    def rate(state: np.ndarray, at: float) -> np.ndarray:
        here = np.stack([np.full(beside.size, at), beside] if axis == 0 else [beside, np.full(beside.size, at)])
        return np.concatenate([metric.turning(here)[[axis]], metric.gradients(here, state[0])[:, axis]])

    states = [start]
    for low, high in pairwise(places):
        h, now = high - low, states[-1]
        first = rate(now, low)
        second = rate(now + 0.5 * h * first, low + 0.5 * h)
        third = rate(now + 0.5 * h * second, low + 0.5 * h)
        fourth = rate(now + h * third, high)
        states.append(now + h / 6.0 * (first + 2.0 * second + 2.0 * third + fourth))
    return np.stack(states, axis=1)


def _drift(eq: FokkerPlanck, grid: Grid, metric: _Metric, mesh: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Of the coordinates, (2, *shape): mu . grad u + D : grad grad u with the Ito drift mu."""
    points = Points(tuple(mesh), lambda values: values)
    d, slopes = metric.diffusion(mesh), metric.slopes(metric.diffusion, mesh)
    mu = eq.drift_at(points)
    if eq.potential is not None:
        mu = mu - np.stack(metric.slopes(lambda x: eq.potential_at(Points(tuple(x), lambda v: v)), mesh))
    if eq.noise is not None and eq.alpha == 0.5:
        mu = mu + eq.stratonovich_drift(grid)
    else:
        mu = mu + eq.alpha * (slopes.x[:, 0] + slopes.y[:, 1])
    turning, gradients = metric.turning(mesh), metric.gradients(mesh, angle)
    frame = [metric.slopes(metric.frame, mesh)[axis] for axis in (0, 1)]
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack([-gradients[1], gradients[0]])  # by the angle
    second = np.empty((2, 2, 2, *angle.shape))  # coordinate, slope along, gradient
    for j in (0, 1):
        a, b, c = frame[j]
        second[0, j] = turning[j] * turned[0] + np.stack([cos * a, cos * b - sin * c])
        second[1, j] = turning[j] * turned[1] + np.stack([sin * a, sin * b + cos * c])
    return np.asarray(np.einsum("i...,ki...->k...", mu, gradients) + np.einsum("ij...,kij...->k...", d, second))
