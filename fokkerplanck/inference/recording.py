"""What recording has done to the data, seen before a fit: angles taken modulo a period, and rounding.

An angle modulo P that crosses the end of its range steps by nearly P. Less that period such a step is like the others: with C
the mean of cos(2 pi step / P), the steps on the circle have a standard deviation of (P / 2 pi) sqrt(-2 ln C). A hop between two
wells is no such step: it ends where it would have to lie several widths of a well beyond the end of the range.
Steps of a quarter of the period and more look much like those in a box with reflecting walls. There the mean of
sin(2 pi step / P) jumps from one end of the range to the other, by 1.1 for a deviation of 0.3 P and by 0.8 for 0.4 P, since all
go inwards; on a circle the two ends are one place.

From some 0.33 P on crossings are as long as other steps and nothing tells an angle from a number by its steps. But a process
that steps so far has forgotten where it was: the correlation of a row with the next is a tenth, and hardly any drift or
diffusion can be seen at that lag, on a line or on a circle. Of free angles that step by s P, exp(-2 pi^2 s^2) is left on the
circle, and 6 / pi^2 of that on the line.

Rounding to multiples of h adds h^2 / 12 to the variance of each row, so h^2 / 6 to that of a step over tau, and
h^2 / (12 tau) to D.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import bad_value, warn
from ..model.grid import Grid
from .cells import step_lengths
from .paths import Paths, Transitions, along_axis

TOGETHER, BARELY = 0.25, 0.1  # C of steps on a circle; and from where on only if both ends of the range are alike
FEWEST_BESIDE = 100  # starts on each side of the seam, from which one can tell whether they are alike
SEAM = 0.25  # what the mean of sin(2 pi step / P) may differ by between them
NEAR = 0.25  # of the deviation of a step: what is near the seam
FEWEST_NEAR, FEWEST_EACH = 20, 3  # starts near the seam, and crossings either way, from which one can tell
CROSSING = (0.2, 0.8)  # share of steps from near the seam that cross it; half of them on a circle
FLAT = (
    0.08,
    0.4,
)  # share of those within a deviation of the seam that are near it: a quarter where the density is flat
ALIKE = 2.6  # ratio of the medians of crossings, less the period, and of other steps: 1.9 for normal steps
SMALL = 20.0  # median steps in a period from which on few crossings tell
FORGOTTEN = 0.1  # correlation of a row with the next below which the lag is too long for a drift and a diffusion
CHANCE = 3.0  # deviations of a correlation that is none
ROUND = 1.3  # ratio of the correlations on a circle and on a line: 1.6 for free angles, below 1 for numbers
COARSE = 5.0  # spacings in a step below which rounding shows
FEWEST_ROWS = 20  # from which a common spacing is no accident
DIGITS = 1e-6  # of the largest value: what numbers of single precision resolve
WHOLE = 1e-2  # of a spacing


def closed_axes(cells: Any, dim: int) -> tuple[bool, ...]:
    """The axes that are closed to circles on the grid that was given, if one was."""
    if not isinstance(cells, Grid) or cells.dim != dim:
        return (False,) * dim
    return tuple(cells.periodic(axis) for axis in range(dim))


def check_wrapped(
    paths: Paths,
    closed: tuple[bool, ...],
    otherwise: str = "or fit cosine and sine; or pass a Grid with a periodic boundary as `cells`",
) -> None:
    """Refuse coordinates that are taken modulo a period, but for axes that are `closed`, (dim,), on the grid that was given."""
    if found := _wrapped(paths, closed):
        rule = f"continuous in time{found.where}"
        then = f"Unwrap each run, np.unwrap(run, period=P, axis=0) with the exact P; {otherwise}."
        raise bad_value("data", rule, found.what, then if found.known else f"{found.question} {then}")


def tell_wrapped(paths: Paths) -> None:
    """A warning of coordinates that are taken modulo a period, for questions whose answer may still be right."""
    if found := _wrapped(paths, (False,) * paths.dim):
        asked = "" if found.known else f"{found.question} "
        warn(
            f"The data hold {found.what}{found.where}. {asked}The answer is that for the angle on its "
            "circle, which is Markov only if all that moves it is periodic too. If it is not, unwrap each run: "
            "np.unwrap(run, period=P, axis=0)."
        )


class _Wrapped(NamedTuple):
    """A coordinate that is taken modulo a period."""

    period: float
    where: str
    known: bool

    @property
    def what(self) -> str:
        """What was found in the data."""
        if self.known:
            return f"paths folded into a period of {self.period:.4g}"
        return f"values that jump by nearly {self.period:.4g} between the ends of their range"

    @property
    def question(self) -> str:
        """What the user knows and the data do not say."""
        return f"Are these angles modulo {self.period:.4g}?"


def _wrapped(paths: Paths, closed: tuple[bool, ...]) -> _Wrapped | None:
    """The first such coordinate; of simulated paths that a periodic grid folded the periods are known."""
    for axis in np.flatnonzero(~np.array(closed)):
        where = along_axis(paths.names, int(axis), paths.dim)
        known = float(paths.periods[axis]) if paths.periods else np.inf
        if np.isfinite(known):
            return _Wrapped(known, where, True)
        rows = [run[:, axis] for run in paths.runs]
        start = np.concatenate([x[:-1] for x in rows])
        step = np.concatenate([np.diff(x) for x in rows])
        both = np.isfinite(step)
        period = _period(start[both], step[both])
        if period is not None:
            return _Wrapped(period, where, False)
    return None


def _period(start: np.ndarray, step: np.ndarray) -> float | None:
    """The period modulo which values are taken, or None."""
    if start.size < FEWEST_ROWS:
        return None
    low, high = float(min(start.min(), (start + step).min())), float(max(start.max(), (start + step).max()))
    period = high - low
    if period == 0.0:
        return None
    together = float(np.cos(2.0 * np.pi * step / period).mean())
    if not BARELY < together < 1.0:
        return None
    deviation = period / (2.0 * np.pi) * float(np.sqrt(-2.0 * np.log(together)))
    crossing = np.abs(step) > 0.5 * period
    ways = min(int((crossing & (step > 0.0)).sum()), int((crossing & (step < 0.0)).sum()))
    if ways < FEWEST_EACH:
        return None
    rest, usual = float(np.median(period - np.abs(step[crossing]))), float(np.median(np.abs(step[~crossing])))
    if not rest < ALIKE * usual:
        return None
    if together <= TOGETHER and not _joined(start, step, low, period, NEAR * deviation):
        return None
    distance = np.minimum(start - low, high - start)
    near, around = distance < NEAR * deviation, distance < deviation
    if near.sum() < FEWEST_NEAR:
        return period if period > SMALL * usual and rest > usual / SMALL else None  # cut values have no rest
    if not FLAT[0] < near.sum() / around.sum() < FLAT[1]:
        return None
    return period if CROSSING[0] < crossing[near].mean() < CROSSING[1] else None


def _joined(start: np.ndarray, step: np.ndarray, low: float, period: float, width: float) -> bool:
    """Whether steps from both ends of the range, within a width of it, go the same ways on a circle."""
    turned = np.sin(2.0 * np.pi * step / period)
    first, last = turned[start - low < width], turned[low + period - start < width]
    return min(first.size, last.size) >= FEWEST_BESIDE and abs(float(first.mean() - last.mean())) < SEAM


def check_moving(data: Transitions) -> None:
    """Refuse coordinates without a random part, by their number."""
    dim = data.starts.shape[1]
    for axis in range(dim):
        x, y = data.starts[:, axis], data.ends[:, axis]
        if dim > 1 and x.min() == x.max() == y.min() == y.max():
            which = f"coordinate {axis} (counted from 0)" if data.names is None else data.names[axis]
            what = f"{which}, which is {x[0]:.6g} in every row"
            raise bad_value("data", "moving at random in every coordinate", what, "Leave this column out.")
        step_lengths(x, y - x, where=along_axis(data.names, axis, dim))


def tell_forgotten(data: Transitions, turns: tuple[float, ...]) -> None:
    """A warning where rows tell next to nothing of those that follow, on a line or, with a finite period, on a circle.

    turns : (dim,)
        The periods of the coordinates, inf on a line.
    """
    dim, n = data.starts.shape[1], data.size
    if n < FEWEST_ROWS * dim:
        return
    least = max(FORGOTTEN, CHANCE * float(np.sqrt(dim / n)))
    known = [_on_line(data.starts, data.ends[:, k]) for k in range(dim)]
    circles = [_on_circle(data.starts[:, k], data.ends[:, k], turns[k]) for k in range(dim)]
    for axis in range(dim):
        left = known[axis] if np.isinf(turns[axis]) else max(circles[axis], known[axis])
        if not left < least:
            continue
        span = float(np.ptp(np.concatenate([data.starts[:, axis], data.ends[:, axis]])))
        around = _on_circle(data.starts[:, axis], data.ends[:, axis], span) if np.isinf(turns[axis]) else 0.0
        angles = ""
        if around > max(ROUND * left, CHANCE / np.sqrt(n)):
            angles = (
                f" On a circle of period {span:.4g} it is {around:.2g}: if these are angles modulo about that, drift and "
                "diffusion of a line are wrong; pass a Grid with a periodic boundary as `cells`."
            )
        where = along_axis(data.names, axis, dim)
        if left >= FORGOTTEN:
            warn(
                f"Rows correlate with those a lag later by {left:.2g}{where}, which may be chance: {n} pairs are too few to "
                f"tell it from none, and with it drift from diffusion. Take more data, or a shorter lag.{angles}"
            )
            continue
        warn(
            f"Rows tell next to nothing of those a lag later{where}: their correlation is "
            f"{left:.2g}. At this lag the data hold the stationary density, and hardly any drift or diffusion. Take a shorter "
            f"lag, or record more often.{angles}"
        )


def _on_line(starts: np.ndarray, end: np.ndarray) -> float:
    """The multiple correlation of ends (n,) with starts (n, dim)."""
    moved, around = end - end.mean(), starts - starts.mean(axis=0)
    size = float(moved @ moved)
    if size == 0.0:
        return 1.0  # does not move: told elsewhere
    fitted = around @ np.linalg.lstsq(around, moved, rcond=None)[0]
    return float(np.sqrt(np.clip(fitted @ fitted / size, 0.0, 1.0)))


def _on_circle(start: np.ndarray, end: np.ndarray, period: float) -> float:
    """The modulus of the correlation of exp(2 pi i x / period) at starts and ends (n,)."""
    if not 0.0 < period < np.inf:
        return 0.0
    before, after = (np.exp(2j * np.pi * x / period) for x in (start, end))
    before, after = before - before.mean(), after - after.mean()
    size = np.sqrt((np.abs(before) ** 2).mean() * (np.abs(after) ** 2).mean())
    return float(np.abs((after * before.conj()).mean()) / size) if size > 0.0 else 0.0


def tell_rounded(data: Transitions) -> None:
    """A warning where values are multiples of a spacing that is not small beside the steps."""
    dim = data.starts.shape[1]
    for axis in range(dim):
        x, y = data.starts[:, axis], data.ends[:, axis]
        length = float(np.median(step_lengths(x, y - x)[1]))
        spacing = _spacing(np.concatenate([x, y]))
        if spacing is None or length >= COARSE * spacing:
            continue
        excess = spacing**2 / (12.0 * data.tau)
        warn(
            f"The values{along_axis(data.names, axis, dim)} are multiples of {spacing:.4g}, and steps are "
            f"{length / spacing:.2g} of these. "
            f"If they were rounded, D comes out too large, by about {spacing:.4g}^2 / (12 lag) = {excess:.2g}, and rates do as "
            "well. Take a longer lag or values with more digits, or take this off D."
        )


def _spacing(values: np.ndarray) -> float | None:
    """The spacing h of values x0 + k h, or None where they have none."""
    levels = np.unique(values)
    gaps = np.diff(levels)
    gaps = gaps[gaps > DIGITS * np.abs(levels).max()]
    if values.size < FEWEST_ROWS or gaps.size < 1:
        return None
    reach = float(levels[-1] - levels[0])
    spacing = reach / round(reach / float(gaps.min()))
    number = (levels - levels[0]) / spacing
    return spacing if np.abs(number - np.round(number)).max() < WHOLE else None
