"""The stationary density of a process that starts anew whenever it has left the box."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..solvers.linear.irreversibility import Irreversibility
from .moments import shown_numbers
from .stationary import Stationary


@dataclass(frozen=True, eq=False, repr=False)
class StationaryReset(Stationary):
    """A stationary density where what leaves enters again: Q P + rate s = 0, with s the masses of the reset.

    With T the mean time from a reset until the process leaves, and a time d that it then waits outside, the rate of resets is
    1 / (T + d) (renewal theory), and a share T / (T + d) of the probability is in the box.

    Attributes
    ----------
    rate : float
        Resets per time: the firing rate of a neuron, the inverse of the cycle time. `error["rate"]` is its error.
    rates : dict of float
        Of these, those by each way out: "x low", "x high", "killing", ...
    delay : float
        Time spent outside at each reset.
    """

    rate: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    delay: float = 0.0

    @property
    def current(self) -> np.ndarray:
        """The probability current J in the box, (dim, *grid.shape), per time."""
        return self.generator.current(self.masses)

    @property
    def irreversibility(self) -> Irreversibility:
        """No equilibrium: a reset goes one way, so that the entropy production is infinite."""
        return Irreversibility(False, np.inf, np.inf, np.zeros(self.grid.dim))

    def __repr__(self) -> str:
        by = ", ".join(f"{rate:.6g} by {name}" for name, rate in self.rates.items())
        lines = [
            f"Stationary density with resets on {self.grid!r}",
            f"  rate       {self.rate:.6g} resets per time ({by})",
            f"  mass       {self.mass:.6g} in the box",
            f"  mean       {shown_numbers(self.mean())}",
            f"  deviation  {shown_numbers(np.sqrt(np.diagonal(self.covariance())))}",
            f"  grid       {self.error.note}",
        ]
        return "\n".join(lines)
