"""The path of least action between two points, in two and more dimensions.

The geometric action int F(phi, phi') ds does not depend on how a path is run through, so a path is moved across itself only
and its points are kept at set distances (as in the geometric minimum action method of Heymann and Vanden-Eijnden, 2008):
Newton's method for the displacements along the normals of a polygon, then new points on it, on polygons of more and more
sides. Newton's method with an exact gradient, rather than a descent, since F has little slope near equilibria. Sides are
shorter near both ends, which mostly are equilibria: a path may wind about them. From a limit cycle a path winds without end:
it is begun near a line about the cycle, where the action is known, and its first point moves too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..errors import bad_value
from .action import SINGULAR, Hamiltonian, InUnits, position_slope, units_of_noise
from .cycle_tube import Rim
from .result import PathCost

COARSE = 24  # sides of the first polygon
BEND = 0.3  # of the distance: how far the curved starts leave the straight one
ROUNDS, STEPS = 12, 12  # new points, and Newton steps between them
CONVERGED = 1e-9  # of the action
DIFFERENCE = 3e-4  # of the distance, for slopes in x
A_TURN, FEW_A_TURN = 24, 16  # sides of the first polygon for each turn of a path; below which it is not to be trusted
MOST_BENDS = 3  # normal directions of the straight line in which the starts bend


class Action(NamedTuple):
    """Action of a polygon, of each of its sides (n,), and its slope at the corners that move.

    These are the inner corners (n - 1, d), and before them the first where it slides along a rim, with its action there.
    """

    total: float
    parts: np.ndarray
    slope: np.ndarray


def least_action(
    hamiltonian: Hamiltonian, a: np.ndarray, b: np.ndarray, points: int, way: np.ndarray | None = None
) -> PathCost:
    """The least of what straight and bent starts lead to, or a `way` (n, d), with `points` sides; its error by halving them.

    Distances are those in units of the noise, so that units of the axes change nothing. The action of a polygon has an error of
    second order in its sides: the exponent is extrapolated from the last two.
    """
    line = a + np.linspace(0.0, 1.0, COARSE + 1)[:, None] * (b - a)
    check_directions(hamiltonian, line)
    units = units_of_noise(lambda x: hamiltonian.moments(x)[1], line)
    inner = InUnits(hamiltonian, units[:, None])
    found = _least(inner, a / units, b / units, points, None if way is None else way / units)
    stuck = None if found.stuck is None else tuple((units * np.array(found.stuck)).tolist())
    return found._replace(path=found.path * units, stuck=stuck)


def _least(hamiltonian: Hamiltonian, a: np.ndarray, b: np.ndarray, points: int, way: np.ndarray | None) -> PathCost:
    """`least_action` where distances along all axes are alike."""
    sides = halvings(points)
    starts = _starts(a, b, sides[0])
    if way is not None:
        starts.append(spaced(way, sides[0]))
    return least_of(hamiltonian, starts, sides, DIFFERENCE * float(np.linalg.norm(b - a)))


def halvings(points: int, fewest: float = COARSE) -> list[int]:
    """Sides of the polygons on which a path is found, one after the other."""
    sides = [points]
    while sides[0] >= 2 * fewest or len(sides) < 2:
        sides.insert(0, sides[0] // 2)
    return sides


def sides_for(ways: list[np.ndarray], points: int) -> tuple[list[np.ndarray], list[int]]:
    """Of ways (n, 2) those that polygons of so many sides can follow, and the `halvings` that still do; refused if none is."""
    turns = np.array([_turns(way) for way in ways])
    fits = turns * FEW_A_TURN <= points
    if not fits.any():
        rule = (
            f"{int(np.ceil(turns.min() * A_TURN))} or more, since the path turns {turns.min():.2g} times before its end"
        )
        raise bad_value("points", rule, points)
    fewest = max(COARSE, turns[fits].max() * A_TURN)
    return [way for way, fit in zip(ways, fits, strict=True) if fit], halvings(points, fewest)


def _turns(way: np.ndarray) -> float:
    side = np.diff(way, axis=0)
    side = side[np.linalg.norm(side, axis=1) > 0.0]
    across = side[:-1, 0] * side[1:, 1] - side[:-1, 1] * side[1:, 0]
    return abs(float(np.arctan2(across, (side[:-1] * side[1:]).sum(axis=1)).sum())) / (2.0 * np.pi)


def least_of(
    hamiltonian: Hamiltonian, starts: list[np.ndarray], sides: list[int], step: float, rim: Rim | None = None
) -> PathCost:
    """The least of what polygons (sides[0] + 1, d) lead to, on more and more sides; `step` for slopes in x.

    From a rim the cost begins with the action there.
    """
    width = np.full(starts[0].shape[1], step)
    found = [relax(hamiltonian, start, width, rim) for start in starts]
    path, action = min(found, key=lambda f: f[1].total)
    totals, best = [action.total], [action.total]
    for n in sides[1:]:
        if np.isfinite(action.total):
            path, action = relax(hamiltonian, spaced(path, n, rim), width, rim)
        if not np.isfinite(action.total):
            return PathCost.infinite((0.5 * (path[1:] + path[:-1]))[np.argmax(np.isinf(action.parts))])
        totals.append(action.total)
        best.append(totals[-1] + (totals[-1] - totals[-2]) / 3.0)
    # corners of a path fall between points or on them: what halving changes is taken whole, not a third of it
    error = max(abs(totals[-1] - totals[-2]), abs(best[-1] - best[-2]))
    before = 0.0 if rim is None else float(rim.value(path[:1].T)[0])
    error += 0.0 if rim is None else abs(before - rim.level)  # off the rim what is known there is extrapolated
    share = (best[-1] - before) / max(action.total - before, 1e-300)
    cost = before + share * np.concatenate([[0.0], np.cumsum(action.parts)])
    return PathCost(path, cost, error)


def check_directions(hamiltonian: Hamiltonian, line: np.ndarray) -> None:
    """Refuse noise that moves in fewer directions than there are, between points (n, d): then paths are bound to surfaces."""
    middle = 0.5 * (line[1:] + line[:-1]).T
    weakest = hamiltonian.weakest_direction(middle)
    if (weakest < SINGULAR).any():
        where = ", ".join(f"{c:.6g}" for c in middle[:, np.argmin(weakest)])
        rule = f"random in all {len(middle)} directions for a quasipotential"
        then = "Leave out coordinates that the noise does not reach, or take one along which it moves."
        raise bad_value("noise", rule, f"fewer at ({where})", then)


def _starts(a: np.ndarray, b: np.ndarray, sides: int) -> list[np.ndarray]:
    """The straight line, and arcs to both sides of it: a straight line may be a saddle of the action, by symmetry."""
    s = np.linspace(0.0, 1.0, sides + 1)[:, None]
    line, arc = a + s * (b - a), np.sin(np.pi * s) * BEND * np.linalg.norm(b - a)
    normals = _normals(np.stack([a, 0.5 * (a + b), b]))[0][:MOST_BENDS]
    return [line, *(spaced(line + sign * arc * n, sides) for n in normals for sign in (1.0, -1.0))]


def spaced(path: np.ndarray, sides: int, rim: Rim | None = None) -> np.ndarray:
    """Points at the shares t^2 (3 - 2t), t = i / sides, of the length of a path (n, d): (sides + 1, d).

    From a rim at t + t^2 - t^3, since there is no equilibrium.
    """
    t = np.linspace(0.0, 1.0, sides + 1)
    shares = t**2 * (3.0 - 2.0 * t) if rim is None else t + t**2 - t**3
    path = path if rim is None else rim.begun(path)
    for _ in range(3):
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        keep = np.append(True, np.diff(length) > 1e-12 * length[-1])
        curve = PchipInterpolator(length[keep], path[keep], axis=0)
        ends = path[0], path[-1]
        path = curve(length[keep][-1] * shares)
        path[0], path[-1] = ends
    return path


def _normals(path: np.ndarray, rim: Rim | None = None) -> np.ndarray:
    """Unit vectors across the path at its inner corners, (n - 1, d - 1, d), and before them at its first if on a rim."""
    tangent = path[2:] - path[:-2]
    if rim is not None:
        tangent = np.vstack([path[1] - path[0], tangent])
    norms = np.linalg.norm(tangent, axis=1, keepdims=True)
    tangent = tangent / np.where(norms > 0.0, norms, 1.0)
    return np.linalg.svd(tangent[:, None, :], full_matrices=True)[2][:, 1:]


def action_of(hamiltonian: Hamiltonian, path: np.ndarray, width: np.ndarray, rim: Rim | None = None) -> Action:
    """sum_i F(middle of side i, side i): F_v = p acts on both ends of a side, F_x on its middle."""
    x, v = 0.5 * (path[1:] + path[:-1]).T, np.diff(path, axis=0).T
    cost = hamiltonian.cost(x, v)
    total = float(cost.value.sum())
    if not np.isfinite(total):
        return Action(np.inf, cost.value, np.zeros((len(path) - (2 if rim is None else 1), len(x))))
    pull = -cost.time * position_slope(hamiltonian, x, cost.momentum, width)
    slope = (cost.momentum[:, :-1] - cost.momentum[:, 1:] + 0.5 * (pull[:, :-1] + pull[:, 1:])).T
    if rim is not None:
        total += float(rim.value(path[:1].T)[0])
        slope = np.vstack([rim.slope(path[0]) + 0.5 * pull[:, 0] - cost.momentum[:, 0], slope])
    return Action(total, cost.value, slope)


def relax(
    hamiltonian: Hamiltonian, path: np.ndarray, width: np.ndarray, rim: Rim | None = None
) -> tuple[np.ndarray, Action]:
    """A polygon moved to where its action is least."""
    action = action_of(hamiltonian, path, width, rim)
    best = path, action
    for _ in range(ROUNDS):
        before = action.total
        if not np.isfinite(before):
            break
        path, action = _across(hamiltonian, path, action, width, rim)
        even = spaced(path, len(path) - 1, rim)
        renewed = action_of(hamiltonian, even, width, rim)
        if not np.isfinite(renewed.total) or abs(renewed.total - before) <= CONVERGED * before:
            break
        if rim is not None:  # where the path begins off its rim, what is known there is extrapolated
            if renewed.total >= best[1].total:
                return best
            best = even, renewed
        path, action = even, renewed
    return (path, action) if rim is None else best


def _across(
    hamiltonian: Hamiltonian, path: np.ndarray, action: Action, width: np.ndarray, rim: Rim | None
) -> tuple[np.ndarray, Action]:
    """Newton's method for displacements along the normals, damped until the action falls."""
    normals = _normals(path, rim)
    damping = 1e-3
    for _ in range(STEPS):
        slope = np.einsum("ijd,id->ij", normals, action.slope)
        bend = _second_derivatives(hamiltonian, path, normals, slope, width, rim)
        scale = float(np.abs(np.diag(bend)).mean())
        before = action.total
        while damping < 1e8:
            moved = _moved(path, normals, bend, slope, damping * scale)
            trial = None if moved is None else action_of(hamiltonian, moved, width, rim)
            if trial is not None and moved is not None and trial.total < action.total:
                path, action, damping = moved, trial, max(0.1 * damping, 1e-10)
                break
            damping *= 10.0
        if before - action.total <= CONVERGED * before:
            break
    return path, action


