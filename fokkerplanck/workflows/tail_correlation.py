"""Whether runs stay shorter where the noise of their batches has heavier tails: one table for all studies of networks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..storage.tables import Comparison
from .paired_runs import NOT_TOLD, entries, joint_level, rank_correlation

SHORTER, LONGER = "heavier, shorter", "heavier, longer"
NOTE = (
    "Spearman's rank correlation, over runs, of the tail index of the batch noise where a run waits and the length of its "
    "stay: positive where heavier tails go with shorter stays. Intervals (artanh, Bonett and Wright) at {level:.3%}, so "
    "that all {count} hold together at 95 %. Undefined below ten runs, or where all stays or indices are the same. The "
    "place is that of the smallest gradient, which comes late in long stays: what stays and places have in common shows in "
    "the dynamics that do not feel these tails (refined, Langevin, descent)."
)


def tail_table(keys: tuple[str, ...], groups: Mapping[tuple, tuple[list[float], list[float]]]) -> Comparison:
    """A row for each group of runs: its key, and the correlation of their tail indices with their stays."""
    level = joint_level(len(groups))
    rows = []
    for key, (tails, stays) in groups.items():
        c = rank_correlation(np.array(tails), np.array(stays), level)
        word = "undefined" if math.isnan(c.value) else {1: SHORTER, 0: NOT_TOLD, -1: LONGER}[c.sign]
        rows.append((*key, c.n, *entries(c[:3]), word))
    columns = (*keys, "runs", "correlation", "from", "to", "verdict")
    return Comparison(columns, tuple(rows), NOTE.format(level=level, count=len(groups)), keys)
