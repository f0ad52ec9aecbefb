"""What the runs say: distances of each dynamics to SGD over time, and when each gets how far, paired by their starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...comparison.distribution import law
from ...comparison.wasserstein import assigned, sliced
from ...deep_linear import crossing_steps
from ...networks import plateaus
from ...statistics.two_sample import two_sample
from .blocks import AGAIN, Trained
from .spec import Dynamics, named

FEWEST = 5  # runs that a distance or a median is worth stating for
VISITED = 0.1  # share of the runs of some dynamics that makes a level one that is looked at
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
    """

    rate: float
    times: dict[str, dict[str, np.ndarray]]
    levels: dict[str, float]


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
    stays, places = _stays(trained)
    return Events(rate, times | stays, levels | places)


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


def _stays(trained: Mapping[str, Trained]) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """Lengths of stays at the plateaus of all runs together, where enough runs of some dynamics stayed and some left."""
    parts = [one.runs for one in trained.values()]
    side_by_side: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("loss", "gradient_norm")
    }
    found = plateaus(replace(parts[0], **side_by_side))
    times, levels = {}, {}
    for level, stay in zip(found.levels.tolist(), found.stay, strict=True):
        by_name = dict(zip(trained, np.split(stay, len(parts)), strict=True))
        stayed = [np.count_nonzero(~np.isnan(s)) for s in by_name.values()]
        if max(stayed) >= max(FEWEST, VISITED * parts[0].n_runs) and np.isfinite(stay).any():
            event = f"stay at loss {level:.3g}"
            times[event], levels[event] = by_name, level
    return times, levels


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
