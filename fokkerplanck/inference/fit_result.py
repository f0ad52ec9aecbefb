"""The result of a fit: an equation, its parameters, and how well the data determine them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from ..arguments import callable_with, number, reals, sized
from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..model.portable import Portable
from .coefficients import diffusion, ito_drift
from .likelihood import slope_along
from .optimize import ascend
from .score_tests import ScoreTest, drift_in_time, runs_differ, sandwich

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Propagated(NamedTuple):
    """An answer of the fitted equation: value, standard error, and the interval (low, high), each of its shape."""

    value: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Portable):
    """A fitted equation.

    Attributes
    ----------
    theta : ndarray (m,)
        The parameters, in the order of `names`.
    covariance : ndarray (m, m)
        Inverse of the expected information at the maximum.
    log_likelihood : float
        Sum over transitions of ln of the density of the end, given the start.
    converged : bool
        Whether a Newton step would gain less than 1e-6 in ln L; `decrement` is what it would gain.
    grid_shift : ndarray (m,) or None
        By how many standard errors the parameters were moved to take off the error of the grid.
    data : Paths
    lag : int
    """

    family: Callable[[np.ndarray], Any]
    names: tuple[str, ...]
    theta: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    converged: bool
    decrement: float
    message: str
    grid_shift: np.ndarray | None
    likelihood: Any
    data: Any
    lag: int
    steps: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(zip(self.names, self.theta.tolist(), strict=True))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Their standard errors by name."""
        return dict(zip(self.names, np.sqrt(np.diagonal(self.covariance)).tolist(), strict=True))

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the parameters, (m, m)."""
        deviation = np.sqrt(np.diagonal(self.covariance))
        return self.covariance / deviation / deviation[:, None]

    @cached_property
    def covariance_over_runs(self) -> np.ndarray:
        """The covariance with runs as the units (sandwich), (m, m): right also where steps have other tails than the model.

        Its own relative error is about sqrt(2 / n_runs).
        """
        self._check_family()
        return sandwich(self.likelihood, self.theta, self._known_covariance)

    @cached_property
    def equation(self) -> FokkerPlanck:
        """The fitted equation, an ordinary one."""
        return self._equation_of(self.theta)

    def drift(self, x: Any, y: Any = None) -> np.ndarray:
        """The Ito drift at x (...), or at x and y: (...) in 1D, else (dim, ...)."""
        return self._evaluate(self.theta, x, y)[0]

    def diffusion(self, x: Any, y: Any = None) -> np.ndarray:
        """D at x (...), or at x and y: (...) in 1D, (dim, ...) where it is diagonal, else (dim, dim, ...)."""
        return self._evaluate(self.theta, x, y)[1]

    def interval(self, x: Any, y: Any = None, level: float = 0.9) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Intervals (low, high) of drift and diffusion at x, each with probability `level` at every place.

        By the delta method; where the diffusion is positive, on its logarithm.
        """
        z = _quantile(level)
        values = self._evaluate(self.theta, x, y)
        slopes = [np.array(parts) for parts in zip(*self._slopes(lambda t: self._evaluate(t, x, y)), strict=True)]
        result = {}
        for name, value, slope in zip(("drift", "diffusion"), values, slopes, strict=True):
            error = np.sqrt(np.einsum("a...,ab,b...->...", slope, self._known_covariance, slope))
            result[name] = _band(value, error, z, log=name == "diffusion" and bool((value > 0.0).all()))
        return result

    def profile(self, name: str, level: float = 0.9) -> tuple[float, float]:
        """The interval of a parameter within which ln L, maximised over the others, is within chi^2(1) / 2 of its maximum.

        Unlike `covariance` it may be lopsided; an end that the data do not bound is infinite.
        """
        if not isinstance(name, str) or name not in self.names:
            raise bad_value("name", f"one of {', '.join(self.names)}", name)
        _quantile(level)
        index = self.names.index(name)
        drop = 0.5 * float(chi2.ppf(level, 1))
        return self._profile_end(index, drop, -1.0), self._profile_end(index, drop, 1.0)

    def propagate(self, f: Callable[[FokkerPlanck], Any], level: float = 0.9, log: bool | None = None) -> Propagated:
        """An answer of the equation with the uncertainty of the fit carried through, by the delta method.

        Parameters
        ----------
        f : callable
            From a FokkerPlanck equation to a number or an array: `lambda eq: fp.first_passage(eq, grid, target).at(-1)`.
        level : float
        log : bool, optional
            Whether the interval is symmetric in ln f. Default: where f is positive.
        """
        z = _quantile(level)
        callable_with("f", f, 1)
        answer = self._number_of(f)
        value = answer(self.theta)
        slopes = np.array(self._slopes(answer, share=0.1))
        error = np.sqrt(np.einsum("a...,ab,b...->...", slopes, self._known_covariance, slopes))
        positive = bool((value > 0.0).all()) if log is None else log
        return Propagated(value, error, *_band(value, error, z, positive))

    @cached_property
    def runs_differ(self) -> ScoreTest:
        """A score test of the parameters being the same in every run; for splines see `fp.homogeneity_test`."""
        self._check_family()
        return runs_differ(self.likelihood, self.theta, self.names)

    @cached_property
    def drift_in_time(self) -> ScoreTest:
        """A score test of the parameters being constant in time; for splines see `fp.homogeneity_test`."""
        self._check_family()
        return drift_in_time(self.likelihood, self.theta, self.names)

    def plot(
        self,
        level: float = 0.9,
        names: Sequence[str] | None = None,
        *,
        ax: Sequence[Axes] | None = None,
        title: str = "",
    ) -> Figure:
        """Drift and diffusion with their intervals over the places of the data: curves in 1D, maps in 2D.

        `names` are the words for the coordinates, by default those of the data; `ax` as many axes as there are panels.
        """
        from .fit_figure import plot_fit

        return plot_fit(self, level, names, ax, title)

    def report(self) -> str:
        """In sentences: what was found, how well it is known, and what speaks against it.

        Says whether the fit converged, which parameters are hardly told apart, what the grid did, and whether runs differ,
        the law changes in time, or the data are not Markov at this lag.
        """
        from .fit_report import report

        return report(self)

    def _equation_of(self, theta: np.ndarray) -> FokkerPlanck:
        return self.family(theta)

    def _check_family(self) -> None:
        if "effective degrees of freedom" in self.settings:
            then = "Use fp.homogeneity_test."
            raise bad_value("model", "a family of parameters for a test by scores", "splines", then)

    @property
    def _known_covariance(self) -> np.ndarray:
        if not np.isfinite(self.covariance).all():
            blind = [n for n, v in zip(self.names, np.diagonal(self.covariance), strict=True) if not np.isfinite(v)]
            then = "Fix them, or take data that determine them."
            raise bad_value("data", "such that all parameters are determined", f"nothing on {', '.join(blind)}", then)
        return self.covariance

    def _evaluate(self, theta: np.ndarray, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        given = [reals("x", x)] + ([] if y is None else [reals("y", y)])
        if len(given) != self.data.dim:
            raise bad_value("x", f"{self.data.dim} coordinate(s)", f"{len(given)}")
        for name, values in zip("xy", given, strict=False):
            if not np.isfinite(values).all():
                raise bad_value(name, "finite", values)
            sized(name, values)
        coords = np.broadcast_arrays(*given)
        shape = coords[0].shape
        places = np.stack([c.ravel() for c in coords])
        eq, scale = self._equation_of(theta), np.maximum(self.data.values().std(axis=0), 1e-300)
        mu, d = ito_drift(eq, places, scale), diffusion(eq, places)
        if len(given) == 1:
            return mu[0].reshape(shape), d.reshape(shape)
        return mu.reshape(-1, *shape), d.reshape(*d.shape[:-1], *shape)

    def _slopes(self, f: Callable[[np.ndarray], Any], share: float = 1e-3) -> list[Any]:
        """df / d theta_a, by differences of a share of the standard errors; tuples where f returns tuples."""
        several = isinstance(f(self.theta), tuple)

        def parts(theta: np.ndarray) -> Any:
            return f(theta) if several else (f(theta),)

        steps = np.diag(share * np.sqrt(np.diagonal(self._known_covariance)))
        found = [slope_along(parts, self.theta, step) for step in steps]
        return [tuple(slopes) if several else slopes[0] for slopes in found]

    def _number_of(self, f: Callable[[FokkerPlanck], Any]) -> Callable[[np.ndarray], np.ndarray]:
        def answer(theta: np.ndarray) -> np.ndarray:
            values = reals("f", f(self.family(theta)), "a function that returns numbers")
            if not np.isfinite(values).all():
                raise bad_value("f", "a function that returns finite numbers", values)
            return values

        return answer

    def _profile_end(self, index: int, drop: float, sign: float) -> float:
        """Where ln L, maximised over the other parameters, has fallen by `drop`, on one side."""
        free = np.arange(self.theta.size) != index
        top = self.likelihood.value(self.theta)
        error = float(np.sqrt(self.covariance[index, index]))
        warm = {"theta": self.theta}

        def lack(distance: float) -> float:
            theta = warm["theta"].copy()
            theta[index] = self.theta[index] + sign * distance
            try:
                found = ascend(self.likelihood, theta, free=free) if free.any() else None
                value = self.likelihood.value(theta) if found is None else found.value
            except ValueError:  # beyond the domain of the equation, where nothing fits
                return np.inf
            if found is not None:
                warm["theta"] = found.theta
            return top - value - drop

        if not np.isfinite(error):
            return sign * np.inf
        far = error
        for _ in range(12):
            miss = lack(far)
            if miss > 0.0:
                break
            far *= 1.6
        else:
            return sign * np.inf
        if not np.isfinite(miss):
            far = _last_finite(lack, far)
            if lack(far) <= 0.0:
                return float(self.theta[index] + sign * far)
        return float(self.theta[index] + sign * brentq(lack, 0.0, far, xtol=1e-4 * error))

    def __repr__(self) -> str:
        freedom = self.settings.get("effective degrees of freedom")
        what = f"{len(self.names)} parameters" if freedom is None else "splines"
        lines = [f"Fit of {what} to {self.likelihood.data.size} transitions at lag {self.lag}"]
        if freedom is not None:
            lines.append(f"  effective degrees of freedom: drift {freedom[0]:.1f}, ln D {freedom[1]:.1f}")
        for name, value in self.parameters.items() if freedom is None else ():
            lines.append(f"  {name} = {value:.6g} +- {self.standard_errors[name]:.2g}")
        state = "converged" if self.converged else f"NOT converged ({self.message})"
        lines.append(f"  ln L = {self.log_likelihood:.3f}, {state}")
        return "\n".join(lines)


def _last_finite(lack: Callable[[float], float], far: float) -> float:
    """The largest distance, to a thousandth, at which the equation still exists."""
    low, high = 0.0, far
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.isfinite(lack(middle)) else (low, middle)
    return low


def _quantile(level: float) -> float:
    number("level", level, "between 0 and 1", lambda v: 0.0 < v < 1.0)
    return float(norm.ppf(0.5 + 0.5 * level))


def _band(value: np.ndarray, error: np.ndarray, z: float, log: bool) -> tuple[np.ndarray, np.ndarray]:
    if log:
        factor = np.exp(z * error / value)
        return value / factor, value * factor
    return value - z * error, value + z * error
