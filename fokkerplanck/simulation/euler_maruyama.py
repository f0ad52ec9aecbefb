"""Paths of the equation by the Euler-Maruyama scheme, with Gaussian and Levy noise, under a clock that may halt.

    X(t + dt) = X + mu dt + sqrt(2 D dt) xi + s dt^(1/a) L,      coefficients read at X (Ito)

With time_order b < 1 these are steps of an inner clock; each takes the physical time dt^(1/b) A with A positive stable, so
that the inner time at t is the inverse of a stable subordinator (Magdziarz, Weron and Weron 2007). Forces that depend on
time are read at the physical time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..arguments import call, fits_memory, flag, increasing, instance, mask, number, whole
from ..errors import NotFiniteError, ResolutionWarning, bad_type, bad_value, warn
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.ito_correction import ito_correction
from ..model.source import delay_of
from ..progress import Pace
from ..randomness import own_seed, streams
from ..results.ensemble import Ensemble
from ..solvers.discretization.scharfetter_gummel import Sampled
from ..solvers.discretization.singular_points import SingularPoint
from .dimension import dimension_of_paths
from .interacting_paths import at_start, read_of_swarm
from .jump_increments import JumpNoise, check_jumps, jump_noise, jumped
from .levy_increments import root_times
from .resets import Resets, check_points, reset_law
from .sgd_paths import MOST_PATHS, start_positions
from .singular_steps import SingularEnds
from .slopes import difference_lengths, slope_along
from .stable_variates import fill_positive
from .step_error import pairs, waiting_step_error
from .step_error import step_error as measured_step_error
from .target_crossings import Steps, Watch, first_meeting, places_along_steps
from .unseen_features import warn_of_unseen_features
from .walls_and_killing import fold, path_points, record_of, survival_of_step

KIND = "equation"
BLOCK = 8192  # paths that share a stream of random numbers
FAR, LEAP = 1e3, 10.0  # a path that runs away: this far beyond the starts, and this much farther with each step
MAX_STEPS = 100_000_000


def simulate(
    eq: FokkerPlanck,
    p0: Any,
    times: Sequence[float],
    dt: float,
    *,
    n_paths: int = 10_000,
    seed: int | None = None,
    grid: Grid | None = None,
    target: Callable | None = None,
    swarm_size: int | None = None,
    reset: Any = None,
    delay: float = 0.0,
    step_error: bool = True,
) -> Ensemble:
    """Simulate the stochastic equation by Euler steps.

    Parameters
    ----------
    eq : FokkerPlanck
        Coefficients as numbers or functions; arrays on a grid cannot be read between its cells.
    p0 : density, point or array
        A density with `sample`, one point for all paths, or one row a path (n_paths, dim).
    times : increasing, from 0 on
        When positions are recorded.
    dt : float
        Step. With time_order b < 1 a step of the inner clock, in units of time^b.
    n_paths : int
    seed : int, optional
        Same seed, same numbers. Simulations with one seed are paired: they start from the same points, and two equations also
        meet the same noise, so that differences have small errors. Default: a seed of its own, keyed by the equation and all
        arguments but `times`, so that different calls are independent and the same call gives the same numbers; the result
        shows it.
    grid : Grid, optional
        Its walls act: a path that crosses an absorbing wall stops where it lands, a reflecting wall folds it back.
        The cells do not matter. Absorption is looked for after each step only, which keeps a little too many: for
        diffusion by a share of order sqrt(dt). In 1D walls and zeros of D are classified as for `solve`: a path that arrives
        at an exit stays there, none passes what cannot be passed, and none is folded back where D vanishes. In 2D and 3D none
        is folded back at a reflecting wall where D across it vanishes: coefficients are read on the wall until it is back.
    target : callable, optional
        f(x, y) -> mask. A path in it after a step stops there. A target thinner than a step is looked for along the
        steps, too, where some of 256 paths of a step are seen to pass it; one too thin for that is warned of, on a
        line down to 1e-6 of where the paths go.
    swarm_size : int, optional
        With an interaction: paths are swarms of this size, one after the other, each of which reads those
        of its swarm that still move. Default: one swarm of all. The density is the limit of large swarms; a finite one
        carries, besides, the fluctuation of its own averages, of order 1 / swarm_size.
    reset : density, optional
        Where a path starts anew when it has left by a wall or by killing, such as `fp.point(0.0)`; the result has the `resets`.
    delay : float
        Time that a path spends outside at each reset, to the nearest step; the result says who is `outside`.
    step_error : bool
        Whether what the step changes in mean and deviation is measured, on 500 paths or a twentieth of them: the result's
        `step_error`, which `fokkerplanck.compare` shows in its error bars.

    Returns
    -------
    Ensemble
        With `exit_times` where there is a target, an absorbing or reactive wall, or killing; inf where a path is still under
        way. What has ended stays where it was, so that `positions[k, exit_times > times[k]]` are those that are left.

    Notes
    -----
    A killing rate k ends a path in a step with the probability 1 - exp(-k dt), k averaged over both ends; a wall of reactivity
    kappa those that it sends back with the probability P, 1 / P = sqrt(D / (pi dt)) / kappa + 1/2 (Erban and Chapman 2007, and
    the half of the next order). The error of the step is not measured then, nor with resets.
    """
    instance("eq", eq, FokkerPlanck, "a FokkerPlanck equation")
    if eq.reactivity is not None and grid is None:
        raise bad_value("grid", "given for an equation with reactive walls", None, "Its walls act on the paths.")
    moments = increasing("times", times)
    dt = _step("dt", dt, float(moments[-1]) ** eq.time_order)
    if target is not None and not callable(target):
        raise bad_type("target", "a function of the coordinates that returns a mask", target)
    instance("grid", grid, (Grid, type(None)), "a Grid, whose walls act, or None")
    check_jumps(eq, grid)
    n_paths = whole("n_paths", n_paths, 1, MOST_PATHS)
    law, delay = reset_law(reset, eq, grid, target), delay_of(reset, delay)
    more = () if reset is None else (reset, delay) if delay > 0.0 else (reset,)
    seed = own_seed(seed, KIND, eq, p0, dt, n_paths, grid, target, swarm_size, *more)
    swarm_size, step_error = _swarm_size(eq, swarm_size, n_paths), flag("step_error", step_error)
    dim = dimension_of_paths(eq, p0, grid, n_paths)
    fits_memory("n_paths", 8.0 * n_paths * dim * (moments.size + 12.0), "Record fewer times or run in parts.")
    first, noise = streams(seed, KIND, -(-n_paths // BLOCK))
    starts = start_positions(p0, n_paths, dim, first)
    points, truncated = _singular_points(at_start(eq, starts.T, grid), grid)
    if law is not None:
        check_points(points)
    if eq.time_order != 1.0 and eq.interaction is not None:
        then = "Its paths would have to share their physical times."
        raise bad_value("eq", "without interaction for a simulation with time_order below 1", eq.interaction, then)

    def walk_from(starts: np.ndarray, dt: float, places: int, generators: list[np.random.Generator]) -> Walk:
        size = min(swarm_size, len(starts))
        resets = None if law is None else Resets(law, np.zeros(len(starts), dtype=int), delay)
        return Walk(eq, dt, starts.T.copy(), generators, grid, target, size, points, truncated, places, resets)

    walk = walk_from(starts, dt, 0, [np.random.default_rng(s) for s in noise])
    positions = walk.positions(moments)
    if target is not None and dim == 1 and eq.jumps is None and not (grid is not None and grid.periodic(0)):
        on_the_way = np.concatenate([starts[None], positions])[..., 0][:, ~np.isfinite(walk.exits)]
        walk.watch.compare(lambda x: walk._in_target(x[None]), on_the_way)
    places = places_along_steps(walk.watch, dt)
    if places:  # paths stepped over the target: once more, with the same noise
        walk = walk_from(starts, dt, places, [np.random.default_rng(s) for s in noise])
        positions = walk.positions(moments)
    if eq.time_order == 1.0:
        warn_of_unseen_features(eq, np.concatenate([starts, *positions]), dt, float(moments[-1]))
    if eq.assumption is not None:
        last = positions[-1][np.isfinite(positions[-1]).all(axis=1)].T
        eq.assumption(last, np.ones(last.shape[1]))
    ends = law is None and (target is not None or (grid is not None and grid.absorbs) or eq.ends_paths)
    settings, names = record_of(eq, dt, grid)
    error = None
    if step_error and law is None and not eq.ends_paths:
        few = starts[: pairs(n_paths, swarm_size if eq.interaction is not None else None)]
        coarse, fine = (walk_from(few, h, places, []) for h in (dt, 0.5 * dt))
        measure = measured_step_error if eq.time_order == 1.0 else waiting_step_error
        error = measure(coarse, fine, moments, np.random.default_rng(streams(seed, "step error", 1)[1][0]))
    swarms = None if eq.interaction is None else np.arange(n_paths) // swarm_size
    exits = walk.exits if ends else None
    again = {} if walk.resets is None else walk.resets.of_paths()
    return Ensemble(moments, positions, exits, seed, settings, error, swarms=swarms, names=names, **again)


def _swarm_size(eq: FokkerPlanck, size: Any, n_paths: int) -> int:
    if size is None:
        return n_paths
    size = whole("swarm_size", size, 2)
    if eq.interaction is None:
        raise bad_value("swarm_size", "None without an interaction", size, "Such as interaction=fp.Swarm(0.1).")
    if n_paths % size:
        raise bad_value("swarm_size", f"a divisor of n_paths = {n_paths}", size)
    return size


def _step(name: str, value: Any, end: float) -> float:
    """A step that fits into the whole time, and not too often."""
    step = number(name, value, "a positive number", lambda v: 0.0 < v < np.inf)
    if 0.0 < end < step:
        raise bad_value(name, "no longer than the whole time", value, f"That is {end:g}.")
    if end / step > MAX_STEPS:
        rule = f"at least the last of `times` over {MAX_STEPS:g}"
        raise bad_value(name, rule, value, "Simulate a shorter time, or solve for the density.")
    return step


def _singular_points(eq: FokkerPlanck, grid: Grid | None) -> tuple[list[SingularPoint], tuple[tuple[int, float], ...]]:
    """Walls and zeros of D on a line that paths have to obey; in more dimensions axes and places of walls that do not fold.

    None without a grid. With jumps none is obeyed, which is said.
    """
    if grid is None:
        return [], ()
    if eq.jumps is not None:
        untreated = Sampled(eq, grid).untreated if eq.diffusion_is_function and grid.dim == 1 else []
        if untreated:
            warn("; ".join(untreated) + ".", ResolutionWarning)
        return [], ()
    sampled = Sampled(eq, grid)
    if grid.dim > 1:
        return [], sampled.truncated_walls()
    points = sampled.singular_points()
    if grid.periodic(0) and points:
        if any(point.passage != "open" for point in points):
            rule = "without a periodic axis for paths where D vanishes and not everything passes"
            raise bad_value("grid", rule, "; ".join(map(str, points)), "Use fp.solve, or no grid.")
        return [], ()
    return points, ()


@dataclass
class Walk:
    """All paths, moving together. x (dim, n_paths)."""

    eq: FokkerPlanck
    dt: float
    x: np.ndarray
    generators: list[np.random.Generator]
    grid: Grid | None
    target: Callable | None
    swarm_size: int
    points: list[SingularPoint] = field(default_factory=list)
    truncated: tuple[tuple[int, float], ...] = ()
    places: int = 0  # along each step, at which the target is looked for besides its end
    resets: Resets | None = None

    def __post_init__(self) -> None:
        n = self.x.shape[1]
        self.ends = SingularEnds(self.points, self.x[0]) if self.points else None
        self.kept, self.gone = np.zeros((2, n), dtype=bool)
        self.exits = np.full(n, np.inf)
        self.ended = np.zeros(n, dtype=bool)  # killed, or taken by a reactive wall
        self.farthest_start = 1.0 + float(np.abs(self.x).max(initial=0.0))
        self.clock = np.zeros(n)
        self.moving = np.arange(n)
        self.watch = Watch()
        self.before = self.x
        self.read: Any = None  # by the interaction
        self._stop(self.moving)

    def positions(self, times: np.ndarray) -> np.ndarray:
        """Positions (n_times, n_paths, dim) at the output times."""
        return self.ordinary(times) if self.eq.time_order == 1.0 else self.waiting(times)

    def ordinary(self, times: np.ndarray) -> np.ndarray:
        """Positions (n_times, n_paths, dim) with steps of dt, the last before each output time shortened."""
        result = np.empty((times.size, self.x.shape[1], len(self.x)))
        t, pace = 0.0, Pace(__name__, "simulation")
        for row, goal in zip(result, times, strict=True):
            count = int(np.ceil((goal - t) / self.dt * (1.0 - 1e-12)))
            for k in range(count):
                step = (goal - t) / count
                if self.resets is not None and self.resets.waiting:
                    self.resets.come_back(self, t + (k + 0.5) * step)  # at the nearest step
                elif not self.moving.size:
                    break
                if self.moving.size:
                    self._step(step, t + k * step)
                    self.arrive(t + (k + 1) * step)
                pace((t + (k + 1) * step) / times[-1])
            t = goal
            self._lose(self._runs_away(goal))
            row[...] = self._shown(np.arange(self.x.shape[1])).T
            if self.resets is not None:
                self.resets.record(row)
        return result

    def _shown(self, paths: np.ndarray) -> np.ndarray:
        """Positions (dim, n) of paths, none beyond a point that it cannot pass."""
        return self._clipped(self.x[:, paths], paths)

    def _clipped(self, x: np.ndarray, paths: np.ndarray) -> np.ndarray:
        """Places x (dim, n) of paths, none beyond a point that it cannot pass."""
        for axis, wall in self.truncated:
            low = wall == self._box(axis)[0]
            x[axis] = np.maximum(x[axis], wall) if low else np.minimum(x[axis], wall)
        return x if self.ends is None else np.where(self.gone[paths], x, self.ends.inside(x[0], paths)[None])

    def _box(self, axis: int) -> tuple[float, float]:
        """Both ends of an axis."""
        assert self.grid is not None
        return float(self.grid.edges[axis][0]), float(self.grid.edges[axis][-1])

    def waiting(self, times: np.ndarray) -> np.ndarray:
        """Positions at physical times: before or after, at random, the step during which the time passes.

        The inner time of t falls evenly within that step, so that taking either end with probability one half removes the
        error of first order in dt.
        """
        order = self.eq.time_order
        result = np.empty((times.size, self.x.shape[1], len(self.x)))
        upcoming = np.zeros(self.x.shape[1], dtype=int)
        everyone = np.arange(self.x.shape[1])
        _record(result, times, upcoming, everyone, np.zeros(everyone.size), self._shown(everyone))
        for _ in range(MAX_STEPS):
            self.moving = active = self.moving[upcoming[self.moving] < times.size]
            if not active.size:
                break
            before = self._shown(active)
            self._step(self.dt, self.clock)
            wait = self.drawn(lambda g, out: fill_positive(g, order, out))
            late = self.drawn(lambda g, out: g.random(out=out)) < 0.5
            self.clock[active] += self.dt ** (1.0 / order) * wait
            self._stop(active)
            shown = np.where(late, self._shown(active), before)
            _record(result, times, upcoming, active, self.clock[active], shown)
        # those that have stopped
        _record(result, times, upcoming, everyone, np.full(everyone.size, np.inf), self._shown(everyone))
        return result

    def _step(self, dt: float, t: Any) -> None:
        """One Euler step of the moving paths, from physical time t."""
        active = self.moving
        x = self.x[:, active]
        gauss = self.drawn(lambda g, out: g.standard_normal(out=out), len(x))
        levy = None if self.eq.jumps is None else jump_noise(self.eq.jumps, len(x), partial(self.drawn, paths=active))
        before = self.x.copy() if self.eq.ends_paths else self.x
        self.move(dt, t if np.ndim(t) == 0 else t[active], gauss, levy)
        if self.eq.ends_paths and self.moving.size:
            times = t if np.ndim(t) == 0 else t[self.moving]
            lasting = survival_of_step(self.eq, self.grid, before[:, self.moving], self.x[:, self.moving], dt, times)
            self.ended[self.moving] = self.drawn(lambda g, out: g.random(out=out)) > lasting

    def move(self, dt: float, t: Any, gauss: np.ndarray, levy: JumpNoise | None) -> None:
        """One Euler step of the moving paths, from physical time t, with given noise for unit time, (dim, n_moving)."""
        x = self._shown(self.moving)
        self.before = self.x if self.target is None else self.x.copy()
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                self.read = read_of_swarm(self.eq.interaction, x, self.moving // self.swarm_size, self.grid)
                diffusion = self._diffusion(x, t)
                new = self.x[:, self.moving] + dt * self._drift(x, t)
                new += np.sqrt(2.0 * dt) * _root_times(diffusion, gauss)
                if self.ends is not None:
                    settled = self.ends.settle(self.moving, self.x[0, self.moving], new[0], diffusion[0], dt)
                    new[0], self.kept[self.moving], self.gone[self.moving] = settled
                if self.eq.jumps is not None and levy is not None:
                    new += jumped(self.eq.jumps, x, levy, dt, self.grid)
        except NotFiniteError as error:  # a path that ran away until its coefficients overflowed has diverged
            lost = (
                error.infinite if error.infinite.shape == self.moving.shape else np.zeros(self.moving.shape, dtype=bool)
            )
            if not lost.any():
                raise
            self._lose(lost)
            self.move(
                dt, t if np.ndim(t) == 0 else t[~lost], gauss[:, ~lost], None if levy is None else levy[..., ~lost]
            )
            return
        self.x[:, self.moving] = new
        self._lose(np.asarray(~np.isfinite(new).all(axis=0)))

    def _runs_away(self, t: float) -> np.ndarray:
        """Which of the moving paths an Euler step of the drift would carry much farther out than the starts and they are."""
        x = self.x[:, self.moving]
        away = np.abs(x).max(axis=0, initial=0.0) > FAR * self.farthest_start
        finite = np.flatnonzero(away)
        while finite.size:
            points = x[:, finite]
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    further = np.abs(points + self.dt * self.eq.drift_at(path_points(points), t))
            except NotFiniteError as error:
                finite = finite[~error.infinite] if error.infinite.any() else finite[:0]
                continue
            away[finite] = (further > LEAP * np.abs(points)).any(axis=0)
            break
        return away

    def _lose(self, lost: np.ndarray) -> None:
        """Take the paths that diverged out of those that move; they are not finite from now on."""
        self.x[:, self.moving[lost]] = np.nan
        self.moving = self.moving[~lost]

    def arrive(self, t: float) -> None:
        """At time t stop the paths that have arrived."""
        self.arrive_at(np.full(self.clock.shape, t))

    def arrive_at(self, times: np.ndarray) -> None:
        """At times (n,) of their own stop the paths that have arrived."""
        self.clock[:] = times
        self._stop(self.moving)

    def _drift(self, x: np.ndarray, t: Any) -> np.ndarray:
        """The Ito drift, (dim, n)."""
        eq, points = self.eq, path_points(x)
        drift = np.array(eq.drift_at(points, t, self.read), dtype=float)
        if eq.potential is None and eq.alpha == 0.0:
            return drift
        lengths = difference_lengths(x, self._diffusion(x, t), self.dt)
        if eq.potential is not None:
            for axis in range(len(x)):
                drift[axis] -= slope_along(lambda y: eq.potential_at(path_points(y), t), x, axis, lengths)
        return drift + ito_correction(
            eq, x, lambda f, axis: slope_along(f, x, axis, lengths), path_points, lambda y: self._diffusion(y, t), t
        )

    def _diffusion(self, x: np.ndarray, t: Any) -> np.ndarray:
        eq = self.eq.with_diffusion_of(self.read) if self.eq.diffusion_reads_density else self.eq
        return eq.diffusion_at(path_points(x), t)

    def drawn(self, fill: Callable, rows: int | None = None, paths: np.ndarray | None = None) -> np.ndarray:
        """Random numbers for the moving paths, or those given, from each block's own stream: (n,) or (rows, n)."""
        bounds = np.searchsorted(self.moving if paths is None else paths, BLOCK * np.arange(len(self.generators) + 1))
        parts = []
        for generator, size in zip(self.generators, np.diff(bounds), strict=True):
            out = np.empty(size if rows is None else (rows, size))
            fill(generator, out)
            parts.append(out)
        return np.concatenate(parts, axis=-1)

    def _stop(self, active: np.ndarray) -> None:
        """Fold at reflecting and periodic walls; note which paths have arrived."""
        end = self.x[:, active]
        x, arrived = self._folded(end)
        arrived |= self.gone[active] | self.ended[active]
        self.x[:, active] = x
        if self.target is not None:
            found = self._in_target(self._shown(active))
            if self.eq.jumps is None:  # which do not pass what lies between
                found |= self._meets_target(active, end, ~found)
            arrived |= found
        if self.resets is not None:
            self.resets.leave(self, active[arrived])
            return
        self.exits[active[arrived]] = self.clock[active[arrived]]
        self.moving = active[~arrived & ~self.kept[active]]

    def _folded(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places (dim, n) folded at reflecting and periodic walls, and which are beyond an absorbing one (n,)."""
        x, beyond = x.copy(), np.zeros(x.shape[1], dtype=bool)
        for axis, (low, high) in enumerate(() if self.grid is None else self.grid.boundary):
            start, end = self._box(axis)
            settled = [w for a, w in self.truncated if a == axis] + ([] if self.ends is None else [*self.ends.walls])
            x[axis] = fold(x[axis], start, end, *("" if w in settled else b for w, b in ((start, low), (end, high))))
            beyond |= (x[axis] < start) & (start not in settled) | (x[axis] > end) & (end not in settled)
        return x, beyond

    def _meets_target(self, active: np.ndarray, end: np.ndarray, outside: np.ndarray) -> np.ndarray:
        """Which of the steps to `end` (dim, n), before it is folded, meet the target on their way; those paths are put there.

        Only those of `outside` (n,) are looked at. Without `places` some are, and what is seen is noted.
        """
        met, among = np.zeros(active.size, dtype=bool), np.flatnonzero(outside)
        if self.before is self.x or not among.size:
            return met

        def read(places: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            places, beyond = self._folded(places)
            places = self._clipped(places, active[some])
            return places, self._in_target(places) & ~beyond

        steps = Steps(self.before[:, active], end, read)
        if not self.places:
            self.watch.look(among, steps)
            return met
        hit, first = first_meeting(among, self.places, steps)
        for path, fraction in zip(among[hit], first, strict=True):
            self.x[:, active[path]] = steps.at(np.array([fraction]), np.array([path]))[0][:, 0]
        met[among[hit]] = True
        return met

    def _in_target(self, x: np.ndarray) -> np.ndarray:
        """Which of the places (dim, n) are in the target, (n,)."""
        return mask("target", call("target", self.target, x), x.shape[1:])


def _record(
    result: np.ndarray, times: np.ndarray, upcoming: np.ndarray, paths: np.ndarray, clock: np.ndarray, x: np.ndarray
) -> None:
    """Write down the positions x of some paths at all their output times before their clocks."""
    while True:
        ahead = upcoming[paths]
        due = np.flatnonzero((ahead < times.size) & (times[np.minimum(ahead, times.size - 1)] < clock))
        if not due.size:
            return
        result[ahead[due], paths[due]] = x[:, due].T
        upcoming[paths[due]] += 1


def _root_times(diffusion: np.ndarray, gauss: np.ndarray) -> np.ndarray:
    """A root of D times normal numbers, (dim, n)."""
    if diffusion.ndim == 2:
        return np.sqrt(diffusion) * gauss
    return root_times(diffusion, gauss)
