"""Discrete-time operators: the masses after one step are T times the masses before it.

T is sparse, nonnegative, and its columns sum to one (to less beside absorbing walls). It plays the part that the
generator plays in continuous time: T - 1 stands for Q.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigs, gmres, splu

from ...arguments import fits_memory
from ...errors import ConvergenceError, bad_value
from ...model.grid import Grid
from ...progress import Pace
from ..kernels import gth_elimination as reduction
from ..kernels.cell_images import CLAMP, LOSE, WRAP, push
from .rates import ROUNDING, Rates, never_leaving

COLUMNS = 48  # whose entries are counted beforehand
ENTRY, CELL = 40.0, 190.0  # bytes an entry, and a cell and axis, of a transfer matrix while it is made: measured
CHUNK = 4_000_000  # numbers held at once while images are computed
CHEAP, REDUCTION = (
    3e8,
    3e10,
)  # multiplications for which state reduction is used: always, and where nothing else will do
MOST_NUMBERS = 2e8  # in the bands of a chain
FACTOR = 6000  # cells beyond which iteration is tried before a factorisation
CLOSED = 1e-12  # what the sums of columns may be off from 1 by rounding
DENSE = 2000  # cells up to which powers of T are computed with dense matrices
WALL = {"absorbing": LOSE, "reflecting": CLAMP, "periodic": WRAP}

Maps = Callable[[np.ndarray], np.ndarray]  # points (d, n) -> images (K, d, n)


class Transfer(NamedTuple):
    """A transfer matrix and what is known about its making; per-cell fields are raveled.

    matrix : csc (n, n); clamped : probability that met a reflecting wall (n,); mean : of the images over the batches (d, n);
    noise : their variance along each axis (d, n); stretch : variance of the image of the cell's own width beyond it (d, n).
    """

    matrix: sp.csc_array
    clamped: np.ndarray
    mean: np.ndarray
    noise: np.ndarray
    stretch: np.ndarray


def transfer(grid: Grid, maps: Maps, weights: np.ndarray, covariance: Callable | None = None) -> Transfer:
    """Push every cell through every map.

    Parameters
    ----------
    grid : Grid
    maps : callable
        points (d, n) -> images (K, d, n) under each of the K maps.
    weights : array (K,)
        Probability of each map.
    covariance : callable, optional
        points (d, n) -> covariance (d, d, n) of a normal law added to the image.

    Notes
    -----
    The mean image of a cell is taken by Simpson's rule per axis; the image of its width h by differences across it. A
    stretched image is spread evenly so that its variance is f^2 h^2/12 for the stretching factor f, less the h^2/12
    that the target cells add by their own width; one that shrinks is a point. A normal law is narrowed by the h^2/6
    that linear sharing adds, where it is wide enough (a deviation above h/2) for that to be nearly exact.
    """
    lines = np.meshgrid(*grid.centers, indexing="ij")
    points = np.stack([x.ravel() for x in lines])
    widths = np.stack([w.ravel() for w in np.meshgrid(*grid.widths, indexing="ij")])
    _check_memory(grid, maps, weights, covariance, points, widths)
    chunk = max(1, CHUNK // (len(weights) * (1 + 2 * grid.dim) * grid.dim))
    parts, fields, pace = [], [], Pace(__name__, "operator")
    for start in range(0, grid.size, chunk):
        pace(start / grid.size)
        x, h = points[:, start : start + chunk], widths[:, start : start + chunk]
        mean, image = _images(maps, x, h)
        normal = covariance is not None
        extra = covariance(x) if covariance is not None else None
        axes = _axes(image, h, extra)
        part, clamped = _columns(grid, mean, axes, weights, normal, h)
        parts.append(part)
        center = np.einsum("k,nka->na", weights, mean)
        noise = np.einsum("k,nka->an", weights, (mean - center[:, None]) ** 2)
        stretch = np.einsum("k,nkab->an", weights, axes**2)
        if extra is not None:
            real = np.einsum("aan->an", extra)
            noise, stretch = noise + real, np.einsum("k,nkab->an", weights, _axes(image, h, None) ** 2)
        fields.append((clamped, center.T, noise, stretch))
    return Transfer(sp.hstack(parts, format="csc"), *(np.concatenate(f, axis=-1) for f in zip(*fields, strict=True)))


def _check_memory(
    grid: Grid, maps: Maps, weights: np.ndarray, covariance: Callable | None, points: np.ndarray, widths: np.ndarray
) -> None:
    """Refuse a matrix larger than memory, by the entries of some of its columns, counted."""
    some = np.unique(np.linspace(0, grid.size - 1, COLUMNS).astype(int))
    x, h = points[:, some], widths[:, some]
    mean, image = _images(maps, x, h)
    axes = _axes(image, h, None if covariance is None else covariance(x))
    starts = _counted(grid, mean, axes, weights, covariance is not None, h)[1]
    entries = starts[-1] / some.size * grid.size
    need = ENTRY * entries + CELL * grid.dim * grid.size
    fits_memory("grid", need, "Take fewer cells: normal laws of wide steps fill a matrix of their square.")


def mixture(parts: Sequence[Transfer], shares: np.ndarray) -> Transfer:
    """The transfer of all maps from those of groups of them, with the share of each group in the probability."""

    def mean(fields: Iterable[Any]) -> Any:
        return sum(share * field for share, field in zip(shares, fields, strict=True))

    center = mean(part.mean for part in parts)
    between = mean((part.mean - center) ** 2 for part in parts)
    matrix = sp.csc_array(mean(part.matrix for part in parts))
    noise = mean(part.noise for part in parts) + between
    return Transfer(matrix, mean(p.clamped for p in parts), center, noise, mean(p.stretch for p in parts))


def _images(maps: Maps, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean image (n, K, d) of each cell, and the images (n, K, d, d) of its widths as columns."""
    dim, n = x.shape
    shifts = [np.zeros(dim)] + [sign * 0.5 * np.eye(dim)[a] for a in range(dim) for sign in (-1, 1)]
    places = np.concatenate([x + s[:, None] * h for s in shifts], axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        images = np.asarray(maps(places))
    if not np.isfinite(images).all():
        bad = places[:, np.flatnonzero(~np.isfinite(images).all(axis=(0, 1)))[0]]
        where = ", ".join(f"{v:.4g}" for v in bad)
        then = "The gradient is not finite there: move or shrink the box, so that no cell touches such places."
        raise bad_value("grid", "a box in which the steps of SGD are finite", f"one that is not from ({where})", then)
    images = images.reshape(len(images), dim, len(shifts), n)
    center, low, high = images[:, :, 0], images[:, :, 1::2], images[:, :, 2::2]
    mean = center + (low + high - 2.0 * center[:, :, None]).sum(axis=2) / 6.0
    return np.ascontiguousarray(mean.transpose(2, 0, 1)), (high - low).transpose(3, 0, 1, 2)


def _axes(image: np.ndarray, h: np.ndarray, covariance: np.ndarray | None) -> np.ndarray:
    """Principal deviations (n, K, d, d) of the clouds, see `transfer`; `image` as in `_images`."""
    scale = h.T[:, None, :, None] / np.sqrt(12.0)
    b = image / np.sqrt(12.0) / scale  # in units of the cells' own deviation
    dim = b.shape[-1]
    if dim == 1:
        values, vectors = b[..., 0] ** 2 - 1.0, np.ones((1, 1))
    else:
        values, vectors = np.linalg.eigh(b @ np.swapaxes(b, -1, -2) - np.eye(dim))
    if covariance is not None:
        spread = np.moveaxis(covariance, -1, 0)[:, None] / (scale * np.swapaxes(scale, -1, -2))
        kept = (vectors * np.maximum(values, 0.0)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
        values, vectors = np.linalg.eigh(kept + spread)
        values = np.where(values >= 5.0, values - 2.0, values)
    return np.ascontiguousarray(scale * vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def _columns(
    grid: Grid, mean: np.ndarray, axes: np.ndarray, weights: np.ndarray, normal: bool, h: np.ndarray
) -> tuple[sp.csc_array, np.ndarray]:
    given, starts, clamped = _counted(grid, mean, axes, weights, normal, h)
    rows, data = np.empty(starts[-1], dtype=np.int64), np.empty(starts[-1])
    push(*given, rows, data, clamped)  # type: ignore[call-arg]
    columns = sp.csc_array((data, rows, starts), shape=(grid.size, len(mean)))
    columns.sort_indices()
    return columns, clamped


def _counted(
    grid: Grid, mean: np.ndarray, axes: np.ndarray, weights: np.ndarray, normal: bool, h: np.ndarray
) -> tuple[tuple[Any, ...], np.ndarray, np.ndarray]:
    """The arguments of `push` for these columns, where each begins (n + 1,), and what met a wall (n,)."""
    n = len(mean)
    sizes = np.array(grid.shape)
    centers = np.zeros((grid.dim, sizes.max()))
    for row, line in zip(centers, grid.centers, strict=True):
        row[: line.size] = line
    bounds = np.array([[e[0], e[-1]] for e in grid.edges])
    walls = np.array([[WALL[low], WALL[high]] for low, high in grid.boundary])
    starts, clamped = np.zeros(n + 1, dtype=np.int64), np.empty(n)
    empty = np.empty(0, dtype=np.int64), np.empty(0)
    steps = np.ascontiguousarray(h.T)
    given = (mean, axes, np.ascontiguousarray(weights), normal, centers, sizes, bounds, walls, steps, starts)
    push(*given, *empty, clamped)
    return given, starts, clamped


def advance(t: sp.csc_array, masses: np.ndarray, steps: np.ndarray) -> Iterator[np.ndarray]:
    """T^n P for increasing n; long gaps on small grids by repeated squaring."""
    p, done, pace = masses, 0, Pace(__name__, "steps of the operator")
    rows = t.tocsr()
    squares: list[np.ndarray] = []
    for goal in steps.tolist():
        gap = goal - done
        leaps = t.shape[0] <= DENSE and _seconds(t, gap) > _seconds_of_leap(t.shape[0], gap, len(squares))
        if leaps:
            p = _leap(rows, squares, p, gap)
        else:
            for n in range(done, goal):
                pace(n / steps[-1])
                p = rows @ p
        done = goal
        yield p


def _seconds(t: sp.sparray, steps: int) -> float:
    """Roughly what so many products take on one core."""
    return steps * (1e-9 * t.nnz + 5e-6)


def _seconds_of_leap(n: int, steps: int, known: int) -> float:
    """The same by powers of two of a full matrix, of which some are known."""
    bits = steps.bit_length()
    return max(bits - known, 0) * 2e-10 * n**3 + bits * 1e-9 * n**2


def _leap(t: sp.csr_array, squares: list[np.ndarray], p: np.ndarray, n: int) -> np.ndarray:
    """T^n P by powers of two of T, which are kept in `squares`; where T conserves the mass, they do so exactly.

    Otherwise the rounding of a column's sum would double with each power.
    """
    bit = 0
    while n >> bit:
        if bit == len(squares):
            square = squares[-1] @ squares[-1] if bit else t.toarray()
            total = square.sum(axis=0)
            closed = (np.abs(total - 1.0) < CLOSED).all()
            squares.append(square / total if closed else square)
        if (n >> bit) & 1:
            p = squares[bit] @ p
        bit += 1
    return p


def with_target(t: sp.csc_array, share: np.ndarray) -> sp.csc_array:
    """T with one state more, (n + 1, n + 1): what arrives in a cell stays there with the share (n,) that a target has of it."""
    onward = sp.diags_array(1.0 - share) @ t
    arriving = sp.csr_array(share[None]) @ t
    return sp.block_array([[onward, None], [arriving, sp.csr_array([[1.0]])]], format="csc")


class Passage:
    """Solves u = source + T^t u on the cells `outside` (n, bool), u = 0 elsewhere, for several sources.

    Infinite where the rest is never reached. By state reduction where that is cheap or the passage very long: no
    subtraction, so that it comes out right however long it takes. Otherwise by factors, or by iteration on large grids.
    """

    def __init__(self, t: sp.csc_array, outside: np.ndarray):
        self.size, self.t = outside.size, t
        self.endless = never_leaving(Rates.of_steps(t), outside)[1]
        self.cells = np.flatnonzero(outside & ~self.endless)
        self.band: tuple[np.ndarray, int, np.ndarray] | None = None
        self.factor: splu | None = None
        if self.cells.size == 0 or self._reduce(CHEAP) or self.cells.size > FACTOR:
            return
        self.factor = _factor(t, self.cells)
        longest = float(self.factor.solve(np.ones(self.cells.size), "T").max())
        if not 0.0 < longest < 1e8 and not self._reduce(REDUCTION):
            _refuse(longest)

    def _reduce(self, most: float) -> bool:
        band = bands(self.t, self.cells, most)
        if band is None:
            return False
        out = np.empty(self.cells.size)
        reduction.reduce(*band, _leaving(self.t, self.cells), out)
        self.band = (*band, out)
        return True

    def solve(self, source: np.ndarray) -> np.ndarray:
        """u (n,) for a source (n,)."""
        result = np.zeros(self.size)
        result[self.endless] = np.inf
        if self.cells.size == 0:
            return result
        rhs = source[self.cells]
        if self.band is not None:
            values = np.empty(rhs.size)
            reduction.expected(*self.band, rhs, values)
            result[self.cells] = values
            return result
        if self.factor is None:
            found = _iterate(self.t, self.cells, rhs)
            if found is not None:
                result[self.cells] = found
                return result
            self.factor = _factor(self.t, self.cells)
        result[self.cells] = self.factor.solve(rhs, "T")
        if not np.isfinite(result[self.cells]).all() or result[self.cells].max() * source.max() > 1e26:
            _refuse(float(result[self.cells].max()))
        return result


def _refuse(longest: float) -> None:
    raise ConvergenceError(
        f"the passage takes {longest:.1e} applications: beyond double precision on so many cells; take fewer of them"
    )


def _iterate(t: sp.csc_array, cells: np.ndarray, source: np.ndarray) -> np.ndarray | None:
    """The same by Krylov iteration, where factors would fill up; None where it does not converge."""
    inner = t[:, cells][cells].T.tocsr()
    operator = LinearOperator(inner.shape, matvec=lambda x: x - inner @ x, dtype=float)
    values, failed = gmres(operator, source, x0=source, rtol=1e-11, restart=80, maxiter=25)
    return None if failed or (values < 0.0).any() else values


def bands(t: sp.csc_array, cells: np.ndarray, most: float) -> tuple[np.ndarray, int] | None:
    """The chain on some cells, in their order, by bands from row to column; how many lie below. None if reduction is dear."""
    inner = t[:, cells][cells].tocoo()
    ahead = inner.row - inner.col
    low, up = int(max(-ahead.min(initial=0), 0)), int(max(ahead.max(initial=0), 0))
    if (low + 1.0) * (up + 1.0) * cells.size > most or (low + up + 1.0) * cells.size > MOST_NUMBERS:
        return None
    band = np.zeros((cells.size, low + up + 1))
    band[inner.col, ahead + low] = inner.data
    return band, low


def _leaving(t: sp.csc_array, cells: np.ndarray) -> np.ndarray:
    """Probability of leaving a set of cells in one application: to other cells, or for good through a wall."""
    columns = t[:, cells].tocsr()
    lost = np.maximum(1.0 - columns.sum(axis=0), 0.0)
    lost[lost < ROUNDING] = 0.0
    others = np.ones(t.shape[0], dtype=bool)
    others[cells] = False
    return columns[others].sum(axis=0) + lost


def _factor(t: sp.csc_array, cells: np.ndarray) -> splu:
    """Factors of 1 - T on some cells, with the diagonal summed from the flow out of each cell."""
    columns = t[:, cells].tocsc()
    lost = np.maximum(1.0 - columns.sum(axis=0), 0.0)
    lost[lost < ROUNDING] = 0.0
    own = sp.coo_array((np.ones(cells.size), (cells, np.arange(cells.size))), shape=columns.shape).tocsc()
    off = columns - columns.multiply(own)
    inner = off[cells].tocsc()
    return splu((sp.diags_array(off.sum(axis=0) + lost) - inner).tocsc(), diag_pivot_thresh=0.0)


def stationary_masses(t: sp.csc_array, cells: np.ndarray) -> np.ndarray:
    """Stationary masses (n,) on one closed set, summing to one."""
    masses = np.zeros(t.shape[0])
    if cells.size == 1:
        masses[cells] = 1.0
        return masses
    band = bands(t, cells, REDUCTION if t.shape[0] <= FACTOR else CHEAP)
    if band is not None:
        values = np.empty(cells.size)
        reduction.reduce(*band, np.zeros(cells.size), values)
        reduction.stationary(*band, values)
        masses[cells] = values
        return masses / masses.sum()
    inner = t[cells][:, cells].tocsr()
    if cells.size > FACTOR:
        _, vectors = eigs(inner, k=1, which="LM", v0=np.ones(cells.size), ncv=40, tol=1e-13)
        values = vectors[:, 0].real / vectors[:, 0].real.sum()
        if np.abs(inner @ values - values).max() < 1e-12 * values.max() and values.min() > -1e-10 * values.max():
            masses[cells] = np.maximum(values, 0.0)
            return masses / masses.sum()
    guess = np.full(cells.size, 1.0 / cells.size)
    for _ in range(200):
        guess = inner @ guess
    fixed = int(np.argmax(guess))
    others = np.delete(np.arange(cells.size), fixed)
    values = np.ones(cells.size)
    push_out = np.asarray(inner[others][:, [fixed]].todense()).ravel()
    values[others] = _factor(t, cells[others]).solve(push_out)
    masses[cells] = np.maximum(values, 0.0)
    return masses / masses.sum()
