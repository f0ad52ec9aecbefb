"""The stationary density of a process that starts anew whenever it has left the box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from ..solvers.linear.irreversibility import Irreversibility
from .moments import shown_deviations, shown_numbers
from .solution import Solution, at_rest
from .stationary import Stationary


@dataclass(frozen=True, eq=False, repr=False)
class SavedReset(Solution):
    """What a `StationaryReset` is in a file: a solution whose one time is infinity, with its `rate`, `rates` and `delay`."""

    rate: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    delay: float = 0.0

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n  rate       {shown_rates(self.rate, self.rates)}"


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
        Of these, those by each way out: "x low", "x high" by the names of the axes, "killing", ...
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

    def save(self, path: str) -> None:
        """Write a netCDF file, with the current and the rates; `fokkerplanck.load` reads a Solution that has these."""
        rest = at_rest(self, "stationary", self.process.settings)
        kept = {f.name: getattr(rest, f.name) for f in fields(rest)}
        SavedReset(**kept, rate=self.rate, rates=self.rates, delay=self.delay).save(path)

    def __repr__(self) -> str:
        lines = [
            f"Stationary density with resets on {self.grid!r}",
            f"  rate       {shown_rates(self.rate, self.rates)}",
            f"  mass       {self.mass:.6g} in the box",
            f"  mean       {shown_numbers(self.mean())}",
            f"  deviation  {shown_deviations(self.covariance(), self.grid)}",
            f"  grid       {self.error.note}",
        ]
        return "\n".join(lines)


def shown_rates(rate: float, rates: Mapping[str, float]) -> str:
    """The rate of resets, and what each way out has of it."""
    by = ", ".join(f"{part:.6g} by {name}" for name, part in rates.items())
    return f"{rate:.6g} resets per time ({by})"
