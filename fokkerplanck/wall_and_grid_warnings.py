"""What a density says of its grid and its box: warnings where it is rougher than it looks, silence where it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import erfcx

from .errors import ResolutionWarning, warn
from .model.equation import FokkerPlanck
from .model.grid import Grid
from .model.initial_density import covariance
from .results.stats import GridStats
from .solvers.discretization.generator import Generator, Links
from .solvers.discretization.levy_jumps import tail_mass
from .solvers.discretization.poisson_rates import PoissonPart
from .solvers.discretization.resolution import Resolution, upwind_gain

UNSEEN = 0.1  # of the diffusion: what the grid may add to it
AWAY, REACHED = 1e-8, 0.02  # density at a wall over the largest: was not there, and is
FIRST_ORDER = "the density is positive and conservative, but first order"
FORCED = 1.0  # drift times length over diffusion, over a tenth of the box: below, a wall is what keeps the density
CLAMPED = 1e-3  # meetings with reflecting walls that a transfer operator may leave unsaid
SMEARED = 0.1  # of the noise of a step: what the grid of a transfer operator may add to it
LOUDER = 3.0  # D at a wall over that at the start, from which it is taken for the end of the box
ROUNDING, MOST_CELLS = 1e-12, 1e6  # of a cell's squared width, which is nothing; and more cells than can be advised
SHIFTED = 0.1  # of a mean passage time, by what the grid adds to the diffusion
POINT = 0.1  # of the smearing: noise that draws a density together to less than a third of a cell
CONFINING = 0.005  # drift times length over diffusion, over a tenth of the box: below, there is no force to speak of
NOTHING = 1e-9  # of what the grid adds: noise below it is none, by rounding
GATHERED = 0.01  # of the probability, beside a natural boundary on cells that do not shrink towards it
EMPTY = 1e-12  # of the largest density: nothing is at a wall
FADING = 1e-6  # of the square of a slope: how far the force has to fade for the tail to be that of a power
CUT = 1e-2  # probability beyond the box from which a cut tail is spoken of


def warn_of_resolution(stats: Resolution, over: str = "the density", then: str = FIRST_ORDER) -> None:
    """Where upwinding widens the density by more than a tenth of what the noise does."""
    if stats.order == 2:
        return
    more = "Twice as many cells halve it"
    if stats.diffusion > NOTHING * stats.numerical_diffusion:
        beside = f"to a diffusion of {stats.diffusion:.2g}"
        times = stats.numerical_diffusion / (UNSEEN * stats.diffusion)
        more = f"Take {max(times, 2.0):.2g} times as many cells along each axis"
        peclet = stats.peclet
        size = (
            f"; largest cell Peclet number {peclet:.2g}"
            if math.isfinite(peclet)
            else "; largest cell Peclet number above 700"
        )
    else:
        beside, size = "where the equation has none", ""
    text = (
        f"the grid adds a numerical diffusion of {stats.numerical_diffusion:.2g} {beside} "
        f"(averages over {over}{size}): {then} in the cell size. {more}."
    )
    warn(text, ResolutionWarning)


def warn_of_slow_convergence(q: Generator, masses: np.ndarray, atoms: Mapping[float, Any]) -> None:
    """Where probability gathers at a natural boundary, beside which equal cells converge logarithmically."""
    for point in q.logarithmic:
        near = np.argsort(np.abs(q.grid.edges[0] - point))[:3]
        cells = slice(max(int(near.min()) - 1, 0), int(near.max()) + 1)
        held = float(masses.ravel()[cells].sum()) + float(np.max(atoms.get(point, 0.0)))
        if held > GATHERED:
            text = (
                f"a share of {held:.2g} of the probability lies in the atom or in the cells beside the natural boundary "
                f"{q.grid.names[0]} = {point:.6g}, where equal cells converge logarithmically. Take cells of a width in "
                "proportion to the distance from it, such as "
                f"fp.Grid.graded((low, high), lambda x: 1e-6 + 0.02 * abs(x - {point:.6g}))."
            )
            warn(text, ResolutionWarning)


def warn_of_untreated(q: Generator) -> None:
    """Where D vanishes and the scheme does not do what it should."""
    if q.untreated:
        warn("; ".join(q.untreated) + ". Check against fp.simulate.", ResolutionWarning)


def resolved_passage(q: Generator, stats: GridStats, spent: np.ndarray, mean: np.ndarray) -> GridStats:
    """The stats of a passage with its order, and a warning where what the grid adds to the diffusion shifts mean times.

    `spent` is the share of time spent in each cell and `mean` the mean time from it, (*grid.shape).

    To first order the mean time changes by the sum over links of the flux that upwinding adds, times the difference of the
    mean times at their ends. In 1D, where links weigh the sides of a barrier exactly, this is too large: there upwinding has
    to rule on average too.
    """
    spent, mean = spent.ravel(), mean.ravel()
    shift = abs(upwind_gain(q, spent, np.where(np.isfinite(mean), mean, 0.0)))
    stats = replace(stats, order=1 if shift > SHIFTED and (q.grid.dim > 1 or stats.order == 1) else 2)
    warn_of_resolution(stats, "where paths spend their time", "passage times are first order")
    return stats


def warn_of_walls(eq: FokkerPlanck, q: Generator, start: np.ndarray | None, masses: np.ndarray) -> None:
    """Where a density that started far from a reflecting wall has come to it although a force acts there.

    Such a box cuts the density off (the force points inward) or holds back what would run away (outward), unless the wall
    belongs to the problem, as a floor does: that only the user knows. Where the noise rules, as in a box without force, even
    where noise that varies draws the density together, the walls are what was asked for; where the noise vanishes, they are
    natural. Between two walls from which a force of any strength points inward, so that the density falls towards both, it
    has a width of its own, and a box narrower than that is rarely meant. Without a start, as for a stationary density, only
    these speak.
    """
    grid = q.grid
    if q.jumps is not None:  # they reach every wall at once: `warn_of_tail`
        return
    if eq.drift is None and eq.potential is None and eq.interaction is None:
        if start is not None:
            _warn_of_noisy_walls(q, start, masses)
        return
    taking = {(e.axis, e.side) for e in q.exits if np.any(e.rates > 0.0)}
    for axis in range(grid.dim):
        others = tuple(a for a in range(grid.dim) if a != axis)
        after = masses.sum(axis=others) / grid.widths[axis]
        before = None if start is None else start.sum(axis=others) / grid.widths[axis]
        falls = after.size > 1 and after[0] < after[1] and after[-1] < after[-2]
        for side, cell in ((0, 0), (1, -1)):
            if (axis, side) in taking or (grid.dim == 1 and grid.edges[axis][-side] in q.singular):
                continue  # it belongs to the problem, as what takes a part of the paths does
            if grid.boundary[axis][side] != "reflecting" or not after[cell] > REACHED * after.max():
                continue
            began = 0.0 if before is None else float(before[cell] / before.max())
            if began >= REACHED:
                continue
            forces = [_force(q, axis, end) for end in (0, 1)]
            pressed = before is not None and began < AWAY and abs(forces[side]) > FORCED
            if pressed or (max(forces) < -CONFINING and falls):
                verb = "is" if before is None else "has grown to"
                _tell_of_wall(grid, axis, side, f"{verb} {after[cell] / after.max():.2g}", forces[side])


def _warn_of_noisy_walls(q: Generator, start: np.ndarray, masses: np.ndarray) -> None:
    """Where, without a force, a density has come to a wall beside which D is several times that at the start.

    Noise that grows has no end at such a wall: it shifts means that without it would stay (Ito), by the flux D p that it holds
    back. Where D is alike the wall is what was asked for.
    """
    grid = q.grid
    for axis in range(grid.dim):
        found = _diffusion_along(q, axis)
        if found is None:
            continue
        lower, diffusion = found
        place = np.unravel_index(lower, grid.shape)[axis]
        usual = float(start.ravel()[lower] @ diffusion / max(start.ravel()[lower].sum(), 1e-300))
        width, count = grid.widths[axis][place], grid.shape[axis] - 1
        before, after = (np.bincount(place, m.ravel()[lower] * diffusion / width, count) for m in (start, masses))
        alike = np.bincount(place, diffusion, count) / np.bincount(place, minlength=count)
        for side, cell in ((0, 0), (1, -1)):
            reflects = grid.boundary[axis][side] == "reflecting" and grid.edges[axis][-side] not in q.singular
            came = after[cell] > REACHED * after.max() and before[cell] < AWAY * before.max()
            if reflects and came and alike[cell] > LOUDER * usual:
                text = (
                    f"the density has come to the reflecting wall {grid.names[axis]} = {grid.edges[axis][-side]:.4g}, "
                    f"where D is {alike[cell] / usual:.2g} times that at the start: the wall shifts means and variances. "
                    "If it is only the end of the box and none of the problem, enlarge the box."
                )
                warn(text, ResolutionWarning)


def _diffusion_along(q: Generator, axis: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The lower cells of the links along an axis and D on them, each (m,), where no force acts."""
    grid = q.grid
    for link in q.links:
        if np.flatnonzero(link.offset).tolist() == [axis] and link.offset[axis] == 1 and link.stride > 0:
            place = np.unravel_index(link.lower, grid.shape)[axis]
            inner = place < grid.shape[axis] - 1
            place = place[inner]
            length = np.diff(grid.centers[axis])[place]
            out = link.forward[inner] * grid.widths[axis][place]
            back = link.backward[inner] * grid.widths[axis][place + 1]
            return link.lower[inner], 0.5 * (out + back) * length
    return None


