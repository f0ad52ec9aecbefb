"""The two problems that all programs solve, with references that none of them has a part in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp


@dataclass(frozen=True)
class Case:
    """dX = drift dt + sqrt(2 D) dW on a reflecting box, from a Gaussian, to time t = 1.

    The box is the same interval along every axis; `values(n)` is the exact density at the centers of n cells an axis.
    """

    name: str
    dim: int
    box: tuple[float, float]
    drift: Callable[..., np.ndarray]
    diffusion: float
    mean: tuple[float, ...]
    std: float
    values: Callable[[int], np.ndarray]

    def spacing(self, n: int) -> float:
        """Cell size."""
        return (self.box[1] - self.box[0]) / n

    def centers(self, n: int) -> list[np.ndarray]:
        """Coordinates of the cell centers, each of the grid's shape."""
        x = self.box[0] + self.spacing(n) * (np.arange(n) + 0.5)
        return np.meshgrid(*[x] * self.dim, indexing="ij")

    def start(self, *x: np.ndarray) -> np.ndarray:
        """The initial density."""
        square = sum((xi - m) ** 2 for xi, m in zip(x, self.mean, strict=True))
        return np.exp(-0.5 * square / self.std**2) / (2 * np.pi * self.std**2) ** (self.dim / 2)

    def judge(self, density: np.ndarray) -> dict[str, float]:
        """L1 distance to the exact density at the cell centers, smallest value, error of the mass."""
        n = density.shape[0]
        volume = self.spacing(n) ** self.dim
        return {
            "error": float(np.abs(density - self.values(n)).sum() * volume),
            "smallest": float(density.min()),
            "mass_error": float(density.sum() * volume - 1.0),
        }


def ou_values(n: int) -> np.ndarray:
    """The Ornstein-Uhlenbeck density at t = 1 from N(2, 0.3^2), mu = -x, D = 0.5 (closed form)."""
    x = -6 + 12 / n * (np.arange(n) + 0.5)
    mean, variance = 2 * np.exp(-1.0), 0.5 + (0.09 - 0.5) * np.exp(-2.0)
    return np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)


def well_drift(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """-grad[(x^2 - 1)^2 + 2 y^2] + 0.5 (-y, x)."""
    return np.array([-4 * x * (x * x - 1) - 0.5 * y, -4 * y + 0.5 * x])


@functools.cache
def well_modes(n: int = 96) -> np.ndarray:
    """Double well with rotation at t = 1 on n x n points: a Fourier method, DOP853 in time.

    The density at the walls is below 1e-40, hence it may be continued periodically. 80 and 96 modes differ by 7e-7 in L1.
    """
    side = 5.0
    x = -2.5 + side * (np.arange(n) + 0.5) / n
    fx, fy = well_drift(*np.meshgrid(x, x, indexing="ij"))
    kx, ky = 2 * np.pi * np.fft.fftfreq(n, side / n)[:, None], 2 * np.pi * np.fft.rfftfreq(n, side / n)
    decay = 0.25 * (kx**2 + ky**2)
    ikx, iky = 1j * kx, 1j * ky
    ikx[n // 2], iky[-1] = 0.0, 0.0  # the highest wave has no derivative on this grid

    def rate(t: float, p: np.ndarray) -> np.ndarray:
        p = p.reshape(n, n)
        total = ikx * np.fft.rfft2(fx * p) + iky * np.fft.rfft2(fy * p) + decay * np.fft.rfft2(p)
        return -np.fft.irfft2(total, s=(n, n)).ravel()

    start = DOUBLE_WELL.start(*np.meshgrid(x, x, indexing="ij"))
    return solve_ivp(rate, (0, 1), start.ravel(), method="DOP853", rtol=1e-8, atol=1e-10).y[:, -1].reshape(n, n)


def well_values(n: int) -> np.ndarray:
    """The trigonometric interpolant of `well_modes` at the centers of n x n cells."""
    result = well_modes()
    modes, side = result.shape[0], 5.0
    wave = 2 * np.pi * np.fft.fftfreq(modes, side / modes)
    places = side * ((np.arange(n) + 0.5) / n - 0.5 / modes)
    basis = np.exp(1j * np.outer(places, wave))
    for axis in (0, 1):
        amplitudes = np.fft.fft(result, axis=axis) / modes
        result = np.moveaxis(np.tensordot(basis, amplitudes, axes=(1, axis)), 0, axis).real
    return result


OU = Case("ou", 1, (-6.0, 6.0), lambda x: -x[None], 0.5, (2.0,), 0.3, ou_values)
DOUBLE_WELL = Case("double_well", 2, (-2.5, 2.5), well_drift, 0.25, (-1.0, 0.0), 0.2, well_values)
CASES = {case.name: case for case in (OU, DOUBLE_WELL)}
