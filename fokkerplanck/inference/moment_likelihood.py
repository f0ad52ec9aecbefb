"""A likelihood of steps in the plane by their means and covariances: Gaussian in form, unbiased at any lag.

Means m and covariances S of the steps are those of the equation, not of a short step, taken on two grids and extrapolated.
The scores

    sum over steps of dm . S^-1 r + tr(dS S^-1 (r r^T - S) S^-1) / 2,      r = step - m

then have mean zero at the truth whatever the shape of the transition density, so that estimates have no bias (Bibby and
Sorensen 1995), and are those of largest likelihood where it is Gaussian.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..errors import bad_value
from ..model.grid import Grid
from .cells import Reader, resized
from .conditional_moments import ENTRIES, MomentGrid, Moments
from .likelihood import Evaluation
from .paths import Transitions
from .spline_plane import PlaneSplines

COARSER = 1.5  # ratio of cell widths of the two grids
TANGENT_CELLS = 20  # along each axis, of the grid of the information


class MomentLikelihood:
    """As `GridLikelihood`, for splines in the plane.

    Parameters
    ----------
    model : PlaneSplines
    data : Transitions
    grid : Grid
        Of equal cells; its walls reflect.
    """

    def __init__(self, model: PlaneSplines, data: Transitions, grid: Grid):
        even = all(np.ptp(w) <= 1e-6 * w.min() for w in grid.widths)
        if not even or any(wall != "reflecting" for walls in grid.boundary for wall in walls):
            raise bad_value("cells", "a grid of equal cells whose walls reflect, for splines in two coordinates", grid)
        self.model, self.data, self.grid = model, data, grid
        middle, self.scale = data.starts.mean(axis=0), np.maximum(data.starts.std(axis=0), 1e-300)
        grids = (grid, resized(grid, 1.0 / COARSER))
        self.gain = (grids[0].size / grids[1].size) ** 2 - 1.0
        self.fine, self.coarse = (MomentGrid(model, g, middle, self.scale) for g in grids)
        self.reads = [_reads(g, data.starts) for g in grids]
        self.tangent = MomentGrid(model, resized(grid, TANGENT_CELLS / max(grid.shape)), middle, self.scale)
        self.counts = np.maximum(_reads(self.tangent.grid, data.starts).sum(axis=0), 0.0)
        self.counts *= data.size / self.counts.sum()
        self.read_tangent = _reads(grid, self.tangent.x.T)
        self.steps = (data.ends - data.starts) / self.scale
        self._last: tuple[bytes, Evaluation] | None = None

    def value(self, theta: np.ndarray) -> float:
        """ln L alone."""
        return float(self._logs(self._moments(theta)[1]).sum())

    def evaluate(self, theta: np.ndarray) -> Evaluation:
        """ln L, its gradient and its expected information."""
        key = theta.tobytes()
        if self._last is None or self._last[0] != key:
            table, own = self._moments(theta)
            gradient = self._gradient(theta, self._slopes(own))
            self._last = (key, Evaluation(float(self._logs(own).sum()), gradient, self._information(theta, table)))
        return self._last[1]

    def shift(self, theta: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """By how many standard errors each coefficient (m,) lies from where the finer grid alone would put it."""
        table, own = self._moments(theta)
        alone = Moments(*(self.reads[0] @ part for part in table))
        gap = self._gradient(theta, self._slopes(own)) - self._gradient(theta, self._slopes(alone))
        return covariance @ gap / np.sqrt(np.diagonal(covariance))

    def _moments(self, theta: np.ndarray) -> tuple[Moments, Moments]:
        """Those of the finer grid, and those of all steps, from which the error of fourth order is taken off."""
        fine, coarse = self.fine.moments(theta), self.coarse.moments(theta)
        parts = []
        for table, rough in zip(fine, coarse, strict=True):
            read = self.reads[0] @ table
            parts.append(read + (read - self.reads[1] @ rough) / self.gain)
        _positive(parts[1])
        return fine, Moments(*parts)

    def _logs(self, moments: Moments) -> np.ndarray:
        x, y = (self.steps - moments.mean).T
        (a, b, c), size = _inverse(moments.spread)
        square = a * x * x + 2.0 * b * x * y + c * y * y
        return -0.5 * (square + np.log(size)) - np.log(2.0 * np.pi) - float(np.log(self.scale).sum())

    def _slopes(self, moments: Moments) -> Moments:
        """Derivatives of ln L with respect to the moments of each step."""
        x, y = (self.steps - moments.mean).T
        (a, b, c), _ = _inverse(moments.spread)
        pull = np.stack([a * x + b * y, b * x + c * y], axis=1)
        square = [0.5 * (pull[:, i] * pull[:, j] - entry) for (i, j), entry in zip(ENTRIES, (a, b, c), strict=True)]
        return Moments(pull, np.stack([square[0], 2.0 * square[1], square[2]], axis=1))

    def _gradient(self, theta: np.ndarray, slopes: Moments) -> np.ndarray:
        """With respect to the coefficients, through both grids."""
        fine = Moments(*((1.0 + 1.0 / self.gain) * (self.reads[0].T @ part) for part in slopes))
        coarse = Moments(*((-1.0 / self.gain) * (self.reads[1].T @ part) for part in slopes))
        return self.fine.pull(theta, fine) + self.coarse.pull(theta, coarse)

    def _information(self, theta: np.ndarray, table: Moments) -> np.ndarray:
        used = self.counts > 0.0
        change = self.tangent.jacobian(theta)[used]
        spread = (self.read_tangent @ table.spread)[used]
        _positive(spread)
        weight = self.counts[used, None, None] * _weights(spread)
        weighed = np.einsum("cij,cjp->cip", weight, change).reshape(-1, theta.size)
        return change.reshape(-1, theta.size).T @ weighed


def _reads(grid: Grid, points: np.ndarray) -> sp.csr_array:
    """From values at the centers of cells to those at points, (n, cells), by cubics."""
    cells, weights = Reader(grid).weights(points)
    rows = np.arange(0, cells.size + 1, cells.shape[1])
    return sp.csr_array((weights.ravel(), cells.ravel(), rows), shape=(len(points), grid.size))


def _positive(spread: np.ndarray) -> None:
    if not ((spread[:, 0] > 0.0) & (spread[:, 0] * spread[:, 2] > spread[:, 1] ** 2)).all():
        raise bad_value("model", "of positive covariances of steps", "one that is not", "Take more cells.")


def _inverse(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entries xx, xy, yy of the inverses (3, n), and the determinants (n,)."""
    size = spread[:, 0] * spread[:, 2] - spread[:, 1] ** 2
    return np.array([spread[:, 2], -spread[:, 1], spread[:, 0]]) / size, size


def _weights(spread: np.ndarray) -> np.ndarray:
    """K (n, 5, 5) of d^T K d, the information of a step whose moments change by d: dm S^-1 dm + tr(S^-1 dS S^-1 dS) / 2."""
    (a, b, c), _ = _inverse(spread)
    k = np.zeros((len(spread), 5, 5))
    k[:, 0, 0], k[:, 1, 1] = a, c
    k[:, 0, 1] = k[:, 1, 0] = b
    k[:, 2, 2], k[:, 4, 4], k[:, 3, 3] = 0.5 * a * a, 0.5 * c * c, b * b + a * c
    k[:, 2, 3] = k[:, 3, 2] = a * b
    k[:, 2, 4] = k[:, 4, 2] = 0.5 * b * b
    k[:, 3, 4] = k[:, 4, 3] = b * c
    return k