def warn_of_smearing(
    grid: Grid, masses: np.ndarray, own: Sequence[float], added: Sequence[float], unit: str, effect: str
) -> None:
    """Where a transfer operator widens the density by more than a tenth of what SGD's own noise does.

    Parameters
    ----------
    grid : Grid
    masses : ndarray (*grid.shape)
        The density over which noise and smearing are averaged.
    own, added : sequence of float
        The variances of SGD's noise and of the grid's smearing, along each axis.
    unit : str
        What an application of the operator is.
    effect : str
        What it does to the answer.

    Notes
    -----
    A density that SGD draws together to a point, as at a minimum where its noise vanishes, is one within a cell: silence.
    """
    noise, smearing = np.array(own), np.array(added)
    widths = np.array([w.mean() for w in grid.widths])
    points = (noise < POINT * smearing) & (np.diagonal(covariance(masses, grid)) < widths**2)
    excess = np.where(points, 0.0, smearing - SMEARED * noise)
    if not (excess > ROUNDING * widths**2).any():
        return
    axis = int(np.argmax(excess / widths**2))
    where = "" if grid.dim == 1 else f" along {grid.names[axis]}"
    beside, then = "where SGD has no noise of its own", "Twice as many cells divide it by four"
    if noise[axis] > NOTHING * smearing[axis]:
        beside = f"to the {noise[axis]:.2g} of SGD"
        cells = grid.shape[axis] * widths[axis] / math.sqrt(4.0 * SMEARED * noise[axis])  # as it adds at most h^2/4
        if grid.shape[axis] < cells < MOST_CELLS:
            then = f"Take {float(f'{cells:.2g}'):.0f} cells{where}, or more"
    text = f"the grid adds a variance of {smearing[axis]:.2g} {unit}{where} {beside} (averages over the density): {effect}. "
    warn(text + then + ".", ResolutionWarning)


