"""What a random choice of mini-batches adds to the answers of a sampled transfer operator.

The chosen batches are dealt to a few groups, each with an operator of its own; the operator is their mean. What answers of the
groups differ by estimates the standard error of the answer of all (the method of batch means; Asmussen and Glynn 2007, IV.5).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

GROUPS = 8  # the error is itself known to 1 / sqrt(2 (GROUPS - 1)), about a quarter


def groups(n_batches: int) -> list[np.ndarray]:
    """Row numbers of the batches of each group, as equal in number as possible; none where there are too few batches."""
    return [np.arange(k, n_batches, GROUPS) for k in range(GROUPS)] if n_batches >= 2 * GROUPS else []


def sampling_error(parts: tuple[sp.csc_array, ...], answer: Callable[[sp.csc_array], np.ndarray]) -> np.ndarray:
    """Standard error of answer(T), T the mean of `parts`, in the shape of the answer; zero where all parts say infinite.

    The answer of a group is off by GROUPS times the variance of that of all; where it is curved, by its bias too, which the
    distance of the groups from their own mean does not see.
    """
    values = np.array([answer(part) for part in parts])
    with np.errstate(invalid="ignore"):
        spread = values.std(axis=0, ddof=1) / np.sqrt(len(parts))
    return np.where(np.isinf(values).all(axis=0), 0.0, spread)
