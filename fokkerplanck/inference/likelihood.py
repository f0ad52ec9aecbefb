"""The likelihood of transitions under an equation, its gradient and its expected information.

ln L(theta) = sum over transitions of ln p(x_end, tau | x_start),      I_ab = sum over starts of int dp_a dp_b / p dx
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..solvers.discretization.generator import Generator
from ..solvers.discretization.scharfetter_gummel import generator
from ..solvers.kernels.interpolation import read_pairs, spread_pairs
from .cells import Reader, resized
from .paths import Transitions
from .transition_matrix import fourth_order, transition_matrix

Weights = tuple[np.ndarray, np.ndarray]  # cells (m, k) and weights (m, k)
SEEN = 1e-13  # probabilities below are rounding, and carry no information
RARE = 1e-2  # probability of a cell below which an interpolation may undershoot
FLOOR = 1e-30  # share of a flat density mixed in: it keeps logarithms finite far from the maximum


class Evaluation(NamedTuple):
    """ln L, its gradient (m,) and the expected information (m, m)."""

    value: float
    gradient: np.ndarray
    information: np.ndarray


class GridLikelihood:
    """Likelihood of transitions by transition densities on a grid.

    Parameters
    ----------
    model : callable
        From parameters (m,) to a FokkerPlanck equation.
    data : Transitions
    grid : Grid
    """

    def __init__(self, model: Callable[[np.ndarray], FokkerPlanck], data: Transitions, grid: Grid):
        self.model, self.data, self.grid = model, data, grid
        reader = Reader(grid)
        self.absorbed = _absorbed(grid, data.ends)
        stayed = ~self.absorbed
        ends = np.where(stayed[:, None], data.ends, data.starts)
        self.starts, self.ends = reader.weights(data.starts), reader.weights(ends)
        self.coarse_starts, self.coarse_ends = (
            reader.weights(data.starts, linear=True),
            reader.weights(ends, linear=True),
        )
        self.density = np.where(stayed, reader.per_volume(data.ends), 1.0)
        self.counts = self._count_starts()
        self.read_starts = np.zeros(grid.size, dtype=bool)
        self.read_starts[self.starts[0]] = self.read_starts[self.coarse_starts[0]] = True
        self.flat = FLOOR / float(np.sum(grid.volumes))

    def _count_starts(self) -> np.ndarray:
        """How many transitions start in each cell, (n,), shared by the weights (negative ones cut)."""
        cells, weights = self.starts
        counts = np.bincount(cells.ravel(), weights=np.maximum(weights, 0.0).ravel(), minlength=self.grid.size)
        return counts * (len(cells) / counts.sum())

    def generator(self, theta: np.ndarray) -> Generator:
        """Q at parameters theta."""
        return fourth_order(generator(self.model(theta), self.grid, fixed=True))

    def resized(self, factor: float) -> GridLikelihood:
        """The same on `factor` times as many cells along each axis."""
        return GridLikelihood(self.model, self.data, resized(self.grid, factor))

    def value(self, theta: np.ndarray) -> float:
        """ln L alone."""
        p, _ = transition_matrix(self.generator(theta), [], self.data.tau, self.read_starts)
        return float(np.log(self._read(p)[0]).sum())

    def evaluate(self, theta: np.ndarray) -> Evaluation:
        """ln L, its gradient and its expected information."""
        p, slopes = self._matrices(theta)
        read, coarse = self._read(p)
        pull = np.zeros_like(p)
        weight = self.density / read
        smooth = ~coarse & ~self.absorbed
        _spread(weight, self.ends, self.starts, smooth, pull)
        _spread(weight, self.coarse_ends, self.coarse_starts, coarse, pull)
        if self.absorbed.any():
            cells, weights, own = _of(self.absorbed, *self.starts, read)
            pull -= np.bincount(cells.ravel(), (weights / own[:, None]).ravel(), minlength=len(p))
        gradient = np.einsum("aij,ij->a", slopes, pull)
        return Evaluation(float(np.log(read).sum()), gradient, self._information(p, slopes))

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """d ln p / d theta of each transition, (n_transitions, m)."""
        p, slopes = self._matrices(theta)
        read, coarse = self._read(p)
        return np.stack([self._linear(slope, coarse) / read for slope in slopes], axis=1)

    def _matrices(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        q = self.generator(theta)
        slopes = [self._slope(theta, a) for a in range(theta.size)]
        return transition_matrix(q, slopes, self.data.tau, self.read_starts)

    def _slope(self, theta: np.ndarray, a: int) -> np.ndarray:
        """dQ / d theta_a by central differences; Q is smooth and exact to rounding."""
        return slope_along(
            lambda at: (self.generator(at).matrix.toarray(),), theta, parameter_step(self.model, theta, a)
        )[0]

    def _linear(self, matrix: np.ndarray, coarse: np.ndarray) -> np.ndarray:
        """What each transition reads off a matrix (n, n): its density; where absorbed, minus the mass that is left."""
        out = _read_off(matrix, self.ends, self.starts)
        if coarse.any():
            out[coarse] = _read_off(matrix, self.coarse_ends, self.coarse_starts, coarse)
        out *= self.density
        if self.absorbed.any():
            cells, weights = _of(self.absorbed, *self.starts)
            out[self.absorbed] = -(matrix.sum(axis=0)[cells] * weights).sum(axis=1)
        return out

    def _read(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """p(end | start), (n_transitions,), with a trace of a flat density; where absorbed, that probability.

        Cubics undershoot where p falls by orders from cell to cell. There, where they are below a third of the positive
        linear interpolation, the latter is read; the second array says where, (n_transitions,) of bool.
        """
        cubic = _read_off(p, self.ends, self.starts)
        coarse = (cubic < RARE) & ~self.absorbed
        if coarse.any():
            coarse[coarse] = cubic[coarse] < _read_off(p, self.coarse_ends, self.coarse_starts, coarse) / 3.0
        return np.maximum(self._linear(p, coarse) + self.absorbed, 0.0) + self.flat, coarse

    def information_of_starts(self, theta: np.ndarray) -> np.ndarray:
        """Expected information of each transition given its start, (n_transitions, m, m)."""
        per_cell = self._information_of_cells(*self._matrices(theta))
        cells, weights = self.starts
        return np.einsum("tk,tkab->tab", weights, per_cell[cells])

    def _information(self, p: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        used = np.flatnonzero(self.counts > 0.0)
        columns, changes = p[:, used], slopes[:, :, used]
        weight = np.where(columns > SEEN, self.counts[used] / np.maximum(columns, SEEN), 0.0)
        scaled = (changes * np.sqrt(weight)).reshape(len(slopes), -1)
        information = scaled @ scaled.T
        if self.grid.absorbs:
            left = changes.sum(axis=1)
            gone = np.maximum(1.0 - columns.sum(axis=0), SEEN)
            information += (left * (self.counts[used] / gone)) @ left.T
        return information

    def _information_of_cells(self, p: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """sum_j dp_j dp_j / p_j for each start cell, (n, m, m)."""
        weight = np.where(p > SEEN, 1.0 / np.maximum(p, SEEN), 0.0)
        scaled = slopes * np.sqrt(weight)
        information = np.einsum("aji,bji->iab", scaled, scaled, optimize=True)
        if self.grid.absorbs:
            left = slopes.sum(axis=1)
            gone = np.maximum(1.0 - p.sum(axis=0), SEEN)
            information += np.einsum("ai,bi->iab", left / gone, left)
        return information


def _read_off(
    matrix: np.ndarray, ends: Weights, starts: Weights, which: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """The matrix (n, n) interpolated at some transitions."""
    rows, row_weights, columns, column_weights = (a[which] for a in (*ends, *starts))
    out = np.empty(len(rows))
    read_pairs(np.ascontiguousarray(matrix), rows, row_weights, columns, column_weights, out)
    return out


def _spread(values: np.ndarray, ends: Weights, starts: Weights, which: np.ndarray, matrix: np.ndarray) -> None:
    """The transpose of `_read_off`, added to the matrix."""
    chosen, rows, row_weights, columns, column_weights = (a[which] for a in (values, *ends, *starts))
    spread_pairs(chosen, rows, row_weights, columns, column_weights, matrix)


def _of(which: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(array[which] for array in arrays)


def _absorbed(grid: Grid, ends: np.ndarray) -> np.ndarray:
    """Which ends lie on an absorbing wall or beyond it, (m,)."""
    out = np.zeros(len(ends), dtype=bool)
    for axis, walls in enumerate(grid.boundary):
        edges = grid.edges[axis]
        if walls[0] == "absorbing":
            out |= ends[:, axis] <= edges[0]
        if walls[1] == "absorbing":
            out |= ends[:, axis] >= edges[-1]
    return out


class EquationModel:
    """A user's function of named parameters as one of an array.

    sizes (m,): what a parameter is small beside, for steps of derivatives; 1 until a start is known.
    """

    def __init__(self, function: Callable[..., FokkerPlanck], names: tuple[str, ...]):
        self.function, self.names = function, names
        self.sizes = np.ones(len(names))

    def __call__(self, theta: np.ndarray) -> Any:
        """The equation."""
        return self.function(**dict(zip(self.names, theta.tolist(), strict=True)))

    def starts_at(self, theta: np.ndarray) -> None:
        """Take the sizes from where a fit starts, whatever the units."""
        self.sizes = np.where(theta != 0.0, np.abs(theta), 1.0)


def parameter_step(model: Any, theta: np.ndarray, a: int) -> np.ndarray:
    """A small step of one parameter, (m,)."""
    step, sizes = np.zeros_like(theta), getattr(model, "sizes", None)
    step[a] = 1e-5 * max(abs(theta[a]), 1e-2 * (1.0 if sizes is None else sizes[a]))
    return step


def slope_along(
    f: Callable[[np.ndarray], Sequence[np.ndarray]], theta: np.ndarray, step: np.ndarray
) -> list[np.ndarray]:
    """Derivatives of the arrays of f along a step (m,), by central differences; on one side where the other is refused.

    A maximum may lie at the edge of what an equation allows, such as a part of D that is 0.
    """
    try:
        ends, length = (f(theta + step), f(theta - step)), 2.0
    except ValueError:
        ends, length = _one_sided(f, theta, step), 1.0
    size = length * float(step.sum())
    return [(up - down) / size for up, down in zip(*ends, strict=True)]


def _one_sided(
    f: Callable[[np.ndarray], Sequence[np.ndarray]], theta: np.ndarray, step: np.ndarray
) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    here = f(theta)
    try:
        return f(theta + step), here
    except ValueError:
        return here, f(theta - step)
