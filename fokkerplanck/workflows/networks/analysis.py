"""What the runs say: distances of each dynamics to SGD over time, and when each gets how far, paired by their starts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...comparison.distribution import law
from ...comparison.wasserstein import assigned, sliced
from ...deep_linear import crossing_steps
from ...deep_linear.plateaus import BAND, band_levels, falling, passages, slow_levels
from ...statistics.two_sample import two_sample
from .blocks import AGAIN, Trained
from .spec import Dynamics, named

FLOOR = 1e-3  # of the first losses, below which all is learned: ln loss has slow parts on its way to zero
RECORDS = 5  # intervals between records that a stay lasts at least
FEWEST = 5  # runs that a distance or a median is worth stating for
DROPS = {"half of the drop": 0.5, "nine tenths": 0.9}


class Apart(NamedTuple):
    """One dynamics and SGD at one moment.

    Attributes
    ----------
    rate, name, step
    pairs : int
        Runs that are finite under both.
    energy, energy_p, mmd_p : float
        Of the parameters: energy distance with each coordinate in units of its quartile distance, p-values of this and of
        the maximum mean discrepancy, for pairs.
    exact, sliced : float
        W1 between the parameters, by the best assignment, and sliced.
    loss, loss_p : float
        Median loss less that of SGD, and p-value of the energy distance of the losses.
    """

    rate: float
    name: str
    step: int
    pairs: int
    energy: float
    energy_p: float
    mmd_p: float
    exact: float
    sliced: float
    loss: float
    loss_p: float


class Events(NamedTuple):
    """When runs get how far, at one learning rate.

    Attributes
    ----------
    rate : float
    times : dict of event -> dict of dynamics -> ndarray (n_runs,)
        Steps: to a share of the drop of the loss, or the length of a stay at a plateau; inf where a run does not get there or
        has not left, nan where it did not stay.
    levels : dict of event -> float
        The loss that an event is about.
    visits : dict of event -> dict of dynamics -> ndarray (n_runs, 2)
        Of the stays: the steps between which a run is at the plateau; inf where it does not come or leave, nan where it
        starts below.
    """

    rate: float
    times: dict[str, dict[str, np.ndarray]]
    levels: dict[str, float]
    visits: dict[str, dict[str, np.ndarray]]


def distances(rate: float, trained: Mapping[str, Trained], moments: np.ndarray) -> list[Apart]:
    """Every dynamics, and SGD again, against SGD at the moments (m,) of the records."""
    sgd, found = trained["sgd"], []
    for name, other in trained.items():
        if name == "sgd":
            continue
        for n, moment in enumerate(moments.tolist()):
            step = int(sgd.runs.steps[moment])
            a, b = sgd.parameters[n], other.parameters[n]
            losses = sgd.runs.loss[moment], other.runs.loss[moment]
            finite = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1) & np.isfinite(np.array(losses)).all(axis=0)
            measured = (
                _apart(a[finite], b[finite], *(one[finite] for one in losses)) if finite.sum() >= FEWEST else NONE
            )
            found.append(Apart(rate, name, step, int(finite.sum()), *measured))
    return found


NONE = (np.nan,) * 7


def _apart(a: np.ndarray, b: np.ndarray, loss_a: np.ndarray, loss_b: np.ndarray) -> tuple[float, ...]:
    test = two_sample(a, b, paired=True)
    return (
        test.distance,
        test.p_value,
        two_sample(a, b, paired=True, kernel="gaussian").p_value,
        assigned(a, b),
        sliced(law(a), law(b), 1)[0],
        float(np.median(loss_b) - np.median(loss_a)),
        two_sample(loss_a, loss_b, paired=True).p_value,
    )


def events(rate: float, trained: Mapping[str, Trained]) -> Events:
    """Passages of the loss through shares of SGD's drop, and stays at plateaus that are common to all dynamics."""
    times, levels = _passages(trained)
    visits, places = _visits(trained)
    stays = {event: {name: _lengths(ends) for name, ends in by_name.items()} for event, by_name in visits.items()}
    return Events(rate, times | stays, levels | places, visits)


