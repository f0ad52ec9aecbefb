"""A force between pairs: each path feels every other by their displacement, the density its convolution with the force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import call, callable_with, fields, number
from ..errors import NotFiniteError, bad_type, bad_value
from .coefficients import Points, Shown
from .portable import Portable

STEP, LEAST_STEP = 1e-5, 1e-8  # of a distance, and of the typical one: for the slope of a potential


@dataclass(frozen=True, eq=False, repr=False)
class PairForce(Shown, Portable):
    """The drift strength * integral of force(x - y) p(y) dy besides, nonlinear in the density, in one and two dimensions.

    Parameters
    ----------
    force : callable, optional
        F(z), vectorised: the force on what is at x = y + z by what is at y, per time. It attracts where F(z) z < 0. In the
        plane F(z_x, z_y), with one field per axis.
    potential : callable, optional
        W(z), or W(z_x, z_y), instead: the force -grad W. It attracts where W grows with the distance.
    strength : float
        A factor, 1 by default.

    Notes
    -----
    On a grid the force is averaged over both cells, from integrals of F or W that are taken once, adaptively: F may jump, be
    narrower than a cell, and be singular at 0 as far as its average over a cell is finite (W = log|z|). In the plane cells have
    to be equal. Through periodic walls acts the shorter displacement. Averages are over what is left in the box. Simulated
    paths feel (1/N) times the sum over the other paths of their swarm of N that still move: N^2 forces a step.

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
        if isinstance(function, type) or not callable(function):
            raise bad_type(name, "a function of the displacement", function)
        object.__setattr__(self, "strength", number("strength", self.strength, "a finite number", np.isfinite))

    @property
    def given(self) -> tuple[str, Callable[..., Any]]:
        """Name and function of the one that was given."""
        return ("potential", self.potential) if self.potential is not None else ("force", self.force)  # type: ignore[return-value]

    def at(self, z: np.ndarray) -> np.ndarray:
        """As it was given and without the strength, at displacements (dim, n): the force (dim, n), or the potential (n,)."""
        (name, function), n = self.given, z.shape[1]
        callable_with(name, function, len(z))
        rule = f"one field of the shape of each displacement, ({n},)"
        with np.errstate(under="ignore", over="ignore", divide="ignore", invalid="ignore"):
            result = call(name, function, [x.copy() for x in z])
        if name == "force" and len(z) > 1:
            rule = f"{len(z)} fields, one an axis, each of the shape ({n},)"
            if not hasattr(result, "__len__") or len(result) != len(z):
                raise bad_value(name, rule, "one" if not hasattr(result, "__len__") else f"{len(result)}")
            rows = list(result)
        else:
            rows = [result]
        values = np.stack([self._field(row, z, rule) for row in rows])
        return values if name == "force" else values[0]

    def _field(self, row: Any, z: np.ndarray, rule: str) -> np.ndarray:
        """One field of a function's answer, finite, (n,)."""
        name, shape = self.given[0], z.shape[1:]
        values = fields(name, row, rule).astype(float)
        if values.shape not in ((), shape):
            raise bad_value(name, rule, f"shape {values.shape}")
        values = np.broadcast_to(values, shape)
        wrong = ~np.isfinite(values)
        if wrong.any():
            at = z[:, wrong][:, 0].tolist()
            then = "Soften it there, such as z / (z**2 + 0.01**2)." if not any(at) else ""
            where = f"{at[0]:g}" if len(at) == 1 else "(" + ", ".join(f"{x:g}" for x in at) + ")"
            error = bad_value(name, "finite at displacements that occur", f"{float(values[wrong][0])} at {where}", then)
            if not any(at) or np.isnan(values).any():
                raise error
            raise NotFiniteError(str(error), wrong)
        return values

    def between(self, z: np.ndarray) -> np.ndarray:
        """The force with its strength at displacements (dim, n); of a potential by central differences."""
        if self.potential is None:
            return self.strength * self.at(z)
        distance = np.sqrt((z**2).sum(axis=0))
        typical = float(np.sqrt(np.mean(distance**2))) or 1.0
        h = np.maximum(STEP * distance, LEAST_STEP * typical)
        steps = np.eye(len(z))[..., None] * h
        return np.stack([-self.strength * (self.at(z + step) - self.at(z - step)) / (2.0 * h) for step in steps])

    def pull(self, points: Points, felt: Any) -> np.ndarray:
        """The drift (dim, *points.shape): `felt` is known there already, or a function of points and the axis."""
        if not callable(felt):
            return np.asarray(felt)
        return np.stack([felt(points, axis) for axis in range(len(points.coords))])

    def on_axis(self, axis: int, felt: Any) -> Callable[[Points], np.ndarray]:
        """The drift along an axis as a function of the points."""
        return lambda points: np.asarray(felt(points, axis))