def warn_of_clamping(met: float, when: str, growth: float) -> None:
    """Where a transfer operator holds back at a reflecting wall what SGD would carry beyond it.

    Parameters
    ----------
    met : float
        Expected number of meetings of a path with a reflecting wall.
    when : str
        In what time.
    growth : float
        <ln of the factor> by which an application moves a point beyond those walls away: positive where SGD diverges.
    """
    if met <= CLAMPED:
        return
    often = f"a path meets a reflecting wall {met:.2g} times {when} on average"
    if growth > 0.0:
        text = (
            f"{often}, and beyond it SGD diverges (distances grow by a factor of {math.exp(min(growth, 700.0)):.3g}): "
            "the density is that of SGD projected into the box. Take a smaller learning rate, or make the wall absorbing."
        )
    else:
        text = (
            f"{often}: the box holds back what SGD carries beyond it. Enlarge the box, unless SGD is projected into it."
        )
    warn(text, ResolutionWarning)


def _tell_of_wall(grid: Grid, axis: int, side: int, share: str, force: float) -> None:
    place = f"{grid.names[axis]} = {grid.edges[axis][-side]:.4g}"
    why = "the box cuts it off" if force < 0.0 else "the force presses it against the wall"
    text = f"the density at the reflecting wall {place} {share} of its largest value: {why}. "
    then = "If this wall is only the end of the box and none of the problem, enlarge the box"
    if force > 0.0:
        then += ", or make the wall absorbing"
    warn(f"{text}{then}.", ResolutionWarning)


