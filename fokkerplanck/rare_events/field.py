"""The quasipotential of an attractor at all points of a grid, in two dimensions.

    V(x) = min over v of V(x - v) + F(x - v / 2, v),     x - v on the square of the eight neighbours,

solved by sweeps over the grid, as in the ordered upwind and line integral methods (Sethian and Vladimirsky 2003; Dahiya and
Cameron 2018), here with cubic interpolation, so that the error is of second order. About the attractor V is the quadratic form
of the linear process, V = (x - a)^T C^-1 (x - a) / 2, A C + C A^T + 2 D = 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import interpn
from scipy.linalg import solve_continuous_lyapunov
from scipy.ndimage import maximum_filter

from ..errors import ConvergenceError, bad_value
from ..model.grid import Grid
from ..progress import Pace
from ..solvers.accuracy.coarsening import at_centers, coarsened
from ..solvers.kernels.least_action_sweep import sweep
from .action import STENCIL, Hamiltonian
from .minimum_action_path import check_directions, least_action
from .one_dimension import line_action
from .result import LeastAction, PathCost, Quasipotential

DIRECTIONS = 6  # from one neighbour to the next
KNOWN = 2  # cells about the attractor in which V is the quadratic form
FEWEST, MOST_CELLS = 16, 400_000  # along an axis; in all
UNEVEN = 1e-9  # of a width
SWEEPS, STILL = 400, 1e-9  # of V at the edge of what is known
LONGEST = 20  # of a way back, in cells along the longer axis
NEWTON = 8  # steps to the attractor
NEAR, FAR = 0.5, 100.0  # how far from it `a` may be given, and is looked for, in cells
STANDING = 2.0  # cells about an equilibrium in which V is interpolated along straight lines
DIFFERENCE = 0.02  # of a cell, for slopes of the drift


def quasipotential_field(
    hamiltonian: Hamiltonian,
    a: np.ndarray,
    grid: Grid,
    result: Callable[[np.ndarray, PathCost], LeastAction],
    *,
    factor: float = 1.0,
    noise: str = "",
) -> Quasipotential:
    """V(a, x) at the cells of a grid, with the error by cells twice as wide.

    Parameters
    ----------
    hamiltonian : Hamiltonian
    a : ndarray (d,)
    grid : Grid
        In one dimension any; in two of even cells.
    result : callable
        From a point and the cost of the path to it to the answer for that path.
    factor, noise
        Of all actions, and of `Quasipotential`.
    """
    if grid.dim == 1:

        def along(b: np.ndarray, points: int) -> PathCost:
            return line_action(hamiltonian, float(a[0]), float(b[0]))

        found: list[PathCost] = []
        pace = Pace(__name__, "quasipotential")
        for x in grid.centers[0][:, None]:
            pace(len(found) / grid.size)
            found.append(along(x, 0))
        values = np.array([np.inf if one.stuck is not None else float(one.cost[-1]) for one in found])
        error = np.array([one.error for one in found])
    else:
        _check_grid(grid)
        a = attractor(hamiltonian, a, grid)
        check_directions(hamiltonian, np.stack([c.ravel() for c in np.meshgrid(*grid.centers)], axis=-1))
        values = action_field(hamiltonian, a, grid)
        error = _error(hamiltonian, a, grid, values)

        def along(b: np.ndarray, points: int) -> PathCost:
            return least_action(hamiltonian, a, b, points, _way(hamiltonian, values, grid, a, b))

    def least(b: np.ndarray, points: int) -> LeastAction:
        return result(b, along(b, points))

    return Quasipotential(tuple(a.tolist()), grid, factor * values, factor * error, noise, least)


def _error(hamiltonian: Hamiltonian, a: np.ndarray, grid: Grid, values: np.ndarray) -> np.ndarray:
    """By how much the values (*grid.shape) change on cells twice as wide, or a cell beside: it changes sign somewhere."""
    half = coarsened(grid)
    try:
        with np.errstate(invalid="ignore"):
            change = np.abs(at_centers(values, grid, half, 2) - action_field(hamiltonian, a, half))
    except ConvergenceError:
        return np.full(grid.shape, np.nan)
    known = np.isfinite(change)
    largest = np.where(known, maximum_filter(np.where(known, change, 0.0), 3), np.nan)
    return np.abs(at_centers(largest, half, grid, 2))


def _check_grid(grid: Grid) -> None:
    rule = f"a Grid of one or two axes of {FEWEST} and more even cells, {MOST_CELLS} in all, for a quasipotential"
    even = all((np.abs(w / w[0] - 1.0) < UNEVEN).all() for w in grid.widths)
    if grid.dim != 2 or not even or min(grid.shape) < FEWEST or grid.size > MOST_CELLS:
        raise bad_value("b", rule, grid)


def _way(hamiltonian: Hamiltonian, values: np.ndarray, grid: Grid, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From a to b (n, 2), against the steps by which the values came about."""
    sides, shares = directions()
    widths = np.array([w[0] for w in grid.widths])
    steps = ((sides[:, :2] + shares[:, None] * sides[:, 2:]) * widths).T
    low, high = (np.array([c[k] for c in grid.centers]) for k in (0, -1))
    way = [b]
    for _ in range(LONGEST * max(grid.shape)):
        if (np.abs(way[-1] - a) <= KNOWN * widths).all():
            break
        behind = way[-1][:, None] - steps
        inside = ((behind >= low[:, None]) & (behind <= high[:, None])).all(axis=0)
        there = np.full(len(shares), np.inf)
        there[inside] = interpn(grid.centers, values, behind[:, inside].T)
        total = there + hamiltonian.cost(0.5 * (behind + way[-1][:, None]), steps).value
        possible = np.isfinite(total)  # between a value and an infinite one there is no number
        if not possible.any():
            break
        way.append(behind[:, np.argmin(np.where(possible, total, np.inf))])
    return np.array([*way, a])[::-1]


