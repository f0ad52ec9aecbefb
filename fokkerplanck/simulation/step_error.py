"""The error of the time step of a simulation, measured on pairs of paths: one noise, steps of dt and of dt / 2.

With e(dt) = C dt^order the error of an expectation, that of the longer step is (q(dt) - q(dt/2)) / (1 - 2^-order). The noise of
both paths is the same, W(t + dt) - W(t), once in one piece and once in two, so that few pairs tell the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import LARGEST
from .jump_increments import as_one, jump_noise
from .stable_variates import fill_positive

if TYPE_CHECKING:
    from .euler_maruyama import Walk

SHARE, FEWEST = 20, 500  # one path in so many has a pair, at least so many


def pairs(n_paths: int, swarm_size: int | None) -> int:
    """How many paths are simulated in pairs; whole swarms where there are some."""
    count = min(n_paths, max(FEWEST, n_paths // SHARE))
    return count if swarm_size is None or count < swarm_size else count // swarm_size * swarm_size


def step_error(coarse: Walk, fine: Walk, times: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Errors of mean and deviation at the times, each (n_times, dim): infinite where a path of a pair diverged.

    Two standard errors of the paired difference count as error, too. The order is 1, and 1/2 where paths stop at a wall or in
    a target, which is looked for after each step only.
    """
    factor = _factor(coarse)
    mean, deviation = (np.empty((times.size, len(coarse.x))) for _ in range(2))
    t = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # pairs that diverge
        for row, goal in enumerate(times):
            count = int(np.ceil((goal - t) / coarse.dt * (1.0 - 1e-12)))
            for k in range(count):
                _advance(coarse, fine, t + k * (goal - t) / count, (goal - t) / count, rng)
            t = float(goal)
            mean[row], deviation[row] = _differences(coarse.x, fine.x)
    return {"mean": factor * mean, "deviation": factor * deviation}


def waiting_step_error(coarse: Walk, fine: Walk, times: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """As `step_error`, under a clock that halts: two short steps of the inner clock wait as long as the long one.

    Both show the place before or after the step during which an output time passes, by one coin.
    """
    order, (dim, n) = coarse.eq.time_order, coarse.x.shape
    shown = np.full((2, times.size, n, dim), np.nan)
    clock, half = np.zeros(n), (0.5 * coarse.dt) ** (1.0 / order)
    with np.errstate(over="ignore", invalid="ignore"):  # pairs that diverge
        while coarse.moving.size or fine.moving.size:
            first, second, waits = _noise(coarse, rng), _noise(coarse, rng), np.empty((2, n))
            for row in waits:
                fill_positive(rng, order, row)
            late = np.less(rng.random(n), 0.5)
            middle, end = clock + half * waits[0], clock + half * waits.sum(axis=0)
            _wait(fine, 0.5 * coarse.dt, first, (clock, middle), late, times, shown[1])
            _wait(fine, 0.5 * coarse.dt, second, (middle, end), late, times, shown[1])
            _wait(coarse, coarse.dt, _sum(coarse, first, second), (clock, end), late, times, shown[0])
            clock = end
            for walk in (coarse, fine):
                walk.moving = walk.moving[clock[walk.moving] <= times[-1]]
    for walk, places in zip((coarse, fine), shown, strict=True):  # those that have stopped
        places[...] = np.where(np.isnan(places), walk.x.T, places)
    pairs_at = [_differences(x.T, y.T) for x, y in zip(*shown, strict=True)]
    mean, deviation = (np.array(part) for part in zip(*pairs_at, strict=True))
    return {"mean": _factor(coarse) * mean, "deviation": _factor(coarse) * deviation}


def _wait(
    walk: Walk,
    dt: float,
    noise: tuple[Any, Any],
    clock: tuple[np.ndarray, np.ndarray],
    late: np.ndarray,
    times: np.ndarray,
    shown: np.ndarray,
) -> None:
    """One step of the inner clock for the moving paths; `shown` (n_times, n, dim) is noted where a time passes in it."""
    moving, (start, end) = walk.moving, clock
    if not moving.size:
        return
    before = walk.x[:, moving].copy()
    gauss, levy = noise
    walk.move(dt, start[moving], gauss[:, moving], None if levy is None else levy[:, moving])
    walk.arrive_at(end)
    _lose(walk)
    passed = (times[:, None] >= start[moving]) & (times[:, None] < end[moving])
    places = np.where(late[moving], walk.x[:, moving], before).T
    row, path = np.nonzero(passed)
    shown[row, moving[path]] = places[path]


def _factor(walk: Walk) -> float:
    """Of the error of the longer step over the difference."""
    stops = walk.target is not None or (walk.grid is not None and walk.grid.absorbs)
    return 1.0 / (1.0 - 0.5 ** (0.5 if stops else 1.0))


def _advance(coarse: Walk, fine: Walk, t: float, step: float, rng: np.random.Generator) -> None:
    """One long and two short steps with the same noise."""
    first, second = _noise(coarse, rng), _noise(coarse, rng)
    for walk, start, length, noise in (
        (fine, t, 0.5 * step, first),
        (fine, t + 0.5 * step, 0.5 * step, second),
        (coarse, t, step, _sum(coarse, first, second)),
    ):
        if walk.moving.size:
            gauss, levy = noise
            own = None if levy is None else levy[:, walk.moving]
            walk.move(length, start, gauss[:, walk.moving], own)
            walk.arrive(start + length)
            _lose(walk)


def _lose(walk: Walk) -> None:
    """Leave behind the paths that diverge."""
    lost = ~(np.abs(walk.x[:, walk.moving]) < LARGEST).all(axis=0)
    if lost.any():
        walk.x[:, walk.moving[lost]] = np.inf
        walk.moving = walk.moving[~lost]


def _noise(walk: Walk, rng: np.random.Generator) -> tuple[Any, Any]:
    """Gaussian noise and that of jumps of unit time for all paths, (dim, n) each."""
    dim, n = walk.x.shape

    def draw(fill: Callable, rows: int | None = None) -> np.ndarray:
        out = np.empty(n if rows is None else (rows, n))
        fill(rng, out)
        return out

    gauss = rng.standard_normal((dim, n))
    return gauss, None if walk.eq.jumps is None else jump_noise(walk.eq.jumps, dim, draw)


def _sum(walk: Walk, first: tuple[Any, Any], second: tuple[Any, Any]) -> tuple[Any, Any]:
    """The noise of two steps as that of one, again for unit time."""
    gauss = (first[0] + second[0]) / np.sqrt(2.0)
    jumps = walk.eq.jumps
    return gauss, None if jumps is None else as_one(jumps, first[1], second[1])


def _differences(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of mean and deviation, each with two standard errors in quadrature, (dim,)."""
    n = x.shape[1]
    infinite = ~(np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1))
    (u, s), (v, r) = (_away(z) for z in (x, y))
    mean = np.hypot((x - y).mean(axis=1), 2.0 * (x - y).std(axis=1) / np.sqrt(n))
    influence = (u**2 / s[:, None] - v**2 / r[:, None]) / 2.0
    deviation = np.hypot(s - r, 2.0 * influence.std(axis=1) / np.sqrt(n))
    flat = np.maximum(s, r) < 1e-290  # all paths alike
    deviation = np.where(flat, 0.0, deviation)
    return np.where(infinite, np.inf, mean), np.where(infinite, np.inf, deviation)


def _away(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    away = x - x.mean(axis=1, keepdims=True)
    return away, np.maximum(np.sqrt((away**2).mean(axis=1)), 1e-300)
