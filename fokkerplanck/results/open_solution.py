"""The density of an open system in time: what leaves the box enters again, or more is put in from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from .solution import Solution

PER_SUPPLY = "of the mass that was put in by the end"
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False, repr=False)
class OpenSolution(Solution):
    """A density in time with a reset or a source: dp/dt = L p + rate r + s, with r the density of the reset.

    Attributes
    ----------
    rate : ndarray (n_times,)
        Mass per time that leaves the box, and with a reset enters again: the firing rate of a neuron. `error["rate"]`.
    rates : dict of ndarray (n_times,)
        Of this, what leaves by each way out: "x low", "x high" by the names of the axes, "killing", ...
    supplied : ndarray (n_times,)
        The mass that has been put in by each time: 1 for the start, or 0 where the box was empty, and what the source gave.
    """

    rate: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rates: Mapping[str, np.ndarray] = field(default_factory=dict)
    supplied: np.ndarray = field(default_factory=lambda: np.ones(1))

    @property
    def moved_by_generator(self) -> bool:
        """Resets are part of the generator; a source is not, nor is what waits outside."""
        return self.generator is not None and self.generator.reset is not None and self.supplied[0] == self.supplied[-1]

    def in_units(self, unit: float) -> OpenSolution:
        """The same for `unit` times as much of everything."""
        if unit == 1.0:
            return self
        names = ("density", "mass", "rate", "atoms", *self.observed)
        stats = replace(
            self.stats,
            error_estimate=unit * self.stats.error_estimate,
            mass_error=unit * self.stats.mass_error,
        )
        return replace(
            self,
            density=unit * self.density,
            stats=stats,
            observed=_times(self.observed, unit),
            error=self.error.in_units(unit, names, lambda better: better.in_units(unit), PER_SUPPLY),
            atoms=_times(self.atoms, unit),
            rate=unit * self.rate,
            rates=_times(self.rates, unit),
            supplied=unit * self.supplied,
        )

    def __repr__(self) -> str:
        by = ", ".join(f"{part[-1]:.6g} by {name}" for name, part in self.rates.items()) or "nothing leaves"
        lines = [f"  rate       {self.rate[-1]:.6g} per time leave at the end ({by})"]
        if self.supplied[-1] != 1.0:
            lines.append(f"  supplied   {self.supplied[-1]:.6g} by the end")
        return "\n".join([super().__repr__(), *lines])


def _times(values: Mapping[Key, np.ndarray], unit: float) -> dict[Key, np.ndarray]:
    return {name: unit * value for name, value in values.items()}