def directions() -> tuple[np.ndarray, np.ndarray]:
    """Places on the square of the eight neighbours: sides (k, 4), a corner and the step to the next, and shares (k,)."""
    ring = [(1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1)]
    sides, shares = [], []
    for one, other in zip(ring, ring[1:] + ring[:1], strict=True):
        for part in range(DIRECTIONS):
            sides.append((*one, other[0] - one[0], other[1] - one[1]))
            shares.append(part / DIRECTIONS)
    return np.array(sides), np.array(shares)


def action_field(hamiltonian: Hamiltonian, a: np.ndarray, grid: Grid) -> np.ndarray:
    """V (*grid.shape) of the attractor a (2,), infinite where nothing leads.

    Raises
    ------
    ConvergenceError
        Where the sweeps do not come to rest.
    """
    widths = np.array([w[0] for w in grid.widths])
    places = np.stack([c.ravel() for c in np.meshgrid(*grid.centers, indexing="ij")])
    off = places - a[:, None]
    for axis in range(2):
        if grid.periodic(axis):
            period = float(np.ptp(grid.edges[axis]))
            off[axis] -= period * np.round(off[axis] / period)
    start = _quadratic(hamiltonian, a, off, widths).reshape(grid.shape)
    known = (np.abs(off) <= KNOWN * widths[:, None]).all(axis=0).reshape(grid.shape)
    sides, shares = directions()
    costs = _costs(hamiltonian, grid, places, widths, sides, shares)
    values = np.where(known, start, np.inf)
    wrap = np.array([grid.periodic(axis) for axis in range(2)])
    flat = _near_equilibria(hamiltonian.moments(places)[0].reshape(2, *grid.shape))
    still = STILL * float(start[known].max())
    pace = Pace(__name__, "quasipotential")
    for half, cubic in enumerate((np.zeros_like(known), ~flat)):
        for n in range(SWEEPS):
            pace(0.5 * (half + n / SWEEPS), f"{n} sweeps")
            change = max(sweep(values, costs, sides, shares, known, wrap, order, cubic) for order in range(4))
            if change <= still:
                break
        else:
            text = f"the quasipotential still changes by {change:.1e} after {SWEEPS} sweeps in all directions; take other cells"
            raise ConvergenceError(text)
    return values


def _near_equilibria(drift: np.ndarray) -> np.ndarray:
    """Cells within some two of a zero of the drift (2, n, m).

    About another attractor V is its value there plus a form: a cubic would reproduce that with any value, also ever lower ones.
    """
    changes = np.abs(np.gradient(drift, axis=(1, 2))).sum(axis=0)
    return np.asarray((np.abs(drift) <= STANDING * changes).all(axis=0))


def _costs(
    hamiltonian: Hamiltonian, grid: Grid, places: np.ndarray, widths: np.ndarray, sides: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """F of the steps along each direction into each cell, (*grid.shape, k)."""
    steps = (sides[:, :2] + shares[:, None] * sides[:, 2:]) * widths
    costs = np.empty((*grid.shape, len(steps)))
    for k, step in enumerate(steps):
        found = hamiltonian.cost(places - 0.5 * step[:, None], np.repeat(step[:, None], places.shape[1], axis=1))
        costs[..., k] = found.value.reshape(grid.shape)
    return costs


def attractor(hamiltonian: Hamiltonian, a: np.ndarray, grid: Grid) -> np.ndarray:
    """The zero of the drift within half a cell of a (2,), which is stable; else refused."""
    widths = np.array([w[0] for w in grid.widths])
    place = a.copy()
    for _ in range(NEWTON):
        drift, slope = _linear(hamiltonian, place, widths)
        if np.linalg.matrix_rank(slope) < 2:
            break
        place = place - np.linalg.solve(slope, drift)
        if (np.abs(place - a) > FAR * widths).any():
            break
    if (np.abs(place - a) > NEAR * widths).any():
        then = "" if (np.abs(place - a) > FAR * widths).any() else f"It does at {_shown(place)}."
        raise bad_value("a", "a point at which the drift vanishes, to half a cell", _shown(a), then)
    slope = _linear(hamiltonian, place, widths)[1]
    growth = float(np.linalg.eigvals(slope).real.max())
    if not growth < 0.0:
        then = f"Something grows there at the rate {growth:.3g}."
        raise bad_value("a", "a stable point of the drift", _shown(a), then)
    return place


def _shown(point: np.ndarray) -> str:
    return f"({', '.join(f'{c:.6g}' for c in point)})"


def _linear(hamiltonian: Hamiltonian, a: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The drift at a point (2,) and its derivatives there (2, 2)."""
    drift = hamiltonian.moments(a[:, None])[0][:, 0]
    slope = np.empty((2, 2))
    for axis, width in enumerate(DIFFERENCE * widths):
        offset = np.zeros((2, 1))
        offset[axis] = width
        slope[:, axis] = sum(
            weight * (hamiltonian.moments(a[:, None] + k * offset)[0] - hamiltonian.moments(a[:, None] - k * offset)[0])
            for k, weight in STENCIL
        )[:, 0]
        slope[:, axis] /= width
    return drift, slope


def _quadratic(hamiltonian: Hamiltonian, a: np.ndarray, off: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """V at distances (2, n) from a, by the covariance C of the linear process."""
    slope = _linear(hamiltonian, a, widths)[1]
    noise = hamiltonian.moments(a[:, None])[1][..., 0]
    covariance = solve_continuous_lyapunov(slope, -2.0 * noise)
    return 0.5 * np.einsum("in,ij,jn->n", off, np.linalg.inv(covariance), off)
