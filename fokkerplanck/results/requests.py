"""What a question about times may ask: output times and tolerances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import increasing, number

if TYPE_CHECKING:
    pass


def output_times(times: Any) -> np.ndarray:
    """Output times as an array (n_times,), or the sentence that says what is wrong with them."""
    return increasing("times", times)


def check_rtol(rtol: Any) -> None:
    """Refuse a tolerance that no propagation can hold."""
    number("rtol", rtol, "between 1e-12 and 1", lambda v: 1e-12 <= v < 1.0)