def _passages(trained: Mapping[str, Trained]) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """First steps at which a share of the fall of SGD's median loss is done."""
    sgd = trained["sgd"].runs
    first, last = (
        float(np.median(row[np.isfinite(row)])) if np.isfinite(row).any() else np.nan for row in sgd.loss[[0, -1]]
    )
    if not last < first:
        return {}, {}
    levels = {event: first - share * (first - last) for event, share in DROPS.items()}
    return {
        event: {
            name: crossing_steps(one.runs.steps, -one.runs.loss[..., None], -level)[:, 0]
            for name, one in trained.items()
        }
        for event, level in levels.items()
    }, levels


def _visits(trained: Mapping[str, Trained]) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """When each run is at the plateaus of SGD, until half of the drop to the next one, or to the end, is done.

    A plateau is a level where the median time over the runs of SGD is by the rule of a stay: a single noisy run has stays of
    its own, at other levels than the next. Losses below `FLOOR` of the first are the floor.
    """
    steps = trained["sgd"].runs.steps
    floor = FLOOR * float(np.nanmedian(trained["sgd"].runs.loss[0]))
    curves = {name: _falling_curves(one.runs.loss, floor) for name, one in trained.items()}
    found = _plateaus(steps, curves["sgd"])
    visits, levels = {}, {}
    for level, end in itertools.pairwise([*found, float(np.median(curves["sgd"][-1]))]):
        event, half = f"stay at loss {np.exp(level):.3g}", float(np.log(0.5 * (np.exp(level) + np.exp(end))))
        visits[event] = {
            name: np.array([_visit(steps, h, level, half) for h in every.T]) for name, every in curves.items()
        }
        levels[event] = float(np.exp(level))
    return visits, levels


def _plateaus(steps: np.ndarray, curves: np.ndarray) -> list[float]:
    """ln loss of the plateaus that half of the runs leave, of curves (n_times, n_runs) that never rise; the highest first."""
    middle, last = np.median(curves, axis=1), curves[-1]
    grid = band_levels(middle[0], middle[-1])
    passed = np.array([passages(steps, h, grid) for h in curves.T])
    spent = np.ptp(passed, axis=2)
    spent[last[:, None] > grid - BAND] = np.inf  # has not left, or not come
    most = float(steps[-1] - steps[0])
    typical = np.median(spent, axis=0)
    peaks = slow_levels(np.log(np.clip(typical, 1e-9 * most, 10.0 * most)))
    resolved = typical[peaks] >= RECORDS * float(np.median(np.diff(steps)))
    kept = peaks[resolved & np.isfinite(typical[peaks])]
    amid = [[np.interp(one[n].mean(), steps, h) for one, h in zip(passed, curves.T, strict=True)] for n in kept]
    return [float(np.median(heights)) for heights in amid]


def _falling_curves(loss: np.ndarray, floor: float) -> np.ndarray:
    """ln loss of each run (n_times, n_runs) by curves that never rise; a run that has diverged stays where it was last."""
    height = np.log(np.maximum(np.where(np.isfinite(loss), loss, np.inf), floor))
    last = np.maximum.accumulate(np.where(np.isfinite(height), np.arange(len(height))[:, None], 0), axis=0)
    return np.stack([falling(column) for column in np.take_along_axis(height, last, axis=0).T], axis=1)


def _visit(steps: np.ndarray, height: np.ndarray, level: float, half: float) -> tuple[float, float]:
    """Steps at the upper end of the band about a level, and at `half`; nan where a run starts below it, inf without end."""
    if height[0] < level - BAND:
        return np.nan, np.nan
    falls = height - 1e-9 * np.arange(height.size)
    approach, escape = np.interp([-level - BAND, -half], -falls, steps, right=np.inf)
    return float(approach), float(escape)


def _lengths(visits: np.ndarray) -> np.ndarray:
    """Lengths of visits (n_runs, 2); inf without end, also where a run does not come."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(visits[:, 1]), np.inf, visits[:, 1] - visits[:, 0])


def contrasts(dynamics: Sequence[Dynamics]) -> list[tuple[str, str]]:
    """(one, other): which dynamics are set against which.

    Each against SGD; and stable and isotropic noise against the Gaussian noise of the batches with the same optimizer.
    """
    names = {one.name for one in dynamics}
    pairs = [(one.name, "sgd") for one in (*dynamics, AGAIN) if one.name != "sgd"]
    for one in dynamics:
        if one.stability is not None or (one.noise == "langevin" and one.temperature is None):
            other = named(one._replace(noise="refined", stability=None)).name
            pairs += [(one.name, other)] if other in names else []
    return pairs
