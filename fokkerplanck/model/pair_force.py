"""A force between pairs: each path feels every other by their displacement, the density its convolution with the force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import call, callable_with, fields, number
from ..errors import bad_type, bad_value
from .coefficients import Points

STEP, LEAST_STEP = 1e-5, 1e-8  # of a distance, and of the typical one: for the slope of a potential


@dataclass(frozen=True, eq=False)
class PairForce:
    """The drift strength * integral of force(x - y) p(y) dy besides, nonlinear in the density, in one dimension.

    Parameters
    ----------
    force : callable, optional
        F(z), vectorised: the force on what is at x = y + z by what is at y, per time. It attracts where F(z) z < 0.
    potential : callable, optional
        W(z) instead: the force -dW/dz. It attracts where W grows with the distance.
    strength : float
        A factor, 1 by default.

    Notes
    -----
    On a grid the force is averaged over both cells, from integrals of F or W that are taken once, adaptively: F may jump, be
    narrower than a cell, and be singular at 0 as far as its average over a cell is finite (W = log|z|). Through
    periodic walls acts the shorter displacement. Averages are over what is left in the box. Simulated paths
    feel (1/N) times the sum over the other paths of their swarm of N that still move: N^2 forces a step.

    Examples
    --------
    >>> near_ones = PairForce(lambda z: -z * (abs(z) < 1))  # bounded confidence (Hegselmann and Krause 2002)
    >>> gas = PairForce(potential=lambda z: -np.log(abs(z)), strength=0.1)
    """

    force: Callable[..., Any] | None = None
    potential: Callable[..., Any] | None = None
    strength: float = 1.0

    def __post_init__(self) -> None:
        if (self.force is None) == (self.potential is None):
            given = "neither" if self.force is None else "both"
            raise bad_value("force", "given, or `potential` instead of it", given)
        name, function = self.given
        if isinstance(function, (int, float)):
            raise bad_type(name, "a function of the displacement", function, "Such as lambda z: -z.")
        callable_with(name, function, 1)
        object.__setattr__(self, "strength", number("strength", self.strength, "a finite number", np.isfinite))

    @property
    def given(self) -> tuple[str, Callable[..., Any]]:
        """Name and function of the one that was given."""
        return ("potential", self.potential) if self.potential is not None else ("force", self.force)  # type: ignore[return-value]

    def at(self, z: np.ndarray) -> np.ndarray:
        """The force or the potential, as it was given, at displacements (n,): finite, without the strength."""
        name, function = self.given
        rule = f"one field of the displacement, of its shape {z.shape}"
        with np.errstate(under="ignore", over="ignore", divide="ignore", invalid="ignore"):
            values = fields(name, call(name, function, (z.copy(),)), rule).astype(float)
        if values.shape not in ((), z.shape):
            raise bad_value(name, rule, f"shape {values.shape}")
        values = np.broadcast_to(values, z.shape)
        wrong = ~np.isfinite(values)
        if wrong.any():
            at = float(z[wrong][0])
            then = "Soften it there, such as z / (z**2 + 0.01**2)." if at == 0.0 else ""
            raise bad_value(name, "finite at displacements that occur", f"{float(values[wrong][0])} at {at:g}", then)
        return values

    def between(self, z: np.ndarray) -> np.ndarray:
        """The force with its strength at displacements (n,); of a potential by central differences."""
        if self.potential is None:
            return self.strength * self.at(z)
        typical = float(np.sqrt(np.mean(z**2))) or 1.0
        h = np.maximum(STEP * np.abs(z), LEAST_STEP * typical)
        return -self.strength * (self.at(z + h) - self.at(z - h)) / (2.0 * h)

    def pull(self, points: Points, felt: Any) -> np.ndarray:
        """The drift (1, *points.shape): `felt` is known there already, or a function of the coordinate."""
        return np.asarray(felt(points.coords[0])[None] if callable(felt) else felt)

    def on_axis(self, axis: int, felt: Any) -> Callable[[Points], np.ndarray]:
        """The drift along an axis as a function of the points."""
        return lambda points: self.pull(points, felt)[axis]
