"""Where a run waits: loss, Hessian and the noise that batches have there, as one record for all studies of networks.

What was looked at is kept in a file beside the trained runs, so that a study that is run again does not look again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..deep_linear import GradientNoise
from ..storage.checkpoint import resumed
from ..storage.tables import Comparison
from .paired_runs import entries
from .tail_correlation import tail_table

ENDS = 10  # directions at each end of the Hessian's spectrum
COLUMNS = (
    "run", "step", "stay", "loss", "gradient", "negative", "lowest", "highest", "trace", "dimension", "cosine", "curvature",
    "in lowest", "in highest", "tail",
)  # fmt: skip
NO_COVARIANCE = (math.nan,) * 6


class Saddle(NamedTuple):
    """The parameters of one run where they wait.

    Attributes
    ----------
    place : tuple
        What the runs that are compared have in common: learning rate, event and dynamics; of a deep linear network the number
        of modes that are learned, and the generator.
    run, step : int
    stay : float
        Length of the stay; inf where the run does not leave.
    loss, gradient_norm : float
    negative : int
        Eigenvalues of the Hessian below -1e-3 of the largest.
    complete : bool
        Whether these are all.
    lowest, highest : float
        Eigenvalue.
    trace, dimension, cosine, curvature, in_lowest, in_highest : float
        Of the covariance C of the batch gradient, see `GradientNoise`; nan where it has none.
    tail : float
        Tail index of the noise, with its interval where one is known.
    tail_low, tail_high : float
    tails : str
        Verdict of a test of the tails; empty where there was none.
    """

    place: tuple[Any, ...]
    run: int
    step: int
    stay: float
    loss: float
    gradient_norm: float
    negative: int
    complete: bool
    lowest: float
    highest: float
    trace: float
    dimension: float
    cosine: float
    curvature: float
    in_lowest: float
    in_highest: float
    tail: float
    tail_low: float = math.nan
    tail_high: float = math.nan
    tails: str = ""


class Index(Protocol):
    """The negative eigenvalues of a Hessian, and whether they are all."""

    @property
    def negative(self) -> int: ...  # noqa: D102
    @property
    def complete(self) -> bool: ...  # noqa: D102


def measures(index: Index, values: np.ndarray, noise: GradientNoise | None) -> tuple[Any, ...]:
    """The entries `negative` to `in_highest` of a Saddle, from the ascending eigenvalues at both ends of the Hessian."""
    ends = int(index.negative), bool(index.complete), float(values[0]), float(values[-1])
    if noise is None:
        return (*ends, *NO_COVARIANCE)
    count = min(ENDS, noise.hessian_share.size // 2)
    shares = float(noise.hessian_share[:count].sum()), float(noise.hessian_share[-count:].sum())
    numbers = noise.trace, noise.effective_dimension, noise.cosine, noise.mean_curvature
    return (*ends, *(float(v) for v in numbers), *shares)


def kept(path: Path, look: Callable[[], list[Saddle]], *depends_on: Any) -> list[Saddle]:
    """Saddles read where an earlier study has left them at `path`, else looked at and left there; see `checkpoint.resumed`."""
    piece = resumed(path, lambda: {"saddles": [list(s) for s in look()]}, *depends_on)
    return [Saddle(tuple(place), *rest) for place, *rest in piece["saddles"]]


def row(s: Saddle) -> tuple[Any, ...]:
    """Entries of a table under the names of its place and `COLUMNS`."""
    index = f"{s.negative}{'' if s.complete else '+'}"
    numbers = (s.lowest, s.highest, s.trace, s.dimension, s.cosine, s.curvature, s.in_lowest, s.in_highest, s.tail)
    return (*s.place, s.run, s.step, *entries((s.stay, s.loss, s.gradient_norm)), index, *entries(numbers))


def by_place(saddles: Sequence[Saddle]) -> dict[tuple[Any, ...], list[Saddle]]:
    """Those that are compared, in the order in which their places first come."""
    groups: dict[tuple[Any, ...], list[Saddle]] = {}
    for s in saddles:
        groups.setdefault(s.place, []).append(s)
    return groups


def tails_and_stays(keys: tuple[str, ...], saddles: Sequence[Saddle], fewest: int = 0) -> Comparison:
    """Whether runs leave sooner where the noise has heavier tails, at the places that so many runs were looked at."""
    groups = {place: here for place, here in by_place(saddles).items() if len(here) >= fewest}
    return tail_table(keys, {place: ([s.tail for s in here], [s.stay for s in here]) for place, here in groups.items()})
