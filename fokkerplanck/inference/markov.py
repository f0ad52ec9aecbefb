"""Whether trajectories are Markov: does the past help to predict a step once the place is known?

At a lag, with x the place, v the step to come and u, u' the last two steps: under the Markov property features of v less
their mean given x and features of u less theirs have no correlation. Both means are regressions on splines, so that their
errors enter as products only (the generalised covariance measure of Shah and Peters 2020). The statistic is the largest |t|
over all pairs of features, its law that of random signs of the runs. (Chapman-Kolmogorov on binned states is no test: bins
break the Markov property.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import whole
from ..errors import bad_type, bad_value, warn
from ..randomness import private_generator
from .paths import MOST, Paths, as_paths
from .recording import tell_wrapped
from .residuals import design, left_over, local_scale, step_features

TRIM = 0.01  # of the places, at each end of each axis
DRAWS = 2000
FEWEST_UNITS = 40  # independent pieces of the data; where runs are fewer, they are cut
FEWEST = 200  # triples
LEVEL = 0.05
DOUBTLESS, MOST_TOLD = 5e-4, 20_000  # p-value, the least there is, and rows, of what a fit says by itself


@dataclass(frozen=True, eq=False, repr=False)
class MarkovTest:
    """Tests of the Markov property at several lags.

    Attributes
    ----------
    lags : ndarray (n,)
    p_values : ndarray (n,)
        One a lag: the probability of a statistic as large, were the process Markov at that lag.
    statistics : ndarray (n,)
        The largest |t|.
    features : tuple of str
        At each lag the pair of features that are most correlated.
    correlations : ndarray (n,)
        Their correlation given the place.
    memory : str
        What kind of memory it looks like, as far as that can be told; "none seen" where no lag is rejected at 5 %.
    shortest_lag : int or None
        The shortest of the lags from which on none is rejected at 5 %.
    """

    lags: np.ndarray
    p_values: np.ndarray
    statistics: np.ndarray
    features: tuple[str, ...]
    correlations: np.ndarray
    memory: str
    shortest_lag: int | None

    def __repr__(self) -> str:
        lines = ["Markov test (small p: the past matters beyond the place)"]
        for lag, p, t, pair, c in zip(
            self.lags, self.p_values, self.statistics, self.features, self.correlations, strict=True
        ):
            lines.append(f"  lag {lag}: p = {p:.3g}, |t| = {t:.2f} for {pair} (correlation {c:+.3f})")
        lines.append(f"  memory: {self.memory}")
        passed = "none of these lags" if self.shortest_lag is None else f"lag {self.shortest_lag} on"
        lines.append(f"  not rejected from {passed}" if self.shortest_lag is not None else f"  passes at {passed}")
        return "\n".join(lines)


def markov_test(data: Any, lags: Sequence[int] | int = (1, 3, 10), *, seed: int = 0) -> MarkovTest:
    """Test whether trajectories are Markov, at several lags.

    Parameters
    ----------
    data : Paths, or whatever `Paths` takes
        Several runs; a few long ones are cut into pieces. Angles modulo a period bring a warning where they are seen: if
        not all that moves them is periodic too, what is wrapped has memory.
    lags : int or sequence of int
        Rows between the places that are compared. Thinning hides memory: a process may fail at lag 1 and pass at 10, and
        what fails at no lag may still have memory on scales beyond.
    seed : int
        Of the random signs.

    Returns
    -------
    MarkovTest

    Notes
    -----
    Runs with parameters of their own, and parameters that drift in time, are seen by `fp.homogeneity_test`; they also
    raise the statistic here, since the past then tells which run it is. A coordinate that is a function of a Markov process
    is in general not Markov. Of true Markov processes, on a line and in the plane, with 800 rows and more, 5 to 6 % are
    rejected at a level of 5 %; in three dimensions with 300 rows 7 %.
    """
    paths = as_paths(data)
    tell_wrapped(paths)
    if not isinstance(lags, (int, np.integer, Sequence, np.ndarray)) or isinstance(lags, (str, bool)):
        raise bad_type("lags", "whole numbers", lags, "Such as lags=(1, 3, 10).")
    wished = [whole("lags", lag, 1, MOST) for lag in ([lags] if isinstance(lags, (int, np.integer)) else lags)]
    if not wished or sorted(set(wished)) != wished:
        raise bad_value("lags", "increasing whole numbers", lags)
    rng = private_generator("multipliers of the Markov test", whole("seed", seed, 0))
    tests = [_test(paths, lag, rng) for lag in wished]
    p_values = np.array([test.p_value for test in tests])
    passed = [lag for i, lag in enumerate(wished) if (p_values[i:] > LEVEL).all()]
    return MarkovTest(
        lags=np.array(wished),
        p_values=p_values,
        statistics=np.array([test.statistic for test in tests]),
        features=tuple(test.pair for test in tests),
        correlations=np.array([test.correlation for test in tests]),
        memory=_kind(paths, wished, tests),
        shortest_lag=passed[0] if passed else None,
    )


def tell_memory(paths: Paths, lag: int) -> None:
    """A warning of data that are not Markov at a lag, beyond all doubt; nothing where rows are too few to test.

    Of long data the first MOST_TOLD rows are tested. Of Markov processes less than one in a thousand is told.
    """
    runs = paths.first(MOST_TOLD)
    try:
        found = _test(runs, lag, private_generator("multipliers of the Markov test", 0))
    except ValueError:  # too few rows
        return
    if found.p_value <= DOUBTLESS:
        warn(
            f"The data are not Markov at lag {lag} (p = {found.p_value:.1g}): it looks like {_kind(runs, [lag], [found])}. No "
            "equation of these coordinates made them; the fit and its errors mean little. See fp.markov_test for a lag that "
            "passes, or take more coordinates."
        )


@dataclass(frozen=True)
class _Found:
    p_value: float
    statistic: float
    future: str
    past: str
    correlation: float

    @property
    def pair(self) -> str:
        return f"{self.future} and {self.past}"


@dataclass(frozen=True)
class Triples:
    """Places (n, dim), the step to come and the last two, (n, dim) each, and the unit and fold of each, (n,)."""

    place: np.ndarray
    future: np.ndarray
    last: np.ndarray
    before: np.ndarray
    unit: np.ndarray


def _triples(paths: Paths, lag: int) -> Triples:
    """All rows with those one lag later and one and two lags earlier; the outer places are left out."""
    parts: list[tuple[np.ndarray, ...]] = []
    pieces = 1 if paths.n_runs >= FEWEST_UNITS else -(-FEWEST_UNITS // paths.n_runs)
    for index, run in enumerate(paths.runs):
        n = len(run) - 3 * lag
        if n < 1:
            continue
        x, future = run[2 * lag : n + 2 * lag], run[3 * lag :]
        last, before = run[lag : n + lag], run[:n]
        unit = index * pieces + (np.arange(n) * pieces) // n
        good = np.isfinite(np.column_stack([x, future, last, before])).all(axis=1)
        parts.append((x[good], (future - x)[good], (x - last)[good], (last - before)[good], unit[good]))
    if (total := sum(len(p[0]) for p in parts)) < FEWEST:
        if lag == 1:
            raise bad_value("data", f"at least {FEWEST} rows with three around them", total)
        rule = f"short enough for {FEWEST} rows with three lags around them"
        raise bad_value("lags", rule, lag, "Take shorter lags or more data.")
    joined = [np.concatenate(p) for p in zip(*parts, strict=True)]
    place = joined[0]
    low, high = np.quantile(place, [TRIM, 1.0 - TRIM], axis=0)
    inside = ((place >= low) & (place <= high)).all(axis=1)
    return Triples(*(a[inside] for a in joined))


def _test(paths: Paths, lag: int, rng: np.random.Generator) -> _Found:
    data = _triples(paths, lag)
    scale = local_scale(data.place, data.future, paths.names)
    future, future_names = step_features(data.future, scale, "the next step", paths.names)
    last, last_names = step_features(data.last, scale, "the last step", paths.names)
    before, before_names = step_features(data.before, scale, "the step before it", paths.names)
    past, past_names = np.column_stack([last, before]), last_names + before_names
    units, unit = np.unique(data.unit, return_inverse=True)
    residual = left_over(np.column_stack([future, past]), design(data.place))
    ahead, behind = residual[:, : future.shape[1]], residual[:, future.shape[1] :]
    products = (ahead[:, :, None] * behind[:, None, :]).reshape(len(ahead), -1)
    sums = np.stack([np.bincount(unit, column, units.size) for column in products.T], axis=1)
    size = np.sqrt((sums * sums).sum(axis=0))
    t = np.abs(sums.sum(axis=0)) / np.maximum(size, 1e-300)
    signs = rng.choice([-1.0, 1.0], (DRAWS, units.size))
    drawn = np.abs(signs @ (sums / np.maximum(size, 1e-300))).max(axis=1)
    worst = int(np.argmax(t))
    i, j = divmod(worst, behind.shape[1])
    p = (1.0 + float((drawn >= t[worst]).sum())) / (DRAWS + 1.0)
    correlation = float(np.corrcoef(ahead[:, i], behind[:, j])[0, 1])
    return _Found(p, float(t[worst]), future_names[i], past_names[j], correlation)


def _kind(paths: Paths, lags: list[int], tests: list[_Found]) -> str:
    """The kind of memory, from the features that are correlated, the sign, and how the spread grows with the lag.

    Between one lag and two the mean square displacement doubles for a diffusion; it grows faster where velocities last,
    slower where each place is seen through noise of its own.
    """
    broken = [(lag, test) for lag, test in zip(lags, tests, strict=True) if test.p_value <= LEVEL / len(tests)]
    if not broken:
        return "none seen"
    lag, test = broken[0]
    stays, lengths = ([f.startswith(word) for f in (test.future, test.past)] for word in ("stay in", "length of"))
    if any(stays):
        return "stays: waiting times that are not exponential (fp.stays estimates their order)"
    if all(lengths):
        if test.correlation > 0.0:
            return "a hidden strength of the noise, or steps that keep their size"
        return "steps whose sizes alternate"
    if any(lengths):
        return "a hidden coordinate"
    growth = _spread(paths, 2 * lag) / max(_spread(paths, lag), 1e-300)
    if test.correlation > 0.0:
        if growth > 2.1:
            return "momentum, or a hidden coordinate that acts as one: steps keep their direction"
        return "a hidden coordinate that carries the place on"
    return "measurement noise, a fast hidden coordinate, or draws without replacement: steps are partly taken back"


def _spread(paths: Paths, lag: int) -> float:
    """Mean square displacement over a lag, all coordinates in units of their variance."""
    variance = np.maximum(paths.values().var(axis=0), 1e-300)
    steps = np.concatenate([(run[lag:] - run[:-lag]) for run in paths.runs if len(run) > lag])
    return float((np.nanmean(steps**2, axis=0) / variance).sum())
