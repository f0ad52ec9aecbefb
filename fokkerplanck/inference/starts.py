"""Where an ascent starts: parameters whose drift and diffusion are nearest to those of the steps."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ..arguments import number, reals
from ..errors import bad_type, bad_value
from ..model.equation import FokkerPlanck
from ..randomness import private_generator
from .cells import step_lengths
from .coefficients import diffusion, ito_drift
from .paths import Transitions

TRIALS = 48
COMBINATIONS = 1500
MODEL_RULE = "a function of named numbers, such as lambda k, D: fp.FokkerPlanck(...)"


def parameter_names(model: Callable[..., FokkerPlanck]) -> tuple[str, ...]:
    """The names of a model's parameters."""
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):  # a builtin has none
        raise bad_type("model", MODEL_RULE, model) from None
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = tuple(name for name, p in signature.parameters.items() if p.kind in kinds)
    if not names or len(names) < len(signature.parameters):
        raise bad_type("model", MODEL_RULE, model)
    return names


def given_start(model: Callable[..., FokkerPlanck], names: tuple[str, ...], start: Any) -> np.ndarray | None:
    """The start as an array (m,), with the defaults of the function; None where a parameter has neither."""
    defaults = {n: p.default for n, p in inspect.signature(model).parameters.items() if p.default is not p.empty}
    if start is None:
        known = defaults
    elif isinstance(start, Mapping):
        unknown = sorted(set(start) - set(names))
        if unknown:
            raise bad_value("start", f"of the parameters {', '.join(names)}", unknown)
        known = {**defaults, **start}
    else:
        values = np.atleast_1d(reals("start", start, f"{len(names)} numbers, for {', '.join(names)}"))
        if values.shape != (len(names),):
            raise bad_value("start", f"{len(names)} numbers, for {', '.join(names)}", start)
        known = dict(zip(names, values.tolist(), strict=True))
    if not all(name in known for name in names):
        if start is not None:
            missing = [name for name in names if name not in known]
            raise bad_value("start", f"given for all of {', '.join(names)}", f"none for {', '.join(missing)}")
        return None
    return np.array([number(f"start[{name!r}]", known[name]) for name in names])


def search_start(model: Callable[[np.ndarray], FokkerPlanck], count: int, data: Transitions) -> np.ndarray:
    """The best of several minima of the distance between the equation's coefficients and the moments of the steps.

    Conditional moments of the steps, (mean step) / tau and (variance) / (2 tau) in bins, are wrong at long lags and good
    enough to start from.
    """
    target = [_moments(data, axis) for axis in range(data.starts.shape[1])]
    scale = np.maximum(data.starts.std(axis=0), 1e-300)

    def cost(theta: np.ndarray) -> float:
        try:
            eq = model(theta)
            total = 0.0
            for axis, (x, mean, weight, spread) in enumerate(target):
                d = diffusion(eq, x)
                own = d[axis] if d.ndim == 2 else d[axis, axis]
                total += float((((ito_drift(eq, x, scale)[axis] - mean) ** 2) * weight).sum())
                total += 10.0 * float((np.log(np.maximum(own, 1e-12 * spread) / spread) ** 2).sum())
        except ValueError:
            return np.inf  # outside the domain of the equation
        return total if np.isfinite(total) else np.inf

    rng = private_generator("trial parameters")
    speed = 10.0 ** rng.uniform(-2.0, 2.0, (TRIALS, count)) * rng.choice([1.0, 1.0, -1.0], (TRIALS, count))
    trials = np.concatenate([np.ones((1, count)), speed]) * _units(cost, count, data)
    costs = np.array([cost(theta) for theta in trials])
    if not np.isfinite(costs).any():
        model(trials[0])  # its own refusal says why
        raise bad_value("start", "given for this model", None, "None of 49 guesses was within its domain.")
    best = min(
        (_descend(cost, trials[i]) for i in np.argsort(costs)[:4] if np.isfinite(costs[i])), key=lambda found: found[1]
    )
    return _without_idle_signs(cost, best[0])


def _without_idle_signs(cost: Callable[[np.ndarray], float], theta: np.ndarray) -> np.ndarray:
    """Parameters whose sign says nothing, such as s in D = s^2 x^2 / 2, as positive ones."""
    found = theta.copy()
    for a in np.flatnonzero(theta < 0.0):
        turned = found.copy()
        turned[a] = -turned[a]
        if abs(cost(turned) - cost(found)) <= 1e-9 * (1.0 + abs(cost(found))):
            found = turned
    return found


def _units(cost: Callable[[np.ndarray], float], count: int, data: Transitions) -> np.ndarray:
    """A size for each parameter, (count,): products of powers of the spread of the data and of the lag; all combinations where
    these are few, else some, and then one parameter after another.

    A rate is some 1 / tau, a diffusion some spread^2 / tau, a place some spread.
    """
    spread, tau = float(np.maximum(data.starts.std(axis=0), 1e-300).mean()), data.tau
    known = [1.0] + [spread**power * rate for power in (-2, -1, 0, 1, 2) for rate in (1.0, 1.0 / tau)]
    if all(0.01 < size < 100.0 for size in known):
        return np.ones(count)
    if len(known) ** count <= COMBINATIONS:
        combinations = np.array(list(itertools.product(known, repeat=count)))
    else:
        combinations = private_generator("units of parameters").choice(known, (COMBINATIONS, count))
    best = combinations[int(np.argmin([cost(sizes) for sizes in combinations]))]
    for _ in range(2):
        for a in range(count):
            tried = []
            for size in known:
                theta = best.copy()
                theta[a] = size
                tried.append(cost(theta))
            if np.isfinite(tried).any():
                best[a] = known[int(np.argmin(tried))]
    return best


def _descend(cost: Callable[[np.ndarray], float], theta: np.ndarray) -> tuple[np.ndarray, float]:
    options = {"maxfev": 150 * theta.size, "fatol": 1e-3, "xatol": 1e-3}
    with np.errstate(invalid="ignore"):
        found = minimize(cost, theta, method="Nelder-Mead", options=options)
    return found.x, float(found.fun)


def _moments(data: Transitions, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places (dim, k), mean step / tau, its weight, and variance / (2 tau) there, along an axis."""
    x, step = data.starts[:, axis], data.ends[:, axis] - data.starts[:, axis]
    bins = np.array_split(np.argsort(x, kind="stable"), max(1, min(16, x.size // 30)))
    _, lengths = step_lengths(x, step, 16)
    lengths = np.interp(np.linspace(0, 1, len(bins)), np.linspace(0, 1, lengths.size), lengths)
    places = np.stack([np.median(data.starts[rows], axis=0) for rows in bins], axis=1)
    mean = np.array([step[rows].mean() for rows in bins]) / data.tau
    count = np.array([len(rows) for rows in bins])
    return places, mean, count * (data.tau / lengths) ** 2, lengths**2 / (2.0 * data.tau)
