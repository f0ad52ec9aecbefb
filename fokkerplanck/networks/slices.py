"""A plane through parameter space: the Fokker-Planck equation of SGD confined to it, and whether that is believed.

On theta = centre + V c, V (d, 2) orthonormal, SGD confined to the plane moves by -eta V^T g_B. Its equation in steps has the
drift -eta V^T g and the diffusion eta^2 V^T Sigma V / (2 B). SGD itself leaves the plane: the share of drift and noise in it
says how soon. Three things are compared: the equation, SGD confined to the plane, and SGD projected on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import instance, number, reals, whole
from ..errors import ModelWarning, bad_value, warn
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..randomness import private_generator
from ..results.solution import Solution
from .curvature import extreme_eigenpairs
from .training import Runs

if TYPE_CHECKING:
    from .loss_functions import LossFunctions

PLANES = ("hessian", "pca", "random", "filters")
ROWS = 500  # samples, for the share of noise
PLACES = 8  # runs at whose places the shares are taken
FAR = 0.5  # standard deviations between means up to which the slice is believed
WIDE = 2.0  # ... and ratio of standard deviations, either way


@dataclass(frozen=True, eq=False)
class SliceVerdict:
    """An equation on a plane beside SGD confined to it and SGD projected on it.

    Attributes
    ----------
    steps : ndarray (n,)
    mean_error, spread_ratio : ndarray (n,)
        Against projected SGD: largest distance of means over both axes in its standard deviations; largest factor between
        standard deviations, at least 1. nan where the numerical diffusion of the grid exceeds the noise.
    confined_mean_error, confined_spread_ratio : ndarray (n,)
        SGD confined to the plane against projected SGD: what no grid can mend.
    drift_share, noise_share : ndarray (n,)
        Share of the squared gradient and of the trace of Sigma that lies in the plane, at places of the runs.
    spread_resolved : bool
    """

    steps: np.ndarray
    mean_error: np.ndarray
    spread_ratio: np.ndarray
    confined_mean_error: np.ndarray
    confined_spread_ratio: np.ndarray
    drift_share: np.ndarray
    noise_share: np.ndarray
    spread_resolved: bool

    @property
    def believed_until(self) -> float:
        """Last step up to which means agree within half a standard deviation and spreads within a factor 2; nan: never."""
        ratio = self.spread_ratio if self.spread_resolved else self.confined_spread_ratio
        good = (self.mean_error <= FAR) & (ratio <= WIDE)
        count = int(np.argmin(good)) if not good.all() else good.size
        return float(self.steps[count - 1]) if count else math.nan

    def __repr__(self) -> str:
        lines = ["   step  mean error  spread  | confined: mean error  spread | share of drift   noise"]
        columns = (self.steps, self.mean_error, self.spread_ratio, self.confined_mean_error, self.confined_spread_ratio)
        for t, m, s, cm, cs, d, n in zip(*columns, self.drift_share, self.noise_share, strict=True):
            lines.append(f"{t:7g}  {m:10.3g}  {s:6.3g}  | {cm:20.3g}  {cs:6.3g} | {d:14.3g}  {n:6.3g}")
        if not self.spread_resolved:
            lines.append("The grid's numerical diffusion exceeds the noise: no spread of the equation is reported.")
        until = self.believed_until
        lines.append(
            "The slice is not believed." if math.isnan(until) else f"The slice is believed until step {until:g}."
        )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class Slice:
    """A plane through a point of parameter space.

    Attributes
    ----------
    net : Network
    centre : ndarray (d,)
    directions : ndarray (d, 2)
        Orthonormal.
    grid : Grid
        In the coordinates c of the plane.
    """

    net: LossFunctions
    centre: np.ndarray
    directions: np.ndarray
    grid: Grid

    def __repr__(self) -> str:
        return f"Slice of a {self.net!r}\n  plane      {self.grid!r}"

    @cached_property
    def network(self) -> LossFunctions:
        """SGD confined to the plane: a network of the two parameters c."""
        return self.net.confined(self.centre, self.directions)

    @cached_property
    def _measured(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loss (nx, ny), gradient (2, nx, ny) and covariance of per-sample gradients (2, 2, nx, ny) on the cells."""
        x, y = np.meshgrid(*self.grid.centers, indexing="ij")
        loss, gradient, noise = np.empty(x.size), np.empty((x.size, 2)), np.empty((x.size, 2, 2))
        for n, place in enumerate(np.stack([x.ravel(), y.ravel()], axis=1)):
            loss[n] = self.network.loss(place)
            slopes = self.network.slopes(place, np.eye(2))
            gradient[n], noise[n] = slopes.mean(axis=0), np.cov(slopes, rowvar=False, bias=True)
        shape = self.grid.shape
        return loss.reshape(shape), gradient.T.reshape(2, *shape), np.moveaxis(noise, 0, -1).reshape(2, 2, *shape)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss on the cells, grid.shape."""
        return self._measured[0]

    @property
    def gradient(self) -> np.ndarray:
        """Gradient in the plane on the cells (2, *grid.shape)."""
        return self._measured[1]

    @property
    def noise(self) -> np.ndarray:
        """Covariance of the per-sample gradients in the plane on the cells (2, 2, *grid.shape)."""
        return self._measured[2]

    def equation(self, learning_rate: float, batch_size: int) -> FokkerPlanck:
        """The diffusion model of SGD confined to the plane, time in steps, on `grid`."""
        rate = number("learning_rate", learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
        diffusion = rate**2 / (2.0 * whole("batch_size", batch_size, 1)) * self.noise
        tensor = [[diffusion[0, 0], diffusion[0, 1]], [diffusion[1, 0], diffusion[1, 1]]]
        settings = {"slice": "plane", "learning_rate": rate, "batch_size": int(batch_size)}
        return FokkerPlanck(drift=list(-rate * self.gradient), diffusion=tensor, settings=settings)

    def project(self, theta: np.ndarray) -> np.ndarray:
        """Coordinates in the plane (..., 2) of parameters (..., d)."""
        return (np.asarray(theta, dtype=float) - self.centre) @ self.directions

    def verdict(self, solution: Solution, runs: Runs, seed: int = 0) -> SliceVerdict:
        """Compare a solution of `equation` with runs that kept their parameters.

        Parameters
        ----------
        solution : Solution
            Of `equation` on `grid`, its times among the recorded steps of the runs.
        runs : Runs
            By `net.train(..., keep=n)` with the same learning rate and batch size.
        seed : int
            Of SGD confined to the plane, which starts from the projected starts of the runs.
        """
        instance("solution", solution, Solution, "what fp.solve(cut.equation(...), cut.grid, ...) returns")
        instance("runs", runs, Runs, "what net.train(...) returns")
        if runs.kept.shape[1] < 5:
            raise bad_value(
                "runs", "runs that kept the parameters of five at least", runs.kept.shape[1], "keep=n_runs."
            )
        asked = solution.times
        places = np.searchsorted(runs.steps, asked)
        if (places >= runs.steps.size).any() or not np.allclose(runs.steps[places], asked) or runs.steps[0] != 0:
            raise bad_value("solution", "at recorded steps of the runs, which start at 0", asked)
        there = self.project(runs.kept[places])
        confined = self._confined(runs, places, seed)
        spread, own = there.std(axis=1), confined.std(axis=1)
        ours = np.sqrt(np.diagonal(solution.covariance(), axis1=1, axis2=2))
        resolved = solution.stats.numerical_diffusion <= solution.stats.diffusion
        if not resolved:
            warn("The grid adds more diffusion than the noise has: the spread of the slice is refused.", ModelWarning)
        shares = np.array([self._shares(theta) for theta in runs.kept[places, :PLACES]])
        return SliceVerdict(
            asked,
            _apart(solution.mean(), there.mean(axis=1), spread),
            _factor(ours, spread) if resolved else np.full(asked.size, np.nan),
            _apart(confined.mean(axis=1), there.mean(axis=1), spread),
            _factor(own, spread),
            shares[:, 0],
            shares[:, 1],
            bool(resolved),
        )

    def _confined(self, runs: Runs, places: np.ndarray, seed: int) -> np.ndarray:
        """SGD confined to the plane at the recorded steps in `places`, (n, n_kept, 2)."""
        start = self.project(runs.kept[0])
        rate, batch = runs.settings["learning_rate"], runs.settings["batch_size"]
        own = self.network.train(runs.steps[places], len(start), rate, batch, seed, keep=len(start), starts=start)
        return np.asarray(own.kept, dtype=float)

    def _shares(self, theta: np.ndarray) -> tuple[float, float]:
        """Shares of squared drift and of the trace of the noise in the plane, over some places (n, d)."""
        rng, n = private_generator("samples of a slice"), self.net.n_samples
        rows = np.arange(n) if n <= ROWS else np.sort(rng.choice(n, ROWS, replace=False))
        sums = np.zeros(4)
        for one in theta:
            drift, noise = self.net.gradient(one), self.net.sample_gradients(one, rows)
            noise = noise - noise.mean(axis=0)
            parts = [drift @ self.directions, drift, noise @ self.directions, noise]
            sums += [float(np.sum(np.square(part))) for part in parts]
        return float(sums[0] / max(sums[1], 1e-300)), float(sums[2] / max(sums[3], 1e-300))


def take_slice(
    net: LossFunctions,
    theta: Any,
    plane: Any = "hessian",
    *,
    half_width: Any = None,
    cells: int = 64,
    runs: Runs | None = None,
    seed: int = 0,
) -> Slice:
    """A plane through theta.

    Parameters
    ----------
    net : Network
    theta : array (d,)
    plane : {"hessian", "pca", "random", "filters"} or two vectors (2, d)
        The two stiffest directions of the Hessian; the first two principal components of the kept parameters of `runs`; two
        random directions; the plane of two random directions with filter normalisation, where the weights into each unit (a
        row of a weight matrix) have the norm of those of theta and biases stay (Li et al., NeurIPS 2018); or given vectors,
        such as those from theta to two other minima.
    half_width : float or pair, optional
        Of the box around theta; default: 1.3 times the furthest projection of the kept parameters of `runs`, else 1.
    cells : int
        Along each axis. The network is evaluated on all cells when first needed.
    runs : Runs, optional
    seed : int
        Of random directions, filter-normalised ones too.
    """
    centre = np.asarray(net.flat(theta), dtype=float)
    if centre.size < 2:
        raise bad_value(
            "theta", "of two parameters at least, to hold a plane", centre.size, "Solve one in 1D directly."
        )
    cells = whole("cells", cells, 4)
    directions = _orthonormal(_plane(net, centre, plane, runs, seed))
    if half_width is None:
        reach = np.ones(2)
        if runs is not None and runs.kept.size:
            reach = 1.3 * np.nanmax(np.abs((runs.kept - centre) @ directions), axis=(0, 1))
    else:
        reach = np.broadcast_to(reals("half_width", half_width), (2,))
    if not (np.isfinite(reach).all() and (reach > 0.0).all()):
        raise bad_value("half_width", "one or two positive numbers", half_width)
    return Slice(net, centre, directions, Grid([(-r, r) for r in reach.tolist()], [cells, cells]))


def _plane(net: LossFunctions, centre: np.ndarray, plane: Any, runs: Runs | None, seed: int) -> np.ndarray:
    """Two vectors as columns (d, 2)."""
    if isinstance(plane, str):
        if plane == "hessian":
            return extreme_eigenpairs(net, centre, 2, "highest").vectors[:, :-3:-1]
        if plane == "random":
            return private_generator("random plane", whole("seed", seed, 0)).standard_normal((centre.size, 2))
        if plane == "filters":
            return filter_normalised(net, centre, seed)
        if plane != "pca":
            raise bad_value("plane", f"one of {', '.join(PLANES)}, or two vectors", plane)
        if runs is None or runs.kept.shape[1] == 0:
            raise bad_value("runs", "runs that kept their parameters, for principal components", runs, "keep=n_runs.")
        rows = runs.kept.reshape(-1, centre.size).astype(float)
        return np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:2].T
    vectors = reals("plane", plane, f"two vectors of shape (2, {centre.size})")
    if vectors.shape != (2, centre.size) or not np.isfinite(vectors).all():
        raise bad_value("plane", f"two finite vectors, shape (2, {centre.size})", f"shape {vectors.shape}")
    return vectors.T


def filter_normalised(net: LossFunctions, theta: np.ndarray, seed: int = 0) -> np.ndarray:
    """Two random directions (d, 2) whose filters have the norms of those of theta; zero along vectors and numbers."""
    rng = private_generator("random plane", whole("seed", seed, 0))
    directions, place = np.zeros((theta.size, 2)), 0
    for shape in net.shapes:
        size = math.prod(shape)
        part = slice(place, place + size)
        place += size
        if len(shape) < 2:
            continue
        own = np.linalg.norm(theta[part].reshape(shape[0], -1), axis=1)
        drawn = rng.standard_normal((2, shape[0], size // shape[0]))
        directions[part] = (drawn * (own / np.linalg.norm(drawn, axis=2))[..., None]).reshape(2, size).T
    if not directions.any():
        then = 'A network of vectors alone, or one given by functions, has no filters: "random".'
        raise bad_value("plane", "one of a network whose parameters hold a matrix that is not zero", "filters", then)
    return directions


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """Orthonormal columns of the same plane, the first along the first vector."""
    q, r = np.linalg.qr(vectors)
    size = np.abs(np.diagonal(r))
    if size.min() <= 1e-8 * size.max():
        raise bad_value("plane", "two vectors in different directions", "parallel ones")
    return q * np.sign(np.diagonal(r))


def _apart(a: np.ndarray, b: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Largest distance over both axes in standard deviations (n,)."""
    gap = np.abs(a - b)
    return np.max(np.divide(gap, spread, out=np.where(gap > 0.0, np.inf, 0.0), where=spread > 0.0), axis=1)


def _factor(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest factor between standard deviations over both axes (n,), at least 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.max(np.where(a == b, 1.0, np.maximum(a / b, b / a)), axis=1)  # both vanish at a shared start
