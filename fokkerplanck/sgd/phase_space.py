"""SGD with momentum on (theta, v): what is known by hand on a quadratic, and numbers free of the grid's leading error."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ResolutionWarning, bad_value
from ..model.grid import Grid


def heavy_ball_covariance(rate: float, momentum: float, curvature: float = 1.0, noise: float = 1.0) -> np.ndarray:
    """Stationary covariance of (theta, v) of SGD with momentum on a quadratic, (2, 2), exactly.

    v' = m v - eta (h theta + sigma xi), theta' = theta + v', with xi of unit variance: the solution of C = A C A^T + b b^T,

        <theta^2> = eta sigma^2 (1 + m) / (h (1 - m) (2 (1 + m) - eta h)),
        <v^2> = 2 eta^2 sigma^2 / ((1 - m) (2 (1 + m) - eta h)),   <theta v> = <v^2> / 2

    The equation of model "momentum" has eta sigma^2 / (2 h (1 - m)), eta^2 sigma^2 / (2 (1 - m)) and 0. Its variance of
    theta is too small by the share eta h / (2 (1 + m)), small whatever the momentum; that of v by (1 - m) / 2 and more,
    a quarter at m = 0.5; and it is stable at any eta, which SGD is for eta h < 2 (1 + m) only.
    """
    gap = 2.0 * (1.0 + momentum) - rate * curvature
    if not (0.0 <= momentum < 1.0 and rate > 0.0 and curvature > 0.0 and gap > 0.0):
        rule = f"positive and below 2 (1 + m) / curvature, with 0 <= momentum = {momentum} < 1"
        raise bad_value("rate", rule, rate)
    velocity = 2.0 * (rate * noise) ** 2 / ((1.0 - momentum) * gap)
    position = rate * noise**2 * (1.0 + momentum) / (curvature * (1.0 - momentum) * gap)
    return np.array([[position, 0.5 * velocity], [0.5 * velocity, velocity]])


class Limit(NamedTuple):
    """What was read off at vanishing cells (value), off the finer grid, and how far they are apart: a bound of the error."""

    value: Any
    fine: Any
    error: Any


def phase_space_limit(
    read: Callable[[Grid], Any],
    box: Sequence[tuple[float, float]],
    cells: tuple[int, int] = (96, 64),
    boundary: Any = "reflecting",
) -> Limit:
    """A number of the phase-space equation, extrapolated from two grids to vanishing cells.

    Without noise along theta no linear scheme that keeps densities positive is better than first order there (Godunov): the
    grid adds the diffusion |v| h_theta / 2. Along v, where there is noise, it is of second order. Halving h_theta and
    dividing h_v by sqrt(2) halves both errors, so that 2 * fine - coarse is free of them. The densities themselves stay as
    they are, positive and conservative; only what is read off them is extrapolated.

    Parameters
    ----------
    read : callable
        Grid -> number or array, such as ``lambda grid: fp.stationary(eq, grid).covariance()``.
    box : (low, high) of theta and of v
        Some 5 standard deviations each way. Cells are best spent on theta: beside 64 along v, 256 along theta err by half
        of what 128 x 128 do.
    cells : (int, int)
        Of the coarser grid.
    boundary : as for Grid

    Notes
    -----
    Variance of theta on a quadratic at eta = 0.1: 128 x 128 errs by 12 % at m = 0.9 and 25 % at m = 0.95; the limit from
    96 x 64 and 192 x 91 cells, for the same work, by 0.8 % and 3.5 %.
    """
    if len(cells) != 2 or len(box) != 2:
        raise bad_value("cells", "two numbers, along theta and along v, as is `box`", cells)
    finer = 2 * cells[0], round(np.sqrt(2.0) * cells[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)  # what it warns of is what the limit removes
        coarse, fine = (np.asarray(read(Grid(box, list(n), boundary))) for n in (cells, finer))
    value = 2.0 * fine - coarse
    return Limit(value, fine, np.abs(value - fine))
