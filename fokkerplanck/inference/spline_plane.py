"""Drift and the whole diffusion tensor without a family: penalised tensor-product splines in the plane.

    mu_i(x) = sum_kl a_ikl B_k(u) B_l(v),      D(x) = exp M(x),      M_ij(x) = sum_kl b_ijkl B_k(u) B_l(v)

with exp the exponential of symmetric matrices, so that D is positive definite, and with u, v and the penalties along each
axis as in one coordinate: a drift bilinear in the coordinates and constant noise cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, logm

from ..model.equation import FokkerPlanck
from .paths import Transitions
from .smoothing import Penalty
from .spline_axis import Axis

FUNCTIONS = 7  # along each axis
FEWEST = 200  # transitions
FIELDS = ("drift x", "drift y", "ln diffusion xx", "ln diffusion xy", "ln diffusion yy")
CLIP = 60.0  # of M


@dataclass(frozen=True)
class PlaneSplines:
    """From coefficients (5 m,), m = FUNCTIONS^2, to an equation: drift in units of `step` / `tau`, ln D in those of
    step_i step_j / (2 tau).
    """

    axes: tuple[Axis, Axis]
    step: np.ndarray
    tau: float

    @classmethod
    def of(cls, data: Transitions) -> PlaneSplines:
        """Knots over the range of the data; scales from the steps."""
        both = np.concatenate([data.starts, data.ends])
        step = np.maximum((data.ends - data.starts).std(axis=0), 1e-300)
        return cls((Axis.of(both[:, 0], FUNCTIONS), Axis.of(both[:, 1], FUNCTIONS)), step, data.tau)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the coefficients."""
        m = FUNCTIONS
        return tuple(f"{field}[{i},{j}]" for field in FIELDS for i in range(m) for j in range(m))

    @property
    def penalties(self) -> list[Penalty]:
        """Of the two components of the drift and the three entries of M."""
        unit, m = np.eye(FUNCTIONS), FUNCTIONS**2
        result = []
        for number in range(len(FIELDS)):
            squares = [axis.slope_penalty(along_u=number >= 2) for axis in self.axes]
            matrix = np.kron(squares[0], unit) + np.kron(unit, squares[1])
            result.append(Penalty(slice(number * m, (number + 1) * m), matrix, m - 4))
        return result

    def basis(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """All products of functions, (n, m), at points (n,); beyond the data their value at the nearest."""
        return _products(self.axes[0].values(x), self.axes[1].values(y))

    def drift_basis(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The same, but beyond the data they go on as planes."""
        first, second = self.axes
        beyond = [z - np.clip(z, *axis.ends) for z, axis in ((x, first), (y, second))]
        along = _products(beyond[0][:, None] * first.slopes(x), second.values(y))
        across = _products(first.values(x), beyond[1][:, None] * second.slopes(y))
        return self.basis(x, y) + along + across

    def drift_at(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(2, n) at points (n,)."""
        a = theta[: 2 * FUNCTIONS**2].reshape(2, FUNCTIONS**2)
        return (a @ self.drift_basis(x, y).T) * (self.step / self.tau)[:, None]

    def logs_at(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The entries xx, xy, yy of M, (3, n)."""
        b = theta[2 * FUNCTIONS**2 :].reshape(3, FUNCTIONS**2)
        return np.clip(b @ self.basis(x, y).T, -CLIP, CLIP)

    def tensor(self, logs: np.ndarray) -> np.ndarray:
        """D (3, n), entries xx, xy, yy, from those of M (3, n)."""
        mean, half = 0.5 * (logs[0] + logs[2]), 0.5 * (logs[0] - logs[2])
        size = np.hypot(half, logs[1])
        ratio = np.where(size > 1e-6, np.sinh(size) / np.maximum(size, 1e-300), 1.0 + size * size / 6.0)
        along = np.cosh(size)
        d = np.exp(mean) * np.array([along + half * ratio, logs[1] * ratio, along - half * ratio])
        one, two = self.step
        return d * np.array([[one * one], [one * two], [two * two]]) / (2.0 * self.tau)

    def __call__(self, theta: np.ndarray) -> FokkerPlanck:
        """The equation; beyond the data the drift goes on as a plane and D stays."""

        def drift(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
            shape, x, y = _flat(x, y)
            return tuple(part.reshape(shape) for part in self.drift_at(theta, x, y))

        def diffusion(x: np.ndarray, y: np.ndarray) -> list[list[np.ndarray]]:
            shape, x, y = _flat(x, y)
            xx, xy, yy = (part.reshape(shape) for part in self.tensor(self.logs_at(theta, x, y)))
            return [[xx, xy], [xy, yy]]

        return FokkerPlanck(drift=drift, diffusion=diffusion)

    def start(self, data: Transitions) -> np.ndarray:
        """The linear drift and constant noise of which steps over this lag have the regression that the data have."""
        rate, level, d = _linear_process(data)
        lines = [axis.spread(4 * FUNCTIONS) for axis in self.axes]
        back = [np.linalg.pinv(axis.values(line)) for axis, line in zip(self.axes, lines, strict=True)]
        x, y = np.meshgrid(*lines, indexing="ij")
        drift = np.einsum("ij,jkl->ikl", rate, np.stack([x, y]) - level[:, None, None])
        scaled = np.real(logm(2.0 * self.tau * d / np.outer(self.step, self.step)))
        fields = [*(drift * (self.tau / self.step)[:, None, None])]
        fields += [np.full_like(x, scaled[i, j]) for i, j in ((0, 0), (0, 1), (1, 1))]
        return np.concatenate([(back[0] @ f @ back[1].T).ravel() for f in fields])


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def _flat(x: np.ndarray, y: np.ndarray) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    x, y = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    return x.shape, x.ravel(), y.ravel()


def _linear_process(data: Transitions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """J (2, 2), x0 (2,) and D (2, 2) of dX = J (X - x0) dt + sqrt(2 D) dW, from the regression of ends on starts.

    Ends have the mean x + int_0^tau e^(J s) ds J (x - x0) and the covariance int_0^tau e^(J s) 2 D e^(J^T s) ds. Where the
    regression is that of no such process, J is its slope over tau, and D the covariance over 2 tau.
    """
    middle, tau = data.starts.mean(axis=0), data.tau
    away = data.starts - middle
    size = np.maximum(away.std(axis=0), 1e-300)
    design = np.column_stack([away / size, np.ones(len(away))])
    found = np.linalg.lstsq(design, data.ends - middle, rcond=None)[0]
    grown, shift = (found[:2] / size[:, None]).T, found[2]
    spread = np.cov((data.ends - middle - design @ found).T)
    unit, rate = np.eye(2), (grown - np.eye(2)) / tau
    if (np.abs(np.linalg.eigvals(grown).imag) > 0).any() or (np.linalg.eigvals(grown).real > 0.05).all():
        rate = np.real(logm(grown)) / tau
    both = np.kron(rate, unit) + np.kron(unit, rate)
    mean_growth = _mean_exponential(tau * both)
    d = 0.5 * np.linalg.solve(mean_growth, spread.ravel()).reshape(2, 2) / tau
    values = np.linalg.eigvalsh(0.5 * (d + d.T) / np.sqrt(np.outer(np.diag(spread), np.diag(spread))))
    if not (np.isfinite(values).all() and values[0] > 0.0):
        d = 0.5 * spread / tau
    level = middle + np.linalg.lstsq(-rate * tau, _mean_of_shift(rate, tau, shift), rcond=1e-6)[0]
    return rate, level, 0.5 * (d + d.T)


def _mean_exponential(matrix: np.ndarray) -> np.ndarray:
    """int_0^1 e^(A s) ds."""
    n = len(matrix)
    block = np.zeros((2 * n, 2 * n))
    block[:n, :n], block[:n, n:] = matrix, np.eye(n)
    return expm(block)[:n, n:]


def _mean_of_shift(rate: np.ndarray, tau: float, shift: np.ndarray) -> np.ndarray:
    """The constant part of the drift over a lag, whose steps have the mean `shift` from the middle of the starts."""
    return np.linalg.lstsq(_mean_exponential(tau * rate), shift, rcond=1e-6)[0]
