"""Fits to times of arrival: ln L = sum of ln f_c(t), f_c the passage density at the bound that was reached."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ..arguments import instance
from ..errors import bad_type
from ..model.equation import FokkerPlanck
from ..randomness import private_generator
from .fit_result import Fit
from .likelihood import EquationModel, Evaluation, slope_along
from .optimize import ascend
from .passage_times import PassageModel, PassageTimes
from .starts import given_start, parameter_names

TIMES = 160  # at which passage densities are computed
STEP = 1e-3  # of a parameter: step of the derivatives
NEARLY = 1e-3  # of ln L: the densities are known to some 1e-6
FLOOR = 1e-12  # of a flat density, which keeps logarithms finite
TRIALS = 40
COMBINATIONS = 250


class PassageLikelihood:
    """Likelihood of times of arrival under a model of named parameters."""

    def __init__(self, model: EquationModel, data: PassageTimes):
        self.model, self.data = model, data
        self.times = np.linspace(0.0, data.until, TIMES + 1)[1:]
        self.flat = 0.5 / data.until

    def value(self, theta: np.ndarray) -> float:
        """ln L alone."""
        return float(np.log(self._of_trials(*self.curves(theta))).sum())

    def evaluate(self, theta: np.ndarray) -> Evaluation:
        """ln L, its gradient and its expected information n sum_c int df_c df_c / f_c dt."""
        curves, left = self.curves(theta)
        trials = self._of_trials(curves, left)
        scores, changes, losses = [], [], []
        for a in range(theta.size):
            step = np.zeros_like(theta)
            step[a] = STEP * max(abs(theta[a]), 0.05 * self.model.sizes[a])
            slope, lost, of_trials = slope_along(self._with_trials, theta, step)
            scores.append(float((of_trials / trials).sum()))
            changes.append(slope)
            losses.append(float(lost[-1]))
        weight = self.times[0] / np.maximum(curves, FLOOR * self.flat)
        information = np.einsum("atc,btc,tc->ab", np.array(changes), np.array(changes), weight)
        lost_all = np.array(losses)
        information += np.outer(lost_all, lost_all) / max(float(left[-1]), 1e-6)
        return Evaluation(float(np.log(trials).sum()), np.array(scores), self.data.size * information)

    def _with_trials(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rates, left = self.curves(theta)
        return rates, left, self._of_trials(rates, left)

    def curves(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Densities (TIMES, 2) and what is left (TIMES,), with lapses."""
        model = self.model(theta)
        rates, left = model.densities(self.times)
        late = 1.0 - self.times / self.data.until
        return (1.0 - model.lapse) * rates + model.lapse * self.flat, (1.0 - model.lapse) * left + model.lapse * late

    def _of_trials(self, curves: np.ndarray, left: np.ndarray) -> np.ndarray:
        """The density of each trial at its time and bound, (n,); of those that did not arrive the probability of that."""
        nodes = np.concatenate([[0.0], self.times])
        density = CubicSpline(nodes, np.concatenate([[[0.0, 0.0]], curves]))
        result = np.full(self.data.size, max(float(left[-1]), 0.0))
        done = self.data.arrived
        both = density(self.data.times[done])
        result[done] = np.where(self.data.upper[done], both[:, 1], both[:, 0])
        return np.maximum(result, 0.0) + FLOOR * self.flat


@dataclass(frozen=True, eq=False, repr=False)
class PassageFit(Fit):
    """A Fit to times of arrival; `model` is the fitted PassageModel, and `propagate` takes functions of such."""

    @property
    def model(self) -> PassageModel:
        """The fitted model."""
        return self.family(self.theta)

    def plot(self, level: float = 0.9, names: Any = None, *, ax: Any = None, title: str = "") -> Any:
        """Histograms of the times at both bounds, with the fitted densities; `level` and `names` have no part in it."""
        from .fit_figure import plot_passages

        return plot_passages(self, ax, title)

    def report(self) -> str:
        """In sentences: what was found and how well it is known."""
        from .fit_report import ascent_sentence, value_sentences

        times = f"{self.data.size} times of arrival were fitted."
        return "\n".join([times, ascent_sentence(self), *value_sentences(self)])

    def _equation_of(self, theta: np.ndarray) -> FokkerPlanck:
        return self.family(theta).equation

    def _check_family(self) -> None:
        raise bad_type("data", "paths for tests of runs", self.data)


def fit_passages(data: PassageTimes, model: Any, start: Any) -> PassageFit:
    """See `fit`: the model returns a PassageModel."""
    if not callable(model):
        raise bad_type("model", "a function of named parameters that returns a PassageModel", model)
    names = parameter_names(model)

    def checked(**parameters: float) -> Any:
        made = model(**parameters)
        instance("model", made, PassageModel, "a function that returns a PassageModel")
        return made

    family = EquationModel(checked, names)
    likelihood = PassageLikelihood(family, data)
    theta = given_start(model, names, start)
    if theta is None:
        theta = _search(likelihood, len(names))
    family.starts_at(theta)
    ascent = ascend(likelihood, theta, tolerance=NEARLY)
    return PassageFit(
        family=family,
        names=names,
        theta=ascent.theta,
        log_likelihood=ascent.value,
        grid_shift=None,
        likelihood=likelihood,
        data=data,
        lag=1,
        **ascent.for_fit(),
    )


def _search(likelihood: PassageLikelihood, count: int) -> np.ndarray:
    """The best of some guesses between 0.05 and 3, in the units of each parameter."""
    rng = private_generator("starts of a fit of passage times")

    def value(theta: np.ndarray) -> float:
        try:
            return likelihood.value(theta)
        except ValueError:  # outside the domain of the model
            return -np.inf

    units = _units(value, count, likelihood.data)
    trials = [units, *(units * 0.05 * 60.0 ** rng.random((TRIALS, count)))]
    values = [value(theta) for theta in trials]
    if not np.isfinite(values).any():
        likelihood.value(trials[0])  # its own refusal says why
    return trials[int(np.argmax(values))]


def _units(value: Callable[[np.ndarray], float], count: int, data: PassageTimes) -> np.ndarray:
    """A size for each parameter, (count,): powers of the usual time, the best combination; ones where that is some 1.

    Where the noise is fixed and times are in units T, delays are some T, rates 1 / T, bounds sqrt(T) and drifts 1 / sqrt(T).
    """
    usual = float(np.median(data.times[data.arrived]))
    if 0.02 < usual < 50.0:
        return np.ones(count)
    powers = np.array(list(itertools.product((-1.0, -0.5, 0.0, 0.5, 1.0), repeat=count)))
    if len(powers) > COMBINATIONS:
        powers = private_generator("units of passage times").permutation(powers)[:COMBINATIONS]
    sizes = 0.5 * usual**powers
    return sizes[int(np.argmax([value(theta) for theta in sizes]))]
