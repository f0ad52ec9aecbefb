"""exp(Q^T t) u, the backward evolution of functions of the start, and its steps where Q changes with time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..discretization.generator import Generator, compressed_rows
from .chebyshev import Chebyshev
from .time_dependent import Driven, GeneratorAt
from .time_scan import Timetable


class _Transposed(NamedTuple):
    """What a Chebyshev series asks of a generator beside its rates."""

    matrix: sp.csr_array
    jumps: None = None
    reaches_far: bool = False

    def apply(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(self.matrix @ values)


class BackwardChebyshev(Chebyshev):
    """`Chebyshev` with Q^T, whose spectrum is that of Q, in place of Q; rates of jumps are laid out as a matrix."""

    def __init__(self, q: Generator, rtol: float, horizon: float):
        super().__init__(q, rtol, horizon)
        matrix = q.adjoint
        self.operator = compressed_rows(matrix)
        self.q = _Transposed(matrix)  # type: ignore[assignment]

    def back(self, values: np.ndarray, stop: float, start: float) -> np.ndarray:
        """u at the time `start` from that at the later time `stop`."""
        size = float(np.abs(values).sum())
        return values if size == 0.0 or stop == start else size * self.advance(values / size, stop - start)[0]


class BackwardDriven(Driven):
    """Steps back from a horizon: du/ds = Q(horizon - s)^T u, with errors in units of the sum of |u|."""

    def __init__(self, generator_at: GeneratorAt, rtol: float, horizon: float, table: Timetable):
        mirrored = Timetable(*(horizon - part[::-1] for part in (table.ends, table.last, table.first)))
        super().__init__(lambda s, u: generator_at(horizon - s, u), rtol, horizon, False, mirrored)

    def back(self, values: np.ndarray, stop: float, start: float) -> np.ndarray:
        """u at the time `start` from that at the later time `stop`."""
        size = float(np.abs(values).sum())
        if size == 0.0 or stop == start:
            return values
        return size * self.advance(values / size, self.horizon - stop, self.horizon - start)[0]

    def _exponential(self, q: Generator, masses: np.ndarray, h: float) -> np.ndarray:
        return BackwardChebyshev(q, self._allowed(h), h).advance(masses, h)[0]
