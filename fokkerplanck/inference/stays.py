"""Whether a process waits: the time order from how long its paths stay where they are.

A process of time order b < 1 stays put for times with P(longer than w) = E_b(-(w/T)^b), a Mittag-Leffler function, which falls
as w^-b and has no mean; with b = 1 it is exp(-w/T). Recorded every dt, such a stay shows as m equal rows. It began at an even
time between two of them, so that P(m or more) = int_0^1 P(longer than (m - 1 + u) dt) du, whose likelihood gives b and T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results.ensemble import Ensemble
from ..statistics.stay_lengths import LEAST, order_of_stays, stay_lengths
from .paths import Paths, as_paths


@dataclass(frozen=True, eq=False, repr=False)
class Stays:
    """How long paths stay.

    Attributes
    ----------
    time_order, error : float
        The order b, and half the longer side of its `interval`; of a power law where the data tell no T; 1
        and nan where there are too few stays to tell.
    scale : float
        T, in rows; far below 1 where only the power law is seen.
    n_stays : int
        Stays of `shortest` rows or more.
    shortest : int
        Rows from which on stays follow one law: 3, or more where the shorter ones do not follow that of the longer ones.
    lengths, ended : ndarray (n,)
        Rows of all stays of three rows or more but the first of each run, and whether their end was seen.
    interval : tuple of float
        Of the order, in which it lies in 95 % of cases; (0, 1) where there are too few stays to tell.
    """

    time_order: float
    error: float
    scale: float
    n_stays: int
    shortest: int
    lengths: np.ndarray
    ended: np.ndarray
    interval: tuple[float, float]

    def __repr__(self) -> str:
        if math.isnan(self.error):
            return f"Stays: {self.n_stays} of {LEAST} rows or more: no evidence of waiting"
        order = f"{self.time_order:.3g} +- {self.error:.2g}"
        return f"Stays: time order {order}, from {self.n_stays} of {self.shortest} rows or more"


def stays(data: Any) -> Stays:
    """The time order of a process from the stays of its paths.

    Parameters
    ----------
    data : Paths, or anything that makes `fokkerplanck.Paths`
        Recorded at equal intervals. Rows are equal where all coordinates are, to the last digit. Of an Ensemble with a
        target or absorbing walls, what comes after the exit does not count.

    Returns
    -------
    Stays

    Notes
    -----
    The first stay of a run, whose beginning nobody saw, is dropped, and the last is censored. The law is fitted to stays of
    three rows or more; where those of 6, 12, ... rows or more have another order, as rounded numbers have, to these. Growth of
    the mean square cannot tell waiting from confinement; stays do.
    """
    lengths, ended = stay_lengths(_until_exit(data).runs)
    found = order_of_stays(lengths, ended)
    return Stays(
        found.time_order,
        found.error,
        found.scale,
        found.n_stays,
        found.shortest,
        lengths,
        ended,
        (found.low, found.high),
    )


def _until_exit(data: Any) -> Paths:
    if not isinstance(data, Ensemble) or data.exit_times is None:
        return as_paths(data)
    positions = data.positions.copy()
    positions[data.times[:, None] >= data.exit_times] = np.nan
    return Paths(Ensemble(data.times, positions))