def box_error(q: Generator, masses: np.ndarray) -> float:
    """How far densities, masses (..., *grid.shape), would change at most (1-norm) if reflecting walls were further out."""
    beyond = probability_beyond(q, masses.reshape(-1, *q.grid.shape))
    return min(2.0 * float(beyond.max(initial=0.0)), 2.0)


def probability_beyond(q: Generator, masses: np.ndarray) -> np.ndarray:
    """What would lie beyond the reflecting walls if these were further out, (n,), for masses (n, *grid.shape).

    Along each axis the density at a wall is carried on by the force there, of the links at the wall, and by how that changes
    over a tenth of the box: exp(-s x - c x^2 / 2), or a power where the force fades. Noise that grows counts as a force, as it
    thins the density out. Nothing where neither points inward with a strength to speak of.
    """
    grid, total = q.grid, np.zeros(len(masses))
    if q.jumps is not None:
        return total
    for axis in range(grid.dim):
        others = tuple(a + 1 for a in range(grid.dim) if a != axis)
        along = masses.sum(axis=others) / grid.widths[axis]
        for side, cell in ((0, 0), (1, -1)):
            own = grid.dim == 1 and grid.edges[axis][-side] in q.singular  # a wall of the problem
            if own or grid.shape[axis] < 3 or grid.boundary[axis][side] != "reflecting":
                continue
            there = np.flatnonzero(along[:, cell] > EMPTY * along.max(axis=1))
            if not there.size:
                continue
            for i, slope, bend in zip(there, *_fall(q, masses[there], axis, side), strict=True):
                if slope * 0.1 * float(np.ptp(grid.edges[axis])) > CONFINING:
                    at_wall = float(along[i, cell]) * math.exp(-0.5 * slope * float(grid.widths[axis][cell]))
                    total[i] += at_wall * _tail(float(slope), float(bend))
    return total


def _tail(slope: float, bend: float) -> float:
    """The integral of exp(-slope x - bend x^2 / 2) over x > 0; with a bend below 0, of the power with this slope and bend.

    The logarithm of (1 + x/a)^-k has the slope k / a and the bend -k / a^2, and its integral is a / (k - 1).
    """
    if bend < -FADING * slope**2:
        return 1.0 / (slope + bend / slope) if slope + bend / slope > 0.0 else math.inf
    if not bend > 1e-9 * slope**2:
        return 1.0 / slope
    return math.sqrt(0.5 * math.pi / bend) * float(erfcx(slope / math.sqrt(2.0 * bend)))


