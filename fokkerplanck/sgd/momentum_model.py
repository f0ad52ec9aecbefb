"""SGD with momentum m as an equation of its parameter and velocity: theta' = v, v' = -(1 - m) v - eta g + noise.

The noise acts on the velocity alone. Kicks with heavy tails are jumps of v of the scale s(theta) that "levy" gives theta
without momentum: dv = ... + s dL. On a quadratic of curvature h both are linear, so that characteristic functions are known,

    ln E exp(i k.x(t)) = ... - int_0^t |k . exp(A u) e_v|^a s^a du       of the equation, A = [[0, 1], [-eta h, -(1 - m)]],
    ln E exp(i k.x_n) = ... - sum_{l < n} |k . M^l (1, 1)|^a s^a          of SGD, M = [[1 - eta h, m], [-eta h, m]].

At rest, for eta h = 0.1 and a = 1.5, the equation is too narrow by 0.5 % in theta and 3 % in v at m = 0.9, by 0 % and 11 % at
m = 0.5: of the velocity alone s^a / (a (1 - m)) stands for s^a / (1 - m^a).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..model.levy import LevyJumps

if TYPE_CHECKING:
    from .algorithm import SGD


@dataclass(frozen=True, eq=False)
class MomentumModel:
    """Drift and noise on the plane of parameter and velocity, functions of two arrays of one shape.

    jumps: those of the parameter without momentum, in place of the noise of the batches.
    """

    sgd: SGD
    jumps: LevyJumps | None = None

    def drift(self, theta: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
        """(v, -(1 - m) v - eta g)."""
        return [v + 0.0 * theta, -(1.0 - self.sgd.momentum) * v + self.sgd.drift(theta)]

    def diffusion(self, theta: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
        """(0, D); with jumps D is of the noise that SGD adds itself."""
        noise = self.sgd.diffusion(theta) if self.jumps is None else 0.5 * self.sgd.injected_variance + 0.0 * theta
        return [0.0 * (noise + v), noise + 0.0 * v]

    def kick(self, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
        """s of the jumps of the velocity."""
        assert self.jumps is not None
        return self.jumps.scale_at((theta + 0.0 * v,))
