"""The quasipotential of an attractor at all points of a grid, in two dimensions.

    V(x) = min over v of V(x - v) + F(x - v / 2, v),     x - v on the square of the eight neighbours,

solved by sweeps over the grid, as in the ordered upwind and line integral methods (Sethian and Vladimirsky 2003; Dahiya and
Cameron 2018), here with cubic interpolation, so that the error is of second order. Next to the attractor V is known (see
`fokkerplanck.rare_events.attractors`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import RectBivariateSpline, interpn
from scipy.ndimage import maximum_filter

from ..errors import ConvergenceError, bad_value
from ..model.grid import Grid
from ..progress import Pace
from ..solvers.accuracy.coarsening import at_centers, coarsened
from ..solvers.kernels.least_action_sweep import sweep
from .action import Hamiltonian
from .attractors import Attractor, CycleAttractor, rest_point
from .limit_cycle import LimitCycle
from .minimum_action_path import check_directions
from .one_dimension import line_action
from .result import LeastAction, PathCost, Quasipotential

CELLS, ROOM = (60, 120, 240), 0.25  # along an axis, to find a way from a cycle; of the way, around both ends
DIRECTIONS = 6  # from one neighbour to the next
FEWEST, MOST_CELLS = 16, 400_000  # along an axis; in all
UNEVEN = 1e-9  # of a width
SWEEPS, ROUNDS = 400, 40  # in all; after so many, what still changes is interpolated along straight lines
STILL, ROUGH = 1e-9, 1e-5  # of the largest V: what still changes when sweeps end, and where ways are looked for
STEP = 0.5  # cells, of a smooth way back
LONGEST = 20  # of a way back, in cells along the longer axis
STANDING = 2.0  # cells about an equilibrium in which V is interpolated along straight lines


def quasipotential_field(
    hamiltonian: Hamiltonian,
    a: np.ndarray,
    grid: Grid,
    result: Callable[[np.ndarray, PathCost], LeastAction],
    *,
    cycle: LimitCycle | None = None,
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
    cycle : LimitCycle, optional
        The attractor, in place of a stable point at a.
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
        check_directions(hamiltonian, np.stack([c.ravel() for c in np.meshgrid(*grid.centers)], axis=-1))
        origin: Attractor
        if cycle is None:
            origin = rest_point(hamiltonian, a, grid)
            a = origin.place
        else:
            origin = CycleAttractor(hamiltonian, cycle)
            origin.check(grid)
        values = action_field(hamiltonian, origin, grid)
        error = _error(hamiltonian, origin, grid, values)

        def along(b: np.ndarray, points: int) -> PathCost:
            return path_on_grid(hamiltonian, origin, grid, values, b, points)

    def least(b: np.ndarray, points: int) -> LeastAction:
        return result(b, along(b, points))

    return Quasipotential(tuple(a.tolist()), grid, factor * values, factor * error, noise, least, cycle)


def action_from_cycle(hamiltonian: Hamiltonian, cycle: LimitCycle, b: np.ndarray, points: int) -> PathCost:
    """The least action from a limit cycle to b (2,): the way to it is found on a grid around both."""
    ends = np.vstack([cycle.points, b])
    low, high = ends.min(axis=0), ends.max(axis=0)
    room = ROOM * (high - low)
    origin = CycleAttractor(hamiltonian, cycle)
    for cells in CELLS:
        grid = Grid([(float(u), float(v)) for u, v in zip(low - room, high + room, strict=True)], (cells, cells))
        if origin.resolved(grid):
            values = action_field(hamiltonian, origin, grid, rough=True)
            return path_on_grid(hamiltonian, origin, grid, values, b, points)
    rule = f"such that {CELLS[-1]} x {CELLS[-1]} cells around it and the limit cycle from `a` resolve that cycle"
    raise bad_value("b", rule, b.tolist(), "Give a Grid of smaller cells around the cycle in place of it.")


def _error(hamiltonian: Hamiltonian, origin: Attractor, grid: Grid, values: np.ndarray) -> np.ndarray:
    """By how much the values (*grid.shape) change on cells twice as wide, or a cell beside: it changes sign somewhere."""
    half = coarsened(grid)
    try:
        with np.errstate(invalid="ignore"):
            change = np.abs(at_centers(values, grid, half, 2) - action_field(hamiltonian, origin, half))
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


def path_on_grid(
    hamiltonian: Hamiltonian, origin: Attractor, grid: Grid, values: np.ndarray, b: np.ndarray, points: int
) -> PathCost:
    """The least action to b (2,), from the way on a grid that led to its values."""
    near, known = origin.near(b[:, None], grid)
    value = near[0] if known[0] else grid.interpolate(values, b.tolist())
    ways = [way_back(hamiltonian, values, grid, origin, b)]
    if isinstance(origin, CycleAttractor):
        smooth = smooth_way_back(hamiltonian, values, grid, origin, b)
        ways += [] if smooth is None else [smooth]
    return origin.path(b, points, ways, float(value))


def smooth_way_back(
    hamiltonian: Hamiltonian, values: np.ndarray, grid: Grid, origin: Attractor, b: np.ndarray
) -> np.ndarray | None:
    """From the attractor to b (n, 2), against mu + 2 D grad V; None where that does not lead back.

    Where the drift turns much faster than a path climbs, steps of a grid miss its turns.
    """
    if not np.isfinite(values).all() or any(grid.periodic(axis) for axis in range(2)):
        return None
    surface = RectBivariateSpline(*grid.centers, values)
    low, high = (np.array([c[k] for c in grid.centers]) for k in (0, -1))
    widths = np.array([w[0] for w in grid.widths])

    def back(x: np.ndarray) -> np.ndarray:
        drift, d = hamiltonian.moments(x[:, None])
        p = np.array([float(surface.ev(*x, dx=1)), float(surface.ev(*x, dy=1))])
        flow = drift[:, 0] + 2.0 * d[..., 0] @ p
        return np.asarray(-STEP * flow / max(float(np.linalg.norm(flow / widths)), 1e-300))

    way = [b]
    for _ in range(LONGEST * max(grid.shape)):
        x = way[-1]
        if origin.near(x[:, None], grid)[1][0]:
            return np.array(way)[::-1]
        x = x + back(x + 0.5 * back(x))
        if (x < low).any() or (x > high).any():
            return None
        way.append(x)
    return None


def way_back(hamiltonian: Hamiltonian, values: np.ndarray, grid: Grid, origin: Attractor, b: np.ndarray) -> np.ndarray:
    """From the attractor to b (n, 2), against the steps by which the values came about."""
    sides, shares = directions()
    widths = np.array([w[0] for w in grid.widths])
    steps = ((sides[:, :2] + shares[:, None] * sides[:, 2:]) * widths).T
    low, high = (np.array([c[k] for c in grid.centers]) for k in (0, -1))
    way, value = [b], np.inf
    for _ in range(LONGEST * max(grid.shape)):
        if origin.near(way[-1][:, None], grid)[1][0]:
            break
        behind = way[-1][:, None] - steps
        inside = ((behind >= low[:, None]) & (behind <= high[:, None])).all(axis=0)
        there = np.full(len(shares), np.inf)
        there[inside] = interpn(grid.centers, values, behind[:, inside].T)
        total = there + hamiltonian.cost(0.5 * (behind + way[-1][:, None]), steps).value
        possible = np.isfinite(total) & (there < value)  # between a value and an infinite one there is no number
        if not possible.any():
            break
        best = np.argmin(np.where(possible, total, np.inf))
        value = there[best]
        way.append(behind[:, best])
    return np.array([*way, origin.begin(way[-1])])[::-1]


def directions() -> tuple[np.ndarray, np.ndarray]:
    """Places on the square of the eight neighbours: sides (k, 4), a corner and the step to the next, and shares (k,)."""
    ring = [(1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1)]
    sides, shares = [], []
    for one, other in zip(ring, ring[1:] + ring[:1], strict=True):
        for part in range(DIRECTIONS):
            sides.append((*one, other[0] - one[0], other[1] - one[1]))
            shares.append(part / DIRECTIONS)
    return np.array(sides), np.array(shares)


def action_field(hamiltonian: Hamiltonian, origin: Attractor, grid: Grid, *, rough: bool = False) -> np.ndarray:
    """V (*grid.shape) of an attractor, infinite where nothing leads; rough: to find ways.

    Raises
    ------
    ConvergenceError
        Where the sweeps do not come to rest.
    """
    widths = np.array([w[0] for w in grid.widths])
    places = np.stack([c.ravel() for c in np.meshgrid(*grid.centers, indexing="ij")])
    start, known = (field.reshape(grid.shape) for field in origin.near(places, grid))
    sides, shares = directions()
    costs = _costs(hamiltonian, grid, places, widths, sides, shares)
    values = np.where(known, start, np.inf)
    wrap = np.array([grid.periodic(axis) for axis in range(2)])
    flat = _near_equilibria(hamiltonian.moments(places)[0].reshape(2, *grid.shape))
    stages = np.zeros_like(known), ~flat
    pace = Pace(__name__, "quasipotential")
    for stage, cubic in enumerate(stages):
        for n in range(SWEEPS):
            pace((stage + n / SWEEPS) / len(stages), f"{n} sweeps")
            old, still = values.copy(), (ROUGH if rough else STILL) * _largest(values)
            change = max(sweep(values, costs, sides, shares, known, wrap, order, cubic) for order in range(4))
            if change <= still:
                break
            if n % ROUNDS == ROUNDS - 1:  # curves may lead values round for ever; straight lines do not
                with np.errstate(invalid="ignore"):
                    cubic &= ~(np.abs(values - old) > still)
        else:
            text = f"the quasipotential still changes by {change:.1e} after {SWEEPS} sweeps in all directions; take other cells"
            raise ConvergenceError(text)
    return values


def _largest(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].max())


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