def _fall(q: Generator, masses: np.ndarray, axis: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """By how much the logarithm of the density falls outward per length at a wall, and by how much more further out.

    Both (n,), <mu - dD/dx> / <D> along the axis, averaged along the wall over the masses (n, *grid.shape), or 0 without any.
    Read where all links of a cell lie inside the box, and carried on to the wall.
    """
    grid, centers = q.grid, q.grid.centers[axis]
    links = [link for link in q.links if link.offset[axis] != 0]
    away = max((sum(map(abs, link.offset)) for link in links), default=1) - 1  # none of links along the axis
    last, inward = (0, 1) if side == 0 else (grid.shape[axis] - 2, -1)
    further = away + max(grid.shape[axis] // 10, 1)
    places = np.clip([last + inward * away, last + inward * further], 0, grid.shape[axis] - 2)
    falls = [-inward * _fall_at(q, links, masses, axis, int(k)) for k in places]
    where = 0.5 * (centers[places] + centers[places + 1])
    apart = abs(where[0] - where[1])
    bend = (falls[0] - falls[1]) / apart if apart > 0.0 else 0.0 * falls[1]
    slope = falls[0] + bend * abs(where[0] - 0.5 * (centers[last] + centers[last + 1]))
    return np.nan_to_num(np.where(np.isfinite(bend), slope, 0.0)), np.nan_to_num(bend)


def _fall_at(q: Generator, links: list[Links], masses: np.ndarray, axis: int, k: int) -> np.ndarray:
    """By how much the logarithm of the density falls per length between cells k and k + 1 of an axis, (n,).

    Of a link over o cells with the rates f and b, o (f - b) is its share of the drift and o^2 (f - b) / ln(f / b) that of D.
    """
    grid, volumes = q.grid, q.grid.volumes.ravel()
    drift, noise = np.zeros(len(masses)), np.zeros(len(masses))
    for link in links:
        low, high = (np.unravel_index(cells, grid.shape)[axis] for cells in (link.lower, link.upper))
        steps = link.offset[axis]
        usable = (np.minimum(low, high) == k) & (high - low == steps) & (link.forward > 0.0) & (link.backward > 0.0)
        here = np.flatnonzero(usable)
        lower, upper = link.lower[here], link.upper[here]
        shift = np.sqrt(volumes[lower] / volumes[upper])
        out, back = link.forward[here] * shift, link.backward[here] / shift
        rise = np.log(out / back)
        even = np.abs(rise) < 1e-9
        mean = np.where(even, out, (out - back) / np.where(even, 1.0, rise))
        weights = masses.reshape(len(masses), -1)[:, lower]
        drift += weights @ (steps * (out - back))
        noise += weights @ (steps**2 * mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        return -drift / noise / (grid.centers[axis][k + 1] - grid.centers[axis][k])


def _links_along(q: Generator, axis: int) -> Links | None:
    """The links between neighbours along an axis, none of which closes a period."""
    for link in q.links:
        if np.flatnonzero(link.offset).tolist() == [axis] and link.offset[axis] == 1 and link.stride >= 0:
            return link
    return None


def _force(q: Generator, axis: int, side: int) -> float:
    """The integral of mu / D over the tenth of the box at a wall, outward, averaged over the links across it."""
    grid = q.grid
    n, link = max(grid.shape[axis] // 10, 1), _links_along(q, axis)
    if link is None:
        return 0.0
    place = np.unravel_index(link.lower, grid.shape)[axis]
    near = place < n if side == 0 else place >= grid.shape[axis] - 1 - n
    width = grid.widths[axis]
    out, back = link.forward * width[place], link.backward * width[place + 1]
    loud = out + back  # twice D over the length where diffusion dominates
    end = place == (0 if side == 0 else grid.shape[axis] - 2)
    if not near.any() or loud[end].sum() * near.sum() < 0.5 * loud[near].sum() * end.sum():
        return 0.0
    links = [one for one in q.links if one.offset[axis] != 0]
    if any(
        np.count_nonzero(one.offset) > 1 for one in links
    ):  # a tensor: what acts along the axis is shared by all of them
        faces = [k for k in range(n) if k < grid.shape[axis] - 1]
        faces = faces if side == 0 else [grid.shape[axis] - 2 - k for k in faces]
        everywhere = np.ones((1, grid.size))
        falls = [float(_fall_at(q, links, everywhere, axis, k)[0]) * np.diff(grid.centers[axis])[k] for k in faces]
        return float(np.mean(falls)) * n * (1.0 if side == 0 else -1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        force = np.clip(np.nan_to_num(np.log(out[near] / back[near])), -50.0, 50.0)
    return float(force.mean() * n) * (1.0 if side == 1 else -1.0)


def warn_of_tail(q: Generator, masses: np.ndarray) -> float:
    """The probability that Levy jumps would carry beyond the box, with a warning where it is more than a per cent.

    Without a force that holds the density together there is no box in which it would fit, and no warning. Of finite-rate jumps
    the share is warned of that reflecting walls fold back; nan, as without jumps.
    """
    grid, jumps = q.grid, q.jumps
    if jumps is None:
        return math.nan
    held = all(_force(q, axis, side) < -FORCED for axis in range(grid.dim) for side in (0, 1))
    if isinstance(jumps, PoissonPart):
        if held:
            _warn_of_folded_jumps(jumps, masses)
        return math.nan
    beyond = min(tail_mass(grid, masses, jumps.stability), 1.0)  # an estimate by the tail alone may say more
    if beyond > CUT and held:
        text = (
            f"about {beyond:.2g} of the probability would lie beyond the reflecting walls, where the box cuts the tail of "
            "the jumps off. If these walls are only the ends of the box and none of the problem, enlarge the box."
        )
        warn(text, ResolutionWarning)
    return beyond


def _warn_of_folded_jumps(jumps: PoissonPart, masses: np.ndarray) -> None:
    rate = float(jumps.leaving @ masses.ravel())
    share = float(jumps.turned @ masses.ravel()) / rate if rate > 0.0 else 0.0
    if share > CUT:
        text = (
            f"about {share:.2g} of the jumps would end beyond the reflecting walls, which fold them back. If these walls are "
            "only the ends of the box and none of the problem, enlarge the box."
        )
        warn(text, ResolutionWarning)
