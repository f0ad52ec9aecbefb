"""A generator with a source, which is linear for masses with one more entry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..discretization.generator import Exit, Generator, Links, padded
from ..kernels.matvec import Operator


@dataclass(frozen=True, eq=False)
class Fed(Generator):
    """A generator with a source: its vectors have one more entry, which stays 1."""

    source: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def reaches_far(self) -> bool:
        """The source is no link."""
        return True

    @cached_property
    def near_operator(self) -> Operator:
        """Links and exits, which leave the last entry alone."""
        return padded(super().near_operator, 1)

    def far(self, p: np.ndarray) -> np.ndarray:
        """The part of Q P that jumps, resets and the source make, (n + 1,), for p (n + 1,)."""
        return np.append(super().far(p[:-1]) + p[-1] * self.source, 0.0)

    def reweighted(self, links: tuple[Links, ...], exits: tuple[Exit, ...], weight: float) -> Generator:
        """As for every generator; the source has the weight, too."""
        return replace(super().reweighted(links, exits, weight), source=weight * self.source)  # type: ignore[call-arg]

    def _raveled(self, masses: np.ndarray) -> np.ndarray:
        return masses if np.shape(masses) == (self.grid.size + 1,) else super()._raveled(masses)
