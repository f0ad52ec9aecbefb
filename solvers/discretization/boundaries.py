"""Feller's classification of walls and of interior zeros of D, on a line, from the coefficients.

Beside a point a, at the distance d on one of its sides, let p = d ln D / d ln d and beta = (drift away from a) d / D as d -> 0.
The scale density goes as d^es, es = -(beta + alpha p), the speed density as d^em, em = beta - (1 - alpha) p. With S for
es > -1 and M for em > -1 (finite scale, finite speed measure),

    reached in finite time:  S if M, else S and p < 2;      can be left:  M if S, else M and p < 2;

both: regular; only reached: exit; only left: entrance; neither: natural (Feller 1952; Karlin and Taylor 1981, table 15.6.2).
Where D vanishes so fast that beta is infinite, the drift alone decides: |mu| ~ d^g leads away or in, in finite time if g < 1.
A side attracts where it is an exit, or where S holds and M does not: it is then approached, if never reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .axis_reader import AxisReader
from .quadrature import gauss

DEEPEST = 44  # halvings of the distance
CLOSEST = 1e-10  # of |a|: distances below are rounding
SETTLED = 1e-3  # change of the exponents from one halving to the next
TIE = 2e-3  # exponents this close to the border count as on it, where integrals diverge logarithmically
GROWS = 0.02  # exponent of |drift| d / D from which it diverges


@dataclass(frozen=True)
class Side:
    """One side of a point: direction +1 (above) or -1 (below), and how D and the drift go there.

    power is p, pull is beta (or infinite, of either sign), growth is g; `es` and `em` the exponents of scale and speed. `still`
    where neither noise nor drift is left.
    """

    direction: int
    power: float
    pull: float
    growth: float
    alpha: float
    still: bool = False

    @property
    def es(self) -> float:
        """Exponent of the scale density."""
        return -(self.pull + self.alpha * self.power)

    @property
    def em(self) -> float:
        """Exponent of the speed density."""
        return self.pull - (1.0 - self.alpha) * self.power

    @property
    def scale_is_finite(self) -> bool:
        """Whether the point lies at a finite scale distance."""
        return self.es > -1.0 + TIE

    @property
    def speed_is_finite(self) -> bool:
        """Whether the speed measure beside the point is finite."""
        return self.em > -1.0 + TIE

    @property
    def reached(self) -> bool:
        """Whether paths reach the point in finite time with positive probability."""
        if self.still or math.isinf(self.pull):
            return self.pull < 0.0 and self.growth < 1.0 - TIE
        return self.scale_is_finite and (self.speed_is_finite or self.power < 2.0 - TIE)

    @property
    def left(self) -> bool:
        """Whether paths can start at the point."""
        if self.still or math.isinf(self.pull):
            return self.pull > 0.0 and self.growth < 1.0 - TIE
        return self.speed_is_finite and (self.scale_is_finite or self.power < 2.0 - TIE)

    @property
    def kind(self) -> str:
        """regular, exit, entrance or natural."""
        return {(True, True): "regular", (True, False): "exit", (False, True): "entrance"}.get(
            (self.reached, self.left), "natural"
        )

    @property
    def attracts(self) -> bool:
        """Whether what comes near stays: an exit, or a finite scale without a finite speed measure."""
        if self.still or math.isinf(self.pull):
            return self.pull < 0.0
        return self.kind == "exit" or (self.scale_is_finite and not self.speed_is_finite)

    @property
    def ordinary(self) -> bool:
        """Neither D nor the drift is singular: a wall as any other."""
        return not self.still and abs(self.power) < TIE and abs(self.pull) < TIE

    @property
    def silent(self) -> bool:
        """Whether there is no noise on this side."""
        return self.still or (math.isinf(self.pull) and self.power == 0.0)

    @property
    def profile(self) -> float:
        """The exponent of the density beside the point: em where it is closed, 1 - p where it takes up; or not a number."""
        exponent = 1.0 - self.power if self.attracts else self.em
        ruled = not self.still and math.isfinite(exponent) and exponent > -1.0 + TIE
        return exponent if ruled else math.nan


def classify(reader: AxisReader, point: float, direction: int, reach: float) -> Side:
    """How D and the drift go beside a point.

    Parameters
    ----------
    reader : AxisReader
        Of a 1D grid.
    point : float
    direction : {1, -1}
        The side above or below it.
    reach : float
        Where the halving of the distance starts.

    """
    distances = _distances(point, reach)
    places = point + direction * distances
    line = np.zeros(distances.size, dtype=int)
    diffusion = reader.diffusion(line, places[None])[0]
    drift, between = reader.read(line[:-1], places[:-1], places[1:])
    drift = direction * drift
    alpha, weights = reader.eq.alpha, gauss()[1]
    if not (diffusion > 0.0).any():
        return _without_noise(drift, direction, alpha)
    usable = np.logical_and.accumulate((diffusion[:-1] > 0.0) & (diffusion[1:] > 0.0) & (between > 0.0).all(axis=0))
    if usable.sum() < 3:
        return _without_noise(drift, direction, alpha)
    n = int(usable.sum())
    power = np.log2(diffusion[:n] / diffusion[1 : n + 1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        across = (weights @ (drift[:, :n] / between[:, :n])) * -np.diff(distances[: n + 1])
        pull = across / math.log(2.0)
        growth = np.log2(np.abs(pull[1:] / pull[:-1]))
    level, rate = _settled(power, pull, growth)
    speed = np.abs(weights @ drift)
    g = float(np.log2(speed[level - 1] / speed[level])) if speed[level] > 0.0 < speed[level - 1] else 0.0
    beta = float(pull[level])
    if rate > GROWS and abs(beta) > SETTLED:
        beta = math.copysign(math.inf, beta)
    elif rate < -GROWS or abs(beta) < 1e-9:
        beta = 0.0
    return Side(direction, float(power[level]), beta, g, alpha)


def _distances(point: float, reach: float) -> np.ndarray:
    """reach / 2^k as long as a floating-point number tells them from the point."""
    lowest = max(CLOSEST * abs(point), reach * 2.0**-DEEPEST)
    return reach * 2.0 ** -np.arange(max(int(math.log2(reach / lowest)), 4) + 1)


def _settled(power: np.ndarray, pull: np.ndarray, growth: np.ndarray) -> tuple[int, float]:
    """The closest distance at which the exponents have settled and rounding does not speak yet, and how |pull| grows there."""
    finite = np.abs(np.diff(pull)) / (1.0 + np.abs(pull[1:]))
    growth = np.where(np.isfinite(growth), growth, 0.0)
    infinite = np.abs(np.diff(growth, prepend=growth[:1]))
    change = np.abs(np.diff(power)) + np.minimum(finite, infinite)
    change = np.maximum(change, np.append(change[:1], change[:-1]))
    good = np.flatnonzero(change < SETTLED)
    level = int(good[-1]) if good.size else int(np.argmin(change))
    return level + 1, float(growth[level])


def _without_noise(drift: np.ndarray, direction: int, alpha: float) -> Side:
    """A side on which D is zero: the drift alone moves, if there is one. drift: away from the point, (q, distances)."""
    speed = drift.mean(axis=0)
    if speed[-1] == 0.0 or speed[-2] == 0.0:
        return Side(direction, 0.0, 0.0, 0.0, alpha, still=True)
    growth = float(np.log2(abs(speed[-2] / speed[-1])))
    return Side(direction, 0.0, math.copysign(math.inf, speed[-1]), growth, alpha)
