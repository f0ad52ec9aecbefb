"""The rates of a chain or a ring of cells at many times at once, for an equation in one dimension whose coefficients change.

To build a generator costs far more than its arithmetic. Where functions take arrays for t, the links of all times are fitted in
one pass; that this gives the rates of `generator` is checked at two times, and where it does not, as beside a wall at which D
vanishes, each time has its own generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...arguments import takes_time
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ..kernels.bernoulli import fit_links
from .axis_links import AxisLinks
from .generator import Generator
from .quadrature import derivative, gauss, primitive
from .scharfetter_gummel import generator

AGREEMENT = 1e-10  # relative


class ChainRates(NamedTuple):
    """Rates to the next cell, to the one before and out of the box, (n_times, n) each; on a ring both lead round."""

    up: np.ndarray
    down: np.ndarray
    kill: np.ndarray


class RatesInTime:
    """Callable: times (n_times,) -> ChainRates.

    Parameters
    ----------
    eq : FokkerPlanck
        Without jumps and interaction.
    grid : Grid
        One-dimensional.
    horizon : float
        The run that the times come from.
    """

    def __init__(self, eq: FokkerPlanck, grid: Grid, horizon: float):
        self.eq, self.grid = eq, grid
        self.ring = grid.periodic(0)
        self.span = AxisLinks.of(grid, 0)
        self.clock, self.places = _Clock(eq), _Places(self.span)
        names = {name for name, _ in eq.time_leaves}
        self.moving = set() if names.isdisjoint(("drift", "potential")) else {_drift_along}
        self.moving |= set() if names.isdisjoint(("diffusion", "noise")) else {_diffusion_along}
        self.still = {
            field: field(self.clock.at(np.zeros(1)), self.places, 1)
            for field in (_drift_along, _diffusion_along)
            if field not in self.moving
        }
        self.together = self._agrees(horizon * np.array([0.3127, 0.8411]))

    def __call__(self, times: np.ndarray) -> ChainRates:
        """The rates at each of the times."""
        return self._together(times) if self.together else self._one_by_one(times)

    def _agrees(self, times: np.ndarray) -> bool:
        right = self._one_by_one(times)
        try:
            found = self._together(times)
        except Exception:
            return False
        return all(
            bool((np.abs(a - b) <= AGREEMENT * np.maximum(np.abs(a), np.abs(b)) + 1e-100).all())
            for a, b in zip(found, right, strict=True)
        )

    def _one_by_one(self, times: np.ndarray) -> ChainRates:
        parts = [_rates_of(generator(self.eq, self.grid, float(t), fixed=True)) for t in times]
        return ChainRates(*(np.stack(part) for part in zip(*parts, strict=True)))

    def _together(self, times: np.ndarray) -> ChainRates:
        eq = self.clock.at(times)
        drift, everywhere = (
            field(eq, self.places, times.size) if field in self.moving else self.still[field]
            for field in (_drift_along, _diffusion_along)
        )
        diffusion, ends = everywhere[INNER], everywhere[OUTER]
        nodes, weights = gauss()
        shape = (times.size, self.span.length.size)
        rows = [np.ascontiguousarray(np.broadcast_to(a, (nodes.size, *shape))) for a in (drift, diffusion)]
        low, high, length = (np.ascontiguousarray(np.broadcast_to(a, shape)) for a in (*ends, self.span.length))
        forward, backward = np.empty(shape), np.empty(shape)
        along, spread = (a.reshape(nodes.size, -1) for a in rows)
        low, high, length = (a.reshape(-1) for a in (low, high, length))
        out, back = forward.reshape(-1), backward.reshape(-1)
        fit_links(along, spread, low, high, length, eq.alpha, nodes, weights, primitive(), out, back)
        return self._on_cells(forward, backward)

    def _on_cells(self, forward: np.ndarray, backward: np.ndarray) -> ChainRates:
        """Rates out of the cells from the velocities (n_times, links) both ways."""
        span, n, widths = self.span, self.grid.size, self.grid.widths[0]
        up, down, kill = (np.zeros((len(forward), n)) for _ in range(3))
        from_cell, to_cell = span.lower >= 0, span.upper < n
        inner = from_cell & to_cell
        up[:, span.lower[inner]] = forward[:, inner] / widths[span.lower[inner]]
        down[:, span.upper[inner]] = backward[:, inner] / widths[span.upper[inner]]
        if not from_cell[0]:
            kill[:, 0] += backward[:, 0] / widths[0]
        if not to_cell[-1]:
            kill[:, -1] += forward[:, -1] / widths[-1]
        return ChainRates(up, down, kill)


class _Places:
    """Points along the links of a 1D grid, to be read at many times: at the nodes of the quadrature and at both ends."""

    def __init__(self, span: AxisLinks):
        nodes = gauss()[0]
        self.fractions = np.concatenate([[0.0], nodes, [1.0]])
        self.points, self.length = span.points(self.fractions), span.length

    def read(self, count: int, chosen: slice) -> Points:
        """Some of the fractions, at so many times: fields have the shape (q, count, links)."""
        x = self.points.coords[0][chosen, None]
        shape = (x.shape[0], count, x.shape[2])

        def spread(values: np.ndarray) -> np.ndarray:
            return np.broadcast_to(self.points.from_cells(values)[chosen, None], shape)

        return Points((np.broadcast_to(x, shape),), spread)


ALL, INNER, OUTER = slice(None), slice(1, -1), slice(None, None, len(gauss()[0]) + 1)


def _drift_along(eq: FokkerPlanck, places: _Places, count: int) -> np.ndarray:
    """The drift with the potential's share, (q, count, links)."""
    drift = eq.drift_at(places.read(count, INNER))[0]
    if eq.potential is None:
        return drift
    v = eq.potential_at(places.read(count, ALL))
    return drift - np.einsum("ij,j...->i...", derivative(), v - v[:1]) / places.length


def _diffusion_along(eq: FokkerPlanck, places: _Places, count: int) -> np.ndarray:
    """D at the nodes and at both ends, (q + 2, count, links)."""
    return eq.diffusion_at(places.read(count, ALL))[0]


def _rates_of(q: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    up, down = np.zeros(q.grid.size), np.zeros(q.grid.size)
    for link in q.links:
        up[link.lower] = link.forward
        down[link.upper] = link.backward
    return up, down, q.escape


class _Clock:
    """An equation with its functions of time read at many times: fields of the shape (q, n_times, links)."""

    def __init__(self, eq: FokkerPlanck):
        self.times = np.zeros(1)
        parts = {name: self._stopped(getattr(eq, name)) for name in ("drift", "diffusion", "noise", "potential")}
        self.eq = replace(eq, **parts)

    def at(self, times: np.ndarray) -> FokkerPlanck:
        """The equation read at times (n_times,)."""
        self.times = times[:, None]
        return self.eq

    def _stopped(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._stopped(entry) for entry in value]
        if not callable(value) or not takes_time(value):
            return value
        function: Callable[..., Any] = value

        def read(*x: np.ndarray) -> Any:
            return _spread(function(*x, t=self.times), x[0].shape)

        return read


def _spread(result: Any, shape: tuple[int, ...]) -> Any:
    """An answer's fields as full as the places where they were asked for."""
    if isinstance(result, (list, tuple)):
        return [_spread(entry, shape) for entry in result]
    array = np.asarray(result)
    return np.broadcast_to(array, (*array.shape[: max(array.ndim - len(shape), 0)], *shape))