def _displaced(path: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The path with the corners that move, all or all but the first before the last, displaced (n, d)."""
    moved = path.copy()
    moved[len(path) - 1 - len(by) : -1] += by
    return moved


def _moved(
    path: np.ndarray, normals: np.ndarray, bend: np.ndarray, slope: np.ndarray, damping: float
) -> np.ndarray | None:
    """The path after one damped Newton step; None where the damped matrix is not positive."""
    try:
        factor = cho_factor(bend + damping * np.eye(len(bend)))
    except LinAlgError:
        return None
    along = cho_solve(factor, -slope.ravel()).reshape(slope.shape)
    if np.abs(along).max() >= 10.0 * np.linalg.norm(np.ptp(path, axis=0)):
        return None
    return _displaced(path, np.einsum("ij,ijd->id", along, normals))


def _second_derivatives(
    hamiltonian: Hamiltonian,
    path: np.ndarray,
    normals: np.ndarray,
    slope: np.ndarray,
    width: np.ndarray,
    rim: Rim | None,
) -> np.ndarray:
    """Of the action in the normal displacements: corners act on their neighbours only, so every third is moved at once."""
    corners, across = slope.shape
    bend = np.zeros((corners, across, corners, across))
    sides = np.linalg.norm(np.diff(path, axis=0), axis=1)
    step = 1e-4 * np.minimum(sides[1:], sides[:-1])[:, None]
    if rim is not None:
        step = np.concatenate([1e-4 * sides[:1, None], step])
    for first in range(3):
        moving = np.arange(first, corners, 3)
        for j in range(across):
            by = np.zeros_like(normals[:, j])
            by[moving] = step[moving] * normals[moving, j]
            moved = _displaced(path, by)
            change = np.einsum("ijd,id->ij", normals, action_of(hamiltonian, moved, width, rim).slope) - slope
            for shift in (-1, 0, 1):
                rows = moving + shift
                inside = (rows >= 0) & (rows < corners)
                bend[rows[inside], :, moving[inside], j] = change[rows[inside]] / step[moving[inside]]
    flat = bend.reshape(corners * across, -1)
    return 0.5 * (flat + flat.T)
