"""The cells on which transition densities are computed, chosen by the steps that the data make."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from ..arguments import number, whole
from ..errors import bad_type, bad_value
from ..model.grid import Grid
from ..solvers.kernels.interpolation import cubic_weights, linear_weights
from .paths import Transitions, along_axis

STEP_CELLS = 8.0  # cells in one standard deviation of a step
MOST_CELLS = 420  # along one axis in 1D; its matrices are dense
MOST_GIVEN = 10_000  # that may be asked for
MOST_PLANE = 32  # cells along each axis in 2D
MARGIN, MARGIN_PLANE = 4.5, 2.5  # standard deviations of a step between the data and the end of the box, in 1D and 2D
UNEVEN = 2.0  # ratio of step lengths from which the cells follow them


def step_lengths(x: np.ndarray, step: np.ndarray, most: int = 16, where: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Places (k,) and the standard deviation of the step from there (k,), along one coordinate.

    In bins of equally many starts, after a straight line within each bin has been taken off. `where` names the coordinate,
    if there are several, in the sentence in which steps without a random part are refused.
    """
    order = np.argsort(x, kind="stable")
    bins = np.array_split(order, max(1, min(most, x.size // 50)))
    places, lengths = [], []
    for rows in bins:
        u = x[rows] - x[rows].mean()
        spread = float((u * u).sum())
        rest = step[rows] - step[rows].mean()
        if spread > 0.0:
            rest = rest - u * float((u * rest).sum()) / spread
        places.append(float(np.median(x[rows])))
        lengths.append(float(np.sqrt((rest * rest).mean())))
    scale = max(lengths)
    if scale == 0.0:
        then = "Leave it out." if where else "Nothing is left to fit."
        raise bad_value("data", "moving at random", f"steps{where} that follow from the place alone", then)
    return np.array(places), np.maximum(lengths, 1e-3 * scale)


def choose_grid(
    data: Transitions,
    walls: Any = None,
    cells: Any = None,
    fineness: float = 1.0,
    margin: float | None = None,
    around: np.ndarray | None = None,
    equal: bool = False,
) -> Grid:
    """A grid that resolves the steps of the data, with room around them.

    Parameters
    ----------
    data : Transitions
    walls : None, (low, high) or list of such pairs, an end being a number or None
        Reflecting walls; None leaves room for `margin` standard deviations of a step.
    cells : None, int, list of int, or Grid
        A Grid is taken as it is.
    fineness : float
        Factor on the number of cells.
    margin : float, optional
        Default: MARGIN, in 2D MARGIN_PLANE.
    around : ndarray (n, dim), optional
        All places that the grid has to hold. Default: those of the data.
    equal : bool
        Whether the cells have to be of one width, as jumps ask for.
    """
    if isinstance(cells, Grid):
        return cells if fineness == 1.0 else resized(cells, fineness)
    dim = data.starts.shape[1]
    ends = _walls(walls, dim)
    bounds, wished, uneven = [], [], []
    room = margin if margin is not None else MARGIN if dim == 1 else MARGIN_PLANE
    for axis in range(dim):
        x, y = data.starts[:, axis], data.ends[:, axis]
        places, lengths = step_lengths(x, y - x, where=along_axis(data.names, axis, dim))
        held = np.concatenate([x, y]) if around is None else around[:, axis]
        low, high = held.min(), held.max()
        a, b = ends[axis]
        if (a is not None and a > low) or (b is not None and b < high):
            raise bad_value("walls", f"around all the data, [{low:.6g}, {high:.6g}]", f"({a}, {b})")
        bounds.append((low - room * lengths[0] if a is None else a, high + room * lengths[-1] if b is None else b))
        wished.append((places, lengths / STEP_CELLS))
        uneven.append(lengths.max() > UNEVEN * lengths.min())
    if dim == 1 and uneven[0] and cells is None and not equal:
        return _graded(bounds[0], *wished[0], fineness)
    counts = _counts(cells, bounds, [float(w.min()) for _, w in wished], fineness)
    grid = Grid(bounds if dim > 1 else bounds[0], counts if dim > 1 else counts[0])
    return grid if data.names is None else grid.named(data.names)


def resized(grid: Grid, factor: float) -> Grid:
    """The same box with `factor` times as many cells along each axis, graded alike."""
    edges = []
    for e in grid.edges:
        n = max(6, round((e.size - 1) * factor))
        index = np.linspace(0.0, e.size - 1.0, n + 1)
        finer = PchipInterpolator(np.arange(e.size), e)(index)
        finer[0], finer[-1] = e[0], e[-1]
        edges.append(finer)
    return Grid.from_edges(edges, list(grid.boundary) if grid.dim > 1 else _axis_walls(grid.boundary[0]))


def _axis_walls(walls: tuple[str, str]) -> Any:
    return walls[0] if walls[0] == walls[1] else list(walls)


def _walls(walls: Any, dim: int) -> list[tuple[float | None, float | None]]:
    if walls is None:
        return [(None, None)] * dim
    rule = "None, or a pair (low, high) an axis, None where there is no wall"
    if not isinstance(walls, (list, tuple)):
        raise bad_type("walls", rule, walls, "For walls that absorb pass cells=fp.Grid(..., boundary=...).")
    pairs = [walls] if dim == 1 and len(walls) == 2 and not isinstance(walls[0], (list, tuple)) else list(walls)
    if len(pairs) != dim or any(not isinstance(p, (list, tuple)) or len(p) != 2 for p in pairs):
        raise bad_value("walls", rule, walls)
    return [(None if a is None else number("walls", a), None if b is None else number("walls", b)) for a, b in pairs]


def _counts(cells: Any, bounds: list[tuple[float, float]], widths: list[float], fineness: float) -> list[int]:
    dim = len(bounds)
    most = MOST_CELLS if dim == 1 else MOST_PLANE
    if cells is not None:
        given = list(cells) if isinstance(cells, (list, tuple)) else [cells] * dim
        if len(given) != dim:
            raise bad_value("cells", f"one number or {dim} numbers, as there are {dim} axes", cells)
        return [max(6, round(whole("cells", n, 6, MOST_GIVEN, "Or pass a Grid.") * fineness)) for n in given]
    wished = [(high - low) / w for (low, high), w in zip(bounds, widths, strict=True)]
    return [max(12, round(min(n, most) * fineness)) for n in wished]


def _graded(bounds: tuple[float, float], places: np.ndarray, widths: np.ndarray, fineness: float) -> Grid:
    """Cells whose widths follow the steps, smoothly."""
    logs = np.log(widths)
    span = np.ptp(places)
    line = np.linspace(bounds[0], bounds[1], 2001)
    width = np.interp(line, places, logs)
    reach = max(1, int(0.5 * 2000 * span / places.size / (bounds[1] - bounds[0])))  # half a bin: no kinks
    kernel = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(width, reach, mode="edge")
    width = np.exp(np.convolve(padded, kernel / kernel.sum(), mode="valid"))
    count = float(np.sum(0.5 * (1.0 / width[1:] + 1.0 / width[:-1])) * (line[1] - line[0]))
    stretch = max(1.0, count / MOST_CELLS) / fineness
    return Grid.graded(bounds, lambda x: stretch * np.interp(x, line, width))


class Reader:
    """Interpolation between the cells of a grid: which cells a point reads, with which weights.

    Cell masses are interpolated by cubics in the (fractional) index of the cell, a smooth function of the place, and
    divided by the width of a cell there, so that uniform and graded grids are read alike.
    """

    def __init__(self, grid: Grid):
        self.grid = grid
        self.number = [_index_of_place(grid, axis) for axis in range(grid.dim)]

    def weights(self, points: np.ndarray, linear: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Raveled cells (m, k) that points (m, dim) read, and the weights (m, k): k = 4^dim, or 2^dim where linear."""
        m, reach = len(points), 2 if linear else 4
        fill = linear_weights if linear else cubic_weights
        cells, weights = np.zeros((m, 1), dtype=np.int64), np.ones((m, 1))
        for axis, n in enumerate(self.grid.shape):
            index, w = np.empty((m, reach), dtype=np.int64), np.empty((m, reach))
            position = self.number[axis](points[:, axis])
            if self.grid.periodic(axis):
                fill(position + 2.0, n + 4, index, w)
                index = (index - 2) % n
            else:
                fill(position, n, index, w)
            cells = (cells[:, :, None] * n + index[:, None, :]).reshape(m, -1)
            weights = (weights[:, :, None] * w[:, None, :]).reshape(m, -1)
        return cells, weights

    def per_volume(self, points: np.ndarray) -> np.ndarray:
        """What a mass a cell is divided by to be a density, (m,): the inverse width of a cell at points (m, dim)."""
        slopes = [self.number[axis](points[:, axis], 1) for axis in range(self.grid.dim)]
        return np.prod(slopes, axis=0)


def _index_of_place(grid: Grid, axis: int) -> CubicSpline:
    edges = grid.edges[axis]
    return CubicSpline(edges, np.arange(edges.size) - 0.5)
