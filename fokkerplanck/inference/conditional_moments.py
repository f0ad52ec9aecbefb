"""Means and covariances of steps in the plane, and how they change with the coefficients of splines.

With L = mu . grad + D : grad grad the backward operator, the moments of the end given the start are

    E[f(X_tau) | x] = (e^(L tau) f)(x),      f = x, y, x^2, x y, y^2

which are smooth where a density is not: a grid has to resolve drift and diffusion, however short the steps. L is made of
differences of fourth order. Derivatives with respect to a coefficient p, and their transpose, follow from

    d/dp e^(L tau) f = int_0^tau e^(L s) (dL/dp) e^(L (tau - s)) f ds
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.integrate import simpson
from scipy.linalg import expm
from scipy.sparse.linalg import expm_multiply

from ..errors import bad_value
from ..model.grid import Grid
from .spline_plane import PlaneSplines

NODES = 25  # of Simpson's rule over the lag, for gradients
STEPS = 10  # of the trapezoidal rule over the lag, for the information
FASTEST = 1e5  # of the norm of L tau
ENTRIES = ((0, 0), (0, 1), (1, 1))
DELTA = 1e-4  # of M: step of derivatives of D


class Moments(NamedTuple):
    """Mean step (n, 2) and the entries xx, xy, yy of the covariance, (n, 3)."""

    mean: np.ndarray
    spread: np.ndarray


class MomentGrid:
    """Moments of steps from the centers of the cells of a grid, which are equal and end in walls that reflect.

    Coordinates are taken as (x - middle) / scale, and so are moments.
    """

    def __init__(self, model: PlaneSplines, grid: Grid, middle: np.ndarray, scale: np.ndarray):
        self.model, self.grid, self.scale, self.tau = model, grid, scale, model.tau
        self.x = np.stack([c.ravel() for c in np.meshgrid(*grid.centers, indexing="ij")])
        self.z = ((self.x - middle[:, None]) / scale[:, None]).T
        self.functions = np.column_stack([self.z, *(self.z[:, i] * self.z[:, j] for i, j in ENTRIES)])
        self.speed = model.step / model.tau / scale
        self.units = np.array([[scale[i] * scale[j]] for i, j in ENTRIES])

    @cached_property
    def operators(self) -> list[sp.csr_array]:
        """What L multiplies by mu_x, mu_y, D_xx, D_xy and D_yy, in units of the scale."""
        lines = [
            _differences(n, w[0] / s) for n, w, s in zip(self.grid.shape, self.grid.widths, self.scale, strict=True)
        ]
        (dx, dxx), (dy, dyy) = lines
        one, two = (sp.eye_array(n) for n in self.grid.shape)
        pairs = ((dx, two), (one, dy), (dxx, two), (2.0 * dx, dy), (one, dyy))
        return [sp.csr_array(sp.kron(a, b)) for a, b in pairs]

    @cached_property
    def bases(self) -> tuple[np.ndarray, np.ndarray]:
        """Functions of the drift and of M at the centers, (cells, m) each."""
        return self.model.drift_basis(*self.x), self.model.basis(*self.x)

    def backward(self, theta: np.ndarray) -> sp.csr_array:
        """L tau."""
        drift = self.model.drift_at(theta, *self.x) / self.scale[:, None]
        tensor = self.model.tensor(self.model.logs_at(theta, *self.x)) / self.units
        fields = [*drift, *tensor]
        total = sp.csr_array(sum(sp.diags_array(f) @ o for f, o in zip(fields, self.operators, strict=True)))
        total = self.tau * total
        norm = float(np.abs(total).sum(axis=1).max())
        if not norm < FASTEST:
            raise bad_value("model", f"of rates below {FASTEST:g} a lag between cells", f"{norm:.3g}")
        return total

    def moments(self, theta: np.ndarray) -> Moments:
        """From each cell."""
        ends = expm_multiply(self.backward(theta), self.functions)
        mean = ends[:, :2]
        spread = np.stack([ends[:, 2 + k] - mean[:, i] * mean[:, j] for k, (i, j) in enumerate(ENTRIES)], axis=1)
        return Moments(mean - self.z, spread)

    def pull(self, theta: np.ndarray, on: Moments) -> np.ndarray:
        """The gradient (m,) with respect to the coefficients of sum(on.mean mean + on.spread spread) over the cells."""
        backward = self.backward(theta)
        ends = expm_multiply(backward, self.functions, start=0.0, stop=1.0, num=NODES, endpoint=True)
        mean = ends[-1][:, :2]
        weight = np.concatenate([on.mean, on.spread], axis=1)
        for k, (i, j) in enumerate(ENTRIES):
            weight[:, i] -= on.spread[:, k] * mean[:, j]
            weight[:, j] -= on.spread[:, k] * mean[:, i]
        back = expm_multiply(backward.T.tocsr(), weight, start=0.0, stop=1.0, num=NODES, endpoint=True)
        fields = []
        for operator in self.operators:
            products = [(back[k] * (operator @ ends[-1 - k])).sum(axis=1) for k in range(NODES)]
            fields.append(self.tau * simpson(np.array(products), dx=1.0 / (NODES - 1), axis=0))
        pulls = [self.bases[0].T @ (speed * field) for speed, field in zip(self.speed, fields[:2], strict=True)]
        for slope in self._tensor_slopes(theta):
            pulls.append(self.bases[1].T @ sum(s * field for s, field in zip(slope, fields[2:], strict=True)))
        return np.concatenate(pulls)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of the five moments from each cell with respect to the coefficients, (cells, 5, m)."""
        forward = expm(self.backward(theta).toarray() / STEPS)
        ends, half = self.functions, 0.5 * self.tau / STEPS
        source = self._sources(theta, ends)
        total = np.zeros_like(source)
        for _ in range(STEPS):
            total = (forward @ (total + half * source).reshape(len(forward), -1)).reshape(source.shape)
            ends = forward @ ends
            source = self._sources(theta, ends)
            total += half * source
        for k, (i, j) in enumerate(ENTRIES):
            total[:, 2 + k] -= ends[:, i, None] * total[:, j] + ends[:, j, None] * total[:, i]
        return total

    def _sources(self, theta: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """(dL / dp) of functions (cells, 5), for all coefficients p: (cells, 5, m)."""
        parts = [operator @ ends for operator in self.operators]
        fields = [speed * part for speed, part in zip(self.speed, parts[:2], strict=True)]
        for slope in self._tensor_slopes(theta):
            fields.append(sum(s[:, None] * part for s, part in zip(slope, parts[2:], strict=True)))
        bases = [self.bases[0]] * 2 + [self.bases[1]] * 3
        return np.concatenate([f[:, :, None] * b[:, None, :] for f, b in zip(fields, bases, strict=True)], axis=2)

    def _tensor_slopes(self, theta: np.ndarray) -> list[np.ndarray]:
        """dD / dM for each of the three entries of M: (3, cells) each."""
        logs = self.model.logs_at(theta, *self.x)
        slopes = []
        for entry in range(3):
            step = np.zeros((3, 1))
            step[entry] = DELTA
            slopes.append(
                (self.model.tensor(logs + step) - self.model.tensor(logs - step)) / (2.0 * DELTA) / self.units
            )
        return slopes


def _differences(n: int, width: float) -> tuple[sp.csr_array, sp.csr_array]:
    """First and second derivative, (n, n) each, between equal cells; beyond the walls functions are mirrored."""
    columns = np.arange(n)[:, None] + np.arange(-2, 3)
    columns = np.where(columns < 0, -1 - columns, np.where(columns >= n, 2 * n - 1 - columns, columns))
    rows = np.repeat(np.arange(n), 5)
    made = []
    for weights in (np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0, np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0):
        made.append(sp.coo_array((np.tile(weights, n), (rows, columns.ravel())), shape=(n, n)).tocsr())
    return made[0] / width, made[1] / width**2
