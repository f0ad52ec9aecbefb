"""A table of results compared with one of them: moments, distances and tails, each beside its error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arguments import increasing, instance, same_time
from ..errors import bad_type, bad_value, warn
from ..model.grid import AXES
from ..progress import Pace
from ..randomness import private_generator
from ..results.ensemble import Ensemble
from ..results.moments import Moments
from ..statistics.two_sample import two_sample
from ..storage.tables import Comparison
from . import distances as _laws
from .circle import mean_direction, on_circles
from .distribution import Law
from .sides import Side
from .wasserstein import has_transport_package, sliced

MOMENTS = ("mean", "deviation", "skewness", "kurtosis")
USUAL = ("W2", "MMD", "KL", "tail")
DISTANCES = (*USUAL, "energy", "p")
DRAWN = 1000  # points of a density that a p-value is of
JOINT = "all"  # the axis of the rows on joint laws
SLICED = ("sliced W1", "sliced W2")  # the joint rows without POT
TAIL_PATHS = 500  # from which 2 % are ten
COLUMNS = (
    "t", "model", "axis", *(c for m in MOMENTS for c in (m, f"se_{m}")), "largest_error", "two_time", "se_two_time",
    "z_mean", "W1", "se_W1", "W1_sampling",
)  # fmt: skip

NOTE = (
    "kurtosis: in excess of 3. se_mean, se_deviation and those of W hold the errors of sampling, of the time step of a "
    "simulation and of the grid, as far as the results have measured them; "
    "largest_error names the largest. two_time: covariance of paths between the first of the times and t. "
    "z_mean: difference of the mean from the reference in standard errors, beyond 3 by chance in 0.27 % of the rows. "
    "W1, W2: Wasserstein distances to the reference; MMD: maximum mean discrepancy (signed root); KL: divergence of the "
    "reference from the model. Each has its standard error (se_) and its mean if only sampling set the two apart (_sampling). "
    "sliced W1, sliced W2: averages over directions, another distance, where the package POT is missing (none with a "
    "periodic axis). Along a periodic axis transport goes the short way round, energy and MMD are those of chords, and "
    "moments are of the coordinate within half a period of the reference's mean direction. Of ensembles of one "
    "seed, z_mean is that of paired differences, and KL, which holds for independent samples only, is left out. Of paths that "
    "interact errors are those of independent swarms, which have no p-values. "
    "Densities are even inside a cell: distances below a cell mean nothing. "
    "energy: energy distance (signed root), with p_energy, its p-value by permutations; of densities points are drawn for it. "
    "p: probability of an energy distance as large between samples of one law, by permutations. "
    "tail: Hill's index from the outermost 2 % of paths, tail_sampling that from 4 %: the tail has no one power where they "
    "differ."
)


def compare(
    results: Mapping[str, Moments | Ensemble],
    reference: str | None = None,
    times: Sequence[float] | None = None,
    distances: Sequence[str] = USUAL,
) -> Comparison:
    """Moments of several results, and their distances to one of them.

    Parameters
    ----------
    results : dict of Solution, Ensemble or Stationary
        All in one number of dimensions.
    reference : str, optional
        Name of the result that the others are compared with. Default: the only ensemble, else the last result.
    times : sequence, optional
        Default: the times that all results have. Stationary results go with any time, among themselves with infinity.
    distances : sequence of {"W2", "MMD", "KL", "tail", "energy", "p"}
        What is wanted beside the moments and W1 (KL: of the reference from the model; tail: of paths), each with columns
        for its standard error and for what sampling alone would give; see `fokkerplanck.distances`. "energy": the energy
        distance, which holds for thousands of dimensions too, and its p-value; "p": of two ensembles that p-value alone. Both
        by `fokkerplanck.two_sample`, in pairs where ensembles have one seed. Default: all but these two, which takes about
        half a second a row of 20,000 paths; a p-value as much again.

    Returns
    -------
    Comparison
        One row a time, a model and an axis; in more dimensions one more with the distances between the joint laws, whose
        axis is "all"; else it is the name of the coordinate, as in an equation or of a parameter of SGD. Printed, it
        shows what fits 80 columns, and in brackets what is no larger than chance; `rows`,
        `to_csv` and `to_markdown` hold everything.

    Notes
    -----
    The standard error of a deviation s from n paths is sqrt((m4 - s^4) / n) / (2 s). The mean 1-Wasserstein distance of n
    samples to their own law F is sqrt(2 / (pi n)) * integral of sqrt(F (1 - F)) (del Barrio, Gine and Matran 1999); densities
    carry no sampling error.
    """
    _check(results, distances)
    chosen = _reference(results, reference)
    _warn_of_single_swarms(results)
    names = _names_of_axes(results)
    joint = JOINT if JOINT not in names else f"{JOINT} axes"
    rows: list[dict[str, Any]] = []
    moments = _common_times(results, times)
    pace = Pace(__name__, "comparison")
    for n, t in enumerate(moments):
        pace(n / len(moments))
        laws = {name: _laws.law(result, t, f"results[{name!r}]") for name, result in results.items()}
        sides = _sides(results, laws, chosen, t)
        for axis, called in enumerate(names):
            for name, side in sides.items():
                row = {"t": t, "model": name, "axis": called} | _alone(side, axis, moments, distances)
                rows.append(row if name == chosen else row | _apart(side, sides[chosen], axis, distances))
        if len(names) > 1 and distances:
            rows += [
                {"t": t, "model": name, "axis": joint} | _joint(side, sides[chosen], distances)
                for name, side in sides.items()
                if name != chosen
            ]
    return _table(rows, distances)


def _sides(results: Mapping[str, Any], laws: Mapping[str, Law], chosen: str, t: float) -> dict[str, Side]:
    """All results on the circles that one of them has, cut opposite to the mean direction of the reference."""
    round_one = next((one for one in laws.values() if one.has_circles), None)
    if round_one is None:
        return {name: Side(results[name], one, t) for name, one in laws.items()}
    on_all = {name: on_circles(one, round_one)[0] for name, one in laws.items()}
    middle = mean_direction(on_all[chosen])
    return {name: Side(results[name], one, t, middle) for name, one in on_all.items()}


def _warn_of_single_swarms(results: Mapping[str, Moments | Ensemble]) -> None:
    """Say whose errors are not known, as all its paths interact."""
    alone = [name for name, result in results.items() if isinstance(result, Ensemble) and result.is_one_swarm]
    if alone:
        text = (
            f"the paths of {', '.join(map(repr, alone))} are one swarm: its errors of sampling are those of as many "
            "independent paths, and may be far too small, so that no z_mean is given. Simulate several swarms, such as "
            "swarm_size = n_paths / 20."
        )
        warn(text)


def _interact(side: Side) -> bool:
    return isinstance(side.result, Ensemble) and side.result.swarms is not None


def _table(rows: Sequence[Mapping[str, Any]], distances: Sequence[str]) -> Comparison:
    """The rows with the columns that were asked for, and those of sliced distances where there are any."""
    words = [*distances, *(w for w in SLICED if any(w in row for row in rows))]
    columns = (*COLUMNS, *(c for word in words for c in _names(word)))
    entries = tuple(tuple(_blank(row.get(c)) for c in columns) for row in rows)
    return Comparison(columns, entries, NOTE, COLUMNS[:3])


def _check(results: Any, distances: Sequence[str]) -> None:
    instance("results", results, Mapping, "a dictionary of results")
    if not results:
        raise bad_value("results", "a dictionary with at least one result", results)
    for name, result in results.items():
        if not isinstance(result, (Moments, Ensemble)):
            raise bad_type(f"results[{name!r}]", "a Solution, an Ensemble or a stationary result", result)
    if len({_dimension(r) for r in results.values()}) > 1:
        raise bad_value("results", "in one number of dimensions", {k: _dimension(r) for k, r in results.items()})
    rule = f"some of {', '.join(map(repr, DISTANCES))}, in a list"
    if isinstance(distances, str) or not isinstance(distances, Sequence):
        raise bad_type("distances", rule, distances)
    for word in distances:
        if not isinstance(word, str) or word not in DISTANCES:
            raise bad_value("distances", rule, word)


def _alone(side: Side, axis: int, moments: Sequence[float], words: Sequence[str]) -> dict[str, Any]:
    """What a row says of a result itself."""
    found: dict[str, Any] = side.moments(axis)
    if isinstance(side.result, Ensemble) and side.t != moments[0]:
        covariance, error = _laws.two_time_covariance(side.result, moments[0], side.t)
        found |= {"two_time": float(covariance[axis, axis]), "se_two_time": float(error[axis, axis])}
    one = side.along(axis)
    if "tail" in words and one.grid is None and len(one.points) >= TAIL_PATHS:
        found |= _named("tail", _laws.tail_index(one))
    return found


def _apart(side: Side, base: Side, axis: int, words: Sequence[str]) -> dict[str, Any]:
    """How far a result is from the reference along one axis."""
    one, other = side.along(axis), base.along(axis)
    apart, error = side.mean_difference(base, axis)
    beside = side.beside(base, [axis])
    w1 = _first_wasserstein(one, other)
    judged = error > 0.0 and not any(isinstance(x.result, Ensemble) and x.result.is_one_swarm for x in (side, base))
    found: dict[str, Any] = {"z_mean": apart / error if judged else None}
    found |= _named("W1", _with(w1, beside))
    if "W2" in words:
        found |= _named("W2", _with(_laws.wasserstein(one, other, 2), beside))
    return found | _shapes(side, base, one, other, words)


def _first_wasserstein(one: Law, other: Law) -> _laws.Distance:
    """W1 along one axis; what sampling alone would give is known in closed form on a line."""
    if one.has_circles:
        return _laws.wasserstein(one, other)
    return _laws.Distance(*sliced(one, other, 1), _noise(one, other))


def _joint(side: Side, base: Side, words: Sequence[str]) -> dict[str, Any]:
    """Distances between laws in all coordinates together."""
    found: dict[str, Any] = {}
    beside = side.beside(base, range(side.law.dim))
    exact = has_transport_package()
    for order, word in ((1, "W1"), (2, "W2")):
        if (order == 1 or word in words) and (exact or not side.law.has_circles):
            distance = _laws.wasserstein(side.law, base.law, order, method="exact" if exact else "sliced")
            found |= _named(word if exact else f"sliced {word}", _with(distance, beside))
    return found | _shapes(side, base, side.law, base.law, words)


def _shapes(side: Side, base: Side, one: Law, other: Law, words: Sequence[str]) -> dict[str, Any]:
    """Energy distance, MMD, and KL of the reference from the model unless the two share their random numbers."""
    found: dict[str, Any] = {}
    if "MMD" in words:
        found |= _named("MMD", _laws.mmd(one, other))
    sampled, paired = one.grid is None and other.grid is None, side.paired(base)
    asked = sampled and "p" in words and (not paired or one.points.shape == other.points.shape)
    p = _p_value(side, base, one, other) if asked or "energy" in words else None
    if "energy" in words:
        found |= _named("energy", (*_laws.energy(one, other), p))
    if asked:
        found["p"] = p
    if "KL" in words and not paired:
        found |= _named("KL", _laws.kullback_leibler(other, one))
    return found


def _p_value(side: Side, base: Side, one: Law, other: Law) -> float | None:
    """By permutations; of a density beside samples as many points are drawn as there are samples.

    None of two densities, and of samples that interact, which cannot be permuted.
    """
    if (one.grid is not None and other.grid is not None) or _interact(side) or _interact(base):
        return None
    paired = side.paired(base) and one.points.shape == other.points.shape
    n = min(DRAWN, *(len(x.points) for x in (one, other) if x.grid is None))
    rng = private_generator("points of a density for a p-value")
    x, y = (law.points if law.grid is None else law.draw(rng, n).points for law in (one, other))
    period = [p if math.isfinite(p) else None for p in one.periods] if one.has_circles else None
    return two_sample(x, y, paired=paired, period=period).p_value


def _named(word: str, distance: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(_names(word), distance, strict=True))


def _names(word: str) -> tuple[str, ...]:
    names = (word, f"se_{word}", f"{word}_sampling")
    return ("p",) if word == "p" else (*names, "p_energy") if word == "energy" else names


def _with(distance: _laws.Distance, beside: float) -> _laws.Distance:
    """A distance with what else than sampling its error holds."""
    return distance._replace(standard_error=math.hypot(distance.standard_error, beside))


def _noise(one: Law, base: Law) -> float:
    inverse = sum(1.0 / x.independent for x in (one, base) if x.grid is None)
    law = base if base.grid is None else one
    if law.grid is not None:
        return 0.0
    x = np.sort(law.points[:, 0])
    below = np.arange(1, x.size) / x.size
    return math.sqrt(2.0 / math.pi * inverse) * float(np.sqrt(below * (1.0 - below)) @ np.diff(x))


def _dimension(result: Any) -> int:
    return result.dim if isinstance(result, Ensemble) else result.grid.dim


def _names_of_axes(results: Mapping[str, Any]) -> tuple[str, ...]:
    """What the coordinates are called: by the first result that has names of its own, else x, y, z, or their numbers."""
    dim = _dimension(next(iter(results.values())))
    usual = AXES[:dim] if dim <= len(AXES) else tuple(map(str, range(dim)))
    found = [r.names if isinstance(r, Ensemble) else r.grid.names for r in results.values()]
    return next((tuple(names) for names in found if names is not None and tuple(names) != usual), usual)


def _reference(results: Mapping[str, Any], reference: str | None) -> str:
    if reference is None:
        ensembles = [name for name, result in results.items() if isinstance(result, Ensemble)]
        return ensembles[0] if len(ensembles) == 1 else list(results)[-1]
    if not isinstance(reference, str) or reference not in results:
        raise bad_value("reference", f"one of {', '.join(map(repr, results))}", reference)
    return reference


def _common_times(results: Mapping[str, Any], times: Sequence[float] | None) -> list[float]:
    moving = [result for result in results.values() if hasattr(result, "times")]
    if times is not None:
        chosen = increasing("times", times).tolist()
        for t in chosen:
            for name, result in results.items():
                if hasattr(result, "times") and not same_time(result.times, t).any():
                    raise bad_value("times", f"recorded by results[{name!r}], such as {result.times[-1]:g}", t)
        return chosen
    if not moving:
        return [math.inf]
    first, *others = moving
    common = [float(t) for t in first.times if all(same_time(r.times, t).any() for r in others)]
    if not common:
        raise bad_value("results", "recorded at some common time", [list(r.times[:4]) for r in moving])
    return common


def _blank(entry: Any) -> Any:
    return None if isinstance(entry, float) and math.isnan(entry) else entry
