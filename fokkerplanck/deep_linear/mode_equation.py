"""The equation of one singular mode of a deep linear network under SGD.

Where the layers are aligned and balanced, W_k = U_k diag(s_i^(1/L)) U_(k-1)^T with the singular vectors of the teacher at both
ends, each mode s = u^T W_L ... W_1 v is learned like the product of a chain of L equal numbers w, s = w^L. One step on the
loss |W x - y|^2 / 2, y = W* x + sigma xi, moves each factor by -eta w^(L-1) e x with e = (s - s*) x - sigma xi, where x is the
input along v, of unit variance. With T = eta / B, C = Var(e x) = (k - 1) (s* - s)^2 + sigma^2, k = <x^4>, and Ito's formula for
w^L, per step:

    ds = eta [L s^(2 - 2/L) (s* - s) + (L (L - 1) / 2) T C s^(3 - 4/L)] + L s^(2 - 2/L) sqrt(eta T C) dW

In a network of more than one mode this is the leading order in T. To the next order the modes see one another: their
gradient noise is correlated, which adds T (s* - s)(s_j* - s_j) s_j to the drift of s at depth 2, as large as the second term
above and not zero at s = 0; and noise turns the singular vectors. `mode_statistics` measures by how much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import quad

from ..analysis.uniform_noise import lamperti
from ..errors import bad_type, bad_value
from ..model.equation import FokkerPlanck
from ..model.grid import Grid
from ..model.initial_density import point
from ..passages import first_passage
from ..queries import solve, stationary
from ..results.first_passage import FirstPassage
from ..results.solution import Solution
from ..results.stationary import Stationary
from ..sgd.landscapes import chain_equation

DEPTH_OF_TAILS = 35.0  # the box of `grid` ends where the stationary density has fallen by exp(-35) = 6e-16
PECLET = 0.4  # of a cell of `grid`
LEAST_LABEL_NOISE = (
    0.03  # label noise, as a share of the target, below which cells are laid out as if there were that much
)


@dataclass(frozen=True)
class ModeEquation:
    """The Fokker-Planck equation of one mode strength s, time counted in steps.

    Parameters
    ----------
    depth : int
        L, the number of layers.
    target : float
        s* > 0, the singular value of the teacher.
    learning_rate : float
        eta. Only T = eta / B and eta times the number of steps matter.
    batch_size : int
        B, inputs drawn afresh each step.
    label_noise : float
        sigma, the standard deviation of the noise on each label.
    kurtosis : float
        <x^4> of the input along the mode's right singular vector v, of unit variance: 3 for normal inputs; for elliptic Student
        inputs with n > 4 degrees of freedom 3 (n - 2) / (n - 4) in all directions; for independent entries of kurtosis k,
        3 + (k - 3) sum v_i^4. With n <= 4 it is infinite and no diffusion describes the noise.

    Examples
    --------
    >>> mode = ModeEquation(depth=3, target=1.0, learning_rate=0.01)
    >>> round(mode.largest_diffusion, 4), round(mode.descent_steps(0.05), 1)
    (0.5714, 179.5)
    >>> mode.density(0.05, [150.0]).mean().round(3).item()
    0.344
    """

    depth: int
    target: float
    learning_rate: float
    batch_size: int = 1
    label_noise: float = 0.0
    kurtosis: float = 3.0

    def __post_init__(self) -> None:
        for name in ("depth", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise bad_value(name, "a whole number of at least 1", value)
        for name, low in (("target", 0.0), ("learning_rate", 0.0), ("kurtosis", 1.0), ("label_noise", 0.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise bad_type(name, "a number", value)
            if not (low < value < np.inf or (name == "label_noise" and value == 0.0)):
                raise bad_value(name, f"finite and {'not below' if name == 'label_noise' else 'above'} {low:g}", value)

    @property
    def temperature(self) -> float:
        """T = eta / B."""
        return self.learning_rate / self.batch_size

    @cached_property
    def equation(self) -> FokkerPlanck:
        """The equation as the solvers take it."""
        return chain_equation(
            self.depth, self.target, self.label_noise, self.learning_rate, self.batch_size, self.kurtosis
        )

    def gradient_variance(self, s: Any) -> np.ndarray:
        """C = (k - 1) (s* - s)^2 + sigma^2, the variance of e x for one sample."""
        gap = self.target - np.asarray(s, dtype=float)
        return (self.kurtosis - 1.0) * gap**2 + self.label_noise**2

    def drift(self, s: Any) -> np.ndarray:
        """The whole Ito drift, per step."""
        return np.asarray(self.equation.drift(np.asarray(s, dtype=float)))

    def diffusion(self, s: Any) -> np.ndarray:
        """D = eta T C L^2 s^(4 - 4/L) / 2 in sqrt(2 D) dW, per step."""
        return np.asarray(self.equation.diffusion(np.asarray(s, dtype=float)))

    def descent(self, s: Any) -> np.ndarray:
        """eta L s^(2 - 2/L) (s* - s), the drift without noise, per step."""
        s = np.asarray(s, dtype=float)
        return self.learning_rate * self.depth * s ** (2.0 - 2.0 / self.depth) * (self.target - s)

    def ito_term(self, s: Any) -> np.ndarray:
        """eta (L (L - 1) / 2) T C s^(3 - 4/L), what noise adds to the drift of s = w^L, per step."""
        return self.drift(s) - self.descent(s)

    def noise_induced_drift(self, s: Any) -> np.ndarray:
        """-D'(s), per step: drift + noise_induced_drift is what moves the current J = (drift - D') p - D p'."""
        s = np.asarray(s, dtype=float)
        power = 4.0 - 4.0 / self.depth
        slope = -2.0 * (self.kurtosis - 1.0) * (self.target - s)
        scale = 0.5 * self.learning_rate * self.temperature * self.depth**2
        lift = power * s ** (power - 1.0) * self.gradient_variance(s) if self.depth > 1 else 0.0
        return -scale * (lift + s**power * slope)

    @property
    def largest_diffusion(self) -> float:
        """The strength at which D is largest on the way from 0 to s*.

        s* (2 L - 2) / (3 L - 2) without label noise; beyond some label noise the target itself.
        """
        # D' = 0: (k - 1)(a + 2) g^2 - 2 (k - 1) s* g + a sigma^2 = 0 with g = s* - s, a = 4 - 4/L
        a = 4.0 - 4.0 / self.depth
        root = self.target**2 - a * (a + 2.0) * self.label_noise**2 / (self.kurtosis - 1.0)
        if root < 0.0:
            return self.target
        s = self.target - (self.target + np.sqrt(root)) / (a + 2.0)
        return float(s if self.diffusion(s) >= self.diffusion(self.target) else self.target)

    def descent_steps(self, start: float, share: float = 0.5) -> float:
        """Steps of gradient flow, without noise, from `start` to `share` of the target."""
        goal = self._goal(start, share)
        if self.depth == 1:
            return float(np.log((self.target - start) / (self.target - goal)) / self.learning_rate)

        def pace(y: float) -> float:
            return np.exp(y) / float(self.descent(np.exp(y)))

        return float(quad(pace, np.log(start), np.log(goal), epsabs=0.0, epsrel=1e-10, limit=200)[0])

    def energy(self, s: Any) -> np.ndarray:
        """-ln of the stationary density, up to a constant that makes it 0 at the target: p ~ exp(-energy).

        p ~ s^(-3 (L - 1) / L) C^-1 exp[(2 / (L T)) integral of (s* - s) s^-(2 - 2/L) / C ds] (reference case F4), the
        integral by Gauss quadrature.

        Parameters
        ----------
        s : increasing array (n,), positive for depth above 1
        """
        s = np.asarray(s, dtype=float)
        a = 2.0 - 2.0 / self.depth
        low, high = min(s[0], self.target), max(s[-1], self.target)
        fine = np.geomspace(low, high, 2001) if self.depth > 1 else np.linspace(low, high, 2001)
        ends = np.union1d(np.union1d(s, self.target), np.clip(fine, low, high))
        nodes, weights = np.polynomial.legendre.leggauss(8)
        half = 0.5 * np.diff(ends)
        x = (ends[:-1] + half)[:, None] + half[:, None] * nodes
        pull = (self.target - x) / (x**a * self.gradient_variance(x))
        work = np.concatenate([[0.0], np.cumsum(half * (pull @ weights))])
        prefactor = 1.5 * a * np.log(ends) if self.depth > 1 else 0.0
        energy = np.log(self.gradient_variance(ends)) + prefactor - 2.0 / (self.depth * self.temperature) * work
        at = np.searchsorted(ends, np.append(s, self.target))
        return energy[at[:-1]] - energy[at[-1]]

    def grid(self, start: float | None = None, cells: int | None = None, high: float | None = None) -> Grid:
        """Cells of equal length h in the Lamperti coordinate, the integral of ds / sqrt(D).

        In it the noise is even and the drift b bounded, so that the cell Peclet number z = b h is about the same from the
        saddle to the target. The scheme then adds the share z^2 / 12 to D. The box ends where the stationary density has
        fallen by exp(-35), below from the start, above from the target.

        Parameters
        ----------
        start : float, optional
            The smallest strength from which densities start. Default: a tenth of the target.
        cells : int, optional
            Default: as many as keep z below 0.4, so that D is off by 1.3 % at most, between 400 and 50,000. Low temperatures
            need many: their number grows as 1 / T.
        high : float, optional
            Where the box ends.
        """
        floored = replace(self, label_noise=max(self.label_noise, LEAST_LABEL_NOISE * self.target))
        begin = 0.1 * self.target if start is None else self._start(start)
        low, top = floored._box(begin)
        top = top if high is None else high
        fine = np.geomspace(low, top, 20_001) if self.depth > 1 else np.linspace(low, top, 20_001)
        even, drift = lamperti(floored.equation, Grid.from_edges(fine))
        if cells is None:
            cells = int(np.clip((even[-1] - even[0]) * np.abs(drift).max() / PECLET, 400, 50_000))
        middle = 0.5 * (fine[1:] + fine[:-1])
        edges = np.interp(np.linspace(even[0], even[-1], cells + 1), even, middle)
        edges[0], edges[-1] = low, top
        return Grid.from_edges(edges)

    def _box(self, start: float) -> tuple[float, float]:
        """Where the stationary density has fallen enough, below from the start and above from the target."""
        if self.depth == 1:
            reach = 10.0 * float(np.sqrt(self.temperature * self.gradient_variance(start))) + 0.2 * self.target
            return min(start, self.target) - reach, max(start, self.target) + reach
        low, high = 1e-8 * start, 100.0 * max(start, self.target)
        s = np.union1d(np.geomspace(low, high, 4001), [start, self.target])
        energy = self.energy(s)
        below = (s < 0.8 * start) & (energy > energy[s == start] + DEPTH_OF_TAILS)
        above = (s > 1.2 * max(start, self.target)) & (energy > DEPTH_OF_TAILS)
        return float(s[below].max(initial=low)), float(s[above].min(initial=high))

    def density(self, start: Any, steps: Any, grid: Grid | None = None, **options: Any) -> Solution:
        """The density of s after the given numbers of steps.

        Parameters
        ----------
        start : float, or an initial density as for `fp.solve` together with a grid
        steps : increasing sequence
        grid : Grid, optional
            Default `self.grid(start)`.
        options : passed to `fp.solve`
        """
        if isinstance(start, int | float | np.floating):
            grid = self.grid(float(start)) if grid is None else grid
            start = point(self._start(start))
        if grid is None:
            raise bad_value("grid", "given where `start` is a density", None, "mode.grid(start=...) makes one.")
        return solve(self.equation, grid, start, steps, **options)

    def stationary(self, grid: Grid | None = None) -> Stationary:
        """The stationary density; `energy` is its closed form.

        Raises
        ------
        ValueError
            Without label noise, when all runs end at the target; and at depth 2 with T C(0) >= 2 s*, when noise holds s at the
            saddle.
        """
        if self.label_noise == 0.0:
            raise bad_value("label_noise", "above 0 for a stationary density", 0.0, "Without it every run ends at s*.")
        pull = self.temperature * float(self.gradient_variance(0.0)) / (2.0 * self.target)
        if self.depth == 2 and pull >= 1.0:
            then = "All runs end at s = 0: lower the learning rate."
            raise bad_value("learning_rate", "such that T C(0) < 2 s* at depth 2", f"T C(0) = {pull:.3g} x 2 s*", then)
        return stationary(self.equation, self.grid() if grid is None else grid)

    def passage(self, start: float, share: float = 0.5, cells: int | None = None) -> FirstPassage:
        """First passage from `start`, below, to `share` of the target, in steps.

        `.at(start)` is the mean; `.survival(steps, fp.point(start))` and `.density(...)` give the distribution.
        """
        box = self.grid(start, cells, high=self._goal(start, share))
        found = first_passage(self.equation, Grid.from_edges(box.edges[0], boundary=("reflecting", "absorbing")))
        assert isinstance(found, FirstPassage)  # nothing here depends on time
        return found

    def _goal(self, start: float, share: float) -> float:
        goal = share * self.target
        if not 0.0 < share < 1.0 or not self._start(start) < goal:
            rule = f"between start / target = {start / self.target:.3g} and 1"
            raise bad_value("share", rule, share, "The passage leads upwards, to share * target.")
        return goal

    def _start(self, start: Any) -> float:
        if isinstance(start, bool) or not isinstance(start, int | float | np.integer | np.floating):
            raise bad_type("start", "a number", start)
        if not np.isfinite(start) or (self.depth > 1 and start <= 0.0):
            then = "At s = 0 both drift and noise vanish: nothing ever leaves." if start == 0.0 else ""
            raise bad_value("start", "positive, for depth above 1", start, then)
        return float(start)
