"""The stationary density of an open system: what leaves the box enters again, or more is put in from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np

from ..solvers.linear.irreversibility import Irreversibility
from .moments import shown_deviations, shown_numbers
from .open_solution import OpenSolution
from .processes import Extrapolated
from .solution import Solution, at_rest
from .stationary import Stationary


@dataclass(frozen=True, eq=False, repr=False)
class OpenStationary(Stationary):
    """A stationary density with a source: Q P + s = 0, with s the masses that enter per time. Its `mass` need not be 1.

    With T the mean time from entering until leaving, the mass in the box is T times what enters per time (Little's law).

    Attributes
    ----------
    rate : float
        Mass per time that enters, and leaves. `error["rate"]` is its error.
    rates : dict of float
        Of this, what leaves by each way out: "x low", "x high" by the names of the axes, "killing", ...
    """

    rate: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)

    def in_units(self, unit: float) -> OpenStationary:
        """The same for `unit` times as much of everything."""
        if unit == 1.0:
            return self
        names = ("density", "mass", "rate", "current")
        return replace(
            self,
            density=unit * self.density,
            error=self.error.in_units(unit, names, lambda better: better.in_units(unit), "of the mass"),
            process=self.process.in_units(unit) if isinstance(self.process, Extrapolated) else self.process,
            rate=unit * self.rate,
            rates={name: unit * part for name, part in self.rates.items()},
        )

    @property
    def irreversibility(self) -> Irreversibility:
        """No equilibrium: what enters goes one way, so that the entropy production is infinite."""
        return Irreversibility(False, np.inf, np.inf, np.zeros(self.grid.dim))

    def save(self, path: str) -> None:
        """Write a netCDF file, with the current and the rates; `fokkerplanck.load` reads a Solution that has these."""
        rates = {name: np.array([part]) for name, part in self.rates.items()}
        OpenSolution(**self._at_rest(), rate=np.array([self.rate]), rates=rates, supplied=np.array([np.inf])).save(path)

    def _at_rest(self) -> dict:
        rest = at_rest(self, "stationary", self.process.settings)
        return {f.name: getattr(rest, f.name) for f in fields(rest)}

    def __repr__(self) -> str:
        return self._shown("with a source", shown_rates(self.rate, self.rates, "per time"))

    def _shown(self, what: str, rate: str) -> str:
        lines = [
            f"Stationary density {what} on {self.grid!r}",
            f"  rate       {rate}",
            f"  mass       {self.mass:.6g} in the box",
            f"  mean       {shown_numbers(self.mean())}",
            f"  deviation  {shown_deviations(self.covariance(), self.grid)}",
            f"  grid       {self.error.note}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class StationaryReset(OpenStationary):
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

    delay: float = 0.0

    def save(self, path: str) -> None:
        """Write a netCDF file, with the current and the rates; `fokkerplanck.load` reads a Solution that has these."""
        SavedReset(**self._at_rest(), rate=self.rate, rates=self.rates, delay=self.delay).save(path)

    def __repr__(self) -> str:
        return self._shown("with resets", shown_rates(self.rate, self.rates, "resets per time"))


@dataclass(frozen=True, eq=False, repr=False)
class SavedReset(Solution):
    """What a `StationaryReset` is in a file: a solution whose one time is infinity, with its `rate`, `rates` and `delay`."""

    rate: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    delay: float = 0.0

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n  rate       {shown_rates(self.rate, self.rates, 'resets per time')}"


def shown_rates(rate: float, rates: Mapping[str, float], what: str) -> str:
    """A rate, and what each way out has of it."""
    by = ", ".join(f"{part:.6g} by {name}" for name, part in rates.items())
    return f"{rate:.6g} {what} ({by})"
